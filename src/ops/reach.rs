//! What revisions name: every node, every chunk, each looked at once.

use super::OpError;
use crate::digest::Digest;
use crate::history::entry::{Entry, Segments};
use crate::history::revision::{ListPlace, Revision};
use crate::history::segment::Segment;
use crate::history::tree::{Child, Leaf, Node, NodeRef};
use crate::store::{StoreError, View};
use std::collections::HashSet;

/// The objects that some revisions name.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Objects and bundles.
    pub(super) objects: HashSet<Digest>,
    nodes: HashSet<NodeRef>,
}

impl Reach {
    /// Adds all that a revision names.
    pub(super) fn add(&mut self, revision: &Revision) -> Result<(), OpError> {
        if let ListPlace::There(spot, _) = &revision.changes {
            self.objects.insert(spot.bundle);
        }
        if let Some(tree) = &revision.state.tree {
            let view = &revision.state.view;
            self.walk::<Entry>(view, &tree.root, tree.height, &mut |reach, entry| match &entry.segments {
                Segments::Few(list) => {
                    list.iter().for_each(|segment| reach.segment(segment));
                    Ok(())
                }
                Segments::Many(tree) => {
                    reach.walk::<Segment>(view, &tree.root, tree.height, &mut |reach, segment| {
                        reach.segment(segment);
                        Ok(())
                    })
                }
            })?;
        }
        Ok(())
    }

    fn segment(&mut self, segment: &Segment) {
        self.objects.extend(segment.chunks.iter().filter_map(|chunk| chunk.place.object()));
    }

    fn walk<T: Leaf>(
        &mut self,
        view: &View,
        child: &Child,
        level: u32,
        visit: &mut dyn FnMut(&mut Reach, &T) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if !self.nodes.insert(child.node) {
            return Ok(());
        }
        self.objects.insert(child.node.spot.bundle);
        match Node::<T>::load(view, child, level)? {
            Node::Inner(children) => {
                children.iter().try_for_each(|child| self.walk(view, child, level.saturating_sub(1), visit))
            }
            Node::Leaf(items) => items.iter().try_for_each(|item| visit(self, item)),
        }
    }
}
