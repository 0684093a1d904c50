//! Many revisions that were not synced on top of one that is torn.

use super::disk::Disk;
use super::{schema, write, write_to};
use crate::support::{Call, CountingClock, files, repo_on, series, watched};
use bytes::Bytes;
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::Stamp;
use lakota::collection::At;
use lakota::digest::Digest;
use lakota::history::changelog::Changelog;
use lakota::history::revision::Revision;
use lakota::store::Store;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A repository with so many unsynced revisions on top of one whose file is empty.
fn many(count: usize) -> (Arc<dyn Backend>, Arc<CountingClock>) {
    let (clock, disk) = (CountingClock::new(), Disk::default());
    let repo = repo_on(&disk.port(true), &clock, None);
    let collection = repo.create_collection("c", &schema()).unwrap();
    write(&repo, "good", 0, 5).unwrap();
    let folders = collection.changelog().folders().to_vec();
    let changelog = Changelog::new(Arc::new(Store::new(disk.port(false))), folders);
    let log = changelog.log().unwrap();
    let newest = log.stamps().next_back().unwrap();
    let mut revision = Revision::clone(&*changelog.read(&log, newest).unwrap());
    let mut last = newest;
    let mut first = None;
    for _ in 0..=count {
        (revision.parents, revision.time) = (vec![last], last.time + 1);
        last = changelog.put(&revision).unwrap();
        first.get_or_insert(last);
    }
    let mut now = files(disk.port(true).as_ref());
    let is_first = |key: &str| child(key) == first;
    now.iter_mut().filter(|(key, _)| is_first(key)).for_each(|(_, bytes)| *bytes = Bytes::new());
    let after = MemoryBackend::default();
    after.put_many(&now.into_iter().collect::<Vec<_>>()).unwrap();
    clock.pass(count as u64 + 1_000);
    (Arc::new(after), clock)
}

fn child(key: &str) -> Option<Stamp> {
    let (time, digest) = key.strip_suffix(".unsynced")?.rsplit_once('.')?.1.split_once('-')?;
    Some(Stamp { time: u64::from_str_radix(time, 16).ok()?, digest: Digest::from_hex(digest)? })
}

/// The backend, and how many times it is read.
fn counted(backend: &Arc<dyn Backend>) -> (Arc<dyn Backend>, Arc<AtomicUsize>) {
    let reads = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reads);
    let ask = move |call, _: &str| {
        count.fetch_add(usize::from(call == Call::Read), Ordering::Relaxed);
        Ok(())
    };
    (watched(backend, ask), reads)
}

#[test]
fn what_is_torn_is_looked_at_once_however_many_revisions_build_on_it() {
    let (backend, clock) = many(600);
    let (backend, reads) = counted(&backend);
    let repo = repo_on(&backend, &clock, None);
    let collection = repo.collection("c").unwrap();
    let log = collection.changelog().log().unwrap();
    assert_eq!((log.torn.len(), log.len(), log.loose), (601, 2, 2));
    for n in 0..3 {
        write_to(&collection, "good", 5 + n * 5, 5).unwrap();
    }
    assert_eq!(series(&collection, "good", At::Newest).len(), 20);
    let reads = reads.load(Ordering::Relaxed);
    assert!(reads < 60, "{reads} reads");
}
