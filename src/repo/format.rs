//! The file that makes a place a repository, and what it says when it is damaged.

use super::remotes::CLONING;
use super::{Options, Repo, RepoError};
use crate::backend::local::{LocalBackend, UNSYNCED};
use crate::backend::{Backend, BackendError, BackendErrorKind};
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;

/// The version of the on-disk format that this program writes.
pub const FORMAT: u32 = 1;

/// The file that makes a folder a repository.
pub(super) const FORMAT_FILE: &str = "format";

const FORMAT_NAME: &str = "lakota repository, format ";

/// Bytes of it that are read at most.
const MOST_FORMAT: u64 = 4096;

/// Characters of a damaged file that are shown.
const SHOWN: usize = 60;

/// Whether a file in the root of a repository is one of its own.
#[must_use]
pub fn is_own_file(name: &str) -> bool {
    matches!(name, FORMAT_FILE | CLONING | UNSYNCED)
}

/// What the file must hold.
fn line() -> String {
    format!("{FORMAT_NAME}{FORMAT}\n")
}

/// Makes a place a repository.
pub(super) fn put(backend: &dyn Backend) -> Result<(), RepoError> {
    Ok(backend.put(FORMAT_FILE, Bytes::from(line()))?)
}

/// Refuses what is no repository of a format that this program knows; `place` names it.
pub(super) fn check(backend: &dyn Backend, place: &str) -> Result<(), RepoError> {
    let place = place.to_owned();
    let found = match backend.get_within(FORMAT_FILE, MOST_FORMAT) {
        Err(e) if e.is_not_found() => None,
        Err(e) if e.kind == BackendErrorKind::NoFile && !holds_anything(backend)? => {
            return Err(RepoError::NotARepo(place));
        }
        Err(e) if e.kind == BackendErrorKind::NoFile => {
            return Err(RepoError::Format { place, what: format!("cannot be one: {}", e.source) });
        }
        other => Some(String::from_utf8_lossy(&other?).trim().to_owned()),
    };
    if found.as_deref() == Some(line().trim()) {
        return Ok(());
    }
    let number = found.as_deref().and_then(|text| text.strip_prefix(FORMAT_NAME));
    if let Some(number) = number
        && number.parse::<u32>().is_ok_and(|n| n > FORMAT && n.to_string() == number)
    {
        return Err(RepoError::Newer { place, found: number.to_owned() });
    }
    if !holds_anything(backend)? {
        return Err(RepoError::NotARepo(place));
    }
    let what = match found {
        None => "is missing".to_owned(),
        Some(text) => format!("holds {:?}", text.chars().take(SHOWN).collect::<String>()),
    };
    Err(RepoError::Format { place, what })
}

/// Whether there are files where a repository has its objects.
fn holds_anything(backend: &dyn Backend) -> Result<bool, BackendError> {
    for entry in backend.list("")? {
        let part = entry.name.len() == 2 && entry.name.bytes().all(|b| b.is_ascii_hexdigit());
        if part && entry.folder && !backend.list(&entry.name)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Repo {
    /// Opens the repository in a local folder, also if its file `format` is missing or damaged, and tells whether it is:
    /// for repairs.
    pub fn open_damaged(path: &Path, options: Options) -> Result<(Repo, bool), RepoError> {
        match Repo::open(path, options.clone()) {
            Err(RepoError::Format { .. }) => {
                let backend = LocalBackend::open(path, options.durable)?;
                Ok((Repo::assume(Arc::new(backend), options), true))
            }
            other => Ok((other?, false)),
        }
    }

    /// Writes the file `format` anew. A folder of that name gets another one.
    pub fn mend_format(&self) -> Result<(), RepoError> {
        let backend = self.store().backend().as_ref();
        if backend.list("")?.iter().any(|entry| entry.folder && entry.name == FORMAT_FILE) {
            backend.rename(FORMAT_FILE, &format!("{FORMAT_FILE}.damaged"))?;
        }
        put(backend)
    }

    /// Whether the file `format` holds anything but its line.
    pub fn has_wrong_format(&self) -> Result<bool, RepoError> {
        match self.store().backend().get_within(FORMAT_FILE, MOST_FORMAT) {
            Err(e) if e.is_not_found() || e.kind == BackendErrorKind::NoFile => Ok(true),
            bytes => Ok(bytes?[..] != *line().as_bytes()),
        }
    }

    /// The files beside objects and changelogs that do not hold what they must: key, and what is wrong.
    pub fn wrong_files(&self) -> Result<Vec<(String, String)>, RepoError> {
        let mut wrong = self.wrong_remotes()?;
        if self.has_wrong_format()? {
            wrong.push((FORMAT_FILE.to_owned(), format!("it does not hold the line {:?}", line().trim())));
        }
        wrong.extend(self.wrong_place(CLONING).map(|what| (CLONING.to_owned(), what)));
        Ok(wrong)
    }
}
