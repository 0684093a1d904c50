//! Columns to lines.
//!
//! Null is an empty field, the empty string is `""`; a string is quoted only where a reader needs it.
//! Lines end with `\n`, the last one too.

use crate::data::schema::Type;
use crate::data::value::show::{self, Times};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Float64Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray, StringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::TimeUnit;
use memchr::{memchr, memchr_iter, memchr3};
use std::ops::Range;

/// The header line of columns by these names.
pub fn header<'a>(names: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut out = Vec::new();
    for name in names {
        if !out.is_empty() {
            out.push(b',');
        }
        push_str(&mut out, name.as_bytes());
    }
    out.push(b'\n');
    out
}

/// Appends the lines of `rows` to `out`.
///
/// Each array must be of its type's Arrow type and hold all of `rows`: anything else panics.
pub fn render(columns: &[(Type, ArrayRef)], rows: Range<usize>, out: &mut Vec<u8>) {
    let mut columns: Vec<Column<'_>> = columns.iter().map(|(ty, array)| Column::new(*ty, array)).collect();
    let Some((last, others)) = columns.split_last_mut() else { return };
    out.reserve(rows.len() * (12 + 16 * (others.len() + 1)));
    for row in rows {
        for column in &mut *others {
            column.push(out, row);
            out.push(b',');
        }
        last.push(out, row);
        out.push(b'\n');
    }
}

/// The values of a `timestamp` array.
pub(super) fn ticks(array: &dyn Array, unit: TimeUnit) -> &[i64] {
    match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().values(),
        TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().values(),
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().values(),
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().values(),
    }
}

/// A column on its way out.
pub(crate) struct Column<'a> {
    cells: Cells<'a>,
    nulls: Option<&'a NullBuffer>,
}

enum Cells<'a> {
    Timestamp(&'a [i64], Times),
    Date(&'a [i32], Day),
    Int(&'a [i64]),
    Float(&'a [f64]),
    Str(&'a StringArray),
    Bool(&'a BooleanArray),
}

/// The last day and its text.
#[derive(Default)]
struct Day {
    day: i32,
    text: Vec<u8>,
}

impl<'a> Column<'a> {
    /// The array must be of the type's Arrow type: anything else panics.
    pub(crate) fn new(ty: Type, array: &'a ArrayRef) -> Column<'a> {
        let cells = match ty {
            Type::Timestamp(unit) => Cells::Timestamp(ticks(array, unit), Times::new(unit)),
            Type::Date => Cells::Date(array.as_primitive::<Date32Type>().values(), Day::default()),
            Type::Int => Cells::Int(array.as_primitive::<Int64Type>().values()),
            Type::Float => Cells::Float(array.as_primitive::<Float64Type>().values()),
            Type::Str => Cells::Str(array.as_string()),
            Type::Bool => Cells::Bool(array.as_boolean()),
        };
        Column { cells, nulls: array.nulls().filter(|nulls| nulls.null_count() > 0) }
    }

    /// Appends the field of a row.
    #[inline]
    pub(crate) fn push(&mut self, out: &mut Vec<u8>, row: usize) {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return;
        }
        match &mut self.cells {
            Cells::Timestamp(values, times) => times.push(out, values[row]),
            Cells::Date(values, day) => day.push(out, values[row]),
            Cells::Int(values) => show::push_int(out, values[row]),
            Cells::Float(values) => show::push_float(out, values[row]),
            Cells::Str(array) => push_str(out, array.value(row).as_bytes()),
            Cells::Bool(array) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
        }
    }
}

impl Day {
    fn push(&mut self, out: &mut Vec<u8>, day: i32) {
        if self.day != day || self.text.is_empty() {
            self.text.clear();
            show::push_date(&mut self.text, day.into());
            self.day = day;
        }
        out.extend_from_slice(&self.text);
    }
}

/// Whether a string cannot stand without quotes: the empty one would read as null.
#[inline]
pub(super) fn needs_quotes(text: &[u8]) -> bool {
    const SHORT: usize = 24;
    if text.len() <= SHORT {
        text.is_empty() || text.iter().any(|b| matches!(b, b',' | b'"' | b'\r' | b'\n'))
    } else {
        memchr3(b',', b'"', b'\n', text).is_some() || memchr(b'\r', text).is_some()
    }
}

/// Appends a text as a field.
pub(crate) fn push_str(out: &mut Vec<u8>, text: &[u8]) {
    if !needs_quotes(text) {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    let mut done = 0;
    for quote in memchr_iter(b'"', text) {
        out.extend_from_slice(&text[done..=quote]);
        done = quote;
    }
    out.extend_from_slice(&text[done..]);
    out.push(b'"');
}
