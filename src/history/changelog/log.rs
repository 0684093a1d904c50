//! A listing of a changelog: the graph of its revisions, by their names alone.

use super::horizon::Horizon;
use super::name::Name;
use super::pack::Pack;
use super::parents::Parents;
use crate::clock::Stamp;
use crate::digest::Digest;
use std::collections::{BTreeMap, BTreeSet, HashSet, btree_map};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// Where a revision's bytes are. Loose ones are few, since writers pack them: they are the ones that take memory of
/// their own.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// A file of a folder, under the name that a parent gives it: not every parent need have one.
    Loose(Box<Loose>),
    Packed(Arc<Pack>, u32),
}

/// A file of a revision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loose {
    pub(super) folder: Digest,
    pub(super) name: Name,
}

/// A revision that is left out since a power failure tore it.
#[derive(Debug, Clone)]
pub struct Torn {
    pub(super) parents: Parents,
    pub(super) file: Loose,
    pub(super) why: Why,
}

impl Torn {
    /// Whether it is left out for what it builds on alone: of itself nothing is known.
    #[must_use]
    pub fn is_baseless(&self) -> bool {
        self.why == Why::Base
    }
}

/// Why a revision is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Its file is not whole.
    File,
    /// Its file is, but not the root of its state, or its change list.
    State,
    /// It builds on one that is left out, or that is missing.
    Base,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) parents: Parents,
    pub(super) source: Source,
}

/// Digests are as good as hashes: takes their first bytes for one.
#[derive(Debug, Clone, Copy, Default)]
struct ByDigest(u64);

impl Hasher for ByDigest {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 ^= u64::from_le_bytes(*first);
        }
    }

    fn write_u64(&mut self, time: u64) {
        self.0 ^= time;
    }

    fn write_usize(&mut self, _len: usize) {}
}

type Stamps = HashSet<Stamp, BuildHasherDefault<ByDigest>>;

/// The revisions of a collection at one moment.
#[derive(Debug, Clone, Default)]
pub struct Log {
    entries: BTreeMap<Stamp, Entry>,
    /// Parents that are not here.
    absent: Stamps,
    /// Everything here that is no parent.
    heads: BTreeSet<Stamp>,
    /// Before it, nothing is known.
    pub horizon: Horizon,
    /// Whether a list of what was forgotten does not hold yet: it comes before the revisions it lies below.
    pub(super) waiting: bool,
    /// Keys of the horizons of the newest time that hold: `horizon` says all they say.
    pub horizon_keys: Vec<String>,
    /// Files that are not packed.
    pub loose: usize,
    /// Keys of the packs.
    pub pack_keys: Vec<String>,
    /// Revisions that are left out since a power failure tore them.
    pub torn: BTreeMap<Stamp, Torn>,
    /// Revisions whose files were set aside, and their parents, as the names of the files tell: what is below them is past
    /// as long as something is above them.
    pub(super) aside: BTreeMap<Stamp, Vec<Stamp>>,
}

impl Log {
    /// Adds a revision, or parents of one that is there.
    pub(super) fn add(&mut self, child: Stamp, parents: &[Stamp], source: impl FnOnce() -> Source) {
        let entry = match self.entries.entry(child) {
            btree_map::Entry::Occupied(entry) => entry.into_mut(),
            btree_map::Entry::Vacant(place) => {
                if !self.absent.remove(&child) {
                    self.heads.insert(child);
                }
                place.insert(Entry { parents: Parents::default(), source: source() })
            }
        };
        // Mostly empty: a parent was a head until now.
        let mut others = Vec::new();
        for parent in parents {
            if *parent != Stamp::ROOT && entry.parents.add(*parent) && !self.heads.remove(parent) {
                others.push(*parent);
            }
        }
        others.retain(|parent| !self.entries.contains_key(parent));
        self.absent.extend(others);
    }

    /// Lays what is known out anew, without the room that adding one after the other leaves: a third of it.
    pub(super) fn settle(&mut self) {
        self.entries = std::mem::take(&mut self.entries).into_iter().collect();
    }

    /// Whether a revision is a parent of one that is here.
    fn is_named(&self, stamp: Stamp) -> bool {
        self.absent.contains(&stamp) || (self.contains(stamp) && !self.heads.contains(&stamp))
    }

    /// About how many bytes it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let several: usize = self.entries.values().map(|entry| entry.parents.bytes()).sum();
        self.entries.len() * (size_of::<Stamp>() + size_of::<Entry>()) * 5 / 4
            + several
            + self.loose * size_of::<Loose>()
            + self.absent.capacity() * size_of::<Stamp>()
            + self.torn.len() * (size_of::<Stamp>() + size_of::<Torn>())
    }

    /// Whether the horizon hides any revision that is here.
    pub(super) fn hides_any(&self) -> bool {
        let end = Stamp { time: self.horizon.time, digest: Digest::ZERO };
        self.entries.range(..end).any(|(stamp, _)| self.horizon.hides(*stamp))
    }

    /// The heads whose writers did not sync.
    pub(super) fn unsynced_heads(&self) -> Vec<Stamp> {
        let unsynced = |head: &Stamp| {
            self.entry(*head).is_some_and(|e| matches!(&e.source, Source::Loose(file) if !file.name.synced))
        };
        self.heads.iter().copied().filter(unsynced).collect()
    }

    /// Takes note of where a revision is, and of its parents.
    pub(super) fn found_in(&mut self, stamp: Stamp, source: Source, parents: &[Stamp]) {
        self.add(stamp, parents, || source.clone());
        if let Some(entry) = self.entries.get_mut(&stamp) {
            entry.source = source;
        }
    }

    /// Leaves out torn revisions that nothing else builds on, and gives which. Their parents are heads again, unless they
    /// have other children.
    pub(super) fn leave_out(&mut self, torn: &BTreeMap<Stamp, Why>) -> Vec<Stamp> {
        let mut children: BTreeMap<Stamp, usize> = BTreeMap::new();
        for parent in self.entries.values().flat_map(|entry| entry.parents.as_slice()) {
            if torn.contains_key(parent) {
                *children.entry(*parent).or_default() += 1;
            }
        }
        let mut left_out = Vec::new();
        // The newest first: the parents of what goes may go too.
        for (stamp, why) in torn.iter().rev() {
            if children.get(stamp).is_some_and(|count| *count > 0) {
                continue;
            }
            let Some(Entry { parents, source: Source::Loose(file) }) = self.entries.remove(stamp) else {
                continue;
            };
            for parent in parents.as_slice() {
                if let Some(count) = children.get_mut(parent) {
                    *count -= 1;
                }
            }
            self.loose = self.loose.saturating_sub(parents.as_slice().len().max(1));
            self.torn.insert(*stamp, Torn { parents, file: *file, why: *why });
            left_out.push(*stamp);
        }
        self.tell_heads();
        left_out
    }

    /// Tells anew which revisions are heads, and which parents are not here.
    fn tell_heads(&mut self) {
        let parents = self.entries.values().flat_map(|entry| entry.parents.as_slice());
        let mut named: Stamps = parents.copied().collect();
        self.add_below_aside(&mut named);
        self.heads = self.entries.keys().copied().filter(|stamp| !named.contains(stamp)).collect();
        named.retain(|stamp| !self.entries.contains_key(stamp));
        self.absent = named;
    }

    /// Adds, to revisions that others name, those that such of them name whose files were set aside.
    fn add_below_aside(&self, named: &mut Stamps) {
        let gone = |stamp: &Stamp| !self.contains(*stamp);
        let mut open: Vec<Stamp> =
            self.aside.keys().copied().filter(|stamp| gone(stamp) && named.contains(stamp)).collect();
        while let Some(stamp) = open.pop() {
            for parent in self.aside.get(&stamp).into_iter().flatten() {
                if named.insert(*parent) && gone(parent) {
                    open.push(*parent);
                }
            }
        }
    }

    /// Takes note that what lies below revisions that were set aside is past, where something that is here builds on them.
    pub(super) fn pass_aside(&mut self) {
        if self.aside.is_empty() {
            return;
        }
        let mut named = std::mem::take(&mut self.absent);
        self.add_below_aside(&mut named);
        named.retain(|stamp| {
            self.heads.remove(stamp);
            !self.entries.contains_key(stamp)
        });
        self.absent = named;
    }

    /// Where the parents of a revision are known: from itself, or from the names of its files that were set aside.
    #[must_use]
    pub fn parents_or_aside(&self, stamp: Stamp) -> &[Stamp] {
        let aside = || self.aside.get(&stamp).map(Vec::as_slice);
        self.parents(stamp).or_else(aside).unwrap_or_default()
    }

    /// Whether a file tells something new of the revisions that are left out: it is one of theirs, or what they build on.
    pub(super) fn touches_torn(&self, name: &Name) -> bool {
        self.torn.contains_key(&name.child)
            || self.torn.contains_key(&name.parent)
            || self.torn.values().any(|torn| torn.parents.as_slice().contains(&name.child))
    }

    /// A log without what the horizon hides.
    pub(super) fn visible(&self) -> Log {
        let mut log = Log {
            horizon: self.horizon.clone(),
            waiting: self.waiting,
            horizon_keys: self.horizon_keys.clone(),
            loose: self.loose,
            pack_keys: self.pack_keys.clone(),
            torn: self.torn.clone(),
            aside: self.aside.clone(),
            ..Log::default()
        };
        for (child, entry) in self.entries.iter().filter(|(child, _)| !self.horizon.hides(**child)) {
            log.add(*child, entry.parents.as_slice(), || entry.source.clone());
        }
        log.pass_aside();
        log.settle();
        log
    }

    /// Whether the state of all revisions before `time` is known: no parent that was trimmed would be among
    /// them, nor any other revision that only a later one makes known.
    #[must_use]
    pub fn knows_before(&self, time: u64) -> bool {
        let mut gap = false;
        for (_, entry) in self.entries.iter().filter(|(child, _)| child.time >= time) {
            for parent in entry.parents.as_slice().iter().filter(|parent| !self.contains(**parent)) {
                if parent.time < time {
                    return false;
                }
                gap = true;
            }
        }
        if !gap {
            return true;
        }
        // Behind a parent that is not here there may be anything that was forgotten.
        let forgot = &self.horizon.forgot;
        let there = self.entries.keys().filter(|s| (self.horizon.time..time).contains(&s.time));
        let listed = there.filter(|stamp| forgot.contains(**stamp)).count();
        !forgot.is_cut() && forgot.count_between(self.horizon.time, time) == listed
    }

    /// Whether a revision is known to be an ancestor of one that is here.
    #[must_use]
    pub fn is_past(&self, stamp: Stamp) -> bool {
        self.is_named(stamp) || self.horizon.forgets(stamp)
    }

    /// The revisions that would be heads if nothing said that they are ancestors of others.
    pub fn forgotten_heads(&self) -> impl Iterator<Item = Stamp> + '_ {
        self.heads.iter().copied().filter(|head| self.horizon.forgets(*head))
    }

    /// Whether a parent that is not here should be: nothing says that it was trimmed, or set aside.
    #[must_use]
    pub fn is_lost(&self, parent: Stamp) -> bool {
        let forgotten = parent.time < self.horizon.time || self.horizon.forgets(parent);
        !self.contains(parent) && !forgotten && !self.is_aside(parent)
    }

    /// Whether the files of a revision were set aside, and it did not come back.
    #[must_use]
    pub fn is_aside(&self, stamp: Stamp) -> bool {
        self.aside.contains_key(&stamp) && !self.contains(stamp)
    }

    /// A parent that is not here though nothing says that it was trimmed, and its child.
    #[must_use]
    pub fn lost(&self) -> Option<(Stamp, Stamp)> {
        self.missing().find(|(parent, _)| self.is_lost(*parent))
    }

    /// Whether nothing says that revisions are missing: there are some, all their parents, and what horizons lie below.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.is_empty() && !self.waiting && self.lost().is_none()
    }

    /// Revisions that torn ones build on and that are neither here nor torn, though nothing says that they were trimmed.
    pub(super) fn lost_below_torn(&self) -> impl Iterator<Item = Stamp> + '_ {
        let parents = self.torn.values().flat_map(|torn| torn.parents.as_slice().iter().copied());
        parents.filter(|parent| !self.torn.contains_key(parent) && self.is_lost(*parent))
    }

    /// Parents that are not here, trimmed or lost, and of each its child.
    pub fn missing(&self) -> impl Iterator<Item = (Stamp, Stamp)> + '_ {
        let parents =
            self.entries.iter().flat_map(|(child, e)| e.parents.as_slice().iter().map(|p| (*p, *child)));
        parents.filter(|(parent, _)| !self.contains(*parent))
    }

    pub(super) fn entry(&self, stamp: Stamp) -> Option<&Entry> {
        self.entries.get(&stamp)
    }

    /// All revisions, oldest first.
    pub fn stamps(&self) -> impl DoubleEndedIterator<Item = Stamp> + '_ {
        self.entries.keys().copied()
    }

    /// How many revisions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a revision is there.
    #[must_use]
    pub fn contains(&self, stamp: Stamp) -> bool {
        self.entries.contains_key(&stamp)
    }

    /// The parents of a revision, sorted, also those that were trimmed; `None` where it is not there.
    #[must_use]
    pub fn parents(&self, stamp: Stamp) -> Option<&[Stamp]> {
        self.entries.get(&stamp).map(|entry| entry.parents.as_slice())
    }

    /// The revisions without children, oldest first. One that is known to be an ancestor of another is none, though
    /// its children are gone.
    #[must_use]
    pub fn heads(&self) -> Vec<Stamp> {
        unforgotten(self.heads.iter().copied().collect(), |head| self.horizon.forgets(head))
    }

    /// The revisions with a time below `time` that have no child with a time below it, oldest first.
    #[must_use]
    pub fn heads_before(&self, time: u64) -> Vec<Stamp> {
        let before = || self.entries.iter().take_while(|(child, _)| child.time < time);
        let mut parents: Stamps =
            before().flat_map(|(_, entry)| entry.parents.as_slice().iter().copied()).collect();
        self.add_below_aside(&mut parents);
        let heads = before().map(|(child, _)| *child).filter(|stamp| !parents.contains(stamp)).collect();
        // What was forgotten is an ancestor of something, which may be later than `time`.
        let gap = self.missing().any(|(_, child)| child.time >= time);
        unforgotten(heads, |head| {
            let alone = self.horizon.forgets(head) && !self.is_named(head);
            alone && (head.time < self.horizon.time || !gap)
        })
    }
}

/// Heads without those that are forgotten; all where nothing else is left.
fn unforgotten(heads: Vec<Stamp>, forgotten: impl Fn(Stamp) -> bool) -> Vec<Stamp> {
    let left: Vec<Stamp> = heads.iter().copied().filter(|head| !forgotten(*head)).collect();
    if left.is_empty() { heads } else { left }
}
