//! What changes names: making and removing files and folders.

use super::authors::Authors;
use super::beside::{scratch_child, unborn_child};
use super::{Caller, Found, Fs, Opened};
use crate::collection::Batch;
use crate::data::label;
use crate::mount::posix::child::Child;
use crate::mount::posix::copy::{Purpose, Start, WorkingCopy, Writer};
use crate::mount::posix::errno::Errno;
use crate::mount::posix::handle::Opening;
use crate::mount::posix::hidden::Hidden;
use crate::mount::posix::node::{Node, What};
use crate::mount::posix::scratch::Held;
use crate::mount::posix::write_state::WriteState;
use crate::vfs::catalog::CachedCollection;
use crate::vfs::entry::Entry;
use crate::vfs::failure::Failure;
use crate::vfs::name;
use crate::vfs::render::Format;
use crate::vfs::save::Basis;
use crate::vfs::series::Series;
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

impl Fs {
    pub(super) fn in_folder<T>(
        &self,
        caller: Caller,
        what: &str,
        parent: u64,
        name: &OsStr,
        act: impl FnOnce(&WriteState, &Node) -> Result<T, Failure>,
    ) -> Result<T, Errno> {
        let node = self.node(parent)?;
        let writes = self.writes.as_ref().ok_or(Errno::EROFS)?;
        act(writes, &node).map_err(|e| {
            let place = name.to_string_lossy();
            self.fail(Some(caller), format_args!("{what} {place:?}{}", super::shown(&node)), &e)
        })
    }

    /// Creates a file and opens it; `flags` as for open(2). Counts as a lookup.
    pub fn create(
        &self,
        caller: Caller,
        parent: u64,
        name: &OsStr,
        flags: i32,
    ) -> Result<(Found, Opened), Errno> {
        self.in_folder(caller, "create", parent, name, |writes, node| {
            let (child, opening) = self.create_in(caller, writes, node, name, flags)?;
            let found = self.known(child);
            let opened = Opened { handle: self.handles.open(opening), keep_cache: false };
            Ok((found, opened))
        })
    }

    fn create_in(
        &self,
        caller: Caller,
        writes: &WriteState,
        node: &Node,
        name: &OsStr,
        flags: i32,
    ) -> Result<(Child, Opening), Failure> {
        let exclusive = flags & libc::O_EXCL != 0;
        match &node.what {
            What::Repo(Entry::Series(series)) => {
                if let Some(format) = self.tree.live_format(series, name)? {
                    return self.create_live(caller, writes, (series, format), name, flags);
                }
                if name::is_reserved(name) {
                    return Err(Errno::EEXIST.into());
                }
                let folder = writes.scratch_made(series)?;
                self.create_scratch(caller, writes, series, &folder, (name, exclusive))
            }
            What::Scratch(series, held) => {
                self.create_scratch(caller, writes, series, held, (name, exclusive))
            }
            What::Unborn(label) if name == name::SCHEMA => {
                let purpose = Purpose::Schema(label.to_string());
                let start = Start { basis: None, front: None };
                let copy =
                    Arc::new(WorkingCopy::new(writes.serial(), purpose, name::SCHEMA, start, self.now()));
                let opening = self.open_copy(caller, &copy, libc::O_RDWR)?;
                Ok((Child::new(name, Node::copy(&copy), Duration::ZERO), opening))
            }
            other => Err(not_here(other)),
        }
    }

    /// A live name that was removed a moment ago is made again: what is written replaces the rows. Where they are back
    /// since the kernel looked, they are opened.
    fn create_live(
        &self,
        caller: Caller,
        writes: &WriteState,
        (series, format): (&Series, Format),
        name: &OsStr,
        flags: i32,
    ) -> Result<(Child, Opening), Failure> {
        let how = self.hidden_from(caller, writes, series, format)?;
        let free = matches!(how, Some(Hidden::Gone | Hidden::New | Hidden::Copied));
        let exclusive = flags & libc::O_EXCL != 0;
        if exclusive && !free {
            return Err(Errno::EEXIST.into());
        }
        if !free {
            Fs::check_append(format, flags)?;
        }
        if how == Some(Hidden::New) {
            self.copying(caller, writes, (series, format), exclusive);
        }
        let empty = how.is_some() || flags & libc::O_TRUNC != 0;
        let copy = Arc::new(self.new_copy(writes, (series, format), name, empty)?);
        let opening = self.open_copy(caller, &copy, libc::O_RDWR)?;
        if empty {
            // Nothing may be written: then it is as empty as an emptied one.
            copy.touch();
        }
        Ok((Child::new(name, Node::copy(&copy), Duration::ZERO), opening))
    }

    /// Who makes a series makes one of its files: as one that copies a folder will make the other one too, or else
    /// sees it.
    fn copying(
        &self,
        caller: Caller,
        writes: &WriteState,
        (series, format): (&Series, Format),
        exclusive: bool,
    ) {
        let other = match format {
            Format::Csv => Format::Parquet,
            Format::Parquet => Format::Csv,
        };
        match writes.hidden.get(series, other) {
            Some(over) if over.how == Hidden::New && exclusive => {
                writes.hidden.hide(Hidden::Copied, series, other, &over.name, &writes.writer(caller));
            }
            Some(over) if over.how == Hidden::New => writes.hidden.show(series, other),
            _ => {}
        }
    }

    fn create_scratch(
        &self,
        caller: Caller,
        writes: &WriteState,
        series: &Series,
        folder: &Held,
        (name, exclusive): (&OsStr, bool),
    ) -> Result<(Child, Opening), Failure> {
        let (held, file) = folder.create(name, exclusive).map_err(Failure::spool)?;
        let child = scratch_child(name, series, held);
        writes.handover.made(child.node.ino);
        // Should it become the live file, it is a change of what its writer can have read.
        if let Some(basis) = Basis::now(&self.tree.views, series)? {
            writes.bases.lock().put(child.node.ino, (basis, writes.pid(caller)));
        }
        let opening = Opening::Scratch(Arc::new(file), child.node.ino, true);
        Ok((child, opening))
    }

    /// Makes a folder: a collection, a series, or one of scratch files. Counts as a lookup.
    pub fn mkdir(&self, caller: Caller, parent: u64, name: &OsStr) -> Result<Found, Errno> {
        self.in_folder(caller, "make folder", parent, name, |writes, node| {
            let child = match &node.what {
                What::Repo(Entry::Root) => self.new_collection(writes, name)?,
                What::Repo(Entry::Collection(cached)) => self.new_series(caller, writes, cached, name)?,
                What::Unborn(label) => match self.tree.catalog.collection(label)? {
                    Some(cached) => self.new_series(caller, writes, &cached, name)?,
                    None => {
                        let why =
                            format!("collection {label} has no columns yet: write them to its .schema first");
                        return Err(Failure::refused(Errno::EPERM, why));
                    }
                },
                What::Repo(Entry::Series(series)) => {
                    if name::is_reserved(name) || self.tree.live_format(series, name)?.is_some() {
                        return Err(Errno::EEXIST.into());
                    }
                    let made = writes.scratch_made(series)?.mkdir(name).map_err(Failure::spool)?;
                    scratch_child(name, series, made)
                }
                What::Scratch(series, held) => {
                    scratch_child(name, series, held.mkdir(name).map_err(Failure::spool)?)
                }
                other => return Err(not_here(other)),
            };
            Ok(self.known(child))
        })
    }

    fn new_collection(&self, writes: &WriteState, name: &OsStr) -> Result<Child, Failure> {
        let label = new_label(name)?;
        if self.tree.catalog.collection(&label)?.is_some() {
            return Err(Errno::EEXIST.into());
        }
        let now = self.now();
        if writes.unborn.lock().insert(label.clone(), now).is_some() {
            return Err(Errno::EEXIST.into());
        }
        Ok(unborn_child(&label, now))
    }

    fn new_series(
        &self,
        caller: Caller,
        writes: &WriteState,
        cached: &Arc<CachedCollection>,
        name: &OsStr,
    ) -> Result<Child, Failure> {
        let label = new_label(name)?;
        let writer = writes.writer(caller);
        revise(&self.authors, &writer, cached, format_args!("create {label}"), |batch| {
            Ok(batch.create(&label)?)
        })?;
        if let Some(series) = Series::find(cached, &label)? {
            for format in [Format::Csv, Format::Parquet] {
                writes.hidden.hide(Hidden::New, &series, format, "", &writer);
            }
        }
        self.in_repo(&Entry::Collection(Arc::clone(cached)), name)
    }

    /// Makes an ordinary file without opening it. Counts as a lookup.
    pub fn mknod(&self, caller: Caller, parent: u64, name: &OsStr, mode: u32) -> Result<Found, Errno> {
        if mode & libc::S_IFMT != libc::S_IFREG && mode & libc::S_IFMT != 0 {
            return Err(Errno::EPERM);
        }
        let (found, opened) = self.create(caller, parent, name, libc::O_EXCL | libc::O_RDWR)?;
        self.release(opened.handle);
        Ok(found)
    }

    /// What links are told: there are none here but the mount's own.
    pub fn link(&self, caller: Caller, parent: u64, name: &OsStr) -> Result<(), Errno> {
        self.in_folder(caller, "link", parent, name, |_, node| match &node.what {
            What::Repo(Entry::Series(_)) | What::Scratch(..) => Err(Errno::EPERM.into()),
            other => Err(not_here(other)),
        })
    }
}

/// Changes the series of a collection: one revision, in turn with what else this mount writes.
pub(super) fn revise(
    authors: &Authors,
    writer: &Writer,
    cached: &CachedCollection,
    what: std::fmt::Arguments<'_>,
    change: impl FnOnce(&mut Batch<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // Before the lock: a name may have to be waited for.
    let author = authors.author(writer.uid);
    let _lock = cached.write_lock();
    let mut batch = cached.collection().batch(&authors.message(what, writer))?.by(&author);
    change(&mut batch)?;
    batch.commit()?;
    cached.written();
    Ok(())
}

/// The label that a new folder is to have.
pub(super) fn new_label(name: &OsStr) -> Result<String, Failure> {
    if name.len() > name::MAX_NAME {
        return Err(Errno::ENAMETOOLONG.into());
    }
    let text = name.to_string_lossy();
    if text.starts_with('.') {
        let why = "folders whose names start with a dot belong to programs: there is no place for them here";
        return Err(Failure::refused(Errno::EPERM, why));
    }
    let Some(label) = name::label_of(name) else {
        let why = "this is not the name of a label: `%` stands before two hex digits, as in a%2Fb for a/b";
        return Err(Failure::refused(Errno::EINVAL, why));
    };
    label::check(&label).map_err(|e| Failure::refused(Errno::EINVAL, e.to_string()))?;
    Ok(label)
}

/// Whether nothing in a folder can be changed.
pub(super) fn is_fixed(what: &What) -> bool {
    match what {
        What::Repo(Entry::Revisions(_) | Entry::At(_) | Entry::Diff(_) | Entry::Moment(_)) => true,
        _ => matches!(what, What::Control | What::Rejected | What::Again(_)),
    }
}

/// Why a name cannot be made, removed or changed in a folder.
pub(super) fn not_here(what: &What) -> Failure {
    match what {
        What::Repo(Entry::Root | Entry::Collection(_)) => {
            let why = "only folders are made here: of collections, and in them of series; other files go into a series' folder";
            Failure::refused(Errno::EPERM, why)
        }
        What::Unborn(label) => Failure::refused(
            Errno::EPERM,
            format!("collection {label} has no columns yet: write them to its .schema"),
        ),
        what if is_fixed(what) => Errno::EROFS.into(),
        _ => Errno::ENOTDIR.into(),
    }
}
