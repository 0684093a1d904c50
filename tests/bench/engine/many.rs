//! W4: many series in one collection, written together and one by one, and a night's rows to each a hundred times.

use super::harness::{Bench, COLLECTION, repeat, timed, written_bytes};
use super::input::{APPEND_ROWS, STEP, append, check, floats, frame, overlay, schema, small_frame};
use arrow_array::RecordBatch;
use lakota::collection::At;
use lakota::data::sort::Sorted;
use lakota::repo::Options;
use lakota::series::read::Query;
use lakota::series::write::Mode;

const SERIES: usize = 10_000;
const SERIES_ROWS: usize = 1_000;
const SERIES_START: i64 = 1_577_836_800;
const NIGHTS: i64 = 100;
const READS: usize = 5;
const APPENDS: i64 = 5;
/// First and last nights that are compared.
const EDGE: usize = 5;

type Writes = Vec<(String, Mode, Sorted)>;

fn label(number: usize) -> String {
    format!("series_{number:05}")
}

pub(crate) fn w4(bench: &Bench) {
    let times: Vec<i64> = (0..SERIES_ROWS as i64).map(|i| SERIES_START + STEP * i).collect();
    let values = floats("w4.f64");
    let frames: Vec<RecordBatch> = values.chunks(SERIES_ROWS).map(|values| frame(&times, values)).collect();
    assert_eq!(frames.len(), SERIES, "series in the input");
    let last = times[SERIES_ROWS - 1];
    bench.fresh();
    bench.emit_ms("write_batch", &[timed(|| create(bench, &frames, Options::default())).0]);
    bench.emit_bytes("bytes", &[bench.disk_bytes()]);
    let middle = SERIES / 2;
    ls(bench, SERIES);
    let checked = |found: &RecordBatch| check(found, &times, &values[middle * SERIES_ROWS..][..SERIES_ROWS]);
    bench.emit_ms("read_one", &repeat(READS, || bench.read(&label(middle), &Query::default()), checked));
    let (ms, written) = append_one(bench, &label(middle), last);
    bench.emit_ms("append_one", &ms);
    bench.emit_bytes("append_one_bytes", &written);
    nights(bench, last + STEP * APPEND_ROWS * APPENDS);
    drop(frames);
    hundred_thousand(bench);
}

/// A collection of these series, in one batch.
fn create(bench: &Bench, frames: &[RecordBatch], options: Options) {
    let collection = bench.open_with(options).create_collection(COLLECTION, &schema()).unwrap();
    let mut batch = collection.batch("write").unwrap();
    let writes: Writes = frames.iter().enumerate().map(|(i, frame)| overlay(&label(i), frame)).collect();
    batch.write_all(writes).unwrap();
    batch.commit().unwrap().unwrap();
}

fn ls(bench: &Bench, expected: usize) {
    let list = || bench.collection().list(At::Newest).unwrap();
    bench.emit_ms("ls", &repeat(READS, list, |found| assert_eq!(found.len(), expected, "series listed")));
}

fn append_one(bench: &Bench, label: &str, last: i64) -> (Vec<f64>, Vec<u64>) {
    let once = |number| {
        let rows = small_frame(last, number);
        let before = written_bytes();
        let ms = timed(|| append_all(bench, vec![append(label, &rows)])).0;
        (ms, written_bytes() - before)
    };
    (0..APPENDS).map(once).unzip()
}

fn append_all(bench: &Bench, writes: Writes) {
    let collection = bench.collection();
    let mut batch = collection.batch("append").unwrap();
    batch.write_all(writes).unwrap();
    batch.commit().unwrap().unwrap();
}

/// Ten rows to each of the series, every night in one batch; the first one is `append_all`.
fn nights(bench: &Bench, last: i64) {
    let night = |number| {
        let rows = small_frame(last, number);
        timed(|| append_all(bench, (0..SERIES).map(|i| append(&label(i), &rows)).collect())).0
    };
    let samples: Vec<f64> = (0..NIGHTS).map(night).collect();
    bench.emit_ms("append_all", &samples[..1]);
    bench.emit_ms("nights_first", &samples[..EDGE]);
    bench.emit_ms("nights_last", &samples[samples.len() - EDGE..]);
    bench.emit_bytes("nights_bytes", &[bench.disk_bytes()]);
    let rows = bench.read(&label(SERIES - 1), &Query::default()).num_rows();
    assert_eq!(rows, SERIES_ROWS + (NIGHTS * APPEND_ROWS) as usize, "rows after all nights");
}

/// The append to one of ten times as many series.
fn hundred_thousand(bench: &Bench) {
    bench.fresh();
    let rows = small_frame(SERIES_START, 0);
    let frames = vec![rows; 10 * SERIES];
    create(bench, &frames, Options { durable: false, ..Options::default() });
    let last = SERIES_START + STEP * APPEND_ROWS;
    let (ms, written) = append_one(bench, &label(5 * SERIES), last);
    bench.emit_ms("append_one_100k", &ms);
    bench.emit_bytes("append_one_100k_bytes", &written);
}
