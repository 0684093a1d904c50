//! Room for texts, counted by what is claimed of it until that is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Room of so many bytes.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) limit: u64,
    used: AtomicU64,
}

impl Room {
    pub(super) fn of(limit: u64) -> Arc<Room> {
        Arc::new(Room { limit, used: AtomicU64::new(0) })
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

/// A part of it.
#[derive(Debug)]
pub(super) struct Claim {
    room: Arc<Room>,
    bytes: u64,
}

impl Claim {
    /// None yet.
    pub(super) fn on(room: &Arc<Room>) -> Claim {
        Claim { room: Arc::clone(room), bytes: 0 }
    }

    pub(super) const fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// Claims more; false, and nothing is claimed, where there is no room.
    pub(super) fn grow(&mut self, bytes: u64) -> bool {
        let more = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.room.limit);
        let grown = self.room.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        self.bytes += if grown { bytes } else { 0 };
        grown
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.room.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
