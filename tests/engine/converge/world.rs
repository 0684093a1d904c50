//! Replicas with clocks of their own, what each of them must have, and the steps they take.

use super::model::Model;
use crate::support::{files, frame, repo_with};
use lakota::backend::Backend;
use lakota::backend::faulty::FaultyBackend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::{Clock, Stamp};
use lakota::collection::{At, Batch, Collection, CollectionError};
use lakota::data::alter::Alteration;
use lakota::data::key;
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::data::value::Value;
use lakota::history::changelog::HistoryError;
use lakota::ops;
use lakota::ops::transfer::{Apart, Report, TransferError, What, transfer};
use lakota::repo::Repo;
use lakota::series::write::Mode;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) const COLLECTIONS: [&str; 2] = ["c", "d"];

pub(super) const LABELS: [&str; 3] = ["x", "y", "z"];

/// The default grace of gc, in milliseconds.
const GRACE: u64 = 600_000;

/// What one batch does, with labels by number.
#[derive(Debug, Clone)]
pub(super) enum Op {
    /// Replaces the rows from one index value to another.
    Overlay(usize, (i64, i64), Vec<i64>),
    Upsert(usize, Vec<i64>),
    Delete(usize, (i64, i64)),
    Drop(usize),
    Rename(usize, usize),
}

#[derive(Debug, Clone)]
pub(super) enum Alter {
    Add,
    Drop(usize),
    Rename(usize),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Before {
    /// The newest revision that all replicas have.
    Common,
    /// One of this replica.
    Some(usize),
    All,
}

/// Which collections travel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) only: Option<usize>,
    pub(super) shallow: bool,
    /// Calls of the backend after which the copy dies.
    pub(super) dies: Option<u64>,
}

/// What happens in a collection of a replica, or between replicas.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Write(Vec<Op>),
    /// On a revision that may have been followed by others.
    Onto(usize, Vec<Op>),
    Alter(Alter),
    /// All series as they were.
    Restore(usize),
    Undo(usize),
    Settle,
    Pack,
    Defrag,
    Squash,
    Trim(Before),
    /// Of the registry too.
    TrimRegistry,
    Gc,
    Tag(usize),
    Untag(usize),
    Copy(Way),
}

/// How often what might never happen did.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) copies: usize,
    pub(super) refused: usize,
    pub(super) killed: usize,
    pub(super) trimmed: usize,
    pub(super) altered: usize,
    pub(super) onto: usize,
    pub(super) gone: usize,
    pub(super) past: usize,
    pub(super) pinned: usize,
    pub(super) converged: usize,
    pub(super) parted: usize,
}

/// A clock that runs ahead of the others.
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

/// Revisions and tags.
type Seen = (Vec<Stamp>, Vec<(String, Stamp)>);

/// A replica.
pub(super) struct Site {
    backend: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    /// The revisions of each collection that its newest state is made of, there or trimmed.
    pub(super) known: [BTreeSet<Stamp>; 2],
    /// Revisions with a tag that were there: they stay.
    pub(super) pinned: [BTreeSet<Stamp>; 2],
    /// What was there when it was looked at last: revisions and tags.
    pub(super) seen: [Seen; 2],
}

pub(super) struct World {
    pub(super) sites: Vec<Site>,
    shared: Arc<AtomicU64>,
    segment_rows: usize,
    pub(super) models: [Model; 2],
    /// Makes values and names that nothing had before.
    pub(super) number: u64,
    pub(super) tally: Tally,
}

impl World {
    pub(super) fn new(skews: &[u64], segment_rows: usize) -> World {
        let shared = Arc::new(AtomicU64::new(1_600_000_000_000));
        let site = |skew: &u64| Site {
            backend: Arc::new(MemoryBackend::new()),
            clock: Arc::new(Skewed { shared: Arc::clone(&shared), skew: *skew }),
            known: Default::default(),
            pinned: Default::default(),
            seen: Default::default(),
        };
        let sites = skews.iter().map(site).collect();
        let mut models: [Model; 2] = Default::default();
        for model in &mut models {
            model.defaults.insert("v".to_owned(), "none".to_owned());
        }
        let mut world = World { sites, shared, segment_rows, models, number: 10, tally: Tally::default() };
        let schema = Schema::parse(["k int*", "v int"]).unwrap();
        for label in COLLECTIONS {
            world.repo(0).create_collection(label, &schema).unwrap();
        }
        world.learn(0);
        for to in 1..world.sites.len() {
            world.copy(Way { from: 0, to, only: None, shallow: false, dies: None });
        }
        world.tally = Tally::default();
        world
    }

    pub(super) fn sites(&self) -> usize {
        self.sites.len()
    }

    /// A replica as a new process opens it.
    pub(super) fn repo(&self, site: usize) -> Repo {
        repo_with(&self.sites[site].backend, &self.sites[site].clock, Some(self.segment_rows))
    }

    pub(super) fn open(&self, site: usize, c: usize) -> Collection {
        self.repo(site).collection(COLLECTIONS[c]).unwrap()
    }

    fn pass(&self, time: u64) {
        self.shared.fetch_add(time, Ordering::Relaxed);
    }

    fn new_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    fn nth(collection: &Collection, n: usize) -> Stamp {
        let stamps: Vec<Stamp> = collection.changelog().log().unwrap().stamps().collect();
        stamps[stamps.len() - 1 - n % stamps.len()]
    }

    pub(super) fn run(&mut self, site: usize, c: usize, step: &Step) {
        let collection = self.open(site, c);
        match step {
            Step::Write(ops) => self.write(collection.batch("").unwrap(), ops),
            Step::Onto(n, ops) => {
                let stamp = World::nth(&collection, *n);
                match collection.batch_on(stamp, &[], "") {
                    Ok(batch) => {
                        self.tally.onto += 1;
                        self.write(batch, ops);
                    }
                    Err(CollectionError::History(HistoryError::Gone(_))) => self.tally.gone += 1,
                    Err(e) => panic!("{e:?}"),
                }
            }
            Step::Alter(how) => self.alter(&collection, c, how),
            Step::Restore(n) => World::restore(&collection, *n),
            Step::Undo(n) => match collection.undo(World::nth(&collection, *n), "") {
                Ok(_)
                | Err(CollectionError::Touched(..) | CollectionError::NotUndoable(..))
                // What it followed was trimmed.
                | Err(CollectionError::History(HistoryError::Gone(_))) => {}
                Err(e) => panic!("{e:?}"),
            },
            Step::Settle => collection.settle().unwrap(),
            Step::Pack => drop(ops::pack(&collection).unwrap()),
            Step::Defrag => drop(ops::defrag(&collection, self.segment_rows).unwrap()),
            Step::Squash => drop(ops::squash(&collection).unwrap()),
            Step::Trim(before) => self.trim(&collection, c, *before),
            Step::TrimRegistry => drop(ops::trim(self.repo(site).registry(), u64::MAX).unwrap()),
            Step::Gc => self.gc(site),
            Step::Tag(n) => {
                collection.tag(&format!("t{}", n % 3), World::nth(&collection, *n), true).unwrap()
            }
            Step::Untag(n) => drop(collection.untag(&format!("t{}", n % 3))),
            Step::Copy(way) => return self.copy(*way),
        }
        self.learn(site);
        // Two sites that do the same at the same time make the same revision.
        for c in 0..COLLECTIONS.len() {
            let made = self.models[c].closure(self.heads(site, c));
            self.sites[site].known[c].extend(made);
        }
    }

    fn gc(&self, site: usize) {
        for _ in 0..2 {
            ops::gc(&self.repo(site), GRACE).unwrap();
            self.pass(GRACE + 1000);
        }
    }

    fn sorted(&mut self, schema: &Schema, keys: &[i64]) -> Sorted {
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        // Few values, so that some writes write what is there.
        let value = |n: u64| if n.is_multiple_of(3) { n } else { n % 4 };
        let names: Vec<&str> = schema.columns().iter().map(|column| column.name.as_str()).collect();
        let mut text = names.join(",") + "\n";
        for key in keys {
            text += &key.to_string();
            for _ in 1..names.len() {
                text += &format!(",{}", value(self.new_number()));
            }
            text.push('\n');
        }
        Sorted::of(schema, vec![frame(schema, &text)])
    }

    fn write(&mut self, mut batch: Batch<'_>, ops: &[Op]) {
        let schema = (*batch.base().schema).clone();
        let both = key::Closed::Both;
        let range = |(first, last): &(i64, i64)| {
            key::interval(&schema, &[Value::Int(*first)], &[Value::Int(*last)], both).unwrap()
        };
        // A series is written once in a batch: the model knows batches by what they come to.
        let mut written = BTreeSet::new();
        for op in ops {
            let is_there = |l: usize, batch: &Batch<'_>| batch.base().entry(LABELS[l]).unwrap().is_some();
            // What names no series, or takes a label that is taken, is refused.
            match op {
                Op::Overlay(l, between, keys) if written.insert(*l) => {
                    let rows = self.sorted(&schema, keys);
                    batch.write(LABELS[*l], &Mode::Overlay(range(between)), rows).map(drop).unwrap();
                }
                Op::Upsert(l, keys) if written.insert(*l) => {
                    let rows = self.sorted(&schema, keys);
                    batch.write(LABELS[*l], &Mode::Upsert, rows).map(drop).unwrap();
                }
                Op::Delete(l, between) if is_there(*l, &batch) && written.insert(*l) => {
                    batch.delete_rows(LABELS[*l], range(between)).ok();
                }
                Op::Drop(l) => drop(batch.drop_series(LABELS[*l])),
                Op::Rename(from, to) if written.insert(usize::MAX) => {
                    written.insert(*to);
                    drop(batch.rename(LABELS[*from], LABELS[*to]));
                }
                _ => {}
            }
        }
        batch.commit().unwrap();
    }

    fn alter(&mut self, collection: &Collection, c: usize, how: &Alter) {
        let columns = collection.schema().unwrap();
        let names: Vec<&str> = columns.columns().iter().map(|column| column.name.as_str()).collect();
        let n = self.new_number();
        let step = match how {
            Alter::Add if names.len() < 5 => {
                self.models[c].defaults.insert(format!("c{n}"), n.to_string());
                Alteration::add(&format!("c{n} int"), Some(&n.to_string())).unwrap()
            }
            Alter::Drop(at) if names.len() > 1 => {
                Alteration::Drop(names[1 + at % (names.len() - 1)].to_owned())
            }
            Alter::Rename(at) => {
                let from = names[at % names.len()];
                let to = format!("{}r{n}", from.split('r').next().unwrap());
                Alteration::Rename { from: from.to_owned(), to }
            }
            _ => return,
        };
        collection.alter(&[step], "").unwrap();
        self.tally.altered += 1;
    }

    fn restore(collection: &Collection, n: usize) {
        let stamp = World::nth(collection, n);
        let state = collection.state(At::Revision(stamp)).unwrap();
        let mut batch = collection.batch("").unwrap();
        if state.schema == batch.base().schema {
            batch.restore_all(&state, &[stamp]).unwrap();
            batch.commit().unwrap();
        }
    }

    fn trim(&mut self, collection: &Collection, c: usize, before: Before) {
        let time = match before {
            Before::All => u64::MAX,
            Before::Some(n) => World::nth(collection, n).time,
            Before::Common => {
                let mut common = self.sites[0].known[c].clone();
                self.sites.iter().for_each(|site| common.retain(|stamp| site.known[c].contains(stamp)));
                common.last().unwrap().time
            }
        };
        self.tally.trimmed += usize::from(ops::trim(collection, time).unwrap().revisions > 0);
    }

    /// Copies, and tells what must be there now.
    fn copy(&mut self, way: Way) {
        if way.from == way.to {
            return;
        }
        let collections = way.only.iter().map(|c| COLLECTIONS[*c].to_owned()).collect();
        let what = What { collections, shallow: way.shallow, ..What::default() };
        let before = [way.from, way.to].map(|site| files(self.sites[site].backend.as_ref()));
        let report = match way.dies {
            None => transfer(&self.repo(way.from), &self.repo(way.to), &what, &|_| ()).unwrap(),
            Some(calls) => {
                self.tally.killed += 1;
                self.copy_killed(way, &what, calls);
                Report::default()
            }
        };
        assert!(files(self.sites[way.from].backend.as_ref()) == before[0], "the source changed");
        self.tally.copies += 1;
        for (c, name) in COLLECTIONS.iter().enumerate() {
            let failed = report.failed.iter().find(|(label, _)| label == name);
            if let Some((_, error)) = failed {
                assert!(error.is_conflict(), "{error:?}");
                self.refused(way, c, &before[1], error);
            } else if way.dies.is_none() && way.only.is_none_or(|only| only == c) {
                let came = self.sites[way.from].known[c].clone();
                self.sites[way.to].known[c].extend(came);
            }
        }
        assert!(
            report
                .failed
                .iter()
                .all(|(label, _)| label == "the tags" || COLLECTIONS.contains(&label.as_str())),
            "{report:?}"
        );
        self.learn(way.to);
    }

    fn copy_killed(&mut self, way: Way, what: &What, calls: u64) {
        let site = &self.sites[way.to];
        let faulty = Arc::new(FaultyBackend::new(Arc::clone(&site.backend)));
        let backend: Arc<dyn Backend> = Arc::<FaultyBackend>::clone(&faulty);
        let to = repo_with(&backend, &site.clock, Some(self.segment_rows));
        faulty.fail_after(calls);
        // Whether it came to its end or not.
        transfer(&self.repo(way.from), &to, what, &|_| ()).ok();
        faulty.fail_after(0);
        drop(to);
        // All that is seen of it must be whole: so nothing that was known goes, and what came is known at the source.
        for c in 0..COLLECTIONS.len() {
            let collection = self.open(way.to, c);
            let log = collection.changelog().log().unwrap();
            let found = self.models[c].closure(collection.changelog().heads(&log).unwrap());
            let site = &self.sites[way.to];
            assert!(site.known[c].iter().all(|stamp| found.contains(stamp)), "a killed copy took revisions");
            let came: Vec<_> = found.difference(&site.known[c]).collect();
            assert!(came.iter().all(|stamp| self.sites[way.from].known[c].contains(stamp)));
            self.sites[way.to].known[c].extend(found);
        }
    }

    /// A collection was refused: nothing of it changed, and what merging it needs is nowhere any more.
    fn refused(
        &mut self,
        way: Way,
        c: usize,
        before: &BTreeMap<String, bytes::Bytes>,
        error: &TransferError,
    ) {
        self.tally.refused += 1;
        let there = self.open(way.to, c);
        let folders: Vec<String> = there.changelog().folders().iter().map(|folder| folder.key()).collect();
        let of_c = |files: &BTreeMap<String, bytes::Bytes>| -> Vec<String> {
            let keys = files.keys().filter(|key| folders.iter().any(|f| key.starts_with(f.as_str())));
            keys.cloned().collect()
        };
        assert_eq!(of_c(&files(self.sites[way.to].backend.as_ref())), of_c(before), "refused, but changed");
        let logs = [&there, &self.open(way.from, c)].map(|c| c.changelog().unhidden_log().unwrap());
        let all: BTreeSet<Stamp> =
            self.sites[way.to].known[c].union(&self.sites[way.from].known[c]).copied().collect();
        let model = &self.models[c];
        let needed = model.needed(&model.heads(&all));
        let gone: Vec<_> = needed.iter().filter(|s| logs.iter().all(|log| !log.contains(**s))).collect();
        // Or one whose changes it does not read, but behind which nobody there can tell what is an ancestor of what.
        let past = model.closure(all.iter().copied());
        let lost = |stamp: Stamp| past.contains(&stamp) && logs.iter().all(|log| !log.contains(stamp));
        let blind = matches!(error,
            TransferError::Diverged { why: Apart::Lost(stamp), .. } | TransferError::Apart { why: Apart::Lost(stamp), .. }
            if lost(*stamp));
        assert!(
            blind || !gone.is_empty(),
            "{way:?} of {c} was refused though all that its merge needs is there"
        );
    }

    /// Notes what a site has made.
    fn learn(&mut self, site: usize) {
        for c in 0..COLLECTIONS.len() {
            let collection = self.open(site, c);
            let stamps: Vec<Stamp> = collection.changelog().unhidden_log().unwrap().stamps().collect();
            for stamp in stamps {
                if !self.models[c].knows(stamp) {
                    self.models[c].learn(&collection, stamp);
                    self.sites[site].known[c].insert(stamp);
                }
            }
        }
    }

    /// Copies from everyone to everyone, in this order of pairs; gives whether nothing was refused.
    pub(super) fn copy_all(&mut self, order: &[(usize, usize)]) -> bool {
        let before = self.tally.refused;
        for (from, to) in order {
            self.copy(Way { from: *from, to: *to, only: None, shallow: false, dies: None });
        }
        self.tally.refused == before
    }

    pub(super) fn heads(&self, site: usize, c: usize) -> Vec<Stamp> {
        let collection = self.open(site, c);
        let log = collection.changelog().log().unwrap();
        collection.changelog().heads(&log).unwrap()
    }
}
