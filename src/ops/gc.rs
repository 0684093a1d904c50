//! Collecting objects that no revision names, in two phases.
//!
//! First an object is renamed to `<name>.<hex time>`, where readers still find it; a later run deletes it if
//! it was there for longer than the grace period when that run began to list revisions, or renames it back if
//! it is named again. So a writer that is about to name an object has the grace period to do so. The files of
//! trimmed revisions stay for the grace period too, so that what slow writers build on them can be merged.

use super::reach::Reach;
use super::{OpError, deleted};
use crate::backend::{Backend, BackendErrorKind};
use crate::clock::iso;
use crate::collection::tags;
use crate::digest::Digest;
use crate::history::changelog::{ARRIVING, Changelog, DROPPED, HistoryError};
use crate::repo::{Names, OnDisk, Repo};
use std::collections::BTreeSet;

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
    /// Changelog folders that no registry names; what they need is kept.
    pub unnamed: u64,
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
///
/// What it cannot explain it keeps: what revisions need that the registry does not name. If it cannot tell what is
/// needed, since revisions are missing or damaged, it changes no object.
pub fn gc(repo: &Repo, grace: u64) -> Result<Collected, OpError> {
    let backend = repo.context().store.backend();
    let began = repo.context().clock.now();
    // Objects first: what is put after this listing is not judged.
    let objects = list_objects(backend.as_ref())?;
    // What was hidden for as long as any write may take goes now, its objects with the next runs.
    let cutoff = began.saturating_sub(grace);
    let mut done = Collected::default();
    let reach = needed(repo, cutoff, &mut done)?;
    let mut old = Vec::new();
    for found in objects {
        let named = reach.objects.contains(&found.digest);
        match (named, found.aside) {
            (true, None) => {}
            (true, Some(_)) => {
                let whole = |key: &str| is_whole(backend.as_ref(), key, found.digest);
                match whole(&found.plain)? {
                    Some(true) => old.push(found.key),
                    // A power failure tears what was put again without a sync: the one that was set aside is the only one.
                    Some(false) if whole(&found.key)? != Some(true) => {}
                    Some(false) | None => {
                        rename(backend.as_ref(), &found.key, &found.plain)?;
                        done.restored += 1;
                    }
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

/// All that is needed by revisions, of whatever folder: the registry may have lost what named it.
fn needed(repo: &Repo, cutoff: u64, done: &mut Collected) -> Result<Reach, OpError> {
    // The folders first: who creates a collection puts its folder before its name.
    let on_disk = repo.on_disk()?;
    let names = repo.names()?;
    let live = live(repo)?;
    mark(repo, &on_disk, &names, &live)?;
    let mut reach = Reach::default();
    // What it named was listed: a damaged collection that was deleted must not keep the registry from forgetting it.
    let registry = repo.changelog_in(vec![Digest::ZERO]);
    add(
        &Whose::new("the registry", ""),
        &registry,
        if registry.log()?.is_whole() { cutoff } else { 0 },
        &mut reach,
    )?;
    for (label, changelog) in &live {
        if changelog.log()?.is_empty() {
            return Err(doubt(format!("collection {label} has no revisions: its files are lost")));
        }
        let whose = match changelog.folders() {
            [folder] if *folder == tags::FOLDER => Whose::new(label, " --all"),
            _ => Whose::new(label, &format!(" {label:?}")),
        };
        add(&whose, changelog, cutoff, &mut reach)?;
    }
    let known: BTreeSet<Digest> = live.iter().flat_map(|(_, c)| c.folders().iter().copied()).collect();
    for folders in repo.deleted()? {
        // One that shares a folder with one that is there is trimmed with that.
        let cutoff = if folders.iter().any(|folder| known.contains(folder)) { 0 } else { cutoff };
        let gone: Vec<_> = folders.iter().filter(|folder| !known.contains(folder)).collect();
        // What the registry forgets, it names no more.
        let whose = Whose::new(&deleted(gone.first().copied()), "");
        let hidden = gone.iter().all(|folder| names.hidden.contains(folder));
        match add(&whose, &repo.changelog_in(folders), cutoff, &mut reach) {
            // Forgotten too: what of it can be read is kept for the grace.
            Err(error) if hidden => log::warn!("{}: {error}", whose.name),
            done => done?,
        }
    }
    for folder in on_disk.iter().filter(|f| !known.contains(&f.digest) && !names.ever.contains(&f.digest)) {
        if !folder.dropped {
            done.unnamed += 1;
            spare(repo, folder.digest, &mut reach)?;
        }
    }
    Ok(reach)
}

/// A changelog in messages, and what `trim` is told to trim it.
struct Whose {
    name: String,
    target: String,
}

impl Whose {
    fn new(name: &str, target: &str) -> Whose {
        Whose { name: name.to_owned(), target: target.to_owned() }
    }
}

/// The collections there are, and the tags.
fn live(repo: &Repo) -> Result<Vec<(String, Changelog)>, OpError> {
    let mut live: Vec<(String, Changelog)> =
        repo.named()?.into_iter().map(|named| (named.label, repo.changelog_in(named.folders))).collect();
    let tags = repo.changelog_in(vec![tags::FOLDER]);
    if !tags.unhidden_log()?.is_empty() {
        live.push(("the tags".to_owned(), tags));
    }
    Ok(live)
}

/// Marks the folders of collections whose deletion is all that the registry's history still tells of them, while it
/// tells that; takes marks from those that are there again.
fn mark(repo: &Repo, on_disk: &[OnDisk], names: &Names, live: &[(String, Changelog)]) -> Result<(), OpError> {
    let lives = |folder: Digest| live.iter().any(|(_, changelog)| changelog.folders().contains(&folder));
    for folder in on_disk.iter().filter(|folder| names.ever.contains(&folder.digest)) {
        let dropped = names.hidden.contains(&folder.digest) && !lives(folder.digest);
        if dropped && !folder.dropped {
            repo.mark_dropped(folder.digest)?;
        }
        if folder.arriving || (folder.dropped && !dropped) {
            repo.unmark(&[folder.digest], if dropped { &[ARRIVING] } else { &[ARRIVING, DROPPED] })?;
        }
    }
    Ok(())
}

/// Adds what the revisions of a changelog need, after what was hidden before `cutoff` is removed.
fn add(whose: &Whose, changelog: &Changelog, cutoff: u64, reach: &mut Reach) -> Result<(), OpError> {
    whole(changelog)?;
    if let Some((parent, child)) = changelog.unhidden_log()?.lost() {
        let before = iso(child.time);
        return Err(doubt(format!(
            "{}: revision {parent} is missing, which {child} follows; put its file back, or \
             `lakota verify --repair-from REMOTE` fetches it, or `lakota trim{} --before {before}` forgets what is older",
            whose.name, whose.target
        )));
    }
    changelog.prune(cutoff)?;
    let log = changelog.unhidden_log()?;
    for stamp in log.stamps() {
        match changelog.read(&log, stamp) {
            // Trimmed since the listing: what it alone named may go, later.
            Err(HistoryError::Gone(_)) => {}
            revision => reach.add(revision?.as_ref())?,
        }
    }
    Ok(())
}

/// Adds what the revisions of a folder need that the registry does not name. Nothing of it is removed.
fn spare(repo: &Repo, folder: Digest, reach: &mut Reach) -> Result<(), OpError> {
    let changelog = repo.changelog_in(vec![folder]);
    whole(&changelog)?;
    let mut read = || -> Result<Option<String>, OpError> {
        let log = changelog.unhidden_log()?;
        for stamp in log.stamps() {
            reach.add(changelog.read(&log, stamp)?.as_ref())?;
        }
        Ok(log.lost().map(|(parent, _)| format!("revision {parent} is missing")))
    };
    let what = match read() {
        Ok(None) => return Ok(()),
        Ok(Some(what)) => what,
        Err(error) => error.to_string(),
    };
    let digits = &folder.to_string()[..12];
    Err(doubt(format!(
        "the registry does not name the changelog folder {}, and it is not whole: {what}; `lakota verify --adopt` names it; if its collection was deleted long ago, `lakota gc --drop {digits}` gives it up",
        folder.key()
    )))
}

/// Fails if a changelog has a torn revision: its objects may be there, and whoever brings it back needs them.
fn whole(changelog: &Changelog) -> Result<(), OpError> {
    match changelog.unhidden_log()?.torn.keys().next() {
        Some(stamp) => Err(OpError::Torn(*stamp)),
        None => Ok(()),
    }
}

fn doubt(what: String) -> OpError {
    OpError::Doubt(what)
}

/// Whether a file has the bytes of an object; None if it is not there.
fn is_whole(backend: &dyn Backend, key: &str, digest: Digest) -> Result<Option<bool>, OpError> {
    match backend.get(key) {
        Ok(bytes) => Ok(Some(Digest::of(&bytes) == digest)),
        Err(e) if e.is_not_found() => Ok(None),
        Err(e) if e.kind == BackendErrorKind::NoFile => Ok(Some(false)),
        Err(e) => Err(e.into()),
    }
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
