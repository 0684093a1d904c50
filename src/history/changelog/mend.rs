//! Healing a changelog's files from another place that has their revisions.
//!
//! Every file is read and checked; what is sound is not touched. A file of the same name there is the same bytes; else
//! revisions are taken by their stamps. A pack is replaced only by one that holds all its index names; one whose index is
//! lost is renamed, never deleted, since only it could tell what it held.

use super::name::Name;
use super::pack::{self, Pack};
use super::{Changelog, HistoryError, Horizon};
use crate::clock::Stamp;
use crate::digest::Digest;
use crate::history::revision::Revision;
use crate::store::StoreError;
use bytes::Bytes;
use std::collections::BTreeSet;

/// What becomes of the name of a pack or a horizon that cannot be read at all: no changelog reads it then.
const ASIDE: &str = "damaged";

/// What was done to a changelog.
#[derive(Debug, Default)]
pub struct Mended {
    /// Files and revisions that are whole again, in words.
    pub healed: Vec<String>,
    /// What may be lost, in words.
    pub lost: Vec<String>,
}

impl Changelog {
    /// Heals what `source` has whole.
    pub fn mend(&self, source: &Changelog) -> Result<Mended, HistoryError> {
        let mut done = Mended::default();
        let mut known = BTreeSet::new();
        let (mut unreadable, mut horizons) = (Vec::new(), Vec::new());
        for folder in self.folders() {
            let key = folder.key();
            for file in self.store.backend().list(&key)? {
                let path = format!("{key}/{}", file.name);
                if let Some(Name { child, .. }) = Name::parse(&file.name) {
                    known.insert(child);
                    self.mend_loose(source, &path, child, &mut done)?;
                } else if pack::is_pack(&file.name).is_some() {
                    match self.mend_pack(source, &path, &mut done)? {
                        Some(stamps) => known.extend(stamps),
                        None => unreadable.push((*folder, path)),
                    }
                } else if let Some(stamp) = Horizon::of_name(&file.name)
                    && !self.mend_horizon(source, &path, stamp, &mut done)?
                {
                    horizons.push((path, stamp));
                }
            }
        }
        for (folder, path) in unreadable {
            self.replace(source, (folder, &path), &mut known, &mut done)?;
        }
        for (path, stamp) in horizons {
            self.replace_horizon(source, &path, stamp, &known, &mut done)?;
        }
        self.mend_gaps(source, &mut done)?;
        Ok(done)
    }

    /// Takes all that `source` has, where nothing is left; gives how many revisions came.
    pub fn fill(&self, source: &Changelog) -> Result<usize, HistoryError> {
        let Some(folder) = self.folders().first().copied() else { return Ok(0) };
        let Ok(log) = source.log() else { return Ok(0) };
        let mut revisions = Vec::new();
        for stamp in log.stamps() {
            let Some(bytes) = source.sound(stamp) else { continue };
            let Ok(revision) = Revision::decode(source.store(), &bytes) else { continue };
            revisions.push((stamp, revision.parents, bytes));
        }
        if !revisions.is_empty() && log.horizon.time > 0 {
            // Before them: what it says was trimmed there must not seem lost here.
            self.put_horizon(&Horizon { above: log.heads(), ..log.horizon.clone() })?;
        }
        self.receive(folder, &revisions, true)?;
        Ok(revisions.len())
    }

    /// Bytes that are there at all: what the disk refuses to read is damaged too.
    fn found(&self, path: &str) -> Option<Bytes> {
        self.store.backend().get_within(path, pack::MOST_FILE).ok()
    }

    fn mend_loose(
        &self,
        source: &Changelog,
        path: &str,
        child: Stamp,
        done: &mut Mended,
    ) -> Result<(), HistoryError> {
        if self.found(path).is_some_and(|bytes| Digest::of(&bytes) == child.digest) {
            return Ok(());
        }
        // Another file of it may be whole here.
        match self.sound(child).or_else(|| source.sound(child)) {
            Some(bytes) => {
                self.store.backend().put_settled(path, bytes)?;
                done.healed.push(format!("revision {child}"));
            }
            None => done.lost.push(format!("revision {child}: the remote does not have it whole")),
        }
        Ok(())
    }

    /// The bytes of a revision, where they are whole.
    fn sound(&self, stamp: Stamp) -> Option<Bytes> {
        let log = self.unhidden_log().ok()?;
        self.bytes(log.as_ref(), stamp).ok()?
    }

    /// Gives the revisions of a pack; none where its index cannot be read.
    fn mend_pack(
        &self,
        source: &Changelog,
        path: &str,
        done: &mut Mended,
    ) -> Result<Option<Vec<Stamp>>, HistoryError> {
        let pack = match Pack::open(&self.store, path.to_owned()) {
            Ok(pack) => pack,
            Err(error) => {
                if let Some((stamps, bytes)) = source.whole_pack(path) {
                    self.store.backend().put_settled(path, bytes)?;
                    done.healed.push(path.to_owned());
                    return Ok(Some(stamps));
                }
                // A place that does not answer may yet: only bytes that are wrong are given up.
                if let HistoryError::Store(StoreError::Backend(e)) = &error
                    && e.source.kind() != std::io::ErrorKind::UnexpectedEof
                {
                    return Err(error);
                }
                return Ok(None);
            }
        };
        let mut revisions = Vec::new();
        let mut fetched = 0;
        let mut lost = Vec::new();
        for (i, (stamp, parents)) in pack.revisions().enumerate() {
            let own = pack.read(&self.store, i).ok().filter(|bytes| Digest::of(bytes) == stamp.digest);
            fetched += usize::from(own.is_none());
            match own.or_else(|| source.sound(stamp)) {
                Some(bytes) => revisions.push((stamp, parents.to_vec(), bytes)),
                None => lost.push(stamp),
            }
        }
        let stamps: Vec<Stamp> = pack.revisions().map(|(stamp, _)| stamp).collect();
        if !lost.is_empty() {
            let why =
                |stamp: &Stamp| format!("revision {stamp} in {path}: the remote does not have it whole");
            done.lost.extend(lost.iter().map(why));
        } else if fetched > 0 || self.store.backend().len(path)?.is_some_and(|len| len > pack.end()) {
            let (digest, bytes) = pack::encode(&revisions)?;
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let new = format!("{folder}/pack-{digest}");
            self.store.backend().put_settled(&new, bytes)?;
            if new != path {
                self.store.backend().delete_many(&[path.to_owned()])?;
            }
            done.healed.push(match fetched {
                0 => format!("{path}: bytes behind its end"),
                _ => format!("{path}, {fetched} of {} revisions of it", stamps.len()),
            });
        }
        Ok(Some(stamps))
    }

    /// A pack of this name, if all of it is sound.
    fn whole_pack(&self, path: &str) -> Option<(Vec<Stamp>, Bytes)> {
        let pack = Pack::open(&self.store, path.to_owned()).ok()?;
        let mut stamps = Vec::new();
        for (i, (stamp, _)) in pack.revisions().enumerate() {
            let bytes = pack.read(&self.store, i).ok()?;
            stamps.push(Some(stamp).filter(|stamp| Digest::of(&bytes) == stamp.digest)?);
        }
        Some((stamps, self.found(path)?))
    }

    /// Whether it is whole, by now.
    fn mend_horizon(
        &self,
        source: &Changelog,
        path: &str,
        stamp: Stamp,
        done: &mut Mended,
    ) -> Result<bool, HistoryError> {
        let sound = |bytes: &Bytes| Digest::of(bytes) == stamp.digest;
        if self.found(path).is_some_and(|bytes| sound(&bytes)) {
            return Ok(true);
        }
        let Some(bytes) = source.found(path).filter(sound) else { return Ok(false) };
        self.store.backend().put_settled(path, bytes)?;
        done.healed.push(path.to_owned());
        Ok(true)
    }

    /// Puts another horizon in the place of one that nobody has whole, since without it nothing can be read: it hides
    /// nothing that is there, and forgets what the source did.
    fn replace_horizon(
        &self,
        source: &Changelog,
        path: &str,
        stamp: Stamp,
        known: &BTreeSet<Stamp>,
        done: &mut Mended,
    ) -> Result<(), HistoryError> {
        // A source that cannot be listed tells of no heads and of nothing forgotten: the horizon holds what is known here.
        let theirs = source.log().unwrap_or_default();
        let kept = known.iter().copied().filter(|revision| revision.time < stamp.time).collect();
        let (above, forgot) = (theirs.heads(), theirs.horizon.forgot.clone());
        let made = theirs.horizon.made;
        self.put_horizon(&Horizon { time: stamp.time, kept, made, above, forgot })?;
        let aside = format!("{path}.{ASIDE}");
        self.store.backend().rename(path, &aside)?;
        done.lost.push(format!(
            "{path}: the remote does not have it; what was trimmed and is there still shows again; it is kept as {aside}"
        ));
        Ok(())
    }

    /// Takes all that the source has and no sound file here holds in the place of a pack that tells nothing.
    fn replace(
        &self,
        source: &Changelog,
        (folder, path): (Digest, &str),
        known: &mut BTreeSet<Stamp>,
        done: &mut Mended,
    ) -> Result<(), HistoryError> {
        // Who has nothing cannot tell what it held; another remote may.
        let log = source.log().unwrap_or_default();
        if log.is_empty() {
            done.lost.push(format!("{path}: the remote does not have the collection whole"));
            return Ok(());
        }
        let mut revisions = Vec::new();
        for stamp in log.stamps().filter(|stamp| !known.contains(stamp)) {
            if let Some(bytes) = source.sound(stamp)
                && let Ok(revision) = Revision::decode(source.store(), &bytes)
            {
                revisions.push((stamp, revision.parents, bytes));
            }
        }
        self.receive(folder, &revisions, true)?;
        known.extend(revisions.iter().map(|(stamp, ..)| *stamp));
        if Pack::open(&self.store, path.to_owned()).is_ok() {
            // They are just what it held: the new pack has its name.
            done.healed.push(path.to_owned());
            return Ok(());
        }
        let aside = format!("{path}.{ASIDE}");
        self.store.backend().rename(path, &aside)?;
        done.lost.push(format!(
            "{path}: nothing tells what it held; {} revisions came from the remote, any others are lost; it is kept as {aside}",
            revisions.len()
        ));
        Ok(())
    }

    /// Fetches those of some revisions that are lost here and whole there; gives which.
    pub fn fetch_lost(&self, source: &Changelog, stamps: &[Stamp]) -> Result<Vec<Stamp>, HistoryError> {
        let Some(folder) = self.folders().first().copied() else { return Ok(Vec::new()) };
        let log = self.log()?;
        let mut fetched = Vec::new();
        for stamp in stamps.iter().filter(|stamp| log.is_lost(**stamp)) {
            if self.fetch(source, folder, *stamp)? {
                fetched.push(*stamp);
            }
        }
        Ok(fetched)
    }

    /// Fetches a revision; whether the source has it whole.
    fn fetch(&self, source: &Changelog, folder: Digest, stamp: Stamp) -> Result<bool, HistoryError> {
        let Some(bytes) = source.sound(stamp) else { return Ok(false) };
        let parents = Revision::decode(source.store(), &bytes)
            .map_err(|e| HistoryError::from(StoreError::damaged(stamp.digest, &e)))?
            .parents;
        self.receive(folder, &[(stamp, parents, bytes)], true)?;
        Ok(true)
    }

    /// Fetches revisions that others name and nothing says were trimmed.
    fn mend_gaps(&self, source: &Changelog, done: &mut Mended) -> Result<(), HistoryError> {
        let Some(folder) = self.folders().first().copied() else { return Ok(()) };
        let mut absent = BTreeSet::new();
        loop {
            let log = match self.log() {
                // What could not be healed was told.
                Err(HistoryError::DamagedFile { .. }) => return Ok(()),
                log => log?,
            };
            let gap = log
                .missing()
                .map(|(parent, _)| parent)
                .chain(log.lost_below_torn())
                .find(|p| (log.is_lost(*p) || log.is_aside(*p)) && !absent.contains(p));
            let Some(stamp) = gap else { return Ok(()) };
            absent.insert(stamp);
            if !self.fetch(source, folder, stamp)? {
                done.lost.push(format!("revision {stamp}: the remote does not have it whole"));
                continue;
            }
            done.healed.push(format!("revision {stamp}"));
        }
    }
}
