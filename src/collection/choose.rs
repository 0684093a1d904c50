//! The choice of one among heads that cannot be merged: what they would have to be merged by was trimmed, or their
//! columns have no common origin.
//!
//! The revision takes the state of one head whole and follows all of them. Its change list covers whatever any of them
//! has otherwise, and it is later than all: so in every merge to come it is this state that the others' changes of
//! before give way to.

use super::{Batch, Collection, CollectionError};
use crate::clock::Stamp;
use crate::data::alter::Alteration;
use crate::history::altered::Altered;
use crate::history::entry::{Entry, Segments, SeriesId};
use crate::history::revision::{ChangeList, SeriesChange};
use crate::history::state::State;
use crate::interval::{Interval, IntervalMap, Intervals};
use crate::series::compare::{Side, changes};
use std::collections::{BTreeMap, HashMap};

impl Collection {
    /// Makes the state of `head`, one of several, the newest, in spite of the others: durable on return. Gives the
    /// revision. What the others have stays readable at their revisions.
    pub fn choose(&self, head: Stamp, message: &str) -> Result<Stamp, CollectionError> {
        let log = self.changelog.log()?;
        let mut others = self.changelog.heads(&log)?;
        if !others.contains(&head) {
            return Err(CollectionError::NoRevision(
                head.to_string(),
                format!("the heads of {}", self.label),
            ));
        }
        others.retain(|other| *other != head);
        let chosen = self.changelog.read(&log, head)?.state.clone();
        let mut list = Differences::default();
        let mut same = true;
        for other in &others {
            let other = &self.changelog.read(&log, *other)?.state;
            same &= other.schema == chosen.schema;
            list.add(other, &chosen)?;
        }
        let series = list.finish();
        // Without it, a choice that changes nothing would pass for a merge.
        let set = !same || series.is_empty();
        let columns = (*chosen.schema).clone();
        let altered = set.then(|| Altered { before: columns.clone(), steps: vec![Alteration::Set(columns)] });
        let changes = ChangeList { schema: set, altered: altered.map(Box::new), series };
        Batch::on(self, message, Some(head), chosen).choose(others, &changes)
    }
}

/// What the chosen state has otherwise than other ones.
#[derive(Default)]
struct Differences {
    changes: BTreeMap<SeriesId, (SeriesChange, IntervalMap<()>)>,
}

impl Differences {
    /// Adds what differs from one other state.
    fn add(&mut self, other: &State, chosen: &State) -> Result<(), CollectionError> {
        let by_id = |entry: Entry| (entry.id, entry);
        let mut before: HashMap<SeriesId, Entry> = other.entries()?.into_iter().map(by_id).collect();
        for entry in chosen.entries()? {
            let old = before.remove(&entry.id);
            self.series((other, old.as_ref()), (chosen, &entry))?;
        }
        for (id, entry) in before {
            let rows_before = entry.segments.sums().rows;
            let none = || SeriesChange { dropped: true, rows_before, ..SeriesChange::none(id, &entry.label) };
            self.changes.entry(id).or_insert_with(|| (none(), IntervalMap::new()));
        }
        Ok(())
    }

    fn series(
        &mut self,
        (other, old): (&State, Option<&Entry>),
        (chosen, new): (&State, &Entry),
    ) -> Result<(), CollectionError> {
        let segments = old.map_or(Segments::none(), |old| &old.segments);
        let recolumned = other.schema != chosen.schema;
        let relabelled = old.is_some_and(|old| old.label != new.label);
        if old.is_some() && !relabelled && !recolumned && *segments == new.segments {
            return Ok(());
        }
        let (keys, intervals) = if recolumned {
            (new.segments.sums().rows, [Interval::ALL].into_iter().collect())
        } else {
            let (before, after) = (Side::of(other, segments), Side::of(chosen, &new.segments));
            let changes = changes(&before, &after, &Interval::ALL)?;
            (changes.keys(), changes.finish())
        };
        if old.is_some() && !relabelled && intervals.is_empty() {
            return Ok(());
        }
        let rows = (segments.sums().rows, new.segments.sums().rows);
        let none = || SeriesChange {
            rows_before: rows.0,
            rows_after: rows.1,
            ..SeriesChange::none(new.id, &new.label)
        };
        let (change, map) = self.changes.entry(new.id).or_insert_with(|| (none(), IntervalMap::new()));
        change.created |= old.is_none();
        if relabelled {
            change.renamed_from = old.map(|old| old.label.clone());
        }
        change.keys = change.keys.max(keys);
        intervals.iter().for_each(|interval: Interval| map.assign(&interval, ()));
        Ok(())
    }

    /// The changes, by label.
    fn finish(self) -> Vec<SeriesChange> {
        let done = |(change, map): (SeriesChange, IntervalMap<()>)| {
            let intervals: Intervals = map.pieces().into_iter().map(|(interval, ())| interval).collect();
            SeriesChange { intervals, ..change }
        };
        let mut series: Vec<SeriesChange> = self.changes.into_values().map(done).collect();
        series.sort_by(|a, b| (&a.label, a.id).cmp(&(&b.label, b.id)));
        series
    }
}
