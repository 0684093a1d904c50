//! Folders: making, syncing and listing them.
//!
//! Knows paths and the fan-out, not keys or bytes. A folder is on disk only when the folder above it
//! is synced.

use crate::backend::local::batch::in_parallel;
use crate::backend::{BackendError, Entry, STAGING};
use std::fs::{self, DirEntry, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Repeats a system call that a signal interrupted (`std` does so for reads, writes and syncs only).
pub(super) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// The key of the folder `key` lies in; empty is the root.
pub(super) fn parent_of(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Makes a folder, and tells whether it was missing.
pub(super) fn make_if_missing(folder: &Path) -> io::Result<bool> {
    match retry(|| fs::create_dir(folder)) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(e),
    }
}

/// Brings the names in a folder on disk.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    // Only a folder: a named pipe in its place would be waited for.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(folder)?;
    match opened.sync_all() {
        // What file systems answer that have no sync of folders: there is nothing more to do.
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        done => done,
    }
}

/// Makes the root, its parents and its fan-out, all on disk on return.
pub(super) fn create_root(root: &Path) -> Result<(), BackendError> {
    let failed = |path: &Path| {
        let path = path.to_string_lossy().into_owned();
        move |e| BackendError::new("write", path, e)
    };
    let root = std::path::absolute(root).map_err(failed(root))?;
    let mut changed = make_with_parents(&root).map_err(failed(&root))?;
    for byte in 0..=u8::MAX {
        let folder = root.join(format!("{byte:02x}"));
        make_if_missing(&folder).map_err(failed(&folder))?;
        changed.push(folder);
    }
    changed.push(root);
    in_parallel(changed.len(), |i| sync(&changed[i]).map_err(failed(&changed[i])))
}

/// Makes a folder and what is missing above it; gives the folders it made one in.
fn make_with_parents(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut missing: Vec<&Path> = folder.ancestors().take_while(|part| !part.exists()).collect();
    let mut changed = Vec::new();
    while let Some(part) = missing.pop() {
        make_if_missing(part)?;
        changed.extend(part.parent().map(Path::to_owned));
    }
    Ok(changed)
}

/// What lies in a folder, without staging files.
///
/// As of one moment, as nearly as the system can: all names first. Who packs puts one file, then deletes
/// others; a listing that took long could show neither.
pub(super) fn entries(folder: &Path) -> io::Result<Vec<Entry>> {
    let names = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let mut entries = Vec::with_capacity(names.len());
    for found in names {
        entries.extend(entry(&found)?);
    }
    Ok(entries)
}

/// One line of a listing; `None` for what is no key or went away meanwhile.
fn entry(found: &DirEntry) -> io::Result<Option<Entry>> {
    let name = match found.file_name().into_string() {
        Ok(name) if !name.starts_with(STAGING) => name,
        _ => return Ok(None),
    };
    let kind = found.file_type()?;
    if !kind.is_symlink() {
        return Ok(Some(Entry { name, folder: kind.is_dir() }));
    }
    // Follows links: a user may have moved a folder to another disk.
    match fs::metadata(found.path()) {
        Ok(data) => Ok(Some(Entry { name, folder: data.is_dir() })),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        // A link that leads back to itself is told as what it is when it is read, and hides nothing else.
        Err(e) if e.raw_os_error() == Some(libc::ELOOP) => Ok(Some(Entry { name, folder: false })),
        Err(e) => Err(e),
    }
}
