//! Why there is no spool: each with what to do.

use std::io;
use std::path::PathBuf;

/// Why there is no spool.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// A link could lead elsewhere later.
    #[error("the spool folder {0} is a link: name the folder that it leads to with `-o spool=DIR`")]
    Link(PathBuf),
    /// A file.
    #[error("the spool folder {0} is no folder: name another with `-o spool=DIR`")]
    NotAFolder(PathBuf),
    /// Its owner could read and change what is written.
    #[error(
        "the spool folder {path} belongs to another user ({uid}): name one of your own with `-o spool=DIR`"
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Anybody could put another folder in its place.
    #[error(
        "the spool folder {0} can be written by everybody: `chmod o-w` it, or name another with `-o spool=DIR`"
    )]
    Open(PathBuf),
    /// Writing to it would be writing through a mount.
    #[error(
        "the spool folder {path} lies in the mountpoint {mountpoint}: name one outside of it with `-o spool=DIR`"
    )]
    InMount {
        /// The folder.
        path: PathBuf,
        /// The mountpoint.
        mountpoint: PathBuf,
    },
    /// The repository's folder holds objects and nothing else.
    #[error(
        "the spool folder {path} lies in the repository {repo}: name one outside of it with `-o spool=DIR`"
    )]
    InRepo {
        /// The folder.
        path: PathBuf,
        /// The repository.
        repo: PathBuf,
    },
    /// It cannot be made or written.
    #[error("cannot use the spool folder {path} (`-o spool=DIR` names another)")]
    Use {
        /// What cannot be used.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Servers that do not end.
    #[error(
        "the spool folder {0} and its successors are all held by servers that have not ended: end them, or name another \
         folder with `-o spool=DIR`"
    )]
    Taken(PathBuf),
}
