//! The changelog of a collection: which revisions there are, and their files.
//!
//! One immutable file a revision (one a parent, for merges), named `<parent>.<child>`; packs hold many of
//! them. A collection may have several folders, made by writers who created it at the same time; their
//! union is one graph. A revision is put last, when all it names is durable.

mod horizon;
mod log;
mod pack;
mod packing;

pub use horizon::Horizon;
pub use log::Log;

use super::revision::Revision;
use crate::backend::BackendError;
use crate::clock::Stamp;
use crate::digest::Digest;
use crate::store::{Store, StoreError};
use bytes::Bytes;
use log::{Entry, Source};
use lru::LruCache;
use pack::Pack;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Loose files beyond which writers pack by themselves.
const MAX_LOOSE: usize = 256;

/// Packs beyond which packing makes one of all.
const MAX_PACKS: usize = 8;

/// Decoded revisions kept in memory.
const RECENT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

/// Times a listing is taken again when a file it names is gone: somebody packs meanwhile.
const RETRIES: usize = 5;

/// A failed look at the versions of a collection.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A revision's file does not hold what its name says.
    #[error("revision {0} is damaged")]
    Damaged(Stamp),
    /// A file of the changelog that is no revision.
    #[error("{file} in the changelog is damaged")]
    DamagedFile {
        /// Its key.
        file: String,
    },
    /// A revision that is not there (any more).
    #[error("revision {0} is gone from the changelog")]
    Gone(Stamp),
    /// A time of which nothing is known any more.
    #[error("history before {} was trimmed", crate::clock::iso(*.0))]
    Trimmed(u64),
    /// Heads whose merge needs change lists that were trimmed.
    #[error("revisions {} cannot be merged: the history they share was trimmed", list(.0))]
    Unmergeable(Vec<Stamp>),
    /// Heads with different schemas.
    #[error("revisions {} have different schemas", list(.0))]
    Schemas(Vec<Stamp>),
}

impl From<BackendError> for HistoryError {
    fn from(error: BackendError) -> HistoryError {
        HistoryError::Store(StoreError::Backend(error))
    }
}

fn list(stamps: &[Stamp]) -> String {
    stamps.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The changelog of one collection.
#[derive(Debug)]
pub struct Changelog {
    store: Arc<Store>,
    /// Sorted; new files go to the first.
    folders: Vec<Digest>,
    packs: Mutex<HashMap<String, Arc<Pack>>>,
    recent: Mutex<LruCache<Stamp, Arc<Revision>>>,
}

impl Changelog {
    /// The changelog in `folders`, at least one.
    #[must_use]
    pub fn new(store: Arc<Store>, mut folders: Vec<Digest>) -> Changelog {
        folders.sort_unstable();
        folders.dedup();
        Changelog { store, folders, packs: Mutex::default(), recent: Mutex::new(LruCache::new(RECENT)) }
    }

    /// Its folders, sorted.
    #[must_use]
    pub fn folders(&self) -> &[Digest] {
        &self.folders
    }

    /// The store its revisions name objects of.
    #[must_use]
    pub const fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The revisions there are now.
    pub fn log(&self) -> Result<Log, HistoryError> {
        self.list(true)
    }

    fn list(&self, hide: bool) -> Result<Log, HistoryError> {
        for _ in 0..RETRIES {
            if let Some(log) = self.try_log(hide)? {
                return Ok(log);
            }
        }
        let folder = self.folders.first().copied().unwrap_or(Digest::ZERO);
        Err(BackendError::not_found("list", folder.key()).into())
    }

    /// The revisions there are now, also those that the horizon hides but that are not removed yet.
    pub fn unhidden_log(&self) -> Result<Log, HistoryError> {
        self.list(false)
    }

    /// Lists; `None` where a pack went away meanwhile.
    fn try_log(&self, hide: bool) -> Result<Option<Log>, HistoryError> {
        let mut entries: BTreeMap<Stamp, Entry> = BTreeMap::new();
        let mut horizons = Vec::new();
        let (mut loose, mut packs) = (0, 0);
        for folder in &self.folders {
            let key = folder.key();
            for file in self.store.backend().list(&key)? {
                if let Some((parent, child)) = parse_name(&file.name) {
                    loose += 1;
                    let entry = entries.entry(child).or_insert_with(|| Entry::new(Source::Loose(*folder)));
                    entry.add_parent(parent);
                } else if let Some(name) = pack::is_pack(&file.name) {
                    packs += 1;
                    let Some(pack) = self.pack(&key, name)? else { return Ok(None) };
                    for (i, (child, parents)) in pack.revisions().enumerate() {
                        let entry = entries
                            .entry(child)
                            .or_insert_with(|| Entry::new(Source::Packed(Arc::clone(&pack), i)));
                        parents.iter().for_each(|parent| entry.add_parent(*parent));
                    }
                } else if let Some(horizon) = Horizon::of_name(&file.name) {
                    horizons.push((format!("{key}/{}", file.name), horizon));
                }
            }
        }
        let Some(horizon) = self.horizon(horizons)? else { return Ok(None) };
        let mut log = Log::new(entries, horizon, loose, packs);
        if hide {
            log.hide();
        }
        Ok(Some(log))
    }

    fn pack(&self, folder: &str, name: &str) -> Result<Option<Arc<Pack>>, HistoryError> {
        if let Some(pack) = self.packs.lock().get(name) {
            return Ok(Some(Arc::clone(pack)));
        }
        match Pack::open(&self.store, format!("{folder}/{name}")) {
            Ok(pack) => {
                let pack = Arc::new(pack);
                self.packs.lock().insert(name.to_owned(), Arc::clone(&pack));
                Ok(Some(pack))
            }
            Err(HistoryError::Store(StoreError::Backend(e))) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Reads a revision.
    pub fn read(&self, log: &Log, stamp: Stamp) -> Result<Arc<Revision>, HistoryError> {
        if let Some(revision) = self.recent.lock().get(&stamp) {
            return Ok(Arc::clone(revision));
        }
        let bytes = match self.bytes(log, stamp)? {
            Some(bytes) => bytes,
            None => self.bytes(&self.log()?, stamp)?.ok_or(HistoryError::Gone(stamp))?,
        };
        let revision =
            Revision::decode(&self.store, &bytes).map_err(|_damage| HistoryError::Damaged(stamp))?;
        if revision.time != stamp.time {
            return Err(HistoryError::Damaged(stamp));
        }
        let revision = Arc::new(revision);
        self.recent.lock().put(stamp, Arc::clone(&revision));
        Ok(revision)
    }

    /// The file of a revision, checked against its name; `None` where it went away since the listing.
    pub fn bytes(&self, log: &Log, stamp: Stamp) -> Result<Option<Bytes>, HistoryError> {
        let Some(entry) = log.entry(stamp) else { return Ok(None) };
        let found = match &entry.source {
            Source::Loose(folder) => {
                let parent = entry.parents.first().copied().unwrap_or(Stamp::ROOT);
                self.store.backend().get(&file_key(*folder, parent, stamp)).map_err(HistoryError::from)
            }
            Source::Packed(pack, i) => pack.read(&self.store, *i),
        };
        match found {
            Ok(bytes) if Digest::of(&bytes) == stamp.digest => Ok(Some(bytes)),
            Ok(_) => Err(HistoryError::Damaged(stamp)),
            Err(HistoryError::Store(StoreError::Backend(e))) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Puts a revision: durable on return. Everything it names is durable already.
    pub fn put(&self, revision: &Revision) -> Result<Stamp, HistoryError> {
        let bytes = revision.encode();
        let stamp = Stamp { time: revision.time, digest: Digest::of(&bytes) };
        let parents = if revision.parents.is_empty() { &[Stamp::ROOT][..] } else { &revision.parents[..] };
        let folder = self.folders.first().copied().unwrap_or(Digest::ZERO);
        let files: Vec<_> = parents.iter().map(|p| (file_key(folder, *p, stamp), bytes.clone())).collect();
        self.store.backend().put_many(&files)?;
        if let Ok(revision) = Revision::decode(&self.store, &bytes) {
            self.recent.lock().put(stamp, Arc::new(revision));
        }
        Ok(stamp)
    }

    /// Takes back a revision that was put just now and that nobody was told of.
    pub fn withdraw(&self, revision: &Revision, stamp: Stamp) -> Result<(), HistoryError> {
        let files: Vec<String> = self
            .folders
            .iter()
            .flat_map(|f| revision.parents.iter().map(|p| file_key(*f, *p, stamp)))
            .collect();
        self.recent.lock().pop(&stamp);
        Ok(self.store.backend().delete_many(&files)?)
    }

    /// The heads of a log, without those that another head names as a parent though its second file was
    /// never written.
    pub fn heads(&self, log: &Log) -> Result<Vec<Stamp>, HistoryError> {
        let heads = log.heads();
        if heads.len() < 2 {
            return Ok(heads);
        }
        let mut named = Vec::new();
        for head in &heads {
            named.extend(self.read(log, *head)?.parents.iter().copied());
        }
        Ok(heads.into_iter().filter(|head| !named.contains(head)).collect())
    }

    /// Packs if there are many loose files.
    pub fn pack_if_many(&self, log: &Log) -> Result<(), HistoryError> {
        if log.loose > MAX_LOOSE { self.pack_files(log.packs >= MAX_PACKS).map(|_| ()) } else { Ok(()) }
    }
}

fn parse_name(name: &str) -> Option<(Stamp, Stamp)> {
    let (parent, child) = name.split_once('.')?;
    Some((Stamp::from_file_name(parent)?, Stamp::from_file_name(child)?))
}

fn file_key(folder: Digest, parent: Stamp, child: Stamp) -> String {
    format!("{}/{}.{}", folder.key(), parent.file_name(), child.file_name())
}
