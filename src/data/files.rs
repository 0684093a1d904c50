//! Frames as files of other forms than CSV: Parquet, Arrow, JSON lines, and tables for people.
//!
//! Readers give batches with the file's own columns made those of a schema, or an error that names row and
//! column. Nothing here opens files: callers bring them.

pub mod arrow;
mod cell;
pub mod changes;
pub mod json;
pub mod parquet;
pub mod table;

use super::frame;
use super::input::InputError;
use super::schema::Schema;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use std::sync::Arc;

/// Batches of a file as frames of a schema, in turn.
pub type Frames = Box<dyn Iterator<Item = Result<RecordBatch, InputError>> + Send>;

/// How the columns are named in which pandas keeps an index without a name.
const PANDAS_INDEX: &str = "__index_level_";

/// Whether a column of a file is no data: an index that pandas added, and that the schema does not know.
fn is_added(schema: &Schema, name: &str) -> bool {
    name.starts_with(PANDAS_INDEX) && schema.position(name).is_none()
}

/// Makes each batch a frame of `schema`; rows in errors count from the file's start. With `partial`, value
/// columns may be missing.
///
/// Fails at once where the file's columns, `found`, cannot be those of `schema`: also of a file without rows.
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
    Ok(Box::new(batches.map(move |batch| {
        let batch = batch?;
        let result = made(&schema, &batch).map_err(|e| {
            let row = if e.row == 0 { 0 } else { e.row + before };
            e.at_row(row)
        });
        before += batch.num_rows() as u64;
        result
    })))
}
