//! Index values as bytes, and ranges of them.
//!
//! A key is the order-preserving encoding of an index tuple (see `data/key.rs`): comparing bytes
//! compares tuples, and no key is a prefix of another. So every range a user can ask for (open,
//! closed, on a prefix of the columns) is a half-open range of byte strings, and everything
//! above works on ranges without knowing types. Nothing here knows what the bytes mean.

mod list;

pub use list::Intervals;

use std::collections::BTreeMap;
use std::fmt;

/// An encoded index value, or a prefix of one.
pub type Key = Vec<u8>;

/// The smallest byte string greater than all strings that start with `prefix`; `None` if there is
/// none (no prefix, or nothing but 0xFF).
#[must_use]
pub fn next_prefix(prefix: &[u8]) -> Option<Key> {
    let kept = prefix.iter().rposition(|&b| b != 0xFF)?;
    let mut out = prefix[..=kept].to_vec();
    out[kept] += 1;
    Some(out)
}

/// A half-open range of keys `[lo, hi)`; no `hi` means no upper bound.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Interval {
    /// Inclusive lower bound; empty is no bound.
    pub lo: Key,
    /// Exclusive upper bound.
    pub hi: Option<Key>,
}

impl Interval {
    /// All keys.
    pub const ALL: Interval = Interval { lo: Vec::new(), hi: None };

    /// The keys that start with `prefix`: one index value where it is a whole key.
    #[must_use]
    pub fn point(prefix: &[u8]) -> Interval {
        Interval { lo: prefix.to_vec(), hi: next_prefix(prefix) }
    }

    /// From `first` to `last`, both included.
    #[must_use]
    pub fn closed(first: &[u8], last: &[u8]) -> Interval {
        Interval { lo: first.to_vec(), hi: next_prefix(last) }
    }

    /// Whether no key can lie in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hi.as_ref().is_some_and(|hi| *hi <= self.lo)
    }

    /// Whether `key` lies in it.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.lo.as_slice() <= key && !self.ends_at_or_before(key)
    }

    /// Whether all of it lies before `key`.
    #[must_use]
    pub fn ends_at_or_before(&self, key: &[u8]) -> bool {
        self.hi.as_ref().is_some_and(|hi| hi.as_slice() <= key)
    }

    /// The keys in both.
    #[must_use]
    pub fn intersect(&self, other: &Interval) -> Interval {
        let hi = match (&self.hi, &other.hi) {
            (Some(a), Some(b)) => Some(a.min(b).clone()),
            (a, b) => a.clone().or_else(|| b.clone()),
        };
        Interval { lo: self.lo.clone().max(other.lo.clone()), hi }
    }

    /// Whether some key lies in both.
    #[must_use]
    pub fn overlaps(&self, other: &Interval) -> bool {
        !self.intersect(other).is_empty()
    }

    /// Whether every key of `other` lies in this one.
    #[must_use]
    pub fn covers(&self, other: &Interval) -> bool {
        other.is_empty()
            || (self.lo <= other.lo
                && match (&self.hi, &other.hi) {
                    (None, _) => true,
                    (Some(_), None) => false,
                    (Some(a), Some(b)) => b <= a,
                })
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:02x?}, ", self.lo)?;
        match &self.hi {
            Some(hi) => write!(f, "{hi:02x?})"),
            None => write!(f, "..)"),
        }
    }
}

/// A map from all keys to values, constant on intervals: later assignments win.
#[derive(Debug, Clone)]
pub struct IntervalMap<V> {
    /// Start of a piece -> its value; a piece ends where the next one starts. `None`: unassigned.
    starts: BTreeMap<Key, Option<V>>,
}

impl<V> Default for IntervalMap<V> {
    fn default() -> Self {
        IntervalMap { starts: BTreeMap::new() }
    }
}

impl<V: Clone + PartialEq> IntervalMap<V> {
    /// A map with nothing assigned.
    #[must_use]
    pub fn new() -> Self {
        IntervalMap::default()
    }

    fn at(&self, key: &[u8]) -> Option<V> {
        self.starts
            .range::<[u8], _>((std::ops::Bound::Unbounded, std::ops::Bound::Included(key)))
            .next_back()
            .and_then(|(_, v)| v.clone())
    }

    /// Sets every key of `interval` to `value`.
    pub fn assign(&mut self, interval: &Interval, value: V) {
        if interval.is_empty() {
            return;
        }
        let inside: Vec<Key>;
        if let Some(hi) = &interval.hi {
            let after = self.at(hi);
            inside = self.starts.range(interval.lo.clone()..hi.clone()).map(|(k, _)| k.clone()).collect();
            self.starts.entry(hi.clone()).or_insert(after);
        } else {
            inside = self.starts.range(interval.lo.clone()..).map(|(k, _)| k.clone()).collect();
        }
        for key in inside {
            self.starts.remove(&key);
        }
        self.starts.insert(interval.lo.clone(), Some(value));
    }

    /// The assigned pieces in order, neighbours of equal value joined.
    #[must_use]
    pub fn pieces(&self) -> Vec<(Interval, V)> {
        let mut out: Vec<(Interval, V)> = Vec::new();
        let mut starts = self.starts.iter().peekable();
        while let Some((lo, value)) = starts.next() {
            let hi = starts.peek().map(|(k, _)| (*k).clone());
            let Some(value) = value else { continue };
            match out.last_mut() {
                Some((last, v)) if v == value && last.hi.as_ref() == Some(lo) => last.hi = hi,
                _ => out.push((Interval { lo: lo.clone(), hi }, value.clone())),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_prefix_skips_trailing_ff() {
        assert_eq!(next_prefix(&[1, 0xFF, 0xFF]), Some(vec![2]));
        assert_eq!(next_prefix(&[0xFF]), None);
        assert_eq!(next_prefix(&[]), None);
    }

    #[test]
    fn point_contains_only_strings_with_that_prefix() {
        let point = Interval::point(&[5, 1]);
        assert!(point.contains(&[5, 1]) && point.contains(&[5, 1, 9]));
        assert!(!point.contains(&[5, 2]) && !point.contains(&[5]));
    }

    #[test]
    fn empty_upper_bound_of_all_ff_is_unbounded() {
        assert!(Interval::point(&[0xFF; 8]).contains(&[0xFF; 8]));
    }

    #[test]
    fn later_assignment_wins_in_map() {
        let mut map = IntervalMap::new();
        map.assign(&Interval { lo: vec![1], hi: Some(vec![9]) }, 'a');
        map.assign(&Interval { lo: vec![3], hi: Some(vec![5]) }, 'b');
        map.assign(&Interval { lo: vec![8], hi: None }, 'a');
        let pieces: Vec<_> = map.pieces().into_iter().map(|(i, v)| (i.lo, i.hi, v)).collect();
        assert_eq!(
            pieces,
            vec![(vec![1], Some(vec![3]), 'a'), (vec![3], Some(vec![5]), 'b'), (vec![5], None, 'a')]
        );
    }

    #[test]
    fn map_agrees_with_array_of_bytes() {
        let mut state = 12345u64;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        for _ in 0..200 {
            let mut map = IntervalMap::new();
            let mut model = [None; 256];
            for value in 0..12u8 {
                let (a, b) = (next(), next());
                map.assign(&Interval { lo: vec![a], hi: Some(vec![b]) }, value);
                for slot in model.iter_mut().take(b as usize).skip(a as usize) {
                    *slot = Some(value);
                }
            }
            let mut seen = [None; 256];
            for (interval, value) in map.pieces() {
                for (key, slot) in seen.iter_mut().enumerate() {
                    if interval.contains(&[key as u8]) {
                        *slot = Some(value);
                    }
                }
            }
            assert_eq!(seen, model);
        }
    }
}
