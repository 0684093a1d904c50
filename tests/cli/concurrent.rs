//! Many processes on one repository at once: no write is lost, no reader fails.

use super::Sandbox;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const WRITERS: usize = 8;
const WRITES: usize = 10;

/// The rows of a writer's write: two, behind those before.
fn rows(writer: usize, write: usize) -> String {
    (2 * write..2 * write + 2).map(|k| format!("{k},{}\n", 1000 * writer + k)).collect()
}

/// Writes to the series of its own.
fn write_alone(sandbox: &Sandbox, writer: usize) {
    for write in 0..WRITES {
        let (place, message) = (format!("c/own{writer}"), format!("own {writer} {write}"));
        sandbox.pipe(rows(writer, write), &["write", &place, "--append", "-m", &message]).ok();
    }
}

/// Writes every second row of one series, as another process writes those between.
fn write_shared(sandbox: &Sandbox, parity: usize) {
    for write in 0..WRITES {
        let (key, message) = (2 * write + parity, format!("shared {parity} {write}"));
        sandbox.pipe(format!("{key},{key}\n"), &["write", "c/shared", "-m", &message]).ok();
    }
}

/// Runs commands over and over while `busy`, and counts the rounds.
fn again(sandbox: &Sandbox, busy: &AtomicBool, commands: &[&[&str]]) -> usize {
    let mut rounds = 0;
    while busy.load(Ordering::Relaxed) {
        commands.iter().for_each(|words| drop(sandbox.run(words).ok()));
        rounds += 1;
    }
    rounds
}

/// All writers at once, with a reader and a packer beside them; every command must go well.
fn crowded() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "c", "k int*", "v int"]).ok();
    sandbox.pipe("-1,-1\n", &["write", "c/shared", "-m", "first"]).ok();
    let (busy, left) = (AtomicBool::new(true), AtomicUsize::new(WRITERS + 2));
    // Goes down when a writer fails too, or the loops beside it would never end.
    struct Done<'a>(&'a AtomicBool, &'a AtomicUsize);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            if self.1.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.0.store(false, Ordering::Relaxed);
            }
        }
    }
    std::thread::scope(|scope| {
        let (sandbox, busy, left) = (&sandbox, &busy, &left);
        for writer in 0..WRITERS + 2 {
            scope.spawn(move || {
                let _done = Done(busy, left);
                match writer.checked_sub(WRITERS) {
                    None => write_alone(sandbox, writer),
                    Some(parity) => write_shared(sandbox, parity),
                }
            });
        }
        let reader = scope.spawn(|| again(sandbox, busy, &[&["read", "c/shared"], &["ls", "-l", "c"]]));
        let packer = scope.spawn(|| again(sandbox, busy, &[&["pack", "c"]]));
        let (reads, packs) = (reader.join().unwrap(), packer.join().unwrap());
        println!("{reads} reads and {packs} packs beside the writers");
        assert!(reads > 3 && packs > 3, "{reads} reads, {packs} packs");
    });
    sandbox
}

#[test]
fn crowd_of_processes_loses_nothing() {
    let sandbox = crowded();
    for writer in 0..WRITERS {
        let expected: String = (0..WRITES).map(|write| rows(writer, write)).collect();
        let read = sandbox.run(&["read", &format!("c/own{writer}")]).ok();
        assert_eq!(read, format!("k,v\n{expected}"), "own{writer}");
    }
    let shared: String = (0..2 * WRITES).map(|k| format!("{k},{k}\n")).collect();
    assert_eq!(sandbox.run(&["read", "c/shared"]).ok(), format!("k,v\n-1,-1\n{shared}"));
    let log = sandbox.run(&["log", "c", "--format", "json"]).ok();
    let own = (0..WRITERS).flat_map(|w| (0..WRITES).map(move |i| format!("\"own {w} {i}\"")));
    let both = (0..2).flat_map(|p| (0..WRITES).map(move |i| format!("\"shared {p} {i}\"")));
    for message in own.chain(both) {
        assert_eq!(log.matches(&format!("\"message\":{message},")).count(), 1, "{message}");
    }
    sandbox.run(&["verify"]).ok();
}
