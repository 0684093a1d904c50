//! `ls`: collections, or the series of one.

use crate::cli::args::AtArgs;
use crate::cli::exit::Usage;
use crate::cli::output;
use crate::cli::session::Session;
use crate::collection::{At, Collection};
use crate::data::files::table::{Table, Texts};
use crate::data::key::show;
use crate::data::plain;
use crate::data::schema::Schema as Columns;
use crate::history::entry::Summary;
use crate::repo::Repo;
use anyhow::Result;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use std::ops::ControlFlow;
use std::sync::Arc;

/// List the collections, or the series of one
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota ls
  lakota ls -l temp")]
pub(crate) struct Args {
    /// Collection whose series are wanted
    collection: Option<String>,
    /// More of each: rows, first and last index value, bytes; of a collection its series and rows
    #[arg(long, short)]
    long: bool,
    #[command(flatten)]
    at: AtArgs,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let repo = session.repo()?;
    match &args.collection {
        Some(label) => {
            let collection = repo.collection(label)?;
            series(&collection, args.at.of(&collection)?, args.long)
        }
        None if args.at.is_given() => {
            Err(Usage::of("ls", "--before and --revision need a collection").into())
        }
        None if args.long => collections(&repo),
        None => lines(repo.collections()?),
    }
}

fn lines(labels: Vec<String>) -> Result<()> {
    // Scripts get labels as they are, unless one would look like several.
    let shown = |label: &String| match output::is_terminal() || label.contains(char::is_control) {
        true => format!("{}\n", plain::line(label)),
        false => format!("{label}\n"),
    };
    output::print_data(&labels.iter().map(shown).collect::<String>())
}

fn series(collection: &Collection, at: At, long: bool) -> Result<()> {
    let state = collection.state(at)?;
    let mut found: Vec<Summary> = Vec::new();
    state.list("", |summary| {
        found.push(summary);
        ControlFlow::Continue(())
    })?;
    if !long {
        return lines(found.into_iter().map(|summary| summary.label).collect());
    }
    let span = |summary: &Summary| match &summary.span {
        Some((first, last)) => (show(&state.schema, first), show(&state.schema, last)),
        None => Default::default(),
    };
    let (first, last): (Vec<String>, Vec<String>) = found.iter().map(span).unzip();
    let numbers = |of: fn(&Summary) -> u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(found.iter().map(|s| of(s).cast_signed())))
    };
    table(
        &["series str*", "rows int", "first str", "last str", "bytes int"],
        vec![
            Arc::new(StringArray::from_iter_values(found.iter().map(|s| &s.label))),
            numbers(|s| s.sums.rows),
            Arc::new(StringArray::from(first)),
            Arc::new(StringArray::from(last)),
            numbers(|s| s.sums.pages),
        ],
    )
}

fn collections(repo: &Repo) -> Result<()> {
    let labels = repo.collections()?;
    let (mut series, mut rows, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for label in &labels {
        let sums = repo.collection(label)?.state(At::Newest)?.sums();
        series.push(sums.series.cast_signed());
        rows.push(sums.rows.cast_signed());
        bytes.push(sums.pages.cast_signed());
    }
    table(
        &["collection str*", "series int", "rows int", "bytes int"],
        vec![
            Arc::new(StringArray::from(labels)),
            Arc::new(Int64Array::from(series)),
            Arc::new(Int64Array::from(rows)),
            Arc::new(Int64Array::from(bytes)),
        ],
    )
}

fn table(columns: &[&str], arrays: Vec<ArrayRef>) -> Result<()> {
    let columns = Columns::parse(columns)?;
    let frame = RecordBatch::try_new(Arc::clone(columns.arrow()), arrays)?;
    let mut out = Vec::new();
    Table::new(columns.columns()).push(&Texts::of(columns.columns(), &frame), &mut out);
    output::print(&out)
}
