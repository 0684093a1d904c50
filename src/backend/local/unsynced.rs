//! The mark that writers leave who do not sync, and what those who do make of it.
//!
//! The file `unsynced` in the root says that something in the repository may not be on disk. Who does not sync puts it
//! first, and holds a shared lock on it while it lives. It need not be synced itself: what is there after a power failure
//! is on disk. Who syncs and meets it brings the whole file systems
//! on disk, and then removes it, unless somebody else holds the lock: what that one puts next would have no mark. The
//! lock is taken before that sync, so that nothing is put between the two.

use super::folder;
use rustix::fs::{FlockOperation, OFlags, flock, syncfs};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The name of the mark, in the root.
pub const NAME: &str = "unsynced";

/// Never through a link, and never waiting for the other end of a pipe.
const FLAGS: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK);

/// Puts the mark; it stays at least as long as the file is open.
pub(super) fn mark(root: &Path) -> io::Result<File> {
    let path = root.join(NAME);
    loop {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.custom_flags(FLAGS.bits().cast_signed()).open(&path)?;
        // Waits while somebody who holds it alone brings everything on disk.
        folder::retry(|| Ok(flock(&file, FlockOperation::LockShared)?))?;
        if is_at(&file, &path)? {
            return Ok(file);
        }
    }
}

/// Brings on disk what is below `root` where the mark is there, and removes that if nobody holds it.
pub(super) fn settle(root: &Path) -> io::Result<()> {
    let path = root.join(NAME);
    match fs::symlink_metadata(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    let alone = match lock_alone(&path) {
        Ok(lock) => lock,
        // It stays, and costs every writer a sync: that is slow, but safe.
        Err(e) => {
            log::debug!("cannot lock {}: {e}", path.display());
            None
        }
    };
    sync_all(root)?;
    if alone.is_some()
        && let Err(e) = fs::remove_file(&path)
    {
        log::debug!("cannot remove {}: {e}", path.display());
    }
    Ok(())
}

/// The mark, locked against all others; none where somebody holds it, or removed it meanwhile.
fn lock_alone(path: &Path) -> io::Result<Option<File>> {
    let file = File::options().read(true).custom_flags(FLAGS.bits().cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(is_at(&file, path)?.then_some(file))
}

/// Whether a file has this name still.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok(named.ino() == open.ino() && named.dev() == open.dev()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Brings on disk all that was written to the file systems on which the root and its folders lie: somebody may have
/// moved folders to another disk, and left links.
pub(super) fn sync_all(root: &Path) -> io::Result<()> {
    let mut done = BTreeSet::new();
    let folders = (0..=u8::MAX).map(|byte| root.join(format!("{byte:02x}")));
    for folder in std::iter::once(root.to_owned()).chain(folders) {
        match fs::metadata(&folder) {
            Ok(found) if done.insert(found.dev()) => folder::retry(|| Ok(syncfs(File::open(&folder)?)?))?,
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound && folder != root => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
