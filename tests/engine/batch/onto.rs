//! Input sorted onto a series: whatever it repeats of it, the write comes out as without that knowledge.

use crate::support::{CountingClock, frame, games, repo_on, series};
use lakota::backend::Backend;
use lakota::backend::faulty::FaultyBackend;
use lakota::backend::memory::MemoryBackend;
use lakota::collection::{At, Collection, CollectionError};
use lakota::data::input::InputError;
use lakota::data::schema::Schema;
use lakota::history::entry::Entry;
use lakota::interval::Interval;
use lakota::repo::Repo;
use lakota::series::RowsError;
use lakota::series::write::Mode;
use proptest::prelude::*;
use std::sync::Arc;

fn schema() -> Schema {
    Schema::parse(["k int*", "v int"]).unwrap()
}

type Row = (i64, i64);

fn text(rows: &[Row]) -> String {
    rows.iter().map(|(k, v)| format!("{k},{v}\n")).collect()
}

/// A collection of small segments, and of a spool that takes few bytes in memory.
fn collection(repo: &Repo, spool_limit: usize) -> Collection {
    let created = repo.create_collection("c", &schema()).unwrap();
    let mut context = repo.context().clone();
    context.spool_limit = spool_limit;
    let folders = created.changelog().folders().to_vec();
    let changelog = lakota::history::changelog::Changelog::new(Arc::clone(repo.store()), folders);
    Collection::new("c".to_owned(), context, changelog)
}

/// The rows cut into frames of these sizes, in turn.
fn frames(rows: &[Row], sizes: &[usize]) -> Vec<Result<arrow_array::RecordBatch, InputError>> {
    let (mut rest, mut out) = (rows, Vec::new());
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (part, others) = rest.split_at((*size).min(rest.len()));
        out.push(Ok(frame(&schema(), &text(part))));
        rest = others;
    }
    out
}

/// Writes rows to a series of `old` ones: what it holds then, its change list, how much changed, and its segments.
fn written(
    old: &[Row],
    new: &[Row],
    sizes: &[usize],
    mode: &Mode,
    onto: Option<usize>,
) -> (String, String, u64, u64) {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let repo = repo_on(&backend, &CountingClock::new(), Some(8));
    let c = collection(&repo, onto.unwrap_or(1 << 20));
    let mut batch = c.batch("").unwrap();
    let (rows, _) = batch.sort(frames(old, &[1000]).into_iter()).unwrap();
    batch.write("a", &Mode::Overlay(Interval::ALL), rows).unwrap();
    batch.create("b").ok();
    batch.commit().unwrap();
    let mut batch = c.batch("").unwrap();
    let input = frames(new, sizes).into_iter();
    let (rows, count) = if onto.is_some() { batch.sort_onto("a", input) } else { batch.sort(input) }.unwrap();
    assert_eq!(count, new.len() as u64);
    let outcome = batch.write("a", mode, rows).unwrap();
    let stamp = batch.commit().unwrap();
    let log = c.changelog().log().unwrap();
    let changes = stamp.map(|stamp| c.changelog().read(&log, stamp).unwrap().change_list().unwrap());
    let rows: String = series(&c, "a", At::Newest).into_values().flatten().collect();
    let segments = entry(&c).segments.sums().segments;
    (rows, format!("{changes:?}"), outcome.changed, segments)
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|row| row.0);
    rows
}

/// Old rows, and new ones that are much like them.
fn saves() -> impl Strategy<Value = (Vec<Row>, Vec<Row>)> {
    let rows = prop::collection::vec((0..120_i64, 0..3_i64), 0..150).prop_map(sorted);
    let edits = prop::collection::vec((0..4_u8, any::<prop::sample::Index>(), 0..140_i64), 0..5);
    (rows, edits, any::<bool>()).prop_map(|(old, edits, in_order)| {
        let mut new = old.clone();
        for (what, at, value) in edits {
            let at = at.index(new.len() + 1);
            match what {
                0 => new.insert(at, (value, 9)),
                1 if at < new.len() => drop(new.remove(at)),
                2 if at < new.len() => new[at].1 = value,
                _ => new.truncate(at.max(new.len() / 2)),
            }
        }
        (old, if in_order { sorted(new) } else { new })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: games(400), ..ProptestConfig::default() })]

    #[test]
    fn rows_sorted_onto_a_series_are_written_as_any(
        (old, new) in saves(),
        sizes in prop::collection::vec(1..30_usize, 1..4),
        limit in prop::sample::select(vec![1, 2_000, 1 << 20]),
        upsert in any::<bool>(),
    ) {
        let mode = if upsert { Mode::Upsert } else { Mode::Overlay(Interval::ALL) };
        let plain = written(&old, &new, &sizes, &mode, None);
        prop_assert_eq!(written(&old, &new, &sizes, &mode, Some(limit)), plain);
    }
}

/// A number that does not compress.
fn noise(k: i64) -> i64 {
    let digest = lakota::digest::Digest::of(&k.to_le_bytes());
    i64::from_le_bytes(digest.as_bytes()[..8].try_into().unwrap())
}

/// A collection whose calls can fail, with 1000 rows in segments of 100, too large to be embedded.
fn stored() -> (Arc<FaultyBackend>, Collection, Vec<Row>) {
    let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let faulty = Arc::new(FaultyBackend::new(memory));
    let backend: Arc<dyn Backend> = Arc::<FaultyBackend>::clone(&faulty);
    let repo = repo_on(&backend, &CountingClock::new(), Some(100));
    let c = collection(&repo, 1 << 20);
    let rows: Vec<Row> = (0..1000).map(|k| (k, noise(k))).collect();
    let mut batch = c.batch("").unwrap();
    let (sorted, _) = batch.sort(frames(&rows, &[1000]).into_iter()).unwrap();
    batch.write("a", &Mode::Overlay(Interval::ALL), sorted).unwrap();
    batch.commit().unwrap();
    (faulty, c, rows)
}

fn entry(c: &Collection) -> Entry {
    c.state(At::Newest).unwrap().entry("a").unwrap().unwrap()
}

#[test]
fn segments_that_input_repeats_are_read_once() {
    let (faulty, c, mut rows) = stored();
    rows[450].1 = 1;
    assert!(entry(&c).segments.sums().segments >= 10);
    let mut batch = c.batch("").unwrap();
    let (sorted, _) = batch.sort_onto("a", frames(&rows, &[70]).into_iter()).unwrap();
    c.context().store.limit_cache(0);
    faulty.clear();
    let before = faulty.calls();
    let outcome = batch.write("a", &Mode::Overlay(Interval::ALL), sorted).unwrap();
    let calls = faulty.calls() - before;
    assert!(outcome.changed == 1 && calls > 0 && calls <= 4, "{calls} calls for one segment of two chunks");
}

#[test]
fn store_that_fails_while_rows_are_compared_is_no_fault_of_the_input() {
    let (faulty, c, rows) = stored();
    let batch = c.batch("").unwrap();
    c.context().store.limit_cache(0);
    faulty.fail_after(2);
    let tried = batch.sort_onto("a", frames(&rows, &[70]).into_iter()).map(|(_, rows)| rows);
    faulty.clear();
    assert!(matches!(tried, Err(CollectionError::Rows(RowsError::Store(_)))), "{tried:?}");
}

#[test]
fn rows_outside_of_the_range_written_are_refused_though_they_are_known() {
    let (_, c, rows) = stored();
    let mut batch = c.batch("").unwrap();
    let (sorted, _) = batch.sort_onto("a", frames(&rows[..100], &[70]).into_iter()).unwrap();
    let point = lakota::data::key::encode(&schema(), &[lakota::data::value::Value::Int(50)]).unwrap();
    assert!(batch.write("a", &Mode::Overlay(Interval::point(&point)), sorted).is_err());
}

#[test]
fn known_rows_written_to_another_series_are_its_rows() {
    let (_, c, rows) = stored();
    let mut batch = c.batch("").unwrap();
    let (sorted, _) = batch.sort_onto("a", frames(&rows, &[70]).into_iter()).unwrap();
    batch.write("b", &Mode::Overlay(Interval::ALL), sorted).unwrap();
    batch.commit().unwrap();
    assert_eq!(series(&c, "b", At::Newest), series(&c, "a", At::Newest));
}

#[test]
fn known_rows_appended_come_twice() {
    let (_, c, _) = stored();
    let mut batch = c.batch("").unwrap();
    batch.overlay("e", &frame(&schema(), "7,1\n7,2\n")).unwrap();
    batch.commit().unwrap();
    let mut batch = c.batch("").unwrap();
    let (sorted, _) = batch.sort_onto("e", frames(&[(7, 1), (7, 2)], &[2]).into_iter()).unwrap();
    batch.write("e", &Mode::Append, sorted).unwrap();
    batch.commit().unwrap();
    assert_eq!(
        series(&c, "e", At::Newest).into_values().flatten().collect::<String>(),
        "7,1\n7,2\n7,1\n7,2\n"
    );
}
