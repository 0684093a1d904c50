//! A disk whose power can fail: a backend that knows what was synced.

use super::Random;
use bytes::Bytes;
use lakota::backend::memory::MemoryBackend;
use lakota::backend::{Backend, BackendError, Entry};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

/// What was done to the disk and is not known to be on it.
#[derive(Debug, Clone)]
enum Loose {
    Put(String, Bytes),
    Delete(String),
}

#[derive(Debug, Default)]
struct State {
    /// What everybody sees.
    now: BTreeMap<String, Bytes>,
    /// What outlasts a failure.
    stable: BTreeMap<String, Bytes>,
    loose: Vec<Loose>,
    /// Calls that change something until the power fails.
    left: Option<u64>,
}

/// A disk whose power can fail.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

/// Somebody who works on it.
#[derive(Debug)]
struct Port {
    disk: Disk,
    durable: bool,
}

fn off() -> BackendError {
    BackendError::new("write", "", io::Error::other("the power failed"))
}

impl State {
    fn spend(&mut self) -> Result<(), BackendError> {
        match &mut self.left {
            Some(0) => Err(off()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn put(&mut self, key: &str, bytes: &Bytes, durable: bool) -> Result<(), BackendError> {
        self.spend()?;
        if durable {
            self.stable.insert(key.to_owned(), bytes.clone());
            self.loose.retain(|loose| !matches!(loose, Loose::Put(k, _) | Loose::Delete(k) if k == key));
        } else if self.now.contains_key(key) {
            // Never replaced by what is not on disk.
            return Ok(());
        } else {
            self.loose.push(Loose::Put(key.to_owned(), bytes.clone()));
        }
        self.now.insert(key.to_owned(), bytes.clone());
        Ok(())
    }

    fn settle(&mut self) -> Result<(), BackendError> {
        self.spend()?;
        self.stable = self.now.clone();
        self.loose.clear();
        Ok(())
    }
}

impl Disk {
    pub(super) fn port(&self, durable: bool) -> Arc<dyn Backend> {
        Arc::new(Port { disk: self.clone(), durable })
    }

    /// Lets the power fail after so many calls that change something.
    pub(super) fn fail_after(&self, calls: u64) {
        self.0.lock().unwrap().left = Some(calls);
    }

    /// What would outlast a failure now.
    pub(super) fn stable(&self) -> BTreeMap<String, Bytes> {
        self.0.lock().unwrap().stable.clone()
    }

    /// What is there when the power comes back.
    pub(super) fn fail(&self, random: &mut Random) -> Arc<dyn Backend> {
        let state = self.0.lock().unwrap();
        let mut left = state.stable.clone();
        for loose in &state.loose {
            match (loose, random.below(6)) {
                (_, 0) => {}
                (Loose::Delete(key), _) => drop(left.remove(key)),
                (Loose::Put(key, _), 1 | 2) => drop(left.insert(key.clone(), Bytes::new())),
                (Loose::Put(key, bytes), 3) => {
                    let some = random.below(bytes.len() as u64) as usize;
                    left.insert(key.clone(), bytes.slice(..some));
                }
                (Loose::Put(key, bytes), 4) => {
                    let some = random.below(bytes.len() as u64) as usize;
                    let mut zeros = bytes.to_vec();
                    zeros[some..].fill(0);
                    left.insert(key.clone(), zeros.into());
                }
                (Loose::Put(key, bytes), _) => drop(left.insert(key.clone(), bytes.clone())),
            }
        }
        let after = MemoryBackend::default();
        after.put_many(&left.into_iter().collect::<Vec<_>>()).unwrap();
        Arc::new(after)
    }
}

impl Backend for Port {
    fn get(&self, key: &str) -> Result<Bytes, BackendError> {
        let found = self.disk.0.lock().unwrap().now.get(key).cloned();
        found.ok_or_else(|| BackendError::not_found("read", key))
    }

    fn get_range(&self, key: &str, offset: u64, len: usize) -> Result<Bytes, BackendError> {
        let found = self.get(key)?;
        let end = offset as usize + len;
        if end > found.len() {
            return Err(BackendError::new("read", key, io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(found.slice(offset as usize..end))
    }

    fn put_many(&self, items: &[(String, Bytes)]) -> Result<(), BackendError> {
        let mut state = self.disk.0.lock().unwrap();
        items.iter().try_for_each(|(key, bytes)| state.put(key, bytes, self.durable))
    }

    fn put_settled(&self, key: &str, bytes: Bytes) -> Result<(), BackendError> {
        let mut state = self.disk.0.lock().unwrap();
        state.settle()?;
        state.put(key, &bytes, true)
    }

    fn is_durable(&self) -> bool {
        self.durable
    }

    fn settle(&self) -> Result<(), BackendError> {
        self.disk.0.lock().unwrap().settle()
    }

    fn len(&self, key: &str) -> Result<Option<u64>, BackendError> {
        Ok(self.disk.0.lock().unwrap().now.get(key).map(|bytes| bytes.len() as u64))
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>, BackendError> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let state = self.disk.0.lock().unwrap();
        let below = state.now.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
        let mut names = BTreeMap::new();
        for (key, _) in below {
            let rest = &key[prefix.len()..];
            let (name, is_folder) = rest.split_once('/').map_or((rest, false), |(name, _)| (name, true));
            *names.entry(name.to_owned()).or_insert(false) |= is_folder;
        }
        Ok(names.into_iter().map(|(name, folder)| Entry { name, folder }).collect())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), BackendError> {
        let bytes = self.get(from)?;
        let mut state = self.disk.0.lock().unwrap();
        state.put(to, &bytes, self.durable)?;
        state.now.remove(from);
        match self.durable {
            true => drop(state.stable.remove(from)),
            false => state.loose.push(Loose::Delete(from.to_owned())),
        }
        Ok(())
    }

    fn delete_many(&self, keys: &[String]) -> Result<(), BackendError> {
        let mut state = self.disk.0.lock().unwrap();
        if !keys.is_empty() {
            state.settle()?;
        }
        for key in keys {
            state.spend()?;
            state.now.remove(key);
            match self.durable {
                true => drop(state.stable.remove(key)),
                false => state.loose.push(Loose::Delete(key.clone())),
            }
        }
        Ok(())
    }

    fn sync(&self, keys: &[String]) -> Result<(), BackendError> {
        // Names alone: of a file that was not synced the contents are not there.
        if keys.is_empty() { Err(off()) } else { Ok(()) }
    }

    fn clean(&self, _age_ms: u64) -> Result<usize, BackendError> {
        Ok(0)
    }
}
