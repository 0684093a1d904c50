//! A folder for one test: a repository, mountpoints, and the program to run on them.

use crate::mounted::Mount;
use crate::tools::{Ran, limited, run};
use lakota::clock::Clock;
use lakota::data::csv::CsvReader;
use lakota::data::schema::Schema;
use lakota::repo::{Options, Repo};
use serde_json::Value as Json;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

/// The program under test.
pub(crate) const LAKOTA: &str = env!("CARGO_BIN_EXE_lakota");

/// The six rows of a first write.
pub(crate) const INPUT: &str =
    "2020-06-22,25\n2020-06-23,24\n2020-06-24,27\n2020-06-25,31\n2020-06-26,32\n2020-06-27,30\n";

/// The same days, corrected.
pub(crate) const CORRECTED: &str =
    "2020-06-22,25.2\n2020-06-23,24.2\n2020-06-24,27.9\n2020-06-25,31.0\n2020-06-26,32.5\n2020-06-27,30.1\n";

pub(crate) struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Sandbox {
        let folder = tempfile::Builder::new().prefix("lakota-mount-").tempdir().unwrap();
        // Other users must be able to come as far as the mountpoint.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Sandbox { folder }
    }

    /// With the quickstart: collection `temp`, series `bxl`, written and corrected.
    pub(crate) fn quickstart() -> Sandbox {
        let sandbox = Sandbox::new();
        sandbox.run(&["create", "temp/bxl", "timestamp timestamp*", "value float"]).ok();
        sandbox.write("temp/bxl", INPUT);
        sandbox.write("temp/bxl", CORRECTED);
        sandbox
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.path("repo")
    }

    /// The program, with this repository.
    pub(crate) fn command(&self) -> Command {
        let mut command = limited(LAKOTA);
        command.current_dir(self.folder.path()).env("LAKOTA_REPO", self.repo());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        run(self.command().args(words), "")
    }

    /// Writes rows by the command line.
    #[track_caller]
    pub(crate) fn write(&self, place: &str, rows: impl AsRef<[u8]>) {
        run(self.command().args(["write", place]), rows).ok();
    }

    /// Adds rows, or gives rows of the same index new values.
    #[track_caller]
    pub(crate) fn upsert(&self, place: &str, rows: &str) {
        run(self.command().args(["write", place, "--upsert"]), rows).ok();
    }

    /// What the command line reads.
    #[track_caller]
    pub(crate) fn read(&self, place: &str) -> String {
        self.run(&["read", place]).ok()
    }

    /// Runs a script in the folder, in which `$LAKOTA` is the program and `$M` the mountpoint.
    pub(crate) fn shell(&self, mount: &Mount, script: &str) -> Ran {
        let mut command = limited("bash");
        command.current_dir(self.folder.path()).env("LAKOTA_REPO", self.repo());
        command.env("LAKOTA", LAKOTA).env("M", mount.path());
        run(command.args(["-c", &format!("set -euo pipefail\n{script}")]), "")
    }

    /// Ids of the revisions of a series that a mount lists, oldest first: those of its log, but that which created
    /// it without rows, if there is a later one.
    pub(crate) fn revisions(&self, place: &str) -> Vec<String> {
        let log = self.run(&["log", place, "--format", "json"]).ok();
        let mut revisions: Vec<Json> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        revisions.reverse();
        let creation = &revisions[0]["changes"][0];
        if revisions.len() > 1 && creation["rows_after"] == 0 {
            revisions.remove(0);
        }
        revisions.iter().map(|revision| revision["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Mounts the repository at `mnt`.
    #[track_caller]
    pub(crate) fn mount(&self) -> Mount {
        self.mount_at("mnt", &[])
    }

    /// Mounts with options.
    #[track_caller]
    pub(crate) fn mount_with(&self, options: &str) -> Mount {
        self.mount_at("mnt", &["-o", options])
    }

    /// Mounts at a folder that is made, with these words.
    #[track_caller]
    pub(crate) fn mount_at(&self, name: &str, words: &[&str]) -> Mount {
        // A folder on which something dead is mounted cannot even be looked at.
        if !crate::mounted::is_mounted(&self.path(name)) {
            std::fs::create_dir_all(self.path(name)).unwrap();
        }
        let log = self.path(&format!("{name}.log"));
        let mut command = self.command();
        command.arg("mount").arg(self.path(name)).arg("--log-file").arg(&log);
        // Root's own is the machine's; a spool that is asked for comes later, and wins.
        let spool = format!("spool={}", self.path("spool").display());
        let ran = run(command.args(["-o", &spool]).args(words), "");
        assert_eq!(ran.code, Some(0), "cannot mount: {}{}", ran.out, ran.err);
        Mount::guard(self.path(name), Some(log))
    }

    /// The repository, opened in this process, with a clock to set.
    pub(crate) fn open(&self, clock: &Arc<SetClock>) -> Repo {
        let options =
            Options { clock: Arc::<SetClock>::clone(clock), author: "me@here".into(), ..Options::default() };
        Repo::create(&self.repo(), options).unwrap()
    }
}

/// A clock that stands where it was set.
#[derive(Debug)]
pub(crate) struct SetClock(AtomicU64);

impl SetClock {
    pub(crate) fn at(time: &str) -> Arc<SetClock> {
        let clock = SetClock(AtomicU64::new(0));
        clock.set(time);
        Arc::new(clock)
    }

    /// Sets it to a time such as `2020-09-21T14:03:12.506`.
    pub(crate) fn set(&self, time: &str) {
        self.0.store(millis(time), Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A time in milliseconds since 1970.
pub(crate) fn millis(time: &str) -> u64 {
    use lakota::data::schema::Type;
    use lakota::data::value::Value;
    match Value::parse(Type::Timestamp(arrow_schema::TimeUnit::Millisecond), time) {
        Ok(Value::Int(millis)) => u64::try_from(millis).unwrap(),
        other => panic!("{time}: {other:?}"),
    }
}

/// Rows of a CSV text as a frame.
pub(crate) fn frame(schema: &Schema, text: &str) -> arrow_array::RecordBatch {
    let reader = CsvReader::new(Arc::new(schema.clone()), text.as_bytes(), 1 << 16);
    let frames: Vec<_> = reader.collect::<Result<_, _>>().unwrap();
    arrow_select::concat::concat_batches(schema.arrow(), &frames).unwrap()
}

/// The files below a folder, links not followed, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}

/// Names in a folder, sorted.
#[track_caller]
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

/// The text of a file.
#[track_caller]
pub(crate) fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
