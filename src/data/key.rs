//! Index tuples as keys: byte strings that compare as the tuples do.
//!
//! The encoding is part of the format (docs/format.md): integers, times and days big-endian with the
//! sign bit flipped, floats by their total order, text with 0x00 escaped and a terminator, so that no
//! key is a prefix of another and a prefix of the columns is a prefix of the bytes.

use super::named::Named;
use super::schema::{Column, Schema, Type};
use super::value::Value;
use crate::interval::{Interval, Key, next_prefix};
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray};
use std::cmp::Ordering;

/// Longest key in bytes: index values stand in every index node, so they stay small.
pub const MAX_KEY: usize = 4096;

/// The index columns of a frame, ready to compare and encode.
#[derive(Debug, Clone)]
pub struct Keys {
    columns: Vec<KeyColumn>,
    rows: usize,
}

#[derive(Debug, Clone)]
enum KeyColumn {
    Long(arrow_array::Int64Array),
    Day(arrow_array::Date32Array),
    Float(arrow_array::Float64Array),
    Text(StringArray),
    Bool(BooleanArray),
}

impl Keys {
    /// Takes the index columns of a frame that conforms to `schema`.
    #[must_use]
    pub fn of(schema: &Schema, frame: &RecordBatch) -> Keys {
        let columns =
            schema.index().iter().map(|&i| KeyColumn::of(schema.columns()[i].ty, frame.column(i))).collect();
        Keys { columns, rows: frame.num_rows() }
    }

    /// Takes the index columns, by name, of a frame that may lack value columns.
    #[must_use]
    pub fn of_frame(schema: &Schema, frame: &RecordBatch) -> Keys {
        let named = Named::of(frame);
        let of = |c: &Column| named.get(&c.name).map(|array| KeyColumn::of(c.ty, array));
        Keys { columns: schema.index_columns().filter_map(of).collect(), rows: frame.num_rows() }
    }

    /// Takes index columns by themselves, in index order.
    #[must_use]
    pub fn of_columns(schema: &Schema, columns: &[ArrayRef]) -> Keys {
        let rows = columns.first().map_or(0, |c| c.len());
        let columns =
            schema.index_columns().zip(columns).map(|(c, array)| KeyColumn::of(c.ty, array)).collect();
        Keys { columns, rows }
    }

    /// Number of rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// The key of a row.
    #[must_use]
    pub fn key(&self, row: usize) -> Key {
        let mut out = Vec::with_capacity(8 * self.columns.len());
        self.append(row, &mut out);
        out
    }

    fn append(&self, row: usize, out: &mut Vec<u8>) {
        for column in &self.columns {
            column.append(row, out);
        }
    }

    /// Compares row `i` with row `j` of `other`.
    #[must_use]
    pub fn cmp(&self, i: usize, other: &Keys, j: usize) -> Ordering {
        for (a, b) in self.columns.iter().zip(&other.columns) {
            match a.cmp(i, b, j) {
                Ordering::Equal => {}
                unequal => return unequal,
            }
        }
        Ordering::Equal
    }

    /// The first row whose key is at least `key`; rows must be sorted.
    #[must_use]
    pub fn lower_bound(&self, key: &[u8]) -> usize {
        let mut buffer = Vec::with_capacity(32);
        let (mut lo, mut hi) = (0, self.rows);
        while lo < hi {
            let mid = lo.midpoint(hi);
            buffer.clear();
            self.append(mid, &mut buffer);
            if buffer.as_slice() < key {
                lo = mid + 1;
            } else {
                hi = mid;
            }
        }
        lo
    }

    /// The rows whose keys lie in `interval`; rows must be sorted.
    #[must_use]
    pub fn rows_in(&self, interval: &Interval) -> std::ops::Range<usize> {
        let start = self.lower_bound(&interval.lo);
        let end = interval.hi.as_ref().map_or(self.rows, |hi| self.lower_bound(hi));
        start..end.max(start)
    }

    /// The first row that is smaller than the row before it, if any.
    #[must_use]
    pub fn first_disorder(&self) -> Option<usize> {
        if let [KeyColumn::Long(values)] = self.columns.as_slice() {
            return values.values().windows(2).position(|w| w[1] < w[0]).map(|i| i + 1);
        }
        (1..self.rows).find(|&i| self.cmp(i - 1, self, i) == Ordering::Greater)
    }

    /// The row after the last of the rows equal to `row`, which are neighbours when sorted.
    #[must_use]
    pub fn run_end(&self, row: usize) -> usize {
        let mut end = row + 1;
        while end < self.rows && self.cmp(row, self, end) == Ordering::Equal {
            end += 1;
        }
        end
    }
}

impl KeyColumn {
    fn of(ty: Type, array: &ArrayRef) -> KeyColumn {
        match ty {
            Type::Timestamp(_) | Type::Int => KeyColumn::Long(as_long(array)),
            Type::Date => KeyColumn::Day(array.as_primitive::<Date32Type>().clone()),
            Type::Float => KeyColumn::Float(array.as_primitive::<Float64Type>().clone()),
            Type::Str => KeyColumn::Text(array.as_string::<i32>().clone()),
            Type::Bool => KeyColumn::Bool(array.as_boolean().clone()),
        }
    }

    fn append(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            KeyColumn::Long(a) => out.extend_from_slice(&long_bytes(a.value(row))),
            KeyColumn::Day(a) => out.extend_from_slice(&day_bytes(a.value(row))),
            KeyColumn::Float(a) => out.extend_from_slice(&float_bytes(a.value(row))),
            KeyColumn::Text(a) => append_text(a.value(row), out),
            KeyColumn::Bool(a) => out.push(u8::from(a.value(row))),
        }
    }

    fn cmp(&self, i: usize, other: &KeyColumn, j: usize) -> Ordering {
        match (self, other) {
            (KeyColumn::Long(a), KeyColumn::Long(b)) => a.value(i).cmp(&b.value(j)),
            (KeyColumn::Day(a), KeyColumn::Day(b)) => a.value(i).cmp(&b.value(j)),
            (KeyColumn::Float(a), KeyColumn::Float(b)) => a.value(i).total_cmp(&b.value(j)),
            (KeyColumn::Text(a), KeyColumn::Text(b)) => a.value(i).cmp(b.value(j)),
            (KeyColumn::Bool(a), KeyColumn::Bool(b)) => a.value(i).cmp(&b.value(j)),
            // Columns of one schema position have one type: this arm only completes the match.
            _ => Ordering::Equal,
        }
    }
}

/// An `int` or `timestamp` column as plain integers, without a copy.
#[must_use]
pub fn as_long(array: &ArrayRef) -> arrow_array::Int64Array {
    let data = array.to_data();
    let buffer = arrow_buffer::ScalarBuffer::new(data.buffers()[0].clone(), data.offset(), data.len());
    arrow_array::PrimitiveArray::<Int64Type>::new(buffer, data.nulls().cloned())
}

const fn long_bytes(value: i64) -> [u8; 8] {
    (value as u64 ^ 1 << 63).to_be_bytes()
}

const fn day_bytes(value: i32) -> [u8; 4] {
    (value as u32 ^ 1 << 31).to_be_bytes()
}

const fn float_bytes(value: f64) -> [u8; 8] {
    let bits = value.to_bits();
    (if bits >> 63 == 0 { bits ^ 1 << 63 } else { !bits }).to_be_bytes()
}

fn append_text(text: &str, out: &mut Vec<u8>) {
    for &byte in text.as_bytes() {
        out.push(byte);
        if byte == 0 {
            out.push(0xFF);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

/// Encodes index values, or the first few of them: a prefix. `None` where a value is not of its
/// column's type or is null, or where there are more values than index columns.
#[must_use]
pub fn encode(schema: &Schema, values: &[Value]) -> Option<Key> {
    if values.len() > schema.index().len() {
        return None;
    }
    let mut out = Vec::new();
    for (column, value) in schema.index_columns().zip(values) {
        match (column.ty, value) {
            (Type::Timestamp(_) | Type::Int, Value::Int(v)) => out.extend_from_slice(&long_bytes(*v)),
            (Type::Date, Value::Int(v)) => out.extend_from_slice(&day_bytes(i32::try_from(*v).ok()?)),
            (Type::Float, Value::Float(v)) if !v.is_nan() => out.extend_from_slice(&float_bytes(v + 0.0)),
            (Type::Str, Value::Str(v)) => append_text(v, &mut out),
            (Type::Bool, Value::Bool(v)) => out.push(u8::from(*v)),
            _ => return None,
        }
    }
    Some(out)
}

/// Decodes a whole key; `None` where the bytes are no key of this schema.
#[must_use]
pub fn decode(schema: &Schema, key: &[u8]) -> Option<Vec<Value>> {
    let mut rest = key;
    let values = schema.index_columns().map(|column| take_value(column, &mut rest)).collect::<Option<_>>()?;
    rest.is_empty().then_some(values)
}

fn take_value(column: &Column, rest: &mut &[u8]) -> Option<Value> {
    let mut take = |len: usize| {
        let (head, tail) = rest.split_at_checked(len)?;
        *rest = tail;
        Some(head)
    };
    Some(match column.ty {
        Type::Timestamp(_) | Type::Int => {
            Value::Int((u64::from_be_bytes(take(8)?.try_into().ok()?) ^ 1 << 63) as i64)
        }
        Type::Date => Value::Int(i64::from((u32::from_be_bytes(take(4)?.try_into().ok()?) ^ 1 << 31) as i32)),
        Type::Float => {
            let bits = u64::from_be_bytes(take(8)?.try_into().ok()?);
            Value::Float(f64::from_bits(if bits >> 63 == 1 { bits ^ 1 << 63 } else { !bits }))
        }
        Type::Bool => Value::Bool(take(1)?[0] != 0),
        Type::Str => {
            let mut text = Vec::new();
            loop {
                match take(1)?[0] {
                    0 if take(1)?[0] == 0 => break,
                    byte => text.push(byte),
                }
            }
            Value::Str(String::from_utf8(text).ok()?)
        }
    })
}

/// Characters of a value that messages show.
const SHOWN: usize = 60;

/// An index value for people: `2020-06-22T00:00:00`, tuples with commas; control characters escaped, long text
/// cut.
#[must_use]
pub fn show(schema: &Schema, key: &[u8]) -> String {
    let Some(values) = decode(schema, key) else { return "?".to_owned() };
    let text = |(column, value): (&Column, &Value)| {
        let text = value.render(column.ty);
        let plain: String = text.chars().take(SHOWN).flat_map(escape).collect();
        if text.chars().nth(SHOWN).is_some() { plain + "…" } else { plain }
    };
    schema.index_columns().zip(&values).map(text).collect::<Vec<_>>().join(", ")
}

fn escape(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = (!c.is_control()).then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

/// Which of its two bounds a range includes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Closed {
    /// The start only.
    #[default]
    Left,
    /// The stop only.
    Right,
    /// Both.
    Both,
    /// Neither.
    None,
}

/// The index values from `start` to `stop`, each the first few values of an index tuple; an empty bound is none.
/// A prefix stands for all tuples that start with it. `None` where a bound has too many values or wrong ones.
#[must_use]
pub fn interval(schema: &Schema, start: &[Value], stop: &[Value], closed: Closed) -> Option<Interval> {
    let lo = match (start, closed) {
        ([], _) => Key::new(),
        (start, Closed::Left | Closed::Both) => encode(schema, start)?,
        // Behind the greatest possible key nothing lies: an interval that starts and ends there.
        (start, _) => match next_prefix(&encode(schema, start)?) {
            Some(lo) => lo,
            None => return Some(Interval { lo: Vec::new(), hi: Some(Vec::new()) }),
        },
    };
    let hi = match (stop, closed) {
        ([], _) => None,
        (stop, Closed::Right | Closed::Both) => next_prefix(&encode(schema, stop)?),
        (stop, _) => Some(encode(schema, stop)?),
    };
    Some(Interval { lo, hi })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema::parse(["a str*", "b int*", "c float*", "d date*", "e bool*"]).unwrap()
    }

    fn row(a: &str, b: i64, c: f64) -> Vec<Value> {
        vec![Value::Str(a.into()), Value::Int(b), Value::Float(c), Value::Int(3), Value::Bool(true)]
    }

    #[test]
    fn keys_decode_to_their_values() {
        for values in [row("", i64::MIN, -0.5), row("a\0b", -1, f64::INFINITY), row("é", 0, -1e300)] {
            let key = encode(&schema(), &values).unwrap();
            assert_eq!(decode(&schema(), &key).unwrap(), values);
        }
    }

    #[test]
    fn keys_compare_as_tuples() {
        let sorted = [
            row("", 5, 0.0),
            row("a", -7, 3.0),
            row("a", 7, f64::NEG_INFINITY),
            row("a", 7, -2.0),
            row("a", 7, 2.0),
            row("a\0", 0, 0.0),
            row("aa", i64::MIN, 0.0),
        ];
        let keys: Vec<_> = sorted.iter().map(|v| encode(&schema(), v).unwrap()).collect();
        assert!(keys.windows(2).all(|w| w[0] < w[1]));
    }

    #[test]
    fn prefix_of_columns_is_prefix_of_bytes() {
        let prefix = encode(&schema(), &row("a", 7, 0.0)[..2]).unwrap();
        let interval = Interval::point(&prefix);
        assert!(interval.contains(&encode(&schema(), &row("a", 7, -9.0)).unwrap()));
        assert!(!interval.contains(&encode(&schema(), &row("a", 8, -9.0)).unwrap()));
    }

    #[test]
    fn index_values_are_shown_in_one_short_line() {
        let schema = Schema::parse(["a str*"]).unwrap();
        let key = |text: &str| encode(&schema, &[Value::Str(text.into())]).unwrap();
        assert_eq!(show(&schema, &key("a\u{1b}[31m\nb")), "a\\u{1b}[31m\\nb");
        assert_eq!(show(&schema, &key(&"x".repeat(100))), format!("{}…", "x".repeat(60)));
    }
}
