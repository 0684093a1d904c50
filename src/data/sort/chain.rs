//! Rows that come in the order of their index, some of them known already.
//!
//! What is known is named, not kept: rows that are equal to rows of a series take no memory on their way back into
//! it. The others stay in memory up to a limit; beyond it they are spilled, in order, so nothing is ever merged.

use super::{Reader, Sorted, Sorter, failed, open_run, span, write_run};
use crate::data::input::InputError;
use crate::data::schema::Schema;
use crate::interval::Key;
use arrow_array::{RecordBatch, UInt32Array};
use std::any::Any;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes not worth a copy.
const SMALL: usize = 4096;

/// Rows that can be had again.
pub trait Known: Any + std::fmt::Debug + Send {
    /// The first and the last index value.
    fn span(&self) -> (&Key, &Key);
    /// The rows: at least one, in order.
    fn rows(&self) -> Result<RecordBatch, InputError>;
}

#[derive(Debug)]
enum Link {
    Rows(RecordBatch),
    Known(Box<dyn Known>),
    /// So many of the next frames of a run.
    Spilled(usize, usize),
}

/// Collects whole rows of a schema, each behind all before.
#[derive(Debug)]
pub struct Chain {
    schema: Arc<Schema>,
    folder: PathBuf,
    limit: usize,
    /// Each with its first index value.
    links: VecDeque<(Key, Link)>,
    bytes: usize,
    runs: Vec<Option<Reader>>,
    span: Option<(Key, Key)>,
}

impl Chain {
    /// Takes whole rows of `schema`; they are spilled to `folder` beyond `limit` bytes in memory.
    #[must_use]
    pub fn new(schema: Arc<Schema>, folder: PathBuf, limit: usize) -> Chain {
        let (links, runs) = (VecDeque::new(), Vec::new());
        Chain { schema, folder, limit, links, bytes: 0, runs, span: None }
    }

    fn widen(&mut self, first: &Key, last: Key) {
        let first = self.span.take().map_or_else(|| first.clone(), |(first, _)| first);
        self.span = Some((first, last));
    }

    /// Adds rows behind all before.
    pub fn push(&mut self, frame: RecordBatch) -> Result<(), InputError> {
        let Some((first, last)) = span(&self.schema, std::slice::from_ref(&frame)) else { return Ok(()) };
        self.widen(&first, last);
        let frame = compact(frame)?;
        self.bytes += frame.get_array_memory_size();
        self.links.push_back((first, Link::Rows(frame)));
        if self.bytes > self.limit { self.spill() } else { Ok(()) }
    }

    /// Adds rows behind all before by their name.
    pub fn push_known(&mut self, known: Box<dyn Known>) {
        let (first, last) = known.span();
        let (first, last) = (first.clone(), last.clone());
        self.widen(&first, last);
        self.links.push_back((first, Link::Known(known)));
    }

    /// Moves the rows in memory to a file.
    fn spill(&mut self) -> Result<(), InputError> {
        let run = self.runs.len();
        let mut frames = Vec::new();
        for (_, link) in &mut self.links {
            if let Link::Rows(frame) = link {
                frames.push(frame.clone());
                *link = Link::Spilled(run, 0);
            }
        }
        let (file, counts) = write_run(&self.folder, self.schema.arrow(), frames.iter().cloned().map(Ok))?;
        let mut counts = counts.into_iter();
        for (_, link) in &mut self.links {
            if let Link::Spilled(of, frames) = link
                && *of == run
            {
                *frames = counts.next().unwrap_or(0);
            }
        }
        self.runs.push(Some(open_run(file)?));
        self.bytes = 0;
        Ok(())
    }

    /// The first index value of the next rows but `skip` pieces.
    pub(super) fn first(&self, skip: usize) -> Option<&Key> {
        self.links.get(skip).map(|(first, _)| first)
    }

    /// The next rows, where they are known ones.
    pub(super) fn known(&self) -> Option<&dyn Known> {
        match self.links.front() {
            Some((_, Link::Known(known))) => Some(known.as_ref()),
            _ => None,
        }
    }

    /// Takes the next rows.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>, InputError> {
        match self.links.pop_front() {
            None => Ok(None),
            Some((_, Link::Rows(frame))) => Ok(Some(frame)),
            Some((_, Link::Known(known))) => known.rows().map(Some),
            Some((first, Link::Spilled(run, left))) => {
                if left > 1 {
                    self.links.push_front((first, Link::Spilled(run, left - 1)));
                }
                self.runs[run].as_mut().and_then(Iterator::next).transpose().map_err(|e| failed(&e))
            }
        }
    }

    /// Drops the next rows.
    pub(super) fn skip(&mut self) {
        self.links.pop_front();
    }

    /// Hands all rows over to a sorter, for what comes next is out of order.
    pub fn pour(mut self, sorter: &mut Sorter) -> Result<(), InputError> {
        while let Some(frame) = self.next()? {
            sorter.push(frame)?;
        }
        Ok(())
    }

    /// Ends the input.
    #[must_use]
    pub fn finish(mut self) -> Sorted {
        let span = self.span.take();
        let schema = Schema::clone(&self.schema);
        Sorted::chained(self, schema, span)
    }
}

/// The rows without much more than their own memory: a small part of a frame holds all of it.
fn compact(frame: RecordBatch) -> Result<RecordBatch, InputError> {
    let own: usize = frame.columns().iter().filter_map(|a| a.to_data().get_slice_memory_size().ok()).sum();
    if frame.get_array_memory_size() < 2 * own + SMALL {
        return Ok(frame);
    }
    let rows = UInt32Array::from_iter_values(0..u32::try_from(frame.num_rows()).unwrap_or(u32::MAX));
    arrow_select::take::take_record_batch(&frame, &rows).map_err(|e| failed(&e))
}
