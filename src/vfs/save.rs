//! Bytes that a program wrote become rows, and rows (in `save`) a revision. All input is read before anything is written.

mod follow;
mod retry;
mod revision;

use super::catalog::Point;
use super::render::Format;
use super::series::Series;
use super::spool::Opened;
use super::view::{SeriesView, SeriesViews};
use crate::collection::Collection;
use crate::data::csv::{CsvReader, Form, Header, ends_line};
use crate::data::files::kind::{self, Kind};
use crate::data::files::parquet;
use crate::data::input::{InputError, Problem};
use crate::data::key::Keys;
use crate::data::schema::Schema;
use crate::data::sort::Sorted;
use crate::interval::Key;
use crate::vfs::failure::Failure;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

pub use follow::{BackgroundRead, BackgroundReads, LEAST};
pub use retry::Retry;
pub use revision::{Save, Saved};

/// Rows of a frame at most.
const FRAME_ROWS: usize = 131_072;

/// Blocks of CSV parsed side by side.
const BLOCKS: usize = 8;

/// Bytes that tell how a file ends: a character of any encoding, or the mark of a Parquet file.
const UNIT: u64 = 4;

/// Index values kept of lines that are added out of order.
const KEYS: usize = 1 << 20;

/// Rows that a save must not remove unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Guard {
    /// None: they are meant to go.
    #[default]
    Nothing,
    /// Those that are there now, nor may their values change: what the bytes are a change of is not known.
    Present,
    /// Those that the bytes lack: they may be a part of a file.
    Lacking,
}

/// What a program opened: the rows that its save is a change of.
#[derive(Debug, Clone)]
pub struct Basis {
    /// The state.
    pub point: Point,
    /// The series there.
    pub view: Arc<SeriesView>,
}

impl Basis {
    /// The rows of a series now: what a save that begins now is a change of.
    pub fn now(views: &SeriesViews, series: &Series) -> Result<Option<Basis>, Failure> {
        let now = series.cached.now()?;
        let view = views.get(&now, series, &now.point)?;
        Ok(view.map(|view| Basis { point: now.point.clone(), view }))
    }

    /// Its columns: bytes written by who opened it have these, also where they were altered since.
    #[must_use]
    pub fn columns(&self) -> &Arc<Schema> {
        &self.view.source.schema
    }

    /// What a ticket tells of it.
    #[must_use]
    pub fn opened(&self, series: &Series) -> Opened {
        Opened {
            collection: series.cached.key().to_string(),
            series: series.id.to_string(),
            revision: self.point.stamp.file_name(),
            content: self.view.content.to_string(),
        }
    }

    /// Whether the columns were altered since.
    pub fn is_recolumned(&self, series: &Series) -> Result<bool, Failure> {
        Ok(*self.columns() != series.cached.now()?.state.schema)
    }
}

/// Rows that were read to their end, and the columns they were read as.
#[derive(Debug)]
pub struct Input {
    /// The columns.
    pub schema: Arc<Schema>,
    /// The rows.
    pub rows: Sorted,
}

/// A file from a place on, whatever its cursor.
#[derive(Debug)]
pub struct At<'a> {
    file: &'a File,
    at: u64,
}

impl<'a> At<'a> {
    /// The bytes of `file` from `at` on.
    #[must_use]
    pub const fn new(file: &'a File, at: u64) -> At<'a> {
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
pub fn read(
    series: &Series,
    columns: Option<&Arc<Schema>>,
    format: Format,
    file: &File,
) -> Result<Input, Failure> {
    let start = kind::start(file).map_err(Failure::unread)?;
    expect(format, &start)?;
    match format {
        Format::Csv => {
            let text = At::new(file, 0);
            onto(series, columns, |schema| Ok(explained(whole(schema, text), start)))
        }
        Format::Parquet => {
            let file = file.try_clone().map_err(Failure::unread)?;
            onto(series, columns, |schema| Ok(parquet::read(file, schema, false)?))
        }
    }
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
pub fn read_csv(series: &Series, columns: Option<&Arc<Schema>>, text: impl Read) -> Result<Input, Failure> {
    onto(series, columns, |schema| Ok(whole(schema, text)))
}

/// Reads rows, most of which a series may have already.
fn onto<F: Iterator<Item = Result<RecordBatch, InputError>>>(
    series: &Series,
    columns: Option<&Arc<Schema>>,
    frames: impl FnOnce(&Arc<Schema>) -> Result<F, Failure>,
) -> Result<Input, Failure> {
    let state = series.cached.now()?.state.clone();
    if let Some(columns) = columns.filter(|columns| **columns != state.schema) {
        // Of what the series has now, nothing is the same.
        return sorted(series.cached.collection(), columns, frames(columns)?);
    }
    let frames = frames(&state.schema)?;
    let (rows, _count) = series.cached.collection().sort_onto(&state, &series.label, frames)?;
    Ok(Input { schema: state.schema, rows })
}

/// Frames of a text whose error says what it looks like, if that is no CSV.
fn explained(
    frames: impl Iterator<Item = Result<RecordBatch, InputError>>,
    start: Vec<u8>,
) -> impl Iterator<Item = Result<RecordBatch, InputError>> {
    frames.map(move |frame| frame.map_err(|error| kind::explained(error, &start)))
}

/// A reader of all rows of a series. The text begins with a header, unless its first line has a value that no name could
/// be: nobody can say here whether a line of texts is one, and as a row it would stay.
fn whole<R: Read>(schema: &Arc<Schema>, text: R) -> CsvReader<R> {
    reader(schema, text).header(Header::Needed)
}

fn reader<R: Read>(schema: &Arc<Schema>, text: R) -> CsvReader<R> {
    CsvReader::new(Arc::clone(schema), text, FRAME_ROWS).parallel(BLOCKS)
}

/// How far the lines that a program adds to a file are saved.
#[derive(Debug, Clone)]
pub struct Reached {
    /// Their bytes: whole lines.
    bytes: u64,
    /// The last index value.
    last: Key,
    /// The header line in UTF-8, if they begin with one.
    head: Vec<u8>,
    /// How they are written.
    form: Form,
}

/// Reads the lines that were added to a file of `len` bytes; gives how far that reaches. What is saved is not read again, if what
/// follows lies behind it. Else of that only the rows are taken whose index values come again: equal ones of one program
/// stand side by side, and the others may have been changed by somebody else since they were saved.
pub fn read_added(
    series: &Series,
    columns: Option<&Arc<Schema>>,
    (file, len): (&File, u64),
    reached: Option<&Reached>,
) -> Result<(Input, Option<Reached>), Failure> {
    let start = kind::start(file).map_err(Failure::unread)?;
    expect(Format::Csv, &start)?;
    added(series, columns, (file, len), (reached, start))
}

fn added(
    series: &Series,
    columns: Option<&Arc<Schema>>,
    (file, len): (&File, u64),
    (reached, start): (Option<&Reached>, Vec<u8>),
) -> Result<(Input, Option<Reached>), Failure> {
    let collection = series.cached.collection();
    let schema = &match columns {
        Some(columns) => Arc::clone(columns),
        None => Arc::clone(&series.cached.now()?.state.schema),
    };
    let mut fresh = None;
    if let Some(before) = reached.filter(|before| before.bytes < len) {
        let text = || reader(schema, before.head.chain(before.form.rest(At::new(file, before.bytes))));
        // An error counts lines from the file's start: it is met again below.
        if let Ok(input) = sorted(collection, schema, text()) {
            let last = input.rows.span().map_or(&before.last, |(_, last)| last.max(&before.last)).clone();
            let whole = before.form.ends_line(&end((file, len), UNIT)?);
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
    let form = lines.form();
    let head = if lines.had_header() { first_line(file, form)? } else { Vec::new() };
    let last = input.rows.span().map(|(_, last)| last.clone());
    let whole = form.ends_line(&end((file, len), UNIT)?);
    let after = last.filter(|_| whole).map(|last| Reached { bytes: len, last, head, form });
    Ok((input, after))
}

/// Whether a file of `len` bytes is nothing but ends of lines.
pub fn is_blank((file, len): (&File, u64)) -> Result<bool, Failure> {
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
pub fn ends_whole((file, len): (&File, u64), format: Format) -> Result<bool, Failure> {
    let last = end((file, len), UNIT)?;
    match format {
        Format::Csv => Ok(ends_line(&kind::start(file).map_err(Failure::unread)?, &last)),
        Format::Parquet => Ok(last == b"PAR1"),
    }
}

/// The last bytes of a file of `len` bytes, `most` if it has as many.
fn end((file, len): (&File, u64), most: u64) -> Result<Vec<u8>, Failure> {
    let mut last = vec![0; usize::try_from(len.min(most)).unwrap_or(0)];
    file.read_exact_at(&mut last, len.saturating_sub(most)).map_err(Failure::unread)?;
    Ok(last)
}

fn first_line(file: &File, form: Form) -> Result<Vec<u8>, Failure> {
    let mut line = Vec::new();
    let text = form.rest(At::new(file, 0));
    BufReader::new(text).read_until(b'\n', &mut line).map_err(Failure::unread)?;
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
