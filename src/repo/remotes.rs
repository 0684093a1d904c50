//! Remotes: names for other repositories, kept in this one.
//!
//! A key of its own for each, so that two who add at once lose nothing. Its bytes are the place, absolute; what is
//! there is looked at only when it is used.

use super::Repo;
use crate::backend::BackendError;
use crate::data::label::{self, LabelError, escape, unescape};
use bytes::Bytes;

/// The folder of the remotes.
pub const REMOTES: &str = "remotes";

/// Bytes that a place has at most: a path has 4096.
const MOST_PLACE: u64 = 64 << 10;

/// Says that a clone is under way, and of what.
pub(super) const CLONING: &str = "cloning";

/// A name that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A name that cannot be one.
    #[error("a remote cannot be named {name:?}")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        #[source]
        source: LabelError,
    },
    /// A name that could be a path.
    #[error("a remote cannot be named {0:?}: a slash makes it a path")]
    Path(String),
    /// A name that is taken.
    #[error("remote {name:?} exists already: it is {place}")]
    Exists {
        /// The name.
        name: String,
        /// Where it is.
        place: String,
    },
    /// A name that nothing has.
    #[error("there is no remote {0:?}; `lakota remote list` tells which there are")]
    None(String),
}

fn key(name: &str) -> String {
    format!("{REMOTES}/{}", escape(name))
}

impl Repo {
    /// Names a place. Fails where the name is taken by another.
    pub fn add_remote(&self, name: &str, place: &str) -> Result<(), RemoteError> {
        label::check(name).map_err(|source| RemoteError::Name { name: name.to_owned(), source })?;
        if name.contains('/') || matches!(name, "." | "..") {
            return Err(RemoteError::Path(name.to_owned()));
        }
        match self.remote(name)? {
            Some(there) if there == place => Ok(()),
            Some(there) => Err(RemoteError::Exists { name: name.to_owned(), place: there }),
            None => Ok(self.backend().put(&key(name), Bytes::from(place.to_owned()))?),
        }
    }

    /// The place of a name.
    pub fn remote(&self, name: &str) -> Result<Option<String>, RemoteError> {
        if name.contains('/') {
            return Ok(None);
        }
        self.text(&key(name))
    }

    /// All remotes, name and place, by name.
    pub fn remotes(&self) -> Result<Vec<(String, String)>, RemoteError> {
        let mut found = Vec::new();
        for entry in self.backend().list(REMOTES)? {
            if let Some(name) = unescape(&entry.name)
                && let Some(place) = self.remote(&name)?
            {
                found.push((name, place));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Forgets a name.
    pub fn remove_remote(&self, name: &str) -> Result<(), RemoteError> {
        if self.remote(name)?.is_none() {
            return Err(RemoteError::None(name.to_owned()));
        }
        Ok(self.backend().delete_many(&[key(name)])?)
    }

    /// Says that this repository is to be a clone of a place, until [`Repo::cloned`].
    pub fn cloning(&self, place: &str) -> Result<(), RemoteError> {
        Ok(self.backend().put(CLONING, Bytes::from(place.to_owned()))?)
    }

    /// What a clone that did not end was to be a clone of.
    pub fn unfinished_clone(&self) -> Result<Option<String>, RemoteError> {
        self.text(CLONING)
    }

    /// Says that the clone is whole.
    pub fn cloned(&self) -> Result<(), RemoteError> {
        Ok(self.backend().delete_many(&[CLONING.to_owned()])?)
    }

    /// The file of a remote that cannot be one: its key, and what is wrong.
    pub(super) fn wrong_remotes(&self) -> Result<Vec<(String, String)>, BackendError> {
        let mut wrong = Vec::new();
        for entry in self.backend().list(REMOTES)? {
            let key = format!("{REMOTES}/{}", entry.name);
            if entry.folder || unescape(&entry.name).is_none_or(|name| escape(&name) != entry.name) {
                wrong.push((key, "its name is no name of a remote".to_owned()));
            } else if let Some(what) = self.wrong_place(&key) {
                wrong.push((key, what));
            }
        }
        Ok(wrong)
    }

    /// What is wrong with the place that a file names; `None` if nothing is, or if it is gone.
    pub(super) fn wrong_place(&self, key: &str) -> Option<String> {
        let bytes = match self.backend().get(key) {
            Err(e) if e.is_not_found() => return None,
            Err(e) => return Some(format!("{e}: {}", e.source)),
            Ok(bytes) => bytes,
        };
        match std::str::from_utf8(&bytes) {
            Ok(place) if place.starts_with('/') && !place.contains(char::is_control) => None,
            Ok(place) => Some(format!("{place:?} is no absolute path")),
            Err(_) => Some("it is no text".to_owned()),
        }
    }

    fn text(&self, key: &str) -> Result<Option<String>, RemoteError> {
        match self.backend().get_within(key, MOST_PLACE) {
            Err(e) if e.is_not_found() => Ok(None),
            bytes => Ok(Some(String::from_utf8_lossy(&bytes?).into_owned())),
        }
    }

    fn backend(&self) -> &dyn crate::backend::Backend {
        self.store().backend().as_ref()
    }
}
