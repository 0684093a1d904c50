//! Rows become a revision.
//!
//! A save is a change against what the program opened: where the series changed meanwhile, the revision is made on
//! that older state and merged at once, so that neither side loses rows it alone changed.

use super::{Basis, Guard, Input};
use crate::clock::Stamp;
use crate::collection::{Batch, Collection, CollectionError, Outcome};
use crate::data::input::{InputError, Problem};
use crate::data::schema::Schema;
use crate::interval::Interval;
use crate::series::write::Mode;
use crate::vfs::catalog::{CachedCollection, Point};
use crate::vfs::failure::{Failure, Kind};
use crate::vfs::series::Series;
use crate::vfs::spool::Way;
use crate::vfs::view::{SeriesViews, content};
use std::sync::Arc;

/// Looks at a collection that commits while a batch is begun.
const LOOKS: usize = 16;

/// A save on its way.
#[derive(Debug)]
pub struct Save<'a> {
    /// The series.
    pub series: &'a Series,
    /// How the rows are meant.
    pub way: Way,
    /// What the program opened; none where that is not known, or there was nothing.
    pub basis: Option<&'a Basis>,
    /// `user@host`.
    pub author: &'a str,
    /// For the log.
    pub message: &'a str,
    /// Rows that must not go.
    pub guard: Guard,
}

/// What a save did.
#[derive(Debug)]
pub struct Saved {
    /// The revision; none where nothing changed.
    pub stamp: Option<Stamp>,
    /// What the program has from now on: the rows it wrote, where they are all of the series.
    pub basis: Option<Basis>,
    /// What the series is after it, as far as this save knows: what its live names show.
    pub shown: Option<Basis>,
}

impl Save<'_> {
    /// Makes the rows a revision: durable on return. `again`: the same rows once more, where some must not go.
    pub fn run(&self, views: &SeriesViews, input: Input, again: Option<Input>) -> Result<Saved, Failure> {
        let cached = &self.series.cached;
        let collection = cached.collection();
        // One after the other: writers of one mount need not merge.
        let _turn = cached.write_lock();
        let mode = match self.way {
            Way::Replace => Mode::Overlay(Interval::ALL),
            Way::Append => Mode::Upsert,
        };
        let (mut batch, label) = self.batch(cached, views)?;
        // What the batch is made on tells, not the last look: that may not have heard of what is newest.
        let there = content(batch.base(), self.series.id, &label)?;
        let moved = |basis: &&Basis| match self.way {
            Way::Replace => there.is_some_and(|there| there != basis.view.content),
            Way::Append => *basis.columns() != batch.base().schema,
        };
        if let Some(basis) = self.basis.filter(moved) {
            drop(batch);
            return self.beside(collection, views, (basis, &mode), (input, again));
        }
        same(&input.schema, &batch)?;
        let dropped = batch.base().id(&label).map_err(CollectionError::from)?.is_none();
        let written = batch.write(&label, &mode, input.rows)?;
        if let Some(again) = again {
            let (other, _) = self.batch(cached, views)?;
            if content(other.base(), self.series.id, &label)? != there {
                let why = "others write the series at this moment: try it again";
                return Err(Failure::refused(Kind::Unavailable, why));
            }
            self.keeps(other, &label, again, &written)?;
        }
        let stamp = batch.commit()?;
        cached.written();
        if stamp.is_some() && dropped {
            self.note_return(cached, &label);
        }
        let basis = match (self.way, stamp) {
            // What was opened and what was added, unless others wrote since: of that there is no state.
            (Way::Append, Some(stamp)) if self.basis.map(|basis| basis.view.content) == there => {
                self.basis_at(views, stamp)
            }
            (Way::Append, _) => None,
            (Way::Replace, Some(stamp)) => self.basis_at(views, stamp),
            // Not what came since, which the writer does not have.
            (Way::Replace, None) => {
                self.current(cached, views)?.filter(|now| Some(now.view.content) == there)
            }
        };
        let shown = match (&basis, stamp) {
            (Some(basis), _) => Some(basis.clone()),
            (None, Some(stamp)) => self.basis_at(views, stamp),
            (None, None) => self.found(self.current(cached, views), "its series"),
        };
        Ok(Saved { stamp, basis, shown })
    }

    /// Fails where rows would go that must not, or change. `other`: a batch on the same state, in which the same rows
    /// replace those of equal index and remove none.
    fn keeps(
        &self,
        mut other: Batch<'_>,
        label: &str,
        rows: Input,
        written: &Outcome,
    ) -> Result<(), Failure> {
        let added = other.write(label, &Mode::Upsert, rows.rows)?;
        let gone = added.rows_after.saturating_sub(written.rows_after);
        let grown = added.rows_after.saturating_sub(added.rows_before);
        let changed = added.changed.saturating_sub(grown);
        let consent = "`lakota rejected retry --replace` does that";
        match self.guard {
            Guard::Present if gone + changed > 0 => {
                let why = format!(
                    "what these bytes are a change of is gone from the history, or was never known: as the whole \
                     file they would remove {gone} rows that are there now, and change {changed}; {consent}"
                );
                Err(Failure::refused(Kind::Stale, why))
            }
            Guard::Lacking if gone > 0 => {
                let why = format!(
                    "these bytes may be a part of a file: {gone} rows that they lack would go; {consent}"
                );
                Err(Failure::refused(Kind::Stale, why))
            }
            _ => Ok(()),
        }
    }

    /// The series changed since it was opened: the revision is one beside the newest, and merged with it.
    fn beside(
        &self,
        collection: &Collection,
        views: &SeriesViews,
        (basis, mode): (&Basis, &Mode),
        (input, again): (Input, Option<Input>),
    ) -> Result<Saved, Failure> {
        let Point { stamp, pending } = &basis.point;
        let heads = pending.as_ref().map_or(&[][..], |moment| &moment.heads);
        let mut batch = collection.batch_on(*stamp, heads, self.message)?.by(self.author);
        same(&input.schema, &batch)?;
        let label = &basis.view.label;
        let written = batch.write(label, mode, input.rows)?;
        if let Some(again) = again {
            let other = collection.batch_on(*stamp, heads, self.message)?;
            self.keeps(other, label, again, &written)?;
        }
        let Some(stamp) = batch.commit()? else {
            return Ok(Saved { stamp: None, basis: None, shown: None });
        };
        if let Err(error) = collection.settle() {
            // The revision is durable, and shown merged: the next writer settles it.
            log::warn!("cannot merge {stamp} of {}: {error}", collection.label());
        }
        self.series.cached.written();
        let basis = self.basis_at(views, stamp);
        Ok(Saved { stamp: Some(stamp), shown: basis.clone(), basis })
    }

    /// The series came back under its label, as another one: what its writers save next is meant for that.
    fn note_return(&self, cached: &CachedCollection, label: &str) {
        match cached.now().and_then(|now| now.state.id(label).map_err(CollectionError::from)) {
            Ok(Some(id)) => cached.came_back(self.series.id, id),
            Ok(None) => {}
            Err(error) => log::warn!("cannot look at {label:?}, which was just written: {error}"),
        }
    }

    fn current(&self, cached: &Arc<CachedCollection>, views: &SeriesViews) -> Result<Option<Basis>, Failure> {
        let now = cached.now()?;
        let view = views.get(&now, self.series, &now.point)?;
        Ok(view.map(|view| Basis { point: now.point.clone(), view }))
    }

    /// A batch on the newest state, and the label that the series has there.
    fn batch<'a>(
        &self,
        cached: &'a Arc<CachedCollection>,
        views: &SeriesViews,
    ) -> Result<(Batch<'a>, String), Failure> {
        for _ in 0..LOOKS {
            let label = match self.current(cached, views)? {
                Some(current) => current.view.label.clone(),
                None => self.series.label.to_string(),
            };
            let batch = cached.collection().batch(self.message)?.by(self.author);
            if batch.base().id(&label).map_err(CollectionError::from)? == Some(self.series.id) {
                return Ok((batch, label));
            }
            // The look was too old, or somebody renamed the series since.
            cached.written();
            if self.current(cached, views)?.is_none() {
                // Dropped, it comes back under its name; but rows of another series that has that now are not touched.
                let taken = batch.base().id(&label).map_err(CollectionError::from)?;
                if taken.is_some() && taken != cached.returned(self.series.id) {
                    let why = format!("the series was dropped, {label:?} is another one now: open it again");
                    return Err(Failure::refused(Kind::Stale, why));
                }
                return Ok((batch, label));
            }
        }
        Err(Failure::refused(Kind::Unavailable, "the series is renamed again and again: save it once more"))
    }

    /// What the writer has after its revision, which is durable whether this can be told or not.
    fn basis_at(&self, views: &SeriesViews, stamp: Stamp) -> Option<Basis> {
        let point = Point::written(stamp);
        let look = || {
            let now = self.series.cached.now()?;
            Ok(views.get(&now, self.series, &point)?)
        };
        let view = self.found(look(), &stamp.to_string());
        view.map(|view| Basis { point, view })
    }

    /// What was found after a save, which is done whether that can be told or not.
    fn found<T>(&self, found: Result<Option<T>, Failure>, what: &str) -> Option<T> {
        found.unwrap_or_else(|error| {
            let of = self.series.cached.collection().label();
            log::warn!("cannot look at {what} of {of}, which was just written: {error}");
            None
        })
    }
}

/// The columns may have changed since the rows were read.
fn same(schema: &Schema, batch: &Batch<'_>) -> Result<(), Failure> {
    if *schema == *batch.base().schema {
        return Ok(());
    }
    let message = "the columns of the collection were changed meanwhile: open the file again".to_owned();
    Err(InputError::new(Problem::Other(message)).into())
}
