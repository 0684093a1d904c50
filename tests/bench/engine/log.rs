//! `log` of a series among 5,000 revisions, the whole command: as writers left the changelog, and as one pack.

use super::harness::{Bench, COLLECTION, repeat};
use super::input::{frame, overlay, schema};
use lakota::collection::Collection;
use lakota::ops;
use lakota::repo::Options;
use std::process::Command;

const REVISIONS: usize = 5_000;
/// Rows of each write.
const ROWS: usize = 10;
/// Series of the second collection, which take turns.
const SERIES: usize = 50;
const RUNS: usize = 15;

pub(crate) fn log(bench: &Bench) {
    for (name, series) in [("one_series", 1), ("50_series", SERIES)] {
        bench.fresh();
        let options = Options { durable: false, ..Options::default() };
        let collection = bench.open_with(options).create_collection(COLLECTION, &schema()).unwrap();
        (0..REVISIONS).for_each(|number| write(&collection, number, series));
        let expected = REVISIONS / series;
        for (files, packed) in [("as_written", false), ("packed", true)] {
            if packed {
                ops::pack(&collection).unwrap();
            }
            for (ask, words, lines) in [
                ("log", vec![], expected),
                ("log_oneline", vec!["--oneline"], expected),
                ("log_json", vec!["--format", "json"], expected),
                ("log_limit_10", vec!["--oneline", "--limit", "10"], 10),
            ] {
                let run = || command(bench, &words);
                // A paragraph begins with the revision.
                let begins = |line: &&str| !words.is_empty() || line.starts_with("revision ");
                let shown = |out: &String| out.lines().filter(begins).count();
                let samples = repeat(RUNS, run, |out| assert_eq!(shown(out), lines, "{ask}"));
                bench.emit_ms(&format!("{ask}_{name}_{files}"), &samples);
            }
        }
    }
}

fn write(collection: &Collection, number: usize, series: usize) {
    let first = (number * ROWS) as i64 * 60_000;
    let times: Vec<i64> = (0..ROWS as i64).map(|row| first + row * 60_000).collect();
    let values: Vec<f64> = times.iter().map(|time| (*time as f64).sin()).collect();
    let mut batch = collection.batch("write").unwrap();
    let label = format!("series_{}", number % series);
    batch.write_all(vec![overlay(&label, &frame(&times, &values))]).unwrap();
    batch.commit().unwrap().unwrap();
}

fn command(bench: &Bench, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lakota"));
    let place = format!("{COLLECTION}/series_0");
    let output = command.arg("-r").arg(bench.path()).args(["log", &place]).args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
