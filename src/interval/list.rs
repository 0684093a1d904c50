//! Many intervals in few bytes: what a revision keeps of each series it changed.
//!
//! Index values at equal steps, the usual case of a time series, take one entry together; others
//! share prefixes. docs/format.md describes the bytes.

use super::{Interval, Key, next_prefix};
use crate::wire::{Damaged, Reader, Writer};
use std::fmt;

const POINT: u64 = 0;
const RANGE: u64 = 1;
const UNBOUNDED: u64 = 2;
const STEPS: u64 = 3;

/// Most intervals of one list: more is damage. Writers join what comes behind.
const MOST: u64 = 1 << 22;

/// Ascending, disjoint intervals, encoded.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Intervals {
    bytes: Vec<u8>,
    count: u64,
}

impl Intervals {
    /// How many intervals there are.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The intervals, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Interval> + '_ {
        let mut entries = Entries::new(&self.bytes);
        // What is kept here was written here, or was checked when it was read; or else it ends early.
        let all = std::iter::from_fn(move || entries.next().ok().flatten());
        all.take(usize::try_from(self.count).unwrap_or(usize::MAX))
    }

    /// Appends the list.
    pub fn write(&self, out: &mut Writer) {
        out.uint(self.count);
        out.string(&self.bytes);
    }

    /// Takes a list as it is, from bytes that were checked as a whole: one that does not decode ends early.
    pub fn take(input: &mut Reader<'_>) -> Result<Intervals, Damaged> {
        let count = input.uint()?;
        if count > MOST {
            return Err(input.damaged());
        }
        Ok(Intervals { count, bytes: input.string()?.to_vec() })
    }

    /// Reads a list.
    pub fn read(input: &mut Reader<'_>) -> Result<Intervals, Damaged> {
        let count = input.uint()?;
        let bytes = input.string()?.to_vec();
        let mut entries = Entries::new(&bytes);
        let mut found = 0;
        while entries.next()?.is_some() {
            found += 1;
            if found > count.min(MOST) {
                return Err(input.damaged());
            }
        }
        if found == count { Ok(Intervals { bytes, count }) } else { Err(input.damaged()) }
    }
}

impl fmt::Debug for Intervals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl FromIterator<Interval> for Intervals {
    fn from_iter<I: IntoIterator<Item = Interval>>(intervals: I) -> Intervals {
        let mut out = Writer::default();
        let mut last: Key = Vec::new();
        let mut run: Option<Run> = None;
        let mut count = 0;
        for interval in joined_behind(intervals.into_iter(), MOST) {
            count += 1;
            let point = interval.hi == next_prefix(&interval.lo);
            if point
                && let Some(run) = &mut run
                && run.take(&interval.lo)
            {
                continue;
            }
            if let Some(run) = run.take() {
                run.write(&mut last, &mut out);
            }
            if point {
                run = Some(Run { first: interval.lo, step: 0, more: 0 });
                continue;
            }
            out.uint(if interval.hi.is_some() { RANGE } else { UNBOUNDED });
            out.after(&last, &interval.lo);
            if let Some(hi) = &interval.hi {
                out.after(&interval.lo, hi);
            }
            last = interval.lo;
        }
        if let Some(run) = run {
            run.write(&mut last, &mut out);
        }
        Intervals { bytes: out.bytes, count }
    }
}

/// Ascending intervals, at most `most`: from the last of these on, all are one, gaps included. A list says where rows may
/// differ, so it may say more than it must.
fn joined_behind(mut intervals: impl Iterator<Item = Interval>, most: u64) -> impl Iterator<Item = Interval> {
    let mut left = most;
    std::iter::from_fn(move || {
        left = left.saturating_sub(1);
        let mut next = intervals.next()?;
        if left == 0
            && let Some(last) = intervals.by_ref().last()
        {
            next.hi = last.hi;
        }
        Some(next)
    })
}

/// Points at equal steps of the number that the last 8 bytes of their keys make.
struct Run {
    first: Key,
    step: u64,
    more: u64,
}

impl Run {
    /// Takes a point, if it is the next one.
    fn take(&mut self, key: &[u8]) -> bool {
        let Some((head, number)) = split(&self.first) else { return false };
        let Some((other, value)) = split(key) else { return false };
        let at = self.step.checked_mul(self.more).and_then(|ahead| number.checked_add(ahead));
        let Some(step) = at.and_then(|at| value.checked_sub(at)) else { return false };
        if head != other || step == 0 || (self.more > 0 && step != self.step) {
            return false;
        }
        (self.step, self.more) = (step, self.more + 1);
        true
    }

    fn write(self, last: &mut Key, out: &mut Writer) {
        out.uint(if self.more == 0 { POINT } else { STEPS });
        out.after(last, &self.first);
        if self.more > 0 {
            out.uint(self.step);
            out.uint(self.more);
        }
        *last = self.first;
    }
}

/// A key's last 8 bytes as a number, and what stands before them.
fn split(key: &[u8]) -> Option<(&[u8], u64)> {
    let (head, tail) = key.split_last_chunk::<8>()?;
    Some((head, u64::from_be_bytes(*tail)))
}

/// Reads entry by entry.
struct Entries<'a> {
    input: Reader<'a>,
    last: Key,
    /// The key of the run that is given out, its step, and how many are left.
    run: (Key, u64, u64),
}

impl<'a> Entries<'a> {
    fn new(bytes: &'a [u8]) -> Entries<'a> {
        Entries {
            input: Reader::new(bytes, "a list of intervals"),
            last: Vec::new(),
            run: (Vec::new(), 0, 0),
        }
    }

    fn next(&mut self) -> Result<Option<Interval>, Damaged> {
        if self.run.2 > 0 {
            let (key, step, left) = &mut self.run;
            let (head, number) = split(key).ok_or_else(|| self.input.damaged())?;
            let number = number.checked_add(*step).ok_or_else(|| self.input.damaged())?;
            let next = [head, &number.to_be_bytes()].concat();
            (*key, *left) = (next, *left - 1);
            return Ok(Some(Interval::point(key)));
        }
        if self.input.rest().is_empty() {
            return Ok(None);
        }
        let kind = self.input.uint()?;
        let lo = self.input.after(&self.last)?;
        self.last.clone_from(&lo);
        Ok(Some(match kind {
            POINT => Interval::point(&lo),
            RANGE => {
                let hi = Some(self.input.after(&lo)?);
                Interval { lo, hi }
            }
            UNBOUNDED => Interval { lo, hi: None },
            STEPS => {
                self.run = (lo.clone(), self.input.uint()?, self.input.uint()?);
                Interval::point(&lo)
            }
            _ => return Err(self.input.damaged()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(value: u64) -> Interval {
        Interval::point(&[b"x".as_slice(), &value.to_be_bytes()].concat())
    }

    fn round_trip(intervals: Vec<Interval>) -> usize {
        let list: Intervals = intervals.iter().cloned().collect();
        let mut out = Writer::default();
        list.write(&mut out);
        let read = Intervals::read(&mut Reader::new(&out.bytes, "x")).unwrap();
        assert_eq!(read, list);
        assert_eq!(read.iter().collect::<Vec<_>>(), intervals);
        out.bytes.len()
    }

    #[test]
    fn points_at_equal_steps_take_one_entry() {
        assert!(round_trip((0..1000).map(|i| point(1000 + 300 * i)).collect()) < 24);
    }

    #[test]
    fn any_mixture_round_trips() {
        let mut all = vec![Interval { lo: vec![], hi: Some(vec![1]) }, Interval::point(&[5])];
        all.extend([7, 9, 11, 12, 40, 41].map(point));
        all.push(point(u64::MAX));
        all.push(Interval { lo: vec![b'y'], hi: Some(vec![b'y', 3]) });
        all.push(Interval::point(&[0xFF]));
        for end in 0..=all.len() {
            round_trip(all[..end].to_vec());
        }
        round_trip(vec![Interval::ALL]);
    }

    #[test]
    fn what_comes_behind_the_last_interval_is_joined_to_it() {
        let some = |n: u64| (0..n).map(point).collect::<Vec<_>>();
        assert_eq!(joined_behind(some(5).into_iter(), 5).collect::<Vec<_>>(), some(5));
        let joined: Vec<_> = joined_behind(some(9).into_iter(), 5).collect();
        let last = Interval { lo: point(4).lo, hi: point(8).hi };
        assert_eq!(joined, [some(4), vec![last]].concat());
    }

    #[test]
    fn a_run_without_end_is_damaged_and_never_walked() {
        let mut entries = Writer::default();
        entries.uint(STEPS);
        entries.after(&[], &0u64.to_be_bytes());
        entries.uint(1);
        entries.uint(u64::MAX);
        for count in [3, MOST, u64::MAX] {
            let mut out = Writer::default();
            out.uint(count);
            out.string(&entries.bytes);
            assert!(Intervals::read(&mut Reader::new(&out.bytes, "x")).is_err());
            let taken = Intervals::take(&mut Reader::new(&out.bytes, "x"));
            assert!(taken.map_or(0, |list| list.iter().count() as u64) <= MOST);
        }
    }

    #[test]
    fn cut_or_padded_lists_are_damaged() {
        let list: Intervals = (0..9).map(|i| point(i * i)).collect();
        for count in [8, 10] {
            let mut out = Writer::default();
            Intervals { count, ..list.clone() }.write(&mut out);
            assert!(Intervals::read(&mut Reader::new(&out.bytes, "x")).is_err());
        }
        let cut = Intervals { bytes: list.bytes[..list.bytes.len() - 1].to_vec(), count: list.count };
        let mut out = Writer::default();
        cut.write(&mut out);
        assert!(Intervals::read(&mut Reader::new(&out.bytes, "x")).is_err());
    }
}
