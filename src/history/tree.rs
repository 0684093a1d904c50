//! The search tree of the index: sorted items in content-addressed nodes.
//!
//! A node ends where the hash of an item's key says so, so that inserting one item shifts no other
//! boundary and a change rewrites O(log n) nodes; the rest is shared with the tree it came from.
//! Inner nodes carry sums. One implementation for both trees: series by label, segments by first key.

mod build;
mod differ;
mod node;

pub use build::{Builder, Edit};
pub use differ::differing;
pub use node::{Child, Node, NodeRef};

use crate::store::place::Bundles;
use crate::store::{StoreError, View};
use crate::wire::{Damaged, Reader, Writer};
use std::ops::AddAssign;

/// Series or segments that a tree adds up to, at most.
const MOST_ITEMS: u64 = 1 << 32;

/// Rows that a tree adds up to, at most: with the most columns, what is computed of them fits a number.
const MOST_ROWS: u64 = 1 << 43;

/// Bytes of a kind that a tree adds up to, at most: 140 TB.
const MOST_BYTES: u64 = 1 << 47;

/// What a subtree adds up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Series (in the tree of labels).
    pub series: u64,
    /// Segments.
    pub segments: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes of pages: the body of a live Parquet file.
    pub pages: u64,
    /// Bytes of values in CSV, without separators and headers.
    pub csv: u64,
    /// Bytes of the keys that a Parquet footer turns into statistics: an upper bound of their length.
    pub keys: u64,
    /// Series whose id is not the first their label gives: they were renamed, or created beside one that was.
    pub renamed: u64,
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Sums) {
        // Saturated: what a damaged or hostile index claims must not wrap to something small.
        let add = |to: &mut u64, more: u64| *to = to.saturating_add(more);
        add(&mut self.series, other.series);
        add(&mut self.segments, other.segments);
        add(&mut self.rows, other.rows);
        add(&mut self.pages, other.pages);
        add(&mut self.csv, other.csv);
        add(&mut self.keys, other.keys);
        add(&mut self.renamed, other.renamed);
    }
}

impl std::iter::Sum for Sums {
    fn sum<I: Iterator<Item = Sums>>(items: I) -> Sums {
        let mut total = Sums::default();
        items.for_each(|sums| total += sums);
        total
    }
}

impl Sums {
    /// Appends them.
    pub fn write(&self, out: &mut Writer) {
        for value in [self.series, self.segments, self.rows, self.pages, self.csv, self.keys, self.renamed] {
            out.uint(value);
        }
    }

    /// Reads them. Fails beyond what any sizes of files can be computed of.
    pub fn read(input: &mut Reader<'_>) -> Result<Sums, Damaged> {
        let mut up_to = |most: u64| match input.uint()? {
            sum if sum > most => Err(input.damaged()),
            sum => Ok(sum),
        };
        Ok(Sums {
            series: up_to(MOST_ITEMS)?,
            segments: up_to(MOST_ITEMS)?,
            rows: up_to(MOST_ROWS)?,
            pages: up_to(MOST_BYTES)?,
            csv: up_to(MOST_BYTES)?,
            keys: up_to(MOST_BYTES)?,
            renamed: up_to(MOST_ITEMS)?,
        })
    }
}

/// What can be read from the leaves of a tree.
pub trait Leaf: Sized {
    /// Whether the heads of leaves are enough, so that bodies need not be decompressed.
    const HEAD_ONLY: bool;
    /// Whether a key stands once in a tree.
    const UNIQUE: bool;
    /// What it adds to the sums.
    fn sums(&self) -> Sums;
    /// Its key, and the greatest that it covers.
    fn span(&self) -> (&[u8], &[u8]);
    /// Reads a leaf.
    fn read_leaf(
        bundles: &Bundles,
        head: &mut Reader<'_>,
        body: &mut Reader<'_>,
    ) -> Result<Vec<Self>, Damaged>;
}

/// What a tree holds.
pub trait Item: Leaf + Clone {
    /// What it is sorted by.
    fn key(&self) -> &[u8] {
        self.span().0
    }
    /// The greatest key it covers.
    fn last(&self) -> &[u8] {
        self.span().1
    }
    /// About how many bytes it takes in a node before compression.
    fn weight(&self) -> usize;
    /// Appends a leaf's items: what listings need to `head`, the rest to `body`.
    fn write_leaf(items: &[Self], bundles: &mut Bundles, head: &mut Writer, body: &mut Writer);
}

/// Levels above the leaves, at most: nodes have two children or more, but for the last of a level.
pub const MOST_HEIGHT: u32 = 64;

/// A tree that is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Its top node, and what all of it adds up to.
    pub root: Child,
    /// Levels above the leaves.
    pub height: u32,
}

impl Tree {
    /// Reads the root of a tree of some height, a list of one child.
    pub(super) fn read(height: u64, bundles: &Bundles, input: &mut Reader<'_>) -> Result<Tree, Damaged> {
        let height = u32::try_from(height).ok().filter(|height| *height <= MOST_HEIGHT);
        let height = height.ok_or_else(|| input.damaged())?;
        let root = Child::read_list(bundles, input)?.pop().ok_or_else(|| input.damaged())?;
        Ok(Tree { root, height })
    }

    /// Calls `visit` for the items of the leaves that `wanted` chooses, in order. `wanted` is asked for every
    /// subtree, with what lies before it in the tree.
    pub fn scan<T: Leaf>(
        &self,
        view: &View,
        wanted: &mut dyn FnMut(&Child, &Sums) -> bool,
        visit: &mut dyn FnMut(T, &Sums) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut before = Sums::default();
        scan(&self.root, self.height, view, wanted, visit, &mut before)
    }
}

fn scan<T: Leaf>(
    child: &Child,
    level: u32,
    view: &View,
    wanted: &mut dyn FnMut(&Child, &Sums) -> bool,
    visit: &mut dyn FnMut(T, &Sums) -> Result<(), StoreError>,
    before: &mut Sums,
) -> Result<(), StoreError> {
    if !wanted(child, before) {
        *before += child.sums;
        return Ok(());
    }
    match Node::<T>::load(view, child, level)? {
        Node::Inner(children) => {
            children.iter().try_for_each(|c| scan(c, level.saturating_sub(1), view, wanted, visit, before))
        }
        Node::Leaf(items) => items.into_iter().try_for_each(|item| {
            let sums = item.sums();
            visit(item, before)?;
            *before += sums;
            Ok(())
        }),
    }
}
