//! What is looked at before a Parquet reader sees it: the footer, where chunks lie, what pages say of their sizes.
//!
//! Of parquet 60.1: a footer's tree of columns is built by recursion, places of chunks are asserted, and pages are given
//! the memory that their headers ask for. Here, memory is bounded by what the file holds.

use super::thrift::{I32, LIST, STRUCT, Walk};
use crate::data::files::claim;
use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::metadata::{FooterTail, ParquetMetaData};
use parquet::file::reader::{ChunkReader, Length};
use std::sync::Arc;

/// Bytes of the end that tells where the footer is.
const TAIL: u64 = 8;

/// Columns in each other at most: those of a schema are in none.
const DEEPEST: usize = 64;

/// Bytes in which a page's header has said what it asks for.
const HEADER: u64 = 64;

type Result<T> = std::result::Result<T, ParquetError>;

fn damaged<T>(message: impl Into<String>) -> Result<T> {
    Err(ParquetError::General(message.into()))
}

/// Fails if a file's footer is encrypted, or such that its reader must not see it.
pub(super) fn footer(file: &impl ChunkReader) -> Result<()> {
    let len = file.len();
    let Some(at) = len.checked_sub(TAIL).filter(|at| *at >= 4) else {
        return damaged(format!("{len} bytes are too few"));
    };
    let tail = FooterTail::try_from(file.get_bytes(at, 8)?.as_ref())?;
    if tail.is_encrypted_footer() {
        return damaged(ENCRYPTED);
    }
    let Some(start) = at.checked_sub(tail.metadata_length() as u64).filter(|start| *start >= 4) else {
        return damaged(format!(
            "its footer would have {} bytes, the file has {len}",
            tail.metadata_length()
        ));
    };
    let footer = file.get_bytes(start, tail.metadata_length())?;
    let mut encrypted = false;
    let walked = Walk::new(&footer).fields(|walk, number, ty| match (number, ty) {
        (2, LIST) => tree(walk).map(|()| true),
        (4, LIST) => groups(walk, &mut encrypted).map(|()| true),
        _ => Some(false),
    });
    match walked {
        None => damaged("its footer is damaged"),
        Some(()) if encrypted => damaged(ENCRYPTED),
        Some(()) => Ok(()),
    }
}

const ENCRYPTED: &str = "it is encrypted, and there is no way to give its keys: save it without encryption";

/// Fails if columns are more than are there, or nested deeper than any reader of rows needs.
fn tree(walk: &mut Walk<'_>) -> Option<()> {
    let (count, _) = walk.list()?;
    // Columns that are to come at each depth.
    let mut open: Vec<u64> = Vec::new();
    for _ in 0..count {
        let mut children = 0;
        walk.fields(|walk, number, ty| match (number, ty) {
            (5, I32) => walk.int().map(|found| (children = found, true).1),
            _ => Some(false),
        })?;
        if let Some(last) = open.last_mut() {
            *last = last.checked_sub(1)?;
        }
        let children = u64::try_from(children).ok().filter(|children| *children < count)?;
        if children > 0 {
            open.push(children);
        }
        while open.last() == Some(&0) {
            open.pop();
        }
        if open.len() > DEEPEST {
            return None;
        }
    }
    Some(())
}

/// Finds out whether a chunk of a column is encrypted.
fn groups(walk: &mut Walk<'_>, encrypted: &mut bool) -> Option<()> {
    let (count, _) = walk.list()?;
    for _ in 0..count {
        walk.fields(|walk, number, ty| {
            if (number, ty) != (1, LIST) {
                return Some(false);
            }
            let (count, _) = walk.list()?;
            for _ in 0..count {
                walk.fields(|_, number, ty| {
                    // How it is encrypted, and what it is, encrypted.
                    *encrypted |= matches!(number, 8 | 9) && matches!(ty, STRUCT | 8);
                    Some(false)
                })?;
            }
            Some(true)
        })?;
    }
    Some(())
}

/// Fails if a chunk of a column does not lie in the file.
pub(super) fn chunks(metadata: &ParquetMetaData, len: u64) -> Result<()> {
    for group in metadata.row_groups() {
        for column in group.columns() {
            let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
            let start = u64::try_from(start).ok();
            let end =
                start.zip(u64::try_from(column.compressed_size()).ok()).and_then(|(a, b)| a.checked_add(b));
            if end.is_none_or(|end| end > len) || group.num_rows() < 0 || column.num_values() < 0 {
                return damaged(format!("its column {} would lie outside of it", column.column_path()));
            }
        }
    }
    Ok(())
}

/// A file whose pages are looked at before they are read.
#[derive(Debug)]
pub(super) struct Checked<R>(Arc<R>);

impl<R> Checked<R> {
    pub(super) fn new(file: R) -> Checked<R> {
        Checked(Arc::new(file))
    }
}

impl<R> Clone for Checked<R> {
    fn clone(&self) -> Checked<R> {
        Checked(Arc::clone(&self.0))
    }
}

impl<R: Length> Length for Checked<R> {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl<R: ChunkReader> ChunkReader for Checked<R> {
    type T = R::T;

    /// What comes from here is the header of a page.
    fn get_read(&self, start: u64) -> Result<R::T> {
        let left = self.len().saturating_sub(start);
        let head = self.0.get_bytes(start, usize::try_from(left.min(HEADER)).unwrap_or(0))?;
        page(&head, left)?;
        self.0.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.len()) {
            return damaged("a page of it would lie outside of it");
        }
        self.0.get_bytes(start, length)
    }
}

/// Fails if a page asks for more memory than its bytes can be worth.
fn page(head: &[u8], left: u64) -> Result<()> {
    let (mut raw, mut packed, mut kind, mut values) = (None, None, None, None);
    let mut walk = Walk::new(head);
    // A header may be longer than what is looked at: only what comes first is needed.
    walk.fields(|walk, number, ty| {
        let int = |walk: &mut Walk<'_>| walk.int().and_then(|int| u64::try_from(int).ok());
        match (number, ty) {
            (1, I32) => kind = Some(int(walk)?),
            (2, I32) => raw = Some(int(walk)?),
            (3, I32) => packed = Some(int(walk)?),
            (5 | 7 | 8, STRUCT) => {
                walk.fields(|walk, number, ty| {
                    if (number, ty) == (1, I32) {
                        values = Some(int(walk)?);
                    }
                    None
                })?;
            }
            _ => return Some(false),
        }
        Some(true)
    });
    let (Some(raw), Some(packed), Some(kind)) = (raw, packed, kind) else {
        return damaged("the header of a page is damaged");
    };
    if packed > left {
        return damaged(format!("a page would have {packed} bytes, {left} are left"));
    }
    claim(raw, packed).or_else(damaged)?;
    // Each value of a dictionary is a byte or more.
    const DICTIONARY: u64 = 2;
    if kind == DICTIONARY && values.is_some_and(|values| values > raw + 1) {
        return damaged(format!("a dictionary of {raw} bytes would have {} values", values.unwrap_or(0)));
    }
    Ok(())
}
