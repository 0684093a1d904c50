//! Which segments to compare: those that only one of two series names.
//!
//! Works on the index alone: subtrees and segments that both name are left out on both sides, which changes nothing,
//! as their rows are the same.

use super::Side;
use crate::history::entry::Segments;
use crate::history::segment::Segment;
use crate::history::tree::{Child, differing};
use crate::interval::Interval;
use crate::store::StoreError;
use std::cmp::Ordering;

/// Segments to be compared with each other.
#[derive(Debug)]
pub(super) enum Unit {
    /// Two with the same index values.
    Pair(Segment, Segment),
    /// Runs of them.
    Run(Vec<Segment>, Vec<Segment>),
}

/// What is to be compared, in the order of the index. `same_index` tells whether two segments have the same index
/// values.
pub(super) fn units(
    old: &Side<'_>,
    new: &Side<'_>,
    within: &Interval,
    same_index: impl Fn(&Segment, &Segment) -> bool,
) -> Result<Vec<Unit>, StoreError> {
    let (mut old_list, mut new_list) = lists(old, new, within)?;
    // Chunks mean the same only under the same columns.
    if old.schema == new.schema {
        drop_equal(&mut old_list, &mut new_list);
    }
    Ok(group(old_list, new_list, same_index))
}

type Lists = (Vec<Segment>, Vec<Segment>);

fn lists(old: &Side<'_>, new: &Side<'_>, within: &Interval) -> Result<Lists, StoreError> {
    if let (Segments::Many(a), Segments::Many(b)) = (old.segments, new.segments)
        && old.schema == new.schema
    {
        let overlaps =
            |first: &[u8], last: &[u8]| last >= within.lo.as_slice() && !within.ends_at_or_before(first);
        let wanted = |child: &Child| overlaps(&child.key, &child.last);
        let (mut a, mut b) = differing::<Segment>((old.view, Some(a)), (new.view, Some(b)), &wanted)?;
        a.retain(|segment| overlaps(&segment.first, &segment.last));
        b.retain(|segment| overlaps(&segment.first, &segment.last));
        return Ok((a, b));
    }
    let list = |side: &Side<'_>| side.segments.locate(side.view, within).map(|found| found.segments);
    Ok((list(old)?, list(new)?))
}

/// Whether two segments hold the same bytes.
fn same(a: &Segment, b: &Segment) -> bool {
    let checks = a.chunks.iter().map(|chunk| chunk.check).eq(b.chunks.iter().map(|chunk| chunk.check));
    checks && a.rows == b.rows && a.first == b.first && a.last == b.last
}

/// Leaves out the segments that both lists have.
fn drop_equal(old: &mut Vec<Segment>, new: &mut Vec<Segment>) {
    let (mut a, mut b) =
        (std::mem::take(old).into_iter().peekable(), std::mem::take(new).into_iter().peekable());
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        if same(x, y) {
            a.next();
            b.next();
            continue;
        }
        let order = x.first.cmp(&y.first);
        if order != Ordering::Greater {
            old.extend(a.next());
        }
        if order != Ordering::Less {
            new.extend(b.next());
        }
    }
    old.extend(a);
    new.extend(b);
}

/// Groups segments that overlap; those with the same index values are pairs.
fn group(old: Vec<Segment>, new: Vec<Segment>, same_index: impl Fn(&Segment, &Segment) -> bool) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let (mut a, mut b) = (old.into_iter().peekable(), new.into_iter().peekable());
    // The greatest index value of the last run: what starts at or before it goes on with it.
    let mut reach: Option<Vec<u8>> = None;
    loop {
        let go_on = |next: Option<&Segment>| {
            next.is_some_and(|next| reach.as_ref().is_some_and(|reach| next.first <= *reach))
        };
        let take_old = match (a.peek(), b.peek()) {
            (None, None) => return units,
            (Some(x), Some(y)) if !go_on(Some(x)) && !go_on(Some(y)) && same_index(x, y) => {
                if let (Some(x), Some(y)) = (a.next(), b.next()) {
                    // A run of equal index values may go on in the next segment.
                    let touches = |next: Option<&Segment>| next.is_some_and(|next| next.first <= x.last);
                    if touches(a.peek()) || touches(b.peek()) {
                        reach = Some(x.last.clone());
                        units.push(Unit::Run(vec![x], vec![y]));
                    } else {
                        reach = None;
                        units.push(Unit::Pair(x, y));
                    }
                }
                continue;
            }
            (x, y) => y.is_none_or(|y| x.is_some_and(|x| x.first <= y.first)),
        };
        let Some(next) = (if take_old { a.next() } else { b.next() }) else { return units };
        let goes_on = go_on(Some(&next)) && matches!(units.last(), Some(Unit::Run(..)));
        let last = next.last.clone();
        if !goes_on {
            units.push(Unit::Run(Vec::new(), Vec::new()));
        }
        if let Some(Unit::Run(old, new)) = units.last_mut() {
            if take_old { old.push(next) } else { new.push(next) }
        }
        reach = if goes_on { reach.max(Some(last)) } else { Some(last) };
    }
}
