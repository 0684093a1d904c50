//! `show`: one revision in full.

use crate::cli::history::{TagsOf, Version};
use crate::cli::output;
use crate::cli::session::Session;
use crate::clock::Stamp;
use crate::collection::when::When;
use crate::collection::{Collection, CollectionError};
use crate::history::changelog::HistoryError;
use anyhow::{Result, bail};

/// Show a revision: who, when, why, and the index values that changed
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  lakota show 2020-09-21T14-03-12.506Z-554d6f3600
  lakota show 554d6f
  lakota show -c temp ~1")]
pub(crate) struct Args {
    /// Its id as `log` shows it, or the first digits of the last part; a tag; of a collection also ~1 (the one before
    /// the newest), latest, or a time
    revision: String,
    /// Look in this collection only
    #[arg(long, short)]
    collection: Option<String>,
    /// Print it as a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let repo = session.repo()?;
    if let Some(label) = &args.collection {
        let collection = repo.collection(label)?;
        return show(args, &collection, collection.resolve(&args.revision)?);
    }
    let mut found: Vec<(String, Collection, Stamp)> = Vec::new();
    for label in repo.collections()? {
        let collection = repo.collection(&label)?;
        if let Some(stamp) = resolve(&collection, &args.revision)? {
            found.push((label, collection, stamp));
        }
    }
    // All else than an id means something in every collection: the registry's is not asked for.
    let id = matches!(When::parse(&args.revision), Some(When::Revision(_)));
    let registry = if id { resolve(repo.registry(), &args.revision)? } else { None };
    match (found.as_slice(), registry) {
        ([(_, collection, stamp)], None) => show(args, collection, *stamp),
        ([], Some(stamp)) => show(args, repo.registry(), stamp),
        ([], None) => bail!("there is no revision {:?}", args.revision),
        (several, _) => {
            let labels: Vec<&str> = several.iter().map(|(label, ..)| label.as_str()).collect();
            bail!("{:?} is a revision of {}: choose with --collection", args.revision, labels.join(", "))
        }
    }
}

/// The revision of a collection that has a name, where there is one.
fn resolve(collection: &Collection, text: &str) -> Result<Option<Stamp>, CollectionError> {
    match collection.resolve(text) {
        Ok(stamp) => Ok(Some(stamp)),
        Err(
            CollectionError::NoRevision(..)
            | CollectionError::NoTag { .. }
            | CollectionError::NothingBefore { .. }
            | CollectionError::Empty(_)
            | CollectionError::History(HistoryError::Trimmed(_)),
        ) => Ok(None),
        Err(e) => Err(e),
    }
}

fn show(args: &Args, collection: &Collection, stamp: Stamp) -> Result<()> {
    let changelog = collection.changelog();
    let outline = changelog.outline(&*changelog.log()?, stamp).map_err(CollectionError::from)?;
    let tags = TagsOf::read(collection)?;
    let version = Version { stamp, outline: &outline, tags: tags.of(stamp) };
    if args.json {
        return output::print(&format!("{}\n", version.json(true)?));
    }
    let text = version.paragraph(true)?;
    output::print(&format!("{:<9} {}\n{}\n", "of", collection.label(), text.trim_end_matches('\n')))
}
