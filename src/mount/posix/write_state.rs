//! What writing needs beside the tree: the spool, names that are being saved, collections that are not born.

use super::attr::Caller;
use super::copy::{WorkingCopy, WriteContext, Writer};
use super::handover::Handover;
use super::hidden::{self, HiddenNames};
use super::scratch::Held;
use crate::mount::machine::process;
use crate::vfs::failure::Failure;
use crate::vfs::render::Format;
use crate::vfs::save::{BackgroundReads, Basis};
use crate::vfs::series::Series;
use crate::vfs::spool::Spool;
use lru::LruCache;
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long the kernel may take to look a name up again.
const REOPEN: Duration = Duration::from_secs(30);

/// Scratch files of which it is kept what they are a change of.
const BASES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

/// A thread, and its user.
pub(super) type Asking = (u32, u32);

/// A live file that a thread opens to write: its next look finds a working copy.
///
/// The inode of rows is never written, else their readers would see it. The thread is told that it is stale; the
/// kernel then looks the name up again, which is where it is known which of its names was meant.
#[derive(Debug, Clone)]
pub(super) struct Reopen {
    pub(super) ino: u64,
    pub(super) series: Series,
    pub(super) format: Format,
    /// Whether it shows no rows.
    pub(super) empty: bool,
    pub(super) copy: Option<Arc<WorkingCopy>>,
    since: Instant,
}

impl Reopen {
    pub(super) fn new(ino: u64, series: Series, format: Format, empty: bool) -> Reopen {
        Reopen { ino, series, format, empty, copy: None, since: Instant::now() }
    }

    pub(super) fn is_of(&self, series: &Series, format: Format) -> bool {
        let same = self.series.id == series.id && self.series.cached.key() == series.cached.key();
        same && self.format == format
    }
}

/// What writing needs.
#[derive(Debug)]
pub(super) struct WriteState {
    pub(super) spool: Spool,
    pub(super) hidden: HiddenNames,
    /// What is read while it is written.
    pub(super) reads: BackgroundReads,
    /// Where processes are looked at.
    pub(super) proc: PathBuf,
    /// Collections without columns, and when they were made.
    pub(super) unborn: Mutex<BTreeMap<String, u64>>,
    /// What scratch files are a change of, and the process that made them, by inode.
    pub(super) bases: Mutex<LruCache<u64, (Basis, Option<u32>)>>,
    /// Scratch files that become live ones.
    pub(super) handover: Handover,
    reopens: Mutex<HashMap<Asking, Reopen>>,
    serial: AtomicU64,
    saving: Arc<Saving>,
}

/// How much is being done that must come to its end before the process does.
#[derive(Debug, Default)]
struct Saving {
    count: Mutex<usize>,
    done: Condvar,
}

impl WriteState {
    pub(super) fn new(spool: Spool) -> WriteState {
        WriteState {
            spool,
            reads: BackgroundReads::default(),
            hidden: HiddenNames::lasting(hidden::TIME),
            proc: PathBuf::from("/proc"),
            unborn: Mutex::default(),
            bases: Mutex::new(LruCache::new(BASES)),
            handover: Handover::default(),
            reopens: Mutex::default(),
            serial: AtomicU64::new(0),
            saving: Arc::default(),
        }
    }

    /// Where and when bytes are written.
    pub(super) const fn context(&self, now: u64) -> WriteContext<'_> {
        WriteContext { spool: &self.spool, reads: &self.reads, now }
    }

    /// Who makes a request.
    pub(super) fn writer(&self, caller: Caller) -> Writer {
        let process = process::of_thread(&self.proc, caller.pid);
        let (pid, name) = process.map_or((0, String::new()), |process| (process.pid, process.name));
        Writer { uid: caller.uid, pid, name }
    }

    /// The process that makes a request.
    pub(super) fn pid(&self, caller: Caller) -> Option<u32> {
        process::of_thread(&self.proc, caller.pid).map(|process| process.pid)
    }

    /// The folder of a series' scratch files, where there is one.
    pub(super) fn scratch_of(&self, series: &Series) -> Result<Option<Held>, Failure> {
        Held::open(&self.spool.scratch(series.cached.key(), series.id)).map_err(Failure::spool)
    }

    /// The same, made where there is none.
    pub(super) fn scratch_made(&self, series: &Series) -> Result<Held, Failure> {
        Held::make(&self.spool.scratch(series.cached.key(), series.id)).map_err(Failure::spool)
    }

    /// A number no other copy of this mount has.
    pub(super) fn serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// A scratch file takes the place of another, as programs do that edit it: it is a change of what that one was.
    pub(super) fn inherit(&self, ino: u64, over: u64) {
        let mut bases = self.bases.lock();
        let Some(old) = bases.pop(&over) else { return };
        let known = bases.get(&ino);
        if known.is_none_or(|(basis, _)| old.0.point.stamp.time <= basis.point.stamp.time) {
            bases.put(ino, old);
        }
    }

    /// Notes that a thread is told to look a name up again.
    pub(super) fn expect(&self, who: Asking, reopen: Reopen) {
        let mut reopens = self.reopens.lock();
        reopens.retain(|_, other| other.since.elapsed() < REOPEN);
        reopens.insert(who, reopen);
    }

    /// What a thread was told to look up again.
    pub(super) fn expected(&self, who: Asking) -> Option<Reopen> {
        let reopens = self.reopens.lock();
        reopens.get(&who).filter(|reopen| reopen.since.elapsed() < REOPEN).cloned()
    }

    /// Notes what a thread found when it looked again.
    pub(super) fn give(&self, who: Asking, copy: &Arc<WorkingCopy>) {
        if let Some(reopen) = self.reopens.lock().get_mut(&who) {
            reopen.copy = Some(Arc::clone(copy));
        }
    }

    /// The thread has opened what it looked for.
    pub(super) fn done(&self, who: Asking) {
        self.reopens.lock().remove(&who);
    }

    /// Has the end of the mount wait until what is given is dropped.
    pub(super) fn busy(&self) -> Busy {
        *self.saving.count.lock() += 1;
        Busy(Arc::clone(&self.saving))
    }

    /// Waits until nothing is being saved.
    pub(super) fn wait(&self) {
        let mut count = self.saving.count.lock();
        while *count > 0 {
            self.saving.done.wait(&mut count);
        }
    }
}

/// Something that the end of the mount waits for.
#[derive(Debug)]
pub struct Busy(Arc<Saving>);

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.count.lock() -= 1;
        self.0.done.notify_all();
    }
}
