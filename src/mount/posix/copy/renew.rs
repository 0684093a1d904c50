//! Copies that are more, or less, than what their inode is: one that nobody has looked at may become a copy of newer rows,
//! one behind an inode of rows has none of its own.

use super::{Body, WorkingCopy};
use crate::vfs::render::Content;
use crate::vfs::save::Basis;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl WorkingCopy {
    /// The same, open by the inode of rows, whose number its descriptors show.
    #[must_use]
    pub fn over_rows(mut self, ino: u64) -> WorkingCopy {
        self.over = Some(ino);
        self.shown_as(ino)
    }

    /// The inode of rows that it is open by, where it is not by its own.
    #[must_use]
    pub const fn over(&self) -> Option<u64> {
        self.over
    }

    /// Whether nobody has read or written it, so that nobody knows its bytes.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        !self.used.load(Ordering::Acquire) && !self.is_unsaved()
    }

    /// Makes it a copy of other rows, if nobody knows its bytes; it shows their number (where it can have that) and time.
    pub fn renew(&self, basis: Basis, front: Arc<Content>, ino: Option<u64>, mtime: u64) {
        let body = &mut *self.body.lock();
        if !self.is_fresh() || body.file.is_some() || body.again || body.is_adopted() {
            return;
        }
        *body = Body::of(Some(basis), Some(front));
        self.size.store(body.size(), Ordering::Release);
        self.show_saved(body, ino, mtime);
    }
}
