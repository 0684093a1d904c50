//! The horizon of a changelog: the time before which it was trimmed.
//!
//! A file of its own. It hides older revisions at once, but for those it lists; their files go only when it
//! has been there for as long as any write may take, so that what a slow writer builds on can still be merged.
//! A hidden revision that turns up again (in a pack somebody was making meanwhile) stays hidden.

use super::forgotten::Forgotten;
use super::{Changelog, HistoryError, Log};
use crate::backend::BackendErrorKind;
use crate::clock::Stamp;
use crate::digest::Digest;
use crate::history::revision::TooLong;
use crate::store::StoreError;
use crate::wire::{Damaged, Reader, Writer};
use bytes::Bytes;

const MAGIC: &[u8; 4] = b"lkh\x02";

/// Bytes that a horizon has at most: 1.5 million revisions that stay.
const MOST_FILE: usize = 64 << 20;

/// The first layout: without what was forgotten.
const MAGIC_1: &[u8; 4] = b"lkh\x01";

/// Before `time`, only the revisions in `kept` are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Horizon {
    /// Milliseconds since 1970-01-01 UTC; 0 where nothing was trimmed.
    pub time: u64,
    /// Older revisions that stay: heads, and what merging them needs. Sorted.
    pub kept: Vec<Stamp>,
    /// When it was put, in milliseconds since 1970-01-01 UTC.
    pub made: u64,
    /// Revisions that `forgot` lies below, all of them together: it holds while they are all there, so that a
    /// list that came before them hides nothing.
    pub above: Vec<Stamp>,
    /// Revisions known to be ancestors of others: none is a head, though its children may be gone.
    pub forgot: Forgotten,
}

impl Horizon {
    /// Whether it hides a revision.
    #[must_use]
    pub fn hides(&self, stamp: Stamp) -> bool {
        stamp.time < self.time && self.kept.binary_search(&stamp).is_err()
    }

    /// Whether a revision is known to be an ancestor of one that is there.
    #[must_use]
    pub fn forgets(&self, stamp: Stamp) -> bool {
        self.forgot.contains(stamp)
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
        write_stamps(&self.kept, &mut out);
        write_stamps(&self.above, &mut out);
        self.forgot.write(&mut out);
        Bytes::from(out.bytes)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Horizon, Damaged> {
        let mut input = Reader::new(bytes, "a horizon");
        let magic = input.array::<4>()?;
        if magic != *MAGIC && magic != *MAGIC_1 {
            return Err(input.damaged());
        }
        let (time, made) = (input.uint()?, input.uint()?);
        let mut horizon = Horizon { time, made, kept: read_stamps(&mut input)?, ..Horizon::default() };
        horizon.kept.sort_unstable();
        if magic == *MAGIC {
            horizon.above = read_stamps(&mut input)?;
            horizon.forgot = Forgotten::read(&mut input)?;
        }
        input.end()?;
        Ok(horizon)
    }

    /// Adds what a horizon of the same time keeps.
    fn join(&mut self, other: Horizon) {
        self.time = self.time.max(other.time);
        self.made = self.made.max(other.made);
        self.kept.extend(other.kept);
        self.kept.sort_unstable();
        self.kept.dedup();
    }
}

fn write_stamps(stamps: &[Stamp], out: &mut Writer) {
    out.size(stamps.len());
    for stamp in stamps {
        out.uint(stamp.time);
        out.raw(stamp.digest.as_bytes());
    }
}

fn read_stamps(input: &mut Reader<'_>) -> Result<Vec<Stamp>, Damaged> {
    let mut stamps = Vec::new();
    for _ in 0..input.count_of(1 + 32)? {
        stamps.push(Stamp { time: input.uint()?, digest: Digest::from_bytes(input.array()?) });
    }
    Ok(stamps)
}

impl Changelog {
    /// Reads and joins the horizons of a log; false where one went away meanwhile. A list of what was forgotten waits
    /// while a revision that it lies below is not there.
    pub(super) fn read_horizons(
        &self,
        files: Vec<(String, Stamp)>,
        log: &mut Log,
    ) -> Result<bool, HistoryError> {
        let newest = files.iter().map(|(_, stamp)| stamp.time).max();
        for (key, stamp) in files {
            let Some(mut read) = self.read_horizon(key.clone(), stamp)? else { return Ok(false) };
            let forgot = std::mem::take(&mut read.forgot);
            let holds = read.above.iter().all(|above| log.contains(*above));
            // That one revision is an ancestor of another stays true, whichever horizon says so.
            match holds {
                true => log.horizon.forgot.extend(&forgot),
                false => log.waiting |= !forgot.is_empty(),
            }
            // But an older one's kept revisions were the later trim's to judge.
            if Some(stamp.time) == newest {
                log.horizon.join(read);
                log.horizon_keys.extend(Some(key).filter(|_| holds));
            }
        }
        Ok(true)
    }

    /// Reads one; `None` where it is gone.
    pub(super) fn read_horizon(&self, key: String, stamp: Stamp) -> Result<Option<Horizon>, HistoryError> {
        let bytes = match self.store.backend().get_within(&key, MOST_FILE as u64) {
            Err(e) if e.is_not_found() => return Ok(None),
            Err(e) if e.kind == BackendErrorKind::NoFile => {
                return Err(HistoryError::DamagedFile { file: key, source: None });
            }
            other => other.map_err(StoreError::from)?,
        };
        if Digest::of(&bytes) != stamp.digest {
            return Err(HistoryError::DamagedFile { file: key, source: None });
        }
        Horizon::decode(&bytes)
            .map(Some)
            .map_err(|damage| HistoryError::DamagedFile { file: key, source: Some(damage) })
    }

    /// Removes horizons that `by`, which is there, says all of; unless it does not hold yet.
    pub fn replace_horizons(&self, old: &[String], by: &Horizon) -> Result<(), HistoryError> {
        if old.is_empty() || !self.unhidden_log()?.horizon.forgot.contains_all(&by.forgot) {
            return Ok(());
        }
        Ok(self.store.backend().delete_many(old)?)
    }

    /// Records a horizon: durable on return. Older ones are deleted by [`Changelog::prune`].
    pub fn put_horizon(&self, horizon: &Horizon) -> Result<(), HistoryError> {
        let bytes = horizon.encode();
        TooLong::check("a horizon in bytes", bytes.len(), MOST_FILE)?;
        let stamp = Stamp { time: horizon.time, digest: Digest::of(&bytes) };
        for folder in self.folders() {
            let key = format!("{}/horizon-{}", folder.key(), stamp.file_name());
            self.store.backend().put_settled(&key, bytes.clone())?;
        }
        Ok(())
    }
}
