//! The golden scenarios, made with the original Lakota (tests/golden/scenarios/README.md), replayed through
//! the library: every state and every query must have the same rows. Where two branches changed the same rows, our rule
//! stands: `branches` computes it, and the replay goes on with what the original came to.

mod branches;

use crate::scenario::{self, quote, texts};
use crate::support::{CountingClock, SeriesRows, frame, keyed, lines, repo_on, series};
use branches::{Edits, State, difference};
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::collection::{At, Collection, CollectionError};
use lakota::data::key::{self, Closed};
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::data::value::Value;
use lakota::interval::{Interval, Key};
use lakota::ops;
use lakota::ops::transfer::{What, transfer};
use lakota::repo::Repo;
use lakota::series::read::Query;
use lakota::series::write::Mode;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What was replayed, so that it cannot shrink unnoticed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    scenarios: usize,
    steps: usize,
    queries: usize,
    merges: usize,
    /// Rows that both branches changed and where the original comes to another end.
    differ: usize,
}

fn replay_all(segment_rows: Option<usize>) -> Count {
    let mut count = Count::default();
    for n in 0..60 {
        let (name, scenario) = scenario::load(n);
        Replay::new(&name, &scenario, segment_rows).run(&scenario, &mut count);
        count.scenarios += 1;
    }
    count
}

const ALL: Count = Count { scenarios: 60, steps: 1330, queries: 2962, merges: 7, differ: 11 };

#[test]
fn scenarios_replay_with_default_segments() {
    assert_eq!(replay_all(None), ALL);
}

#[test]
fn scenarios_replay_with_segments_of_one_row() {
    assert_eq!(replay_all(Some(1)), ALL);
}

#[test]
fn scenarios_replay_with_segments_of_two_rows() {
    assert_eq!(replay_all(Some(2)), ALL);
}

#[test]
fn scenarios_replay_with_segments_of_three_rows() {
    assert_eq!(replay_all(Some(3)), ALL);
}

#[test]
fn scenarios_replay_with_segments_of_seven_rows() {
    assert_eq!(replay_all(Some(7)), ALL);
}

/// One scenario on its way.
struct Replay {
    name: String,
    schema: Schema,
    replicas: BTreeMap<String, Replica>,
    clock: Arc<CountingClock>,
    segment_rows: Option<usize>,
    /// The repository of the step.
    at: String,
    /// The time of the newest revision after each step.
    times: Vec<u64>,
}

/// One of its repositories.
struct Replica {
    repo: Repo,
    collection: Collection,
    edits: Edits,
}

impl Replay {
    fn new(name: &str, scenario: &Json, segment_rows: Option<usize>) -> Replay {
        let schema = Schema::parse(texts(&scenario["schema"])).unwrap();
        let clock = CountingClock::new();
        let mut replay = Replay {
            name: name.to_owned(),
            schema,
            replicas: BTreeMap::new(),
            clock,
            segment_rows,
            at: String::new(),
            times: Vec::new(),
        };
        let repo = replay.repo();
        let collection = repo.create_collection("golden", &replay.schema).unwrap();
        let replica = Replica { repo, collection, edits: Edits::default() };
        replay.replicas.insert("a".to_owned(), replica);
        replay
    }

    fn repo(&self) -> Repo {
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        repo_on(&backend, &self.clock, self.segment_rows)
    }

    fn collection(&self) -> &Collection {
        &self.replicas[&self.at].collection
    }

    fn run(mut self, scenario: &Json, count: &mut Count) {
        for step in scenario["steps"].as_array().unwrap() {
            let op = step["op"].as_str().unwrap();
            let place = format!("{} step {} {op} {}", self.name, step["i"], step["args"]);
            self.at = step["repo"].as_str().unwrap().to_owned();
            match op {
                "clone" => self.clone_from(step["args"]["from_repo"].as_str().unwrap()),
                _ => {
                    let before = self.state();
                    match op {
                        "pull_merge" => self.pull_merge(&step["args"], &step["expect"], count, &place),
                        _ => {
                            self.step(op, &step["args"], &step["expect"]);
                            let covered = self.covers(op, &step["args"]);
                            self.replicas.get_mut(&self.at).unwrap().edits.cover(covered);
                        }
                    }
                    let (time, after) = (self.newest(), self.state());
                    self.replicas.get_mut(&self.at).unwrap().edits.note(time, &before, &after);
                }
            }
            self.times.push(self.newest());
            self.check_state(&step["expect"], &place);
            for query in step["queries"].as_array().unwrap() {
                self.check_query(query, &place);
                count.queries += 1;
            }
            count.steps += 1;
        }
    }

    fn newest(&self) -> u64 {
        self.collection().changelog().log().unwrap().stamps().next_back().unwrap().time
    }

    fn state(&self) -> State {
        let labels = self.collection().list(At::Newest).unwrap().into_iter().map(|summary| summary.label);
        labels.map(|label| (label.clone(), series(self.collection(), &label, At::Newest))).collect()
    }

    fn copy(&self, from: &str, to: &Repo) {
        let report = transfer(&self.replicas[from].repo, to, &What::default(), &|_| ()).unwrap();
        assert!(report.failed.is_empty(), "{:?}", report.failed);
    }

    fn clone_from(&mut self, from: &str) {
        let repo = self.repo();
        self.copy(from, &repo);
        let collection = repo.collection("golden").unwrap();
        let source = self.replicas.get_mut(from).unwrap();
        source.edits.part();
        let replica = Replica { repo, collection, edits: source.edits.clone() };
        self.replicas.insert(self.at.clone(), replica);
    }

    /// Pulls, merges, and checks the result against our rule; then goes on with what the original made of it.
    fn pull_merge(&mut self, args: &Json, expect: &Json, count: &mut Count, place: &str) {
        let from = args["from_repo"].as_str().unwrap();
        self.copy(from, &self.replicas[&self.at].repo);
        let heads = |c: &Collection| c.changelog().heads(&c.changelog().log().unwrap()).unwrap().len();
        // A branch whose edits changed nothing has no revision.
        assert!(heads(self.collection()) <= 2, "{place}");
        self.collection().settle().unwrap();
        assert_eq!(heads(self.collection()), 1, "{place}");
        let edits = &self.replicas[&self.at].edits;
        let merged = edits.merge(&self.replicas[from].edits);
        let ours = self.state();
        assert_eq!(ours, merged.state(), "{place}: the later edit of each index value wins");
        let original = self.expected_state(expect);
        let differ = difference(&ours, &original);
        let both = |place: &(String, Key)| edits.covers(place) && self.replicas[from].edits.covers(place);
        assert!(differ.iter().all(both), "{place}: {differ:?} were written by one branch only");
        count.merges += 1;
        count.differ += differ.len();
        self.replicas.get_mut(&self.at).unwrap().edits = merged;
        let mut batch = self.collection().batch("as the original").unwrap();
        for label in differ.into_iter().map(|(label, _)| label).collect::<std::collections::BTreeSet<_>>() {
            let rows = self.frame(expect["state"][&label].as_str().unwrap(), &self.schema);
            let rows = Sorted::of(&self.schema, vec![rows]);
            batch.write(&label, &Mode::Overlay(Interval::ALL), rows).unwrap();
        }
        batch.commit().unwrap();
    }

    fn expected_state(&self, expect: &Json) -> State {
        let states = expect["state"].as_object().unwrap().iter();
        let rows = |csv: &Json| {
            let mut rows = SeriesRows::new();
            let frame = self.frame(csv.as_str().unwrap(), &self.schema);
            for (key, line) in keyed(&self.schema, &frame) {
                rows.entry(key).or_default().push(line);
            }
            rows
        };
        states.map(|(label, csv)| (label.clone(), rows(csv))).collect()
    }

    fn step(&self, op: &str, args: &Json, expect: &Json) {
        let text = |name: &str| args[name].as_str().unwrap();
        match op {
            "defrag" => {
                ops::defrag(self.collection(), args["max_chunk"].as_u64().unwrap() as usize).unwrap();
            }
            "trim" => {
                let time = args["before_step"].as_u64().map_or(u64::MAX, |step| self.times[step as usize]);
                ops::trim(self.collection(), time).unwrap();
            }
            _ => {
                let mut batch = self.collection().batch(op).unwrap();
                match op {
                    // The original lays the segments of one over those of the other. This engine refuses: the
                    // step goes on with what the original made of it.
                    "rename" if batch.base().entry(text("to")).unwrap().is_some() => {
                        batch.rename(text("from"), text("to")).unwrap_err();
                        let rows = expect["state"][text("to")].as_str().unwrap();
                        let rows = Sorted::of(&self.schema, vec![self.frame(rows, &self.schema)]);
                        batch.write(text("to"), &Mode::Overlay(Interval::ALL), rows).unwrap();
                        batch.drop_series(text("from")).unwrap();
                    }
                    "rename" => batch.rename(text("from"), text("to")).unwrap(),
                    "drop" => batch.drop_series(text("series")).unwrap(),
                    "delete_range" => {
                        let interval = self.interval(args);
                        batch.delete_rows(text("series"), interval).unwrap();
                    }
                    "write" => self.write(&mut batch, args),
                    "multi" => {
                        args["writes"].as_array().unwrap().iter().for_each(|w| self.write(&mut batch, w));
                    }
                    other => unreachable!("step {other}"),
                }
                batch.commit().unwrap();
            }
        }
    }

    fn write(&self, batch: &mut lakota::collection::Batch<'_>, args: &Json) {
        let (interval, rows) = self.overlay(args);
        let sorted = Sorted::of(&self.schema, vec![rows]);
        batch.write(args["series"].as_str().unwrap(), &Mode::Overlay(interval), sorted).unwrap();
    }

    /// The rows of a write, and what they replace.
    fn overlay(&self, args: &Json) -> (Interval, arrow_array::RecordBatch) {
        let rows = self.frame(args["csv"].as_str().unwrap(), &self.schema);
        let rows = lakota::data::frame::sort(&self.schema, &rows).unwrap();
        let keys = key::Keys::of(&self.schema, &rows);
        let given = self.interval(args);
        // A bound that is not given is the first or last index value, which it includes.
        let lo = if args["start"].is_null() { keys.key(0) } else { given.lo };
        let hi = match args["stop"].is_null() {
            true => Interval::point(&keys.key(rows.num_rows() - 1)).hi,
            false => given.hi,
        };
        (Interval { lo, hi }, rows)
    }

    /// What a step is about, whether or not it changes anything there.
    fn covers(&self, op: &str, args: &Json) -> Vec<(String, Interval)> {
        let label = |args: &Json| args["series"].as_str().unwrap().to_owned();
        match op {
            "write" => vec![(label(args), self.overlay(args).0)],
            "delete_range" => vec![(label(args), self.interval(args))],
            "multi" => {
                args["writes"].as_array().unwrap().iter().flat_map(|w| self.covers("write", w)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn interval(&self, args: &Json) -> Interval {
        let bound = |name: &str| -> Vec<Value> {
            let parse = |(column, text): (&lakota::data::schema::Column, String)| {
                Value::parse(column.ty, &text).unwrap()
            };
            let given = args.get(name).filter(|bound| !bound.is_null());
            given.map_or(Vec::new(), |b| self.schema.index_columns().zip(texts(b)).map(parse).collect())
        };
        let closed = match args.get("closed").and_then(Json::as_str) {
            Some("r") => Closed::Right,
            Some("b") => Closed::Both,
            Some("n") => Closed::None,
            _ => Closed::Left,
        };
        key::interval(&self.schema, &bound("start"), &bound("stop"), closed).unwrap()
    }

    /// Reads CSV as the original wrote it: an empty field of text is the empty text.
    fn frame(&self, text: &str, schema: &Schema) -> arrow_array::RecordBatch {
        frame(schema, &quote(text, schema))
    }

    fn check_state(&self, expect: &Json, place: &str) {
        assert!(expect["error"].is_null());
        let found = self.collection().list(At::Newest).unwrap().into_iter();
        let read = |label: String| {
            let rows = self.collection().read(&label, At::Newest, &Query::default()).unwrap();
            (label, lines(&self.schema, &rows.collect_frame().unwrap()))
        };
        let found: BTreeMap<_, _> = found.map(|summary| read(summary.label)).collect();
        let wanted: BTreeMap<_, _> = expect["state"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(label, csv)| {
                (label.clone(), lines(&self.schema, &self.frame(csv.as_str().unwrap(), &self.schema)))
            })
            .collect();
        assert_eq!(found, wanted, "{place}");
    }

    fn check_query(&self, query: &Json, place: &str) {
        let args = &query["args"];
        let number = |name: &str| args.get(name).and_then(Json::as_u64);
        let at = number("before_step").map_or(At::Newest, |step| At::Before(self.times[step as usize] + 1));
        let select: Option<Vec<usize>> = args
            .get("select")
            .filter(|s| !s.is_null())
            .map(|s| texts(s).iter().map(|name| self.schema.position(name).unwrap()).collect());
        let mut wanted = Query {
            interval: self.interval(args),
            tail: number("tail"),
            offset: number("offset").unwrap_or(0),
            limit: number("limit"),
            columns: select,
        };
        let place = format!("{place} query {args}");
        let label = args["series"].as_str().unwrap();
        let Some(pages) = query.get("pages").and_then(Json::as_array) else {
            return assert_eq!(
                self.read(label, at, &wanted),
                self.expected(&query["csv"], &wanted),
                "{place}"
            );
        };
        let page = number("page").unwrap();
        for text in pages {
            wanted.limit = Some(page);
            assert_eq!(self.read(label, at, &wanted), self.expected(text, &wanted), "{place}");
            wanted.offset += page;
        }
        assert_eq!(self.read(label, at, &wanted), Vec::<String>::new(), "{place}");
    }

    /// Lines of a query; a series that was not there (yet) has none.
    fn read(&self, label: &str, at: At, query: &Query) -> Vec<String> {
        match self.collection().read(label, at, query) {
            Err(CollectionError::NoSeries { .. }) => Vec::new(),
            rows => lines(&self.schema, &rows.unwrap().collect_frame().unwrap()),
        }
    }

    fn expected(&self, csv: &Json, query: &Query) -> Vec<String> {
        let all: Vec<usize> = (0..self.schema.columns().len()).collect();
        let columns = query.columns.as_ref().unwrap_or(&all).iter().map(|&i| &self.schema.columns()[i]);
        // Every column an index column of sorts: a selection may hold none.
        let schema =
            Schema::new(columns.map(|c| lakota::data::schema::Column { index: true, ..c.clone() }).collect());
        let schema = schema.unwrap();
        lines(&schema, &self.frame(csv.as_str().unwrap(), &schema))
    }
}
