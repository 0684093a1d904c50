//! Mounts that commands ask: found by a folder, or by the repository; only those that answer.

use super::commands::mounts::{self, LOOK};
use super::session::Session;
use crate::data::plain::word;
use crate::mount::machine::table::{self, Health, Mount};
use crate::mount::posix::control::{CONTROL, REPLACE, RETRY};
use crate::vfs::spool::Kept;
use anyhow::{Context, Result, anyhow, bail};
use std::io::ErrorKind;
use std::path::{Path, PathBuf, absolute};

/// Where a mount keeps what was refused, below its control folder.
const REJECTED: &str = "rejected";

/// The list of that, which no listing shows.
const INDEX: &str = ".index";

/// The mountpoint of a mount of ours that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mountpoint(pub(crate) PathBuf);

impl Mountpoint {
    /// The mount that a path lies in, and the path below it; none where it lies in none of ours.
    pub(crate) fn around(path: &Path) -> Result<Option<(Mountpoint, PathBuf)>> {
        let mounts = table::read().context("cannot read what is mounted")?;
        let given = absolute(path).with_context(|| format!("cannot resolve {}", path.display()))?;
        // By its name first: a mount that hangs cannot be asked what a path in it leads to.
        let found = match innermost(&mounts, &given) {
            Some(mount) => Some((mount, given)),
            None => {
                let resolved = table::within(LOOK, move || table::resolve(&given)).and_then(Result::ok);
                resolved.and_then(|path| Some((innermost(&mounts, &path)?, path)))
            }
        };
        let Some((mount, path)) = found else { return Ok(None) };
        let below = path.strip_prefix(&mount.mountpoint).map(Path::to_owned).unwrap_or_default();
        Ok(Some((answering(mount)?, below)))
    }

    /// The mounts that are asked: the one at or around a folder that was named, or around the repository's path; else all of the
    /// repository.
    pub(crate) fn of(session: &Session, named: Option<&Path>) -> Result<Vec<Mountpoint>> {
        if let Some(folder) = named {
            return match Mountpoint::around(folder)? {
                Some((mount, _)) => Ok(vec![mount]),
                None => bail!("{} is no lakota mount: `lakota mounts` lists them", folder.display()),
            };
        }
        // In a mount's root `.lakota` is not a repository, but the mount's own.
        if let Some((mount, _)) = Mountpoint::around(session.place())? {
            return Ok(vec![mount]);
        }
        let place = session.place();
        let repo = place.canonicalize().or_else(|_| absolute(place));
        let repo = repo.with_context(|| format!("cannot resolve {}", place.display()))?;
        let answering = mounts::all()?.into_iter().filter(|(_, health)| *health == Health::Alive);
        let of_repo = answering.filter(|(mount, _)| {
            let told = table::status(&mount.mountpoint, LOOK).repo;
            told.unwrap_or_else(|| PathBuf::from(&mount.source)) == repo
        });
        let found: Vec<_> = of_repo.map(|(mount, _)| Mountpoint(mount.mountpoint)).collect();
        if found.is_empty() {
            bail!(
                "no mount of {} answers: `lakota mount -r {} FOLDER` makes one, and shows what was rejected in that folder; \
                 `lakota mounts` lists those there are",
                place.display(),
                word(place)
            );
        }
        Ok(found)
    }

    /// The path of rejected bytes.
    pub(crate) fn rejected(&self, name: &str) -> PathBuf {
        self.0.join(CONTROL).join(REJECTED).join(name)
    }

    /// Where rejected bytes are written again; `replace`: also if rows go that are there.
    pub(crate) fn again(&self, name: &str, replace: bool) -> PathBuf {
        let folder = if replace { REPLACE } else { RETRY };
        self.0.join(CONTROL).join(REJECTED).join(folder).join(name)
    }

    /// What is rejected, oldest first.
    pub(crate) fn index(&self) -> Result<Vec<Kept>> {
        let path = self.rejected(INDEX);
        let text = self.read(&path)?.with_context(|| {
            format!("the mount at {} keeps nothing that is rejected: it cannot be written", self.0.display())
        })?;
        let lines = text.lines().filter(|line| !line.is_empty()).map(serde_json::from_str);
        lines.collect::<Result<_, _>>().with_context(|| format!("cannot read {}", path.display()))
    }

    /// What failed, a line each, newest last.
    pub(crate) fn errors(&self) -> Result<String> {
        Ok(self.read(&self.0.join(CONTROL).join("errors"))?.unwrap_or_default())
    }

    /// The text of a control file; none where it is not there.
    fn read(&self, path: &Path) -> Result<Option<String>> {
        let wanted = path.to_owned();
        match table::within(LOOK, move || std::fs::read(wanted)) {
            Some(Ok(bytes)) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Some(Err(e)) if e.kind() == ErrorKind::NotFound => Ok(None),
            Some(Err(e)) => Err(e).with_context(|| format!("cannot read {}", path.display())),
            None => Err(silent(&self.0)),
        }
    }
}

/// The mount of ours that a path lies in, unless one of another kind lies between.
fn innermost<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    let around = mounts.iter().filter(|mount| path.starts_with(&mount.mountpoint));
    around.max_by_key(|mount| mount.mountpoint.as_os_str().len()).filter(|mount| mount.is_lakota())
}

fn answering(mount: &Mount) -> Result<Mountpoint> {
    let path = &mount.mountpoint;
    match table::health(path, LOOK) {
        Health::Alive => Ok(Mountpoint(path.clone())),
        Health::Dead => bail!("the server of the mount at {} is gone: mount it again", path.display()),
        Health::Hangs => Err(silent(path)),
    }
}

fn silent(mountpoint: &Path) -> anyhow::Error {
    anyhow!("{} does not answer: `lakota umount --force {}` ends it", mountpoint.display(), word(mountpoint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_lies_in_the_innermost_mount() {
        let table = b"1 0 0:1 / / rw - ext4 /dev/x rw\n\
            2 1 0:2 / /mnt/a rw - fuse.lakota /srv/repo rw\n\
            3 2 0:3 / /mnt/a/b rw - tmpfs tmpfs rw\n\
            4 1 0:4 / /mnt/c rw - ext4 /dev/y rw\n\
            5 1 0:5 / /mnt/c rw - fuse.lakota /srv/over rw\n";
        let mounts = table::parse(table);
        let source = |path: &str| innermost(&mounts, Path::new(path)).and_then(|mount| mount.source.to_str());
        assert_eq!(source("/mnt/a"), Some("/srv/repo"));
        assert_eq!(source("/mnt/a/temp/bxl"), Some("/srv/repo"));
        assert_eq!(source("/mnt/c/x"), Some("/srv/over"), "the later one is on top");
        assert_eq!((source("/mnt/ab"), source("/mnt/a/b/c"), source("/")), (None, None, None));
    }
}
