//! Frames: Arrow record batches that conform to a schema, and what is done to them whole.
//!
//! Owns the check that foreign record batches pass before they are rows: columns by name, lossless casts
//! only, no null or NaN in the index. After it, everything above trusts the types.

use super::cast;
use super::input::{InputError, Problem};
use super::key::{Keys, MAX_KEY};
use super::named::Named;
use super::schema::{Column, Schema, Type};
use super::value::{self, Value, time};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampSecondType};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, UInt32Array};
use arrow_schema::{ArrowError, Field, TimeUnit};
use std::collections::HashSet;
use std::sync::Arc;

/// Makes a frame of `batch`: columns matched by name in any order, cast where nothing is lost.
///
/// Fails on a missing, extra or repeated column, a type that cannot become the schema's, a value that would
/// change (microseconds in a millisecond column), and a null or NaN in the index.
pub fn conform(schema: &Schema, batch: &RecordBatch) -> Result<RecordBatch, InputError> {
    let frame = conform_partial(schema, batch)?;
    let named = Named::of(&frame);
    match schema.columns().iter().find(|c| named.get(&c.name).is_none()) {
        Some(column) => Err(missing(schema, batch, column)),
        None => Ok(frame),
    }
}

/// As [`conform`], but value columns may be missing: for updates of some columns.
pub fn conform_partial(schema: &Schema, batch: &RecordBatch) -> Result<RecordBatch, InputError> {
    let mut seen = HashSet::new();
    for field in batch.schema_ref().fields() {
        if schema.position(field.name()).is_none() {
            return Err(
                InputError::new(Problem::UnknownColumn { names: names(schema) }).in_column(field.name())
            );
        }
        if !seen.insert(field.name().as_str()) {
            let problem = Problem::Other("the column appears twice".to_owned());
            return Err(InputError::new(problem).in_column(field.name()));
        }
    }
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    let named = Named::of(batch);
    for column in schema.columns() {
        match named.get(&column.name) {
            Some(array) => {
                arrays.push(conform_column(column, array)?);
                fields.push(Field::new(&column.name, column.ty.arrow(), !column.index));
            }
            None if column.index => return Err(missing(schema, batch, column)),
            None => {}
        }
    }
    let schema = Arc::new(arrow_schema::Schema::new(fields));
    RecordBatch::try_new(schema, arrays).map_err(|e| InputError::new(Problem::Other(e.to_string())))
}

fn missing(schema: &Schema, batch: &RecordBatch, column: &Column) -> InputError {
    let found: Vec<&str> = batch.schema_ref().fields().iter().map(|f| f.name().as_str()).collect();
    let problem = Problem::MissingColumn { found: found.join(", "), names: names(schema) };
    InputError::new(problem).in_column(&column.name)
}

/// The columns' names, separated by commas: for messages.
#[must_use]
pub fn names(schema: &Schema) -> String {
    schema.columns().iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn conform_column(column: &Column, array: &ArrayRef) -> Result<ArrayRef, InputError> {
    let array = cast::cast(column, array)?;
    check_seconds(column, &array)?;
    if !column.index {
        return Ok(array);
    }
    let refuse = |row: usize, found: &str| {
        let expected = "a value: index columns hold neither null nor NaN";
        Err(cast::refuse(column, row, found.to_owned(), expected))
    };
    if let Some(row) =
        (array.null_count() > 0).then(|| (0..array.len()).find(|&i| array.is_null(i))).flatten()
    {
        return refuse(row, "");
    }
    if column.ty == Type::Float {
        let values = array.as_primitive::<Float64Type>();
        if let Some(row) = values.values().iter().position(|v| v.is_nan()) {
            return refuse(row, "NaN");
        }
        if values.values().iter().any(|v| *v == 0.0 && v.is_sign_negative()) {
            return Ok(Arc::new(values.unary::<_, Float64Type>(|v| v + 0.0) as Float64Array));
        }
    }
    Ok(array)
}

/// Fails where seconds cannot be kept as milliseconds.
fn check_seconds(column: &Column, array: &ArrayRef) -> Result<(), InputError> {
    let unit = TimeUnit::Second;
    if column.ty != Type::Timestamp(unit) {
        return Ok(());
    }
    let values = array.as_primitive::<TimestampSecondType>();
    let fits = |row: usize| array.is_null(row) || time::fits(values.value(row), unit);
    let Some(row) = (0..array.len()).find(|&row| !fits(row)) else { return Ok(()) };
    let found = Value::Int(values.value(row)).render(column.ty);
    Err(cast::refuse(column, row, found, value::expected(column.ty)))
}

/// Fails where a value cannot be stored: seconds beyond what milliseconds can say, an index value too long to stand
/// in the index.
pub fn check(schema: &Schema, frame: &RecordBatch) -> Result<(), InputError> {
    let named = Named::of(frame);
    let there = schema.columns().iter().filter_map(|c| Some((c, named.get(&c.name)?)));
    there.into_iter().try_for_each(|(c, array)| check_seconds(c, array))?;
    check_keys(schema, frame)
}

fn check_keys(schema: &Schema, frame: &RecordBatch) -> Result<(), InputError> {
    if schema.index_columns().all(|column| column.ty != Type::Str) {
        return Ok(());
    }
    let keys = Keys::of_frame(schema, frame);
    let Some(row) = (0..keys.rows()).find(|&row| keys.key(row).len() > MAX_KEY) else { return Ok(()) };
    let texts = schema.index_columns().filter(|column| column.ty == Type::Str);
    let longest = texts.max_by_key(|c| frame.column_by_name(&c.name).map_or(0, |a| text_len(a, row)));
    let problem = Problem::Other(format!(
        "an index value of {} bytes; the index takes {MAX_KEY} at most: make this a column without a star",
        keys.key(row).len()
    ));
    Err(InputError::new(problem).in_column(longest.map_or("", |column| column.name.as_str())))
}

fn text_len(array: &ArrayRef, row: usize) -> usize {
    array.as_string::<i32>().value(row).len()
}

/// The frame sorted by index; rows of equal index keep their order.
pub fn sort(schema: &Schema, frame: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let keys = Keys::of(schema, frame);
    if keys.first_disorder().is_none() {
        return Ok(frame.clone());
    }
    let mut order: Vec<u32> = (0..u32::try_from(frame.num_rows()).unwrap_or(u32::MAX)).collect();
    order.sort_by(|&a, &b| keys.cmp(a as usize, &keys, b as usize));
    arrow_select::take::take_record_batch(frame, &UInt32Array::from(order))
}

/// One frame of several. Of none: a frame of 0 rows.
pub fn concat(schema: &Schema, frames: &[RecordBatch]) -> Result<RecordBatch, ArrowError> {
    match frames {
        [one] => Ok(one.clone()),
        _ => arrow_select::concat::concat_batches(schema.arrow(), frames),
    }
}

/// A frame without rows.
#[must_use]
pub fn empty(schema: &Schema) -> RecordBatch {
    RecordBatch::new_empty(Arc::clone(schema.arrow()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Int32Array, StringArray, TimestampMicrosecondArray};

    fn schema() -> Schema {
        Schema::parse(["t timestamp*", "n int"]).unwrap()
    }

    fn batch(micros: i64) -> RecordBatch {
        let t: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone("+02:00"));
        RecordBatch::try_from_iter([("n", Arc::new(Int32Array::from(vec![7])) as ArrayRef), ("t", t)])
            .unwrap()
    }

    #[test]
    fn columns_are_matched_by_name_and_cast() {
        let frame = conform(&schema(), &batch(5_000)).unwrap();
        assert_eq!(frame.schema(), *schema().arrow());
    }

    #[test]
    fn lossy_cast_is_refused_with_row_and_column() {
        let message = conform(&schema(), &batch(5_001)).unwrap_err().to_string();
        assert!(message.starts_with("row 1, column t: "), "{message}");
    }

    #[test]
    fn other_types_are_refused() {
        let text: ArrayRef = Arc::new(StringArray::from(vec!["7"]));
        let batch = RecordBatch::try_from_iter([("t", batch(0).column(1).clone()), ("n", text)]).unwrap();
        let message = conform(&schema(), &batch).unwrap_err().to_string();
        assert_eq!(message, "column n: the input has utf8, the schema int");
    }

    #[test]
    fn sort_keeps_order_of_equal_index() {
        let schema = Schema::parse(["k int*", "v str"]).unwrap();
        let k: ArrayRef = Arc::new(arrow_array::Int64Array::from(vec![2, 1, 2, 1]));
        let v: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d"]));
        let frame = RecordBatch::try_new(Arc::clone(schema.arrow()), vec![k, v]).unwrap();
        let sorted = sort(&schema, &frame).unwrap();
        let values: Vec<_> = sorted.column(1).as_string::<i32>().iter().flatten().collect();
        assert_eq!(values, ["b", "d", "a", "c"]);
    }

    #[test]
    fn seconds_beyond_milliseconds_are_refused_with_row_and_column() {
        let schema = Schema::parse(["t timestamp[s]*"]).unwrap();
        let t: ArrayRef = Arc::new(arrow_array::TimestampSecondArray::from(vec![0, i64::MAX / 1000 + 1]));
        let batch = RecordBatch::try_from_iter([("t", t)]).unwrap();
        for refused in [conform(&schema, &batch).map(drop), check(&schema, &batch)] {
            let message = refused.unwrap_err().to_string();
            assert!(message.starts_with("row 2, column t: \"+292278994-08-17"), "{message}");
        }
    }

    #[test]
    fn long_index_values_are_refused_by_column() {
        let schema = Schema::parse(["k str*", "v int"]).unwrap();
        let k: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(MAX_KEY)]));
        let v: ArrayRef = Arc::new(arrow_array::Int64Array::from(vec![1]));
        let frame = RecordBatch::try_new(Arc::clone(schema.arrow()), vec![k, v]).unwrap();
        let message = check_keys(&schema, &frame).unwrap_err().to_string();
        assert!(message.starts_with("column k: an index value of 4098 bytes"), "{message}");
    }
}
