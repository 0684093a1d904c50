//! A text while it is made: what does not fit into its buffer goes to a file.

use super::Deltas;
use super::budget::Claim;
use super::text::{Body, Text};
use crate::digest::Digest;
use crate::vfs::failure::{Failure, Kind};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

pub(super) struct Sink<'a> {
    deltas: &'a Deltas,
    buffer: Vec<u8>,
    digest: blake3::Hasher,
    file: Option<File>,
    /// Bytes in the file.
    written: u64,
    /// Of the file's bytes.
    claim: Claim,
}

impl<'a> Sink<'a> {
    pub(super) fn new(deltas: &'a Deltas) -> Sink<'a> {
        let (digest, claim) = (blake3::Hasher::new(), Claim::on(&deltas.disk));
        Sink { deltas, buffer: Vec::new(), digest, file: None, written: 0, claim }
    }

    /// Adds what `write` appends.
    pub(super) fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Failure> {
        let start = self.buffer.len();
        write(&mut self.buffer);
        self.digest.update(&self.buffer[start..]);
        if self.buffer.len() > self.deltas.limits.short { self.spill() } else { Ok(()) }
    }

    /// The text.
    pub(super) fn finish(mut self) -> Result<Arc<Text>, Failure> {
        let len = self.written + self.buffer.len() as u64;
        let mut memory = Claim::on(&self.deltas.memory);
        if self.file.is_none() && !self.deltas.extend(&mut memory, len) {
            // All that is in memory is open.
            self.spill()?;
        }
        let digest = Digest::from_bytes(*self.digest.finalize().as_bytes());
        if self.file.is_some() && !self.buffer.is_empty() {
            self.spill()?;
        }
        Ok(Arc::new(match self.file {
            Some(file) => Text { body: Body::File(file), len, digest, claim: self.claim },
            None => Text { body: Body::Memory(exact(self.buffer)), len, digest, claim: memory },
        }))
    }

    fn spill(&mut self) -> Result<(), Failure> {
        let len = self.written + self.buffer.len() as u64;
        let limit = self.deltas.disk.limit;
        if len > limit {
            let why =
                format!("what differs is longer than {limit} bytes: `lakota diff` writes it without a file");
            return Err(Failure::refused(Kind::TooLarge, why));
        }
        if !self.deltas.extend(&mut self.claim, self.buffer.len() as u64) {
            let why =
                format!("what differs and is open takes {limit} bytes, which is the most: close some of it");
            return Err(Failure::refused(Kind::Full, why));
        }
        let folder = &self.deltas.folder;
        let file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile_in(folder).map_err(|e| match e.kind() {
                // Not the name that was looked up.
                io::ErrorKind::NotFound => Failure::refused(
                    Kind::Unavailable,
                    format!("cannot make a file in {}: {e}", folder.display()),
                ),
                _ => Failure::spool(e),
            })?,
        };
        while let Err(error) = file.write_all_at(&self.buffer, self.written) {
            // The disk is full before the limit is reached: what nobody has open goes.
            let full = matches!(Kind::of_local(&error), Kind::Full | Kind::OverQuota);
            let idle = if full { self.deltas.give_up(|text| text.is_in(&self.deltas.disk)) } else { None };
            if idle.is_none() {
                return Err(Failure::spool(error));
            }
        }
        self.file = Some(file);
        self.written = len;
        self.buffer.clear();
        Ok(())
    }
}

fn exact(mut bytes: Vec<u8>) -> bytes::Bytes {
    bytes.shrink_to_fit();
    bytes.into()
}
