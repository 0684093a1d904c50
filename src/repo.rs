//! A repository: collections on one backend, named in a registry.
//!
//! The registry is a collection itself, at the zero digest: its series are the labels of collections, its rows the
//! changelog folders of each. So concurrent creations, renames and deletions merge like any other writes.

mod folders;
mod format;
mod named;
mod remotes;

pub use folders::{Adopted, Names, OnDisk};
pub use format::{FORMAT, is_own_file};
pub use named::Named;
pub use remotes::{REMOTES, RemoteError};

use crate::backend::local::LocalBackend;
use crate::backend::{Backend, BackendError};
use crate::clock::{Clock, SystemClock};
use crate::collection::tags::Tags;
use crate::collection::{At, Batch, Collection, CollectionError, Context, Past, hint};
use crate::data::label;
use crate::data::schema::{Schema, SchemaError};
use crate::digest::Digest;
use crate::history::changelog::{Changelog, HistoryError};
use crate::interval::Interval;
use crate::store::Store;
use folders::CREATE;
use format::FORMAT_FILE;
use named::{folders_of, name_folders};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The registry's name in messages.
const REGISTRY: &str = "the registry";

/// How a repository is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether a write is on disk when it returns. Off is for bulk loads that can be repeated.
    pub durable: bool,
    /// The time of new revisions.
    pub clock: Arc<dyn Clock>,
    /// `user@host`, noted in new revisions.
    pub author: String,
    /// Rows of a full segment; none: the default.
    pub segment_rows: Option<usize>,
    /// Where large inputs are spooled; none: the system's temporary folder.
    pub spool: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            durable: true,
            clock: Arc::new(SystemClock),
            author: String::new(),
            segment_rows: None,
            spool: None,
        }
    }
}

/// A failed operation on a repository.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A collection failed.
    #[error(transparent)]
    Collection(#[from] CollectionError),
    /// A schema that cannot be.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A place without a repository.
    #[error("{0} is not a lakota repository; `lakota create` makes one")]
    NotARepo(String),
    /// A folder of other things, where a repository was to be made.
    #[error("{0} holds other files and is no lakota repository: choose a new or empty folder")]
    NotEmpty(String),
    /// A repository of a newer program.
    #[error(
        "{place} has format {found}, this program knows format {FORMAT}: use a newer lakota. If no newer one was used there, its file `format` is damaged and must hold the line \"lakota repository, format {FORMAT}\""
    )]
    Newer {
        /// Where it is.
        place: String,
        /// What its format file says.
        found: String,
    },
    /// A repository whose file `format` is lost or damaged.
    #[error(
        "the file `format` of the repository {place} {what}: `lakota verify --repair-from REMOTE` mends it, or write the line \"lakota repository, format {FORMAT}\" into it"
    )]
    Format {
        /// Where it is.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// A collection that does not exist.
    #[error("there is no collection {label:?}{}", hint(.closest.as_deref()))]
    NoCollection {
        /// What was asked for.
        label: String,
        /// The label most like it.
        closest: Option<String>,
    },
    /// A collection that must not exist yet.
    #[error("collection {0:?} exists already")]
    Exists(String),
    /// A collection that has another label now.
    #[error("collection {from} is {to} now")]
    Renamed {
        /// The label it had.
        from: String,
        /// The one it has.
        to: String,
    },
    /// A collection that exists with other columns.
    #[error("collection {label:?} exists with another schema: {}", list(.schema))]
    OtherSchema {
        /// Its label.
        label: String,
        /// Its schema.
        schema: Schema,
    },
    /// A registry that names no changelog.
    #[error("collection {0:?} is damaged: the registry has no changelog for it")]
    NoChangelog(String),
    /// A folder that is not there, or that the registry names.
    #[error(
        "there is no changelog folder {0}… that the registry does not name; `lakota verify` lists those there are"
    )]
    NoFolder(String),
}

fn list(schema: &Schema) -> String {
    schema.columns().iter().map(|c| format!("\"{c}\"")).collect::<Vec<_>>().join(" ")
}

impl From<HistoryError> for RepoError {
    fn from(error: HistoryError) -> RepoError {
        RepoError::Collection(CollectionError::History(error))
    }
}

/// An open repository.
///
/// ```
/// use lakota::repo::{Options, Repo};
/// use lakota::data::schema::Schema;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let repo = Repo::create(folder.path(), Options::default())?;
/// let schema = Schema::parse(["timestamp timestamp*", "value float"])?;
/// let temp = repo.create_collection("temp", &schema)?;
/// assert_eq!(repo.collections()?, ["temp"]);
/// assert_eq!(*temp.schema()?, schema);
///
/// // Another process opens what is there; what is not there says so.
/// let repo = Repo::open(folder.path(), Options { author: "ann@lab".into(), ..Options::default() })?;
/// let missing = repo.collection("tmp").unwrap_err();
/// assert_eq!(missing.to_string(), "there is no collection \"tmp\"; did you mean \"temp\"?");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Repo {
    context: Context,
    registry: Collection,
    tags: Arc<Tags>,
}

impl Repo {
    /// Opens the repository in a local folder. Fails where there is none, or one of a newer format.
    pub fn open(path: &Path, options: Options) -> Result<Repo, RepoError> {
        let place = path.display().to_string();
        let backend = match LocalBackend::open(path, options.durable) {
            Err(e) if e.is_not_found() => return Err(RepoError::NotARepo(place)),
            other => other?,
        };
        Repo::on(Arc::new(backend), &place, options)
    }

    /// Opens the repository in a local folder, or makes one where there is none.
    ///
    /// Fails where the folder holds other things.
    pub fn create(path: &Path, options: Options) -> Result<Repo, RepoError> {
        let place = path.display().to_string();
        let empty = match std::fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_none(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => true,
            Err(e) => return Err(BackendError::new("list", &place, e).into()),
        };
        if !empty && !path.join("00").is_dir() {
            return match Repo::open(path, options) {
                Err(RepoError::NotARepo(place)) => Err(RepoError::NotEmpty(place)),
                done => done,
            };
        }
        if !path.join(FORMAT_FILE).exists() {
            // The file last of all that is needed.
            format::put(&LocalBackend::create(path)?)?;
        }
        Repo::open(path, options)
    }

    /// Makes a repository on any empty backend, or opens the one that is there.
    pub fn create_on(backend: Arc<dyn Backend>, options: Options) -> Result<Repo, RepoError> {
        if backend.len(FORMAT_FILE)?.is_none() {
            format::put(backend.as_ref())?;
        }
        Repo::on(backend, "the backend", options)
    }

    /// The store that all its collections share.
    #[must_use]
    pub const fn store(&self) -> &Arc<Store> {
        &self.context.store
    }

    /// Opens the repository on a backend; `place` names it in messages.
    pub fn on(backend: Arc<dyn Backend>, place: &str, options: Options) -> Result<Repo, RepoError> {
        format::check(backend.as_ref(), place)?;
        Ok(Repo::assume(backend, options))
    }

    /// Opens what is a repository, whatever its `format` says.
    fn assume(backend: Arc<dyn Backend>, options: Options) -> Repo {
        let mut context = Context::new(Arc::new(Store::new(backend)), options.clock);
        context.author = options.author;
        context.segment_rows = options.segment_rows.unwrap_or(context.segment_rows);
        context.spool = options.spool.unwrap_or(context.spool);
        let changelog = Changelog::new(Arc::clone(&context.store), vec![Digest::ZERO]);
        let registry = Collection::new(REGISTRY.to_owned(), context.clone(), changelog);
        let tags = Arc::new(Tags::new(context.clone()));
        Repo { context, registry, tags }
    }

    /// The same repository, its store and what is known of its registry shared, for writes by another author.
    #[must_use]
    pub fn by(&self, author: &str) -> Repo {
        let registry = self.registry.by(author);
        Repo { context: registry.context().clone(), registry, tags: Arc::clone(&self.tags) }
    }

    /// What all collections share.
    #[must_use]
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// The collection of collections.
    #[must_use]
    pub const fn registry(&self) -> &Collection {
        &self.registry
    }

    /// The tags of all collections: a collection of its own, empty until something is tagged.
    #[must_use]
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// The collection whose revisions lie in these changelog folders.
    fn open_folders(&self, label: String, folders: Vec<Digest>) -> Collection {
        let changelog = Changelog::new(Arc::clone(&self.context.store), folders);
        Collection::new(label, self.context.clone(), changelog).with_tags(Arc::clone(&self.tags))
    }

    /// The labels of all collections, sorted.
    pub fn collections(&self) -> Result<Vec<String>, RepoError> {
        match self.registry.list(At::Newest) {
            Err(CollectionError::Empty(_)) => Ok(Vec::new()),
            list => Ok(list?.into_iter().map(|summary| summary.label).collect()),
        }
    }

    /// Opens a collection by its label, or by the first letters of it if no other starts so.
    pub fn collection(&self, label: &str) -> Result<Collection, RepoError> {
        self.find(label)?.ok_or_else(|| self.no_collection(label))
    }

    /// The error of a collection that is not there.
    #[must_use]
    pub fn missing(&self, label: &str) -> RepoError {
        self.no_collection(label)
    }

    fn no_collection(&self, label: &str) -> RepoError {
        // Only for the hint: the error is that of the collection.
        let labels = self.collections().unwrap_or_default();
        let closest = label::closest(label, labels.iter().map(String::as_str)).map(str::to_owned);
        RepoError::NoCollection { label: label.to_owned(), closest }
    }

    fn find(&self, label: &str) -> Result<Option<Collection>, RepoError> {
        let state = match self.registry.state(At::Newest) {
            Err(CollectionError::Empty(_)) => return Ok(None),
            state => state?,
        };
        let entry = match self.registry.find(&state, label) {
            Err(CollectionError::NoSeries { .. }) => return Ok(None),
            entry => entry?,
        };
        let folders = folders_of(&state, &entry)?;
        if folders.is_empty() {
            return Err(RepoError::NoChangelog(entry.label));
        }
        Ok(Some(self.open_folders(entry.label, folders)))
    }

    /// Creates a collection. One that exists with an equal schema is opened.
    pub fn create_collection(&self, label: &str, schema: &Schema) -> Result<Collection, RepoError> {
        label::check(label).map_err(CollectionError::from)?;
        if self.collections()?.iter().any(|l| l == label)
            && let Some(found) = self.find(label)?
        {
            let there = found.schema()?;
            if *there == *schema {
                found.changelog().settle()?;
                return Ok(found);
            }
            return Err(RepoError::OtherSchema { label: label.to_owned(), schema: Schema::clone(&there) });
        }
        let folder = self.new_folder(label);
        let collection = self.open_folders(label.to_owned(), vec![folder]);
        Batch::first(&collection, schema, &format!("{CREATE}{label}")).commit()?;
        // The registry last: it must never name a changelog that is not there.
        let mut batch = self.registry_batch(&format!("create {label}"))?;
        name_folders(&mut batch, label, &[folder])?;
        batch.commit()?;
        Ok(collection)
    }

    fn registry_batch(&self, message: &str) -> Result<Batch<'_>, RepoError> {
        match self.registry.batch(message) {
            Err(CollectionError::Empty(_)) => {
                Ok(Batch::first(&self.registry, &Schema::parse(["changelog str*"])?, message))
            }
            batch => Ok(batch?),
        }
    }

    /// A changelog folder nobody has: random, so that collections of one label created in two places differ.
    fn new_folder(&self, label: &str) -> Digest {
        let random = || RandomState::new().build_hasher().finish().to_le_bytes();
        let now = self.context.clock.now().to_le_bytes();
        Digest::of(&[&random()[..], &random()[..], &now[..], label.as_bytes()].concat())
    }

    /// Renames a collection. Fails where the new label is taken.
    pub fn rename_collection(&self, from: &str, to: &str) -> Result<(), RepoError> {
        self.must_exist(from)?;
        let mut batch = self.registry_batch(&format!("rename {from} to {to}"))?;
        match batch.rename(from, to) {
            Err(CollectionError::Exists(label)) => return Err(RepoError::Exists(label)),
            done => done?,
        }
        batch.commit()?;
        Ok(())
    }

    /// Deletes a collection: from the registry, until its revision is trimmed and gc runs.
    pub fn delete_collection(&self, label: &str) -> Result<(), RepoError> {
        self.must_exist(label)?;
        let mut batch = self.registry_batch(&format!("delete {label}"))?;
        batch.drop_series(label)?;
        batch.commit()?;
        Ok(())
    }

    /// Brings back a collection that was deleted, as it was then. Fails where there is one of that label, and where it
    /// lives on under another.
    pub fn restore_collection(&self, label: &str) -> Result<Collection, RepoError> {
        if self.collections()?.iter().any(|l| l == label) {
            return Err(RepoError::Exists(label.to_owned()));
        }
        let Some((stamp, state, entry)) = self.registry.last_with(label)? else {
            return Err(self.no_collection(label));
        };
        let mut batch = self.registry_batch(&format!("restore {label}"))?;
        if let Some(now) = batch.base().entry_of(entry.id, label).map_err(CollectionError::from)? {
            return Err(RepoError::Renamed { from: label.to_owned(), to: now.label });
        }
        let past = Past { state: &state, entry: Some(&entry), held_by: &[stamp] };
        batch.restore(label, past, &[Interval::ALL])?;
        batch.commit()?;
        self.collection(label)
    }

    fn must_exist(&self, label: &str) -> Result<(), RepoError> {
        if self.collections()?.iter().any(|l| l == label) { Ok(()) } else { Err(self.no_collection(label)) }
    }
}
