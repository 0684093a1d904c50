//! `diff`: what differs between two revisions, a revision and a file, or two repositories.

use crate::cli::args::{HeaderArgs, Place, RangeArgs};
use crate::cli::compared::{Compared, End, Named, Whole};
use crate::cli::exit::Usage;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::data::delta::Tally;
use crate::data::files::changes::{self, Form};
use crate::data::key::Closed;
use crate::data::plain;
use crate::history::entry::{Entry, Segments};
use crate::interval::Interval;
use crate::series::compare::{Comparison, Side, compare};
use anyhow::Result;
use std::path::PathBuf;
use std::sync::Arc;

/// Show which rows differ between two revisions, or a revision and a file, or two repositories
///
/// A and B are revisions, or files of rows (CSV, Parquet, Arrow; - is the standard input). Without B: the newest.
/// Without A: what the newest revision of the series changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota diff temp/bxl
  lakota diff 6180e9 temp/bxl
  lakota diff 6180e9 554d6f temp/bxl --format csv
  lakota diff corrected.csv temp/bxl
  lakota diff 6180e9 temp --stat
  lakota diff temp/bxl --with backup")]
pub(crate) struct Args {
    /// [A [B]] COLLECTION/SERIES, or COLLECTION for all of its series
    #[arg(required = true, num_args = 1..=3, value_name = "[A [B]] PLACE")]
    what: Vec<String>,
    /// Compare with the same place of another repository, a remote or a path: it is A
    #[arg(long, value_name = "REMOTE")]
    with: Option<String>,
    #[command(flatten)]
    header: HeaderArgs,
    #[command(flatten)]
    range: RangeArgs,
    /// Text for people, CSV with a line for each value, or JSON with an object for each row
    #[arg(long, short, value_enum, default_value = "text")]
    format: Format,
    /// As `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Only how many rows differ, for each series
    #[arg(long)]
    stat: bool,
    /// Write a file, which appears when it is whole
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Csv,
    Json,
}

impl Args {
    fn form(&self) -> Form {
        if self.json { Form::Json } else { Form::from(self.format) }
    }
}

impl From<Format> for Form {
    fn from(format: Format) -> Form {
        match format {
            Format::Text => Form::Text,
            Format::Csv => Form::Csv,
            Format::Json => Form::Json,
        }
    }
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let Some((place, names)) = args.what.split_last() else {
        return Err(Usage::of("diff", "expected [A [B]] PLACE").into());
    };
    let place: Place = place.parse().map_err(|why: String| Usage::of("diff", format!("{place:?}: {why}")))?;
    if args.with.is_some() && names.len() > 1 {
        return Err(Usage::of("diff", "--with is A: give B at most").into());
    }
    if place.series.is_none() && args.range.is_given() {
        return Err(Usage::of("diff", "a range of rows needs COLLECTION/SERIES").into());
    }
    let whole = Whole::open(
        session,
        &place,
        Named { names, with: args.with.as_deref(), header: args.header.given() },
    )?;
    let mut report =
        Report { args, whole: &whole, out: Vec::new(), to: Output::open(args.output.as_deref())? };
    report.start();
    match &place.series {
        Some(label) => {
            let pair = whole.series(label)?;
            report.series(&pair)?;
        }
        None => {
            for pair in whole.pairs()? {
                report.series(&pair)?;
            }
        }
    }
    report.put(0)?;
    report.to.finish()
}

fn side<'a>(end: &'a End, entry: &'a Option<Entry>) -> Side<'a> {
    Side::of(&end.state, entry.as_ref().map_or(Segments::none(), |entry| &entry.segments))
}

/// What is said.
struct Report<'a> {
    args: &'a Args,
    whole: &'a Whole,
    out: Vec<u8>,
    to: Output,
}

/// Text that is gathered before it is put.
const GATHERED: usize = 1 << 16;

impl Report<'_> {
    fn start(&mut self) {
        let form = self.args.form();
        let several = self.whole.is_collection();
        match (self.args.stat, form) {
            (true, Form::Csv) => self.out.extend_from_slice(b"series,added,removed,changed\n"),
            (false, Form::Csv) => {
                let schema = &self.whole.new.state.schema;
                let head = if several { changes::header_of } else { changes::header };
                self.out.extend(head(schema, form));
            }
            _ => {}
        }
    }

    fn put(&mut self, above: usize) -> Result<()> {
        if self.out.len() > above {
            match self.args.form() {
                Form::Text => self.to.put_lines(&self.out)?,
                Form::Csv | Form::Json => self.to.put(&self.out)?,
            }
            self.out.clear();
        }
        Ok(())
    }

    fn series(&mut self, pair: &Compared) -> Result<()> {
        let interval = match self.args.range.is_given() {
            true => self.args.range.interval(&self.whole.new.state.schema, Closed::Left)?,
            false => Interval::ALL,
        };
        let (old, new) = (side(&self.whole.old, &pair.old), side(&self.whole.new, &pair.new));
        let comparison = compare(&old, &new, &interval)?;
        if self.args.stat { self.stat(pair, comparison) } else { self.rows(pair, comparison) }
    }

    fn stat(&mut self, pair: &Compared, comparison: Comparison) -> Result<()> {
        let mut tally = Tally::default();
        for delta in comparison {
            tally.add(&delta?.rows);
        }
        let Tally { added, removed, changed } = tally;
        let label = pair.label();
        let line = match self.args.form() {
            Form::Csv => {
                let mut line = crate::data::csv::header(std::iter::once(label));
                line.pop();
                format!("{},{added},{removed},{changed}\n", String::from_utf8_lossy(&line))
            }
            Form::Json => {
                let object = serde_json::json!({"series": label, "added": added, "removed": removed, "changed": changed});
                format!("{object}\n")
            }
            Form::Text => {
                let note = match (&pair.old, &pair.new) {
                    (None, Some(_)) => " (created)".to_owned(),
                    (Some(_), None) => " (deleted)".to_owned(),
                    (Some(old), Some(new)) if old.label != new.label && !self.whole.has_file() => {
                        format!(" (renamed from {})", old.label)
                    }
                    _ => String::new(),
                };
                let line = format!("{label}: {added} added, {removed} removed, {changed} changed{note}");
                format!("{}\n", plain::line(&line))
            }
        };
        self.out.extend_from_slice(line.as_bytes());
        self.put(GATHERED)
    }

    fn rows(&mut self, pair: &Compared, comparison: Comparison) -> Result<()> {
        let form = self.args.form();
        let schema = Arc::clone(comparison.joint());
        let mut headed = form != Form::Text;
        let moved = pair.old.as_ref().map(|old| &old.label) != pair.new.as_ref().map(|new| &new.label);
        if moved && !headed {
            self.head(pair);
            headed = true;
        }
        for delta in comparison {
            let delta = delta?;
            if !headed {
                self.head(pair);
                headed = true;
            }
            if self.whole.is_collection() {
                changes::render_of(&schema, form, pair.label(), &delta, &mut self.out);
            } else {
                changes::render(&schema, form, &delta, &mut self.out);
            }
            self.put(GATHERED)?;
        }
        Ok(())
    }

    /// The two lines that say what is compared.
    fn head(&mut self, pair: &Compared) {
        for (sign, end, entry) in [("---", &self.whole.old, &pair.old), ("+++", &self.whole.new, &pair.new)] {
            let what = match entry {
                Some(_) if end.is_file() => end.name.clone(),
                Some(entry) => format!("{}/{}", self.whole.collection(), entry.label),
                None => "nothing".to_owned(),
            };
            self.out.extend_from_slice(
                format!("{sign} {}\t{}\n", plain::line(&what), plain::line(&end.name)).as_bytes(),
            );
        }
    }
}
