//! Taking in revisions that were made elsewhere: their files as they are.
//!
//! No child without its parent, wherever this is cut short: few revisions become loose files, parents first, many
//! become one pack. Where the revisions have gaps between them, one that came alone could seem a head that
//! nothing can merge: then all come at once.

use super::{Changelog, HistoryError, MAX_LOOSE, MAX_PACKS, pack};
use crate::clock::Stamp;
use crate::digest::Digest;
use bytes::Bytes;
use std::collections::BTreeSet;

/// As many become loose files.
const FEW: usize = 16;

/// A revision's file, and what it says of parents.
pub type Carried = (Stamp, Vec<Stamp>, Bytes);

impl Changelog {
    /// Puts the files of revisions, oldest first, into one of the changelog's folders: durable on return. All they
    /// name is durable already. `at_once`: all or none of them.
    pub fn receive(&self, folder: Digest, revisions: &[Carried], at_once: bool) -> Result<(), HistoryError> {
        self.complete_parents(revisions)?;
        if revisions.len() > if at_once { 1 } else { FEW } {
            let (digest, bytes) = pack::encode(revisions)?;
            return self.put_pack(folder, digest, bytes).map(|_key| ());
        }
        for (stamp, parents, bytes) in revisions {
            let parents = if parents.is_empty() { &[Stamp::ROOT][..] } else { parents };
            self.put_files(folder, *stamp, parents, bytes)?;
        }
        Ok(())
    }

    /// A copy that was cut short may have left a merge with some of its files: it needs all before it has a child.
    fn complete_parents(&self, revisions: &[Carried]) -> Result<(), HistoryError> {
        let new: BTreeSet<Stamp> = revisions.iter().map(|(stamp, ..)| *stamp).collect();
        let parents: BTreeSet<Stamp> =
            revisions.iter().flat_map(|(_, parents, _)| parents).copied().collect();
        let known: Vec<Stamp> = parents.difference(&new).copied().collect();
        // A changelog that cannot be listed is one that is being repaired.
        match if known.is_empty() { None } else { self.unhidden_log().ok() } {
            Some(log) => self.complete(&log, &known),
            None => Ok(()),
        }
    }

    /// Packs if there are many files of either kind.
    pub fn tidy(&self) -> Result<(), HistoryError> {
        let log = self.log()?;
        if log.pack_keys.len() > MAX_PACKS || log.loose > MAX_LOOSE {
            self.pack_files(log.pack_keys.len() > MAX_PACKS)?;
        }
        Ok(())
    }
}
