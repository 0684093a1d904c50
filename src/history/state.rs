//! A commit: the whole state of a collection, its schema and its series.
//!
//! Reading only; new states come from `edit.rs`.

use super::entry::{Entry, SeriesId, Summary};
use super::tree::{Child, Leaf, Sums, Tree, differing};
use crate::data::schema::Schema;
use crate::store::{StoreError, View};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

/// The state of a collection at a revision, or of the merge of several.
#[derive(Debug, Clone)]
pub struct State {
    /// Columns of all series.
    pub schema: Arc<Schema>,
    /// Series by label; none where there are none.
    pub tree: Option<Tree>,
    /// Where its bytes are read.
    pub view: View,
}

/// A series in two states, where it is in them.
pub type Pair = (Option<Entry>, Option<Entry>);

impl State {
    /// The series of that label.
    pub fn entry(&self, label: &str) -> Result<Option<Entry>, StoreError> {
        Ok(self.around(label)?.into_iter().find(|entry| entry.label == label))
    }

    /// The id of the series of that label: of its node, the head alone is read.
    pub fn id(&self, label: &str) -> Result<Option<SeriesId>, StoreError> {
        let mut found = None;
        self.list(label, |summary| {
            // The label itself comes before all longer ones.
            if summary.label == label {
                found = Some(summary.id);
            }
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// A series by its id, under whatever label; `hint` is one that it probably has.
    pub fn entry_of(&self, id: SeriesId, hint: &str) -> Result<Option<Entry>, StoreError> {
        if let Some(entry) = self.entry(hint)?.filter(|entry| entry.id == id) {
            return Ok(Some(entry));
        }
        let mut label = None;
        self.list("", |summary| {
            if summary.id == id {
                label = Some(summary.label);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        label.map_or(Ok(None), |label| self.entry(&label))
    }

    /// The series that differ between this state and a later one, by id: as they are here, and as they are there. Equal
    /// parts of the index are not read.
    pub fn differing(&self, later: &State) -> Result<Vec<Pair>, StoreError> {
        let sides = ((&self.view, self.tree.as_ref()), (&later.view, later.tree.as_ref()));
        let (old, new) = differing::<Entry>(sides.0, sides.1, &|_| true)?;
        let mut pairs: BTreeMap<SeriesId, Pair> = BTreeMap::new();
        for entry in old {
            pairs.insert(entry.id, (Some(entry), None));
        }
        for entry in new {
            let pair = pairs.entry(entry.id).or_default();
            pair.1 = Some(entry);
        }
        let mut pairs: Vec<Pair> = pairs.into_values().filter(|(old, new)| old != new).collect();
        let label = |pair: &Pair| pair.1.as_ref().or(pair.0.as_ref()).map(|entry| entry.label.clone());
        pairs.sort_by_cached_key(label);
        Ok(pairs)
    }

    /// The series that lie in the node of that label, in order: they come along when one of them is read.
    pub fn around(&self, label: &str) -> Result<Vec<Entry>, StoreError> {
        let mut found = Vec::new();
        let key = label.as_bytes();
        let wanted = |child: &Child| child.key.as_slice() <= key && key <= child.last.as_slice();
        self.scan(wanted, |entry| {
            found.push(entry);
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// The series of those labels that there are.
    pub fn entries_of(&self, labels: &BTreeSet<String>) -> Result<HashMap<String, Entry>, StoreError> {
        let mut found = HashMap::new();
        let by_key: BTreeSet<Vec<u8>> = labels.iter().map(|label| label.clone().into_bytes()).collect();
        let within = |child: &Child| {
            let range = (Bound::Included(child.key.as_slice()), Bound::Included(child.last.as_slice()));
            by_key.range::<[u8], _>(range).next().is_some()
        };
        self.scan(within, |entry: Entry| {
            if labels.contains(&entry.label) {
                found.insert(entry.label.clone(), entry);
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// All series whole, by label.
    pub fn entries(&self) -> Result<Vec<Entry>, StoreError> {
        let mut found = Vec::new();
        self.scan(
            |_| true,
            |entry| {
                found.push(entry);
                ControlFlow::Continue(())
            },
        )?;
        Ok(found)
    }

    /// Calls `visit` for the series whose labels start with `prefix`, by label, until it breaks.
    pub fn list(
        &self,
        prefix: &str,
        mut visit: impl FnMut(Summary) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let prefix = prefix.as_bytes();
        let before = |key: &[u8]| &key[..key.len().min(prefix.len())] < prefix;
        let after = |key: &[u8]| &key[..key.len().min(prefix.len())] > prefix;
        self.scan(
            |child| !before(&child.last) && !after(&child.key),
            |summary: Summary| {
                if summary.label.as_bytes().starts_with(prefix) {
                    visit(summary)
                } else {
                    ControlFlow::Continue(())
                }
            },
        )
    }

    fn scan<T: Leaf>(
        &self,
        wanted: impl Fn(&Child) -> bool,
        mut visit: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let Some(tree) = &self.tree else { return Ok(()) };
        let done = std::cell::Cell::new(false);
        tree.scan::<T>(&self.view, &mut |child, _| !done.get() && wanted(child), &mut |item, _| {
            if !done.get() && visit(item).is_break() {
                done.set(true);
            }
            Ok(())
        })
    }

    /// What all series add up to.
    #[must_use]
    pub fn sums(&self) -> Sums {
        self.tree.as_ref().map(|tree| tree.root.sums).unwrap_or_default()
    }

    /// The ids of series whose label would not give them: few, or none.
    pub fn renamed_ids(&self) -> Result<Vec<SeriesId>, StoreError> {
        let mut ids = Vec::new();
        self.scan(
            |child| child.sums.renamed > 0,
            |summary: Summary| {
                if summary.sums.renamed > 0 {
                    ids.push(summary.id);
                }
                ControlFlow::Continue(())
            },
        )?;
        Ok(ids)
    }
}
