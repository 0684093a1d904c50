//! Two segments with the same index values: which of their rows differ.
//!
//! Columns whose chunks are equal are decoded only where rows differ. Of the others, pages of the same bytes are left
//! out where bytes mean the same, and the rest is decoded a page at a time, so that the memory of one page serves all.

use super::{Delta, Reader};
use crate::data::alter::Take;
use crate::data::delta::Row;
use crate::data::pages::{PAGE_ROWS, data_pages};
use crate::history::segment::Segment;
use crate::series::RowsError;
use crate::series::chunk::{Pages, Stream};
use crate::series::convert::constant;
use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array, new_empty_array};
use arrow_buffer::Buffer;
use std::ops::Range;
use std::sync::Arc;

/// A side's reader and its segment.
type Of<'a> = (&'a Reader, &'a Segment);

/// The rows of a column that differ.
#[derive(Debug, Default)]
struct Found {
    /// Their positions in the segment, ascending.
    at: Vec<usize>,
    /// Their values.
    old: Vec<ArrayRef>,
    new: Vec<ArrayRef>,
}

/// Compares rows `rows`.
pub(super) fn pair(old: Of<'_>, new: Of<'_>, rows: &Range<usize>) -> Result<Delta, RowsError> {
    let check = |(reader, segment): Of<'_>, column: usize| match reader.columns[column] {
        Take::Column(i) => segment.chunks.get(i).map(|chunk| chunk.check),
        Take::Constant(_) => None,
    };
    let mut columns = Vec::with_capacity(new.0.columns.len());
    for column in 0..new.0.columns.len() {
        let equal = check(new, column).is_some_and(|own| check(old, column) == Some(own));
        columns.push(if equal { None } else { Some(compare(old, new, column, rows)?) });
    }
    let at = union(columns.iter().flatten());
    let (mut a, mut b) = (Vec::with_capacity(columns.len()), Vec::with_capacity(columns.len()));
    for (column, found) in columns.into_iter().enumerate() {
        match found {
            None => {
                let both = pick(new, column, &at)?;
                a.push(Arc::clone(&both));
                b.push(both);
            }
            Some(found) if found.at.len() == at.len() && !at.is_empty() => {
                a.push(joined(&found.old)?);
                b.push(joined(&found.new)?);
            }
            Some(_) => {
                a.push(pick(old, column, &at)?);
                b.push(pick(new, column, &at)?);
            }
        }
    }
    let gap = |i: usize| i == 0 || at[i] != at[i - 1] + 1;
    let rows = (0..at.len()).map(|i| Row { old: Some(i), new: Some(i), gap: gap(i) }).collect();
    let frame = |arrays| RecordBatch::try_new(Arc::clone(new.0.joint.arrow()), arrays);
    Ok(Delta { old: frame(a)?, new: frame(b)?, rows })
}

/// The rows that differ in any column.
fn union<'a>(columns: impl Iterator<Item = &'a Found>) -> Vec<usize> {
    let mut at = Vec::new();
    for found in columns {
        if at.is_empty() {
            at.clone_from(&found.at);
        } else if at != found.at {
            at.extend(&found.at);
            at.sort_unstable();
            at.dedup();
        }
    }
    at
}

fn joined(parts: &[ArrayRef]) -> Result<ArrayRef, RowsError> {
    match parts {
        [one] => Ok(Arc::clone(one)),
        several => Ok(arrow_select::concat::concat(&several.iter().map(AsRef::as_ref).collect::<Vec<_>>())?),
    }
}

fn load<'a>((reader, segment): Of<'a>, column: usize) -> Result<Option<Pages<'a>>, RowsError> {
    match reader.columns[column] {
        Take::Column(i) => Pages::load(&reader.view, &reader.schema, segment, i).map(Some),
        Take::Constant(_) => Ok(None),
    }
}

/// One value for so many rows, of a column that the side has not.
fn alone((reader, _): Of<'_>, column: usize, rows: usize) -> Result<ArrayRef, RowsError> {
    let text = match &reader.columns[column] {
        Take::Constant(text) => text.as_deref(),
        Take::Column(_) => None,
    };
    constant(&reader.joint.columns()[column], text, rows)
}

/// The rows whose values in a column differ.
fn compare(old: Of<'_>, new: Of<'_>, column: usize, rows: &Range<usize>) -> Result<Found, RowsError> {
    let (a, b) = (load(old, column)?, load(new, column)?);
    let ranges = match (&a, &b) {
        (Some(a), Some(b)) => unequal(a, b, rows),
        _ => vec![rows.clone()],
    };
    let stream = |pages: &Option<Pages<'_>>, range: &Range<usize>| {
        pages.as_ref().map(|pages| pages.stream(range.clone())).transpose()
    };
    let next = |stream: &mut Option<Stream>, of: Of<'_>, rows: usize| match stream {
        Some(stream) => stream.take(rows),
        None => alone(of, column, rows),
    };
    let mut found = Found::default();
    for range in ranges {
        let (mut a, mut b) = (stream(&a, &range)?, stream(&b, &range)?);
        for start in range.clone().step_by(PAGE_ROWS) {
            let rows = PAGE_ROWS.min(range.end - start);
            let (a, b) = (next(&mut a, old, rows)?, next(&mut b, new, rows)?);
            let at = differing(&a, &b);
            if at.is_empty() {
                continue;
            }
            found.old.push(taken(&a, &at)?);
            found.new.push(taken(&b, &at)?);
            found.at.extend(at.into_iter().map(|row| start + row as usize));
        }
    }
    Ok(found)
}

/// The rows of pages that are not the same bytes, and so may differ.
fn unequal(a: &Pages<'_>, b: &Pages<'_>, rows: &Range<usize>) -> Vec<Range<usize>> {
    // Bytes mean the same under the same codec and with the same dictionary.
    let dictionary = a.layout.dictionary_len as usize;
    let alike = a.layout.dictionary_len == b.layout.dictionary_len
        && a.layout.compressed == b.layout.compressed
        && a.bytes.get(..dictionary) == b.bytes.get(..dictionary);
    let pages = || Some((data_pages(a.layout, &a.bytes)?, data_pages(b.layout, &b.bytes)?));
    let Some((old, new)) = (if alike { pages() } else { None }) else { return vec![rows.clone()] };
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (i, page) in new.iter().enumerate() {
        let same = old.get(i).is_some_and(|old| {
            old.rows == page.rows && a.bytes[old.bytes.clone()] == b.bytes[page.bytes.clone()]
        });
        let (start, end) = (page.rows.start.max(rows.start), page.rows.end.min(rows.end));
        if same || start >= end {
            continue;
        }
        match ranges.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => ranges.push(start..end),
        }
    }
    ranges
}

fn taken(array: &ArrayRef, at: &[u32]) -> Result<ArrayRef, RowsError> {
    if at.len() == array.len() {
        return Ok(Arc::clone(array));
    }
    Ok(arrow_select::take::take(array.as_ref(), &UInt32Array::from(at.to_vec()), None)?)
}

/// Rows compared at once: nearly all are the same.
const BLOCK: usize = 256;

/// The rows that differ, bit by bit.
fn differing(a: &ArrayRef, b: &ArrayRef) -> Vec<u32> {
    let mut at = Vec::new();
    let len = a.len().min(b.len());
    let blocks = (0..len).step_by(BLOCK).map(|start| start..(start + BLOCK).min(len));
    if let (Some((width, a)), Some((_, b))) = (plain(a), plain(b)) {
        let bytes = |rows: &Range<usize>| rows.start * width..rows.end * width;
        for block in blocks.filter(|block| a[bytes(block)] != b[bytes(block)]) {
            at.extend(block.filter(|&row| a[bytes(&(row..row + 1))] != b[bytes(&(row..row + 1))]));
        }
    } else {
        let same = |row, len| a.slice(row, len).as_ref() == b.slice(row, len).as_ref();
        for block in blocks.filter(|block| !same(block.start, block.len())) {
            at.extend(block.filter(|&row| !same(row, 1)));
        }
    }
    // A page has fewer rows than 32 bits count.
    at.into_iter().map(|row| row as u32).collect()
}

/// The values of an array without nulls as bytes, and the width of each.
fn plain(array: &ArrayRef) -> Option<(usize, Buffer)> {
    let width = array.data_type().primitive_width().filter(|_| array.null_count() == 0)?;
    let data = array.to_data();
    let values = data.buffers().first()?;
    Some((width, values.slice_with_length(data.offset() * width, data.len() * width)))
}

/// Rows whose positions lie so close are decoded together.
const CLOSE: usize = 4096;

/// The values of a column at some positions, ascending.
fn pick(of: Of<'_>, column: usize, at: &[usize]) -> Result<ArrayRef, RowsError> {
    let Some(pages) = (if at.is_empty() { None } else { load(of, column)? }) else {
        return match at {
            [] => Ok(new_empty_array(&of.0.joint.columns()[column].ty.arrow())),
            some => alone(of, column, some.len()),
        };
    };
    let mut parts = Vec::new();
    let mut rest = at;
    while let Some(&first) = rest.first() {
        let count = 1 + rest.windows(2).take_while(|pair| pair[1] - pair[0] <= CLOSE).count();
        let (here, later) = rest.split_at(count);
        let values = pages.decode(first..here[count - 1] + 1)?;
        let positions: Vec<u32> = here.iter().map(|row| (row - first) as u32).collect();
        parts.push(taken(&values, &positions)?);
        rest = later;
    }
    joined(&parts)
}
