//! `rename`: a collection or a series gets another label.

use crate::cli::args::Place;
use crate::cli::exit::Usage;
use crate::cli::output::as_revision;
use crate::cli::session::{Session, exact};
use anyhow::Result;

/// Rename a collection, or a series within its collection
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota rename temp temperature
  lakota rename temperature/bxl temperature/Brussels")]
pub(crate) struct Args {
    /// COLLECTION or COLLECTION/SERIES
    from: Place,
    /// Its new name, of the same form
    to: Place,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let (from, to) = (&args.from.collection, &args.to.collection);
    let repo = session.repo()?;
    match (&args.from.series, &args.to.series) {
        (None, None) => {
            repo.rename_collection(from, to)?;
            session.say(format!("renamed collection {from} to {to}"));
        }
        (Some(series), Some(new)) if from == to => {
            let collection = exact(&repo, from)?;
            let mut batch = collection.batch(&format!("rename {series} to {new}"))?;
            batch.rename(series, new)?;
            let revision = as_revision(batch.commit()?);
            session.say(format!("renamed series {from}/{series} to {from}/{new}{revision}"));
        }
        (Some(_), Some(_)) => {
            return Err(Usage::of("rename", "a series cannot move to another collection").into());
        }
        _ => return Err(Usage::of("rename", "give two collections, or two series").into()),
    }
    Ok(())
}
