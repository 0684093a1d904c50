//! The merge of several heads: who wins where.
//!
//! The state of a set of revisions is, for each index value of each series, what the revision with the
//! greatest stamp covering it set. So a merge converges whoever computes it, in whatever order. Pure: it
//! reads change lists through a function and says which head each part of a series is taken from; below the
//! oldest revision some head lacks, all heads agree.

use super::changelog::{Changelog, HistoryError, Log};
use super::entry::SeriesId;
use super::revision::{ChangeList, SeriesChange};
use crate::clock::Stamp;
use crate::interval::{Interval, IntervalMap};
use std::collections::{BTreeMap, BTreeSet};

/// Which heads a revision is an ancestor of (or is), one bit a head.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mask(Vec<u64>);

impl Mask {
    fn none(heads: usize) -> Mask {
        Mask(vec![0; heads.div_ceil(64)])
    }

    fn set(&mut self, head: usize) {
        self.0[head / 64] |= 1 << (head % 64);
    }

    fn has(&self, head: usize) -> bool {
        self.0[head / 64] >> (head % 64) & 1 == 1
    }

    fn add(&mut self, other: &Mask) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    fn is_full(&self, heads: usize) -> bool {
        self.0.iter().map(|word| word.count_ones() as usize).sum::<usize>() == heads
    }
}

/// What becomes of one series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesPlan {
    /// The series.
    pub id: SeriesId,
    /// Its label in the merge; none where it is dropped.
    pub label: Option<String>,
    /// Labels under which heads may have it.
    pub labels: BTreeSet<String>,
    /// For each head: whether all that was set last is in it, outside of `pieces`.
    pub pieces: Vec<(Interval, Winner)>,
    /// When its label was set, where that is after the heads parted; else it has the label it has in the heads,
    /// which `label` need not be.
    pub label_at: Option<Stamp>,
}

/// Who set a part of a series last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Winner {
    /// A revision: any of these heads has its rows.
    Heads(Vec<usize>),
    /// The drop of the series: no rows.
    Dropped,
}

/// What a merge takes from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The series that changed since the heads parted.
    pub series: Vec<SeriesPlan>,
}

/// What a merge needs of a revision: its parents, as its file names them, and what it changed.
///
/// A listing may lack some of a merge's files, or a revision put while it was taken: rows of one that is not
/// known to be an ancestor would be lost.
#[derive(Debug)]
pub struct Step {
    /// All parents.
    pub parents: Vec<Stamp>,
    /// What it changed.
    pub changes: ChangeList,
}

/// Plans the merge of `heads` (sorted, at least two). `load` reads a revision; none: it was trimmed.
///
/// Fails where change lists that are needed were trimmed.
pub fn plan(
    heads: &[Stamp],
    load: &mut dyn FnMut(Stamp) -> Result<Option<Step>, HistoryError>,
) -> Result<Plan, HistoryError> {
    let mut tracks: BTreeMap<SeriesId, Track> = BTreeMap::new();
    for (stamp, mask, changes) in since_parting(heads, load)? {
        let holders: Vec<usize> = (0..heads.len()).filter(|&head| mask.has(head)).collect();
        for change in changes.series {
            tracks.entry(change.id).or_default().add(stamp, &holders, change);
        }
    }
    Ok(Plan { series: tracks.into_iter().map(|(id, track)| track.plan(id)).collect() })
}

/// The revisions that the merge of `heads` (sorted) reads; none for a single head. Some tell only who descends from
/// whom: without them too there is no merge.
pub fn needed(
    heads: &[Stamp],
    load: &mut dyn FnMut(Stamp) -> Result<Option<Step>, HistoryError>,
) -> Result<Vec<Stamp>, HistoryError> {
    if heads.len() < 2 {
        return Ok(Vec::new());
    }
    let mut read = Vec::new();
    since_parting(heads, &mut |stamp| {
        read.push(stamp);
        load(stamp)
    })?;
    Ok(read)
}

/// What [`plan`] and [`needed`] load, from a changelog: also of revisions that a horizon hides, while they are
/// there.
pub fn step(changelog: &Changelog, log: &Log, stamp: Stamp) -> Result<Option<Step>, HistoryError> {
    match changelog.read(log, stamp) {
        Err(HistoryError::Gone(_)) => Ok(None),
        revision => {
            let revision = revision?;
            Ok(Some(Step { parents: revision.parents.clone(), changes: revision.change_list()? }))
        }
    }
}

/// All revisions from the oldest that some head lacks, oldest first, with the heads that have them.
fn since_parting(
    heads: &[Stamp],
    load: &mut dyn FnMut(Stamp) -> Result<Option<Step>, HistoryError>,
) -> Result<Vec<(Stamp, Mask, ChangeList)>, HistoryError> {
    let mut open: BTreeMap<Stamp, Mask> = BTreeMap::new();
    for (i, head) in heads.iter().enumerate() {
        open.entry(*head).or_insert_with(|| Mask::none(heads.len())).set(i);
    }
    let mut seen = Vec::new();
    let mut oldest = Stamp::ROOT;
    // Children have greater stamps than their parents: taken newest first, a mask is complete when its turn comes.
    while let Some((stamp, mask)) = open.pop_last() {
        let lacking = !mask.is_full(heads.len());
        if !lacking && open.values().all(|m| m.is_full(heads.len())) && stamp < oldest {
            break;
        }
        let Some(step) = load(stamp)? else {
            return Err(HistoryError::Unmergeable { heads: heads.to_vec(), missing: stamp });
        };
        if lacking {
            oldest = stamp;
        }
        for parent in step.parents {
            open.entry(parent).or_insert_with(|| Mask::none(heads.len())).add(&mask);
        }
        seen.push((stamp, mask, step.changes));
    }
    seen.retain(|(stamp, ..)| *stamp >= oldest);
    seen.reverse();
    Ok(seen)
}

/// What happened to one series since the heads parted, in the order of stamps.
#[derive(Debug, Default)]
struct Track {
    label: Option<(Stamp, String)>,
    seen: String,
    labels: BTreeSet<String>,
    winners: IntervalMap<Winner>,
    touched: Option<Stamp>,
    dropped: Option<Stamp>,
}

impl Track {
    fn add(&mut self, stamp: Stamp, holders: &[usize], change: SeriesChange) {
        if change.dropped {
            self.winners.assign(&Interval::ALL, Winner::Dropped);
            self.dropped = Some(stamp);
        }
        let rows = Winner::Heads(holders.to_vec());
        for interval in change.intervals.iter() {
            self.winners.assign(&interval, rows.clone());
        }
        if change.created || !(change.intervals.is_empty() || change.dropped) {
            self.touched = Some(stamp);
        }
        if change.created || change.renamed_from.is_some() {
            self.label = Some((stamp, change.label.clone()));
        }
        self.labels.extend(change.renamed_from);
        self.labels.insert(change.label.clone());
        self.seen = change.label;
    }

    fn plan(self, id: SeriesId) -> SeriesPlan {
        let alive = self.dropped.is_none_or(|dropped| self.touched.is_some_and(|touched| touched >= dropped));
        let label_at = self.label.as_ref().map(|(stamp, _)| *stamp);
        let label = self.label.map_or(self.seen, |(_, label)| label);
        let mut labels = self.labels;
        labels.extend(labels.iter().map(|label| beside(label, id)).collect::<Vec<_>>());
        let pieces = self.winners.pieces();
        SeriesPlan { id, label: alive.then_some(label), labels, pieces, label_at }
    }
}

/// The label of a series whose own is taken.
#[must_use]
pub fn beside(label: &str, id: SeriesId) -> String {
    format!("{label}~{}", &id.to_string()[..8])
}

/// Of several series that end on one label, the one that took it last keeps it.
pub fn part_labels(series: &mut [SeriesPlan]) {
    let mut keepers: BTreeMap<String, (Option<Stamp>, SeriesId)> = BTreeMap::new();
    for plan in series.iter() {
        if let Some(label) = &plan.label {
            let mine = (plan.label_at, plan.id);
            keepers.entry(label.clone()).and_modify(|keeper| *keeper = mine.max(*keeper)).or_insert(mine);
        }
    }
    for plan in series {
        if let Some(label) = &mut plan.label
            && keepers.get(label).is_some_and(|(_, id)| *id != plan.id)
        {
            *label = beside(label, plan.id);
        }
    }
}

impl SeriesPlan {
    /// The head to start from, of `heads` many: the first that needs the fewest pieces from others.
    #[must_use]
    pub fn base(&self, heads: usize, has: impl Fn(usize) -> bool) -> Option<usize> {
        let foreign = |head: usize| self.pieces.iter().filter(|(_, w)| !w.in_head(head)).count();
        (0..heads).filter(|&head| has(head)).min_by_key(|&head| foreign(head))
    }
}

impl Winner {
    /// Whether a head has these rows; no rows are in no head for sure.
    #[must_use]
    pub fn in_head(&self, head: usize) -> bool {
        matches!(self, Winner::Heads(heads) if heads.contains(&head))
    }
}
