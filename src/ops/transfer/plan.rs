//! What of one changelog travels: pure looking, nothing is written.
//!
//! What arrives must be readable there: the heads, and whatever merging them with the heads there needs, travel even
//! where a horizon there would hide them. A revision that either side knows to be an ancestor of another is no head.

use super::error::Apart;
use super::{TransferError, What};
use crate::clock::Stamp;
use crate::history::changelog::{Changelog, Forgotten, HistoryError, Horizon, Log};
use crate::history::merge::{self, Step};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A changelog at both ends.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) source: Changelog,
    /// What the source had at first: later revisions travel the next time.
    pub(super) log: Arc<Log>,
    /// With those its horizon hides.
    pub(super) all: Arc<Log>,
    pub(super) dest: Changelog,
    /// Whether the registry there names it, so that gc has spared what its revisions name.
    pub(super) trusted: bool,
    /// Revisions whose tags travel too: they travel even if a horizon there would hide them.
    pub(super) tagged: BTreeSet<Stamp>,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Is put first.
    pub(super) horizon: Option<Horizon>,
    /// Oldest first.
    pub(super) take: Vec<Stamp>,
    /// Whether a part of `take` alone could not be read.
    pub(super) at_once: bool,
    /// Those that must be seen afterwards.
    pub(super) must: BTreeSet<Stamp>,
    /// What is there of other copies, that nothing spared from gc, and will be seen too.
    pub(super) leftover: Vec<Stamp>,
    /// Whether heads may stay that cannot be merged.
    pub(super) unmergeable: bool,
    /// Keys of the horizons there that `horizon` says all of.
    pub(super) replaced: Vec<String>,
}

impl Ends {
    pub(super) fn new(source: Changelog, dest: Changelog, trusted: bool) -> Result<Ends, HistoryError> {
        let (all, log) = source.logs()?;
        Ok(Ends { source, log, all, dest, trusted, tagged: BTreeSet::new() })
    }

    /// Plans the copy; `now` in milliseconds since 1970-01-01 UTC. Fails where the two sides cannot be merged.
    pub(super) fn plan(&self, what: &What, now: u64) -> Result<Plan, TransferError> {
        let shallow = what.shallow;
        let theirs = self.source.heads(&self.log)?;
        if theirs.is_empty() {
            return Ok(Plan::default());
        }
        let (all, log) = self.dest.logs()?;
        let there = There { log, all, trusted: self.trusted };
        let ours = self.dest.heads(&there.log)?;
        let mut must = self.must(&there, &theirs, &ours, what.unmergeable)?;
        must.extend(self.tagged.iter().copied().filter(|stamp| self.log.contains(*stamp)));
        let base = self.base_horizon(&there, shallow, &must);
        let take = self.take(&there, shallow, &must, &base);
        let taken: BTreeSet<Stamp> = take.iter().copied().collect();
        let missing = self.missing(&there, &taken);
        // One that fills a gap there could be taken for a head until the gap is filled.
        let fills = there.log.missing().any(|(gap, _)| take.first().is_some_and(|first| *first <= gap));
        let at_once = !missing.is_empty() || fills;
        let mut horizon = Horizon { made: now, ..base.clone() };
        horizon.kept.extend(must.iter().copied().filter(|stamp| base.hides(*stamp)));
        horizon.kept.sort_unstable();
        let lonely = self.lonely(&taken);
        if !missing.is_empty() || !lonely.is_empty() || (shallow && !take.is_empty()) {
            horizon.forgot = self.forgot(shallow, (&taken, &lonely), &there, &ours, missing, &horizon.kept);
            let is_there = |head: &Stamp| taken.contains(head) || there.log.contains(*head);
            horizon.above = theirs.iter().copied().filter(is_there).collect();
        }
        let known = &there.log.horizon;
        if horizon.time == known.time {
            // What it hides has been hidden since then.
            horizon.made = known.made;
        }
        let news = horizon.time > known.time
            || horizon.kept.iter().any(|stamp| known.hides(*stamp))
            || !known.forgot.contains_all(&horizon.forgot);
        let foreign = |stamp: &Stamp| !there.trusted && !self.all.contains(*stamp);
        let leftover = there.log.stamps().filter(foreign).collect();
        let same = horizon.time == known.time && !horizon.forgot.is_empty();
        let replaced = if same { there.log.horizon_keys.clone() } else { Vec::new() };
        let (horizon, unmergeable) = (news.then_some(horizon), what.unmergeable);
        Ok(Plan { horizon, take, at_once, must, leftover, unmergeable, replaced })
    }

    /// The heads that come, and what the merge of all heads needs.
    fn must(
        &self,
        there: &There,
        theirs: &[Stamp],
        ours: &[Stamp],
        unmergeable: bool,
    ) -> Result<BTreeSet<Stamp>, TransferError> {
        let past_here = |stamp: Stamp| is_past(&self.log, &self.all, stamp);
        let past_there = |stamp: Stamp| is_past(&there.log, &there.all, stamp);
        let new: BTreeSet<Stamp> = theirs.iter().copied().filter(|head| !past_there(*head)).collect();
        let stay = ours.iter().copied().filter(|head| !past_here(*head));
        let heads: Vec<Stamp> =
            new.iter().copied().chain(stay).collect::<BTreeSet<_>>().into_iter().collect();
        let mut load = |stamp| self.step(there, stamp);
        let why = match merge::needed(&heads, &mut load) {
            Err(error) if unmergeable && error.is_unmergeable() => return Ok(new),
            Err(HistoryError::Unmergeable { missing, .. }) => Apart::Lost(missing),
            Err(HistoryError::Schemas(_)) => Apart::Columns,
            needed => return Ok(needed?.into_iter().chain(new).collect()),
        };
        let (there, from) = (ours.to_vec(), theirs.to_vec());
        Err(match merge::needed(theirs, &mut load) {
            Ok(_) => TransferError::Diverged { there, from, why },
            Err(_) => TransferError::Apart { from, why },
        })
    }

    /// Reads what a merge needs of a revision wherever it still is.
    fn step(&self, there: &There, stamp: Stamp) -> Result<Option<Step>, HistoryError> {
        if self.all.contains(stamp)
            && let Ok(Some(step)) = merge::step(&self.source, &self.all, stamp)
        {
            return Ok(Some(step));
        }
        match there.all.contains(stamp) {
            true => merge::step(&self.dest, &there.all, stamp),
            false => Ok(None),
        }
    }

    /// The horizon there; where nothing is there yet, the source's, or the one of a shallow copy.
    fn base_horizon(&self, there: &There, shallow: bool, must: &BTreeSet<Stamp>) -> Horizon {
        let known = if there.log.is_empty() { &self.log.horizon } else { &there.log.horizon };
        let mut base = Horizon { time: known.time, kept: known.kept.clone(), ..Horizon::default() };
        if shallow && there.log.is_empty() {
            base.kept.clear();
            base.time = must.last().map_or(0, |newest| newest.time);
        }
        // A copy that was begun may have left a later one.
        base.time = base.time.max(there.log.horizon.time);
        base
    }

    fn take(&self, there: &There, shallow: bool, must: &BTreeSet<Stamp>, base: &Horizon) -> Vec<Stamp> {
        let mut take: BTreeSet<Stamp> = must.iter().copied().filter(|s| self.all.contains(*s)).collect();
        if !shallow {
            take.extend(self.log.stamps().filter(|stamp| !base.hides(*stamp)));
        }
        // What came before, when nothing spared it from gc, is looked at again.
        take.extend(there.log.stamps().filter(|s| !there.trusted && self.all.contains(*s)));
        take.retain(|stamp| !there.has(*stamp, self.all.parents(*stamp).unwrap_or_default()));
        take.into_iter().collect()
    }

    /// The parents that will not be there.
    fn missing(&self, there: &There, taken: &BTreeSet<Stamp>) -> BTreeSet<Stamp> {
        let parents = taken.iter().flat_map(|stamp| self.all.parents(*stamp).unwrap_or_default());
        parents.copied().filter(|parent| !taken.contains(parent) && !there.log.contains(*parent)).collect()
    }

    /// What comes without any of its children: it would seem a head.
    fn lonely(&self, taken: &BTreeSet<Stamp>) -> BTreeSet<Stamp> {
        let parents = taken.iter().flat_map(|stamp| self.all.parents(*stamp).unwrap_or_default());
        let named: BTreeSet<Stamp> = parents.copied().collect();
        taken.difference(&named).copied().filter(|stamp| is_past(&self.log, &self.all, *stamp)).collect()
    }

    /// What must be known there as ancestors, since what comes between does not travel.
    ///
    /// With what is known there already: so one horizon can say what all before it said.
    fn forgot(
        &self,
        shallow: bool,
        (taken, lonely): (&BTreeSet<Stamp>, &BTreeSet<Stamp>),
        there: &There,
        ours: &[Stamp],
        missing: BTreeSet<Stamp>,
        kept: &[Stamp],
    ) -> Forgotten {
        let mut forgot = self.log.horizon.forgot.clone();
        forgot.extend(&there.log.horizon.forgot);
        // Also what a horizon there hides: a third place may have one of them as its head, and copy from there.
        let left_out = |stamp: &Stamp| {
            shallow || lonely.contains(stamp) || !(taken.contains(stamp) || there.log.contains(*stamp))
        };
        forgot.add(self.log.stamps().filter(|stamp| left_out(stamp) && self.log.is_past(*stamp)));
        let past = ours.iter().copied().filter(|head| is_past(&self.log, &self.all, *head));
        let needed: Vec<Stamp> = missing.into_iter().chain(past).collect();
        forgot.add(needed.iter().copied());
        let gaps = there.log.missing().map(|(parent, _)| parent);
        let lean = gaps.chain(there.log.forgotten_heads()).chain(kept.iter().copied());
        forgot.cut(needed.into_iter().chain(lean).collect::<Vec<_>>())
    }

    /// Sees to it that what came is not hidden by a trim that ran meanwhile, nor what merging it needs.
    pub(super) fn settle(
        &self,
        must: &BTreeSet<Stamp>,
        unmergeable: bool,
        now: u64,
    ) -> Result<(), TransferError> {
        loop {
            let (all, log) = self.dest.logs()?;
            if let Some(gone) = must.iter().find(|stamp| !all.contains(**stamp)) {
                return Err(HistoryError::Gone(*gone).into());
            }
            let mut wanted = must.clone();
            let mut heads = self.dest.heads(&log)?;
            heads
                .extend(wanted.iter().copied().filter(|stamp| !log.contains(*stamp) && !all.is_past(*stamp)));
            heads.sort_unstable();
            let needed = merge::needed(&heads, &mut |stamp| match all.contains(stamp) {
                true => merge::step(&self.dest, &all, stamp),
                false => Ok(None),
            });
            let mut apart = None;
            match needed {
                // What came must not stay hidden for it.
                Err(error) if error.is_unmergeable() => apart = Some(error).filter(|_| !unmergeable),
                needed => wanted.extend(needed?),
            }
            let kept: Vec<Stamp> = wanted.into_iter().filter(|stamp| log.horizon.hides(*stamp)).collect();
            if kept.is_empty() {
                return apart.map_or(Ok(()), |error| Err(error.into()));
            }
            let time = log.horizon.time;
            self.dest.put_horizon(&Horizon { time, kept, made: now, ..Horizon::default() })?;
        }
    }
}

/// The end that revisions go to.
struct There {
    log: Arc<Log>,
    all: Arc<Log>,
    trusted: bool,
}

impl There {
    /// Whether a revision is there with all of its files: a copy that was cut short may have left some of a merge.
    fn has(&self, stamp: Stamp, parents: &[Stamp]) -> bool {
        let known = self.log.parents(stamp).unwrap_or_default();
        self.trusted && self.log.contains(stamp) && parents.iter().all(|parent| known.contains(parent))
    }
}

/// Whether a revision is known as an ancestor: by its children, by what was forgotten, or by children that a trim hid
/// with it. One that is hidden without any is none: a copy may have been cut short while a trim ran.
fn is_past(log: &Log, all: &Log, stamp: Stamp) -> bool {
    log.is_past(stamp) || (log.horizon.hides(stamp) && all.is_past(stamp))
}
