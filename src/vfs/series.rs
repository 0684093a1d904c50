//! A series as what is below its folder knows it: its collection, its identity, its label.

use super::catalog::CachedCollection;
use crate::collection::CollectionError;
use crate::history::entry::SeriesId;
use std::ops::ControlFlow;
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

impl Series {
    /// The series of a label in a collection's newest state.
    pub fn find(cached: &Arc<CachedCollection>, label: &str) -> Result<Option<Series>, CollectionError> {
        let now = cached.now()?;
        let id = now.state.id(label)?;
        Ok(id.map(|id| Series { cached: Arc::clone(cached), id, label: label.into() }))
    }

    /// The series of an identity, in hex, whatever its label is in the collection's newest state.
    pub fn find_id(cached: &Arc<CachedCollection>, id: &str) -> Result<Option<Series>, CollectionError> {
        let now = cached.now()?;
        let mut found = None;
        now.state.list("", |summary| {
            if summary.id.to_string() == id {
                let label = summary.label.into();
                found = Some(Series { cached: Arc::clone(cached), id: summary.id, label });
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }
}
