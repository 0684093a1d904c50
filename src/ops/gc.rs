//! Collecting objects that no revision names, in two phases.
//!
//! First an object is renamed to `<name>.<hex time>`, where readers still find it; a later run deletes it if
//! it was there for longer than the grace period when that run began to list revisions, or renames it back if
//! it is named again. So a writer that is about to name an object has the grace period to do so. The files of
//! trimmed revisions stay for the grace period too, so that what slow writers build on them can be merged.

use super::OpError;
use super::reach::Reach;
use crate::backend::Backend;
use crate::clock::Stamp;
use crate::digest::Digest;
use crate::history::changelog::{Changelog, HistoryError};
use crate::repo::Repo;

/// What a collection run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Objects renamed, to be deleted by a later run.
    pub set_aside: u64,
    /// Objects deleted.
    pub deleted: u64,
    /// Objects renamed back, since they are named again.
    pub restored: u64,
    /// Bytes deleted.
    pub bytes: u64,
}

/// An object's file: its plain key, and when it was set aside.
struct Found {
    key: String,
    plain: String,
    digest: Digest,
    aside: Option<u64>,
}

/// Collects what no revision of any collection names. `grace` is in milliseconds; it must be longer than
/// writers take from their first object to their revision.
pub fn gc(repo: &Repo, grace: u64) -> Result<Collected, OpError> {
    let backend = repo.context().store.backend();
    let began = repo.context().clock.now();
    // Objects first: what is put after this listing is not judged.
    let objects = list_objects(backend.as_ref())?;
    let mut reach = Reach::default();
    // What was hidden for as long as any write may take goes now, its objects with the next runs.
    let cutoff = began.saturating_sub(grace);
    let registry = Changelog::new(repo.context().store.clone(), vec![Digest::ZERO]);
    let changelogs = repo.all_changelogs()?;
    for changelog in changelogs.iter().chain([&registry]) {
        // Its objects may be there, and whoever brings it back needs them.
        if let Some(stamp) = changelog.unhidden_log()?.torn.keys().next() {
            return Err(OpError::Torn(*stamp));
        }
    }
    for changelog in changelogs.iter().chain([&registry]) {
        changelog.prune(cutoff)?;
        let log = changelog.unhidden_log()?;
        let stamps: Vec<Stamp> = log.stamps().collect();
        for stamp in stamps {
            match changelog.read(&log, stamp) {
                // Trimmed since the listing: what it alone named may go, later.
                Err(HistoryError::Gone(_)) => {}
                revision => reach.add(revision?.as_ref())?,
            }
        }
    }
    let mut done = Collected::default();
    let mut old = Vec::new();
    for found in objects {
        let named = reach.objects.contains(&found.digest);
        match (named, found.aside) {
            (true, None) => {}
            (true, Some(_)) => {
                if backend.len(&found.plain)?.is_none() {
                    rename(backend.as_ref(), &found.key, &found.plain)?;
                    done.restored += 1;
                } else {
                    old.push(found.key);
                }
            }
            (false, None) => {
                let aside = format!("{}.{:x}", found.plain, repo.context().clock.now());
                rename(backend.as_ref(), &found.key, &aside)?;
                done.set_aside += 1;
            }
            (false, Some(since)) if since.saturating_add(grace) <= began => {
                done.deleted += 1;
                done.bytes += backend.len(&found.key)?.unwrap_or(0);
                old.push(found.key);
            }
            (false, Some(_)) => {}
        }
    }
    backend.delete_many(&old)?;
    backend.clean(grace)?;
    Ok(done)
}

/// Renames, unless somebody else did.
fn rename(backend: &dyn Backend, from: &str, to: &str) -> Result<(), OpError> {
    match backend.rename(from, to) {
        Err(e) if e.is_not_found() => Ok(()),
        done => Ok(done?),
    }
}

fn list_objects(backend: &dyn Backend) -> Result<Vec<Found>, OpError> {
    let mut found = Vec::new();
    for folder in 0..=255u8 {
        let folder = format!("{folder:02x}");
        for entry in backend.list(&folder)? {
            let (name, aside) = match entry.name.split_once('.') {
                Some((name, time)) => (name, Some(time)),
                None => (entry.name.as_str(), None),
            };
            let Some(digest) = Digest::from_hex(&format!("{folder}{name}")) else { continue };
            let aside = aside.map(|time| u64::from_str_radix(time, 16));
            if entry.folder || matches!(aside, Some(Err(_))) {
                continue;
            }
            let key = format!("{folder}/{}", entry.name);
            let plain = digest.key();
            found.push(Found { key, plain, digest, aside: aside.and_then(Result::ok) });
        }
    }
    Ok(found)
}
