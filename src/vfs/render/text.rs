//! Segments as CSV text, rendered on all cores.
//!
//! The index says how long the text of a segment is, and offsets rest on that: text of another length is damage,
//! never shifted bytes.

use super::buffer::Buffers;
use crate::data::csv;
use crate::data::schema::{Schema, Type};
use crate::digest::{Check, Digest};
use crate::history::segment::Segment;
use crate::history::tree::{Leaf, Sums};
use crate::series::{RowsError, read};
use crate::store::place::Place;
use crate::store::{StoreError, View};
use arrow_array::ArrayRef;
use bytes::Bytes;
use rayon::prelude::*;
use std::ops::Range;

/// Rows rendered at a time: a buffer that has room for the text has room for what rendering reserves.
const STEP: usize = 1024;

/// Rows that are worth a thread.
const PIECE_ROWS: usize = 4096;

/// Bytes of text of rows that add up to `sums`, without header.
pub(super) fn len(schema: &Schema, sums: &Sums) -> u64 {
    sums.csv + sums.rows * schema.columns().len() as u64
}

/// What the text of segments is made of: types and rows. Names stand in the header only.
pub(super) fn identity(schema: &Schema, unit: &[Segment]) -> Check {
    let mut id: Vec<u8> =
        schema.columns().iter().flat_map(|c| [c.ty.name(), ","].concat().into_bytes()).collect();
    for segment in unit {
        id.extend_from_slice(&segment.rows.to_le_bytes());
        segment.chunks.iter().for_each(|chunk| id.extend_from_slice(chunk.check.as_bytes()));
    }
    Check::of(&id)
}

/// The text of segments, in pieces, and how many bytes each takes in memory.
pub(super) fn render(
    view: &View,
    schema: &Schema,
    unit: &[Segment],
    buffers: &Buffers,
) -> Result<Vec<(Bytes, u64)>, RowsError> {
    let tasks = 2 * rayon::current_num_threads();
    let [segment] = unit else {
        let parts = unit.par_chunks(unit.len().div_ceil(tasks).max(1));
        return parts.map(|some| several(view, schema, some, buffers)).collect();
    };
    let rows = segment.rows as usize;
    let columns = columns(view, schema, segment)?;
    let text = len(schema, &segment.sums()) as usize;
    let step = rows.div_ceil(tasks).max(PIECE_ROWS);
    let starts: Vec<usize> = (0..rows).step_by(step).collect();
    let piece = |start: usize| {
        let end = rows.min(start + step);
        // The index gives the length of the whole; pieces differ a little.
        let mean = text as u64 * (end - start) as u64 / rows as u64;
        let mut out = buffers.take((mean + mean / 64) as usize + reserve(schema, end - start));
        append(&columns, start..end, &mut out);
        buffers.share(out)
    };
    let pieces: Vec<_> = match starts.as_slice() {
        [only] => vec![piece(*only)],
        several => several.par_iter().map(|&start| piece(start)).collect(),
    };
    check(segment, text, pieces.iter().map(|(piece, _)| piece.len()).sum())?;
    Ok(pieces)
}

/// The text of small segments, in one piece.
fn several(
    view: &View,
    schema: &Schema,
    segments: &[Segment],
    buffers: &Buffers,
) -> Result<(Bytes, u64), RowsError> {
    let text: u64 = segments.iter().map(|segment| len(schema, &segment.sums())).sum();
    let longest = segments.iter().map(|segment| segment.rows as usize).max().unwrap_or(0);
    let mut out = buffers.take(text as usize + reserve(schema, longest));
    for segment in segments {
        let start = out.len();
        append(&columns(view, schema, segment)?, 0..segment.rows as usize, &mut out);
        check(segment, len(schema, &segment.sums()) as usize, out.len() - start)?;
    }
    Ok(buffers.share(out))
}

/// Bytes that rendering so many rows, [`STEP`] at a time, may reserve beyond what it needs.
fn reserve(schema: &Schema, rows: usize) -> usize {
    rows.min(STEP) * (12 + 16 * schema.columns().len())
}

fn columns(view: &View, schema: &Schema, segment: &Segment) -> Result<Vec<(Type, ArrayRef)>, RowsError> {
    let frame = read::whole(view, schema, segment)?;
    Ok(schema.columns().iter().map(|c| c.ty).zip(frame.columns().iter().cloned()).collect())
}

fn append(columns: &[(Type, ArrayRef)], rows: Range<usize>, out: &mut Vec<u8>) {
    for start in rows.clone().step_by(STEP) {
        csv::render(columns, start..rows.end.min(start + STEP), out);
    }
}

/// An offset that no segment has.
pub(super) fn nothing(at: u64) -> RowsError {
    RowsError::Index(format!("no segment at byte {at}"))
}

/// Compares the length of a text with what is known of it.
pub(super) fn check(segment: &Segment, expected: usize, found: usize) -> Result<(), RowsError> {
    if found == expected {
        return Ok(());
    }
    let object = match segment.chunks.first().map(|chunk| chunk.place) {
        Some(Place::Object(digest)) => digest,
        Some(Place::Member(spot, _)) => spot.bundle,
        _ => Digest::ZERO,
    };
    let what = "its rows do not render to the length that the index has for them";
    Err(StoreError::Damaged { object, what }.into())
}
