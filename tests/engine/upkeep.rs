//! Maintenance beside writers, and damage that must be told.

use crate::series::{frame, text};
use bytes::Bytes;
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::collection::{At, Collection};
use lakota::data::schema::Schema;
use lakota::ops;
use lakota::repo::{Options, Repo};
use lakota::series::read::Query;
use std::sync::Arc;

fn schema() -> Schema {
    Schema::parse(["k int*", "v float"]).unwrap()
}

fn open(backend: &MemoryBackend) -> Repo {
    Repo::create_on(Arc::new(backend.clone()), Options::default()).unwrap()
}

fn write(collection: &Collection, label: &str, rows: &str) {
    let mut batch = collection.batch("").unwrap();
    batch.overlay(label, &frame(&schema(), rows)).unwrap();
    batch.commit().unwrap().unwrap();
}

fn read(repo: &Repo, label: &str) -> String {
    let collection = repo.collection("c").unwrap();
    let rows = collection.read(label, At::Newest, &Query::default()).unwrap().collect_frame().unwrap();
    text(&schema(), &rows)
}

fn damage(repo: &Repo) -> Vec<String> {
    let mut found = Vec::new();
    ops::verify(repo, &mut |damage| found.push(damage.what.clone())).unwrap();
    found
}

/// A repository with a collection, and a second handle on it.
fn two() -> (MemoryBackend, Repo, Collection, Collection) {
    let backend = MemoryBackend::default();
    let repo = open(&backend);
    let one = repo.create_collection("c", &schema()).unwrap();
    let other = open(&backend).collection("c").unwrap();
    (backend, repo, one, other)
}

#[test]
fn writer_whose_parent_is_squashed_meanwhile_loses_nothing() {
    let (_, repo, slow, quick) = two();
    write(&quick, "s", "1,1\n");
    let mut batch = slow.batch("").unwrap();
    batch.overlay("s", &frame(&schema(), "2,2\n")).unwrap();
    write(&quick, "s", "3,3\n");
    ops::squash(&quick).unwrap();
    batch.commit().unwrap().unwrap();
    assert_eq!(read(&repo, "s"), "1,1.0\n2,2.0\n3,3.0\n");
}

#[test]
fn revision_seen_by_a_trim_that_took_its_parent_stays() {
    let (_, repo, one, other) = two();
    write(&one, "s", "1,1\n");
    write(&one, "s", "2,2\n");
    ops::trim(&other, u64::MAX).unwrap();
    write(&one, "s", "3,3\n");
    assert_eq!(read(&repo, "s"), "1,1.0\n2,2.0\n3,3.0\n");
}

#[test]
fn files_of_trimmed_revisions_go_with_a_gc_after_the_grace() {
    let (backend, repo, one, _) = two();
    (0..5).for_each(|i| write(&one, "s", &format!("{i},{i}\n")));
    ops::squash(&one).unwrap();
    let folder = one.changelog().folders()[0].key();
    ops::gc(&repo, 600_000).unwrap();
    let hidden = backend.list(&folder).unwrap().len();
    ops::gc(&repo, 0).unwrap();
    let gone = backend.list(&folder).unwrap().len();
    // What stays: the newest revision, and the horizon.
    assert_eq!((hidden, gone), (8, 2));
}

#[test]
fn lost_revision_is_named_and_the_newest_still_reads_by_its_id() {
    let (backend, _, one, _) = two();
    (0..3).for_each(|i| write(&one, "s", &format!("{i},{i}\n")));
    let folder = one.changelog().folders()[0].key();
    let second = one.changelog().log().unwrap().stamps().nth(1).unwrap();
    let name = backend.list(&folder).unwrap().into_iter().map(|e| e.name);
    let lost = name.filter(|n| n.ends_with(&second.file_name())).map(|n| format!("{folder}/{n}"));
    backend.delete_many(&lost.collect::<Vec<_>>()).unwrap();
    let newest = one.changelog().log().unwrap().stamps().last().unwrap();
    let again = open(&backend).collection("c").unwrap();
    let refused = again.read("s", At::Newest, &Query::default()).unwrap_err().to_string();
    assert!(refused.contains(&second.to_string()), "{refused}");
    let rows = again.read("s", At::Revision(newest), &Query::default()).unwrap().collect_frame().unwrap();
    assert_eq!(text(&schema(), &rows), "0,0.0\n1,1.0\n2,2.0\n");
    assert_eq!(damage(&open(&backend)), [format!("c: revision {second} is missing")]);
}

/// The key of the largest object.
fn largest(backend: &MemoryBackend) -> String {
    let folders = (0..=255u8).map(|byte| format!("{byte:02x}"));
    let keys = folders.flat_map(|folder| {
        let entries = backend.list(&folder).unwrap().into_iter().filter(|entry| !entry.folder);
        entries.map(move |entry| format!("{folder}/{}", entry.name)).collect::<Vec<_>>()
    });
    keys.max_by_key(|key| backend.len(key).unwrap()).unwrap()
}

fn noise() -> String {
    let value = |i: u64| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) as f64 / 1e9;
    (0..20_000u64).map(|i| format!("{i},{}\n", value(i))).collect()
}

#[test]
fn writing_the_same_rows_again_heals_a_damaged_object() {
    let (backend, _, one, _) = two();
    write(&one, "a", &noise());
    let key = largest(&backend);
    let mut bytes = backend.get(&key).unwrap().to_vec();
    bytes[5000] ^= 0xFF;
    backend.put(&key, Bytes::from(bytes)).unwrap();
    assert!(!damage(&open(&backend)).is_empty());
    write(&one, "b", &noise());
    assert_eq!(damage(&open(&backend)), [""; 0]);
}

#[test]
fn bytes_behind_an_object_are_damage() {
    let (backend, _, one, _) = two();
    write(&one, "a", &noise());
    let key = largest(&backend);
    let longer = [&backend.get(&key).unwrap()[..], b"x"].concat();
    backend.put(&key, Bytes::from(longer)).unwrap();
    assert!(damage(&open(&backend)).iter().any(|what| what.contains(&key)));
}
