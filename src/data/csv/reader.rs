//! The reader: blocks of an input in, batches out, in order.
//!
//! Memory is bounded by the blocks in flight, one unless `parallel` says more, whatever the input's
//! size. After an error nothing more comes.

use super::block::Blocks;
use super::head::{Head, Header, Heading, head};
use super::record::{Parsed, Plan};
use super::text::Form;
use crate::data::input::{InputError, Problem};
use crate::data::schema::Schema;
use arrow_array::RecordBatch;
use std::collections::VecDeque;
use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvError, TryRecvError, channel};

/// Reads CSV as batches of a schema's columns, with or without a header line.
///
/// Batches have the columns in schema order and at most the given number of rows, often fewer.
pub struct CsvReader<R: Read> {
    schema: Arc<Schema>,
    blocks: Blocks<R>,
    batch_rows: usize,
    heading: Heading,
    in_flight: usize,
    /// What the first line said; `None` until it is read.
    plan: Option<Arc<Plan>>,
    columns: Vec<usize>,
    had_header: bool,
    /// Blocks in flight, in order.
    pending: VecDeque<Pending>,
    /// What is left of the batch being handed out.
    rest: Option<RecordBatch>,
    /// Lines before the blocks in flight.
    lines: u64,
    /// Whether the input is read to its end.
    ended: bool,
    /// Whether the last batch or an error was given.
    done: bool,
}

impl<R: Read> CsvReader<R> {
    /// Reads `input` as rows of `schema`, at most `batch_rows` at a time.
    pub fn new(schema: Arc<Schema>, input: R, batch_rows: usize) -> CsvReader<R> {
        let columns: Vec<usize> = (0..schema.columns().len()).collect();
        CsvReader {
            blocks: Blocks::new(input, columns.len(), own(&schema)),
            schema,
            batch_rows: batch_rows.max(1),
            heading: Heading::default(),
            in_flight: 1,
            plan: None,
            columns,
            had_header: false,
            pending: VecDeque::new(),
            rest: None,
            lines: 0,
            ended: false,
            done: false,
        }
    }

    /// Lets a header list only some of the columns, among them every index column.
    #[must_use]
    pub const fn partial(mut self, partial: bool) -> Self {
        self.heading.partial = partial;
        self
    }

    /// Says whether the first line is a header; else the line tells, and is refused if it may be either.
    #[must_use]
    pub const fn header(mut self, header: Header) -> Self {
        self.heading.header = header;
        self
    }

    /// Keeps up to `blocks` blocks of 1 MiB in flight, parsed side by side on rayon's threads while the
    /// caller works on the last batch.
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

    /// How the input is written; known after the first call of `next`.
    pub const fn form(&self) -> Form {
        self.blocks.form()
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
            self.read_ahead()?;
            let Some(pending) = self.pending.pop_front() else { return Ok(None) };
            let before = self.lines;
            let parsed = pending.wait().map_err(|e| shift(e, before))?;
            self.lines += parsed.lines;
            self.blocks.recycle(parsed.block);
            let batch = parsed.batch.map_err(|e| shift(e, before))?;
            self.rest = Some(batch).filter(|batch| batch.num_rows() > 0);
        }
    }

    /// Reads blocks and has them parsed until enough are in flight.
    fn read_ahead(&mut self) -> Result<(), InputError> {
        while !self.ended && self.pending.len() < self.in_flight {
            match self.blocks.next() {
                Ok(Some(block)) => self.parse(block)?,
                Ok(None) => self.ended = true,
                // Rows and errors before this one come first.
                Err(error) => {
                    self.ended = true;
                    self.pending.push_back(Pending::Failed(error));
                }
            }
        }
        if self.plan.is_none() && self.pending.is_empty() { Err(empty()) } else { Ok(()) }
    }

    fn parse(&mut self, block: Vec<u8>) -> Result<(), InputError> {
        let mut data = 0;
        let plan = match &self.plan {
            Some(plan) => plan.clone(),
            None => match head(&block, &self.schema, self.heading).map_err(|e| shift(e, self.lines))? {
                Some(head) => {
                    data = head.data;
                    self.start(head, &block)
                }
                None => {
                    self.lines += newlines(&block);
                    return Ok(());
                }
            },
        };
        let job = move || {
            let Parsed { batch, lines } = plan.parse(&block[data..]);
            Done { batch, lines, block }
        };
        // A short input is not worth a second thread.
        let alone = self.in_flight == 1 || (self.pending.is_empty() && self.blocks.ended());
        self.pending.push_back(if alone { Pending::Done(job()) } else { Pending::spawn(job) });
        Ok(())
    }

    fn start(&mut self, head: Head, block: &[u8]) -> Arc<Plan> {
        let plan = Arc::new(Plan::new(&self.schema, &head.positions));
        self.plan = Some(plan.clone());
        self.lines += newlines(&block[..head.data]);
        self.had_header = head.header;
        self.columns = head.positions;
        self.columns.sort_unstable();
        plan
    }
}

/// A block on its way to a batch.
enum Pending {
    Done(Done),
    Parsing(Receiver<Done>),
    Failed(InputError),
}

/// A block that is parsed, and its memory.
struct Done {
    batch: Result<RecordBatch, InputError>,
    lines: u64,
    block: Vec<u8>,
}

impl Pending {
    fn spawn(job: impl FnOnce() -> Done + Send + 'static) -> Pending {
        let (sender, receiver) = channel();
        rayon::spawn(move || {
            // It fails only where the reader is gone, and with it the wish for the batch.
            sender.send(job()).ok();
        });
        Pending::Parsing(receiver)
    }

    fn wait(self) -> Result<Done, InputError> {
        let receiver = match self {
            Pending::Done(done) => return Ok(done),
            Pending::Failed(error) => return Err(error),
            Pending::Parsing(receiver) => receiver,
        };
        // One of rayon's own threads must not block: the job may be waiting for it.
        while rayon::current_thread_index().is_some() {
            match receiver.try_recv() {
                Ok(done) => return Ok(done),
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) if rayon::yield_now() == Some(rayon::Yield::Executed) => {}
                Err(TryRecvError::Empty) => std::thread::yield_now(),
            }
        }
        let failed = |e: RecvError| InputError::new(Problem::Other(format!("parsing stopped: {e}")));
        receiver.recv().map_err(failed)
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

/// What output of ours begins with.
fn own(schema: &Schema) -> Vec<u8> {
    schema.columns().first().map(|column| column.name.as_bytes().to_vec()).unwrap_or_default()
}

fn newlines(block: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', block).count() as u64
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
