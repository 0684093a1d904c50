//! The daemon's memory stays within its cache and a fixed part, whatever is read.

use crate::gallery::plain_rows;
use crate::sandbox::{Sandbox, files_below, text};
use std::path::Path;

pub(crate) const MIB: u64 = 1 << 20;

/// A field of a process's status, in bytes.
pub(crate) fn memory(pid: u32, field: &str) -> u64 {
    let status = text(Path::new(&format!("/proc/{pid}/status")));
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap() * 1024
}

/// The daemon's own memory now, in bytes.
pub(crate) fn held(pid: u32) -> u64 {
    memory(pid, "RssAnon:")
}

#[test]
fn reading_everything_takes_no_more_than_the_cache_and_a_fixed_part() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "temp", "timestamp timestamp*", "value float"]).ok();
    // 200 MiB as CSV and pages, many times the cache, in several revisions of several series.
    for series in 0..6 {
        sandbox.write(&format!("temp/s{series}"), plain_rows(series, 700_000));
        sandbox.upsert(&format!("temp/s{series}"), &plain_rows(0, 10));
    }
    let mount = sandbox.mount_with("cache=32M");
    let files = files_below(mount.path());
    let read: u64 = files
        .iter()
        .map(|path| {
            let mut file = std::fs::File::open(path).unwrap();
            std::io::copy(&mut file, &mut std::io::sink()).unwrap()
        })
        .sum();
    assert!(read > 200 * MIB, "{read} bytes read");
    let (peak, now) = (memory(mount.pid(), "VmHWM:"), held(mount.pid()));
    assert!(now < 132 * MIB && peak < 132 * MIB, "{} MiB held, {} MiB at most", now / MIB, peak / MIB);
}

#[test]
fn open_files_hold_no_memory_of_their_own() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "temp", "timestamp timestamp*", "value float"]).ok();
    sandbox.write("temp/one", plain_rows(0, 300_000));
    let mount = sandbox.mount_with("cache=8M");
    let path = mount.at("temp/one/live.csv");
    let handles: Vec<_> = (0..500).map(|_| std::fs::File::open(&path).unwrap()).collect();
    for (i, handle) in handles.iter().enumerate() {
        use std::os::unix::fs::FileExt;
        handle.read_exact_at(&mut [0; 4096], i as u64 * 10_000).unwrap();
    }
    let now = held(mount.pid());
    assert!(now < 108 * MIB, "{} MiB", now / MIB);
}
