//! Batches: writes to series of one collection that become one revision, or nothing.
//!
//! Chunks go first, then the bundle, the revision last. A batch that is dropped, or fails, leaves at most
//! objects that nothing names.

use super::{Collection, CollectionError};
use crate::clock::{Stamp, time_after};
use crate::data::alter::Mapping;
use crate::data::input::{InputError, Problem};
use crate::data::label;
use crate::data::schema::{Column, Schema};
use crate::data::sort::Sorted;
use crate::history::altered::Altered;
use crate::history::changelog::HistoryError;
use crate::history::edit::{Edited, Edits, NewEntry, apply};
use crate::history::entry::{Entry, Segments, SeriesId};
use crate::history::revision::{ChangeList, LIST_BYTES, ListPlace, Note, Revision, SeriesChange};
use crate::history::state::State;
use crate::interval::{Interval, IntervalMap, Intervals};
use crate::series::RowsError;
use crate::series::write::{Mode, Target, Written};
use crate::store::draft::Draft;
use crate::store::{StoreError, View};
use arrow_array::RecordBatch;
use bytes::Bytes;
use parking_lot::Mutex;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a write did to a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Rows before.
    pub rows_before: u64,
    /// Rows afterwards.
    pub rows_after: u64,
    /// Index values whose rows changed.
    pub changed: u64,
}

/// Writes to one collection, not visible until [`Batch::commit`].
///
/// [`Collection`] has an example.
#[derive(Debug)]
pub struct Batch<'a> {
    pub(super) collection: &'a Collection,
    author: String,
    message: String,
    /// Whether its revision is to be later than all that are known, not only than its parent.
    last_word: bool,
    pub(super) parent: Option<Stamp>,
    /// Other heads that its revision follows.
    others: Vec<Stamp>,
    schema_set: bool,
    altered: Option<Altered>,
    pub(super) base: State,
    pub(super) draft: Mutex<Draft>,
    pub(super) edits: Edits,
    pub(super) changes: BTreeMap<SeriesId, SeriesChange>,
    pub(super) renamed: Vec<SeriesId>,
    /// Other revisions than the parent whose chunks it names.
    pub(super) relies_on: Vec<Stamp>,
    /// What made the present columns of those of other revisions, as far as it was asked for.
    pub(super) mappings: BTreeMap<Stamp, Mapping>,
    /// Columns with values in rows that it restored, which are there no more.
    pub(super) lost: Vec<Column>,
    started: Instant,
}

/// A batch that takes longer makes sure that its parent is still there.
const TRUST: Duration = Duration::from_secs(1);

/// A batch that takes longer, half the default grace of gc, makes sure that its parent was not even trimmed.
const SLOW: Duration = Duration::from_secs(300);

impl<'a> Batch<'a> {
    pub(super) fn new(collection: &'a Collection, message: &str) -> Result<Batch<'a>, CollectionError> {
        let (parent, base) = collection.settled()?;
        let renamed = base.renamed_ids()?;
        Ok(Batch { renamed, ..Batch::on(collection, message, Some(parent), base) })
    }

    pub(super) fn on_earlier(
        collection: &'a Collection,
        base: Stamp,
        heads: &[Stamp],
        message: &str,
    ) -> Result<Batch<'a>, CollectionError> {
        let state = collection.earlier(base, heads)?;
        let renamed = state.renamed_ids()?;
        Ok(Batch { renamed, last_word: true, ..Batch::on(collection, message, Some(base), state) })
    }

    /// A batch that makes the first revision of a collection.
    #[must_use]
    pub fn first(collection: &'a Collection, schema: &Schema, message: &str) -> Batch<'a> {
        let view = View::new(Arc::clone(&collection.context().store));
        let base = State { schema: Arc::new(schema.clone()), tree: None, view };
        Batch { schema_set: true, ..Batch::on(collection, message, None, base) }
    }

    pub(super) fn on(
        collection: &'a Collection,
        message: &str,
        parent: Option<Stamp>,
        base: State,
    ) -> Batch<'a> {
        let draft = Mutex::new(Draft::new(Arc::clone(&collection.context().store)));
        Batch {
            collection,
            author: collection.context().author.clone(),
            message: message.to_owned(),
            last_word: false,
            parent,
            others: Vec::new(),
            schema_set: false,
            altered: None,
            base,
            draft,
            edits: Edits::new(),
            changes: BTreeMap::new(),
            renamed: Vec::new(),
            relies_on: Vec::new(),
            mappings: BTreeMap::new(),
            lost: Vec::new(),
            started: Instant::now(),
        }
    }

    /// The same batch by another author than the collection's.
    #[must_use]
    pub fn by(mut self, author: &str) -> Self {
        author.clone_into(&mut self.author);
        self
    }

    /// The state the batch is made on, with what it did so far to other series than those being written.
    #[must_use]
    pub const fn base(&self) -> &State {
        &self.base
    }

    /// Creates an empty series. Fails where the label is taken.
    pub fn create(&mut self, label: &str) -> Result<(), CollectionError> {
        self.settle_if_edited(label)?;
        if self.base.entry(label)?.is_some() {
            return Err(CollectionError::Exists(label.to_owned()));
        }
        let (id, segments) = self.new_series(label)?;
        self.edits.insert(label.to_owned(), Some(NewEntry::keep(id, segments)));
        Ok(())
    }

    /// Creates an empty series that is one with a series elsewhere: of the id that it has there. Fails where the label
    /// is taken; no series here may have the id.
    pub fn create_as(&mut self, label: &str, id: SeriesId) -> Result<(), CollectionError> {
        label::check(label)?;
        self.settle_if_edited(label)?;
        if self.base.entry(label)?.is_some() {
            return Err(CollectionError::Exists(label.to_owned()));
        }
        let change = self.changes.entry(id).or_insert_with(|| SeriesChange::none(id, label));
        change.created = true;
        self.renamed.push(id);
        self.edits.insert(label.to_owned(), Some(NewEntry::keep(id, Segments::Few(Vec::new()))));
        Ok(())
    }

    /// A series that does not exist yet.
    fn new_series(&mut self, label: &str) -> Result<(SeriesId, Segments), CollectionError> {
        label::check(label)?;
        let free = |id: &SeriesId| !self.renamed.contains(id);
        let id = (0..).map(|n| SeriesId::new(label, n)).find(free).unwrap_or_else(|| SeriesId::new(label, 0));
        let change = self.changes.entry(id).or_insert_with(|| SeriesChange::none(id, label));
        label.clone_into(&mut change.label);
        change.created = true;
        Ok((id, Segments::Few(Vec::new())))
    }

    /// Writes sorted rows to a series, which is created where it is missing.
    pub fn write(&mut self, label: &str, mode: &Mode, rows: Sorted) -> Result<Outcome, CollectionError> {
        Ok(self.write_all(vec![(label.to_owned(), mode.clone(), rows)])?[0])
    }

    /// Writes a frame whose rows may be in any order: they replace the rows between its first and its last
    /// index value. A frame without rows does nothing.
    pub fn overlay(&mut self, label: &str, frame: &RecordBatch) -> Result<Outcome, CollectionError> {
        let frame = crate::data::frame::conform(&self.base.schema, frame).map_err(RowsError::from)?;
        let frame = crate::data::frame::sort(&self.base.schema, &frame).map_err(RowsError::from)?;
        let keys = crate::data::key::Keys::of(&self.base.schema, &frame);
        let interval = match frame.num_rows() {
            0 => Interval { lo: Vec::new(), hi: Some(Vec::new()) },
            rows => Interval::closed(&keys.key(0), &keys.key(rows - 1)),
        };
        let rows = Sorted::of(&self.base.schema, vec![frame]);
        self.write(label, &Mode::Overlay(interval), rows)
    }

    /// Writes several series at once, on all cores. Fails where a label comes twice.
    pub fn write_all(
        &mut self,
        writes: Vec<(String, Mode, Sorted)>,
    ) -> Result<Vec<Outcome>, CollectionError> {
        let mut labels: Vec<&String> = writes.iter().map(|(label, _, _)| label).collect();
        labels.sort_unstable();
        if let Some(twice) = labels.windows(2).find(|pair| pair[0] == pair[1]) {
            let message = format!("series {:?} is written twice at once", twice[0]);
            return Err(RowsError::Refused(message).into());
        }
        // Before the first entry is taken: settling moves what entries name.
        writes.iter().try_for_each(|(label, _, _)| self.settle_if_edited(label))?;
        let mut found = self.base.entries_of(&writes.iter().map(|(label, _, _)| label.clone()).collect())?;
        let mut jobs = Vec::with_capacity(writes.len());
        for (label, mode, rows) in writes {
            let (id, segments) = match found.remove(&label) {
                Some(entry) => (entry.id, entry.segments),
                None => self.new_series(&label)?,
            };
            // Marks the label, so that a second write of it sees the first.
            self.edits.insert(label.clone(), Some(NewEntry::keep(id, segments.clone())));
            jobs.push((label, id, segments, mode, rows));
        }
        let (view, schema, draft) = (&self.base.view, &self.base.schema, &self.draft);
        let segment_rows = self.collection.context().segment_rows;
        let write = |(label, id, base, mode, rows): (String, SeriesId, Segments, Mode, Sorted)| {
            let target = Target { view, schema, id, base: &base, draft, segment_rows };
            target.write(&mode, rows).map(|written| (label, id, written))
        };
        let written: Vec<(String, SeriesId, Written)> = if jobs.len() == 1 {
            jobs.into_iter().map(write).collect::<Result<_, _>>()?
        } else {
            jobs.into_par_iter().map(write).collect::<Result<_, _>>()?
        };
        Ok(written.into_iter().map(|(label, id, written)| self.note(label, id, written)).collect())
    }

    fn note(&mut self, label: String, id: SeriesId, written: Written) -> Outcome {
        let (rows_before, rows_after) = written.rows;
        if let Some(entry) = written.entry {
            self.edits.insert(label.clone(), Some(entry));
            let change = self
                .changes
                .entry(id)
                .or_insert_with(|| SeriesChange { rows_before, ..SeriesChange::none(id, &label) });
            change.rows_after = rows_after;
            change.keys += written.keys;
            change.intervals = union(&change.intervals, written.intervals);
        }
        Outcome { rows_before, rows_after, changed: written.keys }
    }

    /// Deletes the rows of an interval.
    pub fn delete_rows(&mut self, label: &str, interval: Interval) -> Result<Outcome, CollectionError> {
        self.existing(label)?;
        let none = Sorted::of(&self.base.schema, Vec::new());
        self.write(label, &Mode::Overlay(interval), none)
    }

    fn existing(&mut self, label: &str) -> Result<Entry, CollectionError> {
        self.settle_if_edited(label)?;
        match self.base.entry(label)? {
            Some(entry) => Ok(entry),
            None => Err(self.collection.no_series(&self.base, label)?),
        }
    }

    /// Drops a series.
    pub fn drop_series(&mut self, label: &str) -> Result<(), CollectionError> {
        let entry = self.existing(label)?;
        let rows = entry.segments.sums().rows;
        self.edits.insert(label.to_owned(), None);
        self.renamed.retain(|id| *id != entry.id);
        let change = self
            .changes
            .entry(entry.id)
            .or_insert_with(|| SeriesChange { rows_before: rows, ..SeriesChange::none(entry.id, label) });
        if change.created && !change.dropped {
            // Nobody has seen it: dropping it says nothing about a series that others create.
            self.changes.remove(&entry.id);
            return Ok(());
        }
        (change.dropped, change.created, change.rows_after) = (true, false, 0);
        // A label that it got and lost within the batch is nobody's: whoever brings it back has the one before.
        if let Some(before) = change.renamed_from.take() {
            change.label = before;
        }
        change.intervals = Intervals::default();
        Ok(())
    }

    /// Renames a series. Fails where the new label is taken.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), CollectionError> {
        label::check(to)?;
        // Before the entry is taken: settling moves what entries name.
        self.settle_if_edited(to)?;
        let entry = self.existing(from)?;
        if self.base.entry(to)?.is_some() {
            return Err(CollectionError::Exists(to.to_owned()));
        }
        let rows = entry.segments.sums().rows;
        self.edits.insert(from.to_owned(), None);
        self.edits.insert(to.to_owned(), Some(NewEntry::keep(entry.id, entry.segments)));
        self.renamed.push(entry.id);
        let change = self.changes.entry(entry.id).or_insert_with(|| SeriesChange {
            rows_before: rows,
            rows_after: rows,
            ..SeriesChange::none(entry.id, from)
        });
        change.renamed_from.get_or_insert_with(|| from.to_owned());
        to.clone_into(&mut change.label);
        Ok(())
    }

    /// Puts segments in the place of a whole series: the same rows, stored otherwise.
    pub fn rewrite(&mut self, entry: &Entry, with: Vec<crate::history::segment::Segment>) {
        let replaced = 0..entry.segments.sums().segments;
        let new = NewEntry { id: entry.id, base: entry.segments.clone(), replaced, with };
        self.edits.insert(entry.label.clone(), Some(new));
    }

    /// Gives the collection other columns; `edits` are all series that have rows, with these columns. Nothing else
    /// may be written with it: what comes next would read old rows as new ones.
    pub(super) fn alter(&mut self, altered: Altered, schema: Schema, edits: Edits) {
        self.base.schema = Arc::new(schema);
        self.altered = Some(altered);
        self.edits = edits;
    }

    /// Takes new chunks.
    #[must_use]
    pub const fn draft(&self) -> &Mutex<Draft> {
        &self.draft
    }

    /// Where a label was written in this batch, makes that the base: what comes next builds on it.
    pub(super) fn settle_if_edited(&mut self, label: &str) -> Result<(), CollectionError> {
        if !self.edits.contains_key(label) {
            return Ok(());
        }
        let Edited { state, finished, .. } = self.apply(None)?;
        finished.wait()?;
        self.base = state;
        Ok(())
    }

    fn apply(&mut self, extra: Option<&[u8]>) -> Result<Edited, StoreError> {
        let store = Arc::clone(&self.collection.context().store);
        let draft = std::mem::replace(self.draft.get_mut(), Draft::new(store));
        apply(draft, &self.base, &self.base.schema, std::mem::take(&mut self.edits), extra)
    }

    /// Makes the batch a revision: durable on return. Nothing changed, no revision.
    pub fn commit(mut self) -> Result<Option<Stamp>, CollectionError> {
        let mut series: Vec<SeriesChange> = std::mem::take(&mut self.changes).into_values().collect();
        series.retain(|c| c.created || c.dropped || c.renamed_from.is_some() || c.keys > 0);
        series.sort_by(|a, b| a.label.cmp(&b.label));
        let altered = self.altered.take().map(Box::new);
        let changes = ChangeList { schema: self.schema_set || altered.is_some(), altered, series };
        if changes.is_empty() {
            // What is there already may not be on disk yet.
            self.collection.changelog().settle()?;
            return Ok(None);
        }
        self.put(&changes).map(Some)
    }

    /// Fails where the parent was trimmed so long ago that its files may be gone, and what it named with them.
    fn check_parent(&self, parent: Stamp) -> Result<(), CollectionError> {
        let changelog = self.collection.changelog();
        let elapsed = self.started.elapsed();
        let gone = elapsed > TRUST
            && (!changelog.unhidden_log()?.contains(parent)
                || (elapsed > SLOW && !changelog.log()?.contains(parent)));
        if gone { Err(HistoryError::Gone(parent).into()) } else { Ok(()) }
    }

    /// Whether what was there when it began cannot have been collected meanwhile.
    pub(super) fn is_quick(&self) -> bool {
        self.started.elapsed() <= TRUST
    }

    /// Makes a revision of a batch that changed how rows are stored, but no rows.
    pub fn commit_rewrite(mut self) -> Result<Option<Stamp>, CollectionError> {
        if self.edits.is_empty() {
            self.collection.changelog().settle()?;
            return Ok(None);
        }
        self.put(&ChangeList::default()).map(Some)
    }

    /// Makes a revision of the base as it is that follows `others` too, later than all that are known.
    pub(super) fn choose(
        mut self,
        others: Vec<Stamp>,
        changes: &ChangeList,
    ) -> Result<Stamp, CollectionError> {
        (self.others, self.last_word) = (others, true);
        self.put(changes)
    }

    fn put(&mut self, changes: &ChangeList) -> Result<Stamp, CollectionError> {
        // Before anything is put.
        time_after(self.collection.context().clock.now(), self.parent.map_or(0, |parent| parent.time))?;
        let list = changes.encode().map_err(HistoryError::from)?;
        let there = list.len() > LIST_BYTES;
        let Edited { state, finished, extra } = self.apply(there.then_some(list.as_slice()))?;
        let (bundle, embedded) = (finished.bundle, finished.embedded);
        let embedded = if embedded { finished.bundle_bytes() } else { Bytes::new() };
        // Chunks and nodes first: a revision must never name what is not durable.
        finished.put()?;
        let place = match extra {
            Some((mut spot, check)) => {
                spot.bundle = bundle;
                ListPlace::There(spot, check)
            }
            None => ListPlace::Here(list),
        };
        let changelog = self.collection.changelog();
        if let Some(parent) = self.parent {
            self.check_parent(parent)?;
        }
        self.check_relied()?;
        let mut parents: Vec<Stamp> =
            self.parent.into_iter().chain(std::mem::take(&mut self.others)).collect();
        parents.sort_unstable();
        let mut revision = Revision {
            parents,
            time: 0,
            wall: self.collection.context().clock.now(),
            note: Note {
                author: std::mem::take(&mut self.author),
                message: std::mem::take(&mut self.message),
            },
            state,
            changes: place,
            embedded,
        };
        let mut after = self.parent.map_or(0, |parent| parent.time);
        if self.last_word {
            // By the time of revisions, not by the clock: others' may run ahead of it.
            after = changelog.glance()?.stamps().next_back().map_or(after, |newest| newest.time.max(after));
        }
        loop {
            revision.time = time_after(revision.wall, after)?;
            let stamp = changelog.put(&revision)?;
            let log = changelog.glance()?;
            // A trim that did not see this revision would hide it: then it is put again, later than the horizon.
            if !log.horizon.hides(stamp) {
                if let Err(e) = changelog.pack_if_many(&log) {
                    // The revision is durable: packing can wait for the next writer.
                    log::warn!("cannot pack the changelog of {}: {e}", self.collection.label());
                }
                return Ok(stamp);
            }
            after = log.horizon.time;
        }
    }
}

/// The union of two lists of intervals.
pub(super) fn union(a: &Intervals, b: Intervals) -> Intervals {
    if a.is_empty() {
        return b;
    }
    let mut map = IntervalMap::new();
    a.iter().chain(b.iter()).for_each(|interval| map.assign(&interval, ()));
    map.pieces().into_iter().map(|(interval, ())| interval).collect()
}

impl Batch<'_> {
    /// As [`Collection::sort`], by the schema of the batch.
    pub fn sort(
        &self,
        frames: impl Iterator<Item = Result<RecordBatch, InputError>>,
    ) -> Result<(Sorted, u64), CollectionError> {
        self.collection.sort(&self.base.schema, frames)
    }

    /// As [`Collection::sort_onto`], onto a series as it was when the batch began.
    pub fn sort_onto(
        &self,
        label: &str,
        frames: impl Iterator<Item = Result<RecordBatch, InputError>>,
    ) -> Result<(Sorted, u64), CollectionError> {
        self.collection.sort_onto(&self.base, label, frames)
    }

    /// The error of input without a single row where rows are needed.
    #[must_use]
    pub fn no_rows() -> InputError {
        InputError::new(Problem::Other("there are no rows in the input".to_owned()))
    }
}
