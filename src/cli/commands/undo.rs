//! `undo`: takes back what one revision did.

use super::restore::lost_columns;
use crate::cli::output;
use crate::cli::session::Session;
use anyhow::Result;

/// Take back what one revision did, as a new revision
///
/// Only where nothing later touched the same rows; else it says what stands in the way, and nothing changes (exit
/// code 3). The revision stays in the history, and undoing the undo is possible.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota undo 554d6f
  lakota undo latest -c temp
  lakota undo 2020-09-21T14-03-12.506Z-554d6f3600 -m \"wrong sensor\"")]
pub(crate) struct Args {
    /// The revision: its id as `log` shows it, or the first digits of the last part; a tag; of a collection also ~1
    /// (the one before the newest) or latest
    #[arg(value_name = "REV")]
    revision: String,
    /// Look in this collection only
    #[arg(long, short)]
    collection: Option<String>,
    /// Why, for the log
    #[arg(long, short)]
    message: Option<String>,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let repo = session.repo()?;
    let (collection, stamp) = super::show::find(&repo, &args.revision, args.collection.as_deref())?;
    let message = args.message.clone().unwrap_or_else(|| format!("undo {stamp}"));
    let (revision, lost) = collection.undo_telling(stamp, &message)?;
    match revision {
        Some(revision) => {
            session.say(format!("undid {stamp} in {}, revision {revision}", collection.label()));
            if !lost.is_empty() {
                output::warn(&lost_columns(&collection, &lost)?);
            }
        }
        None => session.say(format!("nothing changed: what {stamp} did is not there any more")),
    }
    Ok(())
}
