//! The merge of several heads as a state: the plan of `history::merge`, carried out.
//!
//! A pure function of the heads: whoever computes it gets the same bytes, so it may be written by anybody,
//! any number of times.

use super::CollectionError;
use crate::clock::Stamp;
use crate::history::changelog::{Changelog, HistoryError, Log};
use crate::history::edit::{Edits, NewEntry, apply};
use crate::history::entry::{Entry, Segments, SeriesId};
use crate::history::merge::{Plan, SeriesPlan, Winner, part_labels, plan, step};
use crate::history::revision::{ChangeList, ListPlace, Note, Revision};
use crate::history::state::State;
use crate::interval::Interval;
use crate::series::splice::{Part, splice};
use crate::store::draft::{Draft, Finished};
use crate::store::{StoreError, View};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Heads and the plan of their merge.
#[derive(Debug)]
pub(super) struct Union {
    parents: Vec<Stamp>,
    revisions: Vec<Arc<Revision>>,
    plan: Plan,
    view: View,
    merged: Mutex<Option<Arc<Merged>>>,
}

/// More parts are cheaper to read from the merge carried out: each would decode its edges.
const MOST_PIECES: usize = 64;

/// A part of a series: index values, and where their rows are.
pub(super) type Piece = (Interval, Segments);

impl Union {
    /// Plans the merge of `heads` (at least two).
    pub(super) fn of(changelog: &Changelog, log: &Log, heads: &[Stamp]) -> Result<Union, CollectionError> {
        let mut parents = heads.to_vec();
        parents.sort_unstable();
        let revisions =
            parents.iter().map(|head| changelog.read(log, *head)).collect::<Result<Vec<_>, _>>()?;
        let mut plan = plan(&parents, &mut |stamp| step(changelog, log, stamp))?;
        settle_labels(&mut plan, &revisions)?;
        if revisions.iter().any(|revision| revision.state.schema != revisions[0].state.schema) {
            return Err(HistoryError::Schemas(parents).into());
        }
        let view = View::union(changelog.store(), revisions.iter().map(|revision| &revision.state.view));
        Ok(Union { parents, revisions, plan, view, merged: Mutex::default() })
    }

    /// The first head's state, reading what all heads hold.
    pub(super) fn base(&self) -> State {
        State { view: self.view.clone(), ..self.revisions[0].state.clone() }
    }

    /// The parts of a series in the merge, ascending: for reading it without carrying the merge out. `None` where
    /// only the whole merge tells.
    pub(super) fn pieces(&self, label: &str) -> Result<Option<Vec<Piece>>, CollectionError> {
        let Some(series) = self.plan.series.iter().find(|s| s.label.as_deref() == Some(label)) else {
            let entry = self.base().entry(label)?;
            let whole = entry.filter(|entry| self.plan.series.iter().all(|series| series.id != entry.id));
            return Ok(whole.map(|entry| vec![(Interval::ALL, entry.segments)]));
        };
        let heads = self.entries(&[series])?;
        let found: Vec<Option<&Entry>> = heads.iter().map(|entries| entries.get(&series.id)).collect();
        let Some((base, parts)) = parts(series, &found).filter(|(_, parts)| parts.len() <= MOST_PIECES)
        else {
            return Ok(None);
        };
        let mut pieces = Vec::new();
        let mut at = Vec::new();
        for part in parts {
            let gap = Interval { lo: at, hi: Some(part.interval.lo.clone()) };
            pieces.push((gap, base.segments.clone()));
            pieces.extend(part.source.map(|source| (part.interval.clone(), source.clone())));
            match part.interval.hi {
                Some(hi) => at = hi,
                None => return Ok(Some(pieces)),
            }
        }
        pieces.push((Interval { lo: at, hi: None }, base.segments.clone()));
        Ok(Some(pieces))
    }

    /// Series of the plan, in each head that has them.
    fn entries(&self, wanted: &[&SeriesPlan]) -> Result<Vec<HashMap<SeriesId, Entry>>, StoreError> {
        self.revisions.iter().map(|revision| entries_in(&revision.state, wanted)).collect()
    }

    /// The merge, carried out once.
    pub(super) fn merged(&self) -> Result<Arc<Merged>, CollectionError> {
        let mut merged = self.merged.lock();
        if let Some(merged) = &*merged {
            return Ok(Arc::clone(merged));
        }
        let done = Arc::new(Merged::of(self)?);
        *merged = Some(Arc::clone(&done));
        Ok(done)
    }
}

/// A merge that may not be written yet.
#[derive(Debug)]
pub(super) struct Merged {
    stamp: Stamp,
    revision: Revision,
    finished: Finished,
}

impl Merged {
    fn of(union: &Union) -> Result<Merged, CollectionError> {
        let base = union.base();
        let draft = Mutex::new(Draft::in_memory(Arc::clone(base.view.store())));
        let edits = carry_out(union, &base, &draft)?;
        let schema = Arc::clone(&base.schema);
        let edited = apply(draft.into_inner(), &base, &schema, edits, None)?;
        let parents = union.parents.clone();
        let time = parents.last().map_or(0, |newest| newest.time) + 1;
        let finished = edited.finished;
        let embedded = if finished.embedded { finished.bundle_bytes() } else { Bytes::new() };
        let changes = ListPlace::Here(ChangeList::default().encode());
        let note = Note::default();
        let revision = Revision { parents, time, wall: time, note, state: edited.state, changes, embedded };
        Ok(Merged { stamp: revision.stamp(), revision, finished })
    }

    /// The merged state, readable before it is written.
    pub(super) fn state(&self) -> State {
        self.revision.state.clone()
    }

    /// The revision it becomes when it is written: by whomever, the same.
    pub(super) const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Makes the merge durable. After a failure it may be tried again.
    pub(super) fn put(&self, changelog: &Changelog) -> Result<Stamp, CollectionError> {
        self.finished.put_kept()?;
        Ok(changelog.put(&self.revision)?)
    }
}

/// The labels that change on top of the first head's state.
fn carry_out(union: &Union, base: &State, draft: &Mutex<Draft>) -> Result<Edits, CollectionError> {
    let plan = &union.plan;
    let mut edits = Edits::new();
    let mut placed = Vec::new();
    let heads = union.entries(&plan.series.iter().collect::<Vec<_>>())?;
    for series in &plan.series {
        let found: Vec<Option<&Entry>> = heads.iter().map(|entries| entries.get(&series.id)).collect();
        if let Some(entry) = found[0] {
            edits.insert(entry.label.clone(), None);
        }
        if let Some(label) = &series.label
            && let Some(entry) = merge_series(series, &found, base, draft)?
        {
            placed.push((label.clone(), entry));
        }
    }
    for (label, entry) in placed {
        // A series that did not change since the heads parted gives way to one that took its label.
        if !edits.contains_key(&label)
            && let Some(other) = base.entry(&label)?
            && other.id != entry.id
        {
            let beside = crate::history::merge::beside(&label, other.id);
            edits.insert(beside, Some(NewEntry::keep(other.id, other.segments)));
        }
        edits.insert(label, Some(entry));
    }
    Ok(edits)
}

/// Gives series whose label was not set since the heads parted the label that heads have, then parts equal labels.
fn settle_labels(plan: &mut Plan, revisions: &[Arc<Revision>]) -> Result<(), StoreError> {
    let mut open: Vec<&mut SeriesPlan> =
        plan.series.iter_mut().filter(|s| s.label.is_some() && s.label_at.is_none()).collect();
    for revision in revisions {
        let wanted: Vec<&SeriesPlan> = open.iter().map(|series| &**series).collect();
        if wanted.is_empty() {
            break;
        }
        let mut found = entries_in(&revision.state, &wanted)?;
        open.retain_mut(|series| match found.remove(&series.id) {
            Some(entry) => {
                series.labels.insert(entry.label.clone());
                series.label = Some(entry.label);
                false
            }
            None => true,
        });
    }
    part_labels(&mut plan.series);
    Ok(())
}

/// Series of a plan in the state of a head, by id.
fn entries_in(state: &State, wanted: &[&SeriesPlan]) -> Result<HashMap<SeriesId, Entry>, StoreError> {
    let mut missing: HashSet<SeriesId> = wanted.iter().map(|series| series.id).collect();
    let mut found = HashMap::new();
    let mut labels: BTreeSet<String> =
        wanted.iter().flat_map(|series| series.labels.iter().cloned()).collect();
    for _ in 0..2 {
        for entry in state.entries_of(&labels)?.into_values() {
            if missing.remove(&entry.id) {
                found.insert(entry.id, entry);
            }
        }
        if missing.is_empty() {
            break;
        }
        // Not there, or there under a label that no change since the heads parted tells: one that was set in a
        // branch which those changes do not follow.
        labels.clear();
        state.list("", |summary| {
            if missing.contains(&summary.id) {
                labels.insert(summary.label);
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(found)
}

/// The entry to start from, and the parts to take from elsewhere; none where no head has the series.
fn parts<'a>(series: &SeriesPlan, found: &[Option<&'a Entry>]) -> Option<(&'a Entry, Vec<Part<'a>>)> {
    let from = series.base(found.len(), |head| found[head].is_some())?;
    let foreign = series.pieces.iter().filter(|(_, winner)| !winner.in_head(from));
    let parts = foreign.map(|(interval, winner)| {
        let source = match winner {
            Winner::Dropped => None,
            Winner::Heads(heads) => heads.iter().find_map(|&h| found[h]).map(|e| &e.segments),
        };
        Part { interval: interval.clone(), source }
    });
    Some((found[from]?, parts.collect()))
}

fn merge_series(
    series: &SeriesPlan,
    found: &[Option<&Entry>],
    base: &State,
    draft: &Mutex<Draft>,
) -> Result<Option<NewEntry>, CollectionError> {
    let Some((entry, parts)) = parts(series, found) else { return Ok(None) };
    Ok(Some(splice(&base.view, &base.schema, series.id, &entry.segments, &parts, draft)?))
}
