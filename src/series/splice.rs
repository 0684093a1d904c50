//! Parts of a series taken by index range, as segments: what a merge is made of.
//!
//! Whole segments stay as they are; where a range cuts one, the rows inside are encoded as a segment of their
//! own, so that every reference is to a whole chunk.

use super::RowsError;
use super::convert::Converter;
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

/// Rows, and what makes the columns of the target of theirs, where these differ.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The rows.
    pub segments: &'a Segments,
    /// Their columns; none: those of the target.
    pub convert: Option<&'a Converter<'a>>,
}

impl<'a> Source<'a> {
    /// Rows with the columns of the target.
    const fn plain(segments: &'a Segments) -> Source<'a> {
        Source { segments, convert: None }
    }
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
    let parts: Vec<_> = parts.iter().map(|part| (&part.interval, part.source.map(Source::plain))).collect();
    splice_from((view, schema), id, Source::plain(base), &parts, draft)
}

/// As [`splice`], of rows that may have other columns than `schema`.
pub fn splice_from(
    (view, schema): (&View, &Arc<Schema>),
    id: SeriesId,
    base: Source<'_>,
    parts: &[(&Interval, Option<Source<'_>>)],
    draft: &Mutex<Draft>,
) -> Result<NewEntry, RowsError> {
    let converted = || base.convert.map_or_else(|| Ok(base.segments.clone()), |c| c.segments(base.segments));
    let (Some((first, _)), Some((last, _))) = (parts.first(), parts.last()) else {
        return Ok(NewEntry::keep(id, converted()?));
    };
    let hull = Interval { lo: first.lo.clone(), hi: last.hi.clone() };
    let located = base.segments.locate(view, &hull)?;
    // Always the same size: a merge is a function of its heads alone.
    let mut out = SegmentWriter::new(Arc::clone(schema), draft, TARGET_ROWS);
    let mut recent = Recent { view, schema, decoded: VecDeque::new() };
    let mut at = Some(Vec::new());
    for (interval, source) in parts {
        let gap = Interval { lo: at.take().unwrap_or_default(), hi: Some(interval.lo.clone()) };
        recent.take((&located.segments, base.convert), &gap, &mut out)?;
        if let Some(source) = source {
            let segments = source.segments.locate(view, interval)?.segments;
            recent.take((&segments, source.convert), interval, &mut out)?;
        }
        at.clone_from(&interval.hi);
        if at.is_none() {
            break;
        }
    }
    if let Some(lo) = at {
        recent.take((&located.segments, base.convert), &Interval { lo, hi: None }, &mut out)?;
    }
    Ok(NewEntry { id, base: converted()?, replaced: located.range(), with: out.finish()? })
}

/// Segments decoded lately: many small parts in turn are cut from the same few.
struct Recent<'a> {
    view: &'a View,
    schema: &'a Arc<Schema>,
    decoded: VecDeque<(Segment, *const (), RecordBatch)>,
}

/// Decoded segments kept: of the base, and of a few heads.
const RECENT: usize = 4;

impl Recent<'_> {
    /// Adds the rows of `segments` in `interval`.
    fn take(
        &mut self,
        (segments, convert): (&[Segment], Option<&Converter<'_>>),
        interval: &Interval,
        out: &mut SegmentWriter<'_>,
    ) -> Result<(), RowsError> {
        for segment in segments {
            if interval.covers(&segment.span()) {
                out.reuse(convert.map_or_else(|| Ok(segment.clone()), |c| c.segment(segment))?)?;
            } else if interval.overlaps(&segment.span()) {
                let frame = self.decode(segment, convert)?;
                let rows = Keys::of(self.schema, &frame).rows_in(interval);
                out.push(frame.slice(rows.start, rows.len()))?;
            }
        }
        Ok(())
    }

    fn decode(
        &mut self,
        segment: &Segment,
        convert: Option<&Converter<'_>>,
    ) -> Result<RecordBatch, RowsError> {
        // The same chunks may be columns of other names in another head.
        let how = convert.map_or(std::ptr::null(), |convert| std::ptr::from_ref(convert).cast::<()>());
        let mut known = self.decoded.iter();
        if let Some((.., frame)) = known.find(|(known, as_of, _)| *as_of == how && known == segment) {
            return Ok(frame.clone());
        }
        let frame = match convert {
            None => read::whole(self.view, self.schema, segment)?,
            Some(convert) => convert.frame(&read::whole(self.view, convert.from(), segment)?)?,
        };
        self.decoded.truncate(RECENT - 1);
        self.decoded.push_front((segment.clone(), how, frame.clone()));
        Ok(frame)
    }
}
