//! A backend that somebody watches: asked before every call, who counts, refuses, panics, or does something meanwhile.

use bytes::Bytes;
use lakota::backend::{Backend, BackendError, Entry};
use std::fmt;
use std::sync::Arc;

/// A call of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// All or a part of a file.
    Read,
    Put,
    Len,
    List,
    Rename,
    Delete,
    Sync,
    Clean,
}

/// What is asked: the call, and the key it is about, of several the first.
type Ask = dyn Fn(Call, &str) -> Result<(), BackendError> + Send + Sync;

/// A backend that asks before each call.
pub(crate) struct Watched {
    inner: Arc<dyn Backend>,
    ask: Box<Ask>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// `inner`, where `ask` is asked before each call.
pub(crate) fn watched(
    inner: &Arc<dyn Backend>,
    ask: impl Fn(Call, &str) -> Result<(), BackendError> + Send + Sync + 'static,
) -> Arc<dyn Backend> {
    Arc::new(Watched { inner: Arc::clone(inner), ask: Box::new(ask) })
}

impl Backend for Watched {
    fn get(&self, key: &str) -> Result<Bytes, BackendError> {
        (self.ask)(Call::Read, key)?;
        self.inner.get(key)
    }

    fn get_within(&self, key: &str, most: u64) -> Result<Bytes, BackendError> {
        (self.ask)(Call::Read, key)?;
        self.inner.get_within(key, most)
    }

    fn get_range(&self, key: &str, offset: u64, len: usize) -> Result<Bytes, BackendError> {
        (self.ask)(Call::Read, key)?;
        self.inner.get_range(key, offset, len)
    }

    fn put_many(&self, items: &[(String, Bytes)]) -> Result<(), BackendError> {
        (self.ask)(Call::Put, items.first().map_or("", |(key, _)| key))?;
        self.inner.put_many(items)
    }

    fn put_settled(&self, key: &str, bytes: Bytes) -> Result<(), BackendError> {
        (self.ask)(Call::Put, key)?;
        self.inner.put_settled(key, bytes)
    }

    fn is_durable(&self) -> bool {
        self.inner.is_durable()
    }

    fn settle(&self) -> Result<(), BackendError> {
        self.inner.settle()
    }

    fn len(&self, key: &str) -> Result<Option<u64>, BackendError> {
        (self.ask)(Call::Len, key)?;
        self.inner.len(key)
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>, BackendError> {
        (self.ask)(Call::List, folder)?;
        self.inner.list(folder)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), BackendError> {
        (self.ask)(Call::Rename, from)?;
        self.inner.rename(from, to)
    }

    fn delete_many(&self, keys: &[String]) -> Result<(), BackendError> {
        (self.ask)(Call::Delete, keys.first().map_or("", String::as_str))?;
        self.inner.delete_many(keys)
    }

    fn sync(&self, keys: &[String]) -> Result<(), BackendError> {
        (self.ask)(Call::Sync, keys.first().map_or("", String::as_str))?;
        self.inner.sync(keys)
    }

    fn clean(&self, age_ms: u64) -> Result<usize, BackendError> {
        (self.ask)(Call::Clean, "")?;
        self.inner.clean(age_ms)
    }
}
