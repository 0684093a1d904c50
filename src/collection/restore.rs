//! Bringing back rows of another state: what `restore` and `undo` are made of.
//!
//! Chunks of the other state are named again, not written again; rows that are the same already are left alone, so the
//! change list tells what really changes. The states must be of one collection.

use super::batch::union;
use super::{Batch, Collection, CollectionError, Outcome};
use crate::clock::Stamp;
use crate::data::alter::Mapping;
use crate::data::diff::LIMIT;
use crate::data::input::{InputError, Problem};
use crate::data::schema::{Column, Schema};
use crate::history::changelog::HistoryError;
use crate::history::edit::NewEntry;
use crate::history::entry::{Entry, Segments};
use crate::history::revision::SeriesChange;
use crate::history::state::{Pair, State};
use crate::interval::{Interval, Intervals};
use crate::series::RowsError;
use crate::series::compare::{Side, changes, changes_among};
use crate::series::convert::converted;
use crate::series::read::{Query, Rows};
use crate::series::splice::{Part, splice};
use crate::series::write::Mode;
use crate::store::{StoreError, View};
use arrow_array::{Array, ArrayRef, RecordBatch};
use std::sync::Arc;

/// A series of another state of the same collection.
#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    /// The state.
    pub state: &'a State,
    /// The series there; none: it did not exist.
    pub entry: Option<&'a Entry>,
    /// The revisions that hold the state.
    pub held_by: &'a [Stamp],
}

impl Collection {
    /// The newest revision whose state has a series of that label, and the series.
    pub fn last_with(&self, label: &str) -> Result<Option<(Stamp, State, Entry)>, CollectionError> {
        let log = self.changelog.log()?;
        for stamp in log.stamps().rev() {
            let state = &self.changelog.read(&log, stamp)?.state;
            if let Some(entry) = state.entry(label)? {
                return Ok(Some((stamp, state.clone(), entry)));
            }
        }
        Ok(None)
    }
}

impl Batch<'_> {
    /// Makes the rows of a series in `intervals` (ascending, disjoint) what they are in `past`.
    ///
    /// A series that exists no more is created again, as the series it was; columns that were added since have their default.
    /// What was dropped since is left out, and told by [`Batch::lost`], unless a column of its name and type was added
    /// again: that has its values. Fails where the label is taken meanwhile.
    pub fn restore(
        &mut self,
        label: &str,
        past: Past<'_>,
        intervals: &[Interval],
    ) -> Result<Outcome, CollectionError> {
        self.settle_if_edited(label)?;
        match (self.base.entry(label)?, past.entry) {
            (Some(now), Some(then)) if now.id != then.id => Err(CollectionError::Exists(label.to_owned())),
            (Some(now), then) => self.restore_rows(&now, Past { entry: then, ..past }, intervals),
            (None, Some(then)) => self.recreate(label, past, then, intervals),
            (None, None) => Ok(Outcome { rows_before: 0, rows_after: 0, changed: 0 }),
        }
    }

    /// Makes all series what they are in another state: those that came later are dropped, renamed ones get their label
    /// back. Gives how many series changed.
    ///
    /// Columns may have other names or another order now. Fails where some were dropped or added since: rows of each series
    /// may be restored then.
    pub fn restore_all(&mut self, state: &State, held_by: &[Stamp]) -> Result<usize, CollectionError> {
        self.check_columns(state, held_by)?;
        let pairs = self.base.differing(state)?;
        let mut count = 0;
        // Labels are made free before they are taken: what goes first, then names that nobody has, then the others.
        for (now, _) in pairs.iter().filter(|(_, then)| then.is_none()) {
            now.iter().try_for_each(|now| self.drop_series(&now.label))?;
        }
        let moves = |pair: &Pair| match pair {
            (Some(now), Some(then)) if now.label != then.label => {
                Some((now.label.clone(), then.label.clone()))
            }
            _ => None,
        };
        self.move_all(pairs.iter().filter_map(moves).collect())?;
        for (now, then) in &pairs {
            let mut changed = now.as_ref().map(|now| &now.label) != then.as_ref().map(|then| &then.label);
            if let Some(then) = then {
                let past = Past { state, entry: Some(then), held_by };
                changed |= self.restore(&then.label, past, &[Interval::ALL])?.changed > 0;
            }
            count += usize::from(changed);
        }
        Ok(count)
    }

    /// Columns that rows of other states had values in, and that are there no more: what was restored is without them.
    #[must_use]
    pub fn lost(&self) -> &[Column] {
        &self.lost
    }

    /// Fails if another state has columns that are there no more, or lacks some of the present ones.
    fn check_columns(&mut self, state: &State, held_by: &[Stamp]) -> Result<(), CollectionError> {
        let Some(mapping) = self.returning_from(state, held_by)? else { return Ok(()) };
        let told = |schema: &Schema, places: Vec<usize>, what: &str| -> Vec<String> {
            places
                .into_iter()
                .map(|i| format!("{:?} was {what} since", schema.columns()[i].to_string()))
                .collect()
        };
        let dropped = mapping.left_out(state.schema.columns().len());
        let mut others = told(&state.schema, dropped, "dropped");
        others.extend(told(&self.base.schema, mapping.constants(), "added"));
        if others.is_empty() {
            return Ok(());
        }
        let message = format!(
            "the columns are others now: {}; alter them back first, or restore series by series",
            others.join(", ")
        );
        Err(RowsError::Refused(message).into())
    }

    /// Renames series of which some have the labels that others are to get.
    pub(super) fn move_all(&mut self, mut moves: Vec<(String, String)>) -> Result<(), CollectionError> {
        while !moves.is_empty() {
            let mut waiting = Vec::new();
            let before = moves.len();
            for (from, to) in moves {
                match self.rename(&from, &to) {
                    Err(CollectionError::Exists(_)) => waiting.push((from, to)),
                    done => done?,
                }
            }
            if waiting.len() == before
                && let Some((from, _)) = waiting.first_mut()
            {
                // A circle: one of them steps aside.
                let aside = self.free_label(from)?;
                self.rename(from, &aside)?;
                *from = aside;
            }
            moves = waiting;
        }
        Ok(())
    }

    fn free_label(&mut self, near: &str) -> Result<String, CollectionError> {
        for n in 0_u64.. {
            let label = format!("{near}~{n}");
            self.settle_if_edited(&label)?;
            if self.base.entry(&label)?.is_none() {
                return Ok(label);
            }
        }
        Err(CollectionError::Exists(near.to_owned()))
    }

    fn restore_rows(
        &mut self,
        now: &Entry,
        past: Past<'_>,
        intervals: &[Interval],
    ) -> Result<Outcome, CollectionError> {
        let then = past.entry.map_or(Segments::none(), |entry| &entry.segments);
        let mapping = self.returning_from(past.state, past.held_by)?;
        if let (Some(mapping), Some(then)) = (&mapping, past.entry) {
            self.note_lost(past.state, then, mapping, intervals)?;
        }
        let (here, there) = (Side::of(&self.base, &now.segments), Side::of(past.state, then));
        let rows_before = now.segments.sums().rows;
        let found = changes_among(&there, &here, mapping.as_ref(), intervals)?;
        let keys = found.keys();
        let differing = clip(found.finish().iter(), intervals);
        if differing.is_empty() {
            return Ok(Outcome { rows_before, rows_after: rows_before, changed: 0 });
        }
        if let Some(mapping) = mapping {
            return self.rewrite_rows(&now.label, past, &differing, &mapping);
        }
        self.read_also(past);
        let part = |interval: &Interval| Part { interval: interval.clone(), source: Some(then) };
        let parts: Vec<Part<'_>> = differing.iter().map(part).collect();
        let (view, schema) = (&self.base.view, &self.base.schema);
        let entry = splice(view, schema, now.id, &now.segments, &parts, &self.draft)?;
        let rows_after = rows_of(&self.base.view, &entry)?;
        self.edits.insert(now.label.clone(), Some(entry));
        let change = self
            .changes
            .entry(now.id)
            .or_insert_with(|| SeriesChange { rows_before, ..SeriesChange::none(now.id, &now.label) });
        (change.rows_after, change.keys) = (rows_after, change.keys + keys);
        change.intervals = union(&change.intervals, differing.into_iter().collect());
        Ok(Outcome { rows_before, rows_after, changed: keys })
    }

    /// What makes the present columns of those of another state, which `held_by` hold: alterations, or, where that cannot
    /// be told, one name and type. None where they are the same.
    pub(super) fn mapping_from(
        &mut self,
        state: &State,
        held_by: &[Stamp],
    ) -> Result<Option<Mapping>, CollectionError> {
        if state.schema == self.base.schema {
            return Ok(None);
        }
        let ([from], Some(parent)) = (held_by, self.parent) else {
            return Ok(Some(Mapping::by_name(&state.schema, &self.base.schema)));
        };
        if let Some(known) = self.mappings.get(from) {
            return Ok(Some(known.clone()));
        }
        let told = self.collection.columns_since(*from, parent)?;
        let mapping = told.unwrap_or_else(|| Mapping::by_name(&state.schema, &self.base.schema));
        self.mappings.insert(*from, mapping.clone());
        Ok(Some(mapping))
    }

    /// What alterations made of the columns of an earlier revision, if they are called the same now and are others: one was
    /// dropped and added again. None also where that cannot be told any more.
    pub(super) fn other_columns_since(&self, from: Stamp) -> Option<Mapping> {
        let told = self.collection.columns_since(from, self.parent?);
        let told = told.unwrap_or_else(|error| {
            log::info!("columns are taken by their names: {error}");
            None
        });
        told.filter(|mapping| !mapping.constants().is_empty())
    }

    /// As [`Batch::mapping_from`], for rows that come back: what was dropped and added again has the values it had.
    fn returning_from(
        &mut self,
        state: &State,
        held_by: &[Stamp],
    ) -> Result<Option<Mapping>, CollectionError> {
        let mapping = self.mapping_from(state, held_by)?;
        Ok(mapping.map(|mapping| mapping.returning(&state.schema, &self.base.schema)))
    }

    /// Notes the columns that a mapping leaves out, if rows in some intervals have values there.
    fn note_lost(
        &mut self,
        state: &State,
        entry: &Entry,
        mapping: &Mapping,
        intervals: &[Interval],
    ) -> Result<(), CollectionError> {
        let columns = state.schema.columns();
        let mut left = mapping.left_out(columns.len());
        left.retain(|&i| !self.lost.contains(&columns[i]));
        for interval in intervals {
            if left.is_empty() {
                break;
            }
            let query = Query { interval: interval.clone(), columns: Some(left.clone()), ..Query::default() };
            for frame in Rows::open(state.view.clone(), Arc::clone(&state.schema), &entry.segments, &query)? {
                let frame = frame?;
                let has_values = |array: &ArrayRef| array.null_count() < array.len();
                let found = query.columns.iter().flatten().zip(frame.columns());
                let found: Vec<usize> =
                    found.filter(|(_, array)| has_values(array)).map(|(&i, _)| i).collect();
                self.lost.extend(found.iter().filter(|i| left.contains(i)).map(|&i| columns[i].clone()));
                left.retain(|i| !found.contains(i));
                if left.is_empty() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The columns are others now: rows are read and written.
    fn rewrite_rows(
        &mut self,
        label: &str,
        past: Past<'_>,
        intervals: &[Interval],
        mapping: &Mapping,
    ) -> Result<Outcome, CollectionError> {
        let mut total: Option<Outcome> = None;
        for interval in intervals {
            let schema = Arc::clone(&self.base.schema);
            let (rows, _) = match past.entry {
                Some(entry) => {
                    self.sort(conformed(past.state, entry, interval, &schema, mapping.clone())?)?
                }
                None => self.sort(std::iter::empty())?,
            };
            let done = self.write(label, &Mode::Overlay(interval.clone()), rows)?;
            let before = total.map_or(done.rows_before, |total| total.rows_before);
            let changed = total.map_or(0, |total| total.changed) + done.changed;
            total = Some(Outcome { rows_before: before, changed, ..done });
        }
        Ok(total.unwrap_or(Outcome { rows_before: 0, rows_after: 0, changed: 0 }))
    }

    /// Brings back a series that was dropped.
    fn recreate(
        &mut self,
        label: &str,
        past: Past<'_>,
        then: &Entry,
        intervals: &[Interval],
    ) -> Result<Outcome, CollectionError> {
        if let Some(other) = self.base.entry_of(then.id, label)? {
            // It lives on under another label.
            return self.restore_rows(&other, Past { entry: Some(then), ..past }, intervals);
        }
        let change = self.changes.entry(then.id).or_insert_with(|| SeriesChange::none(then.id, label));
        label.clone_into(&mut change.label);
        change.created = true;
        if then.id != crate::history::entry::SeriesId::new(label, 0) {
            self.renamed.push(then.id);
        }
        if intervals != [Interval::ALL] || past.state.schema != self.base.schema {
            self.edits.insert(label.to_owned(), Some(NewEntry::keep(then.id, Segments::none().clone())));
            self.settle_if_edited(label)?;
            return match self.base.entry(label)? {
                Some(now) => self.restore_rows(&now, past, intervals),
                None => Err(CollectionError::from(RowsError::Index(format!("{label} is not there")))),
            };
        }
        self.read_also(past);
        let rows = then.segments.sums().rows;
        let (keys, covered) = brought_back(past.state, &then.segments)?;
        if let Some(change) = self.changes.get_mut(&then.id) {
            (change.intervals, change.keys, change.rows_after) = (covered, keys, rows);
        }
        self.edits.insert(label.to_owned(), Some(NewEntry::keep(then.id, then.segments.clone())));
        Ok(Outcome { rows_before: 0, rows_after: rows, changed: keys })
    }

    /// Lets the batch name chunks of another state; what that state holds itself is copied where it is named.
    fn read_also(&mut self, past: Past<'_>) {
        let view = View::union(self.base.view.store(), [&self.base.view, &past.state.view]);
        self.base.view = view;
        self.relies_on.extend(past.held_by);
    }

    /// Fails where a revision is gone that the batch relies on.
    pub(super) fn check_relied(&self) -> Result<(), CollectionError> {
        if self.relies_on.is_empty() || self.is_quick() {
            return Ok(());
        }
        let log = self.collection.changelog().log()?;
        match self.relies_on.iter().find(|stamp| !log.contains(**stamp)) {
            Some(gone) => Err(HistoryError::Gone(*gone).into()),
            None => Ok(()),
        }
    }
}

/// How many index values a series that comes back sets, and which: those between its rows are not its own, since somebody
/// may write there meanwhile. Of more than a change list names one by one, all from the first to the last.
fn brought_back(state: &State, segments: &Segments) -> Result<(u64, Intervals), RowsError> {
    let rows = segments.sums().rows;
    if rows > LIMIT as u64 {
        let span = segments.span().map(|(first, last)| Interval::closed(first, last));
        return Ok((rows, span.into_iter().collect()));
    }
    let found = changes(&Side::of(state, Segments::none()), &Side::of(state, segments), &Interval::ALL)?;
    Ok((found.keys(), found.finish()))
}

/// What of `found` lies in `intervals`, both ascending and disjoint: where much differs, gaps between intervals close.
fn clip(found: impl Iterator<Item = Interval>, intervals: &[Interval]) -> Vec<Interval> {
    let within = |one: Interval| {
        let first = intervals.partition_point(|interval| interval.ends_at_or_before(&one.lo));
        let met: Vec<Interval> =
            intervals[first..].iter().take_while(|i| i.overlaps(&one)).map(|i| i.intersect(&one)).collect();
        met
    };
    found.flat_map(within).collect()
}

/// Rows of a series that is yet to be.
fn rows_of(view: &View, entry: &NewEntry) -> Result<u64, StoreError> {
    let gone: u64 = entry.base.at(view, &entry.replaced)?.iter().map(|segment| segment.rows).sum();
    Ok(entry.base.sums().rows - gone + entry.with.iter().map(|segment| segment.rows).sum::<u64>())
}

/// The rows of a series in an interval as frames of other columns, which `mapping` makes of the old ones.
fn conformed(
    state: &State,
    entry: &Entry,
    interval: &Interval,
    schema: &Arc<Schema>,
    mapping: Mapping,
) -> Result<impl Iterator<Item = Result<RecordBatch, InputError>> + use<>, RowsError> {
    let query = Query { interval: interval.clone(), ..Query::default() };
    let rows = Rows::open(state.view.clone(), Arc::clone(&state.schema), &entry.segments, &query)?;
    let schema = Arc::clone(schema);
    // No fault of the input: told as the failed read it is.
    let failed = |e: RowsError| InputError::new(Problem::Read(std::io::Error::other(e)));
    Ok(rows.map(move |frame| converted(&mapping, &schema, &frame.map_err(failed)?).map_err(failed)))
}
