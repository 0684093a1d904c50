//! Taking back what one revision did.
//!
//! Only where nothing later touched it: each index value that the revision changed must still have the rows that the
//! revision gave it. All or nothing: what cannot be taken back is named, with the revisions that stand in the way.

use super::{Batch, Collection, CollectionError, Filter, OneSeries, Past};
use crate::clock::Stamp;
use crate::data::range;
use crate::history::entry::{Entry, SeriesId};
use crate::history::outline::Outline;
use crate::history::revision::{Revision, SeriesChange};
use crate::history::state::State;
use crate::interval::Interval;
use crate::series::compare::{Side, changes_among};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Later revisions named for one series that cannot be taken back.
const NAMED: usize = 3;

/// Ranges named for one series that cannot be taken back.
const RANGES: usize = 3;

/// A revision to be taken back, and what it followed.
struct Target {
    stamp: Stamp,
    after: Arc<Revision>,
    parent: Stamp,
    before: Arc<Revision>,
}

impl Collection {
    /// Takes back what a revision did, as a new revision; gives what that is, or nothing where nothing is left to be
    /// taken back.
    ///
    /// Fails with [`CollectionError::Touched`] where later revisions changed the same rows.
    pub fn undo(&self, stamp: Stamp, message: &str) -> Result<Option<Stamp>, CollectionError> {
        let log = self.changelog.log()?;
        let after = self.changelog.read(&log, stamp)?;
        let list = after.change_list()?;
        let refuse = |why| Err(CollectionError::NotUndoable(stamp, why));
        let parent = match after.parents.as_slice() {
            [] => return refuse("it made the collection; delete that instead"),
            [parent] => *parent,
            _ if list.is_empty() => return refuse("it is a merge: undo the revisions that it joined"),
            _ => return refuse("it has several parents: restore what you want back"),
        };
        if list.schema {
            return refuse("it changed the columns: alter them back");
        }
        if list.is_empty() {
            return refuse("it changed no rows, only how they are stored");
        }
        let before = self.changelog.read(&log, parent)?;
        let target = Target { stamp, after, parent, before };
        let mut batch = self.batch(message)?;
        let mut touched = Vec::new();
        for change in &list.series {
            touched.extend(target.take_back(&mut batch, self, change)?);
        }
        if touched.is_empty() { batch.commit() } else { Err(CollectionError::Touched(stamp, touched)) }
    }

    /// The later revisions that changed some rows of a series, newest first.
    fn later(&self, id: SeriesId, than: Stamp, rows: &[Interval]) -> Result<String, CollectionError> {
        let mut found = Vec::new();
        let touches = |change: &SeriesChange| {
            let rows_changed =
                || change.intervals.iter().any(|interval| rows.iter().any(|one| one.overlaps(&interval)));
            change.id == id && (rows.is_empty() || change.dropped || rows_changed())
        };
        let filter = Filter { series: Some(OneSeries::Id(id)), since: Some(than.time), ..Filter::default() };
        let show = |stamp: Stamp, outline: Outline| {
            (stamp > than && outline.changes.series.iter().any(touches)).then(|| stamp.to_string())
        };
        self.past(&filter, &show, |stamp| {
            found.extend(stamp);
            if found.len() == NAMED { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(if found.is_empty() { "a concurrent revision".to_owned() } else { found.join(", ") })
    }
}

impl Target {
    /// Takes back what was done to one series; gives why it cannot be, where it cannot.
    fn take_back(
        &self,
        batch: &mut Batch<'_>,
        collection: &Collection,
        change: &SeriesChange,
    ) -> Result<Option<String>, CollectionError> {
        let find = |state: &State| state.entry_of(change.id, &change.label);
        let (then, now) = (find(&self.after.state)?, find(batch.base())?);
        let parent = [self.parent];
        let old = find(&self.before.state)?;
        let past = Past { state: &self.before.state, entry: old.as_ref(), held_by: &parent };
        let label = &change.label;
        let blocked_at = |what: &str, rows: &[Interval]| -> Result<Option<String>, CollectionError> {
            Ok(Some(format!("{label} {what} by {}", collection.later(change.id, self.stamp, rows)?)))
        };
        let blocked = |what: &str| blocked_at(what, &[]);
        let intervals: Vec<Interval> = match change.created || change.dropped {
            true => vec![Interval::ALL],
            false => change.intervals.iter().collect(),
        };
        let (Some(then), Some(now)) = (then, now.as_ref()) else {
            return match (change.dropped, now) {
                (true, Some(_)) => blocked("was created again"),
                (true, None) => match past.entry {
                    Some(old) => match batch.restore(&old.label, past, &intervals) {
                        Err(CollectionError::Exists(_)) => blocked("cannot come back, its label was taken"),
                        done => done.map(|_done| None),
                    },
                    None => Ok(None),
                },
                (false, None) if change.created => Ok(None),
                (false, _) => blocked("was deleted"),
            };
        };
        if now.label != then.label {
            return blocked(&format!("was renamed to {}", now.label));
        }
        let base = batch.base();
        let side = |state: &'_ State, entry: &'_ Entry| differing((base, now), (state, entry), &intervals);
        let changed = side(&self.after.state, &then)?;
        let is_back = match &old {
            Some(old) if change.renamed_from.is_none() => side(&self.before.state, old)?.is_empty(),
            _ => false,
        };
        if is_back {
            return Ok(None);
        }
        if !changed.is_empty() {
            return blocked_at(&format!("was changed later at {}", shown(base, &changed)), &changed);
        }
        if change.created && old.is_none() {
            batch.drop_series(label)?;
            return Ok(None);
        }
        batch.restore(label, past, &intervals)?;
        if let Some(from) = &change.renamed_from {
            match batch.rename(label, from) {
                Err(CollectionError::Exists(_)) => {
                    return blocked(&format!("cannot be {from} again, which exists"));
                }
                done => done?,
            }
        }
        Ok(None)
    }
}

/// Where the rows of a series differ between two states.
fn differing(
    (base, now): (&State, &Entry),
    (state, then): (&State, &Entry),
    intervals: &[Interval],
) -> Result<Vec<Interval>, CollectionError> {
    let here = Side { view: &base.view, schema: &base.schema, segments: &now.segments };
    let there = Side { view: &state.view, schema: &state.schema, segments: &then.segments };
    Ok(changes_among(&there, &here, intervals)?.finish().iter().collect())
}

fn shown(base: &State, intervals: &[Interval]) -> String {
    let ranges = intervals.iter().take(RANGES).map(|interval| range::show(&base.schema, interval));
    let mut shown: Vec<String> = ranges.collect();
    if intervals.len() > RANGES {
        shown.push(format!("{} more", intervals.len() - RANGES));
    }
    shown.join(", ")
}
