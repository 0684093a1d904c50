//! A backend in a folder of the local file system.
//!
//! Written on `std` rather than on `object_store`: that one needs an async runtime, does not sync after
//! a delete and syncs more than once per put, and the time of a small put is its syncs.
//! Safe by this order: staging file, its sync, rename, the folder's sync. A name in the folder is so
//! always a whole file, and a call that returned is on disk (with `durable`). Without it, a mark in the root tells
//! those who sync that there is more to sync than what they put themselves.

mod batch;
mod file;
mod folder;
mod staging;
mod unsynced;
mod watch;

pub use unsynced::NAME as UNSYNCED;

use super::watch::Watcher;
use super::{Backend, BackendError, Entry, check_folder, check_key};
use crate::halt;
use batch::in_parallel;
use bytes::Bytes;
use file::{Part, ReadError};
use folder::{parent_of, retry};
use parking_lot::Mutex;
use staging::Staging;
use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

/// A backend in a folder of the local file system.
#[derive(Debug)]
pub struct LocalBackend {
    /// Absolute: a daemon changes its working folder.
    root: PathBuf,
    durable: bool,
    /// Held while this one may have put what is not on disk; none before, and always where it syncs.
    mark: Mutex<Option<File>>,
    /// Whether something may have been put, by anybody, since this one brought all on disk: where it does not sync.
    dirty: AtomicBool,
    /// Folders below the fan-out known to be on disk themselves.
    anchored: Mutex<HashSet<String>>,
}

impl LocalBackend {
    /// Opens the folder `root`; kind `NotFound` where it does not exist. Without `durable` puts are not
    /// synced, and the folder is marked: for tests, and for what can be made again.
    pub fn open(root: &Path, durable: bool) -> Result<LocalBackend, BackendError> {
        let failed = |e| BackendError::new("read", root.to_string_lossy(), e);
        if !fs::metadata(root).map_err(failed)?.is_dir() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
        let root = std::path::absolute(root).map_err(failed)?;
        Ok(LocalBackend {
            root,
            durable,
            mark: Mutex::default(),
            dirty: AtomicBool::new(true),
            anchored: Mutex::default(),
        })
    }

    /// Makes `root` (and its parents) where it is missing and the folders `00` to `ff` in it, all on
    /// disk on return, and opens it as durable.
    pub fn create(root: &Path) -> Result<LocalBackend, BackendError> {
        halt::whole(|| {
            if !root.join("00").exists() {
                halt::changed();
            }
            folder::create_root(root)
        })?;
        LocalBackend::open(root, true)
    }

    /// The folder the keys lie in.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, verb: &'static str, key: &str) -> Result<PathBuf, BackendError> {
        check_key(verb, key)?;
        Ok(self.root.join(key))
    }

    fn error(&self, verb: &'static str, key: &str, source: io::Error) -> BackendError {
        BackendError::new(verb, self.root.join(key).to_string_lossy(), source)
    }

    /// Tells a missing file from a missing root: a drive that went away must not read as an empty store. Where it was
    /// mounted an empty folder is left; a store has its fan-out, of which `00` is the first.
    fn check_root(&self, verb: &'static str) -> Result<(), BackendError> {
        let failed = |e| self.error(verb, "", e);
        if fs::metadata(self.root.join("00")).is_ok() {
            return Ok(());
        }
        match fs::read_dir(&self.root).map_err(failed)?.next() {
            Some(entry) => entry.map(|_| ()).map_err(failed),
            None => Err(failed(io::ErrorKind::NotFound.into())),
        }
    }

    fn read(&self, key: &str, part: Part) -> Result<Bytes, BackendError> {
        let path = self.path("read", key)?;
        file::read(&path, part).map_err(|e| {
            let place = path.to_string_lossy();
            match e {
                ReadError::Io(e) => self.error("read", key, e),
                ReadError::NotAFile(what) => BackendError::not_a_file("read", place, what),
                ReadError::TooLong(len, most) => BackendError::too_long("read", place, len, most),
            }
        })
    }

    /// Whether puts are synced: also where this writer cannot say by a mark that they are not.
    fn syncs(&self) -> bool {
        if self.durable {
            return true;
        }
        self.dirty.store(true, Ordering::Release);
        let mut mark = self.mark.lock();
        if mark.is_none() {
            match unsynced::mark(&self.root) {
                Ok(file) => *mark = Some(file),
                Err(e) => {
                    log::warn!("cannot mark {} as not synced, so it is: {e}", self.root.display());
                    return true;
                }
            }
        }
        false
    }

    /// Writes every item, each atomically.
    fn put_all(&self, items: &[(String, Bytes)], durable: bool) -> Result<(), BackendError> {
        let keys = || items.iter().map(|(key, _)| key.as_str());
        let put = || {
            in_parallel(items.len(), |i| self.put_one(&items[i].0, &items[i].1, durable))?;
            if durable { self.sync_folders("write", keys()) } else { Ok(()) }
        };
        if keys().all(is_hidden) {
            return put();
        }
        halt::whole(|| {
            halt::changed();
            put()
        })
    }

    /// Puts one item under its name; its folder is not synced yet.
    fn put_one(&self, key: &str, bytes: &Bytes, durable: bool) -> Result<(), BackendError> {
        let failed = |e| self.error("write", key, e);
        let path = self.path("write", key)?;
        let folder = path.parent().unwrap_or(&self.root);
        let staging = match Staging::create(folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.make_folder(parent_of(key)).and_then(|()| Staging::create(folder))
            }
            made => made,
        };
        staging.map_err(failed)?.finish(bytes, durable, &path).map_err(failed)
    }

    /// Makes `folder` and what is missing above it, but never the root.
    fn make_folder(&self, folder: &str) -> io::Result<()> {
        let ends = folder.match_indices('/').map(|(at, _)| at).chain([folder.len()]);
        for part in ends.map(|end| &folder[..end]).filter(|part| !part.is_empty()) {
            let made = folder::make_if_missing(&self.root.join(part))?;
            if made && self.durable {
                folder::sync(&self.root.join(parent_of(part)))?;
            }
        }
        Ok(())
    }

    /// Syncs the folders of `keys`, each once. A folder below the fan-out may be another process's,
    /// made but not synced yet: the first time here, the folders above it are synced too.
    fn sync_folders<'k>(
        &self,
        verb: &'static str,
        keys: impl Iterator<Item = &'k str>,
    ) -> Result<(), BackendError> {
        let mut folders: BTreeSet<&str> = keys.map(parent_of).collect();
        let deep: Vec<&str> = folders.iter().copied().filter(|folder| folder.contains('/')).collect();
        let mut fresh = Vec::new();
        for folder in deep {
            if !self.anchored.lock().contains(folder) {
                let above = std::iter::successors(Some(parent_of(folder)), |part| Some(parent_of(part)));
                folders.extend(above.take_while(|part| !part.is_empty()));
                fresh.push(folder);
            }
        }
        let folders: Vec<&str> = folders.into_iter().collect();
        in_parallel(folders.len(), |i| {
            folder::sync(&self.root.join(folders[i])).map_err(|e| self.error(verb, folders[i], e))
        })?;
        if !fresh.is_empty() {
            self.anchored.lock().extend(fresh.into_iter().map(str::to_owned));
        }
        Ok(())
    }
}

impl Backend for LocalBackend {
    fn get(&self, key: &str) -> Result<Bytes, BackendError> {
        self.get_within(key, u64::MAX)
    }

    fn get_within(&self, key: &str, most: u64) -> Result<Bytes, BackendError> {
        self.read(key, Part::Whole(most))
    }

    fn get_range(&self, key: &str, offset: u64, len: usize) -> Result<Bytes, BackendError> {
        self.read(key, Part::Range(offset, len))
    }

    fn put_many(&self, items: &[(String, Bytes)]) -> Result<(), BackendError> {
        if items.is_empty() { Ok(()) } else { self.put_all(items, self.syncs()) }
    }

    fn put_settled(&self, key: &str, bytes: Bytes) -> Result<(), BackendError> {
        self.settle()?;
        self.put_all(&[(key.to_owned(), bytes)], true)
    }

    fn is_durable(&self) -> bool {
        self.durable
    }

    fn settle(&self) -> Result<(), BackendError> {
        self.dirty.store(false, Ordering::Release);
        let settled =
            if self.durable { unsynced::settle(&self.root) } else { unsynced::sync_all(&self.root) };
        if settled.is_err() {
            self.dirty.store(true, Ordering::Release);
        }
        settled.map_err(|e| BackendError::new("sync", self.root.to_string_lossy(), e))
    }

    fn len(&self, key: &str) -> Result<Option<u64>, BackendError> {
        match fs::metadata(self.path("read", key)?) {
            Ok(found) => Ok(found.is_file().then_some(found.len())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => self.check_root("read").map(|()| None),
            Err(e) => Err(self.error("read", key, e)),
        }
    }

    /// As the trait says; names that are not UTF-8 cannot be keys and are left out.
    fn list(&self, folder: &str) -> Result<Vec<Entry>, BackendError> {
        check_folder("list", folder)?;
        match folder::entries(&self.root.join(folder)) {
            Ok(entries) => Ok(entries),
            Err(e) if e.kind() == io::ErrorKind::NotFound => self.check_root("list").map(|()| Vec::new()),
            Err(e) => Err(self.error("list", folder, e)),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), BackendError> {
        let (source, target) = (self.path("rename", from)?, self.path("rename", to)?);
        let failed = |e| self.error("rename", from, e);
        fs::symlink_metadata(&source).map_err(failed)?;
        halt::whole(|| {
            halt::changed();
            match retry(|| fs::rename(&source, &target)) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    self.make_folder(parent_of(to)).map_err(failed)?;
                    retry(|| fs::rename(&source, &target)).map_err(failed)?;
                }
                done => done.map_err(failed)?,
            }
            if self.durable { self.sync_folders("rename", [to, from].into_iter()) } else { Ok(()) }
        })
    }

    fn delete_many(&self, keys: &[String]) -> Result<(), BackendError> {
        if keys.is_empty() {
            return Ok(());
        }
        // What others put may be the reason, or take the place of what goes. Who does not sync has put that in place
        // settled, mostly, just before.
        if self.durable || self.dirty.load(Ordering::Acquire) {
            self.settle()?;
        }
        let mut deleted = Vec::new();
        for key in keys {
            let path = self.path("delete", key)?;
            let delete = || {
                halt::changed();
                retry(|| fs::remove_file(&path))
            };
            match halt::whole(delete) {
                Ok(()) => deleted.push(key.as_str()),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(self.error("delete", key, e)),
            }
        }
        if self.durable { self.sync_folders("delete", deleted.into_iter()) } else { Ok(()) }
    }

    fn sync(&self, keys: &[String]) -> Result<(), BackendError> {
        if self.durable { self.sync_folders("write", keys.iter().map(String::as_str)) } else { Ok(()) }
    }

    fn clean(&self, age_ms: u64) -> Result<usize, BackendError> {
        // Not synced: what a power failure brings back, the next clean deletes.
        let before = SystemTime::now().checked_sub(Duration::from_millis(age_ms));
        before.map_or(Ok(0), |before| {
            staging::clean(&self.root, before)
                .map_err(|(path, e)| BackendError::new("delete", path.to_string_lossy(), e))
        })
    }

    fn watcher(&self) -> Option<Arc<dyn Watcher>> {
        // None left to the user, or not permitted: then listing has to do.
        watch::LocalWatcher::new(&self.root).ok().map(|watcher| Arc::new(watcher) as Arc<dyn Watcher>)
    }
}

/// Whether a file is nothing to anybody until another names it: those in the fan-out itself.
fn is_hidden(key: &str) -> bool {
    key.len() > 3 && key.as_bytes()[2] == b'/' && !key[3..].contains('/')
}
