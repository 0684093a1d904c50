//! Hearing of changes without listing: signals that are raised when something comes or goes in a folder.
//!
//! A hint that is never wrong in one direction: whoever put a file before the signal is asked is heard. A backend
//! that cannot tell has no watcher, and whoever wants to know lists again.

use super::BackendError;
use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Raised when a folder changed.
#[derive(Debug, Clone, Default)]
pub struct Signal(Arc<AtomicBool>);

impl Signal {
    /// Raises it.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether anybody still has it who may ask.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Whether it was raised; it is not any more then.
    #[must_use]
    pub fn take(&self) -> bool {
        self.0.load(Ordering::Acquire) && self.0.swap(false, Ordering::AcqRel)
    }
}

/// Hears of changes in folders of a backend.
pub trait Watcher: Send + Sync + fmt::Debug {
    /// Watches a folder from now on, its subfolders not. Kind `NotFound` where it does not exist.
    fn watch(&self, folder: &str) -> Result<Signal, BackendError>;

    /// Raises the signals of the folders where something came or went until now.
    fn look(&self);

    /// What can be waited for: readable when a look may raise something.
    fn ready(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
