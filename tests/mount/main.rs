//! Real mounts of real repositories, through the program as built and the tools people use. They need /dev/fuse and
//! what `tests/run.sh --setup` installs, and fail without it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "what tests share fails by panicking, and tells why"
)]

mod alter;
mod bytes;
mod consumers;
mod crowd;
mod delta;
mod gallery;
mod labels;
mod life;
mod listing;
mod many;
mod memory;
mod mounted;
mod open;
mod options;
mod overlay;
mod readonly;
mod revisions;
mod sandbox;
mod scratch;
mod scripts;
mod shell;
mod tools;
mod write;
mod write_data;
mod write_failure;
mod write_killed;
