//! The bytes of live files: CSV text and stitched Parquet, by range, within a fixed memory.

use crate::data::schema::Schema;
use crate::history::entry::Segments;
use crate::history::tree::Sums;
use crate::series::RowsError;
use crate::store::View;
use bytes::Bytes;
use std::sync::Arc;

/// The rows of one series at one revision.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where its bytes are read.
    pub view: View,
    /// Its columns.
    pub schema: Arc<Schema>,
    /// Its rows.
    pub segments: Segments,
}

/// A form in which rows are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Text, a header line and a line a row.
    Csv,
    /// One Parquet file, stitched from the chunks of the store.
    Parquet,
}

impl Format {
    /// How names of such files end.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Parquet => "parquet",
        }
    }

    /// The exact length in bytes of a file of rows that add up to `sums`.
    #[must_use]
    pub fn size(self, _schema: &Schema, _sums: &Sums) -> u64 {
        0
    }
}

/// What all files of a mount share: the cache of chunks and of rendered text, the threads that read ahead.
#[derive(Debug)]
pub struct Renderer {}

impl Renderer {
    /// Keeps at most `cache` bytes in memory.
    #[must_use]
    pub fn new(_cache: u64) -> Arc<Renderer> {
        Arc::new(Renderer {})
    }

    /// Bytes kept now.
    #[must_use]
    pub fn cached(&self) -> u64 {
        0
    }

    /// Opens the file of a source. Reads no chunk.
    pub fn open(self: &Arc<Renderer>, _source: Source, _format: Format) -> Result<Content, RowsError> {
        Ok(Content {})
    }
}

/// An open file: immutable, shared by all its readers.
#[derive(Debug)]
pub struct Content {}

impl Content {
    /// Its length in bytes: what [`Format::size`] says.
    #[must_use]
    pub fn size(&self) -> u64 {
        0
    }

    /// Bytes from `offset`: `len` of them, fewer only at the end of the file.
    pub fn read(&self, _offset: u64, _len: usize) -> Result<Bytes, RowsError> {
        Ok(Bytes::new())
    }
}
