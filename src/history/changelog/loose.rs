//! Reading the files that hold one revision each.
//!
//! Of a revision there may be several with the same bytes: one a parent, in any folder, put with a sync or without. One that
//! is damaged takes nothing where another is whole.

use super::log::Loose;
use super::name::Name;
use super::{Changelog, HistoryError};
use crate::backend::BackendErrorKind;
use crate::clock::Stamp;
use crate::digest::Digest;
use crate::history::revision::MOST_FILE;
use bytes::Bytes;

impl Changelog {
    /// The bytes of a revision and the file they are in: `known`, or another one if that is not whole. `None` where there is
    /// no file at all.
    pub(super) fn loose(
        &self,
        parents: &[Stamp],
        known: Loose,
    ) -> Result<Option<(Bytes, Loose)>, HistoryError> {
        let stamp = known.name.child;
        let mut failed = None;
        for file in std::iter::once(known).chain(self.beside(parents, known)) {
            match self.store.backend().get_within(&file.name.key(file.folder), MOST_FILE as u64) {
                Ok(bytes) if Digest::of(&bytes) == stamp.digest => return Ok(Some((bytes, file))),
                Err(e) if e.is_not_found() => {}
                Ok(_) => drop(failed.get_or_insert(HistoryError::Damaged(stamp, None))),
                Err(e) if e.kind == BackendErrorKind::NoFile => {
                    failed.get_or_insert(HistoryError::Damaged(stamp, None));
                }
                // It may be whole: that counts for more than another that is not.
                Err(e) => failed = Some(e.into()),
            }
        }
        failed.map_or(Ok(None), Err)
    }

    /// The other files that a revision may have.
    fn beside<'a>(&'a self, parents: &'a [Stamp], known: Loose) -> impl Iterator<Item = Loose> + 'a {
        let parents = if parents.is_empty() { &[Stamp::ROOT][..] } else { parents };
        let names = parents.iter().flat_map(move |parent| {
            [known.name.synced, !known.name.synced].map(|synced| Name {
                parent: *parent,
                synced,
                ..known.name
            })
        });
        let all =
            names.flat_map(|name| self.folders.iter().map(move |folder| Loose { folder: *folder, name }));
        all.filter(move |file| (file.folder, file.name) != (known.folder, known.name))
    }
}
