//! Carrying out a plan: objects first, then the revisions that name them, in groups.
//!
//! Everything is checked as it passes. What is found in place counts for as long as gc surely spares it; a group that
//! takes longer looks again before its revisions are put, at what it builds on too.

use super::plan::{Ends, Plan};
use super::walk;
use super::{Moved, Progress, TransferError};
use crate::clock::{Clock, Stamp};
use crate::digest::Digest;
use crate::history::changelog::{Carried, HistoryError, Log};
use crate::history::revision::Revision;
use crate::store::StoreError;
use bytes::Bytes;
use rayon::prelude::*;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Revisions of a group.
const GROUP: usize = 256;

/// Bytes of objects of a group.
const GROUP_BYTES: u64 = 64 << 20;

/// Objects copied at once; the largest are a few MiB.
const BATCH: usize = 16;

/// Objects looked for at once.
const LOOK: usize = 1024;

/// Heads there that a revision without known parents is compared with.
const NEAR: usize = 2;

/// What was looked at so long ago, half the default grace of gc, is looked at again.
const TRUST: Duration = Duration::from_secs(300);

/// When something was looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looked {
    at: Instant,
    /// What the clock said, in milliseconds since 1970-01-01 UTC: gc goes by it.
    wall: u64,
}

impl Looked {
    fn now(clock: &dyn Clock) -> Looked {
        Looked { at: Instant::now(), wall: clock.now() }
    }

    /// By the clock that went further: one may have been set back, the other does not count a machine's sleep.
    fn is_old(&self, clock: &dyn Clock) -> bool {
        let wall = Duration::from_millis(clock.now().saturating_sub(self.wall));
        self.at.elapsed().max(wall) > TRUST
    }
}

/// A changelog on its way.
pub(super) struct Carrier<'a> {
    ends: &'a Ends,
    at_once: bool,
    report: &'a dyn Fn(&Progress<'_>),
    moved: Moved,
    total: u64,
    /// Revisions that wait to be put.
    waiting: u64,
    /// What is there of the group; where the registry there does not name the changelog yet: of all.
    whole: HashSet<Stamp>,
    checked: HashSet<Digest>,
    began: Looked,
    clock: &'a dyn Clock,
}

/// What of a changelog is there, that nothing there names yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) ends: Ends,
    objects: Vec<Digest>,
    checked: Looked,
}

impl<'a> Carrier<'a> {
    pub(super) fn new(
        label: &str,
        ends: &'a Ends,
        report: &'a dyn Fn(&Progress<'_>),
        clock: &'a dyn Clock,
    ) -> Carrier<'a> {
        Carrier {
            ends,
            at_once: false,
            report,
            moved: Moved { label: label.to_owned(), ..Moved::default() },
            total: 0,
            waiting: 0,
            whole: HashSet::new(),
            checked: HashSet::new(),
            began: Looked::now(clock),
            clock,
        }
    }

    /// Does what is planned; `now` in milliseconds since 1970-01-01 UTC.
    pub(super) fn run(
        mut self,
        plan: &Plan,
        now: u64,
    ) -> Result<(Moved, Vec<Digest>, Looked), TransferError> {
        self.check_leftover(&plan.leftover)?;
        if let Some(horizon) = &plan.horizon {
            self.ends.dest.put_horizon(horizon)?;
        }
        (self.at_once, self.total) = (plan.at_once, plan.take.len() as u64);
        let began = self.began;
        let mut group: Vec<Carried> = Vec::new();
        let mut there = self.ends.dest.log()?;
        let mut bytes = 0;
        for stamp in &plan.take {
            let (carried, revision) = self.fetch(*stamp)?;
            self.ensure(*stamp, &revision, &there)?;
            group.push(carried);
            self.waiting = group.len() as u64;
            self.tell();
            let full = group.len() >= GROUP || self.moved.bytes - bytes >= GROUP_BYTES;
            if full && !self.at_once {
                self.put(&mut group)?;
                there = self.ends.dest.log()?;
                bytes = self.moved.bytes;
            }
        }
        self.put(&mut group)?;
        self.ends.settle(&plan.must, plan.unmergeable, now)?;
        if let Some(horizon) = &plan.horizon {
            self.ends.dest.replace_horizons(&plan.replaced, horizon)?;
        }
        let pending = if self.ends.trusted { Vec::new() } else { self.checked.into_iter().collect() };
        Ok((self.moved, pending, began))
    }

    /// Revisions that another copy left must be whole before the registry there names them.
    fn check_leftover(&mut self, leftover: &[Stamp]) -> Result<(), TransferError> {
        let log = self.ends.dest.log()?;
        for stamp in leftover {
            let named = match self.ends.dest.read(&log, *stamp) {
                Ok(revision) => walk::objects(&revision, &[]),
                Err(e) => return Err(TransferError::Leftover(*stamp, Box::new(e.into()))),
            };
            let named =
                named.map_err(|e| TransferError::Leftover(*stamp, Box::new(HistoryError::from(e).into())))?;
            let new: Vec<Digest> = named.into_iter().filter(|o| !self.checked.contains(o)).collect();
            match copy(self.ends, &new, true, &mut |_, _| ()) {
                Err(e @ TransferError::Source(_)) => {
                    return Err(TransferError::Leftover(*stamp, Box::new(e)));
                }
                done => done?,
            }
            self.checked.extend(new);
        }
        Ok(())
    }

    fn tell(&self) {
        (self.report)(&Progress {
            collection: &self.moved.label,
            revisions: self.moved.revisions + self.waiting,
            revisions_total: self.total,
            objects: self.moved.objects,
            bytes: self.moved.bytes,
        });
    }

    /// The file of a revision, checked against its name.
    fn fetch(&self, stamp: Stamp) -> Result<(Carried, Revision), TransferError> {
        let source = &self.ends.source;
        let mut bytes = source.bytes(&self.ends.all, stamp)?;
        if bytes.is_none() {
            // Packed or trimmed meanwhile.
            bytes = source.bytes(source.unhidden_log()?.as_ref(), stamp)?;
        }
        let bytes: Bytes = bytes.ok_or(HistoryError::Gone(stamp))?;
        let revision = Revision::decode(source.store(), &bytes)
            .map_err(|damage| HistoryError::Damaged(stamp, Some(damage)))?;
        if revision.time != stamp.time {
            return Err(HistoryError::Damaged(stamp, None).into());
        }
        Ok(((stamp, revision.parents.clone(), bytes), revision))
    }

    /// Sees to it that all objects of a revision are there.
    fn ensure(&mut self, stamp: Stamp, revision: &Revision, there: &Log) -> Result<(), TransferError> {
        let bases = self.bases(revision, there);
        let named = match walk::objects(revision, &bases) {
            // What a base has lost costs time, not the copy.
            Err(_) if !bases.is_empty() => walk::objects(revision, &[]),
            named => named,
        };
        let named: BTreeSet<Digest> = named.map_err(source)?;
        let new: Vec<Digest> = named.into_iter().filter(|object| !self.checked.contains(object)).collect();
        self.copy(&new)?;
        self.checked.extend(new);
        self.whole.insert(stamp);
        Ok(())
    }

    /// Revisions that are whole there: the parents, else the heads there.
    fn bases(&self, revision: &Revision, there: &Log) -> Vec<Arc<Revision>> {
        let Ends { source, dest, all, trusted, .. } = self.ends;
        let known = |stamp: &Stamp| *trusted && there.contains(*stamp);
        let read = |stamp: &Stamp| {
            if all.contains(*stamp)
                && let Ok(found) = source.read(all, *stamp)
            {
                return Some(found);
            }
            dest.read(there, *stamp).ok()
        };
        let parents = revision.parents.iter().filter(|p| self.whole.contains(p) || known(p));
        let bases: Vec<_> = parents.filter_map(read).collect();
        if bases.is_empty() && *trusted {
            return there.heads().iter().rev().take(NEAR).filter_map(read).collect();
        }
        bases
    }

    /// Copies what is not there under its plain name with the length it has at the source.
    fn copy(&mut self, objects: &[Digest]) -> Result<(), TransferError> {
        copy(self.ends, objects, true, &mut |objects, bytes| {
            self.moved.objects += objects;
            self.moved.bytes += bytes;
            self.tell();
        })
    }

    /// Puts the revisions of a group, whose objects were looked at a short while ago.
    fn put(&mut self, group: &mut Vec<Carried>) -> Result<(), TransferError> {
        if group.is_empty() {
            return Ok(());
        }
        // What the registry there does not name yet is looked at again at the end: all of it.
        while self.ends.trusted && self.began.is_old(self.clock) {
            self.began = Looked::now(self.clock);
            self.checked.clear();
            self.whole.clear();
            let there = self.ends.dest.log()?;
            for (stamp, ..) in group.iter() {
                let (_, revision) = self.fetch(*stamp)?;
                self.ensure(*stamp, &revision, &there)?;
            }
        }
        let folder = self.ends.source.folders().first().copied().unwrap_or(Digest::ZERO);
        self.ends.dest.receive(folder, group, self.at_once)?;
        self.moved.revisions += group.len() as u64;
        self.moved.bytes += group.iter().map(|(_, _, bytes)| bytes.len() as u64).sum::<u64>();
        if self.ends.trusted {
            self.checked.clear();
            self.whole.clear();
            self.began = Looked::now(self.clock);
        }
        group.clear();
        self.waiting = 0;
        Ok(())
    }
}

impl Pending {
    pub(super) const fn new(ends: Ends, objects: Vec<Digest>, checked: Looked) -> Pending {
        Pending { ends, objects, checked }
    }

    /// Looks again where that was long ago: gc may have taken what nothing named. Tells whether it did look.
    pub(super) fn recheck(&mut self, clock: &dyn Clock) -> Result<bool, TransferError> {
        if !self.checked.is_old(clock) {
            return Ok(false);
        }
        self.checked = Looked::now(clock);
        copy(&self.ends, &self.objects, false, &mut |_, _| ())?;
        Ok(true)
    }
}

/// Copies what is not there; tells `copied` how many objects of how many bytes.
/// `read`: what is there is checked against its name, since garbage that was damaged looks like it.
fn copy(
    ends: &Ends,
    objects: &[Digest],
    read: bool,
    copied: &mut dyn FnMut(u64, u64),
) -> Result<(), TransferError> {
    let (from, to) = (ends.source.store(), ends.dest.store().backend());
    for some in objects.chunks(LOOK) {
        let lens = some.par_iter().map(|object| {
            let key = object.key();
            let there = to.len(&key)?;
            // A shorter file is what a full disk or a crash left of one. Of what another copy left the source knows nothing.
            let len = from.backend().len(&key)?;
            let alike = there.is_some() && (len.is_none() || len == there);
            Ok(alike && (!read || ends.dest.store().object(*object).is_ok()))
        });
        let found = lens.collect::<Result<Vec<bool>, crate::backend::BackendError>>()?;
        let (there, missing): (Vec<_>, Vec<_>) = some.iter().zip(found).partition(|(_, found)| *found);
        if !there.is_empty() {
            // Somebody else may have put them just now, and not have synced their folder yet.
            to.sync(&there.into_iter().map(|(object, _)| object.key()).collect::<Vec<_>>())?;
        }
        for batch in missing.chunks(BATCH) {
            let read = batch.par_iter().map(|(object, _)| Ok((object.key(), from.object(**object)?)));
            let items = read.collect::<Result<Vec<(String, Bytes)>, StoreError>>().map_err(source)?;
            to.put_many(&items)?;
            copied(items.len() as u64, items.iter().map(|(_, bytes)| bytes.len() as u64).sum());
        }
    }
    Ok(())
}

fn source(error: StoreError) -> TransferError {
    match error {
        StoreError::Backend(error) => error.into(),
        damage => TransferError::Source(Box::new(damage)),
    }
}
