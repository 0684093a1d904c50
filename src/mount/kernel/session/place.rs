//! Where a mount goes, and why it does not: the checks before anything is mounted.

use super::error::MountError;
use super::unmount::{self, How};
use crate::mount::machine::table::{self, Health};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a mount that is there already may take to answer.
const LOOK: Duration = Duration::from_secs(3);

/// A repository and the folder to see it at: absolute, without links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The repository.
    pub repo: PathBuf,
    /// The folder.
    pub mountpoint: PathBuf,
}

impl Place {
    /// Checks that `repo` can be seen at `mountpoint`. A mount of ours there whose server is gone is detached.
    pub fn find(repo: &Path, mountpoint: &Path) -> Result<Place, MountError> {
        let repo = repo.canonicalize().map_err(|source| look(repo, source))?;
        let mountpoint = match table::resolve(mountpoint) {
            Ok(path) => path,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(MountError::Missing(mountpoint.to_owned()));
            }
            Err(e) => return Err(look(mountpoint, e)),
        };
        free(&mountpoint)?;
        let there = mountpoint.metadata().map_err(|source| look(&mountpoint, source))?;
        if !there.is_dir() {
            return Err(MountError::NotAFolder(mountpoint));
        }
        if lies_in(&repo, &mountpoint)? {
            return Err(MountError::HoldsRepo { mountpoint, repo });
        }
        if lies_in(&mountpoint, &repo)? {
            return Err(MountError::InRepo { mountpoint, repo });
        }
        Ok(Place { repo, mountpoint })
    }
}

fn look(path: &Path, source: io::Error) -> MountError {
    MountError::Look { path: path.to_owned(), source }
}

/// Checks that nothing of ours is mounted there, and that what is there answers.
fn free(mountpoint: &Path) -> Result<(), MountError> {
    // Under a dead mount there can be another.
    for _ in 0..8 {
        let Some(mount) = table::at(mountpoint).map_err(MountError::Table)? else { return Ok(()) };
        match (table::health(mountpoint, LOOK), mount.is_lakota()) {
            (Health::Alive, false) => return Ok(()),
            (Health::Alive, true) => {
                let name = mount.source.to_string_lossy().into_owned();
                return Err(MountError::Mounted { mountpoint: mountpoint.to_owned(), name });
            }
            (Health::Dead, true) => {
                log::info!("detaching the dead mount at {}", mountpoint.display());
                unmount::unmount(mountpoint, How::Lazy)?;
            }
            (Health::Dead | Health::Hangs, false) => {
                return Err(MountError::Foreign { mountpoint: mountpoint.to_owned(), fstype: mount.fstype });
            }
            (Health::Hangs, true) => return Err(MountError::Hangs(mountpoint.to_owned())),
        }
    }
    Ok(())
}

/// Whether `inner` is `outer` or lies in it: by what the folders are, not how they are called, so that bind mounts
/// are seen through.
fn lies_in(inner: &Path, outer: &Path) -> Result<bool, MountError> {
    let id = |path: &Path| match path.metadata() {
        Ok(there) => Ok((there.dev(), there.ino())),
        Err(source) => Err(look(path, source)),
    };
    let outer = id(outer)?;
    for folder in inner.ancestors() {
        if id(folder)? == outer {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// A folder with `repo`, `mnt` and a `file`.
    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("repo")).unwrap();
        std::fs::create_dir(folder.path().join("mnt")).unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        folder
    }

    fn find(folder: &TempDir, mountpoint: &str) -> Result<Place, MountError> {
        Place::find(&folder.path().join("repo"), &folder.path().join(mountpoint))
    }

    #[test]
    fn a_folder_beside_the_repository_is_taken_even_if_not_empty() {
        let folder = folder();
        std::fs::write(folder.path().join("mnt/other"), "").unwrap();
        let root = folder.path().canonicalize().unwrap();
        let expected = Place { repo: root.join("repo"), mountpoint: root.join("mnt") };
        assert_eq!(find(&folder, "mnt").unwrap(), expected);
    }

    #[test]
    fn a_missing_mountpoint_is_refused_with_what_to_do() {
        let error = find(&folder(), "nothing").unwrap_err();
        assert!(matches!(error, MountError::Missing(_)));
        assert!(error.to_string().contains("mkdir"), "{error}");
    }

    #[test]
    fn a_file_is_no_mountpoint() {
        assert!(matches!(find(&folder(), "file"), Err(MountError::NotAFolder(_))));
    }

    #[test]
    fn a_mountpoint_in_the_repository_is_refused() {
        let folder = folder();
        std::fs::create_dir(folder.path().join("repo/mnt")).unwrap();
        assert!(matches!(find(&folder, "repo/mnt"), Err(MountError::InRepo { .. })));
    }

    #[test]
    fn a_mountpoint_that_holds_the_repository_is_refused() {
        let folder = folder();
        assert!(matches!(find(&folder, "."), Err(MountError::HoldsRepo { .. })));
        assert!(matches!(find(&folder, "repo"), Err(MountError::HoldsRepo { .. })));
    }

    #[test]
    fn a_link_into_the_repository_is_seen_through() {
        let folder = folder();
        std::fs::create_dir(folder.path().join("repo/inner")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("repo/inner"), folder.path().join("link")).unwrap();
        assert!(matches!(find(&folder, "link"), Err(MountError::InRepo { .. })));
    }

    #[test]
    fn a_mount_of_another_type_that_answers_is_no_hindrance() {
        free(Path::new("/proc")).unwrap();
    }
}
