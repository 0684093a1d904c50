//! What there is now: the collections of a repository and the newest state of each, kept up to date.
//!
//! Whoever asks gets what was durable when the question was asked: a look costs a question to the backend's watcher,
//! a listing only where something changed, where nobody watches, or where the last listing is old.

use crate::backend::watch::{Signal, Watcher};
use crate::clock::{Stamp, iso};
use crate::collection::timeline::{Kind, Timeline};
use crate::collection::{At, Collection, CollectionError, Moment};
use crate::digest::Digest;
use crate::history::changelog::{HistoryError, Torn};
use crate::history::entry::SeriesId;
use crate::history::state::State;
use crate::repo::{Repo, RepoError};
use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Tells when it is time to list again.
#[derive(Debug)]
struct Gate {
    watcher: Option<Arc<dyn Watcher>>,
    /// Folders, and what tells of changes in them; none until they are watched.
    folders: Vec<(String, Option<Signal>)>,
    poll: Duration,
    /// When a listing succeeded last.
    listed: Option<Instant>,
}

impl Gate {
    fn new(collection: &Collection, watcher: Option<Arc<dyn Watcher>>, poll: Duration) -> Gate {
        let folders = collection.changelog().folders().iter().map(|folder| (folder.key(), None)).collect();
        Gate { watcher, folders, poll, listed: None }
    }

    fn is_due(&mut self) -> bool {
        if let Some(watcher) = &self.watcher {
            watcher.look();
        }
        // All of them: each must be taken down.
        let signals = self.folders.iter().filter_map(|(_, signal)| signal.as_ref());
        if signals.filter(|signal| signal.take()).count() > 0 {
            // Should the listing fail now, the next question lists again.
            self.listed = None;
        }
        let due = self.listed.is_none_or(|listed| listed.elapsed() >= self.poll);
        if due {
            // Before the listing: what comes after it is heard.
            self.watch();
        }
        due
    }

    /// Starts to watch the folders that are not yet: one may not exist until somebody writes to it.
    fn watch(&mut self) {
        if let Some(watcher) = &self.watcher {
            for (folder, signal) in self.folders.iter_mut().filter(|(_, signal)| signal.is_none()) {
                *signal = watcher.watch(folder).ok();
            }
        }
    }
}

/// A state of a collection: that of a revision, or of the merge of several that nobody has written.
#[derive(Debug, Clone)]
pub struct Point {
    /// The revision; of an unwritten merge: the one it would be.
    pub stamp: Stamp,
    /// The unwritten merge: its state is nowhere else.
    pub pending: Option<Arc<Moment>>,
}

impl Point {
    /// A revision that is written.
    #[must_use]
    pub const fn written(stamp: Stamp) -> Point {
        Point { stamp, pending: None }
    }
}

impl From<Moment> for Point {
    fn from(moment: Moment) -> Point {
        let stamp = moment.stamp;
        Point { stamp, pending: (!moment.heads.is_empty()).then(|| Arc::new(moment)) }
    }
}

/// The newest state of a collection.
#[derive(Debug)]
pub struct Now {
    /// The revision.
    pub point: Point,
    /// The state.
    pub state: State,
    /// Which revisions changed each series.
    pub timeline: Timeline,
    /// Series that a merge nobody has written yet changes.
    parted: HashSet<SeriesId>,
    /// Lines that tell of revisions that cannot be read.
    lost: Vec<String>,
}

impl Now {
    fn of(point: Point, state: State) -> Now {
        Now { point, state, timeline: Timeline::default(), parted: HashSet::new(), lost: Vec::new() }
    }

    /// The revision that set the columns.
    #[must_use]
    pub fn columns(&self) -> Option<Stamp> {
        match &self.point.pending {
            Some(moment) if moment.recolumned => Some(self.point.stamp),
            _ => self.timeline.schema(),
        }
    }

    /// Whether it knows what a point is made of. Of one that came since, it cannot tell who changed what.
    #[must_use]
    pub fn knows(&self, at: &Point) -> bool {
        at.stamp == self.point.stamp
            || match &at.pending {
                Some(moment) => moment.heads.iter().all(|head| self.timeline.knows(*head)),
                None => self.timeline.knows(at.stamp),
            }
    }

    /// Writes a line for each revision that cannot be read, where there are others than before.
    fn tell_lost(&mut self, torn: &BTreeMap<Stamp, Torn>, label: &str, time: u64) {
        if self.lost.len() == self.timeline.lost().len() + torn.len() {
            return;
        }
        let line = |(stamp, why): (&Stamp, &String)| {
            log::error!("history of {label}: {why}");
            format!(
                "{} history of {label} at {stamp}: {why}; what it changed shows as of the next revision",
                iso(time)
            )
        };
        // The changelog has told of these in the log.
        let torn = torn.keys().map(|stamp| {
            format!("{} {label}: {}; the state before it shows", iso(time), HistoryError::Torn(*stamp))
        });
        self.lost = self.timeline.lost().iter().map(line).chain(torn).collect();
    }

    /// The revision that made a series what it is.
    #[must_use]
    pub fn origin(&self, id: SeriesId) -> Stamp {
        if self.parted.contains(&id) {
            return self.point.stamp;
        }
        self.timeline.newest(id).map_or(self.point.stamp, |change| change.stamp)
    }

    /// The revision that made a series what it is at a point.
    #[must_use]
    pub fn origin_at(&self, id: SeriesId, at: &Point) -> Stamp {
        if at.stamp == self.point.stamp {
            return self.origin(id);
        }
        let heads = at.pending.as_ref().map_or_else(|| vec![at.stamp], |moment| moment.heads.clone());
        let recolumned = at.pending.as_ref().is_some_and(|moment| moment.recolumned);
        if recolumned || heads.len() > 1 && self.timeline.parted(&heads).contains(&id) {
            return at.stamp;
        }
        let origins = heads.into_iter().filter_map(|head| self.timeline.origin(id, head));
        origins.map(|change| change.stamp).max().unwrap_or(at.stamp)
    }

    /// The point of a revision that was listed.
    #[must_use]
    pub fn point_of(&self, stamp: Stamp) -> Point {
        if stamp == self.point.stamp { self.point.clone() } else { Point::written(stamp) }
    }

    /// The revisions that changed a series and left it alive, oldest first. One that only created it, without rows,
    /// is among them until another follows.
    #[must_use]
    pub fn revisions(&self, id: SeriesId) -> Vec<Stamp> {
        self.timeline.alive(id, self.pending(id))
    }

    /// All revisions of a time that left a series alive.
    #[must_use]
    pub fn revisions_at(&self, id: SeriesId, time: u64) -> Vec<Stamp> {
        let alive = self.timeline.changes_at(id, time).filter(|change| change.kind != Kind::Dropped);
        let pending = self.pending(id).filter(|stamp| stamp.time == time);
        alive.map(|change| change.stamp).chain(pending).collect()
    }

    /// The merge that nobody has written yet, where it changes the series.
    fn pending(&self, id: SeriesId) -> Option<Stamp> {
        self.parted.contains(&id).then_some(self.point.stamp)
    }
}

/// A collection of the mount.
#[derive(Debug)]
pub struct CachedCollection {
    collection: Collection,
    gate: Mutex<Gate>,
    now: RwLock<Option<Now>>,
    write_lock: Mutex<()>,
    /// How often folders of series were removed through this mount.
    removed: Mutex<HashMap<SeriesId, u64>>,
    /// What dropped series are that came back by being written.
    returned: Mutex<HashMap<SeriesId, SeriesId>>,
    /// Is set where revisions went.
    shrunk: Arc<AtomicBool>,
}

impl CachedCollection {
    fn new(collection: Collection, gate: Gate, shrunk: Arc<AtomicBool>) -> CachedCollection {
        let (gate, now, write_lock) = (Mutex::new(gate), RwLock::default(), Mutex::default());
        let (removed, returned) = (Mutex::default(), Mutex::default());
        CachedCollection { collection, gate, now, write_lock, removed, returned, shrunk }
    }

    /// The collection.
    #[must_use]
    pub const fn collection(&self) -> &Collection {
        &self.collection
    }

    /// What tells it from all other collections, whatever its label.
    #[must_use]
    pub fn key(&self) -> Digest {
        self.collection.changelog().folders().first().copied().unwrap_or(Digest::ZERO)
    }

    /// The newest state. Not to be asked for again while the answer is held: a writer may wait between.
    pub fn now(&self) -> Result<Held<'_>, CollectionError> {
        {
            // Held while listing: who asks meanwhile waits for the new state.
            let mut gate = self.gate.lock();
            if gate.is_due() {
                self.update()?;
                gate.listed = Some(Instant::now());
            }
        }
        let now = self.now.read();
        RwLockReadGuard::try_map(now, Option::as_ref)
            .map_err(|_none_yet| CollectionError::Empty(self.collection.label().to_owned()))
    }

    /// Notes that it was written here: the next question lists again, however old a listing may be.
    pub fn written(&self) {
        self.gate.lock().listed = None;
    }

    /// The write_lock to write: one writer of this mount after the other, so that they need not merge.
    pub fn write_lock(&self) -> MutexGuard<'_, ()> {
        self.write_lock.lock()
    }

    /// Notes that the folder of a series was removed. To the kernel its inode is dead, also where a series of that label
    /// comes again.
    pub fn remove(&self, id: SeriesId) {
        *self.removed.lock().entry(id).or_default() += 1;
    }

    /// Notes that a dropped series came back, as another one.
    pub fn came_back(&self, id: SeriesId, now: SeriesId) {
        self.returned.lock().insert(id, now);
    }

    /// What a dropped series is since it came back.
    #[must_use]
    pub fn returned(&self, id: SeriesId) -> Option<SeriesId> {
        self.returned.lock().get(&id).copied()
    }

    /// How often the folder of a series was removed.
    #[must_use]
    pub fn removed(&self, id: SeriesId) -> u64 {
        self.removed.lock().get(&id).copied().unwrap_or(0)
    }

    fn update(&self) -> Result<(), CollectionError> {
        let changelog = self.collection.changelog();
        let log = changelog.log()?;
        let moment = self.collection.moment(&log, At::Newest)?;
        let mut now = self.now.write();
        // In place: a failure leaves what was learned until then, and the next question goes on from there.
        let state = moment.state.clone();
        let known = now.get_or_insert_with(|| Now::of(Point::written(moment.stamp), state.clone()));
        let before = known.timeline.len();
        known.timeline.update(changelog, &log)?;
        if known.timeline.len() < before {
            self.shrunk.store(true, Ordering::Relaxed);
        }
        known.parted = parted(&known.timeline, &moment)?;
        (known.point, known.state) = (moment.into(), state);
        known.tell_lost(&log.torn, self.collection.label(), self.collection.context().clock.now());
        Ok(())
    }

    /// How many revisions are known, and about how many bytes that takes in memory.
    #[must_use]
    pub fn history(&self) -> (u64, u64) {
        let timeline = |now: &Now| (now.timeline.len(), now.timeline.memory());
        let (revisions, bytes) = self.now.read().as_ref().map(timeline).unwrap_or_default();
        (revisions as u64, (bytes + self.collection.changelog().memory()) as u64)
    }

    /// Lines that tell of revisions that could not be read at the last look.
    #[must_use]
    pub fn lost(&self) -> Vec<String> {
        self.now.read().as_ref().map(|now| now.lost.clone()).unwrap_or_default()
    }

    /// When it changed last; `None` where that cannot be told, because its newest state cannot be read.
    #[must_use]
    pub fn last_change(&self) -> Option<u64> {
        self.now().ok().map(|now| now.point.stamp.time)
    }
}

/// The series that a merge nobody has written yet changes: all of them, where it has other columns than its heads.
fn parted(timeline: &Timeline, moment: &Moment) -> Result<HashSet<SeriesId>, CollectionError> {
    let mut parted = timeline.parted(&moment.heads);
    if moment.recolumned {
        moment.state.list("", |summary| {
            parted.insert(summary.id);
            ControlFlow::Continue(())
        })?;
    }
    Ok(parted)
}

/// A state that cannot change while it is looked at.
pub type Held<'a> = parking_lot::MappedRwLockReadGuard<'a, Now>;

/// The collections of a repository.
#[derive(Debug)]
pub struct Catalog {
    repo: Repo,
    poll: Duration,
    watcher: Option<Arc<dyn Watcher>>,
    gate: Mutex<Gate>,
    collections: RwLock<BTreeMap<String, Arc<CachedCollection>>>,
    shrunk: Arc<AtomicBool>,
}

impl Catalog {
    /// The collections of `repo`; a listing is believed for `poll` where nobody tells of changes.
    #[must_use]
    pub fn new(repo: Repo, poll: Duration) -> Catalog {
        let watcher = repo.context().store.backend().watcher();
        let gate = Mutex::new(Gate::new(repo.registry(), watcher.clone(), poll));
        Catalog { repo, poll, watcher, gate, collections: RwLock::default(), shrunk: Arc::default() }
    }

    /// Whether revisions went since this was asked last: what was kept of them is of no use any more.
    #[must_use]
    pub fn take_shrunk(&self) -> bool {
        // A plain look first: every operation asks.
        self.shrunk.load(Ordering::Relaxed) && self.shrunk.swap(false, Ordering::Relaxed)
    }

    /// Bytes of revisions that are kept because somebody looked at them lately.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.collections.read().values().map(|cached| cached.collection.changelog().kept_bytes()).sum()
    }

    /// How many revisions are known of all collections, and about how many bytes that takes in memory. Lists nothing.
    #[must_use]
    pub fn history(&self) -> (u64, u64) {
        let collections = self.collections.read().clone();
        let registry = self.repo.registry().changelog().memory() as u64;
        let sum = |all: (u64, u64), one: (u64, u64)| (all.0 + one.0, all.1 + one.1);
        collections.values().map(|cached| cached.history()).fold((0, registry), sum)
    }

    /// The repository.
    #[must_use]
    pub const fn repo(&self) -> &Repo {
        &self.repo
    }

    /// All collections by label.
    pub fn collections(&self) -> Result<BTreeMap<String, Arc<CachedCollection>>, RepoError> {
        self.refresh()?;
        Ok(self.collections.read().clone())
    }

    /// The collection of a label.
    pub fn collection(&self, label: &str) -> Result<Option<Arc<CachedCollection>>, RepoError> {
        self.refresh()?;
        Ok(self.collections.read().get(label).cloned())
    }

    /// Whether a collection is still there, whatever its label is now.
    pub fn has(&self, cached: &CachedCollection) -> Result<bool, RepoError> {
        self.refresh()?;
        Ok(self.collections.read().values().any(|other| other.key() == cached.key()))
    }

    /// Notes that the list of collections was changed here.
    pub fn written(&self) {
        self.gate.lock().listed = None;
    }

    /// When any collection changed last.
    pub fn last_change(&self) -> Result<Option<u64>, RepoError> {
        let mut newest = None;
        for cached in self.collections()?.values() {
            newest = newest.max(cached.last_change());
        }
        Ok(newest)
    }

    /// Lines that tell of revisions that could not be read when each collection was looked at last.
    #[must_use]
    pub fn lost(&self) -> Vec<String> {
        self.collections.read().values().flat_map(|cached| cached.lost()).collect()
    }

    fn refresh(&self) -> Result<(), RepoError> {
        let mut gate = self.gate.lock();
        if gate.is_due() {
            let mut collections = BTreeMap::new();
            for label in self.repo.collections()? {
                if let Some(collection) = self.open(&label)? {
                    collections.insert(label, self.cached_of(collection));
                }
            }
            *self.collections.write() = collections;
            gate.listed = Some(Instant::now());
        }
        Ok(())
    }

    /// The collection of exactly that label; `None` where it was deleted since it was listed. The repository would
    /// take one for it whose label starts so.
    fn open(&self, label: &str) -> Result<Option<Collection>, RepoError> {
        match self.repo.collection(label) {
            Ok(collection) => Ok(Some(collection).filter(|found| found.label() == label)),
            Err(
                RepoError::NoCollection { .. } | RepoError::Collection(CollectionError::Ambiguous { .. }),
            ) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// What is known of a collection stays, unless it has another label now.
    fn cached_of(&self, collection: Collection) -> Arc<CachedCollection> {
        let known = self.collections.read();
        let same = known.values().find(|cached| {
            cached.collection.changelog().folders() == collection.changelog().folders()
                && cached.collection.label() == collection.label()
        });
        same.cloned().unwrap_or_else(|| {
            let gate = Gate::new(&collection, self.watcher.clone(), self.poll);
            Arc::new(CachedCollection::new(collection, gate, Arc::clone(&self.shrunk)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::schema::Schema;
    use crate::repo::Options;

    #[test]
    fn a_label_that_is_gone_is_not_another_that_starts_so() {
        let folder = tempfile::tempdir().unwrap();
        let repo = Repo::create(folder.path(), Options::default()).unwrap();
        let schema = Schema::parse(["k int*"]).unwrap();
        repo.create_collection("temp2", &schema).unwrap();
        let catalog = Catalog::new(repo, Duration::ZERO);
        assert!(catalog.open("temp").unwrap().is_none());
        catalog.repo.create_collection("temp3", &schema).unwrap();
        assert!(catalog.open("temp").unwrap().is_none(), "one of several");
        assert!(catalog.open("temp3").unwrap().is_some());
    }
}
