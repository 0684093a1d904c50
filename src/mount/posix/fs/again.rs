//! Refused bytes that are written again: as a change of what was open when they were written first.
//!
//! Whoever writes to `.lakota/rejected/.retry/NAME` writes to the series that the bytes of this name were meant for. Where
//! what they are a change of is gone from the history, or was never known, a save that would take rows away is refused,
//! unless it comes by `.replace/NAME`.

use super::{Caller, Fs};
use crate::clock::Stamp;
use crate::collection::CollectionError;
use crate::mount::posix::child::Child;
use crate::mount::posix::copy::{Purpose, Start, WorkingCopy};
use crate::mount::posix::errno::Errno;
use crate::mount::posix::node::Node;
use crate::mount::posix::write_state::WriteState;
use crate::vfs::catalog::{CachedCollection, Point};
use crate::vfs::failure::Failure;
use crate::vfs::name;
use crate::vfs::render::Format;
use crate::vfs::save::{Basis, Guard};
use crate::vfs::series::Series;
use crate::vfs::spool::{Ticket, Way};
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

impl Fs {
    /// A working copy for refused bytes, with nothing in it.
    pub(super) fn in_again(
        &self,
        caller: Caller,
        writes: &WriteState,
        consent: bool,
        name: &OsStr,
    ) -> Result<Child, Failure> {
        let own = self.rejected_of(caller, writes);
        let kept = own.into_iter().find(|kept| name == kept.name.as_str()).ok_or(Errno::ENOENT)?;
        let copy = Arc::new(self.copy_again(writes, &kept.ticket, consent)?);
        Ok(Child::new(name, Node::copy(&copy), Duration::ZERO))
    }

    fn copy_again(
        &self,
        writes: &WriteState,
        ticket: &Ticket,
        consent: bool,
    ) -> Result<WorkingCopy, Failure> {
        let format = if ticket.file.ends_with(".parquet") { Format::Parquet } else { Format::Csv };
        let (series, basis) = self.meant(ticket)?;
        let guard = match (consent, ticket.way, &basis) {
            (true, ..) | (_, Way::Append, _) => Guard::Nothing,
            (false, Way::Replace, None) => Guard::Present,
            (false, Way::Replace, Some(_)) if ticket.may_be_part() => Guard::Lacking,
            (false, Way::Replace, Some(_)) => Guard::Nothing,
        };
        let name = name::live(self.options.names, &series.label, format);
        let purpose = Purpose::Rows(series, format);
        let start = Start { basis, front: None };
        let copy = WorkingCopy::new(writes.serial(), purpose, &name, start, self.now());
        Ok(copy.again(guard, ticket.way))
    }

    /// The series that refused bytes are meant for, whatever its label is now, and what they are a change of, where that
    /// is known and there still.
    fn meant(&self, ticket: &Ticket) -> Result<(Series, Option<Basis>), Failure> {
        let collections = self.tree.catalog.collections()?;
        let by_key = |key: &str| collections.values().find(|cached| cached.key().to_string() == key);
        let known = ticket.basis.as_ref().and_then(|basis| Some((basis, by_key(&basis.collection)?)));
        let Some((opened, cached)) = known else {
            let cached = collections.get(&ticket.collection).ok_or_else(|| gone(ticket))?;
            return Ok((Series::find(cached, &ticket.series)?.ok_or_else(|| gone(ticket))?, None));
        };
        let labelled = Series::find(cached, &ticket.series)?;
        let same = labelled.as_ref().is_some_and(|series| series.id.to_string() == opened.series);
        if let Some(series) = labelled.filter(|_| same) {
            let basis = self.opened(&series, opened)?;
            return Ok((series, basis));
        }
        // Renamed, or dropped since.
        if let Some(series) = renamed(cached, &opened.series)? {
            let basis = self.opened(&series, opened)?;
            return Ok((series, basis));
        }
        Ok((Series::find(cached, &ticket.series)?.ok_or_else(|| gone(ticket))?, None))
    }

    /// The rows that bytes are a change of; none where they cannot be had any more.
    fn opened(&self, series: &Series, opened: &crate::vfs::spool::Opened) -> Result<Option<Basis>, Failure> {
        let now = series.cached.now()?;
        let views = &self.tree.views;
        let current = views.get(&now, series, &now.point)?;
        // Nothing changed since, though the revision may be gone: squashed, for instance.
        if let Some(view) = current.filter(|view| view.content.to_string() == opened.content) {
            return Ok(Some(Basis { point: now.point.clone(), view }));
        }
        let Some(stamp) = Stamp::from_file_name(&opened.revision) else { return Ok(None) };
        let changelog = series.cached.collection().changelog();
        // What a trim hides is no base of a revision, though its file may be there still.
        if stamp == now.point.stamp || !changelog.log().map_err(CollectionError::from)?.contains(stamp) {
            return Ok(None);
        }
        let point = Point::written(stamp);
        let view = views.get(&now, series, &point)?;
        let view = view.filter(|view| view.content.to_string() == opened.content);
        Ok(view.map(|view| Basis { point, view }))
    }
}

/// A series of an identity that has another label now.
fn renamed(cached: &Arc<CachedCollection>, id: &str) -> Result<Option<Series>, Failure> {
    let now = cached.now()?;
    let mut found = None;
    let listed = now.state.list("", |summary| {
        if summary.id.to_string() == id {
            found = Some(Series { cached: Arc::clone(cached), id: summary.id, label: summary.label.into() });
            return std::ops::ControlFlow::Break(());
        }
        std::ops::ControlFlow::Continue(())
    });
    listed.map_err(CollectionError::from)?;
    Ok(found)
}

fn gone(ticket: &Ticket) -> Failure {
    let place = ticket.place();
    let why = format!("the series of {place} is not there any more: make its folder, or name another one");
    Failure::refused(Errno::ENOENT, why)
}
