//! `watch`: every revision once, whoever makes it, until it is told to end.

use super::{Sandbox, feed};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

/// A watch that has begun.
struct Watching {
    child: Child,
    err: BufReader<ChildStderr>,
}

impl Watching {
    fn start(sandbox: &Sandbox, words: &[&str]) -> Watching {
        let mut command = sandbox.command();
        let command = command.arg("watch").args(words).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        err.read_line(&mut line).unwrap();
        assert!(line.starts_with("watching "), "{line}");
        Watching { child, err }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Waits for its end; gives its code, what it printed and what it said.
    fn end(mut self) -> (Option<i32>, String, String) {
        let mut out = String::new();
        if let Some(stdout) = &mut self.child.stdout {
            stdout.read_to_string(&mut out).unwrap();
        }
        let mut err = String::new();
        self.err.read_to_string(&mut err).unwrap();
        let start = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < Duration::from_secs(60), "it does not end: {out}");
            std::thread::sleep(Duration::from_millis(5));
        }
        (self.child.wait().unwrap().code(), out, err)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // One that a failed test left.
        self.child.kill().ok();
    }
}

fn ids(out: &str) -> Vec<String> {
    out.lines().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn every_one_of_200_revisions_of_four_processes_is_told_once_and_again_since_any() {
    let sandbox = Sandbox::with_rows();
    let watch = Watching::start(&sandbox, &["temp"]);
    let packing = Watching::start(&sandbox, &["temp", "--poll", "60s", "--count", "200"]);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let sandbox = &sandbox;
            scope.spawn(move || {
                for i in 0..50 {
                    let place = format!("temp/s{writer}");
                    sandbox.pipe(format!("2020-06-{:02},{i}\n", i % 28 + 1), &["write", &place]).ok();
                    if writer == 0 && i % 20 == 19 {
                        sandbox.run(&["pack", "temp"]).ok();
                    }
                }
            });
        }
    });
    let log = sandbox.run(&["log", "temp", "--oneline"]).ok();
    let made: BTreeSet<String> = log.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    let (code, out, _) = packing.end();
    assert_eq!((code, out.lines().count()), (Some(0), 200), "heard without listing");
    std::thread::sleep(Duration::from_millis(500));
    watch.signal("-TERM");
    let (code, out, _) = watch.end();
    assert_eq!(code, Some(0));
    let told = ids(&out);
    let set: BTreeSet<String> = told.iter().cloned().collect();
    assert_eq!(set.len(), told.len(), "one came twice");
    let earlier: BTreeSet<String> = made.difference(&set).cloned().collect();
    assert_eq!((earlier.len(), set.difference(&made).count()), (2, 0), "all but those before the watch");
    assert!(log.lines().filter(|line| line.contains("\"write s")).count() == 200, "{log}");

    // Who saw up to any of them misses nothing from there on.
    for seen in [&told[0], &told[told.len() / 2], &told[told.len() - 1]] {
        let again = Watching::start(&sandbox, &["temp", "--since", seen]);
        std::thread::sleep(Duration::from_millis(300));
        again.signal("-INT");
        let (code, out, _) = again.end();
        assert_eq!(code, Some(0));
        let after: BTreeSet<String> = ids(&out).into_iter().collect();
        assert!(!after.contains(seen));
        let later = made.iter().filter(|id| *id > seen);
        assert!(later.into_iter().all(|id| after.contains(id)), "since {seen}");
    }
}

#[test]
fn a_line_comes_within_a_second_and_names_the_collection() {
    let sandbox = Sandbox::with_rows();
    let mut watch = Watching::start(&sandbox, &["--poll", "60s"]);
    let mut out = BufReader::new(watch.child.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line
    };
    let started = Instant::now();
    sandbox.pipe("2020-07-01,1\n", &["write", "temp/bxl", "-m", "one"]).ok();
    assert!(next().ends_with("\"one\" bxl: 6 -> 7 rows, 1 index value changed\n"));
    sandbox.run(&["create", "later", "k int*", "v int"]).ok();
    assert!(next().starts_with("later "));
    assert!(next().starts_with("(registry) "));
    sandbox.pipe("1,1\n", &["write", "later/x"]).ok();
    assert!(next().starts_with("later "));
    // Far less than a poll; the commands themselves take most of it.
    assert!(started.elapsed() < Duration::from_secs(10));
    watch.signal("-INT");
    assert_eq!(watch.end().0, Some(0));
}

#[test]
fn a_watch_of_a_series_hears_of_it_alone_and_counts() {
    let sandbox = Sandbox::with_rows();
    let watch = Watching::start(&sandbox, &["temp/bxl", "--count", "2", "--json"]);
    sandbox.pipe("2020-07-01,1\n", &["write", "temp/ath"]).ok();
    sandbox.pipe("2020-07-01,1\n", &["write", "temp/bxl"]).ok();
    sandbox.run(&["rename", "temp/bxl", "temp/brussels"]).ok();
    let (code, out, _) = watch.end();
    assert_eq!(code, Some(0));
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{out}");
    assert_eq!((&lines[0]["collection"], &lines[0]["changes"][0]["series"]), (&"temp".into(), &"bxl".into()));
    assert_eq!(lines[1]["changes"][0]["renamed_from"], "bxl");
}

#[test]
fn a_command_gets_each_revision_and_its_failure_is_told() {
    let sandbox = Sandbox::with_rows();
    let script = "echo \"$LAKOTA_COLLECTION $LAKOTA_SERIES $LAKOTA_MESSAGE\"; test -d \"$LAKOTA_REPO\" && grep -c \"$LAKOTA_REVISION\"; exit 7";
    let watch = Watching::start(&sandbox, &["temp", "--count", "2", "--exec", script]);
    sandbox.pipe("2020-07-01,1\n", &["write", "temp/bxl", "-m", "it's \"one\""]).ok();
    sandbox.pipe("2020-07-02,1\n", &["write", "temp/bxl", "-m", "two"]).ok();
    let (code, out, err) = watch.end();
    assert_eq!((code, out.as_str()), (Some(0), "temp bxl it's \"one\"\n1\ntemp bxl two\n1\n"));
    assert_eq!(err.matches("exit status: 7").count(), 2, "{err}");

    let strict = Watching::start(&sandbox, &["temp", "--since", "~1", "--strict", "--exec", "exit 7"]);
    assert_eq!(strict.end().0, Some(7));
    // One that does not read its input is none that failed.
    let deaf = Watching::start(
        &sandbox,
        &["temp", "--since", "2020", "--count", "3", "--strict", "--exec", "exec <&-"],
    );
    assert_eq!(deaf.end().0, Some(0));
}

#[test]
fn a_reader_that_goes_away_ends_a_watch_quietly_though_nothing_happens() {
    let sandbox = Sandbox::with_rows();
    let mut watch = Watching::start(&sandbox, &["temp"]);
    drop(watch.child.stdout.take());
    let (code, _, err) = watch.end();
    assert_eq!((code, err.as_str()), (Some(0), ""));
}

#[test]
fn watching_burns_no_time() {
    let sandbox = Sandbox::with_rows();
    let watch = Watching::start(&sandbox, &["temp"]);
    let spent = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", watch.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    std::thread::sleep(Duration::from_millis(500));
    let before = spent();
    std::thread::sleep(Duration::from_secs(3));
    // In hundredths of a second.
    assert!(spent() - before < 10, "{} of 300", spent() - before);
    watch.signal("-TERM");
    assert_eq!(watch.end().0, Some(0));
}

#[test]
fn since_a_revision_needs_its_collection_but_a_tag_is_in_each() {
    let sandbox = Sandbox::with_rows();
    let mut command = sandbox.command();
    let error = feed(command.args(["watch", "--since", "554d6f"]), b"").fails(2);
    assert!(error.contains("a revision is of one collection"), "{error}");
    let error = sandbox.run(&["watch", "temp", "--since", "nothing"]).fails(1);
    assert!(error.contains("no tag \"nothing\" in temp"), "{error}");
    sandbox.run(&["tag", "v1"]).ok();
    sandbox.run(&["create", "other", "k int*", "v int"]).ok();
    let watch = Watching::start(&sandbox, &["--since", "v1", "--count", "2"]);
    let (code, out, _) = watch.end();
    assert_eq!(code, Some(0));
    let labels: Vec<&str> = out.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(labels, ["other", "(registry)"], "{out}");
}

#[test]
fn a_second_signal_does_not_wait_for_a_command_that_hangs() {
    let sandbox = Sandbox::with_rows();
    let mut watch =
        Watching::start(&sandbox, &["temp", "--since", "~1", "--exec", "echo > began; exec sleep 30"]);
    let start = Instant::now();
    while !sandbox.path("began").exists() {
        assert!(start.elapsed() < Duration::from_secs(30), "the command does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    watch.signal("-TERM");
    std::thread::sleep(Duration::from_millis(300));
    watch.signal("-TERM");
    let code = loop {
        match watch.child.try_wait().unwrap() {
            Some(status) => break status.code(),
            None => std::thread::sleep(Duration::from_millis(5)),
        }
        assert!(start.elapsed() < Duration::from_secs(25), "it waits for the command");
    };
    assert_eq!(code, Some(128 + 15));
}
