//! The footer of a stitched Parquet file: written from the index, its length bounded by sums.
//!
//! A footer's exact length follows from every segment; `stat` must do without looking at them. So the file keeps
//! [`most_bytes`] for it, with a gap of zeros in front: readers find a footer by the last 8 bytes of a file. Written
//! by hand, not by the parquet crate: the bound must know every byte, and memory stays that of the bytes.

use super::thrift::{self, Thrift, width};
use crate::data::pages::{self, Encoding, Layout};
use crate::data::schema::{Column, Schema, Type};
use crate::data::value::Value;
use crate::digest::Digest;
use crate::history::entry::Segments;
use crate::history::segment::Segment;
use crate::history::tree::Sums;
use crate::series::RowsError;
use crate::store::{StoreError, View};
use arrow_schema::TimeUnit;

/// What a Parquet file starts and ends with.
pub(super) const MAGIC: &[u8; 4] = b"PAR1";

/// Bytes behind the footer: its length, the magic number.
pub(super) const END: u64 = 8;

/// Who wrote the file, to programs that know the bugs of others.
const CREATED_BY: &[u8] = b"lakota";

/// The footer of a file whose first chunk lies behind the magic number.
pub(super) fn write(schema: &Schema, view: &View, segments: &Segments) -> Result<Vec<u8>, RowsError> {
    let sums = segments.sums();
    let mut out = Thrift::default();
    head(&mut out, schema, sums.rows, sums.segments);
    segments.scan(view, &mut |segment, before| {
        if segment.chunks.len() != schema.columns().len() {
            return Err(StoreError::Damaged { object: Digest::ZERO, what: "a segment without all columns" });
        }
        let chunks = (0..segment.chunks.len()).map(|i| chunk(schema, &segment, i)).collect();
        group(&mut out, schema, MAGIC.len() as u64 + before.pages, chunks);
        Ok(())
    })?;
    tail(&mut out, schema);
    let most = most_bytes(schema, &sums);
    if out.bytes.len() as u64 > most || u32::try_from(most).is_err() {
        let message = format!("a Parquet footer of {} bytes where {most} are kept for it", out.bytes.len());
        return Err(RowsError::Index(message));
    }
    Ok(out.bytes)
}

/// The most bytes of a footer for rows that add up to `sums`.
pub(super) fn most_bytes(schema: &Schema, sums: &Sums) -> u64 {
    let (groups, columns) = (sums.segments, schema.columns().len() as u64);
    let mut shell = Thrift::default();
    head(&mut shell, schema, sums.rows, groups);
    tail(&mut shell, schema);
    let least = |column: &Column| {
        let dictionary = pages::may_have_dictionary(column.ty);
        let encoding = if dictionary { Encoding::Dictionary } else { Encoding::Plain };
        let dictionary_len = u64::from(dictionary);
        let layout =
            Layout { rows: 0, nulls: 0, len: 0, raw_len: 0, dictionary_len, encoding, compressed: true };
        let value = vec![0; fixed_len(column.ty).unwrap_or(0) as usize];
        Chunk { layout, bounds: column.index.then(|| (value.clone(), value)) }
    };
    // A group whose numbers take a byte each; what they take beyond that comes on top.
    let mut smallest = Thrift::default();
    group(&mut smallest, schema, 0, schema.columns().iter().map(least).collect());
    let beyond = |count: u64, sum: u64| thrift::most_bytes(count, sum) - count;
    let rows = beyond(groups, sums.rows);
    let mut raw_sum = 0;
    let mut more = (columns + 1) * rows + beyond(groups * columns, sums.pages);
    for column in schema.columns() {
        let raw = pages::most_raw(column.ty, groups, sums.rows, sums.csv);
        raw_sum += raw;
        let offsets = 1 + u64::from(pages::may_have_dictionary(column.ty));
        more += beyond(groups, raw) + groups * offsets * (width(MAGIC.len() as u64 + sums.pages) - 1);
        more += if column.index { 0 } else { rows };
    }
    more += beyond(groups, raw_sum) + text_bytes(schema, sums);
    shell.bytes.len() as u64 + groups * smallest.bytes.len() as u64 + more
}

/// The most bytes that the text of statistics takes, beyond one for the length of each.
///
/// `sums.keys` counts, for each segment, two index values, and two values of each index column but the first.
fn text_bytes(schema: &Schema, sums: &Sums) -> u64 {
    let (mut texts, mut others) = (0, 0);
    for (place, column) in schema.index_columns().enumerate() {
        let times = if place == 0 { 2 } else { 4 };
        match fixed_len(column.ty) {
            Some(len) => others += times * len,
            None => {
                texts += 2;
                // Two bytes end a text in a key.
                others += times * 2;
            }
        }
    }
    if texts == 0 {
        return 0;
    }
    let count = texts * sums.segments;
    let text = sums.keys.saturating_sub(others * sums.segments);
    text + thrift::most_length_bytes(count, text) - count
}

/// Bytes of a value in statistics, the same in keys; text has no fixed length.
const fn fixed_len(ty: Type) -> Option<u64> {
    match ty {
        Type::Timestamp(_) | Type::Int | Type::Float => Some(8),
        Type::Date => Some(4),
        Type::Bool => Some(1),
        Type::Str => None,
    }
}

/// Up to the list of row groups.
fn head(out: &mut Thrift, schema: &Schema, rows: u64, groups: u64) {
    out.i32(1, 1);
    out.structures(2, schema.columns().len() as u64 + 1);
    out.element(|root| {
        root.binary(4, b"schema");
        root.i32(5, schema.columns().len() as u32);
    });
    schema.columns().iter().for_each(|column| out.element(|out| element(out, column)));
    out.i64(3, rows);
    out.structures(4, groups);
}

/// A column of the schema.
fn element(out: &mut Thrift, column: &Column) {
    out.i32(1, physical(column.ty));
    out.i32(3, u32::from(!column.index));
    out.binary(4, column.name.as_bytes());
    // The older annotation too, where it says the same. That of times would say UTC.
    match column.ty {
        Type::Str => out.i32(6, 0),
        Type::Date => out.i32(6, 6),
        _ => {}
    }
    let nothing = |_: &mut Thrift| {};
    match column.ty {
        Type::Str => out.structure(10, |logical| logical.structure(1, nothing)),
        Type::Date => out.structure(10, |logical| logical.structure(6, nothing)),
        Type::Timestamp(unit) => out.structure(10, |logical| {
            logical.structure(8, |time| {
                time.bool(1, false);
                time.structure(2, |units| units.structure(unit_field(unit), nothing));
            });
        }),
        Type::Int | Type::Float | Type::Bool => {}
    }
}

const fn unit_field(unit: TimeUnit) -> u8 {
    match unit {
        // Parquet has no seconds: pages hold milliseconds.
        TimeUnit::Second | TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    }
}

const fn physical(ty: Type) -> u32 {
    match ty {
        Type::Bool => 0,
        Type::Date => 1,
        Type::Timestamp(_) | Type::Int => 2,
        Type::Float => 5,
        Type::Str => 6,
    }
}

/// Behind the list of row groups.
fn tail(out: &mut Thrift, schema: &Schema) {
    out.binary(6, CREATED_BY);
    // Values compare as their type says: without this, readers ignore least and greatest values.
    out.structures(7, schema.columns().len() as u64);
    schema.columns().iter().for_each(|_| out.element(|order| order.structure(1, |_| {})));
    out.stop();
}

/// What a footer says of a chunk.
struct Chunk {
    layout: Layout,
    /// Least and greatest value, as PLAIN pages would hold them.
    bounds: Option<(Vec<u8>, Vec<u8>)>,
}

fn chunk(schema: &Schema, segment: &Segment, i: usize) -> Chunk {
    let ty = schema.columns()[i].ty;
    let bounds = segment
        .bounds(schema, i)
        .and_then(|(least, greatest)| Some((plain(ty, &least)?, plain(ty, &greatest)?)));
    Chunk { layout: segment.chunks[i].layout, bounds }
}

fn plain(ty: Type, value: &Value) -> Option<Vec<u8>> {
    Some(match (ty, value) {
        (Type::Timestamp(TimeUnit::Second), Value::Int(v)) => v.checked_mul(1000)?.to_le_bytes().to_vec(),
        (Type::Timestamp(_) | Type::Int, Value::Int(v)) => v.to_le_bytes().to_vec(),
        (Type::Date, Value::Int(v)) => i32::try_from(*v).ok()?.to_le_bytes().to_vec(),
        (Type::Float, Value::Float(v)) => v.to_le_bytes().to_vec(),
        (Type::Str, Value::Str(v)) => v.as_bytes().to_vec(),
        (Type::Bool, Value::Bool(v)) => vec![u8::from(*v)],
        _ => return None,
    })
}

/// A row group whose first chunk lies at `offset`. The optional ordinal of row groups is left out: it counts to 32,767.
fn group(out: &mut Thrift, schema: &Schema, mut offset: u64, chunks: Vec<Chunk>) {
    out.element(|out| {
        out.structures(1, chunks.len() as u64);
        let (mut raw, mut rows) = (0, 0);
        for (column, chunk) in schema.columns().iter().zip(&chunks) {
            out.element(|out| {
                out.i64(2, 0);
                out.structure(3, |out| column_chunk(out, column, chunk, offset));
            });
            offset += chunk.layout.len;
            raw += chunk.layout.raw_len;
            rows = chunk.layout.rows;
        }
        out.i64(2, raw);
        out.i64(3, rows);
    });
}

fn column_chunk(out: &mut Thrift, column: &Column, chunk: &Chunk, offset: u64) {
    const ZSTD: u32 = 6;
    let layout = &chunk.layout;
    out.i32(1, physical(column.ty));
    // Levels are RLE; pages of dictionaries are PLAIN.
    match layout.encoding {
        Encoding::Plain => out.numbers(2, &[3, 0]),
        Encoding::Dictionary => out.numbers(2, &[0, 3, 8]),
        Encoding::ByteStreamSplit => out.numbers(2, &[3, 9]),
        Encoding::Delta => out.numbers(2, &[3, 5]),
    }
    out.strings(3, &[column.name.as_bytes()]);
    out.i32(4, if layout.compressed { ZSTD } else { 0 });
    out.i64(5, layout.rows);
    out.i64(6, layout.raw_len);
    out.i64(7, layout.len);
    out.i64(9, offset + layout.dictionary_len);
    if layout.dictionary_len > 0 {
        out.i64(11, offset);
    }
    out.structure(12, |out| {
        out.i64(3, layout.nulls);
        if let Some((least, greatest)) = &chunk.bounds {
            out.binary(5, greatest);
            out.binary(6, least);
            out.bool(7, true);
            out.bool(8, true);
        }
    });
}

#[cfg(test)]
mod tests;
