//! What a changelog remembers of revisions it has no more: that they are ancestors of those it has.
//!
//! Stamps cut to eight bytes of digest, sorted; the newest, since those are the ones that turn up again: as the
//! head of a replica that was not there when history was trimmed. Nothing is ever known of them but that.

use crate::clock::Stamp;
use crate::wire::{Damaged, Reader, Writer};

/// Revisions remembered at most, beside those that must be.
const MOST: usize = 16_384;

type Mark = (u64, [u8; 8]);

/// Revisions that are ancestors of others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Sorted, each once.
    marks: Vec<Mark>,
}

fn mark(stamp: Stamp) -> Mark {
    let mut digits = [0; 8];
    digits.copy_from_slice(&stamp.digest.as_bytes()[..8]);
    (stamp.time, digits)
}

impl Forgotten {
    /// Whether a revision is among them.
    #[must_use]
    pub fn contains(&self, stamp: Stamp) -> bool {
        self.marks.binary_search(&mark(stamp)).is_ok()
    }

    /// Whether all of `other` are among them.
    #[must_use]
    pub fn contains_all(&self, other: &Forgotten) -> bool {
        other.marks.iter().all(|mark| self.marks.binary_search(mark).is_ok())
    }

    /// Whether all of `other` from a time on are among them.
    pub(super) fn contains_from(&self, other: &Forgotten, time: u64) -> bool {
        other.marks.iter().all(|mark| mark.0 < time || self.marks.binary_search(mark).is_ok())
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether there may have been more.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.marks.len() >= MOST
    }

    /// How many have a time from `from` to before `to`.
    #[must_use]
    pub fn count_between(&self, from: u64, to: u64) -> usize {
        let at = |time| self.marks.partition_point(|mark| mark.0 < time);
        at(to).saturating_sub(at(from))
    }

    /// Adds others.
    pub fn extend(&mut self, other: &Forgotten) {
        self.marks.extend(&other.marks);
        self.tidy();
    }

    /// Adds revisions.
    pub fn add(&mut self, stamps: impl IntoIterator<Item = Stamp>) {
        self.marks.extend(stamps.into_iter().map(mark));
        self.tidy();
    }

    fn tidy(&mut self) {
        self.marks.sort_unstable();
        self.marks.dedup();
    }

    /// Leaves the newest, and those of `needed` that are among them.
    #[must_use]
    pub fn cut(mut self, needed: impl IntoIterator<Item = Stamp>) -> Forgotten {
        let needed: Vec<Stamp> = needed.into_iter().filter(|stamp| self.contains(*stamp)).collect();
        let old = self.marks.len().saturating_sub(MOST);
        self.marks.drain(..old);
        self.add(needed);
        self
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.size(self.marks.len());
        let mut before = 0;
        for (time, digits) in &self.marks {
            out.uint(time - before);
            before = *time;
            out.raw(digits);
        }
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Forgotten, Damaged> {
        let mut marks = Vec::new();
        let mut time = 0u64;
        for _ in 0..input.count_of(1 + 8)? {
            time = time.checked_add(input.uint()?).ok_or_else(|| input.damaged())?;
            marks.push((time, input.array()?));
        }
        if marks.is_sorted() { Ok(Forgotten { marks }) } else { Err(input.damaged()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn stamp(time: u64) -> Stamp {
        Stamp { time, digest: Digest::of(&time.to_le_bytes()) }
    }

    fn of(times: impl IntoIterator<Item = u64>) -> Forgotten {
        let mut forgot = Forgotten::default();
        forgot.add(times.into_iter().map(stamp));
        forgot
    }

    #[test]
    fn what_is_written_is_read() {
        let forgot = of([7, 3, 1_600_000_000_000, 3]);
        let mut out = Writer::default();
        forgot.write(&mut out);
        assert_eq!(Forgotten::read(&mut Reader::new(&out.bytes, "x")).unwrap(), forgot);
        assert!(
            (0..out.bytes.len())
                .all(|len| Forgotten::read(&mut Reader::new(&out.bytes[..len], "x")).is_err())
        );
    }

    #[test]
    fn the_newest_stay_and_those_that_must() {
        let many = MOST as u64 + 10;
        let cut = of(0..many).cut([stamp(2), stamp(many + 5)]);
        assert_eq!((cut.len(), cut.is_cut()), (MOST + 1, true));
        assert!(cut.contains(stamp(2)) && cut.contains(stamp(10)) && !cut.contains(stamp(9)));
        assert!(!cut.contains(stamp(many + 5)));
    }

    #[test]
    fn another_revision_of_the_same_time_is_not_among_them() {
        let other = Stamp { time: 3, digest: Digest::of(b"other") };
        assert!(!of([3]).contains(other));
    }
}
