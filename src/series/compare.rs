//! What differs between two series: two states of one, or of two repositories.
//!
//! What both name by equal digests is skipped without being read, from subtrees of segments down to chunks, so the cost
//! is that of what differs. Rows come in the order of the index, a segment or so at a time, however long the series are.

mod find;
mod pair;
mod run;

use super::RowsError;
use super::chunk::{Pages, Stream};
use super::convert::constant;
use super::read;
use crate::data::alter::{Mapping, Take};
use crate::data::delta::{Delta, Row, delta};
use crate::data::diff::Changes;
use crate::data::key::Keys;
use crate::data::pages;
use crate::data::schema::{Column, Schema, SchemaError};
use crate::history::entry::Segments;
use crate::history::segment::Segment;
use crate::history::state::State;
use crate::interval::Interval;
use crate::store::View;
use arrow_array::RecordBatch;
use find::Unit;
use rayon::prelude::*;
use run::Run;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// One of two series.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Where its bytes are read.
    pub view: &'a View,
    /// Its columns.
    pub schema: &'a Arc<Schema>,
    /// Its rows.
    pub segments: &'a Segments,
}

impl<'a> Side<'a> {
    /// A series of a state.
    #[must_use]
    pub const fn of(state: &'a State, segments: &'a Segments) -> Side<'a> {
        Side { view: &state.view, schema: &state.schema, segments }
    }
}

/// A side on its own: how its segments become frames of the columns of both.
#[derive(Debug, Clone)]
struct Reader {
    view: View,
    schema: Arc<Schema>,
    joint: Arc<Schema>,
    /// For each column of `joint`: where it comes from here.
    columns: Vec<Take>,
}

/// Rows of a segment on their way, as frames of the columns of both sides.
#[derive(Debug)]
struct Frames {
    joint: Arc<Schema>,
    columns: Vec<Source>,
    left: usize,
}

/// Where the values of a column come from.
#[derive(Debug)]
enum Source {
    Pages(Stream),
    /// One value for all rows, of a column that only the other side has.
    Constant(Option<String>),
}

/// Runs of at most so many segments are compared side by side with others: their rows fit in memory.
const SHORT: usize = 4;

/// The rows that differ, found as they are asked for.
#[derive(Debug)]
pub struct Comparison {
    old: Reader,
    new: Reader,
    within: Interval,
    units: VecDeque<Unit>,
    run: Option<Run>,
    ready: VecDeque<Delta>,
}

/// Compares rows with an index value in `within`.
///
/// Columns of one name and type are the same; what only one side has is null on the other. Fails where the index
/// columns differ in their types.
pub fn compare(old: &Side<'_>, new: &Side<'_>, within: &Interval) -> Result<Comparison, RowsError> {
    let (joint, columns) = joint(old.schema, new.schema)?;
    compare_joint(old, new, (Arc::new(joint), columns), within)
}

/// As [`compare`], of the columns that `mapping` makes of those of `old`, which are those of `new`.
fn compare_as(
    old: &Side<'_>,
    new: &Side<'_>,
    mapping: &Mapping,
    within: &Interval,
) -> Result<Comparison, RowsError> {
    check_index(old.schema, new.schema)?;
    compare_joint(old, new, (Arc::clone(new.schema), mapping.takes().to_vec()), within)
}

/// `columns`: where those of `joint` come from in `old`; the first of them are those of `new`.
fn compare_joint(
    old: &Side<'_>,
    new: &Side<'_>,
    (joint, columns): (Arc<Schema>, Vec<Take>),
    within: &Interval,
) -> Result<Comparison, RowsError> {
    let count = new.schema.columns().len();
    let here = |i| if i < count { Take::Column(i) } else { Take::Constant(None) };
    let here = (0..columns.len()).map(here).collect();
    let reader = |side: &Side<'_>, columns| Reader {
        view: side.view.clone(),
        schema: Arc::clone(side.schema),
        joint: Arc::clone(&joint),
        columns,
    };
    let (a, b) = (reader(old, columns), reader(new, here));
    let units = find::units(old, new, within, |x, y| same_index(&a, x, &b, y))?.into();
    Ok(Comparison { old: a, new: b, within: within.clone(), units, run: None, ready: VecDeque::new() })
}

/// The index values in `within` whose rows differ.
pub fn changes(old: &Side<'_>, new: &Side<'_>, within: &Interval) -> Result<Changes, RowsError> {
    changes_among(old, new, None, std::slice::from_ref(within))
}

/// The index values in some intervals, ascending and disjoint, whose rows differ; `mapping`, where given, makes the
/// columns of `new` of those of `old`.
pub fn changes_among(
    old: &Side<'_>,
    new: &Side<'_>,
    mapping: Option<&Mapping>,
    intervals: &[Interval],
) -> Result<Changes, RowsError> {
    let mut changes = Changes::new();
    let (Some(first), Some(last)) = (intervals.first(), intervals.last()) else { return Ok(changes) };
    let hull = Interval { lo: first.lo.clone(), hi: last.hi.clone() };
    let mut comparison = match mapping {
        Some(mapping) => compare_as(old, new, mapping, &hull)?,
        None => compare(old, new, &hull)?,
    };
    let schema = Arc::clone(comparison.joint());
    while let Some(delta) = comparison.next().transpose()? {
        if intervals.len() > 1 || !collect_all(&schema, &delta, &mut changes) {
            collect(&schema, &delta, intervals, &mut changes);
        }
    }
    Ok(changes)
}

/// Adds all index values of a delta that has rows of one side only; else does nothing.
fn collect_all(schema: &Schema, delta: &Delta, changes: &mut Changes) -> bool {
    let (frame, side): (_, fn(&Row) -> Option<usize>) = match (delta.old.num_rows(), delta.new.num_rows()) {
        (0, _) => (&delta.new, |row| row.new),
        (_, 0) => (&delta.old, |row| row.old),
        _ => return false,
    };
    let (Some(first), Some(last)) = (delta.rows.first(), delta.rows.last()) else { return true };
    let (Some(start), Some(end)) = (side(first), side(last)) else { return false };
    if end + 1 - start != delta.rows.len() {
        return false;
    }
    if first.gap {
        changes.unchanged();
    }
    changes.push_rows(&Keys::of(schema, frame), start..end + 1);
    true
}

/// Adds the index values of a delta, which come after all before, as far as they lie in `intervals`.
fn collect(schema: &Schema, delta: &Delta, intervals: &[Interval], changes: &mut Changes) {
    let (old, new) = (Keys::of(schema, &delta.old), Keys::of(schema, &delta.new));
    let mut last = None;
    for row in &delta.rows {
        let key = match (row.old, row.new) {
            (_, Some(row)) => new.key(row),
            (Some(row), None) => old.key(row),
            (None, None) => continue,
        };
        let behind = intervals.partition_point(|interval| interval.ends_at_or_before(&key));
        let meant = intervals.get(behind).is_some_and(|interval| interval.contains(&key));
        if row.gap || !meant {
            changes.unchanged();
        }
        if meant && last.as_ref() != Some(&key) {
            changes.push(key.clone());
            last = Some(key);
        }
    }
}

fn check_index(old: &Schema, new: &Schema) -> Result<(), RowsError> {
    let types = |schema: &Schema| schema.index_columns().map(|column| column.ty).collect::<Vec<_>>();
    if types(old) == types(new) {
        return Ok(());
    }
    Err(RowsError::Refused("the index columns have other types: nothing to compare".to_owned()))
}

/// The columns of both, those of `new`, then what only `old` has, and where each is in `old`. The index has the names
/// of `new`.
fn joint(old: &Schema, new: &Schema) -> Result<(Schema, Vec<Take>), RowsError> {
    check_index(old, new)?;
    let mapping = Mapping::by_name(old, new);
    let (mut columns, mut places) = (new.columns().to_vec(), mapping.takes().to_vec());
    for (from, column) in old.columns().iter().enumerate() {
        if mapping.kept().any(|(kept, _)| kept == from) {
            continue;
        }
        // A name that means something else now is told by its type.
        let mut name = column.name.clone();
        while columns.iter().any(|other| other.name == name) {
            name = format!("{name} ({})", column.ty.name());
        }
        columns.push(Column { name, ..column.clone() });
        places.push(Take::Column(from));
    }
    let joint = Schema::new(columns);
    let refused = |e: SchemaError| RowsError::Refused(format!("the columns cannot be compared: {e}"));
    Ok((joint.map_err(refused)?, places))
}

/// Whether two segments have the same index values, told by their chunks.
fn same_index(old: &Reader, a: &Segment, new: &Reader, b: &Segment) -> bool {
    let mut index = old.schema.index().iter().zip(new.schema.index());
    let same = |&(&i, &j): &(&usize, &usize)| match (a.chunks.get(i), b.chunks.get(j)) {
        (Some(a), Some(b)) => a.check == b.check,
        _ => false,
    };
    a.rows == b.rows && index.all(|pair| same(&pair))
}

impl Reader {
    /// Some rows of a segment with the columns of both sides, a page's worth at a time.
    fn frames(&self, segment: &Segment, rows: &Range<usize>) -> Result<Frames, RowsError> {
        let source = |take: &Take| match take {
            Take::Column(i) => {
                let pages = Pages::load(&self.view, &self.schema, segment, *i)?;
                pages.stream(rows.clone()).map(Source::Pages)
            }
            Take::Constant(text) => Ok(Source::Constant(text.clone())),
        };
        let columns = self.columns.iter().map(source).collect::<Result<_, _>>()?;
        Ok(Frames { joint: Arc::clone(&self.joint), columns, left: rows.len() })
    }

    /// The rows of a segment that lie in an interval.
    fn rows(&self, segment: &Segment, within: &Interval) -> Result<Range<usize>, RowsError> {
        if within.covers(&segment.span()) {
            return Ok(0..segment.rows as usize);
        }
        Ok(read::keys(&self.view, &self.schema, segment)?.rows_in(within))
    }
}

impl Frames {
    /// The next rows; `None` at the end.
    fn next(&mut self) -> Result<Option<RecordBatch>, RowsError> {
        let rows = self.left.min(pages::PAGE_ROWS);
        if rows == 0 {
            return Ok(None);
        }
        self.left -= rows;
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (source, column) in self.columns.iter_mut().zip(self.joint.columns()) {
            arrays.push(match source {
                Source::Pages(stream) => stream.take(rows)?,
                Source::Constant(text) => constant(column, text.as_deref(), rows)?,
            });
        }
        Ok(Some(RecordBatch::try_new(Arc::clone(self.joint.arrow()), arrays)?))
    }
}

impl Comparison {
    /// The columns of both sides.
    #[must_use]
    pub const fn joint(&self) -> &Arc<Schema> {
        &self.new.joint
    }

    fn advance(&mut self) -> Result<(), RowsError> {
        if let Some(run) = &mut self.run {
            match run.next(&self.old, &self.new)? {
                Some(delta) => self.ready.push_back(delta),
                None => self.run = None,
            }
            return Ok(());
        }
        let mut some = Vec::new();
        while some.len() < 2 * rayon::current_num_threads()
            && let Some(unit) = self.units.pop_front()
        {
            match unit {
                Unit::Run(old, new) if old.len() + new.len() > SHORT => {
                    if some.is_empty() {
                        self.run = Some(Run::new(old, new, &self.within));
                        return Ok(());
                    }
                    self.units.push_front(Unit::Run(old, new));
                    break;
                }
                unit => some.push(unit),
            }
        }
        let (old, new, within) = (&self.old, &self.new, &self.within);
        let found: Vec<Result<Vec<Delta>, RowsError>> =
            some.into_par_iter().map(|unit| whole(old, new, within, unit)).collect();
        for deltas in found {
            self.ready.extend(deltas?);
        }
        Ok(())
    }
}

/// All that differs in a unit.
fn whole(old: &Reader, new: &Reader, within: &Interval, unit: Unit) -> Result<Vec<Delta>, RowsError> {
    match unit {
        Unit::Pair(a, b) => {
            let rows = new.rows(&b, within)?;
            Ok(vec![pair::pair((old, &a), (new, &b), &rows)?])
        }
        Unit::Run(a, b) => {
            let (mut run, mut found) = (Run::new(a, b, within), Vec::new());
            while let Some(delta) = run.next(old, new)? {
                if !delta.rows.is_empty() {
                    found.push(delta);
                }
            }
            Ok(found)
        }
    }
}

impl Iterator for Comparison {
    type Item = Result<Delta, RowsError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.ready.pop_front() {
                Some(delta) if delta.rows.is_empty() => {}
                Some(delta) => return Some(Ok(delta)),
                None if self.run.is_none() && self.units.is_empty() => return None,
                None => {
                    if let Err(e) = self.advance() {
                        (self.run, self.units) = (None, VecDeque::new());
                        return Some(Err(e));
                    }
                }
            }
        }
    }
}
