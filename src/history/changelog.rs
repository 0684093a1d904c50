//! The changelog of a collection: which revisions there are, and their files.
//!
//! One immutable file a revision (one a parent, for merges), named `<parent>.<child>`; packs hold many of
//! them. A collection may have several folders, made by writers who created it at the same time; their
//! union is one graph. A revision is put last, when all it names is durable.

mod files;
mod forgotten;
mod horizon;
mod index;
mod log;
mod loose;
mod mend;
mod name;
mod outlines;
mod pack;
mod packing;
mod parents;
mod receive;
mod torn;

pub use files::{ARRIVING, DROPPED, FileKind, check_file};
pub use forgotten::Forgotten;
pub use horizon::Horizon;
pub use log::{Log, Torn};
pub use mend::Mended;
pub use name::is_unsynced;
pub use receive::Carried;
pub use torn::Broken;

use super::revision::{Revision, TooLong};
use crate::backend::BackendError;
use crate::clock::Stamp;
use crate::digest::Digest;
use crate::store::{Store, StoreError};
use crate::wire::Damaged;
use bytes::Bytes;
use log::{Loose, Source};
use lru::LruCache;
use name::Name;
use pack::Pack;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

/// Loose files beyond which writers pack by themselves.
const MAX_LOOSE: usize = 256;

/// Packs beyond which packing makes one of all.
const MAX_PACKS: usize = 8;

/// Decoded revisions kept in memory.
const RECENT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

/// Revisions that were not synced and are known to be whole: more than there are before somebody packs.
const LOOKED_AT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

/// A folder of more files may be listed in several steps, between which somebody packs.
const ONE_STEP: usize = 128;

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
    Damaged(Stamp, #[source] Option<Damaged>),
    /// A file of the changelog that is no revision.
    #[error("{file} in the changelog is damaged")]
    DamagedFile {
        /// Its key.
        file: String,
        /// What of it, where its bytes are those that its name tells.
        source: Option<Damaged>,
    },
    /// A revision that would be longer than those that are read: nothing was written.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// A revision whose writer did not sync, and whose file is not whole.
    #[error(
        "revision {0} is torn: it was written with --no-sync, and a power failure came before it was on disk"
    )]
    Torn(Stamp),
    /// A revision that is not there (any more).
    #[error("revision {0} was trimmed meanwhile, or its file is lost")]
    Gone(Stamp),
    /// A time of which nothing is known any more.
    #[error("history before {} was trimmed", crate::clock::iso(*.0))]
    Trimmed(u64),
    /// Heads whose merge needs a revision that is not there any more.
    #[error(
        "revisions {} cannot be merged: that needs revision {missing}, which was trimmed or is lost; each can be read by itself, by its id, and `lakota status` tells how to keep one of them",
        list(.heads)
    )]
    Unmergeable {
        /// The heads.
        heads: Vec<Stamp>,
        /// The revision.
        missing: Stamp,
    },
    /// Heads whose columns have no common origin.
    #[error(
        "revisions {} cannot be merged: their columns have no common origin; each can be read by itself, by its id, and `lakota status` tells how to keep one of them",
        list(.0)
    )]
    Schemas(Vec<Stamp>),
}

impl HistoryError {
    /// Whether it says that heads cannot be merged, whatever is tried: one of them may be chosen.
    #[must_use]
    pub const fn is_unmergeable(&self) -> bool {
        matches!(self, HistoryError::Unmergeable { .. } | HistoryError::Schemas(_))
    }
}

impl From<BackendError> for HistoryError {
    fn from(error: BackendError) -> HistoryError {
        HistoryError::Store(StoreError::Backend(error))
    }
}

fn list(stamps: &[Stamp]) -> String {
    stamps.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The files of a changelog when they were listed last, and what they say.
#[derive(Debug, Default)]
struct Listing {
    files: HashSet<(Digest, String)>,
    all: Arc<Log>,
    /// Without what the horizon hides, where it hides anything.
    visible: Option<Arc<Log>>,
}

/// The changelog of one collection.
#[derive(Debug)]
pub struct Changelog {
    store: Arc<Store>,
    /// Sorted; new files go to the first.
    folders: Vec<Digest>,
    listing: Mutex<Listing>,
    packs: Mutex<HashMap<String, Arc<Pack>>>,
    recent: Mutex<LruCache<Stamp, Arc<Revision>>>,
    /// Revisions that were not synced and are whole, with all they build on.
    known_whole: Mutex<LruCache<Stamp, ()>>,
    /// What messages call it; none: it tells nothing.
    name: OnceLock<String>,
    /// Torn revisions that were told.
    told: Mutex<BTreeSet<Stamp>>,
}

impl Changelog {
    /// The changelog in `folders`, at least one.
    #[must_use]
    pub fn new(store: Arc<Store>, mut folders: Vec<Digest>) -> Changelog {
        folders.sort_unstable();
        folders.dedup();
        Changelog {
            store,
            folders,
            listing: Mutex::default(),
            packs: Mutex::default(),
            recent: Mutex::new(LruCache::new(RECENT)),
            known_whole: Mutex::new(LruCache::new(LOOKED_AT)),
            name: OnceLock::new(),
            told: Mutex::default(),
        }
    }

    /// Gives it the name that messages call it by.
    #[must_use]
    pub fn named(self, name: &str) -> Changelog {
        self.name.get_or_init(|| name.to_owned());
        self
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
    pub fn log(&self) -> Result<Arc<Log>, HistoryError> {
        self.visible(true)
    }

    /// The revisions there are now, but for some that others may be packing at this moment: enough to see whether a
    /// horizon came.
    pub fn glance(&self) -> Result<Arc<Log>, HistoryError> {
        self.visible(false)
    }

    fn visible(&self, complete: bool) -> Result<Arc<Log>, HistoryError> {
        Ok(self.both_logs(complete)?.1)
    }

    fn both_logs(&self, complete: bool) -> Result<(Arc<Log>, Arc<Log>), HistoryError> {
        let mut listing = self.listing.lock();
        self.refresh(&mut listing, complete)?;
        let all = Arc::clone(&listing.all);
        if all.horizon.time == 0 {
            return Ok((Arc::clone(&all), all));
        }
        // Mostly what it hides is gone long since: then there is one log, not two.
        let visible = || if all.hides_any() { Arc::new(all.visible()) } else { Arc::clone(&all) };
        let visible = Arc::clone(listing.visible.get_or_insert_with(visible));
        Ok((all, visible))
    }

    /// [`Changelog::unhidden_log`] and [`Changelog::log`] of one moment: the first has all that the second has.
    pub fn logs(&self) -> Result<(Arc<Log>, Arc<Log>), HistoryError> {
        self.both_logs(true)
    }

    /// The revisions there are now, also those that the horizon hides but that are not removed yet.
    pub fn unhidden_log(&self) -> Result<Arc<Log>, HistoryError> {
        let mut listing = self.listing.lock();
        self.refresh(&mut listing, true)?;
        Ok(Arc::clone(&listing.all))
    }

    /// Brings a listing up to date. Where only revisions were added, what is known of the others stays.
    fn refresh(&self, listing: &mut Listing, complete: bool) -> Result<(), HistoryError> {
        for attempt in 0..RETRIES {
            let Some(files) = self.files(complete)? else { continue };
            let new: Vec<_> = files.iter().filter(|file| !listing.files.contains(*file)).collect();
            let healed = self.any_healed(&listing.all);
            if new.is_empty() && files.len() == listing.files.len() && !healed {
                return Ok(());
            }
            listing.visible = None;
            let only_more = files.len() - new.len() == listing.files.len();
            let plain = |name: &Name| !listing.all.touches_torn(name);
            let settled = !listing.all.waiting && !healed;
            if settled
                && only_more
                && new.iter().all(|(_, name)| Name::parse(name).as_ref().is_some_and(plain))
            {
                let log = Arc::make_mut(&mut listing.all);
                add_loose(log, new.iter().copied());
                log.pass_aside();
                if !self.leave_out_torn(log, attempt > 0) {
                    *listing = Listing::default();
                    continue;
                }
                let new: Vec<_> = new.into_iter().cloned().collect();
                listing.files.extend(new);
                return Ok(());
            }
            if let Some(log) = self.read_all(&files, attempt > 0)? {
                // A pack that is gone may be as large as all others.
                self.packs.lock().retain(|name, _| log.pack_keys.iter().any(|key| key.ends_with(name)));
                *listing = Listing { files: files.into_iter().collect(), all: Arc::new(log), visible: None };
                return Ok(());
            }
        }
        let folder = self.folders.first().copied().unwrap_or(Digest::ZERO);
        Err(BackendError::not_found("list", folder.key()).into())
    }

    /// All files; `None` where a pack came or went meanwhile: a revision may then have been in neither place.
    fn files(&self, complete: bool) -> Result<Option<Vec<(Digest, String)>>, HistoryError> {
        let mut files = Vec::new();
        for folder in &self.folders {
            let list = || self.store.backend().list(&folder.key());
            let entries = list()?;
            if complete && entries.len() > ONE_STEP && others(&entries) != others(&list()?) {
                return Ok(None);
            }
            files.extend(entries.into_iter().map(|entry| (*folder, entry.name)));
        }
        Ok(Some(files))
    }

    /// Makes a log of all files; `None` where one went away meanwhile, or seems to have come, unless this is the `last`
    /// look for that.
    fn read_all(&self, files: &[(Digest, String)], last: bool) -> Result<Option<Log>, HistoryError> {
        let mut log = Log::default();
        let mut horizons = Vec::new();
        // Packs first: of a revision that is in both, the loose file may go.
        let (loose, others): (Vec<_>, Vec<_>) =
            files.iter().partition(|(_, name)| Name::parse(name).is_some());
        for (folder, name) in others {
            if let Some(name) = pack::is_pack(name) {
                log.pack_keys.push(format!("{}/{name}", folder.key()));
                let Some(pack) = self.pack(&folder.key(), name)? else { return Ok(None) };
                for (i, (child, parents)) in (0..).zip(pack.revisions()) {
                    log.add(child, parents.as_slice(), || Source::Packed(Arc::clone(&pack), i));
                }
            } else if let Some(stamp) = Horizon::of_name(name) {
                horizons.push((format!("{}/{name}", folder.key()), stamp));
            } else if let Some(name) = name::set_aside(name) {
                let parents = log.aside.entry(name.child).or_default();
                parents.extend(Some(name.parent).filter(|parent| *parent != Stamp::ROOT));
            }
        }
        add_loose(&mut log, loose.into_iter());
        log.pass_aside();
        log.settle();
        Ok((self.read_horizons(horizons, &mut log)? && self.leave_out_torn(&mut log, last)).then_some(log))
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
        let mut found = self.bytes(log, stamp)?;
        for _ in 0..RETRIES {
            if found.is_some() {
                break;
            }
            found = self.bytes(self.unhidden_log()?.as_ref(), stamp)?;
        }
        let bytes = found.ok_or(HistoryError::Gone(stamp))?;
        let revision = Revision::decode(&self.store, &bytes)
            .map_err(|damage| HistoryError::Damaged(stamp, Some(damage)))?;
        if revision.time != stamp.time {
            return Err(HistoryError::Damaged(stamp, None));
        }
        let revision = Arc::new(revision);
        self.recent.lock().put(stamp, Arc::clone(&revision));
        Ok(revision)
    }

    /// Reads a revision that some earlier listing told of: lists again only where it is not where it was.
    pub fn find(&self, stamp: Stamp) -> Result<Arc<Revision>, HistoryError> {
        let known = Arc::clone(&self.listing.lock().all);
        self.read(&known, stamp)
    }

    /// The file of a revision, checked against its name; `None` where it went away since the listing.
    pub fn bytes(&self, log: &Log, stamp: Stamp) -> Result<Option<Bytes>, HistoryError> {
        let Some(entry) = log.entry(stamp) else { return Ok(None) };
        let (pack, i) = match &entry.source {
            Source::Loose(file) => {
                let found = self.loose(entry.parents.as_slice(), **file)?;
                return Ok(found.map(|(bytes, _)| bytes));
            }
            Source::Packed(pack, i) => (pack, *i as usize),
        };
        match pack.read(&self.store, i) {
            Ok(bytes) if Digest::of(&bytes) == stamp.digest => Ok(Some(bytes)),
            Ok(_) => Err(HistoryError::Damaged(stamp, None)),
            Err(HistoryError::Store(StoreError::Backend(e))) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Puts a revision: durable on return, unless this backend does not sync. Everything it names is durable already,
    /// but for what others put who do not sync: that is made so.
    pub fn put(&self, revision: &Revision) -> Result<Stamp, HistoryError> {
        revision.check()?;
        let bytes = revision.encode();
        let stamp = Stamp { time: revision.time, digest: Digest::of(&bytes) };
        let parents = if revision.parents.is_empty() { &[Stamp::ROOT][..] } else { &revision.parents[..] };
        let folder = self.folders.first().copied().unwrap_or(Digest::ZERO);
        self.put_files(folder, stamp, parents, &bytes)?;
        if let Ok(revision) = Revision::decode(&self.store, &bytes) {
            self.recent.lock().put(stamp, Arc::new(revision));
        }
        Ok(stamp)
    }

    /// Puts the files of a revision, one for each of `parents`: the moment from which on it is there.
    fn put_files(
        &self,
        folder: Digest,
        child: Stamp,
        parents: &[Stamp],
        bytes: &Bytes,
    ) -> Result<(), HistoryError> {
        // Its parents, and objects that were there already, may be of writers who do not sync.
        self.settle()?;
        let backend = self.store.backend();
        let synced = backend.is_durable();
        let key = |parent: &Stamp| Name { parent: *parent, child, synced }.key(folder);
        let files: Vec<_> = parents.iter().map(|parent| (key(parent), bytes.clone())).collect();
        Ok(backend.put_many(&files)?)
    }

    /// Brings on disk what others put who do not sync, unless this backend does not either: for who says that all is
    /// on disk though nothing was left to put.
    pub fn settle(&self) -> Result<(), HistoryError> {
        let backend = self.store.backend();
        if backend.is_durable() { Ok(backend.settle()?) } else { Ok(()) }
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

    /// Puts the files that a writer who was cut short did not put of these revisions: without them, what a merge joined
    /// would be a head again beside whatever is built on the merge.
    pub fn complete(&self, log: &Log, revisions: &[Stamp]) -> Result<(), HistoryError> {
        for stamp in revisions.iter().copied().filter(|stamp| log.contains(*stamp)) {
            // Damage is told by whoever reads the revision itself.
            let Ok(revision) = self.read(log, stamp) else { continue };
            let known = log.parents(stamp).unwrap_or_default();
            let mut parents = revision.parents.clone();
            parents.retain(|parent| !known.contains(parent));
            if !parents.is_empty()
                && let Some(bytes) = self.bytes(log, stamp)?
            {
                let folder = self.folders.first().copied().unwrap_or(Digest::ZERO);
                self.put_files(folder, stamp, &parents, &bytes)?;
            }
        }
        Ok(())
    }

    /// About how many bytes it takes in memory to know which revisions there are.
    #[must_use]
    pub fn memory(&self) -> usize {
        let listing = self.listing.lock();
        // A second log is there only while a horizon hides what is not removed yet.
        let second = listing.visible.as_ref().filter(|visible| !Arc::ptr_eq(visible, &listing.all));
        let logs = listing.all.bytes() + second.map_or(0, |log| log.bytes());
        let files = listing.files.capacity() * size_of::<(Digest, String)>();
        let names: usize = listing.files.iter().map(|(_, name)| name.capacity()).sum();
        let packs: usize = self.packs.lock().values().map(|pack| pack.bytes()).sum();
        logs + files + names + packs
    }

    /// Bytes of packs that are kept because somebody read them lately.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.packs.lock().values().map(|pack| pack.kept()).sum()
    }

    /// Forgets what was read of packs: who goes through many revisions leaves groups of them behind that nobody needs next.
    pub fn rest(&self) {
        self.packs.lock().values().for_each(|pack| pack.rest());
    }

    /// Packs if there are many loose files.
    pub fn pack_if_many(&self, log: &Log) -> Result<(), HistoryError> {
        if log.loose > MAX_LOOSE {
            self.pack_files(log.pack_keys.len() >= MAX_PACKS).map(|_| ())
        } else {
            Ok(())
        }
    }
}

/// The names of packs and horizons: a revision's has a dot. Names are not parsed, since every commit asks.
fn others(files: &[crate::backend::Entry]) -> BTreeSet<&str> {
    files.iter().map(|file| file.name.as_str()).filter(|name| !name.contains('.')).collect()
}

/// Adds files of revisions. Of one that was put with and without a sync, the first file counts.
fn add_loose<'f>(log: &mut Log, files: impl Iterator<Item = &'f (Digest, String)>) {
    let names = files.filter_map(|(folder, name)| Some((*folder, Name::parse(name)?)));
    let (synced, unsynced): (Vec<_>, Vec<_>) = names.partition(|(_, name)| name.synced);
    for (folder, name) in synced.into_iter().chain(unsynced) {
        log.loose += 1;
        log.add(name.child, &[name.parent], || Source::Loose(Box::new(Loose { folder, name })));
    }
}
