//! What a merge overrides, as text and as JSON.

use crate::clock::Stamp;
use crate::collection::{Collection, CollectionError};
use crate::data::range;
use crate::history::changelog::Log;
use crate::history::merge::overrides::{Aspect, Overrides, overrides};
use crate::history::merge::step;
use crate::history::revision::ChangeList;
use serde::Serialize;
use std::collections::HashMap;

/// Revisions looked at to tell what a merge in the log overrode: beyond, it is not told.
const MOST_STEPS: usize = 64;

/// Overridden changes of a merge that the log lists.
const LISTED: usize = 10;

/// A change that a merge overrides; the order of the fields is the order of the output.
#[derive(Debug, Serialize)]
pub(crate) struct Overridden {
    series: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    revision: String,
    author: String,
    by: String,
    by_author: String,
    #[serde(skip)]
    short: (String, String),
}

impl Overridden {
    /// The series and its rows or its label.
    fn what(&self) -> String {
        match (&self.range, &self.label) {
            (Some(range), _) => format!("{} {range}", self.series),
            (None, Some(label)) => format!("{} label {label:?}", self.series),
            (None, None) => self.series.clone(),
        }
    }

    /// One line.
    pub(crate) fn line(&self) -> String {
        let (lost, by) = (&self.short.0, &self.short.1);
        format!("{}: {lost} {} is overridden by {by} {}", self.what(), self.author, self.by_author)
    }

    /// What a log says of it.
    pub(crate) fn past(&self) -> String {
        format!("{}: {} {} by {} {}", self.what(), self.short.0, self.author, self.short.1, self.by_author)
    }
}

/// What was found, with the authors of both revisions.
pub(crate) fn named(
    collection: &Collection,
    log: &Log,
    found: &Overrides,
) -> Result<Vec<Overridden>, CollectionError> {
    let mut authors: HashMap<Stamp, String> = HashMap::new();
    let Some(any) = found.listed.first() else { return Ok(Vec::new()) };
    let schema = collection.changelog().read(log, any.by)?.state.schema.clone();
    let mut author = |stamp: Stamp| -> Result<String, CollectionError> {
        if let Some(author) = authors.get(&stamp) {
            return Ok(author.clone());
        }
        let author = collection.changelog().read(log, stamp)?.note.author.clone();
        let author = if author.is_empty() { "-".to_owned() } else { author };
        authors.insert(stamp, author.clone());
        Ok(author)
    };
    let one = |one: &crate::history::merge::overrides::Override| {
        Ok(Overridden {
            series: one.label.clone(),
            range: one.what.interval().map(|interval| range::show(&schema, &interval)),
            label: if let Aspect::Label(label) = &one.what { Some(label.clone()) } else { None },
            revision: one.lost.to_string(),
            author: author(one.lost)?,
            by: one.by.to_string(),
            by_author: author(one.by)?,
            short: (one.lost.digest.short(), one.by.digest.short()),
        })
    };
    found.listed.iter().map(one).collect()
}

/// What a merge overrode: some of it, and how much more.
#[derive(Debug, Default)]
pub(crate) struct Overrode {
    pub(crate) listed: Vec<Overridden>,
    pub(crate) more: usize,
}

/// What a revision overrode, if it is a merge; nothing where that takes long to tell, or cannot be told any more.
pub(crate) fn of_merge(collection: &Collection, parents: &[Stamp], changes: &ChangeList) -> Overrode {
    let merges = parents.len() > 1 && changes.series.is_empty() && changes.altered.is_none();
    let changelog = collection.changelog();
    let Some(log) = merges.then(|| changelog.log().ok()).flatten() else { return Overrode::default() };
    let mut left = MOST_STEPS;
    let found = overrides(parents, LISTED, &mut |stamp| {
        left = left.saturating_sub(1);
        if left == 0 { Ok(None) } else { step(changelog, &log, stamp) }
    });
    // What cannot be read any more is not told of a merge: the log itself tells what is damaged.
    let found = found.unwrap_or_default();
    Overrode { listed: named(collection, &log, &found).unwrap_or_default(), more: found.more }
}
