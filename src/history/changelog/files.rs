//! The files of a changelog's folder, each by itself: what its name says it is, and whether its bytes are that.
//!
//! A log takes what names say; only who looks at all files finds a revision under the name of a parent that it has
//! not, a second file of a merge that is damaged, and bytes behind a pack.

use super::name::Name;
use super::pack::{self, Pack};
use super::parents::Parents;
use super::{HistoryError, Horizon};
use crate::backend::Backend;
use crate::clock::Stamp;
use crate::digest::Digest;
use crate::history::revision::{MOST_FILE, Revision};
use crate::store::{Store, StoreError};
use std::sync::Arc;

/// Says that the collection was deleted, and that the registry's history that named it is trimmed.
pub const DROPPED: &str = "dropped";

/// Says that a copy is on its way, which the registry does not name yet.
pub const ARRIVING: &str = "arriving";

/// What a name in a changelog's folder says of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A revision, under the name that this parent gives it.
    Revision(Stamp, Stamp),
    /// Many revisions.
    Pack,
    /// A horizon.
    Horizon(Stamp),
    /// One of these, set aside under a name that no changelog reads.
    Aside,
    /// [`DROPPED`] or [`ARRIVING`].
    Mark,
    /// Nothing that this program makes.
    Unknown,
}

impl FileKind {
    /// The kind of a name.
    #[must_use]
    pub fn of(name: &str) -> FileKind {
        if let Some(Name { parent, child, .. }) = Name::parse(name) {
            return FileKind::Revision(parent, child);
        }
        if pack::is_pack(name).is_some() {
            return FileKind::Pack;
        }
        if let Some(stamp) = Horizon::of_name(name) {
            return FileKind::Horizon(stamp);
        }
        match name.rsplit_once('.') {
            _ if name == DROPPED || name == ARRIVING => FileKind::Mark,
            Some((of, _)) if FileKind::of(of) != FileKind::Unknown => FileKind::Aside,
            _ => FileKind::Unknown,
        }
    }

    /// Whether it holds revisions.
    #[must_use]
    pub const fn holds_revisions(self) -> bool {
        matches!(self, FileKind::Revision(..) | FileKind::Pack)
    }
}

/// What is wrong with the bytes of a file in a changelog's folder; `None` if nothing is, or if it is gone.
pub fn check_file(store: &Arc<Store>, folder: Digest, name: &str) -> Result<Option<String>, HistoryError> {
    let key = format!("{}/{name}", folder.key());
    let checked = match FileKind::of(name) {
        FileKind::Revision(parent, child) => check_revision(store, &key, (parent, child)),
        FileKind::Pack => check_pack(store, key),
        FileKind::Horizon(stamp) => check_horizon(store.backend().as_ref(), &key, stamp),
        FileKind::Aside | FileKind::Mark | FileKind::Unknown => Ok(None),
    };
    match checked {
        Err(HistoryError::Store(StoreError::Backend(e))) if e.is_not_found() => Ok(None),
        Err(HistoryError::Store(StoreError::Backend(e))) => Ok(Some(format!("{e}: {}", e.source))),
        Err(HistoryError::DamagedFile { .. }) => Ok(Some("its index or a part of it is damaged".to_owned())),
        other => other,
    }
}

fn wrong(what: &str) -> Result<Option<String>, HistoryError> {
    Ok(Some(what.to_owned()))
}

fn check_revision(
    store: &Arc<Store>,
    key: &str,
    (parent, child): (Stamp, Stamp),
) -> Result<Option<String>, HistoryError> {
    let bytes = store.backend().get_within(key, MOST_FILE as u64)?;
    if Digest::of(&bytes) != child.digest {
        return wrong("its bytes do not give its digest");
    }
    let Ok(revision) = Revision::decode(store, &bytes) else { return wrong("it is no revision") };
    if revision.time != child.time {
        return wrong("its name has another time");
    }
    let first = revision.parents.is_empty() && parent == Stamp::ROOT;
    if first || revision.parents.contains(&parent) {
        return Ok(None);
    }
    wrong("its name has a parent that it does not follow")
}

fn check_pack(store: &Arc<Store>, key: String) -> Result<Option<String>, HistoryError> {
    let pack = Pack::open(store, key.clone())?;
    for (i, (stamp, parents)) in pack.revisions().enumerate() {
        let bytes = pack.read(store, i)?;
        if Digest::of(&bytes) != stamp.digest {
            return Ok(Some(format!("revision {stamp} in it is damaged")));
        }
        match Revision::decode(store, &bytes) {
            Ok(revision)
                if revision.time == stamp.time
                    && Parents::from(revision.parents.clone()).as_slice() == parents.as_slice() => {}
            _ => return Ok(Some(format!("revision {stamp} in it is not what its index says"))),
        }
    }
    match store.backend().len(&key)? {
        Some(len) if len > pack.end() => wrong("there are bytes behind its end"),
        Some(len) if len < pack.end() => wrong("its end is missing"),
        _ => Ok(None),
    }
}

fn check_horizon(backend: &dyn Backend, key: &str, stamp: Stamp) -> Result<Option<String>, HistoryError> {
    let bytes = backend.get_within(key, MOST_FILE as u64)?;
    if Digest::of(&bytes) != stamp.digest {
        return wrong("its bytes do not give its digest");
    }
    match Horizon::decode(&bytes) {
        Ok(horizon) if horizon.time == stamp.time => Ok(None),
        Ok(_) => wrong("its name has another time"),
        Err(_) => wrong("it is no horizon"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_file_is() {
        let stamp = Stamp { time: 7, digest: Digest::of(b"x") };
        let revision = format!("{}.{}", Stamp::ROOT.file_name(), stamp.file_name());
        assert_eq!(FileKind::of(&revision), FileKind::Revision(Stamp::ROOT, stamp));
        let pack = format!("pack-{}", stamp.digest);
        assert_eq!(FileKind::of(&pack), FileKind::Pack);
        assert_eq!(FileKind::of(&format!("horizon-{}", stamp.file_name())), FileKind::Horizon(stamp));
        for aside in [format!("{pack}.damaged"), format!("{revision}.damaged")] {
            assert_eq!(FileKind::of(&aside), FileKind::Aside);
        }
        assert_eq!((FileKind::of("dropped"), FileKind::of("notes.txt")), (FileKind::Mark, FileKind::Unknown));
    }
}
