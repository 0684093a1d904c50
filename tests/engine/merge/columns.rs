//! Merges of heads whose columns were altered.

use crate::support::{CountingClock, copy, files, frame, keyed, repo_on};
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::Stamp;
use lakota::collection::{At, Collection, CollectionError, Past};
use lakota::data::alter::Alteration;
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::history::changelog::HistoryError;
use lakota::history::revision::SeriesChange;
use lakota::interval::{Interval, Key};
use lakota::ops;
use lakota::series::read::Query;
use lakota::series::write::Mode;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A backend, and the clock that all of them share.
pub(super) struct Site {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) clock: Arc<CountingClock>,
}

impl Site {
    pub(super) fn new() -> Site {
        Site::with(&["k int*", "v int"])
    }

    pub(super) fn with(columns: &[&str]) -> Site {
        let site = Site { backend: Arc::new(MemoryBackend::new()), clock: CountingClock::new() };
        let schema = Schema::parse(columns).unwrap();
        repo_on(&site.backend, &site.clock, None).create_collection("c", &schema).unwrap();
        site
    }

    /// Another with the same files.
    pub(super) fn clone(&self) -> Site {
        let site = Site { backend: Arc::new(MemoryBackend::new()), clock: Arc::clone(&self.clock) };
        site.pull(self);
        site
    }

    pub(super) fn pull(&self, other: &Site) {
        copy(other.backend.as_ref(), self.backend.as_ref(), 0);
    }

    pub(super) fn open(&self) -> Collection {
        repo_on(&self.backend, &self.clock, None).collection("c").unwrap()
    }

    pub(super) fn alter(&self, step: Alteration) -> Stamp {
        self.open().alter(&[step], "").unwrap().unwrap()
    }

    pub(super) fn upsert(&self, label: &str, rows: &str) {
        let collection = self.open();
        let mut batch = collection.batch("").unwrap();
        let schema = batch.base().schema.clone();
        let rows = Sorted::of(&schema, vec![frame(&schema, rows)]);
        batch.write(label, &Mode::Upsert, rows).unwrap();
        batch.commit().unwrap();
    }

    /// Writes the merge of the heads.
    pub(super) fn merge(&self) {
        self.open().settle().unwrap();
    }

    pub(super) fn rename(&self, from: &str, to: &str) {
        let collection = self.open();
        let mut batch = collection.batch("").unwrap();
        batch.rename(from, to).unwrap();
        batch.commit().unwrap();
    }

    /// Removes the revisions below the horizon, as gc does.
    pub(super) fn forget(&self) {
        let repo = repo_on(&self.backend, &self.clock, None);
        for _ in 0..2 {
            ops::gc(&repo, 0).unwrap();
        }
    }

    pub(super) fn state(&self) -> (String, BTreeMap<String, Vec<String>>) {
        self.state_at(At::Newest)
    }

    pub(super) fn state_at(&self, at: At) -> (String, BTreeMap<String, Vec<String>>) {
        let collection = self.open();
        let schema = collection.state(at).unwrap().schema;
        let list = collection.list(at).unwrap().into_iter();
        let rows = |label: &str| {
            let frame = collection.read(label, at, &Query::default()).unwrap().collect_frame().unwrap();
            keyed(&schema, &frame).into_iter().map(|(_, line)| line).collect()
        };
        (schema.to_string(), list.map(|s| (s.label.clone(), rows(&s.label))).collect())
    }

    pub(super) fn columns(&self) -> String {
        self.state().0
    }

    fn rows(&self) -> Vec<String> {
        self.state().1.remove("a").unwrap()
    }

    pub(super) fn verify(&self) {
        let repo = repo_on(&self.backend, &self.clock, None);
        ops::verify(&repo, &mut |damage| panic!("{}", damage.what)).unwrap();
    }
}

pub(super) fn add(column: &str, default: &str) -> Alteration {
    Alteration::add(column, Some(default)).unwrap()
}

fn rename(from: &str, to: &str) -> Alteration {
    Alteration::Rename { from: from.to_owned(), to: to.to_owned() }
}

fn remove(name: &str) -> Alteration {
    Alteration::Drop(name.to_owned())
}

/// Two sites with one row, parted.
fn two() -> (Site, Site) {
    let one = Site::new();
    one.upsert("a", "1,1\n");
    let other = one.clone();
    (one, other)
}

/// What both read when each has the other's files, unmerged and merged.
fn united(one: &Site, other: &Site) -> (String, Vec<String>) {
    one.pull(other);
    other.pull(one);
    let unmerged = one.state();
    one.merge();
    other.merge();
    assert_eq!(files(one.backend.as_ref()), files(other.backend.as_ref()));
    assert_eq!(one.state(), unmerged);
    one.verify();
    (one.columns(), one.rows())
}

#[test]
fn rows_written_beside_an_added_column_get_its_default() {
    let (one, other) = two();
    one.alter(add("w int", "7"));
    one.upsert("a", "2,2,8\n");
    other.upsert("a", "3,3\n");
    other.upsert("b", "3,3\n");
    let (columns, rows) = united(&one, &other);
    assert_eq!(columns, "k int*\nv int\nw int\n");
    assert_eq!(rows, ["1,1,7\n", "2,2,8\n", "3,3,7\n"]);
    assert_eq!(one.state().1["b"], ["3,3,7\n"]);
}

#[test]
fn column_added_twice_alike_is_one_column() {
    let (one, other) = two();
    one.alter(add("w int", "7"));
    other.alter(add("w int", "7"));
    one.upsert("a", "2,2,8\n");
    other.upsert("a", "3,3,9\n");
    let (columns, rows) = united(&one, &other);
    assert_eq!(columns, "k int*\nv int\nw int\n");
    assert_eq!(rows, ["1,1,7\n", "2,2,8\n", "3,3,9\n"]);
}

#[test]
fn of_other_columns_added_under_one_name_the_later_takes_it() {
    let (one, other) = two();
    let older = one.alter(add("w int", "7"));
    other.alter(add("w str", "x"));
    one.upsert("a", "2,2,8\n");
    let (columns, rows) = united(&one, &other);
    assert_eq!(columns, format!("k int*\nv int\nw~{} int\nw str\n", &older.digest.to_string()[..8]));
    assert_eq!(rows, ["1,1,7,x\n", "2,2,8,x\n"]);
}

#[test]
fn rows_written_beside_a_rename_keep_their_values() {
    let (one, other) = two();
    one.alter(rename("v", "value"));
    one.alter(rename("k", "key"));
    other.upsert("a", "2,2\n");
    let (columns, rows) = united(&one, &other);
    assert_eq!(
        (columns.as_str(), rows),
        ("key int*\nvalue int\n", vec!["1,1\n".to_owned(), "2,2\n".to_owned()])
    );
}

#[test]
fn of_two_renames_the_later_holds() {
    let (one, other) = two();
    one.alter(rename("v", "x"));
    other.alter(rename("v", "y"));
    assert_eq!(united(&one, &other).0, "k int*\ny int\n");
}

#[test]
fn drop_beside_a_rename_means_the_column_not_the_name() {
    let (one, other) = two();
    one.alter(rename("v", "x"));
    one.alter(add("v int", "5"));
    other.alter(remove("v"));
    let (columns, rows) = united(&one, &other);
    assert_eq!((columns.as_str(), rows), ("k int*\nv int\n", vec!["1,5\n".to_owned()]));
}

#[test]
fn rows_written_beside_a_drop_lose_the_column() {
    let (one, other) = two();
    one.alter(remove("v"));
    other.alter(add("w int", "7"));
    other.upsert("a", "2,2,8\n");
    let (columns, rows) = united(&one, &other);
    assert_eq!((columns.as_str(), rows), ("k int*\nw int\n", vec!["1,7\n".to_owned(), "2,8\n".to_owned()]));
}

#[test]
fn values_that_a_restore_brought_back_after_a_drop_stay_beside_what_others_wrote() {
    let site = Site::with(&["k int*", "n int", "v int"]);
    site.upsert("a", "1,10,1\n2,20,2\n3,30,3\n");
    let good = site.open().newest().unwrap()[0];
    let other = site.clone();
    site.alter(remove("n"));
    site.alter(Alteration::add("n int", None).unwrap());
    let collection = site.open();
    let state = collection.state(At::Revision(good)).unwrap();
    let entry = state.entry("a").unwrap();
    let past = Past { state: &state, entry: entry.as_ref(), held_by: &[good] };
    let mut batch = collection.batch("").unwrap();
    batch.restore("a", past, &[Interval::ALL]).unwrap();
    assert!(batch.lost().is_empty());
    batch.commit().unwrap().unwrap();
    let mut batch = collection.batch("").unwrap();
    assert_eq!(batch.restore_all(&state, &[good]).unwrap(), 0, "all of it is back");
    other.upsert("a", "2,21,7\n4,40,4\n");
    let (columns, rows) = united(&site, &other);
    assert_eq!(columns, "k int*\nv int\nn int\n");
    // Of a row that both wrote the later one counts, and that had its value in the column that was dropped.
    assert_eq!(rows, ["1,1,10\n", "2,7,\n", "3,3,30\n", "4,4,\n"]);
}

#[test]
fn segments_that_a_merge_cuts_are_converted() {
    let one = Site::new();
    let rows: String = (0..1000).map(|k| format!("{},1\n", 2 * k)).collect();
    one.upsert("a", &rows);
    let other = one.clone();
    one.alter(add("w int", "7"));
    one.upsert("a", "500,5,5\n700,7,7\n");
    other.upsert("a", "600,6\n601,6\n");
    let rows = united(&one, &other).1;
    assert_eq!(rows[250], "500,5,5\n");
    assert_eq!(rows[299..303], ["598,1,7\n", "600,6,7\n", "601,6,7\n", "602,1,7\n"]);
    assert_eq!((rows[351].as_str(), rows.len()), ("700,7,7\n", 1001));
}

#[test]
fn alterations_older_than_a_crossed_merge_are_known_below_it() {
    // Two alterations beside each other, merged in two places with other rows beside, then those merges merged.
    let (one, other) = two();
    let third = one.clone();
    one.alter(add("w int", "7"));
    other.alter(add("x int", "8"));
    third.upsert("a", "9,9\n");
    let (left, right) = (one.clone(), other.clone());
    left.pull(&other);
    left.merge();
    left.alter(remove("w"));
    right.pull(&one);
    right.merge();
    right.pull(&third);
    right.merge();
    right.upsert("a", "5,5,5,5\n");
    let (columns, rows) = united(&left, &right);
    assert_eq!(columns, "k int*\nv int\nx int\n");
    assert_eq!(rows, ["1,1,8\n", "5,5,5\n", "9,9,8\n"]);
}

#[test]
fn history_trimmed_to_the_parting_is_enough() {
    let (one, _) = two();
    one.alter(add("w int", "7"));
    ops::squash(&one.open()).unwrap();
    let other = one.clone();
    one.alter(add("x int", "8"));
    other.alter(rename("w", "y"));
    assert_eq!(united(&one, &other).0, "k int*\nv int\ny int\nx int\n");
}

#[test]
fn collections_created_apart_with_other_columns_do_not_merge() {
    let clock = CountingClock::new();
    let sites: Vec<Site> = ["k int*", "k str*"]
        .iter()
        .map(|columns| {
            let site = Site { backend: Arc::new(MemoryBackend::new()), clock: Arc::clone(&clock) };
            let schema = Schema::parse([columns]).unwrap();
            repo_on(&site.backend, &site.clock, None).create_collection("c", &schema).unwrap();
            site
        })
        .collect();
    sites[0].alter(add("w int", "7"));
    sites[0].pull(&sites[1]);
    let error = sites[0].open().settle().unwrap_err();
    assert!(matches!(error, CollectionError::History(HistoryError::Schemas(_))), "{error}");
}

#[test]
fn collections_created_apart_alike_merge_with_what_either_altered() {
    let (one, clock) = (Site::new(), CountingClock::new());
    one.alter(add("w int", "7"));
    let other = Site { backend: Arc::new(MemoryBackend::new()), clock };
    let schema = Schema::parse(["k int*", "v int"]).unwrap();
    repo_on(&other.backend, &one.clock, None).create_collection("c", &schema).unwrap();
    other.upsert("a", "1,1\n");
    one.pull(&other);
    one.merge();
    assert_eq!(one.state().1["a"], ["1,1,7\n"]);
}

#[test]
fn batch_on_columns_of_before_an_alteration_is_merged_with_it() {
    let (one, _) = two();
    let collection = one.open();
    let base = collection.moment(&collection.changelog().log().unwrap(), At::Newest).unwrap();
    one.alter(add("w int", "7"));
    let mut batch = collection.batch_on(base.stamp, &base.heads, "").unwrap();
    let schema = batch.base().schema.clone();
    batch.write("a", &Mode::Upsert, Sorted::of(&schema, vec![frame(&schema, "2,2\n")])).unwrap();
    batch.commit().unwrap();
    assert_eq!(one.rows(), ["1,1,7\n", "2,2,7\n"]);
}

/// What a site does, with columns by number.
#[derive(Debug, Clone)]
enum Step {
    Add(usize, usize),
    Drop(usize),
    Rename(usize, usize),
    Upsert(usize, Vec<i64>),
    Pull(usize),
    Merge,
}

const NAMES: [&str; 3] = ["v", "w", "x"];
const KINDS: [(&str, &str); 3] = [("int", "7"), ("int", "8"), ("str", "s")];
const LABELS: [&str; 2] = ["a", "b"];

fn step() -> impl Strategy<Value = (usize, Step)> {
    let name = 0..NAMES.len();
    let step = prop_oneof![
        3 => (name.clone(), 0..KINDS.len()).prop_map(|(n, k)| Step::Add(n, k)),
        2 => name.clone().prop_map(Step::Drop),
        3 => (name.clone(), name).prop_map(|(a, b)| Step::Rename(a, b)),
        5 => (0..2usize, proptest::collection::vec(0..6i64, 1..4)).prop_map(|(l, k)| Step::Upsert(l, k)),
        3 => (0..3usize).prop_map(Step::Pull),
        1 => Just(Step::Merge),
    ];
    (0..3usize, step)
}

fn run(sites: &[Site], site: usize, step: &Step, n: usize) {
    let at = &sites[site];
    // What cannot be done there is refused, and changes nothing.
    let alter = |step| drop(at.open().alter(&[step], ""));
    match step {
        Step::Add(name, kind) => {
            let (ty, default) = KINDS[*kind];
            alter(add(&format!("{} {ty}", NAMES[*name]), default));
        }
        Step::Drop(name) => alter(remove(NAMES[*name])),
        Step::Rename(from, to) => alter(rename(NAMES[*from], NAMES[*to])),
        Step::Upsert(label, keys) => {
            let columns = at.open().schema().unwrap().columns().len();
            let row = |(i, k): (usize, &i64)| {
                let values = (1..columns).map(|column| format!(",{}", 100 * n + 10 * i + column));
                format!("{k}{}\n", values.collect::<String>())
            };
            let mut keys = keys.clone();
            keys.sort_unstable();
            keys.dedup();
            at.upsert(LABELS[*label], &keys.iter().enumerate().map(row).collect::<String>());
        }
        Step::Pull(from) => at.pull(&sites[*from]),
        Step::Merge => at.merge(),
    }
}

/// Every row of a state has the values of the revision that set it last, and defaults in columns which that did not
/// have; where nobody dropped a column, all of its values.
fn check_rows(site: &Site, dropped: bool) {
    let collection = site.open();
    let log = collection.changelog().log().unwrap();
    let revisions: Vec<(Stamp, Vec<SeriesChange>)> = log
        .stamps()
        .map(|stamp| (stamp, collection.changelog().read(&log, stamp).unwrap().change_list().unwrap().series))
        .collect();
    let rows = |label: &str, at: At| -> BTreeMap<Key, String> {
        let schema = collection.state(at).unwrap().schema;
        let frame = collection.read(label, at, &Query::default()).unwrap().collect_frame().unwrap();
        keyed(&schema, &frame).into_iter().collect()
    };
    let cells = |line: &str| -> Vec<String> { line.trim_end().split(',').map(str::to_owned).collect() };
    for series in collection.list(At::Newest).unwrap() {
        for (key, line) in rows(&series.label, At::Newest) {
            let sets = |change: &SeriesChange| {
                change.id == series.id && change.intervals.iter().any(|interval| interval.contains(&key))
            };
            let (by, _) = revisions.iter().rev().find(|(_, list)| list.iter().any(sets)).unwrap();
            let mut written = cells(&rows(&series.label, At::Revision(*by))[&key]);
            for cell in cells(&line) {
                match written.iter().position(|there| *there == cell) {
                    Some(at) => drop(written.remove(at)),
                    None => assert!(["7", "8", "s", ""].contains(&cell.as_str()), "{line} of {written:?}"),
                }
            }
            assert!(dropped || written.is_empty(), "{line} lacks {written:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn columns_and_rows_are_the_same_in_whatever_order_heads_merge(
        steps in proptest::collection::vec(step(), 1..16),
    ) {
        let first = Site::new();
        first.upsert("a", "0,1\n3,2\n");
        let sites = [first.clone(), first.clone(), first];
        for (n, (site, step)) in steps.iter().enumerate() {
            run(&sites, *site, step, n + 1);
        }
        let all = sites[0].clone();
        sites.iter().for_each(|site| all.pull(site));
        let unmerged = all.state();
        check_rows(&all, steps.iter().any(|(_, step)| matches!(step, Step::Drop(_))));
        all.merge();
        all.verify();
        prop_assert_eq!(&all.state(), &unmerged);
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let [one, again] = [0, 1].map(|_| {
                let site = sites[order[0]].clone();
                for other in &order[1..] {
                    site.merge();
                    site.pull(&sites[*other]);
                }
                site.merge();
                site
            });
            prop_assert_eq!(&one.state(), &unmerged, "{:?}", order);
            prop_assert!(files(one.backend.as_ref()) == files(again.backend.as_ref()));
        }
    }
}
