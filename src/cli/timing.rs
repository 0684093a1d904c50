//! What `--timing` tells: wall time and the most memory held.

use super::output;
use std::time::Instant;

/// Counts from its start.
#[derive(Debug)]
pub(crate) struct Timer(Instant);

impl Timer {
    pub(crate) fn start() -> Timer {
        Timer(Instant::now())
    }

    /// Tells the time since the start, and the memory where the system knows it.
    pub(crate) fn report(&self) {
        let ms = self.0.elapsed().as_secs_f64() * 1e3;
        let memory = match peak_kib() {
            Some(kib) => format!(", {:.1} MiB of memory at most", kib as f64 / 1024.0),
            None => String::new(),
        };
        output::say(&format!("{ms:.1} ms{memory}"));
    }
}

fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
