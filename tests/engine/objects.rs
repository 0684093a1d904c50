//! Objects are Parquet: other programs read them without this one.

use crate::support::{CountingClock, files, repo_on};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::collection::{At, Collection};
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::interval::Interval;
use lakota::series::read::Query;
use lakota::series::write::Mode;
use lakota::store::place::Place;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::sync::Arc;

fn schema() -> Schema {
    Schema::parse(["k int*", "v float", "s str"]).unwrap()
}

/// `n` rows of noise whose index values are those of `key`.
fn noise(n: i64, key: impl Fn(i64) -> i64) -> RecordBatch {
    let mixed = |k: i64| (k as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let keys: ArrayRef = Arc::new(Int64Array::from_iter_values((0..n).map(key)));
    let values: ArrayRef = Arc::new(Float64Array::from_iter_values((0..n).map(|k| mixed(k) as f64)));
    let texts = (0..n).map(|k| (k % 7 != 0).then(|| format!("{:x}", mixed(k))));
    let texts: ArrayRef = Arc::new(StringArray::from_iter(texts));
    RecordBatch::try_new(Arc::clone(schema().arrow()), vec![keys, values, texts]).unwrap()
}

fn collection() -> (Arc<dyn Backend>, Collection) {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let collection =
        repo_on(&backend, &CountingClock::new(), None).create_collection("c", &schema()).unwrap();
    (backend, collection)
}

fn write(collection: &Collection, mode: &Mode, frames: Vec<RecordBatch>) {
    let mut batch = collection.batch("").unwrap();
    batch.write("a", mode, Sorted::of(&schema(), frames)).unwrap();
    batch.commit().unwrap();
}

#[test]
fn every_object_opens_as_parquet_with_the_rows_of_its_segment() {
    let (backend, collection) = collection();
    write(&collection, &Mode::Overlay(Interval::ALL), vec![noise(300_000, |k| 3 * k)]);
    let state = collection.state(At::Newest).unwrap();
    let entry = collection.find(&state, "a").unwrap();
    let segments = entry.segments.locate(&state.view, &Interval::ALL).unwrap().segments;
    let files = files(backend.as_ref());
    let mut objects = 0;
    for segment in &segments {
        for chunk in &segment.chunks {
            let Place::Object(digest) = chunk.place else { continue };
            let reader = ParquetRecordBatchReaderBuilder::try_new(files[&digest.key()].clone()).unwrap();
            let rows: usize = reader.build().unwrap().map(|frame| frame.unwrap().num_rows()).sum();
            assert_eq!(rows as u64, segment.rows);
            objects += 1;
        }
    }
    assert!(objects >= 4, "{objects}");
}

/// Input longer than what is handled at once, over several segments, with runs of equal index values.
#[test]
fn long_input_meets_long_series_row_by_row() {
    let (_, collection) = collection();
    write(&collection, &Mode::Overlay(Interval::ALL), vec![noise(300_000, |k| 3 * (k / 4))]);
    let new = noise(290_000, |k| k / 2);
    let frames = (0..29).map(|i| new.slice(i * 10_000, 10_000)).collect();
    write(&collection, &Mode::Upsert, frames);
    let rows = collection.read("a", At::Newest, &Query::default()).unwrap().collect_frame().unwrap();
    let keys = rows.column(0).as_primitive::<Int64Type>().values();
    let mut wanted: Vec<i64> = (0..290_000).map(|k| k / 2).collect();
    wanted.extend((0..300_000).map(|k| 3 * (k / 4)).filter(|k| *k >= 145_000));
    assert!(keys.iter().eq(wanted.iter()), "{} rows for {}", keys.len(), wanted.len());
}
