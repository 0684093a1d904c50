//! Merges: whoever merges, in whatever order, the state is each index value of each series as set by the
//! revision with the greatest stamp that covers it.
//!
//! Several sites, each a backend and a clock of its own, write and copy from each other. The model knows the
//! rule and what each revision reads as; from that alone it tells what every site must read.

mod choose;
mod columns;
mod directed;
mod model;
mod overrides;

use crate::support::{copy, frame, repo_with};
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::{Clock, Stamp};
use lakota::collection::{At, Collection};
use lakota::data::key;
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::data::value::Value;
use lakota::history::entry::SeriesId;
use lakota::interval::Interval;
use lakota::ops;
use lakota::series::write::Mode;
use model::{Model, read_state};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const SITES: usize = 3;

const LABELS: [&str; 3] = ["a", "b", "c"];

/// A clock that runs ahead of the others by `skew`.
#[derive(Debug)]
struct Skewed {
    shared: Arc<AtomicU64>,
    skew: u64,
}

impl Clock for Skewed {
    fn now(&self) -> u64 {
        self.shared.fetch_add(1, Ordering::Relaxed) + self.skew
    }
}

/// What one batch does, with labels by number.
#[derive(Debug, Clone)]
enum Op {
    /// Replaces the rows from one index value to another.
    Overlay(usize, (i64, i64), Vec<(i64, i64)>),
    Upsert(usize, Vec<(i64, i64)>),
    Delete(usize, (i64, i64)),
    Create(usize),
    Drop(usize),
    Rename(usize, usize),
}

#[derive(Debug, Clone)]
enum Step {
    Write(usize, Vec<Op>),
    /// Copies everything from one site to another.
    Copy(usize, usize),
    /// Copies everything but the last so many revision files.
    Torn(usize, usize, usize),
    Merge(usize),
    Pack(usize),
    Defrag(usize),
}

fn pairs() -> impl Strategy<Value = Vec<(i64, i64)>> {
    proptest::collection::vec((0..8i64, 0..4i64), 1..5)
}

fn op() -> impl Strategy<Value = Op> {
    let label = 0..LABELS.len();
    prop_oneof![
        4 => (label.clone(), 0..8i64, 0..8i64, pairs()).prop_map(|(l, a, b, rows)| {
            let range = (a.min(b), a.max(b));
            Op::Overlay(l, range, rows.into_iter().filter(|r| range.0 <= r.0 && r.0 <= range.1).collect())
        }),
        4 => (label.clone(), pairs()).prop_map(|(l, rows)| Op::Upsert(l, rows)),
        2 => (label.clone(), 0..8i64, 0..8i64).prop_map(|(l, a, b)| Op::Delete(l, (a.min(b), a.max(b)))),
        1 => label.clone().prop_map(Op::Create),
        1 => label.clone().prop_map(Op::Drop),
        2 => (label.clone(), label).prop_map(|(a, b)| Op::Rename(a, b)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let site = 0..SITES;
    prop_oneof![
        8 => (site.clone(), proptest::collection::vec(op(), 1..4)).prop_map(|(s, ops)| Step::Write(s, ops)),
        5 => (site.clone(), site.clone()).prop_map(|(a, b)| Step::Copy(a, b)),
        2 => (site.clone(), site.clone(), 1..3usize).prop_map(|(a, b, n)| Step::Torn(a, b, n)),
        1 => site.clone().prop_map(Step::Merge),
        1 => site.clone().prop_map(Step::Pack),
        1 => site.prop_map(Step::Defrag),
    ]
}

/// Sites that started from one collection without series.
struct World {
    backends: Vec<Arc<dyn Backend>>,
    clocks: Vec<Arc<dyn Clock>>,
    segment_rows: usize,
    schema: Schema,
    model: Model,
}

impl World {
    fn new(skews: &[u64], segment_rows: usize) -> World {
        let shared = Arc::new(AtomicU64::new(1_600_000_000_000));
        let clock =
            |skew: &u64| -> Arc<dyn Clock> { Arc::new(Skewed { shared: Arc::clone(&shared), skew: *skew }) };
        let clocks: Vec<_> = skews.iter().map(clock).collect();
        let backends: Vec<Arc<dyn Backend>> =
            skews.iter().map(|_| Arc::new(MemoryBackend::new()) as Arc<dyn Backend>).collect();
        let schema = Schema::parse(["k int*", "v int"]).unwrap();
        repo_with(&backends[0], &clocks[0], Some(segment_rows)).create_collection("c", &schema).unwrap();
        (1..backends.len()).for_each(|i| copy(backends[0].as_ref(), backends[i].as_ref(), 0));
        World { backends, clocks, segment_rows, schema, model: Model::default() }
    }

    /// The collection as a new process of a site opens it.
    fn open(&self, site: usize) -> Collection {
        repo_with(&self.backends[site], &self.clocks[site], Some(self.segment_rows)).collection("c").unwrap()
    }

    fn sorted(&self, rows: &[(i64, i64)]) -> Sorted {
        let mut rows = rows.to_vec();
        rows.sort_by_key(|row| row.0);
        let lines: String = rows.iter().map(|(k, v)| format!("{k},{v}\n")).collect();
        Sorted::of(&self.schema, vec![frame(&self.schema, &format!("k,v\n{lines}"))])
    }

    fn range(&self, (first, last): (i64, i64)) -> Interval {
        let both = key::Closed::Both;
        key::interval(&self.schema, &[Value::Int(first)], &[Value::Int(last)], both).unwrap()
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Write(site, ops) => self.write(*site, ops),
            Step::Copy(from, to) => copy(self.backends[*from].as_ref(), self.backends[*to].as_ref(), 0),
            Step::Torn(from, to, n) => copy(self.backends[*from].as_ref(), self.backends[*to].as_ref(), *n),
            Step::Merge(site) => drop(self.open(*site).batch("").unwrap()),
            Step::Pack(site) => {
                self.open(*site).changelog().pack_files(true).unwrap();
            }
            Step::Defrag(site) => {
                ops::defrag(&self.open(*site), self.segment_rows).unwrap();
            }
        }
    }

    fn write(&mut self, site: usize, ops: &[Op]) {
        let collection = self.open(site);
        let mut batch = collection.batch("").unwrap();
        let mut labels: BTreeSet<String> =
            batch.base().entries().unwrap().into_iter().map(|entry| entry.label).collect();
        let mut written = BTreeSet::new();
        let mut gone: BTreeSet<SeriesId> = BTreeSet::new();
        for op in ops {
            let (Op::Overlay(l, ..)
            | Op::Upsert(l, _)
            | Op::Delete(l, _)
            | Op::Create(l)
            | Op::Drop(l)
            | Op::Rename(l, _)) = op;
            let label = LABELS[*l];
            // A series is written once in a batch: the model knows batches by what they come to.
            let fresh = matches!(op, Op::Create(_) | Op::Drop(_) | Op::Rename(..)) || written.insert(label);
            if !fresh
                || matches!(op, Op::Create(_)) == labels.contains(label)
                    && !matches!(op, Op::Overlay(..) | Op::Upsert(..))
            {
                continue;
            }
            match op {
                Op::Overlay(_, range, rows) => {
                    batch.write(label, &Mode::Overlay(self.range(*range)), self.sorted(rows)).unwrap();
                    labels.insert(label.to_owned());
                }
                Op::Upsert(_, rows) => {
                    batch.write(label, &Mode::Upsert, self.sorted(rows)).unwrap();
                    labels.insert(label.to_owned());
                }
                Op::Delete(_, range) => drop(batch.delete_rows(label, self.range(*range)).unwrap()),
                Op::Create(_) => {
                    batch.create(label).unwrap();
                    labels.insert(label.to_owned());
                }
                Op::Drop(_) => {
                    batch.drop_series(label).unwrap();
                    labels.remove(label);
                    gone.extend(LABELS.iter().flat_map(|l| (0..4).map(|n| SeriesId::new(l, n))));
                }
                Op::Rename(_, to) => {
                    if labels.contains(LABELS[*to]) || !written.insert("renamed") {
                        continue;
                    }
                    batch.rename(label, LABELS[*to]).unwrap();
                    labels.remove(label);
                    labels.insert(LABELS[*to].to_owned());
                    written.insert(LABELS[*to]);
                }
            }
        }
        if let Some(stamp) = batch.commit().unwrap() {
            self.model.learn(&collection, stamp);
        }
    }

    /// What a site must read, and reads.
    fn check(&self, site: usize) {
        let collection = self.open(site);
        let log = collection.changelog().log().unwrap();
        let known: BTreeSet<Stamp> = log.stamps().collect();
        self.model.check(&known, &read_state(&collection, At::Newest), &collection);
    }

    /// Merges on two copies of a site and compares every file.
    fn merge_twice(&self, site: usize) {
        let merged = [0, 1].map(|i| {
            let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
            copy(self.backends[site].as_ref(), backend.as_ref(), 0);
            let repo = repo_with(&backend, &self.clocks[i], Some(self.segment_rows));
            drop(repo.collection("c").unwrap().batch("").unwrap());
            crate::support::files(backend.as_ref())
        });
        assert_eq!(merged[0], merged[1]);
    }
}

fn all_copy(world: &World) {
    for _ in 0..2 {
        for (from, to) in (0..SITES).flat_map(|a| (0..SITES).map(move |b| (a, b))) {
            copy(world.backends[from].as_ref(), world.backends[to].as_ref(), 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_site_reads_what_the_greatest_stamps_set(
        steps in proptest::collection::vec(step(), 1..14),
        skews in proptest::collection::vec(0..40u64, SITES),
        segment_rows in 1..5usize,
    ) {
        let mut world = World::new(&skews, segment_rows);
        for step in &steps {
            world.run(step);
            (0..SITES).for_each(|site| world.check(site));
        }
        all_copy(&world);
        (0..SITES).for_each(|site| world.check(site));
        world.merge_twice(0);
        // Whoever merges first, and whoever comes after: one head, the same state.
        let mut states: Vec<BTreeMap<_, _>> = Vec::new();
        for site in 0..SITES {
            let collection = world.open(site);
            let unmerged = read_state(&collection, At::Newest);
            drop(collection.batch("").unwrap());
            prop_assert_eq!(&read_state(&collection, At::Newest), &unmerged);
            states.push(unmerged);
        }
        all_copy(&world);
        for site in 0..SITES {
            world.check(site);
            prop_assert_eq!(world.open(site).changelog().heads(&world.open(site).changelog().log().unwrap()).unwrap().len(), 1);
            prop_assert_eq!(&states[site], &states[0]);
        }
    }
}
