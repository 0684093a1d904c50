//! What the renderer keeps: parts of files by what they are made of, the least recently used given up first.
//!
//! Bounded by bytes, but for the newest item, which stays however long it is: so a cache smaller than one part still
//! serves a reader that goes through it. A part that is being made is made once; others who want it wait.
//! Never hold this lock while making anything.

use super::leaf::Leaf;
use crate::digest::Check;
use bytes::Bytes;
use lru::LruCache;
use parking_lot::{Condvar, Mutex};
use std::collections::HashMap;
use std::sync::Arc;

/// What a part is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// An object's pages.
    Pages(Check),
    /// Rows as text.
    Text(Check),
    /// Where parts of a text end.
    Ends(Check),
    /// A part of a text, by its number.
    Part(Check, u64),
    /// The segments of a leaf: the file, and how many segments lie before them.
    Leaf(Check, u64),
    /// The end of a Parquet file.
    Footer(Check),
}

/// A part.
#[derive(Debug, Clone)]
pub(super) enum Item {
    Bytes(Bytes),
    /// Bytes in pieces.
    Text(Arc<Vec<Bytes>>),
    /// Offsets.
    Ends(Arc<Vec<u64>>),
    Leaf(Arc<Leaf>),
}

/// What a cache has done so far, and what it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Parts that were there, or being made.
    pub hits: u64,
    /// Parts that had to be made.
    pub misses: u64,
    /// Bytes of parts that were made.
    pub made: u64,
    /// Parts made before anyone asked.
    pub ahead: u64,
    /// Bytes kept now.
    pub kept: u64,
    /// Bytes that may be kept.
    pub limit: u64,
}

#[derive(Debug)]
pub(super) struct Cache {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    items: LruCache<Key, (Item, u64)>,
    flights: HashMap<Key, Arc<Flight>>,
    counters: Counters,
}

/// A part being made.
#[derive(Debug, Default)]
struct Flight {
    /// None: not done; none within: it failed, and who waits tries by itself.
    result: Mutex<Option<Option<Item>>>,
    done: Condvar,
}

impl Cache {
    pub(super) fn new(limit: u64) -> Cache {
        let counters = Counters { limit, ..Counters::default() };
        let inner = Inner { items: LruCache::unbounded(), flights: HashMap::new(), counters };
        Cache { inner: Mutex::new(inner) }
    }

    pub(super) fn counters(&self) -> Counters {
        self.inner.lock().counters
    }

    /// Gives up everything that is kept.
    pub(super) fn clear(&self) {
        let mut inner = self.inner.lock();
        inner.counters.kept = 0;
        let gone = std::mem::replace(&mut inner.items, LruCache::unbounded());
        drop(inner);
        drop(gone);
    }

    pub(super) fn count_ahead(&self) {
        self.inner.lock().counters.ahead += 1;
    }

    /// Whether a part is there or being made. Does not count as a use.
    pub(super) fn has(&self, key: Key) -> bool {
        let inner = self.inner.lock();
        inner.items.contains(&key) || inner.flights.contains_key(&key)
    }

    /// A part; `make` gives it and its bytes in memory where it is not there.
    pub(super) fn get<E>(&self, key: Key, make: impl FnOnce() -> Result<(Item, u64), E>) -> Result<Item, E> {
        loop {
            let mut inner = self.inner.lock();
            if let Some((item, _)) = inner.items.get(&key) {
                let item = item.clone();
                inner.counters.hits += 1;
                return Ok(item);
            }
            let Some(flight) = inner.flights.get(&key).cloned() else {
                inner.counters.misses += 1;
                let landing = Landing { cache: self, key, flight: Arc::default(), made: None };
                inner.flights.insert(key, Arc::clone(&landing.flight));
                drop(inner);
                return landing.fly(make);
            };
            drop(inner);
            let mut result = flight.result.lock();
            flight.done.wait_while(&mut result, |result| result.is_none());
            if let Some(Some(item)) = result.as_ref() {
                self.inner.lock().counters.hits += 1;
                return Ok(item.clone());
            }
        }
    }
}

impl Inner {
    fn keep(&mut self, key: Key, item: Item, bytes: u64, gone: &mut Vec<Item>) {
        self.counters.made += bytes;
        self.counters.kept += bytes;
        if let Some((old, bytes)) = self.items.put(key, (item, bytes)) {
            self.counters.kept -= bytes;
            gone.push(old);
        }
        while self.counters.kept > self.counters.limit && self.items.len() > 1 {
            let Some((_, (old, bytes))) = self.items.pop_lru() else { break };
            self.counters.kept -= bytes;
            gone.push(old);
        }
    }
}

/// Tells those who wait how making a part ended, also by a panic.
struct Landing<'a> {
    cache: &'a Cache,
    key: Key,
    flight: Arc<Flight>,
    made: Option<(Item, u64)>,
}

impl Landing<'_> {
    fn fly<E>(mut self, make: impl FnOnce() -> Result<(Item, u64), E>) -> Result<Item, E> {
        let (item, bytes) = make()?;
        self.made = Some((item.clone(), bytes));
        Ok(item)
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        // What goes is freed behind the lock: it may be megabytes.
        let mut gone = Vec::new();
        let mut inner = self.cache.inner.lock();
        inner.flights.remove(&self.key);
        let item = self.made.take().map(|(item, bytes)| {
            inner.keep(self.key, item.clone(), bytes, &mut gone);
            item
        });
        drop(inner);
        *self.flight.result.lock() = Some(item);
        self.flight.done.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    fn key(n: u64) -> Key {
        Key::Leaf(Check::of(b""), n)
    }

    fn get(cache: &Cache, n: u64, bytes: u64) -> bool {
        let mut made = false;
        let item = cache.get::<()>(key(n), || {
            made = true;
            Ok((Item::Bytes(Bytes::from(vec![n as u8])), bytes))
        });
        assert!(matches!(item, Ok(Item::Bytes(bytes)) if bytes[..] == [n as u8]));
        made
    }

    #[test]
    fn least_recently_used_goes_first() {
        let cache = Cache::new(100);
        for n in [1, 2, 1, 3] {
            get(&cache, n, 40);
        }
        assert_eq!(cache.counters().kept, 80);
        assert!(!get(&cache, 1, 40) && !get(&cache, 3, 40) && get(&cache, 2, 40));
    }

    #[test]
    fn newest_item_stays_however_long() {
        let cache = Cache::new(100);
        get(&cache, 1, 40);
        get(&cache, 2, 1000);
        assert!(!get(&cache, 2, 1000));
        assert_eq!(cache.counters().kept, 1000);
        get(&cache, 3, 10);
        assert_eq!(cache.counters().kept, 10);
    }

    #[test]
    fn several_who_want_a_part_at_once_make_it_once() {
        let (cache, made) = (Cache::new(0), AtomicU64::new(0));
        let make = || {
            std::thread::sleep(Duration::from_millis(50));
            made.fetch_add(1, Ordering::Relaxed);
            Ok::<_, ()>((Item::Bytes(Bytes::new()), 10))
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| cache.get(key(1), make).unwrap());
            }
        });
        assert_eq!((made.into_inner(), cache.counters().hits), (1, 7));
    }

    #[test]
    fn those_who_wait_for_a_failure_try_by_themselves() {
        let (cache, tried) = (Cache::new(100), AtomicU64::new(0));
        let make = || {
            std::thread::sleep(Duration::from_millis(20));
            match tried.fetch_add(1, Ordering::Relaxed) {
                0 => Err(()),
                _ => Ok((Item::Bytes(Bytes::new()), 10)),
            }
        };
        let failed = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| cache.get(key(1), make))).collect();
            threads.into_iter().map(|t| t.join().unwrap()).filter(Result::is_err).count()
        });
        assert_eq!((failed, tried.into_inner()), (1, 2));
    }

    #[test]
    fn panic_while_making_leaves_no_one_waiting() {
        let cache = Cache::new(100);
        let panicked = std::thread::scope(|scope| {
            scope.spawn(|| cache.get::<()>(key(1), || std::panic::panic_any("made to fail"))).join()
        });
        assert!(panicked.is_err());
        assert!(get(&cache, 1, 10));
    }
}
