//! Columns as they are parsed.
//!
//! `take` reads the common spellings in place, with their separator, and gives everything else back
//! to `push`, which knows every spelling. Both keep the rules of index columns.

use super::field::Field;
use crate::data::schema::{Column, Type};
use crate::data::value::expected_of;
use crate::data::value::number::{self, bool_prefix, float_prefix, int_prefix};
use crate::data::value::time::{self, Dates};
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, TimeUnit};
use memchr::{memchr, memchr3};
use std::sync::Arc;

/// A column that grows by one value per row.
pub(super) struct Builder {
    cells: Cells,
    /// Rows without a value.
    nulls: Vec<usize>,
    index: bool,
}

enum Cells {
    Timestamp(Vec<i64>, TimeUnit, Dates),
    Date(Vec<i32>, Dates),
    Int(Vec<i64>),
    /// And whether the last number was a long one.
    Float(Vec<f64>, bool),
    Str(Vec<u8>, Vec<i32>),
    Bool(Vec<bool>),
}

impl Builder {
    /// For a column of at most `rows` rows.
    pub(super) fn new(column: &Column, rows: usize) -> Builder {
        let cells = match column.ty {
            Type::Timestamp(unit) => {
                Cells::Timestamp(Vec::with_capacity(rows), unit, Dates::timestamps(unit))
            }
            Type::Date => Cells::Date(Vec::with_capacity(rows), Dates::days()),
            Type::Int => Cells::Int(Vec::with_capacity(rows)),
            Type::Float => Cells::Float(Vec::with_capacity(rows), false),
            Type::Str => {
                let mut offsets = Vec::with_capacity(rows + 1);
                offsets.push(0);
                Cells::Str(Vec::new(), offsets)
            }
            Type::Bool => Cells::Bool(Vec::with_capacity(rows)),
        };
        Builder { cells, nulls: Vec::new(), index: column.index }
    }

    /// Takes the field that starts `rest`, if it is of a common spelling and `separator` follows:
    /// the bytes taken with the separator, or `None` with nothing taken.
    #[inline]
    pub(super) fn take(&mut self, rest: &[u8], separator: u8) -> Option<usize> {
        if let Some(len) = end(rest, 0, separator).filter(|_| !self.index) {
            self.push_null().ok()?;
            return Some(len);
        }
        match &mut self.cells {
            Cells::Timestamp(values, _, dates) => {
                let (value, len) = dates.timestamp_prefix(rest)?;
                take(values, value, end(rest, len, separator))
            }
            Cells::Date(values, dates) => {
                let (value, len) = dates.date_prefix(rest)?;
                take(values, i32::try_from(value).ok()?, end(rest, len, separator))
            }
            Cells::Int(values) => {
                let (value, len) = int_prefix(rest)?;
                take(values, value, end(rest, len, separator))
            }
            Cells::Float(values, long) => {
                let (value, len) = float_prefix(rest, long)?;
                // Adding zero makes -0.0 of an index 0.0.
                let value = if self.index { value + 0.0 } else { value };
                take(values, value, end(rest, len, separator))
            }
            Cells::Str(bytes, offsets) => take_str(bytes, offsets, rest, separator),
            Cells::Bool(values) => {
                let (value, len) = bool_prefix(rest)?;
                take(values, value, end(rest, len, separator))
            }
        }
    }

    /// Takes a field of any spelling; fails with what the column takes.
    pub(super) fn push(&mut self, field: &Field<'_>) -> Result<(), &'static str> {
        let text = &*field.text;
        let string = matches!(self.cells, Cells::Str(..));
        let empty = if string { text.is_empty() && !field.quoted } else { number::trim(text).is_empty() };
        if empty {
            return self.push_null();
        }
        let ty = self.ty();
        let refused = || expected_of(ty, text);
        match &mut self.cells {
            Cells::Timestamp(values, unit, _) => {
                values.push(time::parse_timestamp(text, *unit).ok_or_else(refused)?);
            }
            Cells::Date(values, _) => values.push(time::parse_date(text).ok_or_else(refused)?),
            Cells::Int(values) => values.push(number::parse_int(text).ok_or_else(refused)?),
            Cells::Float(values, _) => {
                let value = number::parse_float(text).ok_or_else(refused)?;
                if self.index && value.is_nan() {
                    return Err("a number: index columns hold no NaN");
                }
                values.push(if self.index { value + 0.0 } else { value });
            }
            Cells::Str(bytes, offsets) => {
                const LARGE: &str = "a string that fits: the strings of one block have 2 GiB at most";
                if std::str::from_utf8(text).is_err() {
                    return Err(refused());
                }
                let Ok(offset) = i32::try_from(bytes.len() + text.len()) else { return Err(LARGE) };
                bytes.extend_from_slice(text);
                offsets.push(offset);
            }
            Cells::Bool(values) => values.push(number::parse_bool(text).ok_or_else(refused)?),
        }
        Ok(())
    }

    fn push_null(&mut self) -> Result<(), &'static str> {
        if self.index {
            return Err("a value: index columns hold no null");
        }
        self.nulls.push(self.len());
        match &mut self.cells {
            Cells::Timestamp(values, ..) | Cells::Int(values) => values.push(0),
            Cells::Date(values, _) => values.push(0),
            Cells::Float(values, _) => values.push(0.0),
            Cells::Str(_, offsets) => offsets.push(offsets.last().copied().unwrap_or(0)),
            Cells::Bool(values) => values.push(false),
        }
        Ok(())
    }

    /// Whether a CR stands in its strings.
    pub(super) fn has_return(&self) -> bool {
        matches!(&self.cells, Cells::Str(bytes, _) if memchr(b'\r', bytes).is_some())
    }

    pub(super) fn len(&self) -> usize {
        match &self.cells {
            Cells::Timestamp(values, ..) | Cells::Int(values) => values.len(),
            Cells::Date(values, _) => values.len(),
            Cells::Float(values, _) => values.len(),
            Cells::Str(_, offsets) => offsets.len() - 1,
            Cells::Bool(values) => values.len(),
        }
    }

    const fn ty(&self) -> Type {
        match self.cells {
            Cells::Timestamp(_, unit, _) => Type::Timestamp(unit),
            Cells::Date(..) => Type::Date,
            Cells::Int(_) => Type::Int,
            Cells::Float(..) => Type::Float,
            Cells::Str(..) => Type::Str,
            Cells::Bool(_) => Type::Bool,
        }
    }

    /// The column's array. Fails where a string is not UTF-8.
    pub(super) fn finish(self) -> Result<ArrayRef, ArrowError> {
        let nulls = self.null_buffer();
        Ok(match self.cells {
            Cells::Timestamp(values, unit, _) => timestamps(values.into(), unit, nulls)?,
            Cells::Date(values, _) => Arc::new(Date32Array::try_new(values.into(), nulls)?),
            Cells::Int(values) => Arc::new(Int64Array::try_new(values.into(), nulls)?),
            Cells::Float(values, _) => Arc::new(Float64Array::try_new(values.into(), nulls)?),
            Cells::Str(bytes, offsets) => {
                let offsets = OffsetBuffer::new(offsets.into());
                Arc::new(StringArray::try_new(offsets, Buffer::from_vec(bytes), nulls)?)
            }
            Cells::Bool(values) => Arc::new(BooleanArray::new(values.into(), nulls)),
        })
    }

    fn null_buffer(&self) -> Option<NullBuffer> {
        if self.nulls.is_empty() {
            return None;
        }
        let mut valid = BooleanBufferBuilder::new(self.len());
        valid.append_n(self.len(), true);
        self.nulls.iter().for_each(|&row| valid.set_bit(row, false));
        Some(NullBuffer::new(valid.finish()))
    }
}

/// Takes a value if its field ends well.
#[inline]
fn take<T>(values: &mut Vec<T>, value: T, end: Option<usize>) -> Option<usize> {
    if end.is_some() {
        values.push(value);
    }
    end
}

/// Takes a string, quoted or not, that is not null.
#[inline]
fn take_str(bytes: &mut Vec<u8>, offsets: &mut Vec<i32>, rest: &[u8], separator: u8) -> Option<usize> {
    let before = bytes.len();
    let taken = if rest.first() == Some(&b'"') {
        copy_quoted(bytes, rest, separator)
    } else {
        let len = memchr3(b',', b'\n', b'"', rest)?;
        if len == 0 || rest[len] != separator || rest[len - 1] == b'\r' {
            return None;
        }
        bytes.extend_from_slice(&rest[..len]);
        Some(len + 1)
    };
    let offset = i32::try_from(bytes.len()).ok().filter(|_| taken.is_some());
    match offset {
        Some(offset) => offsets.push(offset),
        None => bytes.truncate(before),
    }
    offset.and(taken)
}

/// Appends the text of the quoted field that starts `rest`; what comes with `None` is void.
fn copy_quoted(bytes: &mut Vec<u8>, rest: &[u8], separator: u8) -> Option<usize> {
    let mut start = 1;
    loop {
        let close = start + memchr(b'"', &rest[start..])?;
        if rest.get(close + 1) != Some(&b'"') {
            bytes.extend_from_slice(&rest[start..close]);
            return end(rest, close + 1, separator);
        }
        bytes.extend_from_slice(&rest[start..=close]);
        start = close + 2;
    }
}

/// Where the next field starts if a field of `len` bytes ends here with `separator`.
#[inline]
fn end(rest: &[u8], len: usize, separator: u8) -> Option<usize> {
    match rest.get(len) {
        Some(&byte) if byte == separator => Some(len + 1),
        Some(b'\r') if separator == b'\n' && rest.get(len + 1) == Some(&b'\n') => Some(len + 2),
        _ => None,
    }
}

fn timestamps(
    values: ScalarBuffer<i64>,
    unit: TimeUnit,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    Ok(match unit {
        TimeUnit::Second => Arc::new(TimestampSecondArray::try_new(values, nulls)?),
        TimeUnit::Millisecond => Arc::new(TimestampMillisecondArray::try_new(values, nulls)?),
        TimeUnit::Microsecond => Arc::new(TimestampMicrosecondArray::try_new(values, nulls)?),
        TimeUnit::Nanosecond => Arc::new(TimestampNanosecondArray::try_new(values, nulls)?),
    })
}
