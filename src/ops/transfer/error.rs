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
    /// Histories that cannot be merged.
    #[error(
        "revisions {} at the destination and {} at the source cannot be merged: {why}; nothing was copied. To go on, `lakota pull --unmergeable` takes them over as they are, and `lakota merge` with `--ours` or `--theirs` keeps one of them",
        list(.there), list(.from)
    )]
    Diverged {
        /// The heads where revisions were to go.
        there: Vec<Stamp>,
        /// The heads where they came from.
        from: Vec<Stamp>,
        /// What the merge lacks.
        why: Apart,
    },
    /// A source whose own heads cannot be merged.
    #[error(
        "revisions {} at the source cannot be merged with each other: {why}; nothing was copied. To go on, keep one of them there: `lakota merge` with `--ours` or `--theirs`",
        list(.from)
    )]
    Apart {
        /// Its heads.
        from: Vec<Stamp>,
        /// What the merge lacks.
        why: Apart,
    },
    /// Collections of one label that have nothing to do with each other.
    #[error(
        "the destination has another collection of this label, created on its own, with other columns ({there}; at the source {from}); nothing was copied: rename one of the two"
    )]
    Unrelated {
        /// Its columns where revisions were to go.
        there: Schemata,
        /// Its columns where they came from.
        from: Schemata,
    },
    /// Tags of which one names a revision that could not be copied.
    #[error(
        "tag {tag:?} names revision {stamp} of {collection}, which could not be copied; the destination keeps the tags that it has. Copy again once {collection} can be copied"
    )]
    Tag {
        /// The tag.
        tag: String,
        /// What it names.
        stamp: Stamp,
        /// The label of the collection at the source.
        collection: String,
    },
    /// What another copy left there.
    #[error(
        "a copy that was cut short left revision {0} there, and what it names is gone; repeat that copy first"
    )]
    Leftover(Stamp, #[source] Box<TransferError>),
    /// A revision behind which hardly any time is left.
    #[error(
        "revision {0} at the source has a time that no clock can have told: times end soon after, and nothing could be written behind it; nothing was copied. To go on, move its file out of the source: {name}", name = .0.file_name()
    )]
    Time(Stamp),
    /// A source that has less than its own revisions name.
    #[error("its source is damaged: {0}; `lakota verify` there tells more")]
    Source(#[source] Box<StoreError>),
}

/// Why revisions cannot be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apart {
    /// The merge needs this revision, which neither side has any more.
    Lost(Stamp),
    /// Their columns have no common origin.
    Columns,
}

impl std::fmt::Display for Apart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Apart::Lost(stamp) => {
                write!(f, "that needs revision {stamp}, which was trimmed or lost on both sides")
            }
            Apart::Columns => f.write_str("their columns have no common origin"),
        }
    }
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
        matches!(
            self,
            TransferError::Diverged { .. }
                | TransferError::Apart { .. }
                | TransferError::Unrelated { .. }
                | TransferError::Tag { .. }
        )
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
