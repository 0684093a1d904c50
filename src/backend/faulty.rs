//! A test tool: a backend that fails on demand.
//!
//! Wraps any backend and counts calls, each item of a batch as one, so that a test can kill a writer
//! at every point it passes, and can have writes refused as by a full or read-only disk.
//! It knows nothing of what it wraps: a call it lets through is the wrapped backend's.

use super::watch::Watcher;
use super::{Backend, BackendError, BackendErrorKind, Entry};
use bytes::Bytes;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;

/// Wraps a backend and fails calls as told.
#[derive(Debug)]
pub struct FaultyBackend {
    inner: Arc<dyn Backend>,
    state: Mutex<State>,
}

/// What was counted and what is to fail.
#[derive(Debug, Default)]
struct State {
    calls: u64,
    /// The number of the first call that fails, counted from 1.
    fail_from: Option<u64>,
    refuse_writes: Option<BackendErrorKind>,
    /// Draws which items of a torn batch are done; none: the first ones.
    shuffle: Option<u64>,
}

impl FaultyBackend {
    /// Wraps `inner`, with no faults yet.
    #[must_use]
    pub fn new(inner: Arc<dyn Backend>) -> FaultyBackend {
        FaultyBackend { inner, state: Mutex::default() }
    }

    /// Lets the `n`-th call from now (1 is the next, and so is 0) and every later one fail with kind
    /// `Other`. Each item of `put_many` and `delete_many` counts as a call, and those before the
    /// failing one are done: a torn batch.
    pub fn fail_after(&self, n: u64) {
        let mut state = self.state.lock();
        state.fail_from = Some(state.calls.saturating_add(n.max(1)));
    }

    /// Lets a torn batch be torn anywhere, as the order of a batch is not promised: as many of its items are done as
    /// otherwise, drawn by `seed`, until [`FaultyBackend::clear`].
    pub fn tear_anywhere(&self, seed: u64) {
        self.state.lock().shuffle = Some(seed);
    }

    /// The items of a batch in the order in which they are done.
    fn in_order<T: Clone>(&self, items: &[T]) -> Vec<T> {
        let mut items = items.to_vec();
        if let Some(seed) = &mut self.state.lock().shuffle {
            for last in (1..items.len()).rev() {
                *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                items.swap(last, (*seed >> 33) as usize % (last + 1));
            }
        }
        items
    }

    /// Lets every put, rename, delete and clean fail with `kind`, until [`FaultyBackend::clear`].
    pub fn fail_writes_with(&self, kind: BackendErrorKind) {
        self.state.lock().refuse_writes = Some(kind);
    }

    /// Ends all faults; the count of calls goes on.
    pub fn clear(&self) {
        let mut state = self.state.lock();
        state.fail_from = None;
        state.refuse_writes = None;
        state.shuffle = None;
    }

    /// The number of calls so far, failed ones included.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state.lock().calls
    }

    /// Counts `wanted` calls and gives how many of them may be done.
    fn admit(&self, wanted: usize) -> usize {
        let mut state = self.state.lock();
        let before = state.calls;
        let left = state.fail_from.map_or(u64::MAX, |from| from.saturating_sub(before + 1));
        let done = usize::try_from(left).unwrap_or(usize::MAX).min(wanted);
        // The call that fails is the last one a killed writer makes of its batch.
        state.calls += done as u64 + u64::from(done < wanted);
        done
    }

    fn read(&self, verb: &'static str, key: &str) -> Result<(), BackendError> {
        if self.admit(1) == 1 { Ok(()) } else { Err(killed(verb, key)) }
    }

    fn write(&self, verb: &'static str, key: &str) -> Result<(), BackendError> {
        self.read(verb, key)?;
        self.refuse(verb, key)
    }

    fn refuse(&self, verb: &'static str, key: &str) -> Result<(), BackendError> {
        match self.state.lock().refuse_writes {
            Some(kind) => Err(BackendError { kind, verb, key: key.to_owned(), source: cause(kind) }),
            None => Ok(()),
        }
    }
}

fn killed(verb: &'static str, key: &str) -> BackendError {
    BackendError::new(verb, key, io::Error::other("killed"))
}

fn cause(kind: BackendErrorKind) -> io::Error {
    match kind {
        BackendErrorKind::NotFound => io::ErrorKind::NotFound.into(),
        BackendErrorKind::NotWritable => io::ErrorKind::PermissionDenied.into(),
        BackendErrorKind::Full => io::ErrorKind::StorageFull.into(),
        BackendErrorKind::NoFile | BackendErrorKind::Other => io::Error::other("refused"),
    }
}

impl Backend for FaultyBackend {
    fn get(&self, key: &str) -> Result<Bytes, BackendError> {
        self.read("read", key)?;
        self.inner.get(key)
    }

    fn get_within(&self, key: &str, most: u64) -> Result<Bytes, BackendError> {
        self.read("read", key)?;
        self.inner.get_within(key, most)
    }

    fn get_range(&self, key: &str, offset: u64, len: usize) -> Result<Bytes, BackendError> {
        self.read("read", key)?;
        self.inner.get_range(key, offset, len)
    }

    fn put_many(&self, items: &[(String, Bytes)]) -> Result<(), BackendError> {
        let items = self.in_order(items);
        let (done, torn) = items.split_at(self.admit(items.len()));
        if let Some((key, _)) = done.first() {
            self.refuse("write", key)?;
            self.inner.put_many(done)?;
        }
        torn.first().map_or(Ok(()), |(key, _)| Err(killed("write", key)))
    }

    fn len(&self, key: &str) -> Result<Option<u64>, BackendError> {
        self.read("read", key)?;
        self.inner.len(key)
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>, BackendError> {
        self.read("list", folder)?;
        self.inner.list(folder)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), BackendError> {
        self.write("rename", from)?;
        self.inner.rename(from, to)
    }

    fn delete_many(&self, keys: &[String]) -> Result<(), BackendError> {
        let keys = self.in_order(keys);
        let (done, torn) = keys.split_at(self.admit(keys.len()));
        if let Some(key) = done.first() {
            self.refuse("delete", key)?;
            self.inner.delete_many(done)?;
        }
        torn.first().map_or(Ok(()), |key| Err(killed("delete", key)))
    }

    fn put_settled(&self, key: &str, bytes: Bytes) -> Result<(), BackendError> {
        self.write("write", key)?;
        self.inner.put_settled(key, bytes)
    }

    fn is_durable(&self) -> bool {
        self.inner.is_durable()
    }

    fn settle(&self) -> Result<(), BackendError> {
        self.write("write", "")?;
        self.inner.settle()
    }

    fn sync(&self, keys: &[String]) -> Result<(), BackendError> {
        self.write("write", "")?;
        self.inner.sync(keys)
    }

    fn clean(&self, age_ms: u64) -> Result<usize, BackendError> {
        self.write("delete", "")?;
        self.inner.clean(age_ms)
    }

    fn watcher(&self) -> Option<Arc<dyn Watcher>> {
        self.inner.watcher()
    }
}
