//! Neighbouring segments of a file, and where each lies in it.
//!
//! The index gives the segments of a leaf of its tree at once. Those whose text is short are joined to units, so that
//! reading goes on by hundreds of rows, however small the segments.

use crate::history::segment::{ChunkRef, Segment};
use std::sync::Arc;

/// Neighbouring segments of a file.
#[derive(Debug)]
pub(super) struct Leaf {
    /// Where each unit starts in the file; at the end, where the last one ends. Never empty.
    starts: Vec<u64>,
    /// Segments that are read as one.
    units: Vec<Vec<Segment>>,
    /// About how many bytes all of it takes in memory.
    pub(super) memory: u64,
}

impl Leaf {
    /// Segments from `start` of a file, of `measure` bytes each; joined while they are not longer than `joined`.
    pub(super) fn new(
        start: u64,
        segments: Vec<Segment>,
        measure: impl Fn(&Segment) -> u64,
        joined: u64,
    ) -> Leaf {
        let memory = segments.iter().map(memory).sum();
        let (mut starts, mut units, mut at) = (vec![start], Vec::<Vec<Segment>>::new(), start);
        let mut first = start;
        for segment in segments {
            let end = at + measure(&segment);
            match units.last_mut() {
                Some(unit) if end - first <= joined => unit.push(segment),
                _ => {
                    first = at;
                    units.push(vec![segment]);
                    starts.push(end);
                }
            }
            if let Some(last) = starts.last_mut() {
                *last = end;
            }
            at = end;
        }
        Leaf { starts, units, memory }
    }

    /// The unit that holds a byte of the file.
    pub(super) fn unit(self: &Arc<Leaf>, at: u64) -> Option<Unit> {
        let after = self.starts.partition_point(|&start| start <= at);
        let found = after.checked_sub(1).filter(|&i| i < self.units.len());
        found.map(|i| Unit { leaf: Arc::clone(self), at: i })
    }
}

/// A unit of a leaf.
#[derive(Debug)]
pub(super) struct Unit {
    leaf: Arc<Leaf>,
    at: usize,
}

impl Unit {
    pub(super) fn segments(&self) -> &[Segment] {
        &self.leaf.units[self.at]
    }

    /// Where it starts in the file.
    pub(super) fn start(&self) -> u64 {
        self.leaf.starts[self.at]
    }

    /// Where it ends in the file.
    pub(super) fn end(&self) -> u64 {
        self.leaf.starts[self.at + 1]
    }
}

fn memory(segment: &Segment) -> u64 {
    let keys = segment.first.len() + segment.last.len();
    let chunks = segment.chunks.iter().map(|chunk| {
        size_of::<ChunkRef>()
            + chunk.range.as_ref().map_or(0, |(least, greatest)| least.len() + greatest.len())
    });
    (size_of::<Segment>() + keys + chunks.sum::<usize>()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(joined: u64) -> Arc<Leaf> {
        let segments = [10, 20, 100, 5, 5].iter().map(|&rows| Segment {
            rows,
            first: vec![0; 8],
            last: vec![0; 8],
            chunks: Vec::new(),
        });
        Arc::new(Leaf::new(1000, segments.collect(), |segment| segment.rows, joined))
    }

    fn units(leaf: &Arc<Leaf>) -> Vec<(u64, u64, usize)> {
        let unit = |at| leaf.unit(at).map(|unit| (unit.start(), unit.end(), unit.segments().len()));
        let mut units: Vec<_> = (900..1300).filter_map(unit).collect();
        units.dedup();
        units
    }

    #[test]
    fn short_segments_are_joined() {
        assert_eq!(units(&leaf(30)), [(1000, 1030, 2), (1030, 1130, 1), (1130, 1140, 2)]);
    }

    #[test]
    fn segments_stay_apart_where_nothing_is_joined() {
        let apart = [(1000, 1010), (1010, 1030), (1030, 1130), (1130, 1135), (1135, 1140)];
        assert_eq!(units(&leaf(0)), apart.map(|(start, end)| (start, end, 1)));
    }
}
