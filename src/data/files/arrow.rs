//! Arrow IPC: files and streams are read, files (Feather) are written.

use super::{Frames, conform, is_added};
use crate::data::input::{InputError, Problem};
use crate::data::schema::Schema;
use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_ipc::{CompressionType, writer};
use arrow_schema::{ArrowError, SchemaRef};
use std::fs::File;
use std::io::{BufReader, Read, Seek, Write};
use std::sync::Arc;

/// How an Arrow IPC file starts; a stream starts otherwise.
const MAGIC: &[u8] = b"ARROW1";

/// Reads a file or a stream as frames of `schema`; with `partial`, value columns may be missing.
pub fn read(mut file: File, schema: &Schema, partial: bool) -> Result<Frames, InputError> {
    let mut start = Vec::with_capacity(MAGIC.len());
    Read::by_ref(&mut file).take(MAGIC.len() as u64).read_to_end(&mut start).map_err(unread)?;
    file.rewind().map_err(unread)?;
    let input = BufReader::with_capacity(1 << 17, file);
    if start == MAGIC {
        let reader = FileReader::try_new(input, None).map_err(|e| unreadable(&e))?;
        let found = reader.schema();
        return frames(schema, partial, &found, reader);
    }
    let reader = StreamReader::try_new(input, None).map_err(|e| unreadable(&e))?;
    let found = reader.schema();
    frames(schema, partial, &found, reader)
}

fn frames(
    schema: &Schema,
    partial: bool,
    found: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>> + Send + 'static,
) -> Result<Frames, InputError> {
    let fields = found.fields();
    let wanted: Vec<usize> = (0..fields.len()).filter(|&i| !is_added(schema, fields[i].name())).collect();
    let found = Arc::new(found.project(&wanted).map_err(|e| unreadable(&e))?);
    let batches =
        batches.map(move |batch| batch.and_then(|batch| batch.project(&wanted)).map_err(|e| unreadable(&e)));
    conform(schema, partial, &found, batches)
}

fn unread(error: std::io::Error) -> InputError {
    InputError::new(Problem::Read(error))
}

fn unreadable(error: &ArrowError) -> InputError {
    InputError::new(Problem::Format { format: "Arrow", message: error.to_string() })
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
