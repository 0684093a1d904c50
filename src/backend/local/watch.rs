//! A watcher on inotify.
//!
//! The kernel queues an event before the call that caused it returns, so a look after a commit returned hears of
//! it. Over a network only changes of this machine are heard: pollers still poll.

use crate::backend::watch::{Signal, Watcher};
use crate::backend::{BackendError, STAGING};
use parking_lot::Mutex;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Bytes of events read at once.
const BUFFER: usize = 16 << 10;

/// Watches folders below a root.
#[derive(Debug)]
pub(super) struct LocalWatcher {
    root: PathBuf,
    events: OwnedFd,
    watched: Mutex<HashMap<i32, Watched>>,
}

#[derive(Debug)]
struct Watched {
    signals: Vec<Signal>,
    /// The folder is gone, or events were lost: nothing is known from now on.
    lost: bool,
}

impl LocalWatcher {
    pub(super) fn new(root: &Path) -> rustix::io::Result<LocalWatcher> {
        let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(LocalWatcher { root: root.to_owned(), events, watched: Mutex::default() })
    }
}

impl Watcher for LocalWatcher {
    fn watch(&self, folder: &str) -> Result<Signal, BackendError> {
        let path = self.root.join(folder);
        let flags = WatchFlags::CREATE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::DELETE
            | WatchFlags::ONLYDIR;
        let mut watched = self.watched.lock();
        let id = inotify::add_watch(&self.events, &path, flags)
            .map_err(|e| BackendError::new("watch", path.to_string_lossy(), e.into()))?;
        let signal = Signal::default();
        let entry = watched.entry(id).or_insert(Watched { signals: Vec::new(), lost: false });
        // Who watched before may be gone: a collection that was renamed, a watch of several folders that failed.
        entry.signals.retain(Signal::is_heard);
        entry.signals.push(signal.clone());
        Ok(signal)
    }

    fn look(&self) {
        let mut watched = self.watched.lock();
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut reader = Reader::new(&self.events, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => {
                    let staging =
                        event.file_name().is_some_and(|n| n.to_bytes().starts_with(STAGING.as_bytes()));
                    if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                        watched.values().for_each(Watched::raise);
                    } else if let Some(folder) = watched.get_mut(&event.wd())
                        && !staging
                    {
                        folder.lost |= event.events().contains(ReadFlags::IGNORED);
                        folder.raise();
                    }
                }
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        watched.values().filter(|folder| folder.lost).for_each(Watched::raise);
    }

    fn ready(&self) -> Option<BorrowedFd<'_>> {
        Some(self.events.as_fd())
    }
}

impl Watched {
    fn raise(&self) {
        self.signals.iter().for_each(Signal::raise);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_nobody_has_any_more_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let watcher = LocalWatcher::new(folder.path()).unwrap();
        let kept = watcher.watch("").unwrap();
        (0..10).for_each(|_| drop(watcher.watch("").unwrap()));
        assert_eq!(watcher.watched.lock().values().map(|w| w.signals.len()).sum::<usize>(), 2);
        std::fs::write(folder.path().join("a"), "").unwrap();
        watcher.look();
        assert!(kept.take());
    }
}
