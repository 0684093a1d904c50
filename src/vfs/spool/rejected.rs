//! Bytes that were refused, kept: a file for each in `rejected/`, and of the same name in `reasons/` its ticket.
//!
//! The reason is on disk before the bytes get their name, and goes after them: bytes always have their reason, and a
//! reason without bytes is what a killed server left. Bytes appear whole or not at all.

use super::copy::copy;
use super::folder::Folder;
use super::ticket::{Ticket, Way};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicU64, Ordering};

/// How long rejected bytes are kept, in milliseconds.
const KEPT: u64 = 30 * 86_400_000;

/// Most bytes of a ticket that are read.
const MAX_TICKET: u64 = 1 << 20;

/// Rejected bytes and what is known of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Name in `rejected/`.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Who wrote them, where and how, and why they were refused.
    #[serde(flatten)]
    pub ticket: Ticket,
}

#[derive(Debug)]
pub(super) struct Rejected {
    files: Folder,
    reasons: Folder,
    copies: AtomicU64,
}

impl Rejected {
    pub(super) const fn new(files: Folder, reasons: Folder) -> Rejected {
        Rejected { files, reasons, copies: AtomicU64::new(0) }
    }

    /// Keeps a copy of a file, made in `tmp` first. It is on disk on return.
    pub(super) fn copied(&self, file: &File, tmp: &Folder, ticket: &Ticket) -> io::Result<String> {
        let draft = format!("rejected-{}", self.copies.fetch_add(1, Ordering::Relaxed));
        let drafted = tmp.create(&draft).and_then(|to| {
            copy(file, &to)?;
            to.sync_all()
        });
        let done = drafted.and_then(|()| self.moved(tmp, OsStr::new(&draft), ticket));
        if done.is_err() {
            tmp.forget(&draft);
        }
        done
    }

    /// Keeps a file of another folder, which goes from there. Its bytes must be on disk.
    pub(super) fn moved(&self, from: &Folder, name: &OsStr, ticket: &Ticket) -> io::Result<String> {
        let kept = self.reserve(ticket)?;
        if let Err(error) = from.rename(name, &self.files, &kept) {
            self.reasons.forget(&kept);
            return Err(error);
        }
        self.files.sync()?;
        Ok(kept)
    }

    /// The same where there is no space for a reason: its ticket becomes it.
    pub(super) fn moved_with(
        &self,
        from: &Folder,
        tickets: &Folder,
        name: &OsStr,
        ticket: &Ticket,
    ) -> io::Result<String> {
        // Within the space that it has.
        if let Err(error) = tickets.rewrite(name, &serde_json::to_vec(ticket)?) {
            log::warn!("cannot note why {} is refused: {error}", from.path().join(name).display());
        }
        let taken = |kept: &str| {
            io::Result::Ok(self.files.has(OsStr::new(kept))? || self.reasons.has(OsStr::new(kept))?)
        };
        let mut n = 1;
        while taken(&ticket.kept_name(n))? {
            n += 1;
        }
        let kept = ticket.kept_name(n);
        tickets.rename(name, &self.reasons, &kept)?;
        self.reasons.sync()?;
        from.rename(name, &self.files, &kept)?;
        self.files.sync()?;
        Ok(kept)
    }

    /// Finds a free name and puts the ticket on disk under it: from then on it is taken.
    fn reserve(&self, ticket: &Ticket) -> io::Result<String> {
        let text = serde_json::to_vec(ticket)?;
        let mut n = 1;
        loop {
            let name = ticket.kept_name(n);
            n += 1;
            // Bytes whose reason is lost have their name still.
            if self.files.has(OsStr::new(&name))? {
                continue;
            }
            match self.reasons.put(&name, &text) {
                Ok(file) => {
                    let done = file.sync_all().and_then(|()| self.reasons.sync());
                    return match done {
                        Ok(()) => Ok(name),
                        Err(error) => {
                            self.reasons.forget(&name);
                            Err(error)
                        }
                    };
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// What is kept, oldest first.
    pub(super) fn list(&self) -> io::Result<Vec<Kept>> {
        let mut found = Vec::new();
        for name in self.files.names()?.into_iter().filter_map(|name| name.into_string().ok()) {
            // It may have been removed meanwhile.
            let Some(file) = self.files.open(OsStr::new(&name))? else { continue };
            let there = file.metadata()?;
            let ticket = read_ticket(&self.reasons, OsStr::new(&name));
            let ticket = ticket.unwrap_or_else(|| unknown(&file, &there, "why is not known any more"));
            found.push(Kept { name, size: there.len(), ticket });
        }
        found.sort_by(|a, b| (a.ticket.time, &a.name).cmp(&(b.ticket.time, &b.name)));
        Ok(found)
    }

    pub(super) fn open(&self, name: &str) -> io::Result<Option<File>> {
        self.files.open(OsStr::new(name))
    }

    pub(super) fn remove(&self, name: &str) -> io::Result<bool> {
        let there = self.files.remove(OsStr::new(name))?;
        if there {
            self.reasons.forget(name);
        }
        Ok(there)
    }

    /// Removes what is older than 30 days, but never the newest of a series.
    pub(super) fn age(&self, now: u64) -> io::Result<()> {
        let all = self.list()?;
        let series = |kept: &Kept| (kept.ticket.collection.clone(), kept.ticket.series.clone());
        let newest: HashMap<_, &str> = all.iter().map(|kept| (series(kept), kept.name.as_str())).collect();
        let mut done = Ok(());
        for kept in &all {
            let old = now.saturating_sub(kept.ticket.time) > KEPT;
            if old && newest.get(&series(kept)) != Some(&kept.name.as_str()) {
                // One that cannot be removed does not keep the others.
                done = done.and(self.remove(&kept.name).map(|_| ()));
            }
        }
        done
    }

    /// Removes reasons without bytes: a server was killed between the two.
    pub(super) fn tidy(&self) -> io::Result<()> {
        let mut done = Ok(());
        for name in self.reasons.names()? {
            if !self.files.has(&name)? {
                done = done.and(self.reasons.remove(&name).map(|_| ()));
            }
        }
        done
    }

    /// Takes over what another keeps.
    pub(super) fn absorb(&self, other: &Rejected) -> io::Result<()> {
        let mut done = Ok(());
        for kept in other.list()? {
            let moved = self.moved(&other.files, OsStr::new(&kept.name), &kept.ticket);
            if moved.is_ok() {
                other.reasons.forget(&kept.name);
            }
            done = done.and(moved.map(|_| ()));
        }
        done
    }
}

/// Reads a ticket; `None` where it is missing or damaged.
pub(super) fn read_ticket(folder: &Folder, name: &OsStr) -> Option<Ticket> {
    let read = || -> io::Result<Option<Ticket>> {
        let Some(file) = folder.open(name)? else { return Ok(None) };
        let mut text = Vec::new();
        file.take(MAX_TICKET).read_to_end(&mut text)?;
        Ok(Some(serde_json::from_slice(&text)?))
    };
    read().unwrap_or_else(|error| {
        log::warn!("cannot read the ticket {}: {error}", folder.path().join(name).display());
        None
    })
}

/// What can be told of bytes whose ticket is lost.
pub(super) fn unknown(file: &File, there: &Metadata, reason: &str) -> Ticket {
    let seconds = u64::try_from(there.mtime()).unwrap_or(0);
    let mut magic = [0; 4];
    let parquet = file.read_exact_at(&mut magic, 0).is_ok() && magic == *b"PAR1";
    Ticket {
        time: seconds * 1000 + u64::try_from(there.mtime_nsec()).unwrap_or(0) / 1_000_000,
        uid: there.uid(),
        pid: 0,
        process: String::new(),
        collection: String::new(),
        series: String::new(),
        file: if parquet { "live.parquet" } else { "live.csv" }.to_owned(),
        // Of the two, what removes no rows; Parquet cannot be appended.
        way: if parquet { Way::Replace } else { Way::Append },
        reason: reason.to_owned(),
        basis: None,
    }
}
