//! Writing through real mounts: what each way of saving makes of the rows, of the log and of `.lakota/errors`.

mod calls;
mod concurrent;
mod editors;
mod names;
mod numbers;
mod refused;
mod scratch;
mod shell;
mod tools;

use crate::mounted::Mount;
use crate::sandbox::{LAKOTA, Sandbox};
use crate::tools::{Ran, limited, run, within};
use lakota::data::schema::Schema;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value as Json;
use std::cell::Cell;
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The first line of every file here.
const HEADER: &str = "timestamp,value\n";

/// Rows that every series begins with.
const ROWS: &str = "2020-06-22T00:00:00,25.2\n2020-06-23T00:00:00,24.2\n2020-06-24T00:00:00,27.9\n";

/// What comes soon comes within this.
const SOON: Duration = Duration::from_secs(10);

/// How long a name may show that it is being saved.
const VEIL: Duration = Duration::from_secs(2);

/// A mount to write through; its collection `temp` has a timestamp and a float.
struct Desk {
    // Before the folder that it lies in: else what removes that goes on in the mount.
    mount: Mount,
    sandbox: Sandbox,
    author: String,
    revisions: Cell<usize>,
}

impl Desk {
    fn new() -> Desk {
        Desk::with("hide_revisions")
    }

    /// A mount with options.
    fn with(options: &str) -> Desk {
        let sandbox = Sandbox::new();
        sandbox.run(&["create", "temp/own", "timestamp timestamp*", "value float"]).ok();
        let log = log(&sandbox, "temp/own");
        let author = log[0]["author"].as_str().unwrap().to_owned();
        let mount = sandbox.mount_with(options);
        Desk { mount, sandbox, author, revisions: Cell::new(0) }
    }

    /// A series with the rows that all begin with.
    #[track_caller]
    fn series(&self, label: &str) -> Live<'_> {
        self.empty(label);
        std::fs::write(self.mount.at(&format!("temp/{label}/live.csv")), ROWS).unwrap();
        let live = Live { desk: self, label: label.to_owned() };
        assert_eq!(live.csv(), format!("{HEADER}{ROWS}"));
        live
    }

    /// A series without rows.
    #[track_caller]
    fn empty(&self, label: &str) -> Live<'_> {
        std::fs::create_dir(self.mount.at(&format!("temp/{label}"))).unwrap();
        Live { desk: self, label: label.to_owned() }
    }

    /// Lines of `.lakota/errors`.
    fn errors(&self) -> Vec<String> {
        self.mount.text(".lakota/errors").lines().map(str::to_owned).collect()
    }

    /// Unmounts, and looks that nothing came later.
    #[track_caller]
    fn end(self) {
        let errors = self.errors();
        // What a failed program started may still be leaving.
        within(SOON, "nothing uses the mount", || {
            self.sandbox.run(&["umount", self.mount.path().to_str().unwrap()]).code == Some(0)
        });
        let log = log(&self.sandbox, "temp");
        let made = log.iter().filter(|revision| message(revision).contains("live.")).count();
        assert!(made >= self.revisions.get(), "{made} revisions of {}", self.revisions.get());
        let mount = self.sandbox.mount_at("again", &[]);
        let recovered = crate::sandbox::text(&mount.at(".lakota/errors"));
        for line in recovered.lines() {
            assert!(errors.iter().any(|known| known.contains(&line[24..])), "after the end: {line}");
        }
        self.sandbox.run(&["verify"]).ok();
    }
}

/// Revisions, newest first.
#[track_caller]
fn log(sandbox: &Sandbox, place: &str) -> Vec<Json> {
    let log = sandbox.run(&["log", place, "--format", "json"]).ok();
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn message(revision: &Json) -> &str {
    revision["message"].as_str().unwrap_or_default()
}

/// The live files of a series.
struct Live<'a> {
    desk: &'a Desk,
    label: String,
}

impl<'a> Live<'a> {
    /// A file in the series' folder.
    fn at(&self, name: &str) -> PathBuf {
        self.desk.mount.at(&format!("temp/{}/{name}", self.label))
    }

    fn csv(&self) -> String {
        crate::sandbox::text(&self.at("live.csv"))
    }

    /// What the live Parquet file holds, as CSV.
    #[track_caller]
    fn parquet(&self) -> String {
        let file = File::open(self.at("live.parquet")).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let schema = Schema::parse(["timestamp timestamp*", "value float"]).unwrap();
        let mut out = HEADER.as_bytes().to_vec();
        for frame in reader.build().unwrap() {
            let frame = frame.unwrap();
            let types = schema.columns().iter().map(|column| column.ty);
            let columns: Vec<_> = types.zip(frame.columns().iter().cloned()).collect();
            lakota::data::csv::render(&columns, 0..frame.num_rows(), &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    fn log(&self) -> Vec<Json> {
        log(&self.desk.sandbox, &format!("temp/{}", self.label))
    }

    /// A command in the test's folder; `$F` and `$P` are the live files, `$D` their folder, `$M` the mountpoint.
    fn command(&self, program: &str) -> Command {
        let mut command = limited(program);
        command.current_dir(self.desk.sandbox.path("")).env("LAKOTA_REPO", self.desk.sandbox.repo());
        command.env("LAKOTA", LAKOTA).env("M", self.desk.mount.path()).env("D", self.at(""));
        command.env("F", self.at("live.csv")).env("P", self.at("live.parquet")).env("HOME", "/nowhere");
        command
    }

    /// What there is before something is done.
    fn before(&self) -> Before<'_, 'a> {
        Before { live: self, revisions: self.log().len(), errors: self.desk.errors().len(), rows: self.csv() }
    }

    /// Runs a script of bash.
    fn bash(&self, script: &str) -> Done<'_, 'a> {
        self.shell("bash", script)
    }

    /// Runs a script of a shell.
    fn shell(&self, shell: &str, script: &str) -> Done<'_, 'a> {
        let before = self.before();
        let ran = run(self.command(shell).args(["-c", script]), "");
        Done { before, ran, script: script.to_owned() }
    }

    /// Runs a script of Python, where `os` is imported, and `F`, `P`, `D` and `M` are as in `command`.
    fn python(&self, script: &str) -> Done<'_, 'a> {
        let before = self.before();
        let start =
            "import os, sys, errno, mmap, fcntl, time\nF, P, D, M = (os.environ[n] for n in 'FPDM')\n";
        let ran = run(self.command("python3").args(["-c", &format!("{start}{script}")]), "");
        Done { before, ran, script: script.to_owned() }
    }

    /// Both live files, and what the command line reads, have these rows.
    #[track_caller]
    fn has(&self, rows: &str) {
        let wanted = format!("{HEADER}{rows}");
        assert_eq!(self.csv(), wanted, "live.csv of {}", self.label);
        assert_eq!(self.parquet(), wanted, "live.parquet of {}", self.label);
        assert_eq!(self.desk.sandbox.read(&format!("temp/{}", self.label)), wanted, "{}", self.label);
    }
}

/// What there was before something was done.
struct Before<'l, 'a> {
    live: &'l Live<'a>,
    revisions: usize,
    errors: usize,
    rows: String,
}

impl Before<'_, '_> {
    /// New lines of `.lakota/errors`.
    fn told(&self) -> Vec<String> {
        self.live.desk.errors().split_off(self.errors)
    }

    /// No revision was made, and the rows are the same.
    #[track_caller]
    fn is_still_so(&self) {
        assert_eq!(self.live.log().len(), self.revisions, "a revision was made");
        self.live.has(self.rows.strip_prefix(HEADER).unwrap());
    }

    /// Whatever revisions it took, the rows are these.
    #[track_caller]
    fn is_so(&self, rows: &str) {
        within(SOON, "the rows are there", || self.live.csv() == format!("{HEADER}{rows}"));
        self.live.has(rows);
        assert_eq!(self.told(), [""; 0]);
    }

    /// One revision was made by a program (or by one of several, parted by `|`) and said so, and the rows are these.
    #[track_caller]
    fn one_revision(&self, what: &str, by: &str, rows: &str) {
        // A close that is not the last, or not its writer's, is followed by one that nobody waits for.
        within(SOON, "a revision is made", || self.live.log().len() > self.revisions);
        self.live.has(rows);
        let log = self.live.log();
        assert_eq!(log.len(), self.revisions + 1, "revisions: {log:#?}");
        assert_eq!(log[0]["author"], self.live.desk.author.as_str());
        let message = message(&log[0]);
        let said = message.strip_prefix(what).and_then(|rest| rest.strip_prefix(" through the mount ("));
        let said = said.unwrap_or_else(|| panic!("{message:?} does not begin with {what:?}"));
        let (name, pid) = said.strip_suffix(')').and_then(|said| said.split_once(", pid ")).unwrap();
        assert!(by.split('|').any(|by| by == name), "{message:?} is not of {by}");
        assert!(pid.parse::<u32>().is_ok_and(|pid| pid > 1), "{message:?}");
        self.live.desk.revisions.update(|count| count + 1);
    }
}

/// What a script did.
struct Done<'l, 'a> {
    before: Before<'l, 'a>,
    ran: Ran,
    script: String,
}

impl Done<'_, '_> {
    #[track_caller]
    fn went_well(&self) {
        assert_eq!(self.ran.code, Some(0), "{}: {}{}", self.script, self.ran.err, self.ran.out);
        assert_eq!(self.before.told(), [""; 0], "{}", self.script);
    }

    /// It made one revision that replaces the rows by these.
    #[track_caller]
    fn replaces(self, by: &str, rows: &str) {
        self.went_well();
        self.before.one_revision("replace live.csv", by, rows);
    }

    /// It made one revision that adds to the rows, so that they are these.
    #[track_caller]
    fn appends(self, by: &str, rows: &str) {
        self.went_well();
        self.before.one_revision("append to live.csv", by, rows);
    }

    /// It went well and changed nothing.
    #[track_caller]
    fn does_nothing(self) {
        self.went_well();
        self.before.is_still_so();
        assert_eq!(self.before.told(), [""; 0]);
    }

    /// It was refused: with this exit code, these words on stderr, and a line in `errors` that has these words; gives
    /// the name of the bytes that are kept.
    #[track_caller]
    fn refused(self, code: i32, said: &str, reason: &str) -> Option<String> {
        assert_eq!(self.ran.code, Some(code), "{}: {}{}", self.script, self.ran.err, self.ran.out);
        assert!(self.ran.err.contains(said), "{}: {}", self.script, self.ran.err);
        within(SOON, "the refusal is told", || !self.before.told().is_empty());
        let told = self.before.told();
        assert!(told.len() == 1 && told[0].contains(reason), "{}: {told:#?}", self.script);
        self.before.is_still_so();
        told[0].split_once("; kept as rejected/").map(|(_, name)| name.to_owned())
    }

    /// It failed with this exit code and these words on stderr, and nothing came of it.
    #[track_caller]
    fn fails(self, code: i32, said: &str) {
        assert_eq!(self.ran.code, Some(code), "{}: {}{}", self.script, self.ran.err, self.ran.out);
        assert!(self.ran.err.contains(said), "{}: {}", self.script, self.ran.err);
        self.before.is_still_so();
    }
}
