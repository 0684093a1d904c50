//! `show`: one revision in full.

use crate::cli::history::{TagsOf, Version};
use crate::cli::output;
use crate::cli::overrides::of_merge;
use crate::cli::session::Session;
use crate::clock::Stamp;
use crate::collection::when::When;
use crate::collection::{Collection, CollectionError};
use crate::data::plain;
use crate::digest::Digest;
use crate::history::changelog::HistoryError;
use crate::repo::Repo;
use anyhow::{Result, bail};

/// Show a revision: who, when, why, and the index values that changed
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota show 2020-09-21T14-03-12.506Z-554d6f3600
  lakota show 554d6f
  lakota show -c temp ~1")]
pub(crate) struct Args {
    /// Its id as `log` shows it, or the first digits of the last part; a tag; of a collection also ~1 (the one before
    /// the newest), latest, or a time
    #[arg(value_name = "REV")]
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
    let (collection, stamp) = find(&repo, &args.revision, args.collection.as_deref())?;
    show(args, &collection, stamp)
}

/// The revision that a text names, of one collection, or of whichever has it; the registry too.
pub(super) fn find(repo: &Repo, text: &str, only: Option<&str>) -> Result<(Collection, Stamp)> {
    if let Some(label) = only {
        let collection = repo.collection(label)?;
        let stamp = collection.resolve(text)?;
        return Ok((collection, stamp));
    }
    let mut found: Vec<(Collection, Stamp)> = Vec::new();
    for label in repo.collections()? {
        let collection = repo.collection(&label)?;
        if let Some(stamp) = resolve(&collection, text)? {
            found.push((collection, stamp));
        }
    }
    // All else than an id means something in every collection: the registry's is not asked for.
    let id = matches!(When::parse(text), Some(When::Revision(_)));
    let registry = if id { resolve(repo.registry(), text)? } else { None };
    let labels: Vec<String> = found.iter().map(|(collection, _)| collection.label().to_owned()).collect();
    match (found.pop(), registry) {
        (Some(one), None) if found.is_empty() => Ok(one),
        (None, Some(stamp)) => Ok((repo.registry().by(&repo.context().author), stamp)),
        (None, None) => bail!("there is no revision {text:?}"),
        _ => bail!("{text:?} is a revision of {}: choose with --collection", labels.join(", ")),
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
    let overrode = of_merge(collection, &outline.parents, &outline.changes);
    let version = Version { stamp, outline: &outline, tags: tags.of(stamp), overrode };
    if args.json {
        // As the watch tells it: null is the registry, whatever a collection is called.
        let registry = *collection.changelog().folders() == [Digest::ZERO];
        let of = (!registry).then(|| collection.label());
        return output::print_data(&format!("{}\n", version.json_of(Some(of), true)?));
    }
    let text = version.paragraph(true)?;
    let label = plain::line(collection.label());
    output::print(format!("{:<9} {label}\n{}\n", "of", text.trim_end_matches('\n')))
}
