//! Parts of a series taken by index range, as segments: what a merge is made of.
//!
//! Whole segments stay as they are; where a range cuts one, the rows inside are encoded as a segment of their
//! own, so that every reference is to a whole chunk.

use super::RowsError;
use super::encode::{SegmentWriter, TARGET_ROWS};
use super::read;
use crate::data::key::Keys;
use crate::data::schema::Schema;
use crate::history::edit::NewEntry;
use crate::history::entry::{Segments, SeriesId};
use crate::history::segment::Segment;
use crate::interval::Interval;
use crate::store::View;
use crate::store::draft::Draft;
use arrow_array::RecordBatch;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// Where a part of a series comes from.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// Its index values.
    pub interval: Interval,
    /// The series that has its rows; none: there are no rows.
    pub source: Option<&'a Segments>,
}

/// The series `base` with `parts` (ascending, disjoint) taken from elsewhere. `view` reads all of them.
pub fn splice(
    view: &View,
    schema: &Arc<Schema>,
    id: SeriesId,
    base: &Segments,
    parts: &[Part<'_>],
    draft: &Mutex<Draft>,
) -> Result<NewEntry, RowsError> {
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
        return Ok(NewEntry::keep(id, base.clone()));
    };
    let hull = Interval { lo: first.interval.lo.clone(), hi: last.interval.hi.clone() };
    let located = base.locate(view, &hull)?;
    // Always the same size: a merge is a function of its heads alone.
    let mut out = SegmentWriter::new(Arc::clone(schema), draft, TARGET_ROWS);
    let mut recent = Recent { view, schema, decoded: VecDeque::new() };
    let mut at = Vec::new();
    for part in parts {
        let gap = Interval { lo: at, hi: Some(part.interval.lo.clone()) };
        recent.take(&located.segments, &gap, &mut out)?;
        if let Some(source) = part.source {
            let segments = source.locate(view, &part.interval)?.segments;
            recent.take(&segments, &part.interval, &mut out)?;
        }
        match &part.interval.hi {
            Some(hi) => at = hi.clone(),
            None => {
                return Ok(NewEntry {
                    id,
                    base: base.clone(),
                    replaced: located.range(),
                    with: out.finish()?,
                });
            }
        }
    }
    recent.take(&located.segments, &Interval { lo: at, hi: None }, &mut out)?;
    Ok(NewEntry { id, base: base.clone(), replaced: located.range(), with: out.finish()? })
}

/// Segments decoded lately: many small parts in turn are cut from the same few.
struct Recent<'a> {
    view: &'a View,
    schema: &'a Arc<Schema>,
    decoded: VecDeque<(Segment, RecordBatch)>,
}

/// Decoded segments kept: of the base, and of a few heads.
const RECENT: usize = 4;

impl Recent<'_> {
    /// Adds the rows of `segments` in `interval`.
    fn take(
        &mut self,
        segments: &[Segment],
        interval: &Interval,
        out: &mut SegmentWriter<'_>,
    ) -> Result<(), RowsError> {
        for segment in segments {
            if interval.covers(&segment.span()) {
                out.reuse(segment.clone())?;
            } else if interval.overlaps(&segment.span()) {
                let frame = self.decode(segment)?;
                let rows = Keys::of(self.schema, &frame).rows_in(interval);
                out.push(frame.slice(rows.start, rows.len()))?;
            }
        }
        Ok(())
    }

    fn decode(&mut self, segment: &Segment) -> Result<RecordBatch, RowsError> {
        if let Some((_, frame)) = self.decoded.iter().find(|(known, _)| known == segment) {
            return Ok(frame.clone());
        }
        let frame = read::whole(self.view, self.schema, segment)?;
        self.decoded.truncate(RECENT - 1);
        self.decoded.push_front((segment.clone(), frame.clone()));
        Ok(frame)
    }
}
