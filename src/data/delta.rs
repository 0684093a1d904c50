//! What differs between two sorted runs of rows, row by row.
//!
//! Where `diff` tells which index values changed, this tells how: which rows went, came, or have other values. Of rows
//! with equal index those at the ends of their run that are the same stay; the rest are matched in their order.

use super::diff::Side;
use super::schema::Schema;
use arrow_array::RecordBatch;
use std::cmp::Ordering;

/// Rows that differ, and the frames they stand in.
#[derive(Debug, Clone)]
pub struct Delta {
    /// Frame of the old rows.
    pub old: RecordBatch,
    /// Frame of the new rows.
    pub new: RecordBatch,
    /// What differs, in the order of the index.
    pub rows: Vec<Row>,
}

/// A row that went (no `new`), came (no `old`), or has other values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its position among the old rows.
    pub old: Option<usize>,
    /// Its position among the new rows.
    pub new: Option<usize>,
    /// Whether rows that are the same may lie between the one before and this one.
    pub gap: bool,
}

/// How many rows differ, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows that came.
    pub added: u64,
    /// Rows that went.
    pub removed: u64,
    /// Rows with other values.
    pub changed: u64,
}

impl Tally {
    /// Counts rows.
    pub fn add(&mut self, rows: &[Row]) {
        for row in rows {
            match (row.old, row.new) {
                (Some(_), Some(_)) => self.changed += 1,
                (Some(_), None) => self.removed += 1,
                (None, _) => self.added += 1,
            }
        }
    }

    /// Whether nothing differs.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.added == 0 && self.removed == 0 && self.changed == 0
    }
}

/// Rows compared at once where two runs look alike.
const STRIDE: usize = 1024;

/// What differs between `old` and `new`, sorted frames of `schema`; `gap` tells of the first row.
#[must_use]
pub fn delta(schema: &Schema, old: &RecordBatch, new: &RecordBatch, gap: bool) -> Delta {
    let (a, b) = (Side::new(schema, old), Side::new(schema, new));
    let mut out = Out { rows: Vec::new(), gap };
    let (mut i, mut j) = (0, 0);
    while i < a.rows && j < b.rows {
        let stride = STRIDE.min(a.rows - i).min(b.rows - j);
        if a.same_block(i, &b, j, stride) {
            out.gap = true;
            (i, j) = (i + stride, j + stride);
            continue;
        }
        let (i_end, j_end) = (i + stride, j + stride);
        while i < a.rows && j < b.rows && (i < i_end || j < j_end) {
            match a.keys.cmp(i, &b.keys, j) {
                Ordering::Less => {
                    out.push(Some(i), None);
                    i += 1;
                }
                Ordering::Greater => {
                    out.push(None, Some(j));
                    j += 1;
                }
                Ordering::Equal => {
                    let ends = (a.keys.run_end(i), b.keys.run_end(j));
                    out.run(&a, i..ends.0, &b, j..ends.1);
                    (i, j) = ends;
                }
            }
        }
    }
    (i..a.rows).for_each(|i| out.push(Some(i), None));
    (j..b.rows).for_each(|j| out.push(None, Some(j)));
    Delta { old: old.clone(), new: new.clone(), rows: out.rows }
}

struct Out {
    rows: Vec<Row>,
    gap: bool,
}

impl Out {
    fn push(&mut self, old: Option<usize>, new: Option<usize>) {
        let gap = std::mem::replace(&mut self.gap, false);
        self.rows.push(Row { old, new, gap });
    }

    /// Rows of one index value.
    fn run(&mut self, a: &Side, mut old: std::ops::Range<usize>, b: &Side, mut new: std::ops::Range<usize>) {
        while !old.is_empty() && !new.is_empty() && a.same_row(old.start, b, new.start) {
            (old.start, new.start) = (old.start + 1, new.start + 1);
            self.gap = true;
        }
        let mut tail = false;
        while !old.is_empty() && !new.is_empty() && a.same_row(old.end - 1, b, new.end - 1) {
            (old.end, new.end) = (old.end - 1, new.end - 1);
            tail = true;
        }
        while let (Some(i), Some(j)) = (first(&old), first(&new)) {
            if a.same_row(i, b, j) {
                self.gap = true;
            } else {
                self.push(Some(i), Some(j));
            }
            (old.start, new.start) = (i + 1, j + 1);
        }
        old.for_each(|i| self.push(Some(i), None));
        new.for_each(|j| self.push(None, Some(j)));
        self.gap |= tail;
    }
}

fn first(rows: &std::ops::Range<usize>) -> Option<usize> {
    (!rows.is_empty()).then_some(rows.start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::csv::CsvReader;
    use std::sync::Arc;

    fn frame(text: &str) -> (Schema, RecordBatch) {
        let schema = Schema::parse(["k int*", "v float", "s str"]).unwrap();
        let mut reader = CsvReader::new(Arc::new(schema.clone()), text.as_bytes(), 100);
        let frame = reader.next().transpose().unwrap().unwrap_or_else(|| crate::data::frame::empty(&schema));
        (schema, frame)
    }

    fn rows(old: &str, new: &str) -> Vec<(Option<usize>, Option<usize>, bool)> {
        let ((schema, old), (_, new)) = (frame(old), frame(new));
        delta(&schema, &old, &new, true).rows.iter().map(|row| (row.old, row.new, row.gap)).collect()
    }

    #[test]
    fn rows_come_go_and_change() {
        let found = rows("1,1,a\n2,2,b\n3,3,c\n", "1,1,a\n2,2.5,b\n4,4,d\n");
        assert_eq!(found, [(Some(1), Some(1), true), (Some(2), None, false), (None, Some(2), false)]);
    }

    #[test]
    fn equal_rows_between_changes_are_a_gap() {
        let found = rows("1,1,a\n2,2,b\n3,3,c\n", "1,9,a\n2,2,b\n3,9,c\n");
        assert_eq!(found, [(Some(0), Some(0), true), (Some(2), Some(2), true)]);
    }

    #[test]
    fn of_rows_with_equal_index_only_those_that_differ_are_told() {
        assert_eq!(rows("1,1,a\n1,2,a\n1,3,a\n", "1,1,a\n1,3,a\n"), [(Some(1), None, true)]);
        assert_eq!(rows("1,1,a\n1,2,a\n", "1,1,a\n1,5,a\n1,2,a\n"), [(None, Some(1), true)]);
        assert_eq!(rows("1,1,a\n1,2,a\n", "1,2,a\n1,1,a\n").len(), 2);
    }

    #[test]
    fn null_and_the_empty_text_differ() {
        assert_eq!(rows("1,1,\n", "1,1,\"\"\n"), [(Some(0), Some(0), true)]);
        assert_eq!(rows("1,,\n", "1,,\n"), []);
    }
}
