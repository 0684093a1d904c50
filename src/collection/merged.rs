//! The merge of several heads as a state: the plan of `history::merge`, carried out.
//!
//! A pure function of the heads: whoever computes it gets the same bytes, so it may be written by anybody,
//! any number of times.

use super::CollectionError;
use crate::clock::{Stamp, time_after};
use crate::data::schema::Schema;
use crate::history::changelog::{Changelog, HistoryError, Log};
use crate::history::edit::{Edits, NewEntry, apply};
use crate::history::entry::{Entry, Segments, SeriesId};
use crate::history::merge::{Plan, SeriesPlan, Winner, part_labels, plan, step};
use crate::history::revision::{ChangeList, ListPlace, Note, Revision};
use crate::history::state::State;
use crate::interval::Interval;
use crate::series::convert::Converter;
use crate::series::splice::{Source, splice_from};
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
    schema: Arc<Schema>,
    /// The head whose state the merge's is made of: the first that has its columns, so that least is converted.
    first: usize,
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
        let states = || revisions.iter().map(|revision| &revision.state);
        let schema = match &plan.columns {
            Some(columns) => Arc::clone(&columns.schema),
            None if states().any(|state| state.schema != revisions[0].state.schema) => {
                return Err(HistoryError::Schemas(parents).into());
            }
            None => Arc::clone(&revisions[0].state.schema),
        };
        let fits = |head: &usize| plan.columns.as_ref().is_none_or(|columns| columns.keeps(*head));
        let first = (0..parents.len()).find(fits).unwrap_or(0);
        let view = View::union(changelog.store(), states().map(|state| &state.view));
        Ok(Union { parents, revisions, plan, schema, first, view, merged: Mutex::default() })
    }

    /// The state of the head that the merge is made of, reading what all heads hold.
    pub(super) fn base(&self) -> State {
        State { view: self.view.clone(), ..self.revisions[self.first].state.clone() }
    }

    /// Whether the columns of some head are not those of the merge: even with equal names they may be others.
    pub(super) fn is_recolumned(&self) -> bool {
        self.revisions.iter().any(|revision| revision.state.schema != self.schema) || !self.keeps_all()
    }

    /// The columns of the merge.
    pub(super) fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.schema)
    }

    /// Whether the rows of all heads are those of the merge as they are.
    fn keeps_all(&self) -> bool {
        let mut heads = 0..self.parents.len();
        self.plan.columns.as_ref().is_none_or(|columns| heads.all(|head| columns.keeps(head)))
    }

    /// The parts of a series in the merge, ascending: for reading it without carrying the merge out. `None` where
    /// only the whole merge tells.
    pub(super) fn pieces(&self, label: &str) -> Result<Option<Vec<Piece>>, CollectionError> {
        if self.is_recolumned() {
            return Ok(None);
        }
        let Some(series) = self.plan.series.iter().find(|s| s.label.as_deref() == Some(label)) else {
            let entry = self.base().entry(label)?;
            let whole = entry.filter(|entry| self.plan.series.iter().all(|series| series.id != entry.id));
            return Ok(whole.map(|entry| vec![(Interval::ALL, entry.segments)]));
        };
        let heads = self.entries(&[series])?;
        let found: Vec<Option<&Entry>> = heads.iter().map(|entries| entries.get(&series.id)).collect();
        let Some((from, parts)) = parts(series, &found).filter(|(_, parts)| parts.len() <= MOST_PIECES)
        else {
            return Ok(None);
        };
        let Some(base) = found[from] else { return Ok(None) };
        let mut pieces = Vec::new();
        let mut at = Vec::new();
        for part in parts {
            let gap = Interval { lo: at, hi: Some(part.interval.lo.clone()) };
            pieces.push((gap, base.segments.clone()));
            let source = part.source.and_then(|head| found[head]);
            pieces.extend(source.map(|entry| (part.interval.clone(), entry.segments.clone())));
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
        let edited = apply(draft.into_inner(), &base, &union.schema, edits, None)?;
        let parents = union.parents.clone();
        let time = time_after(0, parents.last().map_or(0, |newest| newest.time))?;
        let finished = edited.finished;
        let embedded = if finished.embedded { finished.bundle_bytes() } else { Bytes::new() };
        // Who looks at one head sees other columns then.
        let list = ChangeList { schema: union.is_recolumned(), ..ChangeList::default() };
        let changes = ListPlace::Here(list.encode().map_err(HistoryError::from)?);
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

/// The labels that change on top of the state of the head that the merge is made of.
fn carry_out(union: &Union, base: &State, draft: &Mutex<Draft>) -> Result<Edits, CollectionError> {
    let plan = &union.plan;
    let mut edits = Edits::new();
    let mut placed = Vec::new();
    let converters = union.converters(draft);
    let heads = union.entries(&plan.series.iter().collect::<Vec<_>>())?;
    for series in &plan.series {
        let found: Vec<Option<&Entry>> = heads.iter().map(|entries| entries.get(&series.id)).collect();
        if let Some(entry) = found[union.first] {
            edits.insert(entry.label.clone(), None);
        }
        if let Some(label) = &series.label
            && let Some(entry) = merge_series(union, series, &found, &converters, draft)?
        {
            placed.push((label.clone(), entry));
        }
    }
    let as_it_is = |entry: Entry| -> Result<NewEntry, CollectionError> {
        let convert = converters.get(union.first);
        let segments = convert.map_or_else(|| Ok(entry.segments.clone()), |c| c.segments(&entry.segments))?;
        Ok(NewEntry::keep(entry.id, segments))
    };
    for (label, entry) in placed {
        // A series that did not change since the heads parted gives way to one that took its label.
        if !edits.contains_key(&label)
            && let Some(other) = base.entry(&label)?
            && other.id != entry.id
        {
            let beside = crate::history::merge::beside(&label, other.id);
            edits.insert(beside, Some(as_it_is(other)?));
        }
        edits.insert(label, Some(entry));
    }
    if converters.get(union.first).is_some_and(|convert| !convert.keeps_all()) {
        for entry in base.entries()? {
            if !edits.contains_key(&entry.label) {
                edits.insert(entry.label.clone(), Some(as_it_is(entry)?));
            }
        }
    }
    Ok(edits)
}

impl Union {
    /// What makes the rows of each head those of the merge; none where all are as they are.
    fn converters<'a>(&'a self, draft: &'a Mutex<Draft>) -> Vec<Converter<'a>> {
        let Some(columns) = self.plan.columns.as_ref().filter(|_| !self.keeps_all()) else {
            return Vec::new();
        };
        let heads = self.revisions.iter().zip(&columns.mappings);
        heads
            .map(|(revision, mapping)| {
                Converter::new(&self.view, (&revision.state.schema, &self.schema), mapping, draft)
            })
            .collect()
    }
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

/// A part of a series: from a head; none: there are no rows.
struct HeadPart {
    interval: Interval,
    source: Option<usize>,
}

/// The head to start from, and the parts to take from elsewhere; none where no head has the series.
fn parts(series: &SeriesPlan, found: &[Option<&Entry>]) -> Option<(usize, Vec<HeadPart>)> {
    let from = series.base(found.len(), |head| found[head].is_some())?;
    let foreign = series.pieces.iter().filter(|(_, winner)| !winner.in_head(from));
    let parts = foreign.map(|(interval, winner)| {
        let source = match winner {
            Winner::Dropped => None,
            Winner::Heads(heads) => heads.iter().copied().find(|&head| found[head].is_some()),
        };
        HeadPart { interval: interval.clone(), source }
    });
    Some((from, parts.collect()))
}

fn merge_series(
    union: &Union,
    series: &SeriesPlan,
    found: &[Option<&Entry>],
    converters: &[Converter<'_>],
    draft: &Mutex<Draft>,
) -> Result<Option<NewEntry>, CollectionError> {
    let Some((from, parts)) = parts(series, found) else { return Ok(None) };
    let source = |head: usize| {
        found[head].map(|entry| Source { segments: &entry.segments, convert: converters.get(head) })
    };
    let Some(base) = source(from) else { return Ok(None) };
    let parts: Vec<_> = parts.iter().map(|part| (&part.interval, part.source.and_then(source))).collect();
    Ok(Some(splice_from((&union.view, &union.schema), series.id, base, &parts, draft)?))
}
