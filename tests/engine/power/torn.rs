//! What a power failure tore, file by file: what is left out, what reads on, what can be set aside, and what comes back.

use super::disk::Disk;
use super::{good_and_bulk, schema, write};
use crate::support::{CountingClock, files, repo_on, series};
use bytes::Bytes;
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::collection::{At, CollectionError};
use lakota::history::changelog::HistoryError;
use lakota::ops::{self, OpError};
use std::sync::Arc;

/// A repository with a synced write to `good` and an unsynced one to `bulk`, whose files `tear` changes.
fn torn(tear: impl Fn(&str, &Bytes) -> Option<Bytes>) -> (Arc<dyn Backend>, Arc<CountingClock>) {
    let (clock, disk, before) = good_and_bulk();
    let mut now = files(disk.port(true).as_ref());
    for (key, bytes) in &mut now {
        if !before.contains_key(key)
            && let Some(torn) = tear(key, bytes)
        {
            *bytes = torn;
        }
    }
    let after = MemoryBackend::default();
    after.put_many(&now.into_iter().collect::<Vec<_>>()).unwrap();
    (Arc::new(after), clock)
}

fn is_revision(key: &str) -> bool {
    key.ends_with(".unsynced")
}

#[test]
fn a_torn_revision_is_left_out_and_the_state_before_it_is_read_and_written() {
    let ways: [fn(&Bytes) -> Bytes; 3] =
        [|_| Bytes::new(), |whole| whole.slice(..40), |whole| vec![0; whole.len()].into()];
    for way in ways {
        let (backend, clock) = torn(|key, whole| is_revision(key).then(|| way(whole)));
        let repo = repo_on(&backend, &clock, None);
        let collection = repo.collection("c").unwrap();
        assert_eq!(series(&collection, "good", At::Newest).len(), 5);
        assert!(collection.read("bulk", At::Newest, &lakota::series::read::Query::default()).is_err());
        let log = collection.changelog().log().unwrap();
        assert_eq!((log.torn.len(), log.len()), (1, 2));
        let stamp = *log.torn.keys().next().unwrap();
        let mut damage = Vec::new();
        ops::verify(&repo, &mut |one| damage.push(one.what.clone())).unwrap();
        assert_eq!(damage, [format!("c: {}", HistoryError::Torn(stamp))]);
        assert!(matches!(ops::gc(&repo, 0), Err(OpError::Torn(of)) if of == stamp));
        write(&repo, "good", 5, 5).unwrap();
        assert_eq!(series(&collection, "good", At::Newest).len(), 10);
        assert_eq!(ops::set_aside(&repo).unwrap().revisions.len(), 1);
        ops::verify(&repo_on(&backend, &clock, None), &mut |one| panic!("{}", one.what)).unwrap();
        ops::gc(&repo, 0).unwrap();
    }
}

#[test]
fn a_revision_whose_bundle_is_torn_is_left_out_too() {
    let (backend, clock) = torn(|key, _| (!is_revision(key)).then(Bytes::new));
    let collection = repo_on(&backend, &clock, None).collection("c").unwrap();
    assert_eq!(series(&collection, "good", At::Newest).len(), 5);
    assert_eq!(collection.changelog().log().unwrap().torn.len(), 1);
}

#[test]
fn a_revision_whose_rows_are_torn_reads_all_others_and_is_set_aside() {
    let (backend, clock) = torn(|_, whole| (whole.len() > 33_000).then(|| whole.slice(..20_000)));
    let repo = repo_on(&backend, &clock, None);
    let collection = repo.collection("c").unwrap();
    assert_eq!(series(&collection, "good", At::Newest).len(), 5);
    assert_eq!(collection.list(At::Newest).unwrap().len(), 2);
    assert!(ops::verify(&repo, &mut |_| ()).unwrap().damaged > 0);
    assert_eq!(ops::set_aside(&repo).unwrap().revisions.len(), 1);
    let repo = repo_on(&backend, &clock, None);
    assert_eq!(repo.collection("c").unwrap().list(At::Newest).unwrap().len(), 1);
    ops::verify(&repo, &mut |one| panic!("{}", one.what)).unwrap();
}

#[test]
fn damage_of_a_synced_revision_is_an_error_until_it_is_set_aside() {
    let (clock, backend) = (CountingClock::new(), Arc::new(MemoryBackend::default()) as Arc<dyn Backend>);
    let repo = repo_on(&backend, &clock, None);
    repo.create_collection("c", &schema()).unwrap();
    write(&repo, "good", 0, 5).unwrap();
    let before = files(backend.as_ref());
    write(&repo, "good", 5, 5).unwrap();
    let (key, whole) =
        files(backend.as_ref()).into_iter().find(|(key, _)| !before.contains_key(key)).unwrap();
    backend.put(&key, Bytes::new()).unwrap();
    let repo = repo_on(&backend, &clock, None);
    let collection = repo.collection("c").unwrap();
    let read = collection.state(At::Newest).unwrap_err();
    assert!(matches!(read, CollectionError::History(HistoryError::Damaged(..))));
    assert!(write(&repo, "good", 5, 5).is_err());
    assert_eq!(ops::set_aside(&repo).unwrap().revisions.len(), 1);
    assert_eq!(
        series(&repo_on(&backend, &clock, None).collection("c").unwrap(), "good", At::Newest).len(),
        5
    );
    // What was set aside is no damage, and nobody hinders it from coming back.
    ops::verify(&repo_on(&backend, &clock, None), &mut |one| panic!("{}", one.what)).unwrap();
    backend.put(&key, whole).unwrap();
    assert_eq!(
        series(&repo_on(&backend, &clock, None).collection("c").unwrap(), "good", At::Newest).len(),
        10
    );
}

#[test]
fn the_only_revision_is_never_set_aside() {
    let (clock, backend) = (CountingClock::new(), Arc::new(MemoryBackend::default()) as Arc<dyn Backend>);
    repo_on(&backend, &clock, None).create_collection("c", &schema()).unwrap();
    let zeros = format!("{}/", lakota::digest::Digest::ZERO.key());
    let collections =
        files(backend.as_ref()).into_keys().filter(|key| key.contains('.') && !key.starts_with(&zeros));
    for key in collections {
        backend.put(&key, Bytes::new()).unwrap();
    }
    let repo = repo_on(&backend, &clock, None);
    let done = ops::set_aside(&repo).unwrap();
    assert_eq!((done.revisions.len(), done.left.len()), (0, 1));
    assert!(repo.collection("c").unwrap().state(At::Newest).is_err());
}

#[test]
fn a_torn_revision_comes_back_from_a_clone_and_merges() {
    for set_aside in [false, true] {
        let (clock, disk) = (CountingClock::new(), Disk::default());
        let repo = repo_on(&disk.port(true), &clock, Some(8_000));
        repo.create_collection("c", &schema()).unwrap();
        write(&repo, "good", 0, 5).unwrap();
        write(&repo_on(&disk.port(false), &clock, Some(8_000)), "bulk", 0, 3_000).unwrap();
        let clone: Arc<dyn Backend> = Arc::new(MemoryBackend::default());
        clone.put_many(&files(disk.port(true).as_ref()).into_iter().collect::<Vec<_>>()).unwrap();
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::default());
        let mut files: Vec<_> = files(disk.port(true).as_ref()).into_iter().collect();
        let stable = disk.stable();
        // All that was not synced is empty.
        files
            .iter_mut()
            .filter(|(key, _)| !stable.contains_key(key))
            .for_each(|(_, bytes)| *bytes = Bytes::new());
        backend.put_many(&files).unwrap();
        let repo = repo_on(&backend, &clock, None);
        if set_aside {
            assert_eq!(ops::set_aside(&repo).unwrap().revisions.len(), 1);
        }
        write(&repo, "good", 5, 5).unwrap();
        let what = ops::transfer::What::default();
        ops::transfer::transfer(&repo_on(&clone, &clock, None), &repo, &what, &|_| ()).unwrap();
        let repo = repo_on(&backend, &clock, None);
        let collection = repo.collection("c").unwrap();
        assert_eq!(series(&collection, "good", At::Newest).len(), 10, "set aside: {set_aside}");
        assert_eq!(series(&collection, "bulk", At::Newest).len(), 3_000, "set aside: {set_aside}");
        collection.settle().unwrap();
        ops::set_aside(&repo).unwrap();
        ops::verify(&repo_on(&backend, &clock, None), &mut |one| panic!("{}", one.what)).unwrap();
    }
}
