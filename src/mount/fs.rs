//! What every operation on the mount does; knows nothing of FUSE.

use super::errno::Errno;
use super::options::MountOptions;
use crate::repo::Repo;
use bytes::Bytes;
use std::ffi::OsStr;
use std::time::Duration;

/// The number of the root folder.
pub const ROOT: u64 = 1;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Thread that asks; 0 from another PID namespace.
    pub pid: u32,
}

/// What an inode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// A symbolic link.
    Link,
}

/// What `stat` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attr {
    /// Number.
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub mtime: u64,
    /// Folder, file or link.
    pub kind: Kind,
    /// Permission bits.
    pub perm: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// A name that was found.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// What it names.
    pub attr: Attr,
    /// How long the name means this inode.
    pub entry_ttl: Duration,
    /// How long the attributes hold.
    pub attr_ttl: Duration,
}

/// What an open gave.
#[derive(Debug, Clone, Copy)]
pub struct Opened {
    /// Handle.
    pub handle: u64,
    /// Whether what the kernel kept of an earlier open is still right.
    pub keep_cache: bool,
    /// Whether the kernel must not keep what is read.
    pub direct: bool,
}

/// A line of a folder.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// Where the next reading goes on after this line.
    pub next: u64,
    /// Name.
    pub name: &'a OsStr,
    /// What it is. `.` and `..` are never counted as looked up.
    pub found: Found,
}

/// A mounted repository.
#[derive(Debug)]
pub struct Fs {}

impl Fs {
    /// Serves a repository.
    #[must_use]
    pub fn new(_repo: Repo, _options: MountOptions) -> Fs {
        Fs {}
    }

    /// Finds a name in a folder. Counts as one lookup of what it finds.
    pub fn lookup(&self, _caller: Caller, _parent: u64, _name: &OsStr) -> Result<Found, Errno> {
        Err(Errno::ENOENT)
    }

    /// Takes back `count` lookups.
    pub fn forget(&self, _ino: u64, _count: u64) {}

    /// What `stat` shows, and how long it holds.
    pub fn getattr(&self, _caller: Caller, _ino: u64) -> Result<(Attr, Duration), Errno> {
        Err(Errno::ENOENT)
    }

    /// The target of a link.
    pub fn readlink(&self, _ino: u64) -> Result<Vec<u8>, Errno> {
        Err(Errno::EINVAL)
    }

    /// Opens a file; `flags` as for open(2).
    pub fn open(&self, _caller: Caller, _ino: u64, _flags: i32) -> Result<Opened, Errno> {
        Err(Errno::ENOENT)
    }

    /// Bytes of an open file: fewer than `len` only at its end.
    pub fn read(&self, _handle: u64, _offset: u64, _len: usize) -> Result<Bytes, Errno> {
        Err(Errno::EBADF)
    }

    /// Closes a file.
    pub fn release(&self, _handle: u64) {}

    /// Opens a folder.
    pub fn opendir(&self, _caller: Caller, _ino: u64) -> Result<Opened, Errno> {
        Err(Errno::ENOENT)
    }

    /// Lines of an open folder from `offset` (0, or the `next` of a line), until `take` says that it is full by
    /// returning false: that line was not taken. With `plus`, each line taken (but `.` and `..`) counts as a lookup.
    pub fn readdir(
        &self,
        _handle: u64,
        _offset: u64,
        _plus: bool,
        _take: &mut dyn FnMut(&Line<'_>) -> bool,
    ) -> Result<(), Errno> {
        Err(Errno::EBADF)
    }

    /// Closes a folder.
    pub fn releasedir(&self, _handle: u64) {}
}
