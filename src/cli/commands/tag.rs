//! `tag`: names for revisions.

use crate::cli::args::Place;
use crate::cli::exit::Usage;
use crate::cli::output::{self, Output, count};
use crate::cli::session::{Session, exact};
use crate::clock::{Stamp, iso};
use crate::collection::Collection;
use crate::data::files::table::{Table, Texts};
use crate::data::schema::Schema;
use crate::history::changelog::HistoryError;
use crate::repo::Repo;
use anyhow::{Result, bail};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use serde::Serialize;
use std::sync::Arc;

/// Name a revision, of one collection or of all at once; list such names; take them away
///
/// A tag is accepted wherever a revision is, stays with a collection that is renamed, and keeps what it names from
/// being trimmed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota tag v1
  lakota tag before-the-move temp ~1
  lakota tag
  lakota tag -d v1 temp")]
pub(crate) struct Args {
    /// The name; none: the tags are listed
    name: Option<String>,
    /// Collection; none: every collection
    #[arg(value_name = "COLLECTION")]
    collection: Option<String>,
    /// Revision: an id, the first digits of its last part, another tag, ~1, a time; none: the newest
    #[arg(value_name = "REV")]
    revision: Option<String>,
    /// Take the name away
    #[arg(long, short, requires = "name", conflicts_with_all = ["revision", "force"])]
    delete: bool,
    /// Move a name that stands for another revision
    #[arg(long)]
    force: bool,
    /// List as JSON: one object a line with name, collection, revision, time, message
    #[arg(long, conflicts_with = "name")]
    json: bool,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let repo = session.repo()?;
    let Some(name) = &args.name else { return list(&repo, args.json) };
    let collections = match &args.collection {
        Some(label) => {
            // `temp/bxl` is no collection, but nearly one: a tag is of all its series.
            if let (Ok(Place { collection, series: Some(_) }), false) =
                (label.parse(), repo.collections()?.contains(label))
            {
                let message = format!("a tag is of a whole collection: {collection:?}");
                return Err(Usage::of("tag", message).into());
            }
            vec![exact(&repo, label)?]
        }
        None => repo.collections()?.iter().map(|label| repo.collection(label)).collect::<Result<_, _>>()?,
    };
    if collections.is_empty() {
        bail!("there are no collections to tag: `lakota create` makes one");
    }
    let all: Vec<&Collection> = collections.iter().collect();
    if args.delete {
        let removed = repo.tags().remove(name, &all)?;
        session.say(match all.as_slice() {
            [one] => format!("tag {name} of {} is gone", one.label()),
            _ => format!("tag {name} is gone from {}", count(removed as u64, "collection")),
        });
        return Ok(());
    }
    let mut wanted: Vec<(&Collection, Stamp)> = Vec::with_capacity(all.len());
    for collection in all {
        wanted.push((collection, revision(collection, args.revision.as_deref())?));
    }
    repo.tags().set(name, &wanted, args.force)?;
    session.say(match wanted.as_slice() {
        [(one, stamp)] => format!("tagged {} at revision {stamp} as {name}", one.label()),
        several => {
            format!("tagged the newest revisions of {} as {name}", count(several.len() as u64, "collection"))
        }
    });
    Ok(())
}

/// The revision that a name means; none: the newest, where the merge of several heads is written first.
fn revision(collection: &Collection, name: Option<&str>) -> Result<Stamp> {
    Ok(match name {
        Some(name) => collection.resolve(name)?,
        None => {
            collection.settle()?;
            collection.resolve("latest")?
        }
    })
}

/// A tag as JSON.
#[derive(Serialize)]
struct Line {
    name: String,
    collection: String,
    revision: String,
    time: String,
    message: String,
}

fn list(repo: &Repo, json: bool) -> Result<()> {
    let mut lines = Vec::new();
    for label in repo.collections()? {
        let collection = repo.collection(&label)?;
        let tags = collection.tags()?;
        if tags.is_empty() {
            continue;
        }
        let log = collection.changelog().log()?;
        for (name, stamp) in tags {
            let message = match collection.changelog().outline(&log, stamp) {
                Err(HistoryError::Gone(_)) => "(trimmed)".to_owned(),
                outline => outline?.note.message,
            };
            let (revision, time) = (stamp.to_string(), iso(stamp.time));
            lines.push(Line { name, collection: label.clone(), revision, time, message });
        }
    }
    lines.sort_by(|a, b| (&a.name, &a.collection).cmp(&(&b.name, &b.collection)));
    if json {
        let mut output = Output::stdout()?;
        return lines
            .iter()
            .try_for_each(|line| output.put((serde_json::to_string(line)? + "\n").as_bytes()));
    }
    if lines.is_empty() { Ok(()) } else { table(&lines) }
}

fn table(lines: &[Line]) -> Result<()> {
    let columns = Schema::parse(["tag str*", "collection str", "revision str", "time str", "message str"])?;
    let column =
        |of: fn(&Line) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(lines.iter().map(of))) };
    let arrays = vec![
        column(|line| &line.name),
        column(|line| &line.collection),
        column(|line| &line.revision),
        column(|line| &line.time),
        column(|line| &line.message),
    ];
    let frame = RecordBatch::try_new(Arc::clone(columns.arrow()), arrays)?;
    let mut out = Vec::new();
    Table::new(columns.columns()).push(&Texts::of(columns.columns(), &frame), &mut out);
    output::print(&out)
}
