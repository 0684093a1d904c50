//! How a repository is mounted: what `-o` can say.

pub mod parse;

use crate::vfs::name::Names;
use std::path::PathBuf;
use std::time::Duration;

/// What a mount was asked to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountOptions {
    /// Nothing may be written.
    pub read_only: bool,
    /// Users other than the owner may use it (with `default_permissions`).
    pub allow_other: bool,
    /// Owner of all files; none: who mounts.
    pub uid: Option<u32>,
    /// Group of all files; none: that of who mounts.
    pub gid: Option<u32>,
    /// Permission bits taken away.
    pub umask: u16,
    /// `revisions` is reachable but not listed.
    pub hide_revisions: bool,
    /// Names of the live files.
    pub names: Names,
    /// Bytes of chunks and rendered text kept in memory.
    pub cache: u64,
    /// How long a look at a place that cannot tell of changes stays good.
    pub poll: Duration,
    /// What mount tables show as the source; none: the repository's folder.
    pub fsname: Option<String>,
    /// Where bytes being written wait; none: the user's folder of states.
    pub spool: Option<PathBuf>,
    /// What the log says of revisions made through the mount; none: what was done.
    pub message: Option<String>,
    /// Where the repository lies: shown in `.lakota/status`.
    pub repo: PathBuf,
}

impl Default for MountOptions {
    fn default() -> MountOptions {
        MountOptions {
            read_only: false,
            allow_other: false,
            uid: None,
            gid: None,
            umask: 0o022,
            hide_revisions: false,
            names: Names::Live,
            cache: 256 << 20,
            poll: Duration::from_secs(1),
            fsname: None,
            spool: None,
            message: None,
            repo: PathBuf::new(),
        }
    }
}
