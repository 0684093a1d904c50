//! Folders that are opened and listed.

use super::remove::is_removing;
use super::shown::shown;
use super::{Attr, Caller, Found, Fs, Line, Opened};
use crate::clock::Stamp;
use crate::mount::posix::child::Child;
use crate::mount::posix::errno::Errno;
use crate::mount::posix::handle::{Folder, Opening};
use crate::mount::posix::node::{self, Node, What};
use crate::vfs::entry::Entry;
use crate::vfs::failure::Failure;
use lru::LruCache;
use parking_lot::Mutex;
use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

/// Long listings kept.
const LISTINGS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

/// What a listing follows from: equal ones list the same.
type Version = (Stamp, u64);

/// A listing, and what it follows from.
type Listing = (Version, Arc<[Child]>);

/// Long listings that were made lately, by inode.
#[derive(Debug)]
pub(super) struct Listings(Mutex<LruCache<u64, Listing>>);

impl Default for Listings {
    fn default() -> Listings {
        Listings(Mutex::new(LruCache::new(LISTINGS)))
    }
}

impl Listings {
    fn get(&self, ino: u64, version: Version) -> Option<Arc<[Child]>> {
        let mut kept = self.0.lock();
        kept.get(&ino).filter(|(of, _)| *of == version).map(|(_, children)| Arc::clone(children))
    }

    fn keep(&self, ino: u64, version: Version, children: &Arc<[Child]>) {
        self.0.lock().put(ino, (version, Arc::clone(children)));
    }

    /// Gives up all.
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}

impl Fs {
    /// Opens a folder: what it lists does not change until it is closed.
    pub fn opendir(&self, caller: Caller, ino: u64) -> Result<Opened, Errno> {
        let node = self.node(ino)?;
        if !node.is_folder() {
            return Err(Errno::ENOTDIR);
        }
        let children = self
            .children(caller, &node)
            .map_err(|e| self.fail(Some(caller), format_args!("list{}", shown(&node)), &e))?;
        let folder = Folder { own: self.owner.attr(&node), above: node::parent(&node), children };
        let handle = self.handles.open(Opening::Folder(Arc::new(folder)));
        Ok(Opened { handle, keep_cache: false })
    }

    /// What a folder lists; a long listing is made once for each state.
    fn children(&self, caller: Caller, node: &Node) -> Result<Arc<[Child]>, Failure> {
        if let (What::Repo(Entry::Revisions(series)), Some(writes)) = (&node.what, &self.writes)
            && is_removing(caller, writes, series)
        {
            return Ok(Arc::new([]));
        }
        let version = match &node.what {
            What::Repo(entry) => self.tree.version(entry)?,
            _ => None,
        };
        if let Some(children) = version.and_then(|version| self.listings.get(node.ino, version)) {
            return Ok(children);
        }
        let children: Arc<[Child]> = self.list(caller, node)?.into();
        if let Some(version) = version {
            self.listings.keep(node.ino, version, &children);
        }
        Ok(children)
    }

    /// Lines of an open folder from `offset` (0, or the `next` of a line), until `take` says that it is full by
    /// returning false: that line was not taken. With `plus`, each line taken (but `.` and `..`) counts as a lookup.
    pub fn readdir(
        &self,
        handle: u64,
        offset: u64,
        plus: bool,
        take: &mut dyn FnMut(&Line<'_>) -> bool,
    ) -> Result<(), Errno> {
        let Opening::Folder(folder) = self.handles.file(handle)? else { return Err(Errno::ENOTDIR) };
        let above = Attr { ino: folder.above, ..folder.own };
        let dots = [(".", folder.own), ("..", above)];
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        for (i, (name, attr)) in dots.into_iter().enumerate().skip(start) {
            let found = Found { attr, entry_ttl: Duration::ZERO, attr_ttl: Duration::ZERO };
            if !take(&Line { next: i as u64 + 1, name: OsStr::new(name), found }) {
                return Ok(());
            }
        }
        for (i, child) in folder.children.iter().enumerate().skip(start.saturating_sub(dots.len())) {
            let found = self.found(child);
            // Before the kernel can ask about it.
            if plus {
                self.inodes.remember(child.node.clone());
            }
            let next = (i + dots.len() + 1) as u64;
            if !take(&Line { next, name: &child.name, found }) {
                if plus {
                    self.inodes.forget(child.node.ino, 1);
                }
                return Ok(());
            }
        }
        Ok(())
    }

    /// Closes a folder.
    pub fn releasedir(&self, handle: u64) {
        self.handles.close(handle);
    }
}
