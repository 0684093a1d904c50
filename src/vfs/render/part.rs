//! Reading here and there: a part of a segment's text, where nobody reads it as a whole.
//!
//! The index has the length of a segment's text only. So the text of its parts is measured once, which costs half of
//! rendering it, and then just the part that holds an offset is rendered.

use super::cache::{Cache, Item, Key};
use super::{Source, text};
use crate::data::csv;
use crate::digest::Check;
use crate::history::segment::Segment;
use crate::history::tree::Leaf as _;
use crate::series::{RowsError, read};
use bytes::Bytes;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Rows of a part: those of a page.
const ROWS: usize = 16_384;

/// Whether a segment has several parts.
pub(super) const fn has_parts(segment: &Segment) -> bool {
    segment.rows > 2 * ROWS as u64
}

/// The part of a segment's text that holds the offset `at`: where it starts in that text, and its bytes. `id` tells
/// the text from all others.
pub(super) fn around(
    cache: &Cache,
    source: &Source,
    segment: &Segment,
    id: Check,
    at: u64,
) -> Result<(u64, Bytes), RowsError> {
    let ends = cache.get(Key::Ends(id), || {
        let ends = measure(source, segment)?;
        let memory = 8 * ends.len() as u64;
        Ok::<_, RowsError>((Item::Ends(Arc::new(ends)), memory))
    })?;
    let Item::Ends(ends) = ends else { return Err(text::nothing(at)) };
    let number = ends.partition_point(|&end| end <= at);
    let (Some(&end), start) = (ends.get(number), number.checked_sub(1).map_or(0, |before| ends[before]))
    else {
        return Err(text::nothing(at));
    };
    let part = cache.get(Key::Part(id, number as u64), || {
        let frame = read::part(&source.view, &source.schema, segment, rows(segment, number))?;
        let types = source.schema.columns().iter().map(|column| column.ty);
        let columns: Vec<_> = types.zip(frame.columns().iter().cloned()).collect();
        let mut out = Vec::new();
        csv::render(&columns, 0..frame.num_rows(), &mut out);
        text::check(segment, (end - start) as usize, out.len())?;
        let bytes = Bytes::copy_from_slice(&out);
        let memory = bytes.len() as u64;
        Ok::<_, RowsError>((Item::Bytes(bytes), memory))
    })?;
    match part {
        Item::Bytes(bytes) => Ok((start, bytes)),
        _ => Err(text::nothing(at)),
    }
}

fn rows(segment: &Segment, number: usize) -> Range<usize> {
    number * ROWS..((number + 1) * ROWS).min(segment.rows as usize)
}

/// Where the text of each part ends.
fn measure(source: &Source, segment: &Segment) -> Result<Vec<u64>, RowsError> {
    let schema = &source.schema;
    let frame = read::whole(&source.view, schema, segment)?;
    let count = (segment.rows as usize).div_ceil(ROWS);
    let len = |number: usize| {
        let rows = rows(segment, number);
        let columns = schema.columns().iter().zip(frame.columns());
        let values = columns
            .map(|(column, array)| csv::column_len(column.ty, array.slice(rows.start, rows.len()).as_ref()));
        values.sum::<u64>() + (rows.len() * schema.columns().len()) as u64
    };
    let lens: Vec<u64> = (0..count).into_par_iter().map(len).collect();
    let ends: Vec<u64> = lens
        .iter()
        .scan(0, |end, len| {
            *end += len;
            Some(*end)
        })
        .collect();
    let (expected, found) = (text::len(schema, &segment.sums()), ends.last().copied().unwrap_or(0));
    text::check(segment, expected as usize, found as usize)?;
    Ok(ends)
}
