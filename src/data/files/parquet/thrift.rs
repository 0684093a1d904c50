//! As much of Thrift's compact protocol as it takes to look at a footer or a page's header before its reader does.

/// Types of fields that are told apart here.
pub(super) const FALSE: u8 = 2;
pub(super) const I32: u8 = 5;
pub(super) const LIST: u8 = 9;
pub(super) const STRUCT: u8 = 12;

/// Structs and lists in each other at most.
const DEEPEST: usize = 64;

/// Bytes that are read from their start; every answer is none if they are no Thrift.
#[derive(Debug, Clone)]
pub(super) struct Walk<'a> {
    bytes: &'a [u8],
}

impl<'a> Walk<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Walk<'a> {
        Walk { bytes }
    }

    /// How many bytes have not been read.
    pub(super) const fn left(&self) -> usize {
        self.bytes.len()
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut made = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            made |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(made);
            }
        }
        None
    }

    /// A whole number of any width.
    pub(super) fn int(&mut self) -> Option<i64> {
        let coded = self.unsigned()?;
        Some((coded >> 1).cast_signed() ^ -((coded & 1).cast_signed()))
    }

    fn jump(&mut self, count: u64) -> Option<()> {
        self.bytes = self.bytes.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    /// A list's length and the type of its items.
    pub(super) fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.unsigned()? } else { u64::from(head >> 4) };
        // Each item is a byte or more.
        (count <= self.bytes.len() as u64).then_some((count, head & 15))
    }

    /// Calls `each` with number and type of every field of a struct: true if it read the field, which is skipped else.
    pub(super) fn fields(&mut self, mut each: impl FnMut(&mut Self, i64, u8) -> Option<bool>) -> Option<()> {
        let mut number = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            number = if head >> 4 == 0 { self.int()? } else { number + i64::from(head >> 4) };
            if !each(self, number, head & 15)? {
                self.skip(head & 15, DEEPEST)?;
            }
        }
    }

    fn skip(&mut self, ty: u8, deep: usize) -> Option<()> {
        let deep = deep.checked_sub(1)?;
        match ty {
            1 | 2 => Some(()),
            3 => self.jump(1),
            4..=6 => self.unsigned().map(drop),
            7 => self.jump(8),
            8 => {
                let count = self.unsigned()?;
                self.jump(count)
            }
            9 | 10 => {
                let (count, ty) = self.list()?;
                (0..count).try_for_each(|_| self.skip_item(ty, deep))
            }
            11 => {
                let count = self.unsigned()?;
                if count == 0 {
                    return Some(());
                }
                let types = self.byte()?;
                (0..count).try_for_each(|_| {
                    self.skip_item(types >> 4, deep)?;
                    self.skip_item(types & 15, deep)
                })
            }
            12 => loop {
                let head = self.byte()?;
                if head == 0 {
                    return Some(());
                }
                if head >> 4 == 0 {
                    self.int()?;
                }
                self.skip(head & 15, deep)?;
            },
            13 => self.jump(16),
            _ => None,
        }
    }

    /// Skips an item of a list or a map: truth values have a byte there.
    fn skip_item(&mut self, ty: u8, deep: usize) -> Option<()> {
        if matches!(ty, 1 | 2) { self.jump(1) } else { self.skip(ty, deep) }
    }
}
