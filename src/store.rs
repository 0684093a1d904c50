//! Verified bytes by place: objects and parts of bundles, read through a cache.
//!
//! Nothing leaves here unchecked: an object is checked against its name, a node and a member of a group
//! against the check its reference carries. Knows nothing of schemas, series or revisions.
//!
//! What is hidden here is how it is done: no program needs it, but tests, benchmarks or the command line do.

#[doc(hidden)]
pub mod draft;
#[doc(hidden)]
pub mod place;
mod upload;

use crate::backend::{Backend, BackendError, BackendErrorKind};
use crate::digest::{Check, Digest};
use crate::wire::{self, Damaged};
use bytes::Bytes;
use lru::LruCache;
use parking_lot::Mutex;
use place::{Place, Spot};
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of nodes and groups kept in memory, unless the owner says otherwise.
const CACHE_BYTES: usize = 64 << 20;

/// What a part takes in memory beside its bytes: its key, its place in the list, what counts its users. Nodes are often no
/// longer than that.
const PART_BYTES: usize = 192;

const fn weight(bytes: &Bytes) -> usize {
    bytes.len() + PART_BYTES
}

/// A failed read or write of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// An object that a revision names is not there.
    #[error("object {} is missing", .0.key())]
    Missing(Digest),
    /// Bytes that are not what their name or reference says.
    #[error("object {} is damaged: {what}", .object.key())]
    Damaged {
        /// The object, or the bundle the bytes lie in.
        object: Digest,
        /// What does not hold.
        what: &'static str,
    },
    /// A chunk could not be encoded.
    #[error("cannot encode a chunk: {0}")]
    Encode(String),
}

impl StoreError {
    /// Damage found while decoding a part of `object`.
    #[must_use]
    pub const fn damaged(object: Digest, damaged: &Damaged) -> StoreError {
        StoreError::Damaged { object, what: damaged.what }
    }

    /// Whether bytes are not there or not what they should be: not that the place does not answer.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            StoreError::Missing(_) | StoreError::Damaged { .. } => true,
            StoreError::Backend(e) => e.source.kind() == std::io::ErrorKind::UnexpectedEof,
            StoreError::Encode(_) => false,
        }
    }
}

/// A backend with a cache: what all states of a repository share.
#[derive(Debug)]
pub struct Store {
    backend: Arc<dyn Backend>,
    cache: Mutex<Cache>,
}

#[derive(Debug)]
struct Cache {
    parts: LruCache<(Digest, u64), Bytes>,
    bytes: usize,
    limit: usize,
}

impl Cache {
    fn shrink(&mut self) {
        while self.bytes > self.limit {
            match self.parts.pop_lru() {
                Some((_, old)) => self.bytes -= weight(&old),
                None => break,
            }
        }
    }
}

impl Store {
    /// Reads and writes through `backend`.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Store {
        let cache = Cache { parts: LruCache::unbounded(), bytes: 0, limit: CACHE_BYTES };
        Store { backend, cache: Mutex::new(cache) }
    }

    /// Keeps at most `bytes` of nodes and groups in memory from now on.
    pub fn limit_cache(&self, bytes: usize) {
        let mut cache = self.cache.lock();
        cache.limit = bytes;
        cache.shrink();
    }

    /// Bytes of nodes and groups kept now, and what it takes to keep them.
    #[must_use]
    pub fn cached_bytes(&self) -> usize {
        self.cache.lock().bytes
    }

    /// Forgets the nodes and groups that are kept: most are of revisions that are gone.
    pub fn clear_cache(&self) {
        let mut cache = self.cache.lock();
        (cache.parts, cache.bytes) = (LruCache::unbounded(), 0);
    }

    /// The backend below.
    #[must_use]
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// All bytes of an object, checked against its name.
    pub fn object(&self, digest: Digest) -> Result<Bytes, StoreError> {
        self.object_within(digest, MOST_OBJECT)
    }

    /// As [`Store::object`], of at most `most` bytes.
    fn object_within(&self, digest: Digest, most: u64) -> Result<Bytes, StoreError> {
        let bytes = self.with_renamed(digest, |key| self.backend.get_within(key, most.min(MOST_OBJECT)))?;
        if Digest::of(&bytes) == digest {
            return Ok(bytes);
        }
        // What was put again beside one that gc has set aside may be torn by a power failure.
        for aside in self.set_aside(digest)? {
            match self.backend.get_within(&aside, most.min(MOST_OBJECT)) {
                Ok(bytes) if Digest::of(&bytes) == digest => return Ok(bytes),
                // It is no better, or gone.
                Ok(_) | Err(_) => {}
            }
        }
        Err(StoreError::Damaged { object: digest, what: "its bytes do not give its digest" })
    }

    /// Bytes of a bundle, not checked: the caller has the check of the part.
    fn range(&self, bundle: Digest, at: u64, len: usize) -> Result<Bytes, StoreError> {
        self.with_renamed(bundle, |key| self.backend.get_range(key, at, len))
    }

    /// Reads `digest` under its name or, where gc has set it aside, under the name it has then.
    fn with_renamed<T>(
        &self,
        digest: Digest,
        read: impl Fn(&str) -> Result<T, BackendError>,
    ) -> Result<T, StoreError> {
        let read = |key: &str| match read(key) {
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) if e.kind == BackendErrorKind::NoFile => Err(StoreError::Damaged {
                object: digest,
                what: "it is no file, or too long to be one of ours",
            }),
            other => Ok(Some(other?)),
        };
        let key = digest.key();
        if let Some(found) = read(&key)? {
            return Ok(found);
        }
        for aside in self.set_aside(digest)? {
            if let Some(found) = read(&aside)? {
                return Ok(found);
            }
        }
        read(&key)?.ok_or(StoreError::Missing(digest))
    }

    /// The keys under which gc has set an object aside: `<name>.<hex time>`.
    pub fn set_aside(&self, digest: Digest) -> Result<Vec<String>, StoreError> {
        let key = digest.key();
        let (folder, name) = key.split_at(2);
        let prefix = format!("{}.", &name[1..]);
        let entries = self.backend.list(folder)?;
        let aside = entries.iter().filter(|e| e.name.starts_with(&prefix));
        Ok(aside.map(|e| format!("{folder}/{}", e.name)).collect())
    }

    fn cached(&self, spot: &Spot) -> Option<Bytes> {
        self.cache.lock().parts.get(&(spot.bundle, spot.at)).cloned()
    }

    fn keep(&self, spot: &Spot, bytes: &Bytes) {
        let mut cache = self.cache.lock();
        cache.bytes += weight(bytes);
        if let Some(old) = cache.parts.put((spot.bundle, spot.at), bytes.clone()) {
            cache.bytes -= weight(&old);
        }
        cache.shrink();
    }
}

/// A store as one state sees it: with the bundles that are no objects (yet), because they are embedded
/// in a revision file or belong to a draft.
#[derive(Debug, Clone)]
pub struct View {
    store: Arc<Store>,
    held: Arc<HashMap<Digest, Bytes>>,
}

impl View {
    /// A view that holds nothing itself.
    #[must_use]
    pub fn new(store: Arc<Store>) -> View {
        View { store, held: Arc::default() }
    }

    /// A view that holds `bundles` too.
    #[must_use]
    pub fn holding(store: Arc<Store>, bundles: HashMap<Digest, Bytes>) -> View {
        View { store, held: Arc::new(bundles) }
    }

    /// One view of what several hold.
    #[must_use]
    pub fn union<'a>(store: &Arc<Store>, views: impl IntoIterator<Item = &'a View>) -> View {
        let held = views.into_iter().flat_map(|v| v.held.iter().map(|(k, b)| (*k, b.clone()))).collect();
        View::holding(Arc::clone(store), held)
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Whether `bundle` is held here and so may be no object.
    #[must_use]
    pub fn holds(&self, bundle: Digest) -> bool {
        self.held.contains_key(&bundle)
    }

    /// The bytes of an uncompressed part of at most `most` bytes, checked.
    pub fn node(&self, spot: &Spot, check: Check, most: usize) -> Result<Bytes, StoreError> {
        let bytes = self.part(spot, most)?;
        verify(&bytes, check, spot.bundle, "a node of its index")?;
        Ok(bytes)
    }

    /// The pages of a chunk: `len` bytes at `place`, checked.
    pub fn pages(&self, place: &Place, len: u64, check: Check) -> Result<Bytes, StoreError> {
        match *place {
            Place::Object(digest) => {
                let object = match self.held.get(&digest) {
                    Some(object) => object.clone(),
                    None => self.store.object_within(digest, len.saturating_add(MOST_FOOTER))?,
                };
                let start = crate::data::pages::PAGES_AT;
                cut(&object, start as u64, len, digest)
            }
            Place::Member(spot, offset) => {
                let bytes = cut(&self.part(&spot, MOST_GROUP)?, offset, len, spot.bundle)?;
                verify(&bytes, check, spot.bundle, "a chunk in it")?;
                Ok(bytes)
            }
            Place::Staged(_) => {
                Err(StoreError::Damaged { object: Digest::ZERO, what: "a chunk that is not laid out yet" })
            }
        }
    }

    /// A part of a bundle, decompressed: at most `most` bytes.
    fn part(&self, spot: &Spot, most: usize) -> Result<Bytes, StoreError> {
        let raw = len_of(spot.raw, most, spot.bundle)?;
        let len = len_of(spot.stored, most, spot.bundle)?;
        let held = self.held.get(&spot.bundle);
        if let Some(bundle) = held
            && spot.stored == spot.raw
        {
            // Never kept: a part keeps the whole bundle alive, which goes with its revision.
            return cut(bundle, spot.at, spot.stored, spot.bundle);
        }
        if let Some(bytes) = self.store.cached(spot) {
            return Ok(bytes);
        }
        let stored = match held {
            Some(bundle) => cut(bundle, spot.at, spot.stored, spot.bundle)?,
            None => self.store.range(spot.bundle, spot.at, len)?,
        };
        let bytes = if spot.stored == spot.raw {
            stored
        } else {
            let group = wire::decompress(&stored, raw, "a group of chunks");
            Bytes::from(group.map_err(|e| StoreError::damaged(spot.bundle, &e))?)
        };
        self.store.keep(spot, &bytes);
        Ok(bytes)
    }
}

/// Bytes that an object has at most. The pages of a chunk are shorter (a column's text is cut at 64 MiB, one value has
/// 1 GiB at most), and so is a bundle: 8 MiB of groups, then nodes and a list of changes.
const MOST_OBJECT: u64 = 4 << 30;

/// Bytes of an object beside its pages: a footer with the least and the greatest value.
const MOST_FOOTER: u64 = 1 << 20;

/// Bytes that a group of chunks has at most: about 64 KiB are put together, one chunk alone has less than 32 KiB.
const MOST_GROUP: usize = 1 << 20;

fn len_of(len: u64, most: usize, object: Digest) -> Result<usize, StoreError> {
    let what = "a part that is too long";
    usize::try_from(len).ok().filter(|&len| len <= most).ok_or(StoreError::Damaged { object, what })
}

fn cut(bytes: &Bytes, at: u64, len: u64, object: Digest) -> Result<Bytes, StoreError> {
    let end = at.checked_add(len).filter(|&end| end <= bytes.len() as u64);
    let what = "a part lies outside of it";
    end.map(|end| bytes.slice(at as usize..end as usize)).ok_or(StoreError::Damaged { object, what })
}

fn verify(bytes: &[u8], check: Check, object: Digest, what: &'static str) -> Result<(), StoreError> {
    if Check::of(bytes) == check { Ok(()) } else { Err(StoreError::Damaged { object, what }) }
}
