//! Texts of what differs between two states of a series: each made once, kept while there is room.
//!
//! A text has to be made to be measured, so its length is known before anybody opens it. Knows rows and nothing of
//! names or revisions. What is open stays whatever is given up, and counts until it is closed. Never hold the lock while
//! a text is made: others are looked up meanwhile.

mod budget;
mod pair;
mod permits;
mod sink;
#[cfg(test)]
mod tests;
mod text;

pub use pair::{Key, Pair};
pub use text::Text;

use crate::vfs::failure::{Failure, Kind};
use budget::{Budget, Claim};
use lru::LruCache;
use parking_lot::{Condvar, Mutex};
use permits::Permits;
use sink::Sink;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

/// Pairs of which it is kept that their text is too long.
const TOO_LONG: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// What texts may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Texts.
    pub(super) count: usize,
    /// Bytes of a text that is kept in memory.
    pub(super) short: usize,
    /// Bytes in memory.
    pub(super) memory: u64,
    /// Bytes in files.
    pub(super) disk: u64,
    /// Texts that are made at once: each takes memory for some segments.
    pub(super) at_once: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { count: 512, short: 1 << 20, memory: 64 << 20, disk: 4 << 30, at_once: 4 }
    }
}

/// The texts of a mount.
#[derive(Debug)]
pub struct Deltas {
    limits: Limits,
    folder: PathBuf,
    memory: Arc<Budget>,
    disk: Arc<Budget>,
    permits: Permits,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    texts: LruCache<Key, Arc<Text>>,
    flights: HashMap<Key, Arc<Flight>>,
    /// Pairs whose texts are too long: it takes long to find that out.
    too_long: LruCache<Key, ()>,
}

/// A text that is being made.
#[derive(Debug, Default)]
struct Flight {
    /// None until it is done.
    result: Mutex<Option<Result<Arc<Text>, Kind>>>,
    done: Condvar,
}

impl Deltas {
    /// None yet; long ones go to files without names in `folder`.
    #[must_use]
    pub fn new(folder: PathBuf) -> Deltas {
        Deltas::with(folder, Limits::default())
    }

    fn with(folder: PathBuf, limits: Limits) -> Deltas {
        let texts = LruCache::unbounded();
        let inner = Inner { texts, flights: HashMap::new(), too_long: LruCache::new(TOO_LONG) };
        Deltas {
            limits,
            folder,
            memory: Budget::of(limits.memory),
            disk: Budget::of(limits.disk),
            permits: Permits::of(limits.at_once),
            inner: Mutex::new(inner),
        }
    }

    /// The text of a pair, made where it is not there. Who asks while it is being made waits for it.
    pub fn get(&self, pair: &Pair) -> Result<Arc<Text>, Failure> {
        self.make(pair.key(), |sink| pair.write(sink))
    }

    /// A text that is there.
    #[must_use]
    pub fn known(&self, key: &Key) -> Option<Arc<Text>> {
        self.inner.lock().texts.get(key).cloned()
    }

    fn make(
        &self,
        key: Key,
        write: impl FnOnce(&mut Sink<'_>) -> Result<(), Failure>,
    ) -> Result<Arc<Text>, Failure> {
        let mut inner = self.inner.lock();
        if let Some(text) = inner.texts.get(&key) {
            return Ok(Arc::clone(text));
        }
        if inner.too_long.get(&key).is_some() {
            return Err(Failure::Reported(Kind::TooLarge));
        }
        if let Some(flight) = inner.flights.get(&key).cloned() {
            drop(inner);
            return flight.wait();
        }
        let landing = Landing { deltas: self, key, flight: Arc::default(), result: Err(Kind::Unavailable) };
        inner.flights.insert(key, Arc::clone(&landing.flight));
        drop(inner);
        landing.fly(write)
    }

    /// Extends a claim, giving up texts that nobody has open where no room is left.
    fn extend(&self, claim: &mut Claim, bytes: u64) -> bool {
        while !claim.grow(bytes) {
            let Some(text) = self.give_up(|text| text.is_in(claim.budget())) else { return false };
            // Behind the lock: it may be a long file.
            drop(text);
        }
        true
    }

    /// Takes out the text of a kind that was asked for longest ago and that nobody has open.
    fn give_up(&self, kind: impl Fn(&Text) -> bool) -> Option<Arc<Text>> {
        self.inner.lock().give_up(kind)
    }
}

impl Flight {
    fn wait(&self) -> Result<Arc<Text>, Failure> {
        let mut result = self.result.lock();
        self.done.wait_while(&mut result, |result| result.is_none());
        match &*result {
            Some(Ok(text)) => Ok(Arc::clone(text)),
            // Who made it told why.
            Some(Err(kind)) => Err(Failure::Reported(*kind)),
            None => Err(Kind::Unavailable.into()),
        }
    }
}

impl Inner {
    fn give_up(&mut self, kind: impl Fn(&Text) -> bool) -> Option<Arc<Text>> {
        // Under the lock nobody else can come to have one that only this list has.
        let idle = |text: &Arc<Text>| Arc::strong_count(text) == 1 && kind(text);
        let key = self.texts.iter().rev().find(|(_, text)| idle(text)).map(|(key, _)| *key)?;
        self.texts.pop(&key)
    }
}

/// Tells those who wait how making a text ended, also by a panic.
struct Landing<'a> {
    deltas: &'a Deltas,
    key: Key,
    flight: Arc<Flight>,
    result: Result<Arc<Text>, Kind>,
}

impl Landing<'_> {
    fn fly(mut self, write: impl FnOnce(&mut Sink<'_>) -> Result<(), Failure>) -> Result<Arc<Text>, Failure> {
        let made = {
            let _permit = self.deltas.permits.take();
            let mut sink = Sink::new(self.deltas);
            write(&mut sink).and_then(|()| sink.finish())
        };
        self.result = made.as_ref().map(Arc::clone).map_err(|failure| failure.kind());
        made
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let mut gone = Vec::new();
        let mut inner = self.deltas.inner.lock();
        inner.flights.remove(&self.key);
        if self.result.as_ref().err() == Some(&Kind::TooLarge) {
            inner.too_long.put(self.key, ());
        }
        if let Ok(text) = &self.result {
            inner.texts.put(self.key, Arc::clone(text));
            while inner.texts.len() > self.deltas.limits.count
                && let Some(text) = inner.give_up(|_| true)
            {
                gone.push(text);
            }
        }
        drop(inner);
        *self.flight.result.lock() = Some(self.result.clone());
        self.flight.done.notify_all();
    }
}
