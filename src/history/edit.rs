//! A new state of an old one: entries put or removed, everything else shared.
//!
//! Whatever the result names lies in objects or in the draft's own bundles: what the old state held itself
//! (embedded in a revision file, or in a merge not yet written) is copied.

use super::entry::{Entry, Segments, SeriesId};
use super::segment::Segment;
use super::state::State;
use super::tree::{Builder, Edit, Item, Tree};
use crate::data::schema::Schema;
use crate::digest::{Check, Digest};
use crate::interval::Interval;
use crate::store::draft::{Draft, Finished, Laid};
use crate::store::place::{Place, Spot};
use crate::store::{StoreError, View};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of segments, before compression, that stay in the entry of a series.
const FEW_WEIGHT: usize = 2048;

/// What a series becomes: some of its segments replaced.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// What it is whatever its label.
    pub id: SeriesId,
    /// The segments it had.
    pub base: Segments,
    /// Positions of those that go.
    pub replaced: Range<u64>,
    /// What stands there instead.
    pub with: Vec<Segment>,
}

impl NewEntry {
    /// A series with the segments it has.
    #[must_use]
    pub const fn keep(id: SeriesId, base: Segments) -> NewEntry {
        NewEntry { id, base, replaced: 0..0, with: Vec::new() }
    }
}

/// What becomes of labels: the series that stands there, or none.
pub type Edits = BTreeMap<String, Option<NewEntry>>;

/// A new state and the bytes that make it durable.
#[derive(Debug)]
pub struct Edited {
    /// The state, readable before it is written.
    pub state: State,
    /// Its new bytes.
    pub finished: Finished,
    /// Where `extra` lies.
    pub extra: Option<(Spot, Check)>,
}

/// Applies `edits` to `base`. `extra`, where given, is bytes kept in the bundle too.
pub fn apply(
    mut draft: Draft,
    base: &State,
    schema: &Arc<Schema>,
    mut edits: Edits,
    extra: Option<&[u8]>,
) -> Result<Edited, StoreError> {
    let view = &base.view;
    add_held(base, &mut edits)?;
    for entry in edits.values_mut().flatten() {
        copy_held(view, entry, &mut draft)?;
    }
    let mut laid = draft.lay_out();
    let mut list: Vec<Edit<Entry>> = Vec::with_capacity(edits.len());
    for (label, entry) in edits {
        let entry = match entry {
            Some(new) => {
                let id = new.id;
                Some(Entry { label: label.clone(), id, segments: place(view, new, &mut laid)? })
            }
            None => None,
        };
        list.push((label.into_bytes(), entry));
    }
    let mut builder = Builder::new(&mut laid);
    match &base.tree {
        Some(tree) => builder.edit(view, tree, list)?,
        None => list.into_iter().filter_map(|(_, entry)| entry).for_each(|entry| builder.push(entry)),
    }
    let tree = builder.finish();
    let extra = extra.map(|bytes| laid.add(bytes));
    let finished = laid.finish();
    let tree = tree.map(|tree| settle(tree, finished.bundle));
    let view = View::holding(Arc::clone(view.store()), finished.held());
    Ok(Edited { state: State { schema: Arc::clone(schema), tree, view }, finished, extra })
}

/// Names the bundle of a root that was made "here".
fn settle(mut tree: Tree, bundle: Digest) -> Tree {
    if tree.root.node.spot.bundle == Digest::ZERO {
        tree.root.node.spot.bundle = bundle;
    }
    tree
}

/// Adds the entries that lie in nodes the base holds itself, so that they are written again.
fn add_held(base: &State, edits: &mut Edits) -> Result<(), StoreError> {
    let Some(tree) = &base.tree else { return Ok(()) };
    let view = &base.view;
    tree.scan::<Entry>(view, &mut |child, _| view.holds(child.node.spot.bundle), &mut |entry, _| {
        if entry.segments.held(view) {
            edits.entry(entry.label).or_insert_with(|| Some(NewEntry::keep(entry.id, entry.segments)));
        }
        Ok(())
    })
}

/// Stages again what an entry names in bundles that are no objects.
fn copy_held(view: &View, entry: &mut NewEntry, draft: &mut Draft) -> Result<(), StoreError> {
    if let Segments::Many(tree) = &entry.base
        && view.holds(tree.root.node.spot.bundle)
    {
        entry.base = Segments::Few(entry.base.locate(view, &Interval::ALL)?.segments);
    }
    let base: &mut [Segment] = match &mut entry.base {
        Segments::Few(list) => list,
        Segments::Many(_) => &mut [],
    };
    for chunk in base.iter_mut().chain(&mut entry.with).flat_map(|segment| &mut segment.chunks) {
        if let Place::Member(spot, _) = chunk.place
            && view.holds(spot.bundle)
        {
            let pages = view.pages(&chunk.place, chunk.layout.len, chunk.check)?;
            chunk.place = draft.stage_pages(pages, chunk.check);
        }
    }
    Ok(())
}

/// The segments of an entry with all chunks in their places.
fn place(view: &View, entry: NewEntry, laid: &mut Laid) -> Result<Segments, StoreError> {
    let NewEntry { base, replaced, mut with, .. } = entry;
    let resolve = |list: &mut Vec<Segment>, laid: &mut Laid| {
        list.iter_mut().flat_map(|s| &mut s.chunks).for_each(|c| c.place = laid.resolve(c.place));
    };
    let list = match base {
        Segments::Few(mut list) => {
            list.splice(replaced.start as usize..replaced.end as usize, with);
            resolve(&mut list, laid);
            list
        }
        Segments::Many(tree) => {
            resolve(&mut with, laid);
            if replaced.is_empty() && with.is_empty() {
                laid.names_outside();
                return Ok(Segments::Many(tree));
            }
            let mut builder = Builder::new(laid);
            builder.splice(view, &tree, replaced, with)?;
            return Ok(builder.finish().map_or(Segments::Few(Vec::new()), Segments::Many));
        }
    };
    if list.iter().map(Item::weight).sum::<usize>() <= FEW_WEIGHT {
        return Ok(Segments::Few(list));
    }
    let mut builder = Builder::new(laid);
    list.into_iter().for_each(|segment| builder.push(segment));
    Ok(builder.finish().map_or(Segments::Few(Vec::new()), Segments::Many))
}
