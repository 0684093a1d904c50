//! Times the engine on the workloads of the benchmark and prints result lines as `peers.py` does.
//!
//! usage: cargo bench --bench engine -- [w1 w2 w3 w4 big heads live history push log merge]. Each operation opens the repository anew within its
//! time, unless it says that it keeps one handle. What is read is compared with what was written.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark prints and may fail loudly"
)]

#[path = "engine/big.rs"]
mod big;
#[path = "engine/harness.rs"]
mod harness;
#[path = "engine/heads.rs"]
mod heads;
#[path = "engine/history.rs"]
mod history;
#[path = "engine/input.rs"]
mod input;
#[path = "engine/live.rs"]
mod live;
#[path = "engine/log.rs"]
mod log;
#[path = "engine/many.rs"]
mod many;
#[path = "engine/merge.rs"]
mod merge;
#[path = "engine/one.rs"]
mod one;
#[path = "engine/push.rs"]
mod push;

use harness::Bench;

type Workload = (&'static str, fn(&Bench));

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let workloads: [Workload; 11] = [
        ("w1", one::w1),
        ("w2", one::w2),
        ("w3", one::w3),
        ("w4", many::w4),
        ("big", big::big),
        ("heads", heads::heads),
        ("live", live::live),
        ("history", history::history),
        ("push", push::push),
        ("log", log::log),
        ("merge", merge::merge),
    ];
    if let Some(unknown) = named.iter().find(|name| workloads.iter().all(|(known, _)| known != name)) {
        panic!("there is no workload {unknown}");
    }
    for (name, run) in workloads {
        if named.is_empty() || named.iter().any(|n| n == name) {
            run(&Bench::new(name));
        }
    }
}
