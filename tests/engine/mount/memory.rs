//! What a mount keeps in memory for each revision there is, and what it keeps of revisions that are gone.

use super::walk::Walk;
use super::*;
use lakota::collection::follow::Seen;
use lakota::repo::Repo;
use std::ops::Range;

/// Bytes for each revision, counted by the structures themselves. The floor is its stamp (40 bytes) in the pack's index, in the log
/// and in the timeline, and its parent's in the log.
const MOST: u64 = 300;

fn saves(collection: &Collection, schema: &Schema, numbers: Range<u64>) {
    for i in numbers {
        let mut batch = collection.batch("").unwrap();
        batch.overlay("s", &frame(schema, &format!("k,v\n{},{i}\n", i % 10))).unwrap();
        batch.commit().unwrap().unwrap();
    }
}

/// A mount, and a writer beside it.
fn mounted() -> (Schema, Repo, Collection, Fs) {
    let schema = Schema::parse(["k int*", "v int"]).unwrap();
    let (backend, clock): (Arc<dyn Backend>, _) = (Arc::new(MemoryBackend::new()), CountingClock::new());
    let repo = repo_on(&backend, &clock, None);
    let collection = repo.create_collection("c", &schema).unwrap();
    let options = MountOptions { poll: Duration::ZERO, ..MountOptions::default() };
    let fs = Fs::new(repo_on(&backend, &clock, None), options);
    (schema, repo, collection, fs)
}

#[test]
fn a_revision_takes_few_bytes_and_gives_them_back() {
    let (schema, repo, collection, fs) = mounted();
    let walk = Walk(&fs);
    saves(&collection, &schema, 0..1);
    walk.exists("c/s/live.csv");
    let one = fs.kept();
    for many in 1..=20 {
        saves(&collection, &schema, many * 130..(many + 1) * 130);
        assert!(walk.exists("c/s/live.csv"));
        let now = fs.kept();
        assert_eq!(now.revisions, one.revisions + many * 130);
        // Files that nobody has packed yet have a name each.
        let loose = 256 * 400;
        let bytes = now.history_bytes - one.history_bytes;
        assert!(bytes < MOST * many * 130 + loose, "{bytes} bytes for {} revisions", many * 130);
    }
    for stamp in collection.changelog().log().unwrap().stamps().skip(1).step_by(20) {
        walk.read(&format!("c/s/revisions/{stamp}/data.csv"));
    }
    ops::squash(&collection).unwrap();
    ops::gc(&repo, 0).unwrap();
    ops::gc(&repo, 0).unwrap();
    assert!(walk.exists("c/s/live.csv"));
    let last = fs.kept();
    assert_eq!((last.revisions, last.inodes, last.handles), (1, 0, 0));
    assert!(last.history_bytes < one.history_bytes + 4096, "{} bytes", last.history_bytes);
    assert!(last.cache_bytes + last.index_bytes < 4096, "{} bytes", last.cache_bytes + last.index_bytes);
}

#[test]
fn a_horizon_that_hides_nothing_takes_no_second_log() {
    let (schema, repo, collection, fs) = mounted();
    saves(&collection, &schema, 0..300);
    ops::trim(&collection, u64::MAX).unwrap();
    ops::gc(&repo, 0).unwrap();
    ops::gc(&repo, 0).unwrap();
    saves(&collection, &schema, 300..1500);
    assert!(Walk(&fs).exists("c/s/live.csv"));
    let kept = fs.kept();
    assert!(kept.history_bytes < MOST * kept.revisions + 256 * 400, "{kept:?}");
}

#[test]
fn a_follower_forgets_what_was_trimmed() {
    let (schema, repo, collection, _) = mounted();
    let mut seen = Seen::default();
    let mut news = || {
        let log = collection.changelog().log().unwrap();
        (seen.news(collection.changelog().folders(), &log).len(), seen.len())
    };
    saves(&collection, &schema, 0..50);
    assert_eq!(news(), (51, 51));
    ops::squash(&collection).unwrap();
    assert_eq!(news(), (0, 1), "the newest stays");
    ops::gc(&repo, 0).unwrap();
    ops::gc(&repo, 0).unwrap();
    saves(&collection, &schema, 50..52);
    assert_eq!(news(), (2, 3));
    assert_eq!(news(), (0, 3));
}
