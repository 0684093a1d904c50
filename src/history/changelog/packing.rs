//! Making packs, and taking revisions away: what changes the files of a changelog without changing it.
//!
//! A new pack is durable before any file it replaces is deleted. Readers that miss a file list again.

use super::log::Source;
use super::name::Name;
use super::pack::{self, Maker, Pack};
use super::{Changelog, Forgotten, HistoryError, Horizon};
use crate::clock::Stamp;
use crate::digest::Digest;
use crate::history::revision::Revision;
use crate::store::StoreError;
use bytes::Bytes;
use std::collections::HashSet;

impl Changelog {
    /// Makes one file of the loose revision files, and of the packs too where `all`; gives how many
    /// revisions it holds. Nothing is done where one file would become one file.
    pub fn pack_files(&self, all: bool) -> Result<usize, HistoryError> {
        let log = self.unhidden_log()?;
        let covered: HashSet<Stamp> = log.stamps().collect();
        // Of a revision that a pack holds already, the loose file is left from a packing that was cut short.
        let mut old = self.loose_files(&covered)?;
        drop(covered);
        if all {
            old.extend(log.pack_keys.iter().cloned());
        }
        if old.len() < 2 {
            return Ok(0);
        }
        let mut pack = Maker::default();
        for stamp in log.stamps() {
            if !all && log.entry(stamp).is_some_and(|entry| matches!(entry.source, Source::Packed(..))) {
                continue;
            }
            let Some(bytes) = self.bytes(&log, stamp)? else { return Ok(0) };
            // The file names every parent, also one whose own file of this revision was never written.
            let revision = Revision::decode(&self.store, &bytes)
                .map_err(|damage| HistoryError::Damaged(stamp, Some(damage)))?;
            pack.add(stamp, &revision.parents, &bytes);
        }
        let packed = pack.len();
        if packed > 0 {
            let (digest, bytes) = pack.finish()?;
            let folder = self.folders.first().copied().unwrap_or(Digest::ZERO);
            let key = self.put_pack(folder, digest, bytes)?;
            old.retain(|k| *k != key);
        }
        self.store.backend().delete_many(&old)?;
        self.rest();
        Ok(packed)
    }

    /// Puts a pack, in whose place files go: it is on disk on return, and so is what its revisions name.
    pub(super) fn put_pack(
        &self,
        folder: Digest,
        digest: Digest,
        bytes: Bytes,
    ) -> Result<String, HistoryError> {
        let key = format!("{}/pack-{digest}", folder.key());
        self.store.backend().put_settled(&key, bytes)?;
        Ok(key)
    }

    /// The loose files of revisions, in all folders.
    fn loose_files(&self, revisions: &HashSet<Stamp>) -> Result<Vec<String>, HistoryError> {
        let mut files = Vec::new();
        for folder in &self.folders {
            for file in self.store.backend().list(&folder.key())? {
                if Name::parse(&file.name).is_some_and(|name| revisions.contains(&name.child)) {
                    files.push(format!("{}/{}", folder.key(), file.name));
                }
            }
        }
        Ok(files)
    }

    /// Removes the files of revisions that were hidden before `cutoff` (milliseconds since 1970-01-01 UTC) and
    /// are still, oldest first, and the horizons that later ones replace.
    pub fn prune(&self, cutoff: u64) -> Result<(), HistoryError> {
        let (mut loose, mut horizons, mut packs) = (Vec::new(), Vec::new(), Vec::new());
        for folder in &self.folders {
            let key = folder.key();
            for file in self.store.backend().list(&key)? {
                let path = format!("{key}/{}", file.name);
                if let Some(name) = Name::parse(&file.name) {
                    loose.push((name.child, path));
                } else if let Some(name) = pack::is_pack(&file.name) {
                    packs.push((key.clone(), name.to_owned()));
                } else if let Some(stamp) = Horizon::of_name(&file.name)
                    && let Some(read) = self.read_horizon(path.clone(), stamp)?
                {
                    horizons.push((read, path));
                }
            }
        }
        let settled = horizons.iter().filter(|(horizon, _)| horizon.made <= cutoff);
        let Some(time) = settled.map(|(horizon, _)| horizon.time).max() else { return Ok(()) };
        // After the listing: whoever puts a hidden revision again has put a horizon that keeps it before, and what is put
        // from now on is not touched.
        let horizon = self.unhidden_log()?.horizon.clone();
        let gone = |stamp: Stamp| stamp.time < time && horizon.hides(stamp);
        self.prune_packs(&packs, &gone)?;
        // A loose file may be put again under the same name: that took a moment.
        let horizon = self.unhidden_log()?.horizon.clone();
        loose.retain(|(child, _)| child.time < time && horizon.hides(*child));
        loose.sort_unstable();
        let mut old: Vec<String> = loose.into_iter().map(|(_, path)| path).collect();
        // What an older one remembers must stand in a later one too, where it is not hidden anyway.
        let mut known = Forgotten::default();
        horizons
            .iter()
            .filter(|(later, _)| later.time >= time)
            .for_each(|(later, _)| known.extend(&later.forgot));
        let replaced = |old: &Horizon| old.time < time && known.contains_from(&old.forgot, time);
        old.extend(horizons.into_iter().filter(|(horizon, _)| replaced(horizon)).map(|(_, path)| path));
        Ok(self.store.backend().delete_many(&old)?)
    }

    /// Writes packs again without the revisions that go.
    fn prune_packs(
        &self,
        packs: &[(String, String)],
        gone: &dyn Fn(Stamp) -> bool,
    ) -> Result<(), HistoryError> {
        for (folder, name) in packs {
            let Some(pack) = self.pack(folder, name)? else { continue };
            if pack.revisions().any(|(stamp, _)| gone(stamp)) {
                match self.rewrite(&pack, gone, folder) {
                    // Somebody made one pack of several meanwhile: that one is pruned the next time.
                    Err(HistoryError::Store(StoreError::Backend(e))) if e.is_not_found() => {}
                    done => done?,
                }
            }
        }
        Ok(())
    }

    fn rewrite(&self, pack: &Pack, gone: &dyn Fn(Stamp) -> bool, folder: &str) -> Result<(), HistoryError> {
        let mut left = Maker::default();
        for (i, (stamp, parents)) in pack.revisions().enumerate() {
            if !gone(stamp) {
                left.add(stamp, parents.as_slice(), &pack.slice(&self.store, i)?);
            }
        }
        if left.len() > 0 {
            let (digest, bytes) = left.finish()?;
            self.store.backend().put_settled(&format!("{folder}/pack-{digest}"), bytes)?;
        }
        Ok(self.store.backend().delete_many(std::slice::from_ref(&pack.key))?)
    }
}
