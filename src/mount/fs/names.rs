//! What changes names: making, removing and renaming files and folders.

use super::find::{scratch_child, series_of, unborn_child};
use super::save::Rows;
use super::{Caller, Found, Fs, Opened};
use crate::collection::{Collection, CollectionError};
use crate::data::label;
use crate::history::tree::Sums;
use crate::mount::catalog::Shelf;
use crate::mount::copy::{Purpose, Start, WorkingCopy};
use crate::mount::errno::{Errno, Failure};
use crate::mount::handle::Opening;
use crate::mount::name;
use crate::mount::node::{Node, Series, What};
use crate::mount::pen::Pen;
use crate::mount::render::Format;
use crate::mount::scratch::Held;
use crate::mount::spool::Way;
use crate::mount::tree::Child;
use crate::mount::veil::Veil;
use std::ffi::OsStr;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

/// Bytes copied at once.
const PIECE: usize = 1 << 20;

/// How a name is to be taken.
#[derive(Debug, Clone, Copy)]
pub struct Renaming {
    /// Whether what has the new name goes.
    pub replace: bool,
}

impl Fs {
    fn told<T>(
        &self,
        caller: Caller,
        what: &str,
        parent: u64,
        name: &OsStr,
        act: impl FnOnce(&Pen, &Node) -> Result<T, Failure>,
    ) -> Result<T, Errno> {
        let node = self.node(parent)?;
        let pen = self.pen.as_ref().ok_or(Errno::EROFS)?;
        act(pen, &node).map_err(|e| {
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
        self.told(caller, "create", parent, name, |pen, node| {
            let (child, opening) = self.create_in(caller, pen, node, name, flags)?;
            let found = self.known(child);
            let opened = Opened { handle: self.handles.open(opening), keep_cache: false, direct: false };
            Ok((found, opened))
        })
    }

    fn create_in(
        &self,
        caller: Caller,
        pen: &Pen,
        node: &Node,
        name: &OsStr,
        flags: i32,
    ) -> Result<(Child, Opening), Failure> {
        let exclusive = flags & libc::O_EXCL != 0;
        match &node.what {
            What::Series(series) => {
                if let Some(format) = self.tree.live_format(series, name)? {
                    return self.create_live(caller, pen, (series, format), name, exclusive);
                }
                if Fs::is_reserved(name) {
                    return Err(Errno::EEXIST.into());
                }
                let folder = Held::make(&pen.spool.scratch(series.shelf.key(), series.id));
                self.create_scratch(pen, series, &folder.map_err(Failure::spool)?, name, exclusive)
            }
            What::Scratch(series, held) => self.create_scratch(pen, series, held, name, exclusive),
            What::Unborn(label) if name == name::SCHEMA => {
                let purpose = Purpose::Schema(label.to_string());
                let start = Start { basis: None, front: None };
                let copy = Arc::new(WorkingCopy::new(pen.serial(), purpose, name::SCHEMA, start, self.now()));
                let opening = self.open_copy(caller, &copy, libc::O_RDWR)?;
                Ok((Child::new(name, Node::copy(&copy), Duration::ZERO), opening))
            }
            other => Err(not_here(other)),
        }
    }

    /// A live name that was removed a moment ago is made again: what is written replaces the rows.
    fn create_live(
        &self,
        caller: Caller,
        pen: &Pen,
        (series, format): (&Series, Format),
        name: &OsStr,
        exclusive: bool,
    ) -> Result<(Child, Opening), Failure> {
        if exclusive && pen.veils.of(series, format) != Some(Veil::Gone) {
            return Err(Errno::EEXIST.into());
        }
        let purpose = Purpose::Rows(series.clone(), format);
        let start = Start { basis: self.basis(series)?, front: None };
        let copy = WorkingCopy::new(pen.serial(), purpose, &name.to_string_lossy(), start, self.now());
        let copy = Arc::new(copy);
        let opening = self.open_copy(caller, &copy, libc::O_RDWR)?;
        // Nothing may be written: then it is as empty as an emptied one.
        copy.touch();
        Ok((Child::new(name, Node::copy(&copy), Duration::ZERO), opening))
    }

    fn create_scratch(
        &self,
        pen: &Pen,
        series: &Series,
        folder: &Held,
        name: &OsStr,
        exclusive: bool,
    ) -> Result<(Child, Opening), Failure> {
        let (held, file) = folder.create(name, exclusive).map_err(Failure::spool)?;
        let child = scratch_child(name, series, held);
        // Should it become the live file, it is a change of what its writer can have read.
        if let Some(basis) = self.basis(series)? {
            pen.bases.lock().put(child.node.ino, basis);
        }
        let opening = Opening::Scratch(Arc::new(file), child.node.ino, true);
        Ok((child, opening))
    }

    /// Makes a folder: a collection, a series, or one of scratch files. Counts as a lookup.
    pub fn mkdir(&self, caller: Caller, parent: u64, name: &OsStr) -> Result<Found, Errno> {
        self.told(caller, "make folder", parent, name, |pen, node| {
            let child = match &node.what {
                What::Root => self.new_collection(pen, name)?,
                What::Collection(shelf) => self.new_series(caller, pen, shelf, name)?,
                What::Unborn(label) => match self.tree.catalog.shelf(label)? {
                    Some(shelf) => self.new_series(caller, pen, &shelf, name)?,
                    None => {
                        let why = format!("collection {label} has no columns yet: write them to its .schema first");
                        return Err(Failure::refused(Errno::EPERM, why));
                    }
                },
                What::Series(series) => {
                    if Fs::is_reserved(name) || self.tree.live_format(series, name)?.is_some() {
                        return Err(Errno::EEXIST.into());
                    }
                    let folder = Held::make(&pen.spool.scratch(series.shelf.key(), series.id));
                    let made = folder.and_then(|folder| folder.mkdir(name)).map_err(Failure::spool)?;
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

    fn new_collection(&self, pen: &Pen, name: &OsStr) -> Result<Child, Failure> {
        let label = new_label(name)?;
        if self.tree.catalog.shelf(&label)?.is_some() {
            return Err(Errno::EEXIST.into());
        }
        let now = self.now();
        if pen.unborn.lock().insert(label.clone(), now).is_some() {
            return Err(Errno::EEXIST.into());
        }
        Ok(unborn_child(&label, now))
    }

    fn new_series(&self, caller: Caller, pen: &Pen, shelf: &Arc<Shelf>, name: &OsStr) -> Result<Child, Failure> {
        let label = new_label(name)?;
        let writer = self.writer(pen, caller);
        {
            let _turn = shelf.turn();
            let message = self.message_of(format_args!("create {label}"), &writer);
            let mut batch = shelf.collection().batch(&message)?.by(&self.author(caller.uid));
            batch.create(&label)?;
            batch.commit()?;
        }
        self.in_tree(caller, &Node::collection(shelf, 0), name)
    }

    /// Removes a file: of the scratch area, a refused one, or the name of a live file for a moment.
    pub fn unlink(&self, caller: Caller, parent: u64, name: &OsStr) -> Result<(), Errno> {
        self.told(caller, "remove", parent, name, |pen, node| match &node.what {
            What::Series(series) => {
                if let Some(format) = self.tree.live_format(series, name)? {
                    let name = name.to_string_lossy();
                    pen.veils.draw(Veil::Gone, series, format, &name, &self.writer(pen, caller));
                    return Ok(());
                }
                if Fs::is_reserved(name) {
                    return Err(Errno::EROFS.into());
                }
                let held = self.scratch_of(pen, series)?.ok_or(Errno::ENOENT)?;
                held.unlink(name).map_err(Failure::spool)
            }
            What::Scratch(_, held) => held.unlink(name).map_err(Failure::spool),
            What::Rejected => {
                let own = self.rejected_of(caller, pen);
                let kept = own.iter().find(|kept| name == kept.name.as_str()).ok_or(Errno::ENOENT)?;
                pen.spool.remove_rejected(&kept.name).map_err(Failure::spool)?;
                Ok(())
            }
            other => Err(not_here(other)),
        })
    }

    /// Removes a folder: drops a series, deletes a collection without series.
    pub fn rmdir(&self, caller: Caller, parent: u64, name: &OsStr) -> Result<(), Errno> {
        self.told(caller, "remove folder", parent, name, |pen, node| match &node.what {
            What::Root => self.drop_collection(caller, pen, name),
            What::Collection(shelf) => self.drop_series(caller, pen, shelf, name),
            What::Unborn(label) => {
                let shelf = self.tree.catalog.shelf(label)?.ok_or(Errno::ENOENT)?;
                self.drop_series(caller, pen, &shelf, name)
            }
            What::Series(series) => {
                if Fs::is_reserved(name) {
                    return Err(Errno::EROFS.into());
                }
                let held = self.scratch_of(pen, series)?.ok_or(Errno::ENOENT)?;
                held.rmdir(name).map_err(Failure::spool)
            }
            What::Scratch(_, held) => held.rmdir(name).map_err(Failure::spool),
            other => Err(not_here(other)),
        })
    }

    fn drop_collection(&self, caller: Caller, pen: &Pen, name: &OsStr) -> Result<(), Failure> {
        let label = name::label_of(name).ok_or(Errno::EPERM)?;
        if pen.unborn.lock().remove(&label).is_some() {
            return Ok(());
        }
        let shelf = self.tree.catalog.shelf(&label)?.ok_or(Errno::ENOENT)?;
        let sums: Sums = shelf.now()?.state.sums();
        if sums.series > 0 {
            return Err(Errno::ENOTEMPTY.into());
        }
        Ok(self.tree.catalog.repo().by(&self.author(caller.uid)).delete_collection(&label)?)
    }

    fn drop_series(&self, caller: Caller, pen: &Pen, shelf: &Arc<Shelf>, name: &OsStr) -> Result<(), Failure> {
        let label = name::label_of(name).ok_or(Errno::ENOENT)?;
        let series = series_of(shelf, &label)?.ok_or(Errno::ENOENT)?;
        if let Some(held) = self.scratch_of(pen, &series)?
            && !held.is_empty().map_err(Failure::spool)?
        {
            let why = "it holds other files than those of the series (`ls -A` shows them): remove them first";
            return Err(Failure::refused(Errno::ENOTEMPTY, why));
        }
        let _turn = shelf.turn();
        let message = self.message_of(format_args!("drop {label}"), &self.writer(pen, caller));
        let mut batch = shelf.collection().batch(&message)?.by(&self.author(caller.uid));
        batch.drop_series(&label)?;
        batch.commit()?;
        Ok(())
    }

    /// Renames a file or a folder.
    pub fn rename(
        &self,
        caller: Caller,
        (parent, name): (u64, &OsStr),
        (new_parent, new_name): (u64, &OsStr),
        how: Renaming,
    ) -> Result<(), Errno> {
        let to = self.node(new_parent)?;
        self.told(caller, "rename", parent, name, |pen, from| match (&from.what, &to.what) {
            (What::Root, What::Root) => self.rename_collection(caller, pen, name, new_name),
            (What::Collection(a), What::Collection(b)) => {
                if a.key() != b.key() {
                    return Err(Errno::EXDEV.into());
                }
                self.rename_series(caller, pen, a, name, new_name)
            }
            (What::Series(_) | What::Scratch(..), What::Series(_) | What::Scratch(..)) => {
                self.rename_file(caller, pen, (from, name), (&to, new_name), how)
            }
            (a, What::Root | What::Collection(_)) if !is_fixed(a) => Err(Errno::EPERM.into()),
            (a, _) if is_fixed(a) => Err(Errno::EROFS.into()),
            _ => Err(Errno::EXDEV.into()),
        })
    }

    fn rename_collection(&self, caller: Caller, pen: &Pen, name: &OsStr, to: &OsStr) -> Result<(), Failure> {
        let from = name::label_of(name).ok_or(Errno::EPERM)?;
        let to = new_label(to)?;
        let taken = self.tree.catalog.shelf(&to)?.is_some();
        let mut unborn = pen.unborn.lock();
        if taken || unborn.contains_key(&to) {
            return Err(Errno::ENOTEMPTY.into());
        }
        if let Some(made) = unborn.remove(&from) {
            unborn.insert(to, made);
            return Ok(());
        }
        drop(unborn);
        Ok(self.tree.catalog.repo().by(&self.author(caller.uid)).rename_collection(&from, &to)?)
    }

    fn rename_series(
        &self,
        caller: Caller,
        pen: &Pen,
        shelf: &Arc<Shelf>,
        name: &OsStr,
        to: &OsStr,
    ) -> Result<(), Failure> {
        let from = name::label_of(name).ok_or(Errno::EPERM)?;
        let to = new_label(to)?;
        let collection: &Collection = shelf.collection();
        let _turn = shelf.turn();
        let message = self.message_of(format_args!("rename {from} to {to}"), &self.writer(pen, caller));
        let mut batch = collection.batch(&message)?.by(&self.author(caller.uid));
        match batch.rename(&from, &to) {
            // What is there is a folder that holds something.
            Err(CollectionError::Exists(_)) => return Err(Errno::ENOTEMPTY.into()),
            done => done?,
        }
        batch.commit()?;
        Ok(())
    }

    fn rename_file(
        &self,
        caller: Caller,
        pen: &Pen,
        (from, name): (&Node, &OsStr),
        (to, new_name): (&Node, &OsStr),
        how: Renaming,
    ) -> Result<(), Failure> {
        let (series, target) = match (series_in(from), series_in(to)) {
            (Some(a), Some(b)) => (a, b),
            _ => return Err(Errno::EXDEV.into()),
        };
        if series.id != target.id || series.shelf.key() != target.shelf.key() {
            return Err(Errno::EXDEV.into());
        }
        let live = |node: &Node, name: &OsStr| match &node.what {
            What::Series(series) => self.tree.live_format(series, name),
            _ => Ok(None),
        };
        let reserved = |node: &Node, name: &OsStr| matches!(node.what, What::Series(_)) && Fs::is_reserved(name);
        if reserved(from, name) || reserved(to, new_name) {
            return Err(Errno::EROFS.into());
        }
        match (live(from, name)?, live(to, new_name)?) {
            (None, None) => {
                let source = self.folder(pen, from)?.ok_or(Errno::ENOENT)?;
                let folder = self.folder_made(pen, to)?;
                source.rename(name, &folder, new_name, how.replace).map_err(Failure::spool)
            }
            (None, Some(format)) => {
                if !how.replace && pen.veils.of(target, format) != Some(Veil::Gone) {
                    return Err(Errno::EEXIST.into());
                }
                self.rename_over(caller, pen, (from, name), (target, format, new_name))
            }
            (Some(format), None) => {
                let folder = self.folder_made(pen, to)?;
                self.rename_away(caller, pen, (series, format, name), (&folder, new_name), how)
            }
            (Some(_), Some(_)) if name == new_name => Ok(()),
            (Some(_), Some(_)) => {
                let why = "both are live files of the same rows: copy the file to keep it in another format";
                Err(Failure::refused(Errno::EPERM, why))
            }
        }
    }

    fn folder(&self, pen: &Pen, node: &Node) -> Result<Option<Arc<Held>>, Failure> {
        match &node.what {
            What::Series(series) => Ok(self.scratch_of(pen, series)?.map(Arc::new)),
            What::Scratch(_, held) => Ok(Some(Arc::clone(held))),
            _ => Ok(None),
        }
    }

    fn folder_made(&self, pen: &Pen, node: &Node) -> Result<Arc<Held>, Failure> {
        match &node.what {
            What::Series(series) => {
                let made = Held::make(&pen.spool.scratch(series.shelf.key(), series.id));
                Ok(Arc::new(made.map_err(Failure::spool)?))
            }
            _ => self.folder(pen, node)?.ok_or(Errno::ENOTDIR.into()),
        }
    }

    /// A scratch file takes the place of a live file: its rows become those of the series.
    fn rename_over(
        &self,
        caller: Caller,
        pen: &Pen,
        (from, name): (&Node, &OsStr),
        (series, format, live): (&Series, Format, &OsStr),
    ) -> Result<(), Failure> {
        let folder = self.folder(pen, from)?.ok_or(Errno::ENOENT)?;
        let held = folder.child(name).map_err(Failure::spool)?.ok_or(Errno::ENOENT)?;
        if held.is_folder() {
            return Err(Errno::EISDIR.into());
        }
        let ino = held.number();
        let file = held.reopen(false, false).map_err(Failure::spool)?;
        let writer = self.writer(pen, caller);
        let live = live.to_string_lossy();
        let _busy = pen.busy();
        // Of a file that is still written, what is there may be half of it: its close tells.
        let open = self.handles.is_written(ino);
        let mut basis = pen.bases.lock().get(&ino).cloned();
        let len = file.metadata().map_err(Failure::spool)?.len();
        let start = |basis| Start { basis, front: None };
        let purpose = Purpose::Rows(series.clone(), format);
        let copy = WorkingCopy::with_number(ino, purpose, &live, start(basis.clone()), self.now());
        copy.adopt_writer(writer.clone());
        if len > 0 {
            let rows = Rows { series, format, name: &live, basis: basis.as_ref(), way: Way::Replace, writer: &writer };
            match self.save_rows(&rows, &file) {
                Ok(saved) => basis = saved.or(basis),
                Err(failure) if open && failure.errno() == Errno::EINVAL => {}
                Err(failure) => return Err(self.keep_file(pen, &copy, &file, failure)),
            }
        }
        if open {
            let path = folder.path(name).map_err(Failure::spool)?;
            let adopted = pen.spool.adopt(&path, &copy.ticket(Way::Replace, self.now())).map_err(Failure::spool)?;
            copy.adopt(basis, adopted, len);
            let copy = Arc::new(copy);
            self.handles.turn(ino, &copy, || copy.reopened());
            // What was written between is found at the close.
            copy.touch();
        } else {
            folder.unlink(name).map_err(Failure::spool)?;
            if len == 0 {
                pen.veils.draw(Veil::Emptied, series, format, &live, &writer);
                return Ok(());
            }
        }
        pen.veils.lift(series, format);
        Ok(())
    }

    /// A live file takes another name: that is a copy, and the live name is gone for a moment.
    fn rename_away(
        &self,
        caller: Caller,
        pen: &Pen,
        (series, format, name): (&Series, Format, &OsStr),
        (folder, new_name): (&Held, &OsStr),
        how: Renaming,
    ) -> Result<(), Failure> {
        let (_, file) = folder.create(new_name, !how.replace).map_err(Failure::spool)?;
        file.set_len(0).map_err(Failure::spool)?;
        if pen.veils.of(series, format).is_none()
            && let Some(basis) = self.basis(series)?
        {
            let content = self.renderer.open(basis.sheet.source.clone(), format)?;
            let mut at = 0;
            while at < content.size() {
                let bytes = content.read(at, PIECE)?;
                file.write_all_at(&bytes, at).map_err(Failure::spool)?;
                at += bytes.len() as u64;
            }
        }
        pen.veils.draw(Veil::Gone, series, format, &name.to_string_lossy(), &self.writer(pen, caller));
        Ok(())
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
        self.told(caller, "link", parent, name, |_, node| match &node.what {
            What::Series(_) | What::Scratch(..) => Err(Errno::EPERM.into()),
            other => Err(not_here(other)),
        })
    }
}

fn series_in(node: &Node) -> Option<&Series> {
    match &node.what {
        What::Series(series) | What::Scratch(series, _) => Some(series),
        _ => None,
    }
}

/// The label that a new folder is to have.
fn new_label(name: &OsStr) -> Result<String, Failure> {
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
fn is_fixed(what: &What) -> bool {
    matches!(what, What::Revisions(_) | What::At(_) | What::Moment(..) | What::Control | What::Rejected)
}

/// Why a name cannot be made, removed or changed in a folder.
fn not_here(what: &What) -> Failure {
    match what {
        What::Root | What::Collection(_) => {
            let why = "only folders are made here: of collections, and in them of series; other files go into a series' folder";
            Failure::refused(Errno::EPERM, why)
        }
        What::Unborn(label) => {
            Failure::refused(Errno::EPERM, format!("collection {label} has no columns yet: write them to its .schema"))
        }
        what if is_fixed(what) => Errno::EROFS.into(),
        _ => Errno::ENOTDIR.into(),
    }
}
