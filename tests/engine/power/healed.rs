//! What was torn comes back from another repository, and is seen at once by who has it open.

use super::disk::Disk;
use super::{schema, write};
use crate::support::{CountingClock, files, repo_on, series};
use bytes::Bytes;
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::collection::At;
use lakota::ops;
use std::collections::BTreeMap;
use std::sync::Arc;

fn memory(files: BTreeMap<String, Bytes>) -> Arc<dyn Backend> {
    let backend = MemoryBackend::default();
    backend.put_many(&files.into_iter().collect::<Vec<_>>()).unwrap();
    Arc::new(backend)
}

/// Two unsynced writes on a synced one: all of it, what is left if `tear` changes the files of these, and their keys.
fn apart(tear: impl Fn(&str) -> Option<Bytes>) -> (Arc<dyn Backend>, Arc<dyn Backend>, Arc<CountingClock>) {
    let (clock, disk) = (CountingClock::new(), Disk::default());
    let repo = repo_on(&disk.port(true), &clock, Some(8_000));
    repo.create_collection("c", &schema()).unwrap();
    write(&repo, "good", 0, 5).unwrap();
    for n in 0..2 {
        write(&repo_on(&disk.port(false), &clock, Some(8_000)), "bulk", n * 3_000, 3_000).unwrap();
    }
    let all = files(disk.port(true).as_ref());
    let stable = disk.stable();
    let mut left = all.clone();
    for (key, bytes) in left.iter_mut().filter(|(key, _)| !stable.contains_key(*key)) {
        if let Some(torn) = tear(key) {
            *bytes = torn;
        }
    }
    (memory(all), memory(left), clock)
}

fn is_revision(key: &str) -> bool {
    key.ends_with(".unsynced")
}

#[test]
fn a_repair_brings_back_what_torn_revisions_name_and_build_on() {
    let ways: [fn(&str) -> Option<Bytes>; 3] = [
        // All of it.
        |_| Some(Bytes::new()),
        // Only what they name.
        |key| (!is_revision(key)).then(Bytes::new),
        // Only their files.
        |key| is_revision(key).then(Bytes::new),
    ];
    for (n, way) in ways.into_iter().enumerate() {
        let (all, left, clock) = apart(way);
        let repo = repo_on(&left, &clock, None);
        let collection = repo.collection("c").unwrap();
        assert_eq!(collection.changelog().log().unwrap().torn.len(), 2, "way {n}");
        let done = ops::repair(&repo, &repo_on(&all, &clock, None)).unwrap();
        assert_eq!(done.lost, [""; 0], "way {n}");
        // Who had it open sees it.
        assert_eq!(series(&collection, "bulk", At::Newest).len(), 6_000, "way {n}");
        ops::verify(&repo_on(&left, &clock, None), &mut |one| panic!("way {n}: {}", one.what)).unwrap();
        assert_eq!(files(left.as_ref()), files(all.as_ref()), "way {n}");
    }
}

#[test]
fn a_repair_brings_back_a_revision_that_is_missing_below_an_unsynced_one() {
    let (all, left, clock) = apart(|_| None);
    let lost = files(left.as_ref())
        .into_keys()
        .filter(|key| is_revision(key))
        .min_by_key(|key| key.rsplit_once('/').map(|(_, name)| name.to_owned()));
    left.delete_many(&[lost.unwrap()]).unwrap();
    let repo = repo_on(&left, &clock, None);
    let collection = repo.collection("c").unwrap();
    assert_eq!(collection.changelog().log().unwrap().torn.len(), 1);
    let done = ops::repair(&repo, &repo_on(&all, &clock, None)).unwrap();
    assert_eq!(done.lost, [""; 0]);
    assert_eq!(series(&collection, "bulk", At::Newest).len(), 6_000);
    ops::verify(&repo_on(&left, &clock, None), &mut |one| panic!("{}", one.what)).unwrap();
}

#[test]
fn an_object_that_comes_back_is_seen_by_who_has_the_collection_open() {
    let (all, left, clock) = apart(|key| (!is_revision(key)).then(Bytes::new));
    let collection = repo_on(&left, &clock, None).collection("c").unwrap();
    assert_eq!(series(&collection, "good", At::Newest).len(), 5);
    left.put_many(&files(all.as_ref()).into_iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(series(&collection, "bulk", At::Newest).len(), 6_000);
    assert!(collection.changelog().log().unwrap().torn.is_empty());
}
