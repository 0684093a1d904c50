//! Series and collections of any name are reachable under their escaped names, and nothing else is in their place.

use crate::sandbox::{Sandbox, SetClock, frame, names, text};
use lakota::data::label::escape;
use lakota::data::schema::Schema;

const LABELS: [&str; 21] = [
    "with space",
    " leading and trailing ",
    "a/b",
    "a/b/c",
    "/",
    "100%",
    "%2F",
    "a%2Fb",
    "dots.in.it",
    "..",
    ".",
    ".hidden",
    ".schema",
    ".lakota",
    "live.csv",
    "at",
    "revisions",
    "latest",
    "été ☀ 🌍",
    "-rf",
    "quote'\"\\*?[x]",
];

/// Every label as a collection with one series, and as a series of `all`; its row tells which it is.
fn named() -> Sandbox {
    let sandbox = Sandbox::new();
    let repo = sandbox.open(&SetClock::at("2020-01-01"));
    let schema = Schema::parse(["day date*", "name str"]).unwrap();
    let row = |label: &str| frame(&schema, &format!("2020-01-01,\"{}\"\n", label.replace('"', "\"\"")));
    let all = repo.create_collection("all", &schema).unwrap();
    let mut batch = all.batch("").unwrap();
    for label in LABELS {
        batch.overlay(label, &row(label)).unwrap();
    }
    batch.commit().unwrap();
    for label in LABELS {
        let collection = repo.create_collection(label, &schema).unwrap();
        let mut batch = collection.batch("").unwrap();
        batch.overlay("inside", &row(label)).unwrap();
        batch.commit().unwrap();
    }
    sandbox
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// The name in the only row of a CSV file.
fn name_in(csv: &str) -> String {
    let field = csv.strip_prefix("day,name\n2020-01-01,").unwrap().strip_suffix('\n').unwrap();
    match field.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"').unwrap().replace("\"\"", "\""),
        None => field.to_owned(),
    }
}

#[test]
fn every_label_is_listed_and_reachable_as_escaped() {
    let sandbox = named();
    let mount = sandbox.mount();
    let escaped = || LABELS.iter().map(|label| escape(label));
    assert_eq!(names(mount.path()), sorted(escaped().chain(["all".to_owned()])));
    assert_eq!(names(&mount.at("all")), sorted(escaped().chain([".schema".to_owned()])));
    for label in LABELS {
        let name = escape(label);
        for series in [mount.at("all").join(&name), mount.path().join(&name).join("inside")] {
            assert_eq!(names(&series), ["latest", "live.csv", "live.parquet", "revisions"], "{label}");
            assert_eq!(name_in(&text(&series.join("live.csv"))), label);
            assert_eq!(name_in(&text(&series.join("latest/data.csv"))), label);
            assert_eq!(name_in(&text(&series.join("at/2020-01-01/data.csv"))), label);
        }
    }
    assert_eq!(mount.text("all/.schema"), "day date*\nname str\n");
    assert!(mount.text(".lakota/version").contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn tools_walk_through_awkward_names() {
    let sandbox = named();
    let mount = sandbox.mount();
    let script = "cp -r $M/. copy; diff -r $M copy; find $M/all -mindepth 1 -maxdepth 1 -type d | wc -l";
    assert_eq!(sandbox.shell(&mount, script).ok(), format!("{}\n", LABELS.len()));
}

#[test]
fn files_named_after_their_series_are_escaped_too() {
    let sandbox = named();
    let mount = sandbox.mount_with("names=label");
    for label in LABELS {
        let name = escape(label);
        let file = mount.at("all").join(&name).join(format!("{name}.csv"));
        assert_eq!(name_in(&text(&file)), label);
    }
}

#[test]
fn other_spellings_of_a_name_are_not_there() {
    let sandbox = named();
    let mount = sandbox.mount();
    for name in ["all/nothing", "all/a%2fb", "all/with%20space", "all/%", "all/ALL", "All", "all/.nothing"] {
        assert!(!mount.at(name).exists(), "{name}");
    }
}
