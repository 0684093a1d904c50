//! Finds the revision or the state that a name means: one resolver for the command line and the mount.
//!
//! What a name can mean is told by [`When`] alone; here it meets the revisions there are. A name that fits several is
//! an error that lists them, never a guess.

use super::timeline::{Timeline, nth_last};
use super::when::When;
use super::{At, Collection, CollectionError};
use crate::clock::Stamp;
use crate::data::label::closest;
use crate::history::changelog::Log;
use crate::history::entry::SeriesId;

/// How many candidates an error lists.
const LISTED: usize = 5;

impl Collection {
    /// The revision that a text names: an id in full, the first digits of its digest (at least four, `@` before them
    /// where they read as a time), a time (the end of that unit: `2020-09-21`, `2020-09-21T14:03`), `~n` (so many
    /// revisions before the newest), a tag, `latest`.
    ///
    /// Fails where several heads make the state that is meant: that is no revision. See [`Collection::at`].
    pub fn resolve(&self, text: &str) -> Result<Stamp, CollectionError> {
        let log = self.changelog.log()?;
        let at = self.at_when(&log, &self.when(text)?, |n| Ok(back(&log, n)))?;
        match self.heads(&log, at)?.as_slice() {
            [one] => Ok(*one),
            several => Err(ambiguous(text, several)),
        }
    }

    /// The state that a text names, as [`Collection::resolve`] reads it; where several heads make it, their merge.
    /// `~n` counts the revisions of `series`, where one is given: those that the mount lists for it.
    pub fn at(&self, text: &str, series: Option<SeriesId>) -> Result<At, CollectionError> {
        let log = self.changelog.log()?;
        self.at_when(&log, &self.when(text)?, |n| match series {
            Some(id) => self.back_in(&log, id, n),
            None => Ok(back(&log, n)),
        })
    }

    /// What a name means, once it is told apart. `back` finds the revision so many before the newest.
    pub fn at_when(
        &self,
        log: &Log,
        when: &When,
        back: impl FnOnce(u64) -> Result<Option<Stamp>, CollectionError>,
    ) -> Result<At, CollectionError> {
        Ok(match when {
            When::Latest => At::Newest,
            When::Back(0) if log.heads().len() > 1 => At::Newest,
            When::Back(n) => {
                let none = || CollectionError::NoRevision(format!("~{n}"), self.label.clone());
                At::Revision(back(*n)?.ok_or_else(none)?)
            }
            When::Time(start, _) if *start > self.context.clock.now() => {
                return Err(CollectionError::Future(*start));
            }
            When::Time(_, end) if log.stamps().next_back().is_none_or(|newest| newest.time < *end) => {
                At::Newest
            }
            When::Time(_, end) => At::Before(*end),
            When::Revision(text) => At::Revision(self.by_digits(log, text)?),
            When::Tag(name) => At::Revision(self.tagged(log, name)?),
        })
    }

    fn when(&self, text: &str) -> Result<When, CollectionError> {
        When::parse(text).ok_or_else(|| CollectionError::NoRevision(text.to_owned(), self.label.clone()))
    }

    /// The revision of an id, or of the first digits of its digest.
    fn by_digits(&self, log: &Log, text: &str) -> Result<Stamp, CollectionError> {
        // With its time in front, that has to be right too: colons may stand for its dashes.
        let (time, digits) = text.rsplit_once("Z-").unwrap_or(("", text));
        let digits = digits.strip_prefix('@').unwrap_or(digits).to_ascii_lowercase();
        let time = time.replace(':', "-");
        let named = |stamp: &Stamp| {
            stamp.digest.to_string().starts_with(&digits) && stamp.to_string().starts_with(&time)
        };
        let found: Vec<Stamp> = log.stamps().filter(named).collect();
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(CollectionError::NoRevision(text.to_owned(), self.label.clone())),
            several => Err(ambiguous(text, several)),
        }
    }

    /// The revision that has a tag.
    fn tagged(&self, log: &Log, name: &str) -> Result<Stamp, CollectionError> {
        let tags = self.tags()?;
        match tags.iter().find(|(tag, _)| tag == name) {
            Some((_, stamp)) if log.contains(*stamp) => Ok(*stamp),
            Some((_, stamp)) => Err(CollectionError::TagLost { name: name.to_owned(), stamp: *stamp }),
            None => Err(CollectionError::NoTag {
                name: name.to_owned(),
                collection: self.label.clone(),
                closest: closest(name, tags.iter().map(|(tag, _)| tag.as_str())).map(str::to_owned),
            }),
        }
    }

    /// The revision so many before the newest of a series.
    fn back_in(&self, log: &Log, series: SeriesId, n: u64) -> Result<Option<Stamp>, CollectionError> {
        let mut timeline = Timeline::default();
        timeline.update(&self.changelog, log)?;
        let heads = self.changelog.heads(log)?;
        let merge = heads.len() > 1 && timeline.parted(&heads).contains(&series);
        let pending = if merge { Some(self.moment(log, At::Newest)?.stamp) } else { None };
        Ok(nth_last(&timeline.alive(series, pending), n))
    }
}

/// The revision so many before the newest.
fn back(log: &Log, n: u64) -> Option<Stamp> {
    log.stamps().rev().nth(usize::try_from(n).ok()?)
}

fn ambiguous(text: &str, several: &[Stamp]) -> CollectionError {
    let mut candidates: Vec<String> = several.iter().take(LISTED).map(ToString::to_string).collect();
    if let Some(more @ 1..) = several.len().checked_sub(LISTED) {
        candidates.push(format!("one of {more} more"));
    }
    CollectionError::Ambiguous { label: text.to_owned(), candidates }
}
