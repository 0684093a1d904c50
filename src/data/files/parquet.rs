//! Parquet files: read as frames of a schema, and written from frames.

use super::{Frames, conform};
use crate::data::input::{InputError, Problem};
use crate::data::schema::Schema;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::io::Write;

/// Rows of a batch that is read, and at most of a row group that is written.
const ROWS: usize = 131_072;

/// Columns that pandas adds for its own index.
const PANDAS_INDEX: &str = "__index_level_";

/// Reads a file as frames of `schema`; with `partial`, value columns may be missing.
pub fn read(file: File, schema: &Schema, partial: bool) -> Result<Frames, InputError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| unreadable(&e.to_string()))?;
    let fields = builder.schema().fields();
    let wanted = (0..fields.len()).filter(|&i| !fields[i].name().starts_with(PANDAS_INDEX));
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let reader = builder
        .with_projection(mask)
        .with_batch_size(ROWS)
        .build()
        .map_err(|e| unreadable(&e.to_string()))?;
    let batches = reader.map(|batch| batch.map_err(|e| unreadable(&e.to_string())));
    Ok(conform(schema.clone(), partial, batches))
}

fn unreadable(message: &str) -> InputError {
    InputError::new(Problem::Format { format: "Parquet", message: message.to_owned() })
}

/// Writes frames as one Parquet file.
pub struct Sink<W: Write + Send> {
    writer: ArrowWriter<W>,
}

impl<W: Write + Send> Sink<W> {
    /// Starts a file of these columns.
    pub fn new(output: W, columns: SchemaRef) -> Result<Sink<W>, ParquetError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_max_row_group_row_count(Some(8 * ROWS))
            .build();
        Ok(Sink { writer: ArrowWriter::try_new(output, columns, Some(properties))? })
    }

    /// Adds rows.
    pub fn write(&mut self, frame: &RecordBatch) -> Result<(), ParquetError> {
        self.writer.write(frame)
    }

    /// Ends the file.
    pub fn finish(self) -> Result<W, ParquetError> {
        self.writer.into_inner()
    }
}

impl<W: Write + Send> std::fmt::Debug for Sink<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").finish_non_exhaustive()
    }
}
