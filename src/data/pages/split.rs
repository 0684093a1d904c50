//! Where the data pages of a chunk lie: what two chunks share can be told without decoding it.
//!
//! Reads page headers alone (Thrift's compact protocol), and of them only lengths and counts. Whatever is not as it
//! should be gives no pages at all: who asks decodes everything then, and that tells what is wrong.

use super::Layout;
use std::ops::Range;

/// A data page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The rows it holds, counted from the first of the chunk.
    pub rows: Range<usize>,
    /// Where it lies among the chunk's bytes, header included.
    pub bytes: Range<usize>,
}

/// The data pages of a chunk, one behind the other; `None` where its bytes do not add up to them.
#[must_use]
pub fn data_pages(layout: &Layout, bytes: &[u8]) -> Option<Vec<Page>> {
    let (mut at, mut row) = (usize::try_from(layout.dictionary_len).ok()?, 0usize);
    let mut pages = Vec::new();
    while at < bytes.len() {
        let mut input = Input { bytes: bytes.get(at..)?, at: 0 };
        let (stored, rows) = header(&mut input)?;
        let end = at.checked_add(input.at)?.checked_add(stored)?;
        let next = row.checked_add(rows)?;
        pages.push(Page { rows: row..next, bytes: at..end });
        (at, row) = (end, next);
    }
    let whole = at == bytes.len() && row as u64 == layout.rows;
    whole.then_some(pages)
}

/// Reads a page's header: the bytes that follow it, and its rows.
fn header(input: &mut Input<'_>) -> Option<(usize, usize)> {
    const STORED: i16 = 3;
    const DATA_PAGE: i16 = 5;
    const VALUES: i16 = 1;
    let (mut stored, mut rows, mut id) = (None, None, 0);
    while let Some(kind) = input.field(&mut id)? {
        match (id, kind) {
            (STORED, Kind::Int) => stored = Some(input.int()?),
            (DATA_PAGE, Kind::Struct) => {
                let mut inner = 0;
                while let Some(kind) = input.field(&mut inner)? {
                    match (inner, kind) {
                        (VALUES, Kind::Int) => rows = Some(input.int()?),
                        _ => input.skip(kind, 0)?,
                    }
                }
            }
            _ => input.skip(kind, 0)?,
        }
    }
    Some((usize::try_from(stored?).ok()?, usize::try_from(rows?).ok()?))
}

/// What a field is, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// In the field's own byte.
    Bool,
    Byte,
    Int,
    Binary,
    Struct,
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn uint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A number of any width.
    fn int(&mut self) -> Option<i64> {
        let zigzag = self.uint()?;
        Some((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    /// The next field, its number in `id`; the inner `None` ends the struct.
    fn field(&mut self, id: &mut i16) -> Option<Option<Kind>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        *id = match byte >> 4 {
            0 => i16::try_from(self.int()?).ok()?,
            more => id.checked_add(i16::from(more))?,
        };
        let kind = match byte & 0x0f {
            1 | 2 => Kind::Bool,
            3 => Kind::Byte,
            4..=6 => Kind::Int,
            8 => Kind::Binary,
            12 => Kind::Struct,
            _ => return None,
        };
        Some(Some(kind))
    }

    fn skip(&mut self, kind: Kind, depth: usize) -> Option<()> {
        const DEEPEST: usize = 4;
        match kind {
            Kind::Bool => {}
            Kind::Byte => drop(self.byte()?),
            Kind::Int => drop(self.int()?),
            Kind::Binary => {
                let len = usize::try_from(self.uint()?).ok()?;
                self.at = self.at.checked_add(len).filter(|at| *at <= self.bytes.len())?;
            }
            Kind::Struct if depth < DEEPEST => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip(kind, depth + 1)?;
                }
            }
            Kind::Struct => return None,
        }
        Some(())
    }
}
