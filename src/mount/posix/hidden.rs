//! Live names that do not show their rows for a moment: emptied and not yet written again, or gone and not yet back.
//!
//! Zero bytes never make a revision, nor does unlinking a live file. Programs save in two steps through such states,
//! so the name shows them for a while; if nothing follows, the rows are back and their owner is told.

use super::control::Control;
use super::copy::Writer;
use crate::clock::iso;
use crate::digest::Digest;
use crate::history::entry::SeriesId;
use crate::vfs::catalog::CachedCollection;
use crate::vfs::render::Format;
use crate::vfs::series::Series;
use lru::LruCache;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// How long a name may show that it is being saved.
pub(super) const TIME: Duration = Duration::from_secs(2);

/// Names of which it is kept when they were written last.
const WRITTEN: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

/// How long a program may take to copy one file of a folder before the other.
const COPYING: Duration = Duration::from_secs(3600);

/// What a live name shows instead of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hidden {
    /// A file of no bytes.
    Emptied,
    /// Nothing.
    Gone,
    /// Nothing to who made the series, while it has no rows: a program takes a folder that it made for empty.
    New,
    /// Nothing to who made the series, and creates its files as it creates those of a copy: only where there are none.
    Copied,
}

impl Hidden {
    /// Whether only who hid it sees it.
    pub(super) const fn is_own(self) -> bool {
        matches!(self, Hidden::New | Hidden::Copied)
    }
}

/// A hidden name.
#[derive(Debug, Clone)]
pub(super) struct HiddenName {
    /// What was shown.
    pub(super) how: Hidden,
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
pub(super) struct HiddenNames {
    all: Mutex<HashMap<Key, (Instant, HiddenName)>>,
    written: Mutex<LruCache<Key, Instant>>,
    removals: Mutex<HashMap<(Digest, SeriesId), Removal>>,
    time: Duration,
}

/// A series' folder of which a process has removed the live names and the link.
#[derive(Debug)]
struct Removal {
    since: Instant,
    series: Series,
    by: u32,
    /// The number of the folder, once it has removed the history too: then the series is dropped.
    dropped: Option<u64>,
}

fn key(series: &Series, format: Format) -> Key {
    (series.cached.key(), series.id, format)
}

impl HiddenNames {
    /// None yet; each is to last so long.
    pub(super) fn lasting(time: Duration) -> HiddenNames {
        let written = Mutex::new(LruCache::new(WRITTEN));
        HiddenNames { all: Mutex::default(), written, removals: Mutex::default(), time }
    }

    /// Notes that who removed the live names of a series has removed the link as well.
    pub(super) fn remove(&self, series: &Series, by: &Writer) {
        self.removal(series, by, None);
    }

    /// Notes that the series is dropped, whose folder `ino` its remover has emptied.
    pub(super) fn dropped(&self, series: &Series, ino: u64, by: &Writer) {
        self.removal(series, by, Some(ino));
    }

    fn removal(&self, series: &Series, by: &Writer, dropped: Option<u64>) {
        let mut removals = self.removals.lock();
        removals.retain(|_, removal| removal.since.elapsed() < self.time);
        let removal = Removal { since: Instant::now(), series: series.clone(), by: by.pid, dropped };
        removals.insert((series.cached.key(), series.id), removal);
    }

    /// Whether a process has removed the link of a series.
    #[must_use]
    pub(super) fn is_removed(&self, series: &Series, by: impl FnOnce() -> u32) -> bool {
        let removals = self.removals.lock();
        let removal = removals.get(&(series.cached.key(), series.id));
        removal.is_some_and(|removal| {
            removal.since.elapsed() < self.time && removal.dropped.is_none() && removal.by == by()
        })
    }

    /// The series of a label that a process has dropped by emptying its folder, and the number of that.
    #[must_use]
    pub(super) fn dropped_by(
        &self,
        cached: &CachedCollection,
        label: &str,
        by: impl FnOnce() -> u32,
    ) -> Option<(Series, u64)> {
        let removals = self.removals.lock();
        let mut removals = removals.values();
        let found = removals.find(|removal| {
            let of = &removal.series;
            of.cached.key() == cached.key() && &*of.label == label && removal.since.elapsed() < self.time
        })?;
        let ino = found.dropped?;
        (found.by == by()).then(|| (found.series.clone(), ino))
    }

    /// Forgets of such a series that its folder is there still; whether it was.
    pub(super) fn take_dropped(
        &self,
        cached: &CachedCollection,
        label: &str,
        by: impl FnOnce() -> u32,
    ) -> bool {
        let Some((series, _)) = self.dropped_by(cached, label, by) else { return false };
        self.removals.lock().remove(&(series.cached.key(), series.id)).is_some()
    }

    fn time(&self, how: Hidden) -> Duration {
        if how == Hidden::Copied { COPYING } else { self.time }
    }

    /// Hides a live name.
    pub(super) fn hide(&self, how: Hidden, series: &Series, format: Format, name: &str, by: &Writer) {
        let over = HiddenName { how, series: series.clone(), name: name.to_owned(), by: by.clone() };
        self.all.lock().insert(key(series, format), (Instant::now(), over));
    }

    /// Hides a name that was emptied at a time, unless it was written since: some programs open a file twice, and
    /// close the one that they did not write behind the other.
    pub(super) fn emptied(&self, at: Instant, series: &Series, format: Format, name: &str, by: &Writer) {
        let written = self.written.lock().peek(&key(series, format)).copied();
        if written.is_none_or(|written| written <= at) {
            self.hide(Hidden::Emptied, series, format, name, by);
        }
    }

    /// Notes that something is to be saved, be it refused then.
    pub(super) fn written(&self, series: &Series, format: Format) {
        self.written.lock().put(key(series, format), Instant::now());
    }

    /// Shows the rows again: something came in their place.
    pub(super) fn show(&self, series: &Series, format: Format) {
        self.all.lock().remove(&key(series, format));
    }

    /// Forgets a series: it is dropped, and what comes under its label is new.
    pub(super) fn forget(&self, series: &Series) {
        let own = |key: &Key| key.0 == series.cached.key() && key.1 == series.id;
        self.all.lock().retain(|key, _| !own(key));
    }

    /// What a live name shows everybody instead of its rows.
    #[must_use]
    pub(super) fn of(&self, series: &Series, format: Format) -> Option<Hidden> {
        self.get(series, format).map(|over| over.how).filter(|how| !how.is_own())
    }

    /// How a live name is hidden.
    #[must_use]
    pub(super) fn get(&self, series: &Series, format: Format) -> Option<HiddenName> {
        let all = self.all.lock();
        let drawn =
            all.get(&key(series, format)).filter(|(since, over)| since.elapsed() < self.time(over.how));
        drawn.map(|(_, over)| over.clone())
    }

    /// Reports live names that were emptied or unlinked and did not come again.
    pub(super) fn report_ended(&self, control: &Control, now: u64) {
        for over in self.ended() {
            let place = (over.series.cached.collection().label(), &over.series.label, &over.name);
            let what = match over.how {
                Hidden::Emptied => {
                    "emptied and not written again: no bytes make no revision (a header line alone does)"
                }
                _ => "removed and not written again: a series is dropped by `rmdir` of its folder",
            };
            let by = over.by.shown();
            let line =
                format!("{} {}/{}/{}: {what}{by}; its rows are back", iso(now), place.0, place.1, place.2);
            control.report(Some(over.by.uid), line);
        }
    }

    /// Takes out those whose time is over.
    #[must_use]
    fn ended(&self) -> Vec<HiddenName> {
        let mut all = self.all.lock();
        if all.is_empty() {
            return Vec::new();
        }
        let is_over = |(since, over): &(Instant, HiddenName)| since.elapsed() >= self.time(over.how);
        let done: Vec<Key> = all.iter().filter(|(_, drawn)| is_over(drawn)).map(|(key, _)| *key).collect();
        let over = done.iter().filter_map(|key| all.remove(key)).map(|(_, over)| over);
        over.filter(|over| !over.how.is_own()).collect()
    }
}
