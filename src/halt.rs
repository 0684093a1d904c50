//! What a signal that ends the program must not cut in two, and what it must not leave behind.
//!
//! A step (a file that gets its name) is done whole or not at all: [`stop`] waits for those that have begun, and none
//! begins afterwards. Files that are not finished are known here while they exist, and are removed.

use parking_lot::{Mutex, RecursiveRwLock, RecursiveRwLockWriteGuard};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// What there is to know of a process.
#[derive(Debug, Default)]
struct Process {
    /// What is to be done before the first step, or the first unfinished file.
    ready: Mutex<Option<fn()>>,
    /// Shared by steps, taken alone by the end. Recursive: a step in a step, also on another thread, must not wait for an
    /// end that waits for the outer one.
    turn: RecursiveRwLock<()>,
    /// Set once something was done that others see.
    changed: AtomicBool,
    unfinished: Mutex<HashSet<PathBuf>>,
}

static PROCESS: LazyLock<Process> = LazyLock::new(Process::default);

/// Has `ready` run before the first step begins: until then a stop has nothing to wait for, and nothing to remove.
pub fn before_first(ready: fn()) {
    *PROCESS.ready.lock() = Some(ready);
}

/// Runs a step that [`stop`] lets come to its end. Steps may lie in steps.
pub fn whole<T>(step: impl FnOnce() -> T) -> T {
    PROCESS.whole(step)
}

/// Remembers that something was done that others see.
pub fn changed() {
    PROCESS.changed.store(true, Ordering::Relaxed);
}

/// Waits for steps that have begun, lets none begin, and removes unfinished files.
#[must_use]
pub fn stop() -> Stopped {
    PROCESS.stop()
}

/// What the program had done when it was stopped.
#[derive(Debug)]
pub struct Stopped {
    /// It did something that others see.
    pub changed: bool,
    /// Unfinished files and folders that were removed.
    pub removed: usize,
    /// No step begins while this lives.
    _turn: RecursiveRwLockWriteGuard<'static, ()>,
}

/// A file, or an empty folder, that is removed if the program is stopped while this lives.
#[derive(Debug)]
pub struct Unfinished {
    path: PathBuf,
    process: &'static Process,
}

impl Unfinished {
    /// Makes a file or a folder, and knows it from then on: `make` gives what it made and where that is.
    pub fn make<T>(make: impl FnOnce() -> io::Result<(T, PathBuf)>) -> io::Result<(T, Unfinished)> {
        PROCESS.make(make)
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.process.unfinished.lock().remove(&self.path);
    }
}

impl Process {
    /// Other threads wait until what is to be done first is done.
    fn begin(&self) {
        let mut ready = self.ready.lock();
        if let Some(ready) = ready.take() {
            ready();
        }
    }

    fn whole<T>(&self, step: impl FnOnce() -> T) -> T {
        self.begin();
        let _turn = self.turn.read();
        step()
    }

    fn make<T>(
        &'static self,
        make: impl FnOnce() -> io::Result<(T, PathBuf)>,
    ) -> io::Result<(T, Unfinished)> {
        self.whole(|| {
            let (made, path) = make()?;
            // Relative paths mean another file after a change of the current folder.
            let path = std::path::absolute(&path).unwrap_or(path);
            self.unfinished.lock().insert(path.clone());
            Ok((made, Unfinished { path, process: self }))
        })
    }

    fn stop(&'static self) -> Stopped {
        let turn = self.turn.write();
        let mut unfinished: Vec<PathBuf> = std::mem::take(&mut *self.unfinished.lock()).into_iter().collect();
        // What lies in a folder before the folder; one that is not empty stays.
        unfinished.sort_by_key(|path| std::cmp::Reverse(path.as_os_str().len()));
        let remove =
            |path: &&PathBuf| std::fs::remove_file(path).or_else(|_| std::fs::remove_dir(path)).is_ok();
        let removed = unfinished.iter().filter(remove).count();
        Stopped { changed: self.changed.load(Ordering::Relaxed), removed, _turn: turn }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn what_is_to_be_done_first_is_done_once_and_before_the_first_step() {
        static DONE: AtomicUsize = AtomicUsize::new(0);
        let process = Process::default();
        *process.ready.lock() = Some(|| {
            DONE.fetch_add(1, Ordering::Relaxed);
        });
        for _ in 0..3 {
            assert_eq!(process.whole(|| DONE.load(Ordering::Relaxed)), 1);
        }
    }

    #[test]
    fn a_stop_waits_for_steps_and_removes_what_is_not_finished() {
        // Of its own: other tests have files that are not finished.
        let process: &'static Process = Box::leak(Box::default());
        let folder = tempfile::tempdir().unwrap();
        let (kept, gone) = (folder.path().join("kept"), folder.path().join("gone"));
        let made = |path: &Path| process.make(|| Ok((File::create(path)?, path.to_owned()))).unwrap().1;
        drop(made(&kept));
        let inner = folder.path().join("made/inner");
        let made_folder =
            |path: &Path| process.make(|| Ok((std::fs::create_dir(path)?, path.to_owned()))).unwrap().1;
        let folders = [folder.path().join("made"), inner.clone()].map(|path| made_folder(&path));
        let unfinished = [made(&gone), made(&inner.join("file"))];
        let (sender, receiver) = channel();
        let stopper = process.whole(|| {
            let stopper = std::thread::spawn(move || {
                let stopped = process.stop();
                sender.send(()).unwrap();
                (stopped.removed, stopped.changed)
            });
            assert!(
                receiver.recv_timeout(Duration::from_millis(50)).is_err(),
                "it did not wait for the step"
            );
            process.whole(|| assert!(gone.exists(), "a step in a step goes on"));
            stopper
        });
        assert_eq!(stopper.join().unwrap(), (4, false));
        assert!(kept.exists() && !gone.exists() && !folder.path().join("made").exists());
        drop((unfinished, folders));
    }
}
