//! Inode numbers.
//!
//! A number follows from what the inode is, so it is the same after a FORGET and after a remount, and two things
//! never share one.

use crate::digest::Digest;
use crate::vfs::series::Series;

/// The number of the root folder.
pub const ROOT: u64 = 1;

/// A number made of what tells an inode from all others: 63 bits, so that tools with signed numbers keep it.
#[must_use]
pub(super) fn number(parts: &[&[u8]]) -> u64 {
    let mut text = Vec::with_capacity(128);
    for part in parts {
        text.extend_from_slice(&(part.len() as u64).to_le_bytes());
        text.extend_from_slice(part);
    }
    let mut first = [0; 8];
    first.copy_from_slice(&Digest::of(&text).as_bytes()[..8]);
    // 0 is no inode and 1 the root.
    (u64::from_le_bytes(first) >> 1).max(2)
}

/// The number of something of a series that `parts` tell from all else of it.
#[must_use]
pub(super) fn of_series(series: &Series, kind: &str, parts: &[&[u8]]) -> u64 {
    let (id, cached) = (series.id.to_string(), series.cached.key());
    let mut all: Vec<&[u8]> = vec![kind.as_bytes(), cached.as_bytes(), id.as_bytes()];
    all.extend_from_slice(parts);
    let removed = series.cached.removed(series.id).to_le_bytes();
    if removed != [0; 8] {
        all.push(&removed);
    }
    number(&all)
}
