//! Input rows in order of their index, however many there are.
//!
//! Rows are taken into memory up to a limit, then sorted and spilled to temporary files as runs, which are
//! merged on the way out. Stable: rows of equal index keep the order of the input. All input is read
//! and checked before the first row comes out, so bad input late in a file costs nothing.

pub mod chain;
mod mix;
#[cfg(test)]
mod tests;

use super::frame;
use super::input::{InputError, Problem};
use super::key::Keys;
use super::schema::Schema;
use crate::interval::Key;
use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::interleave::interleave_record_batch;
use chain::{Chain, Known};
use mix::{MIXED_ROWS, Mix};
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of rows kept in memory before a run is spilled.
pub const MEMORY: usize = 96 << 20;

/// Rows of a spilled frame: what each run keeps in memory while runs are merged.
const SPILL_ROWS: usize = 8192;

/// Bytes of one, where rows are long.
const SPILL_BYTES: usize = 256 << 10;

/// Rows of one however long they are.
const SPILL_LEAST: usize = 256;

/// Collects rows and gives them back sorted.
#[derive(Debug)]
pub struct Sorter {
    schema: Arc<Schema>,
    arrow: SchemaRef,
    folder: PathBuf,
    limit: usize,
    frames: Vec<RecordBatch>,
    bytes: usize,
    runs: Vec<File>,
    rows: u64,
    span: Option<(Key, Key)>,
}

impl Sorter {
    /// Takes frames of `arrow`, a subset of `schema`'s columns that has its index; runs are spilled to
    /// `folder` beyond `limit` bytes in memory.
    #[must_use]
    pub fn new(schema: Arc<Schema>, arrow: SchemaRef, folder: PathBuf, limit: usize) -> Sorter {
        let (frames, runs) = (Vec::new(), Vec::new());
        Sorter { schema, arrow, folder, limit, frames, bytes: 0, runs, rows: 0, span: None }
    }

    /// Adds rows.
    pub fn push(&mut self, frame: RecordBatch) -> Result<(), InputError> {
        self.rows += frame.num_rows() as u64;
        self.bytes += frame.get_array_memory_size();
        self.frames.push(frame);
        if self.bytes > self.limit { self.spill() } else { Ok(()) }
    }

    /// Rows added so far.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    fn take_sorted(&mut self) -> Result<Vec<RecordBatch>, InputError> {
        self.bytes = 0;
        let frames = std::mem::take(&mut self.frames);
        let schema = self.key_schema()?;
        let frames = sort_frames(&schema, frames).map_err(|e| failed(&e))?;
        self.widen_span(&schema, &frames);
        Ok(frames)
    }

    /// Takes sorted frames into the span of all rows.
    fn widen_span(&mut self, schema: &Schema, frames: &[RecordBatch]) {
        self.span = match (self.span.take(), span(schema, frames)) {
            (Some((lo, hi)), Some((first, last))) => Some((lo.min(first), hi.max(last))),
            (known, new) => known.or(new),
        };
    }

    /// The schema of the frames: index columns at the places they have there.
    fn key_schema(&self) -> Result<Schema, InputError> {
        let named = |field: &Arc<arrow_schema::Field>| self.schema.position(field.name());
        let columns = self.arrow.fields().iter().filter_map(named).map(|i| self.schema.columns()[i].clone());
        Schema::new(columns.collect()).map_err(|e| InputError::new(Problem::Other(e.to_string())))
    }

    fn spill(&mut self) -> Result<(), InputError> {
        self.bytes = 0;
        let mut frames = std::mem::take(&mut self.frames);
        frames.retain(|frame| frame.num_rows() > 0);
        let schema = self.key_schema()?;
        let keys: Vec<Keys> = frames.iter().map(|frame| Keys::of(&schema, frame)).collect();
        let (file, _counts) = if in_order(&keys) {
            self.widen_span(&schema, &frames);
            write_run(&self.folder, &self.arrow, frames.iter().cloned().map(Ok))?
        } else {
            // Never a second time in memory: put in order piece by piece as they are written.
            let order = order(&keys);
            drop(keys);
            let ends = [order.first(), order.last()].into_iter().flatten();
            let ends: Vec<_> =
                ends.map(|&(frame, row)| frames[frame as usize].slice(row as usize, 1)).collect();
            self.widen_span(&schema, &ends);
            let all: Vec<&RecordBatch> = frames.iter().collect();
            let pieces = order.chunks(SPILL_ROWS).map(|rows| {
                let rows: Vec<_> = rows.iter().map(|&(frame, row)| (frame as usize, row as usize)).collect();
                interleave_record_batch(&all, &rows)
            });
            write_run(&self.folder, &self.arrow, pieces)?
        };
        self.runs.push(file);
        Ok(())
    }

    /// Ends the input.
    pub fn finish(mut self) -> Result<Sorted, InputError> {
        let schema = self.key_schema()?;
        if self.runs.is_empty() {
            let frames = self.take_sorted()?;
            let runs = vec![Run::Memory(frames.into())];
            return Ok(Sorted { schema, source: Source::Runs(runs), heads: Vec::new(), span: self.span });
        }
        self.spill()?;
        let open = |file| open_run(file).map(|reader| Run::Spilled(Box::new(reader)));
        let runs = self.runs.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Sorted { schema, source: Source::Runs(runs), heads: Vec::new(), span: self.span })
    }
}

/// A spilled run as it is read.
type Reader = StreamReader<BufReader<File>>;

/// Writes frames to a temporary file: the file at its start, and how many frames each became.
fn write_run(
    folder: &Path,
    arrow: &SchemaRef,
    frames: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
) -> Result<(File, Vec<usize>), InputError> {
    let file = tempfile::tempfile_in(folder).map_err(unspooled)?;
    let mut writer =
        StreamWriter::try_new(BufWriter::with_capacity(1 << 20, file), arrow).map_err(|e| failed(&e))?;
    let mut counts = Vec::new();
    for frame in frames {
        let frame = frame.map_err(|e| failed(&e))?;
        let (rows, bytes) = (frame.num_rows(), frame.get_array_memory_size());
        let step =
            (SPILL_BYTES * rows).checked_div(bytes).unwrap_or(SPILL_ROWS).clamp(SPILL_LEAST, SPILL_ROWS);
        counts.push(rows.div_ceil(step));
        for at in (0..rows).step_by(step) {
            let part = frame.slice(at, step.min(rows - at));
            writer.write(&part).map_err(|e| failed(&e))?;
        }
    }
    let buffer = writer.into_inner().map_err(|e| failed(&e))?;
    let mut file = buffer.into_inner().map_err(|e| unspooled(e.into_error()))?;
    file.rewind().map_err(unspooled)?;
    Ok((file, counts))
}

fn open_run(file: File) -> Result<Reader, InputError> {
    StreamReader::try_new(BufReader::with_capacity(1 << 17, file), None).map_err(|e| failed(&e))
}

fn failed(error: &ArrowError) -> InputError {
    match error {
        // Runs are all that is written or read here.
        ArrowError::IoError(_, cause) => unspooled(match cause.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::other(cause.to_string()),
        }),
        error => InputError::new(Problem::Other(format!("cannot sort the input: {error}"))),
    }
}

const fn unspooled(error: io::Error) -> InputError {
    InputError::new(Problem::Spool(error))
}

/// Whether frames, of which none is empty, are in order.
fn in_order(keys: &[Keys]) -> bool {
    let within = keys.iter().all(|keys| keys.first_disorder().is_none());
    within && keys.windows(2).all(|w| w[0].cmp(w[0].rows() - 1, &w[1], 0) != Ordering::Greater)
}

/// The rows of frames in order, as frame and row; of equal ones the first first.
fn order(keys: &[Keys]) -> Vec<(u32, u32)> {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let rows = |(frame, keys): (usize, &Keys)| (0..number(keys.rows())).map(move |row| (number(frame), row));
    let mut order: Vec<(u32, u32)> = keys.iter().enumerate().flat_map(rows).collect();
    order.sort_by(|a, b| keys[a.0 as usize].cmp(a.1 as usize, &keys[b.0 as usize], b.1 as usize));
    order
}

/// Frames in order, without a copy where they are in order already.
fn sort_frames(schema: &Schema, mut frames: Vec<RecordBatch>) -> Result<Vec<RecordBatch>, ArrowError> {
    frames.retain(|frame| frame.num_rows() > 0);
    let keys: Vec<Keys> = frames.iter().map(|frame| Keys::of(schema, frame)).collect();
    if in_order(&keys) {
        return Ok(frames);
    }
    let whole = frame::concat(schema, &frames)?;
    drop((keys, frames));
    Ok(vec![frame::sort(schema, &whole)?])
}

/// The first and the last index value of sorted frames.
fn span(schema: &Schema, frames: &[RecordBatch]) -> Option<(Key, Key)> {
    let mut full = frames.iter().filter(|frame| frame.num_rows() > 0);
    let first = full.next()?;
    let last = full.next_back().unwrap_or(first);
    let key = |frame, row| Keys::of_frame(schema, frame).key(row);
    Some((key(first, 0), key(last, last.num_rows() - 1)))
}

/// Rows in order, a frame at a time.
#[derive(Debug)]
pub struct Sorted {
    schema: Schema,
    source: Source,
    /// The frame each run is at, where runs are merged.
    heads: Vec<Option<Head>>,
    span: Option<(Key, Key)>,
}

#[derive(Debug)]
enum Source {
    /// Each in order, to be merged.
    Runs(Vec<Run>),
    Chain(Chain),
}

enum Run {
    Memory(VecDeque<RecordBatch>),
    Spilled(Box<Reader>),
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Run::Memory(_) => "Memory",
            Run::Spilled(_) => "Spilled",
        })
    }
}

impl Run {
    fn next(&mut self) -> Result<Option<RecordBatch>, InputError> {
        match self {
            Run::Memory(frames) => Ok(frames.pop_front()),
            Run::Spilled(reader) => reader.next().transpose().map_err(|e| failed(&e)),
        }
    }
}

#[derive(Debug)]
struct Head {
    frame: RecordBatch,
    keys: Keys,
    row: usize,
}

impl Sorted {
    /// Frames that are in order already, given as they are.
    #[must_use]
    pub fn of(schema: &Schema, frames: Vec<RecordBatch>) -> Sorted {
        let span = span(schema, &frames);
        let source = Source::Runs(vec![Run::Memory(frames.into())]);
        Sorted { schema: schema.clone(), source, heads: Vec::new(), span }
    }

    fn chained(chain: Chain, schema: Schema, span: Option<(Key, Key)>) -> Sorted {
        Sorted { schema, source: Source::Chain(chain), heads: Vec::new(), span }
    }

    /// The first and the last index value of all rows, wherever they are; none where there are no rows.
    #[must_use]
    pub fn span(&self) -> Option<(&Key, &Key)> {
        self.span.as_ref().map(|(first, last)| (first, last))
    }

    /// The next rows, where they are known ones.
    #[must_use]
    pub fn known(&self) -> Option<&dyn Known> {
        match &self.source {
            Source::Chain(chain) => chain.known(),
            Source::Runs(_) => None,
        }
    }

    /// Takes the next rows, known ones, without a look at them, where all that follow have index values of at least
    /// `end` (none: nothing follows); else does nothing. Tells whether it did.
    pub fn skip_known(&mut self, end: Option<&[u8]>) -> bool {
        let Source::Chain(chain) = &mut self.source else { return false };
        let alone = chain.first(1).is_none_or(|first| end.is_some_and(|end| end <= first.as_slice()));
        let skips = chain.known().is_some() && alone;
        if skips {
            chain.skip();
        }
        skips
    }

    /// The next rows.
    pub fn next_frame(&mut self) -> Result<Option<RecordBatch>, InputError> {
        let runs = match &mut self.source {
            Source::Chain(chain) => return chain.next(),
            Source::Runs(runs) => runs,
        };
        if let [run] = runs.as_mut_slice() {
            return run.next();
        }
        if self.heads.is_empty() {
            for i in 0..runs.len() {
                self.heads.push(None);
                self.refill(i)?;
            }
        }
        let mut mix = Mix::default();
        while let Some((run, end)) = self.turn() {
            let Some(head) = &self.heads[run] else { break };
            // Many rows in a row are given as they are.
            let many = end - head.row >= MIXED_ROWS;
            if many && !mix.is_empty() {
                break;
            }
            if many {
                let part = head.frame.slice(head.row, end - head.row);
                self.advance(run, end)?;
                return Ok(Some(part));
            }
            mix.take(run, &head.frame, head.row..end);
            let is_used_up = end == head.keys.rows();
            self.advance(run, end)?;
            if is_used_up {
                mix.passed(run);
            }
            if mix.is_full() {
                break;
            }
        }
        mix.frame()
    }

    /// The run whose turn it is, and how far it comes before all others. A later run's equal row comes after.
    fn turn(&self) -> Option<(usize, usize)> {
        let least = self.least(None)?;
        let head = self.heads[least].as_ref()?;
        let end = self.least(Some(least)).map_or(head.keys.rows(), |other| self.passed(least, other));
        Some((least, end))
    }

    /// The run whose next row comes first, of all but `without`.
    fn least(&self, without: Option<usize>) -> Option<usize> {
        let mut best: Option<(usize, &Head)> = None;
        for (i, head) in self.heads.iter().enumerate() {
            let Some(head) = head else { continue };
            let before = |b: &(usize, &Head)| head.keys.cmp(head.row, &b.1.keys, b.1.row) == Ordering::Less;
            if Some(i) != without && best.as_ref().is_none_or(before) {
                best = Some((i, head));
            }
        }
        best.map(|(i, _)| i)
    }

    /// The first row of `run` that does not come before the next row of `other`.
    fn passed(&self, run: usize, other: usize) -> usize {
        let (Some(head), Some(limit)) = (&self.heads[run], &self.heads[other]) else { return 0 };
        let before = |row: usize| match head.keys.cmp(row, &limit.keys, limit.row) {
            Ordering::Less => true,
            Ordering::Equal => run < other,
            Ordering::Greater => false,
        };
        let (mut lo, mut hi) = (head.row, head.keys.rows());
        while lo < hi {
            let mid = lo.midpoint(hi);
            if before(mid) { lo = mid + 1 } else { hi = mid }
        }
        lo
    }

    fn advance(&mut self, run: usize, row: usize) -> Result<(), InputError> {
        match &mut self.heads[run] {
            Some(head) if row < head.keys.rows() => {
                head.row = row;
                Ok(())
            }
            _ => self.refill(run),
        }
    }

    fn refill(&mut self, run: usize) -> Result<(), InputError> {
        self.heads[run] = None;
        let Source::Runs(runs) = &mut self.source else { return Ok(()) };
        while let Some(frame) = runs[run].next()? {
            if frame.num_rows() > 0 {
                let keys = Keys::of(&self.schema, &frame);
                self.heads[run] = Some(Head { frame, keys, row: 0 });
                break;
            }
        }
        Ok(())
    }
}
