//! Every file has as many bytes as `stat` says, and they are the same however they are read.

use crate::gallery::gallery;
use crate::sandbox::{Sandbox, files_below};
use crate::tools::{run, script};
use rustix::fs::{Advice, fadvise};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Below this, a file is read byte by byte; of larger ones, some parts are.
const SMALL: usize = 40_000;

/// Opens a file of which the kernel keeps nothing.
fn cold(path: &Path) -> File {
    let file = File::open(path).unwrap();
    fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    file
}

/// A file from `start` to `stop` in pieces.
fn pieces(file: &File, size: usize, start: usize, stop: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; size];
    while start + bytes.len() < stop {
        let wanted = size.min(stop - start - bytes.len());
        let read = file.read_at(&mut piece[..wanted], (start + bytes.len()) as u64).unwrap();
        assert!(read > 0, "the file ends at {} of {stop}", start + bytes.len());
        bytes.extend_from_slice(&piece[..read]);
    }
    bytes
}

/// Numbers without order, the same in every run.
fn numbers(seed: u64) -> impl Iterator<Item = usize> {
    let mut state = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    })
}

fn files(mount: &Path) -> Vec<PathBuf> {
    let mut files = files_below(mount);
    files.extend(["status", "errors", "metrics", "version"].map(|name| mount.join(".lakota").join(name)));
    assert!(files.len() > 30, "{files:?}");
    files
}

#[test]
fn size_of_stat_is_what_wc_counts() {
    let sandbox = gallery();
    let mount = sandbox.mount();
    for path in files(mount.path()) {
        // Of one descriptor: what the control files say changes from open to open.
        let file = File::open(&path).unwrap();
        let size = file.metadata().unwrap().len() as usize;
        assert_eq!(pieces(&file, 131_072, 0, size).len(), size, "{}", path.display());
        assert_eq!(file.read_at(&mut [0; 10], size as u64).unwrap(), 0, "{}", path.display());
    }
    let script = "find $M -type f | while read -r f; do [ $(stat -c %s \"$f\") = $(cat \"$f\" | wc -c) ] || echo \"$f\"; done
        cat $M/temp/big/live.csv | wc -l";
    assert_eq!(sandbox.shell(&mount, script).ok(), format!("{}\n", crate::gallery::BIG + 1));
}

#[test]
fn pieces_of_any_size_make_the_same_file() {
    let sandbox = gallery();
    let mount = sandbox.mount();
    for path in files_below(mount.path()) {
        let whole = std::fs::read(&path).unwrap();
        for size in [4096, 131_072, 1_000_003] {
            assert!(
                pieces(&cold(&path), size, 0, whole.len()) == whole,
                "{size} bytes of {}",
                path.display()
            );
        }
        let file = cold(&path);
        let windows: Vec<usize> = match whole.len() {
            0..SMALL => vec![0],
            len => numbers(1).map(|n| n % len).take(3).collect(),
        };
        for start in windows {
            let stop = whole.len().min(start + SMALL / 8);
            assert!(pieces(&file, 1, start, stop) == whole[start..stop], "bytes of {}", path.display());
        }
    }
}

#[test]
fn parts_at_random_offsets_are_those_of_the_whole() {
    let sandbox = gallery();
    let mount = sandbox.mount();
    for (seed, path) in files_below(mount.path()).iter().enumerate() {
        let whole = std::fs::read(path).unwrap();
        let file = cold(path);
        let mut random = numbers(seed as u64);
        for _ in 0..60 {
            let mut next = || random.next().unwrap();
            let start = next() % (whole.len() + 1);
            let stop = whole.len().min(start + next() % [10, 5_000, 300_000][next() % 3]);
            assert!(
                pieces(&file, 70_000, start, stop) == whole[start..stop],
                "{start} to {stop} of {path:?}"
            );
            if next() % 10 == 0 {
                fadvise(&file, 0, None, Advice::DontNeed).unwrap();
            }
        }
    }
}

#[test]
fn maps_shared_and_private_hold_the_file() {
    let sandbox = gallery();
    let mount = sandbox.mount();
    let files = files_below(mount.path());
    let said = run(script("maps.py").arg("check").args(&files), "").ok();
    assert_eq!(said, format!("{} files\n", files.len()));
}

/// What eight readers of all files see, each in an order and in pieces of its own.
fn crowd(sandbox: &Sandbox, options: &str) {
    let expected: Vec<(PathBuf, Vec<u8>)> = {
        let mount = sandbox.mount();
        files_below(mount.path())
            .into_iter()
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect()
    };
    let _mount = sandbox.mount_with(options);
    std::thread::scope(|scope| {
        for reader in 0..8usize {
            let expected = &expected;
            scope.spawn(move || {
                for i in 0..expected.len() {
                    // Some go forward, some backward; the large files are met at once by all.
                    let at = if reader % 2 == 0 { i } else { expected.len() - 1 - i };
                    let (path, whole) = &expected[at];
                    let bytes = pieces(&File::open(path).unwrap(), 4096 << (reader % 6), 0, whole.len());
                    assert!(bytes == *whole, "reader {reader}: {}", path.display());
                }
            });
        }
    });
}

#[test]
fn eight_readers_at_once_see_the_same() {
    crowd(&gallery(), "cache=64M");
}

#[test]
fn eight_readers_at_once_see_the_same_through_a_cache_of_a_megabyte() {
    crowd(&gallery(), "cache=1M");
}

#[test]
fn live_files_are_what_the_command_line_reads() {
    let sandbox = gallery();
    let mount = sandbox.mount();
    for place in ["all/empty", "all/rich", "all/one", "temp/none", "temp/tiny", "temp/bundle", "temp/big"] {
        let live = mount.text(&format!("{place}/live.csv"));
        assert!(live == sandbox.read(place), "{place}");
        assert!(live == mount.text(&format!("{place}/latest/data.csv")), "{place}");
        let parquet = |name: &str| std::fs::read(mount.at(&format!("{place}/{name}"))).unwrap();
        assert!(parquet("live.parquet") == parquet("latest/data.parquet"), "{place}");
    }
}
