//! Where bytes of the store lie: in an object of their own, or in a bundle.
//!
//! A bundle is an object of many parts: *groups* of small chunks compressed together, and *nodes* of
//! the index. A node names its own bundle as "here", since a bundle's digest is known only when it is
//! complete; whoever decodes a node says which bundle it came from.

use crate::digest::Digest;
use crate::wire::{Damaged, Reader, Writer};

/// A part of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spot {
    /// The bundle; [`Digest::ZERO`] while it is not complete.
    pub bundle: Digest,
    /// Offset in the bundle, in bytes.
    pub at: u64,
    /// Bytes there.
    pub stored: u64,
    /// Bytes once decompressed; the same as `stored` where it is not compressed.
    pub raw: u64,
}

impl Spot {
    /// Appends what tells it from all others.
    pub fn identify(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.bundle.as_bytes());
        [self.at, self.stored, self.raw].iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
    }
}

/// Where the pages of a chunk lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// In an object of their own, a Parquet file of that digest.
    Object(Digest),
    /// In a group, from an offset in its raw bytes.
    Member(Spot, u64),
    /// In a draft, not laid out yet.
    Staged(usize),
}

impl Place {
    /// The object whose bytes these are: its own, or a bundle; none while it is not laid out.
    #[must_use]
    pub const fn object(&self) -> Option<Digest> {
        match self {
            Place::Object(digest) => Some(*digest),
            Place::Member(spot, _) => Some(spot.bundle),
            Place::Staged(_) => None,
        }
    }

    /// Appends what tells it from all others.
    pub fn identify(&self, out: &mut Vec<u8>) {
        match self {
            Place::Object(digest) => out.extend_from_slice(digest.as_bytes()),
            Place::Member(spot, offset) => {
                spot.identify(out);
                out.extend_from_slice(&offset.to_le_bytes());
            }
            Place::Staged(number) => out.extend_from_slice(&number.to_le_bytes()),
        }
    }
}

/// The bundles a node refers to, numbered in order of their first mention; 0 is "here".
#[derive(Debug, Default)]
pub struct Bundles {
    list: Vec<Digest>,
}

impl Bundles {
    fn number(&mut self, bundle: Digest) -> usize {
        if bundle == Digest::ZERO {
            return 0;
        }
        let found = self.list.iter().position(|b| *b == bundle);
        found.unwrap_or_else(|| {
            self.list.push(bundle);
            self.list.len() - 1
        }) + 1
    }

    /// Appends the table.
    pub fn write(&self, out: &mut Writer) {
        out.size(self.list.len());
        for bundle in &self.list {
            out.raw(bundle.as_bytes());
        }
    }

    /// Reads a table in a node of bundle `here`.
    pub fn read(input: &mut Reader<'_>, here: Digest) -> Result<Bundles, Damaged> {
        let count = input.count()?;
        let mut list = vec![here];
        for _ in 0..count {
            list.push(Digest::from_bytes(input.array()?));
        }
        Ok(Bundles { list })
    }

    /// Appends a spot.
    pub fn write_spot(&mut self, spot: &Spot, out: &mut Writer) {
        out.size(self.number(spot.bundle));
        out.uint(spot.at);
        out.uint(spot.stored);
        out.uint(spot.raw);
    }

    /// Reads a spot; only on a table that was read.
    pub fn read_spot(&self, input: &mut Reader<'_>) -> Result<Spot, Damaged> {
        let number = input.size()?;
        let bundle = *self.list.get(number).ok_or_else(|| input.damaged())?;
        Ok(Spot { bundle, at: input.uint()?, stored: input.uint()?, raw: input.uint()? })
    }
}
