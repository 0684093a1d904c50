//! `log`: the revisions of a collection, newest first.

use crate::cli::args::Place;
use crate::cli::history::Version;
use crate::cli::output::Output;
use crate::cli::overrides::{Overrode, of_merge};
use crate::cli::session::Session;
use crate::collection::{At, Collection, CollectionError};
use crate::history::entry::SeriesId;
use crate::history::revision::SeriesChange;
use anyhow::Result;
use std::ops::ControlFlow;

/// Show the revisions, newest first: of the registry, of a collection, or those that changed a series
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "rev",
    after_help = "Examples:
  lakota log temp --oneline
  lakota log temp/bxl --format json | jq .id"
)]
pub(crate) struct Args {
    /// COLLECTION or COLLECTION/SERIES; none: the registry, which names the collections
    place: Option<Place>,
    /// One line for each revision
    #[arg(long)]
    oneline: bool,
    /// Text, or JSON: one object a line with id, time, parents, author, message, changes
    #[arg(long, short, value_enum, default_value = "text")]
    format: Format,
    /// At most so many revisions
    #[arg(long, short)]
    limit: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let repo = session.repo()?;
    match &args.place {
        None => history(args, repo.registry(), None),
        Some(place) => {
            let collection = repo.collection(&place.collection)?;
            let wanted = place.series.as_deref().map(|label| wanted(&collection, label)).transpose()?;
            history(args, &collection, wanted)
        }
    }
}

/// A series by its id, or, where it is gone, by the label it had.
enum Wanted {
    Id(SeriesId),
    Label(String, CollectionError),
}

impl Wanted {
    fn is(&self, change: &SeriesChange) -> bool {
        match self {
            Wanted::Id(id) => change.id == *id,
            Wanted::Label(label, _) => change.label == *label || change.renamed_from.as_ref() == Some(label),
        }
    }
}

fn wanted(collection: &Collection, label: &str) -> Result<Wanted> {
    let state = collection.state(At::Newest)?;
    match collection.find(&state, label) {
        Ok(entry) => Ok(Wanted::Id(entry.id)),
        Err(gone @ CollectionError::NoSeries { .. }) => Ok(Wanted::Label(label.to_owned(), gone)),
        Err(e) => Err(e.into()),
    }
}

fn history(args: &Args, collection: &Collection, wanted: Option<Wanted>) -> Result<()> {
    let mut output = Output::stdout()?;
    let (mut out, mut shown, mut result) = (String::new(), 0, Ok(()));
    let limit = args.limit.unwrap_or(usize::MAX);
    let mut born = false;
    collection.history(|stamp, revision, mut changes| {
        if shown >= limit {
            return ControlFlow::Break(());
        }
        if let Some(wanted) = &wanted {
            changes.series.retain(|change| wanted.is(change));
            // Other columns are other rows of every series that there was.
            changes.schema &= !born && !revision.parents.is_empty();
            born |= changes.series.iter().any(|change| change.created);
            if changes.series.is_empty() && !changes.schema {
                return ControlFlow::Continue(());
            }
        }
        shown += 1;
        let told = !args.oneline || args.format == Format::Json;
        let overrode = if told { of_merge(collection, revision, &changes) } else { Overrode::default() };
        result = push(args, &Version { stamp, revision, changes: &changes, overrode }, &mut out);
        if out.len() > 1 << 16 && result.is_ok() {
            result = output.put(out.as_bytes());
            out.clear();
        }
        if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    result?;
    match wanted {
        Some(Wanted::Label(_, gone)) if shown == 0 => Err(gone.into()),
        _ => output.put(out.as_bytes()),
    }
}

fn push(args: &Args, version: &Version<'_>, out: &mut String) -> Result<()> {
    match (args.format, args.oneline) {
        (Format::Json, _) => {
            out.push_str(&version.json(false)?);
            out.push('\n');
        }
        (Format::Text, true) => out.push_str(&version.line()),
        (Format::Text, false) => out.push_str(&version.paragraph(false)),
    }
    Ok(())
}
