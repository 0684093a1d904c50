//! Locks of files: which range of what somebody holds, who waits, and who would wait for ever.
//!
//! Knows owners and places by number only. A place is a file, and the name of it that was locked: the two live files of a
//! series are one file. The rules are those of Linux: a process's own fcntl locks replace each other range by range, a lock of
//! flock is one of an open file, and is given up before it is had in another way.

#[cfg(test)]
mod tests;

use super::errno::Errno;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How often it is looked whether who waits was interrupted.
const WATCH: Duration = Duration::from_millis(50);

/// The last byte of all files.
pub const END: u64 = i64::MAX.cast_unsigned();

/// By which call a lock was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// By flock(2): it does not meet locks of fcntl.
    Flock,
    /// By fcntl(2).
    Fcntl,
    /// By one of the two: it meets those of both.
    Either,
}

/// What is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: u64,
    /// Which of its names.
    pub name: u64,
}

/// A lock that is held or asked for.
#[derive(Debug, Clone)]
pub struct Claim {
    /// What is locked.
    pub place: Place,
    /// The inode and the handle that it is locked by.
    pub ino: u64,
    /// The handle.
    pub handle: u64,
    /// Whose it is, as the kernel tells them apart: processes for fcntl, open files for flock.
    pub owner: u64,
    /// The process; 0 where it cannot be told.
    pub pid: u32,
    /// The call.
    pub call: Call,
    /// The first byte.
    pub start: u64,
    /// The last one.
    pub end: u64,
    /// Whether nobody else may hold one.
    pub exclusive: bool,
}

impl Claim {
    /// Whether one of the two keeps the other from being held.
    fn excludes(&self, other: &Claim) -> bool {
        let meets = self.place.file == other.place.file && self.start <= other.end && other.start <= self.end;
        let apart = (self.call == Call::Flock && other.call == Call::Fcntl)
            || (self.call == Call::Fcntl && other.call == Call::Flock);
        // A process that locks both names of a series, or one descriptor by both calls, must not wait for itself.
        let either = self.call == Call::Either || other.call == Call::Either;
        let known = (either && self.handle == other.handle) || self.place.name != other.place.name;
        let itself = self.owner == other.owner || (self.pid != 0 && self.pid == other.pid && known);
        meets && (self.exclusive || other.exclusive) && !apart && !itself
    }

    /// Whether the other one is of the same owner, so that it is replaced.
    fn is_own(&self, other: &Claim) -> bool {
        let same = self.call == other.call || self.call == Call::Either || other.call == Call::Either;
        self.place == other.place && self.owner == other.owner && same
    }

    /// What is left of it where a range is taken away.
    fn without(&self, start: u64, end: u64) -> impl Iterator<Item = Claim> {
        let before = (self.start < start).then(|| Claim { end: self.end.min(start - 1), ..self.clone() });
        let after = (self.end > end).then(|| Claim { start: self.start.max(end + 1), ..self.clone() });
        before.into_iter().chain(after)
    }

    /// Whether both are one range.
    fn joins(&self, other: &Claim) -> bool {
        let touches = self.start.checked_sub(1) == Some(other.end) || self.end + 1 == other.start;
        let same = self.exclusive == other.exclusive && self.call == other.call;
        touches && same && self.is_own(other) && self.handle == other.handle && self.ino == other.ino
    }
}

#[derive(Debug, Default)]
struct Table {
    held: Vec<Claim>,
    waiting: Vec<(u64, Claim)>,
    last: u64,
}

impl Table {
    /// Takes a range from its owner; whether there was some of it.
    fn cut(&mut self, claim: &Claim) -> bool {
        let is_cut = |held: &Claim| claim.is_own(held) && held.start <= claim.end && claim.start <= held.end;
        let (own, mut rest): (Vec<_>, Vec<_>) = self.held.drain(..).partition(is_cut);
        rest.extend(own.iter().flat_map(|held| held.without(claim.start, claim.end)));
        self.held = rest;
        !own.is_empty()
    }

    /// Gives a lock, if nobody holds one against it; and whether something was given up for it.
    fn set(&mut self, claim: &Claim) -> (bool, bool) {
        let had = |held: &Claim| claim.is_own(held) && held.exclusive == claim.exclusive;
        let flock = claim.call == Call::Flock;
        if flock && self.held.iter().any(had) {
            return (true, false);
        }
        let dropped = flock && self.cut(claim);
        if self.held.iter().any(|held| held.excludes(claim)) {
            return (false, dropped);
        }
        let replaced = self.cut(claim);
        let mut claim = claim.clone();
        while let Some(at) = self.held.iter().position(|held| held.joins(&claim)) {
            let held = self.held.swap_remove(at);
            (claim.start, claim.end) = (claim.start.min(held.start), claim.end.max(held.end));
        }
        self.held.push(claim);
        (true, dropped || replaced)
    }

    fn owners_before<'a>(&'a self, claim: &'a Claim) -> impl Iterator<Item = u64> + 'a {
        self.held.iter().filter(|held| held.excludes(claim)).map(|held| held.owner)
    }

    /// Whether who waits for a lock would wait for somebody who waits for them. Of flock Linux does not ask that.
    fn is_deadlock(&self, claim: &Claim) -> bool {
        let mut seen = Vec::new();
        let mut next: Vec<u64> = self.owners_before(claim).collect();
        while let Some(owner) = next.pop() {
            if owner == claim.owner {
                return claim.call != Call::Flock;
            }
            if !seen.contains(&owner) {
                seen.push(owner);
                let of = |(_, other): &&(u64, Claim)| other.owner == owner && other.call != Call::Flock;
                next.extend(self.waiting.iter().filter(of).flat_map(|(_, other)| self.owners_before(other)));
            }
        }
        false
    }
}

/// All locks of a mount.
#[derive(Debug, Default)]
pub struct Locks {
    table: Mutex<Table>,
    freed: Condvar,
}

impl Locks {
    fn set(&self, table: &mut Table, claim: &Claim) -> bool {
        let (given, freed) = table.set(claim);
        if freed {
            self.freed.notify_all();
        }
        given
    }

    /// Gives a lock, if nobody holds one against it.
    #[must_use]
    pub fn take(&self, claim: &Claim) -> bool {
        self.set(&mut self.table.lock(), claim)
    }

    /// Waits for a lock, until `ended` says that nobody wants it any more.
    pub fn wait(&self, claim: &Claim, ended: &dyn Fn() -> bool) -> Result<(), Errno> {
        let table = &mut self.table.lock();
        table.last += 1;
        let number = table.last;
        table.waiting.push((number, claim.clone()));
        let mut looked = Instant::now();
        let done = loop {
            if self.set(table, claim) {
                break Ok(());
            }
            if table.is_deadlock(claim) {
                break Err(Errno::EDEADLK);
            }
            self.freed.wait_for(table, WATCH);
            if looked.elapsed() >= WATCH {
                if MutexGuard::unlocked(table, ended) {
                    break Err(Errno::EINTR);
                }
                looked = Instant::now();
            }
        };
        table.waiting.retain(|(other, _)| *other != number);
        done
    }

    /// A lock that keeps one from being held.
    #[must_use]
    pub fn against(&self, claim: &Claim) -> Option<Claim> {
        self.table.lock().held.iter().find(|held| held.excludes(claim)).cloned()
    }

    /// Handles by which the owner of a claim holds something of its file.
    #[must_use]
    pub fn handles(&self, claim: &Claim) -> Vec<u64> {
        let table = self.table.lock();
        table.held.iter().filter(|held| claim.is_own(held)).map(|held| held.handle).collect()
    }

    /// Whether an owner holds something by an inode.
    #[must_use]
    pub fn has(&self, owner: u64, ino: u64) -> bool {
        self.table.lock().held.iter().any(|held| held.owner == owner && held.ino == ino)
    }

    /// Takes a range from its owner.
    pub fn give(&self, claim: &Claim) {
        if self.table.lock().cut(claim) {
            self.freed.notify_all();
        }
    }

    /// An owner has closed a descriptor of an inode: its locks of that are gone, as POSIX wants.
    pub fn closed(&self, owner: u64, ino: u64) {
        self.drop_all(|held| held.owner == owner && held.ino == ino);
    }

    /// Nobody has a handle open any more.
    pub fn released(&self, handle: u64) {
        self.drop_all(|held| held.handle == handle);
    }

    fn drop_all(&self, which: impl Fn(&Claim) -> bool) {
        let held = &mut self.table.lock().held;
        let before = held.len();
        held.retain(|held| !which(held));
        if held.len() < before {
            self.freed.notify_all();
        }
    }
}
