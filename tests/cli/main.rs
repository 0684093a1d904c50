//! Tests of the program `lakota` as users run it, one binary.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what tests share fails by panicking, and tells what is skipped"
)]

mod concurrent;
mod crash;
mod foreign;
mod golden;
mod import_export;
mod input;
mod kinds;
mod look_back;
mod loops;
mod merge;
mod names;
mod quickstart;
mod read;
mod remotes;
#[path = "../golden/scenario.rs"]
mod scenario;
mod stopped;
mod terminal;
mod upkeep;
mod verbs;
mod watch;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The six rows of a first write.
const INPUT: &str =
    "2020-06-22,25\n2020-06-23,24\n2020-06-24,27\n2020-06-25,31\n2020-06-26,32\n2020-06-27,30\n";

/// The same days, corrected.
const CORRECTED: &str =
    "2020-06-22,25.2\n2020-06-23,24.2\n2020-06-24,27.9\n2020-06-25,31.0\n2020-06-26,32.5\n2020-06-27,30.1\n";

/// A folder to run the program in.
struct Sandbox {
    folder: TempDir,
}

/// What a run gave.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    /// The output of a run that went well.
    #[track_caller]
    fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self.out
    }

    /// The message of a run that failed with this code.
    #[track_caller]
    fn fails(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self.err
    }
}

impl Sandbox {
    fn new() -> Sandbox {
        Sandbox { folder: tempfile::tempdir().unwrap() }
    }

    /// With a collection `temp` and the six rows in `temp/bxl`.
    fn with_rows() -> Sandbox {
        let sandbox = Sandbox::new();
        sandbox.run(&["create", "temp", "timestamp timestamp*", "value float"]).ok();
        sandbox.pipe(INPUT, &["write", "temp/bxl"]).ok();
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a file.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn command(&self) -> Command {
        command_in(self.folder.path(), env!("CARGO_BIN_EXE_lakota"))
    }

    fn run(&self, words: &[&str]) -> Ran {
        self.pipe("", words)
    }

    /// Runs with a standard input.
    fn pipe(&self, input: impl AsRef<[u8]>, words: &[&str]) -> Ran {
        let mut command = self.command();
        feed(command.args(words), input.as_ref())
    }

    /// Runs in a shell, in which `$LAKOTA` is the program.
    fn shell(&self, script: &str) -> Ran {
        let mut command = command_in(self.folder.path(), "bash");
        feed(command.env("LAKOTA", env!("CARGO_BIN_EXE_lakota")).args(["-c", script]), b"")
    }

    /// What a write of bad input says; the history is the same afterwards.
    #[track_caller]
    fn refused(&self, input: impl AsRef<[u8]>, words: &[&str]) -> String {
        let log = || self.run(&["log", "temp", "--format", "json"]).ok();
        let before = log();
        let message = self.pipe(input, words).fails(1);
        assert_eq!(log(), before);
        message
    }
}

fn command_in(folder: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_remove("LAKOTA_REPO");
    command
}

fn feed(command: &mut Command, input: &[u8]) -> Ran {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    // A program that refuses its arguments does not read.
    child.stdin.take().unwrap().write_all(input).ok();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}
