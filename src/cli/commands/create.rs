//! `create`: a repository, a collection, a series.

use crate::cli::args::Place;
use crate::cli::exit::Usage;
use crate::cli::session::{Session, exact};
use crate::cli::target;
use crate::collection::Collection;
use crate::data::schema::Schema;
use anyhow::Result;

/// Create a collection, and a series where one is named; the repository too where there is none
///
/// Types: timestamp (milliseconds), timestamp[s|ms|us|ns], date, int, float, str, bool. A star marks the
/// columns of the index, at least one. What exists already stays as it is, if its columns are the same.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  lakota create temp/bxl \"timestamp timestamp*\" \"value float\"")]
pub(crate) struct Args {
    /// COLLECTION or COLLECTION/SERIES
    place: Place,
    /// Columns, each "name type" or "name type*"; none are needed for a series of a collection there is
    columns: Vec<String>,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let collection = match args.columns.as_slice() {
        [] => {
            let series = args.place.series.as_ref();
            series.ok_or_else(|| Usage::of("create", "name the columns of the collection"))?;
            exact(&session.repo()?, &args.place.collection)?
        }
        columns => collection(&args.place.collection, columns, session)?,
    };
    match &args.place.series {
        Some(label) => series(&collection, label, session),
        None => Ok(()),
    }
}

fn collection(label: &str, columns: &[String], session: &Session) -> Result<Collection> {
    // Before anything is made: a schema that cannot be leaves nothing behind.
    let schema = Schema::parse(columns)?;
    crate::data::label::check(label)?;
    target::check_folder(session.place())?;
    let repo = session.create()?;
    let existed = repo.collections()?.iter().any(|there| there == label);
    let collection = repo.create_collection(label, &schema)?;
    session.say(match existed {
        true => format!("nothing changed: collection {label} exists with these columns"),
        false => format!("created collection {label} in {}", session.place().display()),
    });
    Ok(collection)
}

fn series(collection: &Collection, label: &str, session: &Session) -> Result<()> {
    let mut batch = collection.batch(&format!("create {label}"))?;
    let place = format!("{}/{label}", collection.label());
    if batch.base().entry(label)?.is_some() {
        collection.settle()?;
        session.say(format!("nothing changed: series {place} exists"));
        return Ok(());
    }
    batch.create(label)?;
    batch.commit()?;
    session.say(format!("created series {place}"));
    Ok(())
}
