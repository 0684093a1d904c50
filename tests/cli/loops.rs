//! Everything at once on two repositories, with gc that has hardly any grace: writers, readers, upkeep, copies; and upkeep
//! and copies killed at random moments. What a writer was told is there is there.
//!
//! `LAKOTA_LOOPS=SECONDS` makes both longer.

use super::{Ran, Sandbox};
use lakota::clock;
use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn duration() -> Duration {
    Duration::from_secs(std::env::var("LAKOTA_LOOPS").map_or(7, |seconds| seconds.parse().unwrap()))
}

/// The time so long ago, as `--before` takes it.
fn ago(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    clock::iso(u64::try_from(now.as_millis()).unwrap() - 1000 * seconds).to_string()
}

/// Two repositories with one collection.
fn two() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "c", "k int*", "v int"]).ok();
    sandbox.pipe("-1,-1\n", &["write", "c/all"]).ok();
    sandbox.run(&["clone", ".lakota", "copy"]).ok();
    sandbox
}

const REPOS: [&str; 2] = [".lakota", "copy"];

/// What was acknowledged: rows by repository, series and index.
type Rows = BTreeMap<(usize, String, u64), u64>;

fn lines(ran: Ran) -> Vec<String> {
    ran.ok().lines().skip(1).map(str::to_owned).collect()
}

/// Everything that was acknowledged at a repository is read there.
fn check(sandbox: &Sandbox, rows: &Rows, repo: usize, also: bool) {
    let mut read: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for ((at, series, key), value) in rows.iter().filter(|((at, ..), _)| *at == repo || also) {
        let rows = read
            .entry(series)
            .or_insert_with(|| lines(sandbox.run(&["-r", REPOS[repo], "read", &format!("c/{series}")])));
        assert!(rows.contains(&format!("{key},{value}")), "{series} {key} of {at} is not in {}", REPOS[repo]);
    }
}

/// Both get all of the other, and are sound.
fn meet(sandbox: &Sandbox, rows: &Rows) {
    sandbox.run(&["push", "copy"]).ok();
    sandbox.run(&["-r", "copy", "push", "origin"]).ok();
    for (repo, place) in REPOS.iter().enumerate() {
        let settled = sandbox.run(&["-r", place, "merge", "c"]);
        assert_eq!(settled.code, Some(0), "{settled:?}");
        check(sandbox, rows, repo, true);
        for _ in 0..2 {
            sandbox.run(&["-r", place, "gc", "--grace", "0s"]).ok();
        }
        check(sandbox, rows, repo, true);
        sandbox.run(&["-r", place, "verify"]).ok();
    }
}

/// Writes a row to a series of its own and to one that all share.
fn write(sandbox: &Sandbox, rows: &Mutex<Rows>, repo: usize, writer: u64, n: u64) {
    for series in [format!("w{writer}"), "all".to_owned()] {
        let key = 100_000 * writer + n;
        let place = format!("c/{series}");
        let words = ["-r", REPOS[repo], "write", &place];
        sandbox.pipe(format!("{key},{n}\n"), &words).ok();
        rows.lock().unwrap().insert((repo, series, key), n);
    }
}

#[test]
fn gc_in_a_loop_beside_everything_loses_nothing() {
    let sandbox = two();
    let (rows, end) = (Mutex::new(Rows::new()), Instant::now() + duration());
    let counts: [AtomicUsize; 6] = Default::default();
    let rounds = |which: usize, round: &dyn Fn(u64)| {
        let mut n = 0;
        while Instant::now() < end {
            round(n);
            n += 1;
            counts[which].fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let (sandbox, rows, rounds) = (&sandbox, &rows, &rounds);
        for writer in 0..4 {
            scope.spawn(move || rounds(0, &|n| write(sandbox, rows, 0, writer, n)));
        }
        scope.spawn(move || rounds(1, &|n| write(sandbox, rows, 1, 9, n)));
        scope.spawn(move || {
            rounds(2, &|_| {
                let repo = ["-r", REPOS[0]];
                for words in [&["read", "c/all"][..], &["ls", "-l", "c"], &["log", "c", "--oneline"]] {
                    sandbox.run(&[&repo[..], words].concat()).ok();
                }
                // What is acknowledged is there from then on.
                let known = rows.lock().unwrap().clone();
                check(sandbox, &known, 0, false);
            });
        });
        scope.spawn(move || {
            rounds(3, &|n| {
                let before = ago(10);
                let words: &[&str] = match n % 4 {
                    0 => &["pack", "c"],
                    1 => &["defrag", "c"],
                    2 => &["trim", "c", "--before", &before],
                    _ => &["pack", "-a"],
                };
                sandbox.run(words).ok();
            });
        });
        scope.spawn(move || {
            rounds(4, &|n| {
                sandbox.run(&["-r", REPOS[(n % 2) as usize], "gc", "--grace", "5s"]).ok();
            });
        });
        scope.spawn(move || {
            rounds(5, &|n| {
                let words: &[&str] = match n % 3 {
                    0 => &["push", "copy"],
                    1 => &["-r", "copy", "push", "origin"],
                    _ => &["-r", "copy", "pull", "origin"],
                };
                sandbox.run(words).ok();
            });
        });
    });
    let counts = counts.map(AtomicUsize::into_inner);
    println!("{counts:?} rounds of writers, writer of the copy, readers, upkeep, gc, copies");
    assert!(counts.iter().all(|count| *count > 2), "{counts:?}");
    meet(&sandbox, &rows.into_inner().unwrap());
}

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Runs and kills; tells how long it took where it was faster.
fn kill(sandbox: &Sandbox, words: &[&str], after: Duration) -> Option<Duration> {
    let start = Instant::now();
    let mut child = sandbox.command().args(words).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while start.elapsed() < after && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_micros(200));
    }
    let took = start.elapsed();
    child.kill().unwrap();
    let code = child.wait().unwrap().code();
    assert!(matches!(code, None | Some(0)), "{words:?}: {code:?}");
    code.map(|_| took)
}

#[test]
fn upkeep_and_copies_that_are_killed_over_and_over_lose_nothing() {
    let sandbox = two();
    let (rows, mut dice, end) = (Mutex::new(Rows::new()), Dice(7), Instant::now() + duration());
    let mut times: BTreeMap<&str, Duration> = BTreeMap::new();
    let (mut killed, mut done, mut n) = (0, 0, 0);
    while Instant::now() < end {
        n += 1;
        write(&sandbox, &rows, (n % 2) as usize, n % 2, n);
        for _ in 0..4 {
            let repo = REPOS[dice.roll(2) as usize];
            let before = ago(dice.roll(6));
            let remote = if repo == "copy" { "origin" } else { "copy" };
            let words: &[&str] = match dice.roll(8) {
                0 => &["push", remote],
                1 => &["pull", remote],
                2 => &["merge", "c"],
                3 => &["pack", "c"],
                4 => &["trim", "c", "--before", &before],
                5 => &["squash", "c"],
                6 => &["defrag", "c"],
                _ => &["gc", "--grace", "0s"],
            };
            let verb = ["push", "pull", "merge", "pack", "trim", "squash", "defrag", "gc"];
            let verb = verb[verb.iter().position(|verb| *verb == words[0]).unwrap()];
            // Trims part the two for good where neither has what the other builds on: so each gets all before.
            if matches!(verb, "trim" | "squash" | "gc") {
                sandbox.run(&["push", "copy"]).ok();
                sandbox.run(&["pull", "copy"]).ok();
            }
            let time = times.entry(verb).or_insert(Duration::from_millis(60));
            let took =
                kill(&sandbox, &[&["-r", repo], words].concat(), time.mul_f64(dice.roll(130) as f64 / 100.0));
            *time = took.unwrap_or(time.mul_f64(1.05));
            killed += usize::from(took.is_none());
            done += usize::from(took.is_some());
        }
        for (repo, place) in REPOS.iter().enumerate() {
            check(&sandbox, &rows.lock().unwrap(), repo, false);
            sandbox.run(&["-r", place, "verify"]).ok();
        }
    }
    println!("{killed} killed, {done} done");
    assert!(killed > 3 && done > 0, "{killed} killed, {done} done");
    meet(&sandbox, &rows.into_inner().unwrap());
}
