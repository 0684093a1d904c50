//! `blame`: the rows of a series, and the revision that last wrote each.

use crate::cli::args::{AtArgs, Place, RangeArgs};
use crate::cli::output::{self, Output};
use crate::cli::session::Session;
use crate::clock::{Stamp, iso};
use crate::collection::{Blame, Collection};
use crate::data::csv;
use crate::data::files::json;
use crate::data::files::table::{Table, Texts};
use crate::data::key::{Closed, Keys};
use crate::data::schema::{Column, Schema, Type};
use crate::series::read::Query;
use anyhow::Result;
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Show the rows of a series, and for each the revision that last wrote it
///
/// A row written by a revision that was forgotten has none.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota blame temp/bxl --start 2020-06-23 --stop 2020-06-25
  lakota blame temp/bxl --format csv | awk -F, '{print $3}' | sort | uniq -c")]
pub(crate) struct Args {
    /// COLLECTION/SERIES
    place: Place,
    #[command(flatten)]
    range: RangeArgs,
    /// The last so many rows
    #[arg(long, short)]
    tail: Option<u64>,
    #[command(flatten)]
    at: AtArgs,
    /// Format; by default a table on a terminal, else CSV
    #[arg(long, short, value_enum)]
    format: Option<Format>,
    /// As `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Write a file, which appears when it is whole
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Csv,
    Table,
    Json,
}

impl Args {
    fn format(&self) -> Format {
        let shown = self.output.is_none() && output::is_terminal();
        match self.format {
            _ if self.json => Format::Json,
            Some(format) => format,
            None if shown => Format::Table,
            None => Format::Csv,
        }
    }
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let label = args.place.needs_series("blame")?;
    let repo = session.repo()?;
    let collection = repo.collection(&args.place.collection)?;
    let at = args.at.in_place(&collection, Some(label))?;
    let interval = args.range.interval(&collection.state(at)?.schema, Closed::Left)?;
    let query = Query { interval, tail: args.tail, ..Query::default() };
    let mut blame = collection.blame(label, at, &query)?;
    let format = args.format();
    let schema = Arc::clone(&blame.state.schema);
    let columns = columns(&schema);
    let mut output = Output::open(args.output.as_deref())?;
    let put = |output: &mut Output, out: &[u8]| match format {
        Format::Table => output.put_lines(out),
        Format::Csv | Format::Json => output.put(out),
    };
    let mut writers = Writers { collection: &collection, known: HashMap::new() };
    let mut table = Table::new(&columns);
    let mut out = match format {
        Format::Csv => csv::header(columns.iter().map(|column| column.name.as_str())),
        _ => Vec::new(),
    };
    while let Some(frame) = blame.rows.next().transpose()? {
        let frame = writers.frame(&blame, &schema, &frame)?;
        let paired = columns.iter().zip(frame.iter());
        match format {
            Format::Csv => {
                let typed: Vec<_> = paired.map(|(column, array)| (column.ty, Arc::clone(array))).collect();
                csv::render(&typed, 0..frame[0].len(), &mut out);
            }
            Format::Json => {
                let typed: Vec<_> =
                    paired.map(|(column, array)| (column.clone(), Arc::clone(array))).collect();
                json::render(&typed, 0..frame[0].len(), &mut out);
            }
            Format::Table => {
                let fields = columns.iter().map(|column| column.name.clone()).zip(frame);
                table.push(
                    &Texts::of(
                        &columns,
                        &RecordBatch::try_from_iter_with_nullable(
                            fields.map(|(name, array)| (name, array, true)),
                        )?,
                    ),
                    &mut out,
                );
            }
        }
        put(&mut output, &out)?;
        out.clear();
    }
    if format == Format::Table {
        table.finish(&mut out);
    }
    put(&mut output, &out)?;
    output.finish()
}

/// Who wrote, then the columns of the rows, whose names stay theirs.
fn columns(schema: &Schema) -> Vec<Column> {
    let text = |name: &str| {
        let mut name = name.to_owned();
        while schema.position(&name).is_some() {
            name.insert_str(0, "revision_");
        }
        Column { name, ty: Type::Str, index: false }
    };
    ["revision", "time", "author"].map(text).into_iter().chain(schema.columns().iter().cloned()).collect()
}

/// Revisions by stamp: each is looked at once.
struct Writers<'a> {
    collection: &'a Collection,
    known: HashMap<Stamp, (String, String, String)>,
}

impl Writers<'_> {
    fn frame(&mut self, blame: &Blame, schema: &Schema, frame: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let stamps = blame.revisions(&Keys::of(schema, frame));
        for stamp in stamps.iter().flatten() {
            if !self.known.contains_key(stamp) {
                let revision = self.collection.changelog().find(*stamp)?;
                let texts = (stamp.to_string(), iso(stamp.time), revision.note.author.clone());
                self.known.insert(*stamp, texts);
            }
        }
        let column = |of: fn(&(String, String, String)) -> &String| -> ArrayRef {
            let text = |stamp: &Option<Stamp>| Some(of(self.known.get(stamp.as_ref()?)?).as_str());
            Arc::new(stamps.iter().map(text).collect::<StringArray>())
        };
        let mut arrays = vec![column(|texts| &texts.0), column(|texts| &texts.1), column(|texts| &texts.2)];
        arrays.extend(frame.columns().iter().cloned());
        Ok(arrays)
    }
}
