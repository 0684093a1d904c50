//! Forgetting old revisions.

use super::{Defragged, OpError, defrag};
use crate::clock::Stamp;
use crate::collection::Collection;
use crate::history::changelog::{Horizon, Log};
use crate::history::merge;

/// What a trim did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Revisions hidden.
    pub revisions: u64,
}

/// Hides the revisions with a time below `before` (milliseconds since 1970-01-01 UTC), but never a head nor what has a
/// tag. What remains reads the same; a look at what went is an error. Their files go with a later gc.
pub fn trim(collection: &Collection, before: u64) -> Result<Trimmed, OpError> {
    let changelog = collection.changelog();
    let all = changelog.log()?;
    let heads = changelog.heads(&all)?;
    let Some(newest) = heads.last() else { return Ok(Trimmed::default()) };
    // Not beyond the newest head: revisions yet to come must not be born hidden.
    let time = before.min(newest.time).max(all.horizon.time);
    let kept = kept(collection, &all, &all.horizon, &heads, time)?;
    let removed = all.stamps().filter(|stamp| stamp.time < time && !kept.contains(stamp)).count();
    // A parent that is lost is forgotten too, so that nothing waits for it any more.
    if removed == 0 && !all.missing().any(|(parent, _)| parent.time < time && all.is_lost(parent)) {
        return Ok(Trimmed::default());
    }
    let made = collection.context().clock.now();
    // What goes is below the parting of all heads; what stays of it must not seem a head without its children.
    let mut forgot = all.horizon.forgot.clone();
    forgot.add(all.stamps().filter(|stamp| stamp.time < time && all.is_past(*stamp)));
    let missing: Vec<Stamp> = all.missing().map(|(parent, _)| parent).collect();
    let cut = |kept: &[Stamp]| forgot.clone().cut(missing.iter().chain(kept).copied());
    let mut horizon = Horizon { time, made, above: heads, forgot: cut(&kept), kept };
    changelog.put_horizon(&horizon)?;
    // A writer that did not see the horizon has put its revision before it could: that one is seen now, and so is a
    // tag that somebody put meanwhile.
    let now = changelog.unhidden_log()?;
    let heads: Vec<Stamp> = now.heads().into_iter().filter(|head| !all.horizon.hides(*head)).collect();
    let late = self::kept(collection, &now, &all.horizon, &heads, time)?;
    if late.iter().any(|head| !horizon.kept.contains(head)) {
        (horizon.forgot, horizon.kept) = (cut(&late), late);
        changelog.put_horizon(&horizon)?;
    }
    // One of the same time would go on keeping what had a tag then.
    if time == all.horizon.time {
        changelog.replace_horizons(&all.horizon_keys, &horizon)?;
    }
    Ok(Trimmed { revisions: removed as u64 })
}

/// The revisions before `time` that must stay: heads, what it takes to merge them, and what has a tag.
fn kept(
    collection: &Collection,
    log: &Log,
    before: &Horizon,
    heads: &[Stamp],
    time: u64,
) -> Result<Vec<Stamp>, OpError> {
    let changelog = collection.changelog();
    let mut kept = merge::needed(heads, &mut |stamp| merge::step(changelog, log, stamp))?;
    kept.extend(heads);
    let tagged = collection.tags()?.into_iter().map(|(_, stamp)| stamp);
    // What an earlier trim took away does not come back.
    kept.extend(tagged.filter(|stamp| log.contains(*stamp) && !before.hides(*stamp)));
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
