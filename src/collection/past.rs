//! The revisions of a collection that somebody asks for, in order: what a log shows.
//!
//! Filters are applied where revisions are read, on all cores, so that what is not wanted is dropped before the next
//! is read. Few are in memory at once, fewer where each changed many series; a visitor that breaks ends the reading.

use super::{At, Collection, CollectionError};
use crate::clock::Stamp;
use crate::history::entry::SeriesId;
use crate::history::outline::Outline;
use crate::history::pick::Pick;
use std::ops::{ControlFlow, Range};

/// Revisions read at once: at first, for who wants only a few, and at most.
const AT_ONCE: Range<usize> = 32..1024;

/// At most, where of each no more than the change of one series is kept: the cores wait less often for each other.
const AT_ONCE_OF_ONE: usize = 4096;

/// Changes of series in memory at once, about: where a reading gave more, the next one is smaller.
const MANY_CHANGES: usize = 50_000;

/// A series whatever its label becomes; or, where there is none (any more), what had the label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OneSeries {
    /// By its id.
    Id(SeriesId),
    /// By the label it had.
    Label(String),
}

impl OneSeries {
    /// Whether a change is one of it.
    #[must_use]
    pub fn is(&self, id: SeriesId, label: &str, renamed_from: Option<&str>) -> bool {
        match self {
            OneSeries::Id(one) => id == *one,
            OneSeries::Label(one) => label == one || renamed_from == Some(one),
        }
    }
}

/// Which revisions are wanted: those that fit all that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those that changed this series; of their changes, only those.
    pub series: Option<OneSeries>,
    /// Not earlier, in milliseconds since 1970-01-01 UTC.
    pub since: Option<u64>,
    /// Earlier than that, in the same unit.
    pub before: Option<u64>,
    /// This is a part of the author's name, whatever the case.
    pub author: Option<String>,
    /// This is a part of the message, whatever the case.
    pub message: Option<String>,
    /// Oldest first.
    pub reverse: bool,
}

impl Filter {
    fn spans(&self, stamp: Stamp) -> bool {
        self.since.is_none_or(|since| stamp.time >= since)
            && self.before.is_none_or(|before| stamp.time < before)
    }
}

impl Pick for Filter {
    fn note(&self, author: &str, message: &str) -> bool {
        let part = |wanted: &Option<String>, text: &str| {
            wanted.as_ref().is_none_or(|wanted| text.to_lowercase().contains(&wanted.to_lowercase()))
        };
        part(&self.author, author) && part(&self.message, message)
    }

    fn series(&self, id: SeriesId, label: &str, renamed_from: Option<&str>) -> bool {
        self.series.as_ref().is_none_or(|series| series.is(id, label, renamed_from))
    }

    fn only_series(&self) -> bool {
        self.series.is_some()
    }
}

impl Collection {
    /// The series of a label or of the first letters of one; where none has it now, what had it.
    pub fn one_series(&self, label: &str) -> Result<OneSeries, CollectionError> {
        let newest = match self.state(At::Newest) {
            // Also what cannot be merged has a past.
            Err(e) if e.is_unmergeable() => None,
            state => Some(state?),
        };
        match newest.map(|state| self.find(&state, label)) {
            Some(Ok(entry)) => Ok(OneSeries::Id(entry.id)),
            Some(Err(CollectionError::NoSeries { .. })) | None => Ok(OneSeries::Label(label.to_owned())),
            Some(Err(e)) => Err(e),
        }
    }

    /// The revisions that `filter` takes and what they say of themselves, newest first unless it says otherwise. All are in memory
    /// at once: [`Collection::past`] shows one after the other.
    pub fn revisions(&self, filter: &Filter) -> Result<Vec<(Stamp, Outline)>, CollectionError> {
        let mut found = Vec::new();
        self.past(filter, &|stamp, outline| (stamp, outline), |one| {
            found.push(one);
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Calls `visit` with what `show` makes of the revisions that `filter` takes, newest first unless it says otherwise,
    /// until it breaks. `show` is called on all cores, also for some revisions that `visit` never comes to.
    pub fn past<T: Send>(
        &self,
        filter: &Filter,
        show: &(dyn Fn(Stamp, Outline) -> T + Sync),
        mut visit: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), CollectionError> {
        let log = self.changelog.log()?;
        let mut stamps: Vec<Stamp> = log.stamps().filter(|stamp| filter.spans(*stamp)).collect();
        if !filter.reverse {
            stamps.reverse();
        }
        let most = if filter.series.is_some() { AT_ONCE_OF_ONE } else { AT_ONCE.end };
        let (mut rest, mut size) = (stamps.as_slice(), AT_ONCE.start);
        while !rest.is_empty() {
            let (some, others) = rest.split_at(size.min(rest.len()));
            let each = |stamp: Stamp, outline: Outline| (outline.changes.series.len(), show(stamp, outline));
            let read = self.changelog.outlines(&log, some, filter, &each);
            let mut changes = 0;
            for shown in read {
                let Some((of_one, shown)) = shown? else { continue };
                changes += of_one;
                if visit(shown).is_break() {
                    return Ok(());
                }
            }
            size = if changes > MANY_CHANGES { size.div_ceil(2) } else { (size * 2).min(most) };
            rest = others;
        }
        Ok(())
    }
}
