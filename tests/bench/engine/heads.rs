//! Reads of a collection with eight unmerged heads beside reads of the same rows under one.

use super::harness::{Bench, COLLECTION, SERIES, repeat};
use super::input::{check, floats, frame, interval, longs, overlay, schema};
use arrow_array::RecordBatch;
use lakota::collection::Collection;
use lakota::series::read::Query;

const HEADS: usize = 8;
/// Rows that each head writes.
const ROWS: usize = 20_000;
const READS: usize = 5;
const SMALL_READS: usize = 9;
const DAY_ROWS: usize = 288;

pub(crate) fn heads(bench: &Bench) {
    let (times, mut values) = (longs("w2.ts.i64"), floats("w2.f64"));
    let base = frame(&times, &values);
    let starts: Vec<usize> = (0..HEADS).map(|head| (2 * head + 1) * times.len() / (2 * HEADS)).collect();
    for start in &starts {
        values[*start..start + ROWS].iter_mut().for_each(|value| *value += 1.0);
    }
    let piece = |start: usize| frame(&times[start..start + ROWS], &values[start..start + ROWS]);
    let ranges: Vec<(String, RecordBatch)> = starts.iter().map(|&s| (SERIES.to_owned(), piece(s))).collect();
    let others: Vec<(String, RecordBatch)> =
        starts.iter().enumerate().map(|(head, &s)| (format!("other_{head}"), piece(s))).collect();
    let day = starts[3]..starts[3] + DAY_ROWS;
    let query = Query { interval: interval(times[day.start], times[day.end]), ..Query::default() };
    let (day_times, day_values) = (&times[day.clone()], &values[day]);
    for (name, apart) in [("one_head", false), ("eight_heads", true)] {
        write(bench, &base, &ranges, apart);
        let whole = |found: &RecordBatch| check(found, &times, &values);
        bench.emit_ms(
            &format!("read_{name}"),
            &repeat(READS, || bench.read(SERIES, &Query::default()), whole),
        );
        let day = |found: &RecordBatch| check(found, day_times, day_values);
        bench.emit_ms(&format!("read_day_{name}"), &repeat(SMALL_READS, || bench.read(SERIES, &query), day));
        write(bench, &base, &others, apart);
        let day_of_other = || bench.read("other_3", &query);
        bench.emit_ms(&format!("read_other_{name}"), &repeat(SMALL_READS, day_of_other, day));
    }
}

/// Writes the rows of each head, side by side or one after another.
fn write(bench: &Bench, base: &RecordBatch, pieces: &[(String, RecordBatch)], apart: bool) {
    bench.fresh();
    let first = bench.open().create_collection(COLLECTION, &schema()).unwrap();
    commit(&first, SERIES, base);
    if !apart {
        return pieces.iter().for_each(|(label, rows)| commit(&first, label, rows));
    }
    let handles: Vec<Collection> = pieces.iter().map(|_| bench.collection()).collect();
    // All batches start from the same revision: so each becomes a head.
    let batches: Vec<_> = handles.iter().map(|collection| collection.batch("write").unwrap()).collect();
    for (mut batch, (label, rows)) in batches.into_iter().zip(pieces) {
        batch.write_all(vec![overlay(label, rows)]).unwrap();
        batch.commit().unwrap().unwrap();
    }
    let changelog = first.changelog();
    let found = changelog.heads(&changelog.log().unwrap()).unwrap().len();
    assert_eq!(found, pieces.len(), "heads");
}

fn commit(collection: &Collection, label: &str, rows: &RecordBatch) {
    let mut batch = collection.batch("write").unwrap();
    batch.write_all(vec![overlay(label, rows)]).unwrap();
    batch.commit().unwrap().unwrap();
}
