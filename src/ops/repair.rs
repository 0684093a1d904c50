//! Healing: what is damaged or missing here and whole in another repository is fetched, checked, and put in place.
//!
//! Bytes have names that tell what they must be, so it does not matter who gives them. What is sound is not touched; it
//! is no pull: nothing comes that nothing here names.

use super::reach::Reach;
use super::{OpError, deleted};
use crate::clock::Stamp;
use crate::collection::{CollectionError, tags};
use crate::digest::Digest;
use crate::history::changelog::{Changelog, HistoryError};
use crate::repo::{Named, OnDisk, Repo};
use crate::store::{Store, StoreError};
use rayon::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    /// What is whole again, a line each.
    pub healed: Vec<String>,
    /// What the other repository does not have whole either, a line each.
    pub lost: Vec<String>,
    /// What the other repository has beside, and a pull would bring, a line each.
    pub newer: Vec<String>,
}

/// Heals `repo` by what `remote` has: revision files first, since they tell which objects there must be.
pub fn repair(repo: &Repo, remote: &Repo) -> Result<Repaired, OpError> {
    let mut repair = Repair { repo, remote, done: Repaired::default() };
    // The registry first: it tells which collections there are.
    repair.changelog("the registry", vec![Digest::ZERO], vec![Digest::ZERO])?;
    repair.changelog("the tags", vec![tags::FOLDER], vec![tags::FOLDER])?;
    // One that is damaged itself may have whole what is not whole here: most collections have the same folders.
    let theirs = remote.named().unwrap_or_default();
    let named = match repair.names(&theirs) {
        Ok(named) => named,
        Err(error) => {
            repair.done.lost.push(format!("the registry: {error}"));
            return Ok(repair.done);
        }
    };
    for collection in &named {
        let partners = theirs.iter().filter(|other| other.shares(&collection.folders));
        let mut folders = collection.folders.clone();
        folders.extend(partners.flat_map(|other| other.folders.iter().copied()));
        repair.fill(&collection.label, &collection.folders, &folders)?;
        repair.tagged(&collection.label, &collection.folders, &folders);
        repair.changelog(&collection.label, collection.folders.clone(), folders.clone())?;
        repair.beside(&collection.label, collection.folders.clone(), folders);
    }
    // A collection that was deleted may be restored.
    for folders in repo.deleted()? {
        let label = deleted(folders.first());
        repair.changelog(&label, folders.clone(), folders)?;
    }
    for (label, folder) in [("the tags", tags::FOLDER), ("the registry", Digest::ZERO)] {
        repair.beside(label, vec![folder], vec![folder]);
    }
    for other in theirs.iter().filter(|other| !named.iter().any(|named| named.shares(&other.folders))) {
        repair.done.newer.push(format!("{}: the remote has this collection: a pull brings it", other.label));
    }
    Ok(repair.done)
}

struct Repair<'a> {
    repo: &'a Repo,
    remote: &'a Repo,
    done: Repaired,
}

impl Repair<'_> {
    /// The collections here: those that the registry names, and those whose folders only the remote's still names.
    fn names(&mut self, theirs: &[Named]) -> Result<Vec<Named>, OpError> {
        self.registry()?;
        let unnamed = self.repo.unnamed()?;
        let mut taken = self.repo.collections()?;
        for other in theirs {
            let has = |folder: &&OnDisk| other.folders.contains(&folder.digest);
            let folders: Vec<Digest> = unnamed.iter().filter(has).map(|folder| folder.digest).collect();
            if folders.is_empty() || taken.contains(&other.label) {
                continue;
            }
            self.repo.register(&other.label, other, &format!("name {} again", other.label))?;
            self.repo.unmark_all(&folders)?;
            self.done.healed.push(format!("the registry: it names {} again", other.label));
            taken.push(other.label.clone());
        }
        Ok(self.repo.named()?)
    }

    /// Brings the whole registry where nothing is left of it, if all that it names is here: it knows what was deleted.
    fn registry(&mut self) -> Result<(), OpError> {
        // The remote's may be damaged itself.
        let ever = self.remote.folders_ever().unwrap_or_default();
        let here: HashSet<Digest> = self.repo.on_disk()?.into_iter().map(|folder| folder.digest).collect();
        if ever.is_empty() || !ever.iter().all(|folder| here.contains(folder)) {
            return Ok(());
        }
        self.fill("the registry", &[Digest::ZERO], &[Digest::ZERO])
    }

    /// Brings all revisions of a collection that the registry names and that has none: its folder is lost.
    fn fill(&mut self, label: &str, here: &[Digest], there: &[Digest]) -> Result<(), OpError> {
        let changelog = self.repo.changelog_in(here.to_vec());
        // One that is damaged is not empty.
        if changelog.log().is_ok_and(|log| log.is_empty()) {
            let revisions = changelog.fill(&self.remote.changelog_in(there.to_vec()))?;
            if revisions > 0 {
                self.done.healed.push(format!("{label}: all of its {revisions} revisions"));
            }
        }
        Ok(())
    }

    /// Fetches revisions that have tags: those are never trimmed, so one that is not there is lost.
    fn tagged(&mut self, label: &str, here: &[Digest], there: &[Digest]) {
        // What cannot be read is told by what reads it next.
        let Ok(tags) = self.repo.collection(label).and_then(|collection| Ok(collection.tags()?)) else {
            return;
        };
        let stamps: Vec<Stamp> = tags.into_iter().map(|(_, stamp)| stamp).collect();
        let changelog = self.repo.changelog_in(here.to_vec());
        if let Ok(fetched) = changelog.fetch_lost(&self.remote.changelog_in(there.to_vec()), &stamps) {
            self.done.healed.extend(fetched.iter().map(|stamp| format!("{label}: revision {stamp}")));
        }
    }

    /// Tells of revisions that only the remote has and that nothing here says were trimmed: lost here, or made there.
    fn beside(&mut self, label: &str, here: Vec<Digest>, there: Vec<Digest>) {
        // What cannot be read was told, or will be by who pulls.
        let (Ok(here), Ok(there)) =
            (self.repo.changelog_in(here).unhidden_log(), self.remote.changelog_in(there).log())
        else {
            return;
        };
        let new = |stamp: &Stamp| {
            !here.contains(*stamp) && !here.horizon.hides(*stamp) && !here.horizon.forgets(*stamp)
        };
        let (count, newest) = (there.stamps().filter(new).count(), there.stamps().rfind(new));
        let Some(newest) = newest else { return };
        self.done.newer.push(match count {
            1 => format!("{label}: the remote has 1 revision that is not here, {newest}: a pull brings it"),
            _ => format!(
                "{label}: the remote has {count} revisions that are not here, the newest {newest}: a pull brings them"
            ),
        });
    }

    fn changelog(&mut self, label: &str, here: Vec<Digest>, there: Vec<Digest>) -> Result<(), OpError> {
        // A store of its own without a cache: what was read before it was healed must not be seen again.
        let store = Arc::new(Store::new(Arc::clone(self.repo.store().backend())));
        store.limit_cache(0);
        let mended =
            Changelog::new(Arc::clone(&store), here.clone()).mend(&self.remote.changelog_in(there))?;
        let named = |line: String| format!("{label}: {line}");
        self.done.healed.extend(mended.healed.into_iter().map(named));
        self.done.lost.extend(mended.lost.into_iter().map(named));
        let mut hopeless = HashSet::new();
        while self.objects(label, &store, &here, &mut hopeless)? {}
        Ok(())
    }

    /// Heals objects as far as they can be found; whether there may be more to find now.
    fn objects(
        &mut self,
        label: &str,
        store: &Arc<Store>,
        folders: &[Digest],
        hopeless: &mut HashSet<Digest>,
    ) -> Result<bool, OpError> {
        let changelog = Changelog::new(Arc::clone(store), folders.to_vec());
        let Ok(log) = changelog.log() else { return Ok(false) };
        let mut reach = Reach::default();
        let mut embedded = HashSet::new();
        let mut bad = HashSet::new();
        // Files that could not be healed were told.
        let whole = log.stamps().filter_map(|stamp| changelog.read(&log, stamp).ok());
        // What torn ones name is what they lack.
        let torn = log.torn.values().filter_map(|torn| changelog.torn_revision(torn).map(Arc::new));
        for revision in whole.chain(torn) {
            embedded.insert(Digest::of(&revision.embedded));
            if let Err(error) = reach.add(&revision) {
                bad.extend(object_of(error)?);
            }
        }
        let objects: Vec<Digest> = reach.objects.difference(&embedded).copied().collect();
        let damaged = objects.par_iter().filter(|object| store.object(**object).is_err());
        bad.extend(damaged.copied().collect::<Vec<_>>());
        let mut healed = false;
        for object in bad.into_iter().filter(|object| !hopeless.contains(object)).collect::<Vec<_>>() {
            match self.remote.store().object(object) {
                Ok(bytes) => {
                    store.backend().put(&object.key(), bytes)?;
                    self.done.healed.push(format!("{label}: object {}", object.key()));
                    healed = true;
                }
                Err(error) => {
                    self.done.lost.push(format!("{label}: object {}: there too: {error}", object.key()));
                }
            }
            // Once is enough: what is put again and still damaged is the disk's.
            hopeless.insert(object);
        }
        Ok(healed)
    }
}

/// The object that a walk failed on.
fn object_of(error: OpError) -> Result<Option<Digest>, OpError> {
    match error {
        OpError::Collection(CollectionError::History(HistoryError::Store(error))) => match error {
            StoreError::Missing(object) | StoreError::Damaged { object, .. } => Ok(Some(object)),
            // The backend says nothing of the object: verify tells of it afterwards.
            StoreError::Backend(_) | StoreError::Encode(_) => Ok(None),
        },
        other => Err(other),
    }
}
