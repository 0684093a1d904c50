//! Input cut into blocks of whole records.
//!
//! Knows LF and quotes, nothing of columns. Holds one block and what was read of the next
//! record; a record of many blocks makes its block as large as it needs, up to a limit.

use super::text::{Form, Text, unread};
use crate::data::input::{InputError, Problem};
use memchr::{memchr_iter, memrchr};
use std::io::Read;

/// Bytes read at a time.
pub(super) const BLOCK: usize = 1 << 20;
/// Bytes a field may have.
pub(super) const FIELD_LIMIT: usize = 256 << 20;

/// Reads an input block by block.
pub(super) struct Blocks<R> {
    input: Text<R>,
    size: usize,
    field_limit: usize,
    /// Bytes a record may have.
    record_limit: usize,
    /// What was read of the next block.
    carry: Vec<u8>,
    /// Blocks that are done with, for their memory.
    spare: Vec<Vec<u8>>,
    started: bool,
    ended: bool,
}

impl<R: Read> Blocks<R> {
    /// `columns` bounds what a record may take: as many fields of the greatest size. The input is UTF-8 where it begins
    /// with `own`.
    pub(super) fn new(input: R, columns: usize, own: Vec<u8>) -> Blocks<R> {
        let record_limit = FIELD_LIMIT.saturating_mul(columns.max(1));
        Blocks {
            input: Text::new(input, own),
            size: BLOCK,
            field_limit: FIELD_LIMIT,
            record_limit,
            carry: Vec::new(),
            spare: Vec::new(),
            started: false,
            ended: false,
        }
    }

    #[cfg(test)]
    pub(super) fn set_sizes(&mut self, size: usize, field_limit: usize) {
        (self.size, self.field_limit, self.record_limit) = (size, field_limit, 4 * field_limit);
    }

    /// The next block, ending with `\n`; `None` at the end. Lines of errors count from the block's start.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, InputError> {
        let mut block = std::mem::take(&mut self.carry);
        let mut cut = Cut::default();
        while !self.ended {
            self.read(&mut block)?;
            cut.scan(&block);
            if cut.broken {
                // The parser meets the stray quote before it meets the end.
                self.ended = true;
            } else if cut.end > 0 && !self.ended {
                self.carry = self.spare.pop().unwrap_or_default();
                self.carry.extend_from_slice(&block[cut.end..]);
                block.truncate(cut.end);
                return Ok(Some(block));
            }
            self.check_limits(&block, &cut)?;
        }
        if block.is_empty() {
            return Ok(None);
        }
        if block.last() != Some(&b'\n') {
            block.push(b'\n');
        }
        Ok(Some(block))
    }

    /// How the input is written.
    pub(super) const fn form(&self) -> Form {
        self.input.form()
    }

    /// Whether nothing comes after the last block.
    pub(super) const fn ended(&self) -> bool {
        self.ended && self.carry.is_empty()
    }

    /// Takes back a block's memory, unless one record made it large.
    pub(super) fn recycle(&mut self, mut block: Vec<u8>) {
        if block.capacity() <= 4 * self.size {
            block.clear();
            self.spare.push(block);
        }
    }

    fn read(&mut self, block: &mut Vec<u8>) -> Result<(), InputError> {
        // The first part is large enough for a byte order mark, whatever the size.
        let size = if self.started { self.size } else { self.size.max(MARK.len()) };
        block.reserve(size + 1);
        let read = self.input.fill(size, block).map_err(unread)?;
        self.ended = read < size;
        if !self.started && block.starts_with(MARK) {
            block.drain(..MARK.len());
        }
        self.started = true;
        Ok(())
    }

    fn check_limits(&self, block: &[u8], cut: &Cut) -> Result<(), InputError> {
        let record = block.len() - cut.end;
        if record <= self.field_limit {
            return Ok(());
        }
        let field =
            cut.open.or_else(|| memrchr(b',', block).map(|comma| comma + 1)).unwrap_or(0).max(cut.end);
        let (start, what) = if block.len() - field > self.field_limit {
            (field, "field")
        } else if record > self.record_limit {
            (cut.end, "line")
        } else {
            return Ok(());
        };
        let limit = FIELD_LIMIT >> 20;
        let hint = if cut.open.is_some() { "; is its closing quote missing?" } else { "" };
        let message =
            format!("the {what} that starts here is too large: a field has at most {limit} MiB{hint}");
        let line = 1 + memchr_iter(b'\n', &block[..start]).count() as u64;
        Err(InputError::new(Problem::Other(message)).at_line(line))
    }
}

/// UTF-8's byte order mark.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Where a block can be cut, found as it grows.
#[derive(Default)]
struct Cut {
    /// How far the block is searched.
    searched: usize,
    /// End of the last whole record.
    end: usize,
    /// The opening quote of a field that has not ended.
    open: Option<usize>,
    /// Whether a quote stands where none may: from there on, nothing is known.
    broken: bool,
}

impl Cut {
    /// Searches what was added since the last call.
    fn scan(&mut self, block: &[u8]) {
        let start = std::mem::replace(&mut self.searched, block.len());
        let mut inside = self.open.is_some();
        let mut quotes = Vec::new();
        for quote in memchr_iter(b'"', &block[start..]).map(|quote| start + quote) {
            // A doubled quote closes a field and opens it again, which comes to the same.
            let before = quote.checked_sub(1).map(|before| block[before]);
            if !inside && !matches!(before, None | Some(b',' | b'\n' | b'"')) {
                self.broken = true;
                return;
            }
            inside = !inside;
            quotes.push(quote);
        }
        self.open = quotes.last().copied().or(self.open).filter(|_| inside);
        let (mut end, mut outside) = (block.len(), !inside);
        for from in quotes.into_iter().rev().chain([start]) {
            if let Some(newline) = memrchr(b'\n', &block[from..end]).filter(|_| outside) {
                self.end = from + newline + 1;
                return;
            }
            (end, outside) = (from, !outside);
        }
    }
}
