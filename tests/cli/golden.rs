//! A sample of the golden scenarios (tests/golden/scenarios/README.md), replayed through the program: what the
//! command line can say of them, it must do as the original did.

use super::{Ran, Sandbox};
use crate::scenario::{self, quote, texts};
use lakota::data::csv::{self, CsvReader};
use lakota::data::label::unescape;
use lakota::data::schema::Schema;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What was replayed, so that it cannot shrink unnoticed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    scenarios: usize,
    steps: usize,
    queries: usize,
}

#[test]
fn sample_of_the_scenarios_replays_through_the_program() {
    let one = |n| {
        let (name, scenario) = scenario::load(n);
        let mut count = Count { scenarios: 1, ..Count::default() };
        Replay::new(&name, &scenario).run(&scenario, &mut count);
        count
    };
    // Processes start slowly enough to use all cores.
    let counts: Vec<Count> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..60).step_by(6).map(|n| scope.spawn(move || one(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let sum = |part: fn(&Count) -> usize| counts.iter().map(part).sum();
    let count =
        Count { scenarios: sum(|c| c.scenarios), steps: sum(|c| c.steps), queries: sum(|c| c.queries) };
    assert_eq!(count, Count { scenarios: 10, steps: 182, queries: 430 });
}

/// One scenario on its way.
struct Replay {
    name: String,
    schema: Schema,
    sandbox: Sandbox,
    /// The id and the time of the newest revision after each step.
    revisions: Vec<(String, String)>,
}

impl Replay {
    fn new(name: &str, scenario: &Json) -> Replay {
        let columns = texts(&scenario["schema"]);
        let sandbox = Sandbox::new();
        let words: Vec<&str> =
            ["create", "c"].into_iter().chain(columns.iter().map(String::as_str)).collect();
        sandbox.run(&words).ok();
        Replay {
            name: name.to_owned(),
            schema: Schema::parse(columns).unwrap(),
            sandbox,
            revisions: Vec::new(),
        }
    }

    /// Runs the steps up to the first that needs a second repository.
    fn run(mut self, scenario: &Json, count: &mut Count) {
        for step in scenario["steps"].as_array().unwrap() {
            let op = step["op"].as_str().unwrap();
            if matches!(op, "clone" | "pull_merge") {
                return;
            }
            let place = format!("{} step {} {op} {}", self.name, step["i"], step["args"]);
            self.step(op, &step["args"], &step["expect"]);
            let log = self.sandbox.run(&["log", "c", "--limit", "1", "--format", "json"]).ok();
            let newest: Json = serde_json::from_str(&log).unwrap();
            let text = |name: &str| newest[name].as_str().unwrap().to_owned();
            self.revisions.push((text("id"), text("time")));
            self.check_state(&step["expect"], &place);
            for query in step["queries"].as_array().unwrap() {
                self.check_query(query, &place);
                count.queries += 1;
            }
            count.steps += 1;
        }
    }

    fn step(&self, op: &str, args: &Json, expect: &Json) {
        let sandbox = &self.sandbox;
        let at = |name: &str| series(args[name].as_str().unwrap());
        match op {
            // Here segments have one size; the rows must read the same.
            "defrag" => drop(sandbox.run(&["defrag", "c"]).ok()),
            "trim" => {
                let step = args["before_step"].as_u64();
                let time = step.map_or("2100-01-01", |step| &self.revisions[step as usize].1);
                sandbox.run(&["trim", "c", "--before", time]).ok();
            }
            // The original lays the segments of one over those of the other. Here it is refused: the step goes
            // on with what the original made of it.
            "rename" if args["onto_existing"].as_bool() == Some(true) => {
                sandbox.run(&["rename", &at("from"), &at("to")]).fails(1);
                let rows = self.input(&expect["state"][args["to"].as_str().unwrap()]);
                sandbox.pipe(rows, &["write", &at("to"), "--replace"]).ok();
                sandbox.run(&["delete", &at("from")]).ok();
            }
            "rename" => drop(sandbox.run(&["rename", &at("from"), &at("to")]).ok()),
            "drop" => drop(sandbox.run(&["delete", &at("series")]).ok()),
            "delete_range" => drop(self.ranged(&["delete", &at("series")], args, "").ok()),
            "write" => self.write(args),
            // A revision for each, as files have no ranges; what they come to is the same.
            "multi" => args["writes"].as_array().unwrap().iter().for_each(|write| self.write(write)),
            other => unreachable!("step {other}"),
        }
    }

    fn write(&self, args: &Json) {
        let place = series(args["series"].as_str().unwrap());
        self.ranged(&["write", &place], args, &self.input(&args["csv"])).ok();
    }

    /// Runs a command with the bounds of `args`.
    fn ranged(&self, words: &[&str], args: &Json, input: &str) -> Ran {
        let mut words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        for name in ["start", "stop"] {
            let bound = args.get(name).filter(|bound| !bound.is_null());
            for value in bound.map(texts).unwrap_or_default() {
                words.extend([format!("--{name}"), value]);
            }
        }
        if words.iter().any(|word| word.starts_with("--st")) {
            words.extend(["--closed".to_owned(), args["closed"].as_str().unwrap_or("left").to_owned()]);
        }
        if !args["start"].is_array() && !args["stop"].is_array() && words[0] == "delete" {
            words.extend(["--closed".to_owned(), "both".to_owned()]);
        }
        self.sandbox.pipe(input, &words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// CSV as the original wrote it, as input: there, an empty field of text is the empty text.
    fn input(&self, csv: &Json) -> String {
        quote(csv.as_str().unwrap(), &self.schema)
    }

    /// The same CSV as the program puts it.
    fn output(&self, csv: &Json, columns: Option<&[String]>) -> String {
        let all = self.schema.columns();
        let position = |name: &String| self.schema.position(name).unwrap();
        let picked: Vec<usize> =
            columns.map_or((0..all.len()).collect(), |names| names.iter().map(position).collect());
        // Every column an index column of sorts: a selection may hold none.
        let column = |&i: &usize| lakota::data::schema::Column { index: true, ..all[i].clone() };
        let schema = Schema::new(picked.iter().map(column).collect()).unwrap();
        let text = quote(csv.as_str().unwrap(), &schema);
        let mut out =
            schema.columns().iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(",").into_bytes();
        out.push(b'\n');
        for frame in CsvReader::new(Arc::new(schema.clone()), text.as_bytes(), 1000) {
            let frame = frame.unwrap();
            let columns: Vec<_> =
                schema.columns().iter().map(|c| c.ty).zip(frame.columns().iter().cloned()).collect();
            csv::render(&columns, 0..frame.num_rows(), &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    fn check_state(&self, expect: &Json, place: &str) {
        assert!(expect["error"].is_null());
        let folder = format!("step{}", self.revisions.len());
        self.sandbox.run(&["export", &folder, "-c", "c"]).ok();
        let files =
            std::fs::read_dir(self.sandbox.path(&folder).join("c")).unwrap().map(|file| file.unwrap().path());
        let found: BTreeMap<_, _> = files
            .filter(|path| path.extension().unwrap() == "csv")
            .map(|path| {
                let label = unescape(path.file_stem().unwrap().to_str().unwrap()).unwrap();
                (label, std::fs::read_to_string(path).unwrap())
            })
            .collect();
        let wanted: BTreeMap<_, _> = expect["state"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(label, csv)| (label.clone(), self.output(csv, None)))
            .collect();
        assert_eq!(found, wanted, "{place}");
    }

    fn check_query(&self, query: &Json, place: &str) {
        let args = &query["args"];
        let columns = args.get("select").filter(|select| !select.is_null()).map(texts);
        let place = format!("{place} query {args}");
        let mut words = vec!["read".to_owned(), series(args["series"].as_str().unwrap())];
        words.extend(columns.clone().unwrap_or_default());
        for name in ["limit", "offset", "tail"] {
            let number = args.get(name).and_then(Json::as_u64);
            words.extend(number.map(|n| [format!("--{name}"), n.to_string()]).into_iter().flatten());
        }
        if let Some(step) = args.get("before_step").and_then(Json::as_u64) {
            words.extend(["--revision".to_owned(), self.revisions[step as usize].0.clone()]);
        }
        let names: Vec<&str> = self.schema.columns().iter().map(|c| c.name.as_str()).collect();
        let header = columns.as_ref().map_or(names.join(","), |columns| columns.join(",")) + "\n";
        let read = |more: &[String]| {
            let words: Vec<&str> = words.iter().chain(more).map(String::as_str).collect();
            let ran = self.ranged(&words, args, "");
            // A series that was not there (yet) has no rows.
            let absent = ran.code == Some(1) && ran.err.contains("there is no series");
            if absent { self.output(&Json::from(header.as_str()), columns.as_deref()) } else { ran.ok() }
        };
        let Some(pages) = query.get("pages").and_then(Json::as_array) else {
            return assert_eq!(read(&[]), self.output(&query["csv"], columns.as_deref()), "{place}");
        };
        let size = args["page"].as_u64().unwrap();
        let page =
            |i: u64| read(&["--limit".into(), size.to_string(), "--offset".into(), (i * size).to_string()]);
        for (i, text) in (0..).zip(pages) {
            assert_eq!(page(i), self.output(text, columns.as_deref()), "{place}");
        }
        assert_eq!(page(pages.len() as u64).lines().count(), 1, "{place}");
    }
}

fn series(label: &str) -> String {
    format!("c/{label}")
}
