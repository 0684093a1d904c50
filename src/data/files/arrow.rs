//! Arrow IPC: files and streams are read, files (Feather) are written.

mod messages;

use super::columns::Columns;
use super::{Frames, conform, count, guard, unreadable};
use crate::data::input::{InputError, Problem};
use crate::data::schema::Schema;
use arrow_array::RecordBatch;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_ipc::{CompressionType, writer};
use arrow_schema::{ArrowError, SchemaRef};
use messages::Messages;
use std::fs::File;
use std::io::{Cursor, Read, Seek, Write};
use std::sync::Arc;

/// The format's name in messages.
const NAME: &str = "Arrow";

/// Reads a file or a stream as frames of `schema`; with `partial`, value columns may be missing.
pub fn read(file: File, schema: &Schema, partial: bool) -> Result<Frames, InputError> {
    guard::frames(NAME, || open(file, schema, partial))
}

/// Reads bytes as [`read`] does a file. For tests and fuzzing.
#[doc(hidden)]
pub fn of_bytes(bytes: &[u8], schema: &Schema) -> Result<Frames, InputError> {
    let bytes = Cursor::new(bytes.to_vec());
    guard::frames(NAME, || open(bytes, schema, false))
}

/// Reads bytes to their end as [`read`] does a file; counts the rows. For tests and fuzzing.
#[doc(hidden)]
pub fn drain(bytes: &[u8], schema: &Schema) -> Result<u64, InputError> {
    count(of_bytes(bytes, schema)?)
}

fn open(
    input: impl Read + Seek + Send + 'static,
    schema: &Schema,
    partial: bool,
) -> Result<Frames, InputError> {
    let messages = Messages::open(input).map_err(failed)?;
    let columns = Columns::of(schema, partial, messages.schema())?;
    let mut messages = messages.only(columns.places.clone());
    let found = Arc::clone(&columns.schema);
    let batches = std::iter::from_fn(move || messages.batch().transpose())
        .map(move |batch| batch.and_then(|batch| columns.named(&batch)).map_err(failed));
    conform(schema, partial, &found, batches)
}

fn failed(error: ArrowError) -> InputError {
    match error {
        ArrowError::IoError(_, error) => InputError::new(Problem::Read(error)),
        ArrowError::IpcError(message) => unreadable(NAME, &message),
        error => unreadable(NAME, &error.to_string()),
    }
}

/// Writes frames as one Arrow IPC file.
pub struct Sink<W: Write> {
    writer: FileWriter<W>,
}

impl<W: Write> Sink<W> {
    /// Starts a file of these columns.
    pub fn new(output: W, columns: &SchemaRef) -> Result<Sink<W>, ArrowError> {
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD))?;
        Ok(Sink { writer: writer::FileWriter::try_new_with_options(output, columns, options)? })
    }

    /// Adds rows.
    pub fn write(&mut self, frame: &RecordBatch) -> Result<(), ArrowError> {
        self.writer.write(frame)
    }

    /// Ends the file.
    pub fn finish(self) -> Result<W, ArrowError> {
        self.writer.into_inner()
    }
}

impl<W: Write> std::fmt::Debug for Sink<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
