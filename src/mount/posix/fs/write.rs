//! What changes the bytes of files: opening them to write, writing, cutting, and what their end means.
//!
//! FLUSH comes for every descriptor that is closed, in whatever process has one, and before a shell has written a byte.
//! So a live file is saved when its writer closes the last of its own, if something was written; else when nobody has
//! it open any more.

use super::save::looks_whole;
use super::{Caller, Fs};
use crate::mount::machine::process;
use crate::mount::posix::attr::Attr;
use crate::mount::posix::control::Counters;
use crate::mount::posix::copy::{Purpose, WorkingCopy};
use crate::mount::posix::errno::Errno;
use crate::mount::posix::handle::Opening;
use crate::mount::posix::handover::Steady;
use crate::mount::posix::hidden::Hidden;
use crate::mount::posix::node::{Node, What};
use crate::mount::posix::scratch::Held;
use crate::mount::posix::write_state::{Busy, Reopen, WriteState};
use crate::vfs::entry::Entry;
use crate::vfs::failure::Failure;
use crate::vfs::name;
use crate::vfs::render::Format;
use crate::vfs::series::Series;
use rustix::fs::FallocateFlags;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

/// What of a file is to be set.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change {
    /// Bytes.
    pub size: Option<u64>,
    /// Time of the last change: a moment in milliseconds since 1970-01-01 UTC, or now (none).
    pub mtime: Option<Option<u64>>,
}

impl Fs {
    fn writes(&self) -> Result<&WriteState, Errno> {
        self.writes.as_ref().ok_or(Errno::EROFS)
    }

    pub(super) fn open_to_write(
        &self,
        caller: Caller,
        node: &Arc<Node>,
        flags: i32,
    ) -> Result<Opening, Failure> {
        let writes = self.writes()?;
        if let Some(live) = live(node) {
            return Err(self.reopen(caller, writes, node.ino, live, flags));
        }
        match &node.what {
            What::Copy(copy) => self.open_copy(caller, copy, flags),
            What::Scratch(_, held) if !held.is_folder() => self.open_scratch(writes, held, flags),
            What::Repo(Entry::Text(..) | Entry::Difference(_)) | What::Kept(..) => Err(unwritable(node)),
            What::Repo(Entry::Link(..)) => Err(Errno::EINVAL.into()),
            _ => Err(Errno::EISDIR.into()),
        }
    }

    /// Opens a scratch file to write, while none is taken away.
    fn open_scratch(&self, writes: &WriteState, held: &Held, flags: i32) -> Result<Opening, Failure> {
        let (ino, cut) = (held.number(), flags & libc::O_TRUNC != 0);
        if writes.handover.is_taken(ino) {
            let copy = self.taken(ino)?;
            copy.reopened()?;
            if cut && let Err(failure) = copy.truncate(0, writes.context(self.now())) {
                self.closed(writes, &copy);
                return Err(failure);
            }
            return Ok(Opening::Copy(copy));
        }
        writes.handover.begin(ino);
        let file = held.reopen(true, cut).map_err(Failure::spool)?;
        Ok(Opening::Scratch(Arc::new(file), ino, true))
    }

    /// The copy that a scratch file is which was renamed over a live one. Where nobody has it open any more, the kernel is
    /// to look its name up again: what is written to it would be lost.
    fn taken(&self, ino: u64) -> Result<Arc<WorkingCopy>, Errno> {
        self.handles.copies().into_iter().find(|copy| copy.ino == ino).ok_or(Errno::ESTALE)
    }

    /// What a handle stands for; a scratch file that is written stays one until what is given is dropped.
    fn steady<'a>(
        &self,
        writes: &'a WriteState,
        handle: u64,
    ) -> Result<(Opening, Option<Steady<'a>>), Errno> {
        let written = |opening: &Opening| matches!(opening, Opening::Scratch(_, _, true));
        let opening = self.handles.file(handle)?;
        if !written(&opening) {
            return Ok((opening, None));
        }
        let steady = writes.handover.steady();
        let opening = self.handles.file(handle)?;
        let steady = written(&opening).then_some(steady);
        Ok((opening, steady))
    }

    /// Has the kernel look the name up again, where that has not been done: what it finds then can be written.
    fn reopen(
        &self,
        caller: Caller,
        writes: &WriteState,
        ino: u64,
        (series, format, empty): (&Series, Format, bool),
        flags: i32,
    ) -> Failure {
        if let Err(failure) = Fs::check_append(format, flags) {
            return failure;
        }
        let who = (caller.pid, caller.uid);
        // It has looked, and its name was not a live one: a file of a revision.
        if writes.expected(who).is_some_and(|reopen| reopen.ino == ino && reopen.copy.is_none()) {
            writes.done(who);
            return Errno::EROFS.into();
        }
        writes.expect(who, Reopen::new(ino, series.clone(), format, empty));
        Errno::ESTALE.into()
    }

    /// Fails where a file is to be appended to that cannot.
    pub(super) fn check_append(format: Format, flags: i32) -> Result<(), Failure> {
        if format == Format::Parquet && flags & libc::O_APPEND != 0 {
            let why = "a Parquet file cannot be appended to: append to the CSV file, or write all of it";
            return Err(Failure::refused(Errno::EOPNOTSUPP, why));
        }
        Ok(())
    }

    pub(super) fn open_copy(
        &self,
        caller: Caller,
        copy: &Arc<WorkingCopy>,
        flags: i32,
    ) -> Result<Opening, Failure> {
        let writes = self.writes()?;
        let reads = flags & libc::O_ACCMODE == libc::O_RDONLY && flags & libc::O_TRUNC == 0;
        let taken = copy.writer().is_some();
        writes.done((caller.pid, caller.uid));
        // Found by another than it was made for: who looks again finds what is its own.
        if (reads && !taken) || (caller.pid == 0 && taken) {
            return Err(Errno::ESTALE.into());
        }
        copy.open(writes.writer(caller))?;
        if let (Purpose::Rows(series, format), false) = (&copy.purpose, taken) {
            writes.hidden.show(series, *format);
        }
        if flags & libc::O_TRUNC != 0
            && let Err(failure) = copy.truncate(0, writes.context(self.now()))
        {
            self.closed(writes, copy);
            return Err(failure);
        }
        Ok(Opening::Copy(Arc::clone(copy)))
    }

    /// Writes bytes at an offset, or with `append` behind what is there. All of them, or an error.
    pub fn write(&self, handle: u64, offset: u64, bytes: &[u8], append: bool) -> Result<(), Errno> {
        let failed = |e: Failure| self.fail(None, "write", &e);
        let writes = self.writes.as_ref().ok_or(Errno::EBADF)?;
        let (opening, _steady) = self.steady(writes, handle)?;
        match opening {
            Opening::Copy(copy) => {
                let at = if append { None } else { Some(offset) };
                // It was closed by one process, empty, and another that has it goes on.
                if let (false, 0, Purpose::Rows(series, format)) =
                    (copy.is_unsaved(), copy.size(), &copy.purpose)
                    && writes.hidden.of(series, *format) == Some(Hidden::Emptied)
                {
                    writes.hidden.show(series, *format);
                }
                copy.write(at, bytes, writes.context(self.now())).map_err(failed)?;
            }
            // The kernel knows the end: nobody else writes there.
            Opening::Scratch(file, _, true) => {
                file.write_all_at(bytes, offset).map_err(|e| failed(Failure::spool(e)))?;
            }
            _ => return Err(Errno::EBADF),
        }
        Counters::add(&self.control.counters.written_bytes, bytes.len() as u64);
        Ok(())
    }

    /// Sets attributes: sizes, and times of scratch files. Owners and permissions are those of the mount.
    pub fn setattr(
        &self,
        caller: Caller,
        ino: u64,
        handle: Option<u64>,
        change: Change,
    ) -> Result<(Attr, Duration), Errno> {
        let node = self.node(ino)?;
        let writes = self.writes()?;
        let done = match change.size {
            Some(size) => self.resize(caller, writes, &node, handle, size),
            None => Ok(()),
        };
        let done = done.and_then(|()| match (&node.what, change.mtime) {
            (What::Scratch(_, held), Some(mtime)) => held.set_mtime(mtime).map_err(Failure::spool),
            _ => Ok(()),
        });
        done.map_err(|e| self.fail(Some(caller), format_args!("change{}", super::shown(&node)), &e))?;
        self.getattr(caller, ino)
    }

    fn resize(
        &self,
        caller: Caller,
        writes: &WriteState,
        node: &Arc<Node>,
        handle: Option<u64>,
        size: u64,
    ) -> Result<(), Failure> {
        if let Some(handle) = handle {
            let (opening, _steady) = self.steady(writes, handle)?;
            match opening {
                Opening::Copy(copy) => return copy.truncate(size, writes.context(self.now())),
                Opening::Scratch(file, _, true) => return file.set_len(size).map_err(Failure::spool),
                Opening::Scratch(..) => {}
                _ => return Err(Errno::EBADF.into()),
            }
        }
        if let Some(live) = live(node) {
            return Err(self.reopen(caller, writes, node.ino, live, 0));
        }
        match &node.what {
            What::Copy(copy) if copy.writer().is_some() => copy.truncate(size, writes.context(self.now())),
            // By its name alone: nobody will close it.
            What::Copy(copy) => {
                self.open_copy(caller, copy, libc::O_RDWR)?;
                let done = copy
                    .truncate(size, writes.context(self.now()))
                    .and_then(|()| self.saver(writes).save(copy));
                self.closed(writes, copy);
                done
            }
            What::Scratch(_, held) => {
                let steady = writes.handover.steady();
                if writes.handover.is_taken(node.ino) {
                    drop(steady);
                    let copy = self.taken(node.ino)?;
                    copy.reopened()?;
                    let done = copy.truncate(size, writes.context(self.now()));
                    self.closed(writes, &copy);
                    return done;
                }
                writes.handover.begin(node.ino);
                held.truncate(size).map_err(Failure::spool)
            }
            What::Repo(Entry::Text(..) | Entry::Difference(_)) | What::Kept(..) => Err(unwritable(node)),
            _ if node.is_folder() => Err(Errno::EISDIR.into()),
            _ => Err(Errno::EPERM.into()),
        }
    }

    /// As fallocate(2), with the modes that the spool's disk has.
    pub fn allocate(&self, handle: u64, offset: u64, len: u64, mode: i32) -> Result<(), Errno> {
        let mode =
            FallocateFlags::from_bits(u32::try_from(mode).unwrap_or(u32::MAX)).ok_or(Errno::EOPNOTSUPP)?;
        let writes = self.writes.as_ref().ok_or(Errno::EBADF)?;
        let (opening, _steady) = self.steady(writes, handle)?;
        match opening {
            Opening::Copy(copy) => copy
                .allocate(offset, len, mode, writes.context(self.now()))
                .map_err(|e| self.fail(None, "allocate space", &e)),
            Opening::Scratch(file, _, true) => {
                rustix::fs::fallocate(&*file, mode, offset, len).map_err(|errno| Errno(errno.raw_os_error()))
            }
            _ => Err(Errno::EBADF),
        }
    }

    /// Whether closing or syncing a handle may take long.
    #[must_use]
    pub fn is_unsaved(&self, handle: u64) -> bool {
        matches!(self.handles.file(handle), Ok(Opening::Copy(copy)) if copy.is_unsaved())
    }

    /// Notes that a descriptor of a file is closed of which nothing is to be saved.
    pub fn flushed(&self, handle: u64) {
        if let Ok(Opening::Copy(copy)) = self.handles.file(handle) {
            copy.flushed();
        }
    }

    /// A descriptor of a file is closed.
    pub fn flush(&self, caller: Caller, handle: u64) -> Result<(), Errno> {
        let Ok(Opening::Copy(copy)) = self.handles.file(handle) else { return Ok(()) };
        let writes = self.writes()?;
        copy.flushed();
        if !copy.is_unsaved() {
            return Ok(());
        }
        let writer = copy.writer().map_or(0, |writer| writer.pid);
        // From another PID namespace it counts as the writer.
        let closer = writes.pid(caller).unwrap_or(writer);
        let own = caller.pid == 0 || writer == 0 || closer == writer;
        // The thread that asks is there, also where the first one of the process has ended.
        let asking = if caller.pid == 0 { writer } else { caller.pid };
        // Of a file that another one moved here, who writes is who has it.
        let asked = own || copy.is_adopted();
        let signal = if asked { process::dying_by(&writes.proc, asking) } else { None };
        copy.closed(&mut copy.body(), signal);
        let closed = own && signal.is_none() && self.is_closed_in(writes, &copy, asking);
        let done = if closed { self.saver(writes).save(&copy) } else { copy.sync() };
        done.map_err(|e| self.saver(writes).report_refusal(&copy, &e))
    }

    /// Whether the process of a thread has no descriptor of a copy any more.
    fn is_closed_in(&self, writes: &WriteState, copy: &WorkingCopy, asking: u32) -> bool {
        let count = process::others(&writes.proc, asking, copy.ino, &copy.numbers()).unwrap_or(0);
        // What other threads of it write shows the same number, and has a descriptor each: theirs is not this one.
        let beside = |other: &&Arc<WorkingCopy>| {
            let writer = |copy: &WorkingCopy| copy.writer().map(|writer| writer.pid);
            other.ino != copy.ino
                && other.looks_like(copy)
                && !other.is_left()
                && writer(other) == writer(copy)
        };
        count == 0 || count <= self.handles.copies().iter().filter(beside).count()
    }

    /// Makes what was written durable; and a revision, where it looks whole.
    pub fn fsync(&self, handle: u64) -> Result<(), Errno> {
        match self.handles.file(handle)? {
            Opening::Copy(copy) if copy.is_unsaved() => {
                let writes = self.writes()?;
                let done = copy.sync().and_then(|()| {
                    if looks_whole(&copy)? { self.saver(writes).try_save(&copy) } else { Ok(()) }
                });
                done.map_err(|e| self.saver(writes).report_refusal(&copy, &e))
            }
            Opening::Scratch(file, ..) => {
                file.sync_all().map_err(|e| self.fail(None, "sync a scratch file", &Failure::spool(e)))
            }
            _ => Ok(()),
        }
    }

    /// Nobody has a handle's file open any more.
    pub fn release(&self, handle: u64) {
        let _busy = self.busy();
        let (Some(Opening::Copy(copy)), Some(writes)) = (self.handles.close(handle), &self.writes) else {
            return;
        };
        self.closed(writes, &copy);
    }

    /// A handle of a copy is gone; with the last one, what was not saved is.
    fn closed(&self, writes: &WriteState, copy: &WorkingCopy) {
        if !copy.close() {
            return;
        }
        if copy.is_unsaved()
            && let Err(failure) = self.saver(writes).save_or_keep(copy)
        {
            self.saver(writes).report_refusal(copy, &failure);
        }
        copy.body().clear();
    }

    /// Has the end of the mount wait until what is given is dropped.
    #[must_use]
    pub fn busy(&self) -> Option<Busy> {
        self.writes.as_ref().map(WriteState::busy)
    }

    /// Ends what is being written, at the end of a mount: waits for what is being saved, saves what was closed without
    /// a word, and keeps what is still open.
    pub fn finish(&self) {
        let Some(writes) = &self.writes else { return };
        writes.wait();
        for copy in self.handles.copies().into_iter().filter(|copy| copy.is_unsaved()) {
            let writer = copy.writer().map_or(0, |writer| writer.pid);
            // A process that may not be looked at, or is from elsewhere, may have it open; one that inherited it too.
            let open = match process::of_thread(&writes.proc, writer) {
                None => writer == 0,
                Some(_) => {
                    let count = process::others(&writes.proc, writer, copy.ino, &copy.numbers());
                    count.is_none_or(|count| count > 0)
                }
            };
            let open = open || process::anyone(&writes.proc, copy.ino, &copy.numbers());
            // Nobody closed it since it was written: whoever had it was cut off, and it may be half of it.
            if open || !copy.is_closed() {
                self.saver(writes).keep_unclosed(&copy);
            } else if let Err(failure) = self.saver(writes).save_or_keep(&copy) {
                self.saver(writes).report_refusal(&copy, &failure);
            }
        }
    }

    pub(super) fn open_kept(&self, name: &str) -> Result<Arc<File>, Failure> {
        let file = self.writes()?.spool.open_rejected(name);
        Ok(Arc::new(file.map_err(Failure::unread)?.ok_or(Errno::ENOENT)?))
    }
}

/// The live file, or the file of a revision, that an inode is, and whether it shows no rows.
fn live(node: &Node) -> Option<(&Series, Format, bool)> {
    match &node.what {
        What::Repo(Entry::File(file)) => Some((&file.series, file.format, false)),
        What::Empty(series, format) => Some((series, *format, true)),
        _ => None,
    }
}

/// Why the bytes of a file of the mount's own cannot be written.
fn unwritable(node: &Node) -> Failure {
    if !node.is_text_of(name::SCHEMA) {
        return Errno::EROFS.into();
    }
    let why = "the columns of a collection stay: make a collection with others, and copy the rows to it";
    Failure::refused(Errno::EPERM, why)
}
