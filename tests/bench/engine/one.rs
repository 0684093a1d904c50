//! W1, W2 and W3: one series, written whole and in many commits.

use super::harness::{Bench, COLLECTION, SERIES, median, repeat, timed};
use super::input::{append, check, floats, frame, interval, longs, schema, small_frame};
use arrow_array::RecordBatch;
use lakota::collection::At;
use lakota::repo::Options;
use lakota::series::read::Query;

const STEP: usize = super::input::STEP as usize;
const DAY_START: usize = 788_918_400;
const DAY_STOP: usize = DAY_START + 86_400;
const TAIL: usize = 1_000;
const COMMIT_ROWS: usize = 500;
const WRITES: usize = 3;
const READS: usize = 5;
const SMALL_READS: usize = 7;
const APPENDS: i64 = 5;

/// From a frame to a durable collection of one series, in a repository that is there.
fn create(bench: &Bench, rows: &RecordBatch) {
    let collection = bench.open().create_collection(COLLECTION, &schema()).unwrap();
    let mut batch = collection.batch("write").unwrap();
    batch.overlay(SERIES, rows).unwrap();
    batch.commit().unwrap().unwrap();
}

fn write_durable(bench: &Bench, rows: &RecordBatch, count: usize) {
    let write = |_| {
        bench.fresh();
        timed(|| create(bench, rows)).0
    };
    let samples: Vec<f64> = (0..count).map(write).collect();
    bench.emit_ms("write_durable", &samples);
    bench.emit_bytes("bytes", &[bench.disk_bytes()]);
}

pub(crate) fn w1(bench: &Bench) {
    let (times, values) = (longs("w2.ts.i64"), floats("w1.f64"));
    write_durable(bench, &frame(&times, &values), 1);
    check(&bench.read(SERIES, &Query::default()), &times, &values);
}

pub(crate) fn w2(bench: &Bench) {
    let (times, values) = (longs("w2.ts.i64"), floats("w2.f64"));
    write_durable(bench, &frame(&times, &values), WRITES);
    let day = Query { interval: interval(DAY_START as i64, DAY_STOP as i64), ..Query::default() };
    let tail = Query { tail: Some(TAIL as u64), ..Query::default() };
    let reads = [
        ("read_one_frame", READS, 0..times.len(), Query::default()),
        ("read_day", SMALL_READS, DAY_START / STEP..DAY_STOP / STEP, day),
        ("tail_1000", SMALL_READS, times.len() - TAIL..times.len(), tail),
    ];
    let rows_in = |found: &Vec<RecordBatch>| found.iter().map(RecordBatch::num_rows).sum::<usize>();
    let whole = |found: &Vec<RecordBatch>| assert_eq!(rows_in(found), times.len(), "rows in all frames");
    bench.emit_ms("read_full", &repeat(READS, || frames(bench), whole));
    for (op, count, rows, query) in reads {
        let checked = |found: &RecordBatch| check(found, &times[rows.clone()], &values[rows.clone()]);
        bench.emit_ms(op, &repeat(count, || bench.read(SERIES, &query), checked));
    }
    appends(bench, times[times.len() - 1]);
    let rows = bench.read(SERIES, &Query::default()).num_rows();
    assert_eq!(rows, times.len() + (APPENDS * super::input::APPEND_ROWS) as usize, "rows after the appends");
}

/// The whole series as frames that lie apart, as tables of the peers do.
fn frames(bench: &Bench) -> Vec<RecordBatch> {
    let rows = bench.collection().read(SERIES, At::Newest, &Query::default()).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn appends(bench: &Bench, last: i64) {
    let append = |number| {
        let rows = small_frame(last, number);
        let write = || {
            let collection = bench.collection();
            let mut batch = collection.batch("append").unwrap();
            batch.overlay(SERIES, &rows).unwrap();
            batch.commit().unwrap().unwrap();
        };
        timed(write).0
    };
    bench.emit_ms("append_10", &(0..APPENDS).map(append).collect::<Vec<f64>>());
}

pub(crate) fn w3(bench: &Bench) {
    let (times, values) = (longs("w3.ts.i64"), floats("w3.f64"));
    let pieces = times.chunks(COMMIT_ROWS).zip(values.chunks(COMMIT_ROWS));
    let frames: Vec<RecordBatch> = pieces.map(|(times, values)| frame(times, values)).collect();
    let fast = commits(bench, &frames, false);
    bench.emit_ms("write_nosync", &[fast.iter().sum()]);
    let (first, last) = edges(&fast);
    bench.emit_ms("first10_nosync_ms", &[first]);
    bench.emit_ms("last10_nosync_ms", &[last]);
    let durable = commits(bench, &frames, true);
    bench.emit_ms("write_sync", &[durable.iter().sum()]);
    let (first, last) = edges(&durable);
    bench.emit_ms("first10_ms", &[first]);
    bench.emit_ms("last10_ms", &[last]);
    bench.emit_bytes("bytes", &[bench.disk_bytes()]);
    let checked = |found: &RecordBatch| check(found, &times, &values);
    bench.emit_ms("read_full", &repeat(READS, || bench.read(SERIES, &Query::default()), checked));
}

/// The times of one commit a frame, all through one handle.
fn commits(bench: &Bench, frames: &[RecordBatch], durable: bool) -> Vec<f64> {
    bench.fresh();
    let repo = bench.open_with(Options { durable, ..Options::default() });
    let collection = repo.create_collection(COLLECTION, &schema()).unwrap();
    let commit = |rows| {
        let write = || {
            let mut batch = collection.batch("commit").unwrap();
            batch.write_all(vec![append(SERIES, rows)]).unwrap();
            batch.commit().unwrap().unwrap();
        };
        timed(write).0
    };
    frames.iter().map(commit).collect()
}

/// The medians of the first and of the last tenth.
fn edges(samples: &[f64]) -> (f64, f64) {
    let tenth = samples.len() / 10;
    (median(&samples[1..=tenth]), median(&samples[samples.len() - tenth..]))
}
