//! The reader: blocks of an input in, batches out, in order.
//!
//! Memory is bounded by the blocks in flight, one unless `parallel` says more, whatever the input's
//! size. After an error nothing more comes.

use super::block::Blocks;
use super::head::{Head, head};
use super::record::{Parsed, Plan};
use crate::data::input::{InputError, Problem};
use crate::data::schema::Schema;
use arrow_array::RecordBatch;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::fmt;
use std::io::Read;
use std::sync::Arc;

/// Reads CSV as batches of a schema's columns, with or without a header line.
///
/// Batches have the columns in schema order and at most the given number of rows, often fewer.
pub struct CsvReader<R: Read> {
    schema: Arc<Schema>,
    blocks: Blocks<R>,
    batch_rows: usize,
    partial: bool,
    in_flight: usize,
    /// What the first line said; `None` until it is read.
    plan: Option<Plan>,
    columns: Vec<usize>,
    had_header: bool,
    /// Parsed and not yet handed out.
    ready: VecDeque<Parsed>,
    /// What is left of the batch being handed out.
    rest: Option<RecordBatch>,
    /// Lines before the blocks that are ready.
    lines: u64,
    done: bool,
}

impl<R: Read> CsvReader<R> {
    /// Reads `input` as rows of `schema`, at most `batch_rows` at a time.
    pub fn new(schema: Arc<Schema>, input: R, batch_rows: usize) -> CsvReader<R> {
        let columns: Vec<usize> = (0..schema.columns().len()).collect();
        CsvReader {
            blocks: Blocks::new(input, columns.len()),
            schema,
            batch_rows: batch_rows.max(1),
            partial: false,
            in_flight: 1,
            plan: None,
            columns,
            had_header: false,
            ready: VecDeque::new(),
            rest: None,
            lines: 0,
            done: false,
        }
    }

    /// Lets a header list only some of the columns, among them every index column.
    #[must_use]
    pub const fn partial(mut self, partial: bool) -> Self {
        self.partial = partial;
        self
    }

    /// Reads up to `blocks` blocks of 1 MiB ahead and parses them side by side on rayon's threads.
    #[must_use]
    pub fn parallel(mut self, blocks: usize) -> Self {
        self.in_flight = blocks.max(1);
        self
    }

    /// Positions in the schema of the columns that batches have; known after the first call of `next`,
    /// all columns before it.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Whether the first line was a header; known after the first call of `next`.
    pub const fn had_header(&self) -> bool {
        self.had_header
    }

    #[cfg(test)]
    pub(super) fn block_size(mut self, size: usize, field_limit: usize) -> Self {
        self.blocks.set_sizes(size, field_limit);
        self
    }

    fn batch(&mut self) -> Result<Option<RecordBatch>, InputError> {
        loop {
            if let Some(batch) = self.rest.take() {
                let rows = batch.num_rows().min(self.batch_rows);
                if rows < batch.num_rows() {
                    self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
                }
                return Ok(Some(batch.slice(0, rows)));
            }
            if self.ready.is_empty() && !self.fill()? {
                return Ok(None);
            }
            if let Some(parsed) = self.ready.pop_front() {
                let before = self.lines;
                self.lines += parsed.lines;
                let batch = parsed.batch.map_err(|e| shift(e, before))?;
                self.rest = Some(batch).filter(|batch| batch.num_rows() > 0);
            }
        }
    }

    /// Parses the next blocks; false at the end.
    fn fill(&mut self) -> Result<bool, InputError> {
        let mut blocks = Vec::new();
        while blocks.len() < self.in_flight {
            let before = self.lines;
            let Some(block) = self.blocks.next().map_err(|e| shift(e, before + newlines(&blocks)))? else {
                break;
            };
            blocks.push(block);
        }
        if blocks.is_empty() {
            return if self.plan.is_some() { Ok(false) } else { Err(empty()) };
        }
        let mut data = 0;
        if self.plan.is_none() {
            data = self.start(&mut blocks)?;
        }
        let Some(plan) = &self.plan else { return Ok(true) };
        let parse = |(i, block): (usize, &Vec<u8>)| plan.parse(if i == 0 { &block[data..] } else { block });
        if let [only] = &blocks[..] {
            self.ready.push_back(parse((0, only)));
        } else {
            let parsed: Vec<Parsed> = blocks.par_iter().enumerate().map(parse).collect();
            self.ready.extend(parsed);
        }
        blocks.into_iter().for_each(|block| self.blocks.recycle(block));
        Ok(true)
    }

    /// Reads the first line: where the data of the first block starts. Drops blank blocks.
    fn start(&mut self, blocks: &mut Vec<Vec<u8>>) -> Result<usize, InputError> {
        while let Some(first) = blocks.first() {
            let before = self.lines;
            let found = head(first, &self.schema, self.partial).map_err(|e| shift(e, before))?;
            let Some(Head { positions, header, data }) = found else {
                self.lines += newlines(&blocks[..1]);
                blocks.remove(0);
                continue;
            };
            self.lines += memchr::memchr_iter(b'\n', &first[..data]).count() as u64;
            self.plan = Some(Plan::new(&self.schema, &positions));
            self.had_header = header;
            self.columns = positions;
            self.columns.sort_unstable();
            return Ok(data);
        }
        Ok(0)
    }
}

/// `None` after the last row and after an error.
impl<R: Read> Iterator for CsvReader<R> {
    type Item = Result<RecordBatch, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let batch = self.batch().transpose();
        self.done = !matches!(batch, Some(Ok(_)));
        batch
    }
}

impl<R: Read> fmt::Debug for CsvReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsvReader").field("schema", &self.schema).field("lines", &self.lines).finish()
    }
}

fn newlines(blocks: &[Vec<u8>]) -> u64 {
    blocks.iter().map(|block| memchr::memchr_iter(b'\n', block).count() as u64).sum()
}

/// Makes a line that counts from a block's start count from the input's.
fn shift(error: InputError, before: u64) -> InputError {
    let line = if error.line == 0 { 0 } else { error.line + before };
    error.at_line(line)
}

fn empty() -> InputError {
    let message = "the input is empty: give rows, or a header line alone for no rows";
    InputError::new(Problem::Other(message.to_owned()))
}
