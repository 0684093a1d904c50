//! Tests of sorting: in memory, by runs, and where there is no place for them.

use super::*;
use crate::data::value::Value;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array};

fn sorted(keys: &[i64], frame_rows: usize, limit: usize) -> Vec<(i64, i64)> {
    let schema = Arc::new(Schema::parse(["k int*", "n int"]).unwrap());
    let mut sorter = Sorter::new(schema.clone(), schema.arrow().clone(), std::env::temp_dir(), limit);
    let mut n = 0;
    for part in keys.chunks(frame_rows) {
        let k: ArrayRef = Arc::new(Int64Array::from(part.to_vec()));
        let v: ArrayRef = Arc::new(Int64Array::from_iter_values(n..n + part.len() as i64));
        n += part.len() as i64;
        sorter.push(RecordBatch::try_new(schema.arrow().clone(), vec![k, v]).unwrap()).unwrap();
    }
    let mut sorted = sorter.finish().unwrap();
    let mut out = Vec::new();
    while let Some(frame) = sorted.next_frame().unwrap() {
        let column = |i: usize| frame.column(i).as_primitive::<Int64Type>().values().to_vec();
        out.extend(column(0).into_iter().zip(column(1)));
    }
    out
}

fn model(keys: &[i64]) -> Vec<(i64, i64)> {
    let mut rows: Vec<(i64, i64)> = keys.iter().copied().zip(0..).collect();
    rows.sort_by_key(|row| row.0);
    rows
}

#[test]
fn rows_come_out_stably_sorted_from_memory_and_from_runs() {
    let keys: Vec<i64> = (0..5000).map(|i| (i * 7919) % 97).collect();
    for (frame_rows, limit) in [(5000, MEMORY), (64, MEMORY), (64, 4096), (7, 1)] {
        assert_eq!(sorted(&keys, frame_rows, limit), model(&keys), "{frame_rows} {limit}");
    }
}

#[test]
fn span_is_known_in_memory_and_in_runs() {
    let keys: Vec<i64> = (0..500).map(|i| (i * 7919) % 97).collect();
    for limit in [MEMORY, 1] {
        let schema = Arc::new(Schema::parse(["k int*"]).unwrap());
        let mut sorter = Sorter::new(schema.clone(), schema.arrow().clone(), std::env::temp_dir(), limit);
        for part in keys.chunks(64) {
            let k: ArrayRef = Arc::new(Int64Array::from(part.to_vec()));
            sorter.push(RecordBatch::try_new(schema.arrow().clone(), vec![k]).unwrap()).unwrap();
        }
        let sorted = sorter.finish().unwrap();
        let shown = |key: &Key| crate::data::key::decode(&schema, key).unwrap();
        let (first, last) = sorted.span().unwrap();
        assert_eq!((shown(first), shown(last)), (vec![Value::Int(0)], vec![Value::Int(96)]), "{limit}");
    }
}

#[test]
fn a_place_for_runs_that_fails_tells_what_the_system_said() {
    let schema = Arc::new(Schema::parse(["k int*"]).unwrap());
    let mut sorter = Sorter::new(schema.clone(), schema.arrow().clone(), "/nowhere".into(), 1);
    let k: ArrayRef = Arc::new(Int64Array::from(vec![2, 1]));
    let error = sorter.push(RecordBatch::try_new(schema.arrow().clone(), vec![k]).unwrap()).unwrap_err();
    assert!(matches!(&error.problem, Problem::Spool(e) if e.kind() == io::ErrorKind::NotFound));
    let full = ArrowError::from(io::Error::from_raw_os_error(28));
    assert!(matches!(failed(&full).problem, Problem::Spool(e) if e.raw_os_error() == Some(28)));
}

#[test]
fn sorted_input_is_not_copied_out_of_order() {
    let keys: Vec<i64> = (0..1000).map(|i| i / 3).collect();
    assert_eq!(sorted(&keys, 10, 1), model(&keys));
}

#[test]
fn rows_of_many_runs_come_out_in_frames_of_many() {
    let schema = Arc::new(Schema::parse(["k int*"]).unwrap());
    let mut sorter = Sorter::new(schema.clone(), schema.arrow().clone(), std::env::temp_dir(), 1 << 14);
    for part in 0..20 {
        let k: ArrayRef = Arc::new(Int64Array::from_iter_values((0..2000).map(|n| n * 20 + part)));
        sorter.push(RecordBatch::try_new(schema.arrow().clone(), vec![k]).unwrap()).unwrap();
    }
    let mut sorted = sorter.finish().unwrap();
    let (mut next, mut frames) = (0, 0);
    while let Some(frame) = sorted.next_frame().unwrap() {
        let values = frame.column(0).as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(values, (next..next + values.len() as i64).collect::<Vec<_>>());
        (next, frames) = (next + values.len() as i64, frames + 1);
    }
    assert!(next == 40_000 && frames <= 10, "{next} rows in {frames} frames");
}
