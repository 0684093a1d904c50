//! Reading rows: ranges by index and by position, decoded a segment at a time.
//!
//! Order of a query: range, tail, offset and limit, columns. Memory is bounded by a few segments.

use super::RowsError;
use super::chunk::column;
use crate::data::frame;
use crate::data::key::Keys;
use crate::data::schema::Schema;
use crate::history::entry::Segments;
use crate::history::segment::Segment;
use crate::interval::Interval;
use crate::store::View;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_select::coalesce::BatchCoalescer;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// Which rows of a series.
#[derive(Debug, Clone)]
pub struct Query {
    /// Index values.
    pub interval: Interval,
    /// Of those, the last so many.
    pub tail: Option<u64>,
    /// Of those, all but the first so many.
    pub offset: u64,
    /// Of those, the first so many.
    pub limit: Option<u64>,
    /// Positions of the columns wanted, in the order wanted; none: all.
    pub columns: Option<Vec<usize>>,
}

impl Default for Query {
    fn default() -> Query {
        Query { interval: Interval::ALL, tail: None, offset: 0, limit: None, columns: None }
    }
}

/// Rows `rows` of a segment.
#[derive(Debug, Clone)]
struct Run {
    segment: Segment,
    rows: Range<usize>,
}

/// The rows of a query, decoded as they are asked for.
#[derive(Debug)]
pub struct Rows {
    view: View,
    schema: Arc<Schema>,
    columns: Vec<usize>,
    arrow: arrow_schema::SchemaRef,
    runs: VecDeque<Run>,
    ready: VecDeque<RecordBatch>,
}

/// Segments that are decoded at once, of those to come: enough for the threads there are. Those are not started for one.
fn ahead(runs: usize) -> usize {
    if runs > 1 { runs.min(2 * rayon::current_num_threads()) } else { runs }
}

impl Rows {
    /// Finds the rows; decodes none but index columns at the edges of the range.
    pub fn open(
        view: View,
        schema: Arc<Schema>,
        segments: &Segments,
        query: &Query,
    ) -> Result<Rows, RowsError> {
        let runs = if query.interval == Interval::ALL {
            by_position(&view, segments, query)?
        } else {
            let runs = by_index(&view, &schema, segments, &query.interval)?;
            by_tail(runs, query)
        };
        Ok(Rows::of(view, schema, runs, query))
    }

    /// As [`Rows::open`], of a series whose parts lie in several: each interval's rows, ascending.
    pub fn open_pieces(
        view: View,
        schema: Arc<Schema>,
        pieces: &[(Interval, Segments)],
        query: &Query,
    ) -> Result<Rows, RowsError> {
        let mut runs = Vec::new();
        for (interval, segments) in pieces {
            let wanted = interval.intersect(&query.interval);
            if !wanted.is_empty() {
                runs.extend(by_index(&view, &schema, segments, &wanted)?);
            }
        }
        Ok(Rows::of(view, schema, by_tail(runs, query), query))
    }

    fn of(view: View, schema: Arc<Schema>, runs: Vec<Run>, query: &Query) -> Rows {
        let columns = query.columns.clone().unwrap_or_else(|| (0..schema.columns().len()).collect());
        let fields: Vec<_> = columns.iter().map(|&i| Arc::clone(&schema.arrow().fields()[i])).collect();
        let arrow = Arc::new(arrow_schema::Schema::new(fields));
        Rows { view, schema, columns, arrow, runs: runs.into(), ready: VecDeque::new() }
    }

    /// How many rows are still to come.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.runs.iter().map(|run| run.rows.len() as u64).sum::<u64>()
            + self.ready.iter().map(|frame| frame.num_rows() as u64).sum::<u64>()
    }

    /// Whether no rows are to come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Columns of the frames.
    #[must_use]
    pub const fn arrow(&self) -> &arrow_schema::SchemaRef {
        &self.arrow
    }

    /// Decodes on several threads, maps each frame there, and hands the results over in order.
    pub fn map_ordered<T: Send, E: From<RowsError>>(
        mut self,
        map: impl Fn(RecordBatch) -> T + Sync,
        mut take: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        while !self.runs.is_empty() {
            let runs: Vec<Run> = self.runs.drain(..ahead(self.runs.len())).collect();
            let one = |run: &Run| self.decode(run).map(&map);
            let mapped: Vec<Result<T, RowsError>> = match runs.as_slice() {
                [run] => vec![one(run)],
                several => several.par_iter().map(one).collect(),
            };
            for result in mapped {
                take(result?)?;
            }
        }
        Ok(())
    }

    /// All of the rows as one frame.
    pub fn collect_frame(mut self) -> Result<RecordBatch, RowsError> {
        let arrow = Arc::clone(&self.arrow);
        let total = self.len() as usize;
        let Some(first) = self.next().transpose()? else { return Ok(RecordBatch::new_empty(arrow)) };
        if first.num_rows() == total {
            return Ok(first);
        }
        // Copies each frame as it comes, so that the memory of its parts serves the next ones.
        let mut whole = BatchCoalescer::new(Arc::clone(&arrow), total);
        whole.push_batch(first)?;
        for frame in self {
            whole.push_batch(frame?)?;
        }
        whole.finish_buffered_batch()?;
        Ok(whole.next_completed_batch().unwrap_or_else(|| RecordBatch::new_empty(arrow)))
    }

    fn decode(&self, run: &Run) -> Result<RecordBatch, RowsError> {
        let arrays = columns(&self.view, &self.schema, &run.segment, &self.columns, &run.rows)?;
        Ok(RecordBatch::try_new(Arc::clone(&self.arrow), arrays)?)
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, RowsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() && !self.runs.is_empty() {
            let runs: Vec<Run> = self.runs.drain(..ahead(self.runs.len())).collect();
            let decoded: Result<VecDeque<_>, _> = match runs.as_slice() {
                [one] => self.decode(one).map(|frame| VecDeque::from([frame])),
                several => several.par_iter().map(|run| self.decode(run)).collect(),
            };
            match decoded {
                Ok(frames) => self.ready = frames,
                Err(e) => {
                    self.runs.clear();
                    return Some(Err(e));
                }
            }
        }
        self.ready.pop_front().map(Ok)
    }
}

/// The rows of a whole series: no index value to look at, positions alone tell.
fn by_position(view: &View, segments: &Segments, query: &Query) -> Result<Vec<Run>, RowsError> {
    let wanted = positions(segments.sums().rows, query);
    let located = segments.locate_rows(view, &wanted)?;
    let whole = located.segments.into_iter().map(|s| Run { rows: 0..s.rows as usize, segment: s }).collect();
    let start = wanted.start - located.rows_before.min(wanted.start);
    Ok(trim(whole, &(start..start + (wanted.end - wanted.start))))
}

/// The rows of an interval: of segments at its edges the index columns are decoded.
fn by_index(
    view: &View,
    schema: &Schema,
    segments: &Segments,
    interval: &Interval,
) -> Result<Vec<Run>, RowsError> {
    let mut runs = Vec::new();
    for segment in segments.locate(view, interval)?.segments {
        let rows = if interval.covers(&segment.span()) {
            0..segment.rows as usize
        } else {
            keys(view, schema, &segment)?.rows_in(interval)
        };
        if !rows.is_empty() {
            runs.push(Run { segment, rows });
        }
    }
    Ok(runs)
}

fn by_tail(runs: Vec<Run>, query: &Query) -> Vec<Run> {
    let total = runs.iter().map(|run| run.rows.len() as u64).sum();
    trim(runs, &positions(total, query))
}

/// The positions, among `total` rows, that tail, offset and limit choose.
fn positions(total: u64, query: &Query) -> Range<u64> {
    let start = query.tail.map_or(0, |tail| total.saturating_sub(tail));
    let start = start.saturating_add(query.offset).min(total);
    let end = query.limit.map_or(total, |limit| start.saturating_add(limit).min(total));
    start..end
}

/// The part of `runs` at positions `wanted`.
fn trim(runs: Vec<Run>, wanted: &Range<u64>) -> Vec<Run> {
    let mut at = 0;
    let mut out = Vec::with_capacity(runs.len());
    for mut run in runs {
        let here = at..at + run.rows.len() as u64;
        at = here.end;
        let (start, end) = (here.start.max(wanted.start), here.end.min(wanted.end));
        if start < end {
            let first = run.rows.start;
            run.rows = first + (start - here.start) as usize..first + (end - here.start) as usize;
            out.push(run);
        }
    }
    out
}

/// The index columns of a segment.
pub fn keys(view: &View, schema: &Schema, segment: &Segment) -> Result<Keys, RowsError> {
    let arrays = columns(view, schema, segment, schema.index(), &(0..segment.rows as usize))?;
    Ok(Keys::of_columns(schema, &arrays))
}

/// All columns of a segment.
pub fn whole(view: &View, schema: &Schema, segment: &Segment) -> Result<RecordBatch, RowsError> {
    part(view, schema, segment, 0..segment.rows as usize)
}

/// All columns of some rows of a segment, counted from its first.
pub fn part(
    view: &View,
    schema: &Schema,
    segment: &Segment,
    rows: Range<usize>,
) -> Result<RecordBatch, RowsError> {
    let all: Vec<usize> = (0..schema.columns().len()).collect();
    let arrays = columns(view, schema, segment, &all, &rows)?;
    if arrays.is_empty() {
        return Ok(frame::empty(schema));
    }
    Ok(RecordBatch::try_new(Arc::clone(schema.arrow()), arrays)?)
}

/// Segments of at least so many rows are decoded a column a thread.
const PARALLEL_ROWS: usize = 8192;

fn columns(
    view: &View,
    schema: &Schema,
    segment: &Segment,
    wanted: &[usize],
    rows: &Range<usize>,
) -> Result<Vec<ArrayRef>, RowsError> {
    let one = |&i: &usize| column(view, schema, segment, i, rows.clone());
    if rows.len() < PARALLEL_ROWS {
        wanted.iter().map(one).collect()
    } else {
        wanted.par_iter().map(one).collect()
    }
}
