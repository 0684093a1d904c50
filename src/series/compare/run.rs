//! Two runs of segments compared as streams: their boundaries need not agree.
//!
//! A frame of each at a time. Rows are compared up to the index value until which both frames are complete: rows with
//! the last one may go on in the next frame.

use super::{Delta, Frames, Reader, delta};
use crate::data::frame;
use crate::data::key::Keys;
use crate::data::schema::Schema;
use crate::history::segment::Segment;
use crate::interval::{Interval, Key};
use crate::series::RowsError;
use arrow_array::RecordBatch;
use std::collections::VecDeque;

/// Two runs on their way.
#[derive(Debug)]
pub(super) struct Run {
    old: Feed,
    new: Feed,
    within: Interval,
}

/// One of them: what is read and not compared yet, and what is to be read.
#[derive(Debug)]
struct Feed {
    segments: VecDeque<Segment>,
    /// Of the segment that is read now.
    open: Option<Frames>,
    frame: Option<RecordBatch>,
    keys: Option<Keys>,
}

impl Feed {
    /// Reads on where there is nothing to compare; `more`: also where there is.
    fn fill(&mut self, reader: &Reader, within: &Interval, more: bool) -> Result<(), RowsError> {
        let mut wanted = more || self.frame.is_none();
        while wanted {
            let Some(read) = self.open.as_mut().map(Frames::next).transpose()?.flatten() else {
                let Some(segment) = self.segments.pop_front() else { return Ok(()) };
                let rows = reader.rows(&segment, within)?;
                self.open = Some(reader.frames(&segment, &rows)?);
                continue;
            };
            let joined = match self.frame.take() {
                Some(frame) => frame::concat(&reader.joint, &[frame, read])?,
                None => read,
            };
            self.put(&reader.joint, joined);
            wanted = false;
        }
        Ok(())
    }

    fn put(&mut self, schema: &Schema, frame: RecordBatch) {
        let some = frame.num_rows() > 0;
        self.keys = some.then(|| Keys::of(schema, &frame));
        self.frame = some.then_some(frame);
    }

    /// The index value from which on rows may be missing.
    fn limit(&self) -> Option<Key> {
        let more = !self.segments.is_empty() || self.open.as_ref().is_some_and(|open| open.left > 0);
        let keys = self.keys.as_ref().filter(|_| more)?;
        Some(keys.key(keys.rows() - 1))
    }

    /// Takes the rows before `limit`.
    fn take(&mut self, schema: &Schema, limit: Option<&Key>) -> RecordBatch {
        let (Some(frame), Some(keys)) = (self.frame.take(), self.keys.take()) else {
            return frame::empty(schema);
        };
        let end = limit.map_or(keys.rows(), |limit| keys.lower_bound(limit));
        self.put(schema, frame.slice(end, frame.num_rows() - end));
        frame.slice(0, end)
    }
}

impl Run {
    pub(super) fn new(old: Vec<Segment>, new: Vec<Segment>, within: &Interval) -> Run {
        let feed = |list: Vec<Segment>| Feed { segments: list.into(), open: None, frame: None, keys: None };
        Run { old: feed(old), new: feed(new), within: within.clone() }
    }

    /// The next rows that differ, maybe none; `None` at the end.
    pub(super) fn next(&mut self, old: &Reader, new: &Reader) -> Result<Option<Delta>, RowsError> {
        let schema = &new.joint;
        self.old.fill(old, &self.within, false)?;
        self.new.fill(new, &self.within, false)?;
        loop {
            if self.old.frame.is_none() && self.new.frame.is_none() {
                return Ok(None);
            }
            let limits = (self.old.limit(), self.new.limit());
            let limit = match (&limits.0, &limits.1) {
                (Some(a), Some(b)) => Some(a.min(b).clone()),
                (a, b) => a.clone().or_else(|| b.clone()),
            };
            let (a, b) = (self.old.take(schema, limit.as_ref()), self.new.take(schema, limit.as_ref()));
            if a.num_rows() + b.num_rows() > 0 {
                return Ok(Some(delta(schema, &a, &b, true)));
            }
            // All rows that are left have the last index value: they go on in the next frame.
            if limits.0 == limit {
                self.old.fill(old, &self.within, true)?;
            }
            if limits.1 == limit {
                self.new.fill(new, &self.within, true)?;
            }
        }
    }
}
