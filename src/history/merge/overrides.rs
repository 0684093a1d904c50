//! What a merge overrides: changes of one head that a later change of another, which did not know of them, covers.
//!
//! Pure, as the plan of the merge is, and of the same change lists. Nothing of it is lost: the head that made a change
//! holds it still.

use super::beside;
use super::parting::{Load, Mask, Parting};
use crate::clock::Stamp;
use crate::history::changelog::HistoryError;
use crate::history::entry::SeriesId;
use crate::history::revision::SeriesChange;
use crate::interval::{Interval, IntervalMap};
use std::collections::{BTreeMap, HashMap};

/// What of a series is overridden.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// Its label: the one that it does not get.
    Label(String),
    /// Rows, or their absence: from a key to a key; none: without end.
    Rows(Vec<u8>, Option<Vec<u8>>),
}

impl Aspect {
    /// The index values, where it is rows.
    #[must_use]
    pub fn interval(&self) -> Option<Interval> {
        match self {
            Aspect::Rows(lo, hi) => Some(Interval { lo: lo.clone(), hi: hi.clone() }),
            Aspect::Label(_) => None,
        }
    }
}

/// A change that has no effect in a merge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Override {
    /// Label of the series, as it was set last.
    pub label: String,
    /// The series.
    pub series: SeriesId,
    /// What of it.
    pub what: Aspect,
    /// The revision whose change it was.
    pub lost: Stamp,
    /// The revision whose change stands.
    pub by: Stamp,
}

/// What a merge overrides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// By label, then by index value; not all, where they are many.
    pub listed: Vec<Override>,
    /// How many are not listed.
    pub more: usize,
}

/// What the merge of `heads` (sorted) overrides; at most `most` are listed.
pub fn overrides(heads: &[Stamp], most: usize, load: Load<'_>) -> Result<Overrides, HistoryError> {
    if heads.len() < 2 {
        return Ok(Overrides::default());
    }
    let parting = Parting::of(heads, load)?;
    let mut masks: HashMap<Stamp, Mask> = HashMap::new();
    let mut pasts: BTreeMap<SeriesId, Past> = BTreeMap::new();
    for met in parting.since {
        let holders: Vec<usize> = (0..heads.len()).filter(|&head| met.mask.has(head)).collect();
        for change in met.step.changes.series {
            pasts.entry(change.id).or_insert_with(|| Past::new(heads.len())).add(met.stamp, &holders, change);
        }
        masks.insert(met.stamp, met.mask);
    }
    let blind = |lost: Stamp, by: Stamp| match (masks.get(&lost), masks.get(&by)) {
        (Some(lost), Some(by)) => (0..heads.len()).any(|head| by.has(head) && !lost.has(head)),
        _ => false,
    };
    let mut found = Overrides { listed: taken(&pasts, &blind), more: 0 };
    for (id, past) in pasts {
        found.listed.extend(past.overridden(id, &blind));
        if found.listed.len() > most.max(1024).saturating_mul(4) {
            found.cut(most);
        }
    }
    found.cut(most);
    Ok(found)
}

/// The labels that series do not get because others took them.
fn taken(pasts: &BTreeMap<SeriesId, Past>, blind: &dyn Fn(Stamp, Stamp) -> bool) -> Vec<Override> {
    let set = |(id, past): (&SeriesId, &Past)| {
        let (stamp, label) = past.all.label.as_ref().filter(|_| past.lives())?;
        Some((label.clone(), *stamp, *id))
    };
    let mut by_label: BTreeMap<String, Vec<(Stamp, SeriesId)>> = BTreeMap::new();
    for (label, stamp, id) in pasts.iter().filter_map(set) {
        by_label.entry(label).or_default().push((stamp, id));
    }
    let mut found = Vec::new();
    for (label, series) in by_label {
        let Some((by, keeper)) = series.iter().copied().max() else { continue };
        let lost = series.into_iter().filter(|(lost, id)| *id != keeper && blind(*lost, by));
        found.extend(lost.map(|(lost, series)| {
            let what = Aspect::Label(label.clone());
            Override { label: beside(&label, series), series, what, lost, by }
        }));
    }
    found
}

impl Overrides {
    /// Keeps the first `most`, and counts the others.
    fn cut(&mut self, most: usize) {
        let beyond = self.listed.len().saturating_sub(most);
        self.listed.sort();
        self.listed.truncate(most);
        self.more += beyond;
    }
}

/// Who set what of a series last: in each head, and in all.
struct Past {
    seen: String,
    heads: Vec<Set>,
    all: Set,
    touched: Option<Stamp>,
    dropped: Option<Stamp>,
}

#[derive(Clone, Default)]
struct Set {
    label: Option<(Stamp, String)>,
    rows: IntervalMap<Stamp>,
}

impl Past {
    fn new(heads: usize) -> Past {
        let (heads, all) = (vec![Set::default(); heads], Set::default());
        Past { seen: String::new(), heads, all, touched: None, dropped: None }
    }

    /// Whether the merge has the series.
    fn lives(&self) -> bool {
        self.dropped.is_none_or(|dropped| self.touched.is_some_and(|touched| touched >= dropped))
    }

    fn add(&mut self, stamp: Stamp, holders: &[usize], change: SeriesChange) {
        let sets = self.heads.iter_mut().enumerate().filter(|(head, _)| holders.contains(head));
        for set in sets.map(|(_, set)| set).chain([&mut self.all]) {
            if change.dropped {
                set.rows.assign(&Interval::ALL, stamp);
            }
            change.intervals.iter().for_each(|interval| set.rows.assign(&interval, stamp));
            if change.created || change.renamed_from.is_some() {
                set.label = Some((stamp, change.label.clone()));
            }
        }
        if change.dropped {
            self.dropped = Some(stamp);
        }
        if change.created || !(change.intervals.is_empty() || change.dropped) {
            self.touched = Some(stamp);
        }
        self.seen = change.label;
    }

    fn overridden(self, series: SeriesId, blind: &dyn Fn(Stamp, Stamp) -> bool) -> Vec<Override> {
        let label = self.all.label.as_ref().map_or(&self.seen, |(_, label)| label);
        let one = |what, lost, by| Override { label: label.clone(), series, what, lost, by };
        let mut found = Vec::new();
        // Several heads may have the same change: together they are one.
        let mut rows: BTreeMap<(Stamp, Stamp), IntervalMap<()>> = BTreeMap::new();
        let all = self.all.rows.pieces();
        for head in &self.heads {
            if let (Some((lost, old)), Some((by, new))) = (&head.label, &self.all.label)
                && old != new
                && blind(*lost, *by)
            {
                found.push(one(Aspect::Label(old.clone()), *lost, *by));
            }
            for (both, lost, by) in overlaps(&head.rows.pieces(), &all) {
                if lost != by && blind(lost, by) {
                    rows.entry((lost, by)).or_default().assign(&both, ());
                }
            }
        }
        for ((lost, by), map) in rows {
            let pieces = map.pieces().into_iter();
            found.extend(pieces.map(|(Interval { lo, hi }, ())| one(Aspect::Rows(lo, hi), lost, by)));
        }
        found.sort();
        found.dedup();
        found
    }
}

/// What two lists of pieces, each ascending, have in common.
fn overlaps(a: &[(Interval, Stamp)], b: &[(Interval, Stamp)]) -> Vec<(Interval, Stamp, Stamp)> {
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    while let (Some((x, lost)), Some((y, by))) = (a.get(i), b.get(j)) {
        let both = x.intersect(y);
        if !both.is_empty() {
            out.push((both, *lost, *by));
        }
        match (&x.hi, &y.hi) {
            (Some(x), Some(y)) if x <= y => i += 1,
            (Some(_), None) => i += 1,
            _ => j += 1,
        }
    }
    out
}
