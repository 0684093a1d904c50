//! What removes names: files, folders, and what walks a series' folder to remove all of it.
//!
//! A series is dropped by the removal of its folder. What removes folders with all that is in them (`rm -r`) removes the live
//! names first, then the link, then looks into `revisions`. To who has removed the others, `revisions` lists nothing, and
//! its removal is the drop: a success there has the effect that it tells of, and no revision is ever said to be removed.

use super::authors::Authors;
use super::beside::is_own;
use super::names::{not_here, revise};
use super::{Caller, Fs};
use crate::collection::Batch;
use crate::history::tree::Sums;
use crate::mount::posix::child::Child;
use crate::mount::posix::errno::Errno;
use crate::mount::posix::hidden::Hidden;
use crate::mount::posix::node::{Node, What};
use crate::mount::posix::write_state::WriteState;
use crate::vfs::catalog::CachedCollection;
use crate::vfs::entry::Entry;
use crate::vfs::failure::Failure;
use crate::vfs::name;
use crate::vfs::render::Format;
use crate::vfs::series::Series;
use crate::vfs::tree::Tree;
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

impl Fs {
    fn remover<'a>(&'a self, caller: Caller, writes: &'a WriteState) -> Remover<'a> {
        Remover { tree: &self.tree, authors: &self.authors, writes, caller }
    }

    /// Removes a file: of the scratch area, a refused one, or the name of a live file for a moment.
    pub fn unlink(&self, caller: Caller, parent: u64, name: &OsStr) -> Result<(), Errno> {
        self.in_folder(caller, "remove", parent, name, |writes, node| match &node.what {
            What::Repo(Entry::Series(series)) => {
                if let Some(format) = self.tree.live_format(series, name)? {
                    let name = name.to_string_lossy();
                    writes.hidden.hide(Hidden::Gone, series, format, &name, &writes.writer(caller));
                    return Ok(());
                }
                if name == name::LATEST && has_removed_rows(caller, writes, series) {
                    writes.hidden.remove(series, &writes.writer(caller));
                    return Ok(());
                }
                if is_own(writes, series, name)? {
                    return Err(Errno::EROFS.into());
                }
                let held = writes.scratch_of(series)?.ok_or(Errno::ENOENT)?;
                held.unlink(name).map_err(Failure::spool)
            }
            What::Repo(Entry::Collection(_)) if name == name::SCHEMA => {
                let why =
                    "the columns go with their collection: `rmdir` of its folder, once it has no series";
                Err(Failure::refused(Errno::EPERM, why))
            }
            What::Scratch(_, held) => held.unlink(name).map_err(Failure::spool),
            What::Rejected => {
                let own = self.rejected_of(caller, writes);
                let kept = own.iter().find(|kept| name == kept.name.as_str()).ok_or(Errno::ENOENT)?;
                writes.spool.remove_rejected(&kept.name).map_err(Failure::spool)?;
                Ok(())
            }
            other => Err(not_here(other)),
        })
    }

    /// Removes a folder: drops a series, deletes a collection without series.
    pub fn rmdir(&self, caller: Caller, parent: u64, name: &OsStr) -> Result<(), Errno> {
        self.in_folder(caller, "remove folder", parent, name, |writes, node| match &node.what {
            What::Repo(Entry::Root) => self.remover(caller, writes).drop_collection(name),
            What::Repo(Entry::Collection(cached)) => self.remover(caller, writes).drop_series(cached, name),
            What::Unborn(label) => {
                let cached = self.tree.catalog.collection(label)?.ok_or(Errno::ENOENT)?;
                self.remover(caller, writes).drop_series(&cached, name)
            }
            What::Repo(Entry::Series(series)) => {
                if name == name::REVISIONS && is_removing(caller, writes, series) {
                    self.remover(caller, writes).drop_known(series)?;
                    writes.hidden.dropped(series, node.ino, &writes.writer(caller));
                    return Ok(());
                }
                if is_own(writes, series, name)? {
                    return Err(Errno::EROFS.into());
                }
                let held = writes.scratch_of(series)?.ok_or(Errno::ENOENT)?;
                held.rmdir(name).map_err(Failure::spool)
            }
            What::Scratch(_, held) => held.rmdir(name).map_err(Failure::spool),
            other => Err(not_here(other)),
        })
    }
}

/// What drops series and deletes collections for a caller: what of a mount it reads and changes.
struct Remover<'a> {
    tree: &'a Tree,
    authors: &'a Authors,
    writes: &'a WriteState,
    caller: Caller,
}

impl Remover<'_> {
    fn drop_collection(&self, name: &OsStr) -> Result<(), Failure> {
        let label = name::label_of(name).ok_or(Errno::EPERM)?;
        if self.writes.unborn.lock().remove(&label).is_some() {
            return Ok(());
        }
        let cached = self.tree.catalog.collection(&label)?.ok_or(Errno::ENOENT)?;
        let sums: Sums = cached.now()?.state.sums();
        if sums.series > 0 {
            return Err(Errno::ENOTEMPTY.into());
        }
        self.tree.catalog.repo().by(&self.authors.author(self.caller.uid)).delete_collection(&label)?;
        self.tree.catalog.written();
        Ok(())
    }

    /// Drops the series that a name in a collection means.
    fn drop_series(&self, cached: &Arc<CachedCollection>, name: &OsStr) -> Result<(), Failure> {
        let label = name::label_of(name).ok_or(Errno::ENOENT)?;
        // It is dropped, and who removed all that was in its folder removes that now.
        if self.writes.hidden.take_dropped(cached, &label, || self.writes.writer(self.caller).pid) {
            return Ok(());
        }
        let series = Series::find(cached, &label)?.ok_or(Errno::ENOENT)?;
        self.drop_known(&series)
    }

    fn drop_known(&self, series: &Series) -> Result<(), Failure> {
        if let Some(held) = self.writes.scratch_of(series)?
            && !held.is_empty().map_err(Failure::spool)?
        {
            let why = "it holds other files than those of the series (`ls -A` shows them): remove them first";
            return Err(Failure::refused(Errno::ENOTEMPTY, why));
        }
        let (cached, label) = (&series.cached, &*series.label);
        // Renamed since its folder was opened, another one may have its label.
        if Series::find(cached, label)?.is_none_or(|there| there.id != series.id) {
            return Err(Errno::ESTALE.into());
        }
        let drop = |batch: &mut Batch<'_>| Ok(batch.drop_series(label)?);
        revise(self.authors, &self.writes.writer(self.caller), cached, format_args!("drop {label}"), drop)?;
        cached.remove(series.id);
        self.writes.hidden.forget(series);
        Ok(())
    }
}

/// Whether a caller has just removed both live names of a series.
fn has_removed_rows(caller: Caller, writes: &WriteState, series: &Series) -> bool {
    let by = |format| {
        let gone = writes.hidden.get(series, format).filter(|over| over.how == Hidden::Gone);
        gone.map(|over| over.by.pid).filter(|pid| *pid != 0)
    };
    let (csv, parquet) = (by(Format::Csv), by(Format::Parquet));
    csv.is_some() && csv == parquet && csv == Some(writes.writer(caller).pid)
}

/// Whether a caller removes all that is in a series' folder: it has removed the live names and the link.
pub(super) fn is_removing(caller: Caller, writes: &WriteState, series: &Series) -> bool {
    writes.hidden.is_removed(series, || writes.writer(caller).pid) && has_removed_rows(caller, writes, series)
}

/// A series' folder in a collection, to who dropped the series by removing all that was in it.
pub(super) fn emptied_folder(
    caller: Caller,
    writes: &WriteState,
    cached: &Arc<CachedCollection>,
    name: &OsStr,
    now: u64,
) -> Option<Child> {
    let label = name::label_of(name)?;
    let (series, ino) = writes.hidden.dropped_by(cached, &label, || writes.writer(caller).pid)?;
    let node = Node { ino, ..Node::of(Entry::Series(series), now) };
    Some(Child::new(name, node, Duration::ZERO))
}
