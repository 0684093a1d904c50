//! Writers that die at every call of the backend in turn, and writers that run side by side.
//!
//! After each death: the repository opens, reads are old or new and never mixed, every revision of the log
//! reads, the next write is accepted.

use crate::support::{CountingClock, SeriesRows, copy, frame, repo_on, series};
use lakota::backend::Backend;
use lakota::backend::faulty::FaultyBackend;
use lakota::backend::local::LocalBackend;
use lakota::backend::memory::MemoryBackend;
use lakota::collection::{At, Collection, Filter};
use lakota::data::schema::Schema;
use lakota::ops;
use lakota::repo::Repo;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn schema() -> Schema {
    Schema::parse(["k int*", "v float"]).unwrap()
}

/// Rows that do not compress: `n` of them from `first`, different for each `seed`.
fn noise(first: u64, n: u64, seed: u64) -> String {
    let value = |k: u64| (k ^ seed << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15) as f64 / 1e9;
    (first..first + n).map(|k| format!("{k},{:?}\n", value(k))).collect()
}

type Contents = BTreeMap<String, SeriesRows>;

fn contents(collection: &Collection, at: At) -> Contents {
    let labels = collection.list(at).unwrap().into_iter().map(|s| s.label);
    labels.map(|label| (label.clone(), series(collection, &label, at))).collect()
}

fn write(repo: &Repo, writes: &[(&str, String)]) -> bool {
    let attempt = || -> Result<(), Box<dyn std::error::Error>> {
        let collection = repo.collection("c")?;
        let mut batch = collection.batch("")?;
        for (label, rows) in writes {
            batch.overlay(label, &frame(&schema(), rows))?;
        }
        batch.commit()?;
        Ok(())
    };
    attempt().is_ok()
}

/// What every revision reads as. A revision that cannot be read fails the test.
fn history(collection: &Collection) -> BTreeMap<String, Contents> {
    let log = collection.changelog().log().unwrap();
    let mut seen = 0;
    let visit = |()| {
        seen += 1;
        std::ops::ControlFlow::Continue(())
    };
    collection.past(&Filter::default(), &|_, _| (), visit).unwrap();
    assert_eq!(seen, log.len());
    log.stamps().map(|stamp| (stamp.to_string(), contents(collection, At::Revision(stamp)))).collect()
}

/// Kills `act` at every call in turn, each time on a fresh copy of what `prepare` makes.
///
/// `act` tells whether it was acknowledged. `loses` says that old revisions may go.
fn kill_at_every_call(prepare: impl Fn(&Repo), act: impl Fn(&Repo) -> bool, loses: bool) {
    let clock = CountingClock::new();
    let start: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let repo = repo_on(&start, &clock, Some(1000));
    repo.create_collection("c", &schema()).unwrap();
    prepare(&repo);
    let before = contents(&repo.collection("c").unwrap(), At::Newest);
    let past = history(&repo.collection("c").unwrap());
    for calls in 1.. {
        let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        copy(start.as_ref(), memory.as_ref(), 0);
        let faulty = Arc::new(FaultyBackend::new(Arc::clone(&memory)));
        let backend: Arc<dyn Backend> = Arc::<FaultyBackend>::clone(&faulty);
        faulty.fail_after(u64::MAX);
        let victim = repo_on(&backend, &clock, Some(1000));
        faulty.fail_after(calls);
        let done = act(&victim);
        drop(victim);
        // Uploads of a dead writer end on their own.
        faulty.fail_after(0);
        check(&memory, &clock, calls, (&before, &past), (done, loses), &act);
        if done {
            return;
        }
    }
}

fn check(
    memory: &Arc<dyn Backend>,
    clock: &Arc<CountingClock>,
    calls: u64,
    (before, past): (&Contents, &BTreeMap<String, Contents>),
    (done, loses): (bool, bool),
    act: &impl Fn(&Repo) -> bool,
) {
    let repo = repo_on(memory, clock, Some(1000));
    let after = contents(&repo.collection("c").unwrap(), At::Newest);
    let now = history(&repo.collection("c").unwrap());
    for (stamp, then) in past {
        match now.get(stamp) {
            Some(found) => assert_eq!(found, then, "call {calls}: {stamp}"),
            None => assert!(loses, "call {calls}: {stamp} is gone"),
        }
    }
    // The next time it is done whole, and a bystander writes.
    assert!(act(&repo), "call {calls}: again");
    let whole = contents(&repo.collection("c").unwrap(), At::Newest);
    assert!(after == whole || (!done && after == *before), "call {calls}: neither old nor new");
    assert!(write(&repo, &[("next", "1,1\n".to_owned())]), "call {calls}: next");
    let mut with_next = whole;
    with_next.insert("next".to_owned(), series(&repo.collection("c").unwrap(), "next", At::Newest));
    assert_eq!(contents(&repo.collection("c").unwrap(), At::Newest), with_next);
    let mut damage = Vec::new();
    ops::verify(&repo, &mut |found| damage.push(found.what.clone())).unwrap();
    assert_eq!(damage, Vec::<String>::new(), "call {calls}");
}

fn small(repo: &Repo) {
    assert!(write(repo, &[("a", "1,1\n2,2\n3,3\n".to_owned())]));
}

/// Two heads that both changed a series.
fn two_heads(repo: &Repo, rows: u64) {
    assert!(write(repo, &[("a", noise(0, rows, 1))]));
    let (one, two) = (repo.collection("c").unwrap(), repo.collection("c").unwrap());
    let (mut first, mut second) = (one.batch("").unwrap(), two.batch("").unwrap());
    first.overlay("a", &frame(&schema(), &noise(1, rows / 3, 2))).unwrap();
    second.overlay("a", &frame(&schema(), &noise(rows / 2, rows / 3, 3))).unwrap();
    first.commit().unwrap();
    second.commit().unwrap();
}

#[test]
fn small_write_is_whole_or_not_there() {
    kill_at_every_call(small, |repo| write(repo, &[("a", "2,20\n3,30\n4,40\n".to_owned())]), false);
}

#[test]
fn first_write_is_whole_or_not_there() {
    kill_at_every_call(|_| {}, |repo| write(repo, &[("a", "2,20\n".to_owned())]), false);
}

#[test]
fn write_with_objects_is_whole_or_not_there() {
    kill_at_every_call(small, |repo| write(repo, &[("a", noise(2, 20_000, 1))]), false);
}

#[test]
fn batch_of_fifty_series_is_whole_or_not_there() {
    let labels: Vec<String> = (0..50).map(|i| format!("s{i}")).collect();
    let rows: Vec<(&str, String)> =
        labels.iter().map(|l| (l.as_str(), noise(0, 40, l.len() as u64))).collect();
    kill_at_every_call(small, |repo| write(repo, &rows), false);
}

#[test]
fn append_after_embedded_revisions_is_whole_or_not_there() {
    let prepare = |repo: &Repo| {
        small(repo);
        assert!(write(repo, &[("b", "1,1\n".to_owned())]));
    };
    kill_at_every_call(prepare, |repo| write(repo, &[("a", "4,4\n".to_owned())]), false);
}

#[test]
fn merge_of_small_heads_is_whole_or_not_there() {
    kill_at_every_call(
        |repo| two_heads(repo, 9),
        |repo| repo.collection("c").is_ok_and(|c| c.batch("").is_ok()),
        false,
    );
}

#[test]
fn merge_of_large_heads_is_whole_or_not_there() {
    let merge = |repo: &Repo| repo.collection("c").is_ok_and(|c| c.batch("").is_ok());
    kill_at_every_call(|repo| two_heads(repo, 6_000), merge, false);
}

#[test]
fn create_is_whole_or_not_there() {
    let create = |repo: &Repo| repo.create_collection("d", &schema()).is_ok();
    kill_at_every_call(small, create, false);
}

#[test]
fn pack_keeps_every_revision() {
    let prepare = |repo: &Repo| {
        two_heads(repo, 9);
        small(repo);
        repo.collection("c").unwrap().changelog().pack_files(false).unwrap();
        two_heads(repo, 30);
        small(repo);
    };
    for all in [false, true] {
        let pack = |repo: &Repo| repo.collection("c").is_ok_and(|c| c.changelog().pack_files(all).is_ok());
        kill_at_every_call(prepare, pack, false);
    }
}

#[test]
fn defrag_keeps_every_row() {
    let prepare = |repo: &Repo| {
        (0..6).for_each(|i| assert!(write(repo, &[("a", noise(500 * i, 400, i))])));
    };
    let defrag = |repo: &Repo| repo.collection("c").is_ok_and(|c| ops::defrag(&c, 100_000).is_ok());
    kill_at_every_call(prepare, defrag, false);
}

#[test]
fn trim_and_gc_keep_what_remains() {
    let prepare = |repo: &Repo| {
        (0..4).for_each(|i| assert!(write(repo, &[("a", noise(100 * i, 2_000, i))])));
        repo.collection("c").unwrap().changelog().pack_files(true).unwrap();
        (0..4).for_each(|i| assert!(write(repo, &[("b", noise(100 * i, 2_000, i))])));
    };
    let trim = |repo: &Repo| repo.collection("c").is_ok_and(|c| ops::trim(&c, u64::MAX).is_ok());
    kill_at_every_call(prepare, trim, true);
    let gc = |repo: &Repo| ops::gc(repo, 0).is_ok();
    kill_at_every_call(
        |repo| {
            prepare(repo);
            assert!(trim(repo));
        },
        gc,
        false,
    );
    kill_at_every_call(
        |repo| {
            prepare(repo);
            assert!(trim(repo));
            assert!(gc(repo));
        },
        gc,
        false,
    );
}

#[test]
fn writer_that_packs_by_itself_keeps_every_revision() {
    let clock = CountingClock::new();
    let start: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let repo = repo_on(&start, &clock, None);
    repo.create_collection("c", &schema()).unwrap();
    (0..255).for_each(|i| assert!(write(&repo, &[("a", format!("{i},1\n"))])));
    for calls in (1..40).chain([100, 200, 270, 280]) {
        let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        copy(start.as_ref(), memory.as_ref(), 0);
        let faulty = Arc::new(FaultyBackend::new(Arc::clone(&memory)));
        let backend: Arc<dyn Backend> = Arc::<FaultyBackend>::clone(&faulty);
        let victim = repo_on(&backend, &clock, None);
        faulty.fail_after(calls);
        write(&victim, &[("a", "255,1\n".to_owned())]);
        let after = repo_on(&memory, &clock, None);
        let collection = after.collection("c").unwrap();
        let log = collection.changelog().log().unwrap();
        assert!(log.len() >= 256, "call {calls}");
        let mut seen = 0;
        let visit = |()| {
            seen += 1;
            std::ops::ControlFlow::Continue(())
        };
        collection.past(&Filter::default(), &|_, _| (), visit).unwrap();
        assert_eq!(seen, log.len());
        assert!(series(&collection, "a", At::Newest).len() >= 255, "call {calls}");
        assert!(write(&after, &[("b", "1,1\n".to_owned())]), "call {calls}");
    }
}

/// Counts threads that ended, however they did.
struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Writes of each thread.
const WRITES: usize = 12;

#[test]
fn threads_writing_different_series_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("repo");
    Repo::create(&path, options()).unwrap().create_collection("c", &schema()).unwrap();
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while done.load(Ordering::Relaxed) < 8 {
                let collection = Repo::open(&path, options()).unwrap().collection("c").unwrap();
                collection.changelog().pack_files(false).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        });
        for thread in 0..8 {
            let (path, done) = (&path, &done);
            scope.spawn(move || {
                let _done = Done(done);
                for i in 0..WRITES {
                    // Each write from a handle of its own, as from a process of its own.
                    let backend: Arc<dyn Backend> = Arc::new(LocalBackend::open(path, false).unwrap());
                    let repo = Repo::on(backend, "test", options()).unwrap();
                    let collection = repo.collection("c").unwrap();
                    let mut batch = collection.batch("").unwrap();
                    batch.overlay(&format!("s{thread}"), &frame(&schema(), &format!("{i},{i}\n"))).unwrap();
                    batch.commit().unwrap();
                    // What was acknowledged is there from now on.
                    let rows = series(&collection, &format!("s{thread}"), At::Newest).len();
                    assert_eq!(rows, i + 1);
                }
            });
        }
    });
    let collection = Repo::open(&path, options()).unwrap().collection("c").unwrap();
    let found = contents(&collection, At::Newest);
    assert_eq!(found.values().map(BTreeMap::len).collect::<Vec<_>>(), [WRITES; 8]);
    history(&collection);
}

fn options() -> lakota::repo::Options {
    lakota::repo::Options { durable: false, ..lakota::repo::Options::default() }
}
