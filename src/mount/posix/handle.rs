//! What is open: files and folders by handle.
//!
//! A handle holds what it was opened on: one revision of a file, one listing of a folder.

use super::attr::Attr;
use super::child::Child;
use super::copy::WorkingCopy;
use super::errno::Errno;
use super::node::Node;
use crate::vfs::delta;
use crate::vfs::render::Content;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A folder as it was listed.
#[derive(Debug)]
pub struct Folder {
    /// What `.` shows.
    pub own: Attr,
    /// The number of the folder above.
    pub above: u64,
    /// What it lists.
    pub children: Arc<[Child]>,
}

/// Something open.
#[derive(Debug, Clone)]
pub enum Opening {
    /// Rows of one revision, and the inode they were opened by.
    Rows(Arc<Content>, Arc<Node>),
    /// A text.
    Text(Bytes),
    /// What differs between two states.
    Difference(Arc<delta::Text>),
    /// A folder.
    Folder(Arc<Folder>),
    /// A live file that is written.
    Copy(Arc<WorkingCopy>),
    /// A scratch file, the number of its inode, and whether it may be written.
    Scratch(Arc<File>, u64, bool),
    /// Refused bytes.
    Kept(Arc<File>),
}

/// All that is open.
#[derive(Debug, Default)]
pub struct Handles {
    last: AtomicU64,
    open: Mutex<HashMap<u64, Opening>>,
}

impl Handles {
    /// Gives a handle, never one that was given before.
    #[must_use]
    pub fn open(&self, opening: Opening) -> u64 {
        let handle = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        self.open.lock().insert(handle, opening);
        handle
    }

    /// What a handle stands for.
    pub fn file(&self, handle: u64) -> Result<Opening, Errno> {
        self.open.lock().get(&handle).cloned().ok_or(Errno::EBADF)
    }

    /// Takes a handle back, and gives what it stood for.
    pub fn close(&self, handle: u64) -> Option<Opening> {
        self.open.lock().remove(&handle)
    }

    /// Whether a scratch file is open for writing.
    #[must_use]
    pub fn is_written(&self, ino: u64) -> bool {
        let of = |opening: &Opening| matches!(opening, Opening::Scratch(_, of, true) if *of == ino);
        self.open.lock().values().any(of)
    }

    /// Makes handles of a scratch file that write handles of a copy: its name is that of a live file now. Whether there
    /// were any.
    pub fn become_copy(&self, ino: u64, copy: &Arc<WorkingCopy>) -> Result<bool, Errno> {
        let mut turned = false;
        for opening in self.open.lock().values_mut() {
            if matches!(opening, Opening::Scratch(_, of, true) if *of == ino) {
                copy.reopened()?;
                turned = true;
                *opening = Opening::Copy(Arc::clone(copy));
            }
        }
        Ok(turned)
    }

    /// Copies that are open.
    #[must_use]
    pub fn copies(&self) -> Vec<Arc<WorkingCopy>> {
        let open = self.open.lock();
        let mut copies: Vec<Arc<WorkingCopy>> = Vec::new();
        for opening in open.values() {
            if let Opening::Copy(copy) = opening
                && !copies.iter().any(|known| known.ino == copy.ino)
            {
                copies.push(Arc::clone(copy));
            }
        }
        copies
    }

    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.lock().len()
    }

    /// Whether nothing is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
