//! Working copies: what a program writes in the place of a live file, its own until it is saved.
//!
//! A copy begins as the rows that were opened, of which nothing is stored until it must be: bytes added behind them
//! are kept alone, any other change makes the whole a file of the spool. It knows its bytes, not what becomes of them.

use super::errno::{Errno, Failure};
use super::ingest::{Basis, Reached};
use super::intake::{Intake, Intakes, LEAST};
use super::number::number;
use super::render::{Content, Format};
use super::series::Series;
use super::spool::{Spool, SpoolFile, Ticket, Way};
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use rustix::fs::FallocateFlags;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Bytes copied at once.
const PIECE: usize = 1 << 20;

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

/// Where and when bytes are written.
#[derive(Debug, Clone, Copy)]
pub struct Desk<'a> {
    /// Takes the bytes.
    pub spool: &'a Spool,
    /// Reads them meanwhile.
    pub intakes: &'a Intakes,
    /// Milliseconds since 1970-01-01 UTC.
    pub now: u64,
}

/// A working copy.
#[derive(Debug)]
pub struct WorkingCopy {
    /// The number of its inode.
    pub ino: u64,
    /// The number that `stat` shows: that of the rows it was opened as, since editors compare them.
    pub shown: u64,
    /// What it is to become.
    pub purpose: Purpose,
    /// The name it was opened by.
    pub name: String,
    /// Who opened it; nobody yet where it was only looked up.
    writer: OnceLock<Writer>,
    body: Mutex<Body>,
    size: AtomicU64,
    mtime: AtomicU64,
    unsaved: AtomicBool,
    /// How many have it open; none any more once nobody had.
    handles: Mutex<Option<usize>>,
}

/// The bytes of a copy, and what is to be saved of them.
#[derive(Debug)]
pub struct Body {
    /// What the program opened; none where the name was free.
    pub basis: Option<Basis>,
    /// The rows that were opened: the first `kept` bytes.
    front: Option<Arc<Content>>,
    kept: u64,
    file: Option<SpoolFile>,
    /// Bytes of `file`.
    len: u64,
    /// Whether others may write to `file`, who know it by itself.
    shared: bool,
    /// Whether nothing but additions was made.
    added: bool,
    /// Since when there was nothing in it, where there is nothing.
    pub(super) emptied: Instant,
    /// How far they are saved.
    pub(super) reached: Option<Reached>,
    /// Whether what was written is not on disk yet.
    soft: bool,
    /// Whether a descriptor was closed since the last byte was written.
    pub closed: bool,
    /// The rows of what was written, where it was written from its start to its end.
    intake: Option<Intake>,
    /// Whether it is written so.
    straight: bool,
    /// Why it is not to be saved: the signal that ended the writer.
    pub stopped: Option<i32>,
    /// Why it is not to be saved: what a write that failed was told, since it is not all there.
    pub failed: Option<Errno>,
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
    /// A copy of its own number: `serial` tells it from all others of the mount.
    #[must_use]
    pub fn new(serial: u64, purpose: Purpose, name: &str, start: Start, mtime: u64) -> WorkingCopy {
        let ino = number(&[b"copy", &mtime.to_le_bytes(), &serial.to_le_bytes()]);
        WorkingCopy::with_number(ino, purpose, name, start, mtime)
    }

    /// The same, shown as another inode.
    #[must_use]
    pub fn shown_as(self, shown: u64) -> WorkingCopy {
        WorkingCopy { shown, ..self }
    }

    /// A copy of an inode that is known already.
    #[must_use]
    pub fn with_number(ino: u64, purpose: Purpose, name: &str, start: Start, mtime: u64) -> WorkingCopy {
        let kept = start.front.as_ref().map_or(0, |front| front.size());
        let added = start.front.is_some();
        let body = Body {
            basis: start.basis,
            front: start.front,
            kept,
            file: None,
            len: 0,
            shared: false,
            added,
            emptied: Instant::now(),
            reached: None,
            soft: false,
            closed: false,
            intake: None,
            straight: true,
            stopped: None,
            failed: None,
        };
        WorkingCopy {
            ino,
            shown: ino,
            purpose,
            name: name.to_owned(),
            writer: OnceLock::new(),
            size: AtomicU64::new(body.size()),
            body: Mutex::new(body),
            mtime: AtomicU64::new(mtime),
            unsaved: AtomicBool::new(false),
            handles: Mutex::new(Some(0)),
        }
    }

    /// Bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
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
        self.unsaved.store(true, Ordering::Release);
    }

    /// Notes who is to be told of it, where nobody opened it by its name.
    pub fn adopt_writer(&self, writer: Writer) {
        self.writer.get_or_init(|| writer);
    }

    /// Takes bytes that were written under another name, and may be by who still knows the file itself.
    pub fn adopt(&self, basis: Option<Basis>, file: SpoolFile) {
        let body = &mut *self.body.lock();
        (body.basis, body.file, body.shared, body.straight) = (basis, Some(file), true, false);
    }

    /// Whether its bytes were written under another name.
    #[must_use]
    pub fn is_adopted(&self) -> bool {
        self.body.lock().shared
    }

    /// Notes a handle, one that was opened under another name too.
    pub fn reopened(&self) -> Result<(), Errno> {
        let mut handles = self.handles.lock();
        *handles = Some(handles.ok_or(Errno::ESTALE)? + 1);
        Ok(())
    }

    /// Notes a close; whether it was the last: then it is not opened again.
    pub fn close(&self) -> bool {
        let mut handles = self.handles.lock();
        *handles = handles.and_then(|count| count.checked_sub(1)).filter(|left| *left > 0);
        handles.is_none()
    }

    /// Who writes; `None` before it is opened.
    #[must_use]
    pub fn writer(&self) -> Option<&Writer> {
        self.writer.get()
    }

    /// Whether something was written that is not saved.
    #[must_use]
    pub fn is_unsaved(&self) -> bool {
        self.unsaved.load(Ordering::Acquire)
    }

    /// Says that what there is, is saved or kept elsewhere.
    pub fn settled(&self, body: &mut Body) {
        self.unsaved.store(false, Ordering::Release);
        if let Some(Err(error)) = body.file.as_ref().map(|file| file.set_committed(true)) {
            // Were the server killed now, it would be kept once more.
            log::debug!("cannot put aside what was saved of {}: {error}", self.name);
        }
    }

    /// Its bytes. Held while they are saved: who writes meanwhile waits.
    pub fn body(&self) -> MutexGuard<'_, Body> {
        let mut body = self.body.lock();
        if body.shared
            && let Some(there) = body.file.as_ref().and_then(|file| file.file().metadata().ok())
        {
            body.len = there.len();
            self.size.store(body.size(), Ordering::Release);
        }
        body
    }

    fn changed(&self, body: &mut Body, now: u64) {
        (body.soft, body.closed) = (true, false);
        self.size.store(body.size(), Ordering::Release);
        self.mtime.store(now, Ordering::Release);
        self.unsaved.store(true, Ordering::Release);
    }

    /// Writes bytes at an offset, or behind all others.
    pub fn write(&self, at: Option<u64>, bytes: &[u8], desk: Desk<'_>) -> Result<(), Failure> {
        let body = &mut *self.body();
        self.put(body, at, bytes, desk).inspect_err(|failure| self.spoil(body, failure))
    }

    /// Notes that bytes are missing: what is there must not pass for what was meant.
    fn spoil(&self, body: &mut Body, failure: &Failure) {
        body.failed = Some(failure.errno());
        self.unsaved.store(true, Ordering::Release);
    }

    fn put(&self, body: &mut Body, at: Option<u64>, bytes: &[u8], desk: Desk<'_>) -> Result<(), Failure> {
        let at = match at {
            None => body.size(),
            Some(at) => {
                body.whole(self, desk)?;
                at
            }
        };
        let kept = body.kept;
        body.straight &= at - kept == body.len;
        body.file(self, desk)?.set_committed(false).map_err(Failure::spool)?;
        body.file(self, desk)?.file().write_all_at(bytes, at - kept).map_err(Failure::spool)?;
        body.len = body.len.max(at - kept + bytes.len() as u64);
        self.changed(body, desk.now);
        self.follow(body, desk);
        Ok(())
    }

    /// Has rows read while their text is written.
    fn follow(&self, body: &mut Body, desk: Desk<'_>) {
        if !body.straight || body.added {
            body.intake = None;
        } else if let Some(intake) = &body.intake {
            intake.grown(body.len);
        } else if let (Purpose::Rows(series, Format::Csv), Some(file)) = (&self.purpose, &body.file)
            && body.len >= LEAST
        {
            let columns = body.basis.as_ref().map(|basis| Arc::clone(basis.columns()));
            body.intake = desk.intakes.follow((series, columns), file.file(), body.len);
            // Not to be had now: nor for what follows.
            body.straight = body.intake.is_some();
        }
    }

    /// Bytes from an offset, fewer only at the end.
    pub fn read(&self, offset: u64, len: usize) -> Result<Bytes, Failure> {
        self.body().read(offset, len)
    }

    /// Makes it so long; what is new is zeros.
    pub fn truncate(&self, len: u64, desk: Desk<'_>) -> Result<(), Failure> {
        let body = &mut *self.body();
        if len == 0 {
            if body.added {
                // Its ticket says that it was added.
                (body.file, body.len) = (None, 0);
            }
            (body.kept, body.front, body.added, body.failed) = (0, None, false, None);
            body.emptied = Instant::now();
        } else if len == body.size() {
            return Ok(());
        }
        body.whole(self, desk)?;
        if let Some(file) = &body.file {
            file.set_committed(false).map_err(Failure::spool)?;
            file.file().set_len(len).map_err(Failure::spool)?;
        } else if len > 0 {
            body.file(self, desk)?.file().set_len(len).map_err(Failure::spool)?;
        }
        // Emptied, it begins again.
        (body.len, body.intake, body.straight) = (len, None, len == 0 && !body.shared);
        self.changed(body, desk.now);
        Ok(())
    }

    /// As fallocate(2), with the modes that files of the spool have.
    pub fn allocate(
        &self,
        offset: u64,
        len: u64,
        mode: FallocateFlags,
        desk: Desk<'_>,
    ) -> Result<(), Failure> {
        let body = &mut *self.body();
        body.whole(self, desk)?;
        let file = body.file(self, desk)?;
        file.set_committed(false).map_err(Failure::spool)?;
        let file = file.file();
        rustix::fs::fallocate(file, mode, offset, len).map_err(|errno| Failure::spool(errno.into()))?;
        body.len = file.metadata().map_err(Failure::spool)?.len();
        (body.intake, body.straight) = (None, false);
        self.changed(body, desk.now);
        Ok(())
    }

    /// Makes what was written durable: it is found at the next mount, whatever happens.
    pub fn sync(&self) -> Result<(), Failure> {
        self.body.lock().sync()
    }

    /// What who finds the bytes must know of them.
    #[must_use]
    pub fn ticket(&self, way: Way, now: u64) -> Ticket {
        let (collection, series) = match &self.purpose {
            Purpose::Rows(series, _) => (series.shelf.collection().label(), &*series.label),
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
        }
    }
}

impl Body {
    /// Bytes of all.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.kept + self.len
    }

    /// How what was written is meant.
    #[must_use]
    pub const fn way(&self) -> Way {
        if self.added { Way::Append } else { Way::Replace }
    }

    /// What is to be saved: bytes that were added, or all; none where nothing was written.
    #[must_use]
    pub const fn written(&self) -> Option<&SpoolFile> {
        self.file.as_ref()
    }

    /// Bytes of what is to be saved.
    #[must_use]
    pub const fn written_len(&self) -> u64 {
        self.len
    }

    /// The rows of what was written, where they were read meanwhile. They are given once.
    pub(super) fn intake(&mut self) -> Option<Intake> {
        self.straight = false;
        self.intake.take()
    }

    /// Gives its bytes away, and refuses what else is written.
    pub fn leave(&mut self) -> Option<SpoolFile> {
        (self.len, self.failed) = (0, Some(Errno::EIO));
        self.file.take()
    }

    /// Forgets the bytes: nobody has it open.
    pub fn clear(&mut self) {
        (self.file, self.intake, self.front, self.kept) = (None, None, None, 0);
    }

    fn file<'a>(&'a mut self, copy: &WorkingCopy, desk: Desk<'_>) -> Result<&'a SpoolFile, Failure> {
        if self.file.is_none() {
            self.file = Some(desk.spool.file(&copy.ticket(self.way(), desk.now)).map_err(Failure::spool)?);
        }
        self.file.as_ref().ok_or(Failure::Plain(Errno::EIO))
    }

    /// Makes all of it bytes of its own: it is not only added to.
    fn whole(&mut self, copy: &WorkingCopy, desk: Desk<'_>) -> Result<(), Failure> {
        if !self.added {
            return Ok(());
        }
        let file = desk.spool.file(&copy.ticket(Way::Replace, desk.now)).map_err(Failure::spool)?;
        let size = self.size();
        let mut at = 0;
        while at < size {
            let bytes = self.read(at, PIECE)?;
            if bytes.is_empty() {
                return Err(Failure::Plain(Errno::EIO));
            }
            file.file().write_all_at(&bytes, at).map_err(Failure::spool)?;
            at += bytes.len() as u64;
        }
        (self.file, self.front, self.kept, self.len, self.added) = (Some(file), None, 0, size, false);
        Ok(())
    }

    fn read(&self, offset: u64, len: usize) -> Result<Bytes, Failure> {
        let front = self.front.as_ref().filter(|_| offset < self.kept);
        if let Some(front) = front {
            let most = usize::try_from(self.kept - offset).unwrap_or(usize::MAX);
            let start = front.read(offset, len.min(most))?;
            if start.len() == len || start.len() < most || self.len == 0 {
                return Ok(start);
            }
            let rest = self.read(self.kept, len - start.len())?;
            return Ok([start, rest].concat().into());
        }
        let Some(file) = &self.file else { return Ok(Bytes::new()) };
        let at = offset - self.kept;
        let most = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len.min(most)];
        file.file().read_exact_at(&mut bytes, at).map_err(Failure::unread)?;
        Ok(bytes.into())
    }

    /// Makes what was written durable.
    pub fn sync(&mut self) -> Result<(), Failure> {
        if let Some(file) = self.file.as_ref().filter(|_| self.soft) {
            file.sync().map_err(Failure::spool)?;
            self.soft = false;
        }
        Ok(())
    }
}
