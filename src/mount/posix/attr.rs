//! What operations of the mount take and give: plain values.

use std::ffi::OsStr;
use std::time::Duration;

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

/// Bytes that are best read at once.
pub const READ: u32 = 128 << 10;

/// Bytes that are best written at once: each write is a request.
pub const WRITE: u32 = 1 << 20;

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
    /// Names: 0 of a file that is only open.
    pub links: u32,
    /// Bytes that are best read or written at once.
    pub piece: u32,
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
