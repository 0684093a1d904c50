//! A backend in memory: for tests, and for stores that need not outlive the process.
//!
//! Owns a sorted map behind one lock, so every call is atomic. A clone shares the same bytes.

use super::{Backend, BackendError, Entry, check_folder, check_key};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A backend in memory; clones share what is put.
#[derive(Clone, Default)]
pub struct MemoryBackend {
    objects: Arc<Mutex<BTreeMap<String, Bytes>>>,
}

impl MemoryBackend {
    /// Makes an empty backend.
    #[must_use]
    pub fn new() -> MemoryBackend {
        MemoryBackend::default()
    }
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBackend").field("objects", &self.objects.lock().len()).finish()
    }
}

impl Backend for MemoryBackend {
    fn get(&self, key: &str) -> Result<Bytes, BackendError> {
        check_key("read", key)?;
        self.objects.lock().get(key).cloned().ok_or_else(|| BackendError::not_found("read", key))
    }

    fn get_within(&self, key: &str, most: u64) -> Result<Bytes, BackendError> {
        let bytes = self.get(key)?;
        let len = bytes.len() as u64;
        if len > most { Err(BackendError::too_long("read", key, len, most)) } else { Ok(bytes) }
    }

    fn get_range(&self, key: &str, offset: u64, len: usize) -> Result<Bytes, BackendError> {
        let bytes = self.get(key)?;
        let range = usize::try_from(offset).ok().and_then(|start| Some(start..start.checked_add(len)?));
        match range {
            Some(range) if range.end <= bytes.len() => Ok(bytes.slice(range)),
            _ => Err(BackendError::new("read", key, std::io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn put_many(&self, items: &[(String, Bytes)]) -> Result<(), BackendError> {
        items.iter().try_for_each(|(key, _)| check_key("write", key))?;
        self.objects.lock().extend(items.iter().cloned());
        Ok(())
    }

    fn len(&self, key: &str) -> Result<Option<u64>, BackendError> {
        check_key("read", key)?;
        Ok(self.objects.lock().get(key).map(|bytes| bytes.len() as u64))
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>, BackendError> {
        check_folder("list", folder)?;
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let objects = self.objects.lock();
        let mut entries: Vec<Entry> = Vec::new();
        for key in objects.range(prefix.clone()..).map(|(key, _)| key) {
            let Some(rest) = key.strip_prefix(&prefix) else { break };
            let entry = match rest.split_once('/') {
                Some((name, _)) => Entry { name: name.to_owned(), folder: true },
                None => Entry { name: rest.to_owned(), folder: false },
            };
            // Keys of one folder are neighbours in the order of the map.
            if entries.last() != Some(&entry) {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), BackendError> {
        check_key("rename", from)?;
        check_key("rename", to)?;
        let mut objects = self.objects.lock();
        let bytes = objects.remove(from).ok_or_else(|| BackendError::not_found("rename", from))?;
        objects.insert(to.to_owned(), bytes);
        Ok(())
    }

    fn delete_many(&self, keys: &[String]) -> Result<(), BackendError> {
        keys.iter().try_for_each(|key| check_key("delete", key))?;
        let mut objects = self.objects.lock();
        keys.iter().for_each(|key| drop(objects.remove(key)));
        Ok(())
    }

    fn sync(&self, _keys: &[String]) -> Result<(), BackendError> {
        Ok(())
    }

    fn clean(&self, _age_ms: u64) -> Result<usize, BackendError> {
        Ok(0)
    }
}
