//! `read`: rows of a series, in any format.

use crate::cli::args::{AtArgs, Place, RangeArgs};
use crate::cli::exit::Usage;
use crate::cli::format::OutFormat;
use crate::cli::output::{self, Output};
use crate::cli::render::render;
use crate::cli::session::Session;
use crate::data::key::Closed;
use crate::data::schema::Column;
use crate::series::read::{Query, Rows};
use crate::series::select::Select;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Read rows of a series
///
/// Of the range, --tail takes the last rows; of those, --offset and --limit take some. Collections and series
/// may be named by the first letters that no other has.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota read temp/bxl --start 2020-06-23 --stop 2020-06-25
  lakota read temp/bxl value --tail 3 --before 2020-09-21T14:03
  lakota read temp/bxl -o bxl.parquet")]
pub(crate) struct Args {
    /// COLLECTION/SERIES
    place: Place,
    /// Columns, in the order wanted; none: all
    columns: Vec<String>,
    #[command(flatten)]
    range: RangeArgs,
    /// At most so many rows
    #[arg(long, short)]
    limit: Option<u64>,
    /// Leave out the first so many rows
    #[arg(long, default_value_t = 0)]
    offset: u64,
    /// The last so many rows
    #[arg(long, short)]
    tail: Option<u64>,
    #[command(flatten)]
    at: AtArgs,
    /// Format; by default that of the file's name, a table on a terminal, else CSV
    #[arg(long, short, value_enum)]
    format: Option<OutFormat>,
    /// As `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Write a file, which appears when it is whole
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let label = args.place.needs_series("read")?;
    let repo = session.repo()?;
    let collection = repo.collection(&args.place.collection)?;
    let state = collection.state(args.at.in_place(&collection, Some(label))?)?;
    let entry = collection.find(&state, label)?;
    let schema = state.schema;
    let named = Select::default().columns(&args.columns).query(&schema)?;
    let query = Query {
        interval: args.range.interval(&schema, Closed::Left)?,
        tail: args.tail,
        offset: args.offset,
        limit: args.limit,
        ..named
    };
    let picked: Vec<Column> = match &query.columns {
        Some(columns) => columns.iter().map(|&i| schema.columns()[i].clone()).collect(),
        None => schema.columns().to_vec(),
    };
    let format = format(args)?;
    let rows = Rows::open(state.view, schema, &entry.segments, &query)?;
    render(rows, &picked, format, Output::open(args.output.as_deref())?)
}

/// The format that a file's name tells; CSV where it has no extension.
fn named(path: &Path) -> Result<OutFormat, Usage> {
    match (OutFormat::of(path), path.extension()) {
        (Some(format), _) => Ok(format),
        (None, None) => Ok(OutFormat::Csv),
        (None, Some(other)) => {
            let message = format!("the extension {other:?} tells no format: give --format");
            Err(Usage::of("read", message))
        }
    }
}

fn format(args: &Args) -> Result<OutFormat, Usage> {
    let terminal = args.output.is_none() && output::is_terminal();
    let format = match (args.format, &args.output) {
        _ if args.json => OutFormat::Json,
        (Some(format), _) => format,
        (None, Some(path)) => named(path)?,
        (None, None) if terminal => OutFormat::Table,
        (None, None) => OutFormat::Csv,
    };
    if terminal && matches!(format, OutFormat::Parquet | OutFormat::Arrow) {
        return Err(Usage::of("read", "this format is not for a terminal: give -o FILE"));
    }
    Ok(format)
}
