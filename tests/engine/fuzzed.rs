//! The fuzz targets (tests/fuzz) over their corpora and over mutations of them: no panic, no hang, no abort in 2 GiB.
//!
//! Each target runs in a process of its own with little memory. Two thousand mutations of each item of a corpus by
//! default; `LAKOTA_MUTATIONS=10000` is the campaign, `LAKOTA_SEED` repeats one, and `LAKOTA_CORPUS=write` makes the
//! corpora anew (what fuzzing found is kept).

mod seeds;
#[path = "../fuzz/targets.rs"]
mod targets;

use super::bounded;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Memory that a child may have: what asks for more ends it.
const MEMORY: u64 = 2 << 30;

/// A run of a target that takes longer hangs: the slowest that was seen took a fifth of it, on a busy machine.
const LONGEST: Duration = Duration::from_secs(20);

/// Numbers at random (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut made = self.0;
        made = (made ^ (made >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        made = (made ^ (made >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        made ^ (made >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Numbers that no length is, nor a place.
const ODD: [u64; 12] = [
    0,
    1,
    127,
    128,
    1 << 16,
    1 << 24,
    (1 << 31) - 1,
    (1 << 32) + 1,
    1 << 40,
    1 << 62,
    i64::MAX as u64,
    u64::MAX,
];

/// A number as the store writes it.
fn uint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Bytes with one to four mistakes in them.
fn mutated(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut made = bytes.to_vec();
    for _ in 0..1 + random.below(4) {
        if made.is_empty() {
            made.push(0);
        }
        let len = made.len();
        // Half of all where the structure is.
        let at = if random.below(2) == 0 { random.below(len.min(96)) } else { random.below(len) };
        let end = (at + 1 + random.below(24)).min(len);
        let odd = ODD[random.below(ODD.len())];
        match random.below(10) {
            0..3 => made[at] ^= 1 << random.below(8),
            3 => made[at] = random.next() as u8,
            // A number of another length in the place of one byte: all behind it moves.
            4..6 => drop(made.splice(at..=at, uint(odd)).collect::<Vec<_>>()),
            6 => made.iter_mut().skip(at).zip(odd.to_le_bytes()).for_each(|(byte, odd)| *byte = odd),
            7 => drop(made.drain(at..end).collect::<Vec<_>>()),
            8 => {
                let part = made[at..end].to_vec();
                let to = random.below(len);
                made.splice(to..to, part);
            }
            _ => made.truncate(at),
        }
    }
    made
}

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target)
}

/// The items of a corpus, by name.
fn items(target: &str) -> BTreeMap<String, Vec<u8>> {
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read(path).unwrap())
    };
    std::fs::read_dir(corpus(target)).unwrap().map(|entry| read(entry.unwrap().path())).collect()
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// Runs a target in this process.
fn campaign(name: &str) {
    let (_, target) = targets::ALL.into_iter().find(|(target, _)| *target == name).unwrap();
    let (count, seed) = (number("LAKOTA_MUTATIONS", 2000), number("LAKOTA_SEED", 11));
    let (mut runs, mut bad, mut slowest) = (0, Vec::new(), Duration::ZERO);
    for (item, bytes) in items(name) {
        for turn in 0..=count {
            let mut random = Random(seed.wrapping_mul(1 << 32).wrapping_add(turn));
            let made = if turn == 0 { bytes.clone() } else { mutated(&bytes, &mut random) };
            if let Ok(folder) = std::env::var("LAKOTA_FUZZED_KEEP") {
                std::fs::write(format!("{folder}/last.{name}"), &made).unwrap();
            }
            let start = Instant::now();
            let done = catch_unwind(AssertUnwindSafe(|| target(&made)));
            slowest = slowest.max(start.elapsed());
            if done.is_err() || start.elapsed() > LONGEST {
                bad.push(format!("{item} turn {turn}"));
            }
            runs += 1;
        }
    }
    println!(
        "{name}: {runs} runs of seed {seed}, {} bad {bad:?}, slowest {slowest:?}, {} MiB",
        bad.len(),
        bounded::peak()
    );
    assert!(bad.is_empty());
}

fn in_a_child(name: &str) {
    if let Some(said) = bounded::run(&format!("fuzzed::{name}"), MEMORY, || campaign(name)) {
        println!("{}", said.lines().find(|line| line.contains(" runs of seed ")).unwrap());
    }
}

#[test]
fn every_target_has_a_corpus_and_a_binary() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for (name, _) in targets::ALL {
        if std::env::var("LAKOTA_CORPUS").is_ok_and(|what| what == "write") {
            seeds::write(name, &corpus(name));
        }
        assert!(items(name).len() > 1, "{name}");
        assert!(root.join(format!("fuzz_targets/{name}.rs")).exists(), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            in_a_child(stringify!($name));
        })*
    };
}

targets! { revision changes pack node bundle horizon csv parquet arrow names wire }
