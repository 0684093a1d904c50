//! The mount without a kernel: what its tree shows against what the engine reads.

mod delta;
mod directed;
mod kernel;
mod live;
mod memory;
mod walk;
mod write_again;
mod write_columns;
mod write_delta;
mod write_directed;
mod write_elsewhere;
mod write_faults;
mod write_foreign;
mod write_large;
mod write_model;
mod write_names;
mod write_races;
mod write_removal;
mod write_rows;
mod write_steps;
mod write_text;
mod write_times;

use crate::support::{CountingClock, copy, frame, games, lines, repo_on};
use bytes::Bytes;
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::Stamp;
use lakota::collection::{At, Collection};
use lakota::data::csv;
use lakota::data::label::escape;
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::history::entry::SeriesId;
use lakota::mount::options::MountOptions;
use lakota::mount::posix::fs::Fs;
use lakota::ops;
use lakota::series::read::Query;
use lakota::series::write::Mode;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use walk::Walk;

const COLUMNS: [&str; 4] = ["k int*", "who str*", "v float", "note str"];
const LABELS: [&str; 4] = ["a", "b/c", ".d", "é %"];
const SITES: usize = 2;

/// A place that writes: its own copy of the repository.
struct Site {
    backend: Arc<dyn Backend>,
    collection: Collection,
}

struct World {
    clock: Arc<CountingClock>,
    schema: Schema,
    sites: Vec<Site>,
    fs: Fs,
    /// Handles that stay open, with what they must read for ever.
    open: Vec<(u64, Vec<u8>)>,
}

#[derive(Debug, Clone)]
enum Step {
    /// Index values and a number that the other columns follow from.
    Write(usize, usize, Vec<(u8, u8)>),
    Replace(usize, usize, Vec<(u8, u8)>),
    Create(usize, usize),
    Drop(usize, usize),
    Rename(usize, usize, usize),
    Defrag(usize),
    /// Both sites get what the other has: several heads, or none.
    Exchange,
    Trim,
    /// Opens a live file and keeps it open.
    Hold(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (s, l) = (0..SITES, 0..LABELS.len());
    let rows = || proptest::collection::vec((0..9u8, 0..9u8), 0..8);
    prop_oneof![
        6 => (s.clone(), l.clone(), rows()).prop_map(|(s, l, r)| Step::Write(s, l, r)),
        2 => (s.clone(), l.clone(), rows()).prop_map(|(s, l, r)| Step::Replace(s, l, r)),
        1 => (s.clone(), l.clone()).prop_map(|(s, l)| Step::Create(s, l)),
        1 => (s.clone(), l.clone()).prop_map(|(s, l)| Step::Drop(s, l)),
        1 => (s.clone(), l.clone(), l.clone()).prop_map(|(s, a, b)| Step::Rename(s, a, b)),
        1 => s.prop_map(Step::Defrag),
        3 => Just(Step::Exchange),
        1 => Just(Step::Trim),
        2 => l.prop_map(Step::Hold),
    ]
}

impl World {
    fn new(segment_rows: Option<usize>) -> World {
        let schema = Schema::parse(COLUMNS).unwrap();
        let clock = CountingClock::new();
        let first: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        repo_on(&first, &clock, segment_rows).create_collection("c", &schema).unwrap();
        let sites = (0..SITES).map(|i| {
            let backend: Arc<dyn Backend> =
                if i == 0 { Arc::clone(&first) } else { Arc::new(MemoryBackend::new()) };
            copy(first.as_ref(), backend.as_ref(), 0);
            let collection = repo_on(&backend, &clock, segment_rows).collection("c").unwrap();
            Site { backend, collection }
        });
        let sites: Vec<Site> = sites.collect();
        let options = MountOptions { poll: Duration::ZERO, ..MountOptions::default() };
        let fs = Fs::new(repo_on(&first, &clock, segment_rows), options);
        World { clock, schema, sites, fs, open: Vec::new() }
    }

    fn rows(&self, rows: &[(u8, u8)]) -> Sorted {
        let mut text = "k,who,v,note\n".to_owned();
        for (k, v) in rows {
            let note = ["", "\"\"", "x", "\"a,\"\"b\"", "\"two\nlines\"", "é"][*v as usize % 6];
            let value = ["", "NaN", "-0.0", "1.5", "1e300", "7.0"][*v as usize % 6];
            text += &format!("{k},w{},{value},{note}\n", k % 3);
        }
        let sorted = lakota::data::frame::sort(&self.schema, &frame(&self.schema, &text)).unwrap();
        Sorted::of(&self.schema, vec![sorted])
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Write(site, label, rows) | Step::Replace(site, label, rows) => {
                let sorted = self.rows(rows);
                let all = Mode::Overlay(lakota::interval::Interval::ALL);
                let mode = if matches!(step, Step::Replace(..)) { all } else { Mode::Upsert };
                let mut batch = self.sites[*site].collection.batch("write").unwrap();
                batch.write(LABELS[*label], &mode, sorted).unwrap();
                batch.commit().unwrap();
            }
            Step::Create(site, label) => self.change(*site, |batch| batch.create(LABELS[*label])),
            Step::Drop(site, label) => self.change(*site, |batch| batch.drop_series(LABELS[*label])),
            Step::Rename(site, a, b) => self.change(*site, |batch| batch.rename(LABELS[*a], LABELS[*b])),
            Step::Defrag(site) => drop(ops::defrag(&self.sites[*site].collection, 1000).unwrap()),
            Step::Exchange => {
                copy(self.sites[0].backend.as_ref(), self.sites[1].backend.as_ref(), 0);
                copy(self.sites[1].backend.as_ref(), self.sites[0].backend.as_ref(), 0);
            }
            Step::Trim => {
                let revisions = self.sites[0].collection.changelog().log().unwrap();
                let middle = revisions.stamps().nth(revisions.len() / 2).unwrap();
                ops::trim(&self.sites[0].collection, middle.time).unwrap();
            }
            Step::Hold(label) => {
                let walk = Walk(&self.fs);
                let path = format!("c/{}/live.csv", escape(LABELS[*label]));
                if walk.exists(&path) {
                    self.open.push((walk.open(&path), walk.read(&path)));
                }
            }
        }
    }

    /// What may be refused, because the label is taken or is not there.
    fn change(
        &self,
        site: usize,
        act: impl FnOnce(&mut lakota::collection::Batch<'_>) -> Result<(), lakota::collection::CollectionError>,
    ) {
        let mut batch = self.sites[site].collection.batch("change").unwrap();
        if act(&mut batch).is_ok() {
            batch.commit().unwrap();
        }
    }

    /// What live.csv of a series must hold.
    fn csv(&self, label: &str, at: At) -> String {
        let rows = self.sites[0].collection.read(label, at, &Query::default()).unwrap();
        let frame = rows.collect_frame().unwrap();
        let header = csv::header(self.schema.columns().iter().map(|c| c.name.as_str()));
        String::from_utf8(header).unwrap() + &lines(&self.schema, &frame).concat()
    }

    fn check(&self) {
        let walk = Walk(&self.fs);
        let collection = &self.sites[0].collection;
        assert_eq!(walk.ls(""), ["c"]);
        assert_eq!(walk.text("c/.schema"), self.schema.to_string());
        let series = collection.list(At::Newest).unwrap();
        let mut names: Vec<String> = series.iter().map(|s| escape(&s.label)).collect();
        names.push(".schema".to_owned());
        names.sort();
        assert_eq!(sorted(walk.ls("c")), names);
        for summary in &series {
            let folder = format!("c/{}", escape(&summary.label));
            let live = walk.text(&format!("{folder}/live.csv"));
            assert_eq!(live, self.csv(&summary.label, At::Newest));
            self.check_parquet(&walk.read(&format!("{folder}/live.parquet")), &live);
            let latest = walk.link(&format!("{folder}/latest"));
            assert_eq!(walk.text(&format!("{folder}/{latest}/data.csv")), live);
            self.check_revisions(summary.id, &folder);
            self.check_deltas(summary.id, &folder);
        }
        for (handle, bytes) in &self.open {
            assert_eq!(walk.read_handle(*handle, bytes.len() + 100), *bytes, "an open file changed");
        }
    }

    fn check_parquet(&self, file: &[u8], text: &str) {
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::copy_from_slice(file)).unwrap();
        assert_eq!(reader.metadata().file_metadata().num_rows() as usize, self.rows_of(text));
        let frames: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
        let found: String = frames.iter().flat_map(|frame| lines(&self.schema, frame)).collect();
        assert_eq!(format!("k,who,v,note\n{found}"), text);
    }

    fn rows_of(&self, text: &str) -> usize {
        frame(&self.schema, text).num_rows()
    }

    /// Each folder of `revisions` holds the rows of that revision, and the revisions are those that made a difference.
    fn check_revisions(&self, id: SeriesId, folder: &str) {
        let walk = Walk(&self.fs);
        let collection = &self.sites[0].collection;
        let log = collection.changelog().log().unwrap();
        let at = |stamp: Stamp| -> Option<(String, String)> {
            let found = collection.list(At::Revision(stamp)).unwrap().into_iter().find(|s| s.id == id)?;
            Some((found.label.clone(), self.csv(&found.label, At::Revision(stamp))))
        };
        let listed = walk.ls(&format!("{folder}/revisions"));
        let mut known: BTreeMap<String, bool> = listed.iter().map(|name| (name.clone(), false)).collect();
        for stamp in log.stamps() {
            let name = stamp.to_string();
            let here = at(stamp);
            let parents = collection.changelog().read(&log, stamp).unwrap().parents.clone();
            let trimmed = parents.iter().any(|p| !log.contains(*p));
            // A merge may part series of one label: that changes no row.
            let same = |p: &Stamp| match (at(*p), &here) {
                (Some(one), Some(two)) if parents.len() > 1 => one.1 == two.1,
                (one, two) => one == *two,
            };
            let differs = trimmed || !parents.iter().any(same);
            if let Some(seen) = known.get_mut(&name) {
                *seen = true;
                let (label, text) = here.unwrap();
                assert_eq!(walk.text(&format!("{folder}/revisions/{name}/data.csv")), text);
                assert_eq!(walk.text(&format!("{folder}/at/@{}/data.csv", stamp.digest)), text);
                let commit = walk.text(&format!("{folder}/revisions/{name}/commit.json"));
                let commit: serde_json::Value = serde_json::from_str(&commit).unwrap();
                assert_eq!(
                    (commit["revision"].as_str(), commit["series"].as_str()),
                    (Some(&*name), Some(&*label))
                );
                assert!(differs || parents.len() > 1, "{name} did not change {folder}");
            } else {
                // One that only created it gives way to the next one.
                let empty = here.as_ref().is_none_or(|(_, text)| self.rows_of(text) == 0);
                let created = empty && parents.iter().all(|p| at(*p).is_none());
                assert!(!differs || created || here.is_none(), "{name} changed {folder} and is not listed");
                assert_eq!(walk.exists(&format!("{folder}/revisions/{name}")), differs && here.is_some());
            }
        }
        let strangers: Vec<_> = known.into_iter().filter(|(_, seen)| !seen).collect();
        let pending = collection.moment(&log, At::Newest).unwrap();
        let allowed = |name: &String| !pending.heads.is_empty() && *name == pending.stamp.to_string();
        assert!(strangers.iter().all(|(name, _)| allowed(name)), "{strangers:?}");
        if let Some(newest) = listed.last() {
            assert_eq!(walk.link(&format!("{folder}/latest")), format!("revisions/{newest}"));
            assert_eq!(
                walk.text(&format!("{folder}/at/~0/data.csv")),
                walk.text(&format!("{folder}/live.csv"))
            );
        }
    }

    /// A fresh mount gives the same numbers, and after everything is forgotten nothing is kept.
    fn check_numbers(&self) {
        let options = MountOptions { poll: Duration::ZERO, ..MountOptions::default() };
        let other = Fs::new(repo_on(&self.sites[0].backend, &self.clock, None), options);
        let (one, two) = (Walk(&self.fs).numbers("c", 3), Walk(&other).numbers("c", 3));
        assert_eq!(one, two);
        let mut numbers: Vec<u64> = one.values().copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        // live and the newest revision are one inode.
        assert!(one.iter().all(|(path, _)| !path.contains("revisions/") || numbers.len() <= one.len()));
        assert_eq!(other.kept().inodes, 0, "lookups that were taken back stay");
    }
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

proptest! {
    #![proptest_config(ProptestConfig { cases: games(64), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_tree_shows_what_the_engine_reads(
        segment_rows in prop_oneof![2 => (1..4usize).prop_map(Some), 1 => Just(None)],
        steps in proptest::collection::vec(step(), 1..14),
    ) {
        let mut world = World::new(segment_rows);
        for step in &steps {
            world.run(step);
            world.check();
        }
        world.check_numbers();
    }
}
