//! A series as the index names it: label, id, totals, segments.

use super::segment::{self, Segment};
use super::tree::{Child, Item, Leaf, Sums, Tree};
use crate::digest::Digest;
use crate::interval::{Interval, Key};
use crate::store::place::{Bundles, Place};
use crate::store::{StoreError, View};
use crate::wire::{Damaged, Reader, Writer};
use std::fmt;
use std::ops::Range;

/// What a series is whatever its label becomes: fixed at its creation, made of the label it has then.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId([u8; 8]);

impl SeriesId {
    /// The id of the `n`-th series (from 0) that is alive under other labels and was created as `label`.
    /// So two writers who create a label at the same time create one series.
    #[must_use]
    pub fn new(label: &str, n: u64) -> SeriesId {
        let digest = Digest::of(&[&n.to_le_bytes(), label.as_bytes()].concat());
        let mut id = [0; 8];
        id.copy_from_slice(&digest.as_bytes()[..8]);
        SeriesId(id)
    }

    /// Appends it.
    pub fn write(&self, out: &mut Writer) {
        out.raw(&self.0);
    }

    /// Reads it.
    pub fn read(input: &mut Reader<'_>) -> Result<SeriesId, Damaged> {
        Ok(SeriesId(input.array()?))
    }
}

impl fmt::Display for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The segments of a series, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segments {
    /// In the entry itself, while they are few.
    Few(Vec<Segment>),
    /// In a tree of their own, by first key.
    Many(Tree),
}

/// A series in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the collection.
    pub label: String,
    /// What it is whatever its label.
    pub id: SeriesId,
    /// Its rows.
    pub segments: Segments,
}

/// The segments that overlap an interval, and what lies before them.
#[derive(Debug, Default)]
pub struct Located {
    /// Segments before the first that overlaps.
    pub start: u64,
    /// Rows before the first that overlaps.
    pub rows_before: u64,
    /// Those that overlap, in order.
    pub segments: Vec<Segment>,
}

impl Located {
    /// Their positions in the series.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.start..self.start + self.segments.len() as u64
    }
}

impl Segments {
    /// Those of a series without rows.
    #[must_use]
    pub fn none() -> &'static Segments {
        static NONE: Segments = Segments::Few(Vec::new());
        &NONE
    }

    /// What all segments add up to.
    #[must_use]
    pub fn sums(&self) -> Sums {
        match self {
            Segments::Few(list) => list.iter().map(Leaf::sums).sum(),
            Segments::Many(tree) => tree.root.sums,
        }
    }

    /// The first and the last index value, where there are rows.
    #[must_use]
    pub fn span(&self) -> Option<(&Key, &Key)> {
        match self {
            Segments::Few(list) => Some((&list.first()?.first, &list.last()?.last)),
            Segments::Many(tree) => Some((&tree.root.key, &tree.root.last)),
        }
    }

    /// The segments that may hold rows in `interval`, and what lies before them.
    pub fn locate(&self, view: &View, interval: &Interval) -> Result<Located, StoreError> {
        let before = |last: &[u8]| last < interval.lo.as_slice();
        let after = |first: &[u8]| interval.ends_at_or_before(first);
        self.find(view, |first, last, _| {
            if before(last) {
                Side::Before
            } else if after(first) {
                Side::After
            } else {
                Side::In
            }
        })
    }

    /// The segments that hold the rows at positions `rows`.
    pub fn locate_rows(&self, view: &View, rows: &Range<u64>) -> Result<Located, StoreError> {
        self.find(view, |_, _, at| {
            if at.end <= rows.start {
                Side::Before
            } else if at.start >= rows.end {
                Side::After
            } else {
                Side::In
            }
        })
    }

    /// Segments `positions`, counted from 0.
    pub fn at(&self, view: &View, positions: &Range<u64>) -> Result<Vec<Segment>, StoreError> {
        let mut out = Vec::new();
        match self {
            Segments::Few(list) => {
                let all = list.iter().enumerate();
                out.extend(all.filter(|(i, _)| positions.contains(&(*i as u64))).map(|(_, s)| s.clone()));
            }
            Segments::Many(tree) => tree.scan::<Segment>(
                view,
                &mut |child, before| {
                    before.segments < positions.end
                        && before.segments.saturating_add(child.sums.segments) > positions.start
                },
                &mut |segment, before| {
                    if positions.contains(&before.segments) {
                        out.push(segment);
                    }
                    Ok(())
                },
            )?,
        }
        Ok(out)
    }

    fn find(
        &self,
        view: &View,
        side: impl Fn(&[u8], &[u8], Range<u64>) -> Side,
    ) -> Result<Located, StoreError> {
        let mut out = Located::default();
        let mut take = |segment: Segment, before: &Sums| {
            match side(&segment.first, &segment.last, before.rows..before.rows.saturating_add(segment.rows)) {
                Side::Before => {
                    out.start = before.segments + 1;
                    out.rows_before = before.rows.saturating_add(segment.rows);
                }
                Side::In => out.segments.push(segment),
                Side::After => {}
            }
            Ok(())
        };
        match self {
            Segments::Few(_) => self.scan(view, &mut take)?,
            Segments::Many(tree) => {
                let mut skipped = Sums::default();
                tree.scan::<Segment>(
                    view,
                    &mut |child, before| {
                        let rows = before.rows..before.rows.saturating_add(child.sums.rows);
                        match side(&child.key, &child.last, rows) {
                            Side::In => true,
                            Side::After => false,
                            Side::Before => {
                                skipped = *before;
                                skipped += child.sums;
                                false
                            }
                        }
                    },
                    &mut take,
                )?;
                out.start = out.start.max(skipped.segments);
                out.rows_before = out.rows_before.max(skipped.rows);
            }
        }
        Ok(out)
    }

    /// The segments beside the one at position `at` of what `measure` adds up, and what lies before them: all of a
    /// leaf, as reading one is reading all. None behind the end.
    pub fn around(
        &self,
        view: &View,
        at: u64,
        measure: impl Fn(&Sums) -> u64,
    ) -> Result<Option<(Sums, Vec<Segment>)>, StoreError> {
        let tree = match self {
            Segments::Few(_) if measure(&self.sums()) <= at => return Ok(None),
            Segments::Few(list) => return Ok(Some((Sums::default(), list.clone()))),
            Segments::Many(tree) => tree,
        };
        let mut found: Option<(Sums, Vec<Segment>)> = None;
        let mut wanted = |child: &Child, before: &Sums| {
            let start = measure(before);
            start <= at && at < start.saturating_add(measure(&child.sums))
        };
        tree.scan(view, &mut wanted, &mut |segment, before| {
            found.get_or_insert_with(|| (*before, Vec::new())).1.push(segment);
            Ok(())
        })?;
        Ok(found)
    }

    /// Shows `visit` every segment in order, and what lies before it.
    pub fn scan(
        &self,
        view: &View,
        visit: &mut dyn FnMut(Segment, &Sums) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        match self {
            Segments::Few(list) => {
                let mut before = Sums::default();
                for segment in list {
                    visit(segment.clone(), &before)?;
                    before += segment.sums();
                }
                Ok(())
            }
            Segments::Many(tree) => tree.scan(view, &mut |_, _| true, visit),
        }
    }

    /// Whether a chunk or node lies in a bundle that `view` holds itself.
    #[must_use]
    pub fn held(&self, view: &View) -> bool {
        match self {
            Segments::Few(list) => list
                .iter()
                .flat_map(|s| &s.chunks)
                .any(|c| matches!(c.place, Place::Member(spot, _) if view.holds(spot.bundle))),
            Segments::Many(tree) => view.holds(tree.root.node.spot.bundle),
        }
    }
}

enum Side {
    Before,
    In,
    After,
}

impl Entry {
    /// The entry without its segments.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let span = self.segments.span().map(|(first, last)| (first.clone(), last.clone()));
        Summary { label: self.label.clone(), id: self.id, sums: self.sums(), span }
    }
}

/// What listings show of a series: read without its segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its name in the collection.
    pub label: String,
    /// What it is whatever its label.
    pub id: SeriesId,
    /// What its segments add up to.
    pub sums: Sums,
    /// Its first and its last index value, where it has rows.
    pub span: Option<(Key, Key)>,
}

impl Leaf for Summary {
    const HEAD_ONLY: bool = true;
    const UNIQUE: bool = true;

    fn sums(&self) -> Sums {
        self.sums
    }

    fn span(&self) -> (&[u8], &[u8]) {
        (self.label.as_bytes(), self.label.as_bytes())
    }

    fn read_leaf(_: &Bundles, head: &mut Reader<'_>, _: &mut Reader<'_>) -> Result<Vec<Summary>, Damaged> {
        let list = read_summaries(head)?;
        // Trees of segments follow; a listing does not follow them.
        head.raw(head.rest().len())?;
        Ok(list)
    }
}

impl Leaf for Entry {
    const HEAD_ONLY: bool = false;
    const UNIQUE: bool = true;

    fn sums(&self) -> Sums {
        let renamed = u64::from(self.id != SeriesId::new(&self.label, 0));
        Sums { series: 1, renamed, ..self.segments.sums() }
    }

    fn span(&self) -> (&[u8], &[u8]) {
        (self.label.as_bytes(), self.label.as_bytes())
    }

    fn read_leaf(
        bundles: &Bundles,
        head: &mut Reader<'_>,
        body: &mut Reader<'_>,
    ) -> Result<Vec<Entry>, Damaged> {
        let summaries = read_summaries(head)?;
        let mut trees = Vec::with_capacity(summaries.len());
        for _ in &summaries {
            trees.push(read_tree(bundles, head)?);
        }
        let counts = trees
            .iter()
            .map(|tree| if tree.is_none() { body.size() } else { Ok(0) })
            .collect::<Result<Vec<_>, _>>()?;
        let mut all = segment::read_list(bundles, body)?.into_iter();
        let mut entries = Vec::with_capacity(summaries.len());
        for ((Summary { label, id, .. }, tree), count) in summaries.into_iter().zip(trees).zip(counts) {
            let segments = match tree {
                Some(tree) => Segments::Many(tree),
                None => Segments::Few(all.by_ref().take(count).collect()),
            };
            entries.push(Entry { label, id, segments });
        }
        if all.next().is_some() { Err(body.damaged()) } else { Ok(entries) }
    }
}

impl Item for Entry {
    fn weight(&self) -> usize {
        let segments = match &self.segments {
            Segments::Few(list) => list.iter().map(Item::weight).sum(),
            Segments::Many(_) => 100,
        };
        self.label.len() + 48 + segments
    }

    fn write_leaf(items: &[Entry], bundles: &mut Bundles, head: &mut Writer, body: &mut Writer) {
        write_summaries(items, head);
        for entry in items {
            match &entry.segments {
                Segments::Few(_) => head.uint(0),
                Segments::Many(tree) => {
                    head.uint(1 + u64::from(tree.height));
                    Child::write_list(std::slice::from_ref(&tree.root), bundles, head);
                }
            }
        }
        // All lists of segments as one: equal fields of neighbouring series compress together.
        let mut all = Vec::new();
        for entry in items {
            if let Segments::Few(list) = &entry.segments {
                body.size(list.len());
                all.extend(list.iter().cloned());
            }
        }
        segment::write_list(&all, bundles, body);
    }
}

fn write_summaries(items: &[Entry], head: &mut Writer) {
    head.size(items.len());
    let mut previous: &[u8] = &[];
    for entry in items {
        head.after(previous, entry.label.as_bytes());
        previous = entry.label.as_bytes();
        // Nearly every id follows from the label: then it takes a byte.
        let derived = entry.id == SeriesId::new(&entry.label, 0);
        head.uint(u64::from(derived));
        if !derived {
            entry.id.write(head);
        }
    }
    items.iter().for_each(|entry| entry.sums().write(head));
    let mut previous: &[u8] = &[];
    for entry in items {
        if let Some((first, last)) = entry.segments.span() {
            head.after(previous, first);
            head.after(first, last);
            previous = last;
        }
    }
}

/// Bytes of a summary, at least: label, whether the id follows from it, sums.
const LEAST_SUMMARY: usize = 2 + 1 + 7;

fn read_summaries(head: &mut Reader<'_>) -> Result<Vec<Summary>, Damaged> {
    let count = head.count_of(LEAST_SUMMARY)?;
    let mut list: Vec<Summary> = Vec::with_capacity(count);
    for _ in 0..count {
        let label = head.after(list.last().map_or(&[], |s| s.label.as_bytes()))?;
        let label = String::from_utf8(label).map_err(|_not_text| head.damaged())?;
        let id = match head.uint()? {
            1 => SeriesId::new(&label, 0),
            _ => SeriesId::read(head)?,
        };
        list.push(Summary { label, id, sums: Sums::default(), span: None });
    }
    for summary in &mut list {
        summary.sums = Sums::read(head)?;
    }
    let mut previous = Vec::new();
    for summary in list.iter_mut().filter(|s| s.sums.segments > 0) {
        let first = head.after(&previous)?;
        let last = head.after(&first)?;
        previous.clone_from(&last);
        summary.span = Some((first, last));
    }
    Ok(list)
}

fn read_tree(bundles: &Bundles, head: &mut Reader<'_>) -> Result<Option<Tree>, Damaged> {
    match head.uint()? {
        0 => Ok(None),
        n => Tree::read(n - 1, bundles, head).map(Some),
    }
}
