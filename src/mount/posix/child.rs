//! A name in a folder, as the kernel is told of it: the inode, and how long the name means it.

use super::node::{Node, What};
use crate::vfs::entry::Lasts;
use crate::vfs::tree;
use std::ffi::OsString;
use std::time::Duration;

/// How long what never changes is believed.
pub(super) const FOREVER: Duration = Duration::from_secs(86_400);

/// How long a folder of a revision is believed: it goes when history is trimmed.
const REVISION: Duration = Duration::from_secs(60);

/// A name in a folder, and what it is.
#[derive(Debug)]
pub struct Child {
    /// The name.
    pub name: OsString,
    /// The inode.
    pub node: Node,
    /// How long the name means it.
    pub ttl: Duration,
}

impl Child {
    /// A name that is believed for a time.
    pub fn new(name: impl Into<OsString>, node: Node, ttl: Duration) -> Child {
        Child { name: name.into(), node, ttl }
    }

    /// What was found in the repository; `soon`: how long what a commit may change is believed.
    #[must_use]
    pub fn found(child: tree::Child, soon: Duration) -> Child {
        Child::new(child.name, Node::of(child.entry, child.mtime), ttl(child.lasts, soon))
    }
}

const fn ttl(lasts: Lasts, soon: Duration) -> Duration {
    match lasts {
        Lasts::Forever => FOREVER,
        Lasts::Revision => REVISION,
        Lasts::Soon => soon,
        Lasts::Now => Duration::ZERO,
    }
}

/// How long the attributes of a node are believed.
#[must_use]
pub(super) const fn attr_ttl(node: &Node, soon: Duration) -> Duration {
    match &node.what {
        What::Repo(entry) => ttl(entry.lasts(), soon),
        What::Copy(_) | What::Empty(..) | What::Scratch(..) => Duration::ZERO,
        _ => soon,
    }
}
