//! Scratch files that become live ones: nobody may write to one between the last look at it and its end.
//!
//! A renaming over a live file reads the scratch file, looks whether it was changed meanwhile, then takes it away. What is
//! written between the last two would be lost. So they are done while nobody writes to scratch files, and nobody opens
//! one to be written.

use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of openings: files share them.
const COUNTERS: u64 = 64;

/// Files that were taken away of which it is kept, at least.
const TAKEN: usize = 1024;

/// Which scratch files are written, and which were taken away.
#[derive(Debug)]
pub(super) struct Handover {
    writing: RwLock<()>,
    begun: [AtomicU64; COUNTERS as usize],
    taken: Mutex<HashSet<u64>>,
}

/// No scratch file is taken away.
pub(super) type Steady<'a> = RwLockReadGuard<'a, ()>;

impl Default for Handover {
    fn default() -> Handover {
        let begun = std::array::from_fn(|_| AtomicU64::new(0));
        Handover { writing: RwLock::default(), begun, taken: Mutex::default() }
    }
}

impl Handover {
    /// Has no scratch file taken away until what is given is dropped.
    pub(super) fn steady(&self) -> Steady<'_> {
        self.writing.read()
    }

    /// Has nobody write to scratch files until what is given is dropped.
    pub(super) fn still(&self) -> RwLockWriteGuard<'_, ()> {
        self.writing.write()
    }

    /// Notes that a file is opened to be written, or cut. Not counted by its time: that stands still for milliseconds.
    pub(super) fn begin(&self, ino: u64) {
        self.counter(ino).fetch_add(1, Ordering::AcqRel);
    }

    /// How often that was noted, of this file or of others.
    pub(super) fn begun(&self, ino: u64) -> u64 {
        self.counter(ino).load(Ordering::Acquire)
    }

    fn counter(&self, ino: u64) -> &AtomicU64 {
        &self.begun[(ino % COUNTERS) as usize]
    }

    /// Notes that a file is none of the scratch area any more. `is_known`: whether the kernel may still open a file.
    pub(super) fn take(&self, ino: u64, is_known: impl Fn(u64) -> bool) {
        let mut taken = self.taken.lock();
        if taken.len() >= TAKEN && taken.len() == taken.capacity() {
            taken.retain(|ino| is_known(*ino));
            let room = (2 * taken.len()).max(TAKEN);
            taken.shrink_to(room);
        }
        taken.insert(ino);
    }

    /// Whether a file was taken away.
    pub(super) fn is_taken(&self, ino: u64) -> bool {
        self.taken.lock().contains(&ino)
    }

    /// Notes that a file is made: where the disk keeps no times of that, it may have the number of one that is gone.
    pub(super) fn made(&self, ino: u64) {
        self.taken.lock().remove(&ino);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_may_open_stays_known_as_taken() {
        let handover = Handover::default();
        (0..50_000).for_each(|ino| handover.take(ino, |ino| ino % 1000 == 7));
        assert!((7..50_000).step_by(1000).all(|ino| handover.is_taken(ino)));
        assert!(handover.is_taken(49_999));
        assert!(handover.taken.lock().len() <= 4 * TAKEN, "{}", handover.taken.lock().len());
        handover.made(7);
        assert!(!handover.is_taken(7));
    }
}
