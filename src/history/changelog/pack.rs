//! Packs: many revision files in one, under their names.
//!
//! A pack's name is the digest of its index, the index holds a check for every group of revisions. It is
//! durable before a file it holds is deleted; a pack goes only when another holds all of it.

use super::HistoryError;
use super::index::{Builder, Index, Place};
use super::parents::Parents;
use crate::backend::BackendErrorKind;
use crate::clock::{MAX_TIME, Stamp};
use crate::digest::{Check, Digest};
use crate::history::revision::{MOST_FILE as MOST_REVISION, TooLong};
use crate::store::Store;
use crate::wire::{Damaged, Reader, Writer, compress, decompress};
use bytes::Bytes;
use lru::LruCache;
use parking_lot::Mutex;
use std::num::NonZeroUsize;

const MAGIC: &[u8; 4] = b"lkp\x01";

/// Raw bytes of revisions compressed together.
const GROUP_BYTES: usize = 64 << 10;

/// Bytes that a group has at most: one revision, if that is longer.
const MOST_GROUP: usize = MOST_REVISION;

/// Bytes that an index has at most before compression: about six million revisions.
const MOST_INDEX: usize = 256 << 20;

/// Parents that a pack names at most, beside four for each of its revisions: each takes one byte here and forty in memory.
const MOST_PARENTS: usize = 1 << 22;

/// Bytes that a pack has at most, where all of it is read.
pub(super) const MOST_FILE: u64 = 4 << 30;

/// Bytes of a revision in an index, at least: stamp, no parents, its place.
const LEAST_REVISION: usize = 1 + 32 + 1 + 3;

/// Bytes of a group in an index, at least.
const LEAST_GROUP: usize = 2 + 16;

/// Groups kept decompressed: those that some cores read at once, and the one that a reading ended in.
const RECENT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

/// Bytes before the index: the magic number and the index's length.
const HEADER: usize = 12;

#[derive(Debug)]
struct Group {
    at: u64,
    stored: usize,
    raw: usize,
    check: Check,
}

/// An opened pack: its index.
#[derive(Debug)]
pub(super) struct Pack {
    /// Where it lies.
    pub(super) key: String,
    index: Index,
    groups: Vec<Group>,
    /// Where the index ends.
    behind_index: u64,
    recent: Mutex<LruCache<usize, Bytes>>,
}

/// The name itself, where it names a pack: `pack-<digest>`.
pub(super) fn is_pack(name: &str) -> Option<&str> {
    name.strip_prefix("pack-").and_then(Digest::from_hex).map(|_| name)
}

impl Pack {
    pub(super) fn open(store: &Store, key: String) -> Result<Pack, HistoryError> {
        let damaged = || HistoryError::DamagedFile { file: key.clone(), source: None };
        // What is no file holds no pack.
        let read = |at: u64, len: usize| match store.backend().get_range(&key, at, len) {
            Err(e) if e.kind == BackendErrorKind::NoFile => Err(damaged()),
            found => Ok(found?),
        };
        let header = read(0, HEADER)?;
        let (magic, len) = header.split_at(4);
        let len = <[u8; 8]>::try_from(len).map(u64::from_le_bytes).map_err(|_short| damaged())?;
        if magic != MAGIC || len > MOST_INDEX as u64 {
            return Err(damaged());
        }
        let index = read(HEADER as u64, len as usize)?;
        if !key.ends_with(&Digest::of(&index).to_string()) {
            return Err(damaged());
        }
        let (index, groups) = read_index(&index, HEADER as u64 + len)
            .map_err(|damage| HistoryError::DamagedFile { file: key.clone(), source: Some(damage) })?;
        let behind_index = HEADER as u64 + len;
        Ok(Pack { key, index, groups, behind_index, recent: Mutex::new(LruCache::new(RECENT)) })
    }

    /// Where its last byte ends, by its index.
    pub(super) fn end(&self) -> u64 {
        self.groups.last().map_or(self.behind_index, |group| group.at.saturating_add(group.stored as u64))
    }

    pub(super) fn revisions(&self) -> impl Iterator<Item = (Stamp, Parents)> {
        self.index.revisions()
    }

    /// How many bytes its index takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.index.bytes() + self.groups.capacity() * size_of::<Group>()
    }

    /// How many bytes of groups are kept.
    pub(super) fn kept(&self) -> usize {
        self.recent.lock().iter().map(|(_, raw)| raw.len()).sum()
    }

    /// Forgets what was read of it.
    pub(super) fn rest(&self) {
        self.recent.lock().clear();
    }

    /// The file of a revision, a copy: one that is kept must not keep its whole group.
    pub(super) fn read(&self, store: &Store, i: usize) -> Result<Bytes, HistoryError> {
        self.slice(store, i).map(|bytes| Bytes::copy_from_slice(&bytes))
    }

    /// The file of a revision, a part of its group.
    pub(super) fn slice(&self, store: &Store, i: usize) -> Result<Bytes, HistoryError> {
        let damaged = || HistoryError::DamagedFile { file: self.key.clone(), source: None };
        let Place { group, offset, len } = self.index.place(i).ok_or_else(damaged)?;
        let raw = self.group(store, group)?;
        let end = offset.checked_add(len).filter(|end| *end <= raw.len());
        end.map(|end| raw.slice(offset..end)).ok_or_else(damaged)
    }

    /// The number of the group that a revision lies in.
    pub(super) fn group_of(&self, i: usize) -> Option<usize> {
        self.index.place(i).map(|place| place.group)
    }

    /// A group, decompressed. The last ones are kept: revisions are mostly read one after the other.
    fn group(&self, store: &Store, number: usize) -> Result<Bytes, HistoryError> {
        if let Some(raw) = self.recent.lock().get(&number) {
            return Ok(raw.clone());
        }
        // Not under the lock: several groups are read at once.
        let raw = self.unpack(store, number)?;
        self.recent.lock().put(number, raw.clone());
        Ok(raw)
    }

    fn unpack(&self, store: &Store, number: usize) -> Result<Bytes, HistoryError> {
        let damaged = || HistoryError::DamagedFile { file: self.key.clone(), source: None };
        let group = self.groups.get(number).ok_or_else(damaged)?;
        if group.stored.max(group.raw) > MOST_GROUP {
            return Err(damaged());
        }
        let stored = store.backend().get_range(&self.key, group.at, group.stored)?;
        if Check::of(&stored) != group.check {
            return Err(damaged());
        }
        if group.stored == group.raw {
            return Ok(stored);
        }
        let raw = decompress(&stored, group.raw, "a pack")
            .map_err(|damage| HistoryError::DamagedFile { file: self.key.clone(), source: Some(damage) })?;
        Ok(Bytes::from(raw))
    }
}

fn read_index(bytes: &[u8], mut at: u64) -> Result<(Index, Vec<Group>), Damaged> {
    let mut input = Reader::new(bytes, "a pack");
    let block = input.block(MOST_INDEX)?;
    input.end()?;
    let mut input = Reader::new(&block, "a pack");
    let mut groups = Vec::new();
    for _ in 0..input.count_of(LEAST_GROUP)? {
        let (stored, raw) = (input.size()?, input.size()?);
        groups.push(Group { at, stored, raw, check: Check::from_bytes(input.array()?) });
        at = at.checked_add(stored as u64).ok_or_else(|| input.damaged())?;
    }
    let count = input.count_of(LEAST_REVISION)?;
    let mut left = most_parents(count);
    let mut index = Builder::default();
    for _ in 0..count {
        let stamp = Stamp { time: input.uint()?, digest: Digest::from_bytes(input.array()?) };
        // As in the names of files: what comes later than all times has no time after it.
        if stamp.time > MAX_TIME {
            return Err(input.damaged());
        }
        let several = input.count()?;
        left = left.checked_sub(several).ok_or_else(|| input.damaged())?;
        for _ in 0..several {
            let known = match input.size()? {
                0 => index.outside(Stamp { time: input.uint()?, digest: Digest::from_bytes(input.array()?) }),
                back => index.len().checked_sub(back).and_then(|number| index.parent(number)),
            };
            known.ok_or_else(|| input.damaged())?;
        }
        let place = Place { group: input.size()?, offset: input.size()?, len: input.size()? };
        index.add(stamp, place).ok_or_else(|| input.damaged())?;
    }
    input.end()?;
    let index = index.finish().ok_or_else(|| input.damaged())?;
    Ok((index, groups))
}

/// How many parents a pack of so many revisions names at most.
const fn most_parents(revisions: usize) -> usize {
    revisions.saturating_mul(4).saturating_add(MOST_PARENTS)
}

/// A pack in the making: revisions are compressed as they come, since all of them may be more than memory should take.
#[derive(Debug, Default)]
pub(super) struct Maker {
    list: Writer,
    head: Writer,
    body: Vec<u8>,
    /// The group that takes the next revision.
    open: Vec<u8>,
    groups: usize,
    stamps: Vec<Stamp>,
    parents: usize,
}

impl Maker {
    /// How many revisions there are.
    pub(super) const fn len(&self) -> usize {
        self.stamps.len()
    }

    /// Adds the next revision.
    pub(super) fn add(&mut self, stamp: Stamp, parents: &[Stamp], bytes: &[u8]) {
        if !self.open.is_empty() && self.open.len() + bytes.len() > GROUP_BYTES {
            self.close();
        }
        self.list.uint(stamp.time);
        self.list.raw(stamp.digest.as_bytes());
        self.list.size(parents.len());
        self.parents += parents.len();
        for parent in parents {
            match self.stamps.iter().rposition(|known| known == parent) {
                Some(at) => self.list.size(self.stamps.len() - at),
                None => {
                    self.list.uint(0);
                    self.list.uint(parent.time);
                    self.list.raw(parent.digest.as_bytes());
                }
            }
        }
        self.list.size(self.groups);
        self.list.size(self.open.len());
        self.list.size(bytes.len());
        self.open.extend_from_slice(bytes);
        self.stamps.push(stamp);
    }

    fn close(&mut self) {
        let raw = std::mem::take(&mut self.open);
        let packed = compress(&raw);
        let stored = packed.as_ref().unwrap_or(&raw);
        self.head.size(stored.len());
        self.head.size(raw.len());
        self.head.raw(Check::of(stored).as_bytes());
        self.body.extend_from_slice(stored);
        self.groups += 1;
    }

    /// The digest of its index, and its bytes. Fails if nobody would read it.
    pub(super) fn finish(mut self) -> Result<(Digest, Bytes), TooLong> {
        TooLong::check("the parents in a pack", self.parents, most_parents(self.stamps.len()))?;
        if !self.open.is_empty() {
            self.close();
        }
        let mut head = Writer::default();
        head.size(self.groups);
        head.raw(&self.head.bytes);
        head.size(self.stamps.len());
        head.raw(&self.list.bytes);
        TooLong::check("the index of a pack in bytes", head.bytes.len(), MOST_INDEX)?;
        let mut index = Writer::default();
        index.block(&head.bytes);
        let len = (index.bytes.len() as u64).to_le_bytes();
        Ok((Digest::of(&index.bytes), Bytes::from([MAGIC, &len[..], &index.bytes, &self.body].concat())))
    }
}

/// The bytes of a pack and the digest of its index. Fails if nobody would read it.
pub(super) fn encode(revisions: &[(Stamp, Vec<Stamp>, Bytes)]) -> Result<(Digest, Bytes), TooLong> {
    let mut maker = Maker::default();
    revisions.iter().for_each(|(stamp, parents, bytes)| maker.add(*stamp, parents, bytes));
    maker.finish()
}
