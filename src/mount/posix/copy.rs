//! Working copies: what a program writes in the place of a live file, its own until it is saved.
//!
//! A copy begins as the rows that were opened, of which nothing is stored until it must be: bytes added behind them
//! are kept alone, any other change makes the whole a file of the spool. It knows its bytes, not what becomes of them.
//!
//! `body` has what the bytes are (and the table of how that changes), `phase` whether there is something to be saved (and what
//! FLUSH, FSYNC and RELEASE mean then), `openings` who has it open.

mod body;
mod openings;
mod phase;

use super::errno::Errno;
use super::number::number;
use crate::vfs::failure::{Failure, caught};
use crate::vfs::render::{Content, Format};
use crate::vfs::save::{BackgroundReads, Basis, Guard, LEAST};
use crate::vfs::series::Series;
use crate::vfs::spool::{Spool, SpoolFile, Ticket, Way};
pub(super) use body::Body;
use body::{Form, Reading};
use bytes::Bytes;
use openings::{Openings, Seen};
use parking_lot::{Mutex, MutexGuard};
use phase::{Event, Phases};
use rustix::fs::FallocateFlags;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

/// Numbers of inodes that descriptors of a copy may still show: the kernel has the one that it was told last.
const NUMBERS: usize = 4;

/// What a copy is to become.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// The rows of a series, from a file in a format.
    Rows(Series, Format),
    /// The columns of a new collection, from its `.schema`.
    Schema(String),
}

/// The process that writes.
#[derive(Debug, Clone)]
pub struct Writer {
    /// Its user.
    pub uid: u32,
    /// Its number; 0 where it cannot be told.
    pub pid: u32,
    /// Its name.
    pub name: String,
}

impl Writer {
    /// ` (cp, pid 412)`, or nothing where it cannot be told.
    #[must_use]
    pub fn shown(&self) -> String {
        match self.pid {
            0 => String::new(),
            pid => format!(" ({}, pid {pid})", self.name),
        }
    }
}

/// Where and when bytes are written.
#[derive(Debug, Clone, Copy)]
pub struct WriteContext<'a> {
    /// Takes the bytes.
    pub spool: &'a Spool,
    /// Reads them meanwhile.
    pub reads: &'a BackgroundReads,
    /// Milliseconds since 1970-01-01 UTC.
    pub now: u64,
}

/// A working copy.
#[derive(Debug)]
pub struct WorkingCopy {
    /// The number of its inode.
    pub ino: u64,
    /// The number that `stat` shows, the last one: that of the rows it was opened as, then of those it was saved as,
    /// since editors compare them; and those that it showed before.
    shown: Mutex<Vec<u64>>,
    /// What it is to become.
    pub purpose: Purpose,
    /// The name it was opened by.
    pub name: String,
    /// Who opened it; nobody yet where it was only looked up.
    writer: OnceLock<Writer>,
    body: Mutex<Body>,
    size: AtomicU64,
    mtime: AtomicU64,
    phases: Phases,
    openings: Mutex<Openings>,
}

/// How a copy begins.
#[derive(Debug)]
pub struct Start {
    /// What the program opens.
    pub basis: Option<Basis>,
    /// The bytes it sees; none: an empty file.
    pub front: Option<Arc<Content>>,
}

impl WorkingCopy {
    /// A copy of its own number: `serial` tells it from all others of the mount, the server's process from those of others.
    #[must_use]
    pub fn new(serial: u64, purpose: Purpose, name: &str, start: Start, now: u64) -> WorkingCopy {
        // A process may write through several mounts, and descriptors of it are told apart by these numbers alone.
        let server = std::process::id().to_le_bytes();
        let ino = number(&[b"copy", &server, &now.to_le_bytes(), &serial.to_le_bytes()]);
        // Until it is written, it is the rows that were opened.
        let opened = start.basis.as_ref().filter(|_| start.front.is_some());
        let mtime = opened.map_or(now, |basis| basis.view.origin.time);
        WorkingCopy::with_number(ino, purpose, name, start, mtime)
    }

    /// The same, shown as another inode.
    #[must_use]
    pub fn shown_as(self, shown: u64) -> WorkingCopy {
        self.shown.lock().push(shown);
        self
    }

    /// The same for bytes that were refused before: its save must not remove some rows, and it adds what is written, in
    /// whatever way, where the bytes were to be added.
    #[must_use]
    pub fn again(self, guard: Guard, way: Way) -> WorkingCopy {
        {
            let body = &mut *self.body.lock();
            (body.again, body.guard) = (true, guard);
            if way == Way::Append {
                body.form = Form::Additions { reached: None };
            }
        }
        self
    }

    /// A copy of an inode that is known already.
    #[must_use]
    pub fn with_number(ino: u64, purpose: Purpose, name: &str, start: Start, mtime: u64) -> WorkingCopy {
        let body = Body::of(start.basis, start.front);
        WorkingCopy {
            ino,
            shown: Mutex::new(vec![ino]),
            purpose,
            name: name.to_owned(),
            writer: OnceLock::new(),
            size: AtomicU64::new(body.size()),
            body: Mutex::new(body),
            mtime: AtomicU64::new(mtime),
            phases: Phases::fresh(),
            openings: Mutex::new(Openings::none()),
        }
    }

    /// Bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// The number that `stat` shows.
    #[must_use]
    pub fn shown(&self) -> u64 {
        self.shown.lock().last().copied().unwrap_or(self.ino)
    }

    /// All numbers that descriptors of it may show.
    #[must_use]
    pub fn numbers(&self) -> Vec<u64> {
        self.shown.lock().clone()
    }

    /// Whether descriptors of it and of another one cannot be told apart.
    #[must_use]
    pub fn looks_like(&self, other: &WorkingCopy) -> bool {
        let own = self.numbers();
        other.numbers().iter().any(|number| own.contains(number))
    }

    /// Notes that a descriptor of it was closed.
    pub fn flushed(&self) {
        self.openings.lock().see(Seen::Flush);
    }

    /// Whether one was: of a copy that is just being opened, its process has no descriptor yet.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.openings.lock().seen >= Seen::Flush
    }

    /// Notes that its writer has no descriptor of it any more: its release is on its way.
    pub fn leave(&self) {
        self.openings.lock().see(Seen::Left);
    }

    /// Whether its writer was seen without a descriptor of it.
    #[must_use]
    pub fn is_left(&self) -> bool {
        self.openings.lock().seen == Seen::Left
    }

    /// Shows it as what it was saved as: the number (where it can have that) and the time of the live file.
    pub fn show_saved(&self, body: &Body, ino: Option<u64>, mtime: u64) {
        self.mtime.store(mtime, Ordering::Release);
        // It is known as the scratch file that it was.
        if body.is_adopted() {
            let time = SystemTime::UNIX_EPOCH + Duration::from_millis(mtime);
            let done = body.file.as_ref().map_or(Ok(()), |file| file.file().set_modified(time));
            done.unwrap_or_else(|error| log::debug!("cannot set the time of {}: {error}", self.name));
            return;
        }
        let Some(ino) = ino else { return };
        let shown = &mut *self.shown.lock();
        if shown.last() != Some(&ino) {
            shown.push(ino);
        }
        if shown.len() > NUMBERS {
            // Its own is the first one, and stays.
            shown.remove(1);
        }
    }

    /// When it was written last, in milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn mtime(&self) -> u64 {
        self.mtime.load(Ordering::Acquire)
    }

    /// Notes who opens it: the first one is its writer. Fails where the last one has closed it.
    pub fn open(&self, writer: Writer) -> Result<(), Errno> {
        self.reopened()?;
        self.writer.get_or_init(|| writer);
        Ok(())
    }

    /// Says that there is something to be saved, be it only that it is empty.
    pub fn touch(&self) {
        self.phases.on(Event::Touched);
    }

    /// Notes who is to be told of it, where nobody opened it by its name.
    pub fn adopt_writer(&self, writer: Writer) {
        self.writer.get_or_init(|| writer);
    }

    /// Takes bytes that were written under another name, and may be by who still knows the file itself.
    pub fn adopt(&self, basis: Option<Basis>, file: SpoolFile) {
        let body = &mut *self.body.lock();
        (body.basis, body.file, body.form) = (basis, Some(file), Form::Adopted);
    }

    /// Whether its bytes were written under another name.
    #[must_use]
    pub fn is_adopted(&self) -> bool {
        self.body.lock().is_adopted()
    }

    /// Notes a handle, one that was opened under another name too.
    pub fn reopened(&self) -> Result<(), Errno> {
        self.openings.lock().add().ok_or(Errno::ESTALE)
    }

    /// Notes a close; whether it was the last: then it is not opened again.
    pub fn close(&self) -> bool {
        self.openings.lock().remove()
    }

    /// Who writes; `None` before it is opened.
    #[must_use]
    pub fn writer(&self) -> Option<&Writer> {
        self.writer.get()
    }

    /// Whether something was written that is not saved.
    #[must_use]
    pub fn is_unsaved(&self) -> bool {
        self.phases.now().is_unsaved()
    }

    /// Whether a descriptor was closed since the last byte was written.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phases.now().is_closed()
    }

    /// Notes that a descriptor is closed of what is to be saved; `signal`: what ends who closes it.
    pub fn closed(&self, body: &mut Body, signal: Option<i32>) {
        self.phases.on(Event::Closed);
        body.stopped = signal.or(body.stopped);
    }

    /// Says that what there is, is saved or kept elsewhere.
    pub fn settled(&self, body: &mut Body) {
        self.phases.on(Event::Settled);
        if let Some(Err(error)) = body.file.as_ref().map(|file| file.set_committed(true)) {
            // Were the server killed now, it would be kept once more.
            log::debug!("cannot put aside what was saved of {}: {error}", self.name);
        }
    }

    /// Its bytes. Held while they are saved: who writes meanwhile waits.
    pub fn body(&self) -> MutexGuard<'_, Body> {
        let mut body = self.body.lock();
        if body.is_adopted()
            && let Some(there) = body.file.as_ref().and_then(|file| file.file().metadata().ok())
        {
            body.len = there.len();
            self.size.store(body.size(), Ordering::Release);
        }
        body
    }

    fn changed(&self, body: &mut Body, now: u64) {
        body.unsynced = true;
        self.size.store(body.size(), Ordering::Release);
        self.mtime.store(now, Ordering::Release);
        self.phases.on(Event::Changed);
    }

    /// Writes bytes at an offset, or behind all others.
    pub fn write(&self, at: Option<u64>, bytes: &[u8], context: WriteContext<'_>) -> Result<(), Failure> {
        let body = &mut *self.body();
        let done = caught("writing to the spool", || self.put(body, at, bytes, context));
        done.inspect_err(|failure| self.spoil(body, failure))
    }

    /// Notes that bytes are missing: what is there must not pass for what was meant.
    fn spoil(&self, body: &mut Body, failure: &Failure) {
        body.failed = Some(failure.kind());
        self.phases.on(Event::Touched);
    }

    fn put(
        &self,
        body: &mut Body,
        at: Option<u64>,
        bytes: &[u8],
        context: WriteContext<'_>,
    ) -> Result<(), Failure> {
        let at = match at {
            None => body.size(),
            Some(at) => {
                body.whole(self, context)?;
                at
            }
        };
        let kept = body.kept();
        if at - kept != body.len {
            body.end_reading();
        }
        if at - kept < body.len {
            body.forget_reached();
        }
        body.file(self, context)?;
        body.reopen(self, context)?;
        body.file(self, context)?.file().write_all_at(bytes, at - kept).map_err(Failure::spool)?;
        body.len = body.len.max(at - kept + bytes.len() as u64);
        self.changed(body, context.now);
        self.follow(body, context);
        Ok(())
    }

    /// Has rows read while their text is written.
    fn follow(&self, body: &mut Body, context: WriteContext<'_>) {
        let Form::Whole(reading) = &mut body.form else { return };
        match reading {
            Reading::No => {}
            Reading::Running(read) => read.grown(body.len),
            Reading::Later => {
                if let (Purpose::Rows(series, Format::Csv), Some(file)) = (&self.purpose, &body.file)
                    && body.len >= LEAST
                {
                    let columns = body.basis.as_ref().map(|basis| Arc::clone(basis.columns()));
                    let read = context.reads.follow((series, columns), file.file(), body.len);
                    // Not to be had now: nor for what follows.
                    *reading = read.map_or(Reading::No, Reading::Running);
                }
            }
        }
    }

    /// Bytes from an offset, fewer only at the end.
    pub fn read(&self, offset: u64, len: usize) -> Result<Bytes, Failure> {
        self.body().read(offset, len)
    }

    /// Makes it so long; what is new is zeros.
    pub fn truncate(&self, len: u64, context: WriteContext<'_>) -> Result<(), Failure> {
        let body = &mut *self.body();
        if len == 0 {
            body.empty();
        } else if len == body.size() {
            return Ok(());
        }
        body.whole(self, context)?;
        body.reopen(self, context)?;
        if let Some(file) = &body.file {
            file.file().set_len(len).map_err(Failure::spool)?;
        } else if len > 0 {
            body.file(self, context)?.file().set_len(len).map_err(Failure::spool)?;
        }
        body.len = len;
        body.end_reading();
        body.forget_reached();
        if let (0, Form::Whole(reading)) = (len, &mut body.form) {
            // Emptied, it begins again.
            *reading = Reading::Later;
        }
        self.changed(body, context.now);
        Ok(())
    }

    /// As fallocate(2), with the modes that files of the spool have.
    pub fn allocate(
        &self,
        offset: u64,
        len: u64,
        mode: FallocateFlags,
        context: WriteContext<'_>,
    ) -> Result<(), Failure> {
        let body = &mut *self.body();
        body.whole(self, context)?;
        body.file(self, context)?;
        body.reopen(self, context)?;
        let file = body.file(self, context)?.file();
        rustix::fs::fallocate(file, mode, offset, len).map_err(|errno| Failure::spool(errno.into()))?;
        body.len = file.metadata().map_err(Failure::spool)?.len();
        body.end_reading();
        body.forget_reached();
        self.changed(body, context.now);
        Ok(())
    }

    /// Makes what was written durable: it is found at the next mount, whatever happens.
    pub fn sync(&self) -> Result<(), Failure> {
        self.body.lock().sync()
    }

    /// What who finds the bytes must know of them. `basis`: what they are a change of.
    #[must_use]
    pub fn ticket(&self, way: Way, now: u64, basis: Option<&Basis>) -> Ticket {
        let (collection, series) = match &self.purpose {
            Purpose::Rows(series, _) => (series.cached.collection().label(), &*series.label),
            Purpose::Schema(label) => (label.as_str(), ""),
        };
        let writer = self.writer.get();
        Ticket {
            time: now,
            uid: writer.map_or(0, |writer| writer.uid),
            pid: writer.map_or(0, |writer| writer.pid),
            process: writer.map_or_else(String::new, |writer| writer.name.clone()),
            collection: collection.to_owned(),
            series: series.to_owned(),
            file: self.name.clone(),
            way,
            reason: String::new(),
            basis: match (&self.purpose, basis) {
                (Purpose::Rows(series, _), Some(basis)) => Some(basis.opened(series)),
                _ => None,
            },
        }
    }
}

impl Drop for WorkingCopy {
    fn drop(&mut self) {
        // Something failed before it was saved or kept: the next server finds the bytes.
        let body = self.body.get_mut();
        if self.phases.now().is_unsaved()
            && body.len > 0
            && let Some(file) = body.file.take()
        {
            file.leave();
        }
    }
}
