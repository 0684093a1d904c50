//! Maintenance: packing, defragmenting, trimming, collecting garbage, verifying.

use crate::clock::Stamp;
use crate::collection::{Collection, CollectionError};
use crate::repo::{Repo, RepoError};

/// A failed maintenance operation.
#[derive(Debug, thiserror::Error)]
pub enum OpError {
    /// The repository failed.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// A collection failed.
    #[error(transparent)]
    Collection(#[from] CollectionError),
    /// What this build cannot do.
    #[error("{0} is not part of this build")]
    Missing(&'static str),
}

/// What `defrag` did.
#[derive(Debug, Clone, Copy)]
pub struct Defragged {
    /// Series whose segments were rewritten.
    pub series: u64,
    /// Segments before.
    pub segments_before: u64,
    /// Segments afterwards.
    pub segments_after: u64,
    /// The revision made.
    pub revision: Option<Stamp>,
}

/// What `trim` did.
#[derive(Debug, Clone, Copy)]
pub struct Trimmed {
    /// Revisions removed.
    pub revisions: u64,
}

/// What `gc` did.
#[derive(Debug, Clone, Copy)]
pub struct Collected {
    /// Objects renamed, to be deleted later.
    pub set_aside: u64,
    /// Objects deleted.
    pub deleted: u64,
    /// Objects that are named again.
    pub restored: u64,
    /// Bytes deleted.
    pub bytes: u64,
}

/// Something damaged.
#[derive(Debug, Clone)]
pub struct Damage {
    /// One line for people.
    pub what: String,
}

/// What `verify` looked at.
#[derive(Debug, Clone, Copy)]
pub struct Verified {
    /// Objects read.
    pub objects: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Revisions read.
    pub revisions: u64,
    /// Damaged ones.
    pub damaged: u64,
}

/// Makes one file of a collection's revisions; gives how many are in it.
pub fn pack(_: &Collection) -> Result<usize, OpError> {
    Err(OpError::Missing("pack"))
}

/// Makes full segments of small ones.
pub fn defrag(_: &Collection, _segment_rows: usize) -> Result<Defragged, OpError> {
    Err(OpError::Missing("defrag"))
}

/// Removes revisions older than `before_ms`.
pub fn trim(_: &Collection, _before_ms: u64) -> Result<Trimmed, OpError> {
    Err(OpError::Missing("trim"))
}

/// Defragments, then trims to one revision.
pub fn squash(_: &Collection) -> Result<(Defragged, Trimmed), OpError> {
    Err(OpError::Missing("squash"))
}

/// Collects garbage.
pub fn gc(_: &Repo, _grace_ms: u64) -> Result<Collected, OpError> {
    Err(OpError::Missing("gc"))
}

/// Reads everything and reports what is damaged.
pub fn verify(_: &Repo, _report: &mut dyn FnMut(&Damage)) -> Result<Verified, OpError> {
    Err(OpError::Missing("verify"))
}
