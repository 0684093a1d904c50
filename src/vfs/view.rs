//! A series as one state has it: what its files are made of.

use super::catalog::{CachedCollection, Now, Point};
use super::render::Source;
use super::series::Series;
use crate::clock::Stamp;
use crate::collection::CollectionError;
use crate::digest::Digest;
use crate::history::changelog::HistoryError;
use crate::history::entry::{Entry, Segments, SeriesId};
use crate::history::revision::{ChangeList, Revision};
use crate::history::state::State;
use crate::history::tree::Sums;
use lru::LruCache;
use parking_lot::Mutex;
use std::iter;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Views kept: a few hundred bytes each, more where a series has many segments.
const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

/// Change lists kept: one of a large batch is read for each of its series.
const LISTS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

/// A series as one state has it.
#[derive(Debug)]
pub struct SeriesView {
    /// Its rows.
    pub source: Source,
    /// What they add up to.
    pub sums: Sums,
    /// Its label there.
    pub label: String,
    /// The revision that made it what it is there.
    pub origin: Stamp,
    /// Tells the bytes that the files are made of from all others: two views of one series with equal ones show the
    /// same bytes.
    pub content: Digest,
    /// Tells where those bytes are read from all other places: rows stay what they are when they are moved.
    pub places: Digest,
}

/// The epoch of the timeline too: what made a series what it is may be trimmed.
type Key = (Digest, SeriesId, Stamp, u64);

/// Views that were asked for lately; also that there was none.
#[derive(Debug)]
pub struct SeriesViews {
    views: Mutex<LruCache<Key, Option<Arc<SeriesView>>>>,
    lists: Mutex<LruCache<(Digest, Stamp), Arc<ChangeList>>>,
}

impl Default for SeriesViews {
    fn default() -> SeriesViews {
        let (views, lists) = (Mutex::new(LruCache::new(KEPT)), Mutex::new(LruCache::new(LISTS)));
        SeriesViews { views, lists }
    }
}

impl SeriesViews {
    /// A series in the state `from`; `None` where that state does not have it.
    pub fn get(
        &self,
        now: &Now,
        series: &Series,
        from: &Point,
    ) -> Result<Option<Arc<SeriesView>>, CollectionError> {
        let key = (series.cached.key(), series.id, from.stamp, now.timeline.epoch());
        if let Some(view) = self.views.lock().get(&key) {
            return Ok(view.clone());
        }
        if from.stamp == now.point.stamp {
            self.load_around(now, series, from)?;
            if let Some(view) = self.views.lock().get(&key) {
                return Ok(view.clone());
            }
        }
        let view = load(now, series, from)?.map(Arc::new);
        self.views.lock().put(key, view.clone());
        Ok(view)
    }

    /// Forgets all: most are of revisions that are gone.
    pub fn clear(&self) {
        self.views.lock().clear();
        self.lists.lock().clear();
    }

    /// Loads the newest state of a series and of its neighbours: who walks a collection asks for them next.
    fn load_around(&self, now: &Now, series: &Series, from: &Point) -> Result<(), CollectionError> {
        for entry in now.state.around(&series.label)? {
            let id = entry.id;
            let view = SeriesView::new(now.state.clone(), entry, now.origin(id));
            let key = (series.cached.key(), id, from.stamp, now.timeline.epoch());
            self.views.lock().put(key, Some(Arc::new(view)));
        }
        Ok(())
    }

    /// What a revision changed.
    pub fn changes(
        &self,
        cached: &CachedCollection,
        revision: &Revision,
        stamp: Stamp,
    ) -> Result<Arc<ChangeList>, CollectionError> {
        let key = (cached.key(), stamp);
        if let Some(list) = self.lists.lock().get(&key) {
            return Ok(Arc::clone(list));
        }
        let list = Arc::new(revision.change_list().map_err(HistoryError::from)?);
        self.lists.lock().put(key, Arc::clone(&list));
        Ok(list)
    }
}

fn load(now: &Now, series: &Series, from: &Point) -> Result<Option<SeriesView>, CollectionError> {
    let origin = now.origin_at(series.id, from);
    let state = state(&series.cached, now, from)?;
    // The label it has now, one that it has had, or any.
    for label in iter::once(&series.label).chain(now.timeline.labels(series.id).rev()) {
        if let Some(entry) = entry(&state, series.id, label)? {
            return Ok(Some(SeriesView::new(state, entry, origin)));
        }
    }
    // Rare: a merge may have given the series a label that no change list tells.
    let any = state.entry_of(series.id, &series.label)?;
    Ok(any.map(|entry| SeriesView::new(state, entry, origin)))
}

/// What the files of a series would be made of in a state that nobody has looked at; `None` where it is not there.
pub fn content(state: &State, id: SeriesId, label: &str) -> Result<Option<Digest>, CollectionError> {
    let entry = entry(state, id, label)?;
    Ok(entry.map(|entry| source(state.clone(), entry.segments).identity()))
}

impl SeriesView {
    fn new(state: State, entry: Entry, origin: Stamp) -> SeriesView {
        let sums = entry.segments.sums();
        let source = source(state, entry.segments);
        let (content, places) = (source.identity(), source.places());
        SeriesView { source, sums, label: entry.label, origin, content, places }
    }
}

fn source(state: State, segments: Segments) -> Source {
    Source { view: state.view, schema: state.schema, segments }
}

/// The state of a point, written or not.
fn state(cached: &CachedCollection, now: &Now, from: &Point) -> Result<State, CollectionError> {
    match &from.pending {
        Some(moment) => Ok(moment.state.clone()),
        None if from.stamp == now.point.stamp => Ok(now.state.clone()),
        None => Ok(cached.collection().changelog().find(from.stamp)?.state.clone()),
    }
}

fn entry(state: &State, id: SeriesId, label: &str) -> Result<Option<Entry>, CollectionError> {
    Ok(state.entry(label)?.filter(|entry| entry.id == id))
}
