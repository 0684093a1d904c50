//! Scratch files: files and folders on local disk that a mount shows beside its own, as they are.
//!
//! Owns the calls on that area and the rule of what counts as being there: files and folders, nothing else. Knows
//! neither FUSE nor what the names around mean. Nothing is reached by a path twice: what was found is held, and all
//! goes on from there, so that nobody's rename or symbolic link leads out of the area. Errors carry the system's number.

mod age;
#[cfg(test)]
mod tests;

pub use age::age;

use super::number::number;
use rustix::fs::{
    AtFlags, CWD, Dir, Mode, OFlags, RenameFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, ftruncate,
    mkdirat, openat, renameat_with, unlinkat, utimensat,
};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// What finds something without opening it.
const FIND: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A file or folder of the scratch area, held by an `O_PATH` descriptor.
///
/// Renames and unlinks do not disturb it, and its inode number cannot pass to another while it is held.
#[derive(Debug)]
pub struct Held {
    /// Good for finding and asking only: it reads and writes nothing.
    at: File,
    folder: bool,
    number: u64,
}

/// What is known of a file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Whether it is a folder.
    pub folder: bool,
    /// Bytes.
    pub size: u64,
    /// When its content changed last, in milliseconds since 1970; 0 for all before.
    pub mtime: u64,
    /// What it takes on disk, in blocks of 512 bytes.
    pub blocks: u64,
    /// Names it has; 0 when it is unlinked.
    pub links: u64,
}

impl Held {
    /// Holds a folder; `None` where there is none, or something else in its place.
    ///
    /// Links above it are followed, one in its place is not.
    pub fn open(path: &Path) -> io::Result<Option<Held>> {
        match openat(CWD, path, FIND | OFlags::DIRECTORY, Mode::empty()) {
            Ok(at) => Held::of(at.into()),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Holds a folder that is made if it is missing, with what is missing above it, for its owner only; on disk on return.
    pub fn make(path: &Path) -> io::Result<Held> {
        if let Some(held) = Held::open(path)? {
            return Ok(held);
        }
        let name = path.file_name().ok_or(Errno::INVAL)?;
        let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let above =
            match openat(CWD, above, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
                Ok(at) => Held::of(at.into())?.ok_or(Errno::NOTDIR)?,
                Err(Errno::NOENT) => Held::make(above)?,
                Err(e) => return Err(e.into()),
            };
        match above.mkdir(name) {
            Err(e) if e.raw_os_error() == Some(Errno::EXIST.raw_os_error()) => {}
            made => return made.and_then(|held| above.sync().map(|()| held)),
        }
        // Another made it meanwhile, or it is no folder.
        Held::open(path)?.ok_or_else(|| Errno::NOTDIR.into())
    }

    /// What an `O_PATH` descriptor stands for; `None` for what is neither file nor folder.
    fn of(at: File) -> io::Result<Option<Held>> {
        let found = at.metadata()?;
        let folder = found.is_dir();
        Ok((folder || found.is_file()).then(|| Held { at, folder, number: number_of(&found) }))
    }

    /// The inode number that the mount shows: the same as long as it is the same file, through renames and remounts.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Whether it is a folder.
    #[must_use]
    pub const fn is_folder(&self) -> bool {
        self.folder
    }

    /// What is known of it now.
    pub fn facts(&self) -> io::Result<Facts> {
        let found = self.at.metadata()?;
        Ok(Facts {
            folder: self.folder,
            size: found.len(),
            mtime: ms(found.mtime(), found.mtime_nsec()),
            blocks: found.blocks(),
            links: found.nlink(),
        })
    }

    /// What bears a name in this folder. Links, devices, pipes and sockets, which somebody put there by hand, count as absent.
    pub fn child(&self, name: &OsStr) -> io::Result<Option<Held>> {
        self.find(name)?.map_or(Ok(None), Held::of)
    }

    /// What bears a name in this folder, whatever it is.
    fn find(&self, name: &OsStr) -> io::Result<Option<File>> {
        match openat(&self.at, single(name)?, FIND, Mode::empty()) {
            Ok(at) => Ok(Some(at.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// All that is in this folder, by name, each held: that takes a descriptor an entry.
    pub fn list(&self) -> io::Result<Vec<(OsString, Held)>> {
        let mut found = Vec::new();
        for name in self.names()? {
            if let Some(held) = self.child(&name)? {
                found.push((name, held));
            }
        }
        Ok(found)
    }

    /// The names in this folder, sorted; also those that count as absent.
    fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = self.entries()?.collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    fn entries(&self) -> io::Result<impl Iterator<Item = io::Result<OsString>>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let entries = Dir::new(openat(&self.at, ".", flags, Mode::empty())?)?;
        let names = entries.map(|entry| Ok(OsString::from_vec(entry?.file_name().to_bytes().to_vec())));
        Ok(names.filter(|name| !matches!(name, Ok(name) if name == "." || name == "..")))
    }

    /// Whether nothing at all is in this folder, as `rmdir` takes it: what counts as absent is something here.
    pub fn is_empty(&self) -> io::Result<bool> {
        self.entries()?.next().transpose().map(|first| first.is_none())
    }

    /// Opens a file for reading and writing, made if it is missing, for its owner only; `exclusive` fails with `EEXIST` where
    /// there is one, as all do where something is that counts as absent.
    pub fn create(&self, name: &OsStr, exclusive: bool) -> io::Result<(Held, File)> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            match openat(&self.at, single(name)?, flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => {
                    let file = File::from(file);
                    // By the descriptor, not by the name, which another may have taken since.
                    let at = openat(CWD, link(&file), OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
                    return Ok((Held::of(at.into())?.ok_or(Errno::NOENT)?, file));
                }
                Err(Errno::EXIST) if !exclusive => {}
                Err(e) => return Err(e.into()),
            }
            // Nothing there any more: it was unlinked since, so once more.
            if let Some(at) = self.find(name)? {
                let held = Held::of(at)?.ok_or(Errno::EXIST)?;
                let file = held.reopen(true, false)?;
                return Ok((held, file));
            }
        }
    }

    /// Makes a folder in this one, for its owner only.
    pub fn mkdir(&self, name: &OsStr) -> io::Result<Held> {
        mkdirat(&self.at, single(name)?, Mode::RWXU)?;
        Ok(self.child(name)?.ok_or(Errno::NOENT)?)
    }

    /// Takes the name of a file away; whoever holds the file or has it open keeps it.
    pub fn unlink(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.at, single(name)?, AtFlags::empty())?)
    }

    /// Removes an empty folder.
    pub fn rmdir(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.at, single(name)?, AtFlags::REMOVEDIR)?)
    }

    /// Renames what is in this folder to a name in `to`; where that is taken, it replaces it or fails with `EEXIST`.
    ///
    /// File systems that cannot promise the latter (NFS) answer `EINVAL`.
    pub fn rename(&self, name: &OsStr, to: &Held, to_name: &OsStr, replace: bool) -> io::Result<()> {
        let flags = if replace { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        Ok(renameat_with(&self.at, single(name)?, &to.at, single(to_name)?, flags)?)
    }

    /// Where a child of this folder lies now, or would lie; `ENOENT` when the folder is removed.
    pub fn path(&self, name: &OsStr) -> io::Result<PathBuf> {
        if !self.folder {
            return Err(Errno::NOTDIR.into());
        }
        let path = std::fs::read_link(link(&self.at))?;
        match Held::open(&path)? {
            Some(found) if found.number == self.number => Ok(path.join(single(name)?)),
            _ => Err(Errno::NOENT.into()),
        }
    }

    /// Opens the file for reading, or for reading and writing; it may be unlinked.
    pub fn reopen(&self, write: bool, truncate: bool) -> io::Result<File> {
        if self.folder {
            return Err(Errno::ISDIR.into());
        }
        File::options().read(true).write(write || truncate).truncate(truncate).open(link(&self.at))
    }

    /// Sets the file's length; what is new are zeroes.
    pub fn truncate(&self, len: u64) -> io::Result<()> {
        Ok(ftruncate(self.reopen(true, false)?, len)?)
    }

    /// Sets when the content changed last, in milliseconds since 1970; `None` is now.
    pub fn set_mtime(&self, ms_or_now: Option<u64>) -> io::Result<()> {
        let modified = match ms_or_now {
            Some(ms) => {
                Timespec { tv_sec: (ms / 1000).cast_signed(), tv_nsec: (ms % 1000 * 1_000_000).cast_signed() }
            }
            None => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        };
        let accessed = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        let times = Timestamps { last_access: accessed, last_modification: modified };
        Ok(utimensat(CWD, link(&self.at), &times, AtFlags::empty())?)
    }

    /// Brings a folder's names on disk, or a file's bytes.
    pub fn sync(&self) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = if self.folder {
            openat(&self.at, ".", flags, Mode::empty())?.into()
        } else {
            self.reopen(false, false)?
        };
        match open.sync_all() {
            // What file systems answer that have no sync of folders: there is nothing more to do.
            Err(e)
                if self.folder
                    && matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
            {
                Ok(())
            }
            done => done,
        }
    }
}

/// The number of an inode. The time it was made, where the file system keeps it, tells it from one that had its
/// number before.
fn number_of(found: &Metadata) -> u64 {
    let made = found.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let parts = [found.dev().to_le_bytes(), found.ino().to_le_bytes()];
    number(&[b"scratch", &parts[0], &parts[1], &made.as_nanos().to_le_bytes()])
}

/// By what a descriptor is reached again. The kernel jumps to what it stands for; no link is followed by its text.
fn link(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// A name that stays within its folder.
fn single(name: &OsStr) -> io::Result<&OsStr> {
    let inside = name != "." && name != ".." && !name.as_bytes().contains(&b'/');
    if inside { Ok(name) } else { Err(Errno::INVAL.into()) }
}

/// A system's time in milliseconds.
fn ms(seconds: i64, nanoseconds: i64) -> u64 {
    let (seconds, nanoseconds) = (u64::try_from(seconds), u64::try_from(nanoseconds));
    seconds.map_or(0, |seconds| seconds.saturating_mul(1000) + nanoseconds.unwrap_or(0) / 1_000_000)
}
