//! The changelog folders that are on disk, whatever the registry says of them.
//!
//! The registry is files like any other: they can be lost. So what it does not name is not taken for garbage, unless a
//! mark in the folder says that the collection was deleted and that the history of the registry that named it is
//! trimmed; gc puts that mark while it can still see both.

use super::named::name_folders;
use super::{Repo, RepoError};
use crate::collection::{CollectionError, tags};
use crate::data::label;
use crate::digest::Digest;
use crate::history::changelog::{ARRIVING, Changelog, DROPPED, FileKind, HistoryError};
use bytes::Bytes;
use std::collections::{BTreeSet, HashSet};

/// How the first revision of a collection is called.
pub(super) const CREATE: &str = "create ";

/// A changelog folder that holds revisions; the registry's and that of the tags are none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnDisk {
    /// The folder.
    pub digest: Digest,
    /// Whether a mark says that its collection was deleted and forgotten.
    pub dropped: bool,
    /// Whether a mark says that a copy of it is on its way.
    pub arriving: bool,
}

/// A collection that the registry names again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// Its folder.
    pub folder: Digest,
    /// The label it has now.
    pub label: String,
    /// Whether its first revision tells that label.
    pub told: bool,
}

/// Folders that the registry names.
#[derive(Debug, Default)]
pub struct Names {
    /// By any revision that is there.
    pub ever: BTreeSet<Digest>,
    /// Only by revisions that its horizon hides.
    pub hidden: BTreeSet<Digest>,
}

impl Repo {
    /// The changelog folders on disk that hold revisions, sorted.
    pub fn on_disk(&self) -> Result<Vec<OnDisk>, RepoError> {
        let backend = self.context.store.backend();
        let mut found = Vec::new();
        for part in 0..=255u8 {
            let part = format!("{part:02x}");
            for entry in backend.list(&part)?.into_iter().filter(|entry| entry.folder) {
                let Some(digest) = Digest::from_hex(&format!("{part}{}", entry.name)) else { continue };
                if digest == Digest::ZERO || digest == tags::FOLDER {
                    continue;
                }
                let files = backend.list(&digest.key())?;
                let has = |name: &str| files.iter().any(|file| file.name == name);
                if files.iter().any(|file| FileKind::of(&file.name).holds_revisions()) {
                    found.push(OnDisk { digest, dropped: has(DROPPED), arriving: has(ARRIVING) });
                }
            }
        }
        found.sort_by_key(|folder| folder.digest);
        Ok(found)
    }

    /// The folders that the registry names now and in its past.
    pub fn names(&self) -> Result<Names, RepoError> {
        let (all, visible) = self.registry.changelog().logs()?;
        let (ever, seen) = (self.folders_in(&all)?, self.folders_in(&visible)?);
        // Of a registry that has lost revisions nobody can tell what they named.
        let hidden =
            if visible.is_whole() { ever.difference(&seen).copied().collect() } else { BTreeSet::new() };
        Ok(Names { ever, hidden })
    }

    /// Folders that hold revisions and that no revision of the registry names, but for those of collections that were
    /// deleted and forgotten.
    pub fn unnamed(&self) -> Result<Vec<OnDisk>, RepoError> {
        // The folders first: who creates a collection puts its folder before its name.
        let mut folders = self.on_disk()?;
        let ever = self.folders_in(&*self.registry.changelog().unhidden_log()?)?;
        folders.retain(|folder| !folder.dropped && !ever.contains(&folder.digest));
        Ok(folders)
    }

    /// Says that the collection in a folder was deleted and forgotten: gc then takes what only it names.
    pub fn mark_dropped(&self, folder: Digest) -> Result<(), RepoError> {
        let text = "The collection whose revisions lie here was deleted, and the registry's history that named it is \
                    trimmed.\n";
        Ok(self.context.store.backend().put(&format!("{}/{DROPPED}", folder.key()), Bytes::from(text))?)
    }

    /// Says that a copy is on its way into a folder that the registry does not name yet, and takes back that it was
    /// dropped.
    pub fn mark_arriving(&self, folder: Digest) -> Result<(), RepoError> {
        let text = "A copy is on its way: the registry names it last.\n";
        self.context.store.backend().put(&format!("{}/{ARRIVING}", folder.key()), Bytes::from(text))?;
        self.unmark(&[folder], &[DROPPED])
    }

    /// Takes back what marks say of folders.
    pub fn unmark(&self, folders: &[Digest], marks: &[&str]) -> Result<(), RepoError> {
        let backend = self.context.store.backend();
        let mut there = Vec::new();
        for key in folders.iter().flat_map(|f| marks.iter().map(move |mark| format!("{}/{mark}", f.key()))) {
            // Nothing is written where nothing is marked: the place may be read-only.
            there.extend(backend.len(&key)?.map(|_| key));
        }
        if there.is_empty() { Ok(()) } else { Ok(backend.delete_many(&there)?) }
    }

    /// As [`Repo::unmark`], of all marks: the registry names these folders.
    pub fn unmark_all(&self, folders: &[Digest]) -> Result<(), RepoError> {
        self.unmark(folders, &[DROPPED, ARRIVING])
    }

    /// Lets the registry name the folders that it does not name: under the label that the first revision tells, or
    /// under `recovered-` and eight digits.
    pub fn adopt(&self) -> Result<Vec<Adopted>, RepoError> {
        let folders = self.unnamed()?;
        let mut taken: HashSet<String> = self.collections()?.into_iter().collect();
        let mut adopted = Vec::new();
        for OnDisk { digest: folder, .. } in folders {
            let first = self.first_label(&self.changelog_in(vec![folder])).filter(|l| !taken.contains(l));
            let told = first.is_some();
            let mut label = first.unwrap_or_else(|| format!("recovered-{}", &folder.to_string()[..8]));
            while !taken.insert(label.clone()) {
                label.push('+');
            }
            adopted.push(Adopted { folder, label, told });
        }
        if adopted.is_empty() {
            return Ok(adopted);
        }
        let folders: Vec<Digest> = adopted.iter().map(|adopted| adopted.folder).collect();
        let mut batch = self.registry_batch("name what the registry did not name")?;
        for Adopted { folder, label, .. } in &adopted {
            name_folders(&mut batch, label, &[*folder])?;
        }
        batch.commit()?;
        self.unmark_all(&folders)?;
        Ok(adopted)
    }

    /// The label a collection was created with, if its first revision is there.
    #[must_use]
    pub fn first_label(&self, changelog: &Changelog) -> Option<String> {
        let log = changelog.unhidden_log().ok()?;
        let first = log.stamps().next()?;
        if !log.parents(first)?.is_empty() {
            return None;
        }
        let revision = changelog.read(&log, first).ok()?;
        let label = revision.note.message.strip_prefix(CREATE)?;
        label::check(label).ok().map(|()| label.to_owned())
    }

    /// Whether no revision in a folder has a series: a `create` that was cut short leaves such a folder.
    pub fn is_bare(&self, folder: Digest) -> Result<bool, RepoError> {
        let changelog = self.changelog_in(vec![folder]);
        let log = changelog.unhidden_log()?;
        for stamp in log.stamps() {
            match changelog.read(&log, stamp) {
                Err(HistoryError::Gone(_)) => {}
                revision => {
                    if revision?.state.tree.is_some() {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(log.lost().is_none())
    }

    /// The unnamed folder whose digits start so; an error if there is none, or several.
    pub fn unnamed_folder(&self, digits: &str) -> Result<Digest, RepoError> {
        let folders = self.unnamed()?;
        let mut found = folders.iter().filter(|f| f.digest.to_string().starts_with(digits));
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one.digest),
            (None, _) => Err(RepoError::NoFolder(digits.to_owned())),
            (Some(_), Some(_)) => Err(CollectionError::Ambiguous {
                label: digits.to_owned(),
                candidates: folders.iter().map(|f| f.digest.to_string()).collect(),
            }
            .into()),
        }
    }
}
