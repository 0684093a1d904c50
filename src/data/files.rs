//! Frames as files of other forms than CSV: Parquet, Arrow, JSON lines, and tables for people.
//!
//! Readers give batches with the file's own columns made those of a schema, or an error that names row and
//! column. Nothing here opens files: callers bring them.

pub mod arrow;
mod cell;
pub mod changes;
mod columns;
mod guard;
pub mod json;
pub mod kind;
pub mod parquet;
pub mod table;

use super::frame;
use super::input::{InputError, Problem};
use super::schema::Schema;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, SchemaRef};
use std::sync::Arc;

/// Batches of a file as frames of a schema, in turn.
pub type Frames = Box<dyn Iterator<Item = Result<RecordBatch, InputError>> + Send>;

/// Rows of a frame at most.
const ROWS: usize = 131_072;

/// Bytes that anything packed may unpack to, and how many more for each of its bytes.
const UNPACKED: u64 = 512 << 20;
const TIMES: u64 = 1024;

/// Fails if `packed` bytes claim to be `raw` ones that they cannot be, or for which there is no memory.
///
/// Claims of damaged files would end the process: memory that is not there is no error that can be caught. Runs of one
/// value are packed without limit by Zstandard, so that short ones are believed.
fn claim(raw: u64, packed: u64) -> Result<(), String> {
    let most = UNPACKED.saturating_add(packed.saturating_mul(TIMES));
    let room = || usize::try_from(raw).is_ok_and(|raw| Vec::<u8>::new().try_reserve_exact(raw).is_ok());
    match raw <= most && (raw <= packed || room()) {
        true => Ok(()),
        false => {
            Err(format!("{packed} bytes of it would unpack to {raw}, more than there is memory for them"))
        }
    }
}

/// The error of a file that is none of its format: in one line, whatever its reader says.
fn unreadable(format: &'static str, message: &str) -> InputError {
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    InputError::new(Problem::Format { format, message })
}

/// Makes each batch a frame of `schema`; rows in errors count from the file's start. With `partial`, value
/// columns may be missing.
///
/// Fails at once if the file's columns, `found`, cannot be those of `schema`: also of a file without rows.
fn conform(
    schema: &Schema,
    partial: bool,
    found: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch, InputError>> + Send + 'static,
) -> Result<Frames, InputError> {
    let made = if partial { frame::conform_partial } else { frame::conform };
    made(schema, &RecordBatch::new_empty(Arc::clone(found)))?;
    let schema = schema.clone();
    let mut before = 0;
    let frames = batches.flat_map(Pieces::of).map(move |batch| {
        let batch = batch?;
        let fits = batch
            .columns()
            .iter()
            .zip(batch.schema_ref().fields())
            .try_for_each(|(array, field)| fits(field, array));
        let result = fits.and_then(|()| made(&schema, &batch)).map_err(|e| {
            let row = if e.row == 0 { 0 } else { e.row + before };
            e.at_row(row)
        });
        before += batch.num_rows() as u64;
        result
    });
    Ok(Box::new(frames))
}

/// Fails if the texts of a column are more than a frame holds. Words that come again are there once in a file, and once
/// for each row in a frame.
fn fits(field: &Field, array: &ArrayRef) -> Result<(), InputError> {
    let bytes = match array.data_type() {
        DataType::Dictionary(..) if !array.as_any_dictionary().values().is_empty() => {
            let keyed = array.as_any_dictionary();
            let lengths = lengths(keyed.values());
            let length = |key: usize| lengths.get(key).copied().unwrap_or(0);
            match lengths.is_empty() {
                true => 0,
                false => keyed.normalized_keys().into_iter().map(length).sum(),
            }
        }
        DataType::LargeUtf8 | DataType::Utf8View => lengths(array).iter().sum::<u64>(),
        _ => 0,
    };
    if i32::try_from(bytes).is_ok() {
        return Ok(());
    }
    let rows = array.len();
    let problem = Problem::Other(format!("the texts of {rows} rows are {bytes} bytes, more than 2 GiB"));
    Err(InputError::new(problem).in_column(field.name()))
}

/// How long the texts of an array are that may lie at one place.
fn lengths(array: &ArrayRef) -> Vec<u64> {
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().offsets().lengths().map(|length| length as u64).collect(),
        DataType::LargeUtf8 => {
            array.as_string::<i64>().offsets().lengths().map(|length| length as u64).collect()
        }
        DataType::Utf8View => {
            array.as_string_view().views().iter().map(|view| (view & 0xffff_ffff) as u64).collect()
        }
        _ => Vec::new(),
    }
}

/// A batch as pieces of a frame's rows: what a file calls a batch may be all of it.
enum Pieces {
    Of { batch: RecordBatch, at: usize },
    Failed(Option<InputError>),
}

impl Pieces {
    fn of(batch: Result<RecordBatch, InputError>) -> Pieces {
        match batch {
            Ok(batch) => Pieces::Of { batch, at: 0 },
            Err(error) => Pieces::Failed(Some(error)),
        }
    }
}

impl Iterator for Pieces {
    type Item = Result<RecordBatch, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Pieces::Of { batch, at } => {
                let rows = batch.num_rows().checked_sub(*at).filter(|rows| *rows > 0)?.min(ROWS);
                let piece = batch.slice(*at, rows);
                *at += rows;
                Some(Ok(piece))
            }
            Pieces::Failed(error) => error.take().map(Err),
        }
    }
}

/// Reads frames to their end; counts the rows.
fn count(mut frames: Frames) -> Result<u64, InputError> {
    frames.try_fold(0, |rows, frame| Ok(rows + frame?.num_rows() as u64))
}
