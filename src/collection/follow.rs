//! Which revisions somebody has seen: what tells a follower of changelogs the news.
//!
//! By sets, not by times: a revision that comes late, merged in from elsewhere, is news whatever its time. Pure; of two
//! errors it prefers telling a revision twice (over two runs) to never telling it.

use crate::clock::Stamp;
use crate::digest::Digest;
use crate::history::changelog::Log;
use std::collections::{HashMap, HashSet};

/// Revisions that were seen, by changelog folder: collections may come to share one, or get more.
#[derive(Debug, Default)]
pub struct Seen {
    folders: HashMap<Digest, HashSet<Stamp>>,
}

impl Seen {
    /// Takes the revisions of a log that were not seen, oldest first: they are seen from now on.
    pub fn news(&mut self, folders: &[Digest], log: &Log) -> Vec<Stamp> {
        let new: Vec<Stamp> = log.stamps().filter(|stamp| !self.has(folders, *stamp)).collect();
        self.mark(folders, new.iter().copied());
        self.forget(folders, log);
        new
    }

    /// Forgets what a horizon hides: it does not come back, and a follower may run for months.
    fn forget(&mut self, folders: &[Digest], log: &Log) {
        for folder in folders {
            if let Some(seen) = self.folders.get_mut(folder)
                && seen.len() > log.len()
            {
                seen.retain(|stamp| !log.horizon.hides(*stamp));
                seen.shrink_to_fit();
            }
        }
    }

    /// How many revisions are known as seen.
    #[must_use]
    pub fn len(&self) -> usize {
        self.folders.values().map(HashSet::len).sum()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes some as seen.
    pub fn mark(&mut self, folders: &[Digest], stamps: impl IntoIterator<Item = Stamp>) {
        if let Some(first) = folders.first() {
            self.folders.entry(*first).or_default().extend(stamps);
        }
    }

    fn has(&self, folders: &[Digest], stamp: Stamp) -> bool {
        folders.iter().filter_map(|folder| self.folders.get(folder)).any(|seen| seen.contains(&stamp))
    }
}

/// Some revisions and all their ancestors, as far as they are known: behind what was trimmed nothing is.
#[must_use]
pub fn ancestry(log: &Log, of: &[Stamp]) -> HashSet<Stamp> {
    let (mut found, mut open) = (HashSet::new(), of.to_vec());
    while let Some(stamp) = open.pop() {
        if found.insert(stamp) {
            open.extend(log.parents(stamp).unwrap_or_default());
        }
    }
    found
}
