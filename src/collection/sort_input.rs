//! Input on its way into a collection: sorted, in memory or through runs in the spool.

use super::{Collection, CollectionError, Context};
use crate::data::input::InputError;
use crate::data::schema::Schema;
use crate::data::sort::chain::Chain;
use crate::data::sort::{Sorted, Sorter};
use crate::history::state::State;
use crate::series::RowsError;
use crate::series::same::Matcher;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use std::sync::Arc;

impl Collection {
    fn sorter(&self, schema: &Arc<Schema>, arrow: SchemaRef) -> Sorter {
        let Context { spool, spool_limit, .. } = self.context();
        Sorter::new(Arc::clone(schema), arrow, spool.clone(), *spool_limit)
    }

    /// Sorts frames that come one by one, all of the same columns of `schema`; fails on the first that is an error.
    /// Gives how many rows there are, too.
    ///
    /// Beyond [`Context::spool_limit`], sorted runs lie in [`Context::spool`].
    pub fn sort(
        &self,
        schema: &Arc<Schema>,
        frames: impl Iterator<Item = Result<RecordBatch, InputError>>,
    ) -> Result<(Sorted, u64), CollectionError> {
        let mut sorting: Option<Sorter> = None;
        for frame in frames {
            let frame = frame.map_err(RowsError::from)?;
            let arrow = frame.schema();
            let sorter = sorting.get_or_insert_with(|| self.sorter(schema, arrow));
            sorter.push(frame).map_err(RowsError::from)?;
        }
        ended(sorting.unwrap_or_else(|| self.sorter(schema, Arc::clone(schema.arrow()))))
    }

    /// As [`Collection::sort`], of rows that are to be written to a series of `state`.
    ///
    /// Where they come in order, those that the series has already are not kept but named: what a save of few
    /// changes takes is the memory of the changes, and its write compares nothing again.
    pub fn sort_onto(
        &self,
        state: &State,
        label: &str,
        mut frames: impl Iterator<Item = Result<RecordBatch, InputError>>,
    ) -> Result<(Sorted, u64), CollectionError> {
        let State { schema, view, .. } = state;
        let Some(entry) = state.entry(label)? else { return self.sort(schema, frames) };
        let Context { spool, spool_limit, .. } = self.context();
        let chain = Chain::new(Arc::clone(schema), spool.clone(), *spool_limit);
        let mut matcher = Matcher::new(view, schema, &entry.segments, chain);
        while let Some(frame) = frames.next() {
            if let Some(stray) = matcher.push(frame.map_err(RowsError::from)?)? {
                let mut sorter = self.sorter(schema, stray.schema());
                matcher.pour(&mut sorter)?;
                for frame in std::iter::once(Ok(stray)).chain(frames) {
                    sorter.push(frame.map_err(RowsError::from)?).map_err(RowsError::from)?;
                }
                return ended(sorter);
            }
        }
        Ok(matcher.finish()?)
    }
}

fn ended(sorter: Sorter) -> Result<(Sorted, u64), CollectionError> {
    let rows = sorter.rows();
    Ok((sorter.finish().map_err(RowsError::from)?, rows))
}
