//! Error numbers of the file system: chosen here and nowhere else.

use crate::collection::CollectionError;
use crate::data::input::{InputError, Problem};
use crate::data::schema::SchemaError;
use crate::history::changelog::HistoryError;
use crate::repo::RepoError;
use crate::series::RowsError;
use std::any::Any;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{fmt, io};

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
    /// Content that cannot be; an operation on the wrong thing.
    pub const EINVAL: Errno = Errno(libc::EINVAL);
    /// Nothing here is written.
    pub const EROFS: Errno = Errno(libc::EROFS);
    /// A name that is taken.
    pub const EEXIST: Errno = Errno(libc::EEXIST);
    /// A folder that holds something.
    pub const ENOTEMPTY: Errno = Errno(libc::ENOTEMPTY);
    /// From one series or collection to another: to be copied.
    pub const EXDEV: Errno = Errno(libc::EXDEV);
    /// What this file system does not allow here.
    pub const EPERM: Errno = Errno(libc::EPERM);
    /// A file that cannot be written so.
    pub const EOPNOTSUPP: Errno = Errno(libc::EOPNOTSUPP);
    /// Content that cannot be, where EINVAL says something else.
    pub const EBADMSG: Errno = Errno(libc::EBADMSG);
    /// More than a file may hold.
    pub const EFBIG: Errno = Errno(libc::EFBIG);
    /// No space.
    pub const ENOSPC: Errno = Errno(libc::ENOSPC);
    /// A name longer than names may be.
    pub const ENAMETOOLONG: Errno = Errno(libc::ENAMETOOLONG);
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

/// What a system call below said, where that is of use to a program: the others are damage to it.
fn below(error: &(dyn Error + 'static)) -> Errno {
    let mut error = Some(error);
    while let Some(cause) = error {
        let code = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        if let Some(code) = code {
            return of_system(code);
        }
        error = cause.source();
    }
    Errno::EIO
}

const fn of_system(code: i32) -> Errno {
    match code {
        libc::ENOSPC
        | libc::EDQUOT
        | libc::EFBIG
        | libc::EROFS
        | libc::EACCES
        | libc::EMFILE
        | libc::ENFILE => Errno(code),
        libc::EPERM => Errno::EACCES,
        _ => Errno::EIO,
    }
}

impl From<&InputError> for Errno {
    fn from(error: &InputError) -> Errno {
        match &error.problem {
            Problem::Read(source) | Problem::Spool(source) => {
                source.raw_os_error().map_or(Errno::EIO, of_system)
            }
            _ => Errno::EINVAL,
        }
    }
}

impl From<&RowsError> for Errno {
    fn from(error: &RowsError) -> Errno {
        match error {
            RowsError::Input(error) => error.into(),
            RowsError::Refused(_) => Errno::EINVAL,
            other => below(other),
        }
    }
}

impl From<&CollectionError> for Errno {
    fn from(error: &CollectionError) -> Errno {
        match error {
            CollectionError::Rows(error) => error.into(),
            CollectionError::Label(_) | CollectionError::NotATag(_) => Errno::EINVAL,
            CollectionError::Exists(_) | CollectionError::Tagged { .. } => Errno::EEXIST,
            CollectionError::NoSeries { .. }
            | CollectionError::NoRevision(..)
            | CollectionError::Future(_)
            | CollectionError::NoTag { .. }
            | CollectionError::TagLost { .. }
            | CollectionError::NothingBefore { .. }
            | CollectionError::Ambiguous { .. }
            | CollectionError::Empty(_)
            | CollectionError::History(HistoryError::Trimmed(_)) => Errno::ENOENT,
            other => below(other),
        }
    }
}

impl From<&RepoError> for Errno {
    fn from(error: &RepoError) -> Errno {
        match error {
            RepoError::NoCollection { .. } => Errno::ENOENT,
            RepoError::Collection(error) => error.into(),
            RepoError::Exists(_) | RepoError::OtherSchema { .. } => Errno::EEXIST,
            other => below(other),
        }
    }
}

/// What a panic said.
#[must_use]
pub fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Does something with bytes that a program wrote. A panic is a failure like others: the bytes are to be kept, with
/// the reason. No lock of the mount is poisoned by it, and what a batch staged is named by nothing.
pub fn caught<T>(what: &str, act: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|payload| {
        let said = message(payload.as_ref());
        Err(Failure::refused(Errno::EIO, format!("{what} failed by a fault of lakota itself: {said}")))
    })
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
    /// Input that cannot become rows.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A text that is no schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A local file failed.
    #[error("cannot {verb} the spool")]
    Spool {
        /// What was tried: `read`, `write to`.
        verb: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A failure that its user was told of.
    #[error("{0:?}")]
    Told(Errno),
    /// What is not done here, and why.
    #[error("{why}")]
    Refused {
        /// What the kernel is told.
        errno: Errno,
        /// The reason, and what to do.
        why: String,
    },
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Failure {
        Failure::Plain(errno)
    }
}

impl Failure {
    /// A refusal that says why.
    pub fn refused(errno: Errno, why: impl Into<String>) -> Failure {
        Failure::Refused { errno, why: why.into() }
    }

    /// A failure of a local file that was written.
    #[must_use]
    pub const fn spool(source: io::Error) -> Failure {
        Failure::Spool { verb: "write to", source }
    }

    /// A failure of a local file that was read.
    #[must_use]
    pub const fn unread(source: io::Error) -> Failure {
        Failure::Spool { verb: "read", source }
    }

    /// The failure and its causes, in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = self.to_string();
        let mut source = Error::source(self);
        while let Some(error) = source {
            line.push_str(": ");
            line.push_str(&error.to_string());
            source = error.source();
        }
        line
    }

    /// Whether the number alone tells all of it: nothing is wrong but what was asked for, or its user was told.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        match self {
            Failure::Plain(_) | Failure::Told(_) => true,
            Failure::Spool { source, .. } => matches!(
                source.raw_os_error(),
                Some(
                    libc::EEXIST
                        | libc::ENOTEMPTY
                        | libc::ENOTDIR
                        | libc::EISDIR
                        | libc::ENAMETOOLONG
                        | libc::EINVAL
                        | libc::EOPNOTSUPP
                )
            ),
            _ => false,
        }
    }

    /// What the kernel is told.
    #[must_use]
    pub fn errno(&self) -> Errno {
        match self {
            Failure::Plain(errno) | Failure::Told(errno) => *errno,
            Failure::Repo(error) => error.into(),
            Failure::Collection(error) => error.into(),
            Failure::Rows(error) => error.into(),
            Failure::Input(error) => error.into(),
            Failure::Schema(_) => Errno::EINVAL,
            Failure::Spool { source, .. } => source.raw_os_error().map_or(Errno::EIO, Errno),
            Failure::Refused { errno, .. } => *errno,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_panic_said_is_known_for_texts() {
        assert_eq!(message(&"a"), "a");
        assert_eq!(message(&"b".to_owned()), "b");
        assert_eq!(message(&3), "no message");
    }

    #[test]
    fn a_panic_is_a_failure_that_says_what_panicked() {
        assert_eq!(caught("x", || Ok(1)).unwrap(), 1);
        let failed =
            caught("reading rows", || -> Result<(), Failure> { panic!("index 3 of 2") }).unwrap_err();
        assert_eq!(failed.errno(), Errno::EIO);
        assert_eq!(failed.line(), "reading rows failed by a fault of lakota itself: index 3 of 2");
    }
}
