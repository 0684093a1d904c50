//! What a revision names that its parents do not: two trees walked side by side, level by level.
//!
//! A node that both have is skipped with all below it: whoever has a parent whole has that too. So the cost is that
//! of what changed, whatever the number of series. Reads nodes only, no chunk.

use crate::digest::Digest;
use crate::history::entry::{Entry, Segments, SeriesId};
use crate::history::revision::{ListPlace, Revision};
use crate::history::segment::Segment;
use crate::history::tree::{Child, Leaf, Node, NodeRef, Tree};
use crate::store::{StoreError, View};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// The objects that `revision` names and none of `bases` does, and few that they do. What it carries itself is none.
pub(super) fn objects(revision: &Revision, bases: &[Arc<Revision>]) -> Result<BTreeSet<Digest>, StoreError> {
    let mut found = Found { view: &revision.state.view, objects: BTreeSet::new() };
    if let ListPlace::There(spot, _) = &revision.changes {
        found.add(spot.bundle);
    }
    if let Some(tree) = &revision.state.tree {
        let trees = bases.iter().filter_map(|b| Some((&b.state.view, b.state.tree.as_ref()?))).collect();
        found.entries(tree, trees)?;
    }
    Ok(found.objects)
}

struct Found<'a> {
    view: &'a View,
    objects: BTreeSet<Digest>,
}

/// A tree and where it is read.
type Base<'a> = (&'a View, &'a Tree);

/// What a tree has that the bases have not, and what they have there, each with the number of its base.
type Parted<T> = (Vec<T>, Vec<(usize, T)>);

impl<'a> Found<'a> {
    fn add(&mut self, object: Digest) {
        if !self.view.holds(object) {
            self.objects.insert(object);
        }
    }

    fn entries(&mut self, tree: &Tree, bases: Vec<Base<'_>>) -> Result<(), StoreError> {
        let (mine, theirs) = self.part::<Entry>(tree, &bases)?;
        let mut by_id: HashMap<SeriesId, Vec<(usize, Entry)>> = HashMap::new();
        for (base, entry) in theirs {
            by_id.entry(entry.id).or_default().push((base, entry));
        }
        for entry in mine {
            let before = by_id.get(&entry.id).map(Vec::as_slice).unwrap_or_default();
            self.series(&entry, before, &bases)?;
        }
        Ok(())
    }

    fn series(
        &mut self,
        entry: &Entry,
        before: &[(usize, Entry)],
        bases: &[Base<'_>],
    ) -> Result<(), StoreError> {
        let mut known: HashSet<Segment> = HashSet::new();
        let mut trees = Vec::new();
        for (base, entry) in before {
            match &entry.segments {
                Segments::Few(list) => known.extend(list.iter().cloned()),
                Segments::Many(tree) => trees.push((bases[*base].0, tree)),
            }
        }
        match &entry.segments {
            Segments::Few(list) => self.segments(list, &known),
            Segments::Many(tree) => {
                let (mine, theirs) = self.part::<Segment>(tree, &trees)?;
                known.extend(theirs.into_iter().map(|(_, segment)| segment));
                self.segments(&mine, &known);
            }
        }
        Ok(())
    }

    fn segments(&mut self, list: &[Segment], known: &HashSet<Segment>) {
        let new = list.iter().filter(|segment| !known.contains(segment));
        new.flat_map(|s| &s.chunks).filter_map(|chunk| chunk.place.object()).for_each(|o| self.add(o));
    }

    /// Walks from the top: on each level, what both sides have goes, the rest is opened.
    fn part<T: Leaf>(&mut self, tree: &Tree, bases: &[Base<'_>]) -> Result<Parted<T>, StoreError> {
        let top = bases.iter().map(|(_, base)| base.height).fold(tree.height, u32::max);
        let (mut mine, mut theirs): (Vec<Child>, Vec<(usize, Child)>) = Default::default();
        let (mut items, mut others) = Parted::<T>::default();
        for level in (0..=top).rev() {
            if tree.height == level {
                mine.push(tree.root.clone());
            }
            for (i, (_, base)) in bases.iter().enumerate().filter(|(_, (_, base))| base.height == level) {
                theirs.push((i, base.root.clone()));
            }
            let here: HashSet<NodeRef> = mine.iter().map(|child| child.node).collect();
            let there: HashSet<NodeRef> = theirs.iter().map(|(_, child)| child.node).collect();
            mine.retain(|child| !there.contains(&child.node));
            let above = tree.height < level;
            if mine.is_empty() && !above {
                break;
            }
            let near = if above { std::slice::from_ref(&tree.root) } else { mine.as_slice() };
            theirs.retain(|(_, child)| !here.contains(&child.node) && meets(child, near));
            // With equal keys a node may stand in a tree more than once: once is enough, and few bytes could name very
            // many.
            let mut seen = HashSet::new();
            mine.retain(|child| seen.insert(child.node));
            let mut seen = HashSet::new();
            theirs.retain(|(_, child)| seen.insert(child.node));
            for child in std::mem::take(&mut mine) {
                self.add(child.node.spot.bundle);
                match Node::<T>::load(self.view, &child, level)? {
                    Node::Inner(children) => mine.extend(children),
                    Node::Leaf(leaf) => items.extend(leaf),
                }
            }
            for (i, child) in std::mem::take(&mut theirs) {
                match Node::<T>::load(bases[i].0, &child, level)? {
                    Node::Inner(children) => theirs.extend(children.into_iter().map(|child| (i, child))),
                    Node::Leaf(leaf) => others.extend(leaf.into_iter().map(|item| (i, item))),
                }
            }
        }
        Ok((items, others))
    }
}

/// Whether a subtree shares keys with one of `others`, which are in order.
fn meets(child: &Child, others: &[Child]) -> bool {
    let at = others.partition_point(|other| other.last < child.key);
    others.get(at).is_some_and(|other| other.key <= child.last)
}
