//! `import`: collections from a folder, such as the original's export.

use crate::cli::args::HeaderArgs;
use crate::cli::layout;
use crate::cli::load::{self, Meet, Reading};
use crate::cli::output;
use crate::cli::session::Session;
use crate::cli::target;
use crate::collection::Collection;
use crate::data::schema::Schema;
use crate::repo::Repo;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Import collections from a folder: what `export` writes, here and in the original
///
/// In the folder, each collection is a folder with `_schema.json` and a CSV or Parquet file for each series.
/// Rows replace those there are between the first and the last of a file. One revision for each collection.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  lakota import exported/ -c temp")]
pub(crate) struct Args {
    /// Folder of collections
    dir: PathBuf,
    /// Only this collection; may be repeated
    #[arg(long, short, value_name = "COLLECTION")]
    collection: Vec<String>,
    #[command(flatten)]
    header: HeaderArgs,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let mut found = layout::collections(&args.dir)?;
    if found.is_empty() {
        bail!("{}: no folder in it has a {}", args.dir.display(), layout::SCHEMA_FILE);
    }
    if !args.collection.is_empty() {
        for wanted in &args.collection {
            if !found.iter().any(|(label, _)| label == wanted) {
                bail!("there is no collection {wanted:?} in {}", args.dir.display());
            }
        }
        found.retain(|(label, _)| args.collection.contains(label));
    }
    // All schemas first: a bad one leaves nothing behind.
    let schemas = found.iter().map(|(_, path)| layout::read_schema(path)).collect::<Result<Vec<_>>>()?;
    target::check_folder(session.place())?;
    let repo = session.create()?;
    let how = Reading { progress: !session.is_quiet(), header: args.header.given() };
    for ((label, path), schema) in found.iter().zip(&schemas) {
        import(&repo, (label, schema), (path, how), session)
            .with_context(|| format!("cannot import {label}"))?;
    }
    Ok(())
}

fn import(
    repo: &Repo,
    (label, schema): (&str, &Schema),
    (path, how): (&Path, Reading),
    session: &Session,
) -> Result<()> {
    let items = layout::series(path)?;
    let collection = collection(repo, label, schema)?;
    let mut batch = collection.batch(&format!("import {} series", items.len()))?;
    let loaded = load::load(&mut batch, &items, Meet::Import, how)?;
    match batch.commit()? {
        Some(revision) => session.say(format!(
            "imported {} in {} series of {label}, revision {revision}",
            output::rows(loaded.rows),
            loaded.series
        )),
        None => session.say(format!("nothing changed: {label} has these rows already")),
    }
    Ok(())
}

/// The collection of that label. One that exists may have other types: values that fit them are taken.
fn collection(repo: &Repo, label: &str, schema: &Schema) -> Result<Collection> {
    if repo.collections()?.iter().any(|there| there == label) {
        let there = repo.collection(label)?;
        let names = |schema: &Schema| -> Vec<(String, bool)> {
            schema.columns().iter().map(|c| (c.name.clone(), c.index)).collect()
        };
        if names(&*there.schema()?) == names(schema) {
            return Ok(there);
        }
    }
    Ok(repo.create_collection(label, schema)?)
}
