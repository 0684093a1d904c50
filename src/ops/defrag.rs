//! Rewriting small segments into full ones, and moving what lives out of bundles that are mostly dead.

use super::OpError;
use crate::clock::Stamp;
use crate::collection::{Batch, Collection};
use crate::digest::Digest;
use crate::history::entry::Entry;
use crate::history::segment::Segment;
use crate::interval::Interval;
use crate::series::encode::SegmentWriter;
use crate::series::read;
use crate::store::place::Place;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// A bundle of which the newest state uses less than one byte in so many is left.
const DEAD_FACTOR: u64 = 4;

/// Shorter bundles are not worth the move.
const SMALL_BUNDLE: u64 = 64 << 10;

/// What a defrag did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Defragged {
    /// Series rewritten.
    pub series: u64,
    /// Their segments before.
    pub segments_before: u64,
    /// Their segments afterwards.
    pub segments_after: u64,
    /// The revision, where there was anything to do.
    pub revision: Option<Stamp>,
}

/// Rewrites segments much smaller than `segment_rows` into full ones: one revision, no row changes.
pub fn defrag(collection: &Collection, segment_rows: usize) -> Result<Defragged, OpError> {
    let mut batch = collection.batch("defrag")?;
    let entries = batch.base().entries()?;
    let mut lists = Vec::with_capacity(entries.len());
    for entry in entries {
        let segments = entry.segments.locate(&batch.base().view, &Interval::ALL)?.segments;
        lists.push((entry, segments));
    }
    let dead = mostly_dead(collection, &lists)?;
    let mut done = Defragged::default();
    for (entry, segments) in lists {
        rewrite(&mut batch, &entry, segments, segment_rows, &dead, &mut done)?;
    }
    done.revision = batch.commit_rewrite()?;
    Ok(done)
}

fn rewrite(
    batch: &mut Batch<'_>,
    entry: &Entry,
    segments: Vec<Segment>,
    segment_rows: usize,
    dead: &[Digest],
    done: &mut Defragged,
) -> Result<(), OpError> {
    let moves = |segment: &Segment| {
        segment
            .chunks
            .iter()
            .any(|c| matches!(c.place, Place::Member(spot, _) if dead.contains(&spot.bundle)))
    };
    let runs = small_runs(&segments, segment_rows as u64);
    if runs.is_empty() && !segments.iter().any(moves) {
        return Ok(());
    }
    let (view, schema) = (batch.base().view.clone(), Arc::clone(&batch.base().schema));
    let mut out = SegmentWriter::new(Arc::clone(&schema), batch.draft(), segment_rows);
    for (i, segment) in segments.iter().enumerate() {
        let run = runs.iter().find(|run| run.contains(&i));
        match run {
            Some(run) => {
                out.push(read::whole(&view, &schema, segment)?)?;
                if i + 1 == run.end {
                    out.cut()?;
                }
            }
            None => {
                let mut segment = segment.clone();
                for chunk in &mut segment.chunks {
                    if let Place::Member(spot, _) = chunk.place
                        && dead.contains(&spot.bundle)
                    {
                        let pages = view.pages(&chunk.place, chunk.layout.len, chunk.check)?;
                        chunk.place = batch.draft().lock().stage_pages(pages, chunk.check);
                    }
                }
                out.reuse(segment)?;
            }
        }
    }
    let with = out.finish()?;
    done.series += 1;
    done.segments_before += segments.len() as u64;
    done.segments_after += with.len() as u64;
    batch.rewrite(entry, with);
    Ok(())
}

/// Runs of neighbouring segments that are small and would be fewer if written anew.
fn small_runs(segments: &[Segment], target: u64) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (i, segment) in segments.iter().enumerate() {
        let small = segment.rows < target.div_ceil(2);
        match runs.last_mut() {
            Some(run) if small && run.end == i => run.end = i + 1,
            _ if small => runs.push(i..i + 1),
            _ => {}
        }
    }
    runs.retain(|run| {
        let rows: u64 = segments[run.clone()].iter().map(|s| s.rows).sum();
        (run.len() as u64) > rows.div_ceil(target.max(1))
    });
    runs
}

/// Bundles of which the newest state uses little.
fn mostly_dead(collection: &Collection, lists: &[(Entry, Vec<Segment>)]) -> Result<Vec<Digest>, OpError> {
    let mut alive: HashMap<Digest, u64> = HashMap::new();
    for chunk in lists.iter().flat_map(|(_, segments)| segments).flat_map(|s| &s.chunks) {
        if let Place::Member(spot, _) = chunk.place {
            *alive.entry(spot.bundle).or_default() += chunk.layout.len;
        }
    }
    let backend = collection.context().store.backend();
    let mut dead = Vec::new();
    for (bundle, alive) in alive {
        let len = backend.len(&bundle.key())?.unwrap_or(0);
        if len > SMALL_BUNDLE && alive < len / DEAD_FACTOR {
            dead.push(bundle);
        }
    }
    Ok(dead)
}
