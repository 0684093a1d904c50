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
        self.series += other.series;
        self.segments += other.segments;
        self.rows += other.rows;
        self.pages += other.pages;
        self.csv += other.csv;
        self.keys += other.keys;
        self.renamed += other.renamed;
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

    /// Reads them.
    pub fn read(input: &mut Reader<'_>) -> Result<Sums, Damaged> {
        Ok(Sums {
            series: input.uint()?,
            segments: input.uint()?,
            rows: input.uint()?,
            pages: input.uint()?,
            csv: input.uint()?,
            keys: input.uint()?,
            renamed: input.uint()?,
        })
    }
}

/// What can be read from the leaves of a tree.
pub trait Leaf: Sized {
    /// Whether the heads of leaves are enough, so that bodies need not be decompressed.
    const HEAD_ONLY: bool;
    /// What it adds to the sums.
    fn sums(&self) -> Sums;
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
    fn key(&self) -> &[u8];
    /// The greatest key it covers.
    fn last(&self) -> &[u8];
    /// About how many bytes it takes in a node before compression.
    fn weight(&self) -> usize;
    /// Appends a leaf's items: what listings need to `head`, the rest to `body`.
    fn write_leaf(items: &[Self], bundles: &mut Bundles, head: &mut Writer, body: &mut Writer);
}

/// A tree that is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Its top node, and what all of it adds up to.
    pub root: Child,
    /// Levels above the leaves.
    pub height: u32,
}

impl Tree {
    /// Calls `visit` for the items of the leaves that `wanted` chooses, in order. `wanted` is asked for every
    /// subtree, with what lies before it in the tree.
    pub fn scan<T: Leaf>(
        &self,
        view: &View,
        wanted: &mut dyn FnMut(&Child, &Sums) -> bool,
        visit: &mut dyn FnMut(T, &Sums) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut before = Sums::default();
        scan(&self.root, view, wanted, visit, &mut before)
    }
}

fn scan<T: Leaf>(
    child: &Child,
    view: &View,
    wanted: &mut dyn FnMut(&Child, &Sums) -> bool,
    visit: &mut dyn FnMut(T, &Sums) -> Result<(), StoreError>,
    before: &mut Sums,
) -> Result<(), StoreError> {
    if !wanted(child, before) {
        *before += child.sums;
        return Ok(());
    }
    match Node::<T>::load(view, &child.node)? {
        Node::Inner(children) => children.iter().try_for_each(|c| scan(c, view, wanted, visit, before)),
        Node::Leaf(items) => items.into_iter().try_for_each(|item| {
            let sums = item.sums();
            visit(item, before)?;
            *before += sums;
            Ok(())
        }),
    }
}
