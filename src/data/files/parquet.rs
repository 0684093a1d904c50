//! Parquet files: read as frames of a schema, and written from frames.

mod checked;
mod stamps;
mod thrift;
mod unpacked;

use super::columns::Columns;
use super::{Frames, ROWS, conform, count, guard, unreadable};
use crate::data::input::InputError;
use crate::data::schema::{Column, Schema};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_cast::CastOptions;
use arrow_schema::{DataType, Field, SchemaRef, TimeUnit};
use bytes::Bytes;
use checked::Checked;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::ChunkReader;
use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

/// The format's name in messages.
const NAME: &str = "Parquet";

/// Reads a file as frames of `schema`; with `partial`, value columns may be missing.
pub fn read(file: File, schema: &Schema, partial: bool) -> Result<Frames, InputError> {
    guard::frames(NAME, || open(file, schema, partial))
}

/// Reads bytes as [`read`] does a file. For tests and fuzzing.
#[doc(hidden)]
pub fn of_bytes(bytes: &[u8], schema: &Schema) -> Result<Frames, InputError> {
    let bytes = Bytes::copy_from_slice(bytes);
    guard::frames(NAME, || open(bytes, schema, false))
}

/// Reads bytes to their end as [`read`] does a file; counts the rows. For tests and fuzzing.
#[doc(hidden)]
pub fn drain(bytes: &[u8], schema: &Schema) -> Result<u64, InputError> {
    count(of_bytes(bytes, schema)?)
}

fn open(file: impl ChunkReader + 'static, schema: &Schema, partial: bool) -> Result<Frames, InputError> {
    let failed = |e: ParquetError| failed(&e);
    let len = file.len();
    checked::footer(&file).map_err(failed)?;
    let told = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(failed)?;
    let loose = checked::chunks(told.metadata(), len).map_err(failed)?;
    let metadata = stamps::exact(&told, TimeUnit::Nanosecond).map_err(failed)?;
    let columns = Columns::of(schema, partial, metadata.schema())?;
    let file = Checked::new(file, loose);
    let whole = reader(file.clone(), metadata, &columns.places).map_err(failed)?;

    let (mut units, mut days, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for (at, &place) in
        columns.places.iter().enumerate().filter(|(_, place)| stamps::is_int96(&told, **place))
    {
        let own = schema.position(columns.schema.field(at).name()).and_then(|own| schema.columns().get(own));
        let Some(own) = own else { continue };
        units.push((at, stamps::unit(own.ty)));
        days.push((at, own.clone()));
        places.push(place);
    }
    let found = stamps::retyped(&columns.schema, &units);
    let seconds = match days.is_empty() {
        true => None,
        false => {
            let metadata = stamps::exact(&told, TimeUnit::Second).map_err(failed)?;
            Some(reader(file, metadata, &places).map_err(failed)?)
        }
    };
    let batches = Batches { whole, seconds, days, columns, found: Arc::clone(&found), before: 0 };
    conform(schema, partial, &found, batches)
}

fn reader(
    file: Checked<impl ChunkReader + 'static>,
    metadata: ArrowReaderMetadata,
    places: &[usize],
) -> Result<ParquetRecordBatchReader, ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
    let mask = ProjectionMask::roots(builder.parquet_schema(), places.iter().copied());
    builder.with_projection(mask).with_batch_size(ROWS).build()
}

/// Batches of a file, whose columns have their names and types of the schema.
struct Batches {
    whole: ParquetRecordBatchReader,
    /// Columns of INT96 once more, in seconds.
    seconds: Option<ParquetRecordBatchReader>,
    /// Where those stand among the columns, and what they are in the schema.
    days: Vec<(usize, Column)>,
    columns: Columns,
    found: SchemaRef,
    before: u64,
}

impl Batches {
    fn batch(&mut self) -> Result<Option<RecordBatch>, InputError> {
        let Some(batch) = self.whole.next().transpose().map_err(|e| failed(&e))? else { return Ok(None) };
        let mut batch = self.columns.named(&batch).map_err(|e| failed(&e))?;
        if let Some(seconds) = &mut self.seconds {
            let seconds = seconds.next().transpose().map_err(|e| failed(&e))?;
            let Some(seconds) = seconds.filter(|seconds| seconds.num_rows() == batch.num_rows()) else {
                return Err(failed(&"its columns have different lengths"));
            };
            let mut arrays = batch.columns().to_vec();
            for ((at, column), seconds) in self.days.iter().zip(seconds.columns()) {
                let joined = stamps::joined(column, seconds, &arrays[*at]);
                arrays[*at] = joined.map_err(|e| {
                    let row = e.row + self.before;
                    e.at_row(row)
                })?;
            }
            batch = RecordBatch::try_new(Arc::clone(&self.found), arrays).map_err(|e| failed(&e))?;
        }
        self.before += batch.num_rows() as u64;
        Ok(Some(batch))
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batch().transpose()
    }
}

/// Words that say of an error no more than whose it is.
const WHOSE: [&str; 3] = ["Parquet argument error: ", "Parquet error: ", "External: "];

fn failed(error: &dyn Display) -> InputError {
    let message = error.to_string();
    let mut said = message.as_str();
    while let Some(rest) = WHOSE.iter().find_map(|whose| said.strip_prefix(whose)) {
        said = rest;
    }
    unreadable(NAME, said)
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

#[cfg(test)]
mod tests;
