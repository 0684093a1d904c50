//! One column of a segment: its pages in memory, and the rows decoded of them.
//!
//! Bytes are checked where they are loaded, so what is decoded of them twice is read and checked once.

use super::RowsError;
use crate::data::pages::{self, Layout};
use crate::data::schema::{Column, Schema};
use crate::history::segment::Segment;
use crate::store::View;
use arrow_array::{Array, ArrayRef};
use bytes::Bytes;
use std::ops::Range;

/// Column `i` of some rows of a segment.
pub(super) fn column(
    view: &View,
    schema: &Schema,
    segment: &Segment,
    i: usize,
    rows: Range<usize>,
) -> Result<ArrayRef, RowsError> {
    Pages::load(view, schema, segment, i)?.decode(rows)
}

/// The pages of a segment's column in memory, checked, for who decodes of them what turns out to be needed.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    column: &'a Column,
    pub(super) layout: &'a Layout,
    pub(super) bytes: Bytes,
    /// Bytes that its values take in CSV.
    text: u64,
}

impl<'a> Pages<'a> {
    /// Those of column `i`.
    pub(super) fn load(
        view: &View,
        schema: &'a Schema,
        segment: &'a Segment,
        i: usize,
    ) -> Result<Pages<'a>, RowsError> {
        let column = &schema.columns()[i];
        let missing = || RowsError::Chunk { column: column.name.clone(), message: "it has none".to_owned() };
        let chunk = segment.chunks.get(i).ok_or_else(missing)?;
        let bytes = view.pages(&chunk.place, chunk.layout.len, chunk.check)?;
        Ok(Pages { column, layout: &chunk.layout, bytes, text: chunk.csv_len })
    }

    /// Some rows.
    pub(super) fn decode(&self, rows: Range<usize>) -> Result<ArrayRef, RowsError> {
        pages::decode_within(self.column, self.layout, self.bytes.clone(), rows, self.text)
            .map_err(|e| RowsError::Chunk { column: self.column.name.clone(), message: e.to_string() })
    }

    /// Some rows, a page's worth at a time.
    pub(super) fn stream(&self, rows: Range<usize>) -> Result<Stream, RowsError> {
        let column = self.column.name.clone();
        let (bytes, batch) = (self.bytes.clone(), pages::PAGE_ROWS);
        match pages::Stream::within(self.column, self.layout, bytes, rows, batch, self.text) {
            Ok(pages) => Ok(Stream { column, pages }),
            Err(e) => Err(RowsError::Chunk { column, message: e.to_string() }),
        }
    }
}

/// Rows of a column on their way, a page's worth at a time.
#[derive(Debug)]
pub(super) struct Stream {
    column: String,
    pages: pages::Stream,
}

impl Stream {
    /// The next `rows` rows: a page's worth, or fewer where those are the last.
    pub(super) fn take(&mut self, rows: usize) -> Result<ArrayRef, RowsError> {
        let damaged = |message| RowsError::Chunk { column: self.column.clone(), message };
        match self.pages.next() {
            Ok(Some(array)) if array.len() == rows => Ok(array),
            Ok(array) => {
                let found = array.map_or(0, |array| array.len());
                Err(damaged(format!("{found} rows where {rows} should be")))
            }
            Err(e) => Err(damaged(e.to_string())),
        }
    }
}
