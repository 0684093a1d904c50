//! Which revisions somebody wants, asked while they are read: what is not wanted is not built.

use super::entry::SeriesId;

/// Which revisions are wanted, and which of their changes. By default all.
pub trait Pick: Sync {
    /// Whether one by this author, with this message, is wanted.
    fn note(&self, _author: &str, _message: &str) -> bool {
        true
    }

    /// Whether the change of a series is wanted; of one that was renamed, also the label it had is given.
    fn series(&self, _id: SeriesId, _label: &str, _renamed_from: Option<&str>) -> bool {
        true
    }

    /// Whether only revisions are wanted that changed a series that is.
    fn only_series(&self) -> bool {
        false
    }
}

/// All that there is.
#[derive(Debug, Clone, Copy)]
pub struct Everything;

impl Pick for Everything {}
