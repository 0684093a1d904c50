//! What `verify --set-aside` takes, and what it leaves.

use super::disk::Disk;
use super::{good_and_bulk, schema, write};
use crate::support::{Call, CountingClock, files, repo_on, series, watched};
use bytes::Bytes;
use lakota::backend::memory::MemoryBackend;
use lakota::backend::{Backend, BackendError};
use lakota::collection::At;
use lakota::ops;
use lakota::repo::Repo;
use std::io;
use std::sync::Arc;

/// Writes of five rows each to `good`, the last ones without a sync, and the key of the file of each.
fn written(synced: usize, unsynced: usize) -> (Disk, Arc<CountingClock>, Vec<String>) {
    let (clock, disk) = (CountingClock::new(), Disk::default());
    repo_on(&disk.port(true), &clock, None).create_collection("c", &schema()).unwrap();
    let mut keys = Vec::new();
    for n in 0..synced + unsynced {
        let before = files(disk.port(true).as_ref());
        write(&repo_on(&disk.port(n < synced), &clock, None), "good", n as u64 * 5, 5).unwrap();
        keys.extend(files(disk.port(true).as_ref()).into_keys().filter(|key| !before.contains_key(key)));
    }
    assert_eq!(keys.len(), synced + unsynced);
    (disk, clock, keys)
}

/// The files of a disk, of which some are empty.
fn emptied(disk: &Disk, empty: &[&String]) -> Arc<dyn Backend> {
    let backend = MemoryBackend::default();
    backend.put_many(&files(disk.port(true).as_ref()).into_iter().collect::<Vec<_>>()).unwrap();
    for key in empty {
        backend.put(key, Bytes::new()).unwrap();
    }
    Arc::new(backend)
}

/// The rows of `good`, of which all writes know.
#[track_caller]
fn rows(repo: &Repo) -> usize {
    series(&repo.collection("c").unwrap(), "good", At::Newest).len()
}

/// It is sound, and goes on.
#[track_caller]
fn goes_on(backend: &Arc<dyn Backend>, clock: &Arc<CountingClock>) {
    let repo = repo_on(backend, clock, None);
    ops::verify(&repo, &mut |one| panic!("{}", one.what)).unwrap();
    write(&repo, "later", 0, 10).unwrap();
    ops::gc(&repo, 0).unwrap();
    assert_eq!(repo.collection("c").unwrap().changelog().log().unwrap().heads().len(), 1);
}

#[test]
fn what_is_whole_on_top_of_what_was_set_aside_stays_and_is_read() {
    // Of which writes none were synced, and which file is empty.
    for (synced, empty) in [(3, 1), (2, 1), (1, 1)] {
        let (disk, clock, keys) = written(synced, 3 - synced);
        let backend = emptied(&disk, &[&keys[empty]]);
        let repo = repo_on(&backend, &clock, None);
        let done = ops::set_aside(&repo).unwrap();
        assert_eq!((done.revisions.len(), done.left.len()), (1, 0), "{synced} synced: {done:?}");
        assert_eq!(rows(&repo), 15, "{synced} synced");
        assert_eq!(rows(&repo_on(&backend, &clock, None)), 15, "{synced} synced");
        goes_on(&backend, &clock);
    }
}

#[test]
fn what_cannot_be_merged_without_what_was_set_aside_goes_too_and_is_told() {
    let (disk, clock, keys) = written(1, 3);
    let backend = emptied(&disk, &[&keys[1]]);
    let repo = repo_on(&backend, &clock, None);
    assert_eq!(rows(&repo), 5);
    write(&repo, "good", 100, 5).unwrap();
    let done = ops::set_aside(&repo).unwrap();
    assert_eq!((done.revisions.len(), done.left.len()), (3, 0), "{done:?}");
    assert!(done.revisions[1].contains("cannot be merged"), "{done:?}");
    assert_eq!(rows(&repo), 10);
    goes_on(&backend, &clock);
}

#[test]
fn the_only_revision_stays_though_it_was_not_synced_and_its_objects_are_torn() {
    let (clock, disk) = (CountingClock::new(), Disk::default());
    let repo = repo_on(&disk.port(true), &clock, Some(8_000));
    repo.create_collection("c", &schema()).unwrap();
    let before = files(disk.port(true).as_ref());
    write(&repo_on(&disk.port(false), &clock, Some(8_000)), "bulk", 0, 7_000).unwrap();
    let zeros = lakota::digest::Digest::ZERO.key();
    let backend = MemoryBackend::default();
    for (key, bytes) in files(disk.port(true).as_ref()) {
        // As if a trim had taken the first one.
        let first = before.contains_key(&key) && key.contains('.') && !key.starts_with(&zeros);
        let torn = !before.contains_key(&key) && bytes.len() > 33_000;
        if !first {
            backend.put(&key, if torn { bytes.slice(..20_000) } else { bytes }).unwrap();
        }
    }
    let backend: Arc<dyn Backend> = Arc::new(backend);
    let repo = repo_on(&backend, &clock, None);
    let log = || repo.collection("c").unwrap().changelog().log().unwrap();
    let (len, torn) = (log().len(), log().torn.len());
    let done = ops::set_aside(&repo).unwrap();
    assert_eq!((done.revisions.len(), done.left.len()), (0, 1), "{done:?}");
    assert!(done.left[0].contains("nothing is left without it"), "{done:?}");
    assert_eq!((log().len(), log().torn.len()), (len, torn));
}

#[test]
fn what_the_disk_does_not_give_is_not_set_aside() {
    let (clock, disk, before) = good_and_bulk();
    for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::Other] {
        let before = before.clone();
        let refusing = watched(&emptied(&disk, &[]), move |call, key| match call {
            Call::Read if !before.contains_key(key) && !key.contains('.') => {
                Err(BackendError::new("read", key, kind.into()))
            }
            _ => Ok(()),
        });
        let repo = repo_on(&refusing, &clock, None);
        let done = ops::set_aside(&repo).unwrap();
        assert_eq!((done.revisions.len(), done.left.len()), (0, 1), "{done:?}");
        assert!(done.left[0].contains("nobody can tell whether it is whole: cannot read"), "{done:?}");
    }
}

#[test]
fn a_collection_that_was_deleted_is_set_aside_for_too() {
    // All that is left of it is torn, or only the newest is.
    for all in [false, true] {
        let (disk, clock, keys) = written(1, 1);
        let zeros = format!("{}/", lakota::digest::Digest::ZERO.key());
        let mut backend = emptied(&disk, &[&keys[1]]);
        if all {
            let repo = repo_on(&disk.port(true), &clock, None);
            let folder = repo.collection("c").unwrap().changelog().folders()[0].key();
            let others: Vec<_> = files(backend.as_ref())
                .into_keys()
                .filter(|key| key.starts_with(&folder) && !key.starts_with(&zeros) && *key != keys[1])
                .collect();
            backend.delete_many(&others).unwrap();
        }
        let repo = repo_on(&backend, &clock, None);
        repo.delete_collection("c").unwrap();
        assert!(ops::gc(&repo, 0).is_err(), "all: {all}");
        let done = ops::set_aside(&repo).unwrap();
        assert_eq!((done.revisions.len(), done.left.len()), (1, 0), "all: {all}: {done:?}");
        ops::gc(&repo, 0).unwrap();
        backend = repo.store().backend().clone();
        ops::verify(&repo_on(&backend, &clock, None), &mut |one| panic!("{}", one.what)).unwrap();
    }
}

#[test]
fn a_folder_that_no_registry_names_is_set_aside_for_too() {
    let (disk, clock, keys) = written(1, 1);
    let backend = emptied(&disk, &[&keys[1]]);
    let zeros = format!("{}/", lakota::digest::Digest::ZERO.key());
    let registry: Vec<_> =
        files(backend.as_ref()).into_keys().filter(|key| key.starts_with(&zeros)).collect();
    backend.delete_many(&registry).unwrap();
    let repo = repo_on(&backend, &clock, None);
    assert!(ops::gc(&repo, 0).is_err());
    let done = ops::set_aside(&repo).unwrap();
    assert_eq!((done.revisions.len(), done.left.len()), (1, 0), "{done:?}");
    ops::gc(&repo, 0).unwrap();
    repo.adopt().unwrap();
    assert_eq!(rows(&repo), 5);
}
