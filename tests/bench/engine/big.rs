//! An append to a series of very many segments, made with small ones.

use super::harness::{Bench, COLLECTION, SERIES, timed};
use super::input::{STEP, append, frame, overlay, schema, small_frame};
use lakota::collection::At;
use lakota::repo::Options;
use lakota::series::read::Query;

const SEGMENTS: i64 = 120_000;
const SEGMENT_ROWS: i64 = 8;
const APPENDS: i64 = 9;

pub(crate) fn big(bench: &Bench) {
    let options =
        |durable| Options { durable, segment_rows: Some(SEGMENT_ROWS as usize), ..Options::default() };
    let times: Vec<i64> = (0..SEGMENTS * SEGMENT_ROWS).map(|i| i * STEP).collect();
    let values: Vec<f64> = (0..times.len()).map(|i| (i % 997) as f64 / 100.0).collect();
    bench.fresh();
    let collection = bench.open_with(options(false)).create_collection(COLLECTION, &schema()).unwrap();
    let mut batch = collection.batch("write").unwrap();
    batch.write_all(vec![overlay(SERIES, &frame(&times, &values))]).unwrap();
    batch.commit().unwrap().unwrap();
    let segments = collection.list(At::Newest).unwrap()[0].sums.segments;
    assert!(segments.abs_diff(SEGMENTS as u64) < 100, "{segments} segments");
    let last = times[times.len() - 1];
    let append_one = |number| {
        let rows = small_frame(last, number);
        let write = || {
            let collection = bench.open_with(options(true)).collection(COLLECTION).unwrap();
            let mut batch = collection.batch("append").unwrap();
            batch.write_all(vec![append(SERIES, &rows)]).unwrap();
            batch.commit().unwrap().unwrap();
        };
        timed(write).0
    };
    bench.emit_ms("append_120k", &(0..APPENDS).map(append_one).collect::<Vec<f64>>());
    let tail = Query { tail: Some(1_000), ..Query::default() };
    bench.emit_ms(
        "tail_1000",
        &super::harness::repeat(5, || bench.read(SERIES, &tail), |f| assert_eq!(f.num_rows(), 1_000)),
    );
}
