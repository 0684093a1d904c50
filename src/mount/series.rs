//! A series as what is below its folder knows it: its collection, its identity, its label.

use super::catalog::Shelf;
use super::number::number;
use crate::history::entry::SeriesId;
use std::sync::Arc;

/// A series of a collection: what the folders below it know.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its collection.
    pub shelf: Arc<Shelf>,
    /// What it is whatever its label.
    pub id: SeriesId,
    /// The label under which it was looked up.
    pub label: Arc<str>,
}

impl Series {
    /// The number of something of this series that `parts` tell from all else of it.
    pub(super) fn number(&self, kind: &str, parts: &[&[u8]]) -> u64 {
        let (id, shelf) = (self.id.to_string(), self.shelf.key());
        let mut all: Vec<&[u8]> = vec![kind.as_bytes(), shelf.as_bytes(), id.as_bytes()];
        all.extend_from_slice(parts);
        let removed = self.shelf.removed(self.id).to_le_bytes();
        if removed != [0; 8] {
            all.push(&removed);
        }
        number(&all)
    }
}
