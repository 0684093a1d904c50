//! Where a file lies that is to be written, and whether its name can be trusted.
//!
//! In a folder where everybody may write but only remove what is theirs (as /tmp), somebody may have put a link, a file or
//! a pipe of that name first. The kernel refuses to open those for writing (`fs.protected_symlinks`, `_regular`,
//! `_fifos`); who writes a new file and renames it must ask the same by itself, wherever the kernel is told not to.

use anyhow::{Context, Result};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Links that lead to each other, at most: as the kernel.
const MOST_LINKS: usize = 40;

/// What a name leads to.
#[derive(Debug)]
pub(crate) struct Target {
    /// The name at the end of all links: no link itself.
    pub(crate) path: PathBuf,
    /// What is there.
    pub(crate) there: Option<Stat>,
}

impl Target {
    /// The folder that the file lies in.
    pub(crate) fn folder(&self) -> &Path {
        folder(&self.path)
    }

    /// Whether something is there that is no regular file.
    pub(crate) fn is_special(&self) -> bool {
        self.there.is_some_and(|there| kind(&there) != FileType::RegularFile)
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

const fn kind(there: &Stat) -> FileType {
    FileType::from_raw_mode(there.st_mode)
}

/// Follows the links of a name. Fails if one of them, or what it leads to, is somebody else's in a folder where
/// everybody may write.
pub(crate) fn find(path: &Path) -> io::Result<Target> {
    let mut path = path.to_owned();
    for _ in 0..=MOST_LINKS {
        // What is looked at is held: it cannot be another link when it is read.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let held = match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(held) => held,
            Err(Errno::NOENT) => return Ok(Target { path, there: None }),
            Err(errno) => return Err(errno.into()),
        };
        let there = rustix::fs::fstat(&held)?;
        let around = rustix::fs::stat(folder(&path))?;
        check(&path, &there, &around, rustix::process::geteuid().as_raw())?;
        if kind(&there) != FileType::Symlink {
            return Ok(Target { path, there: Some(there) });
        }
        let to = rustix::fs::readlinkat(&held, "", Vec::new())?;
        path = folder(&path).join(OsStr::from_bytes(to.to_bytes()));
    }
    Err(Errno::LOOP.into())
}

/// Fails if a folder that is to be made or filled would be one that somebody else's link leads to.
pub(crate) fn check_folder(path: &Path) -> Result<()> {
    // Without a slash at the end, behind which the kernel follows links.
    let path: PathBuf = path.components().collect();
    find(&path).map(|_| ()).with_context(|| format!("cannot write {}", path.display()))
}

/// The kernel's rule: in a sticky folder that everybody may write to, only what is the user's own or the folder's owner's.
fn check(path: &Path, there: &Stat, around: &Stat, user: u32) -> io::Result<()> {
    const STICKY: u32 = 0o1002;
    let what = match kind(there) {
        FileType::Symlink => "link",
        FileType::RegularFile => "file",
        FileType::Fifo => "pipe",
        _ => return Ok(()),
    };
    let open = around.st_mode & STICKY == STICKY;
    if !open || there.st_uid == user || there.st_uid == around.st_uid {
        return Ok(());
    }
    let message = format!(
        "{} is a {what} of another user (uid {}) in a folder where everybody may write: remove it, or choose another place",
        path.display(),
        there.st_uid
    );
    Err(io::Error::new(ErrorKind::PermissionDenied, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, mknodat};
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};

    /// A user that no test runs as.
    const OTHER: u32 = 54_321;

    /// A folder where everybody may write; none if this user cannot make files of others.
    fn sticky() -> Option<tempfile::TempDir> {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        let probe = folder.path().join("probe");
        fs::write(&probe, "").unwrap();
        lchown(&probe, Some(OTHER), Some(OTHER)).is_ok().then_some(folder)
    }

    #[test]
    fn what_others_put_into_an_open_folder_is_refused() {
        let Some(folder) = sticky() else { return };
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "").unwrap();
        mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        symlink("/etc/hostname", at("link")).unwrap();
        for (name, what) in [("file", "file"), ("pipe", "pipe"), ("dangling", "link"), ("link", "link")] {
            assert!(find(&at(name)).is_ok(), "one's own {name}");
            lchown(at(name), Some(OTHER), None).unwrap();
            let error = find(&at(name)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            assert!(error.to_string().contains(&format!("{name} is a {what} of another user")), "{error}");
        }
        // A link of one's own to what is not.
        symlink("link", at("mine")).unwrap();
        assert!(find(&at("mine")).is_err());
        // Where only some may write, or what others put is theirs to remove, the folder's owner answers for it.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(find(&at("mine")).is_ok());
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        lchown(folder.path(), Some(OTHER), None).unwrap();
        assert!(find(&at("mine")).is_ok());
    }

    #[test]
    fn links_are_followed_to_their_end_also_where_nothing_is() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        symlink("sub/next", at("first")).unwrap();
        symlink("../last", at("sub/next")).unwrap();
        let target = find(&at("first")).unwrap();
        assert!(target.there.is_none() && target.path.ends_with("sub/../last"), "{target:?}");
        fs::write(at("last"), "x").unwrap();
        assert!(!find(&at("first")).unwrap().is_special());
        symlink("loop", at("loop")).unwrap();
        assert!(find(&at("loop")).is_err());
        assert!(find(&at("sub")).unwrap().is_special());
    }
}
