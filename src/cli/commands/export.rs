//! `export`: collections as a folder of plain files.

use crate::cli::format::OutFormat;
use crate::cli::layout::{self, Shortened};
use crate::cli::output::{Output, count};
use crate::cli::render::render;
use crate::cli::session::Session;
use crate::cli::stale::{ENDINGS, Stale};
use crate::cli::target;
use crate::collection::At;
use crate::halt::Unfinished;
use crate::history::entry::Entry;
use crate::history::state::State;
use crate::repo::Repo;
use crate::series::read::{Query, Rows};
use anyhow::{Context, Result};
use rayon::prelude::*;
use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Export collections to a folder, in the layout that `import` reads, here and in the original
///
/// If the folder has files that an import would read though the repository does not have them, nothing is written unless
/// --delete is given.
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
    /// Remove files of earlier exports that this one does not write: of series and collections that are gone, and of the
    /// other format
    #[arg(long)]
    delete: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FileType {
    Csv,
    Parquet,
}

impl FileType {
    const fn ending(self) -> &'static str {
        match self {
            FileType::Csv => ENDINGS[0],
            FileType::Parquet => ENDINGS[1],
        }
    }
}

/// A collection that is to be written, as it is when the export begins.
struct Plan {
    label: String,
    folder: PathBuf,
    state: State,
    entries: Vec<Entry>,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let repo = session.repo()?;
    let labels = match args.collection.as_slice() {
        [] => repo.collections()?,
        chosen => chosen.to_vec(),
    };
    target::check_folder(&args.dir)?;
    let plans = labels.iter().map(|label| plan(args, &repo, label)).collect::<Result<Vec<_>>>()?;
    let stale = stale(args, &plans)?;
    stale.check(&args.dir, args.delete)?;
    // Known until the end: those that are empty go where a signal ends it.
    let mut made = put_labels(args, &plans)?;
    for plan in &plans {
        made.extend(make_folders(&plan.folder)?);
        export(plan, args.file_type).with_context(|| format!("cannot export {}", plan.label))?;
        let (series, folder) = (plan.entries.len(), plan.folder.display());
        session.say(format!("exported {series} series of {} to {folder}", plan.label));
    }
    // Only now: what replaces them is there.
    match stale.remove()? {
        0 => {}
        removed => session.say(format!(
            "removed {} of earlier exports from {}",
            count(removed as u64, "file"),
            args.dir.display()
        )),
    }
    Ok(())
}

fn plan(args: &Args, repo: &Repo, label: &str) -> Result<Plan> {
    let failed = || format!("cannot export {label}");
    let collection = repo.collection(label)?;
    let state = collection.state(At::Newest).with_context(failed)?;
    let label = collection.label().to_owned();
    let folder = args.dir.join(layout::stem(&label, ""));
    target::check_folder(&folder)?;
    let entries = state.entries().with_context(failed)?;
    Ok(Plan { label, folder, state, entries })
}

/// What lies in the folders that the export does not write. Other collections are not looked at if some were chosen.
fn stale(args: &Args, plans: &[Plan]) -> Result<Stale> {
    let mut stale = Stale::default();
    if args.collection.is_empty() {
        let written = plans.iter().map(|plan| layout::stem(&plan.label, "")).collect();
        stale.collections(&args.dir, &written)?;
    }
    for plan in plans {
        let written: HashSet<String> =
            plan.entries.iter().map(|entry| file_name(&entry.label, args.file_type)).collect();
        stale.series(&plan.folder, &written)?;
    }
    Ok(stale)
}

fn file_name(label: &str, file_type: FileType) -> String {
    format!("{}{}", layout::stem(label, file_type.ending()), file_type.ending())
}

/// Tells the labels of collections whose names are too long for a folder, beside those of an earlier export.
fn put_labels(args: &Args, plans: &[Plan]) -> Result<Vec<Unfinished>> {
    let mut shortened = Shortened::read(&args.dir)?;
    shortened.join(Shortened::of(plans.iter().map(|plan| plan.label.as_str()), ""));
    let Some(text) = shortened.text()? else { return Ok(Vec::new()) };
    let made = make_folders(&args.dir)?;
    put(&args.dir.join(layout::LABELS_FILE), &text)?;
    Ok(made)
}

/// Makes a folder and what is missing above it.
fn make_folders(folder: &Path) -> Result<Vec<Unfinished>> {
    let missing: Vec<&Path> =
        folder.ancestors().take_while(|path| *path != Path::new("") && !path.exists()).collect();
    let mut made = Vec::with_capacity(missing.len());
    for path in missing.into_iter().rev() {
        match Unfinished::make(|| Ok((std::fs::create_dir(path)?, path.to_owned()))) {
            Ok((_, one)) => made.push(one),
            // Somebody else makes it too.
            Err(e) if e.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
            Err(e) => return Err(e).with_context(|| format!("cannot create {}", path.display())),
        }
    }
    Ok(made)
}

fn put(path: &Path, text: &str) -> Result<()> {
    let mut output = Output::open(Some(path))?;
    output.put(text.as_bytes())?;
    output.finish()
}

fn export(plan: &Plan, file_type: FileType) -> Result<()> {
    let Plan { folder, state, entries, .. } = plan;
    let format = match file_type {
        FileType::Csv => OutFormat::Csv,
        FileType::Parquet => OutFormat::Parquet,
    };
    let labels = entries.iter().map(|entry| entry.label.as_str());
    if let Some(text) = Shortened::of(labels, file_type.ending()).text()? {
        put(&folder.join(layout::LABELS_FILE), &text)?;
    }
    entries.par_iter().try_for_each(|entry| {
        let file = folder.join(file_name(&entry.label, file_type));
        let query = Query::default();
        let rows = Rows::open(state.view.clone(), Arc::clone(&state.schema), &entry.segments, &query)?;
        render(rows, state.schema.columns(), format, Output::open(Some(&file))?)
    })?;
    // The schema last: a folder that has it has all series.
    put(&folder.join(layout::SCHEMA_FILE), &layout::schema_text(&state.schema)?)
}
