//! Revisions that a power failure tore: those of writers who did not sync.
//!
//! Their files have a name of their own, `<parent>.<child>.unsynced`, and only of these a head may be taken for torn: if
//! its file, the root of its state, or an unsynced revision that it builds on is not whole. (Without that one, it could
//! not be merged with what others wrote.) Such a head is left out of the log, told once, and the state before it is read;
//! its file stays until somebody sets it aside. Any other file that is not whole is damage, and an error: what was
//! acknowledged must not be passed over.

use super::log::{Log, Source, Torn, Why};
use super::name::{Name, TORN};
use super::{Changelog, HistoryError};
use crate::backend::BackendErrorKind;
use crate::clock::Stamp;
use crate::digest::Digest;
use crate::history::entry::Entry;
use crate::history::revision::{MOST_FILE, Revision};
use crate::history::tree::{Node, Tree};
use std::collections::{BTreeMap, BTreeSet};

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
    Torn(Why),
    /// It builds on a revision that is not listed: it may have come while the listing was taken.
    Gap,
    /// It went away meanwhile, or the backend failed: whoever reads it will hear of that.
    Unknown,
    /// Not known before a parent is, which its file names and no name of a file.
    Later,
}

impl Changelog {
    /// Takes torn heads out of a log; false where another listing might show what they build on, unless this is the
    /// `last`.
    pub(super) fn leave_out_torn(&self, log: &mut Log, last: bool) -> bool {
        let mut torn: BTreeMap<Stamp, Why> = BTreeMap::new();
        let mut unknown = BTreeSet::new();
        let mut open = self.unsynced_below(log);
        // Parents first: each is looked at once, however many build on it.
        while let Some(stamp) = open.pop_first() {
            match self.look(log, stamp, &torn, &unknown, &mut open) {
                Found::Whole => drop(self.known_whole.lock().put(stamp, ())),
                Found::Gap if !last => return false,
                Found::Gap => drop(torn.insert(stamp, Why::Base)),
                Found::Torn(why) => drop(torn.insert(stamp, why)),
                Found::Unknown => drop(unknown.insert(stamp)),
                Found::Later => drop(open.insert(stamp)),
            }
        }
        if !torn.is_empty() {
            log.leave_out(&torn).into_iter().for_each(|stamp| self.tell_torn(stamp));
        }
        true
    }

    /// The unsynced heads and the unsynced revisions that they build on, down to synced ones and to such as are known to be
    /// whole: what these need was on disk before they were.
    fn unsynced_below(&self, log: &Log) -> BTreeSet<Stamp> {
        let mut found = BTreeSet::new();
        let mut open = log.unsynced_heads();
        let mut known = self.known_whole.lock();
        while let Some(stamp) = open.pop() {
            if known.get(&stamp).is_none() && found.insert(stamp) {
                let parents = log.parents(stamp).unwrap_or_default().iter();
                open.extend(parents.copied().filter(|parent| self.is_unsynced(log, *parent)));
            }
        }
        found
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

    /// Whether a revision that was left out is whole by now: a repair may have put it again, or an object of it. What was
    /// left out for its base follows from that: of it new files tell, or another that was left out.
    pub(super) fn any_healed(&self, log: &Log) -> bool {
        let look = |torn: &Torn| match torn.why {
            Why::Base => false,
            Why::File => matches!(self.loose(torn.parents.as_slice(), torn.file), Ok(Some(_))),
            Why::State => {
                self.torn_revision(torn).is_some_and(|revision| look_at_state(&revision) == Found::Whole)
            }
        };
        log.torn.values().any(look)
    }

    /// A revision that is left out, if its own file is whole.
    #[must_use]
    pub fn torn_revision(&self, torn: &Torn) -> Option<Revision> {
        let (bytes, _) = self.loose(torn.parents.as_slice(), torn.file).ok()??;
        Revision::decode(&self.store, &bytes).ok()
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

    /// Sets aside the files of revisions that are not whole. Where no whole revision would be left they stay, unless that is
    /// what is wanted: `all`.
    pub fn set_aside_broken(&self, all: bool) -> Result<Broken, HistoryError> {
        let mut broken = Broken::default();
        let mut paths = Vec::new();
        let mut whole: BTreeSet<Stamp> = BTreeSet::new();
        for (path, child) in self.revision_files()? {
            match self.store.backend().get_within(&path, MOST_FILE as u64) {
                Ok(bytes) if Digest::of(&bytes) == child.digest => {
                    whole.insert(child);
                }
                Ok(_) => paths.push((path, child)),
                Err(e) if e.kind == BackendErrorKind::NoFile => paths.push((path, child)),
                Err(e) if e.is_not_found() => {}
                // What the disk does not give now it may give later.
                Err(e) => return Err(e.into()),
            }
        }
        // What nobody could tell from an empty collection must not become one.
        let packed = self.unhidden_log()?.pack_keys.len();
        let some_left = all || !whole.is_empty() || packed > 0;
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

    /// Sets aside revisions, whatever their files are like.
    pub fn set_aside_revisions(&self, stamps: &BTreeSet<Stamp>) -> Result<(), HistoryError> {
        for (path, _) in self.revision_files()?.into_iter().filter(|(_, child)| stamps.contains(child)) {
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

    /// Looks at an unsynced revision, of whose parents is known which are torn and of which nothing can be told. Parents
    /// that are not known yet are added to those to be looked at.
    fn look(
        &self,
        log: &mut Log,
        stamp: Stamp,
        torn: &BTreeMap<Stamp, Why>,
        unknown: &BTreeSet<Stamp>,
        open: &mut BTreeSet<Stamp>,
    ) -> Found {
        let base = |log: &Log| {
            let parents = log.parents(stamp).unwrap_or_default();
            if parents.iter().any(|parent| torn.contains_key(parent)) {
                Found::Torn(Why::Base)
            } else if parents.iter().any(|parent| log.is_lost(*parent)) {
                Found::Gap
            } else if parents.iter().any(|parent| unknown.contains(parent)) {
                Found::Unknown
            } else {
                Found::Whole
            }
        };
        // Without what it builds on it is left out, whatever it is like itself.
        if let found @ (Found::Torn(_) | Found::Unknown) = base(log) {
            return found;
        }
        let known = log.parents(stamp).unwrap_or_default().len();
        match self.look_at(log, stamp) {
            Found::Whole => {}
            other => return other,
        }
        let parents = log.parents(stamp).unwrap_or_default();
        if parents.len() > known {
            let new: Vec<Stamp> = parents
                .iter()
                .copied()
                .filter(|parent| *parent < stamp && self.is_unsynced(log, *parent))
                .filter(|parent| !torn.contains_key(parent) && !unknown.contains(parent))
                .filter(|parent| self.known_whole.lock().get(parent).is_none())
                .collect();
            if !new.is_empty() {
                open.extend(new);
                return Found::Later;
            }
        }
        base(log)
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
            Err(HistoryError::Damaged(..)) => Found::Torn(Why::File),
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
        Err(error) if error.is_damage() => Found::Torn(Why::State),
        Err(_) => Found::Unknown,
    }
}
