//! `delete`: a collection, a series, or rows of one.

use crate::cli::args::{Place, RangeArgs};
use crate::cli::exit::Usage;
use crate::cli::output::{self, as_revision};
use crate::cli::session::{Session, exact};
use crate::collection::Collection;
use crate::data::key::Closed;
use anyhow::Result;

/// Delete a collection, a series, or the rows of a range (both bounds belong to it unless --closed tells)
///
/// What is deleted stays in the history until that is trimmed.
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "del",
    after_help = "Examples:
  lakota delete temp/bxl --start 2020-06-23 --stop 2020-06-24
  lakota delete temp"
)]
pub(crate) struct Args {
    /// COLLECTION or COLLECTION/SERIES
    place: Place,
    #[command(flatten)]
    range: RangeArgs,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let repo = session.repo()?;
    let label = &args.place.collection;
    let Some(series) = &args.place.series else {
        if args.range.is_given() {
            return Err(Usage::of("delete", "a range of rows needs COLLECTION/SERIES").into());
        }
        repo.delete_collection(label)?;
        session.say(format!("deleted collection {label}"));
        return Ok(());
    };
    let collection = exact(&repo, label)?;
    if args.range.is_given() {
        return rows(args, &collection, series, session);
    }
    let mut batch = collection.batch(&format!("delete {series}"))?;
    batch.drop_series(series)?;
    let revision = batch.commit()?;
    session.say(format!("deleted series {label}/{series}{}", as_revision(revision)));
    Ok(())
}

fn rows(args: &Args, collection: &Collection, series: &str, session: &Session) -> Result<()> {
    let mut batch = collection.batch(&format!("delete rows of {series}"))?;
    let interval = args.range.interval(&batch.base().schema, Closed::Both)?;
    let outcome = batch.delete_rows(series, interval)?;
    let place = format!("{}/{series}", collection.label());
    let gone = outcome.rows_before - outcome.rows_after;
    match batch.commit()? {
        Some(revision) => {
            session.say(format!("deleted {} of {place}, revision {revision}", output::rows(gone)))
        }
        None => session.say(format!("nothing changed: {place} has no rows there")),
    }
    Ok(())
}
