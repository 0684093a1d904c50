//! Batches that do several things to the same series.

mod onto;

use crate::support::{CountingClock, files, frame, repo_on, repo_with, series};
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::{Clock, Stamp};
use lakota::collection::{At, Batch, Collection, CollectionError};
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::history::changelog::{Changelog, HistoryError};
use lakota::interval::Interval;
use lakota::ops::trim;
use lakota::repo::{Options, Repo};
use lakota::series::write::Mode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn schema() -> Schema {
    Schema::parse(["k int*", "v int"]).unwrap()
}

fn collection() -> Collection {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    repo_on(&backend, &CountingClock::new(), None).create_collection("c", &schema()).unwrap()
}

fn commit(collection: &Collection, edit: impl FnOnce(&mut Batch<'_>)) {
    let mut batch = collection.batch("").unwrap();
    edit(&mut batch);
    batch.commit().unwrap();
}

fn overlay(batch: &mut Batch<'_>, label: &str, rows: &str) {
    batch.overlay(label, &frame(&schema(), rows)).unwrap();
}

fn sorted(rows: &str) -> Sorted {
    Sorted::of(&schema(), vec![frame(&schema(), rows)])
}

fn count(collection: &Collection, label: &str) -> usize {
    series(collection, label, At::Newest).len()
}

#[test]
fn series_renamed_to_a_label_just_dropped_keeps_its_rows() {
    let c = collection();
    commit(&c, |batch| overlay(batch, "a", "1,1\n2,2\n"));
    commit(&c, |batch| overlay(batch, "b", "1,1\n"));
    commit(&c, |batch| {
        batch.drop_series("b").unwrap();
        batch.rename("a", "b").unwrap();
    });
    assert_eq!(count(&c, "b"), 2);
}

#[test]
fn series_written_together_with_one_written_before_keeps_its_rows() {
    let c = collection();
    commit(&c, |batch| {
        overlay(batch, "a", "1,1\n2,2\n");
        overlay(batch, "b", "1,1\n2,2\n");
    });
    commit(&c, |batch| {
        overlay(batch, "b", "3,3\n");
        let write = |label: &str| (label.to_owned(), Mode::Upsert, sorted("9,9\n"));
        batch.write_all(vec![write("a"), write("b")]).unwrap();
    });
    assert_eq!((count(&c, "a"), count(&c, "b")), (3, 4));
}

#[test]
fn series_written_twice_at_once_is_refused() {
    let c = collection();
    let mut batch = c.batch("").unwrap();
    let write = || ("a".to_owned(), Mode::Upsert, sorted("9,9\n"));
    assert!(batch.write_all(vec![write(), write()]).is_err());
}

#[test]
fn rows_outside_of_the_range_written_are_refused() {
    let c = collection();
    commit(&c, |batch| overlay(batch, "a", "1,1\n5,5\n9,9\n"));
    for rows in ["3,3\n7,7\n", "1,0\n5,0\n", "9,0\n"] {
        let mut batch = c.batch("").unwrap();
        let range = lakota::data::key::encode(&schema(), &[lakota::data::value::Value::Int(5)]).unwrap();
        assert!(batch.write("a", &Mode::Overlay(Interval::point(&range)), sorted(rows)).is_err(), "{rows}");
    }
}

fn newest(c: &Collection) -> Stamp {
    c.moment(&c.changelog().log().unwrap(), At::Newest).unwrap().stamp
}

/// Makes a series equal to rows, as a program does that read it at `base`: gives the revision.
fn save(c: &Collection, (base, heads): (Stamp, &[Stamp]), rows: &str) -> Stamp {
    let mut batch = c.batch_on(base, heads, "save").unwrap();
    batch.write("a", &Mode::Overlay(Interval::ALL), sorted(rows)).unwrap();
    batch.commit().unwrap().unwrap()
}

/// A collection whose series holds these rows, and the revision that made it so.
fn holding(rows: &str) -> (Collection, Stamp) {
    let c = collection();
    commit(&c, |batch| overlay(batch, "a", rows));
    let base = newest(&c);
    (c, base)
}

/// All lines of the series, by index value.
fn rows(c: &Collection) -> String {
    series(c, "a", At::Newest).into_values().flatten().collect()
}

fn heads(c: &Collection) -> Vec<Stamp> {
    c.changelog().heads(&c.changelog().log().unwrap()).unwrap()
}

#[test]
fn saves_on_one_base_both_survive_where_they_touch_different_rows() {
    let (c, base) = holding("1,1\n2,2\n3,3\n");
    save(&c, (base, &[]), "1,10\n2,2\n3,3\n");
    save(&c, (base, &[]), "1,1\n2,2\n3,30\n");
    assert_eq!(rows(&c), "1,10\n2,2\n3,30\n");
}

#[test]
fn later_of_two_saves_on_one_base_wins_on_the_same_rows() {
    let (c, base) = holding("1,1\n2,2\n");
    save(&c, (base, &[]), "1,10\n2,20\n");
    save(&c, (base, &[]), "1,11\n2,2\n");
    assert_eq!(rows(&c), "1,11\n2,20\n");
}

#[test]
fn append_survives_a_whole_save_that_did_not_see_it() {
    let (c, base) = holding("1,1\n2,2\n");
    commit(&c, |batch| overlay(batch, "a", "3,3\n"));
    save(&c, (base, &[]), "1,10\n2,2\n");
    assert_eq!(rows(&c), "1,10\n2,2\n3,3\n");
}

#[test]
fn deletion_by_a_save_on_an_old_base_spares_rows_added_since() {
    let (c, base) = holding("1,1\n2,2\n9,9\n");
    commit(&c, |batch| overlay(batch, "a", "5,5\n"));
    save(&c, (base, &[]), "1,1\n");
    assert_eq!(rows(&c), "1,1\n5,5\n");
}

#[test]
fn emptying_save_on_an_old_base_spares_rows_added_since() {
    let (c, base) = holding("1,1\n2,2\n");
    commit(&c, |batch| overlay(batch, "a", "5,5\n"));
    save(&c, (base, &[]), "k,v\n");
    assert_eq!(rows(&c), "5,5\n");
}

#[test]
fn save_that_changes_nothing_of_its_base_makes_no_revision() {
    let (c, base) = holding("1,1\n");
    commit(&c, |batch| overlay(batch, "a", "1,10\n"));
    let mut batch = c.batch_on(base, &[], "").unwrap();
    batch.write("a", &Mode::Overlay(Interval::ALL), sorted("1,1\n")).unwrap();
    assert_eq!((batch.commit().unwrap(), rows(&c).as_str()), (None, "1,10\n"));
}

#[test]
fn save_on_the_newest_revision_is_its_only_child() {
    let (c, base) = holding("1,1\n");
    let saved = save(&c, (base, &[]), "1,10\n");
    assert_eq!(heads(&c), [saved]);
}

#[test]
fn save_lands_in_the_series_renamed_since() {
    let (c, base) = holding("1,1\n2,2\n");
    commit(&c, |batch| batch.rename("a", "b").unwrap());
    save(&c, (base, &[]), "1,10\n2,2\n");
    assert_eq!(series(&c, "b", At::Newest).into_values().flatten().collect::<String>(), "1,10\n2,2\n");
}

#[test]
fn save_brings_back_only_the_rows_it_changed_of_a_series_dropped_since() {
    let (c, base) = holding("1,1\n2,2\n");
    commit(&c, |batch| batch.drop_series("a").unwrap());
    save(&c, (base, &[]), "1,10\n2,2\n");
    assert_eq!(rows(&c), "1,10\n");
}

#[test]
fn later_of_two_first_saves_of_a_series_wins_on_the_same_rows() {
    let c = collection();
    let base = newest(&c);
    save(&c, (base, &[]), "1,1\n2,2\n");
    save(&c, (base, &[]), "2,20\n3,3\n");
    assert_eq!(rows(&c), "1,1\n2,20\n3,3\n");
}

/// A collection with two heads that were never merged, and what their merge is.
fn parted() -> (Collection, Stamp, Vec<Stamp>) {
    let (c, base) = holding("1,1\n2,2\n3,3\n");
    let (one, two) = (c.batch_on(base, &[], "").unwrap(), c.batch_on(base, &[], "").unwrap());
    for (mut batch, row) in [(one, "1,10\n"), (two, "2,20\n")] {
        overlay(&mut batch, "a", row);
        batch.commit().unwrap();
    }
    let moment = c.moment(&c.changelog().log().unwrap(), At::Newest).unwrap();
    assert_eq!(moment.heads.len(), 2);
    (c, moment.stamp, moment.heads)
}

#[test]
fn save_on_a_merge_nobody_has_written_writes_it_and_follows_it() {
    let (c, merge, of) = parted();
    let saved = save(&c, (merge, &of), "1,10\n2,20\n3,30\n");
    let log = c.changelog().log().unwrap();
    assert_eq!(log.parents(merge), Some(&of[..]));
    assert_eq!((log.parents(saved), heads(&c)), (Some(&[merge][..]), vec![saved]));
}

#[test]
fn save_on_an_unwritten_merge_of_what_are_no_heads_any_more_merges() {
    let (c, merge, of) = parted();
    save(&c, (of[0], &[]), "1,10\n2,2\n3,300\n");
    commit(&c, |batch| overlay(batch, "a", "4,4\n"));
    assert!(!c.changelog().log().unwrap().contains(merge));
    save(&c, (merge, &of), "1,100\n2,20\n3,3\n");
    assert_eq!(rows(&c), "1,100\n2,20\n3,300\n4,4\n");
}

#[test]
fn base_that_is_another_merge_than_that_of_its_heads_is_refused() {
    let (c, merge, of) = parted();
    let wrong = Stamp { time: merge.time + 1, digest: merge.digest };
    assert!(matches!(c.batch_on(wrong, &of, ""), Err(CollectionError::NoRevision(..))));
}

fn is_gone(tried: Result<Batch<'_>, CollectionError>, base: Stamp) -> bool {
    matches!(tried, Err(CollectionError::History(HistoryError::Gone(gone))) if gone == base)
}

#[test]
fn base_that_was_trimmed_is_told_by_its_kind() {
    let (c, base) = holding("1,1\n");
    commit(&c, |batch| overlay(batch, "a", "1,10\n"));
    trim(&c, u64::MAX).unwrap();
    assert!(is_gone(c.batch_on(base, &[], ""), base));
}

#[test]
fn base_that_is_an_unwritten_merge_of_trimmed_heads_is_told_by_its_kind() {
    let (c, merge, of) = parted();
    save(&c, (of[0], &[]), "1,10\n2,2\n3,300\n");
    commit(&c, |batch| overlay(batch, "a", "4,4\n"));
    trim(&c, u64::MAX).unwrap();
    assert!(is_gone(c.batch_on(merge, &of, ""), merge));
}

#[test]
fn base_whose_save_could_not_be_merged_after_a_trim_is_refused() {
    let (c, base) = holding("1,1\n2,2\n");
    // A side branch of before the base, merged after it.
    let first = c.changelog().log().unwrap().stamps().next().unwrap();
    let side = save(&c, (first, &[]), "7,7\n");
    let kept = save(&c, (base, &[]), "1,10\n2,2\n");
    c.settle().unwrap();
    trim(&c, kept.time).unwrap();
    c.changelog().prune(u64::MAX).unwrap();
    assert!(!c.changelog().unhidden_log().unwrap().contains(side));
    let kept_on = c.batch_on(kept, &[], "");
    assert!(is_gone(kept_on, kept));
    assert_eq!(rows(&c), "1,10\n2,2\n7,7\n");
}

/// A clock that stands still until it is set.
#[derive(Debug)]
struct SetClock(AtomicU64);

impl Clock for SetClock {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn later_save_wins_though_the_clock_went_back_by_a_day() {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let day = 86_400_000;
    let set = Arc::new(SetClock(AtomicU64::new(1_600_000_000_000)));
    let clock: Arc<dyn Clock> = Arc::<SetClock>::clone(&set);
    let c = repo_with(&backend, &clock, None).create_collection("c", &schema()).unwrap();
    commit(&c, |batch| overlay(batch, "a", "1,1\n2,2\n"));
    let base = newest(&c);
    set.0.fetch_add(day, Ordering::Relaxed);
    commit(&c, |batch| overlay(batch, "a", "1,10\n"));
    let ahead = newest(&c);
    set.0.fetch_sub(2 * day, Ordering::Relaxed);
    let saved = save(&c, (base, &[]), "1,11\n2,2\n");
    assert_eq!((rows(&c).as_str(), saved.time), ("1,11\n2,2\n", ahead.time + 1));
}

#[test]
fn settling_heads_writes_their_merge_and_settling_one_writes_nothing() {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let c = repo_on(&backend, &CountingClock::new(), None).create_collection("c", &schema()).unwrap();
    commit(&c, |batch| overlay(batch, "a", "1,1\n2,2\n"));
    let base = newest(&c);
    save(&c, (base, &[]), "1,10\n2,2\n");
    save(&c, (base, &[]), "1,1\n2,20\n");
    let merge = newest(&c);
    c.settle().unwrap();
    let before = files(backend.as_ref()).len();
    c.settle().unwrap();
    assert_eq!((heads(&c), files(backend.as_ref()).len()), (vec![merge], before));
}

fn author(c: &Collection) -> String {
    c.changelog().read(&c.changelog().log().unwrap(), newest(c)).unwrap().note.author.clone()
}

#[test]
fn batch_notes_the_author_it_is_given() {
    let c = collection();
    let mut batch = c.batch("").unwrap().by("ann@here");
    overlay(&mut batch, "a", "1,1\n");
    batch.commit().unwrap();
    assert_eq!(author(&c), "ann@here");
}

#[test]
fn repository_by_another_author_notes_it_in_registry_and_collections() {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let repo = repo_on(&backend, &CountingClock::new(), None);
    let bob = repo.by("bob@there");
    let created = bob.create_collection("c", &schema()).unwrap();
    let mut authors = vec![author(&created), author(repo.registry())];
    bob.rename_collection("c", "d").unwrap();
    authors.push(author(repo.registry()));
    commit(&bob.collection("d").unwrap(), |batch| overlay(batch, "a", "1,1\n"));
    authors.push(author(&repo.collection("d").unwrap()));
    bob.delete_collection("d").unwrap();
    authors.push(author(repo.registry()));
    assert_eq!(authors, ["bob@there"; 5]);
}

#[test]
fn rows_too_many_for_memory_are_sorted_in_the_folder_of_the_options() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let options = Options { spool: Some(missing.clone()), ..Options::default() };
    let repo = Repo::create_on(backend, options).unwrap();
    let mut context = repo.context().clone();
    context.spool_limit = 1;
    let c = repo.create_collection("c", &schema()).unwrap();
    let changelog = Changelog::new(Arc::clone(repo.store()), c.changelog().folders().to_vec());
    let c = Collection::new("c".to_owned(), context, changelog);
    let sort = || {
        c.sort(
            &Arc::new(schema()),
            ["2,2\n9,9\n", "1,1\n"].map(|rows| Ok(frame(&schema(), rows))).into_iter(),
        )
    };
    assert!(sort().is_err());
    std::fs::create_dir(&missing).unwrap();
    let (rows, count) = sort().unwrap();
    let key = |k| lakota::data::key::encode(&schema(), &[lakota::data::value::Value::Int(k)]).unwrap();
    assert_eq!((rows.span(), count), (Some((&key(1), &key(9))), 3));
}
