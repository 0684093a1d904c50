//! Staging files: where bytes lie until they are whole.
//!
//! Owns their names, `.tmp-<process>-<count>-<start>`, which no two puts share, and removes those of
//! failed puts. Those of killed processes stay until a clean finds them.

use super::folder::retry;
use crate::backend::STAGING;
use crate::halt::{self, Unfinished};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

static COUNT: AtomicU64 = AtomicU64::new(0);

/// When this process made its first staging file: tells processes of one number apart, as on two
/// machines that share a drive. A clock before 1970 says 0, and the number of the process tells alone.
static START: LazyLock<u128> =
    LazyLock::new(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos());

/// A staging file; removed where it is not finished.
#[derive(Debug)]
pub(super) struct Staging {
    /// Removed too where a signal ends the program.
    known: Unfinished,
    file: File,
    finished: bool,
}

impl Staging {
    /// Creates a new file; one that exists is never opened, nor a link followed.
    pub(super) fn create(folder: &Path) -> io::Result<Staging> {
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{STAGING}{}-{count}-{:x}", std::process::id(), *START));
            match Unfinished::make(|| Ok((File::create_new(&path)?, path))) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|(file, known)| Staging { file, known, finished: false }),
            }
        }
    }

    /// Writes the bytes, syncs them if `durable`, and gives the file its name. What has the name already may be on disk:
    /// it is never replaced by a file that is not.
    pub(super) fn finish(mut self, bytes: &[u8], durable: bool, name: &Path) -> io::Result<()> {
        self.file.write_all(bytes)?;
        if !durable {
            let from = self.known.path();
            let rename = || Ok(renameat_with(CWD, from, CWD, name, RenameFlags::NOREPLACE)?);
            let new = halt::whole(|| retry(rename));
            self.finished = new.is_ok();
            if self.finished {
                return Ok(());
            }
            // Some file systems cannot do it: then this file takes the way of all others, which tells what is wrong.
            log::debug!("{} is synced: {new:?}", name.display());
        }
        self.file.sync_all()?;
        halt::whole(|| retry(|| fs::rename(self.known.path(), name)))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.finished
            && let Err(e) = retry(|| fs::remove_file(self.known.path()))
        {
            log::warn!("cannot remove {}: {e}", self.known.path().display());
        }
    }
}

/// Deletes staging files last written at or before `before`, in the root and two levels of folders;
/// gives how many, or the path that failed and why.
pub(super) fn clean(root: &Path, before: SystemTime) -> Result<usize, (PathBuf, io::Error)> {
    let mut cleaned = 0;
    let mut folders = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let failed = |e| (folder.clone(), e);
        let found = match fs::read_dir(&folder) {
            // A folder may go away meanwhile; the root may not.
            Err(e) if e.kind() == io::ErrorKind::NotFound && depth > 0 => continue,
            found => found.map_err(failed)?,
        };
        for found in found {
            let found = found.map_err(failed)?;
            let kind = found.file_type().map_err(failed)?;
            if kind.is_dir() && depth < 2 {
                folders.push((found.path(), depth + 1));
            } else if kind.is_file() && found.file_name().to_str().is_some_and(is_staging) {
                cleaned += usize::from(remove_old(&found.path(), before).map_err(|e| (found.path(), e))?);
            }
        }
    }
    Ok(cleaned)
}

/// Whether a name is one of ours, to the letter: clean deletes nothing else.
fn is_staging(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(STAGING) else { return false };
    let parts: Vec<&str> = rest.split('-').collect();
    parts.len() == 3 && parts.iter().all(|part| u128::from_str_radix(part, 16).is_ok())
}

/// Removes a file last written at or before `before`; tells whether it did.
fn remove_old(path: &Path, before: SystemTime) -> io::Result<bool> {
    let removed = fs::symlink_metadata(path).and_then(|data| {
        let old = data.modified()? <= before;
        if old {
            retry(|| fs::remove_file(path))?;
        }
        Ok(old)
    });
    match removed {
        // Finished or removed by its own put meanwhile.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        done => done,
    }
}
