//! Batches that do several things to the same series.

use crate::support::{CountingClock, frame, repo_on, series};
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::collection::{At, Batch, Collection};
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::interval::Interval;
use lakota::series::write::Mode;
use std::sync::Arc;

fn schema() -> Schema {
    Schema::parse(["k int*", "v int"]).unwrap()
}

fn collection() -> Collection {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    repo_on(&backend, &CountingClock::new(), None).create_collection("c", &schema()).unwrap()
}

fn commit(collection: &Collection, edit: impl FnOnce(&mut Batch<'_>)) {
    let mut batch = collection.batch("").unwrap();
    edit(&mut batch);
    batch.commit().unwrap();
}

fn overlay(batch: &mut Batch<'_>, label: &str, rows: &str) {
    batch.overlay(label, &frame(&schema(), rows)).unwrap();
}

fn sorted(rows: &str) -> Sorted {
    Sorted::of(&schema(), vec![frame(&schema(), rows)])
}

fn count(collection: &Collection, label: &str) -> usize {
    series(collection, label, At::Newest).len()
}

#[test]
fn series_renamed_to_a_label_just_dropped_keeps_its_rows() {
    let c = collection();
    commit(&c, |batch| overlay(batch, "a", "1,1\n2,2\n"));
    commit(&c, |batch| overlay(batch, "b", "1,1\n"));
    commit(&c, |batch| {
        batch.drop_series("b").unwrap();
        batch.rename("a", "b").unwrap();
    });
    assert_eq!(count(&c, "b"), 2);
}

#[test]
fn series_written_together_with_one_written_before_keeps_its_rows() {
    let c = collection();
    commit(&c, |batch| {
        overlay(batch, "a", "1,1\n2,2\n");
        overlay(batch, "b", "1,1\n2,2\n");
    });
    commit(&c, |batch| {
        overlay(batch, "b", "3,3\n");
        let write = |label: &str| (label.to_owned(), Mode::Upsert, sorted("9,9\n"));
        batch.write_all(vec![write("a"), write("b")]).unwrap();
    });
    assert_eq!((count(&c, "a"), count(&c, "b")), (3, 4));
}

#[test]
fn series_written_twice_at_once_is_refused() {
    let c = collection();
    let mut batch = c.batch("").unwrap();
    let write = || ("a".to_owned(), Mode::Upsert, sorted("9,9\n"));
    assert!(batch.write_all(vec![write(), write()]).is_err());
}

#[test]
fn rows_outside_of_the_range_written_are_refused() {
    let c = collection();
    commit(&c, |batch| overlay(batch, "a", "1,1\n5,5\n9,9\n"));
    for rows in ["3,3\n7,7\n", "1,0\n5,0\n", "9,0\n"] {
        let mut batch = c.batch("").unwrap();
        let range = lakota::data::key::encode(&schema(), &[lakota::data::value::Value::Int(5)]).unwrap();
        assert!(batch.write("a", &Mode::Overlay(Interval::point(&range)), sorted(rows)).is_err(), "{rows}");
    }
}
