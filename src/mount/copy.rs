//! Working copies: what a program writes in the place of a live file, its own until it is saved.
//!
//! A copy begins as the rows that were opened, of which nothing is stored until it must be: bytes added behind them
//! are kept alone, any other change makes the whole a file of the spool. It knows its bytes, not what becomes of them.

use super::errno::{Errno, Failure};
use super::ingest::Basis;
use super::node::Series;
use super::number::number;
use super::render::{Content, Format};
use super::spool::{Spool, SpoolFile, Ticket, Way};
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use rustix::fs::FallocateFlags;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

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
    /// Milliseconds since 1970-01-01 UTC.
    pub now: u64,
}

/// A working copy.
#[derive(Debug)]
pub struct WorkingCopy {
    /// The number of its inode.
    pub ino: u64,
    /// The number that programs see: of what they opened. Some compare it with that of the name.
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
    handles: AtomicUsize,
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
    /// Whether nothing but additions was made.
    added: bool,
    /// Whether what was written is not on disk yet.
    soft: bool,
    /// Why it is not to be saved: the signal that ended the writer.
    pub stopped: Option<i32>,
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
            added,
            soft: false,
            stopped: None,
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
            handles: AtomicUsize::new(0),
        }
    }

    /// Shows the number of the inode in the place of which it was opened.
    #[must_use]
    pub fn shown_as(self, ino: u64) -> WorkingCopy {
        WorkingCopy { shown: ino, ..self }
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

    /// Notes who opens it: the first one is its writer. Whether that was this one.
    pub fn open(&self, writer: Writer) -> bool {
        self.handles.fetch_add(1, Ordering::AcqRel);
        self.writer.set(writer).is_ok()
    }

    /// Says that there is something to be saved, be it only that it is empty.
    pub fn touch(&self) {
        self.unsaved.store(true, Ordering::Release);
    }

    /// Notes who is to be told of it, where nobody opened it by its name.
    pub fn adopt_writer(&self, writer: Writer) {
        self.writer.get_or_init(|| writer);
    }

    /// Takes bytes that were written under another name.
    pub fn adopt(&self, basis: Option<Basis>, file: SpoolFile, len: u64) {
        let body = &mut *self.body.lock();
        (body.basis, body.file, body.len) = (basis, Some(file), len);
        self.size.store(len, Ordering::Release);
    }

    /// Notes a handle that was opened under another name.
    pub fn reopened(&self) {
        self.handles.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether one handle is left.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.handles.load(Ordering::Acquire) == 1
    }

    /// Notes a close; whether it was the last.
    pub fn close(&self) -> bool {
        self.handles.fetch_sub(1, Ordering::AcqRel) == 1
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

    /// Says that what there is, is saved or refused.
    pub fn settled(&self, _body: &mut Body) {
        self.unsaved.store(false, Ordering::Release);
    }

    /// Its bytes. Held while they are saved: who writes meanwhile waits.
    pub fn body(&self) -> MutexGuard<'_, Body> {
        self.body.lock()
    }

    fn changed(&self, body: &mut Body, now: u64) {
        body.soft = true;
        self.size.store(body.size(), Ordering::Release);
        self.mtime.store(now, Ordering::Release);
        self.unsaved.store(true, Ordering::Release);
    }

    /// Writes bytes at an offset, or behind all others.
    pub fn write(&self, at: Option<u64>, bytes: &[u8], desk: Desk<'_>) -> Result<(), Failure> {
        let body = &mut *self.body.lock();
        let at = match at {
            None => body.size(),
            Some(at) => {
                body.whole(self, desk)?;
                at
            }
        };
        let kept = body.kept;
        body.file(self, desk)?.file().write_all_at(bytes, at - kept).map_err(Failure::spool)?;
        body.len = body.len.max(at - kept + bytes.len() as u64);
        self.changed(body, desk.now);
        Ok(())
    }

    /// Bytes from an offset, fewer only at the end.
    pub fn read(&self, offset: u64, len: usize) -> Result<Bytes, Failure> {
        self.body.lock().read(offset, len)
    }

    /// Makes it so long; what is new is zeros.
    pub fn truncate(&self, len: u64, desk: Desk<'_>) -> Result<(), Failure> {
        let body = &mut *self.body.lock();
        if len == 0 {
            (body.kept, body.front, body.added) = (0, None, false);
        } else if len == body.size() {
            return Ok(());
        }
        body.whole(self, desk)?;
        if let Some(file) = &body.file {
            file.file().set_len(len).map_err(Failure::spool)?;
        } else if len > 0 {
            body.file(self, desk)?.file().set_len(len).map_err(Failure::spool)?;
        }
        body.len = len;
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
        let body = &mut *self.body.lock();
        body.whole(self, desk)?;
        let file = body.file(self, desk)?.file();
        rustix::fs::fallocate(file, mode, offset, len).map_err(|errno| Failure::spool(errno.into()))?;
        body.len = file.metadata().map_err(Failure::spool)?.len();
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

    /// Forgets the bytes: nobody has it open.
    pub fn clear(&mut self) {
        (self.file, self.front, self.kept) = (None, None, 0);
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
        file.file()
            .read_exact_at(&mut bytes, at)
            .map_err(|source: io::Error| Failure::Spool { verb: "read", source })?;
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
