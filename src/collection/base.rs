//! The states that batches start from: the newest, or an earlier one.
//!
//! Several heads are merged durably before anything is built on their merge. A revision put on an earlier state is
//! a second head, so it is refused where trimmed history would leave the two without a merge: rows that can be
//! written must be readable afterwards.

use super::{Collection, CollectionError};
use crate::clock::Stamp;
use crate::history::changelog::{HistoryError, Log};
use crate::history::merge;
use crate::history::state::State;

impl Collection {
    /// Writes the merge of the heads, durably, where there are several; else does nothing.
    pub fn settle(&self) -> Result<(), CollectionError> {
        match self.settled() {
            Err(CollectionError::Empty(_)) => {}
            done => done.map(|_newest| ())?,
        }
        // A merge that somebody else has put may not be on disk yet.
        Ok(self.changelog.settle()?)
    }

    /// The newest revision and its state, a merge written first where there are several heads.
    pub(super) fn settled(&self) -> Result<(Stamp, State), CollectionError> {
        let log = self.changelog.log()?;
        let heads = self.changelog.heads(&log)?;
        self.changelog.complete(&log, &heads)?;
        match heads.as_slice() {
            [] => Err(CollectionError::Empty(self.label.clone())),
            [one] => Ok((*one, self.changelog.read(&log, *one)?.state.clone())),
            several => {
                let stamp = self.union(&log, several)?.merged()?.put(&self.changelog)?;
                Ok((stamp, self.changelog.read(self.changelog.log()?.as_ref(), stamp)?.state.clone()))
            }
        }
    }

    /// The state of a revision, or of the merge of `heads` that `base` stands for, which is written first, durably.
    ///
    /// Fails with [`HistoryError::Gone`] of `base` where it, or what merging with it needs, was trimmed.
    pub(super) fn earlier(&self, base: Stamp, heads: &[Stamp]) -> Result<State, CollectionError> {
        let mut log = self.changelog.log()?;
        if !log.contains(base) && heads.len() > 1 {
            self.put_merge(&log, base, heads)?;
            log = self.changelog.log()?;
        }
        if !log.contains(base) {
            return Err(HistoryError::Gone(base).into());
        }
        self.check_mergeable(&log, base)?;
        self.changelog.complete(&log, &[base])?;
        Ok(self.changelog.read(&log, base)?.state.clone())
    }

    fn put_merge(&self, log: &Log, base: Stamp, heads: &[Stamp]) -> Result<(), CollectionError> {
        let mut heads = heads.to_vec();
        heads.sort_unstable();
        heads.dedup();
        if heads.iter().any(|head| !log.contains(*head)) {
            return Err(HistoryError::Gone(base).into());
        }
        let merged = match self.union(log, &heads) {
            Err(CollectionError::History(HistoryError::Unmergeable { .. })) => {
                return Err(HistoryError::Gone(base).into());
            }
            union => union?.merged()?,
        };
        if merged.stamp() != base {
            return Err(CollectionError::NoRevision(base.to_string(), self.label.clone()));
        }
        self.changelog.complete(log, &heads)?;
        merged.put(&self.changelog)?;
        Ok(())
    }

    /// Fails where a child of `base` could not be merged with the heads there are.
    fn check_mergeable(&self, log: &Log, base: Stamp) -> Result<(), CollectionError> {
        let heads = self.changelog.heads(log)?;
        if heads.contains(&base) {
            return Ok(());
        }
        let mut all = heads.clone();
        all.push(base);
        all.sort_unstable();
        // What a horizon hides can be read for a while yet, and is remembered; but others merge, and later.
        let mut lasting = |stamp| match log.contains(stamp) {
            true => merge::step(&self.changelog, log, stamp),
            false => Ok(None),
        };
        match merge::needed(&all, &mut lasting) {
            Err(HistoryError::Unmergeable { .. }) => {
                // Heads that cannot be merged without it are not its fault.
                merge::needed(&heads, &mut |stamp| merge::step(&self.changelog, log, stamp))?;
                Err(HistoryError::Gone(base).into())
            }
            done => Ok(done.map(|_revisions| ())?),
        }
    }
}
