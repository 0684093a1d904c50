//! Live files of W2, as the mount serves them: rendered and stitched in this process, no kernel between.

use super::harness::{Bench, COLLECTION, SERIES, repeat, timed};
use super::input::{STEP, floats, frame, longs, overlay, schema};
use lakota::collection::At;
use lakota::repo::Options;
use lakota::vfs::render::{Content, Format, Renderer, Source};
use std::sync::Arc;

const CACHE: u64 = 256 << 20;
const STEP_BYTES: usize = 1 << 20;
const READS: usize = 5;
const SMALL_READS: usize = 21;
/// Segments of the series whose footer is made.
const SEGMENTS: i64 = 10_000;
const SEGMENT_ROWS: i64 = 8;

pub(crate) fn live(bench: &Bench) {
    bench.fresh();
    write(bench, &longs("w2.ts.i64"), &floats("w2.f64"), None);
    let source = source(bench);
    memory(bench, &source);
    let open = |format| open(&Renderer::new(CACHE), &source, format);
    let size = open(Format::Csv).size();
    let all = |read: &u64| assert_eq!(*read, size, "bytes of CSV");
    bench.emit_ms("csv_whole", &repeat(READS, || sequential(&open(Format::Csv)), all));
    bench.emit_bytes("csv_bytes", &[size]);
    let again = open(Format::Csv);
    sequential(&again);
    bench.emit_ms("csv_whole_again", &repeat(READS, || sequential(&again), all));
    let mut place = 1_u64;
    let small = |_| {
        place = place.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let content = open(Format::Csv);
        timed(|| content.read((place >> 20) % size, 4096).unwrap()).0
    };
    bench.emit_ms("csv_4k_cold", &(0..SMALL_READS).map(small).collect::<Vec<f64>>());
    let tail = || open(Format::Csv).read(size - 4096, 4096).unwrap();
    bench.emit_ms("csv_tail", &repeat(SMALL_READS, tail, |text| assert!(text.ends_with(b"\n"))));
    let size = open(Format::Parquet).size();
    let all = |read: &u64| assert_eq!(*read, size, "bytes of Parquet");
    bench.emit_ms("parquet_whole", &repeat(READS, || sequential(&open(Format::Parquet)), all));
    bench.emit_bytes("parquet_bytes", &[size]);
    if let Some(path) = std::env::var_os("LAKOTA_BENCH_STITCHED") {
        std::fs::write(path, open(Format::Parquet).read(0, size as usize).unwrap()).unwrap();
    }
    footer(bench);
}

/// Reads the end of a file whose footer is long.
fn footer(bench: &Bench) {
    bench.fresh();
    let times: Vec<i64> = (0..SEGMENTS * SEGMENT_ROWS).map(|i| i * STEP).collect();
    let values: Vec<f64> = (0..times.len()).map(|i| (i % 997) as f64 / 100.0).collect();
    write(bench, &times, &values, Some(SEGMENT_ROWS as usize));
    let source = source(bench);
    let segments = source.segments.sums().segments;
    assert!(segments.abs_diff(SEGMENTS as u64) < 100, "{segments} segments");
    let open = |format| open(&Renderer::new(CACHE), &source, format);
    let last = || open(Format::Parquet).read(open(Format::Parquet).size() - 8, 8).unwrap();
    bench.emit_ms("footer_10k", &repeat(READS, last, |end| assert!(end.ends_with(b"PAR1"))));
    let end = last();
    let len = u32::from_le_bytes(end[..4].try_into().unwrap());
    let kept = open(Format::Parquet).size() - 12 - source.segments.sums().pages;
    bench.emit_bytes("footer_10k_bytes_and_kept", &[u64::from(len), kept]);
    bench.emit_ms("csv_10k_segments", &repeat(READS, || sequential(&open(Format::Csv)), |_| ()));
}

/// What this process holds in memory before and after reading with a cache of 64 MiB, by four threads at once.
fn memory(bench: &Bench, source: &Source) {
    let before = resident();
    let renderer = Renderer::new(64 << 20);
    let content = open(&renderer, source, Format::Csv);
    std::thread::scope(|scope| {
        (0..4).for_each(|_| drop(scope.spawn(|| sequential(&content))));
    });
    sequential(&open(&renderer, source, Format::Parquet));
    bench.emit_bytes("rss_before_and_after_64mib_cache", &[before, resident()]);
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib << 10
}

fn write(bench: &Bench, times: &[i64], values: &[f64], segment_rows: Option<usize>) {
    let options = Options { durable: false, segment_rows, ..Options::default() };
    let collection = bench.open_with(options).create_collection(COLLECTION, &schema()).unwrap();
    let mut batch = collection.batch("write").unwrap();
    batch.write_all(vec![overlay(SERIES, &frame(times, values))]).unwrap();
    batch.commit().unwrap().unwrap();
}

fn source(bench: &Bench) -> Source {
    let collection = bench.collection();
    let state = collection.state(At::Newest).unwrap();
    let segments = collection.find(&state, SERIES).unwrap().segments;
    Source { view: state.view, schema: state.schema, segments }
}

fn open(renderer: &Arc<Renderer>, source: &Source, format: Format) -> Content {
    renderer.open(source.clone(), format).unwrap()
}

/// Reads all of a file in order; gives its length.
fn sequential(content: &Content) -> u64 {
    let mut at = 0;
    loop {
        match content.read(at, STEP_BYTES).unwrap().len() as u64 {
            0 => return at,
            read => at += read,
        }
    }
}
