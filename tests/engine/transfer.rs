//! Copies between repositories: what travels, what stays, what holds whatever is cut short.

mod apart;
mod horizons;
mod kill;
mod random;
mod registry;
mod repair;

use crate::support::{CountingClock, SeriesRows, files, frame, repo_on, series};
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::Stamp;
use lakota::collection::{At, Collection};
use lakota::data::schema::Schema;
use lakota::ops;
use lakota::ops::transfer::{Report, TransferError, What, transfer};
use lakota::repo::Repo;
use std::collections::BTreeMap;
use std::sync::Arc;

fn schema() -> Schema {
    Schema::parse(["k int*", "v float"]).unwrap()
}

/// Repositories whose clocks are one.
struct World(Arc<CountingClock>);

/// One of them.
struct Place {
    backend: Arc<dyn Backend>,
    repo: Repo,
}

impl World {
    fn new() -> World {
        World(CountingClock::new())
    }

    fn place(&self) -> Place {
        self.open(Arc::new(MemoryBackend::new()))
    }

    fn open(&self, backend: Arc<dyn Backend>) -> Place {
        let repo = repo_on(&backend, &self.0, Some(50));
        Place { backend, repo }
    }

    /// With a collection `c`.
    fn with_c(&self) -> Place {
        let place = self.place();
        place.repo.create_collection("c", &schema()).unwrap();
        place
    }
}

impl Place {
    fn c(&self) -> Collection {
        self.repo.collection("c").unwrap()
    }

    fn write(&self, label: &str, rows: &str) -> Stamp {
        let c = self.c();
        let mut batch = c.batch("").unwrap();
        batch.overlay(label, &frame(&schema(), rows)).unwrap();
        batch.commit().unwrap().unwrap()
    }

    fn rows(&self, label: &str) -> SeriesRows {
        series(&self.c(), label, At::Newest)
    }

    /// All collections, all series.
    fn contents(&self) -> BTreeMap<(String, String), SeriesRows> {
        let mut all = BTreeMap::new();
        for label in self.repo.collections().unwrap() {
            let collection = self.repo.collection(&label).unwrap();
            for summary in collection.list(At::Newest).unwrap() {
                let rows = series(&collection, &summary.label, At::Newest);
                all.insert((label.clone(), summary.label), rows);
            }
        }
        all
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.c().changelog().log().unwrap().stamps().collect()
    }

    fn heads(&self) -> Vec<Stamp> {
        let c = self.c();
        c.changelog().heads(&c.changelog().log().unwrap()).unwrap()
    }

    fn damage(&self) -> Vec<String> {
        let mut found = Vec::new();
        ops::verify(&self.repo, &mut |damage| found.push(damage.what.clone())).unwrap();
        found
    }

    #[track_caller]
    fn is_sound(&self) {
        assert_eq!(self.damage(), Vec::<String>::new());
    }

    fn folder(&self) -> String {
        self.c().changelog().folders()[0].key()
    }
}

fn copy(from: &Place, to: &Place, what: &What) -> Result<Report, TransferError> {
    transfer(&from.repo, &to.repo, what, &|_| ())
}

/// Copies all; nothing may fail.
#[track_caller]
fn push(from: &Place, to: &Place) -> Report {
    let report = copy(from, to, &What::default()).unwrap();
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    report
}

#[track_caller]
fn shallow(from: &Place, to: &Place) -> Report {
    let report = copy(from, to, &What { shallow: true, ..What::default() }).unwrap();
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    report
}

/// Why collection `c` could not be copied.
#[track_caller]
fn refused(from: &Place, to: &Place) -> TransferError {
    let mut report = copy(from, to, &What::default()).unwrap();
    assert_eq!(report.failed.len(), 1, "{:?}", report.failed);
    report.failed.pop().unwrap().1
}

/// Rows that do not compress, so that they become objects.
fn noise(first: u64, n: u64) -> String {
    let value = |k: u64| k.wrapping_mul(0x9E37_79B9_7F4A_7C15) as f64 / 1e9;
    (first..first + n).map(|k| format!("{k},{:?}\n", value(k))).collect()
}

#[test]
fn copy_into_an_empty_repository_has_the_same_rows_and_history() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    a.write("s", &noise(0, 400));
    a.write("s", "5,1\n");
    a.write("t", "1,1\n");
    let report = push(&a, &b);
    assert_eq!(b.contents(), a.contents());
    assert_eq!(b.stamps(), a.stamps());
    b.is_sound();
    let moved: Vec<_> = report.moved.iter().map(|m| (m.label.as_str(), m.revisions)).collect();
    assert_eq!(moved, [("c", 4), ("the registry", 1)]);
}

#[test]
fn nothing_travels_twice() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    a.write("s", &noise(0, 400));
    push(&a, &b);
    let before = files(b.backend.as_ref());
    let report = push(&a, &b);
    assert!(report.moved.is_empty());
    assert_eq!(files(b.backend.as_ref()), before);
}

#[test]
fn only_what_changed_travels_of_many_series() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    let c = a.c();
    let mut batch = c.batch("").unwrap();
    for i in 0..2000 {
        batch.overlay(&format!("s{i:05}"), &frame(&schema(), "1,1\n2,2\n")).unwrap();
    }
    batch.commit().unwrap().unwrap();
    push(&a, &b);
    a.write("s00500", "3,3\n");
    let report = push(&a, &b);
    let c = &report.moved[0];
    assert_eq!((c.revisions, c.objects), (1, 1), "{c:?}");
    assert!(c.bytes < 20_000, "{c:?}");
    assert_eq!(b.contents(), a.contents());
}

#[test]
fn revisions_of_both_sides_are_merged_and_nobody_loses_a_row() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    a.write("s", "1,1\n2,2\n3,3\n");
    push(&a, &b);
    a.write("s", "1,10\n");
    b.write("s", "3,30\n");
    b.write("u", "1,1\n");
    let report = push(&b, &a);
    assert_eq!(report.moved[0].heads, 2);
    push(&a, &b);
    assert_eq!(a.contents(), b.contents());
    assert_eq!(a.rows("s").into_values().flatten().collect::<Vec<_>>(), ["1,10.0\n", "2,2.0\n", "3,30.0\n"]);
    a.c().settle().unwrap();
    b.c().settle().unwrap();
    assert_eq!(a.heads(), b.heads());
    assert!(push(&a, &b).moved.is_empty() && push(&b, &a).moved.is_empty());
    a.is_sound();
}

#[test]
fn many_revisions_become_one_pack() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    for i in 0..40 {
        a.write("s", &format!("{i},{i}\n"));
    }
    push(&a, &b);
    let names: Vec<String> = b.backend.list(&b.folder()).unwrap().into_iter().map(|e| e.name).collect();
    assert_eq!(names.len(), 1);
    assert!(names[0].starts_with("pack-"));
    assert_eq!(b.stamps(), a.stamps());
}

#[test]
fn object_that_gc_set_aside_is_put_again() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    push(&a, &b);
    a.write("s", &noise(0, 8000));
    // As after a copy that was cut short.
    let mine = files(b.backend.as_ref());
    for (key, bytes) in files(a.backend.as_ref()) {
        if key.len() == 65 && !mine.contains_key(&key) {
            b.backend.put(&key, bytes).unwrap();
        }
    }
    let set_aside = ops::gc(&b.repo, 600_000).unwrap().set_aside;
    assert!(set_aside > 0);
    assert_eq!(push(&a, &b).moved[0].objects, set_aside);
    ops::gc(&b.repo, 0).unwrap();
    ops::gc(&b.repo, 0).unwrap();
    b.is_sound();
    assert_eq!(b.contents(), a.contents());
}

#[test]
fn object_that_is_too_short_is_put_again() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    push(&a, &b);
    a.write("s", &noise(0, 8000));
    let (key, bytes) = files(a.backend.as_ref()).into_iter().max_by_key(|(_, b)| b.len()).unwrap();
    b.backend.put(&key, bytes.slice(..100)).unwrap();
    push(&a, &b);
    b.is_sound();
}

#[test]
fn damage_at_the_source_is_told_and_others_still_travel() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    a.write("s", &noise(0, 8000));
    let d = a.repo.create_collection("d", &schema()).unwrap();
    let mut batch = d.batch("").unwrap();
    batch.overlay("t", &frame(&schema(), "1,1\n")).unwrap();
    batch.commit().unwrap();
    let (key, bytes) = files(a.backend.as_ref()).into_iter().max_by_key(|(_, b)| b.len()).unwrap();
    let mut bad = bytes.to_vec();
    bad[3000] ^= 1;
    a.backend.put(&key, bad.into()).unwrap();
    let a = world.open(a.backend);
    let failure = refused(&a, &b);
    assert!(!failure.is_conflict() && failure.to_string().contains(&key), "{failure}");
    assert_eq!(b.repo.collections().unwrap(), ["d"]);
    b.is_sound();
    a.backend.put(&key, bytes).unwrap();
    let a = world.open(a.backend);
    push(&a, &b);
    assert_eq!(b.contents(), a.contents());
    b.is_sound();
}

#[test]
fn dry_run_tells_and_copies_nothing() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    a.write("s", "1,1\n");
    let before = files(b.backend.as_ref());
    let report = copy(&a, &b, &What { dry_run: true, ..What::default() }).unwrap();
    assert_eq!(report.moved.iter().map(|m| m.revisions).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(files(b.backend.as_ref()), before);
}

/// Copies while gc runs at the other end, over and over, and hours pass.
fn copy_beside_gc(world: &World, a: &Place, b: &Place, what: &What) {
    let beside = world.open(Arc::clone(&b.backend));
    let runs = std::cell::Cell::new(0);
    let report = transfer(&a.repo, &b.repo, what, &|_| {
        if runs.get() < 12 {
            runs.set(runs.get() + 1);
            world.0.pass(3_600_000);
            ops::gc(&beside.repo, 600_000).unwrap();
        }
    });
    assert!(report.unwrap().failed.is_empty());
    assert_eq!(runs.get(), 12);
    let b = world.open(Arc::clone(&b.backend));
    b.is_sound();
    assert_eq!(b.contents(), a.contents());
    for _ in 0..2 {
        ops::gc(&b.repo, 0).unwrap();
    }
    b.is_sound();
}

/// With so many revisions that have objects.
fn with_objects(world: &World, revisions: u64) -> Place {
    let a = world.with_c();
    for i in 0..revisions {
        a.write("s", &noise(10_000 * i, 8000));
    }
    a
}

#[test]
fn gc_beside_a_slow_first_copy_takes_nothing_of_it() {
    let world = World::new();
    let (a, b) = (with_objects(&world, 12), world.place());
    copy_beside_gc(&world, &a, &b, &What::default());
    let by_name = What { collections: vec!["c".to_owned()], ..What::default() };
    copy_beside_gc(&world, &a, &world.place(), &by_name);
}

#[test]
fn gc_beside_a_slow_push_takes_nothing_of_it() {
    let world = World::new();
    let (a, b) = (with_objects(&world, 2), world.place());
    push(&a, &b);
    for i in 0..12 {
        a.write("t", &noise(10_000 * i, 8000));
    }
    copy_beside_gc(&world, &a, &b, &What::default());
}
