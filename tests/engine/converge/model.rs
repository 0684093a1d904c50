//! What a set of revisions must read as, told from what each of them did by itself: also beside columns that were
//! altered, and where most of the revisions are nowhere any more.
//!
//! A column is known by the name it was given first, up to an `r`: each name is given once, renames append to it.

use crate::support::keyed;
use lakota::clock::Stamp;
use lakota::collection::{At, Collection, CollectionError};
use lakota::data::schema::Schema;
use lakota::history::entry::SeriesId;
use lakota::interval::Key;
use lakota::series::read::Query;
use std::collections::{BTreeMap, BTreeSet};

/// The values of a row, by column.
type Cells = BTreeMap<String, String>;

/// Rows by index value, in their order.
type Rows = BTreeMap<Key, Vec<Cells>>;

/// A state as it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The names of the columns.
    pub(super) columns: BTreeMap<String, String>,
    /// Label and rows of each series.
    pub(super) series: BTreeMap<SeriesId, (String, Rows)>,
}

/// The column that a name means.
fn origin(name: &str) -> String {
    name.split('r').next().unwrap().to_owned()
}

/// Reads a whole state.
pub(super) fn read(collection: &Collection, at: At) -> Result<State, CollectionError> {
    let schema = collection.state(at)?.schema;
    let columns = columns(&schema);
    let mut series = BTreeMap::new();
    for summary in collection.list(at)? {
        let frame = collection.read(&summary.label, at, &Query::default())?.collect_frame()?;
        let mut rows = Rows::new();
        for (key, line) in keyed(&schema, &frame) {
            let values = line.trim_end().split(',').map(str::to_owned);
            let names = schema.columns().iter().map(|column| origin(&column.name));
            rows.entry(key).or_default().push(names.zip(values).collect());
        }
        series.insert(summary.id, (summary.label, rows));
    }
    Ok(State { columns, series })
}

fn columns(schema: &Schema) -> BTreeMap<String, String> {
    schema.columns().iter().map(|column| (origin(&column.name), column.name.clone())).collect()
}

/// What a revision did to a series.
#[derive(Debug, Default)]
struct Change {
    dropped: bool,
    created: bool,
    label: Option<String>,
    keys: Rows,
}

/// What a revision did.
#[derive(Debug, Default)]
struct Revision {
    parents: Vec<Stamp>,
    altered: bool,
    /// Columns that it added or renamed.
    names: BTreeMap<String, String>,
    without: BTreeSet<String>,
    changes: BTreeMap<SeriesId, Change>,
}

/// All revisions that there ever were, and what they did.
#[derive(Debug, Default)]
pub(super) struct Model {
    revisions: BTreeMap<Stamp, Revision>,
    /// The default of each column.
    pub(super) defaults: BTreeMap<String, String>,
}

impl Model {
    pub(super) fn knows(&self, stamp: Stamp) -> bool {
        self.revisions.contains_key(&stamp)
    }

    pub(super) fn is_merge(&self, stamp: Stamp) -> bool {
        self.revisions[&stamp].parents.len() != 1
    }

    /// Notes a revision whose parent is there still.
    pub(super) fn learn(&mut self, collection: &Collection, stamp: Stamp) {
        let log = collection.changelog().unhidden_log().unwrap();
        let file = collection.changelog().read(&log, stamp).unwrap();
        let mut revision = Revision { parents: file.parents.clone(), ..Revision::default() };
        if file.parents.len() == 1 {
            let before = read_there(collection, file.parents[0]);
            let after = read_there(collection, stamp);
            revision.altered = before.columns != after.columns;
            let there = |(name, label): &(&String, &String)| before.columns.get(*name) != Some(*label);
            revision.names =
                after.columns.iter().filter(there).map(|(a, b)| (a.clone(), b.clone())).collect();
            let gone = before.columns.keys().filter(|name| !after.columns.contains_key(*name));
            revision.without = gone.cloned().collect();
            let list = file.change_list().unwrap();
            let again = list.series.iter().filter(|c| c.dropped && c.created).map(|c| c.id).collect();
            self.compare(&mut revision, &before, &after, &again);
        }
        self.revisions.insert(stamp, revision);
    }

    fn compare(&self, revision: &mut Revision, before: &State, after: &State, again: &BTreeSet<SeriesId>) {
        let ids: BTreeSet<SeriesId> = before.series.keys().chain(after.series.keys()).copied().collect();
        for id in ids {
            let (old, new) = (before.series.get(&id), after.series.get(&id));
            let created = new.is_some() && (old.is_none() || again.contains(&id));
            let relabelled = new.filter(|new| created || old.is_some_and(|old| old.0 != new.0));
            let old = old.filter(|_| !again.contains(&id)).map(|old| self.converted(&old.1, &after.columns));
            let change = Change {
                dropped: new.is_none() || again.contains(&id),
                created,
                label: relabelled.map(|new| new.0.clone()),
                keys: differences(&old.unwrap_or_default(), new.map_or(&Rows::new(), |new| &new.1)),
            };
            if change.dropped || created || change.label.is_some() || !change.keys.is_empty() {
                revision.changes.insert(id, change);
            }
        }
    }

    /// Rows with other columns.
    fn converted(&self, rows: &Rows, columns: &BTreeMap<String, String>) -> Rows {
        let cell = |cells: &Cells, name: &String| {
            let value = cells.get(name).unwrap_or_else(|| &self.defaults[name]);
            (name.clone(), value.clone())
        };
        let one = |cells: &Cells| columns.keys().map(|name| cell(cells, name)).collect();
        rows.iter().map(|(key, rows)| (key.clone(), rows.iter().map(one).collect())).collect()
    }

    /// The revisions and all that came before them.
    pub(super) fn closure(&self, of: impl IntoIterator<Item = Stamp>) -> BTreeSet<Stamp> {
        let mut all = BTreeSet::new();
        let mut open: Vec<Stamp> = of.into_iter().collect();
        while let Some(stamp) = open.pop() {
            if all.insert(stamp) {
                open.extend(&self.revisions[&stamp].parents);
            }
        }
        all
    }

    /// Those of some revisions that none of the others follow.
    pub(super) fn heads(&self, of: &BTreeSet<Stamp>) -> Vec<Stamp> {
        let parents: BTreeSet<Stamp> =
            of.iter().flat_map(|stamp| self.revisions[stamp].parents.iter().copied()).collect();
        of.difference(&parents).copied().collect()
    }

    /// What of revisions that are all there ever was the merge of some heads may have to read: all from the oldest on
    /// that some head lacks; where columns were altered since, all that ever was.
    pub(super) fn needed(&self, heads: &[Stamp]) -> BTreeSet<Stamp> {
        let each: Vec<BTreeSet<Stamp>> = heads.iter().map(|head| self.closure([*head])).collect();
        let all: BTreeSet<Stamp> = each.iter().flatten().copied().collect();
        let lacked = |stamp: &&Stamp| each.iter().any(|one| !one.contains(*stamp));
        let Some(oldest) = all.iter().find(lacked).copied() else { return BTreeSet::new() };
        let altered = all.range(oldest..).any(|stamp| self.revisions[stamp].altered);
        if altered { all } else { all.range(oldest..).copied().collect() }
    }

    /// What a set of revisions reads as.
    pub(super) fn state(&self, known: &BTreeSet<Stamp>) -> State {
        let mut columns = BTreeMap::from([("k", "k"), ("v", "v")].map(|(a, b)| (a.to_owned(), b.to_owned())));
        let mut without = BTreeSet::new();
        let mut series: BTreeMap<SeriesId, (bool, String, Rows)> = BTreeMap::new();
        for revision in known.iter().map(|stamp| &self.revisions[stamp]) {
            columns.extend(revision.names.clone());
            without.extend(revision.without.clone());
            for (id, change) in &revision.changes {
                let (alive, label, rows) = series.entry(*id).or_default();
                if change.dropped {
                    rows.clear();
                    *alive = false;
                }
                for (key, cells) in &change.keys {
                    match cells.as_slice() {
                        [] => drop(rows.remove(key)),
                        cells => drop(rows.insert(key.clone(), cells.to_vec())),
                    }
                }
                *alive |= change.created || !(change.keys.is_empty() || change.dropped);
                change.label.iter().for_each(|new| label.clone_from(new));
            }
        }
        columns.retain(|name, _| !without.contains(name));
        let alive = series.into_iter().filter(|(_, (alive, _, _))| *alive);
        let series =
            alive.map(|(id, (_, label, rows))| (id, (label, self.converted(&rows, &columns)))).collect();
        State { columns, series }
    }

    /// Compares what was read with what a set of revisions must read as. Of labels that clashed once, `label~id` is
    /// as good.
    pub(super) fn check(&self, known: &BTreeSet<Stamp>, found: &State, what: &str) {
        let wanted = self.state(known);
        assert_eq!(found.columns, wanted.columns, "{what}");
        let rows = |state: &State| -> BTreeMap<SeriesId, Rows> {
            state.series.iter().map(|(id, (_, rows))| (*id, rows.clone())).collect()
        };
        assert_eq!(rows(found), rows(&wanted), "{what}");
        let mut labels: BTreeSet<&str> = BTreeSet::new();
        for (id, (label, _)) in &found.series {
            assert!(labels.insert(label), "{what}: two series are labelled {label}");
            let base = |label: &str| label.split('~').next().unwrap().to_owned();
            assert_eq!(base(label), base(&wanted.series[id].0), "{what}");
        }
    }
}

fn read_there(collection: &Collection, stamp: Stamp) -> State {
    read(collection, At::Revision(stamp)).unwrap()
}

/// The index values whose rows differ, with the rows they have afterwards.
fn differences(before: &Rows, after: &Rows) -> Rows {
    let keys: BTreeSet<&Key> = before.keys().chain(after.keys()).collect();
    let changed = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
    changed.map(|key| (key.clone(), after.get(key).cloned().unwrap_or_default())).collect()
}
