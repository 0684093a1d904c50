//! Refused bytes that are written again: as a change of what was open when they were written first.
//!
//! Whoever writes to `.lakota/rejected/.retry/NAME` writes to the series that the bytes of this name were meant for. Where
//! what they are a change of is gone from the history, or was never known, a save that would take rows away is refused,
//! unless it comes by `.replace/NAME`.

use super::{Caller, Fs};
use crate::mount::posix::child::Child;
use crate::mount::posix::copy::{Purpose, Start, WorkingCopy};
use crate::mount::posix::errno::Errno;
use crate::mount::posix::node::Node;
use crate::mount::posix::write_state::WriteState;
use crate::vfs::failure::Failure;
use crate::vfs::name;
use crate::vfs::save::Retry;
use crate::vfs::spool::Ticket;
use crate::vfs::tree::Tree;
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
        let Tree { catalog, views, .. } = &self.tree;
        let Retry { series, format, basis, guard } = Retry::of(catalog, views, ticket, consent)?;
        let name = name::live(self.options.names, &series.label, format);
        let purpose = Purpose::Rows(series, format);
        let start = Start { basis, front: None };
        let copy = WorkingCopy::new(writes.serial(), purpose, &name, start, self.now());
        Ok(copy.again(guard, ticket.way))
    }
}
