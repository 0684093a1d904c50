//! Looking back, going back, and copying: whole commands on W2 with ten rows changed, on 10,000 series, on 2,000 revisions.

use super::harness::{Bench, COLLECTION, SERIES, bytes_below, repeat, timed};
use super::input::{STEP, append, floats, frame, interval, longs, overlay, schema, small_frame};
use lakota::clock::Stamp;
use lakota::collection::Collection;
use lakota::data::sort::Sorted;
use lakota::repo::Options;
use lakota::series::write::Mode;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const CHANGED: usize = 10;
const RUNS: usize = 9;
const FEW: usize = 3;
const SMALL_WRITES: usize = 1_000;
const MANY_SERIES: usize = 10_000;
const REVISIONS: i64 = 2_000;
/// Rows of each of them.
const ROWS: usize = 500;

/// Runs a program; gives its milliseconds and what it printed.
fn run(program: &str, words: &[&str]) -> (f64, String) {
    let (ms, output) = timed(|| Command::new(program).args(words).output().unwrap());
    assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    (ms, String::from_utf8(output.stdout).unwrap())
}

fn lakota(repo: &Path, words: &[&str]) -> (f64, String) {
    let words: Vec<&str> = ["-q", "-r", repo.to_str().unwrap()].iter().chain(words).copied().collect();
    run(env!("CARGO_BIN_EXE_lakota"), &words)
}

fn place() -> String {
    format!("{COLLECTION}/{SERIES}")
}

fn commit(collection: &Collection, writes: Vec<(String, Mode, Sorted)>) -> Stamp {
    let mut batch = collection.batch("write").unwrap();
    batch.write_all(writes).unwrap();
    batch.commit().unwrap().unwrap()
}

impl Bench {
    /// Times a command that changes nothing.
    fn ask(&self, op: &str, count: usize, words: &[&str], check: impl Fn(&str)) {
        let once = |_| {
            let (ms, out) = lakota(self.path(), words);
            check(&out);
            ms
        };
        self.emit_ms(op, &(0..count).map(once).collect::<Vec<_>>());
    }

    /// A place beside the repository, where nothing is.
    fn beside(&self, name: &str) -> PathBuf {
        let path = self.path().with_extension(name);
        fs::remove_dir_all(&path).ok();
        path
    }

    /// Copies the repository, and its bytes by programs that copy anything.
    fn copies(&self, what: &str) {
        let (copy, git) = (self.beside("copy"), self.beside("git"));
        let (from, to) = (self.path().to_str().unwrap(), copy.to_str().unwrap());
        let bytes = bytes_below(self.path());
        self.emit_bytes(&format!("bytes_{what}"), &[bytes]);
        // Git has objects of its own: the same bytes, committed.
        let made = git.to_str().unwrap();
        run("cp", &["-a", from, made]);
        let git_in = |words: &[&str]| {
            let who = ["-C", made, "-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.autocrlf=false"];
            run("git", &who.iter().chain(words).copied().collect::<Vec<_>>());
        };
        git_in(&["init", "-q"]);
        git_in(&["add", "-A"]);
        git_in(&["commit", "-q", "-m", "all"]);
        let rsync = format!("{from}/");
        let clone = ["-q", "clone", from, to];
        let programs: [(&str, &str, Vec<&str>); 3] = [
            ("lakota", env!("CARGO_BIN_EXE_lakota"), clone.to_vec()),
            ("rsync", "rsync", vec!["-a", "--fsync", &rsync, to]),
            ("git", "git", vec!["-c", "core.fsync=all", "clone", "-q", "--no-local", made, to]),
        ];
        for round in 0..FEW {
            for (peer, program, words) in programs.iter().cycle().skip(round).take(programs.len()) {
                fs::remove_dir_all(&copy).ok();
                run("sync", &[]);
                self.emit_peer(peer, &format!("clone_{what}"), &[run(program, words).0]);
            }
        }
        fs::remove_dir_all(&copy).unwrap();
        fs::remove_dir_all(&git).unwrap();
    }
}

pub(crate) fn history(bench: &Bench) {
    w2(bench);
    many_series(bench);
    many_revisions(bench);
}

fn w2(bench: &Bench) {
    bench.fresh();
    let (times, values) = (longs("w2.ts.i64"), floats("w2.f64"));
    let collection = bench.open().create_collection(COLLECTION, &schema()).unwrap();
    let first = commit(&collection, vec![overlay(SERIES, &frame(&times, &values))]).to_string();
    let some: Vec<usize> = (0..CHANGED).map(|i| (2 * i + 1) * times.len() / (2 * CHANGED)).collect();
    let rows = |value: f64| frame(&some.iter().map(|&i| times[i]).collect::<Vec<_>>(), &[value; CHANGED]);
    let upsert = |collection: &Collection, value| {
        let rows = Sorted::of(&schema(), vec![rows(value)]);
        commit(collection, vec![(SERIES.to_owned(), Mode::Upsert, rows)]).to_string()
    };
    let changed = upsert(&collection, 777.77);
    let mut batch = collection.batch("gone").unwrap();
    for &i in &some {
        let gone = interval(times[i], times[i] + 1);
        batch.write(SERIES, &Mode::Overlay(gone), Sorted::of(&schema(), Vec::new())).unwrap();
    }
    let gone = batch.commit().unwrap().unwrap().to_string();
    let place = place();
    // Not the two lines that name the sides.
    let row =
        |line: &str, sign| line.strip_prefix(sign).is_some_and(|rest| rest.starts_with(char::is_numeric));
    let lines = |out: &str, sign: char| out.lines().filter(|line| row(line, sign)).count();
    let ten = |out: &str| assert_eq!((lines(out, '-'), lines(out, '+')), (CHANGED, CHANGED));
    bench.ask("diff_ten_changed", RUNS, &["diff", &first, &changed, &place], ten);
    bench.ask("diff_ten_gone", RUNS, &["diff", &changed, &gone, &place], |out| {
        assert_eq!(lines(out, '-'), CHANGED)
    });
    bench.ask("verify_w2", FEW, &["verify"], |_| ());
    bench.copies("w2");

    let going = |to: &&String| lakota(bench.path(), &["restore", &place, "--to", to]).0;
    bench.emit_ms("restore_w2", &[&first, &changed, &gone, &changed].iter().map(going).collect::<Vec<_>>());
    let undo = |i: usize| {
        let done = upsert(&bench.collection(), i as f64);
        lakota(bench.path(), &["undo", &done, "-c", COLLECTION]).0
    };
    bench.emit_ms("undo_ten", &(0..RUNS).map(undo).collect::<Vec<_>>());
    let tag = |i: usize| lakota(bench.path(), &["tag", &format!("t{i}"), COLLECTION, &first]).0;
    bench.emit_ms("tag", &(0..RUNS).map(tag).collect::<Vec<_>>());

    let collection = bench.open_with(Options { durable: false, ..Options::default() });
    let collection = collection.collection(COLLECTION).unwrap();
    for i in 0..SMALL_WRITES {
        let at = (i * 5_003) % (times.len() - CHANGED);
        commit(&collection, vec![overlay(SERIES, &frame(&times[at..at + CHANGED], &[i as f64; CHANGED]))]);
    }
    let day = ["blame", &place, "--start", "1995-01-01", "--stop", "1995-01-02"];
    bench.ask("blame_day", RUNS, &day, |out| assert!(out.lines().count() > 280));
    bench.ask("blame_w2", FEW, &["blame", &place], |out| {
        assert!(out.lines().count() > times.len() - 2 * CHANGED)
    });
    bench.ask("alter_add_w2", 1, &["alter", COLLECTION, "add", "unit str", "--default", "C"], |_| ());
}

fn many_series(bench: &Bench) {
    bench.fresh();
    let collection = bench.open().create_collection(COLLECTION, &schema()).unwrap();
    let label = |i: usize| format!("series_{i:05}");
    let first =
        commit(&collection, (0..MANY_SERIES).map(|i| overlay(&label(i), &small_frame(0, 0))).collect());
    let rows = small_frame(STEP * 1000, 0);
    let second = commit(&collection, (0..CHANGED).map(|i| append(&label(i * 997), &rows)).collect());
    let words = ["diff", "--stat", &first.to_string(), &second.to_string(), COLLECTION];
    bench.ask("stat_ten_of_10000", RUNS, &words, |out| assert!(out.lines().count() >= CHANGED));
    bench.ask("alter_add_10000", 1, &["alter", COLLECTION, "add", "unit str", "--default", "C"], |_| ());
}

fn many_revisions(bench: &Bench) {
    bench.fresh();
    let repo = bench.open_with(Options { durable: false, ..Options::default() });
    let collection = repo.create_collection(COLLECTION, &schema()).unwrap();
    let rows = |revision: i64, count: usize| {
        let times: Vec<i64> = (0..count as i64).map(|i| STEP * (revision * ROWS as i64 + i)).collect();
        let values: Vec<f64> = times.iter().map(|time| (*time as f64).sin()).collect();
        append(SERIES, &frame(&times, &values))
    };
    for revision in 0..REVISIONS {
        commit(&collection, vec![rows(revision, ROWS)]);
    }
    bench.copies("2000");
    let copy = bench.beside("copy");
    lakota(bench.path(), &["clone", bench.path().to_str().unwrap(), copy.to_str().unwrap()]);
    let mine = lakota::repo::Repo::open(&copy, Options::default()).unwrap().collection(COLLECTION).unwrap();
    let push = |i: usize| {
        commit(&mine, vec![rows(REVISIONS + i as i64, CHANGED)]);
        lakota(&copy, &["push"]).0
    };
    bench.emit_ms("push_one", &(0..RUNS).map(push).collect::<Vec<_>>());
    assert_eq!(bench.collection().newest().unwrap(), mine.newest().unwrap());
    bench.emit_ms("push_nothing", &repeat(RUNS, || lakota(&copy, &["push"]), |_| ()));
    bench.emit_ms("pull_nothing", &repeat(RUNS, || lakota(&copy, &["pull"]), |_| ()));
    fs::remove_dir_all(&copy).unwrap();
}
