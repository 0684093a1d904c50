//! Real `lakota write` processes, killed at random moments.
//!
//! A write counts as acknowledged when its process ended well or said what it wrote. After each kill, reads give
//! what was acknowledged or, of the write that was killed, all of it.

use super::Sandbox;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

const KILLS: usize = 60;

/// The series of the collection and the rows of each.
type State = BTreeMap<String, String>;

/// One write: its arguments and what it makes of the series it touches.
struct Write {
    words: Vec<String>,
    makes: State,
}

/// Numbers that are the same in each run (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Rows of the keys `from..to` that differ from those of any other round.
fn rows(from: u64, to: u64, round: u64) -> String {
    let mut rows = String::new();
    (from..to).for_each(|k| writeln!(rows, "{k},{}", (k + 1) * (round + 7) % 1_000_003).unwrap());
    rows
}

/// The write of a round: a small append, a large series made anew, or several files at once.
fn plan(sandbox: &Sandbox, state: &State, round: u64) -> Write {
    let words = |tail: &[&str]| -> Vec<String> {
        [&["write"], tail].concat().into_iter().map(str::to_owned).collect()
    };
    match round % 3 {
        0 => {
            let old = state.get("small").cloned().unwrap_or_default();
            let next = old.lines().count() as u64;
            let more = rows(next, next + 3, round);
            sandbox.file("small.csv", &more);
            let makes = State::from([("small".to_owned(), old + &more)]);
            Write { words: words(&["c/small", "small.csv", "--append"]), makes }
        }
        1 => {
            let big = rows(0, 200_000, round);
            sandbox.file("big.csv", &big);
            let makes = State::from([("big".to_owned(), big)]);
            Write { words: words(&["c/big", "big.csv", "--replace"]), makes }
        }
        _ => {
            let makes: State = ["a", "b", "d"]
                .into_iter()
                .zip([10, 1000, 20_000])
                .map(|(label, n)| (label.to_owned(), rows(0, n, round)))
                .collect();
            for (label, rows) in &makes {
                sandbox.file(&format!("{label}.csv"), rows);
            }
            Write { words: words(&["c", "a.csv", "b.csv", "d.csv"]), makes }
        }
    }
}

/// How a run ended that was to be killed.
struct End {
    /// It ended well, or told what it wrote before the kill.
    acknowledged: bool,
    /// How long it took, where it was faster than the kill.
    took: Option<Duration>,
}

/// Runs a write and kills it after a time.
fn run_and_kill(sandbox: &Sandbox, write: &Write, delay: Duration) -> End {
    let mut command = sandbox.command();
    let start = Instant::now();
    let mut child = command.args(&write.words).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while start.elapsed() < delay && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_micros(200));
    }
    let took = start.elapsed();
    child.kill().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let code = child.wait().unwrap().code();
    assert!(matches!(code, None | Some(0)), "{code:?}: {said}");
    End { acknowledged: code == Some(0) || said.contains("wrote "), took: code.map(|_| took) }
}

/// What the program reads of each series.
fn read(sandbox: &Sandbox) -> State {
    let labels = sandbox.run(&["ls", "c"]).ok();
    let rows = |label: &str| {
        let text = sandbox.run(&["read", &format!("c/{label}")]).ok();
        (label.to_owned(), text.strip_prefix("k,v\n").unwrap().to_owned())
    };
    labels.lines().map(rows).collect()
}

/// Fails without printing the rows, which may be many.
#[track_caller]
fn check(equal: bool, what: &str) {
    assert!(equal, "{what}");
}

fn after(state: &State, write: &Write) -> State {
    state.iter().chain(&write.makes).map(|(label, rows)| (label.clone(), rows.clone())).collect()
}

#[test]
fn killed_writes_are_whole_or_not_there() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "c", "k int*", "v int"]).ok();
    let mut state = State::new();
    let mut random = Random(0x5EED_1A60_7A11_D005);
    // How long a write of each kind takes when nothing kills it.
    let mut time = [Duration::ZERO; 3];
    let (mut round, mut killed, mut landed) = (0, 0, 0);
    while round < 3 + KILLS as u64 {
        let write = plan(&sandbox, &state, round);
        let new = after(&state, &write);
        let kind = (round % 3) as usize;
        round += 1;
        if time[kind].is_zero() {
            let start = Instant::now();
            let words: Vec<&str> = write.words.iter().map(String::as_str).collect();
            sandbox.run(&words).ok();
            time[kind] = start.elapsed();
            state = new;
            continue;
        }
        let delay = time[kind].mul_f64((random.next() % 1300) as f64 / 1000.0);
        let end = run_and_kill(&sandbox, &write, delay);
        killed += usize::from(end.took.is_none());
        // The machine may be faster or slower than it was.
        time[kind] = end.took.unwrap_or(time[kind].mul_f64(1.05));
        let found = read(&sandbox);
        check(
            found == new || (!end.acknowledged && found == state),
            &format!("round {round}: rows are mixed or lost"),
        );
        landed += usize::from(found == new);
        state = found;
        assert!(!sandbox.run(&["log", "c", "--oneline"]).ok().is_empty());
        sandbox.pipe(format!("{round},{round}\n"), &["write", "c/next"]).ok();
        *state.entry("next".to_owned()).or_default() += &format!("{round},{round}\n");
    }
    println!("{killed} writes killed, {landed} rounds landed");
    // Kills that all come too early or too late would show nothing.
    assert!(killed >= KILLS / 3 && (3..KILLS - 3).contains(&landed), "{killed} killed, {landed} landed");
    unharmed(&sandbox, &state);
}

/// No damage, and gc takes nothing that is read.
fn unharmed(sandbox: &Sandbox, state: &State) {
    sandbox.run(&["verify"]).ok();
    let log = sandbox.run(&["log", "c"]).ok();
    for _ in 0..2 {
        sandbox.run(&["gc", "--grace", "0s"]).ok();
    }
    check(read(sandbox) == *state, "rows differ after gc");
    assert_eq!(sandbox.run(&["log", "c"]).ok(), log);
    sandbox.run(&["verify"]).ok();
}
