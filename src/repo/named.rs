//! What the registry says: which changelog folders make which collection, now and at any time.
//!
//! For copies between repositories, which know collections by their folders: a label may differ from place to
//! place. A folder is named only when its revisions are there.

use super::{Repo, RepoError};
use crate::collection::{At, Batch, CollectionError};
use crate::digest::Digest;
use crate::history::changelog::{Changelog, Log};
use crate::history::entry::{Entry, Segments, SeriesId};
use crate::history::state::State;
use crate::series::RowsError;
use crate::series::read::{Query, Rows};
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// A collection as the registry names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its label.
    pub label: String,
    /// What it is in the registry whatever its label.
    pub id: SeriesId,
    /// Its changelog folders, sorted.
    pub folders: Vec<Digest>,
}

impl Named {
    /// Whether it has a folder of `folders`.
    #[must_use]
    pub fn shares(&self, folders: &[Digest]) -> bool {
        self.folders.iter().any(|folder| folders.contains(folder))
    }
}

impl Repo {
    /// All collections as the registry names them, by label.
    pub fn named(&self) -> Result<Vec<Named>, RepoError> {
        let state = match self.registry.state(At::Newest) {
            Err(CollectionError::Empty(_)) => return Ok(Vec::new()),
            state => state?,
        };
        let mut all = Vec::new();
        for entry in state.entries().map_err(CollectionError::from)? {
            let folders = folders_of(&state, &entry)?;
            all.push(Named { label: entry.label, id: entry.id, folders });
        }
        Ok(all)
    }

    /// All changelog folders that any revision of the registry names, sorted: also those of collections that were
    /// deleted.
    pub fn folders_ever(&self) -> Result<Vec<Digest>, RepoError> {
        Ok(self.folders_in(&*self.registry.changelog().log()?)?.into_iter().collect())
    }

    /// All changelog folders that some revisions of the registry name.
    pub(super) fn folders_in(&self, log: &Log) -> Result<BTreeSet<Digest>, RepoError> {
        Ok(self.together_in(log)?.into_iter().flatten().collect())
    }

    /// As [`Repo::folders_in`], together those that any of the revisions names as one collection.
    pub(super) fn together_in(&self, log: &Log) -> Result<Vec<BTreeSet<Digest>>, RepoError> {
        let changelog = self.registry.changelog();
        let (mut together, mut at) = (Vec::new(), HashMap::new());
        let mut seen = HashSet::new();
        for stamp in log.stamps() {
            let state = changelog.read(log, stamp)?.state.clone();
            for entry in state.entries().map_err(CollectionError::from)? {
                // Most revisions have most of what the one before had.
                let known = match &entry.segments {
                    Segments::Few(list) => list.iter().filter(|s| seen.insert((*s).clone())).count() == 0,
                    Segments::Many(_) => false,
                };
                if !known {
                    join(&mut together, &mut at, folders_of(&state, &entry)?);
                }
            }
        }
        Ok(together.into_iter().filter(|one| !one.is_empty()).collect())
    }

    /// The collections that the registry named once and names no more, by their folders, sorted.
    pub fn deleted(&self) -> Result<Vec<Vec<Digest>>, RepoError> {
        let live: HashSet<Digest> = self.named()?.into_iter().flat_map(|named| named.folders).collect();
        let together = self.together_in(&*self.registry.changelog().unhidden_log()?)?;
        let gone = together.into_iter().filter(|one| !one.iter().all(|folder| live.contains(folder)));
        Ok(gone.map(|one| one.into_iter().collect()).collect())
    }

    /// The changelog in some folders of this repository.
    #[must_use]
    pub fn changelog_in(&self, folders: Vec<Digest>) -> Changelog {
        Changelog::new(Arc::clone(&self.context.store), folders)
    }

    /// Lets the registry name the folders of a collection elsewhere under a label, beside those it names there.
    pub fn register(&self, label: &str, named: &Named, message: &str) -> Result<(), RepoError> {
        let mut batch = self.registry_batch(message)?;
        let mut all: BTreeSet<Digest> = named.folders.iter().copied().collect();
        let known = batch.base().entries().map_err(CollectionError::from)?;
        if let Some(entry) = known.iter().find(|entry| entry.label == label) {
            all.extend(folders_of(batch.base(), entry)?);
        } else if known.iter().all(|entry| entry.id != named.id) {
            // One with what it is elsewhere: the registries will be merged.
            batch.create_as(label, named.id)?;
        }
        name_folders(&mut batch, label, all.iter())?;
        batch.commit()?;
        Ok(())
    }
}

/// Adds folders of one collection to others, of which `at` tells the place of each folder: what shares a folder is the same.
fn join(together: &mut Vec<BTreeSet<Digest>>, at: &mut HashMap<Digest, usize>, folders: Vec<Digest>) {
    let mut one: BTreeSet<Digest> = folders.into_iter().collect();
    let places: BTreeSet<usize> = one.iter().filter_map(|folder| at.get(folder).copied()).collect();
    for place in places {
        one.append(&mut together[place]);
    }
    at.extend(one.iter().map(|folder| (*folder, together.len())));
    together.push(one);
}

/// Lets a label name changelog folders: its rows between the first and the last of them.
pub(super) fn name_folders<'a>(
    batch: &mut Batch<'_>,
    label: &str,
    folders: impl IntoIterator<Item = &'a Digest>,
) -> Result<(), RepoError> {
    let row: ArrayRef = Arc::new(StringArray::from_iter_values(folders.into_iter().map(ToString::to_string)));
    let frame = RecordBatch::try_new(Arc::clone(batch.base().schema.arrow()), vec![row]);
    batch.overlay(label, &frame.map_err(|e| CollectionError::Rows(RowsError::from(e)))?)?;
    Ok(())
}

/// The folders that a series of the registry names, sorted.
pub(super) fn folders_of(state: &State, entry: &Entry) -> Result<Vec<Digest>, RepoError> {
    let rows = Rows::open(state.view.clone(), Arc::clone(&state.schema), &entry.segments, &Query::default());
    let frame = rows.and_then(Rows::collect_frame).map_err(CollectionError::from)?;
    // Of columns that are not a registry's, none is a changelog.
    let texts = frame.columns().first().and_then(|column| column.as_string_opt::<i32>());
    let folders: Option<Vec<Digest>> =
        texts.and_then(|texts| texts.iter().flatten().map(Digest::from_hex).collect());
    let mut folders = folders.ok_or_else(|| RepoError::NoChangelog(entry.label.clone()))?;
    folders.sort_unstable();
    Ok(folders)
}
