//! Many revisions at once, as a log needs them: read on all cores, given back in order.
//!
//! Revisions that lie in one group of a pack are read together, so that a group is decompressed once. One that went away
//! since the listing (packed or trimmed meanwhile) is looked for again by the slow way.

use super::log::{Log, Source};
use super::pack::Pack;
use super::{Changelog, HistoryError};
use crate::clock::Stamp;
use crate::history::outline::{Glance, Outline};
use crate::history::pick::{Everything, Pick};
use crate::store::StoreError;
use rayon::prelude::*;
use std::sync::Arc;

/// Files, or groups of a pack, from which on threads are started: before, that takes longer than reading does.
const MANY: usize = 8;

impl Changelog {
    /// Reads what some revisions say of themselves, in their order, and does `each` to it, on all cores too; `None` for
    /// those that are not picked.
    pub fn outlines<T: Send>(
        &self,
        log: &Log,
        stamps: &[Stamp],
        pick: &dyn Pick,
        each: &(dyn Fn(Stamp, Outline) -> T + Sync),
    ) -> Vec<Result<Option<T>, HistoryError>> {
        let mut runs: Vec<&[Stamp]> = Vec::new();
        let mut rest = stamps;
        while let Some(first) = rest.first() {
            let group = group(log, *first);
            let same = |stamp: &&Stamp| group.is_some() && self::group(log, **stamp) == group;
            let len = rest.iter().take_while(same).count().max(1);
            let (run, others) = rest.split_at(len);
            runs.push(run);
            rest = others;
        }
        let one = |stamp: &Stamp| {
            let outline = self.glance_at(log, *stamp, pick)?;
            Ok(outline.map(|outline| each(*stamp, outline)))
        };
        let read = |run: &&[Stamp]| run.iter().map(one).collect::<Vec<_>>();
        match runs.len() < MANY {
            true => runs.iter().flat_map(read).collect(),
            false => runs.par_iter().flat_map_iter(read).collect(),
        }
    }

    /// Reads what one revision says of itself.
    pub fn outline(&self, log: &Log, stamp: Stamp) -> Result<Outline, HistoryError> {
        self.glance_at(log, stamp, &Everything)?.ok_or(HistoryError::Damaged(stamp, None))
    }

    /// Reads what one revision says of itself; `None` where it is not picked.
    pub fn glance_at(
        &self,
        log: &Log,
        stamp: Stamp,
        pick: &dyn Pick,
    ) -> Result<Option<Outline>, HistoryError> {
        let found = match log.entry(stamp).map(|entry| &entry.source) {
            // Checked with its group.
            Some(Source::Packed(pack, i)) => pack.slice(&self.store, *i as usize).map(Some),
            Some(Source::Loose(..)) => self.bytes(log, stamp),
            None => return Err(HistoryError::Gone(stamp)),
        };
        let again = || Ok(Outline::of(self.read(log, stamp)?.as_ref(), pick)?);
        let bytes = match found {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return again(),
            Err(HistoryError::Store(StoreError::Backend(e))) if e.is_not_found() => return again(),
            Err(e) => return Err(e),
        };
        match Outline::decode(&bytes, pick).map_err(|damage| HistoryError::Damaged(stamp, Some(damage)))? {
            Glance::Wanted(outline) if outline.time == stamp.time => Ok(Some(*outline)),
            Glance::Other(time) if time == stamp.time => Ok(None),
            Glance::Wanted(_) | Glance::Other(_) => Err(HistoryError::Damaged(stamp, None)),
            Glance::Elsewhere => again(),
        }
    }
}

/// The pack and the group that a revision lies in.
fn group(log: &Log, stamp: Stamp) -> Option<(*const Pack, usize)> {
    match &log.entry(stamp)?.source {
        Source::Packed(pack, i) => Some((Arc::as_ptr(pack), pack.group_of(*i as usize)?)),
        Source::Loose(..) => None,
    }
}
