//! Comparing two states of a series: the same as comparing all their rows, at the cost of what differs.

use crate::support::{CountingClock, frame, games, keyed, repo_on};
use lakota::backend::Backend;
use lakota::backend::faulty::FaultyBackend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::Stamp;
use lakota::collection::{At, Collection};
use lakota::data::delta::Tally;
use lakota::data::key::{self, Closed};
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::data::value::Value;
use lakota::history::entry::Segments;
use lakota::interval::{Interval, Key};
use lakota::series::compare::{self, Side};
use lakota::series::read::Query;
use lakota::series::write::Mode;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

type Lines = BTreeMap<Key, Vec<String>>;

fn schema() -> Schema {
    Schema::parse(["k int*", "v int", "s str"]).unwrap()
}

fn collection(segment_rows: usize) -> Collection {
    counted(segment_rows).0
}

/// A collection, and what counts the calls of its backend.
fn counted(segment_rows: usize) -> (Collection, Arc<FaultyBackend>) {
    let counter = Arc::new(FaultyBackend::new(Arc::new(MemoryBackend::new())));
    let backend: Arc<dyn Backend> = Arc::<FaultyBackend>::clone(&counter);
    let repo = repo_on(&backend, &CountingClock::new(), Some(segment_rows));
    (repo.create_collection("c", &schema()).unwrap(), counter)
}

fn rows(collection: &Collection, at: Stamp, within: &Interval) -> Lines {
    let query = Query { interval: within.clone(), ..Query::default() };
    let read = collection.read("a", At::Revision(at), &query).unwrap().collect_frame().unwrap();
    let mut lines = Lines::new();
    keyed(&schema(), &read).into_iter().for_each(|(key, line)| lines.entry(key).or_default().push(line));
    lines
}

/// What a comparison says, replayed on the old rows: what is removed goes, what is added comes.
fn replay(collection: &Collection, old: Stamp, new: Stamp, within: &Interval) -> (Lines, Tally) {
    let states = [old, new].map(|at| collection.state(At::Revision(at)).unwrap());
    let entries = [0, 1].map(|i| collection.find(&states[i], "a").unwrap());
    let side =
        |i: usize| Side { view: &states[i].view, schema: &states[i].schema, segments: &entries[i].segments };
    let mut lines = rows(collection, old, within);
    let mut tally = Tally::default();
    let mut changed: Vec<Key> = Vec::new();
    for delta in compare::compare(&side(0), &side(1), within).unwrap() {
        let delta = delta.unwrap();
        let (a, b) = (keyed(&schema(), &delta.old), keyed(&schema(), &delta.new));
        tally.add(&delta.rows);
        for row in &delta.rows {
            let (old, new) = (row.old.map(|i| &a[i]), row.new.map(|j| &b[j]));
            let key = &old.or(new).unwrap().0;
            assert_ne!(old.map(|o| &o.1), new.map(|n| &n.1), "a row that is the same is told");
            if changed.last() != Some(key) {
                assert!(changed.last() < Some(key), "not in order");
                changed.push(key.clone());
            }
            let there = lines.entry(key.clone()).or_default();
            match (old, new) {
                (Some((_, old)), Some((_, new))) => {
                    let at = there.iter().position(|line| line == old).unwrap();
                    there[at].clone_from(new);
                }
                (Some((_, old)), None) => {
                    let at = there.iter().position(|line| line == old).unwrap();
                    there.remove(at);
                }
                (_, new) => there.push(new.unwrap().1.clone()),
            }
        }
    }
    lines.retain(|_, lines| !lines.is_empty());
    let found = compare::changes(&side(0), &side(1), within).unwrap();
    assert_eq!(found.keys(), changed.len() as u64);
    let intervals = found.finish();
    assert!(changed.iter().all(|key| intervals.iter().any(|interval| interval.contains(key))));
    (lines, tally)
}

fn sorted(rows: &[(i64, i64)]) -> Sorted {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| row.0);
    let text: String = rows.iter().map(|(k, v)| format!("{k},{v},s{}\n", v % 2)).collect();
    Sorted::of(&schema(), vec![frame(&schema(), &format!("k,v,s\n{text}"))])
}

fn range(first: i64, last: i64) -> Interval {
    key::interval(&schema(), &[Value::Int(first)], &[Value::Int(last)], Closed::Both).unwrap()
}

fn write(collection: &Collection, mode: &Mode, rows: &[(i64, i64)]) -> Stamp {
    let mut batch = collection.batch("").unwrap();
    batch.write("a", mode, sorted(rows)).unwrap();
    let newest = || collection.changelog().log().unwrap().stamps().next_back().unwrap();
    batch.commit().unwrap().unwrap_or_else(newest)
}

fn as_sets(lines: Lines) -> Lines {
    lines
        .into_iter()
        .map(|(key, mut lines)| {
            lines.sort();
            (key, lines)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: games(96), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_comparison_turns_one_state_into_the_other(
        first in proptest::collection::vec((0..60i64, 0..3i64), 1..120),
        writes in proptest::collection::vec(
            (0..60i64, 0..60i64, proptest::collection::vec((0..60i64, 0..3i64), 0..20), any::<bool>()),
            1..5,
        ),
        segment_rows in 1..40usize,
        window in (0..60i64, 0..60i64),
    ) {
        let collection = collection(segment_rows);
        let mut stamps = vec![write(&collection, &Mode::Overlay(Interval::ALL), &first)];
        for (a, b, rows, overlay) in &writes {
            let (lo, hi) = (*a.min(b), *a.max(b));
            let within: Vec<_> = rows.iter().copied().filter(|row| lo <= row.0 && row.0 <= hi).collect();
            stamps.push(match overlay {
                true => write(&collection, &Mode::Overlay(range(lo, hi)), &within),
                false => write(&collection, &Mode::Upsert, rows),
            });
        }
        let window = range(window.0.min(window.1), window.0.max(window.1));
        for &old in &stamps {
            for &new in &stamps {
                for within in [&Interval::ALL, &window] {
                    let (found, _) = replay(&collection, old, new, within);
                    prop_assert_eq!(as_sets(found), as_sets(rows(&collection, new, within)));
                }
            }
        }
    }
}

#[test]
fn what_did_not_change_is_not_read() {
    let (collection, counter) = counted(1000);
    let rows: Vec<_> = (0..200_000).map(|k| (k, k * k % 1000)).collect();
    let old = write(&collection, &Mode::Overlay(Interval::ALL), &rows);
    let new = write(&collection, &Mode::Upsert, &[(5, -1), (100_000, -1), (300_000, -1)]);
    let state = collection.state(At::Revision(new)).unwrap();
    assert!(matches!(collection.find(&state, "a").unwrap().segments, Segments::Many(_)));
    let calls = || counter.calls();
    collection.context().store.limit_cache(0);
    let side_of = |at| collection.state(At::Revision(at)).unwrap();
    let (old_state, new_state) = (side_of(old), side_of(new));
    let entry = |state| collection.find(state, "a").unwrap().segments;
    let (a, b) = (entry(&old_state), entry(&new_state));
    let before = calls();
    let side = |state, segments| Side { view: state, schema: &old_state.schema, segments };
    let found = compare::changes(&side(&old_state.view, &a), &side(&new_state.view, &b), &Interval::ALL);
    assert_eq!(found.unwrap().keys(), 3);
    // Of 200 segments three differ.
    assert!(calls() - before < 60, "{} calls", calls() - before);
    let (_, tally) = replay(&collection, old, new, &Interval::ALL);
    assert_eq!(tally, Tally { added: 1, removed: 0, changed: 2 });
    let (_, same) = replay(&collection, new, new, &Interval::ALL);
    assert!(same.is_empty());
}

#[test]
fn segments_of_several_pages_compare_like_short_ones() {
    let collection = collection(45_000);
    let value = |k: i64| k * k % 1000;
    let rows: Vec<_> = (0..60_000).map(|k| (2 * k, value(k))).collect();
    let mut stamps = vec![write(&collection, &Mode::Overlay(Interval::ALL), &rows)];
    let mut upsert = |rows: &[(i64, i64)]| stamps.push(write(&collection, &Mode::Upsert, rows));
    // Other rows in other columns: the text follows from the last bit.
    upsert(&[(10, -1), (70_000, value(35_000) + 2), (70_002, value(35_001) + 1)]);
    upsert(&[(32_768, 7_000), (32_770, 7_002), (110_000, 7_001)]);
    // Rows that come and go: the pages behind them are others.
    upsert(&[(40_001, 3), (100_001, 3)]);
    stamps.push(write(&collection, &Mode::Overlay(range(60_000, 60_004)), &[(60_002, -5)]));
    let intervals = [Interval::ALL, range(32_769, 110_000)];
    let pairs = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 3), (0, 4)];
    for (i, j) in pairs {
        for within in intervals.iter().take(if (i, j) == (0, 4) { 2 } else { 1 }) {
            let (found, _) = replay(&collection, stamps[i], stamps[j], within);
            assert_eq!(as_sets(found), as_sets(self::rows(&collection, stamps[j], within)), "{i} {j}");
        }
    }
    let (_, tally) = replay(&collection, stamps[0], stamps[1], &Interval::ALL);
    assert_eq!(tally, Tally { added: 0, removed: 0, changed: 3 });
    let (_, tally) = replay(&collection, stamps[2], stamps[4], &Interval::ALL);
    assert_eq!(tally, Tally { added: 2, removed: 2, changed: 1 });
}
