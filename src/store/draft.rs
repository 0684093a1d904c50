//! New bytes of one commit: chunks and index nodes, gathered into objects and bundles.
//!
//! In order: chunks are staged (large ones are uploaded at once, each an object); `lay_out` groups and
//! compresses the small ones; nodes are added, which may then name every chunk; `finish` closes the
//! bundle. Nothing small is written before `Finished::put`, and the same input gives the same bytes.

use super::place::{Place, Spot};
use super::upload::{Upload, put_missing};
use super::{Store, StoreError};
use crate::data::pages::Encoded;
use crate::digest::{Check, Digest};
use crate::wire;
use bytes::Bytes;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Chunks of at least so many bytes are objects of their own.
pub const OBJECT_BYTES: u64 = 32 << 10;

/// Raw bytes of a group: chunks compressed, and so read, together.
const GROUP_BYTES: usize = 64 << 10;

/// Bytes of groups after which a bundle is closed.
const BUNDLE_BYTES: usize = 8 << 20;

/// A commit whose bundle is at most so long and names nothing outside carries it in its revision file.
pub const EMBED_BYTES: usize = 4 << 10;

/// Bytes of new chunks, in memory until `finish` but for the large ones.
#[derive(Debug)]
pub struct Draft {
    store: Arc<Store>,
    upload: Option<Upload>,
    started: Instant,
    uploaded: Vec<Digest>,
    /// Large chunks that wait for `Finished::put` like all others, where nothing may be written before.
    kept: Option<Vec<(Digest, Bytes)>>,
    staged: Vec<Bytes>,
    by_check: HashMap<Check, usize>,
}

impl Draft {
    /// Starts with nothing.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Draft {
        Draft {
            store,
            upload: None,
            started: Instant::now(),
            uploaded: Vec::new(),
            kept: None,
            staged: Vec::new(),
            by_check: HashMap::new(),
        }
    }

    /// Starts with nothing; writes nothing before `Finished::put`, so that readers may use it.
    #[must_use]
    pub fn in_memory(store: Arc<Store>) -> Draft {
        Draft { kept: Some(Vec::new()), ..Draft::new(store) }
    }

    /// Adds an encoded chunk; one that was added before gives the same place.
    pub fn stage(&mut self, encoded: &Encoded) -> (Place, Check) {
        if encoded.layout.len < OBJECT_BYTES {
            let pages = encoded.pages();
            let check = Check::of(&pages);
            return (self.stage_pages(pages, check), check);
        }
        let digest = Digest::of(&encoded.file);
        if let Some(kept) = &mut self.kept {
            kept.push((digest, encoded.file.clone()));
            return (Place::Object(digest), Check::from(digest));
        }
        let store = &self.store;
        self.upload.get_or_insert_with(|| Upload::start(Arc::clone(store))).put(digest, encoded.file.clone());
        self.uploaded.push(digest);
        (Place::Object(digest), Check::from(digest))
    }

    /// Adds the pages of a small chunk.
    pub fn stage_pages(&mut self, pages: Bytes, check: Check) -> Place {
        let staged = &mut self.staged;
        Place::Staged(*self.by_check.entry(check).or_insert_with(|| {
            staged.push(pages);
            staged.len() - 1
        }))
    }

    /// Groups and compresses what is staged, so that nodes can name it.
    #[must_use]
    pub fn lay_out(self) -> Laid {
        let groups: Vec<(Vec<usize>, Vec<u8>)> = self.groups();
        let packed: Vec<Option<Vec<u8>>> = groups.par_iter().map(|(_, raw)| wire::compress(raw)).collect();
        let mut laid = Laid {
            store: self.store,
            upload: self.upload,
            started: self.started,
            uploaded: self.uploaded,
            kept: self.kept.unwrap_or_default(),
            places: vec![Place::Staged(0); self.staged.len()],
            closed: Vec::new(),
            open: Vec::new(),
            outside: false,
        };
        let mut members: Vec<(usize, u64, Spot)> = Vec::new();
        for ((ids, raw), packed) in groups.into_iter().zip(packed) {
            if laid.open.len() >= BUNDLE_BYTES {
                laid.close(&mut members);
            }
            let stored = packed.as_ref().unwrap_or(&raw);
            let spot = laid.append(stored, raw.len());
            let mut offset = 0;
            for id in ids {
                members.push((id, offset, spot));
                offset += self.staged[id].len() as u64;
            }
        }
        for (id, offset, spot) in members {
            laid.places[id] = Place::Member(spot, offset);
        }
        laid
    }

    fn groups(&self) -> Vec<(Vec<usize>, Vec<u8>)> {
        let mut groups: Vec<(Vec<usize>, Vec<u8>)> = Vec::new();
        for (id, pages) in self.staged.iter().enumerate() {
            match groups.last_mut() {
                Some((ids, raw)) if raw.len() + pages.len() <= GROUP_BYTES => {
                    ids.push(id);
                    raw.extend_from_slice(pages);
                }
                _ => groups.push((vec![id], pages.to_vec())),
            }
        }
        groups
    }
}

/// A draft whose chunks have their places; nodes may be added.
#[derive(Debug)]
pub struct Laid {
    store: Arc<Store>,
    upload: Option<Upload>,
    started: Instant,
    uploaded: Vec<Digest>,
    kept: Vec<(Digest, Bytes)>,
    places: Vec<Place>,
    closed: Vec<(Digest, Bytes)>,
    open: Vec<u8>,
    outside: bool,
}

impl Laid {
    fn append(&mut self, stored: &[u8], raw: usize) -> Spot {
        let at = self.open.len() as u64;
        self.open.extend_from_slice(stored);
        Spot { bundle: Digest::ZERO, at, stored: stored.len() as u64, raw: raw as u64 }
    }

    fn close(&mut self, members: &mut Vec<(usize, u64, Spot)>) {
        let bytes = Bytes::from(std::mem::take(&mut self.open));
        let bundle = Digest::of(&bytes);
        for (id, offset, spot) in members.drain(..) {
            self.places[id] = Place::Member(Spot { bundle, ..spot }, offset);
        }
        self.closed.push((bundle, bytes));
    }

    /// Where a staged chunk lies now; other places stay.
    #[must_use]
    pub fn resolve(&mut self, place: Place) -> Place {
        match place {
            Place::Staged(id) => self.places[id],
            other => {
                self.names_outside();
                other
            }
        }
    }

    /// Says that a node names what lies in other objects: then its bundle is one too, so that a revision file
    /// never carries part of a large state.
    pub const fn names_outside(&mut self) {
        self.outside = true;
    }

    /// Adds a node; its bundle is "here" until it is decoded.
    pub fn add(&mut self, node: &[u8]) -> (Spot, Check) {
        (self.append(node, node.len()), Check::of(node))
    }

    /// Closes the last bundle.
    #[must_use]
    pub fn finish(self) -> Finished {
        let large = !self.uploaded.is_empty() || !self.kept.is_empty();
        let embedded = !self.outside && self.closed.is_empty() && !large && self.open.len() <= EMBED_BYTES;
        let bytes = Bytes::from(self.open);
        let bundle = Digest::of(&bytes);
        let mut bundles = self.closed;
        bundles.push((bundle, bytes));
        Finished {
            store: self.store,
            upload: self.upload,
            started: self.started,
            uploaded: self.uploaded,
            kept: self.kept,
            bundles,
            bundle,
            embedded,
        }
    }
}

/// A complete draft: not written yet but for large objects.
#[derive(Debug)]
pub struct Finished {
    store: Arc<Store>,
    upload: Option<Upload>,
    started: Instant,
    uploaded: Vec<Digest>,
    kept: Vec<(Digest, Bytes)>,
    bundles: Vec<(Digest, Bytes)>,
    /// The bundle that holds the nodes.
    pub bundle: Digest,
    /// Whether the bundle goes into the revision file.
    pub embedded: bool,
}

/// Objects that were put, or found in place, so long ago are looked at again before a revision names them.
/// Far below any sensible grace of gc.
const TRUST: Duration = Duration::from_secs(1);

impl Finished {
    /// The new bundles (and objects kept in memory) by digest, to be read before they are written.
    #[must_use]
    pub fn held(&self) -> HashMap<Digest, Bytes> {
        self.bundles.iter().chain(&self.kept).cloned().collect()
    }

    /// The bytes of the bundle that holds the nodes.
    #[must_use]
    pub fn bundle_bytes(&self) -> Bytes {
        self.bundles.last().map(|(_, bytes)| bytes.clone()).unwrap_or_default()
    }

    /// Waits for large objects only: the bundles stay in memory.
    pub fn wait(self) -> Result<(), StoreError> {
        self.upload.map_or(Ok(()), Upload::finish)
    }

    /// Makes everything durable, except a bundle that is embedded.
    ///
    /// Fails where the backend does, and where gc has removed an object that was in place at first.
    pub fn put(mut self) -> Result<(), StoreError> {
        if let Some(upload) = self.upload.take() {
            upload.finish()?;
        }
        self.put_kept()?;
        if self.started.elapsed() > TRUST {
            for digest in self.uploaded {
                restore(&self.store, digest)?;
            }
        }
        Ok(())
    }
}

impl Finished {
    /// As [`Finished::put`], of a draft in memory: may be repeated, after a failure too.
    pub fn put_kept(&self) -> Result<(), StoreError> {
        put_missing(&self.store, self.kept.clone())?;
        if self.embedded { Ok(()) } else { put_missing(&self.store, self.bundles.clone()) }
    }
}

/// Gives an object its plain name back where gc has set it aside.
fn restore(store: &Store, digest: Digest) -> Result<(), StoreError> {
    let backend = store.backend();
    if backend.len(&digest.key())?.is_some() {
        return Ok(());
    }
    for aside in store.set_aside(digest)? {
        match backend.rename(&aside, &digest.key()) {
            Err(e) if e.is_not_found() => {}
            done => return Ok(done?),
        }
    }
    Err(StoreError::Missing(digest))
}
