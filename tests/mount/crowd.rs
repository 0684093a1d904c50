//! Two mounts and the command line on one repository, all writing, with gc and defrag beside them.

use crate::mounted::Mount;
use crate::sandbox::Sandbox;
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const FOR: Duration = Duration::from_secs(6);

/// Appends a row, acknowledged by `fsync`.
fn append(mount: &Mount, series: &str, row: &str) {
    let path = mount.at(&format!("c/{series}/live.csv"));
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(row.as_bytes()).unwrap();
    file.sync_all().unwrap();
}

/// The rows of a CSV.
fn rows(text: &str) -> BTreeSet<String> {
    text.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn mounts_and_the_command_line_write_beside_gc_and_lose_nothing() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "c", "k int*", "v int"]).ok();
    for series in ["own0", "own1", "own2", "all"] {
        sandbox.write(&format!("c/{series}"), "-1,-1\n");
    }
    let mounts = [sandbox.mount_at("one", &[]), sandbox.mount_at("two", &[])];
    let (end, counts): (_, [AtomicUsize; 4]) = (Instant::now() + FOR, Default::default());
    std::thread::scope(|scope| {
        let (sandbox, counts, mounts) = (&sandbox, &counts, &mounts);
        for (writer, count) in counts.iter().take(3).enumerate() {
            scope.spawn(move || {
                while Instant::now() < end {
                    let n = count.load(Ordering::Relaxed);
                    for series in [format!("own{writer}"), "all".to_owned()] {
                        let row = format!("{},{n}\n", 100_000 * writer + n);
                        match mounts.get(writer) {
                            Some(mount) => append(mount, &series, &row),
                            None => sandbox.write(&format!("c/{series}"), &row),
                        }
                    }
                    count.store(n + 1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(move || {
            while Instant::now() < end {
                for words in [&["gc", "--grace", "5s"][..], &["defrag", "c"], &["pack", "c"]] {
                    sandbox.run(words).ok();
                }
                counts[3].fetch_add(1, Ordering::Relaxed);
            }
        });
    });
    let counts = counts.map(AtomicUsize::into_inner);
    eprintln!("{counts:?} rounds of two mounts, the command line, upkeep");
    assert!(counts.iter().all(|count| *count > 2), "{counts:?}");
    for mount in &mounts {
        let errors = mount.text(".lakota/errors");
        assert_eq!(errors, "", "{errors}");
    }
    sandbox.run(&["merge", "c"]).ok();
    for series in ["own0", "own1", "own2", "all"] {
        let writers = (0..3).filter(|writer| series == "all" || series == format!("own{writer}"));
        let written = writers.flat_map(|w| (0..counts[w]).map(move |n| format!("{},{n}", 100_000 * w + n)));
        let wanted: BTreeSet<String> = written.chain(["-1,-1".to_owned()]).collect();
        let read = sandbox.read(&format!("c/{series}"));
        assert_eq!(rows(&read), wanted, "{series}");
        for mount in &mounts {
            assert_eq!(mount.text(&format!("c/{series}/live.csv")), read, "{series}");
        }
    }
    sandbox.run(&["verify"]).ok();
}
