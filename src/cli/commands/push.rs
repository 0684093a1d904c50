//! `push` and `pull`: revisions to and from another repository.

use crate::cli::remote::{self, Remote};
use crate::cli::session::Session;
use crate::ops::transfer::What;
use anyhow::Result;

/// Copy to another repository what it does not have; a backup is a push to a second place
///
/// Nothing there is overwritten: revisions that were made on both sides stand beside each other until they are merged.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota push
  lakota push backup temp
  lakota push /mnt/nas/temp.lakota --dry-run")]
pub(crate) struct Push {
    #[command(flatten)]
    what: Chosen,
}

/// Copy from another repository what this one does not have
///
/// Nothing here is overwritten: where both sides have new revisions, both are heads, readers see their merge, and
/// the next write (or `lakota merge`) makes it durable.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota pull
  lakota pull origin temp
  lakota pull --shallow
  lakota pull origin temp --unmergeable")]
pub(crate) struct Pull {
    #[command(flatten)]
    what: Chosen,
    /// Only the newest state of each collection, without the history in between
    #[arg(long)]
    shallow: bool,
    /// Also revisions that cannot be merged with those here, since too much was trimmed: the collection cannot be read
    /// then until `lakota merge` with `--ours` or `--theirs` keeps one side
    #[arg(long)]
    unmergeable: bool,
}

/// From or to where, and what.
#[derive(Debug, clap::Args)]
struct Chosen {
    /// The name of a remote, or the path of a repository; none: origin, or the only remote there is
    remote: Option<String>,
    /// Collections; none: all, with what was renamed and deleted
    collections: Vec<String>,
    /// Tell what would be copied
    #[arg(long, short = 'n')]
    dry_run: bool,
}

impl Push {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        let repo = session.repo()?;
        let Remote { name, repo: other } = remote::open(session, &repo, self.what.remote.as_deref())?;
        remote::copy(session, ("push", &name), (&repo, &other), &self.what.what())
    }
}

impl Pull {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        let repo = session.repo()?;
        let Remote { repo: other, .. } = remote::open(session, &repo, self.what.remote.as_deref())?;
        let here = session.place().display().to_string();
        let what = What { shallow: self.shallow, unmergeable: self.unmergeable, ..self.what.what() };
        remote::copy(session, ("pull", &here), (&other, &repo), &what)?;
        if self.unmergeable && !self.what.dry_run {
            session.say("`lakota status` shows what cannot be merged, and how to keep one side of it");
        }
        Ok(())
    }
}

impl Chosen {
    fn what(&self) -> What {
        What { collections: self.collections.clone(), dry_run: self.dry_run, ..What::default() }
    }
}
