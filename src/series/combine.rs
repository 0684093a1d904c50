//! What old rows and new ones of equal index values become: upserts and updates.
//!
//! Pure: sorted frames in, a sorted frame out.

use super::RowsError;
use crate::data::key::{self, Keys};
use crate::data::named::Named;
use crate::data::schema::Schema;
use arrow_array::{Array, RecordBatch, UInt64Array};
use std::ops::Range;
use std::sync::Arc;

/// Takes `rows` of `frames[from]` in turn.
struct Pick {
    order: Vec<(usize, usize)>,
}

impl Pick {
    fn rows(&mut self, from: usize, rows: Range<usize>) {
        self.order.extend(rows.map(|row| (from, row)));
    }

    fn take(self, schema: &Schema, old: &RecordBatch, new: &RecordBatch) -> Result<RecordBatch, RowsError> {
        let columns = old.columns().iter().zip(new.columns());
        let arrays = columns
            .map(|(a, b)| arrow_select::interleave::interleave(&[a.as_ref(), b.as_ref()], &self.order))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(RecordBatch::try_new(Arc::clone(schema.arrow()), arrays)?)
    }
}

/// Old rows and new ones; of equal index values the new.
pub(super) fn upsert(
    schema: &Schema,
    old: &RecordBatch,
    new: &RecordBatch,
) -> Result<RecordBatch, RowsError> {
    let (a, b) = (Keys::of(schema, old), Keys::of(schema, new));
    let mut pick = Pick { order: Vec::with_capacity(a.rows() + b.rows()) };
    let (mut i, mut j) = (0, 0);
    while i < a.rows() && j < b.rows() {
        match a.cmp(i, &b, j) {
            std::cmp::Ordering::Less => {
                let end = a.run_end(i);
                pick.rows(0, i..end);
                i = end;
            }
            order => {
                let end = b.run_end(j);
                pick.rows(1, j..end);
                j = end;
                if order.is_eq() {
                    i = a.run_end(i);
                }
            }
        }
    }
    pick.rows(0, i..a.rows());
    pick.rows(1, j..b.rows());
    pick.take(schema, old, new)
}

/// Old rows with the given columns of new rows of equal index; where an index value repeats, the new rows
/// must repeat as often.
pub(super) fn update(
    schema: &Schema,
    old: &RecordBatch,
    new: &RecordBatch,
) -> Result<RecordBatch, RowsError> {
    let (a, b) = (Keys::of(schema, old), Keys::of_frame(schema, new));
    let mut source: Vec<Option<u64>> = vec![None; a.rows()];
    let (mut i, mut j) = (0, 0);
    while j < b.rows() {
        while i < a.rows() && a.cmp(i, &b, j).is_lt() {
            i += 1;
        }
        let (old_end, new_end) = match i < a.rows() && a.cmp(i, &b, j).is_eq() {
            true => (a.run_end(i), b.run_end(j)),
            false => (i, b.run_end(j)),
        };
        if old_end - i != new_end - j {
            let at = key::show(schema, &b.key(j));
            let message = match old_end - i {
                0 => format!("update: there is no row at {at}"),
                there => format!("update: {} rows given at {at}, where {there} are", new_end - j),
            };
            return Err(RowsError::Refused(message));
        }
        for k in 0..new_end - j {
            source[i + k] = Some((j + k) as u64);
        }
        (i, j) = (old_end, new_end);
    }
    let updated = source.iter().map(Option::is_some).collect::<Vec<_>>();
    let rows = UInt64Array::from(source.iter().map(|s| s.unwrap_or(0)).collect::<Vec<_>>());
    let mask = arrow_array::BooleanArray::from(updated);
    let mut arrays = Vec::with_capacity(schema.columns().len());
    let named = Named::of(new);
    for (column, old) in schema.columns().iter().zip(old.columns()) {
        arrays.push(match named.get(&column.name) {
            Some(given) if !column.index && !given.is_empty() => {
                let taken = arrow_select::take::take(given, &rows, None)?;
                arrow_select::zip::zip(&mask, &taken, old)?
            }
            _ => Arc::clone(old),
        });
    }
    Ok(RecordBatch::try_new(Arc::clone(schema.arrow()), arrays)?)
}
