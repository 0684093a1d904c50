//! Revisions that a power failure tore: those of writers who did not sync.
//!
//! Their files have a name of their own, `<parent>.<child>.unsynced`, and only of these a head may be taken for torn: if
//! its file, the root of its state, or an unsynced revision that it builds on is not whole. (Without that one, it could
//! not be merged with what others wrote.) Such a head is left out of the log, told once, and the state before it is read;
//! its file stays until somebody sets it aside. Any other file that is not whole is damage, and an error: what was
//! acknowledged must not be passed over.

use super::log::{Log, Source};
use super::name::{Name, TORN};
use super::{Changelog, HistoryError};
use crate::clock::Stamp;
use crate::digest::Digest;
use crate::history::entry::Entry;
use crate::history::revision::Revision;
use crate::history::tree::{Node, Tree};
use crate::store::StoreError;
use std::collections::BTreeSet;
use std::io;

/// Revisions whose files are not whole.
#[derive(Debug, Default)]
pub struct Broken {
    /// Those that were set aside.
    pub aside: BTreeSet<Stamp>,
    /// Those that had to stay.
    pub left: BTreeSet<Stamp>,
}

/// What a look at a revision told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Whole,
    /// Its own file is not whole.
    Torn,
    /// Its file is, but not what it builds on.
    Baseless,
    /// It builds on a revision that is not listed: it may have come while the listing was taken.
    Gap,
    /// It went away meanwhile, or the backend failed: whoever reads it will hear of that.
    Unknown,
}

impl Changelog {
    /// Takes torn heads out of a log; false where another listing might show what they build on, unless this is the
    /// `last`.
    pub(super) fn leave_out_torn(&self, log: &mut Log, last: bool) -> bool {
        loop {
            let mut torn = Vec::new();
            for head in log.unsynced_heads() {
                match self.look(log, head) {
                    Found::Whole | Found::Unknown => {}
                    Found::Gap if !last => return false,
                    found => torn.push((head, found == Found::Torn)),
                }
            }
            if torn.is_empty() {
                return true;
            }
            for (stamp, own) in torn {
                self.tell_torn(stamp);
                log.leave_out(stamp, own);
            }
        }
    }

    /// Says it once, to whoever reads the log of the program. One without a name is looked at beside one that has it.
    fn tell_torn(&self, stamp: Stamp) {
        if let Some(name) = self.name.get()
            && self.told.lock().insert(stamp)
        {
            log::warn!(
                "{name}: {}; the state before it is read; `lakota verify --set-aside` puts it out of the way",
                HistoryError::Torn(stamp)
            );
        }
    }

    /// Whether a revision that was left out is whole by now: a repair may have put it again.
    pub(super) fn any_healed(&self, log: &Log) -> bool {
        let mut files = log.torn.values().flatten();
        files.any(|key| {
            let digest =
                Name::parse(key.rsplit('/').next().unwrap_or_default()).map(|name| name.child.digest);
            let bytes = self.store.backend().get(key).ok();
            bytes.is_none_or(|bytes| Some(Digest::of(&bytes)) == digest)
        })
    }

    /// The heads that are files whose writers did not sync.
    #[must_use]
    pub fn unsynced_heads(&self, log: &Log) -> Vec<Stamp> {
        log.heads().into_iter().filter(|head| self.is_unsynced(log, *head)).collect()
    }

    /// Whether a revision is a file whose writer did not sync.
    #[must_use]
    pub fn is_unsynced(&self, log: &Log, stamp: Stamp) -> bool {
        log.entry(stamp).is_some_and(|e| matches!(&e.source, Source::Loose(file) if !file.name.synced))
    }

    /// Sets aside the files of revisions that are not whole. Where no whole revision would be left, they stay.
    pub fn set_aside_broken(&self) -> Result<Broken, HistoryError> {
        let mut broken = Broken::default();
        let mut paths = Vec::new();
        let mut whole: BTreeSet<Stamp> = BTreeSet::new();
        for (path, child) in self.revision_files()? {
            match self.store.backend().get(&path) {
                Ok(bytes) if Digest::of(&bytes) == child.digest => {
                    whole.insert(child);
                }
                Ok(_) => paths.push((path, child)),
                Err(e) if e.is_not_found() => {}
                // What the disk does not give now it may give later.
                Err(e) => return Err(e.into()),
            }
        }
        // What nobody could tell from an empty collection must not become one.
        let packed = self.unhidden_log()?.pack_keys.len();
        let some_left = !whole.is_empty() || packed > 0;
        for (path, child) in paths {
            if some_left {
                self.store.backend().rename(&path, &format!("{path}{TORN}"))?;
            }
            if !whole.contains(&child) {
                if some_left { &mut broken.aside } else { &mut broken.left }.insert(child);
            }
        }
        Ok(broken)
    }

    /// Sets aside a revision, whatever its file is like.
    pub fn set_aside_revision(&self, stamp: Stamp) -> Result<(), HistoryError> {
        for (path, _) in self.revision_files()?.into_iter().filter(|(_, child)| *child == stamp) {
            self.store.backend().rename(&path, &format!("{path}{TORN}"))?;
        }
        Ok(())
    }

    /// The keys of the files that hold one revision each.
    fn revision_files(&self) -> Result<Vec<(String, Stamp)>, HistoryError> {
        let mut files = Vec::new();
        for folder in &self.folders {
            let key = folder.key();
            let entries = self.store.backend().list(&key)?.into_iter();
            files.extend(
                entries.filter_map(|e| Some((format!("{key}/{}", e.name), Name::parse(&e.name)?.child))),
            );
        }
        Ok(files)
    }

    /// Looks at an unsynced revision, and at those it builds on, down to synced ones: what these need was on disk before
    /// they were.
    fn look(&self, log: &mut Log, head: Stamp) -> Found {
        let mut seen = BTreeSet::from([head]);
        let mut open = vec![head];
        while let Some(stamp) = open.pop() {
            // What it builds on was looked at with it.
            if self.known_whole.lock().get(&stamp).is_some() {
                continue;
            }
            match self.look_at(log, stamp) {
                Found::Whole => {}
                Found::Torn if stamp != head => return Found::Baseless,
                other => return other,
            }
            for parent in log.parents(stamp).unwrap_or_default() {
                if log.is_gap(*parent) {
                    return Found::Gap;
                }
                if self.is_unsynced(log, *parent) && seen.insert(*parent) {
                    open.push(*parent);
                }
            }
        }
        let mut known = self.known_whole.lock();
        for stamp in seen {
            known.put(stamp, ());
        }
        Found::Whole
    }

    fn look_at(&self, log: &mut Log, stamp: Stamp) -> Found {
        let Some(Source::Loose(file)) = log.entry(stamp).map(|entry| entry.source.clone()) else {
            return Found::Unknown;
        };
        let parents = log.parents(stamp).unwrap_or_default().to_vec();
        match self.loose(&parents, *file) {
            Ok(Some((bytes, file))) => {
                let Ok(revision) = Revision::decode(&self.store, &bytes) else { return Found::Unknown };
                // The file tells all parents; of the names some may be gone.
                log.found_in(stamp, Source::Loose(Box::new(file)), &revision.parents);
                look_at_state(&revision)
            }
            Err(HistoryError::Damaged(_)) => Found::Torn,
            Ok(None) | Err(_) => Found::Unknown,
        }
    }
}

/// Looks at what the revision itself names; all that was put with it lies in the same bundle, or in objects of which
/// only some rows are made.
fn look_at_state(revision: &Revision) -> Found {
    let load = |tree: &Tree| Node::<Entry>::load(&revision.state.view, &tree.root, tree.height).map(|_| ());
    let root = revision.state.tree.as_ref().map_or(Ok(()), load);
    match root.and(revision.list().map(|_| ())) {
        Ok(()) => Found::Whole,
        Err(error) if is_torn(&error) => Found::Baseless,
        Err(_) => Found::Unknown,
    }
}

/// Whether bytes are not there or not what they should be: not that the place does not answer.
fn is_torn(error: &StoreError) -> bool {
    match error {
        StoreError::Missing(_) | StoreError::Damaged { .. } => true,
        StoreError::Backend(e) => e.source.kind() == io::ErrorKind::UnexpectedEof,
        StoreError::Encode(_) => false,
    }
}
