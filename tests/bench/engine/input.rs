//! The inputs of the workloads as Arrow frames, and the check that rows read are those written.

use super::harness::root;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMillisecondType};
use arrow_array::{Float64Array, RecordBatch, TimestampMillisecondArray};
use lakota::data::key::Keys;
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::interval::Interval;
use lakota::series::write::Mode;
use std::fs;
use std::sync::Arc;

/// Seconds between two rows of W1, W2 and W4.
pub(crate) const STEP: i64 = 300;

/// Rows of one small append.
pub(crate) const APPEND_ROWS: i64 = 10;

pub(crate) fn schema() -> Schema {
    Schema::parse(["timestamp timestamp*", "value float"]).unwrap()
}

fn eights<T>(name: &str, number: impl Fn([u8; 8]) -> T) -> Vec<T> {
    let path = root().join("data").join(name);
    let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; data.py makes it", path.display()));
    bytes.as_chunks().0.iter().map(|eight| number(*eight)).collect()
}

pub(crate) fn longs(name: &str) -> Vec<i64> {
    eights(name, i64::from_le_bytes)
}

pub(crate) fn floats(name: &str) -> Vec<f64> {
    eights(name, f64::from_le_bytes)
}

/// A frame of seconds since 1970 and values.
pub(crate) fn frame(seconds: &[i64], values: &[f64]) -> RecordBatch {
    let times = TimestampMillisecondArray::from_iter_values(seconds.iter().map(|s| s * 1000));
    let values = Float64Array::from(values.to_vec());
    RecordBatch::try_new(Arc::clone(schema().arrow()), vec![Arc::new(times), Arc::new(values)]).unwrap()
}

/// The rows of the small append of this number after a stamp.
pub(crate) fn small_frame(last: i64, number: i64) -> RecordBatch {
    let times: Vec<i64> = (1..=APPEND_ROWS).map(|i| last + STEP * (APPEND_ROWS * number + i)).collect();
    let values: Vec<f64> =
        (0..APPEND_ROWS).map(|i| (2000.0 + (i as f64 * 100.0 / 9.0).round()) / 100.0).collect();
    frame(&times, &values)
}

/// An index value of the schema's only index column.
pub(crate) fn interval(start: i64, stop: i64) -> Interval {
    let keys = Keys::of(&schema(), &frame(&[start, stop], &[0.0, 0.0]));
    Interval { lo: keys.key(0), hi: Some(keys.key(1)) }
}

/// A write of sorted rows that replaces what lies between them.
pub(crate) fn overlay(label: &str, frame: &RecordBatch) -> (String, Mode, Sorted) {
    let schema = schema();
    let keys = Keys::of(&schema, frame);
    let interval = Interval::closed(&keys.key(0), &keys.key(frame.num_rows() - 1));
    (label.to_owned(), Mode::Overlay(interval), Sorted::of(&schema, vec![frame.clone()]))
}

/// A write of sorted rows behind those that are there.
pub(crate) fn append(label: &str, frame: &RecordBatch) -> (String, Mode, Sorted) {
    (label.to_owned(), Mode::Append, Sorted::of(&schema(), vec![frame.clone()]))
}

/// Panics where a frame is not these rows.
pub(crate) fn check(frame: &RecordBatch, seconds: &[i64], values: &[f64]) {
    let times = frame.column(0).as_primitive::<TimestampMillisecondType>().values();
    let found = frame.column(1).as_primitive::<Float64Type>();
    let same_times = times.len() == seconds.len() && times.iter().zip(seconds).all(|(a, b)| *a == b * 1000);
    let same = same_times && found.values()[..] == *values;
    assert!(same, "{} rows read that are not the {} expected", frame.num_rows(), seconds.len());
}
