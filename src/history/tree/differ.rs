//! What only one of two trees has: subtrees that both name by equal digests are skipped unread.

use super::{Child, Leaf, Node, NodeRef, Tree};
use crate::store::{StoreError, View};
use std::collections::HashSet;

/// The items in leaves that only one of two trees has, in order: those of the first, and those of the second. Items that
/// both have may be among them, where they share a leaf with others. `wanted` chooses subtrees.
pub fn differing<T: Leaf>(
    a: (&View, Option<&Tree>),
    b: (&View, Option<&Tree>),
    wanted: &dyn Fn(&Child) -> bool,
) -> Result<(Vec<T>, Vec<T>), StoreError> {
    let (mut first, mut second) = (Level::top(a), Level::top(b));
    loop {
        if first.height == second.height {
            part(&mut first.children, &mut second.children);
            if first.height == 0 {
                return Ok((first.items()?, second.items()?));
            }
        }
        let (down, also) = (first.height >= second.height, second.height >= first.height);
        if down {
            first.descend::<T>(wanted)?;
        }
        if also {
            second.descend::<T>(wanted)?;
        }
    }
}

/// Nodes of a level that differ, at most. With equal keys a node may stand in a tree more than once, so that few bytes
/// could name very many.
const MOST_NODES: usize = 1 << 22;

/// Subtrees of one height.
struct Level<'a> {
    view: &'a View,
    children: Vec<Child>,
    height: u32,
}

impl<'a> Level<'a> {
    fn top((view, tree): (&'a View, Option<&Tree>)) -> Level<'a> {
        let children = tree.map(|tree| tree.root.clone()).into_iter().collect();
        Level { view, children, height: tree.map_or(0, |tree| tree.height) }
    }

    fn descend<T: Leaf>(&mut self, wanted: &dyn Fn(&Child) -> bool) -> Result<(), StoreError> {
        for child in std::mem::take(&mut self.children) {
            if let Node::<T>::Inner(children) = Node::load(self.view, &child, self.height)? {
                self.children.extend(children.into_iter().filter(wanted));
            }
            if self.children.len() > MOST_NODES {
                let object = child.node.spot.bundle;
                return Err(StoreError::Damaged { object, what: "an index of too many nodes" });
            }
        }
        self.height = self.height.saturating_sub(1);
        Ok(())
    }

    fn items<T: Leaf>(&self) -> Result<Vec<T>, StoreError> {
        let mut out = Vec::new();
        for child in &self.children {
            if let Node::Leaf(items) = Node::load(self.view, child, 0)? {
                out.extend(items);
            }
        }
        Ok(out)
    }
}

/// Leaves out the subtrees that both lists name.
fn part(a: &mut Vec<Child>, b: &mut Vec<Child>) {
    let names = |list: &[Child]| list.iter().map(|child| child.node).collect::<HashSet<NodeRef>>();
    let (in_a, in_b) = (names(a), names(b));
    a.retain(|child| !in_b.contains(&child.node));
    b.retain(|child| !in_a.contains(&child.node));
}
