//! A chunk decoded a part at a time, so that what is only looked at needs the memory of one part.
//!
//! Knows no more of the pages than their layout; the rows it gives are those asked for, or it fails.

use super::{Layout, Pages, footer, general, loaded};
use crate::data::schema::Column;
use arrow_array::{Array, ArrayRef};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use std::ops::Range;

/// Rows of a chunk on their way.
#[derive(Debug)]
pub struct Stream {
    column: Column,
    reader: ParquetRecordBatchReader,
    wanted: usize,
    given: usize,
}

impl Stream {
    /// Rows `rows` of a chunk, `batch` at a time.
    pub fn open(
        column: &Column,
        layout: &Layout,
        pages: Bytes,
        rows: Range<usize>,
        batch: usize,
    ) -> Result<Stream, ParquetError> {
        let metadata = footer(column, layout)?;
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(Pages(pages), metadata)
            .with_batch_size(batch.max(1))
            .with_offset(rows.start)
            .with_limit(rows.len())
            .build()?;
        Ok(Stream { column: column.clone(), reader, wanted: rows.len(), given: 0 })
    }

    /// The next rows, `None` at the end. Fails where the pages are not what their layout says.
    #[allow(clippy::should_implement_trait, reason = "an error ends nothing by itself, as `?` wants it")]
    pub fn next(&mut self) -> Result<Option<ArrayRef>, ParquetError> {
        let Some(batch) = self.reader.next().transpose()? else {
            let (given, wanted) = (self.given, self.wanted);
            return match given == wanted {
                true => Ok(None),
                false => Err(general(format!("{given} rows where {wanted} should be"))),
            };
        };
        let array = loaded(&self.column, batch.column(0))?;
        self.given += array.len();
        Ok(Some(array))
    }
}
