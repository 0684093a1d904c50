//! Bytes that texts may take, counted by what is claimed of them until that is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// So many bytes.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) limit: u64,
    used: AtomicU64,
}

impl Budget {
    pub(super) fn of(limit: u64) -> Arc<Budget> {
        Arc::new(Budget { limit, used: AtomicU64::new(0) })
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

/// Some of them.
#[derive(Debug)]
pub(super) struct Claim {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Claim {
    /// None yet.
    pub(super) fn on(budget: &Arc<Budget>) -> Claim {
        Claim { budget: Arc::clone(budget), bytes: 0 }
    }

    pub(super) const fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Claims more; false, and nothing is claimed, if they are not left.
    pub(super) fn grow(&mut self, bytes: u64) -> bool {
        let more = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.budget.limit);
        let grown = self.budget.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        self.bytes += if grown { bytes } else { 0 };
        grown
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
