//! Altering the columns of a collection: one revision, no row is written again.
//!
//! Alone in its revision, so that nothing reads old rows by new columns meanwhile.

use super::{Batch, Collection, CollectionError};
use crate::clock::Stamp;
use crate::data::alter::Alteration;
use crate::history::altered::Altered;
use crate::history::edit::{Edits, NewEntry};
use crate::history::entry::Segments;
use crate::series::convert::Converter;
use std::sync::Arc;

impl Collection {
    /// Alters the columns, in the order given: durable on return. Rows stay as they are but for columns added and dropped,
    /// and older revisions read as they were. Nothing to do, no revision.
    ///
    /// Fails, and leaves everything, where an alteration cannot be made.
    pub fn alter(&self, steps: &[Alteration], message: &str) -> Result<Option<Stamp>, CollectionError> {
        let mut batch = self.batch(message)?;
        if steps.is_empty() {
            return Ok(None);
        }
        let before = Arc::clone(&batch.base().schema);
        let altered = Altered { before: (*before).clone(), steps: steps.to_vec() };
        let (after, mapping) = altered.run()?;
        let after = Arc::new(after);
        let converter = Converter::new(&batch.base().view, (&before, &after), &mapping, batch.draft());
        let edits = converted(&batch, &converter)?;
        batch.alter(altered, (*after).clone(), edits);
        batch.commit()
    }
}

/// All series that have rows.
fn converted(batch: &Batch<'_>, converter: &Converter<'_>) -> Result<Edits, CollectionError> {
    let mut edits = Edits::new();
    if converter.keeps_all() {
        return Ok(edits);
    }
    for entry in batch.base().entries()? {
        if matches!(&entry.segments, Segments::Few(list) if list.is_empty()) {
            continue;
        }
        let new = NewEntry::keep(entry.id, converter.segments(&entry.segments)?);
        edits.insert(entry.label, Some(new));
    }
    Ok(edits)
}
