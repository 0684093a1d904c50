//! The rows of a write, taken piece by piece.
//!
//! The one gate that all rows pass on their way into a series: index values have a length the index can
//! hold, and lie where the write says.

use super::RowsError;
use super::same::Same;
use crate::data::frame;
use crate::data::key::{self, Keys};
use crate::data::schema::Schema;
use crate::data::sort::Sorted;
use crate::history::segment::Segment;
use crate::interval::{Interval, Key};
use arrow_array::RecordBatch;
use std::any::Any;
use std::sync::Arc;

/// Sorted rows, taken up to an index value.
pub(super) struct Feed {
    schema: Arc<Schema>,
    rows: Sorted,
    /// The range of an overlay: rows outside of it would stand where they do not belong.
    within: Option<Interval>,
    current: Option<(RecordBatch, Keys)>,
}

impl Feed {
    /// The rows of a write.
    pub(super) fn new(schema: &Arc<Schema>, rows: Sorted, within: Option<Interval>) -> Feed {
        Feed { schema: Arc::clone(schema), rows, within, current: None }
    }

    /// The first and the last index value; none where there are no rows. The first rows have passed the gate then.
    pub(super) fn span(&mut self) -> Result<Option<(Key, Key)>, RowsError> {
        if self.rows.known().is_none() {
            self.fill()?;
        }
        Ok(self.rows.span().map(|(first, last)| (first.clone(), last.clone())))
    }

    fn fill(&mut self) -> Result<(), RowsError> {
        while self.current.is_none() {
            match self.rows.next_frame()? {
                None => return Ok(()),
                Some(frame) if frame.num_rows() == 0 => {}
                Some(frame) => {
                    frame::check(&self.schema, &frame)?;
                    let keys = Keys::of_frame(&self.schema, &frame);
                    self.check(&keys)?;
                    self.current = Some((frame, keys));
                }
            }
        }
        Ok(())
    }

    fn check(&self, keys: &Keys) -> Result<(), RowsError> {
        let Some(within) = &self.within else { return Ok(()) };
        let mut ends = [keys.key(0), keys.key(keys.rows() - 1)].into_iter();
        ends.find(|key| !within.contains(key)).map_or(Ok(()), |key| {
            let at = key::show(&self.schema, &key);
            Err(RowsError::Refused(format!("the row at {at} lies outside of the range to be written")))
        })
    }

    /// Takes the rows before `end`, without a look at them, where they are known to be those of `segment`. Tells
    /// whether they are.
    pub(super) fn skip_same(&mut self, segment: &Segment, end: Option<&[u8]>) -> bool {
        let Some(known) = self.rows.known().filter(|_| self.current.is_none()) else { return false };
        let same = (known as &dyn Any).downcast_ref::<Same>().is_some_and(|same| same.segment == *segment);
        let gate = self.within.as_ref();
        let passes =
            gate.is_none_or(|within| within.contains(&segment.first) && within.contains(&segment.last));
        same && passes && self.rows.skip_known(end)
    }

    /// Whether rows before `end` are left.
    pub(super) fn has_before(&mut self, end: Option<&[u8]>) -> Result<bool, RowsError> {
        // Known rows of what comes later are left alone: the next one asked about may be they.
        let later = |first: &Key| end.is_some_and(|end| end <= first.as_slice());
        if self.current.is_none() && self.rows.known().is_some_and(|known| later(known.span().0)) {
            return Ok(false);
        }
        self.fill()?;
        Ok(self.current.as_ref().is_some_and(|(_, keys)| end.is_none_or(|end| keys.key(0).as_slice() < end)))
    }

    /// About `rows` rows before `end`; never parts rows of equal index.
    pub(super) fn take_before(
        &mut self,
        end: Option<&[u8]>,
        rows: usize,
    ) -> Result<Option<RecordBatch>, RowsError> {
        let mut parts: Vec<RecordBatch> = Vec::new();
        let mut count = 0;
        while self.has_before(end)? {
            let Some((frame, keys)) = self.current.take() else { break };
            let stop = end.map_or(keys.rows(), |end| keys.lower_bound(end));
            let mut take = stop.min(rows.saturating_sub(count).max(1));
            take = keys.run_end(take - 1).min(stop);
            if count >= rows {
                // Only what belongs to the last row taken: equal index values stay together.
                let last = parts.last().map(|part| Keys::of_frame(&self.schema, part));
                let equal = last.is_some_and(|last| last.cmp(last.rows() - 1, &keys, 0).is_eq());
                take = if equal { keys.run_end(0).min(stop) } else { 0 };
            }
            if take > 0 {
                parts.push(frame.slice(0, take));
                count += take;
            }
            if take < keys.rows() {
                let rest = frame.slice(take, keys.rows() - take);
                let keys = Keys::of_frame(&self.schema, &rest);
                self.current = Some((rest, keys));
                if count >= rows || take == stop {
                    break;
                }
            }
        }
        match parts.len() {
            0 => Ok(None),
            1 => Ok(parts.pop()),
            _ => Ok(Some(arrow_select::concat::concat_batches(&parts[0].schema(), &parts)?)),
        }
    }
}
