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

/// Bytes that anything compressed may unpack to, however few bytes it is stored in.
pub const FREE: usize = 4 << 20;

/// What is longer than [`FREE`] unpacks to at most so many times its stored bytes: so a small file cannot ask for
/// much memory. What compresses better is stored as it is. zstd itself can reach 32,768.
pub const RATIO: usize = 256;

/// Bytes of shared prefixes that a buffer may have, however short it is.
const FREE_SHARED: usize = 16 << 20;

/// Bytes of shared prefixes for each byte of a buffer. Labels share at most 255 bytes, and an entry of a change list
/// takes 8 or more.
const SHARED: usize = 32;

/// Bytes of shared prefixes that no buffer goes beyond.
const MOST_SHARED: usize = 512 << 20;

/// How many bytes of prefixes may be shared in a buffer of `len` bytes: each of them is memory for a reader, though
/// it takes none on disk.
fn most_shared(len: usize) -> usize {
    len.saturating_mul(SHARED).saturating_add(FREE_SHARED).min(MOST_SHARED)
}

/// Whether `stored` bytes may unpack to `raw`.
const fn plausible(raw: usize, stored: usize) -> bool {
    raw <= FREE || raw <= stored.saturating_mul(RATIO)
}

/// Appends to a buffer.
#[derive(Debug, Default)]
pub struct Writer {
    /// What was written so far.
    pub bytes: Vec<u8>,
    /// Bytes of shared prefixes so far.
    shared: usize,
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
    /// Where more would be shared than readers take, all of it is written.
    pub fn after(&mut self, previous: &[u8], bytes: &[u8]) {
        let mut shared = previous.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        if self.shared + shared > most_shared(self.bytes.len()) {
            shared = 0;
        }
        self.shared += shared;
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

/// `bytes` under zstd, or `None` if that does not make them smaller, or smaller than readers take.
#[must_use]
pub fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < 32 {
        return None;
    }
    PACKER.with_borrow_mut(|slot| {
        let packed = with(slot, || Compressor::new(LEVEL), |packer| packer.compress(bytes));
        packed.ok().filter(|packed| packed.len() < bytes.len() && plausible(bytes.len(), packed.len()))
    })
}

/// Undoes [`compress`]; `len` is the raw length. Fails if the bytes do not give just that, and before it takes any
/// memory if they could not.
pub fn decompress(bytes: &[u8], len: usize, what: &'static str) -> Result<Vec<u8>, Damaged> {
    if !plausible(len, bytes.len()) {
        return Err(Damaged { what });
    }
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
    /// Bytes of prefixes that may still be shared.
    shared: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`; errors say that `what` is damaged.
    #[must_use]
    pub fn new(bytes: &'a [u8], what: &'static str) -> Reader<'a> {
        Reader { rest: bytes, what, shared: most_shared(bytes.len()) }
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
        self.count_of(1)
    }

    /// A count of things that each take at least `least` bytes of what is left: memory for so many may be taken.
    pub fn count_of(&mut self, least: usize) -> Result<usize, Damaged> {
        let count = self.size()?;
        if count > self.rest.len() / least.max(1) { Err(self.damaged()) } else { Ok(count) }
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
        let shared = self.shared()?;
        if shared > last.len() {
            return Err(self.damaged());
        }
        last.truncate(shared);
        last.extend_from_slice(self.string()?);
        Ok(())
    }

    /// A byte string of a sorted list.
    pub fn after(&mut self, previous: &[u8]) -> Result<Vec<u8>, Damaged> {
        let shared = self.shared()?;
        let rest = self.string()?;
        let head = previous.get(..shared).ok_or_else(|| self.damaged())?;
        Ok([head, rest].concat())
    }

    /// The length of a shared prefix. Fails beyond what a writer shares in so many bytes.
    fn shared(&mut self) -> Result<usize, Damaged> {
        let shared = self.size()?;
        self.shared = self.shared.checked_sub(shared).ok_or_else(|| self.damaged())?;
        Ok(shared)
    }

    /// A block of at most `most` bytes once unpacked.
    pub fn block(&mut self, most: usize) -> Result<Vec<u8>, Damaged> {
        Ok(self.block_here(most)?.into_owned())
    }

    /// As [`Reader::block`], not copied where it is stored as it is.
    pub fn block_here(&mut self, most: usize) -> Result<Cow<'a, [u8]>, Damaged> {
        let raw_len = self.size()?;
        if raw_len > most {
            return Err(self.damaged());
        }
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
            assert_eq!(reader.block(10_000).unwrap(), bytes);
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

    /// A block as it would be stored, whatever it claims.
    fn claiming(raw: u64, stored: &[u8]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.uint(raw);
        writer.string(stored);
        writer.bytes
    }

    #[test]
    fn a_block_that_claims_too_much_is_damaged_before_memory_is_taken() {
        // The header of the frame says so too.
        let frame = [0x28, 0xB5, 0x2F, 0xFD, 0xE0, 0, 0, 0, 0, 0, 0, 0, 0x40, 1, 0, 0];
        for raw in [1 << 62, u64::MAX, 1 << 40, FREE as u64 + 1] {
            let block = claiming(raw, &frame);
            assert!(Reader::new(&block, "x").block(usize::MAX).is_err());
        }
        let zeros = vec![0; FREE + 1];
        let packed = zstd::bulk::compress(&zeros, LEVEL).unwrap();
        assert!(Reader::new(&claiming(zeros.len() as u64, &packed), "x").block(usize::MAX).is_err());
        let less = zstd::bulk::compress(&zeros[..FREE], LEVEL).unwrap();
        let block = claiming(FREE as u64, &less);
        assert_eq!(Reader::new(&block, "x").block(FREE).unwrap().len(), FREE);
        assert!(Reader::new(&block, "x").block(FREE - 1).is_err());
    }

    #[test]
    fn what_compresses_better_than_readers_take_is_stored_as_it_is() {
        let zeros = vec![0; FREE + 1];
        let mut writer = Writer::default();
        writer.block(&zeros);
        assert!(writer.bytes.len() > zeros.len());
        assert!(Reader::new(&writer.bytes, "x").block(zeros.len()).unwrap() == zeros);
    }

    #[test]
    fn shared_prefixes_take_no_more_than_so_many_times_the_bytes() {
        // 3 bytes each, and 4096 once read.
        let mut bytes = Vec::new();
        let mut writer = Writer::default();
        writer.after(&[], &[7; 4096]);
        bytes.extend_from_slice(&writer.bytes);
        (0..20_000).for_each(|_| bytes.extend_from_slice(&[0x80, 0x20, 0]));
        let mut reader = Reader::new(&bytes, "x");
        let mut last = Vec::new();
        let read = (0..20_001).take_while(|_| reader.after_in(&mut last).is_ok()).count();
        assert!(read * 4096 <= most_shared(bytes.len()) + 4096 && read < 20_000, "{read}");
        // One that grows by a byte with each entry.
        let grows: Vec<u8> = (0..100_000u32)
            .flat_map(|i| {
                let mut entry = Writer::default();
                entry.uint(u64::from(i));
                entry.string(b"x");
                entry.bytes
            })
            .collect();
        let mut reader = Reader::new(&grows, "x");
        let mut last = Vec::new();
        assert!((0..100_000).any(|_| reader.after_in(&mut last).is_err()));
    }

    #[test]
    fn long_shared_prefixes_are_written_so_that_they_can_be_read() {
        let keys: Vec<Vec<u8>> = (0..6_000u32).map(|i| [&[7; 4000][..], &i.to_be_bytes()].concat()).collect();
        let mut writer = Writer::default();
        let mut previous: &[u8] = &[];
        for key in &keys {
            writer.after(previous, key);
            previous = key;
        }
        let mut reader = Reader::new(&writer.bytes, "x");
        let mut last = Vec::new();
        for key in &keys {
            reader.after_in(&mut last).unwrap();
            assert!(last == *key);
        }
        reader.end().unwrap();
    }
}
