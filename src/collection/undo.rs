//! Taking back what one revision did.
//!
//! Only where nothing later touched it: each index value that the revision changed must still have the rows that the
//! revision gave it. All or nothing: what cannot be taken back is named, with the revisions that stand in the way.

use super::{Batch, Collection, CollectionError, Filter, OneSeries, Past};
use crate::clock::Stamp;
use crate::data::alter::Mapping;
use crate::data::delta::Row;
use crate::data::diff::same_cell;
use crate::data::range;
use crate::data::schema::Column;
use crate::history::entry::{Entry, SeriesId};
use crate::history::outline::Outline;
use crate::history::revision::{Revision, SeriesChange};
use crate::history::state::State;
use crate::interval::{Interval, IntervalMap};
use crate::series::compare::{Side, changes_among, compare};
use arrow_array::Array;
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
        Ok(self.undo_telling(stamp, message)?.0)
    }

    /// As [`Collection::undo`]; gives also the columns that rows which came back had values in, and that are there no more.
    pub fn undo_telling(
        &self,
        stamp: Stamp,
        message: &str,
    ) -> Result<(Option<Stamp>, Vec<Column>), CollectionError> {
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
        let (mut touched, mut moves, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for change in &list.series {
            match target.take_back(&mut batch, self, change)? {
                Back::Done => {}
                Back::Blocked(why) => touched.push(why),
                Back::Moves(from, to) => moves.push((from, to)),
                Back::Gone => gone.push(change),
            }
        }
        // Labels are free only when what was created is dropped, and taken only when what was renamed has moved on.
        touched.extend(target.move_back(&mut batch, self, moves)?);
        for change in gone {
            touched.extend(target.revive(&mut batch, self, change)?);
        }
        if !touched.is_empty() {
            return Err(CollectionError::Touched(stamp, touched));
        }
        let lost = batch.lost().to_vec();
        Ok((batch.commit()?, lost))
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

/// What is left to do after a series has its rows back.
enum Back {
    /// Nothing.
    Done,
    /// It cannot be taken back, and why.
    Blocked(String),
    /// It is to get back the label it had: from, to.
    Moves(String, String),
    /// It was dropped, and is to come back.
    Gone,
}

impl Target {
    /// Takes back what was done to the rows of one series, and drops it where it was created.
    fn take_back(
        &self,
        batch: &mut Batch<'_>,
        collection: &Collection,
        change: &SeriesChange,
    ) -> Result<Back, CollectionError> {
        let find = |state: &State| state.entry_of(change.id, &change.label);
        let (then, now) = (find(&self.after.state)?, find(batch.base())?);
        let parent = [self.parent];
        let old = find(&self.before.state)?;
        let past = Past { state: &self.before.state, entry: old.as_ref(), held_by: &parent };
        let label = &change.label;
        let blocked_at = |what: &str, rows: &[Interval]| {
            Ok(Back::Blocked(self.blocked(collection, change.id, (label, what), rows)?))
        };
        let blocked = |what: &str| blocked_at(what, &[]);
        let intervals: Vec<Interval> = match change.created || change.dropped {
            true => vec![Interval::ALL],
            false => change.intervals.iter().collect(),
        };
        let (Some(then), Some(now)) = (then, now.as_ref()) else {
            return match (change.dropped, now) {
                (true, Some(_)) => blocked("was created again"),
                (true, None) => Ok(Back::Gone),
                (false, None) if change.created => Ok(Back::Done),
                (false, _) => blocked("was deleted"),
            };
        };
        if now.label != then.label {
            return blocked(&format!("was renamed to {}", now.label));
        }
        if let Some(old) = old.as_ref().filter(|_| change.renamed_from.is_none()) {
            let mapping = batch.mapping_from(&self.before.state, &parent)?;
            if differing((batch.base(), now), (&self.before.state, old), mapping, &intervals)?.is_empty() {
                return Ok(Back::Done);
            }
        }
        let sides = (now, &then, old.as_ref());
        let mapping = batch.mapping_from(&self.after.state, &[self.stamp])?;
        let (mut changed, mut own) = self.changed_since(batch, sides, mapping, &intervals)?;
        if let (false, Some(mapping)) = (own.is_empty(), batch.other_columns_since(self.stamp)) {
            (changed, own) = self.changed_since(batch, sides, Some(mapping), &intervals)?;
        }
        if !own.is_empty() {
            return blocked_at(&format!("was changed later at {}", shown(batch.base(), &own)), &own);
        }
        let intervals = without(&intervals, &changed);
        if change.created && old.is_none() {
            batch.drop_series(label)?;
            return Ok(Back::Done);
        }
        let known = batch.lost.len();
        batch.restore(label, past, &intervals)?;
        let noted = batch.lost.split_off(known);
        if let Some(old) = old.as_ref().filter(|_| !noted.is_empty()) {
            batch.lost.extend(self.changed_of(noted, old, &then)?);
        }
        Ok(match &change.renamed_from {
            Some(from) => Back::Moves(label.clone(), from.clone()),
            None => Back::Done,
        })
    }

    /// Where rows are others now than the revision made them, and which of these the revision itself had changed.
    fn changed_since(
        &self,
        batch: &Batch<'_>,
        (now, then, old): (&Entry, &Entry, Option<&Entry>),
        mapping: Option<Mapping>,
        intervals: &[Interval],
    ) -> Result<(Vec<Interval>, Vec<Interval>), CollectionError> {
        let (before, after) = (&self.before.state, &self.after.state);
        let changed = differing((batch.base(), now), (after, then), mapping, intervals)?;
        // A coarse list covers rows that stayed as they were: what came of those later stands in no way, and stays.
        let own = match old {
            Some(old) => differing((after, then), (before, old), None, &changed)?,
            None => changed.clone(),
        };
        Ok((changed, own))
    }

    /// Those of some columns whose values the revision changed or removed.
    fn changed_of(
        &self,
        columns: Vec<Column>,
        old: &Entry,
        then: &Entry,
    ) -> Result<Vec<Column>, CollectionError> {
        let (mut rest, mut changed) = (columns, Vec::new());
        let (before, after) = (&self.before.state, &self.after.state);
        let sides = (Side::of(before, &old.segments), Side::of(after, &then.segments));
        let mut comparison = compare(&sides.0, &sides.1, &Interval::ALL)?;
        let schema = Arc::clone(comparison.joint());
        while let (false, Some(delta)) = (rest.is_empty(), comparison.next()) {
            let delta = delta?;
            rest.retain(|column| {
                let Some(at) = schema.position(&column.name) else { return false };
                let (old, new) = (delta.old.column(at), delta.new.column(at));
                let differs = |row: &Row| match (row.old, row.new) {
                    (Some(i), Some(j)) => !same_cell(column.ty, old, i, new, j),
                    (Some(i), None) => old.is_valid(i),
                    (None, _) => false,
                };
                let found = delta.rows.iter().any(differs);
                changed.extend(found.then(|| column.clone()));
                !found
            });
        }
        Ok(changed)
    }

    /// Gives series the labels they had; those that cannot have them are named.
    fn move_back(
        &self,
        batch: &mut Batch<'_>,
        collection: &Collection,
        moves: Vec<(String, String)>,
    ) -> Result<Vec<String>, CollectionError> {
        let mut blocked = Vec::new();
        for (label, from) in &moves {
            batch.settle_if_edited(from)?;
            if moves.iter().any(|(moving, _)| moving == from) {
                continue;
            }
            if let Some(there) = batch.base().entry(from)? {
                let what = format!("cannot be {from} again, which exists: that was changed");
                blocked.push(self.blocked(collection, there.id, (label, &what), &[])?);
            }
        }
        if blocked.is_empty() {
            batch.move_all(moves)?;
        }
        Ok(blocked)
    }

    /// Brings back a series that was dropped; gives why it cannot be, where it cannot.
    fn revive(
        &self,
        batch: &mut Batch<'_>,
        collection: &Collection,
        change: &SeriesChange,
    ) -> Result<Option<String>, CollectionError> {
        let Some(old) = self.before.state.entry_of(change.id, &change.label)? else { return Ok(None) };
        let past = Past { state: &self.before.state, entry: Some(&old), held_by: &[self.parent] };
        match batch.restore(&old.label, past, &[Interval::ALL]) {
            Err(CollectionError::Exists(_)) => {
                let what = "cannot come back, its label was taken";
                Ok(Some(self.blocked(collection, change.id, (&change.label, what), &[])?))
            }
            done => Ok(done.map(|_done| None)?),
        }
    }

    /// Why a series cannot be taken back, and the later revisions that changed these rows of it; none: anything.
    fn blocked(
        &self,
        collection: &Collection,
        id: SeriesId,
        (label, what): (&str, &str),
        rows: &[Interval],
    ) -> Result<String, CollectionError> {
        Ok(format!("{label} {what} by {}", collection.later(id, self.stamp, rows)?))
    }
}

/// Where the rows of a series differ between two states.
fn differing(
    (base, now): (&State, &Entry),
    (state, then): (&State, &Entry),
    mapping: Option<Mapping>,
    intervals: &[Interval],
) -> Result<Vec<Interval>, CollectionError> {
    let (here, there) = (Side::of(base, &now.segments), Side::of(state, &then.segments));
    Ok(changes_among(&there, &here, mapping.as_ref(), intervals)?.finish().iter().collect())
}

/// Ascending, disjoint intervals as far as others do not cover them.
fn without(intervals: &[Interval], others: &[Interval]) -> Vec<Interval> {
    let mut map = IntervalMap::new();
    intervals.iter().for_each(|interval| map.assign(interval, true));
    others.iter().for_each(|interval| map.assign(interval, false));
    map.pieces().into_iter().filter(|(_, stays)| *stays).map(|(interval, _)| interval).collect()
}

fn shown(base: &State, intervals: &[Interval]) -> String {
    let ranges = intervals.iter().take(RANGES).map(|interval| range::show(&base.schema, interval));
    let mut shown: Vec<String> = ranges.collect();
    if intervals.len() > RANGES {
        shown.push(format!("{} more", intervals.len() - RANGES));
    }
    shown.join(", ")
}
