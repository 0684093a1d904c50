//! Parquet files: read as frames of a schema, and written from frames.

use super::{Frames, conform, is_added};
use crate::data::input::{InputError, Problem};
use crate::data::schema::Schema;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchReader};
use arrow_cast::CastOptions;
use arrow_schema::{DataType, Field, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

/// Rows of a batch that is read, and at most of a row group that is written.
const ROWS: usize = 131_072;

/// Reads a file as frames of `schema`; with `partial`, value columns may be missing.
pub fn read(file: File, schema: &Schema, partial: bool) -> Result<Frames, InputError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| unreadable(&e.to_string()))?;
    let fields = builder.schema().fields();
    let wanted = (0..fields.len()).filter(|&i| !is_added(schema, fields[i].name()));
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let reader = builder
        .with_projection(mask)
        .with_batch_size(ROWS)
        .build()
        .map_err(|e| unreadable(&e.to_string()))?;
    let found = reader.schema();
    let batches = reader.map(|batch| batch.map_err(|e| unreadable(&e.to_string())));
    conform(schema, partial, &found, batches)
}

fn unreadable(message: &str) -> InputError {
    InputError::new(Problem::Format { format: "Parquet", message: message.to_owned() })
}

/// Writes frames as one Parquet file.
///
/// Seconds are no unit of Parquet, and readers would show integers: they are written as milliseconds.
pub struct Sink<W: Write + Send> {
    writer: ArrowWriter<W>,
    columns: SchemaRef,
}

impl<W: Write + Send> Sink<W> {
    /// Starts a file of these columns.
    pub fn new(output: W, columns: SchemaRef) -> Result<Sink<W>, ParquetError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_max_row_group_row_count(Some(8 * ROWS))
            .build();
        let fields = columns.fields().iter().map(|field| match field.data_type() {
            DataType::Timestamp(TimeUnit::Second, zone) => {
                let ty = DataType::Timestamp(TimeUnit::Millisecond, zone.clone());
                Arc::new(field.as_ref().clone().with_data_type(ty))
            }
            _ => Arc::clone(field),
        });
        let columns = Arc::new(arrow_schema::Schema::new(fields.collect::<Vec<_>>()));
        let writer = ArrowWriter::try_new(output, Arc::clone(&columns), Some(properties))?;
        Ok(Sink { writer, columns })
    }

    /// Adds rows.
    pub fn write(&mut self, frame: &RecordBatch) -> Result<(), ParquetError> {
        let exact = CastOptions { safe: false, ..CastOptions::default() };
        let cast = |(field, array): (&Arc<Field>, &ArrayRef)| {
            arrow_cast::cast_with_options(array, field.data_type(), &exact)
        };
        let arrays = self.columns.fields().iter().zip(frame.columns()).map(cast).collect::<Result<_, _>>()?;
        self.writer.write(&RecordBatch::try_new(Arc::clone(&self.columns), arrays)?)
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
