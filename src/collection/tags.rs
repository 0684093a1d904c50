//! Tags: names that people give to revisions.
//!
//! They are a collection of their own, at the digest of ones: a series for each tag, a row for each collection it is
//! in, keyed by a changelog folder of that. So tags survive renames, and tagging in two places merges like all
//! writes. Series are never dropped: a drop would take along what others tag meanwhile. What a tag names is never
//! trimmed; whoever trims reads the tags again when its horizon is put, whoever tags looks for the horizon when
//! the tag is put, so one of them sees the other.

use super::when::is_tag;
use super::{At, Batch, Collection, CollectionError, Context};
use crate::clock::Stamp;
use crate::data::schema::Schema;
use crate::data::sort::Sorted;
use crate::digest::Digest;
use crate::history::changelog::{Changelog, HistoryError};
use crate::history::entry::Entry;
use crate::history::state::State;
use crate::interval::Interval;
use crate::series::RowsError;
use crate::series::read::{Query, Rows};
use crate::series::write::Mode;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The changelog folder of the tags.
pub const FOLDER: Digest = Digest::from_bytes([0xff; 32]);

/// What the tags are called in messages.
const LABEL: &str = "the tags";

const COLUMNS: [&str; 3] = ["changelog str*", "time int", "digest str"];

/// The revisions that one tag names, by changelog folder.
type Named = BTreeMap<String, Stamp>;

/// All tags as they were at one moment, by name.
#[derive(Debug, Default)]
pub struct AllTags(Vec<(String, Named)>);

impl AllTags {
    /// The tags of the collection that has these changelog folders, by name.
    #[must_use]
    pub fn of(&self, folders: &[Digest]) -> Vec<(String, Stamp)> {
        let of = |(name, named): &(String, Named)| Some((name.clone(), pick(named, folders)?));
        self.0.iter().filter_map(of).collect()
    }
}

/// The tags of all collections of a repository.
#[derive(Debug)]
pub struct Tags {
    collection: Collection,
}

impl Tags {
    /// The tags of the repository whose store `context` has. They need not exist.
    #[must_use]
    pub fn new(context: Context) -> Tags {
        let changelog = Changelog::new(Arc::clone(&context.store), vec![FOLDER]);
        Tags { collection: Collection::new(LABEL.to_owned(), context, changelog) }
    }

    /// The collection they are.
    #[must_use]
    pub const fn collection(&self) -> &Collection {
        &self.collection
    }

    /// Whether anything was ever tagged.
    pub fn exist(&self) -> Result<bool, CollectionError> {
        Ok(!self.collection.changelog().log()?.is_empty())
    }

    /// The tags of the collection that has these changelog folders, by name.
    pub fn of(&self, folders: &[Digest]) -> Result<Vec<(String, Stamp)>, CollectionError> {
        Ok(self.all()?.of(folders))
    }

    /// The tags of all collections: for who asks for those of many.
    pub fn all(&self) -> Result<AllTags, CollectionError> {
        let state = match self.collection.state(At::Newest) {
            Err(CollectionError::Empty(_)) => return Ok(AllTags::default()),
            state => state?,
        };
        let mut found = Vec::new();
        for entry in state.entries()? {
            let named = rows(&state, &entry)?;
            found.push((entry.label, named));
        }
        Ok(AllTags(found))
    }

    /// Gives a name to a revision of each collection, all of them or none: one revision of the tags. Says where the
    /// name stood before.
    ///
    /// Fails where it names another revision there already, unless `force`.
    fn put(
        &self,
        name: &str,
        wanted: &[(&Collection, Option<Stamp>)],
        force: bool,
    ) -> Result<Vec<Option<Stamp>>, CollectionError> {
        let verb = if wanted.iter().all(|(_, stamp)| stamp.is_none()) { "untag" } else { "tag" };
        let mut batch = self.batch(&format!("{verb} {name}"))?;
        if let [(one, _), ..] = wanted {
            batch = batch.by(&one.context.author);
        }
        let mut named = match batch.base().entry(name)? {
            Some(entry) => rows(batch.base(), &entry)?,
            None => Named::new(),
        };
        let mut before = Vec::with_capacity(wanted.len());
        for (collection, stamp) in wanted {
            let folders = collection.changelog().folders();
            let old = pick(&named, folders);
            before.push(old);
            if let Some(there) = old.filter(|there| !force && *stamp != Some(*there)) {
                let (name, collection) = (name.to_owned(), collection.label().to_owned());
                return Err(CollectionError::Tagged { name, collection, revision: there.to_string() });
            }
            named.retain(|known, _| folders.iter().all(|folder| folder.to_string() != *known));
            if let (Some(stamp), Some(folder)) = (stamp, folders.first()) {
                named.insert(folder.to_string(), *stamp);
            }
        }
        let frame = frame(&batch.base().schema, &named).map_err(RowsError::from)?;
        let frames = if named.is_empty() { Vec::new() } else { vec![frame] };
        let sorted = Sorted::of(&batch.base().schema, frames);
        batch.write(name, &Mode::Overlay(Interval::ALL), sorted)?;
        batch.commit()?;
        Ok(before)
    }

    fn batch(&self, message: &str) -> Result<Batch<'_>, CollectionError> {
        match self.collection.batch(message) {
            Err(CollectionError::Empty(_)) => {
                let schema = Schema::parse(COLUMNS).map_err(|e| RowsError::Refused(e.to_string()))?;
                Ok(Batch::first(&self.collection, &schema, message))
            }
            batch => batch,
        }
    }

    /// Gives a name to a revision of each collection: all of them, or none. Durable on return.
    ///
    /// Fails where the name can mean something else, where a revision is not there or was trimmed, and where the name
    /// stands for another revision already, unless `force`.
    pub fn set(
        &self,
        name: &str,
        wanted: &[(&Collection, Stamp)],
        force: bool,
    ) -> Result<(), CollectionError> {
        if !is_tag(name) {
            return Err(CollectionError::NotATag(name.to_owned()));
        }
        if let Some(gone) = first_gone(wanted)? {
            return Err(HistoryError::Gone(gone).into());
        }
        let puts: Vec<_> = wanted.iter().map(|(collection, stamp)| (*collection, Some(*stamp))).collect();
        let before = self.put(name, &puts, force)?;
        // A trim that put its horizon before it could see the tag has hidden the revision: it shows by now.
        let Some(stamp) = first_gone(wanted)? else { return Ok(()) };
        let back: Vec<_> = wanted.iter().map(|(collection, _)| *collection).zip(before).collect();
        self.put(name, &back, true)?;
        Err(CollectionError::TagLost { name: name.to_owned(), stamp })
    }

    /// Takes a name from collections. Those that do not have it are none of its business; fails where none has it.
    pub fn remove(&self, name: &str, from: &[&Collection]) -> Result<usize, CollectionError> {
        let mut having = Vec::new();
        for collection in from {
            if collection.tags()?.iter().any(|(tag, _)| tag == name) {
                having.push((*collection, None));
            }
        }
        if having.is_empty() {
            let collection = match from {
                [one] => one.label().to_owned(),
                _ => "any collection".to_owned(),
            };
            return Err(CollectionError::NoTag { name: name.to_owned(), collection, closest: None });
        }
        self.put(name, &having, true)?;
        Ok(having.len())
    }
}

impl Collection {
    /// The same collection, which looks its tags up there.
    #[must_use]
    pub fn with_tags(self, tags: Arc<Tags>) -> Collection {
        Collection { tags: Some(tags), ..self }
    }

    /// Its tags by name, and the revisions they name. These may be gone where others trimmed without knowing.
    pub fn tags(&self) -> Result<Vec<(String, Stamp)>, CollectionError> {
        self.tags.as_ref().map_or_else(|| Ok(Vec::new()), |tags| tags.of(self.changelog.folders()))
    }

    /// Gives a name to a revision, as [`Tags::set`].
    pub fn tag(&self, name: &str, stamp: Stamp, force: bool) -> Result<(), CollectionError> {
        self.own_tags(name)?.set(name, &[(self, stamp)], force)
    }

    /// Takes a name away. Fails where it names nothing.
    pub fn untag(&self, name: &str) -> Result<(), CollectionError> {
        self.own_tags(name)?.remove(name, &[self]).map(|_one| ())
    }

    fn own_tags(&self, name: &str) -> Result<&Tags, CollectionError> {
        self.tags.as_deref().ok_or_else(|| CollectionError::NotATag(name.to_owned()))
    }
}

/// The first of some revisions that a horizon hides or that is not there.
fn first_gone(wanted: &[(&Collection, Stamp)]) -> Result<Option<Stamp>, CollectionError> {
    for (collection, stamp) in wanted {
        if !collection.changelog().log()?.contains(*stamp) {
            return Ok(Some(*stamp));
        }
    }
    Ok(None)
}

/// The revision named in the collection of these folders. It may have several rows, of places that each knew one of its
/// folders: the greatest stamp wins.
fn pick(named: &Named, folders: &[Digest]) -> Option<Stamp> {
    folders.iter().filter_map(|folder| named.get(&folder.to_string())).max().copied()
}

fn rows(state: &State, entry: &Entry) -> Result<Named, CollectionError> {
    let (view, schema) = (state.view.clone(), Arc::clone(&state.schema));
    let frame = Rows::open(view, schema, &entry.segments, &Query::default())?.collect_frame()?;
    let columns = match frame.columns() {
        [folders, times, digests] => folders
            .as_string_opt::<i32>()
            .zip(times.as_primitive_opt::<Int64Type>())
            .zip(digests.as_string_opt::<i32>()),
        _ => None,
    };
    let Some(((folders, times), digests)) = columns else {
        return Err(RowsError::Refused(
            "the tags are damaged: their columns are not those of tags".to_owned(),
        )
        .into());
    };
    let rows = folders.iter().zip(times.iter()).zip(digests.iter());
    Ok(rows
        .filter_map(|((folder, time), digest)| {
            let (time, digest) = (u64::try_from(time?).ok()?, Digest::from_hex(digest?)?);
            Some((folder?.to_owned(), Stamp { time, digest }))
        })
        .collect())
}

fn frame(schema: &Schema, named: &Named) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let times = named.values().map(|stamp| stamp.time.cast_signed());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(named.keys())),
        Arc::new(Int64Array::from_iter_values(times)),
        Arc::new(StringArray::from_iter_values(named.values().map(|stamp| stamp.digest.to_string()))),
    ];
    RecordBatch::try_new(Arc::clone(schema.arrow()), columns)
}
