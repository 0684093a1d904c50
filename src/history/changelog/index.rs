//! The index of a pack as it stays in memory: which revisions it holds, their parents, where each lies.
//!
//! Of every pack there is one in memory, as long as somebody looks at the collection: what a revision takes here is a floor
//! under the memory of every process that does. A parent is mostly in the same pack, so it is a number.

use super::parents::Parents;
use crate::clock::Stamp;

/// Where a revision lies: a part of a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) group: usize,
    pub(super) offset: usize,
    pub(super) len: usize,
}

/// A revision, in as few bytes as there are.
#[derive(Debug)]
struct Lean {
    stamp: Stamp,
    /// Behind the last of its parents in `Index::parents`.
    parents: u32,
    group: u32,
    offset: u32,
    len: u32,
}

/// The revisions of a pack.
#[derive(Debug, Default)]
pub(super) struct Index {
    revisions: Box<[Lean]>,
    /// Numbers of revisions; behind those, numbers in `outside`.
    parents: Box<[u32]>,
    outside: Box<[Stamp]>,
}

/// An index while it is read; `None` of a method: a number is too large for a pack.
#[derive(Debug, Default)]
pub(super) struct Builder {
    revisions: Vec<Lean>,
    /// Of the revision last added, and of those before it: a number of a revision, or one outside.
    parents: Vec<Parent>,
    outside: Vec<Stamp>,
}

#[derive(Debug, Clone, Copy)]
enum Parent {
    Here(u32),
    Outside(u32),
}

impl Builder {
    /// How many revisions there are.
    pub(super) const fn len(&self) -> usize {
        self.revisions.len()
    }

    /// Adds a parent of the next revision, which is one of the pack.
    pub(super) fn parent(&mut self, number: usize) -> Option<()> {
        let number = u32::try_from(number).ok().filter(|_| number < self.revisions.len())?;
        self.parents.push(Parent::Here(number));
        Some(())
    }

    /// Adds a parent of the next revision, which is not in the pack.
    pub(super) fn outside(&mut self, stamp: Stamp) -> Option<()> {
        self.parents.push(Parent::Outside(u32::try_from(self.outside.len()).ok()?));
        self.outside.push(stamp);
        Some(())
    }

    /// Adds the next revision.
    pub(super) fn add(&mut self, stamp: Stamp, place: Place) -> Option<()> {
        let Place { group, offset, len } = place;
        self.revisions.push(Lean {
            stamp,
            parents: u32::try_from(self.parents.len()).ok()?,
            group: u32::try_from(group).ok()?,
            offset: u32::try_from(offset).ok()?,
            len: u32::try_from(len).ok()?,
        });
        Some(())
    }

    /// All of them.
    pub(super) fn finish(self) -> Option<Index> {
        let here = u32::try_from(self.revisions.len()).ok()?;
        let number = |parent: &Parent| match parent {
            Parent::Here(number) => Some(*number),
            Parent::Outside(number) => here.checked_add(*number),
        };
        Some(Index {
            parents: self.parents.iter().map(number).collect::<Option<_>>()?,
            revisions: self.revisions.into(),
            outside: self.outside.into(),
        })
    }
}

impl Index {
    /// Where a revision lies.
    pub(super) fn place(&self, i: usize) -> Option<Place> {
        let lean = self.revisions.get(i)?;
        Some(Place { group: lean.group as usize, offset: lean.offset as usize, len: lean.len as usize })
    }

    /// The revisions and their parents.
    pub(super) fn revisions(&self) -> impl Iterator<Item = (Stamp, Parents)> {
        let mut first = 0;
        self.revisions.iter().map(move |lean| {
            let end = lean.parents as usize;
            let parents = match self.parents.get(first..end).unwrap_or_default() {
                [] => Parents::First,
                [one] => Parents::One(self.stamp(*one as usize)),
                several => Parents::from(several.iter().map(|n| self.stamp(*n as usize)).collect::<Vec<_>>()),
            };
            first = end;
            (lean.stamp, parents)
        })
    }

    fn stamp(&self, number: usize) -> Stamp {
        match number.checked_sub(self.revisions.len()) {
            None => self.revisions[number].stamp,
            Some(outside) => self.outside[outside],
        }
    }

    /// How many bytes it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.revisions) + size_of_val(&*self.parents) + size_of_val(&*self.outside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn at(n: u64) -> Stamp {
        Stamp { time: n, digest: Digest::of(&n.to_le_bytes()) }
    }

    #[test]
    fn revisions_come_with_their_parents_here_and_outside() {
        let mut index = Builder::default();
        let place = |len| Place { group: 1, offset: 2, len };
        index.add(at(5), place(3)).unwrap();
        index.parent(0).unwrap();
        index.outside(at(4)).unwrap();
        index.add(at(6), place(4)).unwrap();
        index.outside(at(1)).unwrap();
        index.add(at(7), place(5)).unwrap();
        assert!(index.parent(3).is_none(), "its own number, or a later one");
        let index = index.finish().unwrap();
        let all: Vec<_> = index.revisions().map(|(stamp, of)| (stamp, of.as_slice().to_vec())).collect();
        assert_eq!(all, [(at(5), vec![]), (at(6), vec![at(4), at(5)]), (at(7), vec![at(1)])]);
        assert_eq!(index.place(2).map(|place| (place.group, place.offset, place.len)), Some((1, 2, 5)));
        assert!(index.place(3).is_none());
    }

    #[test]
    fn a_revision_takes_few_bytes() {
        let mut index = Builder::default();
        for n in 0..1000 {
            if n > 0 {
                index.parent(n - 1).unwrap();
            }
            index.add(at(n as u64), Place { group: 0, offset: 0, len: 1 }).unwrap();
        }
        assert!(index.finish().unwrap().bytes() <= 64 * 1000);
    }
}
