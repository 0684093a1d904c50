//! What removes names: files, folders, and what walks a series' folder to remove all of it.
//!
//! A series is dropped by the removal of its folder. What removes folders with all that is in them (`rm -r`) removes the live
//! names first, then the link, then looks into `revisions`. To who has removed the others, `revisions` lists nothing, and
//! its removal is the drop: a success there has the effect that it tells of, and no revision is ever said to be removed.

use super::find::series_of;
use super::names::not_here;
use super::{Caller, Fs};
use crate::collection::Batch;
use crate::history::tree::Sums;
use crate::mount::posix::child::Child;
use crate::mount::posix::errno::Errno;
use crate::mount::posix::node::{Node, What};
use crate::mount::posix::pen::Pen;
use crate::mount::posix::veil::Veil;
use crate::vfs::catalog::Shelf;
use crate::vfs::entry::Entry;
use crate::vfs::failure::Failure;
use crate::vfs::name;
use crate::vfs::render::Format;
use crate::vfs::series::Series;
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

impl Fs {
    /// Removes a file: of the scratch area, a refused one, or the name of a live file for a moment.
    pub fn unlink(&self, caller: Caller, parent: u64, name: &OsStr) -> Result<(), Errno> {
        self.told(caller, "remove", parent, name, |pen, node| match &node.what {
            What::Repo(Entry::Series(series)) => {
                if let Some(format) = self.tree.live_format(series, name)? {
                    let name = name.to_string_lossy();
                    pen.veils.draw(Veil::Gone, series, format, &name, &self.writer(pen, caller));
                    return Ok(());
                }
                if name == name::LATEST && self.has_removed_rows(caller, pen, series) {
                    pen.veils.remove(series, &self.writer(pen, caller));
                    return Ok(());
                }
                if self.is_own(pen, series, name)? {
                    return Err(Errno::EROFS.into());
                }
                let held = self.scratch_of(pen, series)?.ok_or(Errno::ENOENT)?;
                held.unlink(name).map_err(Failure::spool)
            }
            What::Repo(Entry::Collection(_)) if name == name::SCHEMA => {
                let why =
                    "the columns go with their collection: `rmdir` of its folder, once it has no series";
                Err(Failure::refused(Errno::EPERM, why))
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
            What::Repo(Entry::Root) => self.drop_collection(caller, pen, name),
            What::Repo(Entry::Collection(shelf)) => self.drop_series(caller, pen, shelf, name),
            What::Unborn(label) => {
                let shelf = self.tree.catalog.shelf(label)?.ok_or(Errno::ENOENT)?;
                self.drop_series(caller, pen, &shelf, name)
            }
            What::Repo(Entry::Series(series)) => {
                if name == name::REVISIONS && self.is_removing(caller, pen, series) {
                    self.drop_known(caller, pen, series)?;
                    pen.veils.dropped(series, node.ino, &self.writer(pen, caller));
                    return Ok(());
                }
                if self.is_own(pen, series, name)? {
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
        self.tree.catalog.repo().by(&self.author(caller.uid)).delete_collection(&label)?;
        self.tree.catalog.written();
        Ok(())
    }

    /// Drops the series that a name in a collection means.
    fn drop_series(
        &self,
        caller: Caller,
        pen: &Pen,
        shelf: &Arc<Shelf>,
        name: &OsStr,
    ) -> Result<(), Failure> {
        let label = name::label_of(name).ok_or(Errno::ENOENT)?;
        // It is dropped, and who removed all that was in its folder removes that now.
        if pen.veils.take_dropped(shelf, &label, || self.writer(pen, caller).pid) {
            return Ok(());
        }
        let series = series_of(shelf, &label)?.ok_or(Errno::ENOENT)?;
        self.drop_known(caller, pen, &series)
    }

    fn drop_known(&self, caller: Caller, pen: &Pen, series: &Series) -> Result<(), Failure> {
        if let Some(held) = self.scratch_of(pen, series)?
            && !held.is_empty().map_err(Failure::spool)?
        {
            let why = "it holds other files than those of the series (`ls -A` shows them): remove them first";
            return Err(Failure::refused(Errno::ENOTEMPTY, why));
        }
        let (shelf, label) = (&series.shelf, &*series.label);
        // Renamed since its folder was opened, another one may have its label.
        if series_of(shelf, label)?.is_none_or(|there| there.id != series.id) {
            return Err(Errno::ESTALE.into());
        }
        let drop = |batch: &mut Batch<'_>| Ok(batch.drop_series(label)?);
        self.revise(&self.writer(pen, caller), shelf, format_args!("drop {label}"), drop)?;
        shelf.remove(series.id);
        pen.veils.forget(series);
        Ok(())
    }

    /// Whether a caller has just removed both live names of a series.
    fn has_removed_rows(&self, caller: Caller, pen: &Pen, series: &Series) -> bool {
        let by = |format| {
            let drawn = pen.veils.drawn(series, format).filter(|over| over.veil == Veil::Gone);
            drawn.map(|over| over.by.pid).filter(|pid| *pid != 0)
        };
        let (csv, parquet) = (by(Format::Csv), by(Format::Parquet));
        csv.is_some() && csv == parquet && csv == Some(self.writer(pen, caller).pid)
    }

    /// Whether a caller removes all that is in a series' folder: it has removed the live names and the link.
    pub(super) fn is_removing(&self, caller: Caller, pen: &Pen, series: &Series) -> bool {
        pen.veils.is_removed(series, || self.writer(pen, caller).pid)
            && self.has_removed_rows(caller, pen, series)
    }

    /// A series' folder in a collection, to who dropped the series by removing all that was in it.
    pub(super) fn emptied_folder(
        &self,
        caller: Caller,
        pen: &Pen,
        shelf: &Arc<Shelf>,
        name: &OsStr,
    ) -> Option<Child> {
        let label = name::label_of(name)?;
        let (series, ino) = pen.veils.dropped_by(shelf, &label, || self.writer(pen, caller).pid)?;
        let node = Node { ino, ..Node::of(Entry::Series(series), self.now()) };
        Some(Child::new(name, node, Duration::ZERO))
    }
}
