//! A revision: a commit placed in the changelog, as the bytes of its file.
//!
//! Holds the parents, who and when and why, the root of the state, and what changed. The file's name
//! holds the digest of all that. Immutable; docs/format.md describes the bytes.

use super::altered::Altered;
use super::entry::SeriesId;
use super::pick::{Everything, Pick};
use super::state::State;
use super::tree::{Child, Tree};
use crate::clock::Stamp;
use crate::data::schema::Schema;
use crate::digest::{Check, Digest};
use crate::interval::Intervals;
use crate::store::place::{Bundles, Spot};
use crate::store::{Store, StoreError, View};
use crate::wire::{Damaged, Reader, Writer};
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// First bytes of a revision: a name and the version of its layout.
const MAGIC: &[u8; 4] = b"lkr\x01";

/// Change lists of more bytes are kept in the bundle, not in the revision file.
pub const LIST_BYTES: usize = 4 << 10;

/// Bytes that the block of a revision has at most: parents, author, message, columns.
pub const MOST_BLOCK: usize = 16 << 20;

/// Bytes that the file of a revision has at most: its block and the bundle that it may carry.
pub const MOST_FILE: usize = MOST_BLOCK + (1 << 20);

/// Bytes that a change list has at most before compression.
pub const MOST_LIST: usize = 256 << 20;

/// Series that a revision changes at most: each takes memory when the list is read.
pub const MOST_SERIES: usize = 1 << 22;

/// Bytes of a message.
pub const MOST_MESSAGE: usize = 1 << 20;

/// A revision that would be longer than those that are read.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the revision: {what} would be {len}, the most is {most}")]
pub struct TooLong {
    what: &'static str,
    len: usize,
    most: usize,
}

impl TooLong {
    /// Fails if `len` is more than `most`.
    pub const fn check(what: &'static str, len: usize, most: usize) -> Result<(), TooLong> {
        if len > most { Err(TooLong { what, len, most }) } else { Ok(()) }
    }
}

/// What a revision did to one series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesChange {
    /// The series.
    pub id: SeriesId,
    /// Its label afterwards; of a dropped series: before.
    pub label: String,
    /// The label it had, where it was renamed.
    pub renamed_from: Option<String>,
    /// Whether it was created.
    pub created: bool,
    /// Whether it was dropped: every index value is covered then.
    pub dropped: bool,
    /// The index values whose rows differ from the parent, ascending, disjoint.
    pub intervals: Intervals,
    /// Index values that changed.
    pub keys: u64,
    /// Rows of the series before.
    pub rows_before: u64,
    /// Rows of the series afterwards.
    pub rows_after: u64,
}

impl SeriesChange {
    /// A change of nothing yet.
    #[must_use]
    pub fn none(id: SeriesId, label: &str) -> SeriesChange {
        SeriesChange {
            id,
            label: label.to_owned(),
            renamed_from: None,
            created: false,
            dropped: false,
            intervals: Intervals::default(),
            keys: 0,
            rows_before: 0,
            rows_after: 0,
        }
    }
}

/// What a revision did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeList {
    /// Whether it set the columns: as the first of all, by altering them, or as a merge of heads one of which has
    /// others.
    pub schema: bool,
    /// How it altered the columns.
    pub altered: Option<Box<Altered>>,
    /// The series it changed, by label.
    pub series: Vec<SeriesChange>,
}

impl ChangeList {
    /// Whether nothing changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        !self.schema && self.altered.is_none() && self.series.is_empty()
    }

    /// The bytes of the list. Fails if nobody would read it.
    pub fn encode(&self) -> Result<Vec<u8>, TooLong> {
        TooLong::check("the number of series that it changes", self.series.len(), MOST_SERIES)?;
        let mut out = Writer::default();
        match &self.altered {
            None => out.uint(u64::from(self.schema)),
            Some(altered) => {
                out.uint(ALTERED);
                altered.write(&mut out);
            }
        }
        out.size(self.series.len());
        let mut previous: &[u8] = &[];
        for change in &self.series {
            out.after(previous, change.label.as_bytes());
            previous = change.label.as_bytes();
            change.write(&mut out);
        }
        TooLong::check("its list of changes in bytes", out.bytes.len(), MOST_LIST)?;
        let mut packed = Writer::default();
        packed.block(&out.bytes);
        Ok(packed.bytes)
    }

    /// Reads a list.
    pub fn decode(bytes: &[u8]) -> Result<ChangeList, Damaged> {
        ChangeList::read(bytes, &Everything, Intervals::read)
    }

    /// As [`ChangeList::decode`], only the changes that are picked; index values are not decoded.
    pub(super) fn decode_picked(bytes: &[u8], pick: &dyn Pick) -> Result<ChangeList, Damaged> {
        ChangeList::read(bytes, pick, Intervals::take)
    }

    fn read(bytes: &[u8], pick: &dyn Pick, intervals: ReadIntervals) -> Result<ChangeList, Damaged> {
        let mut input = Reader::new(bytes, "a change list");
        let block = input.block_here(MOST_LIST)?;
        input.end()?;
        let mut input = Reader::new(&block, "a change list");
        let (schema, altered) = read_columns(&mut input)?;
        let (mut series, mut label) = (Vec::new(), Vec::new());
        let count = input.count_of(LEAST_CHANGE)?;
        if count > MOST_SERIES {
            return Err(input.damaged());
        }
        for _ in 0..count {
            input.after_in(&mut label)?;
            let label = std::str::from_utf8(&label).map_err(|_not_text| input.damaged())?;
            series.extend(SeriesChange::read(label, &mut input, pick, intervals)?);
        }
        input.end()?;
        Ok(ChangeList { schema, altered: altered.map(Box::new), series })
    }
}

/// Reads the index values of a change: checked, or as they are.
type ReadIntervals = fn(&mut Reader<'_>) -> Result<Intervals, Damaged>;

/// Whether the columns were set, and how they were altered.
fn read_columns(input: &mut Reader<'_>) -> Result<(bool, Option<Altered>), Damaged> {
    Ok(match input.uint()? {
        0 => (false, None),
        ALTERED => (true, Some(Altered::read(input)?)),
        _ => (true, None),
    })
}

/// Says that alterations follow; 1: the columns were set, nothing follows.
const ALTERED: u64 = 2;

/// Bytes of a change, at least: label, flags, three numbers, a list of intervals.
const LEAST_CHANGE: usize = 2 + 1 + 3 + 2;

const CREATED: u64 = 1;
const DROPPED: u64 = 2;
const RENAMED: u64 = 4;
const DERIVED_ID: u64 = 8;

impl SeriesChange {
    fn write(&self, out: &mut Writer) {
        let derived = self.id == SeriesId::new(&self.label, 0);
        let flag = |set: bool, bit: u64| if set { bit } else { 0 };
        out.uint(
            flag(self.created, CREATED)
                | flag(self.dropped, DROPPED)
                | flag(self.renamed_from.is_some(), RENAMED)
                | flag(derived, DERIVED_ID),
        );
        if !derived {
            self.id.write(out);
        }
        if let Some(from) = &self.renamed_from {
            out.string(from.as_bytes());
        }
        out.uint(self.rows_before);
        out.uint(self.rows_after);
        out.uint(self.keys);
        self.intervals.write(out);
    }

    /// None where it is not picked.
    fn read(
        label: &str,
        input: &mut Reader<'_>,
        pick: &dyn Pick,
        intervals: ReadIntervals,
    ) -> Result<Option<SeriesChange>, Damaged> {
        let flags = input.uint()?;
        let id = if flags & DERIVED_ID != 0 { SeriesId::new(label, 0) } else { SeriesId::read(input)? };
        let renamed_from = if flags & RENAMED != 0 { Some(input.text_here()?) } else { None };
        let (rows_before, rows_after, keys) = (input.uint()?, input.uint()?, input.uint()?);
        if !pick.series(id, label, renamed_from) {
            input.uint()?;
            input.string()?;
            return Ok(None);
        }
        Ok(Some(SeriesChange {
            id,
            label: label.to_owned(),
            renamed_from: renamed_from.map(str::to_owned),
            created: flags & CREATED != 0,
            dropped: flags & DROPPED != 0,
            intervals: intervals(input)?,
            keys,
            rows_before,
            rows_after,
        }))
    }
}

/// Where a change list stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListPlace {
    /// In the revision file.
    Here(Vec<u8>),
    /// In a bundle.
    There(Spot, Check),
}

/// Who made a revision, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Note {
    /// `user@host`; empty for a merge.
    pub author: String,
    /// What the writer says of it.
    pub message: String,
}

/// A commit placed in the changelog.
#[derive(Debug, Clone)]
pub struct Revision {
    /// What it follows, sorted; none for a first one.
    pub parents: Vec<Stamp>,
    /// Milliseconds since 1970-01-01 UTC, greater than any parent's.
    pub time: u64,
    /// What the writer's clock said, in the same unit.
    pub wall: u64,
    /// Who and why.
    pub note: Note,
    /// The state.
    pub state: State,
    /// What changed.
    pub changes: ListPlace,
    /// The bundle of the state, where it is carried here.
    pub embedded: Bytes,
}

impl Revision {
    /// What its file gives it: its time and the digest of its bytes.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp { time: self.time, digest: Digest::of(&self.encode()) }
    }

    /// Fails if nobody would read its file.
    pub fn check(&self) -> Result<(), TooLong> {
        TooLong::check("its message in bytes", self.note.message.len(), MOST_MESSAGE)?;
        TooLong::check("what it says of itself and its columns in bytes", self.head().len(), MOST_BLOCK)
    }

    /// The bytes of its file.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut file = Writer::default();
        file.raw(MAGIC);
        file.block(&self.head());
        file.raw(&self.embedded);
        Bytes::from(file.bytes)
    }

    /// The bytes of its block.
    fn head(&self) -> Vec<u8> {
        let here = if self.embedded.is_empty() { None } else { Some(Digest::of(&self.embedded)) };
        let mut bundles = Bundles::default();
        let mut body = Writer::default();
        body.string(self.state.schema.to_string().as_bytes());
        match &self.state.tree {
            None => body.uint(0),
            Some(tree) => {
                body.uint(1 + u64::from(tree.height));
                let mut root = tree.root.clone();
                localize(&mut root.node.spot, here);
                Child::write_list(&[root], &mut bundles, &mut body);
            }
        }
        match &self.changes {
            ListPlace::Here(list) => {
                body.uint(0);
                body.string(list);
            }
            ListPlace::There(spot, check) => {
                body.uint(1);
                let mut spot = *spot;
                localize(&mut spot, here);
                bundles.write_spot(&spot, &mut body);
                body.raw(check.as_bytes());
            }
        }
        let mut head = Writer::default();
        head.size(self.parents.len());
        for parent in &self.parents {
            head.uint(parent.time);
            head.raw(parent.digest.as_bytes());
        }
        head.uint(self.time);
        head.uint(self.wall);
        head.string(self.note.author.as_bytes());
        head.string(self.note.message.as_bytes());
        bundles.write(&mut head);
        head.raw(&body.bytes);
        head.bytes
    }

    /// Reads a file.
    pub fn decode(store: &Arc<Store>, bytes: &Bytes) -> Result<Revision, Damaged> {
        let mut file = Reader::new(bytes, "a revision");
        let block = Revision::block(&mut file)?;
        let embedded = bytes.slice_ref(file.rest());
        let here = Digest::of(&embedded);
        let mut input = Reader::new(&block, "a revision");
        let parents = Revision::parents(&mut input)?;
        let (time, wall) = (input.uint()?, input.uint()?);
        let note = Note { author: input.text()?, message: input.text()? };
        let bundles = Bundles::read(&mut input, here)?;
        let schema = Schema::parse_text(&input.text()?)
            .map_err(|_not_a_schema| Damaged { what: "the columns of a revision" })?;
        let tree = match input.uint()? {
            0 => None,
            n => Some(Tree::read(n - 1, &bundles, &mut input)?),
        };
        let changes = match input.uint()? {
            0 => ListPlace::Here(input.string()?.to_vec()),
            _ => ListPlace::There(bundles.read_spot(&mut input)?, Check::from_bytes(input.array()?)),
        };
        input.end()?;
        let view = if embedded.is_empty() {
            View::new(Arc::clone(store))
        } else {
            View::holding(Arc::clone(store), HashMap::from([(here, embedded.clone())]))
        };
        let state = State { schema: Arc::new(schema), tree, view };
        Ok(Revision { parents, time, wall, note, state, changes, embedded })
    }

    /// Takes the block from the front of a file.
    pub(super) fn block<'a>(file: &mut Reader<'a>) -> Result<Cow<'a, [u8]>, Damaged> {
        if file.array::<4>()? != *MAGIC {
            return Err(file.damaged());
        }
        file.block_here(MOST_BLOCK)
    }

    /// Takes the parents from a block.
    pub(super) fn parents(input: &mut Reader<'_>) -> Result<Vec<Stamp>, Damaged> {
        let count = input.count_of(1 + 32)?;
        let one = |_| Ok(Stamp { time: input.uint()?, digest: Digest::from_bytes(input.array()?) });
        (0..count).map(one).collect()
    }

    /// The bytes of the change list.
    pub(super) fn list(&self) -> Result<Cow<'_, [u8]>, StoreError> {
        match &self.changes {
            ListPlace::Here(bytes) => Ok(Cow::Borrowed(bytes)),
            ListPlace::There(spot, check) => {
                Ok(Cow::Owned(self.state.view.node(spot, *check, MOST_LIST + LIST_BYTES)?.to_vec()))
            }
        }
    }

    /// What changed.
    pub fn change_list(&self) -> Result<ChangeList, StoreError> {
        let whose = match &self.changes {
            ListPlace::Here(_) => Digest::ZERO,
            ListPlace::There(spot, _) => spot.bundle,
        };
        ChangeList::decode(&self.list()?).map_err(|e| StoreError::damaged(whose, &e))
    }
}

fn localize(spot: &mut Spot, here: Option<Digest>) {
    if Some(spot.bundle) == here {
        spot.bundle = Digest::ZERO;
    }
}
