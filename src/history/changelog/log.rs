//! A listing of a changelog: the graph of its revisions, by their names alone.

use super::horizon::Horizon;
use super::pack::Pack;
use crate::clock::Stamp;
use crate::digest::Digest;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Where a revision's bytes are.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// A file of this folder, under the name this parent gives it: not every parent need have one.
    Loose(Digest, Stamp),
    Packed(Arc<Pack>, usize),
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Sorted; empty for a first revision.
    pub(super) parents: Vec<Stamp>,
    pub(super) source: Source,
}

impl Entry {
    pub(super) const fn new(source: Source) -> Entry {
        Entry { parents: Vec::new(), source }
    }

    pub(super) fn add_parent(&mut self, parent: Stamp) {
        if parent != Stamp::ROOT
            && let Err(at) = self.parents.binary_search(&parent)
        {
            self.parents.insert(at, parent);
        }
    }
}

/// The revisions of a collection at one moment.
#[derive(Debug, Clone)]
pub struct Log {
    entries: BTreeMap<Stamp, Entry>,
    /// Before it, nothing is known.
    pub horizon: Horizon,
    /// Files that are not packed.
    pub loose: usize,
    /// Packs.
    pub packs: usize,
}

impl Log {
    pub(super) const fn new(
        entries: BTreeMap<Stamp, Entry>,
        horizon: Horizon,
        loose: usize,
        packs: usize,
    ) -> Log {
        Log { entries, horizon, loose, packs }
    }

    /// Removes what the horizon hides.
    pub(super) fn hide(&mut self) {
        let horizon = &self.horizon;
        self.entries.retain(|stamp, _| !horizon.hides(*stamp));
    }

    /// Whether the state of all revisions before `time` is known: no parent that was trimmed would be among
    /// them.
    #[must_use]
    pub fn knows_before(&self, time: u64) -> bool {
        let later = self.entries.iter().filter(|(child, _)| child.time >= time);
        later.flat_map(|(_, entry)| &entry.parents).all(|p| p.time >= time || self.contains(*p))
    }

    pub(super) fn entry(&self, stamp: Stamp) -> Option<&Entry> {
        self.entries.get(&stamp)
    }

    /// All revisions, oldest first.
    pub fn stamps(&self) -> impl DoubleEndedIterator<Item = Stamp> + '_ {
        self.entries.keys().copied()
    }

    /// How many revisions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a revision is there.
    #[must_use]
    pub fn contains(&self, stamp: Stamp) -> bool {
        self.entries.contains_key(&stamp)
    }

    /// The parents of a revision, sorted, also those that were trimmed; `None` where it is not there.
    #[must_use]
    pub fn parents(&self, stamp: Stamp) -> Option<&[Stamp]> {
        self.entries.get(&stamp).map(|entry| entry.parents.as_slice())
    }

    /// The revisions without children, oldest first.
    #[must_use]
    pub fn heads(&self) -> Vec<Stamp> {
        self.heads_before(u64::MAX)
    }

    /// The revisions with a time below `time` that have no child with a time below it, oldest first.
    #[must_use]
    pub fn heads_before(&self, time: u64) -> Vec<Stamp> {
        let parents: HashSet<Stamp> = self
            .entries
            .iter()
            .filter(|(child, _)| child.time < time)
            .flat_map(|(_, entry)| entry.parents.iter().copied())
            .collect();
        self.stamps().filter(|s| s.time < time && !parents.contains(s)).collect()
    }
}
