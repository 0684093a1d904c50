//! `write`: rows of files or of the standard input into series.

use crate::cli::args::{HeaderArgs, Place, RangeArgs};
use crate::cli::exit::Usage;
use crate::cli::format::InFormat;
use crate::cli::input::{How, Source};
use crate::cli::load::{self, Item, Meet, Reading};
use crate::cli::output;
use crate::cli::session::{Session, exact};
use crate::collection::{Batch, Collection};
use crate::data::key::Closed;
use crate::data::key::show;
use crate::data::schema::Schema;
use crate::data::sort::Sorted;
use crate::interval::{Interval, next_prefix};
use crate::series::write::Mode;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Write rows to a series, or several files to a series each
///
/// The rows may be in any order. They replace all rows of the series between the first and the last of
/// them; everything else stays. A missing series is created. CSV may have a header line, its columns in any
/// order. `write COLLECTION FILE...` makes of every file a series named by the file's stem, all in one revision.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cat input.csv | lakota write temp/bxl
  lakota write temp/bxl input.parquet --start 2020-06-01 --stop 2020-07-01 --closed left
  lakota write temp stations/*.csv -m \"nightly load\"")]
pub(crate) struct Args {
    /// COLLECTION/SERIES, or COLLECTION for several files
    place: Place,
    /// Files of rows; for a series at most one, else the standard input
    files: Vec<PathBuf>,
    /// Format of the rows, where the file's name does not tell it
    #[arg(long, short = 'f', value_enum)]
    format: Option<InFormat>,
    #[command(flatten)]
    header: HeaderArgs,
    #[command(flatten)]
    range: RangeArgs,
    #[command(flatten)]
    meet: MeetArgs,
    /// Why, for the log
    #[arg(long, short)]
    message: Option<String>,
    /// Return before the rows are safe on disk: for bulk loads that can be repeated
    #[arg(long)]
    no_sync: bool,
}

/// How the rows meet those that are there.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct MeetArgs {
    /// Replace only rows with an equal index value
    #[arg(long)]
    upsert: bool,
    /// Add behind the last row; earlier rows are refused
    #[arg(long)]
    append: bool,
    /// Make the series equal to the input
    #[arg(long)]
    replace: bool,
    /// Give the input's columns of rows that exist new values
    #[arg(long)]
    update: bool,
}

impl MeetArgs {
    fn chosen(&self) -> Meet {
        match (self.upsert, self.append, self.replace, self.update) {
            (true, ..) => Meet::Upsert,
            (_, true, ..) => Meet::Append,
            (_, _, true, _) => Meet::Replace,
            (.., true) => Meet::Update,
            _ => Meet::Overlay,
        }
    }
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    check(args)?;
    let repo = session.repo_for_writes(!args.no_sync)?;
    let collection = exact(&repo, &args.place.collection)?;
    match &args.place.series {
        Some(series) => one(args, &collection, series, session),
        None => many(args, &collection, session),
    }
}

fn check(args: &Args) -> Result<(), Usage> {
    let usage = |message: &str| Err(Usage::of("write", message));
    if args.range.is_given() && args.meet.chosen() != Meet::Overlay {
        return usage(
            "--start, --stop and --closed do not go with --upsert, --append, --replace or --update",
        );
    }
    if args.range.is_given() && args.range.has() == (false, false) {
        return usage("--closed tells which bounds belong to the range: give --start or --stop with it");
    }
    match (&args.place.series, args.files.as_slice()) {
        (Some(_), [_, _, ..]) => usage("one series takes one file; name a collection alone for several"),
        (None, []) => usage("name a series (COLLECTION/SERIES), or the files to write"),
        (None, _) if args.range.is_given() => usage("--start, --stop and --closed are for one series"),
        _ => Ok(()),
    }
}

fn one(args: &Args, collection: &Collection, series: &str, session: &Session) -> Result<()> {
    let message = args.message.clone().unwrap_or_else(|| format!("write {series}"));
    let mut batch = collection.batch(&message)?;
    let schema = Arc::clone(&batch.base().schema);
    let meet = args.meet.chosen();
    let source = Source::new(args.files.first().map(PathBuf::as_path), args.format);
    let (progress, header) = (!session.is_quiet(), args.header.given());
    let how = How { partial: meet.partial(), parallel: true, progress, header };
    let frames = source.frames(&schema, how)?;
    let (rows, count) = match meet {
        Meet::Append | Meet::Update => batch.sort(frames)?,
        _ => batch.sort_onto(series, frames)?,
    };
    let span = rows.span().map(|(a, b)| format!(" [{} .. {}]", show(&schema, a), show(&schema, b)));
    let mode = match meet {
        Meet::Overlay | Meet::Import => Mode::Overlay(overlay(args, &schema, &rows, &source)?),
        Meet::Replace => Mode::Overlay(Interval::ALL),
        _ if count == 0 => return Err(no_rows(&source)),
        Meet::Upsert => Mode::Upsert,
        Meet::Append => Mode::Append,
        Meet::Update => Mode::Update,
    };
    let place = format!("{}/{series}", collection.label());
    batch.write(series, &mode, rows).with_context(|| format!("cannot write {place}"))?;
    match batch.commit()? {
        Some(revision) => session.say(format!(
            "wrote {} to {place}{}, revision {revision}",
            output::rows(count),
            span.unwrap_or_default()
        )),
        None => session.say(format!("nothing changed: {place} has these rows already")),
    }
    Ok(())
}

fn no_rows(source: &Source) -> anyhow::Error {
    Batch::no_rows().in_file(&source.name()).into()
}

/// The index values that the input replaces: those of the options, else from its first row to its last.
fn overlay(args: &Args, schema: &Schema, rows: &Sorted, source: &Source) -> Result<Interval> {
    let mut interval = args.range.interval(schema, Closed::Both)?;
    let Some((first, last)) = rows.span() else { return Err(no_rows(source)) };
    for key in [first, last] {
        if !interval.contains(key) {
            bail!("{}: the row at {} lies outside the range to write", source.name(), show(schema, key));
        }
    }
    let (has_start, has_stop) = args.range.has();
    if !has_start {
        interval.lo.clone_from(first);
    }
    if !has_stop {
        interval.hi = next_prefix(last);
    }
    Ok(interval)
}

fn many(args: &Args, collection: &Collection, session: &Session) -> Result<()> {
    let mut items = Vec::with_capacity(args.files.len());
    for path in &args.files {
        items.push(Item { label: stem(path)?, source: Source::new(Some(path), args.format) });
    }
    let message = args.message.clone().unwrap_or_else(|| match items.as_slice() {
        [one] => format!("write {}", one.label),
        several => format!("write {} series", several.len()),
    });
    let mut batch = collection.batch(&message)?;
    let how = Reading { progress: !session.is_quiet(), header: args.header.given() };
    let loaded = load::load(&mut batch, &items, args.meet.chosen(), how)?;
    let label = collection.label();
    match batch.commit()? {
        Some(revision) => session.say(format!(
            "wrote {} to {} series of {label}, revision {revision}",
            output::rows(loaded.rows),
            loaded.series
        )),
        None => session.say(format!("nothing changed: {label} has these rows already")),
    }
    Ok(())
}

/// The label that a file's name gives.
fn stem(path: &Path) -> Result<String> {
    let stem = path.file_stem().filter(|_| path != Path::new("-"));
    match stem.map(|stem| stem.to_str()) {
        Some(Some(stem)) => Ok(stem.to_owned()),
        Some(None) => bail!("{}: the name of a series must be UTF-8", path.display()),
        None => Err(Usage::of("write", "the standard input has no name: give COLLECTION/SERIES").into()),
    }
}
