//! Which revisions changed each series: what a look at one series' history needs.
//!
//! Made from the change lists of all revisions, brought up to date with those that came since. The rule behind
//! every answer: of the changes of a series among the ancestors of a revision, the greatest stamp is the one
//! that made it what it is there. So a merge counts as a change of the series that no parent has whole. A revision
//! that cannot be read is as one that was trimmed: what it changed shows as changes of the next ones.

use super::CollectionError;
use crate::clock::Stamp;
use crate::history::changelog::{Changelog, HistoryError, Log};
use crate::history::entry::SeriesId;
use crate::history::revision::{ChangeList, Revision, SeriesChange};
use crate::store::StoreError;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Revisions whose change lists are in memory at once while a timeline is made.
const AT_ONCE: usize = 64;

/// The changes of all series of a collection.
#[derive(Debug, Default)]
pub struct Timeline {
    /// In the order they were added: parents first.
    revisions: Vec<Known>,
    /// Numbers of revisions by stamp.
    order: Vec<u32>,
    /// Of each revision: how many parents are known, their numbers, the numbers of the series it changed.
    links: Vec<u32>,
    /// Series by number.
    series: Vec<Past>,
    series_numbers: HashMap<SeriesId, u32>,
    /// The newest revision that set the columns, or the oldest there is.
    schema: Option<Stamp>,
    /// Revisions that cannot be read, and why.
    lost: BTreeMap<Stamp, String>,
    /// Parents that were not there: trimmed, or put while a listing was under way that found their children.
    lacking: HashSet<Stamp>,
    epoch: u64,
}

/// A revision. What it takes is a floor under the memory of every mount, so it has no allocation of its own.
#[derive(Debug)]
struct Known {
    stamp: Stamp,
    /// Behind the last of its links.
    end: usize,
}

/// The changes of a series: four bytes each, since a collection may have millions.
#[derive(Debug)]
struct Past {
    id: SeriesId,
    entries: Vec<Entry>,
    /// Labels it has had.
    labels: Vec<Arc<str>>,
}

impl Past {
    fn memory(&self) -> usize {
        let labels: usize = self.labels.iter().map(|label| label.len() + size_of::<[usize; 4]>()).sum();
        self.entries.capacity() * size_of::<Entry>() + labels
    }
}

/// Makes room for some more, an eighth at least: what doubles leaves a half empty.
fn make_room<T>(list: &mut Vec<T>, more: usize) {
    if list.capacity() - list.len() < more {
        list.reserve_exact(more.max(list.len() / 8));
    }
}

/// The number of a revision, and what it did.
#[derive(Debug, Clone, Copy)]
struct Entry(u32);

impl Entry {
    const fn new(revision: u32, kind: Kind) -> Entry {
        Entry(revision << 2 | kind as u32)
    }

    const fn revision(self) -> u32 {
        self.0 >> 2
    }

    const fn kind(self) -> Kind {
        match self.0 & 3 {
            0 => Kind::Created,
            1 => Kind::Changed,
            _ => Kind::Dropped,
        }
    }
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The series came to be, without rows.
    Created,
    /// Its rows or its label changed.
    Changed,
    /// It ended.
    Dropped,
}

/// A change of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The revision.
    pub stamp: Stamp,
    /// What it did.
    pub kind: Kind,
}

/// What one revision did, as far as a timeline cares.
struct Step {
    stamp: Stamp,
    parents: Vec<Stamp>,
    series: Vec<(SeriesId, String, Kind)>,
    schema: bool,
}

impl Timeline {
    /// How many revisions it knows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.revisions.len()
    }

    /// Whether it knows none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.revisions.is_empty()
    }

    /// How often it was made anew: what it said before about a revision may not be so any more.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The revision that set the columns last, as far as is known.
    #[must_use]
    pub const fn schema(&self) -> Option<Stamp> {
        self.schema
    }

    /// The revisions that cannot be read, and why.
    #[must_use]
    pub const fn lost(&self) -> &BTreeMap<Stamp, String> {
        &self.lost
    }

    /// Whether it knows a revision.
    #[must_use]
    pub fn knows(&self, stamp: Stamp) -> bool {
        self.number_of(stamp).is_some()
    }

    fn number_of(&self, stamp: Stamp) -> Option<u32> {
        let stamp_of = |number: &u32| self.revisions[*number as usize].stamp;
        self.order.binary_search_by_key(&stamp, stamp_of).ok().map(|at| self.order[at])
    }

    /// The known parents of a revision, and the series it changed.
    fn links(&self, number: u32) -> (&[u32], &[u32]) {
        let number = number as usize;
        let first = number.checked_sub(1).map_or(0, |before| self.revisions[before].end);
        let links = &self.links[first..self.revisions[number].end];
        let (count, links) = links.split_first().unwrap_or((&0, &[]));
        links.split_at(*count as usize)
    }

    /// The revisions of a log that are not known. Both lists are sorted.
    fn unknown(&self, log: &Log) -> Vec<Stamp> {
        let mut known = self.order.iter().map(|number| self.revisions[*number as usize].stamp).peekable();
        let is_new = |stamp: &Stamp| {
            while known.next_if(|known| known < stamp).is_some() {}
            known.next_if_eq(stamp).is_none()
        };
        log.stamps().filter(is_new).collect()
    }

    /// About how many bytes it takes in memory.
    #[must_use]
    pub fn memory(&self) -> usize {
        let of_series: usize = self.series.iter().map(Past::memory).sum();
        self.revisions.capacity() * size_of::<Known>()
            + (self.order.capacity() + self.links.capacity()) * size_of::<u32>()
            + self.series.capacity() * size_of::<Past>()
            + self.series_numbers.capacity() * size_of::<(SeriesId, u32)>()
            + self.lacking.capacity() * size_of::<Stamp>()
            + of_series
    }

    /// Adds the revisions of `log` that are not known yet; makes everything anew where known ones went, and where
    /// something came that others were missing.
    pub fn update(&mut self, changelog: &Changelog, log: &Log) -> Result<(), CollectionError> {
        let mut new = self.unknown(log);
        let late = |stamp: &Stamp| self.lacking.contains(stamp);
        let found = |stamp: &Stamp| step(changelog, log, *stamp).is_ok();
        if self.len() + new.len() != log.len() || new.iter().any(late) || self.lost.keys().any(found) {
            *self = Timeline { epoch: self.epoch + 1, ..Timeline::default() };
            new = self.unknown(log);
            self.revisions.reserve_exact(new.len());
            self.order.reserve_exact(new.len());
        }
        let many = new.len() > AT_ONCE;
        for some in new.chunks(AT_ONCE) {
            let steps: Vec<Result<Step, CollectionError>> =
                some.par_iter().map(|stamp| step(changelog, log, *stamp)).collect();
            for (stamp, read) in some.iter().zip(steps) {
                let step = read.and_then(|step| self.complete(changelog, log, step));
                let step = step.or_else(|error| self.lose(log, *stamp, error))?;
                self.add(step);
            }
        }
        if many {
            changelog.rest();
        }
        Ok(())
    }

    /// Adds what a parent that cannot be read may have changed, and what a merge changed.
    fn complete(&self, changelog: &Changelog, log: &Log, mut step: Step) -> Result<Step, CollectionError> {
        if step.parents.iter().any(|parent| self.lost.contains_key(parent)) {
            add_all(changelog.read(log, step.stamp)?.as_ref(), &mut step.series)?;
        }
        let mut parted = self.parted(&step.parents);
        step.series.iter().for_each(|(id, ..)| {
            parted.remove(id);
        });
        if !parted.is_empty() {
            step.series.extend(merged(changelog.read(log, step.stamp)?.as_ref(), parted)?);
        }
        Ok(step)
    }

    /// What is known of a revision that cannot be read. Fails where it may be read later: the backend failed.
    fn lose(&mut self, log: &Log, stamp: Stamp, error: CollectionError) -> Result<Step, CollectionError> {
        if !is_damage(&error) {
            return Err(error);
        }
        self.lost.insert(stamp, error.to_string());
        let parents = log.parents(stamp).map(<[Stamp]>::to_vec).unwrap_or_default();
        Ok(Step { stamp, parents, series: Vec::new(), schema: false })
    }

    fn add(&mut self, step: Step) {
        let number = u32::try_from(self.revisions.len()).unwrap_or(u32::MAX);
        let mut parents = Vec::with_capacity(step.parents.len());
        for parent in &step.parents {
            match self.number_of(*parent) {
                Some(number) => parents.push(number),
                None => {
                    self.lacking.insert(*parent);
                }
            }
        }
        let series = step.series;
        if self.schema.is_none_or(|known| step.schema && known < step.stamp) {
            self.schema = Some(step.stamp);
        }
        let mut numbers = Vec::with_capacity(series.len());
        for (id, label, kind) in series {
            let of = self.number(id);
            numbers.push(of);
            let past = &mut self.series[of as usize];
            // Nearly always the end: only another clock's revision comes before what is known.
            let earlier = |entry: &Entry| self.revisions[entry.revision() as usize].stamp < step.stamp;
            let at = past.entries.iter().rposition(earlier).map_or(0, |at| at + 1);
            make_room(&mut past.entries, 1);
            past.entries.insert(at, Entry::new(number, kind));
            if !past.labels.iter().any(|known| **known == *label) {
                past.labels.push(label.into());
            }
        }
        let before = |known: &u32| self.revisions[*known as usize].stamp < step.stamp;
        let at = self.order.iter().rposition(before).map_or(0, |at| at + 1);
        make_room(&mut self.order, 1);
        self.order.insert(at, number);
        make_room(&mut self.links, 1 + parents.len() + numbers.len());
        self.links.push(u32::try_from(parents.len()).unwrap_or(u32::MAX));
        self.links.extend(parents);
        self.links.extend(numbers);
        make_room(&mut self.revisions, 1);
        self.revisions.push(Known { stamp: step.stamp, end: self.links.len() });
    }

    fn number(&mut self, id: SeriesId) -> u32 {
        let next = u32::try_from(self.series.len()).unwrap_or(u32::MAX);
        let number = *self.series_numbers.entry(id).or_insert(next);
        if number == next {
            self.series.push(Past { id, entries: Vec::new(), labels: Vec::new() });
        }
        number
    }

    fn past(&self, id: SeriesId) -> Option<&Past> {
        self.series.get(*self.series_numbers.get(&id)? as usize)
    }

    fn stamp(&self, entry: Entry) -> Stamp {
        self.revisions[entry.revision() as usize].stamp
    }

    fn show(&self, entry: Entry) -> Change {
        Change { stamp: self.stamp(entry), kind: entry.kind() }
    }

    /// The labels a series has had, as far as change lists tell: a merge may have set another.
    pub fn labels(&self, id: SeriesId) -> impl DoubleEndedIterator<Item = &Arc<str>> {
        self.past(id).into_iter().flat_map(|past| &past.labels)
    }

    /// The changes of a series, oldest first.
    pub fn changes(&self, id: SeriesId) -> impl DoubleEndedIterator<Item = Change> + '_ {
        self.past(id).into_iter().flat_map(|past| &past.entries).map(|entry| self.show(*entry))
    }

    /// The newest change of a series among all revisions.
    #[must_use]
    pub fn newest(&self, id: SeriesId) -> Option<Change> {
        Some(self.show(*self.past(id)?.entries.last()?))
    }

    /// The revisions that changed a series and left it alive, oldest first. One that only created it, without rows,
    /// is among them until another follows. `pending` is a merge that changes it and is not written yet.
    #[must_use]
    pub fn alive(&self, id: SeriesId, pending: Option<Stamp>) -> Vec<Stamp> {
        let last = pending.or_else(|| self.newest(id).map(|change| change.stamp));
        let alive = self.changes(id).filter(|change| match change.kind {
            Kind::Created => Some(change.stamp) == last,
            Kind::Changed => true,
            Kind::Dropped => false,
        });
        alive.map(|change| change.stamp).chain(pending).collect()
    }

    /// The changes of a series that revisions of a time made: one, nearly always.
    pub fn changes_at(&self, id: SeriesId, time: u64) -> impl Iterator<Item = Change> + '_ {
        let entries = self.past(id).map(|past| past.entries.as_slice()).unwrap_or_default();
        let first = entries.partition_point(|entry| self.stamp(*entry).time < time);
        let same = entries[first..].iter().take_while(move |entry| self.stamp(**entry).time == time);
        same.map(|entry| self.show(*entry))
    }

    /// The change that made a series what it is at a revision.
    #[must_use]
    pub fn origin(&self, id: SeriesId, at: Stamp) -> Option<Change> {
        let head = self.number_of(at)?;
        let entries = &self.past(id)?.entries;
        let mut earlier = entries.iter().rev().filter(|entry| self.stamp(**entry) <= at);
        let mut ancestors = Ancestors::of(self, head, self.stamp(*entries.first()?));
        earlier.find(|entry| ancestors.has(entry.revision())).map(|entry| self.show(*entry))
    }

    /// The series that none of `heads` has whole: their merge changes them.
    #[must_use]
    pub fn parted(&self, heads: &[Stamp]) -> HashSet<SeriesId> {
        let numbers: Vec<u32> = heads.iter().filter_map(|head| self.number_of(*head)).collect();
        if numbers.len() < 2 { HashSet::new() } else { self.parted_by(&numbers) }
    }

    /// Walks down from the heads, each revision painted with the heads it belongs to, to where all have all.
    fn parted_by(&self, heads: &[u32]) -> HashSet<SeriesId> {
        let words = heads.len().div_ceil(64);
        let mut open: BTreeMap<(Stamp, u32), Vec<u64>> = BTreeMap::new();
        for (i, head) in heads.iter().enumerate() {
            let mask = open.entry(self.key(*head)).or_insert_with(|| vec![0; words]);
            mask[i / 64] |= 1 << (i % 64);
        }
        let full = |mask: &[u64]| mask.iter().map(|w| w.count_ones() as usize).sum::<usize>() == heads.len();
        let mut owners: HashMap<u32, Vec<u64>> = HashMap::new();
        while open.values().any(|mask| !full(mask)) {
            let Some(((_, number), mask)) = open.pop_last() else { break };
            let (parents, series) = self.links(number);
            if !full(&mask) {
                for id in series {
                    let common = owners.entry(*id).or_insert_with(|| vec![u64::MAX; words]);
                    common.iter_mut().zip(&mask).for_each(|(common, mask)| *common &= mask);
                }
            }
            for parent in parents {
                let known = open.entry(self.key(*parent)).or_insert_with(|| vec![0; words]);
                known.iter_mut().zip(&mask).for_each(|(known, mask)| *known |= mask);
            }
        }
        let parted = owners.into_iter().filter(|(_, common)| common.iter().all(|w| *w == 0));
        parted.map(|(number, _)| self.series[number as usize].id).collect()
    }

    fn key(&self, number: u32) -> (Stamp, u32) {
        (self.revisions[number as usize].stamp, number)
    }
}

/// The ancestors of a revision that are not older than a stamp, found as far as they are asked for.
struct Ancestors<'a> {
    timeline: &'a Timeline,
    oldest: Stamp,
    open: Vec<u32>,
    seen: HashSet<u32>,
}

impl Ancestors<'_> {
    fn of(timeline: &Timeline, head: u32, oldest: Stamp) -> Ancestors<'_> {
        Ancestors { timeline, oldest, open: vec![head], seen: HashSet::from([head]) }
    }

    fn has(&mut self, wanted: u32) -> bool {
        while !self.seen.contains(&wanted) {
            let Some(number) = self.open.pop() else { return false };
            for parent in self.timeline.links(number).0 {
                if self.timeline.revisions[*parent as usize].stamp >= self.oldest && self.seen.insert(*parent)
                {
                    self.open.push(*parent);
                }
            }
        }
        true
    }
}

/// The revision so many before the last.
#[must_use]
pub fn nth_last(stamps: &[Stamp], n: u64) -> Option<Stamp> {
    let at = usize::try_from(n).ok().and_then(|n| stamps.len().checked_sub(n.checked_add(1)?))?;
    stamps.get(at).copied()
}

fn step(changelog: &Changelog, log: &Log, stamp: Stamp) -> Result<Step, CollectionError> {
    let revision = changelog.read(log, stamp)?;
    let ChangeList { series, schema, .. } = revision.change_list().map_err(HistoryError::from)?;
    let kind = |one: &SeriesChange| match one {
        SeriesChange { dropped: true, .. } => Kind::Dropped,
        SeriesChange { created: true, rows_after: 0, .. } => Kind::Created,
        _ => Kind::Changed,
    };
    let mut series: Vec<_> = series
        .into_iter()
        .map(|one| {
            let kind = kind(&one);
            (one.id, one.label, kind)
        })
        .collect();
    // Other columns are other files of every series: also where a merge gives them to series of one parent.
    let recolumned = schema && !revision.parents.is_empty();
    if recolumned || revision.parents.iter().any(|parent| !log.contains(*parent)) {
        add_all(revision.as_ref(), &mut series)?;
    }
    Ok(Step { stamp, parents: revision.parents.clone(), series, schema })
}

/// What a merge made of series that no parent has whole: it may have dropped some.
fn merged(
    revision: &Revision,
    mut parted: HashSet<SeriesId>,
) -> Result<Vec<(SeriesId, String, Kind)>, CollectionError> {
    let mut series = Vec::new();
    revision.state.list("", |summary| {
        if parted.remove(&summary.id) {
            series.push((summary.id, summary.label, Kind::Changed));
        }
        if parted.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    series.extend(parted.into_iter().map(|id| (id, String::new(), Kind::Dropped)));
    Ok(series)
}

/// Whether nothing but a repair helps.
const fn is_damage(error: &CollectionError) -> bool {
    use HistoryError::{Damaged, DamagedFile, Gone, Store};
    let CollectionError::History(error) = error else { return false };
    matches!(
        error,
        Damaged(..)
            | DamagedFile { .. }
            | Gone(_)
            | Store(StoreError::Damaged { .. } | StoreError::Missing(_))
    )
}

/// All series change here: or what came before was trimmed, and as far as anybody can tell they begin here.
fn add_all(revision: &Revision, series: &mut Vec<(SeriesId, String, Kind)>) -> Result<(), CollectionError> {
    let listed: HashSet<SeriesId> = series.iter().map(|(id, ..)| *id).collect();
    revision.state.list("", |summary| {
        if !listed.contains(&summary.id) {
            series.push((summary.id, summary.label, Kind::Changed));
        }
        ControlFlow::Continue(())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests;
