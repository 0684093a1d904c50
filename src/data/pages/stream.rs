//! A chunk decoded a part at a time, so that what is only looked at needs the memory of one part.
//!
//! Knows no more of the pages than their layout; the rows it gives are those asked for, or it fails. What the pages claim
//! is checked before the decoder sees them, since it takes memory as they say.

use super::split::{self, Claims};
use super::{Encoding, Layout, MOST_TEXT, Pages, footer, general, loaded};
use crate::data::caught::caught;
use crate::data::schema::{Column, Type};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_select::concat::concat;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of text that are decoded at once, unless a single value is longer: a dictionary of one long value can make
/// very much of few bytes.
const TEXT: usize = 256 << 20;

/// Rows of a chunk on their way.
#[derive(Debug)]
pub struct Stream {
    column: Column,
    reader: ParquetRecordBatchReader,
    /// Rows given at a time.
    batch: usize,
    wanted: usize,
    given: usize,
    /// Bytes of text that may still come.
    text: u64,
    /// Rows that were decoded with others.
    kept: Option<ArrayRef>,
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
        Stream::within(column, layout, pages, rows, batch, MOST_TEXT)
    }

    /// As [`Stream::open`]; a chunk of text has at most `text` bytes of it.
    pub fn within(
        column: &Column,
        layout: &Layout,
        pages: Bytes,
        rows: Range<usize>,
        batch: usize,
        text: u64,
    ) -> Result<Stream, ParquetError> {
        let least = if column.ty == Type::Str { 4 } else { 8 };
        let claims = split::claims(layout, &pages, least).filter(|_| layout.is_plausible(text));
        let claims = claims.ok_or_else(|| general("its pages are not what the index says".to_owned()))?;
        let batch = batch.max(1);
        let at_once = match (column.ty, layout.encoding) {
            (Type::Str, Encoding::Dictionary) => at_once(layout, &claims, &pages, batch.min(rows.len()))?,
            _ => batch,
        };
        let reader = guarded(|| {
            ParquetRecordBatchReaderBuilder::new_with_metadata(Pages(pages), footer(column, layout)?)
                .with_batch_size(at_once)
                .with_offset(rows.start)
                .with_limit(rows.len())
                .build()
        })?;
        Ok(Stream { column: column.clone(), reader, batch, wanted: rows.len(), given: 0, text, kept: None })
    }

    /// The next rows, `None` at the end. Fails where the pages are not what their layout says.
    #[allow(clippy::should_implement_trait, reason = "an error ends nothing by itself, as `?` wants it")]
    pub fn next(&mut self) -> Result<Option<ArrayRef>, ParquetError> {
        let Some(first) = self.part()? else { return Ok(None) };
        if first.len() == self.batch {
            return Ok(Some(first));
        }
        // Portions of long texts: together, and what is beyond the rows asked for is for the next time.
        let (mut rows, mut parts) = (first.len(), vec![first]);
        while rows < self.batch
            && let Some(part) = self.part()?
        {
            rows += part.len();
            parts.push(part);
        }
        let whole = match parts.as_slice() {
            [one] => Arc::clone(one),
            several => concat(&several.iter().map(AsRef::as_ref).collect::<Vec<_>>())?,
        };
        if rows > self.batch {
            self.kept = Some(whole.slice(self.batch, rows - self.batch));
        }
        Ok(Some(whole.slice(0, rows.min(self.batch))))
    }

    /// As many of the next rows as may be decoded at once.
    fn part(&mut self) -> Result<Option<ArrayRef>, ParquetError> {
        if let Some(kept) = self.kept.take() {
            return Ok(Some(kept));
        }
        let reader = &mut self.reader;
        let Some(batch) = guarded(|| Ok(reader.next().transpose()?))? else {
            let (given, wanted) = (self.given, self.wanted);
            return match given == wanted {
                true => Ok(None),
                false => Err(general(format!("{given} rows where {wanted} should be"))),
            };
        };
        let array = loaded(&self.column, batch.column(0))?;
        self.given += array.len();
        if let Some(texts) = array.as_string_opt::<i32>() {
            let bytes = (texts.value_offsets()[texts.len()] - texts.value_offsets()[0]) as u64;
            let left = self.text.checked_sub(bytes);
            self.text = left.ok_or_else(|| general("more text than the index says".to_owned()))?;
        }
        Ok(Some(array))
    }
}

/// The decoder's panics are errors of the pages.
fn guarded<T>(act: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    caught(act).unwrap_or_else(|said| Err(general(format!("the decoder failed: {said}"))))
}

/// How many rows of text can be decoded at once, at most `wanted`, so that they take little memory whatever they repeat.
fn at_once(layout: &Layout, claims: &Claims, pages: &[u8], wanted: usize) -> Result<usize, ParquetError> {
    // Nearly always: even if each row was the whole dictionary.
    if wanted.saturating_mul(claims.dictionary) <= TEXT {
        return Ok(wanted.max(1));
    }
    let longest = longest(layout, claims, pages).ok_or_else(|| general("a damaged dictionary".to_owned()))?;
    Ok((TEXT / longest.max(1)).clamp(1, wanted.max(1)))
}

/// Bytes of the longest value of a dictionary.
fn longest(layout: &Layout, claims: &Claims, pages: &[u8]) -> Option<usize> {
    let stored = pages.get(claims.dictionary_header..usize::try_from(layout.dictionary_len).ok()?)?;
    let raw = match layout.compressed {
        true => Cow::Owned(zstd::bulk::decompress(stored, claims.dictionary).ok()?),
        false => Cow::Borrowed(stored),
    };
    let (mut rest, mut longest) = (&*raw, 0);
    for _ in 0..claims.values {
        let (len, behind) = rest.split_first_chunk::<4>()?;
        let len = u32::from_le_bytes(*len) as usize;
        longest = longest.max(len);
        rest = behind.get(len..)?;
    }
    Some(longest)
}
