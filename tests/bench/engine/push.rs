//! One small revision to a copy that has the other 2,000, and the first copy of all of them.

use super::harness::{Bench, root, timed};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use lakota::data::schema::Schema;
use lakota::ops::transfer::{What, transfer};
use lakota::repo::{Options, Repo};
use std::path::PathBuf;
use std::sync::Arc;

const REVISIONS: i64 = 2000;
const ROWS: i64 = 500;
const PUSHES: i64 = 15;

fn schema() -> Schema {
    Schema::parse(["k int*", "v float"]).unwrap()
}

fn rows(revision: i64, count: i64) -> RecordBatch {
    let keys = (0..count).map(|i| revision * ROWS + i);
    let index: ArrayRef = Arc::new(Int64Array::from_iter_values(keys.clone()));
    let values: ArrayRef = Arc::new(Float64Array::from_iter_values(keys.map(|k| (k as f64).sin())));
    RecordBatch::try_from_iter([("k", index), ("v", values)]).unwrap()
}

pub(crate) fn push(bench: &Bench) {
    bench.fresh();
    let collection = bench.open().create_collection("bench", &schema()).unwrap();
    let write = |revision, count| {
        let mut batch = collection.batch("write").unwrap();
        batch.overlay("series", &rows(revision, count)).unwrap();
        batch.commit().unwrap().unwrap();
    };
    (0..REVISIONS).for_each(|revision| write(revision, ROWS));
    let place: PathBuf = root().join("work/lakota_push_copy");
    std::fs::remove_dir_all(&place).ok();
    Repo::create(&place, Options::default()).unwrap();
    let copy = || {
        let (from, to) = (bench.open(), Repo::open(&place, Options::default()).unwrap());
        let report = transfer(&from, &to, &What::default(), &|_| ()).unwrap();
        assert!(report.failed.is_empty());
        report.moved.first().map_or(0, |moved| moved.revisions)
    };
    let (first, moved) = timed(copy);
    assert_eq!(moved, REVISIONS as u64 + 1);
    bench.emit_ms("first_copy_of_2000", &[first]);
    let mut times = Vec::new();
    for revision in REVISIONS..REVISIONS + PUSHES {
        write(revision, 10);
        let (ms, moved) = timed(copy);
        assert_eq!(moved, 1);
        times.push(ms);
    }
    bench.emit_ms("push_one", &times);
    let nothing: Vec<f64> = (0..PUSHES).map(|_| timed(copy).0).collect();
    bench.emit_ms("push_nothing", &nothing);
    std::fs::remove_dir_all(&place).unwrap();
}
