//! Looking back and going back: blame, restore and undo against a model that knows what every revision reads as.

use crate::support::{CountingClock, SeriesRows, frame, games, keyed, repo_on};
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::Stamp;
use lakota::collection::{At, Collection, CollectionError, Past};
use lakota::data::key::{self, Closed, Keys};
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::data::value::Value;
use lakota::interval::{Interval, Key};
use lakota::repo::Repo;
use lakota::series::read::Query;
use lakota::series::write::Mode;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type State = BTreeMap<String, SeriesRows>;

const LABELS: [&str; 3] = ["a", "b", "c"];

fn schema() -> Schema {
    Schema::parse(["k int*", "v int"]).unwrap()
}

fn repo(segment_rows: usize) -> Repo {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    repo_on(&backend, &CountingClock::new(), Some(segment_rows))
}

fn sorted(rows: &[(i64, i64)]) -> Sorted {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| row.0);
    let text: String = rows.iter().map(|(k, v)| format!("{k},{v}\n")).collect();
    Sorted::of(&schema(), vec![frame(&schema(), &format!("k,v\n{text}"))])
}

fn range(first: i64, last: i64) -> Interval {
    key::interval(&schema(), &[Value::Int(first)], &[Value::Int(last)], Closed::Both).unwrap()
}

fn read(collection: &Collection, at: Stamp) -> State {
    let state = collection.state(At::Revision(at)).unwrap();
    let labels = state.entries().unwrap().into_iter().map(|entry| entry.label);
    let rows = |label: String| {
        let frame = collection.read(&label, At::Revision(at), &Query::default()).unwrap();
        let mut rows = SeriesRows::new();
        for (key, line) in keyed(&schema(), &frame.collect_frame().unwrap()) {
            rows.entry(key).or_default().push(line);
        }
        (label, rows)
    };
    labels.map(rows).collect()
}

#[derive(Debug, Clone)]
enum Op {
    Upsert(usize, Vec<(i64, i64)>),
    Overlay(usize, i64, i64, Vec<(i64, i64)>),
    Drop(usize),
    Rename(usize, usize),
}

fn op() -> impl Strategy<Value = Op> {
    let label = 0..LABELS.len();
    let rows = || proptest::collection::vec((0..12i64, 0..3i64), 0..6);
    prop_oneof![
        5 => (label.clone(), rows()).prop_map(|(label, rows)| Op::Upsert(label, rows)),
        4 => (label.clone(), 0..12i64, 0..12i64, rows())
            .prop_map(|(label, a, b, rows)| Op::Overlay(label, a.min(b), a.max(b), rows)),
        1 => label.clone().prop_map(Op::Drop),
        1 => (label.clone(), label).prop_map(|(a, b)| Op::Rename(a, b)),
    ]
}

fn commit(collection: &Collection, ops: &[Op]) -> Option<Stamp> {
    let mut batch = collection.batch("").unwrap();
    let mut touched = BTreeSet::new();
    for op in ops {
        // A series is written once in a batch: the model knows batches by what they come to.
        let labels = match op {
            Op::Upsert(label, _) | Op::Overlay(label, ..) | Op::Drop(label) => vec![*label],
            Op::Rename(from, to) => vec![*from, *to],
        };
        if labels.iter().any(|label| !touched.insert(*label)) {
            continue;
        }
        match op {
            Op::Upsert(label, rows) => {
                assert!(batch.write(LABELS[*label], &Mode::Upsert, sorted(rows)).is_ok())
            }
            Op::Overlay(label, lo, hi, rows) => {
                let within: Vec<_> =
                    rows.iter().copied().filter(|row| *lo <= row.0 && row.0 <= *hi).collect();
                batch.write(LABELS[*label], &Mode::Overlay(range(*lo, *hi)), sorted(&within)).unwrap();
            }
            Op::Drop(label) => drop(batch.drop_series(LABELS[*label])),
            Op::Rename(from, to) => drop(batch.rename(LABELS[*from], LABELS[*to])),
        }
    }
    batch.commit().unwrap()
}

/// The history of a collection: revisions, and what each reads as.
fn history(collection: &Collection, batches: &[Vec<Op>]) -> Vec<(Stamp, State)> {
    let first = collection.changelog().log().unwrap().stamps().next().unwrap();
    let mut all = vec![(first, State::new())];
    for ops in batches {
        if let Some(stamp) = commit(collection, ops) {
            all.push((stamp, read(collection, stamp)));
        }
    }
    all
}

/// The ids of series by label, at a revision.
fn ids(collection: &Collection, at: Stamp) -> BTreeMap<String, String> {
    let state = collection.state(At::Revision(at)).unwrap();
    state.entries().unwrap().into_iter().map(|entry| (entry.label.clone(), entry.id.to_string())).collect()
}

/// The rows of a series by id.
fn by_id(collection: &Collection, at: Stamp, state: &State) -> BTreeMap<String, SeriesRows> {
    let ids = ids(collection, at);
    state.iter().map(|(label, rows)| (ids[label].clone(), rows.clone())).collect()
}

fn keys_of(rows: &SeriesRows) -> BTreeSet<&Key> {
    rows.keys().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: games(128), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn blame_names_the_last_revision_that_changed_each_row(
        batches in proptest::collection::vec(proptest::collection::vec(op(), 1..3), 1..8),
        segment_rows in 1..6usize,
    ) {
        let repo = repo(segment_rows);
        let collection = repo.create_collection("c", &schema()).unwrap();
        let history = history(&collection, &batches);
        let states: Vec<_> = history.iter().map(|(at, state)| by_id(&collection, *at, state)).collect();
        let (newest, _) = history.last().unwrap();
        for (label, id) in ids(&collection, *newest) {
            let blame = collection.blame(&label, At::Newest, &Query::default()).unwrap();
            let frame = collection.read(&label, At::Newest, &Query::default()).unwrap().collect_frame().unwrap();
            let keys = Keys::of(&schema(), &frame);
            for (row, found) in blame.revisions(&keys).into_iter().enumerate() {
                let key = keys.key(row);
                let rows = |n: usize| states[n].get(&id).and_then(|rows| rows.get(&key));
                let wanted = (1..history.len()).rev().find(|&n| rows(n) != rows(n - 1)).map(|n| history[n].0);
                // A series that was dropped and made again in one revision: its rows are that revision's.
                let list = |n: usize| {
                    let revision = collection.changelog().find(history[n].0).unwrap().change_list().unwrap();
                    revision.series.into_iter().any(|c| c.id.to_string() == id && c.dropped)
                };
                let again = (1..history.len()).rev().find(|&n| list(n)).map(|n| history[n].0);
                prop_assert_eq!(found, wanted.max(again));
            }
        }
    }

    #[test]
    fn restore_makes_a_collection_or_a_range_what_it_was(
        batches in proptest::collection::vec(proptest::collection::vec(op(), 1..3), 1..7),
        segment_rows in 1..6usize,
        window in (0..12i64, 0..12i64),
    ) {
        let repo = repo(segment_rows);
        let collection = repo.create_collection("c", &schema()).unwrap();
        let history = history(&collection, &batches);
        let (lo, hi) = (window.0.min(window.1), window.0.max(window.1));
        for (to, wanted) in &history {
            let state = collection.state(At::Revision(*to)).unwrap();
            // A range of each series that is there, then everything.
            let newest = collection.changelog().log().unwrap().stamps().next_back().unwrap();
            let before = read(&collection, newest);
            let mut batch = collection.batch("").unwrap();
            for (label, id) in ids(&collection, newest) {
                let then = state.entries().unwrap().into_iter().find(|entry| entry.id.to_string() == id);
                let past = Past { state: &state, entry: then.as_ref(), held_by: &[*to] };
                batch.restore(&label, past, &[range(lo, hi)]).unwrap();
            }
            let stamp = batch.commit().unwrap().unwrap_or(newest);
            let after = read(&collection, stamp);
            let then = by_id(&collection, *to, wanted);
            for (label, id) in ids(&collection, stamp) {
                let none = SeriesRows::new();
                let old = then.get(&id).unwrap_or(&none);
                let mut expected = before[&label].clone();
                let inside = |key: &Key| range(lo, hi).contains(key);
                expected.retain(|key, _| !inside(key));
                expected.extend(old.iter().filter(|(key, _)| inside(key)).map(|(k, l)| (k.clone(), l.clone())));
                prop_assert_eq!(&after[&label], &expected);
            }
            let mut batch = collection.batch("").unwrap();
            batch.restore_all(&state, &[*to]).unwrap();
            let stamp = batch.commit().unwrap().unwrap_or(stamp);
            prop_assert_eq!(&read(&collection, stamp), wanted);
            prop_assert_eq!(ids(&collection, stamp), ids(&collection, *to));
            let mut batch = collection.batch("").unwrap();
            batch.restore_all(&state, &[*to]).unwrap();
            prop_assert_eq!(batch.commit().unwrap(), None);
        }
    }

    #[test]
    fn undo_takes_back_a_revision_or_refuses_and_changes_nothing(
        batches in proptest::collection::vec(proptest::collection::vec(op(), 1..3), 1..7),
        segment_rows in 1..6usize,
    ) {
        let repo = repo(segment_rows);
        let collection = repo.create_collection("c", &schema()).unwrap();
        let history = history(&collection, &batches);
        for n in 1..history.len() {
            let newest = collection.changelog().log().unwrap().stamps().next_back().unwrap();
            let now = by_id(&collection, newest, &read(&collection, newest));
            let (before, after) = (by_id(&collection, history[n - 1].0, &history[n - 1].1), by_id(&collection, history[n].0, &history[n].1));
            let undone = match collection.undo(history[n].0, "undo") {
                Err(CollectionError::Touched(..)) => {
                    let last = collection.changelog().log().unwrap().stamps().next_back().unwrap();
                    prop_assert_eq!(last, newest, "a refused undo leaves no revision");
                    // The newest revision is never in its own way.
                    prop_assert!(history[n].0 != newest);
                    continue;
                }
                done => done.unwrap(),
            };
            let last = undone.unwrap_or(newest);
            let found = by_id(&collection, last, &read(&collection, last));
            // What the revision changed is what it was before; everything else is what it is now.
            let all: BTreeSet<&String> = now.keys().chain(before.keys()).chain(after.keys()).collect();
            let none = SeriesRows::new();
            for id in all {
                let rows = |states: &BTreeMap<String, SeriesRows>| states.get(id).cloned().unwrap_or_default();
                let (b, a) = (before.get(id).unwrap_or(&none), after.get(id).unwrap_or(&none));
                let mut expected = rows(&now);
                let keys: BTreeSet<&Key> = keys_of(b).union(&keys_of(a)).copied().collect();
                for key in keys {
                    if b.get(key) != a.get(key) {
                        match b.get(key) {
                            Some(lines) => drop(expected.insert(key.clone(), lines.clone())),
                            None => drop(expected.remove(key)),
                        }
                    }
                }
                prop_assert_eq!(rows(&found), expected, "{}", n);
            }
        }
    }
}

#[test]
fn restore_writes_no_chunk_again() {
    let repo = repo(1000);
    let collection = repo.create_collection("c", &schema()).unwrap();
    let rows: Vec<_> = (0..20_000).map(|k| (k, k * 7919 % 1000)).collect();
    let write = |rows: &[(i64, i64)]| {
        let mut batch = collection.batch("").unwrap();
        batch.write("a", &Mode::Overlay(Interval::ALL), sorted(rows)).unwrap();
        batch.commit().unwrap().unwrap()
    };
    let good = write(&rows);
    write(&rows.iter().map(|(k, v)| (*k, v + 1)).collect::<Vec<_>>());
    let bytes = || -> usize {
        crate::support::files(collection.context().store.backend().as_ref())
            .values()
            .map(|file| file.len())
            .sum()
    };
    let before = bytes();
    let state = collection.state(At::Revision(good)).unwrap();
    let entry = state.entry("a").unwrap();
    let mut batch = collection.batch("").unwrap();
    let past = Past { state: &state, entry: entry.as_ref(), held_by: &[good] };
    let outcome = batch.restore("a", past, &[Interval::ALL]).unwrap();
    assert_eq!(outcome.changed, 20_000);
    let restored = batch.commit().unwrap().unwrap();
    assert_eq!(read(&collection, restored), read(&collection, good));
    assert!(bytes() - before < 8000, "{} bytes", bytes() - before);
}

#[test]
fn a_deleted_collection_comes_back_with_its_history() {
    let repo = repo(10);
    let collection = repo.create_collection("c", &schema()).unwrap();
    let stamp = commit(&collection, &[Op::Upsert(0, vec![(1, 1)])]).unwrap();
    repo.delete_collection("c").unwrap();
    assert!(repo.collection("c").is_err());
    let again = repo.restore_collection("c").unwrap();
    assert_eq!(read(&again, stamp)["a"].len(), 1);
    assert!(repo.restore_collection("c").is_err(), "it is there");
    assert!(repo.restore_collection("never").is_err());
    repo.rename_collection("c", "d").unwrap();
    let lives_on = repo.restore_collection("c").unwrap_err();
    assert_eq!(lives_on.to_string(), "collection c is d now");
}
