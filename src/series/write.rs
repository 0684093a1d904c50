//! Writes: what the rows of a series become, and which segments have to be made for it.
//!
//! Old segments that come out the same stay; leading and trailing equal rows therefore cost nothing. Small
//! segments beside the new rows are merged by size tiers, so that n appends leave O(log n) of them.

use super::RowsError;
use super::combine::{update, upsert};
use super::encode::SegmentWriter;
use super::feed::Feed;
use super::read;
use crate::data::diff::{self, Changes};
use crate::data::frame;
use crate::data::key::{self, Keys};
use crate::data::schema::Schema;
use crate::data::sort::Sorted;
use crate::history::edit::NewEntry;
use crate::history::entry::{Segments, SeriesId};
use crate::history::segment::Segment;
use crate::interval::{Interval, Intervals, Key};
use crate::store::View;
use crate::store::draft::Draft;
use arrow_array::RecordBatch;
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
        let within = match mode {
            Mode::Overlay(interval) => Some(interval.clone()),
            _ => None,
        };
        let mut feed = Feed::new(self.schema, rows, within);
        let hull = match (mode, feed.span()?) {
            (Mode::Overlay(interval), _) => interval.clone(),
            (_, None) => return Ok(self.unchanged()),
            (Mode::Append, Some((first, _))) => {
                self.check_append(&first)?;
                Interval { lo: first, hi: None }
            }
            (Mode::Upsert | Mode::Update, Some((first, last))) => Interval::closed(&first, &last),
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
        key::show(self.schema, key)
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
        let rows: u64 = old.iter().map(|s| s.rows).sum();
        if let ([segment], Mode::Overlay(_) | Mode::Upsert) = (old, self.mode)
            && feed.skip_same(segment, end)
        {
            return self.keep(old, rows);
        }
        let new = feed.take_before(end, PIECE_ROWS)?;
        let keeps_all = match self.mode {
            Mode::Overlay(interval) => !old.iter().any(|s| interval.overlaps(&s.span())),
            _ => new.is_none(),
        };
        if new.is_none() && keeps_all {
            return self.keep(old, rows);
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
                return self.keep(old, rows);
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

    /// Old segments stay as they are.
    fn keep(&mut self, old: &[Segment], rows: u64) -> Result<(), RowsError> {
        self.changes.unchanged();
        self.rows_out += rows;
        old.iter().try_for_each(|segment| self.out.reuse(segment.clone()))
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
                // One part alone is not copied.
                parts.retain(|part| part.num_rows() > 0);
                Ok(frame::concat(schema, &parts)?)
            }
            (_, None) => Ok(old.clone()),
            (Mode::Append, Some(new)) => Ok(frame::concat(schema, &[old.clone(), new.clone()])?),
            (Mode::Upsert, Some(new)) => upsert(schema, old, new),
            (Mode::Update, Some(new)) => update(schema, old, new),
        }
    }
}
