//! The merge of several heads: who wins where.
//!
//! The state of a set of revisions is, for each index value of each series, what the revision with the
//! greatest stamp covering it set. So a merge converges whoever computes it, in whatever order. Pure: it
//! reads change lists through a function and says which head each part of a series is taken from; below the
//! oldest revision some head lacks, all heads agree.

mod columns;
pub mod overrides;
mod parting;

pub use columns::Columns;
pub use parting::{Load, Step};

use super::changelog::{Changelog, HistoryError, Log};
use super::entry::SeriesId;
use super::revision::SeriesChange;
use crate::clock::Stamp;
use crate::data::alter::Mapping;
use crate::interval::{Interval, IntervalMap};
use parting::Parting;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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
    /// The columns, where they were altered since, or differ; else all heads have the same.
    pub columns: Option<Columns>,
}

/// Plans the merge of `heads` (sorted, at least two). `load` reads a revision; none: it was trimmed.
///
/// Fails where change lists that are needed were trimmed, and where the heads' columns have no common origin.
pub fn plan(heads: &[Stamp], load: Load<'_>) -> Result<Plan, HistoryError> {
    let parting = Parting::of(heads, load)?;
    let columns = columns::of(&parting, load)?;
    let mut tracks: BTreeMap<SeriesId, Track> = BTreeMap::new();
    for met in parting.since {
        let holders: Vec<usize> = (0..heads.len()).filter(|&head| met.mask.has(head)).collect();
        for change in met.step.changes.series {
            tracks.entry(change.id).or_default().add(met.stamp, &holders, change);
        }
    }
    let series = tracks.into_iter().map(|(id, track)| track.plan(id)).collect();
    Ok(Plan { series, columns })
}

/// What alterations made of the columns of `from` in those of `to`, which follows it; none where the two have other
/// columns than alterations between them make.
pub fn columns_since(from: Stamp, to: Stamp, load: Load<'_>) -> Result<Option<Mapping>, HistoryError> {
    if from >= to {
        return Ok(None);
    }
    let parting = Parting::of(&[from, to], load)?;
    let Some(columns) = columns::of(&parting, load)? else { return Ok(None) };
    let whole = columns.keeps(1) && load(to)?.is_some_and(|step| step.columns == columns.schema);
    Ok(columns.mappings.into_iter().next().filter(|_| whole))
}

/// The revisions that the merge of `heads` (sorted) reads; none for a single head. Fails as [`plan`] does.
pub fn needed(heads: &[Stamp], load: Load<'_>) -> Result<Vec<Stamp>, HistoryError> {
    if heads.len() < 2 {
        return Ok(Vec::new());
    }
    let mut read = BTreeSet::new();
    let mut load = |stamp| {
        let step = load(stamp)?;
        read.extend(step.is_some().then_some(stamp));
        Ok(step)
    };
    let parting = Parting::of(heads, &mut load)?;
    columns::of(&parting, &mut load)?;
    Ok(read.into_iter().collect())
}

/// What [`plan`] and [`needed`] load, from a changelog: also of revisions that a horizon hides, while they are
/// there.
pub fn step(changelog: &Changelog, log: &Log, stamp: Stamp) -> Result<Option<Step>, HistoryError> {
    match changelog.read(log, stamp) {
        Err(HistoryError::Gone(_)) => Ok(None),
        revision => {
            let revision = revision?;
            let columns = Arc::clone(&revision.state.schema);
            let parents = revision.parents.clone();
            Ok(Some(Step { parents, columns, changes: revision.change_list()? }))
        }
    }
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
