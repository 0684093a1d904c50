//! Where things lie, timing, sizes and result lines: `harness.py` for the engine.

use lakota::collection::{At, Collection};
use lakota::repo::{Options, Repo};
use lakota::series::read::Query;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The collection all workloads write to.
pub(crate) const COLLECTION: &str = "bench";

/// The series of the workloads that have one.
pub(crate) const SERIES: &str = "series";

/// Where inputs and stores lie.
pub(crate) fn root() -> PathBuf {
    match std::env::var_os("LAKOTA_BENCH") {
        Some(root) => root.into(),
        None => Path::new(&std::env::var_os("HOME").unwrap()).join(".cache/lakota-bench"),
    }
}

/// A workload being timed; its folder goes with it.
pub(crate) struct Bench {
    workload: &'static str,
    path: PathBuf,
}

impl Bench {
    pub(crate) fn new(workload: &'static str) -> Bench {
        Bench { workload, path: root().join("work").join(format!("lakota_{workload}")) }
    }

    /// Makes a new empty repository, with nothing of earlier writes left to flush.
    pub(crate) fn fresh(&self) {
        self.remove();
        Repo::create(&self.path, Options::default()).unwrap();
        assert!(Command::new("sync").status().unwrap().success(), "sync failed");
    }

    fn remove(&self) {
        if self.path.exists() {
            fs::remove_dir_all(&self.path).unwrap();
        }
    }

    /// Where the repository is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the repository as a new process would.
    pub(crate) fn open(&self) -> Repo {
        self.open_with(Options::default())
    }

    pub(crate) fn open_with(&self, options: Options) -> Repo {
        Repo::open(&self.path, options).unwrap()
    }

    pub(crate) fn collection(&self) -> Collection {
        self.open().collection(COLLECTION).unwrap()
    }

    /// Opens the repository and reads rows of a series.
    pub(crate) fn read(&self, label: &str, query: &Query) -> arrow_array::RecordBatch {
        self.collection().read(label, At::Newest, query).unwrap().collect_frame().unwrap()
    }

    /// The sum of file lengths of the repository.
    pub(crate) fn disk_bytes(&self) -> u64 {
        bytes_below(&self.path)
    }

    pub(crate) fn emit_ms(&self, op: &str, samples: &[f64]) {
        self.emit(op, "ms", samples.iter().map(|ms| format!("{ms:.4}")).collect());
    }

    pub(crate) fn emit_bytes(&self, op: &str, samples: &[u64]) {
        self.emit(op, "bytes", samples.iter().map(u64::to_string).collect());
    }

    /// Times of another program, or of this one beside others.
    pub(crate) fn emit_peer(&self, peer: &str, op: &str, ms: &[f64]) {
        let samples: Vec<String> = ms.iter().map(|ms| format!("{ms:.4}")).collect();
        let (workload, samples) = (self.workload, samples.join(", "));
        println!(
            "{{\"peer\": \"{peer}\", \"workload\": \"{workload}\", \"op\": \"{op}\", \"ms\": [{samples}]}}"
        );
    }

    fn emit(&self, op: &str, unit: &str, samples: Vec<String>) {
        let (workload, samples) = (self.workload, samples.join(", "));
        println!("{{\"workload\": \"{workload}\", \"op\": \"{op}\", \"{unit}\": [{samples}]}}");
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if std::env::var_os("LAKOTA_BENCH_KEEP").is_none() {
            self.remove();
        }
    }
}

/// The sum of file lengths of a folder.
pub(crate) fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let length = |entry: fs::DirEntry| match entry.metadata().unwrap() {
        data if data.is_dir() => bytes_below(&entry.path()),
        data => data.len(),
    };
    entries.map(length).sum()
}

/// What this process has handed to write calls so far, to any file.
pub(crate) fn written_bytes() -> u64 {
    let counters = fs::read_to_string("/proc/self/io").unwrap();
    let line = counters.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap();
    line.parse().unwrap()
}

/// Runs the action; gives its milliseconds and its result.
pub(crate) fn timed<T>(action: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = action();
    (start.elapsed().as_secs_f64() * 1e3, result)
}

/// The times of several runs of an action whose results `check` sees; one result in memory at a time.
pub(crate) fn repeat<T>(count: usize, mut action: impl FnMut() -> T, check: impl Fn(&T)) -> Vec<f64> {
    let once = |_| {
        let (ms, result) = timed(&mut action);
        check(&result);
        ms
    };
    (0..count).map(once).collect()
}

/// The middle sample.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
