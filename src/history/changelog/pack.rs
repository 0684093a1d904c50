//! Packs: many revision files in one, under their names.
//!
//! A pack's name is the digest of its index, the index holds a check for every group of revisions. It is
//! durable before a file it holds is deleted; a pack goes only when another holds all of it.

use super::HistoryError;
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
struct Packed {
    stamp: Stamp,
    parents: Parents,
    group: usize,
    offset: usize,
    len: usize,
}

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
    revisions: Vec<Packed>,
    groups: Vec<Group>,
    recent: Mutex<LruCache<usize, Bytes>>,
}

/// The name itself, where it names a pack: `pack-<digest>`.
pub(super) fn is_pack(name: &str) -> Option<&str> {
    name.strip_prefix("pack-").and_then(Digest::from_hex).map(|_| name)
}

impl Pack {
    pub(super) fn open(store: &Store, key: String) -> Result<Pack, HistoryError> {
        let damaged = || HistoryError::DamagedFile { file: key.clone() };
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
        let (revisions, groups) = read_index(&index, HEADER as u64 + len).map_err(|_damage| damaged())?;
        Ok(Pack { key, revisions, groups, recent: Mutex::new(LruCache::new(RECENT)) })
    }

    pub(super) fn revisions(&self) -> impl Iterator<Item = (Stamp, &[Stamp])> {
        self.revisions.iter().map(|r| (r.stamp, r.parents.as_slice()))
    }

    /// The file of a revision, a copy: one that is kept must not keep its whole group.
    pub(super) fn read(&self, store: &Store, i: usize) -> Result<Bytes, HistoryError> {
        self.slice(store, i).map(|bytes| Bytes::copy_from_slice(&bytes))
    }

    /// The file of a revision, a part of its group.
    pub(super) fn slice(&self, store: &Store, i: usize) -> Result<Bytes, HistoryError> {
        let damaged = || HistoryError::DamagedFile { file: self.key.clone() };
        let revision = self.revisions.get(i).ok_or_else(damaged)?;
        let raw = self.group(store, revision.group)?;
        let end = revision.offset.checked_add(revision.len).filter(|end| *end <= raw.len());
        end.map(|end| raw.slice(revision.offset..end)).ok_or_else(damaged)
    }

    /// The number of the group that a revision lies in.
    pub(super) fn group_of(&self, i: usize) -> Option<usize> {
        self.revisions.get(i).map(|revision| revision.group)
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
        let damaged = || HistoryError::DamagedFile { file: self.key.clone() };
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
        Ok(Bytes::from(decompress(&stored, group.raw, "a pack").map_err(|_damage| damaged())?))
    }
}

type Index = (Vec<Packed>, Vec<Group>);

fn read_index(bytes: &[u8], mut at: u64) -> Result<Index, Damaged> {
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
    let mut revisions: Vec<Packed> = Vec::with_capacity(count);
    for _ in 0..count {
        let stamp = Stamp { time: input.uint()?, digest: Digest::from_bytes(input.array()?) };
        // As in the names of files: what comes later than all times has no time after it.
        if stamp.time > MAX_TIME {
            return Err(input.damaged());
        }
        let mut parents = Vec::new();
        let several = input.count()?;
        left = left.checked_sub(several).ok_or_else(|| input.damaged())?;
        for _ in 0..several {
            parents.push(match input.size()? {
                0 => Stamp { time: input.uint()?, digest: Digest::from_bytes(input.array()?) },
                back => {
                    let at = revisions.len().checked_sub(back).ok_or_else(|| input.damaged())?;
                    revisions[at].stamp
                }
            });
        }
        let (group, offset, len) = (input.size()?, input.size()?, input.size()?);
        revisions.push(Packed { stamp, parents: Parents::from(parents), group, offset, len });
    }
    input.end()?;
    Ok((revisions, groups))
}

/// How many parents a pack of so many revisions names at most.
const fn most_parents(revisions: usize) -> usize {
    revisions.saturating_mul(4).saturating_add(MOST_PARENTS)
}

/// The bytes of a pack and the digest of its index. Fails if nobody would read it.
pub(super) fn encode(revisions: &[(Stamp, Vec<Stamp>, Bytes)]) -> Result<(Digest, Bytes), TooLong> {
    let parents = revisions.iter().map(|(_, parents, _)| parents.len()).sum();
    TooLong::check("the parents in a pack", parents, most_parents(revisions.len()))?;
    let mut list = Writer::default();
    let mut groups: Vec<Vec<u8>> = Vec::new();
    list.size(revisions.len());
    for (i, (stamp, parents, bytes)) in revisions.iter().enumerate() {
        if groups.last().is_none_or(|group| group.len() + bytes.len() > GROUP_BYTES) {
            groups.push(Vec::new());
        }
        list.uint(stamp.time);
        list.raw(stamp.digest.as_bytes());
        list.size(parents.len());
        for parent in parents {
            match revisions[..i].iter().rposition(|(s, _, _)| s == parent) {
                Some(at) => list.size(i - at),
                None => {
                    list.uint(0);
                    list.uint(parent.time);
                    list.raw(parent.digest.as_bytes());
                }
            }
        }
        let number = groups.len() - 1;
        list.size(number);
        list.size(groups[number].len());
        list.size(bytes.len());
        groups[number].extend_from_slice(bytes);
    }
    let mut head = Writer::default();
    let mut body = Vec::new();
    head.size(groups.len());
    for raw in &groups {
        let packed = compress(raw);
        let stored = packed.as_ref().unwrap_or(raw);
        head.size(stored.len());
        head.size(raw.len());
        head.raw(Check::of(stored).as_bytes());
        body.extend_from_slice(stored);
    }
    head.raw(&list.bytes);
    TooLong::check("the index of a pack in bytes", head.bytes.len(), MOST_INDEX)?;
    let mut index = Writer::default();
    index.block(&head.bytes);
    let len = (index.bytes.len() as u64).to_le_bytes();
    Ok((Digest::of(&index.bytes), Bytes::from([MAGIC, &len[..], &index.bytes, &body].concat())))
}
