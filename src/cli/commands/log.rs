//! `log`: the revisions of a collection that fit what is asked.

use crate::cli::args::{Place, parse_time, parse_until};
use crate::cli::history::{TagsOf, Version};
use crate::cli::output::Output;
use crate::cli::overrides::{Overrode, of_merge};
use crate::cli::session::Session;
use crate::clock::Stamp;
use crate::collection::{At, Collection, Filter, OneSeries};
use crate::history::outline::Outline;
use anyhow::Result;
use std::ops::ControlFlow;

/// Show the revisions, newest first: of the registry, of a collection, or those that changed a series
///
/// All options may be combined: a revision is shown where it fits each of them. A series keeps its revisions when it is
/// renamed.
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "rev",
    after_help = "Examples:
  lakota log temp --oneline
  lakota log temp/bxl --since 2020-09 --author ann
  lakota log temp/bxl --json | jq .id"
)]
pub(crate) struct Args {
    /// COLLECTION or COLLECTION/SERIES; none: the registry, which names the collections
    place: Option<Place>,
    /// One line for each revision
    #[arg(long)]
    oneline: bool,
    /// Text, or JSON: one object a line with id, time, parents, author, message, tags, changes
    #[arg(long, short, value_enum, default_value = "text")]
    format: Format,
    /// As `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// At most so many revisions
    #[arg(long, short)]
    limit: Option<usize>,
    /// Not before a time (UTC), such as 2020-06, 2020-06-22 or 2020-06-22T14:03
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<u64>,
    /// Not after a time: that month, day, hour or minute is within
    #[arg(long, value_name = "TIME", value_parser = parse_until)]
    until: Option<u64>,
    /// Before a time
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "until")]
    before: Option<u64>,
    /// By authors whose name has this text in it, in capitals or not
    #[arg(long, value_name = "TEXT")]
    author: Option<String>,
    /// With messages that have this text in them, in capitals or not
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,
    /// Oldest first; --limit counts from there
    #[arg(long)]
    reverse: bool,
}

impl Args {
    fn is_json(&self) -> bool {
        self.json || self.format == Format::Json
    }
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
        Some(place) => history(args, &repo.collection(&place.collection)?, place.series.as_deref()),
    }
}

fn history(args: &Args, collection: &Collection, label: Option<&str>) -> Result<()> {
    let series = label.map(|label| collection.one_series(label)).transpose()?;
    let filter = Filter {
        series,
        since: args.since,
        before: args.until.or(args.before),
        author: args.author.clone(),
        message: args.message.clone(),
        reverse: args.reverse,
    };
    let tags = TagsOf::read(collection)?;
    let mut output = Output::stdout()?;
    let (mut out, mut shown, mut result) = (String::new(), 0, Ok(()));
    let limit = args.limit.unwrap_or(usize::MAX);
    let show = |stamp: Stamp, outline: Outline| {
        let told = !args.oneline || args.is_json();
        let overrode = match told {
            true => of_merge(collection, &outline.parents, &outline.changes),
            false => Overrode::default(),
        };
        let changes = &outline.changes.series;
        Shown {
            created: changes.iter().any(|change| change.created),
            other: changes.is_empty(),
            text: text(args, &Version { stamp, outline: &outline, tags: tags.of(stamp), overrode }),
        }
    };
    // Other columns are other rows of a series only where there was one.
    let mut is_there = !args.reverse;
    if limit > 0 {
        collection.past(&filter, &show, |one: Shown| {
            let skipped = filter.series.is_some() && one.other && !is_there;
            is_there = if one.created { args.reverse } else { is_there };
            if skipped {
                return ControlFlow::Continue(());
            }
            shown += 1;
            result = one.text.map(|text| out.push_str(&text));
            if out.len() > 1 << 16 && result.is_ok() {
                result = put(args, &mut output, &out);
                out.clear();
            }
            if result.is_ok() && shown < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
    }
    result?;
    if let (Some(OneSeries::Label(label)), 0) = (&filter.series, shown) {
        // Nobody ever had that label, or nothing of it fits: where it is not known at all, that is told.
        known(collection, &filter, label)?;
    }
    put(args, &mut output, &out)
}

fn put(args: &Args, output: &mut Output, text: &str) -> Result<()> {
    if args.is_json() { output.put(text.as_bytes()) } else { output.put_lines(text.as_bytes()) }
}

/// A revision on its way out.
struct Shown {
    text: Result<String>,
    /// Whether it created the series that is asked for.
    created: bool,
    /// Whether it changed columns alone.
    other: bool,
}

/// Fails where no revision knows a label that no series has now.
fn known(collection: &Collection, filter: &Filter, label: &str) -> Result<()> {
    let any = Filter { series: filter.series.clone(), ..Filter::default() };
    let mut found = false;
    collection.past(&any, &|_, outline| !outline.changes.series.is_empty(), |changed| {
        found |= changed;
        if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if !found {
        collection.find(&collection.state(At::Newest)?, label)?;
    }
    Ok(())
}

fn text(args: &Args, version: &Version<'_>) -> Result<String> {
    Ok(match (args.is_json(), args.oneline) {
        (true, _) => version.json(false)? + "\n",
        (false, true) => version.line(),
        (false, false) => version.paragraph(false)?,
    })
}
