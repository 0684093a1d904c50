//! Why an operation on the files of a repository failed, and of what kind the failure is.
//!
//! A failure keeps its cause, for who is to read it; its kind is what an adapter answers by.

use crate::collection::CollectionError;
use crate::data::input::{InputError, Problem};
use crate::data::plain::chain;
use crate::data::schema::SchemaError;
use crate::history::changelog::HistoryError;
use crate::repo::RepoError;
use crate::series::RowsError;
use std::any::Any;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{fmt, io};

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No such name.
    NotFound,
    /// A file where a folder is needed.
    NotAFolder,
    /// A folder where a file is needed.
    IsAFolder,
    /// A name that is taken.
    Exists,
    /// A folder that holds something.
    NotEmpty,
    /// Content that cannot be; an operation on the wrong thing.
    Invalid,
    /// Nothing here is written.
    ReadOnly,
    /// Not for this user.
    Denied,
    /// What is not done here.
    NotAllowed,
    /// A file that cannot be written so.
    Unsupported,
    /// From one series or collection to another: to be copied.
    OtherPlace,
    /// More than a file may hold.
    TooLarge,
    /// No space.
    Full,
    /// No space that this user may take.
    OverQuota,
    /// A name longer than names may be.
    NameTooLong,
    /// What was asked about is gone, or means something else now.
    Stale,
    /// The bytes cannot be had: damage, a missing object, a failing backend.
    Unavailable,
    /// None of these: a code of the operating system, which means something to its programs alone.
    Code(i32),
}

impl Kind {
    /// All that have a name.
    pub const NAMED: [Kind; 17] = [
        Kind::NotFound,
        Kind::NotAFolder,
        Kind::IsAFolder,
        Kind::Exists,
        Kind::NotEmpty,
        Kind::Invalid,
        Kind::ReadOnly,
        Kind::Denied,
        Kind::NotAllowed,
        Kind::Unsupported,
        Kind::OtherPlace,
        Kind::TooLarge,
        Kind::Full,
        Kind::OverQuota,
        Kind::NameTooLong,
        Kind::Stale,
        Kind::Unavailable,
    ];

    /// Of what a system call on a local file said. What the standard library calls by the name of several codes stays a code.
    #[must_use]
    pub fn of_local(error: &io::Error) -> Kind {
        let Some(code) = error.raw_os_error() else { return Kind::Unavailable };
        match error.kind() {
            io::ErrorKind::NotFound => Kind::NotFound,
            io::ErrorKind::NotADirectory => Kind::NotAFolder,
            io::ErrorKind::IsADirectory => Kind::IsAFolder,
            io::ErrorKind::AlreadyExists => Kind::Exists,
            io::ErrorKind::DirectoryNotEmpty => Kind::NotEmpty,
            io::ErrorKind::InvalidInput => Kind::Invalid,
            io::ErrorKind::ReadOnlyFilesystem => Kind::ReadOnly,
            io::ErrorKind::CrossesDevices => Kind::OtherPlace,
            io::ErrorKind::FileTooLarge => Kind::TooLarge,
            io::ErrorKind::StorageFull => Kind::Full,
            io::ErrorKind::QuotaExceeded => Kind::OverQuota,
            io::ErrorKind::InvalidFilename => Kind::NameTooLong,
            io::ErrorKind::StaleNetworkFileHandle => Kind::Stale,
            _ => Kind::Code(code),
        }
    }

    /// Of what a system call of the repository said, if that is of use to a program: to it, all else is damage.
    fn of_repository(error: &io::Error) -> Kind {
        match Kind::of_local(error) {
            Kind::Code(_) if error.kind() == io::ErrorKind::PermissionDenied => Kind::Denied,
            kind @ (Kind::Full | Kind::OverQuota | Kind::TooLarge | Kind::ReadOnly) => kind,
            Kind::Code(code) if is_lack_of_descriptors(code) => Kind::Code(code),
            _ => Kind::Unavailable,
        }
    }
}

/// Whether a code says that no more files can be open, of this process or at all.
fn is_lack_of_descriptors(code: i32) -> bool {
    [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].iter().any(|lack| lack.raw_os_error() == code)
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::NotFound => "there is no such name",
            Kind::NotAFolder => "it is a file, not a folder",
            Kind::IsAFolder => "it is a folder, not a file",
            Kind::Exists => "the name is taken",
            Kind::NotEmpty => "the folder is not empty",
            Kind::Invalid => "this cannot be",
            Kind::ReadOnly => "nothing here can be written",
            Kind::Denied => "permission denied",
            Kind::NotAllowed => "this is not done here",
            Kind::Unsupported => "the file cannot be written so",
            Kind::OtherPlace => "it is in another series or collection",
            Kind::TooLarge => "it is too large",
            Kind::Full => "no space is left",
            Kind::OverQuota => "the quota is used up",
            Kind::NameTooLong => "the name is too long",
            Kind::Stale => "it is gone, or means something else now",
            Kind::Unavailable => "it cannot be read or written now",
            Kind::Code(code) => return write!(f, "{}", io::Error::from_raw_os_error(*code)),
        })
    }
}

/// What a system call below an error said, if there was one.
fn below(error: &(dyn Error + 'static)) -> Kind {
    let mut error = Some(error);
    while let Some(cause) = error {
        let said = cause.downcast_ref::<io::Error>().filter(|said| said.raw_os_error().is_some());
        if let Some(said) = said {
            return Kind::of_repository(said);
        }
        error = cause.source();
    }
    Kind::Unavailable
}

impl From<&InputError> for Kind {
    fn from(error: &InputError) -> Kind {
        match &error.problem {
            Problem::Read(source) | Problem::Spool(source) => Kind::of_repository(source),
            _ => Kind::Invalid,
        }
    }
}

impl From<&RowsError> for Kind {
    fn from(error: &RowsError) -> Kind {
        match error {
            RowsError::Input(error) => error.into(),
            RowsError::Refused(_) => Kind::Invalid,
            other => below(other),
        }
    }
}

impl From<&CollectionError> for Kind {
    fn from(error: &CollectionError) -> Kind {
        match error {
            CollectionError::Rows(error) => error.into(),
            CollectionError::Label(_) | CollectionError::NotATag(_) => Kind::Invalid,
            CollectionError::Exists(_) | CollectionError::Tagged { .. } => Kind::Exists,
            CollectionError::NoSeries { .. }
            | CollectionError::NoRevision(..)
            | CollectionError::Future(_)
            | CollectionError::NoTag { .. }
            | CollectionError::TagLost { .. }
            | CollectionError::NothingBefore { .. }
            | CollectionError::Ambiguous { .. }
            | CollectionError::Empty(_)
            | CollectionError::History(HistoryError::Trimmed(_)) => Kind::NotFound,
            other => below(other),
        }
    }
}

impl From<&RepoError> for Kind {
    fn from(error: &RepoError) -> Kind {
        match error {
            RepoError::NoCollection { .. } => Kind::NotFound,
            RepoError::Collection(error) => error.into(),
            RepoError::Exists(_) | RepoError::OtherSchema { .. } => Kind::Exists,
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
        Err(Failure::refused(Kind::Unavailable, format!("{what} failed by a fault of lakota itself: {said}")))
    })
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nothing to explain: a name that is not there, a file where a folder is needed.
    #[error("{0}")]
    Plain(Kind),
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
    #[error("{0}")]
    Reported(Kind),
    /// What is not done here, and why.
    #[error("{why}")]
    Refused {
        /// Of what kind it is.
        kind: Kind,
        /// The reason, and what to do.
        why: String,
    },
}

impl From<Kind> for Failure {
    fn from(kind: Kind) -> Failure {
        Failure::Plain(kind)
    }
}

impl Failure {
    /// A refusal that says why.
    pub fn refused(kind: impl Into<Kind>, why: impl Into<String>) -> Failure {
        Failure::Refused { kind: kind.into(), why: why.into() }
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
        chain(self)
    }

    /// Of what kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Failure::Plain(kind) | Failure::Reported(kind) | Failure::Refused { kind, .. } => *kind,
            Failure::Repo(error) => error.into(),
            Failure::Collection(error) => error.into(),
            Failure::Rows(error) => error.into(),
            Failure::Input(error) => error.into(),
            Failure::Schema(_) => Kind::Invalid,
            Failure::Spool { source, .. } => Kind::of_local(source),
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
        assert_eq!(failed.kind(), Kind::Unavailable);
        assert_eq!(failed.line(), "reading rows failed by a fault of lakota itself: index 3 of 2");
    }
}
