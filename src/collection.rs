//! A collection: series that share a schema and a changelog, through time.
//!
//! Reading picks a state (the newest, one of the past) and never waits for writers. Several heads are read
//! as their merge. Writing goes through [`Batch`]: one batch, one revision.

mod alter;
mod base;
mod batch;
mod blame;
mod choose;
pub mod follow;
mod merged;
mod names;
mod overrides;
mod past;
mod restore;
mod sort_input;
pub mod tags;
pub mod timeline;
mod undo;
pub mod when;

pub use batch::{Batch, Outcome};
pub use blame::Blame;
pub use past::{Filter, OneSeries};
pub use restore::Past;

use crate::clock::{Clock, ClockError, Stamp};
use crate::data::alter::AlterError;
use crate::data::label::{LabelError, closest};
use crate::data::schema::Schema;
use crate::data::sort;
use crate::history::changelog::{Changelog, HistoryError, Log};
use crate::history::entry::{Entry, Summary};
use crate::history::state::State;
use crate::series::RowsError;
use crate::series::encode::TARGET_ROWS;
use crate::series::read::{Query, Rows};
use crate::series::select::{Select, SelectError};
use crate::store::{Store, StoreError};
use merged::Union;
use parking_lot::Mutex;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use tags::Tags;

/// What a collection needs of its repository.
#[derive(Debug, Clone)]
pub struct Context {
    /// Bytes.
    pub store: Arc<Store>,
    /// The time of new revisions.
    pub clock: Arc<dyn Clock>,
    /// `user@host`, noted in new revisions.
    pub author: String,
    /// Where large inputs are spooled.
    pub spool: PathBuf,
    /// Bytes of input kept in memory before it is spooled.
    pub spool_limit: usize,
    /// Rows of a full segment.
    pub segment_rows: usize,
}

impl Context {
    /// Defaults around a store and a clock: nobody writes, spools go to the system's temporary folder.
    #[must_use]
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>) -> Context {
        Context {
            store,
            clock,
            author: String::new(),
            spool: std::env::temp_dir(),
            spool_limit: sort::MEMORY,
            segment_rows: TARGET_ROWS,
        }
    }
}

/// A failed operation on a collection.
#[derive(Debug, thiserror::Error)]
pub enum CollectionError {
    /// Versions could not be read or written.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Rows could not be read or written.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// A time that no revision can have.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// Rows or columns that cannot be asked for.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// A label that cannot be.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// Columns that cannot be altered so.
    #[error(transparent)]
    Alter(#[from] AlterError),
    /// A series that does not exist.
    #[error("there is no series {label:?} in {collection}{}", hint(.closest.as_deref()))]
    NoSeries {
        /// The collection's label.
        collection: String,
        /// What was asked for.
        label: String,
        /// The label most like it.
        closest: Option<String>,
    },
    /// A prefix of several labels.
    #[error("{label:?} could be {}", .candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        label: String,
        /// Some labels that start so.
        candidates: Vec<String>,
    },
    /// A series that must not exist yet.
    #[error("series {0:?} exists already")]
    Exists(String),
    /// A revision that does not exist.
    #[error("there is no revision {0:?} in {1}")]
    NoRevision(String, String),
    /// A time that has not come.
    #[error(
        "{} has not come yet; a revision whose digest starts so is named by `@` and those digits",
        crate::clock::iso(*.0)
    )]
    Future(u64),
    /// A name that is neither a revision nor a tag.
    #[error("there is no revision and no tag {name:?} in {collection}{}", hint(.closest.as_deref()))]
    NoTag {
        /// What was asked for.
        name: String,
        /// The collection's label.
        collection: String,
        /// The tag most like it.
        closest: Option<String>,
    },
    /// A name that no tag may have.
    #[error(
        "{0:?} cannot be a tag: it is empty, too long, or reads as a time, a digest, `~n`, `@digits`, `a..b`, an option or `latest`; one such as `v1` or `end-2020-09` can be"
    )]
    NotATag(String),
    /// A tag that names another revision already.
    #[error("tag {name:?} of {collection} names revision {revision} already; --force moves it")]
    Tagged {
        /// The tag.
        name: String,
        /// The collection's label.
        collection: String,
        /// What it names.
        revision: String,
    },
    /// A tag of a revision that was trimmed.
    #[error("tag {name:?} cannot name revision {stamp}: that was trimmed, or its file is lost")]
    TagLost {
        /// The tag.
        name: String,
        /// The revision.
        stamp: Stamp,
    },
    /// A revision of before the collection.
    #[error("{collection} has no revision before {}", crate::clock::iso(*.time))]
    NothingBefore {
        /// The collection's label.
        collection: String,
        /// The time asked for.
        time: u64,
    },
    /// A changelog without revisions.
    #[error("collection {0} has no revisions")]
    Empty(String),
    /// A revision that cannot be taken back because later ones touched what it changed.
    #[error("revision {stamp} cannot be undone: {why}", stamp = .0, why = .1.join("; "))]
    Touched(Stamp, Vec<String>),
    /// A revision that cannot be taken back whatever came later.
    #[error("revision {0} cannot be undone: {1}")]
    NotUndoable(Stamp, &'static str),
}

impl CollectionError {
    /// As [`HistoryError::is_unmergeable`].
    #[must_use]
    pub const fn is_unmergeable(&self) -> bool {
        matches!(self, CollectionError::History(error) if error.is_unmergeable())
    }
}

impl From<StoreError> for CollectionError {
    fn from(error: StoreError) -> CollectionError {
        CollectionError::History(HistoryError::Store(error))
    }
}

/// `; did you mean "x"?`, or nothing.
#[must_use]
pub fn hint(closest: Option<&str>) -> String {
    closest.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default()
}

/// Which state of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum At {
    /// The newest.
    #[default]
    Newest,
    /// That of a revision.
    Revision(Stamp),
    /// That of the revisions with a time below this one, in milliseconds since 1970-01-01 UTC.
    Before(u64),
}

/// A state, and the revision that holds it.
#[derive(Debug, Clone)]
pub struct Moment {
    /// The revision. Of several heads: the one that their merge is, or will be when somebody writes it.
    pub stamp: Stamp,
    /// What it is the merge of, where nobody has written it yet: two revisions at least, or none.
    pub heads: Vec<Stamp>,
    /// Whether one of those has other columns.
    pub recolumned: bool,
    /// The state.
    pub state: State,
}

impl Moment {
    /// The revisions that make the state.
    #[must_use]
    pub fn held_by(&self) -> &[Stamp] {
        if self.heads.is_empty() { std::slice::from_ref(&self.stamp) } else { &self.heads }
    }

    /// The revision that is the state; none while several heads make it.
    #[must_use]
    pub fn written(&self) -> Option<Stamp> {
        self.heads.is_empty().then_some(self.stamp)
    }
}

/// Several heads, and the plan of their merge.
type Planned = (Vec<Stamp>, Arc<Union>);

/// A collection of a repository.
///
/// ```
/// use arrow_array::cast::AsArray;
/// use arrow_array::types::Float64Type;
/// use arrow_array::{ArrayRef, Date32Array, Float64Array, RecordBatch};
/// use lakota::clock::iso;
/// use lakota::collection::{At, Filter};
/// use lakota::data::schema::Schema;
/// use lakota::repo::{Options, Repo};
/// use lakota::series::read::Query;
/// use lakota::series::select::Select;
/// use std::sync::Arc;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let repo = Repo::create(folder.path(), Options::default())?;
/// let temp = repo.create_collection("temp", &Schema::parse(["day date*", "value float"])?)?;
/// let days: ArrayRef = Arc::new(Date32Array::from(vec![18_435, 18_436]));
/// let values: ArrayRef = Arc::new(Float64Array::from(vec![25.0, 24.0]));
/// let rows = RecordBatch::try_from_iter([("day", days), ("value", values)])?;
///
/// // Any number of series, one revision; on disk when `commit` returns.
/// let mut batch = temp.batch("first readings")?;
/// batch.overlay("bxl", &rows)?;
/// let first = batch.commit()?.ok_or("nothing changed")?;
///
/// // Writing the same again changes nothing.
/// let mut batch = temp.batch("again")?;
/// batch.overlay("bxl", &rows)?;
/// assert_eq!(batch.commit()?, None);
///
/// // Rows that do not fit are refused, whole, and the reason is told.
/// let wrong = RecordBatch::try_from_iter([("day", Arc::clone(rows.column(0)))])?;
/// let refused = temp.batch("a mistake")?.overlay("bxl", &wrong).unwrap_err();
/// assert!(refused.to_string().starts_with("column value: column missing"), "{refused}");
///
/// // The last row, as of that revision.
/// let query = Query { tail: Some(1), ..Query::default() };
/// let last = temp.read("bxl", At::Revision(first), &query)?.collect_frame()?;
/// assert_eq!(last.column(1).as_primitive::<Float64Type>().value(0), 24.0);
///
/// // A correction; then the history, and the rows as they were at a time: any that `lakota read --revision` takes.
/// let one: ArrayRef = Arc::new(Date32Array::from(vec![18_436]));
/// let value: ArrayRef = Arc::new(Float64Array::from(vec![24.5]));
/// let mut batch = temp.batch("a correction")?;
/// batch.overlay("bxl", &RecordBatch::try_from_iter([("day", one), ("value", value)])?)?;
/// batch.commit()?;
/// let revisions = temp.revisions(&Filter::default())?;
/// assert_eq!(revisions[0].1.note.message, "a correction");
/// let then = temp.at(&iso(first.time), None)?;
/// let wanted = Select::default().start(["2020-06-23"]).columns(["value"]);
/// let value = |at| -> Result<f64, lakota::collection::CollectionError> {
///     let rows = temp.select("bxl", at, &wanted)?.collect_frame()?;
///     Ok(rows.column(0).as_primitive::<Float64Type>().value(0))
/// };
/// assert_eq!((value(then)?, value(At::Newest)?), (24.0, 24.5));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Collection {
    label: String,
    context: Context,
    changelog: Arc<Changelog>,
    merged: Arc<Mutex<Option<Planned>>>,
    /// Where its tags are looked up.
    tags: Option<Arc<Tags>>,
}

impl Collection {
    /// The collection whose revisions `changelog` holds.
    #[must_use]
    pub fn new(label: String, context: Context, changelog: Changelog) -> Collection {
        let changelog = Arc::new(changelog.named(&label));
        Collection { label, context, changelog, merged: Arc::default(), tags: None }
    }

    /// The same collection, what is known of it shared, for writes by another author.
    #[must_use]
    pub fn by(&self, author: &str) -> Collection {
        Collection {
            label: self.label.clone(),
            context: Context { author: author.to_owned(), ..self.context.clone() },
            changelog: Arc::clone(&self.changelog),
            merged: Arc::clone(&self.merged),
            tags: self.tags.clone(),
        }
    }

    /// Its label.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Its revisions' files.
    #[must_use]
    pub fn changelog(&self) -> &Changelog {
        &self.changelog
    }

    /// What it shares with its repository.
    #[must_use]
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// The state of a moment. Several heads give their merge.
    pub fn state(&self, at: At) -> Result<State, CollectionError> {
        Ok(self.moment(&*self.changelog.log()?, at)?.state)
    }

    /// As [`Collection::state`], of the revisions that `log` knows, and with the revision that holds it.
    pub fn moment(&self, log: &Log, at: At) -> Result<Moment, CollectionError> {
        let heads = self.heads(log, at)?;
        match heads.as_slice() {
            [one] => {
                let state = self.changelog.read(log, *one)?.state.clone();
                Ok(Moment { stamp: *one, heads: Vec::new(), recolumned: false, state })
            }
            several => {
                let union = self.union(log, several)?;
                let (merged, recolumned) = (union.merged()?, union.is_recolumned());
                Ok(Moment { stamp: merged.stamp(), heads, recolumned, state: merged.state() })
            }
        }
    }

    /// The revisions that make the state of a moment: at least one.
    fn heads(&self, log: &Log, at: At) -> Result<Vec<Stamp>, CollectionError> {
        let heads = match at {
            At::Newest => self.changelog.heads(log)?,
            At::Revision(stamp) => vec![stamp],
            At::Before(time) if time < log.horizon.time || !log.knows_before(time) => {
                return Err(HistoryError::Trimmed(log.horizon.time).into());
            }
            At::Before(time) => log.heads_before(time),
        };
        match (heads.is_empty(), at) {
            (true, At::Before(time)) => match (log.missing().next(), log.stamps().next()) {
                // What lies behind the gap may be older, and was left out by the copy that made it.
                (Some(_), Some(oldest)) => Err(HistoryError::Trimmed(oldest.time).into()),
                _ => Err(CollectionError::NothingBefore { collection: self.label.clone(), time }),
            },
            (true, _) => Err(CollectionError::Empty(self.label.clone())),
            (false, _) => Ok(heads),
        }
    }

    /// Several heads and the plan of their merge, made once.
    fn union(&self, log: &Log, heads: &[Stamp]) -> Result<Arc<Union>, CollectionError> {
        if let Some((of, union)) = self.merged.lock().as_ref()
            && of == heads
        {
            return Ok(Arc::clone(union));
        }
        let union = Arc::new(Union::of(&self.changelog, log, heads)?);
        *self.merged.lock() = Some((heads.to_vec(), Arc::clone(&union)));
        Ok(union)
    }

    /// The newest columns.
    pub fn schema(&self) -> Result<Arc<Schema>, CollectionError> {
        Ok(self.state(At::Newest)?.schema)
    }

    /// All series, by label: what `ls` shows.
    pub fn list(&self, at: At) -> Result<Vec<Summary>, CollectionError> {
        let mut out = Vec::new();
        self.state(at)?.list("", |summary| {
            out.push(summary);
            ControlFlow::Continue(())
        })?;
        Ok(out)
    }

    /// The series of a state under a label, or under the one label that starts so.
    pub fn find(&self, state: &State, label: &str) -> Result<Entry, CollectionError> {
        if let Some(entry) = state.entry(label)? {
            return Ok(entry);
        }
        let mut candidates = Vec::new();
        if !label.is_empty() {
            state.list(label, |summary| {
                candidates.push(summary.label);
                if candidates.len() > 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
        }
        if let [one] = candidates.as_slice()
            && let Some(entry) = state.entry(one)?
        {
            return Ok(entry);
        }
        if !candidates.is_empty() {
            return Err(CollectionError::Ambiguous { label: label.to_owned(), candidates });
        }
        Err(self.no_series(state, label)?)
    }

    fn no_series(&self, state: &State, label: &str) -> Result<CollectionError, CollectionError> {
        let mut labels = Vec::new();
        state.list("", |summary| {
            labels.push(summary.label);
            if labels.len() < 10_000 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let closest = closest(label, labels.iter().map(String::as_str)).map(str::to_owned);
        Ok(CollectionError::NoSeries { collection: self.label.clone(), label: label.to_owned(), closest })
    }

    /// Rows of a series, at a moment.
    pub fn read(&self, label: &str, at: At, query: &Query) -> Result<Rows, CollectionError> {
        let log = self.changelog.log()?;
        let heads = self.heads(&log, at)?;
        if heads.len() > 1 {
            let union = self.union(&log, &heads)?;
            if let Some(pieces) = union.pieces(label)? {
                let State { view, schema, .. } = union.base();
                return Ok(Rows::open_pieces(view, schema, &pieces, query)?);
            }
        }
        let state = self.moment(&log, at)?.state;
        let entry = self.find(&state, label)?;
        Ok(Rows::open(state.view, state.schema, &entry.segments, query)?)
    }

    /// Rows of a series at a moment, as text asks for them: in the terms of the columns that there were.
    pub fn select(&self, label: &str, at: At, wanted: &Select) -> Result<Rows, CollectionError> {
        let state = self.state(at)?;
        let entry = self.find(&state, label)?;
        let query = wanted.query(&state.schema)?;
        Ok(Rows::open(state.view, state.schema, &entry.segments, &query)?)
    }

    /// Starts a batch of writes on the newest state: one revision, or nothing.
    ///
    /// Several heads are merged first, durably.
    pub fn batch(&self, message: &str) -> Result<Batch<'_>, CollectionError> {
        Batch::new(self, message)
    }

    /// Starts a batch of writes on an earlier state: its revision is a second head beside the newest, later than
    /// all that are known when it is put, so that of rows both changed it has the last word.
    ///
    /// `base` is a revision, or the merge of `heads`, which may not be written yet: then it is written first,
    /// durably. Fails with [`HistoryError::Gone`] of `base` where it was trimmed.
    pub fn batch_on(
        &self,
        base: Stamp,
        heads: &[Stamp],
        message: &str,
    ) -> Result<Batch<'_>, CollectionError> {
        Batch::on_earlier(self, base, heads, message)
    }
}
