//! What a name of a repository is: a folder or a file, with what tells it from all others, and its exact size.

use super::catalog::{CachedCollection, Point};
use super::delta::Key;
use super::name;
use super::render::Format;
use super::series::Series;
use super::view::SeriesView;
use crate::clock::Stamp;
use crate::digest::Digest;
use std::sync::Arc;

/// A live file, or the file of a revision: the rows of a state, in a format.
#[derive(Debug, Clone)]
pub struct File {
    /// The series.
    pub series: Series,
    /// The state that holds the rows: where to load them from.
    pub from: Point,
    /// CSV or Parquet.
    pub format: Format,
    /// Bytes.
    pub size: u64,
    /// Tells its bytes from all others of the series and the format.
    pub content: Digest,
    /// Where its bytes are read: it is the same file when they are moved, what was opened before is of no use then.
    pub places: Digest,
}

impl File {
    /// The file of a series as a state has it.
    #[must_use]
    pub fn of(series: &Series, view: &SeriesView, from: Point, format: Format) -> File {
        let size = format.size(&view.source.schema, &view.sums);
        File { series: series.clone(), from, format, size, content: view.content, places: view.places }
    }
}

/// What differs between two states of a series, as text.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The series.
    pub series: Series,
    /// The earlier state; none: all rows came.
    pub old: Option<Point>,
    /// The later state.
    pub new: Point,
    /// What the text follows from.
    pub key: Key,
    /// Bytes.
    pub len: u64,
    /// Tells the text from all others.
    pub digest: Digest,
}

/// A folder of a series at a revision.
#[derive(Debug, Clone)]
pub struct Moment {
    /// The series.
    pub series: Series,
    /// The state.
    pub point: Point,
    /// Its name in `at`; none: it is one of `revisions`. A folder is in one place only.
    pub at: Option<Arc<str>>,
}

/// What a name is.
#[derive(Debug, Clone)]
pub enum Entry {
    /// The top: collections.
    Root,
    /// A collection: series.
    Collection(Arc<CachedCollection>),
    /// A series: live files and folders of revisions.
    Series(Series),
    /// `revisions`.
    Revisions(Series),
    /// `at`.
    At(Series),
    /// `diff`.
    Diff(Series),
    /// A series as of a revision: a folder below `revisions` or `at`.
    Moment(Moment),
    /// What differs between two states of a series.
    Difference(Difference),
    /// Rows.
    File(File),
    /// A text of that name that does not change: what does change is another entry.
    Text(&'static str, Arc<str>),
    /// The link of a series to its newest revision, and where it leads.
    Link(Series, Arc<str>),
}

/// How long something is as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    /// It never changes.
    Forever,
    /// Until history is trimmed.
    Revision,
    /// A commit may change it, which may show a little later.
    Soon,
    /// A commit may change it, and the next look is to tell.
    Now,
}

impl Entry {
    /// The link of a series to its newest revision.
    #[must_use]
    pub fn latest(series: &Series, stamp: Stamp) -> Entry {
        Entry::Link(series.clone(), format!("{}/{stamp}", name::REVISIONS).into())
    }

    /// Whether it can hold others.
    #[must_use]
    pub const fn is_folder(&self) -> bool {
        !matches!(self, Entry::File(_) | Entry::Text(..) | Entry::Difference(_) | Entry::Link(..))
    }

    /// Bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Entry::File(file) => file.size,
            Entry::Text(_, text) | Entry::Link(_, text) => text.len() as u64,
            Entry::Difference(of) => of.len,
            _ => 0,
        }
    }

    /// How long it has the size and the time that it was found with.
    #[must_use]
    pub const fn lasts(&self) -> Lasts {
        match self {
            Entry::File(_) | Entry::Text(..) | Entry::Difference(_) | Entry::Link(..) => Lasts::Forever,
            Entry::Moment(_) => Lasts::Revision,
            _ => Lasts::Soon,
        }
    }
}
