//! Rows to segments: cutting runs of rows into chunks, encoding them on all cores.
//!
//! Cuts at the target size, never between rows of equal index where that can be helped, and at the
//! boundaries of old segments where the caller says so, so that unchanged chunks come out the same.

use super::RowsError;
use crate::data::key::Keys;
use crate::data::pages::{self, Encoded, MOST_ROWS, MOST_TEXT};
use crate::data::schema::{Column, Schema};
use crate::data::{csv, frame};
use crate::history::segment::{ChunkRef, Segment};
use crate::interval::Key;
use crate::store::draft::Draft;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use parking_lot::Mutex;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

/// Rows of a full segment, unless the caller wants others.
pub const TARGET_ROWS: usize = 131_072;

/// Bytes of text of a column after which a segment is cut, however few its rows.
const MAX_TEXT: usize = 64 << 20;

/// Segments of fewer rows are encoded where they are made: a thread would cost more.
const INLINE_ROWS: usize = 16_384;

/// Segments being encoded at once.
const IN_FLIGHT: usize = 6;

/// Bytes of rows being encoded at once, where one segment has fewer.
const BYTES_IN_FLIGHT: usize = 48 << 20;

/// Takes rows in order and makes segments of them.
#[derive(Debug)]
pub struct SegmentWriter<'a> {
    schema: Arc<Schema>,
    draft: &'a Mutex<Draft>,
    target: usize,
    pending: Vec<RecordBatch>,
    rows: usize,
    text: usize,
    jobs: VecDeque<Job>,
    segments: Vec<Segment>,
}

#[derive(Debug)]
enum Job {
    /// And bytes of its rows.
    Encoding(Receiver<Result<EncodedSegment, RowsError>>, usize),
    Done(Segment),
}

impl<'a> SegmentWriter<'a> {
    /// Stages chunks in `draft`; segments get about `target` rows.
    #[must_use]
    pub fn new(schema: Arc<Schema>, draft: &'a Mutex<Draft>, target: usize) -> SegmentWriter<'a> {
        SegmentWriter {
            schema,
            draft,
            target: target.clamp(1, MOST_ROWS as usize / 4),
            pending: Vec::new(),
            rows: 0,
            text: 0,
            jobs: VecDeque::new(),
            segments: Vec::new(),
        }
    }

    /// Rows that are not cut yet.
    #[must_use]
    pub const fn pending_rows(&self) -> usize {
        self.rows
    }

    /// Whether no segment was cut yet.
    #[must_use]
    pub fn is_uncut(&self) -> bool {
        self.jobs.is_empty() && self.segments.is_empty()
    }

    /// Adds rows behind all before.
    pub fn push(&mut self, frame: RecordBatch) -> Result<(), RowsError> {
        let text = text_bytes(std::slice::from_ref(&frame));
        if frame.num_rows() > 1 && text > MAX_TEXT {
            let half = frame.num_rows() / 2;
            self.push(frame.slice(0, half))?;
            return self.push(frame.slice(half, frame.num_rows() - half));
        }
        if frame.num_rows() == 0 {
            return Ok(());
        }
        if self.text + text > MAX_TEXT {
            self.cut()?;
        }
        self.rows += frame.num_rows();
        self.text += text;
        self.pending.push(frame);
        while self.rows > self.target + self.target / 2 {
            self.cut_target()?;
        }
        Ok(())
    }

    /// Puts rows in front of the pending ones.
    pub fn prepend(&mut self, frame: RecordBatch) {
        self.rows += frame.num_rows();
        self.text += text_bytes(std::slice::from_ref(&frame));
        self.pending.insert(0, frame);
    }

    /// A good place to cut: an old segment ended here.
    pub fn boundary(&mut self) -> Result<(), RowsError> {
        if self.rows >= self.target.div_ceil(2) { self.cut() } else { Ok(()) }
    }

    /// Adds a segment as it is.
    pub fn reuse(&mut self, segment: Segment) -> Result<(), RowsError> {
        self.cut()?;
        self.jobs.push_back(Job::Done(segment));
        Ok(())
    }

    /// Makes a segment of the pending rows, if any.
    pub fn cut(&mut self) -> Result<(), RowsError> {
        if self.rows == 0 {
            return Ok(());
        }
        let whole = self.take_pending()?;
        self.encode(whole)
    }

    fn take_pending(&mut self) -> Result<RecordBatch, RowsError> {
        (self.rows, self.text) = (0, 0);
        Ok(frame::concat(&self.schema, &std::mem::take(&mut self.pending))?)
    }

    fn cut_target(&mut self) -> Result<(), RowsError> {
        let mut left = self.cut_at();
        let mut parts = Vec::new();
        let mut rest = Vec::new();
        for frame in std::mem::take(&mut self.pending) {
            let rows = frame.num_rows().min(left);
            left -= rows;
            if rows > 0 {
                parts.push(frame.slice(0, rows));
            }
            if rows < frame.num_rows() {
                rest.push(frame.slice(rows, frame.num_rows() - rows));
            }
        }
        self.rows = rest.iter().map(RecordBatch::num_rows).sum();
        self.text = text_bytes(&rest);
        self.pending = rest;
        self.encode(frame::concat(&self.schema, &parts)?)
    }

    /// How many of the pending rows make a full segment.
    fn cut_at(&self) -> usize {
        let most = self.target + self.target / 2;
        let mut frames = self.pending.iter();
        let mut before = 0;
        let found = frames.find(|frame| {
            before += frame.num_rows();
            before >= self.target
        });
        let Some(frame) = found else { return self.target };
        let mut keys = Keys::of(&self.schema, frame);
        let mut end = before - keys.rows() + keys.run_end(self.target - 1 - (before - keys.rows()));
        for next in frames {
            let following = Keys::of(&self.schema, next);
            if end < before || end > most || keys.cmp(keys.rows() - 1, &following, 0).is_ne() {
                break;
            }
            end += following.run_end(0);
            before += following.rows();
            keys = following;
        }
        // A run of equal index values that is longer than a segment is cut all the same: ranges go by value.
        if end <= most { end } else { self.target }
    }

    fn encode(&mut self, frame: RecordBatch) -> Result<(), RowsError> {
        if frame.num_rows() < INLINE_ROWS || rayon::current_thread_index().is_some() {
            let segment = EncodedSegment::of(&self.schema, &frame)?.stage(&mut self.draft.lock());
            self.jobs.push_back(Job::Done(segment));
        } else {
            let (sender, receiver) = sync_channel(1);
            let bytes = frame.get_array_memory_size();
            let schema = Arc::clone(&self.schema);
            rayon::spawn(move || {
                if sender.send(EncodedSegment::of(&schema, &frame)).is_err() {
                    log::debug!("a writer has ended early");
                }
            });
            self.jobs.push_back(Job::Encoding(receiver, bytes));
        }
        while self.jobs.len() > IN_FLIGHT || (self.jobs.len() > 1 && self.bytes_in_flight() > BYTES_IN_FLIGHT)
        {
            self.take_one()?;
        }
        Ok(())
    }

    fn bytes_in_flight(&self) -> usize {
        let bytes = |job: &Job| if let Job::Encoding(_, bytes) = job { *bytes } else { 0 };
        self.jobs.iter().map(bytes).sum()
    }

    fn take_one(&mut self) -> Result<(), RowsError> {
        match self.jobs.pop_front() {
            None => {}
            Some(Job::Done(segment)) => self.segments.push(segment),
            Some(Job::Encoding(receiver, _)) => {
                let encoded = receiver.recv().map_err(|e| RowsError::Encode(e.to_string()))??;
                self.segments.push(encoded.stage(&mut self.draft.lock()));
            }
        }
        Ok(())
    }

    /// Cuts what is pending and gives all segments.
    pub fn finish(mut self) -> Result<Vec<Segment>, RowsError> {
        self.cut()?;
        while !self.jobs.is_empty() {
            self.take_one()?;
        }
        Ok(self.segments)
    }
}

/// Bytes of text of the column that has most.
fn text_bytes(frames: &[RecordBatch]) -> usize {
    let of = |array: &ArrayRef| match array.data_type() {
        DataType::Utf8 => {
            let offsets = array.as_string::<i32>().value_offsets();
            (offsets[offsets.len() - 1] - offsets[0]) as usize
        }
        _ => 0,
    };
    let column = |i: usize| frames.iter().map(|frame| of(frame.column(i))).sum();
    let columns = frames.first().map_or(0, RecordBatch::num_columns);
    (0..columns).map(column).max().unwrap_or(0)
}

/// A segment that is encoded but not staged.
#[derive(Debug)]
struct EncodedSegment {
    rows: u64,
    first: Key,
    last: Key,
    chunks: Vec<EncodedChunk>,
}

#[derive(Debug)]
struct EncodedChunk {
    encoded: Encoded,
    csv_len: u64,
    range: Option<(Key, Key)>,
}

impl EncodedSegment {
    fn of(schema: &Schema, frame: &RecordBatch) -> Result<EncodedSegment, RowsError> {
        let keys = Keys::of(schema, frame);
        let encode = |i: usize| -> Result<EncodedChunk, RowsError> {
            let (column, array) = (&schema.columns()[i], frame.column(i));
            let range = (column.index && schema.index().first() != Some(&i)).then(|| range(column, array));
            let csv_len = csv::column_len(column.ty, array);
            if csv_len > MOST_TEXT {
                let name = &column.name;
                return Err(RowsError::Refused(format!(
                    "column {name}: one text, or a few beside each other, would take {csv_len} bytes as CSV; the most is {MOST_TEXT}"
                )));
            }
            Ok(EncodedChunk { encoded: pages::encode(column, array)?, csv_len, range: range.transpose()? })
        };
        let columns = 0..schema.columns().len();
        let chunks = match frame.num_rows() < INLINE_ROWS {
            true => columns.map(encode).collect::<Result<_, _>>()?,
            false => columns.into_par_iter().map(encode).collect::<Result<_, _>>()?,
        };
        Ok(EncodedSegment {
            rows: frame.num_rows() as u64,
            first: keys.key(0),
            last: keys.key(frame.num_rows() - 1),
            chunks,
        })
    }

    fn stage(self, draft: &mut Draft) -> Segment {
        let chunks = self.chunks.into_iter().map(|EncodedChunk { encoded, csv_len, range }| {
            let (place, check) = draft.stage(&encoded);
            ChunkRef { place, check, layout: encoded.layout, csv_len, range }
        });
        Segment { rows: self.rows, chunks: chunks.collect(), first: self.first, last: self.last }
    }
}

/// Least and greatest value of an index column, as keys of that column alone.
fn range(column: &Column, array: &ArrayRef) -> Result<(Key, Key), RowsError> {
    let alone = Schema::new(vec![column.clone()]).map_err(|e| RowsError::Encode(e.to_string()))?;
    let keys = Keys::of_columns(&alone, std::slice::from_ref(array));
    let (mut least, mut greatest) = (0, 0);
    for row in 1..array.len() {
        if keys.cmp(row, &keys, least).is_lt() {
            least = row;
        } else if keys.cmp(row, &keys, greatest).is_gt() {
            greatest = row;
        }
    }
    Ok((keys.key(least), keys.key(greatest)))
}
