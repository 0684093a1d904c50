//! Columns of foreign types made those of a schema, where every value stays what it is.
//!
//! Owns which types may become which, and the check of each value. Never rounds: a value that its column cannot
//! hold exactly is an error with row, column, what was found and what is expected.

use super::input::{InputError, Problem};
use super::key::as_long;
use super::schema::{Column, Type};
use super::value::{self, Value, number, time};
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, Float64Array, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};
use std::sync::Arc;

/// Nanoseconds of a second and of a day.
const SECOND: i64 = 1_000_000_000;
const DAY: i64 = time::DAY * SECOND;

/// Makes a column of the schema's type, of values that are all the same.
///
/// Fails on a type that cannot become the schema's, and on the first value that would change.
pub(super) fn cast(column: &Column, array: &ArrayRef) -> Result<ArrayRef, InputError> {
    let (from, to) = (array.data_type(), column.ty.arrow());
    if *from == to {
        return Ok(Arc::clone(array));
    }
    match (from, column.ty) {
        (DataType::Null, _) => Ok(arrow_array::new_null_array(&to, array.len())),
        (DataType::Dictionary(_, values), _) => cast(column, &plain(column, array, values)?),
        (DataType::LargeUtf8 | DataType::Utf8View, Type::Str) => plain(column, array, &to),
        (_, Type::Timestamp(_) | Type::Date) => times(column, array),
        (_, Type::Int) if from.is_integer() => ints(column, array),
        (_, Type::Int) if from.is_floating() => whole_floats(column, array),
        (_, Type::Float) if from.is_floating() => plain(column, array, &to),
        (_, Type::Float) if from.is_integer() => floats(column, array),
        (_, Type::Int | Type::Float) if from.is_decimal() => decimals(column, array),
        _ => Err(wrong_type(column, from)),
    }
}

fn wrong_type(column: &Column, from: &DataType) -> InputError {
    let found = from.to_string().to_lowercase();
    let expected = match column.ty {
        Type::Timestamp(_) | Type::Date if from.is_numeric() => {
            format!("{}: numbers are not taken as times since 1970 (epoch), convert them first", column.ty)
        }
        ty => ty.to_string(),
    };
    InputError::new(Problem::ColumnType { found, expected }).in_column(&column.name)
}

/// The error of one value.
pub(super) fn refuse(column: &Column, row: usize, found: String, expected: &'static str) -> InputError {
    InputError::new(Problem::Value { found, expected }).at_row(row as u64 + 1).in_column(&column.name)
}

/// A cast that cannot change a value.
fn plain(column: &Column, array: &ArrayRef, to: &DataType) -> Result<ArrayRef, InputError> {
    arrow_cast::cast(array, to)
        .map_err(|e| InputError::new(Problem::Other(e.to_string())).in_column(&column.name))
}

/// Values one by one; fails on the first that has no equal, showing it.
fn each<A: ArrowPrimitiveType, B: ArrowPrimitiveType>(
    column: &Column,
    array: &PrimitiveArray<A>,
    equal: impl Fn(A::Native) -> Option<B::Native>,
    show: impl Fn(A::Native) -> String,
) -> Result<PrimitiveArray<B>, InputError> {
    if let Ok(made) = array.try_unary::<_, B, ()>(|v| equal(v).ok_or(())) {
        return Ok(made);
    }
    let lost = |row: &usize| array.is_valid(*row) && equal(array.value(*row)).is_none();
    let row = (0..array.len()).find(lost).unwrap_or(0);
    let expected = match (A::DATA_TYPE.is_floating(), column.ty) {
        (true, _) => value::WHOLE,
        (false, Type::Float) => "an int that a float holds without rounding",
        (false, ty) => value::expected(ty),
    };
    Err(refuse(column, row, show(array.value(row)), expected))
}

/// Nanoseconds that a unit of a type lasts, where it counts time since 1970-01-01.
fn lasts(ty: &DataType) -> Option<i64> {
    match ty {
        // Zoned or not: all count in UTC.
        DataType::Timestamp(unit, _) => Some(SECOND / time::per_second(*unit)),
        DataType::Date64 => Some(SECOND / 1_000),
        DataType::Date32 => Some(DAY),
        _ => None,
    }
}

fn times(column: &Column, array: &ArrayRef) -> Result<ArrayRef, InputError> {
    let (from, to) = (array.data_type(), column.ty.arrow());
    let (Some(given), Some(wanted)) = (lasts(from), lasts(&to)) else {
        return Err(wrong_type(column, from));
    };
    let ticks = match from {
        DataType::Date32 => plain(column, array, &DataType::Int64)?.as_primitive::<Int64Type>().clone(),
        _ => as_long(array),
    };
    let equal = |v: i64| match given >= wanted {
        true => v.checked_mul(given / wanted),
        false => (v % (wanted / given) == 0).then(|| v / (wanted / given)),
    };
    let shown = match from {
        DataType::Timestamp(unit, _) => Type::Timestamp(*unit),
        DataType::Date64 => Type::Timestamp(TimeUnit::Millisecond),
        _ => Type::Date,
    };
    let show = |v: i64| Value::Int(v).render(shown);
    if column.ty == Type::Date {
        let days = |v| equal(v).and_then(|day| i32::try_from(day).ok());
        return Ok(Arc::new(each::<_, Date32Type>(column, &ticks, days, show)?));
    }
    let made = each::<_, Int64Type>(column, &ticks, equal, show)?;
    // The same numbers under the name of the unit.
    let data = made.to_data().into_builder().data_type(to).build();
    data.map(arrow_array::make_array)
        .map_err(|e| InputError::new(Problem::Other(e.to_string())).in_column(&column.name))
}

fn ints(column: &Column, array: &ArrayRef) -> Result<ArrayRef, InputError> {
    match array.data_type() {
        DataType::UInt64 => Ok(Arc::new(each::<_, Int64Type>(
            column,
            array.as_primitive::<UInt64Type>(),
            |v| i64::try_from(v).ok(),
            |v| v.to_string(),
        )?)),
        _ => plain(column, array, &DataType::Int64),
    }
}

fn floats(column: &Column, array: &ArrayRef) -> Result<ArrayRef, InputError> {
    let made: Float64Array = if *array.data_type() == DataType::UInt64 {
        let exact = |v: u64| Some(v as f64).filter(|f| *f as u128 == u128::from(v));
        each(column, array.as_primitive::<UInt64Type>(), exact, |v| v.to_string())?
    } else {
        let exact = |v: i64| Some(v as f64).filter(|f| *f as i128 == i128::from(v));
        let ints = plain(column, array, &DataType::Int64)?;
        each(column, ints.as_primitive::<Int64Type>(), exact, |v| v.to_string())?
    };
    Ok(Arc::new(made))
}

/// Ints as programs hold them that have no other null than NaN.
fn whole_floats(column: &Column, array: &ArrayRef) -> Result<ArrayRef, InputError> {
    let floats = plain(column, array, &DataType::Float64)?;
    let floats = floats.as_primitive::<Float64Type>();
    let known: Float64Array = floats.iter().map(|v| v.filter(|v| !v.is_nan())).collect();
    // What is greater may have been rounded before, and an index value decides which rows are replaced.
    let int = |v: f64| (v.abs() <= number::MOST_WHOLE as f64 && v.fract() == 0.0).then_some(v as i64);
    Ok(Arc::new(each::<_, Int64Type>(column, &known, int, |v| Value::Float(v).render(Type::Float))?))
}

/// Decimals by their digits, as a text of them would be read; a float must have the same digits to the last one.
fn decimals(column: &Column, array: &ArrayRef) -> Result<ArrayRef, InputError> {
    let texts = plain(column, array, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    let expected = match column.ty {
        Type::Float => "a decimal that a float holds to the last digit",
        ty => value::expected(ty),
    };
    let refused = |row: usize| refuse(column, row, texts.value(row).to_owned(), expected);
    let mut made: Vec<Option<Value>> = Vec::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        let number = text.map(|text| exact(column.ty, text).ok_or_else(|| refused(row)));
        made.push(number.transpose()?);
    }
    let float = |v: &Option<Value>| if let Some(Value::Float(v)) = v { Some(*v) } else { None };
    let int = |v: &Option<Value>| if let Some(Value::Int(v)) = v { Some(*v) } else { None };
    Ok(match column.ty {
        Type::Float => Arc::new(made.iter().map(float).collect::<Float64Array>()),
        _ => Arc::new(made.iter().map(int).collect::<PrimitiveArray<Int64Type>>()),
    })
}

/// The number of type `ty` that a plain decimal tells, if there is one with the same digits.
fn exact(ty: Type, text: &str) -> Option<Value> {
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    if ty == Type::Int {
        return number::parse_int(text.as_bytes()).map(Value::Int);
    }
    let digits = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let float = number::parse_float(text.as_bytes())?;
    (format!("{float:.digits$}") == text).then_some(Value::Float(float))
}

#[cfg(test)]
mod tests;
