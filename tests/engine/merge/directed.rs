//! Merges that went, or could go, wrong.

use crate::support::{CountingClock, SeriesRows, copy, frame, repo_on, series};
use lakota::backend::Backend;
use lakota::backend::faulty::FaultyBackend;
use lakota::backend::memory::MemoryBackend;
use lakota::collection::{At, Collection};
use lakota::data::schema::Schema;
use lakota::repo::Repo;
use std::sync::Arc;

fn schema() -> Schema {
    Schema::parse(["k int*", "v float"]).unwrap()
}

/// Rows that do not compress: `n` of them from `first`, different for each `seed`.
fn noise(first: u64, n: u64, seed: u64) -> String {
    let value = |k: u64| (k ^ seed << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15) as f64 / 1e9;
    (first..first + n).map(|k| format!("{k},{:?}\n", value(k))).collect()
}

/// A repository on memory whose calls can fail.
struct Site {
    memory: Arc<dyn Backend>,
    faulty: Arc<FaultyBackend>,
    clock: Arc<CountingClock>,
}

impl Site {
    fn new() -> Site {
        let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let faulty = Arc::new(FaultyBackend::new(Arc::clone(&memory)));
        let site = Site { memory, faulty, clock: CountingClock::new() };
        site.repo().create_collection("c", &schema()).unwrap();
        site
    }

    fn repo(&self) -> Repo {
        let backend: Arc<dyn Backend> = Arc::<FaultyBackend>::clone(&self.faulty);
        repo_on(&backend, &self.clock, None)
    }

    fn open(&self) -> Collection {
        self.repo().collection("c").unwrap()
    }

    fn write(&self, label: &str, rows: &str) {
        let collection = self.open();
        let mut batch = collection.batch("").unwrap();
        batch.overlay(label, &frame(&schema(), rows)).unwrap();
        batch.commit().unwrap();
    }

    /// Writes from two handles that do not see each other: two heads.
    fn write_both(&self, a: (&str, &str), b: (&str, &str)) {
        let (one, two) = (self.open(), self.open());
        let (mut first, mut second) = (one.batch("").unwrap(), two.batch("").unwrap());
        first.overlay(a.0, &frame(&schema(), a.1)).unwrap();
        second.overlay(b.0, &frame(&schema(), b.1)).unwrap();
        first.commit().unwrap();
        second.commit().unwrap();
    }

    fn rows(&self, label: &str) -> SeriesRows {
        series(&self.open(), label, At::Newest)
    }

    fn heads(&self) -> usize {
        let collection = self.open();
        collection.changelog().heads(&collection.changelog().log().unwrap()).unwrap().len()
    }
}

#[test]
fn heads_whose_merge_cuts_large_chunks_read_at_once() {
    let site = Site::new();
    site.write("a", &noise(0, 40_000, 1));
    site.write_both(("a", &noise(10, 5, 2)), ("a", &noise(30_000, 5, 3)));
    let unmerged = site.rows("a");
    drop(site.open().batch("").unwrap());
    assert_eq!((site.heads(), unmerged), (1, site.rows("a")));
}

#[test]
fn reading_heads_writes_nothing() {
    let site = Site::new();
    site.write("a", &noise(0, 40_000, 1));
    site.write_both(("a", &noise(10, 5, 2)), ("a", &noise(30_000, 5, 3)));
    let before = crate::support::files(site.memory.as_ref()).len();
    site.rows("a");
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(crate::support::files(site.memory.as_ref()).len(), before);
}

#[test]
fn merge_that_failed_once_is_whole_when_the_same_handle_tries_again() {
    for rows in [3, 3_000, 40_000] {
        let site = Site::new();
        site.write("a", &noise(0, rows, 1));
        site.write_both(("a", &noise(1, rows / 3, 2)), ("a", &noise(rows / 2, rows / 3, 3)));
        let wanted = site.rows("a");
        let handle = site.open();
        let start = site.faulty.calls();
        for calls in 1..60 {
            site.faulty.fail_after(calls);
            let done = handle.batch("").is_ok();
            site.faulty.clear();
            assert_eq!(site.rows("a"), wanted, "{rows} rows, after call {calls}");
            if done {
                break;
            }
        }
        assert!(site.faulty.calls() > start);
        assert_eq!(site.heads(), 1, "{rows} rows");
    }
}

#[test]
fn half_written_merge_is_one_head() {
    let site = Site::new();
    site.write("a", "1,1\n2,2\n");
    site.write_both(("a", "1,10\n"), ("a", "2,20\n"));
    drop(site.open().batch("").unwrap());
    let half: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    copy(site.memory.as_ref(), half.as_ref(), 1);
    let other = repo_on(&half, &site.clock, None).collection("c").unwrap();
    assert_eq!(other.changelog().heads(&other.changelog().log().unwrap()).unwrap().len(), 1);
    assert_eq!(series(&other, "a", At::Newest), site.rows("a"));
}

#[test]
fn rename_and_creation_of_one_label_keep_both_series() {
    let site = Site::new();
    site.write("a", "1,1\n");
    let (one, two) = (site.open(), site.open());
    let (mut first, mut second) = (one.batch("").unwrap(), two.batch("").unwrap());
    first.rename("a", "b").unwrap();
    second.overlay("b", &frame(&schema(), "2,2\n")).unwrap();
    first.commit().unwrap();
    second.commit().unwrap();
    let list = site.open().list(At::Newest).unwrap();
    let labels: Vec<&str> = list.iter().map(|s| s.label.as_str()).collect();
    assert!(labels.len() == 2 && labels[0] == "b" && labels[1].starts_with("b~"), "{labels:?}");
    assert_eq!(list.iter().map(|s| s.sums.rows).sum::<u64>(), 2);
}

#[test]
fn write_lands_in_the_renamed_series() {
    let site = Site::new();
    site.write("a", "1,1\n");
    let (one, two) = (site.open(), site.open());
    let (mut first, mut second) = (one.batch("").unwrap(), two.batch("").unwrap());
    first.rename("a", "b").unwrap();
    second.overlay("a", &frame(&schema(), "2,2\n")).unwrap();
    first.commit().unwrap();
    second.commit().unwrap();
    let labels: Vec<String> = site.open().list(At::Newest).unwrap().into_iter().map(|s| s.label).collect();
    assert_eq!((labels, site.rows("b").len()), (vec!["b".to_owned()], 2));
}

#[test]
fn series_created_and_dropped_in_one_batch_leaves_that_of_others_alone() {
    let site = Site::new();
    let (one, two) = (site.open(), site.open());
    let (mut first, mut second) = (one.batch("").unwrap(), two.batch("").unwrap());
    first.overlay("a", &frame(&schema(), "1,1\n")).unwrap();
    second.overlay("a", &frame(&schema(), "2,2\n")).unwrap();
    second.drop_series("a").unwrap();
    first.commit().unwrap();
    second.commit().unwrap();
    assert_eq!(site.rows("a").len(), 1);
}

#[test]
fn collections_of_one_label_created_at_once_become_one() {
    let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let clock = CountingClock::new();
    let (one, two): (Arc<dyn Backend>, Arc<dyn Backend>) =
        (Arc::new(MemoryBackend::new()), Arc::new(MemoryBackend::new()));
    for (backend, rows) in [(&one, "1,1\n"), (&two, "2,2\n")] {
        let created = repo_on(backend, &clock, None).create_collection("c", &schema()).unwrap();
        let mut batch = created.batch("").unwrap();
        batch.overlay("a", &frame(&schema(), rows)).unwrap();
        batch.commit().unwrap();
        copy(backend.as_ref(), memory.as_ref(), 0);
    }
    let repo = repo_on(&memory, &clock, None);
    assert_eq!(repo.collections().unwrap(), ["c"]);
    let both = repo.collection("c").unwrap();
    assert_eq!((both.changelog().folders().len(), series(&both, "a", At::Newest).len()), (2, 2));
}

#[test]
fn merge_of_interleaved_writes_keeps_segments_bounded() {
    let site = Site::new();
    site.write("a", &noise(0, 400_000, 1));
    let every = |step: u64, at: u64| {
        (0..400_000 / step).map(|i| format!("{},1\n", i * step + at)).collect::<String>()
    };
    let (one, two) = (site.open(), site.open());
    let (mut first, mut second) = (one.batch("").unwrap(), two.batch("").unwrap());
    for (batch, at) in [(&mut first, 1), (&mut second, 2)] {
        let rows = lakota::data::sort::Sorted::of(&schema(), vec![frame(&schema(), &every(20_000, at))]);
        batch.write("a", &lakota::series::write::Mode::Upsert, rows).unwrap();
    }
    first.commit().unwrap();
    second.commit().unwrap();
    let collection = site.open();
    let state = collection.state(At::Newest).unwrap();
    let entry = collection.find(&state, "a").unwrap();
    let all = entry.segments.locate(&state.view, &lakota::interval::Interval::ALL).unwrap().segments;
    assert!(all.iter().all(|s| s.rows <= 200_000), "{:?}", all.iter().map(|s| s.rows).collect::<Vec<_>>());
}

/// A site that has another's files too.
fn with_files_of(site: &Site, other: &Site) {
    copy(other.memory.as_ref(), site.memory.as_ref(), 0);
}

#[test]
fn series_created_twice_and_renamed_in_one_place_is_one_series_in_all() {
    let (site, other) = (Site::new(), Site::new());
    with_files_of(&other, &site);
    let other = Site {
        memory: Arc::clone(&other.memory),
        faulty: Arc::clone(&other.faulty),
        clock: Arc::clone(&site.clock),
    };
    let renaming = site.open();
    let mut batch = renaming.batch("").unwrap();
    batch.overlay("b", &frame(&schema(), "0,0\n")).unwrap();
    batch.rename("b", "c").unwrap();
    batch.commit().unwrap();
    other.write("b", "1,1\n");
    with_files_of(&other, &site);
    drop(other.open().batch("").unwrap());
    site.write("a", "0,0\n");
    with_files_of(&site, &other);
    let labels: Vec<String> = site.open().list(At::Newest).unwrap().into_iter().map(|s| s.label).collect();
    assert_eq!((labels, site.rows("b").len()), (vec!["a".to_owned(), "b".to_owned()], 2));
}
