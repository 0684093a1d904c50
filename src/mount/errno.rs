//! Error numbers of the file system: chosen here and nowhere else.

use crate::collection::CollectionError;
use crate::history::changelog::HistoryError;
use crate::repo::RepoError;
use crate::series::RowsError;
use std::fmt;

/// An error number, as the kernel takes it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// No such name.
    pub const ENOENT: Errno = Errno(libc::ENOENT);
    /// The bytes cannot be had: damage, a missing object, a failing backend.
    pub const EIO: Errno = Errno(libc::EIO);
    /// A number or handle that is not known.
    pub const EBADF: Errno = Errno(libc::EBADF);
    /// The thing behind an inode is gone.
    pub const ESTALE: Errno = Errno(libc::ESTALE);
    /// A file where a folder is needed.
    pub const ENOTDIR: Errno = Errno(libc::ENOTDIR);
    /// A folder where a file is needed.
    pub const EISDIR: Errno = Errno(libc::EISDIR);
    /// Not a link.
    pub const EINVAL: Errno = Errno(libc::EINVAL);
    /// Nothing here is written.
    pub const EROFS: Errno = Errno(libc::EROFS);
    /// Not for this user.
    pub const EACCES: Errno = Errno(libc::EACCES);
    /// An operation that the mount does not have.
    pub const ENOSYS: Errno = Errno(libc::ENOSYS);
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", std::io::Error::from_raw_os_error(self.0))
    }
}

impl From<&RowsError> for Errno {
    fn from(_: &RowsError) -> Errno {
        Errno::EIO
    }
}

impl From<&CollectionError> for Errno {
    fn from(error: &CollectionError) -> Errno {
        match error {
            CollectionError::NoSeries { .. }
            | CollectionError::NoRevision(..)
            | CollectionError::NothingBefore { .. }
            | CollectionError::Ambiguous { .. }
            | CollectionError::Empty(_)
            | CollectionError::History(HistoryError::Trimmed(_)) => Errno::ENOENT,
            _ => Errno::EIO,
        }
    }
}

impl From<&RepoError> for Errno {
    fn from(error: &RepoError) -> Errno {
        match error {
            RepoError::NoCollection { .. } => Errno::ENOENT,
            RepoError::Collection(error) => error.into(),
            _ => Errno::EIO,
        }
    }
}

/// Why an operation of the mount failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nothing to explain: a name that is not there, a file where a folder is needed.
    #[error("{0:?}")]
    Plain(Errno),
    /// The repository failed.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// A collection failed.
    #[error(transparent)]
    Collection(#[from] CollectionError),
    /// Rows failed.
    #[error(transparent)]
    Rows(#[from] RowsError),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Failure {
        Failure::Plain(errno)
    }
}

impl Failure {
    /// What the kernel is told.
    #[must_use]
    pub fn errno(&self) -> Errno {
        match self {
            Failure::Plain(errno) => *errno,
            Failure::Repo(error) => error.into(),
            Failure::Collection(error) => error.into(),
            Failure::Rows(error) => error.into(),
        }
    }
}
