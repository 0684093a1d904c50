//! `merge`: several heads become one.

use super::status::{ALL_SINGLE, Status};
use crate::cli::exit::Usage;
use crate::cli::session::{Session, exact};
use crate::clock::Stamp;
use crate::collection::{Collection, CollectionError};
use crate::repo::Repo;
use anyhow::{Result, bail};

/// Overridden changes listed.
const LISTED: usize = 20;

/// Make one head of several: of each row the later change stands
///
/// Writers that did not know of each other leave several heads. Reads show their merge already; this makes it a
/// revision, the same wherever it is made. Heads without a common history (trimmed, or created apart with other columns)
/// cannot be merged: then one of them can be kept whole, and the others stay readable as revisions.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota merge
  lakota merge temp
  lakota merge temp --ours 554d6f3600")]
pub(crate) struct Args {
    /// Collections; none: all of them and the registry, which names them
    collections: Vec<String>,
    /// Of heads that cannot be merged keep this one; without an id: the last one written by you
    #[arg(long, value_name = "HEAD", num_args = 0..=1, default_missing_value = "")]
    ours: Option<String>,
    /// Of two heads that cannot be merged keep the one that is not the last one written by you
    #[arg(long, conflicts_with = "ours")]
    theirs: bool,
    /// The registry, which names the collections
    #[arg(long, conflicts_with = "collections")]
    registry: bool,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let repo = session.repo()?;
    if args.ours.is_some() || args.theirs {
        return choose(args, &repo, session);
    }
    if args.registry {
        return merge(repo.registry(), Told { registry: true, single: true }, session).map(|_| ());
    }
    let all = args.collections.is_empty();
    // First: it names the others.
    let mut merged = all && merge(repo.registry(), Told { registry: true, single: false }, session)?;
    let labels = if all { repo.collections()? } else { args.collections.clone() };
    let mut refused = Ok(());
    for label in labels {
        let told = Told { registry: false, single: !all };
        // The others can be merged all the same.
        match (merge(&exact(&repo, &label)?, told, session), refused.is_ok()) {
            (Ok(done), _) => merged |= done,
            (Err(error), true) => refused = Err(error),
            (Err(error), false) => session.say(format!("lakota: {error:#}")),
        }
    }
    if all && !merged && refused.is_ok() {
        session.say(ALL_SINGLE);
    }
    refused
}

/// How what was done is told.
struct Told {
    registry: bool,
    /// Whether also that there was nothing to do.
    single: bool,
}

/// Merges the heads of a collection; whether there were several.
fn merge(collection: &Collection, told: Told, session: &Session) -> Result<bool> {
    let status = Status::of(collection, told.registry, LISTED)?;
    if !status.is_apart() {
        if told.single {
            session.say(status.text().trim_end());
        }
        return Ok(false);
    }
    collection.settle().map_err(|error| {
        let how = if error.is_unmergeable() {
            format!(" (one of its heads can be kept: {})", status.choices())
        } else {
            String::new()
        };
        anyhow::Error::from(error).context(format!("cannot merge {}{how}", collection.label()))
    })?;
    session.say(format!("merged {}", status.text().trim_end()));
    Ok(true)
}

/// Keeps one head.
fn choose(args: &Args, repo: &Repo, session: &Session) -> Result<()> {
    let found;
    let collection = match (args.registry, args.collections.as_slice()) {
        (true, _) => repo.registry(),
        (false, [label]) => {
            found = exact(repo, label)?;
            &found
        }
        _ => return Err(Usage::of("merge", "name the one collection of which a head is to be kept").into()),
    };
    let heads = collection.newest()?;
    if heads.len() < 2 {
        session.say(format!("{}: 1 head, nothing to merge", collection.label()));
        return Ok(());
    }
    match collection.overrides(&heads, 0) {
        Err(error) if error.is_unmergeable() => {}
        Ok(_) => {
            let message =
                format!("the heads of {} can be merged: no head need be kept whole", collection.label());
            return Err(Usage::of("merge", message).into());
        }
        Err(error) => return Err(error.into()),
    }
    let head = match &args.ours {
        Some(id) if !id.is_empty() => collection.resolve(id)?,
        _ => mine(collection, &heads, args.theirs)?,
    };
    if !heads.contains(&head) {
        bail!("{head} is no head of {}: `lakota status` shows them", collection.label());
    }
    let others: Vec<String> = heads.iter().filter(|h| **h != head).map(ToString::to_string).collect();
    let stamp = collection.choose(head, &format!("keep {}", head.digest.short()))?;
    session.say(format!(
        "kept {head} of {} as {stamp}; {} can be read by `--revision`",
        collection.label(),
        others.join(", ")
    ));
    Ok(())
}

/// The newest head that the user wrote, or the one beside it.
fn mine(collection: &Collection, heads: &[Stamp], other: bool) -> Result<Stamp> {
    let log = collection.changelog().log().map_err(CollectionError::from)?;
    let author = &collection.context().author;
    let mut own = None;
    for head in heads {
        let revision = collection.changelog().read(&log, *head).map_err(CollectionError::from)?;
        if revision.note.author == *author {
            own = Some(*head);
        }
    }
    let Some(own) = own else {
        bail!("no head of {} was written by {author}: name one with --ours HEAD", collection.label());
    };
    match heads {
        _ if !other => Ok(own),
        [a, b] => Ok(if *a == own { *b } else { *a }),
        _ => bail!("{} has {} heads: name one with --ours HEAD", collection.label(), heads.len()),
    }
}
