//! Setting aside revisions that are not whole, so that what was before them is the newest again.
//!
//! Nothing is deleted: a file gets another name, which no changelog reads, and a place that has the revision whole
//! (a pull, a repair) may bring it back. The objects of revisions that were not synced are read too: a power failure may
//! have left such a revision and taken what it names.

use super::OpError;
use super::reach::Reach;
use crate::clock::Stamp;
use crate::collection::tags;
use crate::digest::Digest;
use crate::history::changelog::{Changelog, Log};
use crate::history::revision::Revision;
use crate::repo::Repo;
use crate::store::Store;
use rayon::prelude::*;
use std::collections::HashSet;
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
    let mut each = |label: &str, folders| {
        // What cannot be looked at is left as it is; others still are.
        if let Err(error) = one(repo, label, folders, &mut done) {
            done.left.push(format!("{label}: {error}"));
        }
    };
    // The registry first: it tells which collections there are.
    each("the registry", vec![Digest::ZERO]);
    each("the tags", vec![tags::FOLDER]);
    repo.named()?.into_iter().for_each(|collection| each(&collection.label, collection.folders));
    Ok(done)
}

fn one(repo: &Repo, label: &str, folders: Vec<Digest>, done: &mut SetAside) -> Result<(), OpError> {
    // A store of its own without a cache: what is read here must be what is on disk.
    let store = Arc::new(Store::new(Arc::clone(repo.store().backend())));
    store.limit_cache(0);
    let changelog = Changelog::new(store, folders);
    let line = |stamp: &Stamp, why: &str| format!("revision {stamp} of {label}: {why}");
    let broken = changelog.set_aside_broken()?;
    done.revisions.extend(broken.aside.iter().map(|stamp| line(stamp, "its file is not whole")));
    done.left.extend(
        broken.left.iter().map(|stamp| line(stamp, "its file is not whole, and nothing is left without it")),
    );
    loop {
        let log = changelog.log()?;
        let heads = changelog.unsynced_heads(&log).into_iter();
        let mut bad: Vec<Stamp> = heads.filter(|head| !is_sound(&changelog, &log, *head)).collect();
        // Left out already, for what can be told at a glance.
        bad.extend(log.torn.keys());
        if bad.is_empty() {
            return Ok(());
        }
        for stamp in bad {
            changelog.set_aside_revision(stamp)?;
            done.revisions.push(line(&stamp, "it was not synced, and objects that it names are not whole"));
        }
    }
}

/// Whether all that an unsynced revision names is whole, but for what a synced one before it names too: damage of that is
/// not its own.
fn is_sound(changelog: &Changelog, log: &Log, head: Stamp) -> bool {
    let Ok(revision) = changelog.read(log, head) else { return false };
    let mut reach = Reach::default();
    if reach.add(&revision).is_err() || revision.change_list().is_err() {
        return false;
    }
    let mut spared = Reach::default();
    let mut embedded = HashSet::from([Digest::of(&revision.embedded)]);
    let mut open = revision.parents.clone();
    let mut seen = HashSet::new();
    while let Some(stamp) = open.pop().filter(|stamp| seen.insert(*stamp)) {
        let Ok(parent) = changelog.read(log, stamp) else { continue };
        embedded.insert(Digest::of(&parent.embedded));
        if changelog.is_unsynced(log, stamp) {
            open.extend(&parent.parents);
        } else {
            spare(&mut spared, &parent);
        }
    }
    let objects: Vec<Digest> = reach.objects.difference(&spared.objects).copied().collect();
    objects
        .par_iter()
        .filter(|object| !embedded.contains(object))
        .all(|object| changelog.store().object(*object).is_ok())
}

/// Adds what a synced revision names, as far as it can be walked.
fn spare(spared: &mut Reach, revision: &Revision) {
    if let Err(error) = spared.add(revision) {
        log::debug!("cannot tell all that an earlier revision names: {error}");
    }
}
