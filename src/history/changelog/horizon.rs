//! The horizon of a changelog: the time before which it was trimmed.
//!
//! A file of its own. It hides older revisions at once, but for those it lists; their files go only when it
//! has been there for as long as any write may take, so that what a slow writer builds on can still be merged.
//! A hidden revision that turns up again (in a pack somebody was making meanwhile) stays hidden.

use super::{Changelog, HistoryError};
use crate::clock::Stamp;
use crate::digest::Digest;
use crate::store::StoreError;
use crate::wire::{Damaged, Reader, Writer};
use bytes::Bytes;

const MAGIC: &[u8; 4] = b"lkh\x01";

/// Before `time`, only the revisions in `kept` are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Horizon {
    /// Milliseconds since 1970-01-01 UTC; 0 where nothing was trimmed.
    pub time: u64,
    /// Older revisions that stay: heads, and what merging them needs.
    pub kept: Vec<Stamp>,
    /// When it was put, in milliseconds since 1970-01-01 UTC.
    pub made: u64,
}

impl Horizon {
    /// Whether it hides a revision.
    #[must_use]
    pub fn hides(&self, stamp: Stamp) -> bool {
        stamp.time < self.time && !self.kept.contains(&stamp)
    }

    /// The time in a file's name, where it names a horizon: `horizon-<11 hex digits>-<digest>`.
    pub(super) fn of_name(name: &str) -> Option<Stamp> {
        Stamp::from_file_name(name.strip_prefix("horizon-")?)
    }

    fn encode(&self) -> Bytes {
        let mut out = Writer::default();
        out.raw(MAGIC);
        out.uint(self.time);
        out.uint(self.made);
        out.size(self.kept.len());
        for stamp in &self.kept {
            out.uint(stamp.time);
            out.raw(stamp.digest.as_bytes());
        }
        Bytes::from(out.bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Horizon, Damaged> {
        let mut input = Reader::new(bytes, "a horizon");
        if input.array::<4>()? != *MAGIC {
            return Err(input.damaged());
        }
        let (time, made) = (input.uint()?, input.uint()?);
        let mut kept = Vec::new();
        for _ in 0..input.count()? {
            kept.push(Stamp { time: input.uint()?, digest: Digest::from_bytes(input.array()?) });
        }
        input.end()?;
        Ok(Horizon { time, kept, made })
    }

    /// What two horizons hide together: the later time; what either kept and the later does not hide by
    /// having removed it.
    fn join(mut self, other: Horizon) -> Horizon {
        self.time = self.time.max(other.time);
        self.made = self.made.max(other.made);
        self.kept.extend(other.kept);
        self.kept.sort_unstable();
        self.kept.dedup();
        self
    }
}

impl Changelog {
    /// Reads and joins horizons; `None` where one went away meanwhile.
    pub(super) fn horizon(&self, files: Vec<(String, Stamp)>) -> Result<Option<Horizon>, HistoryError> {
        let mut horizon = Horizon::default();
        let newest = files.iter().map(|(_, stamp)| stamp.time).max();
        // An older horizon is history: its kept revisions were the later trim's to judge.
        for (key, stamp) in files.into_iter().filter(|(_, stamp)| Some(stamp.time) == newest) {
            match self.read_horizon(key, stamp)? {
                Some(read) => horizon = horizon.join(read),
                None => return Ok(None),
            }
        }
        Ok(Some(horizon))
    }

    /// Reads one; `None` where it is gone.
    pub(super) fn read_horizon(&self, key: String, stamp: Stamp) -> Result<Option<Horizon>, HistoryError> {
        let bytes = match self.store.backend().get(&key) {
            Err(e) if e.is_not_found() => return Ok(None),
            other => other.map_err(StoreError::from)?,
        };
        if Digest::of(&bytes) != stamp.digest {
            return Err(HistoryError::DamagedFile { file: key });
        }
        Horizon::decode(&bytes).map(Some).map_err(|_damage| HistoryError::DamagedFile { file: key })
    }

    /// Records a horizon: durable on return. Older ones are deleted by [`Changelog::prune`].
    pub fn put_horizon(&self, horizon: &Horizon) -> Result<(), HistoryError> {
        let bytes = horizon.encode();
        let stamp = Stamp { time: horizon.time, digest: Digest::of(&bytes) };
        for folder in self.folders() {
            let key = format!("{}/horizon-{}", folder.key(), stamp.file_name());
            self.store.backend().put(&key, bytes.clone())?;
        }
        Ok(())
    }
}
