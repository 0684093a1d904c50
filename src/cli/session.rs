//! One run of the program: its repository, who runs it, and what it says.

use super::{Global, output};
use crate::collection::Collection;
#[cfg(feature = "mount")]
use crate::data::plain::word;
#[cfg(feature = "mount")]
use crate::mount::machine::table;
use crate::repo::{Options, Repo, RepoError};
use crate::users;
use anyhow::anyhow;
use std::path::{Path, PathBuf};
#[cfg(feature = "mount")]
use std::time::Duration;

/// How long a mount may take to tell its repository.
#[cfg(feature = "mount")]
const LOOK: Duration = Duration::from_secs(1);

/// What commands work with.
#[derive(Debug)]
pub(crate) struct Session {
    global: Global,
    /// The verb writes no revision, so that nobody asks for an author: who that is may take long to learn.
    reads: bool,
}

impl Session {
    pub(crate) const fn new(global: Global, reads: bool) -> Session {
        Session { global, reads }
    }

    /// The folder of the repository.
    pub(crate) fn place(&self) -> &Path {
        &self.global.repo
    }

    /// Nothing is to be said.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.global.quiet
    }

    /// How much is to be logged.
    #[cfg(feature = "mount")]
    pub(crate) const fn verbose(&self) -> u8 {
        self.global.verbose
    }

    /// Says what was done, unless nothing is to be said.
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        if !self.global.quiet {
            output::say(line.as_ref());
        }
    }

    fn options(&self, durable: bool) -> Options {
        let author = if self.reads { String::new() } else { author() };
        Options { durable, author, ..Options::default() }
    }

    /// Opens the repository.
    pub(crate) fn repo(&self) -> Result<Repo, RepoError> {
        Repo::open(&self.global.repo, self.options(true))
    }

    /// Opens the repository, also if its file `format` is damaged, and tells whether it is.
    pub(crate) fn repo_damaged(&self) -> Result<(Repo, bool), RepoError> {
        Repo::open_damaged(&self.global.repo, self.options(true))
    }

    /// Opens the repository for writes that are on disk when they return only if `durable`.
    pub(crate) fn repo_for_writes(&self, durable: bool) -> Result<Repo, RepoError> {
        Repo::open(&self.global.repo, self.options(durable))
    }

    /// Opens the repository for writes whose large inputs are sorted in a folder.
    #[cfg(feature = "mount")]
    pub(crate) fn repo_spooling(&self, folder: &Path) -> Result<Repo, RepoError> {
        Repo::open(&self.global.repo, Options { spool: Some(folder.to_owned()), ..self.options(true) })
    }

    /// Opens another repository.
    pub(crate) fn repo_at(&self, place: &Path) -> Result<Repo, RepoError> {
        Repo::open(place, self.options(true))
    }

    /// Opens another repository, made first where there is none.
    pub(crate) fn create_at(&self, place: &Path) -> Result<Repo, RepoError> {
        Repo::create(place, self.options(true))
    }

    /// Opens the repository, made first where there is none.
    pub(crate) fn create(&self) -> Result<Repo, RepoError> {
        Repo::create(&self.global.repo, self.options(true))
    }
}

/// The collection of exactly this label: what is written to is never guessed.
pub(crate) fn exact(repo: &Repo, label: &str) -> Result<Collection, RepoError> {
    let found = repo.collection(label)?;
    if found.label() == label {
        return Ok(found);
    }
    Err(RepoError::NoCollection { label: label.to_owned(), closest: Some(found.label().to_owned()) })
}

/// Says more of a place that is no repository because it lies in a mount: the `.lakota` there are the mount's own files.
pub(crate) fn in_a_mount(error: anyhow::Error, place: &Path) -> anyhow::Error {
    let missing = matches!(error.downcast_ref(), Some(RepoError::NotARepo(_) | RepoError::NotEmpty(_)));
    if let (true, Some(inner)) = (missing, inner(&error)) {
        return anyhow!("{error:#}; {} is one", inner.display());
    }
    match missing.then(|| mount_around(place)).flatten() {
        Some((mountpoint, repo)) => anyhow!(
            "{} lies in the mount {mountpoint}; its repository is named by `-r {repo}`",
            place.display()
        ),
        None => error,
    }
}

/// The mount that a path lies in and its repository, as a shell reads it.
#[cfg(feature = "mount")]
fn mount_around(place: &Path) -> Option<(String, String)> {
    let (path, mounts) = (std::path::absolute(place).ok()?, table::read().ok()?);
    let mount = mounts.iter().rev().find(|mount| mount.is_lakota() && path.starts_with(&mount.mountpoint))?;
    let repo = table::status(&mount.mountpoint, LOOK).repo?;
    Some((mount.mountpoint.display().to_string(), word(&repo)))
}

/// None: this program knows no mounts.
#[cfg(not(feature = "mount"))]
const fn mount_around(_place: &Path) -> Option<(String, String)> {
    None
}

/// The repository in the folder that was taken for one.
fn inner(error: &anyhow::Error) -> Option<PathBuf> {
    let Some(RepoError::NotARepo(place)) = error.chain().find_map(|cause| cause.downcast_ref()) else {
        return None;
    };
    let inner = Path::new(place).join(".lakota");
    inner.join("format").is_file().then_some(inner)
}

/// `user@host`, as the system tells them.
fn author() -> String {
    let user = std::env::var("USER").ok().filter(|user| !user.is_empty());
    let user = user.unwrap_or_else(|| users::system().name(rustix::process::geteuid().as_raw()));
    users::author(&user, &users::host())
}
