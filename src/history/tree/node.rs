//! Nodes of a tree as bytes.
//!
//! A node is a table of bundles, a head and a body, each compressed by itself: listings read heads only.

use super::{Item, Leaf, Sums};
use crate::digest::{Check, Digest};
use crate::interval::Key;
use crate::store::draft::Laid;
use crate::store::place::{Bundles, Spot};
use crate::store::{StoreError, View};
use crate::wire::{Damaged, Reader, Writer};

const LEAF: u8 = 0;
const INNER: u8 = 1;

/// Bytes that each half of a node has at most before compression. A node ends at 16 KiB of what its items weigh, which
/// counts neither last keys nor the ranges of index columns: about 4 MiB with the longest keys, and one more item, which
/// with the most columns takes 8 MiB, and 8 MiB of ranges.
const MOST_HALF: usize = 32 << 20;

/// Bytes that a node has at most: its halves and the bundles that it names.
const MOST_NODE: usize = 2 * MOST_HALF + (4 << 20);

/// Bytes of a child, at least: two keys, sums, a spot, a check.
const LEAST_CHILD: usize = 4 + 7 + 4 + 16;

/// Where a node lies and what it must digest to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeRef {
    /// Its bytes.
    pub spot: Spot,
    /// Their check.
    pub check: Check,
}

impl NodeRef {
    /// Appends it.
    pub fn write(&self, bundles: &mut Bundles, out: &mut Writer) {
        bundles.write_spot(&self.spot, out);
        out.raw(self.check.as_bytes());
    }

    /// Reads it.
    pub fn read(bundles: &Bundles, input: &mut Reader<'_>) -> Result<NodeRef, Damaged> {
        Ok(NodeRef { spot: bundles.read_spot(input)?, check: Check::from_bytes(input.array()?) })
    }
}

/// A subtree, as its parent names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Key of its first item.
    pub key: Key,
    /// Greatest key it covers.
    pub last: Key,
    /// What it adds up to.
    pub sums: Sums,
    /// Its top node.
    pub node: NodeRef,
}

impl Child {
    /// Appends a list of subtrees, keys shortened against each other.
    pub fn write_list(children: &[Child], bundles: &mut Bundles, out: &mut Writer) {
        out.size(children.len());
        let mut previous: &[u8] = &[];
        for child in children {
            out.after(previous, &child.key);
            out.after(&child.key, &child.last);
            previous = &child.last;
            child.sums.write(out);
            child.node.write(bundles, out);
        }
    }

    /// Reads what [`Child::write_list`] wrote.
    pub fn read_list(bundles: &Bundles, input: &mut Reader<'_>) -> Result<Vec<Child>, Damaged> {
        let count = input.count_of(LEAST_CHILD)?;
        let mut children: Vec<Child> = Vec::with_capacity(count);
        for _ in 0..count {
            let key = input.after(children.last().map_or(&[], |c| c.last.as_slice()))?;
            let last = input.after(&key)?;
            let sums = Sums::read(input)?;
            children.push(Child { key, last, sums, node: NodeRef::read(bundles, input)? });
        }
        Ok(children)
    }
}

impl Child {
    /// Skips what [`Child::read_list`] reads.
    pub fn skip_list(input: &mut Reader<'_>) -> Result<(), Damaged> {
        for _ in 0..input.count()? {
            for _first_and_last in 0..2 {
                input.uint()?;
                input.string()?;
            }
            Sums::read(input)?;
            // The number of the bundle, offset, stored and raw length.
            for _ in 0..4 {
                input.uint()?;
            }
            input.array::<16>()?;
        }
        Ok(())
    }
}

/// A decoded node.
#[derive(Debug)]
pub enum Node<T> {
    /// Items.
    Leaf(Vec<T>),
    /// Subtrees.
    Inner(Vec<Child>),
}

impl<T: Leaf> Node<T> {
    /// Reads, checks and decodes the top node of a subtree that has `level` levels below it.
    ///
    /// Fails if it is not what its parent says. So all paths end, what is before an item in a tree is never more than the
    /// sums of its root, and a node whose keys differ stands in one place: a few nodes that name each other cannot be a
    /// tree without end.
    pub fn load(view: &View, child: &Child, level: u32) -> Result<Node<T>, StoreError> {
        let NodeRef { spot, check } = child.node;
        let damaged = |e: &Damaged| StoreError::damaged(spot.bundle, e);
        let bytes = view.node(&spot, check, MOST_NODE)?;
        let node = Node::decode(&bytes, spot.bundle).map_err(|e| damaged(&e))?;
        if node.is_leaf() == (level == 0) && node.lies_in(child) && node.sums() == child.sums {
            Ok(node)
        } else {
            Err(damaged(&Damaged { what: "a node of its index" }))
        }
    }

    const fn is_leaf(&self) -> bool {
        matches!(self, Node::Leaf(_))
    }

    fn sums(&self) -> Sums {
        match self {
            Node::Leaf(items) => items.iter().map(Leaf::sums).sum(),
            Node::Inner(children) => children.iter().map(|child| child.sums).sum(),
        }
    }

    /// Whether its keys ascend from the child's first to its last.
    fn lies_in(&self, child: &Child) -> bool {
        match self {
            Node::Leaf(items) => ascend(items.iter().map(Leaf::span), child, T::UNIQUE),
            Node::Inner(children) => {
                ascend(children.iter().map(|c| (c.key.as_slice(), c.last.as_slice())), child, T::UNIQUE)
            }
        }
    }

    /// Reads the bytes of a node of bundle `here`.
    pub fn decode(bytes: &[u8], here: Digest) -> Result<Node<T>, Damaged> {
        let mut input = Reader::new(bytes, "a node of its index");
        let kind = input.byte()?;
        let bundles = Bundles::read(&mut input, here)?;
        let head = input.block(MOST_HALF)?;
        let skip = T::HEAD_ONLY && kind == LEAF;
        let body = if skip { input.skip_block().map(|()| Vec::new())? } else { input.block(MOST_HALF)? };
        input.end()?;
        let mut head = Reader::new(&head, "a node of its index");
        let mut body = Reader::new(&body, "a node of its index");
        let node = match kind {
            LEAF => Node::Leaf(T::read_leaf(&bundles, &mut head, &mut body)?),
            INNER => Node::Inner(Child::read_list(&bundles, &mut head)?),
            _ => return Err(input.damaged()),
        };
        head.end()?;
        body.end()?;
        Ok(node)
    }
}

/// Whether spans ascend, at least one, from where `child` begins to where it ends.
fn ascend<'a>(mut spans: impl Iterator<Item = (&'a [u8], &'a [u8])>, child: &Child, unique: bool) -> bool {
    let Some((first, mut end)) = spans.next() else { return false };
    first == child.key.as_slice()
        && first <= end
        && spans.all(|(first, last)| {
            let follows = if unique { end < first } else { end <= first };
            end = last;
            follows && first <= last
        })
        && end == child.last.as_slice()
}

/// Adds a leaf to a draft.
pub(super) fn add_leaf<T: Item>(laid: &mut Laid, items: &[T]) -> NodeRef {
    let mut bundles = Bundles::default();
    let (mut head, mut body) = (Writer::default(), Writer::default());
    T::write_leaf(items, &mut bundles, &mut head, &mut body);
    add(laid, LEAF, &bundles, &head, &body)
}

/// Adds an inner node to a draft.
pub(super) fn add_inner(laid: &mut Laid, children: &[Child]) -> NodeRef {
    let mut bundles = Bundles::default();
    let mut head = Writer::default();
    Child::write_list(children, &mut bundles, &mut head);
    add(laid, INNER, &bundles, &head, &Writer::default())
}

fn add(laid: &mut Laid, kind: u8, bundles: &Bundles, head: &Writer, body: &Writer) -> NodeRef {
    let mut node = Writer::default();
    node.raw(&[kind]);
    bundles.write(&mut node);
    node.block(&head.bytes);
    node.block(&body.bytes);
    let (spot, check) = laid.add(&node.bytes);
    NodeRef { spot, check }
}
