//! Inputs of rows: files and the standard input, as frames of a schema.
//!
//! Every error says which file it is about. CSV is parsed as it is read; the other formats need to seek, so
//! what comes through a pipe is spooled to a temporary file first.

use super::format::InFormat;
use crate::data::csv::{CsvReader, Header};
use crate::data::files::{Frames, arrow, parquet};
use crate::data::input::{InputError, Problem};
use crate::data::schema::Schema;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows of a frame at most.
const FRAME_ROWS: usize = 131_072;

/// Blocks of CSV parsed side by side.
const BLOCKS: usize = 8;

/// Bytes from which on progress is shown.
const LARGE: u64 = 32 << 20;

/// A file of rows, or the standard input.
#[derive(Debug)]
pub(crate) struct Source {
    path: Option<PathBuf>,
    format: InFormat,
    /// Bytes, where they are known.
    len: u64,
}

/// How a source is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    /// Whether value columns may be missing.
    pub(crate) partial: bool,
    /// Whether all cores work on this one source.
    pub(crate) parallel: bool,
    /// Whether progress may be shown.
    pub(crate) progress: bool,
    /// Whether CSV has a header line.
    pub(crate) header: Header,
}

impl Source {
    /// A file, or the standard input where none is named (or `-`). Of the format given, else of the one its
    /// name tells; what has no name that tells is CSV.
    pub(crate) fn new(path: Option<&Path>, format: Option<InFormat>) -> Source {
        let path = path.filter(|path| *path != Path::new("-"));
        let format = format.or_else(|| path.and_then(InFormat::of)).unwrap_or(InFormat::Csv);
        let len = path.and_then(|path| path.metadata().ok()).map_or(0, |there| there.len());
        Source { path: path.map(Path::to_owned), format, len }
    }

    /// Its name in messages.
    pub(crate) fn name(&self) -> String {
        self.path.as_ref().map_or_else(|| "stdin".to_owned(), |path| path.display().to_string())
    }

    /// About how many bytes it is as CSV.
    pub(crate) const fn weight(&self) -> u64 {
        match self.format {
            InFormat::Csv => self.len,
            InFormat::Parquet | InFormat::Arrow => self.len.saturating_mul(4),
        }
    }

    /// Its rows, as frames of `schema`.
    pub(crate) fn frames(&self, schema: &Arc<Schema>, how: How) -> Result<Frames, InputError> {
        let name = self.name();
        let frames = self.open(schema, how).map_err(|e| told(e, &name))?;
        Ok(Box::new(frames.map(move |frame| frame.map_err(|e| told(e, &name)))))
    }

    fn open(&self, schema: &Arc<Schema>, how: How) -> Result<Frames, InputError> {
        let file = self.file().map_err(unread)?;
        match self.format {
            InFormat::Csv => {
                let input: Box<dyn Read + Send> = match how.progress.then(|| progress(self.len)).flatten() {
                    Some(bar) => Box::new(bar.wrap_read(file)),
                    None => Box::new(file),
                };
                let blocks = if how.parallel { BLOCKS } else { 1 };
                let reader = CsvReader::new(Arc::clone(schema), input, FRAME_ROWS);
                Ok(Box::new(reader.partial(how.partial).header(how.header).parallel(blocks)))
            }
            InFormat::Parquet => parquet::read(seekable(file)?, schema, how.partial),
            InFormat::Arrow => arrow::read(seekable(file)?, schema, how.partial),
        }
    }

    fn file(&self) -> io::Result<File> {
        match &self.path {
            Some(path) => File::open(path),
            None => Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?)),
        }
    }
}

/// The error with the file it is about and the options that help.
fn told(mut error: InputError, name: &str) -> InputError {
    if let Problem::Doubt(message) = &mut error.problem {
        message.push_str(", or tell by --header or --no-header");
    }
    error.in_file(name)
}

fn unread(error: io::Error) -> InputError {
    InputError::new(Problem::Read(error))
}

/// The file itself, or a temporary copy of what a pipe gives.
fn seekable(mut file: File) -> Result<File, InputError> {
    if file.metadata().map_err(unread)?.is_file() {
        return Ok(file);
    }
    let mut copy = tempfile::tempfile().map_err(unread)?;
    io::copy(&mut file, &mut copy).map_err(unread)?;
    copy.rewind().map_err(unread)?;
    Ok(copy)
}

/// A bar on stderr, where that is a terminal and the input is large.
fn progress(len: u64) -> Option<ProgressBar> {
    if len < LARGE || !io::stderr().is_terminal() {
        return None;
    }
    let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("reading {bytes} of {total_bytes} [{wide_bar}] {eta}").ok()?;
    Some(bar.with_style(style).with_finish(ProgressFinish::AndClear))
}
