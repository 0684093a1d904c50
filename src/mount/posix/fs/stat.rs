//! What `stat` shows of an inode.

use super::{Attr, Kind};
use crate::mount::options::MountOptions;
use crate::mount::posix::attr::{READ, WRITE};
use crate::mount::posix::node::{Node, What};
use crate::vfs::entry::Entry;

/// Whose the files are, and what others may do: one answer for all of a mount.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub(super) uid: u32,
    gid: u32,
    umask: u16,
}

impl Owner {
    /// As the options say; else who mounts.
    pub(super) fn of(options: &MountOptions) -> Owner {
        Owner {
            uid: options.uid.unwrap_or_else(|| rustix::process::geteuid().as_raw()),
            gid: options.gid.unwrap_or_else(|| rustix::process::getegid().as_raw()),
            umask: options.umask,
        }
    }

    /// What `stat` shows of a node.
    pub(super) fn attr(self, node: &Node) -> Attr {
        let (kind, perm) = match node.what {
            What::Repo(Entry::Link(..)) => (Kind::Link, 0o777),
            _ if node.is_folder() => (Kind::Folder, node.mode & !self.umask),
            _ => (Kind::File, node.mode & !self.umask),
        };
        let (uid, gid) = (node.owner.unwrap_or(self.uid), self.gid);
        let plain = Attr {
            ino: node.ino,
            size: node.size(),
            mtime: node.mtime,
            kind,
            links: 1,
            piece: READ,
            perm,
            uid,
            gid,
        };
        match &node.what {
            // It is held open: its folder's disk knows.
            What::Scratch(_, held) => held.facts().map_or(plain, |facts| Attr {
                size: if facts.folder { 0 } else { facts.size },
                mtime: facts.mtime,
                piece: WRITE,
                links: if facts.folder { 1 } else { u32::try_from(facts.links).unwrap_or(u32::MAX) },
                ..plain
            }),
            What::Copy(copy) => Attr { mtime: copy.mtime(), piece: WRITE, ..plain },
            _ => plain,
        }
    }
}
