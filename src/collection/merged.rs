//! The merge of several heads as a state: the plan of `history::merge`, carried out.
//!
//! A pure function of the heads: whoever computes it gets the same bytes, so it may be written by anybody,
//! any number of times.

use super::CollectionError;
use crate::clock::Stamp;
use crate::history::changelog::{Changelog, HistoryError, Log};
use crate::history::edit::{Edits, NewEntry, apply};
use crate::history::entry::Entry;
use crate::history::merge::{Plan, SeriesPlan, Winner, plan};
use crate::history::revision::{ChangeList, ListPlace, Note, Revision};
use crate::history::state::State;
use crate::interval::Interval;
use crate::series::splice::{Part, splice};
use crate::store::View;
use crate::store::draft::{Draft, Finished};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// A merge that may not be written yet.
#[derive(Debug)]
pub(super) struct Merged {
    revision: Revision,
    finished: Finished,
}

impl Merged {
    /// Merges `heads` (at least two).
    pub(super) fn of(changelog: &Changelog, log: &Log, heads: &[Stamp]) -> Result<Merged, CollectionError> {
        let mut parents = heads.to_vec();
        parents.sort_unstable();
        let revisions =
            parents.iter().map(|head| changelog.read(log, *head)).collect::<Result<Vec<_>, _>>()?;
        let plan = plan(log, &parents, &mut |stamp| Ok(changelog.read(log, stamp)?.change_list()?))?;
        let states: Vec<&State> = revisions.iter().map(|r| &r.state).collect();
        if states.iter().any(|state| state.schema != states[0].schema) {
            return Err(HistoryError::Schemas(parents).into());
        }
        let view = View::union(changelog.store(), states.iter().map(|state| &state.view));
        let base = State { view, ..states[0].clone() };
        let draft = Mutex::new(Draft::in_memory(Arc::clone(changelog.store())));
        let edits = carry_out(&plan, &base, &states, &draft)?;
        let schema = Arc::clone(&base.schema);
        let edited = apply(draft.into_inner(), &base, &schema, edits, None)?;
        let time = parents.last().map_or(0, |newest| newest.time) + 1;
        let finished = edited.finished;
        let embedded = if finished.embedded { finished.bundle_bytes() } else { Bytes::new() };
        let changes = ListPlace::Here(ChangeList::default().encode());
        let note = Note::default();
        let revision = Revision { parents, time, wall: time, note, state: edited.state, changes, embedded };
        Ok(Merged { revision, finished })
    }

    /// The merged state, readable before it is written.
    pub(super) fn state(&self) -> State {
        self.revision.state.clone()
    }

    /// Makes the merge durable. After a failure it may be tried again.
    pub(super) fn put(&self, changelog: &Changelog) -> Result<Stamp, CollectionError> {
        self.finished.put_kept()?;
        Ok(changelog.put(&self.revision)?)
    }
}

/// The labels that change on top of the first head's state.
fn carry_out(
    plan: &Plan,
    base: &State,
    states: &[&State],
    draft: &Mutex<Draft>,
) -> Result<Edits, CollectionError> {
    let mut edits = Edits::new();
    let mut placed = Vec::new();
    let labels = plan.series.iter().flat_map(|series| series.labels.iter().cloned()).collect();
    let heads = states.iter().map(|state| state.entries_of(&labels)).collect::<Result<Vec<_>, _>>()?;
    for series in &plan.series {
        let found: Vec<Option<&Entry>> = heads.iter().map(|entries| entry_in(entries, series)).collect();
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

/// The series of a plan as a head has it, under one of the labels it had.
fn entry_in<'a>(entries: &'a HashMap<String, Entry>, series: &SeriesPlan) -> Option<&'a Entry> {
    series.labels.iter().filter_map(|label| entries.get(label)).find(|entry| entry.id == series.id)
}

fn merge_series(
    series: &SeriesPlan,
    found: &[Option<&Entry>],
    base: &State,
    draft: &Mutex<Draft>,
) -> Result<Option<NewEntry>, CollectionError> {
    let Some(from) = series.base(found.len(), |head| found[head].is_some()) else { return Ok(None) };
    let Some(entry) = found[from] else { return Ok(None) };
    let mut parts: Vec<Part<'_>> = Vec::new();
    for (interval, winner) in &series.pieces {
        if winner.in_head(from) {
            continue;
        }
        let source = match winner {
            Winner::Dropped => None,
            Winner::Heads(heads) => heads.iter().find_map(|&h| found[h]).map(|e| &e.segments),
        };
        parts.push(Part { interval: Interval::clone(interval), source });
    }
    Ok(Some(splice(&base.view, &base.schema, series.id, &entry.segments, &parts, draft)?))
}
