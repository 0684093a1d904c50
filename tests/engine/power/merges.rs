//! Merges of which a file is torn: they have one for each parent, and the bytes are the same.

use super::disk::Disk;
use super::{schema, write};
use crate::support::{CountingClock, files, frame, repo_on, series};
use bytes::Bytes;
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::collection::At;
use lakota::ops;
use std::sync::Arc;

/// A repository with a merge, and the keys of the files of that.
fn merged(synced: bool) -> (Arc<dyn Backend>, Arc<CountingClock>, Vec<String>) {
    let (clock, disk) = (CountingClock::new(), Disk::default());
    let repo = repo_on(&disk.port(true), &clock, None);
    let collection = repo.create_collection("c", &schema()).unwrap();
    let mut both = [collection.batch("").unwrap(), collection.batch("").unwrap()];
    both.iter_mut().zip(["a", "b"]).for_each(|(batch, label)| {
        batch.overlay(label, &frame(&schema(), "1,1\n")).unwrap();
    });
    for batch in both {
        batch.commit().unwrap();
    }
    let before = files(disk.port(true).as_ref());
    let port = disk.port(synced);
    repo_on(&port, &clock, None).collection("c").unwrap().settle().unwrap();
    let now = files(port.as_ref());
    let merge: Vec<_> =
        now.keys().filter(|key| !before.contains_key(*key) && key.contains('.')).cloned().collect();
    assert_eq!(merge.len(), 2);
    let backend = MemoryBackend::default();
    backend.put_many(&now.into_iter().collect::<Vec<_>>()).unwrap();
    (Arc::new(backend), clock, merge)
}

#[test]
fn a_merge_is_read_from_whichever_of_its_files_is_whole() {
    for synced in [false, true] {
        for torn in 0..2 {
            let (backend, clock, merge) = merged(synced);
            let whole = backend.get(&merge[torn]).unwrap();
            backend.put(&merge[torn], Bytes::new()).unwrap();
            for _ in 0..2 {
                // The second time it is known to be whole before anything is read.
                let collection = repo_on(&backend, &clock, None).collection("c").unwrap();
                let changelog = collection.changelog();
                let log = changelog.log().unwrap();
                assert_eq!((log.torn.len(), log.heads().len()), (0, 1), "synced: {synced}, file {torn}");
                for stamp in log.stamps() {
                    changelog.bytes(&log, stamp).unwrap().unwrap();
                }
                assert_eq!(series(&collection, "a", At::Newest).len(), 1);
                assert_eq!(series(&collection, "b", At::Newest).len(), 1);
            }
            let repo = repo_on(&backend, &clock, None);
            write(&repo, "a", 2, 1).unwrap();
            ops::gc(&repo, 0).unwrap();
            ops::repair(&repo, &repo).unwrap();
            assert_eq!(backend.get(&merge[torn]).unwrap(), whole, "a repair takes it from beside");
        }
    }
}

#[test]
fn a_merge_of_which_a_file_is_missing_is_made_whole_by_who_builds_on_it() {
    let (backend, clock, merge) = merged(true);
    let repo = repo_on(&backend, &clock, None);
    // Its writer was killed between the two, or the power failed.
    backend.delete_many(&merge[1..]).unwrap();
    write(&repo_on(&backend, &clock, None), "a", 2, 1).unwrap();
    assert!(backend.len(&merge[1]).unwrap().is_some());
    assert_eq!(repo.collection("c").unwrap().changelog().log().unwrap().heads().len(), 1);
}

#[test]
fn a_merge_that_is_torn_while_it_is_open_is_read_from_its_other_file() {
    for torn in 0..2 {
        let (backend, clock, merge) = merged(false);
        let collection = repo_on(&backend, &clock, None).collection("c").unwrap();
        let log = collection.changelog().log().unwrap();
        backend.put(&merge[torn], Bytes::from("short")).unwrap();
        let merge = log.heads()[0];
        collection.changelog().bytes(&log, merge).unwrap().unwrap();
    }
}
