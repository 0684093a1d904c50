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
    /// Whether it was found by the name of a revision's file.
    revision: bool,
    /// How many have it open to write, by a handle of a copy.
    written: u64,
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
                slot.insert(Slot { node: Arc::new(node), lookups: 1, revision: false, written: 0 });
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

    /// Notes that an inode was found by the name of a revision's file, which is not written.
    pub fn found_in_revision(&self, ino: u64) {
        if let Some(slot) = self.table.lock().get_mut(&ino) {
            slot.revision = true;
        }
    }

    /// Whether an inode was found so since the kernel knows it.
    #[must_use]
    pub fn is_of_revision(&self, ino: u64) -> bool {
        self.table.lock().get(&ino).is_some_and(|slot| slot.revision)
    }

    /// Notes that an inode of rows is opened to write, or closed again (`by` is -1).
    pub fn write(&self, ino: u64, by: i64) {
        if let Some(slot) = self.table.lock().get_mut(&ino) {
            slot.written = slot.written.saturating_add_signed(by);
        }
    }

    /// Whether an inode of rows is open to write.
    #[must_use]
    pub fn is_written(&self, ino: u64) -> bool {
        self.table.lock().get(&ino).is_some_and(|slot| slot.written > 0)
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
