//! The inodes that the kernel knows: what it may ask about, until it has forgotten every lookup.

use super::node::Node;
use super::number::ROOT;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// Room that a table keeps, however few inodes there are.
const SMALL: usize = 1024;

#[derive(Debug)]
struct Slot {
    node: Arc<Node>,
    lookups: u64,
}

/// The inodes that the kernel knows.
#[derive(Debug)]
pub struct Inodes {
    table: Mutex<HashMap<u64, Slot>>,
    root: Arc<Node>,
}

impl Default for Inodes {
    fn default() -> Inodes {
        Inodes { table: Mutex::default(), root: Arc::new(Node::root()) }
    }
}

impl Inodes {
    /// What a number stands for; `None` for one that was never looked up, or forgotten.
    #[must_use]
    pub fn get(&self, ino: u64) -> Option<Arc<Node>> {
        if ino == ROOT {
            return Some(Arc::clone(&self.root));
        }
        self.table.lock().get(&ino).map(|slot| Arc::clone(&slot.node))
    }

    /// Counts a lookup of a node. The newest node of a number is the one kept: a renamed series has its new label.
    pub fn remember(&self, node: Node) {
        if node.ino == ROOT {
            return;
        }
        match self.table.lock().entry(node.ino) {
            Entry::Occupied(mut slot) => {
                slot.get_mut().lookups += 1;
                slot.get_mut().node = Arc::new(node);
            }
            Entry::Vacant(slot) => {
                slot.insert(Slot { node: Arc::new(node), lookups: 1 });
            }
        }
    }

    /// Takes back lookups; with the last one the inode goes.
    pub fn forget(&self, ino: u64, count: u64) {
        let mut table = self.table.lock();
        if let Entry::Occupied(mut slot) = table.entry(ino) {
            slot.get_mut().lookups = slot.get().lookups.saturating_sub(count);
            if slot.get().lookups == 0 {
                slot.remove();
            }
        }
        // The kernel forgets by thousands when it needs memory: then the table must not keep its room.
        if table.capacity() > SMALL && table.len() < table.capacity() / 8 {
            let room = table.len() * 2;
            table.shrink_to(room.max(SMALL));
        }
    }

    /// How many there are, the root not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.lock().len()
    }

    /// Whether the root is the only one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_was_large_gives_its_room_back() {
        let inodes = Inodes::default();
        let node = |ino| Node { ino, ..Node::root() };
        (2..20_002).for_each(|ino| inodes.remember(node(ino)));
        (2..20_000).for_each(|ino| inodes.forget(ino, 1));
        assert_eq!(inodes.len(), 2);
        assert!(inodes.table.lock().capacity() <= 4 * SMALL);
        assert!(inodes.get(20_001).is_some() && inodes.get(2).is_none());
    }
}
