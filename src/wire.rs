//! Varints, byte strings and blocks: the small alphabet the store's own formats are written in.
//!
//! Writing cannot fail; reading fails on anything that a writer here would not have written, so that
//! damage is an error and never a value. docs/format.md describes the bytes.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io;
use zstd::bulk::{Compressor, Decompressor};

/// Bytes that are not what they should be.
#[derive(Debug, thiserror::Error)]
#[error("damaged {what}")]
pub struct Damaged {
    /// What was being read.
    pub what: &'static str,
}

/// Appends to a buffer.
#[derive(Debug, Default)]
pub struct Writer {
    /// What was written so far.
    pub bytes: Vec<u8>,
}

impl Writer {
    /// An unsigned number: LEB128.
    pub fn uint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// A length.
    pub fn size(&mut self, value: usize) {
        self.uint(value as u64);
    }

    /// Bytes of a length known to the reader.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A byte string: its length, its bytes.
    pub fn string(&mut self, bytes: &[u8]) {
        self.size(bytes.len());
        self.raw(bytes);
    }

    /// A byte string of a sorted list: the bytes it shares with `previous`, then the rest.
    pub fn after(&mut self, previous: &[u8], bytes: &[u8]) {
        let shared = previous.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        self.size(shared);
        self.string(&bytes[shared..]);
    }

    /// A block: raw length, stored length (0: stored as it is), bytes; zstd where that is smaller.
    pub fn block(&mut self, bytes: &[u8]) {
        self.size(bytes.len());
        match compress(bytes) {
            Some(packed) => self.string(&packed),
            None => {
                self.uint(0);
                self.raw(bytes);
            }
        }
    }
}

const LEVEL: i32 = 3;

thread_local! {
    // Making one takes longer than most nodes take to decompress.
    static PACKER: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Works with what is in `slot`, made at the first use.
fn with<C, T>(
    slot: &mut Option<C>,
    make: impl FnOnce() -> io::Result<C>,
    work: impl FnOnce(&mut C) -> io::Result<T>,
) -> io::Result<T> {
    match slot {
        Some(made) => work(made),
        None => work(slot.insert(make()?)),
    }
}

/// `bytes` under zstd, or `None` where that does not make them smaller.
#[must_use]
pub fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < 32 {
        return None;
    }
    PACKER.with_borrow_mut(|slot| {
        let packed = with(slot, || Compressor::new(LEVEL), |packer| packer.compress(bytes));
        packed.ok().filter(|packed| packed.len() < bytes.len())
    })
}

/// Undoes [`compress`]; `len` is the raw length. Fails where the bytes do not give just that.
pub fn decompress(bytes: &[u8], len: usize, what: &'static str) -> Result<Vec<u8>, Damaged> {
    let raw = UNPACKER.with_borrow_mut(|slot| with(slot, Decompressor::new, |it| it.decompress(bytes, len)));
    match raw {
        Ok(raw) if raw.len() == len => Ok(raw),
        Ok(_) | Err(_) => Err(Damaged { what }),
    }
}

/// Takes from the front of a slice.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`; errors say that `what` is damaged.
    #[must_use]
    pub const fn new(bytes: &'a [u8], what: &'static str) -> Reader<'a> {
        Reader { rest: bytes, what }
    }

    /// The error of this reader.
    #[must_use]
    pub const fn damaged(&self) -> Damaged {
        Damaged { what: self.what }
    }

    /// What was not read yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// An unsigned number.
    pub fn uint(&mut self) -> Result<u64, Damaged> {
        let mut value = 0u64;
        for (i, &byte) in self.rest.iter().enumerate().take(10) {
            let bits = u64::from(byte & 0x7F);
            if i == 9 && bits > 1 {
                break;
            }
            value |= bits << (7 * i);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[i + 1..];
                return Ok(value);
            }
        }
        Err(self.damaged())
    }

    /// A length, or a count of things that take at least one byte each.
    pub fn size(&mut self) -> Result<usize, Damaged> {
        usize::try_from(self.uint()?).map_err(|_overflow| self.damaged())
    }

    /// A count of things that each take at least one byte of what is left.
    pub fn count(&mut self) -> Result<usize, Damaged> {
        let count = self.size()?;
        if count > self.rest.len() { Err(self.damaged()) } else { Ok(count) }
    }

    /// `len` bytes.
    pub fn raw(&mut self, len: usize) -> Result<&'a [u8], Damaged> {
        let Some((head, rest)) = self.rest.split_at_checked(len) else { return Err(self.damaged()) };
        self.rest = rest;
        Ok(head)
    }

    /// An array of bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let raw = self.raw(N)?;
        <[u8; N]>::try_from(raw).map_err(|_length| self.damaged())
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, Damaged> {
        Ok(self.raw(1)?[0])
    }

    /// A byte string.
    pub fn string(&mut self) -> Result<&'a [u8], Damaged> {
        let len = self.size()?;
        self.raw(len)
    }

    /// A byte string that is text.
    pub fn text(&mut self) -> Result<String, Damaged> {
        let raw = self.string()?.to_vec();
        String::from_utf8(raw).map_err(|_not_text| self.damaged())
    }

    /// A byte string that is text, not copied.
    pub fn text_here(&mut self) -> Result<&'a str, Damaged> {
        std::str::from_utf8(self.string()?).map_err(|_not_text| self.damaged())
    }

    /// A byte string of a sorted list, put in the place of the one before it.
    pub fn after_in(&mut self, last: &mut Vec<u8>) -> Result<(), Damaged> {
        let shared = self.size()?;
        if shared > last.len() {
            return Err(self.damaged());
        }
        last.truncate(shared);
        last.extend_from_slice(self.string()?);
        Ok(())
    }

    /// A byte string of a sorted list.
    pub fn after(&mut self, previous: &[u8]) -> Result<Vec<u8>, Damaged> {
        let shared = self.size()?;
        let rest = self.string()?;
        let head = previous.get(..shared).ok_or_else(|| self.damaged())?;
        Ok([head, rest].concat())
    }

    /// A block.
    pub fn block(&mut self) -> Result<Vec<u8>, Damaged> {
        Ok(self.block_here()?.into_owned())
    }

    /// A block, not copied where it is stored as it is.
    pub fn block_here(&mut self) -> Result<Cow<'a, [u8]>, Damaged> {
        let raw_len = self.size()?;
        match self.size()? {
            0 => Ok(Cow::Borrowed(self.raw(raw_len)?)),
            stored => decompress(self.raw(stored)?, raw_len, self.what).map(Cow::Owned),
        }
    }

    /// Skips a block.
    pub fn skip_block(&mut self) -> Result<(), Damaged> {
        let raw_len = self.size()?;
        let stored = self.size()?;
        self.raw(if stored == 0 { raw_len } else { stored })?;
        Ok(())
    }

    /// Fails unless all was read.
    pub const fn end(&self) -> Result<(), Damaged> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.damaged()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut writer = Writer::default();
            writer.uint(value);
            assert_eq!(Reader::new(&writer.bytes, "x").uint().unwrap(), value);
        }
    }

    #[test]
    fn blocks_round_trip_compressed_or_not() {
        for bytes in [vec![], vec![7; 10_000], (0..=255).collect::<Vec<u8>>()] {
            let mut writer = Writer::default();
            writer.block(&bytes);
            writer.uint(5);
            let mut reader = Reader::new(&writer.bytes, "x");
            assert_eq!(reader.block().unwrap(), bytes);
            assert_eq!(reader.uint().unwrap(), 5);
        }
    }

    #[test]
    fn cut_bytes_are_an_error() {
        let mut writer = Writer::default();
        writer.string(b"hello");
        for len in 0..writer.bytes.len() {
            assert!(Reader::new(&writer.bytes[..len], "x").string().is_err());
        }
        assert!(Reader::new(&[0xFF; 11], "x").uint().is_err());
    }

    #[test]
    fn shared_prefixes_are_stored_once() {
        let mut writer = Writer::default();
        writer.after(b"series_001", b"series_002");
        assert_eq!(writer.bytes.len(), 3);
        assert_eq!(Reader::new(&writer.bytes, "x").after(b"series_001").unwrap(), b"series_002");
    }
}
