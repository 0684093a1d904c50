//! Which revision last wrote each row of a series.
//!
//! By the rule that makes states: of the revisions whose change lists cover an index value, the one with the greatest
//! stamp. Where a list is too coarse to tell rows that stayed, the revision is compared with its parent.

use super::{At, Collection, CollectionError};
use crate::clock::Stamp;
use crate::data::diff::LIMIT;
use crate::data::key::Keys;
use crate::history::changelog::Log;
use crate::history::entry::SeriesId;
use crate::history::revision::{Revision, SeriesChange};
use crate::history::state::State;
use crate::interval::{Interval, IntervalMap};
use crate::series::compare::{Side, compare};
use crate::series::read::{Query, Rows};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Lists of more intervals may cover rows that stayed the same.
const COARSE: u64 = LIMIT as u64 / 4;

/// A series, and who wrote its rows.
#[derive(Debug)]
pub struct Blame {
    /// The state whose rows these are.
    pub state: State,
    /// The rows asked for.
    pub rows: Rows,
    pieces: Vec<(Interval, Option<Stamp>)>,
}

impl Blame {
    /// The revisions of rows with these keys, in order; none: one that was trimmed.
    #[must_use]
    pub fn revisions(&self, keys: &Keys) -> Vec<Option<Stamp>> {
        let of = |row| {
            let key = keys.key(row);
            let behind = self.pieces.partition_point(|(interval, _)| interval.ends_at_or_before(&key));
            let (interval, stamp) = self.pieces.get(behind)?;
            stamp.filter(|_| interval.contains(&key))
        };
        (0..keys.rows()).map(of).collect()
    }
}

impl Collection {
    /// Who last wrote the rows of a series that `query` asks for (all columns of them), as of a moment.
    pub fn blame(&self, label: &str, at: At, query: &Query) -> Result<Blame, CollectionError> {
        let log = self.changelog.log()?;
        let moment = self.moment(&log, at)?;
        let state = moment.state.clone();
        let entry = self.find(&state, label)?;
        let query = Query { columns: None, ..query.clone() };
        let rows = Rows::open(state.view.clone(), state.schema.clone(), &entry.segments, &query)?;
        let mut winners = IntervalMap::new();
        for (stamp, dropped, intervals) in self.written(&log, moment.held_by(), entry.id, &query.interval)? {
            if dropped {
                winners.assign(&Interval::ALL, None);
            }
            intervals.iter().for_each(|interval| winners.assign(interval, Some(stamp)));
        }
        Ok(Blame { state, rows, pieces: winners.pieces() })
    }

    /// What each revision up to some heads did to a series, oldest first: whether it dropped it, and what it changed.
    fn written(
        &self,
        log: &Log,
        heads: &[Stamp],
        id: SeriesId,
        within: &Interval,
    ) -> Result<Vec<(Stamp, bool, Vec<Interval>)>, CollectionError> {
        let mut open: BTreeSet<Stamp> = heads.iter().copied().collect();
        let mut found = Vec::new();
        // By the parents that files tell: a listing may lack one of a merge.
        while let Some(stamp) = open.pop_last() {
            let revision = self.changelog.read(log, stamp)?;
            open.extend(revision.parents.iter().copied().filter(|parent| log.contains(*parent)));
            let list = revision.change_list()?;
            for change in list.series.iter().filter(|change| change.id == id) {
                found.push((stamp, change.dropped, self.exactly(log, &revision, change, within)?));
            }
        }
        found.reverse();
        Ok(found)
    }

    /// The index values that a revision changed.
    fn exactly(
        &self,
        log: &Log,
        revision: &Revision,
        change: &SeriesChange,
        within: &Interval,
    ) -> Result<Vec<Interval>, CollectionError> {
        let (false, [parent]) = (change.intervals.len() <= COARSE, revision.parents.as_slice()) else {
            return Ok(change.intervals.iter().collect());
        };
        if !log.contains(*parent) {
            return Ok(change.intervals.iter().collect());
        }
        let before = self.changelog.read(log, *parent)?;
        let find = |state: &State, id: SeriesId| state.entry_of(id, &change.label);
        let (Some(old), Some(new)) = (find(&before.state, change.id)?, find(&revision.state, change.id)?)
        else {
            return Ok(change.intervals.iter().collect());
        };
        let old = Side::of(&before.state, &old.segments);
        let new = Side::of(&revision.state, &new.segments);
        let mut points = Vec::new();
        let comparison = compare(&old, &new, within)?;
        let joint = Arc::clone(comparison.joint());
        for delta in comparison {
            let delta = delta?;
            let keys = Keys::of(&joint, &delta.new);
            // Rows that went leave nothing to blame.
            let rows = delta.rows.iter().filter_map(|row| row.new);
            points.extend(rows.map(|row| Interval::point(&keys.key(row))));
        }
        points.dedup();
        Ok(points)
    }
}
