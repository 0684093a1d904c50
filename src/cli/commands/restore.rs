//! `restore`: makes a series, a range of it, a collection what it was.

use crate::cli::args::{Place, RangeArgs};
use crate::cli::exit::Usage;
use crate::cli::output::{self, count};
use crate::cli::session::{Session, exact};
use crate::clock::Stamp;
use crate::collection::{Batch, Collection, CollectionError, Moment, Past};
use crate::data::key::Closed;
use crate::data::plain::word;
use crate::data::schema::Column;
use crate::history::entry::{Entry, SeriesId};
use crate::history::state::State;
use anyhow::{Result, bail};
use std::path::Path;

/// Make a series, some of its rows, or a whole collection what it was, as a new revision
///
/// A series that was deleted comes back; so does a collection, without --to as it was when it was deleted. Nothing is
/// stored twice. Values of a column that was dropped since come back when it was added again with its name and type.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota restore temp/bxl --to 554d6f
  lakota restore temp/bxl --to 554d6f --start 2020-06-23 --stop 2020-06-24
  lakota restore temp")]
pub(crate) struct Args {
    /// COLLECTION/SERIES or COLLECTION
    place: Place,
    /// The revision to go back to, by any of its names: an id or the first digits of its last part, a tag, ~1, a time
    #[arg(long, value_name = "REV", visible_alias = "revision")]
    to: Option<String>,
    #[command(flatten)]
    range: RangeArgs,
    /// Why, for the log
    #[arg(long, short)]
    message: Option<String>,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let repo = session.repo()?;
    let label = &args.place.collection;
    if args.place.series.is_none() && args.range.is_given() {
        return Err(Usage::of("restore", "a range of rows needs COLLECTION/SERIES").into());
    }
    if !repo.collections()?.iter().any(|known| known == label) && args.place.series.is_none() {
        let collection = repo.restore_collection(label)?;
        session.say(format!("restored collection {label}"));
        return match &args.to {
            Some(to) => whole(args, &collection, to, session),
            None => Ok(()),
        };
    }
    let collection = exact(&repo, label)?;
    match (&args.place.series, &args.to) {
        (Some(series), Some(to)) => one(args, &collection, series, to, session),
        (None, Some(to)) => whole(args, &collection, to, session),
        (Some(series), None) => deleted(args, &collection, series, session),
        (None, None) => bail!("collection {label} is there: give a revision with --to"),
    }
}

/// A moment of the past.
fn past(collection: &Collection, to: &str, series: Option<SeriesId>) -> Result<Moment> {
    let at = collection.at(to, series)?;
    let log = collection.changelog().log()?;
    Ok(collection.moment(&log, at)?)
}

fn one(args: &Args, collection: &Collection, label: &str, to: &str, session: &Session) -> Result<()> {
    let message = args.message.clone().unwrap_or_else(|| format!("restore {label} to {to}"));
    let batch = collection.batch(&message)?;
    let now = batch.base().entry(label).map_err(CollectionError::from)?;
    let past = past(collection, to, now.as_ref().map(|now| now.id))?;
    let state = &past.state;
    // By what it is, whatever its label was then; one that is gone, by its label.
    let then = match &now {
        Some(now) => state.entry_of(now.id, label).map_err(CollectionError::from)?,
        None => state.entry(label).map_err(CollectionError::from)?,
    };
    if then.is_none() {
        bail!("{}/{label} did not exist at {to}", collection.label());
    }
    put(args, collection, batch, label, (state, then.as_ref(), past.held_by()), session)
}

fn put(
    args: &Args,
    collection: &Collection,
    mut batch: Batch<'_>,
    label: &str,
    (state, entry, held_by): (&State, Option<&Entry>, &[Stamp]),
    session: &Session,
) -> Result<()> {
    if let Some(then) = entry
        && let Some(now) = batch.base().entry_of(then.id, label).map_err(CollectionError::from)?
        && now.label != label
    {
        // Not under another name than the one that was asked for.
        bail!("{0}/{label} is {0}/{1} now: restore that", collection.label(), now.label);
    }
    let interval = args.range.interval(&batch.base().schema, Closed::Both)?;
    let outcome = batch.restore(label, Past { state, entry, held_by }, &[interval])?;
    let place = format!("{}/{label}", collection.label());
    let lost = batch.lost().to_vec();
    match batch.commit()? {
        Some(revision) => {
            // As the log tells it.
            let (before, after) = (outcome.rows_before, outcome.rows_after);
            let changed = count(outcome.changed, "index value");
            session.say(format!(
                "restored {place}: {before} -> {after} rows, {changed} changed, revision {revision}"
            ));
            if !lost.is_empty() {
                output::warn(&lost_columns(collection, &lost)?);
            }
        }
        None if !lost.is_empty() => {
            bail!("nothing changed: of {place}, {}", lost_columns(collection, &lost)?)
        }
        None => session.say(format!("nothing changed: {place} has these rows already")),
    }
    Ok(())
}

/// What is told of columns whose values do not come back, and how they can.
pub(super) fn lost_columns(collection: &Collection, lost: &[Column]) -> Result<String> {
    let schema = collection.schema()?;
    let names: Vec<String> = lost.iter().map(ToString::to_string).collect();
    let shown = |text: &str| word(Path::new(text));
    let (label, mut steps) = (shown(collection.label()), Vec::new());
    for column in lost {
        let name = &column.name;
        if schema.position(name).is_some() {
            // Another column has the name now.
            steps.push(format!("`lakota alter {label} rename {} OTHER-NAME`", shown(name)));
        }
        steps.push(format!("`lakota alter {label} add {}`", shown(&column.to_string())));
    }
    let (columns, were, their) = match lost.len() {
        1 => ("column", "it was", "its"),
        _ => ("columns", "they were", "their"),
    };
    Ok(format!(
        "the values of {columns} {} do not come back, since {were} dropped; {} and another restore bring {their} values",
        names.join(", "),
        steps.join(", ")
    ))
}

/// A series that is gone, as it was before it was deleted.
fn deleted(args: &Args, collection: &Collection, label: &str, session: &Session) -> Result<()> {
    let batch = collection.batch(&args.message.clone().unwrap_or_else(|| format!("restore {label}")))?;
    if batch.base().entry(label).map_err(CollectionError::from)?.is_some() {
        bail!("{}/{label} is there: give a revision with --to", collection.label());
    }
    match collection.last_with(label)? {
        Some((stamp, state, entry)) => {
            put(args, collection, batch, label, (&state, Some(&entry), &[stamp]), session)
        }
        None => {
            // Nobody ever had that label: the error tells the nearest one.
            collection.find(batch.base(), label)?;
            bail!("{}/{label} was never there", collection.label())
        }
    }
}

fn whole(args: &Args, collection: &Collection, to: &str, session: &Session) -> Result<()> {
    let label = collection.label();
    let mut batch =
        collection.batch(&args.message.clone().unwrap_or_else(|| format!("restore {label} to {to}")))?;
    let past = past(collection, to, None)?;
    let series = batch.restore_all(&past.state, past.held_by())?;
    match batch.commit()? {
        Some(revision) => session.say(format!("restored {series} series of {label}, revision {revision}")),
        None => session.say(format!("nothing changed: {label} is what it was at {to}")),
    }
    Ok(())
}
