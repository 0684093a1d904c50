//! The spool: a private folder on local disk where bytes that are being written wait, and where refused ones are kept.
//!
//! Owns the layout `<base>/<place>/{lock, writes/, tickets/, scratch/, rejected/, reasons/, tmp/}`. Knows nothing of FUSE or of
//! what the bytes mean. A server touches only the slot whose lock it holds; bytes that were written are removed by whoever
//! asked for their file, or kept as rejected, never lost.

mod base;
mod copy;
mod error;
mod file;
mod folder;
mod rejected;
mod slot;
mod ticket;

pub use base::{default_base, free_space};
pub use error::SpoolError;
pub use file::SpoolFile;
pub use rejected::Kept;
pub use ticket::{ENDED, Opened, SHORT, STOPPED, Ticket, Way, one_line};

use crate::digest::Digest;
use crate::history::entry::SeriesId;
use folder::Folder;
use rustix::fs::{Mode, OFlags};
use slot::Slot;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The folder where bytes wait, held by this server.
#[derive(Debug)]
pub struct Spool {
    slot: Arc<Slot>,
    next: AtomicU64,
}

impl Spool {
    /// Opens the spool of a mount in `base`, made where it is missing; to be done before anything is mounted. All paths are absolute,
    /// and `base` lies outside of both the others; `now` is in milliseconds since 1970-01-01 UTC. What a killed server left becomes rejected.
    pub fn open(base: &Path, repo: &Path, mountpoint: &Path, now: u64) -> Result<Spool, SpoolError> {
        base::make(base)?;
        let slot = Slot::take(&Folder::base(base)?, &slot::name(repo, mountpoint))?;
        if let Err(error) = slot.rejected.age(now) {
            log::warn!("cannot remove old rejected files in {}: {error}", slot.root.path().display());
        }
        Ok(Spool { slot: Arc::new(slot), next: AtomicU64::new(1) })
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.slot.root.path()
    }

    /// A folder for files that need not outlive this server, such as sorted runs of large inputs.
    #[must_use]
    pub fn temporary(&self) -> &Path {
        self.slot.tmp.path()
    }

    /// Where the scratch files of a series lie: it need not exist.
    #[must_use]
    pub fn scratch(&self, collection: Digest, series: SeriesId) -> PathBuf {
        self.scratch_root().join(collection.to_string()).join(series.to_string())
    }

    /// Where all scratch files lie.
    #[must_use]
    pub fn scratch_root(&self) -> PathBuf {
        self.slot.scratch.path().to_owned()
    }

    /// A new empty file for bytes, and its ticket beside it. Nothing is brought on disk.
    pub fn file(&self, ticket: &Ticket) -> io::Result<SpoolFile> {
        self.ticketed(ticket, |name| self.slot.writes.create(name))
    }

    /// Makes a file of the spool one that waits: it is moved from `path`, and open for reading and writing.
    pub fn adopt(&self, path: &Path, ticket: &Ticket) -> io::Result<SpoolFile> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(ErrorKind::InvalidInput.into());
        }
        let mut file = Some(file);
        self.ticketed(ticket, |name| {
            // A name that a server left behind and nobody could remove.
            if self.slot.writes.has(OsStr::new(name))? {
                return Err(ErrorKind::AlreadyExists.into());
            }
            std::fs::rename(path, self.slot.writes.path().join(name))?;
            file.take().ok_or_else(|| ErrorKind::AlreadyExists.into())
        })
    }

    /// Puts a ticket under a free number, then what it is for: bytes never lie there without one.
    fn ticketed(
        &self,
        ticket: &Ticket,
        mut make: impl FnMut(&str) -> io::Result<File>,
    ) -> io::Result<SpoolFile> {
        let text = serde_json::to_vec(ticket)?;
        loop {
            let name = self.next.fetch_add(1, Ordering::Relaxed).to_string();
            let made = self.slot.tickets.put(&name, &text).and_then(|_| {
                let made = make(&name);
                if made.is_err() {
                    self.slot.tickets.forget(&name);
                }
                made
            });
            match made {
                Ok(file) => return Ok(SpoolFile::new(file, name, Arc::clone(&self.slot))),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Keeps a copy of a whole file as rejected, on disk on return, and gives its name.
    pub fn reject(&self, file: &File, ticket: &Ticket) -> io::Result<String> {
        self.slot.rejected.copied(file, &self.slot.tmp, ticket)
    }

    /// Keeps the file itself as rejected, on disk on return, and gives its name. Nobody may write it any more. Where that fails, the
    /// next server finds it.
    pub fn keep(&self, file: SpoolFile, ticket: &Ticket) -> io::Result<String> {
        let kept = file.keep(ticket);
        if kept.is_err() {
            file.leave();
        }
        kept
    }

    /// What is rejected, oldest first.
    #[must_use]
    pub fn rejected(&self) -> Vec<Kept> {
        self.slot.rejected.list().unwrap_or_else(|error| {
            log::warn!("cannot list the rejected files in {}: {error}", self.folder().display());
            Vec::new()
        })
    }

    /// Opens rejected bytes for reading; `None` where there are none of this name.
    pub fn open_rejected(&self, name: &str) -> io::Result<Option<File>> {
        self.slot.rejected.open(name)
    }

    /// Removes rejected bytes, and tells whether they were there.
    pub fn remove_rejected(&self, name: &str) -> io::Result<bool> {
        self.slot.rejected.remove(name)
    }

    /// Removes what was rejected more than 30 days before `now`, but never the newest of a series.
    pub fn age(&self, now: u64) -> io::Result<()> {
        self.slot.rejected.age(now)
    }
}

#[cfg(test)]
mod tests;
