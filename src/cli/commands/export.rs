//! `export`: collections as a folder of plain files.

use crate::cli::format::OutFormat;
use crate::cli::layout;
use crate::cli::output::Output;
use crate::cli::render::render;
use crate::cli::session::Session;
use crate::collection::{At, Collection};
use crate::series::read::{Query, Rows};
use anyhow::{Context, Result};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Export collections to a folder, in the layout that `import` reads, here and in the original
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  lakota export exported/ -c temp --file-type parquet")]
pub(crate) struct Args {
    /// Folder to write to; it is made where it is missing, files in it are replaced
    dir: PathBuf,
    /// Only this collection; may be repeated
    #[arg(long, short, value_name = "COLLECTION")]
    collection: Vec<String>,
    /// Format of the files
    #[arg(long, short = 'T', value_enum, default_value = "csv")]
    file_type: FileType,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FileType {
    Csv,
    Parquet,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let repo = session.repo()?;
    let labels = match args.collection.as_slice() {
        [] => repo.collections()?,
        chosen => chosen.to_vec(),
    };
    for label in &labels {
        let collection = repo.collection(label)?;
        let label = collection.label();
        let folder = args.dir.join(layout::file_name(label));
        let series =
            export(&collection, &folder, args.file_type).with_context(|| format!("cannot export {label}"))?;
        session.say(format!("exported {series} series of {label} to {}", folder.display()));
    }
    Ok(())
}

fn export(collection: &Collection, folder: &Path, file_type: FileType) -> Result<usize> {
    let state = collection.state(At::Newest)?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let entries = state.entries()?;
    let (extension, format) = match file_type {
        FileType::Csv => ("csv", OutFormat::Csv),
        FileType::Parquet => ("parquet", OutFormat::Parquet),
    };
    entries.par_iter().try_for_each(|entry| {
        let file = folder.join(format!("{}.{extension}", layout::file_name(&entry.label)));
        let query = Query::default();
        let rows = Rows::open(state.view.clone(), Arc::clone(&state.schema), &entry.segments, &query)?;
        render(rows, state.schema.columns(), format, Output::open(Some(&file))?)
    })?;
    // The schema last: a folder that has it has all series.
    let mut output = Output::open(Some(&folder.join(layout::SCHEMA_FILE)))?;
    output.put(layout::schema_text(&state.schema)?.as_bytes())?;
    output.finish()?;
    Ok(entries.len())
}
