//! Running programs so that none can hang the tests.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The longest a program may take.
const LIMIT: &str = "120";

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The output of a run that went well.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.err, self.out);
        self.out
    }

    /// The message of a run that failed with this code.
    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self.err
    }
}

/// A command that is killed when it takes too long.
pub(crate) fn limited(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", LIMIT]).arg(program).env_remove("LAKOTA_REPO").env("LC_ALL", "C.UTF-8");
    command
}

/// Runs a command to its end, with this standard input. Its output goes through files: what it leaves running in
/// the background cannot keep a pipe open.
pub(crate) fn run(command: &mut Command, input: impl AsRef<[u8]>) -> Ran {
    let [out, err] = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
    let (out_copy, err_copy) = (out.try_clone().unwrap(), err.try_clone().unwrap());
    let mut child = command.stdin(Stdio::piped()).stdout(out_copy).stderr(err_copy).spawn().unwrap();
    // A program that refuses its arguments does not read.
    child.stdin.take().unwrap().write_all(input.as_ref()).ok();
    let code = child.wait().unwrap().code();
    Ran { code, out: text_of(&out), err: text_of(&err) }
}

fn text_of(mut file: &std::fs::File) -> String {
    use std::io::{Read, Seek};
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The Python with the readers that `tests/run.sh` installs.
pub(crate) fn python() -> PathBuf {
    let home = || Path::new(&std::env::var("HOME").unwrap()).join(".cache/lakota-tests/python/bin/python");
    let path = std::env::var_os("LAKOTA_TEST_PYTHON").map_or_else(home, PathBuf::from);
    assert!(path.exists(), "{} is missing: run tests/run.sh --setup", path.display());
    path
}

/// A file of `tests/mount/consumers`.
pub(crate) fn consumer(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mount/consumers").join(name)
}

/// A Python script of `tests/mount/consumers`, to be given arguments.
pub(crate) fn script(name: &str) -> Command {
    let mut command = limited(python());
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(consumer(name));
    command
}

/// Fails where a program is missing.
pub(crate) fn needs(program: &str) {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
    assert!(found.status.success(), "{program} is missing: run tests/run.sh --setup");
}

/// Waits until something holds, and fails when it takes longer than this.
#[track_caller]
pub(crate) fn within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A program that runs beside the test and is killed at its end.
pub(crate) struct Beside {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Beside {
    pub(crate) fn start(command: &mut Command) -> Beside {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = piped.spawn().unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let input = child.stdin.take();
        Beside { child, input, lines }
    }

    /// Gives it a line.
    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next line it prints.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(30)).expect("the program beside prints no further line")
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // `timeout` passes the signal on, so that the program itself ends. Its end is no matter of the test.
        if let Some(id) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process(id, rustix::process::Signal::TERM).ok();
        }
        self.child.wait().ok();
    }
}
