//! Maintenance: what keeps a repository small, fast and sound.
//!
//! Each operation looks first, then writes, and may run beside readers and writers. None changes what any
//! remaining revision reads.

mod aside;
mod defrag;
mod gc;
mod reach;
mod repair;
pub mod transfer;
mod trim;
mod verify;
pub mod watch;

pub use aside::{SetAside, set_aside};
pub use defrag::{Defragged, defrag};
pub use gc::{Collected, gc};
pub use repair::{Repaired, repair};
pub use trim::{Trimmed, squash, trim};
pub use verify::{Damage, Verified, verify};

use crate::backend::BackendError;
use crate::clock::Stamp;
use crate::collection::{Collection, CollectionError};
use crate::digest::Digest;
use crate::history::changelog::HistoryError;
use crate::repo::RepoError;
use crate::series::RowsError;
use crate::store::StoreError;

/// A failed maintenance operation.
#[derive(Debug, thiserror::Error)]
pub enum OpError {
    /// The repository failed.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// A collection with a torn revision, whose objects must stay until somebody decides.
    #[error("{}: `lakota verify --set-aside` puts it out of the way", HistoryError::Torn(*.0))]
    Torn(Stamp),
    /// A collection failed.
    #[error(transparent)]
    Collection(#[from] CollectionError),
    /// A collection run that cannot tell what is needed.
    #[error("nothing was collected, since nobody can tell what is needed: {0}")]
    Doubt(String),
}

impl From<HistoryError> for OpError {
    fn from(error: HistoryError) -> OpError {
        OpError::Collection(error.into())
    }
}

impl From<StoreError> for OpError {
    fn from(error: StoreError) -> OpError {
        OpError::Collection(error.into())
    }
}

impl From<RowsError> for OpError {
    fn from(error: RowsError) -> OpError {
        OpError::Collection(error.into())
    }
}

impl From<BackendError> for OpError {
    fn from(error: BackendError) -> OpError {
        OpError::Repo(error.into())
    }
}

/// What messages call a deleted collection, which has no label any more.
fn deleted(folder: Option<&Digest>) -> String {
    format!("a deleted collection (folder {})", folder.map(Digest::key).unwrap_or_default())
}

/// Makes one file of a collection's revision files; gives how many revisions it holds, 0 where there was one
/// file already.
pub fn pack(collection: &Collection) -> Result<usize, OpError> {
    Ok(collection.changelog().pack_files(true)?)
}
