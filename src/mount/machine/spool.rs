//! The spool of a mount: in a folder that the mount does not hide, and that is no part of the repository.

use crate::mount::machine::table;
use crate::vfs::spool::{Spool, SpoolError};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Opens the spool of a mount in `base`, made where it is missing; to be done before anything is mounted. All paths are absolute,
/// `now` is in milliseconds since 1970-01-01 UTC. What a killed server left becomes rejected.
pub fn open(base: &Path, repo: &Path, mountpoint: &Path, now: u64) -> Result<Spool, SpoolError> {
    outside(base, repo, mountpoint)?;
    Spool::open(base, repo, mountpoint, now)
}

/// Checks that `base` lies neither in a mount of ours nor in the repository: by what folders are, and by how they are called
/// where they cannot be looked at. What does not exist yet will lie where the nearest folder above it does.
fn outside(base: &Path, repo: &Path, mountpoint: &Path) -> Result<(), SpoolError> {
    let in_mount =
        |mountpoint: &Path| SpoolError::InMount { path: base.to_owned(), mountpoint: mountpoint.to_owned() };
    let mounts: Vec<PathBuf> = match table::read() {
        Ok(mounts) => {
            mounts.into_iter().filter(table::Mount::is_lakota).map(|mount| mount.mountpoint).collect()
        }
        Err(_) => Vec::new(),
    };
    let mounted = |path: &Path| mounts.iter().find(|mountpoint| path.starts_with(mountpoint));
    // A way that leads back, as `mnt/../spool` does, says by its names alone not where it ends.
    let straight = !base.components().any(|part| part == Component::ParentDir);
    // Before anything there is looked at: a mount may not answer.
    if straight && let Some(mountpoint) = mounted(base) {
        return Err(in_mount(mountpoint));
    }
    let there = base.ancestors().find_map(|path| path.canonicalize().ok()).unwrap_or_default();
    if let Some(mountpoint) = mounted(&there) {
        return Err(in_mount(mountpoint));
    }
    let id = |path: &Path| path.metadata().ok().map(|there| (there.dev(), there.ino()));
    let lies_in = |outer: &Path| {
        let same = id(outer).is_some_and(|outer| there.ancestors().any(|path| id(path) == Some(outer)));
        same || (straight && base.starts_with(outer))
    };
    if lies_in(mountpoint) {
        return Err(in_mount(mountpoint));
    }
    if lies_in(repo) {
        return Err(SpoolError::InRepo { path: base.to_owned(), repo: repo.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_folder_in_the_mountpoint_or_in_the_repository_is_refused_however_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["repo", "mnt"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        let try_open = |base: &str| open(&path(base), &path("repo"), &path("mnt"), 1_795_365_012_506);
        assert!(matches!(try_open("mnt"), Err(SpoolError::InMount { .. })));
        assert!(matches!(try_open("mnt/a/b"), Err(SpoolError::InMount { .. })));
        assert!(matches!(try_open("repo/spool"), Err(SpoolError::InRepo { .. })));
        symlink(path("repo"), path("link")).unwrap();
        assert!(matches!(try_open("link/spool"), Err(SpoolError::InRepo { .. })));
        assert!(matches!(try_open("mnt/../repo/spool"), Err(SpoolError::InRepo { .. })));
        for name in ["mnt", "repo"] {
            assert_eq!(path(name).read_dir().unwrap().count(), 0);
        }
        try_open("mnt-spool").unwrap();
        try_open("mnt/../base").unwrap();
    }
}
