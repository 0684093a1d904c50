//! Hearing of revisions as they are made: those of some collections, and of the registry.
//!
//! Whoever watches looks again and again; each look gives what came since the one before, nothing twice and nothing
//! left out. A look asks the backend's watcher which folders changed, or lists them all. A folder is watched before it
//! is listed, so what comes in between is heard.

use super::OpError;
use crate::backend::watch::{Signal, Watcher};
use crate::clock::Stamp;
use crate::collection::follow::{Seen, ancestry};
use crate::collection::when::When;
use crate::collection::{Collection, CollectionError, Filter, OneSeries};
use crate::digest::Digest;
use crate::history::changelog::{HistoryError, Log};
use crate::history::outline::Outline;
use crate::repo::{Repo, RepoError};
use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// What is known when a watch begins: all else is news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// All there is.
    Now,
    /// What is earlier than this, in milliseconds since 1970-01-01 UTC.
    Time(u64),
    /// A revision and its ancestors, by any name that [`Collection::resolve`] takes. Of a collection that has none
    /// of that name, nothing.
    Revision(String),
}

/// A revision that came.
#[derive(Debug, Clone)]
pub struct News {
    /// Its collection; the registry, where a collection was created, renamed or deleted.
    pub collection: Arc<Collection>,
    /// Whether it is one of the registry.
    pub registry: bool,
    /// The revision.
    pub stamp: Stamp,
    log: Arc<Log>,
}

/// A collection that is followed.
#[derive(Debug)]
struct Followed {
    collection: Arc<Collection>,
    /// Of each folder, where it could be watched.
    signals: Vec<Option<Signal>>,
    /// It was never listed.
    new: bool,
}

impl Followed {
    fn new(collection: Collection) -> Followed {
        let signals = collection.changelog().folders().iter().map(|_| None).collect();
        Followed { collection: Arc::new(collection), signals, new: true }
    }

    fn folders(&self) -> &[Digest] {
        self.collection.changelog().folders()
    }

    /// Its revisions, where there may be others than before.
    fn changed(
        &mut self,
        watcher: Option<&dyn Watcher>,
        all: bool,
    ) -> Result<Option<Arc<Log>>, HistoryError> {
        let mut due = all || self.new || watcher.is_none();
        if let Some(watcher) = watcher {
            for (signal, folder) in self.signals.iter_mut().zip(self.collection.changelog().folders()) {
                match signal {
                    Some(signal) => due |= signal.take(),
                    // It may not be there yet: then it is listed, and tried the next time.
                    None => {
                        *signal = watcher.watch(&folder.key()).ok();
                        due = true;
                    }
                }
            }
        }
        if !due {
            return Ok(None);
        }
        let log = self.collection.changelog().log()?;
        self.new = false;
        Ok(Some(log))
    }
}

/// Somebody who wants to hear of revisions.
#[derive(Debug)]
pub struct Watch {
    repo: Repo,
    watcher: Option<Arc<dyn Watcher>>,
    registry: Followed,
    collections: BTreeMap<String, Followed>,
    /// Folders of the one collection that is wanted; none: all are.
    only: Option<Vec<Digest>>,
    filter: Filter,
    seen: Seen,
}

impl Watch {
    /// Begins to watch a collection, or a series of one, or everything. What `since` does not know is given by the
    /// first look.
    pub fn start(repo: Repo, place: Option<(&str, Option<&str>)>, since: &Since) -> Result<Watch, OpError> {
        let watcher = repo.context().store.backend().watcher();
        let (mut only, mut filter) = (None, Filter::default());
        if let Some((label, series)) = place {
            let collection = repo.collection(label)?;
            only = Some(collection.changelog().folders().to_vec());
            filter.series = series.map(|label| collection.one_series(label)).transpose()?;
        }
        let registry = Followed::new(repo.registry().by(&repo.context().author));
        let (collections, seen) = (BTreeMap::new(), Seen::default());
        let mut watch = Watch { repo, watcher, registry, collections, only, filter, seen };
        watch.know(since)?;
        Ok(watch)
    }

    /// Takes as seen what is known at the start.
    fn know(&mut self, since: &Since) -> Result<(), OpError> {
        let watcher = self.watcher.clone();
        let registry = self.registry.changed(watcher.as_deref(), true)?;
        self.open_collections()?;
        let mut newest = 0;
        for followed in self.collections.values_mut() {
            let Some(log) = followed.changed(watcher.as_deref(), true)? else { continue };
            let known: Vec<Stamp> = match since {
                Since::Now => log.stamps().collect(),
                Since::Time(time) => log.stamps().filter(|stamp| stamp.time < *time).collect(),
                Since::Revision(name) => match resolve(&followed.collection, name, self.only.is_some())? {
                    Some(stamp) => {
                        newest = newest.max(stamp.time);
                        ancestry(&log, &[stamp]).into_iter().collect()
                    }
                    None => Vec::new(),
                },
            };
            self.seen.mark(followed.folders(), known);
            followed.new = !matches!(since, Since::Now);
        }
        // Nobody names a revision of the registry here: what is not later than the others is known.
        let before = match since {
            Since::Now => u64::MAX,
            Since::Time(time) => *time,
            Since::Revision(_) => newest + 1,
        };
        if let Some(log) = registry {
            self.seen.mark(self.registry.folders(), log.stamps().filter(|stamp| stamp.time < before));
        }
        self.registry.new = !matches!(since, Since::Now);
        Ok(())
    }

    /// What can be waited for: it is readable when something may have come that no look gave. None where only
    /// looking again helps.
    #[must_use]
    pub fn ready(&self) -> Option<BorrowedFd<'_>> {
        self.watcher.as_ref()?.ready()
    }

    /// What came since the last look, oldest first. `all`: whether every folder is listed, also those of which no
    /// change was heard; over a network not all are.
    pub fn look(&mut self, all: bool) -> Result<Vec<News>, OpError> {
        let watcher = self.watcher.clone();
        if let Some(watcher) = &watcher {
            watcher.look();
        }
        let mut news = Vec::new();
        let mut gone = Vec::new();
        if let Some(log) = self.registry.changed(watcher.as_deref(), all)? {
            let stamps = self.seen.news(self.registry.folders(), &log);
            if !stamps.is_empty() {
                gone = self.open_collections()?;
            }
            if self.only.is_none() {
                let collection = &self.registry.collection;
                news.extend(stamps.into_iter().map(|stamp| News {
                    collection: Arc::clone(collection),
                    registry: true,
                    stamp,
                    log: Arc::clone(&log),
                }));
            }
        }
        // What came before a collection was deleted is told still.
        gone.iter_mut().for_each(|followed: &mut Followed| followed.new = true);
        for followed in self.collections.values_mut().chain(&mut gone) {
            let Some(log) = followed.changed(watcher.as_deref(), all)? else { continue };
            let stamps = self.seen.news(followed.folders(), &log);
            news.extend(stamps.into_iter().map(|stamp| News {
                collection: Arc::clone(&followed.collection),
                registry: false,
                stamp,
                log: Arc::clone(&log),
            }));
        }
        news.sort_by_key(|one| one.stamp);
        Ok(news)
    }

    /// Reads what a revision says; `None` where it did nothing to the series that is watched, or was trimmed meanwhile.
    pub fn read(&mut self, news: &News) -> Result<Option<Outline>, OpError> {
        let outline = match news.collection.changelog().glance_at(&news.log, news.stamp, &self.filter) {
            Err(HistoryError::Gone(_)) => return Ok(None),
            outline => outline?,
        };
        // Born while it was waited for: from now on it is told by its id, whatever its label becomes.
        if let (Some(OneSeries::Label(_)), Some(outline)) = (&self.filter.series, &outline)
            && let Some(change) = outline.changes.series.first()
        {
            self.filter.series = Some(OneSeries::Id(change.id));
        }
        Ok(outline)
    }

    /// Opens the collections there are now, and gives those that are no more; what is known of those that were there
    /// stays.
    fn open_collections(&mut self) -> Result<Vec<Followed>, OpError> {
        let mut found = BTreeMap::new();
        for label in self.repo.collections()? {
            let collection = match self.repo.collection(&label) {
                // Deleted or renamed meanwhile: the registry tells of that the next time.
                Err(RepoError::NoCollection { .. }) => continue,
                Err(RepoError::NoChangelog(label)) => {
                    log::warn!("cannot watch {label}: the registry has no changelog for it");
                    continue;
                }
                collection => collection?,
            };
            let folders = collection.changelog().folders();
            if self.only.as_ref().is_some_and(|only| !shares(folders, only)) {
                continue;
            }
            let followed = match self.collections.remove(&label) {
                Some(same) if same.folders() == folders => same,
                _ => Followed::new(collection),
            };
            found.insert(label, followed);
        }
        let gone = std::mem::replace(&mut self.collections, found).into_values();
        let lives =
            |one: &Followed| self.collections.values().any(|now| shares(one.folders(), now.folders()));
        Ok(gone.filter(|one| !lives(one)).collect())
    }
}

/// Whether some folder is in both.
fn shares(folders: &[Digest], others: &[Digest]) -> bool {
    folders.iter().any(|folder| others.contains(folder))
}

/// The revision of a collection that has a name; where there are several collections, not all need have it.
fn resolve(collection: &Collection, name: &str, must: bool) -> Result<Option<Stamp>, CollectionError> {
    match collection.resolve(name) {
        Err(CollectionError::NoTag { .. } | CollectionError::NoRevision(..) | CollectionError::Empty(_))
            if !must =>
        {
            Ok(None)
        }
        done => done.map(Some),
    }
}

/// Whether a name means a revision of one collection alone.
#[must_use]
pub fn is_of_one(name: &str) -> bool {
    matches!(When::parse(name), Some(When::Revision(_)))
}
