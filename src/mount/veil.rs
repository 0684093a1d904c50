//! Live names that do not show their rows for a moment: emptied and not yet written again, or gone and not yet back.
//!
//! Zero bytes never make a revision, nor does unlinking a live file. Programs save in two steps through such states,
//! so the name shows them for a while; if nothing follows, the rows are back and their owner is told.

use super::copy::Writer;
use super::render::Format;
use super::series::Series;
use crate::digest::Digest;
use crate::history::entry::SeriesId;
use lru::LruCache;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// How long a name may show that it is being saved.
pub(super) const TIME: Duration = Duration::from_secs(2);

/// Names of which it is kept when they were written last.
const WRITTEN: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

/// What a live name shows instead of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Veil {
    /// A file of no bytes.
    Emptied,
    /// Nothing.
    Gone,
}

/// A veil whose time is over.
#[derive(Debug, Clone)]
pub(super) struct Over {
    /// What was shown.
    pub(super) veil: Veil,
    /// The series.
    pub(super) series: Series,
    /// The live file's name.
    pub(super) name: String,
    /// Who did it.
    pub(super) by: Writer,
}

type Key = (Digest, SeriesId, Format);

/// The live names that do not show their rows now.
#[derive(Debug)]
pub(super) struct Veils {
    all: Mutex<HashMap<Key, (Instant, Over)>>,
    written: Mutex<LruCache<Key, Instant>>,
    time: Duration,
}

fn key(series: &Series, format: Format) -> Key {
    (series.shelf.key(), series.id, format)
}

impl Veils {
    /// None yet; each is to last so long.
    pub(super) fn lasting(time: Duration) -> Veils {
        Veils { all: Mutex::default(), written: Mutex::new(LruCache::new(WRITTEN)), time }
    }

    /// Draws a veil over a live name.
    pub(super) fn draw(&self, veil: Veil, series: &Series, format: Format, name: &str, by: &Writer) {
        let over = Over { veil, series: series.clone(), name: name.to_owned(), by: by.clone() };
        self.all.lock().insert(key(series, format), (Instant::now(), over));
    }

    /// Draws a veil over a name that was emptied at a time, unless it was written since: some programs open a file twice, and
    /// close the one that they did not write behind the other.
    pub(super) fn emptied(&self, at: Instant, series: &Series, format: Format, name: &str, by: &Writer) {
        let written = self.written.lock().peek(&key(series, format)).copied();
        if written.is_none_or(|written| written <= at) {
            self.draw(Veil::Emptied, series, format, name, by);
        }
    }

    /// Notes that something is to be saved, be it refused then.
    pub(super) fn written(&self, series: &Series, format: Format) {
        self.written.lock().put(key(series, format), Instant::now());
    }

    /// Shows the rows again: something came in their place.
    pub(super) fn lift(&self, series: &Series, format: Format) {
        self.all.lock().remove(&key(series, format));
    }

    /// Forgets a series: it is dropped, and what comes under its label is new.
    pub(super) fn forget(&self, series: &Series) {
        let own = |key: &Key| key.0 == series.shelf.key() && key.1 == series.id;
        self.all.lock().retain(|key, _| !own(key));
    }

    /// What a live name shows instead of its rows.
    #[must_use]
    pub(super) fn of(&self, series: &Series, format: Format) -> Option<Veil> {
        let all = self.all.lock();
        all.get(&key(series, format))
            .filter(|(since, _)| since.elapsed() < self.time)
            .map(|(_, over)| over.veil)
    }

    /// Takes out those whose time is over.
    #[must_use]
    pub(super) fn over(&self) -> Vec<Over> {
        let mut all = self.all.lock();
        if all.is_empty() {
            return Vec::new();
        }
        let done: Vec<Key> =
            all.iter().filter(|(_, (since, _))| since.elapsed() >= self.time).map(|(key, _)| *key).collect();
        done.iter().filter_map(|key| all.remove(key)).map(|(_, over)| over).collect()
    }
}
