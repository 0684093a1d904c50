//! The two ends of a comparison: a state of a collection here or in another repository, or a file of rows.
//!
//! A file becomes a series of a repository in memory, so that all ends are compared the same way.

use super::args::Place;
use super::exit::Usage;
use super::input::{How, Source};
use super::remote;
use super::session::Session;
use crate::backend::memory::MemoryBackend;
use crate::clock::Stamp;
use crate::collection::{At, Collection, CollectionError, Filter, OneSeries};
use crate::data::csv::Header;
use crate::data::schema::Schema;
use crate::history::entry::{Entry, SeriesId};
use crate::history::outline::Outline;
use crate::history::state::{Pair, State};
use crate::interval::Interval;
use crate::repo::{Options, Repo};
use crate::series::write::Mode;
use crate::store::View;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// One end.
#[derive(Debug)]
pub(crate) struct End {
    /// What it is called in the output.
    pub(crate) name: String,
    pub(crate) state: State,
    /// The revision, where it is one of this repository.
    stamp: Option<Stamp>,
    /// Whether its series are those of the other end, by their ids.
    kin: Kin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kin {
    /// Another state of the same collection.
    Id,
    /// Another repository: series of one label are the same.
    Label,
    /// A file: its only series is meant.
    File,
}

impl End {
    /// Whether it is a file of rows.
    pub(crate) fn is_file(&self) -> bool {
        self.kin == Kin::File
    }
}

/// Both ends.
#[derive(Debug)]
pub(crate) struct Whole {
    label: String,
    series: Option<String>,
    pub(crate) old: End,
    pub(crate) new: End,
}

/// A series at both ends.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) old: Option<Entry>,
    pub(crate) new: Option<Entry>,
}

impl Compared {
    /// The newer label.
    pub(crate) fn label(&self) -> &str {
        self.new.as_ref().or(self.old.as_ref()).map_or("", |entry| entry.label.as_str())
    }
}

/// The label of the series that a file becomes.
const OF_FILE: &str = "file";

/// What the ends are called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    /// A and B, as far as they are given.
    pub(crate) names: &'a [String],
    /// Another repository, which is A.
    pub(crate) with: Option<&'a str>,
    /// Whether a file of CSV has a header line.
    pub(crate) header: Header,
}

impl Whole {
    /// Opens both ends of `place`.
    pub(crate) fn open(session: &Session, place: &Place, named: Named<'_>) -> Result<Whole> {
        let repo = session.repo()?;
        let collection = repo.collection(&place.collection)?;
        let newest = end(&collection, "newest", At::Newest)?;
        let id = match &place.series {
            Some(label) => match collection.find(&newest.state, label) {
                Ok(entry) => Some(entry.id),
                Err(CollectionError::NoSeries { .. }) => None,
                Err(e) => return Err(e.into()),
            },
            None => None,
        };
        let (schema, header) = (Arc::clone(&newest.state.schema), named.header);
        let ends = Ends { collection: &collection, schema, place, id, header };
        let (mut old, new) = match (named.with, named.names) {
            (None, []) => ends.newest_change(newest)?,
            (None, [a]) => (ends.named(a)?, newest),
            (None, [a, b, ..]) => (ends.named(a)?, ends.named(b)?),
            (Some(other), []) => (ends.other(session, &repo, other)?, newest),
            (Some(other), [b, ..]) => (ends.other(session, &repo, other)?, ends.named(b)?),
        };
        align(&collection, &mut old, &new)?;
        Ok(Whole { label: collection.label().to_owned(), series: place.series.clone(), old, new })
    }

    /// Whether an end is a file, whose series has no label of its own.
    pub(crate) fn has_file(&self) -> bool {
        self.old.is_file() || self.new.is_file()
    }

    /// Whether all series are compared.
    pub(crate) const fn is_collection(&self) -> bool {
        self.series.is_none()
    }

    /// The collection's label.
    pub(crate) fn collection(&self) -> &str {
        &self.label
    }

    /// A series at both ends; at one at least.
    pub(crate) fn series(&self, label: &str) -> Result<Compared> {
        let find = |end: &End| -> Result<Option<Entry>, CollectionError> {
            if end.kin == Kin::File {
                return Ok(end.state.entry(OF_FILE)?);
            }
            prefixed(&end.state, label)
        };
        let (mut old, mut new) = (find(&self.old)?, find(&self.new)?);
        // By what it is: it may have had another label.
        if self.old.kin == Kin::Id && self.new.kin == Kin::Id {
            if let Some(entry) = &new {
                old = self.old.state.entry_of(entry.id, label).map_err(CollectionError::from)?;
            } else if let Some(entry) = &old {
                new = self.new.state.entry_of(entry.id, label).map_err(CollectionError::from)?;
            }
        }
        // A file has no label of its own.
        let shown = [(&old, &self.old), (&new, &self.new)].into_iter().find(|(_, end)| !end.is_file());
        let shown =
            shown.and_then(|(entry, _)| entry.as_ref()).map_or(label, |entry| &entry.label).to_owned();
        for (entry, _) in
            [(&mut old, &self.old), (&mut new, &self.new)].into_iter().filter(|(_, end)| end.is_file())
        {
            entry.iter_mut().for_each(|entry| entry.label.clone_from(&shown));
        }
        if old.is_none() && new.is_none() {
            let (collection, label) = (self.label.clone(), label.to_owned());
            return Err(CollectionError::NoSeries { collection, label, closest: None }.into());
        }
        Ok(Compared { old, new })
    }

    /// All series that differ.
    pub(crate) fn pairs(&self) -> Result<Vec<Compared>> {
        let mut pairs = self.old.state.differing(&self.new.state).map_err(CollectionError::from)?;
        if self.old.kin == Kin::Label {
            pairs = by_label(pairs);
        }
        Ok(pairs.into_iter().map(|(old, new)| Compared { old, new }).collect())
    }
}

/// Joins series of one label that have other ids.
fn by_label(pairs: Vec<Pair>) -> Vec<Pair> {
    let mut joined: BTreeMap<String, Pair> = BTreeMap::new();
    for (old, new) in pairs {
        if let Some(entry) = old {
            joined.entry(entry.label.clone()).or_default().0.replace(entry);
        }
        if let Some(entry) = new {
            joined.entry(entry.label.clone()).or_default().1.replace(entry);
        }
    }
    joined.into_values().collect()
}

/// The series of a label, or of the one label that starts so.
fn prefixed(state: &State, label: &str) -> Result<Option<Entry>, CollectionError> {
    if let Some(entry) = state.entry(label)? {
        return Ok(Some(entry));
    }
    let mut found = Vec::new();
    state.list(label, |summary| {
        found.push(summary.label);
        if found.len() > 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    match found.as_slice() {
        [one] => Ok(state.entry(one)?),
        _ => Ok(None),
    }
}

/// Gives columns that were renamed between two revisions of a collection one name, that of `new`: they are the same.
fn align(collection: &Collection, old: &mut End, new: &End) -> Result<()> {
    let (Some(from), Some(to)) = (old.stamp, new.stamp) else { return Ok(()) };
    if old.state.schema == new.state.schema {
        return Ok(());
    }
    // Either of the two may follow the other.
    let same: Vec<(usize, usize)> = match collection.columns_since(from, to)? {
        Some(mapping) => mapping.kept().collect(),
        None => match collection.columns_since(to, from)? {
            Some(mapping) => mapping.kept().map(|(new, old)| (old, new)).collect(),
            None => return Ok(()),
        },
    };
    let mut columns = old.state.schema.columns().to_vec();
    for (old, named) in same {
        columns[old].name.clone_from(&new.state.schema.columns()[named].name);
    }
    // Another column may have the name meanwhile: then they are told apart as they are.
    if let Ok(schema) = Schema::new(columns) {
        old.state.schema = Arc::new(schema);
    }
    Ok(())
}

/// A state of a collection of this repository.
fn end(collection: &Collection, name: &str, at: At) -> Result<End> {
    let moment = collection.moment(&*collection.changelog().log()?, at)?;
    let stamp = moment.written();
    Ok(End { name: name.to_owned(), state: moment.state, stamp, kin: Kin::Id })
}

/// Where ends come from.
struct Ends<'a> {
    collection: &'a Collection,
    schema: Arc<Schema>,
    place: &'a Place,
    id: Option<SeriesId>,
    header: Header,
}

impl Ends<'_> {
    /// What a name means: a revision, else a file.
    fn named(&self, name: &str) -> Result<End> {
        match self.collection.at(name, self.id) {
            Ok(at) => end(self.collection, name, at),
            Err(_) if name == "-" || Path::new(name).exists() => self.file(name),
            Err(e) => Err(e).with_context(|| format!("{name:?} is no file and no revision")),
        }
    }

    fn file(&self, name: &str) -> Result<End> {
        if self.place.series.is_none() {
            return Err(Usage::of("diff", "a file is compared with COLLECTION/SERIES").into());
        }
        let options =
            Options { segment_rows: Some(self.collection.context().segment_rows), ..Options::default() };
        let repo = Repo::create_on(Arc::new(MemoryBackend::new()), options)?;
        let collection = repo.create_collection(OF_FILE, &self.schema)?;
        let source = Source::new(Some(Path::new(name)), None);
        let failed = || format!("cannot read {}", source.name());
        let how = How { partial: false, parallel: true, progress: true, header: self.header };
        let mut batch = collection.batch("")?;
        let (rows, _) = batch.sort(source.frames(&self.schema, how)?).with_context(failed)?;
        batch.write(OF_FILE, &Mode::Overlay(Interval::ALL), rows)?;
        batch.commit()?;
        Ok(End { name: source.name(), state: collection.state(At::Newest)?, stamp: None, kin: Kin::File })
    }

    /// The same collection of another repository.
    fn other(&self, session: &Session, repo: &Repo, name: &str) -> Result<End> {
        let remote = remote::open(session, repo, Some(name))?;
        let collection = remote.repo.collection(&self.place.collection)?;
        // Of a copy, series are what they are whatever their labels; else equal labels are all there is.
        let mine = self.collection.changelog().folders();
        let copy = collection.changelog().folders().iter().any(|folder| mine.contains(folder));
        let kin = if copy { Kin::Id } else { Kin::Label };
        Ok(End { name: remote.name, state: collection.state(At::Newest)?, stamp: None, kin })
    }

    /// The newest revision, of the series if one is named, and what there was before it.
    fn newest_change(&self, newest: End) -> Result<(End, End)> {
        let filter = Filter { series: self.id.map(OneSeries::Id), ..Filter::default() };
        let mut found = None;
        let show = |stamp: Stamp, outline: Outline| {
            (!outline.changes.is_empty()).then(|| (stamp, outline.parents.first().copied()))
        };
        self.collection.past(&filter, &show, |one| {
            found = one;
            if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let end = |stamp: Stamp| end(self.collection, &stamp.to_string(), At::Revision(stamp));
        let nothing = || {
            let view = View::new(Arc::clone(newest.state.view.store()));
            let state = State { schema: Arc::clone(&newest.state.schema), tree: None, view };
            End { name: "nothing".to_owned(), state, stamp: None, kin: Kin::Id }
        };
        match found {
            Some((stamp, Some(parent))) => {
                let label = self.collection.label();
                let why =
                    || format!("what {stamp} changed of {label} is not known: history here begins with it");
                Ok((end(parent).with_context(why)?, end(stamp)?))
            }
            Some((stamp, None)) => Ok((nothing(), end(stamp)?)),
            None => Ok((nothing(), newest)),
        }
    }
}
