//! Forgetting old revisions.

use super::{Defragged, OpError, defrag};
use crate::clock::Stamp;
use crate::collection::Collection;
use crate::history::changelog::{Changelog, Horizon, Log};
use crate::history::merge;

/// What a trim did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Revisions hidden.
    pub revisions: u64,
}

/// Hides the revisions with a time below `before` (milliseconds since 1970-01-01 UTC), but never a head. What
/// remains reads the same; a look at what went is an error. Their files go with a later gc.
pub fn trim(collection: &Collection, before: u64) -> Result<Trimmed, OpError> {
    let changelog = collection.changelog();
    let all = changelog.log()?;
    let heads = changelog.heads(&all)?;
    let Some(newest) = heads.last() else { return Ok(Trimmed::default()) };
    // Not beyond the newest head: revisions yet to come must not be born hidden.
    let time = before.min(newest.time).max(all.horizon.time);
    let kept = kept(changelog, &all, &heads, time)?;
    let removed = all.stamps().filter(|stamp| stamp.time < time && !kept.contains(stamp)).count();
    if removed == 0 {
        return Ok(Trimmed::default());
    }
    let made = collection.context().clock.now();
    // What goes is below the parting of all heads; what stays of it must not seem a head without its children.
    let mut forgot = all.horizon.forgot.clone();
    forgot.add(all.stamps().filter(|stamp| stamp.time < time && all.is_past(*stamp)));
    let needed = all.missing().map(|(parent, _)| parent).chain(kept.iter().copied());
    let forgot = forgot.cut(needed.collect::<Vec<_>>());
    let mut horizon = Horizon { time, kept, made, above: heads, forgot };
    changelog.put_horizon(&horizon)?;
    // A writer that did not see the horizon has put its revision before it could: that one is seen now.
    let now = changelog.unhidden_log()?;
    let heads: Vec<Stamp> = now.heads().into_iter().filter(|head| !all.horizon.hides(*head)).collect();
    let late = self::kept(changelog, &now, &heads, time)?;
    if late.iter().any(|head| !horizon.kept.contains(head)) {
        horizon.kept = late;
        changelog.put_horizon(&horizon)?;
    }
    Ok(Trimmed { revisions: removed as u64 })
}

/// The revisions before `time` that must stay: heads, and what it takes to merge them.
fn kept(changelog: &Changelog, log: &Log, heads: &[Stamp], time: u64) -> Result<Vec<Stamp>, OpError> {
    let mut kept = merge::needed(heads, &mut |stamp| merge::step(changelog, log, stamp))?;
    kept.extend(heads);
    kept.retain(|stamp| stamp.time < time);
    kept.sort_unstable();
    kept.dedup();
    Ok(kept)
}

/// Rewrites small segments, then trims all revisions but the newest. History goes, rows stay.
pub fn squash(collection: &Collection) -> Result<(Defragged, Trimmed), OpError> {
    let segment_rows = collection.context().segment_rows;
    let defragged = defrag(collection, segment_rows)?;
    Ok((defragged, trim(collection, u64::MAX)?))
}
