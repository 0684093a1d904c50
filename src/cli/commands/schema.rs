//! `schema`: the columns of a collection.

use crate::cli::output;
use crate::cli::session::Session;
use anyhow::Result;

/// Show the columns of a collection, one a line, as `create` takes them
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  lakota schema temp")]
pub(crate) struct Args {
    collection: String,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let schema = session.repo()?.collection(&args.collection)?.schema()?;
    output::print(schema.to_string())
}
