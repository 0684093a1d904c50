//! A series as what is below its folder knows it: its collection, its identity, its label.

use super::catalog::CachedCollection;
use crate::history::entry::SeriesId;
use std::sync::Arc;

/// A series of a collection: what the folders below it know.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its collection.
    pub cached: Arc<CachedCollection>,
    /// What it is whatever its label.
    pub id: SeriesId,
    /// The label under which it was looked up.
    pub label: Arc<str>,
}
