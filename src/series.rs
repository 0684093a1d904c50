//! Rows of a series: reading ranges of them, and turning writes into segments.
//!
//! The one place above `data` where rows are decoded and encoded. Knows segments and drafts; knows nothing of
//! revisions, heads or other series.
//!
//! What is hidden here is how it is done: no program needs it, but tests, benchmarks or the command line do.

mod chunk;
mod combine;
pub mod compare;
#[doc(hidden)]
pub mod convert;
#[doc(hidden)]
pub mod encode;
mod feed;
pub mod read;
#[doc(hidden)]
pub mod same;
pub mod select;
#[doc(hidden)]
pub mod splice;
pub mod write;

use crate::data::input::InputError;
use crate::store::StoreError;
use arrow_schema::ArrowError;
use parquet::errors::ParquetError;

/// A failed read or write of rows.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The input cannot become rows.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A write that its own rules refuse.
    #[error("{0}")]
    Refused(String),
    /// A chunk that does not decode.
    #[error("a chunk of column {column} cannot be decoded: {message}")]
    Chunk {
        /// The column.
        column: String,
        /// What the decoder says.
        message: String,
    },
    /// An index whose parts do not fit together.
    #[error("the index is damaged: {0}")]
    Index(String),
    /// A chunk that cannot be encoded.
    #[error("rows cannot be encoded: {0}")]
    Encode(String),
}

impl From<ParquetError> for RowsError {
    fn from(error: ParquetError) -> RowsError {
        RowsError::Encode(error.to_string())
    }
}

impl From<ArrowError> for RowsError {
    fn from(error: ArrowError) -> RowsError {
        RowsError::Encode(error.to_string())
    }
}
