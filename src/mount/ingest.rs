//! Bytes that a program wrote become rows, and rows a revision.
//!
//! A save is a change against what the program opened: where the series changed meanwhile, the revision is made on
//! that older state and merged at once, so that neither side loses rows it alone changed. All input is read before
//! anything is written.

use super::catalog::{Point, Shelf};
use super::errno::{Errno, Failure};
use super::render::Format;
use super::series::Series;
use super::sheet::{Sheet, Sheets, content};
use super::spool::Way;
use crate::clock::Stamp;
use crate::collection::{Batch, Collection, CollectionError};
use crate::data::csv::{CsvReader, Header};
use crate::data::files::kind::{self, Kind};
use crate::data::files::parquet;
use crate::data::input::{InputError, Problem};
use crate::data::key::Keys;
use crate::data::schema::Schema;
use crate::data::sort::Sorted;
use crate::interval::{Interval, Key};
use crate::series::write::Mode;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Rows of a frame at most.
const FRAME_ROWS: usize = 131_072;

/// Blocks of CSV parsed side by side.
const BLOCKS: usize = 8;

/// Index values kept of lines that are added out of order.
const KEYS: usize = 1 << 20;

/// Looks at a collection that commits while a batch is begun.
const LOOKS: usize = 16;

/// What a program opened: the rows that its save is a change of.
#[derive(Debug, Clone)]
pub struct Basis {
    /// The state.
    pub point: Point,
    /// The series there.
    pub sheet: Arc<Sheet>,
}

impl Basis {
    /// Its columns: bytes written by who opened it have these, also where they were altered since.
    #[must_use]
    pub fn columns(&self) -> &Arc<Schema> {
        &self.sheet.source.schema
    }

    /// Whether the columns were altered since.
    pub(super) fn is_recolumned(&self, series: &Series) -> Result<bool, Failure> {
        Ok(*self.columns() != series.shelf.now()?.state.schema)
    }
}

/// Rows that were read to their end, and the columns they were read as.
#[derive(Debug)]
pub(super) struct Input {
    /// The columns.
    pub(super) schema: Arc<Schema>,
    /// The rows.
    pub(super) rows: Sorted,
}

/// A file from a place on, whatever its cursor.
#[derive(Debug)]
pub(super) struct At<'a> {
    file: &'a File,
    at: u64,
}

impl<'a> At<'a> {
    /// The bytes of `file` from `at` on.
    #[must_use]
    pub(super) const fn new(file: &'a File, at: u64) -> At<'a> {
        At { file, at }
    }
}

impl Read for At<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(bytes, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Reads all rows of a file in a format, to be those of a series; `columns`: those of what was opened, if anything.
pub(super) fn read(
    series: &Series,
    columns: Option<&Arc<Schema>>,
    format: Format,
    file: &File,
) -> Result<Input, Failure> {
    let start = kind::start(file).map_err(Failure::unread)?;
    expect(format, &start)?;
    caught(|| match format {
        Format::Csv => {
            let text = At::new(file, 0);
            onto(series, columns, |schema| Ok(explained(reader(schema, text), start)))
        }
        Format::Parquet => {
            let file = file.try_clone().map_err(Failure::unread)?;
            onto(series, columns, |schema| Ok(parquet::read(file, schema, false)?))
        }
    })
}

/// Reads what somebody wrote. A panic there is a failure of that file alone: its bytes are kept as those of any other.
fn caught<T>(read: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_said| {
        // What it said is in the log: the hook of the process is asked first.
        let why = "lakota panicked while it read the file, which is a fault of lakota: the log tells where";
        Err(Failure::refused(Errno::EIO, why))
    })
}

/// Fails if a file begins as one of another format than its name tells.
fn expect(format: Format, start: &[u8]) -> Result<(), Failure> {
    let expected = match format {
        Format::Csv => "CSV",
        Format::Parquet => "Parquet",
    };
    let (what, way) = match (kind::of(start), format) {
        (Some(Kind::Other(what, way)), _) => (what, way.replace(" | lakota write …", " > live.csv")),
        (Some(Kind::Arrow), _) => {
            ("Arrow", "the mount takes CSV and Parquet, `lakota write` takes Arrow".to_owned())
        }
        (Some(Kind::Parquet), Format::Csv) => {
            ("Parquet", "save it under the name that ends in .parquet".to_owned())
        }
        (None, Format::Parquet) if !start.is_empty() && kind::is_text(start) => {
            ("text", "save CSV under the name that ends in .csv".to_owned())
        }
        _ => return Ok(()),
    };
    Err(InputError::new(Problem::Kind { what, expected, way }).into())
}

/// Reads all rows of a text, to be those of a series.
///
/// A file of rows begins with a header, unless its first line has a value that no name could be: nobody can say here
/// whether a line of texts is one, and as a row it would stay.
pub(super) fn read_csv(
    series: &Series,
    columns: Option<&Arc<Schema>>,
    text: impl Read,
) -> Result<Input, Failure> {
    onto(series, columns, |schema| Ok(reader(schema, text).header(Header::Needed)))
}

/// Reads rows, most of which a series may have already.
fn onto<F: Iterator<Item = Result<RecordBatch, InputError>>>(
    series: &Series,
    columns: Option<&Arc<Schema>>,
    frames: impl FnOnce(&Arc<Schema>) -> Result<F, Failure>,
) -> Result<Input, Failure> {
    let state = series.shelf.now()?.state.clone();
    if let Some(columns) = columns.filter(|columns| **columns != state.schema) {
        // Of what the series has now, nothing is the same.
        return sorted(series.shelf.collection(), columns, frames(columns)?);
    }
    let frames = frames(&state.schema)?;
    let (rows, _count) = series.shelf.collection().sort_onto(&state, &series.label, frames)?;
    Ok(Input { schema: state.schema, rows })
}

/// Frames of a text whose error says what it looks like, if that is no CSV.
fn explained(
    frames: impl Iterator<Item = Result<RecordBatch, InputError>>,
    start: Vec<u8>,
) -> impl Iterator<Item = Result<RecordBatch, InputError>> {
    frames.map(move |frame| frame.map_err(|error| kind::explained(error, &start)))
}

fn reader<R: Read>(schema: &Arc<Schema>, text: R) -> CsvReader<R> {
    CsvReader::new(Arc::clone(schema), text, FRAME_ROWS).parallel(BLOCKS)
}

/// How far the lines that a program adds to a file are saved.
#[derive(Debug, Clone)]
pub(super) struct Reached {
    /// Their bytes: whole lines.
    bytes: u64,
    /// The last index value.
    last: Key,
    /// The header line, if they begin with one.
    head: Vec<u8>,
}

/// Reads the lines that were added to a file of `len` bytes; gives how far that reaches. What is saved is not read again, if what
/// follows lies behind it. Else of that only the rows are taken whose index values come again: equal ones of one program
/// stand side by side, and the others may have been changed by somebody else since they were saved.
pub(super) fn read_added(
    series: &Series,
    columns: Option<&Arc<Schema>>,
    (file, len): (&File, u64),
    reached: Option<&Reached>,
) -> Result<(Input, Option<Reached>), Failure> {
    let start = kind::start(file).map_err(Failure::unread)?;
    expect(Format::Csv, &start)?;
    caught(|| added(series, columns, (file, len), (reached, start)))
}

fn added(
    series: &Series,
    columns: Option<&Arc<Schema>>,
    (file, len): (&File, u64),
    (reached, start): (Option<&Reached>, Vec<u8>),
) -> Result<(Input, Option<Reached>), Failure> {
    let collection = series.shelf.collection();
    let schema = &match columns {
        Some(columns) => Arc::clone(columns),
        None => Arc::clone(&series.shelf.now()?.state.schema),
    };
    let whole = ends_whole((file, len), Format::Csv)?;
    let mut fresh = None;
    if let Some(before) = reached.filter(|before| before.bytes < len) {
        let text = || reader(schema, before.head.chain(At::new(file, before.bytes)));
        // An error counts lines from the file's start: it is met again below.
        if let Ok(input) = sorted(collection, schema, text()) {
            let last = input.rows.span().map_or(&before.last, |(_, last)| last.max(&before.last)).clone();
            let after = if whole { Reached { bytes: len, last, ..before.clone() } } else { before.clone() };
            if input.rows.span().is_some_and(|(first, _)| *first > before.last) {
                return Ok((input, Some(after)));
            }
            fresh = keys(schema, text())?.map(|keys| (keys, after));
        }
    }
    let mut lines = reader(schema, At::new(file, 0));
    if let Some((keys, after)) = fresh {
        let rows = lines.map(|frame| only(schema, &frame?, &keys));
        return Ok((sorted(collection, schema, rows)?, Some(after)));
    }
    let input = sorted(collection, schema, explained(&mut lines, start))?;
    let head = if lines.had_header() { first_line(file)? } else { Vec::new() };
    let last = input.rows.span().map(|(_, last)| last.clone());
    // Of another encoding, the bytes saved are not a number of whole lines of UTF-8.
    let after = last.filter(|_| whole && lines.is_plain()).map(|last| Reached { bytes: len, last, head });
    Ok((input, after))
}

/// Whether a file of `len` bytes is nothing but ends of lines.
pub(super) fn is_blank((file, len): (&File, u64)) -> Result<bool, Failure> {
    let mut some = [0; 64];
    let Some(some) = usize::try_from(len).ok().and_then(|len| some.get_mut(..len)) else { return Ok(false) };
    file.read_exact_at(some, 0).map_err(Failure::unread)?;
    Ok(some.iter().all(|byte| matches!(byte, b'\n' | b'\r')))
}

/// The index values of rows; none where they are too many to be kept.
fn keys(
    schema: &Schema,
    frames: impl Iterator<Item = Result<RecordBatch, InputError>>,
) -> Result<Option<HashSet<Key>>, InputError> {
    let mut all = HashSet::new();
    for frame in frames {
        let keys = Keys::of(schema, &frame?);
        all.extend((0..keys.rows()).map(|row| keys.key(row)));
        if all.len() > KEYS {
            return Ok(None);
        }
    }
    Ok(Some(all))
}

/// The rows whose index values are among `keys`.
fn only(schema: &Schema, frame: &RecordBatch, keys: &HashSet<Key>) -> Result<RecordBatch, InputError> {
    let own = Keys::of(schema, frame);
    let among: BooleanArray = (0..own.rows()).map(|row| Some(keys.contains(&own.key(row)))).collect();
    filter_record_batch(frame, &among).map_err(|e| InputError::new(Problem::Other(e.to_string())))
}

/// Whether a file of `len` bytes ends as a whole file of a format does.
pub(super) fn ends_whole((file, len): (&File, u64), format: Format) -> Result<bool, Failure> {
    let end: &[u8] = match format {
        Format::Csv => b"\n",
        Format::Parquet => b"PAR1",
    };
    let Some(at) = len.checked_sub(end.len() as u64) else { return Ok(false) };
    let mut last = vec![0; end.len()];
    file.read_exact_at(&mut last, at).map_err(Failure::unread)?;
    Ok(last == end)
}

fn first_line(file: &File) -> Result<Vec<u8>, Failure> {
    let mut line = Vec::new();
    BufReader::new(At::new(file, 0)).read_until(b'\n', &mut line).map_err(Failure::unread)?;
    Ok(line)
}

fn sorted(
    collection: &Collection,
    schema: &Arc<Schema>,
    frames: impl Iterator<Item = Result<RecordBatch, InputError>>,
) -> Result<Input, Failure> {
    let (rows, _count) = collection.sort(schema, frames)?;
    Ok(Input { schema: Arc::clone(schema), rows })
}

/// A save on its way.
#[derive(Debug)]
pub(super) struct Save<'a> {
    /// The series.
    pub(super) series: &'a Series,
    /// How the rows are meant.
    pub(super) way: Way,
    /// What the program opened; none where that is not known, or there was nothing; of rows that are added: only where
    /// the columns were altered since.
    pub(super) basis: Option<&'a Basis>,
    /// `user@host`.
    pub(super) author: &'a str,
    /// For the log.
    pub(super) message: &'a str,
}

/// What a save did.
#[derive(Debug)]
pub(super) struct Saved {
    /// The revision; none where nothing changed.
    pub(super) stamp: Option<Stamp>,
    /// What the program has from now on: the rows it wrote, where they are all of the series.
    pub(super) basis: Option<Basis>,
}

impl Save<'_> {
    /// Makes the rows a revision: durable on return.
    pub(super) fn run(&self, sheets: &Sheets, input: Input) -> Result<Saved, Failure> {
        let shelf = &self.series.shelf;
        let collection = shelf.collection();
        // One after the other: writers of one mount need not merge.
        let _turn = shelf.turn();
        let mode = match self.way {
            Way::Replace => Mode::Overlay(Interval::ALL),
            Way::Append => Mode::Upsert,
        };
        let (mut batch, label) = self.batch(shelf, sheets)?;
        // What the batch is made on tells, not the last look: that may not have heard of what is newest.
        let there = match self.way {
            Way::Replace => content(batch.base(), self.series.id, &label)?,
            Way::Append => None,
        };
        let moved = |basis: &&Basis| match self.way {
            Way::Replace => there.is_some_and(|there| there != basis.sheet.content),
            Way::Append => *basis.columns() != batch.base().schema,
        };
        if let Some(basis) = self.basis.filter(moved) {
            drop(batch);
            return self.beside(collection, sheets, (basis, &mode), input);
        }
        same(&input.schema, &batch)?;
        let dropped = batch.base().id(&label).map_err(CollectionError::from)?.is_none();
        batch.write(&label, &mode, input.rows)?;
        let stamp = batch.commit()?;
        shelf.written();
        if stamp.is_some() && dropped {
            self.note_return(shelf, &label);
        }
        let basis = match (self.way, stamp) {
            (Way::Append, _) => None,
            (Way::Replace, Some(stamp)) => self.basis_at(sheets, stamp),
            // Not what came since, which the writer does not have.
            (Way::Replace, None) => {
                self.current(shelf, sheets)?.filter(|now| Some(now.sheet.content) == there)
            }
        };
        Ok(Saved { stamp, basis })
    }

    /// The series changed since it was opened: the revision is one beside the newest, and merged with it.
    fn beside(
        &self,
        collection: &Collection,
        sheets: &Sheets,
        (basis, mode): (&Basis, &Mode),
        input: Input,
    ) -> Result<Saved, Failure> {
        let Point { stamp, pending } = &basis.point;
        let heads = pending.as_ref().map_or(&[][..], |moment| &moment.heads);
        let mut batch = collection.batch_on(*stamp, heads, self.message)?.by(self.author);
        same(&input.schema, &batch)?;
        batch.write(&basis.sheet.label, mode, input.rows)?;
        let Some(stamp) = batch.commit()? else { return Ok(Saved { stamp: None, basis: None }) };
        if let Err(error) = collection.settle() {
            // The revision is durable, and shown merged: the next writer settles it.
            log::warn!("cannot merge {stamp} of {}: {error}", collection.label());
        }
        self.series.shelf.written();
        Ok(Saved { stamp: Some(stamp), basis: self.basis_at(sheets, stamp) })
    }

    /// The series came back under its label, as another one: what its writers save next is meant for that.
    fn note_return(&self, shelf: &Shelf, label: &str) {
        match shelf.now().and_then(|now| now.state.id(label).map_err(CollectionError::from)) {
            Ok(Some(id)) => shelf.came_back(self.series.id, id),
            Ok(None) => {}
            Err(error) => log::warn!("cannot look at {label:?}, which was just written: {error}"),
        }
    }

    fn current(&self, shelf: &Arc<Shelf>, sheets: &Sheets) -> Result<Option<Basis>, Failure> {
        let now = shelf.now()?;
        let sheet = sheets.get(&now, self.series, &now.point)?;
        Ok(sheet.map(|sheet| Basis { point: now.point.clone(), sheet }))
    }

    /// A batch on the newest state, and the label that the series has there.
    fn batch<'a>(&self, shelf: &'a Arc<Shelf>, sheets: &Sheets) -> Result<(Batch<'a>, String), Failure> {
        for _ in 0..LOOKS {
            let label = match self.current(shelf, sheets)? {
                Some(current) => current.sheet.label.clone(),
                None => self.series.label.to_string(),
            };
            let batch = shelf.collection().batch(self.message)?.by(self.author);
            if batch.base().id(&label).map_err(CollectionError::from)? == Some(self.series.id) {
                return Ok((batch, label));
            }
            // The look was too old, or somebody renamed the series since.
            shelf.written();
            if self.current(shelf, sheets)?.is_none() {
                // Dropped, it comes back under its name; but rows of another series that has that now are not touched.
                let taken = batch.base().id(&label).map_err(CollectionError::from)?;
                if taken.is_some() && taken != shelf.returned(self.series.id) {
                    let why = format!("the series was dropped, {label:?} is another one now: open it again");
                    return Err(Failure::refused(Errno::ESTALE, why));
                }
                return Ok((batch, label));
            }
        }
        Err(Failure::refused(Errno::EIO, "the series is renamed again and again: save it once more"))
    }

    /// What the writer has after its revision, which is durable whether this can be told or not.
    fn basis_at(&self, sheets: &Sheets, stamp: Stamp) -> Option<Basis> {
        let point = Point::written(stamp);
        let look = || {
            let now = self.series.shelf.now()?;
            sheets.get(&now, self.series, &point)
        };
        let sheet = look().unwrap_or_else(|error| {
            log::warn!("cannot look at {stamp}, which was just written: {error}");
            None
        });
        sheet.map(|sheet| Basis { point, sheet })
    }
}

/// The columns may have changed since the rows were read.
fn same(schema: &Schema, batch: &Batch<'_>) -> Result<(), Failure> {
    if *schema == *batch.base().schema {
        return Ok(());
    }
    let message = "the columns of the collection were changed meanwhile: open the file again".to_owned();
    Err(InputError::new(Problem::Other(message)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_reader_is_a_failure_of_its_file() {
        let failure = caught::<()>(|| panic!("out of bounds")).unwrap_err();
        assert_eq!(failure.errno(), Errno::EIO);
        assert!(failure.line().contains("a fault of lakota"));
    }
}
