//! Writes: what the rows of a series become, and which segments have to be made for it.
//!
//! Old segments that come out the same stay; leading and trailing equal rows therefore cost nothing. Small
//! segments beside the new rows are merged by size tiers, so that n appends leave O(log n) of them.

use super::RowsError;
use super::encode::SegmentWriter;
use super::read;
use crate::data::diff::{self, Changes};
use crate::data::frame;
use crate::data::key::{self, Keys};
use crate::data::schema::Schema;
use crate::data::sort::Sorted;
use crate::data::value::Value;
use crate::history::edit::NewEntry;
use crate::history::entry::{Segments, SeriesId};
use crate::history::segment::Segment;
use crate::interval::{Interval, Intervals, Key};
use crate::store::View;
use crate::store::draft::Draft;
use arrow_array::{RecordBatch, UInt64Array};
use parking_lot::Mutex;
use std::ops::Range;
use std::sync::Arc;

/// How new rows meet the rows that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Rows in the interval are replaced, all others stay.
    Overlay(Interval),
    /// Rows with an index value of the new ones are replaced.
    Upsert,
    /// New rows go behind; those before the last row are refused.
    Append,
    /// Rows that exist get new values in the columns given; others are refused.
    Update,
}

/// What a write makes of a series.
#[derive(Debug)]
pub struct Written {
    /// The series afterwards; none where nothing changed.
    pub entry: Option<NewEntry>,
    /// The index values whose rows differ.
    pub intervals: Intervals,
    /// How many index values that are.
    pub keys: u64,
    /// Rows before and afterwards.
    pub rows: (u64, u64),
}

/// A series to be written to.
#[derive(Debug)]
pub struct Target<'a> {
    /// Reads what is there.
    pub view: &'a View,
    /// Its columns.
    pub schema: &'a Arc<Schema>,
    /// What it is.
    pub id: SeriesId,
    /// What it holds.
    pub base: &'a Segments,
    /// Takes new chunks.
    pub draft: &'a Mutex<Draft>,
    /// Rows of a full segment.
    pub segment_rows: usize,
}

/// Segments of one size tier that are merged when there are so many.
const FACTOR: usize = 4;

/// Rows of the input handled at once.
const PIECE_ROWS: usize = 131_072;

impl Target<'_> {
    /// Writes sorted rows.
    pub fn write(&self, mode: &Mode, rows: Sorted) -> Result<Written, RowsError> {
        let mut feed = Feed::new(self.schema, rows, mode);
        let Some((first, last)) = feed.span(mode)? else { return Ok(self.unchanged()) };
        if *mode == Mode::Append {
            self.check_append(&first)?;
        }
        let hull = match mode {
            Mode::Overlay(interval) => interval.clone(),
            Mode::Append => Interval { lo: first, hi: None },
            // Bounded below only: where the input ends is known when it has.
            Mode::Upsert | Mode::Update => {
                Interval { lo: first, hi: last.and_then(|l| crate::interval::next_prefix(&l)) }
            }
        };
        let located = self.base.locate(self.view, &hull)?;
        let mut pass = Pass {
            target: self,
            mode,
            changes: Changes::new(),
            out: SegmentWriter::new(Arc::clone(self.schema), self.draft, self.segment_rows),
            rows_out: 0,
        };
        for slot in slots(&located.segments) {
            let end = located.segments.get(slot.end).map(|next| next.first.clone());
            pass.slot(&located.segments[slot], end.as_deref(), &mut feed)?;
        }
        pass.rest(&mut feed)?;
        self.finish(pass, located.range(), &located.segments)
    }

    fn unchanged(&self) -> Written {
        let rows = self.base.sums().rows;
        Written { entry: None, intervals: Intervals::default(), keys: 0, rows: (rows, rows) }
    }

    fn check_append(&self, first: &Key) -> Result<(), RowsError> {
        match self.base.span() {
            Some((_, last)) if first < last => Err(RowsError::Refused(format!(
                "append: the row at {} lies before the last one at {}",
                self.show(first),
                self.show(last)
            ))),
            _ => Ok(()),
        }
    }

    fn show(&self, key: &[u8]) -> String {
        show(self.schema, key)
    }

    fn finish(&self, pass: Pass<'_>, replaced: Range<u64>, old: &[Segment]) -> Result<Written, RowsError> {
        let before = self.base.sums().rows;
        let after = before - old.iter().map(|s| s.rows).sum::<u64>() + pass.rows_out;
        let Pass { changes, mut out, .. } = pass;
        if changes.keys() == 0 {
            return Ok(self.unchanged());
        }
        let (mut start, mut end) = (replaced.start, replaced.end);
        let mut behind = Vec::new();
        if out.is_uncut() && out.pending_rows() > 0 {
            let left = self.tier(out.pending_rows(), start, true)?;
            for segment in left {
                start -= 1;
                out.prepend(read::whole(self.view, self.schema, &segment)?);
            }
            for segment in self.tier(out.pending_rows(), end, false)? {
                end += 1;
                behind.push(segment);
            }
        }
        for segment in behind {
            out.push(read::whole(self.view, self.schema, &segment)?)?;
        }
        let with = out.finish()?;
        let keys = changes.keys();
        let entry = NewEntry { id: self.id, base: self.base.clone(), replaced: start..end, with };
        Ok(Written { entry: Some(entry), intervals: changes.finish(), keys, rows: (before, after) })
    }

    /// The neighbours to merge with `rows` new rows, nearest first: while there are as many of their tier or
    /// below as make a merge.
    fn tier(&self, rows: usize, at: u64, left: bool) -> Result<Vec<Segment>, RowsError> {
        let total = self.base.sums().segments;
        // Segments worth looking at: a few tiers of a few each.
        let window = 64;
        let range = if left { at.saturating_sub(window)..at } else { at..(at + window).min(total) };
        let mut near = self.base.at(self.view, &range)?;
        if left {
            near.reverse();
        }
        let full = self.segment_rows.div_ceil(2) as u64;
        let (mut taken, mut rows) = (0, rows as u64);
        while rows < full {
            let small =
                near[taken..].iter().take_while(|s| s.rows < full && tier(s.rows) <= tier(rows)).count();
            if small + 1 < FACTOR {
                break;
            }
            rows += near[taken..taken + small].iter().map(|s| s.rows).sum::<u64>();
            taken += small;
        }
        near.truncate(taken);
        Ok(near)
    }
}

fn tier(rows: u64) -> u32 {
    rows.max(1).ilog2() / FACTOR.ilog2()
}

/// An index value for people: `2020-06-22T00:00:00`, tuples with commas.
#[must_use]
pub fn show(schema: &Schema, key: &[u8]) -> String {
    let Some(values) = key::decode(schema, key) else { return "?".to_owned() };
    let texts: Vec<String> =
        schema.index_columns().zip(&values).map(|(c, v): (_, &Value)| v.render(c.ty)).collect();
    texts.join(", ")
}

/// Groups segments that share an index value at their border: they are handled as one.
fn slots(segments: &[Segment]) -> Vec<Range<usize>> {
    let mut slots: Vec<Range<usize>> = Vec::new();
    for i in 0..segments.len() {
        match slots.last_mut() {
            Some(slot) if segments[i].first == segments[i - 1].last => slot.end = i + 1,
            _ => slots.push(i..i + 1),
        }
    }
    slots
}

/// One pass over old segments and new rows, in order.
struct Pass<'a> {
    target: &'a Target<'a>,
    mode: &'a Mode,
    changes: Changes,
    out: SegmentWriter<'a>,
    rows_out: u64,
}

impl Pass<'_> {
    /// Handles old segments and the new rows before `end`, the index value where the next slot starts.
    fn slot(&mut self, old: &[Segment], end: Option<&[u8]>, feed: &mut Feed) -> Result<(), RowsError> {
        let new = feed.take_before(end, PIECE_ROWS)?;
        let rows: u64 = old.iter().map(|s| s.rows).sum();
        let keeps_all = match self.mode {
            Mode::Overlay(interval) => !old.iter().any(|s| interval.overlaps(&s.span())),
            _ => new.is_none(),
        };
        if new.is_none() && keeps_all {
            self.changes.unchanged();
            self.rows_out += rows;
            return old.iter().try_for_each(|segment| self.out.reuse(segment.clone()));
        }
        let frames = old.iter().map(|s| read::whole(self.target.view, self.target.schema, s));
        let old_rows = frame::concat(self.target.schema, &frames.collect::<Result<Vec<_>, _>>()?)?;
        let mut piece = new;
        let mut left = old_rows.clone();
        loop {
            let more = match &piece {
                Some(_) => feed.has_before(end)?,
                None => false,
            };
            let part = if more {
                self.split(&mut left, piece.as_ref())
            } else {
                std::mem::replace(&mut left, frame::empty(self.target.schema))
            };
            let result = self.combine(&part, piece.as_ref())?;
            if !more && part.num_rows() == old_rows.num_rows() && diff::same(&part, &result) {
                self.changes.unchanged();
                self.rows_out += rows;
                return old.iter().try_for_each(|segment| self.out.reuse(segment.clone()));
            }
            diff::diff(self.target.schema, &part, &result, &mut self.changes);
            self.rows_out += result.num_rows() as u64;
            self.out.push(result)?;
            if !more {
                return self.out.boundary();
            }
            piece = feed.take_before(end, PIECE_ROWS)?;
        }
    }

    /// Takes from `left` the old rows up to the last of a piece of new ones.
    fn split(&self, left: &mut RecordBatch, piece: Option<&RecordBatch>) -> RecordBatch {
        let Some(piece) = piece else { return frame::empty(self.target.schema) };
        let schema = self.target.schema;
        let last = Keys::of_frame(schema, piece).key(piece.num_rows() - 1);
        let end = match crate::interval::next_prefix(&last) {
            Some(end) => Keys::of(schema, left).lower_bound(&end),
            None => left.num_rows(),
        };
        let part = left.slice(0, end);
        *left = left.slice(end, left.num_rows() - end);
        part
    }

    /// The new rows behind all old segments.
    fn rest(&mut self, feed: &mut Feed) -> Result<(), RowsError> {
        let empty = frame::empty(self.target.schema);
        while let Some(piece) = feed.take_before(None, PIECE_ROWS)? {
            let result = self.combine(&empty, Some(&piece))?;
            self.changes.push_rows(&Keys::of(self.target.schema, &result), 0..result.num_rows());
            self.rows_out += result.num_rows() as u64;
            self.out.push(result)?;
        }
        Ok(())
    }

    /// The rows that old and new ones become.
    fn combine(&self, old: &RecordBatch, new: Option<&RecordBatch>) -> Result<RecordBatch, RowsError> {
        let schema = self.target.schema;
        let keys = Keys::of(schema, old);
        let cut = |rows: Range<usize>| old.slice(rows.start, rows.len());
        match (self.mode, new) {
            (Mode::Overlay(interval), new) => {
                let gone = keys.rows_in(interval);
                let mut parts = vec![cut(0..gone.start)];
                parts.extend(new.cloned());
                parts.push(cut(gone.end..old.num_rows()));
                Ok(frame::concat(schema, &parts)?)
            }
            (_, None) => Ok(old.clone()),
            (Mode::Append, Some(new)) => Ok(frame::concat(schema, &[old.clone(), new.clone()])?),
            (Mode::Upsert, Some(new)) => upsert(schema, old, new),
            (Mode::Update, Some(new)) => update(schema, old, new),
        }
    }
}

/// Takes `rows` of `frames[from]` in turn.
struct Pick {
    order: Vec<(usize, usize)>,
}

impl Pick {
    fn rows(&mut self, from: usize, rows: Range<usize>) {
        self.order.extend(rows.map(|row| (from, row)));
    }

    fn take(self, schema: &Schema, old: &RecordBatch, new: &RecordBatch) -> Result<RecordBatch, RowsError> {
        let columns = old.columns().iter().zip(new.columns());
        let arrays = columns
            .map(|(a, b)| arrow_select::interleave::interleave(&[a.as_ref(), b.as_ref()], &self.order))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(RecordBatch::try_new(Arc::clone(schema.arrow()), arrays)?)
    }
}

fn upsert(schema: &Schema, old: &RecordBatch, new: &RecordBatch) -> Result<RecordBatch, RowsError> {
    let (a, b) = (Keys::of(schema, old), Keys::of(schema, new));
    let mut pick = Pick { order: Vec::with_capacity(a.rows() + b.rows()) };
    let (mut i, mut j) = (0, 0);
    while i < a.rows() && j < b.rows() {
        match a.cmp(i, &b, j) {
            std::cmp::Ordering::Less => {
                let end = a.run_end(i);
                pick.rows(0, i..end);
                i = end;
            }
            order => {
                let end = b.run_end(j);
                pick.rows(1, j..end);
                j = end;
                if order.is_eq() {
                    i = a.run_end(i);
                }
            }
        }
    }
    pick.rows(0, i..a.rows());
    pick.rows(1, j..b.rows());
    pick.take(schema, old, new)
}

/// Old rows with the given columns of new rows of equal index; where an index value repeats, the new rows
/// must repeat as often.
fn update(schema: &Schema, old: &RecordBatch, new: &RecordBatch) -> Result<RecordBatch, RowsError> {
    let (a, b) = (Keys::of(schema, old), Keys::of_frame(schema, new));
    let mut source: Vec<Option<u64>> = vec![None; a.rows()];
    let (mut i, mut j) = (0, 0);
    while j < b.rows() {
        while i < a.rows() && a.cmp(i, &b, j).is_lt() {
            i += 1;
        }
        let (old_end, new_end) = match i < a.rows() && a.cmp(i, &b, j).is_eq() {
            true => (a.run_end(i), b.run_end(j)),
            false => (i, b.run_end(j)),
        };
        if old_end - i != new_end - j {
            let at = show(schema, &b.key(j));
            let message = match old_end - i {
                0 => format!("update: there is no row at {at}"),
                there => format!("update: {} rows given at {at}, where {there} are", new_end - j),
            };
            return Err(RowsError::Refused(message));
        }
        for k in 0..new_end - j {
            source[i + k] = Some((j + k) as u64);
        }
        (i, j) = (old_end, new_end);
    }
    let updated = source.iter().map(Option::is_some).collect::<Vec<_>>();
    let rows = UInt64Array::from(source.iter().map(|s| s.unwrap_or(0)).collect::<Vec<_>>());
    let mask = arrow_array::BooleanArray::from(updated);
    let mut arrays = Vec::with_capacity(schema.columns().len());
    for (column, old) in schema.columns().iter().zip(old.columns()) {
        arrays.push(match new.column_by_name(&column.name) {
            Some(given) if !column.index && !given.is_empty() => {
                let taken = arrow_select::take::take(given, &rows, None)?;
                arrow_select::zip::zip(&mask, &taken, old)?
            }
            _ => Arc::clone(old),
        });
    }
    Ok(RecordBatch::try_new(Arc::clone(schema.arrow()), arrays)?)
}

/// Sorted rows, taken up to an index value.
struct Feed {
    schema: Arc<Schema>,
    rows: Sorted,
    /// The range of an overlay: rows outside of it would stand where they do not belong.
    within: Option<Interval>,
    current: Option<(RecordBatch, Keys)>,
}

impl Feed {
    fn new(schema: &Arc<Schema>, rows: Sorted, mode: &Mode) -> Feed {
        let within = match mode {
            Mode::Overlay(interval) => Some(interval.clone()),
            _ => None,
        };
        Feed { schema: Arc::clone(schema), rows, within, current: None }
    }

    /// The first index value, and the last where it is known without reading on; none where nothing is to
    /// be written at all.
    fn span(&mut self, mode: &Mode) -> Result<Option<(Key, Option<Key>)>, RowsError> {
        self.fill()?;
        Ok(match (&self.current, mode) {
            (Some((_, keys)), _) => Some((keys.key(0), self.rows.last_key())),
            (None, Mode::Overlay(interval)) => Some((interval.lo.clone(), None)),
            (None, _) => None,
        })
    }

    fn fill(&mut self) -> Result<(), RowsError> {
        while self.current.is_none() {
            match self.rows.next_frame()? {
                None => return Ok(()),
                Some(frame) if frame.num_rows() == 0 => {}
                Some(frame) => {
                    frame::check_keys(&self.schema, &frame)?;
                    let keys = Keys::of_frame(&self.schema, &frame);
                    self.check(&keys)?;
                    self.current = Some((frame, keys));
                }
            }
        }
        Ok(())
    }

    fn check(&self, keys: &Keys) -> Result<(), RowsError> {
        let Some(within) = &self.within else { return Ok(()) };
        let mut ends = [keys.key(0), keys.key(keys.rows() - 1)].into_iter();
        ends.find(|key| !within.contains(key)).map_or(Ok(()), |key| {
            let at = show(&self.schema, &key);
            Err(RowsError::Refused(format!("the row at {at} lies outside of the range to be written")))
        })
    }

    /// Whether rows before `end` are left.
    fn has_before(&mut self, end: Option<&[u8]>) -> Result<bool, RowsError> {
        self.fill()?;
        Ok(self.current.as_ref().is_some_and(|(_, keys)| end.is_none_or(|end| keys.key(0).as_slice() < end)))
    }

    /// About `rows` rows before `end`; never parts rows of equal index.
    fn take_before(&mut self, end: Option<&[u8]>, rows: usize) -> Result<Option<RecordBatch>, RowsError> {
        let mut parts: Vec<RecordBatch> = Vec::new();
        let mut count = 0;
        while self.has_before(end)? {
            let Some((frame, keys)) = self.current.take() else { break };
            let stop = end.map_or(keys.rows(), |end| keys.lower_bound(end));
            let mut take = stop.min(rows.saturating_sub(count).max(1));
            take = keys.run_end(take - 1).min(stop);
            if count >= rows {
                // Only what belongs to the last row taken: equal index values stay together.
                let last = parts.last().map(|part| Keys::of_frame(&self.schema, part));
                let equal = last.is_some_and(|last| last.cmp(last.rows() - 1, &keys, 0).is_eq());
                take = if equal { keys.run_end(0).min(stop) } else { 0 };
            }
            if take > 0 {
                parts.push(frame.slice(0, take));
                count += take;
            }
            if take < keys.rows() {
                let rest = frame.slice(take, keys.rows() - take);
                let keys = Keys::of_frame(&self.schema, &rest);
                self.current = Some((rest, keys));
                if count >= rows || take == stop {
                    break;
                }
            }
        }
        match parts.len() {
            0 => Ok(None),
            1 => Ok(parts.pop()),
            _ => Ok(Some(arrow_select::concat::concat_batches(&parts[0].schema(), &parts)?)),
        }
    }
}
