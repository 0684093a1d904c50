//! Slots: the folder of one server in the base folder, which it holds by a lock as long as it lives.
//!
//! A place (repository and mountpoint) has the slots `name`, `name.2`, … A server takes the first that nobody holds: one that
//! is still ending after a lazy unmount keeps its files. What an ended one left in another slot comes along.

use super::SpoolError;
use super::folder::Folder;
use super::rejected::{Rejected, read_ticket, unknown};
use super::ticket::ENDED;
use crate::digest::Digest;
use rustix::fs::{FlockOperation, RenameFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Most servers of one place at a time.
const SLOTS: u32 = 64;

/// Bytes of the repository's name that a slot's name has.
const MAX_STEM: usize = 200;

/// Hex digits that tell places apart.
const DIGITS: usize = 16;

/// A slot that is held.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) root: Folder,
    pub(super) writes: Folder,
    pub(super) tickets: Folder,
    pub(super) scratch: Folder,
    pub(super) tmp: Folder,
    pub(super) rejected: Rejected,
    /// Held open for its lock.
    #[expect(dead_code, reason = "the lock lasts as long as the file is open")]
    lock: File,
}

impl Slot {
    /// Takes the first free slot of a place.
    pub(super) fn take(base: &Folder, name: &str) -> Result<Slot, SpoolError> {
        for n in 1..=SLOTS {
            if let Some(slot) = Slot::hold(base, &numbered(name, n))? {
                slot.recover(&slot);
                slot.absorb(base, name, n);
                return Ok(slot);
            }
        }
        Err(SpoolError::Taken(base.path().join(name)))
    }

    /// Holds one slot; `None` where another server does.
    fn hold(base: &Folder, name: &OsStr) -> Result<Option<Slot>, SpoolError> {
        let root = Folder::private(base, name)?;
        let failed = |source| SpoolError::Use { path: root.path().join("lock"), source };
        let lock = root.lock_file("lock").map_err(failed)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(failed(error.into())),
        }
        let part = |name: &str| Folder::private(&root, OsStr::new(name));
        let (writes, tickets, scratch, tmp) =
            (part("writes")?, part("tickets")?, part("scratch")?, part("tmp")?);
        let rejected = Rejected::new(part("rejected")?, part("reasons")?);
        Ok(Some(Slot { writes, tickets, scratch, tmp, rejected, lock, root }))
    }

    /// Takes over what ended servers left in the other slots.
    fn absorb(&self, base: &Folder, name: &str, own: u32) {
        for name in (1..=SLOTS).filter(|n| *n != own).map(|n| numbered(name, n)) {
            let held = match base.has(&name) {
                Ok(true) => Slot::hold(base, &name),
                Ok(false) => continue,
                Err(source) => Err(SpoolError::Use { path: base.path().join(&name), source }),
            };
            match held {
                Ok(Some(other)) => {
                    self.recover(&other);
                    warned("take over", &other.root, self.rejected.absorb(&other.rejected));
                    warned("take over", &other.scratch, merge(other.scratch.path(), self.scratch.path(), 2));
                }
                Ok(None) => {}
                Err(error) => log::warn!("cannot take over {}: {error}", name.display()),
            }
        }
    }

    /// Makes rejected bytes of what a server did not finish in `from`, which may be this slot. Each step can be the last one:
    /// bytes lie in `writes/` until they lie in `rejected/`. What fails stays for the next time.
    fn recover(&self, from: &Slot) {
        warned("tidy", &from.root, from.rejected.tidy());
        let names = from.writes.names().unwrap_or_else(|error| {
            warned("list", &from.writes, Err(error));
            Vec::new()
        });
        for name in &names {
            warned("recover", &from.writes, self.leftover(from, name));
        }
        let tickets = from.tickets.names().unwrap_or_default();
        for name in tickets.iter().filter(|name| !from.writes.has(name).unwrap_or(true)) {
            warned("tidy", &from.tickets, from.tickets.remove(name).map(|_| ()));
        }
        from.tmp.clear();
    }

    fn leftover(&self, from: &Slot, name: &OsStr) -> io::Result<()> {
        let Some(file) = from.writes.open(name)? else {
            log::warn!("{} is none of our files", from.writes.path().join(name).display());
            return Ok(());
        };
        let there = file.metadata()?;
        if there.len() == 0 {
            from.writes.remove(name)?;
            return Ok(());
        }
        let mut ticket = read_ticket(&from.tickets, name).unwrap_or_else(|| unknown(&file, &there, ""));
        ENDED.clone_into(&mut ticket.reason);
        file.sync_all()?;
        let kept = self.rejected.moved(&from.writes, name, &ticket)?;
        // The log has times of its own.
        let line = ticket.line(Some(&kept));
        log::warn!("{}", line.split_once(' ').map_or("", |(_, rest)| rest));
        Ok(())
    }
}

/// What the slots of a place are called: after the repository, and a digest of both paths.
pub(super) fn name(repo: &Path, mountpoint: &Path) -> String {
    let place = [repo.as_os_str().as_bytes(), mountpoint.as_os_str().as_bytes()].join(&0);
    let stem = repo.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // `.lakota` is what most repositories are called, and `ls` should show what they leave.
    let stem = stem.trim_start_matches('.');
    let mut end = stem.len().min(MAX_STEM);
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}-{}", &stem[..end], &Digest::of(&place).to_string()[..DIGITS])
}

fn numbered(name: &str, n: u32) -> OsString {
    if n == 1 { name.into() } else { format!("{name}.{n}").into() }
}

/// Moves what lies in one folder to another that has not something of that name; folders of one name are merged, so deep.
fn merge(from: &Path, to: &Path, depth: u32) -> io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (inner, there) = (entry.path(), to.join(entry.file_name()));
        match rustix::fs::renameat_with(
            rustix::fs::CWD,
            &inner,
            rustix::fs::CWD,
            &there,
            RenameFlags::NOREPLACE,
        ) {
            Ok(()) => {}
            Err(Errno::EXIST) if depth > 0 && entry.file_type()?.is_dir() && there.is_dir() => {
                merge(&inner, &there, depth - 1)?;
            }
            // Both stay: the one in use is seen.
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// What cannot be recovered stays where it is, and is no reason not to mount.
fn warned(what: &str, folder: &Folder, done: io::Result<()>) {
    if let Err(error) = done {
        log::warn!("cannot {what} {}: {error}", folder.path().display());
    }
}
