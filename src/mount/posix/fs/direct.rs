//! Writing rows that are opened again without their name: by a descriptor (`/proc/self/fd/N`, as Samba does) or a bind mount.
//!
//! There the kernel has no name to look up, so the handle is one of the inode of the rows itself. What it reads and writes is a
//! working copy, and the kernel keeps none of it: its pages are those of the rows. The size is the inode's and grows with what is
//! written until the kernel asks again: who reads through the pages would see zeros there. So who does keeps others from writing so,
//! and meanwhile the live name means another inode of the same rows, and other readers of this one do without pages.

use super::save::{Rows, Saver, live as saved_as, read_rows};
use super::write::live;
use super::{Caller, Fs};
use crate::mount::machine::process;
use crate::mount::posix::copy::{Body, Purpose, Start, WorkingCopy};
use crate::mount::posix::errno::Errno;
use crate::mount::posix::handle::Opening;
use crate::mount::posix::node::{Node, What};
use crate::mount::posix::number::number;
use crate::mount::posix::write_state::WriteState;
use crate::vfs::entry::Entry;
use crate::vfs::failure::Failure;
use crate::vfs::name;
use crate::vfs::save::{Basis, Saved};
use std::ffi::OsStr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a reader that was closed may be open here.
const LEAVING: Duration = Duration::from_millis(500);

impl Fs {
    /// A working copy behind a handle of the rows themselves.
    pub(super) fn open_direct(
        &self,
        caller: Caller,
        writes: &WriteState,
        node: &Arc<Node>,
        flags: i32,
    ) -> Result<Opening, Failure> {
        let copy = self.direct_copy(caller, writes, node)?;
        // From now on nobody else comes to read through the pages.
        self.inodes.write(node.ino, 1);
        let opened = self.wait_for_readers(node.ino).and_then(|()| self.open_copy(caller, &copy, flags));
        opened.inspect_err(|_| self.inodes.write(node.ino, -1))
    }

    /// Waits for those who have closed what they read, of which the mount is told a little later.
    fn wait_for_readers(&self, ino: u64) -> Result<(), Failure> {
        let since = Instant::now();
        while self.handles.is_read(ino) {
            if since.elapsed() > LEAVING {
                let why = "it is open for reading, and opened to write by a descriptor or a bind mount: by its \
                           name it can be written";
                return Err(Failure::refused(Errno::ETXTBSY, why));
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Whether an open is the second one of rows that are to be written, which may wait.
    #[must_use]
    pub fn is_opened_again(&self, caller: Caller, ino: u64) -> bool {
        let expected = self.writes.as_ref().and_then(|writes| writes.expected((caller.pid, caller.uid)));
        expected.is_some_and(|reopen| reopen.ino == ino && reopen.copy.is_none())
    }

    /// Has a reader of rows that are written so do without the kernel's pages; whether it does.
    pub(super) fn is_read_directly(&self, node: &Node, handle: u64) -> bool {
        let written = matches!(node.what, What::Repo(Entry::File(_))) && self.inodes.is_written(node.ino);
        if written {
            self.handles.read_directly(handle);
        }
        written
    }

    /// Such a copy: a change of the rows that the inode shows, which may not be the newest.
    pub(super) fn direct_copy(
        &self,
        caller: Caller,
        writes: &WriteState,
        node: &Node,
    ) -> Result<Arc<WorkingCopy>, Failure> {
        let (series, format, empty) = live(node).ok_or(Errno::EROFS)?;
        // The thread of a request from elsewhere cannot be told from others; a server in the kernel may close a file after each
        // part of what a program writes.
        let known = caller.pid != 0 && process::is_of_program(&writes.proc, caller.pid);
        if !known || !self.is_meant_live(caller, writes, node.ino) {
            return Err(Errno::EROFS.into());
        }
        let name = name::live(self.tree.names, &series.label, format);
        let copy = match &node.what {
            What::Repo(Entry::File(file)) => {
                let view = {
                    let now = series.cached.now()?;
                    self.tree.view(&now, series, &file.from)?
                };
                let basis = Some(Basis { point: file.from.clone(), view });
                let start = Start { basis, front: Some(self.contents.of(node.ino, file, &self.tree)?) };
                let purpose = Purpose::Rows(series.clone(), format);
                WorkingCopy::new(writes.serial(), purpose, &name, start, self.now())
            }
            _ => self.new_copy(writes, (series, format), OsStr::new(&name), empty)?,
        };
        Ok(Arc::new(copy.over_rows(node.ino)))
    }

    /// Whether a file that a process opens again is a live one. That of a revision may have the same inode, and is not written:
    /// where its name was looked up too, the names tell by which the process has it.
    fn is_meant_live(&self, caller: Caller, writes: &WriteState, ino: u64) -> bool {
        if !self.inodes.is_of_revision(ino) {
            return true;
        }
        let names = process::names(&writes.proc, caller.pid, ino).unwrap_or_default();
        let of_revision = |name: &String| name == "data.csv" || name == "data.parquet";
        !names.is_empty() && !names.iter().any(of_revision)
    }

    /// Whether a handle is of such a copy: pages of its inode are not to be read by it, as a private map does.
    #[must_use]
    pub fn is_direct(&self, handle: u64) -> bool {
        matches!(self.handles.file(handle), Ok(Opening::Copy(copy)) if copy.over().is_some())
    }

    /// A handle of such a copy is closed.
    pub(super) fn closed_direct(&self, copy: &WorkingCopy) {
        if let Some(ino) = copy.over() {
            self.inodes.write(ino, -1);
        }
    }

    /// What a live name is while the inode of its rows is written so.
    pub(super) fn beside_written(&self, node: Node) -> Node {
        let mut node = node;
        while matches!(node.what, What::Repo(Entry::File(_))) && self.inodes.is_written(node.ino) {
            node.ino = number(&[b"beside", &node.ino.to_le_bytes()]);
        }
        node
    }
}

impl Saver<'_> {
    /// Whether such a copy is still one of the rows of its inode, and these are not the newest: a bind mount shows for ever what
    /// was bound.
    pub(super) fn is_of_older_rows(
        &self,
        copy: &WorkingCopy,
        body: &Body,
        rows: &Rows<'_>,
    ) -> Result<bool, Failure> {
        let (Some(over), Some(basis)) = (copy.over(), body.basis.clone()) else { return Ok(false) };
        if saved_as(rows.series, rows.format, basis).0 != over {
            return Ok(false);
        }
        let newest = Basis::now(&self.tree.views, rows.series)?;
        Ok(newest.is_some_and(|newest| saved_as(rows.series, rows.format, newest).0 != over))
    }

    /// Saves bytes that say what those older rows do: who writes them means that they are the rows of the series.
    pub(super) fn save_as_newest(&self, rows: &Rows<'_>, body: &mut Body) -> Result<Option<Saved>, Failure> {
        let (Some(file), basis) = (body.written(), Basis::now(&self.tree.views, rows.series)?) else {
            return Ok(None);
        };
        let input = read_rows(rows, basis.as_ref(), file.file(), None)?;
        let saved = self.save_rows(rows, basis.as_ref(), input)?;
        if let Some(basis) = saved.basis.clone() {
            body.rebase(basis);
        }
        Ok(Some(saved))
    }
}
