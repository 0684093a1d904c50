//! Locks of files: of what, and what having or leaving one means for a live file.
//!
//! Every opener that writes a live file has a working copy of its own, but what they lock is the series. Who gets a lock sees what
//! the one before has saved, if it knows no bytes yet; who gives one up saves first.

use super::save::live;
use super::{Caller, Fs};
use crate::mount::machine::thread;
use crate::mount::posix::copy::{Purpose, WorkingCopy};
use crate::mount::posix::errno::Errno;
use crate::mount::posix::handle::Opening;
use crate::mount::posix::locks::{Call, Claim, END, Place};
use crate::mount::posix::node::What;
use crate::mount::posix::number::number;
use crate::vfs::entry::Entry;
use crate::vfs::failure::{Failure, caught};
use crate::vfs::render::Format;
use crate::vfs::save::Basis;
use crate::vfs::series::Series;
use std::path::Path;

/// A lock as the kernel asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// The inode.
    pub ino: u64,
    /// The handle.
    pub handle: u64,
    /// Whose it is.
    pub owner: u64,
    /// The process.
    pub pid: u32,
    /// The first byte.
    pub start: u64,
    /// The last one.
    pub end: u64,
    /// `F_RDLCK`, `F_WRLCK` or `F_UNLCK`.
    pub kind: i32,
}

impl Wish {
    /// Whether a lock is given up.
    #[must_use]
    pub const fn is_unlock(&self) -> bool {
        self.kind == libc::F_UNLCK
    }
}

impl Fs {
    /// What a wish is a claim to. The thread that asks must be waiting for the answer.
    pub fn claim(&self, caller: Caller, wish: &Wish) -> Result<Claim, Errno> {
        let place = self.place(wish.ino)?;
        // flock(2) knows no ranges.
        let call = if (wish.start, wish.end) == (0, END) {
            match thread::is_in_flock(self.proc(), caller.pid) {
                Some(true) => Call::Flock,
                Some(false) => Call::Fcntl,
                None => Call::Either,
            }
        } else {
            Call::Fcntl
        };
        let Wish { ino, handle, owner, pid, start, end, kind } = *wish;
        let exclusive = kind == libc::F_WRLCK;
        Ok(Claim { place, ino, handle, owner, pid, call, start, end, exclusive })
    }

    fn proc(&self) -> &Path {
        self.writes.as_ref().map_or(Path::new("/proc"), |writes| &writes.proc)
    }

    /// What is locked by an inode: of rows the series, since each opener has an inode of its own.
    fn place(&self, ino: u64) -> Result<Place, Errno> {
        let node = self.node(ino)?;
        let (series, format) = match &node.what {
            What::Repo(Entry::File(file)) => (&file.series, file.format),
            What::Empty(series, format) => (series, *format),
            What::Copy(copy) => match &copy.purpose {
                Purpose::Rows(series, format) => (series, *format),
                Purpose::Schema(_) => return Ok(Place { file: ino, name: 0 }),
            },
            _ => return Ok(Place { file: ino, name: 0 }),
        };
        let file = number(&[b"lock", series.cached.key().as_bytes(), series.id.to_string().as_bytes()]);
        Ok(Place { file, name: u64::from(format == Format::Parquet) })
    }

    /// Gives a lock; false where somebody holds one against it.
    pub fn lock(&self, claim: &Claim) -> Result<bool, Errno> {
        if !self.locks.take(claim) {
            return Ok(false);
        }
        self.locked(claim).map(|()| true)
    }

    /// Waits for a lock, as long as the thread that asks does.
    pub fn wait_lock(&self, caller: Caller, claim: &Claim) -> Result<(), Errno> {
        let proc = self.proc();
        // Of a thread that is not seen, nobody can tell whether it is gone.
        let seen = caller.pid != 0 && thread::is_interrupted(proc, caller.pid).is_some();
        let ended = || seen && thread::is_interrupted(proc, caller.pid).unwrap_or(true);
        self.locks.wait(claim, &ended)?;
        self.locked(claim)
    }

    /// What others saved before a lock was had is there for who has it, if it knows no bytes yet.
    fn locked(&self, claim: &Claim) -> Result<(), Errno> {
        let Ok(Opening::Copy(copy)) = self.handles.file(claim.handle) else { return Ok(()) };
        let Purpose::Rows(series, format) = &copy.purpose else { return Ok(()) };
        if !copy.is_fresh() {
            return Ok(());
        }
        let done = caught("looking at the newest rows", || self.renew(&copy, series, *format));
        done.map_err(|failure| {
            self.locks.give(claim);
            self.fail(None, format_args!("lock {} of {}", copy.name, series.label), &failure)
        })
    }

    fn renew(&self, copy: &WorkingCopy, series: &Series, format: Format) -> Result<(), Failure> {
        let Some(basis) = Basis::now(&self.tree.views, series)? else { return Ok(()) };
        let front = self.contents.open(&basis.view.source, format)?;
        let (ino, mtime) = live(series, format, basis.clone());
        let free = self.writes.as_ref().is_some_and(|writes| self.saver(writes).is_free(copy, ino));
        copy.renew(basis, front.into(), free.then_some(ino), mtime);
        Ok(())
    }

    /// A lock that keeps one from being held, and whether it is an exclusive one.
    #[must_use]
    pub fn against(&self, claim: &Claim) -> Option<Claim> {
        self.locks.against(claim)
    }

    /// Gives a lock up, after what was written under it is saved as `fsync` does: the next one who has it is to see that.
    pub fn unlock(&self, claim: &Claim) {
        let mut handles = self.locks.handles(claim);
        if !handles.is_empty() {
            handles.push(claim.handle);
            handles.sort_unstable();
            handles.dedup();
            handles.into_iter().for_each(|handle| self.save_for_next(handle));
        }
        self.locks.give(claim);
    }

    /// Where it is refused, the close tells: the bytes are with the copy.
    fn save_for_next(&self, handle: u64) {
        if let Ok(Opening::Copy(copy)) = self.handles.file(handle)
            && copy.is_unsaved()
            && copy.body().stopped.is_none()
            && let Err(errno) = self.fsync(handle)
        {
            log::debug!("{} is not saved when its lock is given up: {errno:?}", copy.name);
        }
    }

    /// A process has closed a descriptor: the locks that it had of it by fcntl are gone.
    pub fn unlock_closed(&self, handle: u64, ino: u64, owner: u64) {
        if self.locks.has(owner, ino) {
            // Another descriptor may go on.
            self.save_for_next(handle);
            self.locks.closed(owner, ino);
        }
    }

    /// Nobody has a handle open any more: nor locks by it.
    pub fn unlock_released(&self, handle: u64) {
        self.locks.released(handle);
    }
}
