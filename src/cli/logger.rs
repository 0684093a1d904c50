//! The log of a server: to stderr, to a file, or to the system's log once nobody reads stderr any more.
//!
//! A line that cannot be written is lost: a log is no reason to stop serving.

use super::target;
use crate::clock::{Clock, SystemClock, iso};
use crate::data::plain;
use anyhow::{Context, Result};
use log::{Level, LevelFilter, Log, Metadata, Record};
use parking_lot::Mutex;
use rustix::fs::OFlags;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// Where the system's log listens.
const SYSLOG: &str = "/dev/log";

/// The facility of daemons, see syslog(3).
const DAEMON: u8 = 3 << 3;

/// Where lines go.
#[derive(Debug)]
pub(crate) enum Sink {
    Stderr,
    File(File),
    /// The system's log; none while it does not listen.
    Syslog(Option<UnixDatagram>),
}

impl Sink {
    /// A file, appended to. It can be cut off meanwhile: lines go on at its new end.
    pub(crate) fn file(path: &Path) -> Result<Sink> {
        let open = || {
            let target = target::find(path)?;
            // What was looked at is not followed when it is another link meanwhile.
            let flags = OFlags::NOFOLLOW.bits().cast_signed();
            File::options().append(true).create(true).mode(0o640).custom_flags(flags).open(target.path)
        };
        Ok(Sink::File(open().with_context(|| format!("cannot write the log {}", path.display()))?))
    }

    fn write(&mut self, level: Level, text: &str) {
        // A line is one line whatever it quotes, and can be shown.
        let text = &*plain::line(text);
        let done = match self {
            Sink::Stderr => writeln!(io::stderr().lock(), "{}", dated(level, text)),
            // One write for a line: other processes may write to the file too.
            Sink::File(file) => file.write_all(format!("{}\n", dated(level, text)).as_bytes()),
            Sink::Syslog(socket) => send(socket, syslog(level, std::process::id(), text).as_bytes()),
        };
        // Nothing is left to tell of it.
        done.unwrap_or_default();
    }
}

/// Sends to the system's log, over a new connection where there is none or the old one broke.
fn send(socket: &mut Option<UnixDatagram>, line: &[u8]) -> io::Result<()> {
    if socket.as_ref().is_some_and(|socket| socket.send(line).is_ok()) {
        return Ok(());
    }
    *socket = None;
    let fresh = UnixDatagram::unbound()?;
    // A log that does not keep up must not hold up the mount.
    fresh.set_nonblocking(true)?;
    fresh.connect(SYSLOG)?;
    fresh.send(line)?;
    *socket = Some(fresh);
    Ok(())
}

fn dated(level: Level, text: &str) -> String {
    format!("{} {level} {text}", iso(SystemClock.now()))
}

/// A line as syslog(3) sends it; the log adds the time.
fn syslog(level: Level, pid: u32, text: &str) -> String {
    let severity = match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    format!("<{}>lakota[{pid}]: {}", DAEMON | severity, text)
}

/// A log that can go elsewhere while it runs.
#[derive(Debug)]
pub(crate) struct Logger {
    ours: LevelFilter,
    others: LevelFilter,
    sink: Mutex<Sink>,
}

impl Logger {
    /// Starts the log of this process. Of other crates it has warnings, and more only where all is asked for.
    pub(crate) fn start(level: LevelFilter, sink: Sink) -> Result<&'static Logger> {
        let others = if level >= LevelFilter::Debug { level } else { level.min(LevelFilter::Warn) };
        let logger: &'static Logger =
            Box::leak(Box::new(Logger { ours: level, others, sink: Mutex::new(sink) }));
        log::set_logger(logger).context("cannot start the log")?;
        log::set_max_level(level);
        // What panics in the background must be read somewhere.
        std::panic::set_hook(Box::new(|info| log::error!("{info}")));
        Ok(logger)
    }

    /// Whether lines go where errors are printed too.
    pub(crate) fn is_stderr(&self) -> bool {
        matches!(*self.sink.lock(), Sink::Stderr)
    }

    /// Goes to the system's log, if it went to stderr.
    pub(crate) fn leave_stderr(&self) {
        let mut sink = self.sink.lock();
        if matches!(*sink, Sink::Stderr) {
            *sink = Sink::Syslog(None);
        }
    }
}

/// Whether fuser tells of an answer that nobody waited for: the kernel drops the requests of programs that are killed, and
/// says ENOENT to their replies. Only the text tells it from what must be heard.
fn is_late_reply(target: &str, text: &str) -> bool {
    target.starts_with("fuser::")
        && text.starts_with("Failed to send FUSE reply: ")
        && text.ends_with("(os error 2)")
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target().starts_with(env!("CARGO_CRATE_NAME"));
        metadata.level() <= if ours { self.ours } else { self.others }
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = record.args().to_string();
        if self.others < LevelFilter::Debug && is_late_reply(record.target(), &text) {
            return;
        }
        self.sink.lock().write(record.level(), &text);
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_systems_log_has_its_severity() {
        assert_eq!(syslog(Level::Warn, 42, "a b"), "<28>lakota[42]: a b");
        assert_eq!(syslog(Level::Info, 42, "x"), "<30>lakota[42]: x");
    }

    #[test]
    fn lines_are_added_to_a_file_with_their_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "before\n").unwrap();
        Sink::file(&path).unwrap().write(Level::Error, "it\nbroke\u{1b}");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("before\n2") && text.ends_with("Z ERROR it\\nbroke\\u{1b}\n"), "{text}");
    }

    #[test]
    fn an_answer_to_a_killed_program_is_no_error() {
        let said = |errno| format!("Failed to send FUSE reply: {}", io::Error::from_raw_os_error(errno));
        assert!(is_late_reply("fuser::reply", &said(2)));
        assert!(!is_late_reply("fuser::reply", &said(22)), "a reply that the kernel refuses is a fault");
        assert!(!is_late_reply("lakota::mount", &said(2)));
    }

    #[test]
    fn other_crates_are_heard_when_they_warn() {
        let logger =
            Logger { ours: LevelFilter::Info, others: LevelFilter::Warn, sink: Mutex::new(Sink::Stderr) };
        let enabled =
            |target, level| logger.enabled(&Metadata::builder().target(target).level(level).build());
        assert!(enabled("lakota::mount::kernel::session", Level::Info));
        assert!(enabled("fuser::session", Level::Warn));
        assert!(!enabled("fuser::session", Level::Info));
    }
}
