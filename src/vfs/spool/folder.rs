//! Private folders: owned by this user, closed to all others, no links; held by a descriptor.
//!
//! Every file is reached from the descriptor, so a folder that is renamed or replaced under a server never leads it
//! elsewhere. Files are made with O_EXCL and 0600, links are never followed.

use super::SpoolError;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A private folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    fd: OwnedFd,
}

impl Folder {
    /// Opens the folder `name` of `parent`, made where it is missing.
    pub(super) fn private(parent: &Folder, name: &OsStr) -> Result<Folder, SpoolError> {
        let path = parent.path.join(name);
        let failed = |error: Errno| SpoolError::Use { path: path.clone(), source: error.into() };
        match rustix::fs::mkdirat(&parent.fd, name, Mode::RWXU) {
            Ok(()) => parent.sync().map_err(|source| SpoolError::Use { path: path.clone(), source })?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(failed(error)),
        }
        let there = rustix::fs::statat(&parent.fd, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        checked(&path, &there)?;
        let folder = Folder { fd: opened(&parent.fd, name).map_err(failed)?, path: path.clone() };
        // What was looked at may have been another folder.
        let there = rustix::fs::fstat(&folder.fd).map_err(failed)?;
        checked(&path, &there)?;
        if there.st_mode & 0o7777 != 0o700 {
            rustix::fs::fchmod(&folder.fd, Mode::RWXU).map_err(failed)?;
        }
        Ok(folder)
    }

    /// Opens the folder that private ones are made in: of this user, and such that others cannot move what lies in it.
    pub(super) fn base(path: &Path) -> Result<Folder, SpoolError> {
        let failed = |error: Errno| SpoolError::Use { path: path.to_owned(), source: error.into() };
        let there = rustix::fs::lstat(path).map_err(failed)?;
        checked(path, &there)?;
        let fd = opened(rustix::fs::CWD, path.as_os_str()).map_err(failed)?;
        let there = rustix::fs::fstat(&fd).map_err(failed)?;
        checked(path, &there)?;
        // With the sticky bit, as in /tmp, they can write and still not move what is not theirs.
        if there.st_mode & 0o1002 == 0o0002 {
            return Err(SpoolError::Open(path.to_owned()));
        }
        Ok(Folder { fd, path: path.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is something of this name.
    pub(super) fn has(&self, name: &OsStr) -> io::Result<bool> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a file that must not exist, open for reading and writing.
    pub(super) fn create(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)?))
    }

    /// Makes a file with these bytes, which must not exist. Where they cannot be written, there is no file.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> io::Result<File> {
        let mut file = self.create(name)?;
        match file.write_all(bytes) {
            Ok(()) => Ok(file),
            Err(error) => {
                self.forget(name);
                Err(error)
            }
        }
    }

    /// Writes other bytes into a file that is there, on disk on return.
    pub(super) fn rewrite(&self, name: &OsStr, bytes: &[u8]) -> io::Result<()> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let mut file = File::from(rustix::fs::openat(&self.fd, name, flags, Mode::empty())?);
        file.write_all(bytes)?;
        file.set_len(bytes.len() as u64)?;
        file.sync_all()
    }

    /// Opens a regular file; `None` where there is none, nor where the name is that of something else.
    pub(super) fn open(&self, name: &OsStr) -> io::Result<Option<File>> {
        if !plain(name) {
            return Ok(None);
        }
        // A pipe would wait for who writes.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::NAMETOOLONG) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(file.metadata()?.is_file().then_some(file))
    }

    /// Opens the file for locks, made where it is missing.
    pub(super) fn lock_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(File::from(rustix::fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)?))
    }

    /// Removes a file or link, and tells whether it was there.
    pub(super) fn remove(&self, name: &OsStr) -> io::Result<bool> {
        if !plain(name) {
            return Ok(false);
        }
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT | Errno::NAMETOOLONG) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a file of this server that is of no use any more; what stays is found when the spool is opened again.
    pub(super) fn forget(&self, name: &str) {
        if let Err(error) = self.remove(OsStr::new(name)) {
            log::warn!("cannot remove {}: {error}", self.path.join(name).display());
        }
    }

    /// Moves a file into another folder of the spool.
    pub(super) fn rename(&self, name: &OsStr, to: &Folder, to_name: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, name, &to.fd, to_name)?)
    }

    /// The names in it, sorted.
    pub(super) fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if plain(name) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Removes all that lies in it, folders too.
    pub(super) fn clear(&self) {
        let names = self.names().unwrap_or_default();
        for path in names.iter().map(|name| self.path.join(name)) {
            let removed = match path.symlink_metadata() {
                Ok(there) if there.is_dir() => std::fs::remove_dir_all(&path),
                Ok(_) => std::fs::remove_file(&path),
                Err(error) => Err(error),
            };
            if let Err(error) = removed {
                log::warn!("cannot remove {}: {error}", path.display());
            }
        }
    }

    /// Brings the names in it on disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        match rustix::fs::fsync(&self.fd) {
            // What file systems answer that have no sync of folders: there is nothing more to do.
            Ok(()) | Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a text is the name of something in a folder.
fn plain(name: &OsStr) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.as_bytes().iter().any(|b| matches!(b, b'/' | 0))
}

fn opened(parent: impl std::os::fd::AsFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// Checks that a folder is one, and this user's.
fn checked(path: &Path, there: &Stat) -> Result<(), SpoolError> {
    match FileType::from_raw_mode(there.st_mode) {
        FileType::Symlink => Err(SpoolError::Link(path.to_owned())),
        FileType::Directory if there.st_uid == rustix::process::geteuid().as_raw() => Ok(()),
        FileType::Directory => Err(SpoolError::Foreign { path: path.to_owned(), uid: there.st_uid }),
        _ => Err(SpoolError::NotAFolder(path.to_owned())),
    }
}
