//! Why nothing is mounted: each with what to do.

use super::unmount::UnmountError;
use crate::data::plain::word;
use std::io;
use std::path::PathBuf;

/// Why nothing was mounted, or why it ended badly.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// No mountpoint.
    #[error("mountpoint {0} does not exist: `mkdir -p {word}` makes it", word = word(.0))]
    Missing(PathBuf),
    /// A file.
    #[error("mountpoint {0} is no folder: choose an empty one")]
    NotAFolder(PathBuf),
    /// Seeing the repository would hide it.
    #[error("mountpoint {mountpoint} holds the repository {repo}: choose a folder outside of it")]
    HoldsRepo {
        /// The mountpoint.
        mountpoint: PathBuf,
        /// The repository.
        repo: PathBuf,
    },
    /// The mount would be in the repository's own files.
    #[error("mountpoint {mountpoint} lies in the repository {repo}: choose a folder outside of it")]
    InRepo {
        /// The mountpoint.
        mountpoint: PathBuf,
        /// The repository.
        repo: PathBuf,
    },
    /// A mount of ours.
    #[error(
        "{name} is mounted at {mountpoint} already: `lakota umount {word}` first, or choose another folder",
        word = word(.mountpoint)
    )]
    Mounted {
        /// The mountpoint.
        mountpoint: PathBuf,
        /// Its repository.
        name: String,
    },
    /// A mount of ours that does not answer.
    #[error("the mount at {0} does not answer: `lakota umount --force {word}` ends it", word = word(.0))]
    Hangs(PathBuf),
    /// A mount of others that does not answer.
    #[error(
        "a mount of type {fstype} at {mountpoint} does not answer: `umount -l {word}` detaches it",
        word = word(.mountpoint)
    )]
    Foreign {
        /// The mountpoint.
        mountpoint: PathBuf,
        /// Its type.
        fstype: String,
    },
    /// A path that cannot be looked at.
    #[error("cannot look at {path}")]
    Look {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The table of mounts cannot be read.
    #[error("cannot read what is mounted")]
    Table(#[source] io::Error),
    /// A mount that is in the way stays.
    #[error(transparent)]
    Unmount(#[from] UnmountError),
    /// The kernel or its helper said no.
    #[error("cannot mount {mountpoint}")]
    Refused {
        /// The mountpoint.
        mountpoint: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Signals or threads cannot be had.
    #[error("cannot serve {mountpoint}")]
    Serve {
        /// The mountpoint.
        mountpoint: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A mount that does not answer.
    #[error("{0} was mounted but did not answer in time, so it was unmounted")]
    Silent(PathBuf),
    /// A mount that answers with an error.
    #[error("{mountpoint} was mounted but cannot be looked at, so it was unmounted")]
    Broken {
        /// The mountpoint.
        mountpoint: PathBuf,
        /// What it answers.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_type_is_quoted_where_a_shell_needs_it() {
        let error = MountError::Missing("/mnt/a b".into());
        assert_eq!(error.to_string(), "mountpoint /mnt/a b does not exist: `mkdir -p '/mnt/a b'` makes it");
    }
}
