//! Everything that is printed: results on stdout or into a file, notes and errors on stderr.
//!
//! Data (CSV, JSON, Parquet, Arrow) is printed as it is. All else is for people, and goes through `data::plain`: names and
//! messages that others chose must not act on a terminal.
//!
//! A reader of stdout that goes away ends the program quietly. A file named by `-o` appears whole or not
//! at all: it is written beside its place and renamed.

use super::exit::{Gone, Told};
use super::target;
use crate::clock::{Clock, Stamp, SystemClock, iso};
use crate::data::plain;
use crate::halt::{self, Unfinished};
use anyhow::{Context, Result};
use rustix::fs::OFlags;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Writes a message to stderr: what it quotes cannot act on the terminal, nor look like a line of its own. Where nobody
/// takes it, nothing is left to tell.
fn note(message: &str) {
    writeln!(io::stderr().lock(), "{}", plain::message(message)).ok();
}

/// Goes to a new line of stderr, behind what a terminal shows there.
pub(crate) fn leave_line() {
    if io::stderr().is_terminal() {
        writeln!(io::stderr().lock()).ok();
    }
}

/// Says on stderr what was done.
pub(crate) fn say(line: &str) {
    note(line);
}

/// Says on stderr what is not as it was asked for, though the rest is done.
pub(crate) fn warn(line: &str) {
    note(&format!("lakota: {line}"));
}

/// Says on stderr why it was not: the chain of causes, joined by colons. A reader that went
/// away is no cause to talk, and what another process said is not said again.
pub(crate) fn error(error: &anyhow::Error) {
    if error.is::<Gone>() || error.is::<Told>() {
        return;
    }
    note(&format!("lakota: {}", causes(error)));
}

/// The chain of causes of an error in one line.
pub(crate) fn causes(error: &anyhow::Error) -> String {
    let mut causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    causes.dedup();
    causes.join(": ")
}

/// Prints help on stdout, a usage error on stderr.
pub(crate) fn clap(error: &clap::Error) {
    if error.use_stderr() {
        let text = error.render().to_string();
        let text =
            text.strip_prefix("error: ").map_or_else(|| text.clone(), |rest| format!("lakota: {rest}"));
        writeln!(io::stderr().lock(), "{}", plain::lines(text.trim_end())).ok();
    } else {
        // A reader of the help that went away: nothing is left to tell.
        error.print().ok();
    }
}

/// Where the library says what must be heard though nothing failed: that rows are lost.
const HEARD: &str = "lakota::history::changelog::torn";

/// Starts the log: what must be heard, with `-v` more.
pub(crate) fn start_log(verbose: u8) {
    let level = match verbose {
        0 => {
            env_logger::Builder::new()
                .filter_module(HEARD, log::LevelFilter::Warn)
                .format(|out, record| writeln!(out, "lakota: warning: {}", record.args()))
                .init();
            return;
        }
        1 => log::LevelFilter::Info,
        _ => log::LevelFilter::Debug,
    };
    let line = |out: &mut env_logger::fmt::Formatter, record: &log::Record<'_>| {
        let (level, style) = (record.level(), out.default_level_style(record.level()));
        let (time, target) = (iso(SystemClock.now()), record.target());
        let text = record.args().to_string();
        writeln!(out, "[{time} {style}{level:<5}{style:#} {target}] {}", plain::line(&text))
    };
    env_logger::Builder::new().filter_level(level).format(line).init();
}

/// Whether results go to a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Where results go.
#[derive(Debug)]
pub(crate) struct Output {
    place: Place,
}

#[derive(Debug)]
enum Place {
    Stdout(File),
    /// A device or a pipe by name: nothing to rename there.
    Direct(File, PathBuf),
    File(NamedTempFile, Unfinished, PathBuf),
}

impl Output {
    /// Standard output, without a buffer: write large pieces.
    pub(crate) fn stdout() -> Result<Output> {
        let copy = io::stdout().as_fd().try_clone_to_owned();
        let file = File::from(copy.context("cannot open the standard output")?);
        Ok(Output { place: Place::Stdout(file) })
    }

    /// A file, or standard output where none is named (or `-`).
    pub(crate) fn open(path: Option<&Path>) -> Result<Output> {
        match path {
            None => Output::stdout(),
            Some(path) if path == Path::new("-") || path == Path::new("/dev/stdout") => Output::stdout(),
            Some(path) => Output::file(path).with_context(|| format!("cannot write {}", path.display())),
        }
    }

    fn file(path: &Path) -> io::Result<Output> {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        // A name of a file that is open already: that one must not be replaced.
        let open_already =
            (path.starts_with("/dev") && !path.starts_with("/dev/shm")) || path.starts_with("/proc");
        if open_already {
            let file = File::options().append(true).open(path)?;
            return Ok(Output { place: Place::Direct(file, path.to_owned()) });
        }
        // A link stays one: what it names is replaced.
        let target = target::find(path)?;
        if target.is_special() {
            let flags = OFlags::NOFOLLOW.bits().cast_signed();
            let file = File::options().append(true).custom_flags(flags).open(&target.path)?;
            return Ok(Output { place: Place::Direct(file, path.to_owned()) });
        }
        let mode = target.there.map_or(0o666, |there| there.st_mode & 0o7777);
        let mut builder = tempfile::Builder::new();
        builder.prefix(".lakota-").permissions(PermissionsExt::from_mode(mode));
        let (temp, known) = Unfinished::make(|| {
            let temp = builder.tempfile_in(target.folder())?;
            let path = temp.path().to_owned();
            Ok((temp, path))
        })?;
        Ok(Output { place: Place::File(temp, known, target.path) })
    }

    /// Ends the output: now a named file appears.
    pub(crate) fn finish(self) -> Result<()> {
        match self.place {
            Place::Stdout(_) | Place::Direct(..) => Ok(()),
            Place::File(temp, _known, path) => {
                let done = halt::whole(|| {
                    halt::changed();
                    temp.persist(&path).map_err(|e| e.error)
                });
                done.map(|_| ()).with_context(|| format!("cannot write {}", path.display()))
            }
        }
    }

    /// Makes the error of a write to it one that says where.
    pub(crate) fn failed(&self, error: io::Error) -> anyhow::Error {
        let place = match &self.place {
            Place::Stdout(_) if error.kind() == ErrorKind::BrokenPipe => return Gone.into(),
            Place::Stdout(_) => "the standard output".to_owned(),
            Place::Direct(_, path) | Place::File(_, _, path) => path.display().to_string(),
        };
        anyhow::Error::new(error).context(format!("cannot write {place}"))
    }

    /// Writes lines for people: what they quote cannot act on a terminal.
    pub(crate) fn put_lines(&mut self, text: &[u8]) -> Result<()> {
        let text = String::from_utf8_lossy(text);
        self.put(plain::lines(&text).as_bytes())
    }

    /// Writes all of `bytes`.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_all(bytes).map_err(|e| self.failed(e))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.place {
            Place::Stdout(file) | Place::Direct(file, _) => file.write(bytes),
            Place::File(temp, ..) => temp.as_file_mut().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Prints lines for people on standard output.
pub(crate) fn print(text: impl AsRef<[u8]>) -> Result<()> {
    Output::stdout()?.put_lines(text.as_ref())
}

/// Prints data on standard output, as it is.
pub(crate) fn print_data(text: &str) -> Result<()> {
    Output::stdout()?.put(text.as_bytes())
}

/// What a note ends in where it tells of a revision that was made.
pub(crate) fn as_revision(revision: Option<Stamp>) -> String {
    revision.map_or_else(String::new, |revision| format!(", revision {revision}"))
}

/// `1 row`, `2 rows`.
pub(crate) fn rows(n: u64) -> String {
    count(n, "row")
}

/// `1 revision`, `2 revisions`.
pub(crate) fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// Bytes as people say them.
pub(crate) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "";
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if unit.is_empty() { format!("{bytes} bytes") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        let told = [0, 999, 1200, 1_234_567, 5_000_000_000].map(size);
        assert_eq!(told, ["0 bytes", "999 bytes", "1.2 kB", "1.2 MB", "5.0 GB"]);
    }
}
