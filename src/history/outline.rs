//! A light view of a revision: who made it, when and why, and what it changed; not the state it names.
//!
//! What a log of thousands of revisions needs of each. Nothing of the state is built: no schema, no tree, no view of
//! the store. The bytes were checked against their name, or with the pack they lie in.

use super::revision::{ChangeList, Note, Revision};
use super::tree::Child;
use crate::clock::Stamp;
use crate::data::schema::{Schema, SchemaError};
use crate::digest::Digest;
use crate::store::place::Bundles;
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
    /// What changed.
    pub changes: ChangeList,
}

impl Outline {
    /// That of a revision in memory.
    pub fn of(revision: &Revision) -> Result<Outline, StoreError> {
        Ok(Outline {
            parents: revision.parents.clone(),
            time: revision.time,
            wall: revision.wall,
            note: revision.note.clone(),
            columns: revision.state.schema.to_string(),
            changes: revision.change_list()?,
        })
    }

    /// Reads it from a revision's file; `None` where the change list is too long for that and lies elsewhere.
    pub fn decode(bytes: &[u8]) -> Result<Option<Outline>, Damaged> {
        let block = Revision::block(&mut Reader::new(bytes, "a revision"))?;
        let mut input = Reader::new(&block, "a revision");
        let head = Revision::head(&mut input)?;
        // Where "here" is matters only to who follows the references.
        let bundles = Bundles::read(&mut input, Digest::ZERO)?;
        let columns = input.text()?;
        if input.uint()? > 0 {
            Child::read_list(&bundles, &mut input)?;
        }
        if input.uint()? > 0 {
            return Ok(None);
        }
        let changes = ChangeList::decode(input.string()?)?;
        input.end()?;
        let (parents, time, wall, note) = head;
        Ok(Some(Outline { parents, time, wall, note, columns, changes }))
    }

    /// The columns.
    pub fn schema(&self) -> Result<Schema, SchemaError> {
        Schema::parse_text(&self.columns)
    }
}
