//! What heads disagree on: the heads there are, and what their merge overrides.

use super::{Collection, CollectionError};
use crate::clock::Stamp;
use crate::data::alter::Mapping;
use crate::data::schema::Schema;
use crate::history::changelog::HistoryError;
use crate::history::merge::overrides::{Overrides, overrides};
use crate::history::merge::{columns_since, step};
use std::sync::Arc;

impl Collection {
    /// The revisions without children, oldest first; none where nothing was ever written.
    pub fn newest(&self) -> Result<Vec<Stamp>, CollectionError> {
        Ok(self.changelog.heads(&*self.changelog.log()?)?)
    }

    /// The columns of the merge of `heads`, where one of them has others; the merge is not carried out.
    ///
    /// Fails where the heads cannot be merged.
    pub fn merged_columns(&self, heads: &[Stamp]) -> Result<Option<Arc<Schema>>, CollectionError> {
        if heads.len() < 2 {
            return Ok(None);
        }
        let union = self.union(&*self.changelog.log()?, heads)?;
        Ok(union.is_recolumned().then(|| union.schema()))
    }

    /// What alterations made of the columns of `from` in the columns of `to`, a later revision that follows it; none
    /// where that cannot be told: history was trimmed, or the one does not follow the other.
    pub fn columns_since(&self, from: Stamp, to: Stamp) -> Result<Option<Mapping>, CollectionError> {
        let log = self.changelog.log()?;
        let found = columns_since(from, to, &mut |stamp| step(&self.changelog, &log, stamp));
        match found {
            Err(HistoryError::Gone(_)) => Ok(None),
            Err(e) if e.is_unmergeable() => Ok(None),
            found => Ok(found?),
        }
    }

    /// The changes of some of `heads` that their merge overrides by later ones, at most `most` of them.
    ///
    /// Fails where the heads cannot be merged.
    pub fn overrides(&self, heads: &[Stamp], most: usize) -> Result<Overrides, CollectionError> {
        let log = self.changelog.log()?;
        let mut heads = heads.to_vec();
        heads.sort_unstable();
        Ok(overrides(&heads, most, &mut |stamp| step(&self.changelog, &log, stamp))?)
    }
}
