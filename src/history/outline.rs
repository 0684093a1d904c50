//! A light view of a revision: who made it, when and why, and what it changed; not the state it names.
//!
//! What a log of thousands of revisions needs of each. Nothing of the state is built (no schema, no tree, no view of
//! the store), nothing at all of what is not picked, and intervals are kept as they are stored. The bytes were checked
//! against their name, or with the pack they lie in.

use super::pick::Pick;
use super::revision::{ChangeList, Note, Revision};
use super::tree::Child;
use crate::clock::Stamp;
use crate::data::schema::{Schema, SchemaError};
use crate::digest::Digest;
use crate::store::StoreError;
use crate::wire::{Damaged, Reader};

/// What a revision says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// What it follows, sorted; none for a first one.
    pub parents: Vec<Stamp>,
    /// Milliseconds since 1970-01-01 UTC, greater than any parent's.
    pub time: u64,
    /// What the writer's clock said, in the same unit.
    pub wall: u64,
    /// Who and why.
    pub note: Note,
    /// The columns, one a line.
    pub columns: String,
    /// What changed, as far as it was picked.
    pub changes: ChangeList,
}

/// What a revision's file gave.
#[derive(Debug)]
pub enum Glance {
    /// A revision that is wanted.
    Wanted(Box<Outline>),
    /// One that is not, and its time.
    Other(u64),
    /// One whose change list is too long for its file and lies elsewhere.
    Elsewhere,
}

impl Outline {
    /// Reads it from a revision's file.
    pub fn decode(bytes: &[u8], pick: &dyn Pick) -> Result<Glance, Damaged> {
        let block = Revision::block(&mut Reader::new(bytes, "a revision"))?;
        let mut input = Reader::new(&block, "a revision");
        let parents = Revision::parents(&mut input)?;
        let (time, wall) = (input.uint()?, input.uint()?);
        let (author, message) = (input.text_here()?, input.text_here()?);
        if !pick.note(author, message) {
            return Ok(Glance::Other(time));
        }
        for _bundle in 0..input.count()? {
            input.array::<32>()?;
        }
        let columns = input.text_here()?;
        if input.uint()? > 0 {
            Child::skip_list(&mut input)?;
        }
        if input.uint()? > 0 {
            return Ok(Glance::Elsewhere);
        }
        let changes = ChangeList::decode_picked(input.string()?, pick)?;
        input.end()?;
        let Some(changes) = wanted(changes, pick) else { return Ok(Glance::Other(time)) };
        let note = Note { author: author.to_owned(), message: message.to_owned() };
        let columns = columns.to_owned();
        Ok(Glance::Wanted(Box::new(Outline { parents, time, wall, note, columns, changes })))
    }

    /// That of a revision in memory, where it is wanted.
    pub fn of(revision: &Revision, pick: &dyn Pick) -> Result<Option<Outline>, StoreError> {
        if !pick.note(&revision.note.author, &revision.note.message) {
            return Ok(None);
        }
        let changes = ChangeList::decode_picked(&revision.list()?, pick);
        let changes = changes.map_err(|e| StoreError::damaged(Digest::ZERO, &e))?;
        Ok(wanted(changes, pick).map(|changes| Outline {
            parents: revision.parents.clone(),
            time: revision.time,
            wall: revision.wall,
            note: revision.note.clone(),
            columns: revision.state.schema.to_string(),
            changes,
        }))
    }

    /// The columns.
    pub fn schema(&self) -> Result<Schema, SchemaError> {
        Schema::parse_text(&self.columns)
    }
}

fn wanted(mut changes: ChangeList, pick: &dyn Pick) -> Option<ChangeList> {
    // Other columns are other rows of every series there is.
    changes.schema &= !pick.only_series() || changes.altered.is_some();
    (!pick.only_series() || changes.schema || !changes.series.is_empty()).then_some(changes)
}
