//! Every file of a repository, each by itself: whether it is one of ours, and whether its bytes are what its name says.
//!
//! Who follows references sees only what is named. A file that nothing names, bytes behind a pack, the second file of a
//! merge, the places of remotes are seen only here.

use crate::backend::{Backend, BackendError, Entry};
use crate::collection::tags;
use crate::digest::Digest;
use crate::history::changelog::{FileKind, check_file, is_unsynced};
use crate::ops::OpError;
use crate::repo::{self, Repo};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};

/// What was found in the files.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Objects with a file that has the right bytes.
    pub(super) whole: HashSet<Digest>,
    /// Keys of files of objects whose bytes are wrong, and what is wrong.
    pub(super) objects: HashMap<Digest, Vec<(String, String)>>,
    /// Other files that are damaged: key, and what is wrong.
    pub(super) damaged: Vec<(String, String)>,
    /// What is strange and does no harm, a line each.
    pub(super) notes: Vec<String>,
}

/// Reads every file.
pub(super) fn read(repo: &Repo) -> Result<Files, OpError> {
    let mut files = Files::default();
    for entry in repo.store().backend().list("")? {
        match entry.name.as_str() {
            repo::REMOTES if entry.folder => {}
            name if entry.folder && is_part(name) => {}
            name if !entry.folder && repo::is_own_file(name) => {}
            _ => files.unknown(&entry.name),
        }
    }
    for (name, wrong) in repo.wrong_files()? {
        files.damaged.push((name, wrong));
    }
    for part in 0..=255u8 {
        files.part(repo, &format!("{part:02x}"))?;
    }
    Ok(files)
}

/// Whether a name is one of the 256 folders of objects.
fn is_part(name: &str) -> bool {
    name.len() == 2 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// What is wrong with the bytes of an object's file; `None` if it is gone.
fn check_object(backend: &dyn Backend, key: &str, digest: Digest) -> Option<Option<String>> {
    match backend.get(key) {
        Ok(bytes) if Digest::of(&bytes) == digest => Some(None),
        Ok(_) => Some(Some("its bytes do not give its digest".to_owned())),
        // Set aside or deleted since the listing.
        Err(e) if e.is_not_found() => None,
        Err(e) => Some(Some(unreadable(&e))),
    }
}

fn unreadable(error: &BackendError) -> String {
    format!("{error}: {}", error.source)
}

impl Files {
    fn unknown(&mut self, key: &str) {
        self.notes.push(format!("{key} is no file of a repository"));
    }

    fn part(&mut self, repo: &Repo, part: &str) -> Result<(), OpError> {
        let backend = repo.store().backend();
        let mut objects = Vec::new();
        for Entry { name, folder } in backend.list(part)? {
            let key = format!("{part}/{name}");
            let (plain, aside) = match name.split_once('.') {
                Some((plain, time)) => (plain, Some(time)),
                None => (name.as_str(), None),
            };
            let named = aside.is_none_or(|time| u64::from_str_radix(time, 16).is_ok());
            match Digest::from_hex(&format!("{part}{plain}")) {
                Some(digest) if folder && aside.is_none() => self.changelog(repo, digest)?,
                Some(digest) if !folder && named => objects.push((key, digest)),
                _ => self.unknown(&key),
            }
        }
        let check = |(key, digest): &(String, Digest)| check_object(backend.as_ref(), key, *digest);
        let checked: Vec<_> = objects.par_iter().map(check).collect();
        for ((key, digest), found) in objects.into_iter().zip(checked) {
            match found {
                None => {}
                Some(None) => drop(self.whole.insert(digest)),
                Some(Some(wrong)) => self.objects.entry(digest).or_default().push((key, wrong)),
            }
        }
        Ok(())
    }

    fn changelog(&mut self, repo: &Repo, folder: Digest) -> Result<(), OpError> {
        let store = repo.store();
        let files = store.backend().list(&folder.key())?;
        for file in &files {
            if file.folder || FileKind::of(&file.name) == FileKind::Unknown {
                self.unknown(&format!("{}/{}", folder.key(), file.name));
            }
        }
        let check = |file: &Entry| check_file(store, folder, &file.name);
        let checked: Vec<_> = files.par_iter().map(check).collect();
        for (file, wrong) in files.iter().zip(checked) {
            let Some(wrong) = wrong? else { continue };
            let key = format!("{}/{}", folder.key(), file.name);
            match torn(repo, folder, &file.name)? {
                Torn::No => self.damaged.push((key, wrong)),
                // Told as a revision of its collection.
                Torn::Head => {}
                Torn::Replaced => self.notes.push(format!(
                    "{key} is what a power failure left of a revision that is whole in another file"
                )),
            }
        }
        Ok(())
    }
}

/// What a damaged file is to the writers who do not sync.
enum Torn {
    /// It is none of theirs.
    No,
    /// A revision that is left out of its changelog.
    Head,
    /// A revision that came back under another name.
    Replaced,
}

fn torn(repo: &Repo, folder: Digest, name: &str) -> Result<Torn, OpError> {
    let FileKind::Revision(_, child) = FileKind::of(name) else { return Ok(Torn::No) };
    if !is_unsynced(name) {
        return Ok(Torn::No);
    }
    let changelog = repo.changelog_in(vec![folder]);
    let log = changelog.unhidden_log()?;
    Ok(if log.torn.contains_key(&child) {
        Torn::Head
    } else if log.contains(child) && changelog.read(&log, child).is_ok() {
        Torn::Replaced
    } else {
        Torn::No
    })
}

/// A changelog folder in messages.
pub(super) fn folder_name(folder: Digest) -> String {
    match folder {
        Digest::ZERO => "the registry".to_owned(),
        tags::FOLDER => "the tags".to_owned(),
        other => format!("folder {}", other.key()),
    }
}
