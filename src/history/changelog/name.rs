//! The names of the files that hold one revision each.

use crate::clock::Stamp;
use crate::digest::Digest;

/// The end of the names of revisions that were not synced.
const UNSYNCED: &str = ".unsynced";

/// The end of the names of revisions that were set aside.
pub(super) const TORN: &str = ".torn";

/// The name of a revision's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) parent: Stamp,
    pub(super) child: Stamp,
    /// Whether it was on disk when its writer was told so.
    pub(super) synced: bool,
}

impl Name {
    pub(super) fn parse(name: &str) -> Option<Name> {
        let (rest, synced) = match name.strip_suffix(UNSYNCED) {
            Some(rest) => (rest, false),
            None => (name, true),
        };
        let (parent, child) = rest.split_once('.')?;
        let (parent, child) = (Stamp::from_file_name(parent)?, Stamp::from_file_name(child)?);
        Some(Name { parent, child, synced })
    }

    /// The key of the file.
    pub(super) fn key(&self, folder: Digest) -> String {
        let end = if self.synced { "" } else { UNSYNCED };
        format!("{}/{}.{}{end}", folder.key(), self.parent.file_name(), self.child.file_name())
    }
}

/// The name that a file had which was set aside under this one.
pub(super) fn set_aside(name: &str) -> Option<Name> {
    Name::parse(name.strip_suffix(TORN)?)
}

/// Whether a name is that of a revision's file whose writer did not sync.
#[must_use]
pub fn is_unsynced(name: &str) -> bool {
    Name::parse(name).is_some_and(|name| !name.synced)
}
