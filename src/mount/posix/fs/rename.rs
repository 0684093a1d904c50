//! Renaming: of collections and series, of scratch files, and of files over or away from live ones.
//!
//! A file that takes the place of a live one is how many programs save: its rows become those of the series, or the
//! renaming is refused. A live file that takes another name leaves a copy of its rows there.

use super::beside::is_own;
use super::contents::Contents;
use super::names::{is_fixed, new_label, revise};
use super::save::{self, Rows, SAVING, Saver};
use super::{Caller, Fs};
use crate::collection::{Batch, CollectionError};
use crate::history::changelog::HistoryError;
use crate::mount::posix::copy::{Purpose, Start, WorkingCopy};
use crate::mount::posix::errno::Errno;
use crate::mount::posix::hidden::Hidden;
use crate::mount::posix::inode::Inodes;
use crate::mount::posix::node::{Node, What};
use crate::mount::posix::scratch::Held;
use crate::mount::posix::write_state::WriteState;
use crate::vfs::catalog::CachedCollection;
use crate::vfs::entry::Entry;
use crate::vfs::failure::{Failure, Kind, caught};
use crate::vfs::name;
use crate::vfs::render::Format;
use crate::vfs::save::{Basis, Guard, Saved};
use crate::vfs::series::Series;
use crate::vfs::spool::Way;
use crate::vfs::tree::Tree;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long the end of a handle may be on its way.
const ENDING: Duration = Duration::from_millis(250);

/// How the names of files begin that are not whole yet.
const DRAFT: &str = ".lakota-draft-";

/// Bytes copied at once.
const PIECE: usize = 1 << 20;

/// How a name is to be taken.
#[derive(Debug, Clone, Copy)]
pub struct Renaming {
    /// Whether what has the new name goes.
    pub replace: bool,
}

/// A scratch file on its way over a live one.
struct Moving<'a> {
    folder: Arc<Held>,
    name: &'a OsStr,
    ino: u64,
    file: File,
    /// What it was when its renaming began.
    began: Metadata,
    /// Whether it was open to be written then.
    open: bool,
    /// How often it had been opened so.
    begun: u64,
}

impl Moving<'_> {
    /// Whether it may have been changed since its renaming began: also by who has closed it again.
    fn is_changed(&self, writes: &WriteState) -> bool {
        let state = |there: &Metadata| (there.len(), there.ctime(), there.ctime_nsec());
        let grown = self.file.metadata().is_ok_and(|now| state(&now) != state(&self.began));
        grown || writes.handover.begun(self.ino) != self.begun
    }
}

impl Fs {
    fn renamer<'a>(&'a self, caller: Caller, writes: &'a WriteState) -> Renamer<'a> {
        let Fs { tree, contents, inodes, .. } = self;
        Renamer { tree, contents, inodes, saver: self.saver(writes), caller }
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
        self.in_folder(caller, "rename", parent, name, |writes, from| match (&from.what, &to.what) {
            (What::Repo(Entry::Root), What::Repo(Entry::Root)) => {
                self.renamer(caller, writes).rename_collection(name, new_name)
            }
            (What::Repo(Entry::Collection(a)), What::Repo(Entry::Collection(b))) => {
                if a.key() != b.key() {
                    return Err(Errno::EXDEV.into());
                }
                self.renamer(caller, writes).rename_series(a, name, new_name)
            }
            (
                What::Repo(Entry::Series(_)) | What::Scratch(..),
                What::Repo(Entry::Series(_)) | What::Scratch(..),
            ) => self.renamer(caller, writes).rename_file((from, name), (&to, new_name), how),
            (a, What::Repo(Entry::Root | Entry::Collection(_))) if !is_fixed(a) => Err(Errno::EPERM.into()),
            (a, b) if is_fixed(a) || is_fixed(b) => Err(Errno::EROFS.into()),
            _ => Err(Errno::EXDEV.into()),
        })
    }
}

/// What renames for a caller: what of a mount it reads and changes.
struct Renamer<'a> {
    tree: &'a Tree,
    contents: &'a Contents,
    /// Tells which scratch files the kernel knows.
    inodes: &'a Inodes,
    saver: Saver<'a>,
    caller: Caller,
}

impl Renamer<'_> {
    fn rename_collection(&self, name: &OsStr, to: &OsStr) -> Result<(), Failure> {
        let from = name::label_of(name).ok_or(Errno::EPERM)?;
        let to = new_label(to)?;
        let taken = self.tree.catalog.collection(&to)?.is_some();
        let mut unborn = self.saver.writes.unborn.lock();
        if taken || unborn.contains_key(&to) {
            return Err(Errno::ENOTEMPTY.into());
        }
        if let Some(made) = unborn.remove(&from) {
            unborn.insert(to, made);
            return Ok(());
        }
        drop(unborn);
        self.tree
            .catalog
            .repo()
            .by(&self.saver.authors.author(self.caller.uid))
            .rename_collection(&from, &to)?;
        self.tree.catalog.written();
        Ok(())
    }

    fn rename_series(&self, cached: &Arc<CachedCollection>, name: &OsStr, to: &OsStr) -> Result<(), Failure> {
        let from = name::label_of(name).ok_or(Errno::EPERM)?;
        let to = new_label(to)?;
        let rename = |batch: &mut Batch<'_>| match batch.rename(&from, &to) {
            // What is there is a folder that holds something.
            Err(CollectionError::Exists(_)) => Err(Errno::ENOTEMPTY.into()),
            done => Ok(done?),
        };
        revise(
            self.saver.authors,
            &self.saver.writes.writer(self.caller),
            cached,
            format_args!("rename {from} to {to}"),
            rename,
        )
    }

    fn rename_file(
        &self,
        (from, name): (&Node, &OsStr),
        (to, new_name): (&Node, &OsStr),
        how: Renaming,
    ) -> Result<(), Failure> {
        let (series, target) = match (series_in(from), series_in(to)) {
            (Some(a), Some(b)) => (a, b),
            _ => return Err(Errno::EXDEV.into()),
        };
        if series.id != target.id || series.cached.key() != target.cached.key() {
            return Err(Errno::EXDEV.into());
        }
        let live = |node: &Node, name: &OsStr| match &node.what {
            What::Repo(Entry::Series(series)) => self.tree.live_format(series, name),
            _ => Ok(None),
        };
        let own = |node: &Node, name: &OsStr| match &node.what {
            What::Repo(Entry::Series(series)) => is_own(self.saver.writes, series, name),
            _ => Ok(false),
        };
        if own(from, name)? || own(to, new_name)? {
            return Err(Errno::EROFS.into());
        }
        match (live(from, name)?, live(to, new_name)?) {
            (None, None) => {
                let source = self.folder(from)?.ok_or(Errno::ENOENT)?;
                let folder = self.folder_made(to)?;
                let numbers = (number_of(&source, name), number_of(&folder, new_name));
                source.rename(name, &folder, new_name, how.replace).map_err(Failure::spool)?;
                if let (Some(from), Some(over)) = numbers {
                    self.saver.writes.inherit(from, over);
                }
                Ok(())
            }
            (None, Some(format)) => {
                if !how.replace && self.saver.writes.hidden.of(target, format) != Some(Hidden::Gone) {
                    return Err(Errno::EEXIST.into());
                }
                self.rename_over((from, name), (target, format, new_name))
            }
            (Some(format), None) => {
                let folder = self.folder_made(to)?;
                self.rename_away((series, format, name), (&folder, new_name), how)
            }
            (Some(_), Some(_)) if name == new_name => Ok(()),
            (Some(_), Some(_)) => {
                let why = "both are live files of the same rows: copy the file to keep it in another format";
                Err(Failure::refused(Errno::EPERM, why))
            }
        }
    }

    fn folder(&self, node: &Node) -> Result<Option<Arc<Held>>, Failure> {
        match &node.what {
            What::Repo(Entry::Series(series)) => Ok(self.saver.writes.scratch_of(series)?.map(Arc::new)),
            What::Scratch(_, held) => Ok(Some(Arc::clone(held))),
            _ => Ok(None),
        }
    }

    fn folder_made(&self, node: &Node) -> Result<Arc<Held>, Failure> {
        match &node.what {
            What::Repo(Entry::Series(series)) => Ok(Arc::new(self.saver.writes.scratch_made(series)?)),
            _ => self.folder(node)?.ok_or(Errno::ENOTDIR.into()),
        }
    }

    /// A scratch file takes the place of a live file: its rows become those of the series.
    fn rename_over(
        &self,
        (from, name): (&Node, &OsStr),
        (series, format, live): (&Series, Format, &OsStr),
    ) -> Result<(), Failure> {
        let moving = self.moving(from, name)?;
        let (ino, len, file) = (moving.ino, moving.began.len(), &moving.file);
        let writer = self.saver.writes.writer(self.caller);
        let live = live.to_string_lossy();
        let _busy = self.saver.writes.busy();
        let (mut basis, maker) = self.saver.writes.bases.lock().get(&ino).cloned().unzip();
        // Made by one program and moved by another: it lay there, and is moved for what it is.
        let lay = maker.is_some_and(|maker| maker != self.saver.writes.pid(self.caller));
        let start = |basis| Start { basis, front: None };
        let purpose = Purpose::Rows(series.clone(), format);
        let copy = WorkingCopy::with_number(ino, purpose, &live, start(basis.clone()), self.saver.now());
        copy.adopt_writer(writer.clone());
        let mut time = None;
        if len > 0 {
            self.saver.writes.hidden.written(series, format);
            let guard = Guard::Nothing;
            let (way, author) = (Way::Replace, &self.saver.authors.author(self.caller.uid));
            let rows = Rows { series, format, name: &live, way, writer: &writer, author, guard };
            // Of a file that is still written, what is there may be half of it: its close tells.
            let open = moving.open.then_some(ino);
            let saved = caught(SAVING, || self.save_renamed(&rows, file, basis.as_ref(), lay, open));
            let saved = saved.map_err(|failure| moved(self.saver.keep_file(&copy, file, failure)))?;
            if let Some(saved) = saved {
                basis = saved.basis.or(basis);
                time = saved.shown.map(|shown| save::live(series, format, shown).1);
            }
            self.saver.writes.hidden.written(series, format);
        }
        if self.hand_over(&moving, copy, (basis, time))? {
            self.saver.writes.hidden.show(series, format);
        } else if len == 0 {
            self.saver.writes.hidden.hide(Hidden::Emptied, series, format, &live, &writer);
        } else {
            self.saver.writes.hidden.show(series, format);
        }
        Ok(())
    }

    /// A scratch file that is to take the place of a live one.
    fn moving<'a>(&self, from: &Node, name: &'a OsStr) -> Result<Moving<'a>, Failure> {
        let folder = self.folder(from)?.ok_or(Errno::ENOENT)?;
        let held = folder.child(name).map_err(Failure::spool)?.ok_or(Errno::ENOENT)?;
        if held.is_folder() {
            return Err(Errno::EISDIR.into());
        }
        let (ino, file) = (held.number(), held.reopen(false, false).map_err(Failure::spool)?);
        let _still = self.saver.writes.handover.still();
        let began = file.metadata().map_err(Failure::spool)?;
        let (open, begun) = (self.saver.handles.is_written(ino), self.saver.writes.handover.begun(ino));
        Ok(Moving { folder, name, ino, file, began, open, begun })
    }

    /// Takes a scratch file away of which the rows are saved. Where somebody has written to it since it was read, or may
    /// do so, the rest of it becomes a working copy: whether it did.
    fn hand_over(
        &self,
        moving: &Moving<'_>,
        copy: WorkingCopy,
        (basis, time): (Option<Basis>, Option<u64>),
    ) -> Result<bool, Failure> {
        let (ino, folder) = (moving.ino, &moving.folder);
        let is_known = |ino| self.inodes.get(ino).is_some();
        // Nobody writes between the last look and the end of the file.
        let still = self.saver.writes.handover.still();
        if !moving.open && !self.saver.handles.is_written(ino) && !moving.is_changed(self.saver.writes) {
            folder.unlink(moving.name).map_err(Failure::spool)?;
            self.saver.writes.handover.take(ino, is_known);
            return Ok(false);
        }
        let path = folder.path(moving.name).map_err(Failure::spool)?;
        let ticket = copy.ticket(Way::Replace, self.saver.now(), basis.as_ref());
        let adopted = self.saver.writes.spool.adopt(&path, &ticket).map_err(Failure::spool)?;
        self.saver.writes.handover.take(ino, is_known);
        copy.adopt(basis, adopted);
        if let Some(time) = time {
            copy.show_saved(&copy.body(), None, time);
        }
        let copy = Arc::new(copy);
        // What was written since it was read is found at the close, which may come at once.
        copy.touch();
        let turned = self.saver.handles.become_copy(ino, &copy)?;
        drop(still);
        if !turned {
            // It came meanwhile.
            self.saver.save(&copy).map_err(moved)?;
        }
        Ok(true)
    }

    /// Saves the rows of a file that is renamed over a live one. `lay`: it was made by another program than the one that
    /// moves it; `open`: its number, where it is open for writing. What is refused of such a one may be half of it: its
    /// close tells. But the end of its last handle may be on its way, for which the kernel does not wait: then it is
    /// read again.
    fn save_renamed(
        &self,
        rows: &Rows<'_>,
        file: &File,
        basis: Option<&Basis>,
        lay: bool,
        open: Option<u64>,
    ) -> Result<Option<Saved>, Failure> {
        let save = |basis: Option<&Basis>| {
            self.saver.save_rows(rows, basis, save::read_rows(rows, basis, file, None)?).map(Some)
        };
        match (save(basis), open) {
            // As a change it says nothing (any more): the rows of then are to be those of now.
            (
                Ok(Some(Saved { basis: None, .. }))
                | Err(Failure::Collection(CollectionError::History(HistoryError::Gone(_)))),
                _,
            ) if lay => save(None),
            (Err(failure), Some(ino)) if Errno::of(&failure) == Errno::EINVAL => {
                let since = Instant::now();
                while self.saver.handles.is_written(ino) && since.elapsed() < ENDING {
                    thread::sleep(ENDING / 50);
                }
                if self.saver.handles.is_written(ino) { Ok(None) } else { save(basis) }
            }
            (done, _) => done,
        }
    }

    /// A live file takes another name: that is a copy, and the live name is gone for a moment.
    fn rename_away(
        &self,
        (series, format, name): (&Series, Format, &OsStr),
        (folder, new_name): (&Held, &OsStr),
        how: Renaming,
    ) -> Result<(), Failure> {
        // Whole or not at all: what has the name may be the only other copy.
        let draft = OsString::from(format!("{DRAFT}{}", self.saver.writes.serial()));
        let (_, file) = folder.create(&draft, false).map_err(Failure::spool)?;
        let done = self
            .copy_rows((series, format), &file)
            .and_then(|()| folder.rename(&draft, folder, new_name, how.replace).map_err(Failure::spool));
        if let Err(failure) = done {
            folder.unlink(&draft).map_err(Failure::spool)?;
            return Err(failure);
        }
        self.saver.writes.hidden.hide(
            Hidden::Gone,
            series,
            format,
            &name.to_string_lossy(),
            &self.saver.writes.writer(self.caller),
        );
        Ok(())
    }

    /// Writes the rows that a live name shows to a file.
    fn copy_rows(&self, (series, format): (&Series, Format), file: &std::fs::File) -> Result<(), Failure> {
        file.set_len(0).map_err(Failure::spool)?;
        if self.saver.writes.hidden.of(series, format).is_none()
            && let Some(basis) = Basis::now(&self.tree.views, series)?
        {
            let content = self.contents.open(&basis.view.source, format)?;
            let mut at = 0;
            while at < content.size() {
                let bytes = content.read(at, PIECE)?;
                file.write_all_at(&bytes, at).map_err(Failure::spool)?;
                at += bytes.len() as u64;
            }
        }
        Ok(())
    }
}

/// What a renaming is refused for. The usual number would say that a folder moves into itself, and mv(1) says so.
fn moved(failure: Failure) -> Failure {
    match failure {
        Failure::Reported(Kind::Invalid) => Failure::Reported(Errno::EBADMSG.into()),
        other => other,
    }
}

fn number_of(folder: &Held, name: &OsStr) -> Option<u64> {
    folder.child(name).ok().flatten().map(|held| held.number())
}

fn series_in(node: &Node) -> Option<&Series> {
    match &node.what {
        What::Repo(Entry::Series(series)) | What::Scratch(series, _) => Some(series),
        _ => None,
    }
}
