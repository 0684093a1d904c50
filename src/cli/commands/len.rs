//! `len`: how many rows there are.

use crate::cli::args::{AtArgs, Place};
use crate::cli::output;
use crate::cli::session::Session;
use anyhow::Result;

/// Count the rows of a series, or of all series of a collection
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "length",
    after_help = "Example:
  lakota len temp/bxl"
)]
pub(crate) struct Args {
    /// COLLECTION or COLLECTION/SERIES
    place: Place,
    #[command(flatten)]
    at: AtArgs,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let repo = session.repo()?;
    let collection = repo.collection(&args.place.collection)?;
    let state = collection.state(args.at.in_place(&collection, args.place.series.as_deref())?)?;
    let rows = match &args.place.series {
        Some(label) => collection.find(&state, label)?.segments.sums().rows,
        None => state.sums().rows,
    };
    output::print(format!("{rows}\n"))
}
