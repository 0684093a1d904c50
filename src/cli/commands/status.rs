//! `status`: the heads of collections, and what merging them would override.

use crate::cli::output;
use crate::cli::overrides::{Overridden, named};
use crate::cli::session::{Session, exact};
use crate::clock::{Stamp, iso};
use crate::collection::{Collection, CollectionError};
use crate::data::plain;
use crate::history::changelog::Log;
use anyhow::Result;
use serde::Serialize;
use std::fmt::Write;

/// What is said where there is nothing to merge.
pub(crate) const ALL_SINGLE: &str = "all collections have one head: nothing to merge";

/// Overridden changes listed as text, and as JSON.
const LISTED: usize = 20;
const LISTED_JSON: usize = 10_000;

/// Show which collections have several heads, and what a merge of them would override
///
/// Writers that did not know of each other leave several heads. Reads show their merge; the next write, or
/// `lakota merge`, makes it a revision. Nothing is written here.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota status
  lakota status temp --json | jq .overrides")]
pub(crate) struct Args {
    /// Collections; none: all of them and the registry, which names them
    collections: Vec<String>,
    /// One JSON object a line for each
    #[arg(long)]
    json: bool,
}

/// The heads of a collection; the order of the fields is the order of the output.
#[derive(Serialize)]
pub(crate) struct Status {
    /// None: the registry.
    collection: Option<String>,
    heads: Vec<Head>,
    /// Columns of the merge, where some head has others.
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
    overrides: Vec<Overridden>,
    /// How many more are overridden.
    more: usize,
    /// Why the heads cannot be merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip)]
    label: String,
}

#[derive(Serialize)]
struct Head {
    id: String,
    time: String,
    author: String,
    message: String,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let repo = session.repo()?;
    let named = !args.collections.is_empty();
    let mut out = String::new();
    let mut one = |collection: &Collection, registry: bool| -> Result<bool> {
        let status = Status::of(collection, registry, if args.json { LISTED_JSON } else { LISTED })?;
        if args.json {
            out.push_str(&serde_json::to_string(&status)?);
            out.push('\n');
        } else if named || status.heads.len() > 1 {
            out.push_str(&status.text());
        }
        Ok(status.problem.is_none())
    };
    let labels = if named {
        args.collections.clone()
    } else {
        // A registry that cannot be merged names no collections, but can be told of.
        if one(repo.registry(), true)? { repo.collections()? } else { Vec::new() }
    };
    for label in &labels {
        one(&exact(&repo, label)?, false)?;
    }
    if out.is_empty() && !args.json {
        return output::print(format!("{ALL_SINGLE}\n"));
    }
    if args.json { output::print_data(&out) } else { output::print(out) }
}

impl Status {
    /// Looks at the heads.
    pub(crate) fn of(collection: &Collection, registry: bool, most: usize) -> Result<Status> {
        let log = collection.changelog().log().map_err(CollectionError::from)?;
        let heads = collection.newest()?;
        let mut status = Status {
            collection: (!registry).then(|| collection.label().to_owned()),
            heads: heads.iter().map(|head| Head::of(collection, &log, *head)).collect::<Result<_>>()?,
            columns: None,
            overrides: Vec::new(),
            more: 0,
            problem: None,
            label: collection.label().to_owned(),
        };
        if heads.len() < 2 {
            return Ok(status);
        }
        let found = collection.merged_columns(&heads).and_then(|columns| {
            let names = columns.map(|schema| schema.columns().iter().map(ToString::to_string).collect());
            Ok((names, collection.overrides(&heads, most)?))
        });
        match found {
            Ok((columns, found)) => {
                status.columns = columns;
                (status.overrides, status.more) = (named(collection, &log, &found)?, found.more);
            }
            Err(error) if error.is_unmergeable() => status.problem = Some(error.to_string()),
            Err(error) => return Err(error.into()),
        }
        Ok(status)
    }

    /// A paragraph.
    pub(crate) fn text(&self) -> String {
        let label = &self.label;
        let mut out = String::new();
        let mut line = |text: std::fmt::Arguments<'_>| {
            // Writing to a string cannot fail.
            writeln!(out, "{}", plain::line(&text.to_string())).unwrap_or_default();
        };
        if self.heads.len() < 2 {
            let heads = if self.heads.is_empty() { "no revisions" } else { "1 head" };
            line(format_args!("{label}: {heads}, nothing to merge"));
            return out;
        }
        line(format_args!("{label}: {} heads", self.heads.len()));
        for Head { id, author, message, .. } in &self.heads {
            line(format_args!("  {id} {author} {message:?}"));
        }
        if let Some(problem) = &self.problem {
            line(format_args!("  {problem}"));
            line(format_args!("  keep one of them: {}", self.choices()));
            return out;
        }
        if let Some(columns) = &self.columns {
            line(format_args!("  columns of the merge: {}", columns.join(", ")));
        }
        self.overrides.iter().for_each(|one| line(format_args!("  {}", one.line())));
        if self.more > 0 {
            line(format_args!("  and {} more overridden changes", self.more));
        }
        if self.overrides.is_empty() {
            line(format_args!("  no change overrides another"));
        }
        out
    }

    /// Whether there are several heads.
    pub(crate) const fn is_apart(&self) -> bool {
        self.heads.len() > 1
    }

    /// How to go on where heads cannot be merged.
    pub(crate) fn choices(&self) -> String {
        let label = self.collection.as_deref().unwrap_or("--registry");
        let ids = self.heads.iter().map(|head| format!("`lakota merge {label} --ours {}`", head.id));
        ids.collect::<Vec<_>>().join(" or ")
    }
}

impl Head {
    fn of(collection: &Collection, log: &Log, stamp: Stamp) -> Result<Head> {
        let revision = collection.changelog().read(log, stamp).map_err(CollectionError::from)?;
        let author = &revision.note.author;
        Ok(Head {
            id: stamp.to_string(),
            time: iso(stamp.time),
            author: if author.is_empty() { "-".to_owned() } else { author.clone() },
            message: revision.note.message.clone(),
        })
    }
}
