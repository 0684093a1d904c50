//! One column of rows as Parquet pages, and back.
//!
//! Owns the choice of encoding and the rule that makes stitching possible: the pages of a chunk read the
//! same under any footer that names its [`Layout`]. Fixed column name, fixed nullability (index columns
//! required, others optional), V1 data pages, page boundaries by rows.
//! Measurements behind the encodings: docs/decisions.md.

mod split;
mod stream;

pub use split::{Page, data_pages};
pub use stream::Stream;

use super::schema::{Column, Type};
use crate::wire::{Damaged, Reader, Writer};
use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampMillisecondType, TimestampSecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, SchemaRef, TimeUnit};
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, CompressionCodec, Encoding as ParquetEncoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataBuilder, ParquetMetaDataReader,
    RowGroupMetaData,
};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::reader::{ChunkReader, Length};
use std::ops::Range;
use std::sync::Arc;

/// Rows a data page holds.
pub const PAGE_ROWS: usize = 16_384;

/// Rows on which the encodings of a column compete.
const SAMPLE_ROWS: usize = 16_384;

/// Chunks of fewer rows are not compressed, unless they are long: a bundle compresses many of them together.
const SMALL_ROWS: usize = 2048;

/// Chunks of more bytes are compressed, however few their rows.
const SMALL_BYTES: u64 = 24 << 10;

/// Chunks of fewer rows are not worth a dictionary.
pub const TINY_ROWS: usize = 256;

/// Rows that a chunk has at most; writers cut far below.
pub const MOST_ROWS: u64 = 1 << 24;

/// Bytes of the pages of a chunk at most, compressed or not.
const MOST_LEN: u64 = 4 << 30;

/// Bytes that a chunk takes in CSV at most; text is cut at 64 MiB, but for a value that is longer.
pub const MOST_TEXT: u64 = 1 << 30;

/// The name of the column in every object.
const COLUMN_NAME: &str = "v";

/// How the values of a chunk are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// PLAIN.
    Plain,
    /// A dictionary page, then RLE_DICTIONARY.
    Dictionary,
    /// BYTE_STREAM_SPLIT.
    ByteStreamSplit,
    /// DELTA_BINARY_PACKED.
    Delta,
}

/// What a footer must say about the pages of a chunk; with it they can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Rows, null ones included.
    pub rows: u64,
    /// Null rows.
    pub nulls: u64,
    /// Bytes of the pages, headers included.
    pub len: u64,
    /// Bytes of the pages before compression, headers included.
    pub raw_len: u64,
    /// Bytes of the dictionary page in front; 0 if there is none.
    pub dictionary_len: u64,
    /// Encoding of the data pages.
    pub encoding: Encoding,
    /// Whether pages are compressed (zstd).
    pub compressed: bool,
}

impl Layout {
    /// Whether rows that take `text` bytes in CSV could take so many bytes of pages: twice what writers need at most.
    fn is_plausible(&self, text: u64) -> bool {
        const PAGE: u64 = 4096;
        let pages = self.rows / PAGE_ROWS as u64 + 3;
        let most = (self.rows * 26).saturating_add(text.saturating_mul(2)).saturating_add(pages * PAGE);
        self.rows <= MOST_ROWS && self.nulls <= self.rows && self.raw_len <= most
    }

    /// Appends the layout but `rows`, which all chunks of a segment share.
    pub fn write(&self, out: &mut Writer) {
        let encoding = match self.encoding {
            Encoding::Plain => 0,
            Encoding::Dictionary => 1,
            Encoding::ByteStreamSplit => 2,
            Encoding::Delta => 3,
        };
        out.uint(encoding << 1 | u64::from(self.compressed));
        out.uint(self.nulls);
        out.uint(self.len);
        // The two lengths are close, or the ratio is worth the bytes.
        out.uint(self.raw_len);
        out.uint(self.dictionary_len);
    }

    /// Reads what [`Layout::write`] wrote.
    pub fn read(input: &mut Reader<'_>, rows: u64) -> Result<Layout, Damaged> {
        let flags = input.uint()?;
        let encoding = match flags >> 1 {
            0 => Encoding::Plain,
            1 => Encoding::Dictionary,
            2 => Encoding::ByteStreamSplit,
            3 => Encoding::Delta,
            _ => return Err(input.damaged()),
        };
        let layout = Layout {
            rows,
            nulls: input.uint()?,
            len: input.uint()?,
            raw_len: input.uint()?,
            dictionary_len: input.uint()?,
            encoding,
            compressed: flags & 1 == 1,
        };
        let lengths = layout.dictionary_len <= layout.len && layout.len.max(layout.raw_len) <= MOST_LEN;
        if lengths && layout.nulls <= rows { Ok(layout) } else { Err(input.damaged()) }
    }
}

/// An encoded chunk: a complete Parquet file of one column, and where its pages lie in it.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The file.
    pub file: Bytes,
    /// What a footer says about its pages.
    pub layout: Layout,
}

/// Where pages start in an object: after the magic number.
pub const PAGES_AT: usize = 4;

impl Encoded {
    /// The pages by themselves.
    #[must_use]
    pub fn pages(&self) -> Bytes {
        self.file.slice(PAGES_AT..PAGES_AT + self.layout.len as usize)
    }
}

/// Encodes a column's rows; `array` has the column's type and, for index columns, no null.
pub fn encode(column: &Column, array: &ArrayRef) -> Result<Encoded, ParquetError> {
    if array.len() < SMALL_ROWS {
        let encoded = encode_small(column, array)?;
        if encoded.layout.len < SMALL_BYTES {
            return Ok(encoded);
        }
    }
    match candidates(column.ty) {
        [only] => write(column, array, *only, true),
        several => {
            let sample = array.slice(0, array.len().min(SAMPLE_ROWS));
            let mut best: Option<(Encoding, Encoded)> = None;
            for &encoding in several {
                let tried = write(column, &sample, encoding, true)?;
                if best.as_ref().is_none_or(|(_, b)| tried.file.len() < b.file.len()) {
                    best = Some((encoding, tried));
                }
            }
            match best {
                Some((_, whole)) if sample.len() == array.len() => Ok(whole),
                Some((encoding, _)) => write(column, array, encoding, true),
                None => Err(ParquetError::General("no encoding".to_owned())),
            }
        }
    }
}

const fn candidates(ty: Type) -> &'static [Encoding] {
    match ty {
        Type::Timestamp(_) | Type::Date | Type::Int => &[Encoding::Delta],
        Type::Bool => &[Encoding::Plain],
        Type::Float => &[Encoding::Dictionary, Encoding::ByteStreamSplit, Encoding::Plain],
        Type::Str => &[Encoding::Dictionary, Encoding::Plain],
    }
}

/// Whether chunks of a type may have a dictionary.
#[must_use]
pub fn may_have_dictionary(ty: Type) -> bool {
    candidates(ty).contains(&Encoding::Dictionary)
}

/// The most bytes that the pages of several chunks may take before compression, headers included: `rows` rows of a
/// type in `chunks` chunks, which take `csv` bytes as text.
#[must_use]
pub fn most_raw(ty: Type, chunks: u64, rows: u64, csv: u64) -> u64 {
    // Header, levels, a dictionary's slack, the last block of deltas, which is filled up.
    const PAGE: u64 = 2048;
    let pages = rows / PAGE_ROWS as u64 + 2 * chunks;
    let values = match ty {
        // Blocks of 128 deltas of at most 8 bytes, with 14 bytes of their own.
        Type::Timestamp(_) | Type::Date | Type::Int => 9 * rows,
        // A dictionary that holds every value, and its indices.
        Type::Float => 8 * rows + 4 * rows,
        Type::Str => csv + 4 * rows + 4 * rows,
        Type::Bool => rows,
    };
    values + rows + pages * PAGE
}

/// Encodes without compression. A dictionary must save a quarter of the bytes: otherwise what compresses
/// the bundle does better without one.
fn encode_small(column: &Column, array: &ArrayRef) -> Result<Encoded, ParquetError> {
    let without = match candidates(column.ty) {
        [only] => *only,
        _ if array.len() < TINY_ROWS || column.ty == Type::Str => Encoding::Plain,
        _ => Encoding::ByteStreamSplit,
    };
    let encoded = write(column, array, without, false)?;
    if array.len() < TINY_ROWS || candidates(column.ty).len() == 1 {
        return Ok(encoded);
    }
    let dictionary = write(column, array, Encoding::Dictionary, false)?;
    Ok(if dictionary.layout.len < encoded.layout.len / 4 * 3 { dictionary } else { encoded })
}

fn write(
    column: &Column,
    array: &ArrayRef,
    encoding: Encoding,
    compressed: bool,
) -> Result<Encoded, ParquetError> {
    let schema = arrow_schema_of(column);
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![stored(column, array)?])?;
    let options = ArrowWriterOptions::new()
        .with_properties(properties(column, encoding, compressed)?)
        .with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema, options)?;
    writer.write(&batch)?;
    let file = Bytes::from(writer.into_inner()?);
    let layout = layout_of(&file, array, encoding, compressed)?;
    Ok(Encoded { file, layout })
}

fn properties(
    column: &Column,
    encoding: Encoding,
    compressed: bool,
) -> Result<WriterProperties, ParquetError> {
    let compression =
        if compressed { Compression::ZSTD(ZstdLevel::try_new(1)?) } else { Compression::UNCOMPRESSED };
    let builder = WriterProperties::builder()
        .set_created_by("lakota".to_owned())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(compression)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_data_page_size_limit(1 << 30)
        .set_write_batch_size(PAGE_ROWS)
        .set_max_row_group_row_count(None)
        .set_offset_index_disabled(true)
        .set_statistics_enabled(if column.index {
            EnabledStatistics::Chunk
        } else {
            EnabledStatistics::None
        });
    Ok(match encoding {
        Encoding::Dictionary => {
            builder.set_dictionary_enabled(true).set_dictionary_page_size_limit(1 << 30).build()
        }
        other => builder.set_dictionary_enabled(false).set_encoding(other.parquet()).build(),
    })
}

impl Encoding {
    const fn parquet(self) -> ParquetEncoding {
        match self {
            Encoding::Plain => ParquetEncoding::PLAIN,
            Encoding::Dictionary => ParquetEncoding::RLE_DICTIONARY,
            Encoding::ByteStreamSplit => ParquetEncoding::BYTE_STREAM_SPLIT,
            Encoding::Delta => ParquetEncoding::DELTA_BINARY_PACKED,
        }
    }
}

fn layout_of(
    file: &Bytes,
    array: &ArrayRef,
    encoding: Encoding,
    compressed: bool,
) -> Result<Layout, ParquetError> {
    let metadata = ParquetMetaDataReader::new().parse_and_finish(file)?;
    let chunk = metadata.row_group(0).column(0);
    let (start, len) = chunk.byte_range();
    if start != PAGES_AT as u64 {
        return Err(ParquetError::General(format!("pages start at {start}")));
    }
    let dictionary_len = match chunk.dictionary_page_offset() {
        Some(at) => (chunk.data_page_offset() - at) as u64,
        None => 0,
    };
    Ok(Layout {
        rows: array.len() as u64,
        nulls: array.null_count() as u64,
        len,
        raw_len: chunk.uncompressed_size() as u64,
        dictionary_len,
        encoding,
        compressed,
    })
}

/// Bytes of pages in an object, by its own footer. Fails where it is no Parquet file of one column and one row
/// group.
pub fn page_bytes(object: &Bytes) -> Result<u64, ParquetError> {
    let metadata = ParquetMetaDataReader::new().parse_and_finish(object)?;
    match metadata.row_groups() {
        [group] if group.num_columns() == 1 => Ok(group.column(0).byte_range().1),
        _ => Err(ParquetError::General("not one column in one row group".to_owned())),
    }
}

/// Decodes rows `rows` of a chunk from its pages.
///
/// Fails where the pages are not what `layout` says.
pub fn decode(
    column: &Column,
    layout: &Layout,
    pages: Bytes,
    rows: Range<usize>,
) -> Result<ArrayRef, ParquetError> {
    decode_within(column, layout, pages, rows, MOST_TEXT)
}

/// As [`decode`]; a chunk of text has at most `text` bytes of it, which its bytes in CSV tell.
pub fn decode_within(
    column: &Column,
    layout: &Layout,
    pages: Bytes,
    rows: Range<usize>,
    text: u64,
) -> Result<ArrayRef, ParquetError> {
    let mut stream = Stream::within(column, layout, pages, rows.clone(), rows.len(), text)?;
    let mut parts = Vec::new();
    while let Some(part) = stream.next()? {
        parts.push(part);
    }
    match parts.as_slice() {
        [] => Ok(arrow_array::new_empty_array(&column.ty.arrow())),
        [one] => Ok(Arc::clone(one)),
        several => Ok(arrow_select::concat::concat(&several.iter().map(AsRef::as_ref).collect::<Vec<_>>())?),
    }
}

/// The Arrow type under which pages are written and read: Parquet has no seconds, so they are milliseconds there.
const fn stored_type(ty: Type) -> DataType {
    match ty {
        Type::Timestamp(TimeUnit::Second) => DataType::Timestamp(TimeUnit::Millisecond, None),
        other => other.arrow(),
    }
}

/// Milliseconds of a second.
const MILLIS: i64 = 1000;

/// The values as pages hold them. `frame::check` has refused seconds that do not fit.
fn stored(column: &Column, array: &ArrayRef) -> Result<ArrayRef, ParquetError> {
    if column.ty != Type::Timestamp(TimeUnit::Second) {
        return Ok(Arc::clone(array));
    }
    let seconds = array.as_primitive::<TimestampSecondType>();
    Ok(Arc::new(seconds.try_unary::<_, TimestampMillisecondType, _>(|second| {
        second.checked_mul(MILLIS).ok_or_else(|| general(format!("{second} s are too many milliseconds")))
    })?))
}

/// The values as frames hold them.
fn loaded(column: &Column, array: &ArrayRef) -> Result<ArrayRef, ParquetError> {
    if column.ty != Type::Timestamp(TimeUnit::Second) {
        return Ok(Arc::clone(array));
    }
    let millis = array.as_primitive::<TimestampMillisecondType>();
    Ok(Arc::new(millis.try_unary::<_, TimestampSecondType, _>(|milli| match milli % MILLIS {
        0 => Ok(milli / MILLIS),
        _ => Err(general(format!("{milli} ms are no whole seconds"))),
    })?))
}

const fn general(message: String) -> ParquetError {
    ParquetError::General(message)
}

fn arrow_schema_of(column: &Column) -> SchemaRef {
    let field = Field::new(COLUMN_NAME, stored_type(column.ty), !column.index);
    Arc::new(arrow_schema::Schema::new(vec![field]))
}

/// A footer for the pages of one chunk, as if they lay in an object.
fn footer(column: &Column, layout: &Layout) -> Result<ArrowReaderMetadata, ParquetError> {
    let descriptor = Arc::new(ArrowSchemaConverter::new().convert(&arrow_schema_of(column))?);
    let chunk = column_chunk(layout, descriptor.column(0), PAGES_AT as u64)?;
    let group = RowGroupMetaData::builder(Arc::clone(&descriptor))
        .set_num_rows(layout.rows as i64)
        .set_total_byte_size(layout.raw_len as i64)
        .set_column_metadata(vec![chunk])
        .build()?;
    let file = FileMetaData::new(1, layout.rows as i64, None, None, descriptor, None);
    let metadata: ParquetMetaData = ParquetMetaDataBuilder::new(file).set_row_groups(vec![group]).build();
    ArrowReaderMetadata::try_new(Arc::new(metadata), ArrowReaderOptions::new())
}

/// The footer's entry of a chunk whose pages lie at `offset` of a file.
pub fn column_chunk(
    layout: &Layout,
    descriptor: parquet::schema::types::ColumnDescPtr,
    offset: u64,
) -> Result<ColumnChunkMetaData, ParquetError> {
    let codec = if layout.compressed { CompressionCodec::ZSTD } else { CompressionCodec::UNCOMPRESSED };
    let encodings = match layout.encoding {
        Encoding::Dictionary => {
            vec![ParquetEncoding::PLAIN, ParquetEncoding::RLE, ParquetEncoding::RLE_DICTIONARY]
        }
        other => vec![ParquetEncoding::RLE, other.parquet()],
    };
    ColumnChunkMetaData::builder(descriptor)
        .set_encodings(encodings)
        .set_num_values(layout.rows as i64)
        .set_compression_codec(codec)
        .set_total_compressed_size(layout.len as i64)
        .set_total_uncompressed_size(layout.raw_len as i64)
        .set_data_page_offset((offset + layout.dictionary_len) as i64)
        .set_dictionary_page_offset((layout.dictionary_len > 0).then_some(offset as i64))
        .build()
}

/// Pages, read as if they lay in an object.
#[derive(Debug)]
struct Pages(Bytes);

impl Length for Pages {
    fn len(&self) -> u64 {
        (self.0.len() + PAGES_AT) as u64
    }
}

impl ChunkReader for Pages {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let start = self.at(start)?;
        Ok(bytes::Buf::reader(self.0.slice(start..)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let start = self.at(start)?;
        let end = start.checked_add(length).filter(|&end| end <= self.0.len());
        end.map(|end| self.0.slice(start..end)).ok_or_else(|| ParquetError::EOF("pages end early".to_owned()))
    }
}

impl Pages {
    fn at(&self, start: u64) -> Result<usize, ParquetError> {
        usize::try_from(start)
            .ok()
            .and_then(|start| start.checked_sub(PAGES_AT))
            .filter(|&start| start <= self.0.len())
            .ok_or_else(|| ParquetError::EOF("pages end early".to_owned()))
    }
}

#[cfg(test)]
mod tests;
