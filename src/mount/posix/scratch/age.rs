//! Ageing: what nobody changed for a month leaves the scratch area.
//!
//! Goes by when the system last saw a change, not by the time a file says: `cp -p` and `tar` bring files that are
//! old by their own word.

use super::{Held, ms};
use rustix::io::Errno;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// How long unchanged files stay, in milliseconds.
const STAY: u64 = 30 * 24 * 60 * 60 * 1000;

/// A folder under way: what is still to be looked at in it.
struct Level {
    folder: Held,
    name: OsString,
    names: Vec<OsString>,
    /// As found, since removing what is in it is a change, too.
    old: bool,
}

/// Removes files that nobody changed for 30 days, and as old folders that are empty then; gives files and bytes of
/// what is left. `now` is in milliseconds since 1970.
///
/// The root stays. Meant for when nobody holds folders of the area: nothing can be made in one that is removed.
pub fn age(root: &Path, now: u64) -> io::Result<(u64, u64)> {
    let Some(root) = Held::open(root)? else { return Ok((0, 0)) };
    let (mut files, mut bytes) = (0, 0);
    // A stack of its own: how deep folders lie is for users to say.
    let mut levels = vec![Level::new(root, OsString::new(), now)?];
    while let Some(level) = levels.last_mut() {
        let Some(name) = level.names.pop() else {
            if let Some(done) = levels.pop()
                && let Some(above) = levels.last()
                && done.old
            {
                unless_used(above.folder.rmdir(&done.name))?;
            }
            continue;
        };
        match level.folder.child(&name)? {
            Some(folder) if folder.is_folder() => {
                let next = Level::new(folder, name, now)?;
                levels.push(next);
            }
            Some(file) if is_old(&file, now)? => unless_used(level.folder.unlink(&name))?,
            Some(file) => {
                files += 1;
                bytes += file.facts()?.size;
            }
            None => {}
        }
    }
    Ok((files, bytes))
}

impl Level {
    fn new(folder: Held, name: OsString, now: u64) -> io::Result<Level> {
        Ok(Level { old: is_old(&folder, now)?, names: folder.names()?, folder, name })
    }
}

fn is_old(held: &Held, now: u64) -> io::Result<bool> {
    let found = held.at.metadata()?;
    Ok(ms(found.ctime(), found.ctime_nsec()).saturating_add(STAY) < now)
}

/// Passes over what is in use or gone already.
fn unless_used(removed: io::Result<()>) -> io::Result<()> {
    let passed = [Errno::NOTEMPTY, Errno::EXIST, Errno::NOENT].map(|e| Some(e.raw_os_error()));
    match removed {
        Err(e) if passed.contains(&e.raw_os_error()) => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::io::Write;
    use std::time::Duration;
    use tempfile::TempDir;

    fn area() -> (TempDir, Held) {
        let folder = tempfile::tempdir().unwrap();
        let held = Held::open(folder.path()).unwrap().unwrap();
        (folder, held)
    }

    fn put(folder: &Held, name: &str, text: &str) -> Held {
        let (held, mut file) = folder.create(OsStr::new(name), true).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        held
    }

    fn names(folder: &Held) -> Vec<String> {
        folder.list().unwrap().into_iter().map(|(name, _)| name.into_string().unwrap()).collect()
    }

    /// When the system saw the last change.
    fn changed(held: &Held) -> u64 {
        let found = held.at.metadata().unwrap();
        ms(found.ctime(), found.ctime_nsec())
    }

    /// Time passes, so that what follows is younger than what was.
    fn wait() {
        std::thread::sleep(Duration::from_millis(30));
    }

    #[test]
    fn what_is_unchanged_for_30_days_goes_and_younger_files_stay() {
        let (folder, area) = area();
        put(&area, "old", "1");
        let edited = put(&area, "edited", "22");
        wait();
        let young = put(&area, "young", "333");
        edited.reopen(true, false).unwrap().write_all(b"4444").unwrap();
        let now = changed(&young) + STAY;
        assert_eq!(age(folder.path(), now).unwrap(), (2, 7));
        assert_eq!(names(&area), ["edited", "young"]);
    }

    #[test]
    fn a_file_that_was_copied_with_its_old_time_stays() {
        let (folder, area) = area();
        let file = put(&area, "old", "x");
        file.set_mtime(Some(0)).unwrap();
        assert_eq!(age(folder.path(), changed(&file) + STAY).unwrap(), (1, 1));
        file.set_mtime(Some(u64::MAX / 2)).unwrap();
        assert_eq!(age(folder.path(), changed(&file) + STAY + 1).unwrap(), (0, 0));
    }

    #[test]
    fn folders_go_with_their_last_file_and_stay_while_they_are_new_or_used() {
        let (folder, area) = area();
        let deep = area.mkdir(OsStr::new("a")).unwrap().mkdir(OsStr::new("b")).unwrap();
        put(&deep, "x", "");
        let used = area.mkdir(OsStr::new("used")).unwrap();
        put(&used, "x", "");
        wait();
        let new = area.mkdir(OsStr::new("new")).unwrap();
        put(&used, "y", "12");
        assert_eq!(age(folder.path(), changed(&new) + STAY).unwrap(), (1, 2));
        assert_eq!((names(&area), names(&used)), (vec!["new".into(), "used".into()], vec!["y".into()]));
    }

    #[test]
    fn an_area_that_is_not_there_has_nothing() {
        let (folder, _) = area();
        assert_eq!(age(&folder.path().join("none"), 0).unwrap(), (0, 0));
        assert_eq!(age(folder.path(), u64::MAX).unwrap(), (0, 0));
        assert!(folder.path().is_dir());
    }

    #[test]
    fn folders_may_lie_as_deep_as_they_like() {
        crate::mount::machine::host::raise_open_files().unwrap();
        let (folder, area) = area();
        let mut deepest = area.mkdir(OsStr::new("d")).unwrap();
        for _ in 0..2000 {
            deepest = deepest.mkdir(OsStr::new("d")).unwrap();
        }
        let file = put(&deepest, "x", "123");
        assert_eq!(age(folder.path(), changed(&file)).unwrap(), (1, 3));
        assert_eq!(age(folder.path(), changed(&file) + STAY + 1).unwrap(), (0, 0));
        assert!(names(&area).is_empty());
    }
}
