//! Error numbers of the file system: chosen here and nowhere else.

use crate::vfs::failure::{Failure, Kind};
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

    /// What the kernel is told of a failure.
    #[must_use]
    pub fn of(failure: &Failure) -> Errno {
        failure.kind().into()
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", std::io::Error::from_raw_os_error(self.0))
    }
}

impl From<Kind> for Errno {
    fn from(kind: Kind) -> Errno {
        match kind {
            Kind::NotFound => Errno::ENOENT,
            Kind::NotAFolder => Errno::ENOTDIR,
            Kind::IsAFolder => Errno::EISDIR,
            Kind::Exists => Errno::EEXIST,
            Kind::NotEmpty => Errno::ENOTEMPTY,
            Kind::Invalid => Errno::EINVAL,
            Kind::ReadOnly => Errno::EROFS,
            Kind::Denied => Errno::EACCES,
            Kind::NotAllowed => Errno::EPERM,
            Kind::Unsupported => Errno::EOPNOTSUPP,
            Kind::OtherPlace => Errno::EXDEV,
            Kind::TooLarge => Errno::EFBIG,
            Kind::Full => Errno::ENOSPC,
            Kind::OverQuota => Errno(libc::EDQUOT),
            Kind::NameTooLong => Errno::ENAMETOOLONG,
            Kind::Stale => Errno::ESTALE,
            Kind::Unavailable => Errno::EIO,
            Kind::Code(code) => Errno(code),
        }
    }
}

/// A number that POSIX asks for, as the failure that it is.
impl From<Errno> for Kind {
    fn from(errno: Errno) -> Kind {
        let named = Kind::NAMED.into_iter().find(|kind| Errno::from(*kind) == errno);
        named.unwrap_or(Kind::Code(errno.0))
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Failure {
        Failure::Plain(errno.into())
    }
}

/// A failure in one line, as programs of this system know it.
#[must_use]
pub fn line(failure: &Failure) -> String {
    match failure {
        Failure::Plain(kind) | Failure::Reported(kind) => format!("{:?}", Errno::from(*kind)),
        failure => failure.line(),
    }
}

/// Whether the number alone tells all of it: nothing is wrong but what was asked for, or its user was told.
#[must_use]
pub fn is_answer(failure: &Failure) -> bool {
    match failure {
        Failure::Plain(_) | Failure::Reported(_) => true,
        Failure::Spool { .. } => {
            matches!(
                failure.kind(),
                Kind::Exists
                    | Kind::NotEmpty
                    | Kind::NotAFolder
                    | Kind::IsAFolder
                    | Kind::NameTooLong
                    | Kind::Invalid
            ) || Errno::of(failure) == Errno::EOPNOTSUPP
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::CollectionError;
    use crate::data::input::{InputError, Problem};
    use crate::history::changelog::HistoryError;
    use crate::repo::RepoError;
    use crate::series::RowsError;
    use std::io;

    fn system(code: i32) -> io::Error {
        io::Error::from_raw_os_error(code)
    }

    #[test]
    fn every_kind_has_a_number_of_its_own() {
        for kind in Kind::NAMED {
            assert_eq!(Kind::from(Errno::from(kind)), kind, "{kind:?}");
        }
        for only_posix in [Errno::EBADF, Errno::EBADMSG, Errno::ENOSYS] {
            assert_eq!(Kind::from(only_posix), Kind::Code(only_posix.0));
        }
    }

    #[test]
    fn what_the_system_says_of_a_local_file_is_told_as_it_is() {
        for code in 1..134 {
            assert_eq!(Errno::of(&Failure::spool(system(code))), Errno(code));
        }
        assert_eq!(Errno::of(&Failure::unread(io::Error::other("no number"))), Errno::EIO);
    }

    #[test]
    fn of_a_repository_only_what_is_of_use_to_a_program_is_told() {
        let input = |problem| Failure::from(InputError::new(problem));
        for code in 1..134 {
            let expected = match code {
                libc::ENOSPC
                | libc::EDQUOT
                | libc::EFBIG
                | libc::EROFS
                | libc::EACCES
                | libc::EMFILE
                | libc::ENFILE => code,
                libc::EPERM => libc::EACCES,
                _ => libc::EIO,
            };
            for problem in [Problem::Read(system(code)), Problem::Spool(system(code))] {
                assert_eq!(Errno::of(&input(problem)), Errno(expected));
            }
        }
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(Errno::of(&input(Problem::Read(denied))), Errno::EIO);
        assert_eq!(Errno::of(&input(Problem::Other(String::new()))), Errno::EINVAL);
    }

    #[test]
    fn failures_of_the_repository_have_the_numbers_of_their_kinds() {
        let label = String::new;
        let stamp = crate::clock::Stamp { time: 0, digest: crate::digest::Digest::ZERO };
        let cases: [(Failure, Errno); 9] = [
            (RowsError::Refused(label()).into(), Errno::EINVAL),
            (RowsError::Index(label()).into(), Errno::EIO),
            (CollectionError::Exists(label()).into(), Errno::EEXIST),
            (CollectionError::Empty(label()).into(), Errno::ENOENT),
            (CollectionError::History(HistoryError::Trimmed(0)).into(), Errno::ENOENT),
            (CollectionError::History(HistoryError::Gone(stamp)).into(), Errno::EIO),
            (RepoError::Exists(label()).into(), Errno::EEXIST),
            (RepoError::Collection(CollectionError::Exists(label())).into(), Errno::EEXIST),
            (Failure::refused(Errno::EPERM, "why"), Errno::EPERM),
        ];
        for (failure, errno) in cases {
            assert_eq!(Errno::of(&failure), errno, "{failure:?}");
        }
    }

    #[test]
    fn a_line_of_a_bare_number_is_the_system_s() {
        assert_eq!(line(&Errno::ENOSPC.into()), "No space left on device (os error 28)");
        assert_eq!(line(&Failure::refused(Errno::EPERM, "why")), "why");
    }
}
