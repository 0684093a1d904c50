//! A text that is whole: in memory where it is short, else in a file that has no name.

use super::budget::{Budget, Claim};
use crate::digest::Digest;
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Where its bytes are.
#[derive(Debug)]
pub(super) enum Body {
    Memory(Bytes),
    File(File),
}

/// A text: immutable, shared by all its readers.
#[derive(Debug)]
pub struct Text {
    pub(super) body: Body,
    pub(super) len: u64,
    pub(super) digest: Digest,
    pub(super) claim: Claim,
}

impl Text {
    /// Bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no byte: none, since each has a header line.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Tells it from all other texts.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    pub(super) fn is_in(&self, budget: &Arc<Budget>) -> bool {
        Arc::ptr_eq(self.claim.budget(), budget)
    }

    /// Bytes from an offset: fewer than `len` only at its end.
    pub fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let start = offset.min(self.len);
        let end = start.saturating_add(len as u64).min(self.len);
        match &self.body {
            Body::Memory(bytes) => Ok(bytes.slice(start as usize..end as usize)),
            Body::File(file) => {
                let mut bytes = vec![0; (end - start) as usize];
                file.read_exact_at(&mut bytes, start)?;
                Ok(bytes.into())
            }
        }
    }
}
