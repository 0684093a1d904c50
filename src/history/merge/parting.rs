//! Where heads part: the revisions that some head lacks, and what lies beside them.
//!
//! Walks down from the heads, newest first, each revision marked with the heads it belongs to. For the rows it ends
//! below the oldest revision that some head lacks; for columns, where these were altered, at the one revision that
//! all others follow, since only its columns are those that all heads started from.

use crate::clock::Stamp;
use crate::data::schema::Schema;
use crate::history::changelog::HistoryError;
use crate::history::revision::ChangeList;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Which heads a revision is an ancestor of (or is), one bit a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mask(Vec<u64>);

impl Mask {
    pub(super) fn none(heads: usize) -> Mask {
        Mask(vec![0; heads.div_ceil(64)])
    }

    fn set(&mut self, head: usize) {
        self.0[head / 64] |= 1 << (head % 64);
    }

    pub(super) fn has(&self, head: usize) -> bool {
        self.0[head / 64] >> (head % 64) & 1 == 1
    }

    fn add(&mut self, other: &Mask) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    fn is_full(&self, heads: usize) -> bool {
        self.0.iter().map(|word| word.count_ones() as usize).sum::<usize>() == heads
    }
}

/// What a merge needs of a revision: its parents, as its file names them, its columns, and what it changed.
///
/// A listing may lack some of a merge's files, or a revision put while it was taken: rows of one that is not
/// known to be an ancestor would be lost.
#[derive(Debug)]
pub struct Step {
    /// All parents.
    pub parents: Vec<Stamp>,
    /// The columns of its state.
    pub columns: Arc<Schema>,
    /// What it changed.
    pub changes: ChangeList,
}

impl Step {
    /// Whether it takes the state of one of several heads whole: its changes tell what differs from any of them, so
    /// it follows from each by itself.
    fn chooses(&self) -> bool {
        self.parents.len() > 1 && (self.changes.altered.is_some() || !self.changes.series.is_empty())
    }
}

/// Reads a revision; none: it was trimmed.
pub type Load<'a> = &'a mut dyn FnMut(Stamp) -> Result<Option<Step>, HistoryError>;

/// A revision, and the heads that have it.
#[derive(Debug)]
pub(super) struct Met {
    pub(super) stamp: Stamp,
    pub(super) mask: Mask,
    pub(super) step: Step,
}

/// A revision that the walk has not come to.
#[derive(Debug)]
struct Open {
    mask: Mask,
    /// Whether something but a choice follows it.
    firm: bool,
}

/// The walk, and what it has met.
#[derive(Debug)]
pub(super) struct Parting {
    pub(super) heads: Vec<Stamp>,
    /// From the oldest that some head lacks on, oldest first.
    pub(super) since: Vec<Met>,
    /// Older ones, which tell what the columns are; oldest first.
    pub(super) before: Vec<Met>,
    open: BTreeMap<Stamp, Open>,
    skipped: BTreeSet<Stamp>,
    choices: Vec<Stamp>,
    /// Choices that nothing else shares a parent of: what lies below them is read as below any other revision.
    read: BTreeSet<Stamp>,
    oldest: Stamp,
}

impl Parting {
    /// Walks from `heads` (sorted, at least two).
    pub(super) fn of(heads: &[Stamp], load: Load<'_>) -> Result<Parting, HistoryError> {
        let mut read = BTreeSet::new();
        loop {
            let mut parting = Parting::start(heads, read);
            parting.walk(load)?;
            let alone = parting.alone();
            if alone.is_empty() {
                parting.since.sort_by_key(|met| met.stamp);
                parting.before.sort_by_key(|met| met.stamp);
                return Ok(parting);
            }
            read = parting.read;
            read.extend(alone);
        }
    }

    fn start(heads: &[Stamp], read: BTreeSet<Stamp>) -> Parting {
        let mut open: BTreeMap<Stamp, Open> = BTreeMap::new();
        for (i, head) in heads.iter().enumerate() {
            let none = || Open { mask: Mask::none(heads.len()), firm: true };
            open.entry(*head).or_insert_with(none).mask.set(i);
        }
        Parting {
            heads: heads.to_vec(),
            since: Vec::new(),
            before: Vec::new(),
            open,
            skipped: BTreeSet::new(),
            choices: Vec::new(),
            read,
            oldest: Stamp::ROOT,
        }
    }

    fn walk(&mut self, load: Load<'_>) -> Result<(), HistoryError> {
        let heads = self.heads.len();
        while let Some((stamp, _)) = self.open.last_key_value() {
            if *stamp < self.oldest && self.open.values().all(|open| open.mask.is_full(heads)) {
                break;
            }
            self.descend(load)?;
        }
        let (since, before) =
            std::mem::take(&mut self.since).into_iter().partition(|met| met.stamp >= self.oldest);
        (self.since, self.before) = (since, before);
        if self.is_altered() {
            let since = std::mem::take(&mut self.since);
            while !self.is_at_origin() {
                self.descend(load)?;
            }
            self.before.append(&mut self.since);
            self.since = since;
        }
        Ok(())
    }

    /// Goes on below the newest revision that is open.
    fn descend(&mut self, load: Load<'_>) -> Result<(), HistoryError> {
        // Children have greater stamps than their parents: taken newest first, a mask is complete when its turn comes.
        let Some((stamp, Open { mask, firm })) = self.open.pop_last() else { return Ok(()) };
        if !firm {
            // Whatever it changed, the choice above it covers.
            self.skipped.insert(stamp);
            return Ok(());
        }
        let Some(step) = load(stamp)? else {
            return Err(HistoryError::Unmergeable { heads: self.heads.clone(), missing: stamp });
        };
        if !mask.is_full(self.heads.len()) {
            self.oldest = stamp;
        }
        let chooses = step.chooses();
        if chooses {
            self.choices.push(stamp);
        }
        for parent in &step.parents {
            let none = || Open { mask: Mask::none(self.heads.len()), firm: false };
            let open = self.open.entry(*parent).or_insert_with(none);
            open.mask.add(&mask);
            open.firm |= !chooses || self.read.contains(&stamp);
        }
        self.since.push(Met { stamp, mask, step });
        Ok(())
    }

    /// Choices of whose parents none was met otherwise.
    fn alone(&self) -> Vec<Stamp> {
        let met = || self.since.iter().chain(&self.before);
        let chosen = met().filter(|met| self.choices.contains(&met.stamp) && !self.read.contains(&met.stamp));
        let alone = chosen.filter(|met| met.step.parents.iter().all(|p| self.skipped.contains(p)));
        alone.map(|met| met.stamp).collect()
    }

    /// Whether columns were altered, or differ, since the heads parted.
    pub(super) fn is_altered(&self) -> bool {
        let columns = self.since.first().map(|met| &met.step.columns);
        self.since.iter().any(|met| met.step.changes.altered.is_some() || Some(&met.step.columns) != columns)
    }

    /// Whether all that was met follows one revision that was not.
    fn is_at_origin(&self) -> bool {
        let met = self.since.iter().chain(&self.before);
        let roots = met.filter(|met| met.step.parents.is_empty()).count();
        let firm = self.open.values().filter(|open| open.firm).count();
        match (self.open.len(), firm) {
            (0, _) => true,
            (_, 0) => roots == 0,
            (_, 1) => roots == 0,
            _ => false,
        }
    }

    /// The revision that all that was met follows; none where that is the beginning.
    pub(super) fn common(&self) -> Option<Stamp> {
        let firm = self.open.iter().find(|(_, open)| open.firm);
        firm.or_else(|| self.open.iter().next_back()).map(|(stamp, _)| *stamp)
    }
}
