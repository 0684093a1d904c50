//! Tests of the library, one binary.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what tests share fails by panicking, and tells what is skipped"
)]

mod alter;
mod backend;
mod batch;
mod bombs;
mod bounded;
mod compare;
mod converge;
mod crash;
mod damage;
mod differs;
mod example;
mod format;
mod fuzzed;
mod golden;
mod hostile;
mod kills;
mod look_back;
mod lost;
mod merge;
mod model;
mod mount;
mod mutated;
mod names;
mod objects;
mod power;
mod render;
#[path = "../golden/scenario.rs"]
mod scenario;
mod series;
mod support;
mod tags;
mod transfer;
mod undone;
mod upkeep;
