//! Bytes by key: the one trait every place to keep a repository implements.
//!
//! A key is a path of `/`-separated names, none of them empty, `.`, `..` or starting with `.tmp-` (the
//! names of files still being put). What is put is never changed, only renamed or deleted.
//! `put` is atomic (a reader sees all of it or nothing) and, where the backend is durable, on disk
//! when it returns; what writers put who do not sync is brought there by `settle`. Nothing here knows what the bytes mean.

pub mod faulty;
pub mod local;
pub mod memory;
pub mod watch;

use bytes::Bytes;
use std::sync::Arc;
use std::{fmt, io};
use watch::Watcher;

/// How the names of files still being put start.
const STAGING: &str = ".tmp-";

/// A place to keep bytes by key.
pub trait Backend: Send + Sync + fmt::Debug {
    /// Reads all of `key`.
    fn get(&self, key: &str) -> Result<Bytes, BackendError>;

    /// Reads all of `key`; kind `NoFile` if it has more than `most` bytes, which are not read then. Everything that is
    /// read whole has a bound, so that no file, however long, takes all memory.
    fn get_within(&self, key: &str, most: u64) -> Result<Bytes, BackendError> {
        match self.len(key)? {
            Some(len) if len > most => Err(BackendError::too_long("read", key, len, most)),
            _ => self.get(key),
        }
    }

    /// Reads `len` bytes of `key` from `offset`; fewer bytes there are an error of kind `Other`.
    fn get_range(&self, key: &str, offset: u64, len: usize) -> Result<Bytes, BackendError>;

    /// Writes every item, each atomically, in no order; on return all are durable. An existing key is
    /// replaced by its like: callers only ever put the same bytes under the same key.
    fn put_many(&self, items: &[(String, Bytes)]) -> Result<(), BackendError>;

    /// Writes `bytes` under `key`: atomic, durable on return.
    fn put(&self, key: &str, bytes: Bytes) -> Result<(), BackendError> {
        self.put_many(&[(key.to_owned(), bytes)])
    }

    /// The length of `key` in bytes, or `None` where it does not exist.
    fn len(&self, key: &str) -> Result<Option<u64>, BackendError>;

    /// What lies directly in `folder` (no trailing slash; empty is the root), in no order. A folder that
    /// does not exist is empty. Files still being put are not listed.
    fn list(&self, folder: &str) -> Result<Vec<Entry>, BackendError>;

    /// Renames a file; durable on return. Kind `NotFound` where `from` does not exist; `to` is replaced.
    fn rename(&self, from: &str, to: &str) -> Result<(), BackendError>;

    /// Deletes files; durable on return. Files that do not exist are skipped.
    fn delete_many(&self, keys: &[String]) -> Result<(), BackendError>;

    /// Puts a file for which others will be deleted: what anybody put before, and then this file, is on disk on return,
    /// also where this writer does not sync.
    fn put_settled(&self, key: &str, bytes: Bytes) -> Result<(), BackendError> {
        self.settle()?;
        self.put(key, bytes)
    }

    /// Whether all calls are durable on return. If not, the files of this writer may be torn or missing after a power
    /// failure, until somebody settles.
    fn is_durable(&self) -> bool {
        true
    }

    /// Brings on disk what anybody put before this call without syncing it. Who says that something is on disk calls it
    /// after the last look at what others put: before a revision that builds on theirs, and where nothing is left to do.
    fn settle(&self) -> Result<(), BackendError> {
        Ok(())
    }

    /// Makes the names of files durable that somebody else may be putting: their contents are already.
    fn sync(&self, keys: &[String]) -> Result<(), BackendError>;

    /// Deletes what puts that never ended left behind, older than `age_ms`; gives how many.
    fn clean(&self, age_ms: u64) -> Result<usize, BackendError>;

    /// What hears of changes made by anybody, where this place can tell.
    fn watcher(&self) -> Option<Arc<dyn Watcher>> {
        None
    }
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name in its folder.
    pub name: String,
    /// Whether it is a folder.
    pub folder: bool,
}

/// What callers branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendErrorKind {
    /// The key does not exist.
    NotFound,
    /// The place cannot be written: permission, or a read-only file system.
    NotWritable,
    /// The place is full, or a quota is.
    Full,
    /// What lies under the key is none of ours, whatever it holds: no regular file (a pipe, a device, a folder), or longer
    /// than anything that could stand there.
    NoFile,
    /// Anything else.
    Other,
}

/// A failed call of a backend.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {key}")]
pub struct BackendError {
    /// What kind of failure.
    pub kind: BackendErrorKind,
    /// What was tried: `read`, `write`, `list`, `rename`, `delete`, `sync`.
    pub verb: &'static str,
    /// Of which key, as a user could find it (a path, for a local folder).
    pub key: String,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl BackendError {
    /// Wraps an I/O error, its kind told from the error's.
    #[must_use]
    pub fn new(verb: &'static str, key: impl Into<String>, source: io::Error) -> BackendError {
        use io::ErrorKind as K;
        let kind = match source.kind() {
            K::NotFound => BackendErrorKind::NotFound,
            K::PermissionDenied | K::ReadOnlyFilesystem => BackendErrorKind::NotWritable,
            K::StorageFull | K::QuotaExceeded | K::FileTooLarge => BackendErrorKind::Full,
            _ => BackendErrorKind::Other,
        };
        BackendError { kind, verb, key: key.into(), source }
    }

    /// A key of more bytes than could be ours.
    #[must_use]
    pub fn too_long(verb: &'static str, key: impl Into<String>, len: u64, most: u64) -> BackendError {
        let why = io::Error::other(format!("it has {len} bytes; what lies there has at most {most}"));
        BackendError { kind: BackendErrorKind::NoFile, ..BackendError::new(verb, key, why) }
    }

    /// A key under which something lies that is no regular file.
    #[must_use]
    pub fn not_a_file(verb: &'static str, key: impl Into<String>, what: &str) -> BackendError {
        let why = io::Error::other(format!("it is {what}, not a regular file"));
        BackendError { kind: BackendErrorKind::NoFile, ..BackendError::new(verb, key, why) }
    }

    /// A key that does not exist.
    #[must_use]
    pub fn not_found(verb: &'static str, key: impl Into<String>) -> BackendError {
        BackendError::new(verb, key, io::ErrorKind::NotFound.into())
    }

    /// Whether the key does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind == BackendErrorKind::NotFound
    }
}

/// Refuses what is no key: a staging name, or a path that could lead out of the root.
fn check_key(verb: &'static str, key: &str) -> Result<(), BackendError> {
    let valid =
        |name: &str| !matches!(name, "" | "." | "..") && !name.starts_with(STAGING) && !name.contains('\0');
    if key.split('/').all(valid) {
        return Ok(());
    }
    Err(BackendError::new(verb, key, io::Error::new(io::ErrorKind::InvalidInput, "not a valid key")))
}

/// Refuses what is no folder: like [`check_key`], but empty is the root.
fn check_folder(verb: &'static str, folder: &str) -> Result<(), BackendError> {
    if folder.is_empty() { Ok(()) } else { check_key(verb, folder) }
}
