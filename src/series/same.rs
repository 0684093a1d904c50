//! Rows on their way into a series that has most of them already.
//!
//! While rows come in the order of their index, segments that they repeat are found and named instead of kept. So a
//! file that is saved with few changes takes the memory of the changes, and the write finds what is the same without
//! a second look. What comes out of order is sorted as any input is.

use super::RowsError;
use super::{chunk, read};
use crate::data::input::{InputError, Problem};
use crate::data::key::Keys;
use crate::data::schema::Schema;
use crate::data::sort::chain::{Chain, Known};
use crate::data::sort::{Sorted, Sorter};
use crate::history::entry::Segments;
use crate::history::segment::Segment;
use crate::interval::{Interval, Key, next_prefix};
use crate::store::View;
use arrow_array::{Array, RecordBatch};
use rayon::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;

/// Segments looked up at once.
const WINDOW: u64 = 64;

/// So many columns are decoded where they are compared: other threads parse what comes next meanwhile, and to wait
/// for them would leave them without work.
const FEW_COLUMNS: usize = 4;

/// The rows of a segment, named.
#[derive(Debug)]
pub(super) struct Same {
    view: View,
    schema: Arc<Schema>,
    pub(super) segment: Segment,
}

impl Known for Same {
    fn span(&self) -> (&Key, &Key) {
        (&self.segment.first, &self.segment.last)
    }

    fn rows(&self) -> Result<RecordBatch, InputError> {
        // No fault of the input: told as the failed read it is.
        read::whole(&self.view, &self.schema, &self.segment)
            .map_err(|e| InputError::new(Problem::Read(std::io::Error::other(e))))
    }
}

/// What rows are compared with, and where they are collected.
#[derive(Debug)]
pub struct Matcher<'a> {
    view: &'a View,
    schema: &'a Arc<Schema>,
    old: &'a Segments,
    /// Old segments to come, and the position of the first behind them.
    ahead: VecDeque<Segment>,
    position: Option<u64>,
    /// Rows that may yet turn out to be those of the next old segment.
    waiting: VecDeque<RecordBatch>,
    waiting_rows: u64,
    /// Rows taken, and the last index value of them.
    rows: u64,
    last: Option<Key>,
    chain: Chain,
}

impl<'a> Matcher<'a> {
    /// Compares with the rows of `old`, which `view` reads; collects what differs in `chain`.
    #[must_use]
    pub fn new(view: &'a View, schema: &'a Arc<Schema>, old: &'a Segments, chain: Chain) -> Matcher<'a> {
        Matcher {
            view,
            schema,
            old,
            ahead: VecDeque::new(),
            position: None,
            waiting: VecDeque::new(),
            waiting_rows: 0,
            rows: 0,
            last: None,
            chain,
        }
    }

    /// Takes rows, or gives back what does not come in order, or has not all columns.
    pub fn push(&mut self, frame: RecordBatch) -> Result<Option<RecordBatch>, RowsError> {
        if frame.num_rows() == 0 {
            return Ok(None);
        }
        if frame.schema_ref().fields() != self.schema.arrow().fields() {
            return Ok(Some(frame));
        }
        let keys = Keys::of(self.schema, &frame);
        let behind = self.last.as_ref().is_none_or(|last| *last <= keys.key(0));
        if !behind || keys.first_disorder().is_some() {
            return Ok(Some(frame));
        }
        self.last = Some(keys.key(keys.rows() - 1));
        self.rows += keys.rows() as u64;
        self.waiting_rows += keys.rows() as u64;
        self.waiting.push_back(frame);
        self.settle()?;
        Ok(None)
    }

    /// Ends the input: the rows, and how many they are.
    pub fn finish(mut self) -> Result<(Sorted, u64), RowsError> {
        self.release(None)?;
        Ok((self.chain.finish(), self.rows))
    }

    /// Hands all rows over, to be sorted with those that do not follow them.
    pub fn pour(mut self, sorter: &mut Sorter) -> Result<(), RowsError> {
        self.release(None)?;
        Ok(self.chain.pour(sorter)?)
    }

    /// Decides what can be decided of the rows that wait.
    fn settle(&mut self) -> Result<(), RowsError> {
        while let Some(front) = self.waiting.front() {
            let first = Keys::of(self.schema, front).key(0);
            self.pass(&first)?;
            match self.ahead.front() {
                None => self.release(None)?,
                Some(next) if next.first > first => {
                    let start = next.first.clone();
                    self.release(Some(&start))?;
                }
                Some(next) if self.waiting_rows < next.rows => return Ok(()),
                Some(_) => self.compare()?,
            }
        }
        Ok(())
    }

    /// Passes old segments until one does not start before `key`.
    fn pass(&mut self, key: &Key) -> Result<(), RowsError> {
        let total = self.old.sums().segments;
        let mut position = match self.position {
            Some(position) => position,
            None => self.old.locate(self.view, &Interval::point(key))?.start,
        };
        loop {
            while self.ahead.front().is_some_and(|segment| segment.first < *key) {
                self.ahead.pop_front();
            }
            if !self.ahead.is_empty() || position >= total {
                self.position = Some(position);
                return Ok(());
            }
            let end = (position + WINDOW).min(total);
            self.ahead = self.old.at(self.view, &(position..end))?.into();
            position = end;
        }
    }

    /// Compares the next old segment with as many of the rows that wait, which start as it does.
    fn compare(&mut self) -> Result<(), RowsError> {
        let Some(segment) = self.ahead.pop_front() else { return Ok(()) };
        if self.repeats(&segment)? {
            self.drop_waiting(segment.rows);
            let known = Same { view: self.view.clone(), schema: Arc::clone(self.schema), segment };
            self.chain.push_known(Box::new(known));
            return Ok(());
        }
        // Up to its last index value, so that the next segment is met at its start.
        self.release(next_prefix(&segment.last).as_ref())
    }

    fn repeats(&self, segment: &Segment) -> Result<bool, RowsError> {
        let mut parts = Vec::new();
        let mut left = segment.rows as usize;
        for frame in &self.waiting {
            let rows = frame.num_rows().min(left);
            parts.push(frame.slice(0, rows));
            left -= rows;
            if left == 0 {
                // Where rows were added or removed, the last index value tells without decoding any.
                if Keys::of(self.schema, frame).key(rows - 1) != segment.last {
                    return Ok(false);
                }
                break;
            }
        }
        let same = |i: usize| -> Result<bool, RowsError> {
            let old = chunk::column(self.view, self.schema, segment, i, 0..segment.rows as usize)?;
            let mut at = 0;
            Ok(parts.iter().all(|part| {
                let rows = at..at + part.num_rows();
                at = rows.end;
                old.slice(rows.start, rows.len()).as_ref() == part.column(i).as_ref()
            }))
        };
        // A column at a time: the first that differs is enough, and wide rows need not fit twice.
        let columns = 0..self.schema.columns().len();
        let ends = |same: &Result<bool, RowsError>| !matches!(same, Ok(true));
        let found = if columns.len() <= FEW_COLUMNS {
            columns.map(same).find(ends)
        } else {
            columns.into_par_iter().map(same).find_any(ends)
        };
        found.unwrap_or(Ok(true))
    }

    fn drop_waiting(&mut self, rows: u64) {
        self.waiting_rows -= rows;
        let mut left = rows as usize;
        while let Some(frame) = self.waiting.pop_front() {
            if frame.num_rows() > left {
                self.waiting.push_front(frame.slice(left, frame.num_rows() - left));
                return;
            }
            left -= frame.num_rows();
            if left == 0 {
                return;
            }
        }
    }

    /// Gives up waiting for the rows before `end` (none: all): they are no segment of old.
    fn release(&mut self, end: Option<&Key>) -> Result<(), RowsError> {
        while let Some(frame) = self.waiting.pop_front() {
            let rows = end.map_or(frame.num_rows(), |end| Keys::of(self.schema, &frame).lower_bound(end));
            self.waiting_rows -= rows as u64;
            if rows < frame.num_rows() {
                self.waiting.push_front(frame.slice(rows, frame.num_rows() - rows));
                if rows > 0 {
                    self.chain.push(frame.slice(0, rows))?;
                }
                return Ok(());
            }
            self.chain.push(frame)?;
        }
        Ok(())
    }
}
