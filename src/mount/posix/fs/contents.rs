//! Files of rows that are open, or were lately.

use crate::digest::Digest;
use crate::vfs::entry::File;
use crate::vfs::failure::Failure;
use crate::vfs::render::{Content, Counters, Format, Renderer, Source};
use crate::vfs::tree::Tree;
use lru::LruCache;
use parking_lot::Mutex;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Contents kept open beyond the last close: the next open of a file that did not change costs nothing.
const RECENT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// The bytes of files of rows.
#[derive(Debug)]
pub(super) struct Contents {
    renderer: Arc<Renderer>,
    recent: Mutex<LruCache<(u64, Digest), Arc<Content>>>,
}

impl Contents {
    /// Keeps at most `cache` bytes in memory.
    pub(super) fn new(cache: u64) -> Contents {
        Contents { renderer: Renderer::new(cache), recent: Mutex::new(LruCache::new(RECENT)) }
    }

    /// The bytes of a file that was found as an inode.
    pub(super) fn of(&self, ino: u64, file: &File, tree: &Tree) -> Result<Arc<Content>, Failure> {
        let key = (ino, file.places);
        if let Some(content) = self.recent.lock().get(&key) {
            return Ok(Arc::clone(content));
        }
        let view = {
            let now = file.series.cached.now()?;
            tree.view(&now, &file.series, &file.from)?
        };
        let content = Arc::new(self.open(&view.source, file.format)?);
        self.recent.lock().put(key, Arc::clone(&content));
        Ok(content)
    }

    /// The bytes of rows that no inode stands for.
    pub(super) fn open(&self, source: &Source, format: Format) -> Result<Content, Failure> {
        Ok(self.renderer.open(source.clone(), format)?)
    }

    /// Gives up what is kept.
    pub(super) fn clear(&self) {
        self.recent.lock().clear();
        self.renderer.clear();
    }

    /// What the cache has done so far.
    pub(super) fn counters(&self) -> Counters {
        self.renderer.counters()
    }
}
