//! What a set of revisions must read as, told from what each of them reads as alone.

use crate::support::{SeriesRows, series};
use lakota::clock::Stamp;
use lakota::collection::{At, Collection};
use lakota::history::entry::SeriesId;
use lakota::interval::Key;
use std::collections::{BTreeMap, BTreeSet};

/// Label and rows of each series, by id.
pub(super) type States = BTreeMap<SeriesId, (String, SeriesRows)>;

/// Reads a whole state.
pub(super) fn read_state(collection: &Collection, at: At) -> States {
    let list = collection.list(at).unwrap().into_iter();
    list.map(|s| (s.id, (s.label.clone(), series(collection, &s.label, at)))).collect()
}

/// What a revision did to a series.
#[derive(Debug, Default)]
struct Change {
    dropped: bool,
    created: bool,
    label: Option<String>,
    keys: BTreeMap<Key, Vec<String>>,
}

/// What each revision that is no merge did, told by comparing it with its parent.
#[derive(Debug, Default)]
pub(super) struct Model {
    changes: BTreeMap<Stamp, BTreeMap<SeriesId, Change>>,
}

impl Model {
    /// Notes a revision that was just made.
    pub(super) fn learn(&mut self, collection: &Collection, stamp: Stamp) {
        let log = collection.changelog().log().unwrap();
        let revision = collection.changelog().read(&log, stamp).unwrap();
        let before = read_state(collection, At::Revision(revision.parents[0]));
        let after = read_state(collection, At::Revision(stamp));
        let again: BTreeSet<SeriesId> = revision
            .change_list()
            .unwrap()
            .series
            .iter()
            .filter(|change| change.dropped && change.created)
            .map(|change| change.id)
            .collect();
        let mut changes = BTreeMap::new();
        for id in before.keys().chain(after.keys()) {
            let dropped = !after.contains_key(id) || again.contains(id);
            let created = after.contains_key(id) && (!before.contains_key(id) || again.contains(id));
            let label = after
                .get(id)
                .map(|s| &s.0)
                .filter(|label| created || before.get(id).is_some_and(|s| s.0 != **label));
            let change = Change {
                dropped,
                created,
                label: label.cloned(),
                keys: differences(before.get(id), after.get(id)),
            };
            if dropped || created || change.label.is_some() || !change.keys.is_empty() {
                changes.insert(*id, change);
            }
        }
        self.changes.insert(stamp, changes);
    }

    /// The state of a set of revisions: label and rows by id.
    fn state(&self, known: &BTreeSet<Stamp>) -> BTreeMap<SeriesId, (String, SeriesRows)> {
        let mut state: BTreeMap<SeriesId, (bool, String, SeriesRows)> = BTreeMap::new();
        for (_, changes) in self.changes.iter().filter(|(stamp, _)| known.contains(stamp)) {
            for (id, change) in changes {
                let (alive, label, rows) = state.entry(*id).or_default();
                if change.dropped {
                    rows.clear();
                    *alive = false;
                }
                for (key, lines) in &change.keys {
                    match lines.as_slice() {
                        [] => drop(rows.remove(key)),
                        lines => drop(rows.insert(key.clone(), lines.to_vec())),
                    }
                }
                *alive |= change.created || !(change.keys.is_empty() || change.dropped);
                change.label.iter().for_each(|new| label.clone_from(new));
            }
        }
        let alive = state.into_iter().filter(|(_, (alive, _, _))| *alive);
        alive.map(|(id, (_, label, rows))| (id, (label, rows))).collect()
    }

    /// Compares what was read with what must be. Of labels that clashed once, `label~id` is as good.
    pub(super) fn check(&self, known: &BTreeSet<Stamp>, found: &States, collection: &Collection) {
        let wanted = self.state(known);
        let rows = |states: &States| -> BTreeMap<SeriesId, SeriesRows> {
            states.iter().map(|(id, (_, rows))| (*id, rows.clone())).collect()
        };
        assert_eq!(rows(found), rows(&wanted), "{:?}", self.changes);
        let mut labels: BTreeSet<&str> = BTreeSet::new();
        for (id, (label, _)) in found {
            assert!(labels.insert(label), "two series are labelled {label}");
            let base = wanted[id].0.split('~').next().unwrap();
            assert_eq!(label.split('~').next().unwrap(), base, "{:?}", self.changes);
            if let Some((_, suffix)) = label.split_once('~') {
                assert!(id.to_string().starts_with(suffix));
            }
            let entry = collection.find(&collection.state(At::Newest).unwrap(), label).unwrap();
            assert_eq!(entry.id, *id);
        }
    }
}

/// The index values whose rows differ, with the rows they have afterwards.
fn differences(
    before: Option<&(String, SeriesRows)>,
    after: Option<&(String, SeriesRows)>,
) -> BTreeMap<Key, Vec<String>> {
    let none = SeriesRows::new();
    let (before, after) = (before.map_or(&none, |s| &s.1), after.map_or(&none, |s| &s.1));
    let keys: BTreeSet<&Key> = before.keys().chain(after.keys()).collect();
    let changed = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
    changed.map(|key| (key.clone(), after.get(key).cloned().unwrap_or_default())).collect()
}
