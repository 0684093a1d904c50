//! The base folder of spools: where it is by default, and how it is made.

use super::error::SpoolError;
use super::folder::Folder;
use rustix::fs::Access;
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

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
pub fn free_space(base: &Path) -> Result<u64, SpoolError> {
    let failed = |error: Errno| SpoolError::Use { path: base.to_owned(), source: error.into() };
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
