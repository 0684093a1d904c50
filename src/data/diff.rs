//! What differs between two sorted runs of rows: the index values whose rows are not the same.
//!
//! Owns the change list of one series while it is collected. Rows that stay equal assert nothing, so a
//! change covers points, not the gaps between them, until there are more than [`LIMIT`] of them; then
//! neighbours with no unchanged row between them join.

use super::key::Keys;
use super::schema::{Schema, Type};
use crate::interval::{Interval, Intervals, Key};
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use std::ops::Range;

/// Intervals a change list holds of one series.
pub const LIMIT: usize = 1024;

/// Rows compared at once where two runs look alike.
const STRIDE: usize = 1024;

/// The index values of one series that changed, in ascending order.
#[derive(Debug, Default)]
pub struct Changes {
    /// Ascending, disjoint; `joined`: no unchanged row lies between it and the one before.
    intervals: Vec<(Interval, bool)>,
    coarse: bool,
    unbroken: bool,
    keys: u64,
}

impl Changes {
    /// No changes yet.
    #[must_use]
    pub fn new() -> Changes {
        Changes::default()
    }

    /// Adds a changed index value greater than all before.
    pub fn push(&mut self, key: Key) {
        self.keys += 1;
        let point = Interval::point(&key);
        self.join(point);
    }

    /// Adds rows `rows` of `keys`, all changed, greater than all before.
    pub fn push_rows(&mut self, keys: &Keys, rows: Range<usize>) {
        if rows.is_empty() {
            return;
        }
        if rows.len() > LIMIT {
            self.keys += rows.len() as u64;
            self.coarse = true;
            self.join(Interval::closed(&keys.key(rows.start), &keys.key(rows.end - 1)));
            return;
        }
        let mut row = rows.start;
        while row < rows.end {
            self.push(keys.key(row));
            row = keys.run_end(row);
        }
    }

    /// Says that unchanged rows lie here.
    pub const fn unchanged(&mut self) {
        self.unbroken = false;
    }

    fn join(&mut self, next: Interval) {
        let joined = std::mem::replace(&mut self.unbroken, true);
        match self.intervals.last_mut() {
            Some((last, _)) if last.hi.as_ref() >= Some(&next.lo) || (self.coarse && joined) => {
                last.hi = next.hi;
            }
            _ => self.intervals.push((next, joined)),
        }
        if self.intervals.len() > LIMIT {
            self.coarsen();
        }
    }

    fn coarsen(&mut self) {
        self.coarse = true;
        let joins = |intervals: &[(Interval, bool)]| intervals.iter().filter(|(_, joined)| *joined).count();
        // Too many runs even when joined: every second gap closes as well.
        let halve = self.intervals.len() - joins(&self.intervals) > LIMIT / 2;
        let mut out: Vec<(Interval, bool)> = Vec::new();
        for (i, (interval, joined)) in std::mem::take(&mut self.intervals).into_iter().enumerate() {
            match out.last_mut() {
                Some((last, _)) if joined || (halve && i % 2 == 1) => last.hi = interval.hi,
                _ => out.push((interval, joined)),
            }
        }
        self.intervals = out;
    }

    /// The index values that changed, counted; where they repeat, as rows.
    #[must_use]
    pub const fn keys(&self) -> u64 {
        self.keys
    }

    /// The intervals, ascending and disjoint.
    #[must_use]
    pub fn finish(self) -> Intervals {
        self.intervals.into_iter().map(|(interval, _)| interval).collect()
    }
}

/// Adds to `changes` the index values whose rows differ between `old` and `new`, both sorted frames of
/// `schema`. Rows are the same if all their columns are, bit by bit, in the same order.
pub fn diff(schema: &Schema, old: &RecordBatch, new: &RecordBatch, changes: &mut Changes) {
    let (a, b) = (Side::new(schema, old), Side::new(schema, new));
    let (mut i, mut j) = (0, 0);
    while i < a.rows && j < b.rows {
        let stride = STRIDE.min(a.rows - i).min(b.rows - j);
        if a.same_block(i, &b, j, stride) {
            changes.unchanged();
            (i, j) = (i + stride, j + stride);
            continue;
        }
        let (i_end, j_end) = (i + stride, j + stride);
        while i < a.rows && j < b.rows && (i < i_end || j < j_end) {
            (i, j) = step(&a, i, &b, j, changes);
        }
    }
    changes.push_rows(&a.keys, i..a.rows);
    changes.push_rows(&b.keys, j..b.rows);
}

/// Compares the rows of the smaller of two keys; gives where to go on.
fn step(a: &Side, i: usize, b: &Side, j: usize, changes: &mut Changes) -> (usize, usize) {
    match a.keys.cmp(i, &b.keys, j) {
        std::cmp::Ordering::Less => {
            changes.push(a.keys.key(i));
            (a.keys.run_end(i), j)
        }
        std::cmp::Ordering::Greater => {
            changes.push(b.keys.key(j));
            (i, b.keys.run_end(j))
        }
        std::cmp::Ordering::Equal => {
            let (i_end, j_end) = (a.keys.run_end(i), b.keys.run_end(j));
            if i_end - i == j_end - j && (0..i_end - i).all(|k| a.same_row(i + k, b, j + k)) {
                changes.unchanged();
            } else {
                changes.push(a.keys.key(i));
            }
            (i_end, j_end)
        }
    }
}

/// Whether two frames hold the same rows in the same order, bit by bit.
#[must_use]
pub fn same(a: &RecordBatch, b: &RecordBatch) -> bool {
    a.num_rows() == b.num_rows() && a.columns().iter().zip(b.columns()).all(|(a, b)| a == b)
}

/// A frame that is compared with another.
pub(super) struct Side {
    pub(super) keys: Keys,
    columns: Vec<(Type, ArrayRef)>,
    pub(super) rows: usize,
}

impl Side {
    pub(super) fn new(schema: &Schema, frame: &RecordBatch) -> Side {
        let columns = schema.columns().iter().zip(frame.columns()).map(|(c, a)| (c.ty, a.clone())).collect();
        Side { keys: Keys::of(schema, frame), columns, rows: frame.num_rows() }
    }

    pub(super) fn same_block(&self, i: usize, other: &Side, j: usize, rows: usize) -> bool {
        self.columns
            .iter()
            .zip(&other.columns)
            .all(|((_, a), (_, b))| a.slice(i, rows).as_ref() == b.slice(j, rows).as_ref())
    }

    pub(super) fn same_row(&self, i: usize, other: &Side, j: usize) -> bool {
        self.columns.iter().zip(&other.columns).all(|((ty, a), (_, b))| same_cell(*ty, a, i, b, j))
    }
}

/// Whether two cells of a type hold the same, bit by bit.
pub fn same_cell(ty: Type, a: &ArrayRef, i: usize, b: &ArrayRef, j: usize) -> bool {
    if a.is_null(i) || b.is_null(j) {
        return a.is_null(i) && b.is_null(j);
    }
    match ty {
        Type::Float => {
            let bits = |x: &ArrayRef, k| x.as_primitive::<Float64Type>().value(k).to_bits();
            bits(a, i) == bits(b, j)
        }
        Type::Date => a.as_primitive::<Date32Type>().value(i) == b.as_primitive::<Date32Type>().value(j),
        Type::Str => a.as_string::<i32>().value(i) == b.as_string::<i32>().value(j),
        Type::Bool => a.as_boolean().value(i) == b.as_boolean().value(j),
        Type::Int | Type::Timestamp(_) => a.slice(i, 1).as_ref() == b.slice(j, 1).as_ref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Float64Array, Int64Array};
    use std::sync::Arc;

    fn schema() -> Schema {
        Schema::parse(["k int*", "v float"]).unwrap()
    }

    fn frame(rows: &[(i64, f64)]) -> RecordBatch {
        let k: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.0)));
        let v: ArrayRef = Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| r.1)));
        RecordBatch::try_new(schema().arrow().clone(), vec![k, v]).unwrap()
    }

    fn changed(old: &[(i64, f64)], new: &[(i64, f64)]) -> Vec<i64> {
        let mut changes = Changes::new();
        diff(&schema(), &frame(old), &frame(new), &mut changes);
        let intervals: Vec<Interval> = changes.finish().iter().collect();
        let all: std::collections::BTreeSet<i64> = old.iter().chain(new).map(|r| r.0).collect();
        let key = |k| super::super::key::encode(&schema(), &[super::super::value::Value::Int(k)]).unwrap();
        all.into_iter().filter(|&k| intervals.iter().any(|i| i.contains(&key(k)))).collect()
    }

    #[test]
    fn only_rows_that_differ_are_changed() {
        assert_eq!(changed(&[(1, 1.0), (2, 2.0), (4, 4.0)], &[(1, 1.0), (2, 2.5), (3, 3.0)]), [2, 3, 4]);
    }

    #[test]
    fn repeated_index_values_are_compared_as_runs() {
        assert_eq!(changed(&[(1, 1.0), (1, 2.0), (2, 0.0)], &[(1, 2.0), (1, 1.0), (2, 0.0)]), [1]);
        assert_eq!(changed(&[(1, 1.0), (1, 1.0)], &[(1, 1.0)]), [1]);
    }

    #[test]
    fn nan_is_equal_to_itself() {
        assert_eq!(changed(&[(1, f64::NAN)], &[(1, f64::NAN)]), [0i64; 0]);
    }

    #[test]
    fn insertion_far_ahead_changes_one_row() {
        let old: Vec<_> = (0..10_000).map(|k| (2 * k, k as f64)).collect();
        let mut new = old.clone();
        new.insert(5, (9, 0.5));
        assert_eq!(changed(&old, &new), [9]);
    }

    #[test]
    fn gaps_between_changed_rows_are_not_covered() {
        let mut changes = Changes::new();
        diff(&schema(), &frame(&[]), &frame(&[(1, 0.0), (5, 0.0)]), &mut changes);
        assert_eq!(changes.finish().len(), 2);
    }

    #[test]
    fn many_changes_join_but_spare_unchanged_rows() {
        let old: Vec<_> = (0..20_000).map(|k| (3 * k, 0.0)).collect();
        let new: Vec<_> = old.iter().map(|&(k, _)| (k, if k == 30_000 { 0.0 } else { 1.0 })).collect();
        let mut changes = Changes::new();
        diff(&schema(), &frame(&old), &frame(&new), &mut changes);
        assert_eq!(changes.keys(), 19_999);
        assert_eq!(changes.finish().len(), 2);
    }

    #[test]
    fn change_list_stays_bounded() {
        let old: Vec<_> = (0..20_000).map(|k| (k, 0.0)).collect();
        let new: Vec<_> = old.iter().map(|&(k, _)| (k, (k % 2) as f64)).collect();
        let mut changes = Changes::new();
        diff(&schema(), &frame(&old), &frame(&new), &mut changes);
        assert!(changes.finish().iter().count() <= LIMIT);
    }
}
