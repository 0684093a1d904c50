//! Setting aside revisions that are not whole, so that what was before them is the newest again.
//!
//! Nothing is deleted: a file gets another name, which no changelog reads, and a place that has the revision whole
//! (a pull, a repair) may bring it back. The objects of revisions that were not synced are read too: a power failure may
//! have left such a revision and taken what it names.

use super::reach::Reach;
use super::{OpError, deleted};
use crate::clock::Stamp;
use crate::collection::{CollectionError, tags};
use crate::data::plain::chain;
use crate::digest::Digest;
use crate::history::changelog::{Changelog, HistoryError, Log};
use crate::history::revision::Revision;
use crate::repo::{OnDisk, Repo};
use crate::store::Store;
use rayon::prelude::*;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// What was set aside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetAside {
    /// Revisions that are not read any more, a line each.
    pub revisions: Vec<String>,
    /// What is not whole and had to stay, a line each.
    pub left: Vec<String>,
}

/// Sets aside the revisions of all collections, of the registry and of the tags that are not whole.
pub fn set_aside(repo: &Repo) -> Result<SetAside, OpError> {
    let mut done = SetAside::default();
    let mut each = |label: &str, folders, all| {
        // What cannot be looked at is left as it is; others still are.
        if let Err(error) = one(repo, label, (folders, all), &mut done) {
            done.left.push(format!("{label}: {error}"));
        }
    };
    // The registry first: it tells which collections there are.
    each("the registry", vec![Digest::ZERO], false);
    each("the tags", vec![tags::FOLDER], false);
    let named = repo.named()?;
    // Those that were deleted, and those that no registry names: gc does not go by them while they are torn.
    let (gone, unnamed) = (repo.deleted()?, repo.unnamed()?);
    let live: HashSet<Digest> =
        named.iter().flat_map(|collection| collection.folders.iter().copied()).collect();
    named.into_iter().for_each(|collection| each(&collection.label, collection.folders, false));
    for folders in gone {
        let label = deleted(folders.iter().find(|folder| !live.contains(folder)));
        let all = folders.iter().all(|folder| !live.contains(folder));
        each(&label, folders, all);
    }
    for OnDisk { digest, .. } in unnamed {
        let digits = &digest.to_string()[..12];
        let label = format!(
            "the folder {} that no registry names (`lakota gc --drop {digits}` gives it up)",
            digest.key()
        );
        each(&label, vec![digest], false);
    }
    Ok(done)
}

/// A changelog whose revisions are looked at.
struct Aside<'a> {
    changelog: Changelog,
    label: &'a str,
    /// Whether nothing need be left: what was deleted is empty to everybody.
    all: bool,
    /// Revisions that stay, whatever they are like.
    stay: BTreeSet<Stamp>,
    done: &'a mut SetAside,
}

fn one(
    repo: &Repo,
    label: &str,
    (folders, all): (Vec<Digest>, bool),
    done: &mut SetAside,
) -> Result<(), OpError> {
    // A store of its own without a cache: what is read here must be what is on disk.
    let store = Arc::new(Store::new(Arc::clone(repo.store().backend())));
    store.limit_cache(0);
    let changelog = Changelog::new(store, folders);
    let mut aside = Aside { changelog, label, all, stay: BTreeSet::new(), done };
    aside.broken()?;
    while let Some((bad, why)) = aside.bad()? {
        aside.changelog.set_aside_revisions(&bad)?;
        bad.iter().for_each(|stamp| aside.done.revisions.push(aside.line(stamp, why)));
    }
    Ok(())
}

impl Aside<'_> {
    fn line(&self, stamp: &Stamp, why: &str) -> String {
        format!("revision {stamp} of {}: {why}", self.label)
    }

    /// Leaves a revision where it is.
    fn leave(&mut self, stamp: Stamp, why: &str) {
        self.stay.insert(stamp);
        self.done.left.push(self.line(&stamp, why));
    }

    /// Sets aside what is not whole by itself.
    fn broken(&mut self) -> Result<(), OpError> {
        let broken = self.changelog.set_aside_broken(self.all)?;
        for stamp in &broken.aside {
            self.done.revisions.push(self.line(stamp, "its file is not whole"));
        }
        for stamp in broken.left {
            self.leave(stamp, "its file is not whole, and nothing is left without it");
        }
        Ok(())
    }

    /// The next revisions to set aside, none of which was synced, and why.
    fn bad(&mut self) -> Result<Option<(BTreeSet<Stamp>, &'static str)>, OpError> {
        let log = self.changelog.log()?;
        for (bad, why) in [
            (self.unsound(&log), "it was not synced, and objects that it names are not whole"),
            (apart(&self.changelog, &log), APART),
            // Left out already: for themselves first, since without these what builds on them may be whole.
            (torn(&log, false), "it was not synced, and is not whole"),
            (torn(&log, true), "it was not synced, and what it builds on is missing"),
        ] {
            let bad: BTreeSet<Stamp> = bad.difference(&self.stay).copied().collect();
            let left = log.stamps().any(|stamp| !bad.contains(&stamp));
            if left || self.all {
                if !bad.is_empty() {
                    return Ok(Some((bad, why)));
                }
                continue;
            }
            for stamp in bad {
                self.leave(stamp, &format!("{why}, and nothing is left without it"));
            }
        }
        Ok(None)
    }

    /// The unsynced heads that name what is not whole. Of which that cannot be told stay.
    fn unsound(&mut self, log: &Log) -> BTreeSet<Stamp> {
        let mut bad = BTreeSet::new();
        for head in self.changelog.unsynced_heads(log) {
            match is_sound(&self.changelog, log, head) {
                Ok(true) => {}
                Ok(false) => drop(bad.insert(head)),
                Err(_) if self.stay.contains(&head) => {}
                Err(error) => {
                    self.leave(head, &format!("nobody can tell whether it is whole: {}", chain(&error)))
                }
            }
        }
        bad
    }
}

/// Why a revision goes that is whole.
const APART: &str = "it was not synced, and without what was set aside below it, it cannot be merged with what was written since";

/// The oldest unsynced head on top of revisions that were set aside, if there are others beside it: they could not be merged.
fn apart(changelog: &Changelog, log: &Log) -> BTreeSet<Stamp> {
    let heads = log.heads();
    let cut = |head: &Stamp| {
        let (mut open, mut seen) = (vec![*head], HashSet::new());
        while let Some(stamp) = open.pop().filter(|stamp| changelog.is_unsynced(log, *stamp)) {
            let parents = log.parents(stamp).unwrap_or_default();
            if parents.iter().any(|parent| log.is_aside(*parent)) {
                return true;
            }
            open.extend(parents.iter().filter(|parent| seen.insert(**parent)));
        }
        false
    };
    if heads.len() < 2 { BTreeSet::new() } else { heads.into_iter().find(cut).into_iter().collect() }
}

/// What is left out, for what it builds on alone or for what it is itself.
fn torn(log: &Log, baseless: bool) -> BTreeSet<Stamp> {
    log.torn.iter().filter(|(_, torn)| torn.is_baseless() == baseless).map(|(stamp, _)| *stamp).collect()
}

/// An error of the place, not of the bytes: `false` for bytes that are not there or not right.
fn unless_damage(error: OpError) -> Result<bool, OpError> {
    match &error {
        OpError::Collection(CollectionError::History(HistoryError::Store(store))) if store.is_damage() => {
            Ok(false)
        }
        OpError::Collection(CollectionError::History(HistoryError::Damaged(..) | HistoryError::Torn(_))) => {
            Ok(false)
        }
        _ => Err(error),
    }
}

/// Whether all that an unsynced revision names is whole, but for what a synced one before it names too: damage of that is
/// not its own.
fn is_sound(changelog: &Changelog, log: &Log, head: Stamp) -> Result<bool, OpError> {
    let revision = match changelog.read(log, head) {
        // Packed or trimmed meanwhile.
        Err(HistoryError::Gone(_)) => return Ok(true),
        Err(error) => return unless_damage(error.into()),
        Ok(revision) => revision,
    };
    let mut reach = Reach::default();
    if let Err(error) = reach.add(&revision).and_then(|()| Ok(revision.change_list().map(|_| ())?)) {
        return unless_damage(error);
    }
    let mut spared = Reach::default();
    let mut embedded = HashSet::from([Digest::of(&revision.embedded)]);
    let mut open = revision.parents.clone();
    let mut seen = HashSet::new();
    while let Some(stamp) = open.pop() {
        if !seen.insert(stamp) {
            continue;
        }
        let Ok(parent) = changelog.read(log, stamp) else {
            open.extend(log.parents_or_aside(stamp));
            continue;
        };
        embedded.insert(Digest::of(&parent.embedded));
        if changelog.is_unsynced(log, stamp) {
            open.extend(&parent.parents);
        } else {
            spare(&mut spared, &parent);
        }
    }
    let objects: Vec<Digest> = reach.objects.difference(&spared.objects).copied().collect();
    let look = |object: &Digest| match changelog.store().object(*object) {
        Ok(_) => Ok(true),
        Err(error) => unless_damage(error.into()),
    };
    let found: Vec<_> = objects.par_iter().filter(|object| !embedded.contains(object)).map(look).collect();
    // What is damaged is so whatever cannot be read beside it.
    if found.iter().any(|found| matches!(found, Ok(false))) {
        return Ok(false);
    }
    found.into_iter().try_fold(true, |all, found| Ok(all && found?))
}

/// Adds what a synced revision names, as far as it can be walked.
fn spare(spared: &mut Reach, revision: &Revision) {
    if let Err(error) = spared.add(revision) {
        log::debug!("cannot tell all that an earlier revision names: {error}");
    }
}
