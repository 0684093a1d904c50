//! The base folder of spools: where it is by default, where it must not be.

use super::error::SpoolError;
use super::folder::Folder;
use crate::mount::table;
use rustix::fs::Access;
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

/// Where spools are where nothing else is asked for: of root in `/var/lib/lakota`, else in the user's folder of states. `None`
/// where the user has no home.
#[must_use]
pub fn default_base(state_home: Option<OsString>, home: Option<OsString>, root: bool) -> Option<PathBuf> {
    if root {
        return Some("/var/lib/lakota".into());
    }
    // Relative ones are none, as the specification of these variables says.
    let folder = |text: Option<OsString>| text.map(PathBuf::from).filter(|path| path.is_absolute());
    let state = folder(state_home).or_else(|| Some(folder(home)?.join(".local/state")));
    Some(state?.join("lakota"))
}

/// Makes the folder and what is missing above it, for this user alone, on disk on return.
pub(super) fn make(base: &Path) -> Result<(), SpoolError> {
    let failed = |source| SpoolError::Use { path: base.to_owned(), source };
    let missing: Vec<&Path> = base.ancestors().take_while(|path| !path.exists()).collect();
    match DirBuilder::new().recursive(true).mode(0o700).create(base) {
        Ok(()) => {}
        // What is there already is told in its own words when it is opened.
        Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(()),
        Err(e) => return Err(failed(e)),
    }
    for parent in missing.into_iter().rev().filter_map(Path::parent) {
        sync(parent).map_err(failed)?;
    }
    Ok(())
}

/// Whether this user could have spools in `base`, which need not exist: nothing is made. Gives the bytes that are free there.
pub fn room(base: &Path) -> Result<u64, SpoolError> {
    let failed = |errno: Errno| SpoolError::Use { path: base.to_owned(), source: errno.into() };
    let there = base.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(base);
    if there == base {
        Folder::base(base)?;
    } else if !there.is_dir() {
        return Err(SpoolError::NotAFolder(there.to_owned()));
    }
    rustix::fs::access(there, Access::WRITE_OK | Access::EXEC_OK).map_err(failed)?;
    let disk = rustix::fs::statvfs(there).map_err(failed)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn sync(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // What file systems answer that have no sync of folders: there is nothing more to do.
        Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        done => done,
    }
}

/// Checks that `base` lies neither in a mount of ours nor in the repository: by what folders are, and by how they are called
/// where they cannot be looked at. What does not exist yet will lie where the nearest folder above it does.
pub(super) fn outside(base: &Path, repo: &Path, mountpoint: &Path) -> Result<(), SpoolError> {
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
