//! `clone`: a new repository with all of another.

use crate::cli::remote;
use crate::cli::session::Session;
use crate::cli::target;
use crate::ops::transfer::What;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

/// Copy a repository to a new place, which remembers it as `origin`
///
/// Interrupted and repeated, it goes on where it was.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota clone /mnt/nas/temp.lakota .lakota
  lakota clone --shallow /mnt/nas/temp.lakota /tmp/newest")]
pub(crate) struct Args {
    /// A repository: its path, or the name of a remote
    source: String,
    /// A new or empty folder
    place: PathBuf,
    /// Only the newest state of each collection, without its history
    #[arg(long)]
    shallow: bool,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let named = match session.repo() {
        Ok(repo) => repo.remote(&args.source)?,
        Err(_) => None,
    };
    let path = PathBuf::from(named.unwrap_or_else(|| args.source.clone()));
    // Before anything is made.
    let from = session.repo_at(&path)?;
    let source = remote::absolute(&path)?;
    if args.place.join("format").exists() {
        remote::must_be_new(&session.repo_at(&args.place)?, &source, &args.place)?;
    } else if lies_in(&args.place, &path) {
        bail!("{} lies in the repository it would be a clone of", args.place.display());
    }
    target::check_folder(&args.place)?;
    let to = session.create_at(&args.place)?;
    to.cloning(&source)?;
    to.add_remote(remote::ORIGIN, &source)?;
    let what = What { shallow: args.shallow, ..What::default() };
    remote::copy(session, ("clone", &args.source), (&from, &to), &what)?;
    to.cloned()?;
    session.say(format!("cloned {} to {}", args.source, args.place.display()));
    Ok(())
}

/// Whether a place, which need not exist yet, lies in a folder.
fn lies_in(place: &Path, folder: &Path) -> bool {
    let (Ok(full), Ok(folder)) = (std::path::absolute(place), folder.canonicalize()) else { return false };
    full.ancestors().find_map(|path| path.canonicalize().ok()).is_some_and(|path| path.starts_with(folder))
}
