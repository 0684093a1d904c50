//! `remote`: names for other repositories.

use crate::cli::output;
use crate::cli::remote::absolute;
use crate::cli::session::Session;
use crate::data::plain;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Name other repositories, for push, pull and repairs
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota remote add backup /mnt/nas/temp.lakota
  lakota remote list
  lakota remote remove backup")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Give a repository a name; it need not exist yet
    Add {
        /// A name without slashes
        name: String,
        /// The repository's path
        place: PathBuf,
    },
    /// List names and places
    List,
    /// Forget a name
    #[command(visible_alias = "rm")]
    Remove {
        /// The name
        name: String,
    },
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    match &args.what {
        None | Some(What::List) => list(session),
        Some(What::Add { name, place }) => add(name, place, session),
        Some(What::Remove { name }) => {
            session.repo()?.remove_remote(name)?;
            session.say(format!("removed remote {name}"));
            Ok(())
        }
    }
}

fn add(name: &str, place: &Path, session: &Session) -> Result<()> {
    let place = absolute(place)?;
    session.repo()?.add_remote(name, &place)?;
    session.say(format!("added remote {name}: {place}"));
    Ok(())
}

fn list(session: &Session) -> Result<()> {
    let remotes = session.repo()?.remotes()?;
    let lines: Vec<String> = remotes
        .iter()
        .map(|(name, place)| format!("{}\t{}\n", plain::line(name), plain::line(place)))
        .collect();
    output::print(lines.concat())
}
