//! Building trees: from items, or from a tree and edits, sharing the nodes that do not change.

use super::node::{add_inner, add_leaf};
use super::{Child, Item, Leaf, Node, Sums, Tree};
use crate::store::draft::Laid;
use crate::store::{StoreError, View};
use std::ops::Range;

/// A node ends at one in so many keys.
const FAN_OUT: u32 = 48;

/// A node ends at the latest at so many bytes before compression.
const MAX_WEIGHT: usize = 16 << 10;

/// What becomes of a key: the item that stands there afterwards, or none.
pub type Edit<T> = (Vec<u8>, Option<T>);

/// Takes items and subtrees in order and makes nodes of them.
#[derive(Debug)]
pub struct Builder<'a, T> {
    laid: &'a mut Laid,
    leaf: Vec<T>,
    weight: usize,
    /// Open inner nodes; `inner[0]` lies above the leaves.
    inner: Vec<(Vec<Child>, usize)>,
}

impl<'a, T: Item> Builder<'a, T> {
    /// Adds nodes to `laid`.
    pub const fn new(laid: &'a mut Laid) -> Builder<'a, T> {
        Builder { laid, leaf: Vec::new(), weight: 0, inner: Vec::new() }
    }

    /// The draft that nodes are added to.
    pub const fn laid(&mut self) -> &mut Laid {
        self.laid
    }

    /// Adds an item.
    pub fn push(&mut self, item: T) {
        self.weight += item.weight();
        let ends = ends_node(item.key(), 0);
        self.leaf.push(item);
        if ends || self.weight > MAX_WEIGHT {
            self.flush_leaf();
        }
    }

    fn flush_leaf(&mut self) {
        let items = std::mem::take(&mut self.leaf);
        self.weight = 0;
        let (Some(first), Some(last)) = (items.first(), items.last()) else { return };
        let node = add_leaf(self.laid, &items);
        let sums = items.iter().map(Leaf::sums).sum();
        self.push_child(0, Child { key: first.key().to_vec(), last: last.last().to_vec(), sums, node });
    }

    /// Adds a subtree whose top node has `level` levels below it; only where [`Builder::aligned`].
    fn push_child(&mut self, level: usize, child: Child) {
        // A subtree may be the first of all: levels below it are still missing then.
        while self.inner.len() <= level {
            self.inner.push((Vec::new(), 0));
        }
        let (children, weight) = &mut self.inner[level];
        *weight += 64 + child.key.len() + child.last.len();
        let ends = ends_node(&child.key, level as u32 + 1);
        children.push(child);
        if ends && children.len() > 1 || *weight > MAX_WEIGHT {
            self.flush_inner(level);
        }
    }

    fn flush_inner(&mut self, level: usize) {
        let (children, _) = std::mem::take(&mut self.inner[level]);
        let (Some(first), Some(last)) = (children.first(), children.last()) else { return };
        let (key, last) = (first.key.clone(), last.last.clone());
        let sums = children.iter().map(|c| c.sums).sum::<Sums>();
        let node = add_inner(self.laid, &children);
        self.push_child(level + 1, Child { key, last, sums, node });
    }

    /// Whether a node with `level` levels below it could start here.
    fn aligned(&self, level: usize) -> bool {
        self.leaf.is_empty() && self.inner.iter().take(level).all(|(children, _)| children.is_empty())
    }

    /// Closes all open nodes. No items, no tree.
    #[must_use]
    pub fn finish(mut self) -> Option<Tree> {
        self.flush_leaf();
        let mut level = 0;
        while level < self.inner.len() {
            let above_is_empty = self.inner[level + 1..].iter().all(|(children, _)| children.is_empty());
            if above_is_empty && self.inner[level].0.len() == 1 {
                let root = self.inner[level].0.pop()?;
                return Some(Tree { root, height: level as u32 });
            }
            self.flush_inner(level);
            level += 1;
        }
        None
    }

    /// Adds the items of `tree` with `edits` applied, which are sorted by key, each key once.
    pub fn edit(&mut self, view: &View, tree: &Tree, edits: Vec<Edit<T>>) -> Result<(), StoreError> {
        let mut edits = edits.into_iter().peekable();
        self.edit_below(view, &tree.root, tree.height as usize, None, &mut edits)
    }

    /// `end`: the key of what follows this subtree in the tree; none if nothing follows.
    fn edit_below(
        &mut self,
        view: &View,
        child: &Child,
        level: usize,
        end: Option<&[u8]>,
        edits: &mut std::iter::Peekable<std::vec::IntoIter<Edit<T>>>,
    ) -> Result<(), StoreError> {
        let here = |edit: &Edit<T>| end.is_none_or(|end| edit.0.as_slice() < end);
        if self.reusable(view, child, level) && !edits.peek().is_some_and(here) {
            self.laid.names_outside();
            self.push_child(level, child.clone());
            return Ok(());
        }
        match Node::<T>::load(view, child, level as u32)? {
            Node::Inner(children) => {
                for (i, child) in children.iter().enumerate() {
                    let end = children.get(i + 1).map(|next| next.key.as_slice()).or(end);
                    self.edit_below(view, child, level.saturating_sub(1), end, edits)?;
                }
            }
            Node::Leaf(items) => {
                for item in items {
                    while let Some((_, new)) = edits.next_if(|edit| edit.0.as_slice() < item.key()) {
                        new.into_iter().for_each(|new| self.push(new));
                    }
                    match edits.next_if(|edit| edit.0.as_slice() == item.key()) {
                        Some((_, new)) => new.into_iter().for_each(|new| self.push(new)),
                        None => self.push(item),
                    }
                }
                while let Some((_, new)) = edits.next_if(here) {
                    new.into_iter().for_each(|new| self.push(new));
                }
            }
        }
        Ok(())
    }

    /// Adds the items of `tree` with those at positions `replaced` (counted in `sums.segments`) replaced
    /// by `items`.
    pub fn splice(
        &mut self,
        view: &View,
        tree: &Tree,
        replaced: Range<u64>,
        items: Vec<T>,
    ) -> Result<(), StoreError> {
        let total = tree.root.sums.segments;
        let mut splice = Splice { replaced, total, items: Some(items), at: 0 };
        self.splice_below(view, &tree.root, tree.height as usize, &mut splice)?;
        splice.items.take().into_iter().flatten().for_each(|item| self.push(item));
        Ok(())
    }

    fn splice_below(
        &mut self,
        view: &View,
        child: &Child,
        level: usize,
        splice: &mut Splice<T>,
    ) -> Result<(), StoreError> {
        let end = splice.at + child.sums.segments;
        if self.reusable(view, child, level) && !splice.touches(end) {
            self.laid.names_outside();
            self.push_child(level, child.clone());
            splice.at = end;
            return Ok(());
        }
        match Node::<T>::load(view, child, level as u32)? {
            Node::Inner(children) => {
                for child in &children {
                    self.splice_below(view, child, level.saturating_sub(1), splice)?;
                }
            }
            Node::Leaf(items) => {
                for item in items {
                    if splice.at >= splice.replaced.start {
                        splice.items.take().into_iter().flatten().for_each(|item| self.push(item));
                    }
                    if !splice.replaced.contains(&splice.at) {
                        self.push(item);
                    }
                    splice.at += 1;
                }
            }
        }
        Ok(())
    }

    fn reusable(&self, view: &View, child: &Child, level: usize) -> bool {
        self.aligned(level) && !view.holds(child.node.spot.bundle)
    }
}

struct Splice<T> {
    replaced: Range<u64>,
    total: u64,
    items: Option<Vec<T>>,
    at: u64,
}

impl<T> Splice<T> {
    /// Whether the subtree from `self.at` to `end` changes, or something is put right behind the last one.
    const fn touches(&self, end: u64) -> bool {
        let inside = self.at < self.replaced.end && self.replaced.start < end;
        let inserted = self.items.is_some() && self.at <= self.replaced.start && self.replaced.start < end;
        let appended = self.items.is_some() && end == self.total && self.replaced.start == end;
        inside || inserted || appended
    }
}

/// Whether a node ends behind `key`: a property of the key and the level alone.
fn ends_node(key: &[u8], level: u32) -> bool {
    let mut hash = 0xCBF2_9CE4_8422_2325 ^ u64::from(level).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for &byte in key {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    }
    // FNV-1a leaves its low bits weak for short keys: fold and mix once more.
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((hash >> 32) as u32).is_multiple_of(FAN_OUT)
}
