//! What is looked at before a Parquet reader sees it: the footer, where chunks lie, what pages say of their sizes.
//!
//! Of parquet 60.1: a footer's tree of columns is built by recursion, places of chunks are asserted, and pages are given
//! the memory that their headers ask for; pages of some packings are given what their bytes unpack to. Here, memory is
//! bounded by what the file holds, and by what pages claim.

use super::thrift::{FALSE, I32, LIST, STRUCT, Walk};
use super::unpacked::Packing;
use crate::data::files::claim;
use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::metadata::{FooterTail, ParquetMetaData};
use parquet::file::reader::{ChunkReader, Length};
use std::ops::Range;
use std::sync::Arc;

/// Bytes of the end that tells where the footer is.
const TAIL: u64 = 8;

/// Columns in each other at most: those of a schema are in none.
const DEEPEST: usize = 64;

/// Bytes in which a page's header has said what it asks for.
const HEADER: u64 = 64;

/// Bytes of a header with the least and the greatest of its values, and of the longest that is read.
const LONG: u64 = 64 << 10;
const LONGEST: u64 = 16 << 20;

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

/// A chunk whose decoder follows its bytes, whatever its pages claim: where it lies, and how it is packed.
#[derive(Debug)]
pub(super) struct Loose {
    place: Range<u64>,
    packing: Packing,
}

/// Fails if a chunk of a column does not lie in the file; gives those that are loose, in their order there.
pub(super) fn chunks(metadata: &ParquetMetaData, len: u64) -> Result<Vec<Loose>> {
    let mut found = Vec::new();
    for group in metadata.row_groups() {
        for column in group.columns() {
            let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
            let start = u64::try_from(start).ok();
            let size = u64::try_from(column.compressed_size()).ok();
            let place = start.zip(size).and_then(|(start, size)| Some(start..start.checked_add(size)?));
            let inside = place.filter(|place| place.end <= len);
            let Some(place) = inside.filter(|_| group.num_rows() >= 0 && column.num_values() >= 0) else {
                return damaged(format!("its column {} would lie outside of it", column.column_path()));
            };
            if let Some(packing) = Packing::of(column.compression()).filter(|_| !place.is_empty()) {
                found.push(Loose { place, packing });
            }
        }
    }
    found.sort_by_key(|loose| loose.place.start);
    // Each place is to have one packing, or a page might be checked for another one than it is read by.
    if found.windows(2).any(|pair| pair[0].place.end > pair[1].place.start) {
        return damaged("two of its columns would lie at one place");
    }
    Ok(found)
}

/// A file whose pages are looked at before they are read.
#[derive(Debug)]
pub(super) struct Checked<R>(Arc<(R, Vec<Loose>)>);

impl<R> Checked<R> {
    pub(super) fn new(file: R, loose: Vec<Loose>) -> Checked<R> {
        Checked(Arc::new((file, loose)))
    }

    /// How the page at `start` is packed, if that is loose.
    fn packing(&self, start: u64) -> Option<Packing> {
        let loose = &self.0.1;
        let at = loose.partition_point(|loose| loose.place.start <= start).checked_sub(1)?;
        loose.get(at).filter(|loose| loose.place.contains(&start)).map(|loose| loose.packing)
    }
}

impl<R> Clone for Checked<R> {
    fn clone(&self) -> Checked<R> {
        Checked(Arc::clone(&self.0))
    }
}

impl<R: Length> Length for Checked<R> {
    fn len(&self) -> u64 {
        self.0.0.len()
    }
}

impl<R: ChunkReader> Checked<R> {
    /// The page whose header is at `start`, with all of its header if `whole`.
    fn page(&self, start: u64, whole: bool) -> Result<Page> {
        let left = self.len().saturating_sub(start);
        let sizes = if whole { &[HEADER, LONG, LONGEST][..] } else { &[HEADER] };
        let mut found = Page::default();
        for &size in sizes {
            let head = self.0.0.get_bytes(start, usize::try_from(left.min(size)).unwrap_or(0))?;
            found = Page::of(&head, left)?;
            if found.header.is_some() || size >= left {
                break;
            }
        }
        Ok(found)
    }

    /// Fails if the page at `start` would unpack to more than it claims.
    fn unpacks(&self, start: u64, packing: Packing) -> Result<()> {
        let page = self.page(start, true)?;
        let Some(header) = page.header else { return damaged("the header of a page is damaged") };
        let (Some(packed), Some(raw)) =
            (page.packed.checked_sub(page.levels), page.raw.checked_sub(page.levels))
        else {
            return damaged("the header of a page is damaged");
        };
        if page.plain || raw == 0 || packing.is_within(raw, packed) {
            return Ok(());
        }
        let bytes =
            self.get_bytes(start + header + page.levels, usize::try_from(packed).unwrap_or(usize::MAX))?;
        match packing.exceeds(&bytes, raw) {
            true => damaged(format!(
                "a page of {packed} bytes would unpack to more than the {raw} that it claims"
            )),
            false => Ok(()),
        }
    }
}

impl<R: ChunkReader> ChunkReader for Checked<R> {
    type T = R::T;

    /// What comes from here is the header of a page.
    fn get_read(&self, start: u64) -> Result<R::T> {
        self.page(start, false)?;
        if let Some(packing) = self.packing(start) {
            self.unpacks(start, packing)?;
        }
        self.0.0.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.len()) {
            return damaged("a page of it would lie outside of it");
        }
        self.0.0.get_bytes(start, length)
    }
}

/// What a page's header says.
#[derive(Debug, Default)]
struct Page {
    /// How long the header is; none if its end was not seen.
    header: Option<u64>,
    raw: u64,
    packed: u64,
    /// Bytes of levels before the values, which are not packed.
    levels: u64,
    /// Its values are not packed either.
    plain: bool,
}

impl Page {
    /// Fails if a page asks for more memory than its bytes can be worth.
    fn of(head: &[u8], left: u64) -> Result<Page> {
        let (mut raw, mut packed, mut kind, mut values) = (None, None, None, None);
        let mut page = Page::default();
        let mut walk = Walk::new(head);
        // A header may be longer than what is looked at: only what comes first is always needed.
        let whole = walk.fields(|walk, number, ty| {
            match (number, ty) {
                (1, I32) => kind = Some(size(walk)?),
                (2, I32) => raw = Some(size(walk)?),
                (3, I32) => packed = Some(size(walk)?),
                (5 | 7 | 8, STRUCT) => walk.fields(|walk, field, ty| {
                    match (number, field, ty) {
                        (_, 1, I32) => values = Some(size(walk)?),
                        (8, 5 | 6, I32) => page.levels = page.levels.saturating_add(size(walk)?),
                        (8, 7, ty) => {
                            page.plain = ty == FALSE;
                            return Some(false);
                        }
                        _ => return Some(false),
                    }
                    Some(true)
                })?,
                _ => return Some(false),
            }
            Some(true)
        });
        page.header = whole.map(|()| (head.len() - walk.left()) as u64);
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
        Ok(Page { raw, packed, ..page })
    }
}

/// A number that is none of values or bytes below zero.
fn size(walk: &mut Walk<'_>) -> Option<u64> {
    walk.int().and_then(|int| u64::try_from(int).ok())
}
