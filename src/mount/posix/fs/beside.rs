//! Names that only this mount has: scratch files beside the live ones, folders of collections without columns.

use crate::data::label::escape;
use crate::mount::posix::child::Child;
use crate::mount::posix::node::Node;
use crate::mount::posix::scratch::Held;
use crate::mount::posix::write_state::WriteState;
use crate::vfs::failure::Failure;
use crate::vfs::name;
use crate::vfs::series::Series;
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

/// A scratch file or folder beside the live files.
pub(super) fn in_scratch(
    writes: &WriteState,
    series: &Series,
    name: &OsStr,
) -> Result<Option<Child>, Failure> {
    let Some(held) = writes.scratch_of(series)? else { return Ok(None) };
    let child = held.child(name).map_err(Failure::spool)?;
    Ok(child.map(|child| scratch_child(name, series, child)))
}

/// Whether a name of a series is the mount's. One that was no such name in an earlier mount may be that of a scratch
/// file: it stays what it is until it is removed or renamed.
pub(super) fn is_own(writes: &WriteState, series: &Series, name: &OsStr) -> Result<bool, Failure> {
    let older = name == name::DIFF && in_scratch(writes, series, name)?.is_some();
    Ok(name::is_reserved(name) && !older)
}

/// What is shown of one.
pub(super) fn scratch_child(name: &OsStr, series: &Series, held: Held) -> Child {
    Child::new(name, Node::scratch(series, Arc::new(held)), Duration::ZERO)
}

/// What is shown of all that lies in a folder.
pub(super) fn scratch_children(series: &Series, held: &Held) -> Result<Vec<Child>, Failure> {
    let children = held.list().map_err(Failure::spool)?;
    Ok(children.into_iter().map(|(name, held)| scratch_child(&name, series, held)).collect())
}

/// The folder of a collection that has no columns yet.
pub(super) fn unborn_child(label: &str, made: u64) -> Child {
    Child::new(escape(label), Node::unborn(label, made), Duration::ZERO)
}
