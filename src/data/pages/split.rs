//! The pages of a chunk by their headers alone: where they lie, and what they claim.
//!
//! Reads page headers (Thrift's compact protocol), and of them only lengths and counts. So what two chunks share can be
//! told without decoding it, and what a header claims is known before memory is taken for it.

use super::{Encoding, Layout};
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
        let header = Header::read(bytes.get(at..)?)?;
        let end = at.checked_add(header.len)?.checked_add(header.stored)?;
        let next = row.checked_add(header.values)?;
        pages.push(Page { rows: row..next, bytes: at..end });
        (at, row) = (end, next);
    }
    let whole = at == bytes.len() && row as u64 == layout.rows;
    whole.then_some(pages)
}

/// What the pages of a chunk claim, found to be what its layout says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claims {
    /// Bytes of the dictionary before compression, without its header.
    pub(super) dictionary: usize,
    /// Bytes of its header.
    pub(super) dictionary_header: usize,
    /// Values in the dictionary.
    pub(super) values: usize,
}

/// Checks the headers of all pages against the layout: no page unpacks to more than that says, none has more rows. `least`:
/// bytes of a value in the dictionary. None if something does not hold.
pub(super) fn claims(layout: &Layout, bytes: &[u8], least: usize) -> Option<Claims> {
    let dictionary_len = usize::try_from(layout.dictionary_len).ok()?;
    let mut claims = Claims { dictionary: 0, dictionary_header: 0, values: 0 };
    let (mut at, mut rows, mut raw) = (0usize, 0u64, 0u64);
    while at < bytes.len() {
        let header = Header::read(bytes.get(at..)?)?;
        let next = at.checked_add(header.len)?.checked_add(header.stored)?;
        raw = raw.checked_add(header.len as u64)?.checked_add(header.raw as u64)?;
        let dictionary = at < dictionary_len;
        if header.dictionary != dictionary || (!layout.compressed && header.raw != header.stored) {
            return None;
        }
        if dictionary {
            if next != dictionary_len || header.values > header.raw / least {
                return None;
            }
            claims = Claims { dictionary: header.raw, dictionary_header: header.len, values: header.values };
        } else if accepts(layout.encoding, header.encoding) {
            rows = rows.checked_add(header.values as u64)?;
        } else {
            return None;
        }
        at = next;
    }
    (at == bytes.len() && rows == layout.rows && raw <= layout.raw_len).then_some(claims)
}

/// Whether a page of a chunk may have an encoding, by its number in Parquet. The decoders of others, which no writer here
/// uses, take memory as their bytes say.
const fn accepts(chunk: Encoding, page: i64) -> bool {
    const PLAIN: i64 = 0;
    match chunk {
        Encoding::Plain => page == PLAIN,
        // By two names.
        Encoding::Dictionary => matches!(page, PLAIN | 2 | 8),
        Encoding::Delta => matches!(page, PLAIN | 5),
        Encoding::ByteStreamSplit => matches!(page, PLAIN | 9),
    }
}

/// What a page's header says.
struct Header {
    /// Whether it is a dictionary; a data page of the first version else.
    dictionary: bool,
    /// Its own bytes.
    len: usize,
    /// Bytes that follow it.
    stored: usize,
    /// These before compression.
    raw: usize,
    /// Rows of a data page, null ones included; values of a dictionary.
    values: usize,
    /// The number of its encoding.
    encoding: i64,
}

impl Header {
    /// Reads the header at the front of `bytes`.
    fn read(bytes: &[u8]) -> Option<Header> {
        const TYPE: i16 = 1;
        const RAW: i16 = 2;
        const STORED: i16 = 3;
        const DATA_PAGE: i16 = 5;
        const DICTIONARY_PAGE: i16 = 7;
        const VALUES: i16 = 1;
        const ENCODING: i16 = 2;
        let mut input = Input { bytes, at: 0 };
        let (mut ty, mut raw, mut stored, mut found, mut id) = (None, None, None, None, 0);
        let mut encoding = None;
        while let Some(kind) = input.field(&mut id)? {
            match (id, kind) {
                (TYPE, Kind::Int) => ty = Some(input.int()?),
                (RAW, Kind::Int) => raw = Some(input.int()?),
                (STORED, Kind::Int) => stored = Some(input.int()?),
                (DATA_PAGE | DICTIONARY_PAGE, Kind::Struct) => {
                    let (page, mut inner) = (id, 0);
                    while let Some(kind) = input.field(&mut inner)? {
                        match (inner, kind) {
                            (VALUES, Kind::Int) => found = Some((page, input.int()?)),
                            (ENCODING, Kind::Int) => encoding = Some(input.int()?),
                            _ => input.skip(kind, 0)?,
                        }
                    }
                }
                _ => input.skip(kind, 0)?,
            }
        }
        let (page, values) = found?;
        let dictionary = match (ty?, page) {
            (0, DATA_PAGE) => false,
            (2, DICTIONARY_PAGE) => true,
            _ => return None,
        };
        let size = |number: i64| usize::try_from(i32::try_from(number).ok()?).ok();
        Some(Header {
            dictionary,
            len: input.at,
            stored: size(stored?)?,
            raw: size(raw?)?,
            values: size(values)?,
            encoding: encoding?,
        })
    }
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
