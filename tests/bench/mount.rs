//! What the benchmark of the mount needs beside Python: a file system that only answers, as the fastest a mount could
//! be; a loop of open, read and close without an interpreter in it; a repository with many series and revisions.
//!
//! usage: cargo bench --bench mount -- answer MOUNTPOINT FILE | open FILE... | make REPO

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark prints and may fail loudly"
)]

#[path = "mount/answer.rs"]
mod answer;

use lakota::data::csv::CsvReader;
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::ops;
use lakota::repo::{Options, Repo};
use lakota::series::write::Mode;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Series of `many`, and revisions of `old/one`.
const MANY: usize = 10_000;

/// Blocks of the loop for each file, in turns, and passes of a block.
const BLOCKS: usize = 15;
const PASSES: usize = 2_000;

fn main() {
    // Cargo adds `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["answer", mountpoint, file] => answer::serve(Path::new(mountpoint), std::fs::read(file).unwrap()),
        ["open", files @ ..] if !files.is_empty() => open(files),
        ["make", repo] => make(Path::new(repo)),
        _ => panic!("usage: mount answer MOUNTPOINT FILE | open FILE... | make REPO"),
    }
}

/// Milliseconds of a pass for each file, a line a file: its samples, separated by spaces.
fn open(files: &[&str]) {
    let mut buffer = vec![0; 1 << 20];
    let mut samples = vec![Vec::new(); files.len()];
    for block in 0..=BLOCKS {
        for (file, samples) in files.iter().zip(&mut samples) {
            let start = Instant::now();
            for _ in 0..PASSES {
                let mut open = File::open(file).unwrap();
                assert!(open.read(&mut buffer).unwrap() > 0, "{file} is empty");
            }
            // The first block is there to warm up.
            if block > 0 {
                samples.push(start.elapsed().as_secs_f64() * 1e3 / PASSES as f64);
            }
        }
    }
    for samples in samples {
        println!("{}", samples.iter().map(|ms| format!("{ms:.6}")).collect::<Vec<_>>().join(" "));
    }
}

/// A collection `many` of as many series, and `old`, whose series `one` has as many revisions.
fn make(path: &Path) {
    let repo = Repo::create(path, Options { durable: false, ..Options::default() }).unwrap();
    let schema = Arc::new(Schema::parse(["n int*", "value float"]).unwrap());
    let rows = |text: &str| -> Vec<_> {
        CsvReader::new(Arc::clone(&schema), text.as_bytes(), 1000).map(Result::unwrap).collect()
    };
    let many = repo.create_collection("many", &schema).unwrap();
    let mut batch = many.batch("make").unwrap();
    let write = |i: usize| {
        let text: String = (0..10).map(|n| format!("{n},{i}.5\n")).collect();
        (format!("s{i:05}"), Mode::Upsert, Sorted::of(&schema, rows(&text)))
    };
    batch.write_all((0..MANY).map(write).collect()).unwrap();
    batch.commit().unwrap();
    let old = repo.create_collection("old", &schema).unwrap();
    for i in 0..MANY {
        let mut batch = old.batch("").unwrap();
        batch.overlay("one", &rows(&format!("{},{i}.5\n", i % 10))[0]).unwrap();
        batch.commit().unwrap();
    }
    for collection in [&many, &old] {
        ops::pack(collection).unwrap();
    }
}
