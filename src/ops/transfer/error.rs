//! Why a copy between repositories fails.

use crate::clock::Stamp;
use crate::collection::CollectionError;
use crate::data::schema::Schema;
use crate::history::changelog::HistoryError;
use crate::ops::OpError;
use crate::repo::RepoError;
use crate::store::StoreError;

/// A failed copy between two repositories; what is there is as it was, or has some of the revisions more.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// One of the repositories failed.
    #[error(transparent)]
    Op(Box<OpError>),
    /// Histories that cannot be merged, since what both sides share was trimmed.
    #[error(
        "revisions {} here and {} there cannot be merged: that needs revision {missing}, which was trimmed or lost on both sides; nothing was copied. To go on, clone the other repository to a new place and write its rows over these, or take the collection under another name",
        list(.there), list(.from)
    )]
    Diverged {
        /// The heads where revisions were to go.
        there: Vec<Stamp>,
        /// The heads where they came from.
        from: Vec<Stamp>,
        /// What the merge needs.
        missing: Stamp,
    },
    /// Collections of one label that have nothing to do with each other.
    #[error(
        "there it is another collection, created on its own, with other columns ({there}, here {from}); nothing was copied: rename one of the two"
    )]
    Unrelated {
        /// Its columns where revisions were to go.
        there: Schemata,
        /// Its columns where they came from.
        from: Schemata,
    },
    /// A source that has less than its own revisions name.
    #[error("its source is damaged: {0}; `lakota verify` there tells more")]
    Source(#[source] Box<StoreError>),
}

/// Columns in one line.
#[derive(Debug)]
pub struct Schemata(pub(super) String);

impl std::fmt::Display for Schemata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&Schema> for Schemata {
    fn from(schema: &Schema) -> Schemata {
        let columns = schema.columns().iter().map(|column| format!("\"{column}\""));
        Schemata(columns.collect::<Vec<_>>().join(" "))
    }
}

impl TransferError {
    /// Whether both sides are sound, but do not go together.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self, TransferError::Diverged { .. } | TransferError::Unrelated { .. })
    }
}

fn list(stamps: &[Stamp]) -> String {
    stamps.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl From<OpError> for TransferError {
    fn from(error: OpError) -> TransferError {
        TransferError::Op(Box::new(error))
    }
}

impl From<HistoryError> for TransferError {
    fn from(error: HistoryError) -> TransferError {
        OpError::from(error).into()
    }
}

impl From<RepoError> for TransferError {
    fn from(error: RepoError) -> TransferError {
        OpError::from(error).into()
    }
}

impl From<CollectionError> for TransferError {
    fn from(error: CollectionError) -> TransferError {
        OpError::from(error).into()
    }
}

impl From<crate::backend::BackendError> for TransferError {
    fn from(error: crate::backend::BackendError) -> TransferError {
        OpError::from(error).into()
    }
}
