//! Reading a file, if it is one.
//!
//! The one place that opens what lies in a repository. Who gives somebody a repository may have put anything there: a
//! named pipe would make the reader wait for ever, a device may do anything, and a file may be longer than all memory.

use bytes::Bytes;
use std::fs::{File, FileType, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// What is read of a file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// All of it, if it has no more bytes.
    Whole(u64),
    /// So many bytes from an offset.
    Range(u64, usize),
}

/// Why nothing was read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The system says why.
    Io(io::Error),
    /// It is no regular file, but this.
    NotAFile(&'static str),
    /// Its length, and the most that is read.
    TooLong(u64, u64),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> ReadError {
        match error.raw_os_error() {
            Some(libc::ENXIO) => ReadError::NotAFile("a socket or a device that is not there"),
            Some(libc::ELOOP) => ReadError::NotAFile("a link that leads back to itself"),
            _ => ReadError::Io(error),
        }
    }
}

/// Reads a regular file, or a part of it.
pub(super) fn read(path: &Path, part: Part) -> Result<Bytes, ReadError> {
    let file = open(path)?;
    let data = file.metadata()?;
    if !data.is_file() {
        return Err(ReadError::NotAFile(kind(data.file_type())));
    }
    let (offset, len) = match part {
        Part::Whole(most) if data.len() > most => return Err(ReadError::TooLong(data.len(), most)),
        Part::Whole(_) => (0, usize::try_from(data.len()).map_err(io::Error::other)?),
        Part::Range(offset, len) => (offset, len),
    };
    // Checked before the buffer is made: a damaged length must not ask for all memory.
    if offset.checked_add(len as u64).is_none_or(|end| end > data.len()) {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    let mut bytes = buffer(len)?;
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes.into())
}

/// From so many bytes on, memory is asked for: where there is none, the process would end.
const LARGE: usize = 64 << 20;

/// Zeros.
fn buffer(len: usize) -> io::Result<Vec<u8>> {
    if len < LARGE {
        return Ok(vec![0; len]);
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|e| io::Error::new(io::ErrorKind::OutOfMemory, e))?;
    bytes.resize(len, 0);
    Ok(bytes)
}

/// Opens without waiting: the other end of a pipe need not be there. Nothing becomes the terminal of a daemon.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// What a file is that is no regular one, for messages.
fn kind(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
