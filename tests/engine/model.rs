//! One writer against a plain model: rows in a list, every revision remembered.

use crate::support::{CountingClock, frame, games, keyed, repo_on};
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::Stamp;
use lakota::collection::{At, Collection};
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::interval::{Interval, Key, next_prefix};
use lakota::ops;
use lakota::series::read::Query;
use lakota::series::write::Mode;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const SCHEMAS: [&[&str]; 6] = [
    &["t timestamp*", "v float"],
    &["k int*", "v str", "w int"],
    &["v float", "s str*", "k int*"],
    &["x float*", "d date*", "v bool"],
    &["b bool*", "v float", "w str"],
    &["t timestamp[ns]*", "b bool*", "v date"],
];

const LABELS: [&str; 3] = ["a", "b", "c d"];

type Row = (Key, String);
type Model = BTreeMap<String, Vec<Row>>;

/// Rows as numbers: what a column makes of them is `cell`.
type Cells = Vec<(u8, u8, u8)>;

#[derive(Debug, Clone)]
enum Step {
    Overlay(usize, Cells),
    /// Replaces what lies between two index values.
    Range(usize, Cells, (u8, u8, u8)),
    Upsert(usize, Cells),
    Append(usize, Cells),
    Update(usize, u8),
    Replace(usize, Cells),
    Create(usize),
    Drop(usize),
    Rename(usize, usize),
    Defrag,
    Reopen,
}

fn cells() -> impl Strategy<Value = Cells> {
    proptest::collection::vec((0..6u8, 0..3u8, 0..9u8), 1..9)
}

fn step() -> impl Strategy<Value = Step> {
    let l = 0..LABELS.len();
    prop_oneof![
        4 => (l.clone(), cells()).prop_map(|(l, c)| Step::Overlay(l, c)),
        4 => (l.clone(), cells(), (0..6u8, 0..6u8, 0..4u8)).prop_map(|(l, c, r)| Step::Range(l, c, r)),
        3 => (l.clone(), cells()).prop_map(|(l, c)| Step::Upsert(l, c)),
        4 => (l.clone(), cells()).prop_map(|(l, c)| Step::Append(l, c)),
        2 => (l.clone(), 0..9u8).prop_map(|(l, v)| Step::Update(l, v)),
        1 => (l.clone(), cells()).prop_map(|(l, c)| Step::Replace(l, c)),
        1 => l.clone().prop_map(Step::Create),
        1 => l.clone().prop_map(Step::Drop),
        1 => (l.clone(), l).prop_map(|(a, b)| Step::Rename(a, b)),
        1 => Just(Step::Defrag),
        2 => Just(Step::Reopen),
    ]
}

/// A field of a column of that type; not every index value of one type is of another length.
fn cell(ty: &str, index: bool, n: u8) -> String {
    let kind = ty.split(['*', '[']).next().unwrap();
    if !index && n == 8 {
        return String::new();
    }
    match kind {
        "timestamp" => format!("2020-01-{:02}T00:00:0{n}", n + 1),
        "date" => format!("19{}0-02-0{}", 6 + n % 4, n + 1),
        "int" => ["-9223372036854775808", "-1", "0", "7", "100", "9223372036854775807", "8", "9"]
            [n as usize % 8]
            .to_owned(),
        "float" if index => ["-inf", "-1.5", "0.0", "1e-300", "2.5", "inf"][n as usize % 6].to_owned(),
        "float" => ["-0.0", "0.0", "NaN", "1.5", "inf", "0.1", "1e300", "3.0"][n as usize % 8].to_owned(),
        "bool" => n.is_multiple_of(2).to_string(),
        _ => ["\"\"", "a", "\"a\0\"", "\"a\0b\"", "\"x,\"\"y\"", "é", "\"two\nlines\"", "zz"][n as usize % 8]
            .to_owned(),
    }
}

struct World {
    backend: Arc<dyn Backend>,
    clock: Arc<CountingClock>,
    segment_rows: Option<usize>,
    columns: &'static [&'static str],
    schema: Schema,
    collection: Collection,
    model: Model,
    past: Vec<(Stamp, Model)>,
}

impl World {
    fn new(columns: &'static [&'static str], segment_rows: Option<usize>) -> World {
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let clock = CountingClock::new();
        let schema = Schema::parse(columns).unwrap();
        let collection = repo_on(&backend, &clock, segment_rows).create_collection("c", &schema).unwrap();
        let (model, past) = (Model::new(), Vec::new());
        World { backend, clock, segment_rows, columns, schema, collection, model, past }
    }

    /// Sorted rows, with lines.
    fn rows(&self, cells: &Cells) -> (Sorted, Vec<Row>) {
        let mut text: String =
            self.columns.iter().map(|c| c.split(' ').next().unwrap()).collect::<Vec<_>>().join(",") + "\n";
        for (a, b, v) in cells {
            let mut index = [*a, *b].into_iter();
            let fields = self.columns.iter().enumerate().map(|(i, column)| {
                let ty = column.split(' ').nth(1).unwrap();
                let is_index = ty.ends_with('*');
                cell(ty, is_index, if is_index { index.next().unwrap() } else { (*v + i as u8) % 9 })
            });
            text += &(fields.collect::<Vec<_>>().join(",") + "\n");
        }
        let sorted = lakota::data::frame::sort(&self.schema, &frame(&self.schema, &text)).unwrap();
        let rows = keyed(&self.schema, &sorted);
        (Sorted::of(&self.schema, vec![sorted]), rows)
    }

    #[allow(clippy::too_many_lines, reason = "one arm for each verb, each beside its model")]
    fn run(&mut self, step: &Step) {
        match step {
            Step::Reopen => {
                self.collection =
                    repo_on(&self.backend, &self.clock, self.segment_rows).collection("c").unwrap();
                return;
            }
            Step::Defrag => {
                return assert!(ops::defrag(&self.collection, self.segment_rows.unwrap_or(1000)).is_ok());
            }
            _ => {}
        }
        let before = self.model.clone();
        let mut batch = self.collection.batch("").unwrap();
        let mut model = self.model.clone();
        match step {
            Step::Overlay(l, cells) | Step::Range(l, cells, _) | Step::Replace(l, cells) => {
                let (_, all) = self.rows(cells);
                let interval = match step {
                    Step::Range(_, _, (a, b, closed)) => self.interval(*a, *b, *closed),
                    Step::Replace(..) => Interval::ALL,
                    _ => Interval::closed(&all[0].0, &all[all.len() - 1].0),
                };
                let inside: Cells = cells
                    .iter()
                    .copied()
                    .filter(|c| interval.contains(&self.rows(&vec![*c]).1[0].0))
                    .collect();
                let (sorted, new) = self.rows(&inside);
                batch.write(LABELS[*l], &Mode::Overlay(interval.clone()), sorted).unwrap();
                let rows = model.entry(LABELS[*l].to_owned()).or_default();
                rows.retain(|row| !interval.contains(&row.0));
                put(rows, new);
            }
            Step::Upsert(l, cells) => {
                let (sorted, new) = self.rows(cells);
                batch.write(LABELS[*l], &Mode::Upsert, sorted).unwrap();
                let rows = model.entry(LABELS[*l].to_owned()).or_default();
                rows.retain(|row| new.iter().all(|n| n.0 != row.0));
                put(rows, new);
            }
            Step::Append(l, cells) => {
                let (sorted, new) = self.rows(cells);
                let last = model.get(LABELS[*l]).and_then(|rows| rows.last()).map(|row| row.0.clone());
                let done = batch.write(LABELS[*l], &Mode::Append, sorted);
                if last.is_some_and(|last| new[0].0 < last) {
                    return assert!(done.is_err());
                }
                done.unwrap();
                put(model.entry(LABELS[*l].to_owned()).or_default(), new);
            }
            Step::Update(l, v) => {
                // All index values of the series, each once, get other values.
                let Some(rows) = model.get_mut(LABELS[*l]) else { return };
                let cells: Cells = (0..6).flat_map(|a| (0..3).map(move |b| (a, b, *v))).collect();
                let (_, all) = self.rows(&cells);
                let wanted: Vec<(Key, String)> =
                    all.into_iter().filter(|n| rows.iter().filter(|r| r.0 == n.0).count() == 1).collect();
                let mut wanted = wanted;
                wanted.dedup_by(|a, b| a.0 == b.0);
                if wanted.is_empty() {
                    return;
                }
                let text: String = wanted.iter().map(|w| w.1.as_str()).collect();
                let sorted = Sorted::of(&self.schema, vec![frame(&self.schema, &text)]);
                batch.write(LABELS[*l], &Mode::Update, sorted).unwrap();
                for (k, line) in wanted {
                    rows.iter_mut().filter(|r| r.0 == k).for_each(|r| r.1.clone_from(&line));
                }
            }
            Step::Create(l) => match model.contains_key(LABELS[*l]) {
                true => return assert!(batch.create(LABELS[*l]).is_err()),
                false => {
                    batch.create(LABELS[*l]).unwrap();
                    model.insert(LABELS[*l].to_owned(), Vec::new());
                }
            },
            Step::Drop(l) => match model.remove(LABELS[*l]) {
                None => return assert!(batch.drop_series(LABELS[*l]).is_err()),
                Some(_) => batch.drop_series(LABELS[*l]).unwrap(),
            },
            Step::Rename(a, b) => {
                if !model.contains_key(LABELS[*a]) || model.contains_key(LABELS[*b]) {
                    return assert!(batch.rename(LABELS[*a], LABELS[*b]).is_err());
                }
                batch.rename(LABELS[*a], LABELS[*b]).unwrap();
                let rows = model.remove(LABELS[*a]).unwrap();
                model.insert(LABELS[*b].to_owned(), rows);
            }
            Step::Defrag | Step::Reopen => {}
        }
        let made = batch.commit().unwrap();
        assert_eq!(made.is_some(), model != before, "{step:?}");
        if let Some(stamp) = made {
            self.check_changes(stamp, &before, &model);
            self.past.push((stamp, model.clone()));
        }
        self.model = model;
    }

    fn interval(&self, a: u8, b: u8, closed: u8) -> Interval {
        let (one, two) = (self.rows(&vec![(a, 0, 0)]).1, self.rows(&vec![(b, 2, 0)]).1);
        let (lo, hi) = (one[0].0.clone().min(two[0].0.clone()), one[0].0.clone().max(two[0].0.clone()));
        let behind = |key: &Key| next_prefix(key);
        match closed {
            0 => Interval { lo, hi: Some(hi) },
            1 => Interval { lo, hi: behind(&hi) },
            2 => Interval { lo: behind(&lo).unwrap_or(hi.clone()), hi: behind(&hi) },
            _ => Interval { lo, hi: None },
        }
    }

    /// The change list covers what differs, and no row that stayed.
    fn check_changes(&self, stamp: Stamp, before: &Model, after: &Model) {
        let log = self.collection.changelog().log().unwrap();
        let list = self.collection.changelog().read(&log, stamp).unwrap().change_list().unwrap();
        let none = Vec::new();
        for change in &list.series {
            let old = before.get(change.renamed_from.as_ref().unwrap_or(&change.label)).unwrap_or(&none);
            let new = if change.dropped { &none } else { &after[&change.label] };
            assert_eq!((change.rows_before, change.rows_after), (old.len() as u64, new.len() as u64));
            for (key, _) in old.iter().chain(new) {
                let at = |rows: &[Row]| rows.iter().filter(|r| r.0 == *key).cloned().collect::<Vec<_>>();
                let covered = change.dropped || change.intervals.iter().any(|i| i.contains(key));
                assert_eq!(covered, at(old) != at(new), "{change:?}");
            }
            let list: Vec<_> = change.intervals.iter().collect();
            assert!(list.windows(2).all(|w| w[0].hi.as_ref().is_some_and(|hi| *hi <= w[1].lo)));
        }
    }

    fn check(&self, at: At, model: &Model) {
        let list = self.collection.list(at).unwrap();
        assert_eq!(
            list.iter().map(|s| s.label.clone()).collect::<Vec<_>>(),
            model.keys().cloned().collect::<Vec<_>>()
        );
        for (summary, (label, rows)) in list.iter().zip(model) {
            let found = self.collection.read(label, at, &Query::default()).unwrap().collect_frame().unwrap();
            assert_eq!(&keyed(&self.schema, &found), rows);
            assert_eq!(summary.sums.rows, rows.len() as u64);
            let commas = rows.len() * self.columns.len();
            assert_eq!(summary.sums.csv + commas as u64, rows.iter().map(|r| r.1.len() as u64).sum::<u64>());
            let span = rows.first().map(|first| (first.0.clone(), rows[rows.len() - 1].0.clone()));
            assert_eq!(summary.span, span);
        }
    }

    fn check_queries(&self, (a, b, closed): (u8, u8, u8), (tail, offset, limit): (u64, u64, u64)) {
        for (label, rows) in &self.model {
            let interval = self.interval(a, b, closed);
            let mut wanted: Vec<&Row> = rows.iter().filter(|r| interval.contains(&r.0)).collect();
            wanted.drain(..wanted.len().saturating_sub(tail as usize));
            let wanted: Vec<String> =
                wanted.into_iter().skip(offset as usize).take(limit as usize).map(|r| r.1.clone()).collect();
            let query = Query { interval, tail: Some(tail), offset, limit: Some(limit), columns: None };
            let read = self.collection.read(label, At::Newest, &query).unwrap();
            assert_eq!(read.len(), wanted.len() as u64);
            let found = keyed(&self.schema, &read.collect_frame().unwrap());
            assert_eq!(found.into_iter().map(|r| r.1).collect::<Vec<_>>(), wanted);
        }
    }
}

/// Adds new rows behind old ones of an equal index value.
fn put(rows: &mut Vec<Row>, new: Vec<Row>) {
    rows.extend(new);
    rows.sort_by(|a, b| a.0.cmp(&b.0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: games(96), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_are_those_of_the_model(
        schema in 0..SCHEMAS.len(),
        segment_rows in prop_oneof![4 => (1..6usize).prop_map(Some), 1 => Just(None)],
        steps in proptest::collection::vec(step(), 1..16),
        range in (0..6u8, 0..6u8, 0..4u8),
        positions in (0..9u64, 0..5u64, 0..9u64),
    ) {
        let mut world = World::new(SCHEMAS[schema], segment_rows);
        for step in &steps {
            world.run(step);
            world.check(At::Newest, &world.model);
            world.check_queries(range, positions);
        }
        for (stamp, model) in &world.past {
            world.check(At::Revision(*stamp), model);
            world.check(At::Before(stamp.time + 1), model);
        }
    }
}
