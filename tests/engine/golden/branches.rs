//! Two repositories of a scenario, and by hand what the merge of theirs must be: of each index value, what was set last.
//!
//! The original lets the branch that was created later win whole, wherever both wrote. Here the later edit wins, value
//! by value; so the two may differ, but only in rows that both branches changed.

use crate::support::SeriesRows;
use lakota::interval::{Interval, Key};
use std::collections::{BTreeMap, BTreeSet};

/// All series.
pub(super) type State = BTreeMap<String, SeriesRows>;

/// When each index value was set last, and to which rows; none where it was deleted.
#[derive(Debug, Clone, Default)]
pub(super) struct Edits {
    series: BTreeSet<String>,
    set: BTreeMap<(String, Key), (u64, Vec<String>)>,
    /// What was written since the branches parted, also where that changed nothing.
    covered: Vec<(String, Interval)>,
}

fn rows<'a>(state: &'a State, series: &str, key: &Key) -> Option<&'a Vec<String>> {
    state.get(series)?.get(key)
}

impl Edits {
    /// Notes what a revision of this time changed.
    pub(super) fn note(&mut self, time: u64, before: &State, after: &State) {
        self.series = after.keys().cloned().collect();
        let all = |state: &State| -> Vec<(String, Key)> {
            let keys =
                state.iter().flat_map(|(label, rows)| rows.keys().map(|key| (label.clone(), key.clone())));
            keys.collect()
        };
        for (label, key) in all(before).into_iter().chain(all(after)) {
            let (old, new) = (rows(before, &label, &key), rows(after, &label, &key));
            if old != new {
                self.set.insert((label, key), (time, new.cloned().unwrap_or_default()));
            }
        }
    }

    /// What both have.
    pub(super) fn merge(&self, other: &Edits) -> Edits {
        let mut merged = self.clone();
        merged.series.extend(other.series.iter().cloned());
        for (place, set) in &other.set {
            let mine = merged.set.entry(place.clone()).or_insert_with(|| set.clone());
            if mine.0 < set.0 {
                mine.clone_from(set);
            }
        }
        merged
    }

    /// Two branches part here.
    pub(super) fn part(&mut self) {
        self.covered.clear();
    }

    /// Notes what a write was about.
    pub(super) fn cover(&mut self, ranges: Vec<(String, Interval)>) {
        self.covered.extend(ranges);
    }

    /// Whether a write of this branch was about an index value.
    pub(super) fn covers(&self, (label, key): &(String, Key)) -> bool {
        self.covered.iter().any(|(of, range)| of == label && range.contains(key))
    }

    /// The state that follows.
    pub(super) fn state(&self) -> State {
        let mut state: State = self.series.iter().map(|label| (label.clone(), SeriesRows::new())).collect();
        for ((label, key), (_, rows)) in self.set.iter().filter(|(_, (_, rows))| !rows.is_empty()) {
            state.entry(label.clone()).or_default().insert(key.clone(), rows.clone());
        }
        state
    }
}

/// The index values at which two states differ.
pub(super) fn difference(a: &State, b: &State) -> BTreeSet<(String, Key)> {
    let mut edits = Edits::default();
    edits.note(0, a, b);
    edits.set.into_keys().collect()
}
