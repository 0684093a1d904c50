//! What lies in the folder of an export and would be imported, though the export does not write it.

use super::format::InFormat;
use super::layout::{LABELS_FILE, SCHEMA_FILE, is_stem};
use super::output::count;
use crate::halt;
use anyhow::{Context, Result, bail};
use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Files that are named in a message.
const NAMED: usize = 5;

/// Files that an export may have written, by their ending.
pub(crate) const ENDINGS: [&str; 2] = [".csv", ".parquet"];

/// Files that stand in the way.
#[derive(Debug, Default)]
pub(crate) struct Stale {
    /// Those that an export may have written: they can be removed.
    ours: Vec<PathBuf>,
    /// All others.
    foreign: Vec<PathBuf>,
    /// Folders of collections that are not exported: removed where nothing is left in them.
    folders: Vec<PathBuf>,
}

impl Stale {
    /// Looks for series in a collection's folder besides those that are written, by file name.
    pub(crate) fn series(&mut self, folder: &Path, written: &HashSet<String>) -> Result<()> {
        for entry in list(folder)? {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let path = entry.path();
            if written.contains(name) || [SCHEMA_FILE, LABELS_FILE].contains(&name) {
                // A pipe would wait for who reads it; what a link leads to is written.
                if !path.is_file() && path.exists() {
                    bail!("{} is no regular file: remove it, or choose another folder", path.display());
                }
                continue;
            }
            if name.starts_with(['_', '.']) {
                continue;
            }
            if entry.file_type().with_context(|| failed(folder))?.is_file() && is_exported(name) {
                self.ours.push(path);
            } else {
                self.strange(path)?;
            }
        }
        Ok(())
    }

    /// Looks for collections in the folder of an export besides those that are written, by the names of their folders.
    pub(crate) fn collections(&mut self, root: &Path, written: &HashSet<String>) -> Result<()> {
        for entry in list(root)? {
            let (name, path) = (entry.file_name(), entry.path());
            let known = name.to_str().is_none_or(|name| written.contains(name));
            if known || !path.join(SCHEMA_FILE).is_file() {
                continue;
            }
            let own = name.to_str().is_some_and(|name| is_stem(name, ""));
            if !own || !entry.file_type().with_context(|| failed(root))?.is_dir() {
                self.foreign.push(path);
                continue;
            }
            self.series(&path, &HashSet::new())?;
            self.ours.extend(
                [SCHEMA_FILE, LABELS_FILE].map(|name| path.join(name)).into_iter().filter(|p| p.is_file()),
            );
            self.folders.push(path);
        }
        Ok(())
    }

    /// What an import would read, though no export wrote it: files of rows under other names, and in folders.
    fn strange(&mut self, path: PathBuf) -> Result<()> {
        // A link to a folder is not entered: it may lead back here.
        if !path.is_dir() || path.is_symlink() {
            if path.is_dir() || InFormat::of(&path).is_some() {
                self.foreign.push(path);
            }
            return Ok(());
        }
        for entry in list(&path)? {
            if !entry.file_name().to_string_lossy().starts_with(['_', '.']) {
                self.strange(entry.path())?;
            }
        }
        Ok(())
    }

    /// Fails if something stands in the way that is not to be removed, or cannot be.
    pub(crate) fn check(&self, root: &Path, remove: bool) -> Result<()> {
        let refused: Vec<&PathBuf> = match remove {
            true => self.foreign.iter().collect(),
            false => self.ours.iter().chain(&self.foreign).collect(),
        };
        let Some(first) = refused.first() else { return Ok(()) };
        let named: Vec<String> = refused.iter().take(NAMED).map(|path| path.display().to_string()).collect();
        let more = refused.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let how = match self.foreign.is_empty() {
            true => "--delete removes them".to_owned(),
            false => format!(
                "{} was written by no export: move it elsewhere, or choose another folder",
                first.display()
            ),
        };
        bail!(
            "{} has {} that this export does not write, and an import would read: {}{more}; {how}",
            root.display(),
            count(refused.len() as u64, "file"),
            named.join(", ")
        )
    }

    /// Removes what may be; gives how many files.
    pub(crate) fn remove(self) -> Result<usize> {
        let mut removed = 0;
        for path in &self.ours {
            let remove = || {
                halt::changed();
                fs::remove_file(path)
            };
            match halt::whole(remove) {
                Ok(()) => removed += 1,
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(e).with_context(|| format!("cannot remove {}", path.display())),
            }
        }
        for folder in &self.folders {
            match fs::remove_dir(folder) {
                Err(e) if !matches!(e.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
                    return Err(e).with_context(|| format!("cannot remove {}", folder.display()));
                }
                _ => {}
            }
        }
        Ok(removed)
    }
}

/// Whether a name is one that an export gives to a file of rows.
fn is_exported(name: &str) -> bool {
    ENDINGS.iter().any(|ending| name.strip_suffix(ending).is_some_and(|stem| is_stem(stem, ending)))
}

fn failed(folder: &Path) -> String {
    format!("cannot list {}", folder.display())
}

/// What lies in a folder, sorted; nothing where it does not exist.
fn list(folder: &Path) -> Result<Vec<fs::DirEntry>> {
    let found = match fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        found => found.with_context(|| failed(folder))?,
    };
    let mut found = found.collect::<Result<Vec<_>, _>>().with_context(|| failed(folder))?;
    found.sort_by_key(fs::DirEntry::file_name);
    Ok(found)
}
