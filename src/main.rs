//! The program `lakota`: everything it does is in `cli`.

use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;

/// A mount lives for months, and every save frees what it took on another thread than the next one: the C library's
/// allocator keeps that, in as many places as there were threads.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    lakota::cli::main()
}
