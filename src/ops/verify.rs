//! Reading everything that is reachable, then every file, and checking all that can be checked.

mod files;

use super::OpError;
use super::reach::Reach;
use crate::clock::Stamp;
use crate::collection::Collection;
use crate::data::key::Keys;
use crate::data::key::show;
use crate::data::plain::chain;
use crate::data::schema::Schema;
use crate::data::{csv, pages};
use crate::digest::Digest;
use crate::history::changelog::HistoryError;
use crate::history::entry::Entry;
use crate::history::segment::Segment;
use crate::history::state::State;
use crate::history::tree::{Leaf, Sums};
use crate::interval::Interval;
use crate::repo::{Named, Names, OnDisk, Repo};
use crate::series::read;
use crate::store::View;
use crate::store::place::Place;
use rayon::prelude::*;
use std::collections::HashSet;

/// One thing that is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What is damaged, how, and which series and rows it affects, in one line.
    pub what: String,
}

/// What a verification looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Chunks read.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Revisions read.
    pub revisions: u64,
    /// Things that are damaged.
    pub damaged: u64,
    /// What is strange and does no harm, a line each: files that are not ours, what was cut short, garbage.
    pub notes: Vec<String>,
}

struct Pass<'a> {
    report: &'a mut dyn FnMut(&Damage),
    done: Verified,
    seen: HashSet<Segment>,
    reach: Reach,
    /// Bundles that revision files carry.
    embedded: HashSet<Digest>,
}

/// Reads every revision, index node and chunk of every collection, and checks digests, counts and values; then every
/// file of the repository, whether anything names it or not.
/// Damage is reported, not returned as an error.
pub fn verify(repo: &Repo, report: &mut dyn FnMut(&Damage)) -> Result<Verified, OpError> {
    let mut pass = Pass {
        report,
        done: Verified::default(),
        seen: HashSet::new(),
        reach: Reach::default(),
        embedded: HashSet::new(),
    };
    // The folders first: who creates a collection puts its folder before its name.
    let on_disk = repo.on_disk()?;
    pass.collection(repo.registry())?;
    pass.collection(repo.tags().collection())?;
    match (repo.named(), repo.names()) {
        (Ok(named), Ok(names)) => {
            pass.named(repo, &named, &names)?;
            let known = |f: &OnDisk| {
                names.ever.contains(&f.digest) || named.iter().any(|named| named.folders.contains(&f.digest))
            };
            for folder in on_disk.iter().filter(|folder| !known(folder) && !folder.dropped) {
                pass.unnamed(repo, folder)?;
            }
        }
        (named, names) => {
            let why = named.err().map(|e| chain(&e)).or(names.err().map(|e| chain(&e))).unwrap_or_default();
            pass.damage_of_registry(&why);
            for folder in on_disk.iter().filter(|folder| !folder.dropped) {
                pass.collection(&folder_of(repo, folder.digest))?;
            }
        }
    }
    pass.tags(repo);
    pass.files(repo)?;
    Ok(pass.done)
}

/// The collection in a folder that nothing names.
fn folder_of(repo: &Repo, folder: Digest) -> Collection {
    let changelog = repo.changelog_in(vec![folder]);
    Collection::new(files::folder_name(folder), repo.context().clone(), changelog)
}

impl Pass<'_> {
    fn damage(&mut self, what: String) {
        self.done.damaged += 1;
        (self.report)(&Damage { what });
    }

    fn damage_of_registry(&mut self, why: &str) {
        self.damage(format!("the registry cannot tell which collections there are: {why}"));
    }

    /// The collections that the registry names, and those that it named.
    fn named(&mut self, repo: &Repo, named: &[Named], names: &Names) -> Result<(), OpError> {
        for named in named {
            let changelog = repo.changelog_in(named.folders.clone());
            // Those that are hidden are no comfort.
            if changelog.log().is_ok_and(|log| log.is_empty()) {
                let folder = named.folders.first().map(Digest::key).unwrap_or_default();
                self.damage(format!("{}: its revisions are lost: there are none in {folder}", named.label));
            }
            self.collection(&Collection::new(named.label.clone(), repo.context().clone(), changelog))?;
        }
        let live: HashSet<Digest> = named.iter().flat_map(|named| named.folders.iter().copied()).collect();
        for folders in repo.deleted()? {
            let gone = |folder: &&Digest| !live.contains(folder) && !names.hidden.contains(folder);
            let Some(folder) = folders.iter().find(gone) else { continue };
            let label = format!("a deleted collection ({})", files::folder_name(*folder));
            let changelog = repo.changelog_in(folders);
            self.collection(&Collection::new(label, repo.context().clone(), changelog))?;
        }
        Ok(())
    }

    /// A folder that holds revisions and that no revision of the registry names.
    fn unnamed(&mut self, repo: &Repo, folder: &OnDisk) -> Result<(), OpError> {
        let (collection, key) = (folder_of(repo, folder.digest), folder.digest.key());
        let label = repo.first_label(collection.changelog());
        let was = label.map(|label| format!(", created as {label:?}")).unwrap_or_default();
        if folder.arriving {
            let note =
                format!("{key} is a copy that was cut short{was}: repeat it, or `lakota verify --adopt`");
            self.done.notes.push(note);
        } else if repo.is_bare(folder.digest).unwrap_or(false) {
            let note = format!("{key} is a collection without a series{was} that the registry does not name");
            self.done.notes.push(note);
        } else {
            self.damage(format!(
                "{key} holds revisions of a collection{was}, but no registry names it: `lakota verify --adopt` does"
            ));
        }
        self.collection(&collection)
    }

    fn collection(&mut self, collection: &Collection) -> Result<(), OpError> {
        let changelog = collection.changelog();
        let log = match changelog.log() {
            Ok(log) => log,
            Err(e) => {
                self.damage(format!("{}: {}", collection.label(), chain(&e)));
                return Ok(());
            }
        };
        for stamp in log.torn.keys() {
            self.damage(format!("{}: {}", collection.label(), HistoryError::Torn(*stamp)));
        }
        for stamp in log.stamps().rev() {
            self.done.revisions += 1;
            for parent in log.parents(stamp).unwrap_or_default() {
                if log.is_lost(*parent) {
                    self.damage(format!("{}: revision {parent} is missing", collection.label()));
                }
            }
            let place = format!("{} at {stamp}", collection.label());
            match changelog.read(&log, stamp) {
                Err(e) => self.damage(format!("{place}: {}", chain(&e))),
                Ok(revision) => {
                    if let Err(e) = revision.change_list() {
                        self.damage(format!("{place}: its change list: {}", chain(&e)));
                    }
                    self.state(&place, &revision.state);
                    self.embedded.insert(Digest::of(&revision.embedded));
                    // What it cannot walk was reported just now.
                    self.reach.add(&revision).ok();
                }
            }
        }
        Ok(())
    }

    /// Revisions that have tags are never trimmed, and are copied before their tags: one that is not there is lost.
    /// Unless a part of the history was left out by a copy, since it was trimmed at the source, or not asked for.
    fn tags(&mut self, repo: &Repo) {
        // What of them is damaged was told.
        let Ok(named) = repo.named() else { return };
        for Named { label, .. } in named {
            let Ok(collection) = repo.collection(&label) else { continue };
            let (Ok(tags), Ok(log)) = (collection.tags(), collection.changelog().log()) else { continue };
            let left_out = |parent: Stamp| parent.time >= log.horizon.time && !log.is_lost(parent);
            let gap = log.missing().any(|(parent, _)| left_out(parent));
            for (tag, stamp) in tags.into_iter().filter(|(_, stamp)| log.is_lost(*stamp)) {
                if gap {
                    self.done.notes.push(format!(
                        "{label}: revision {stamp}, which has the tag {tag:?}, is not here: a copy left it out"
                    ));
                } else {
                    self.damage(format!("{label}: revision {stamp} is missing, which has the tag {tag:?}"));
                }
            }
        }
    }

    /// Checks all files: also what no reference reads.
    fn files(&mut self, repo: &Repo) -> Result<(), OpError> {
        let files = files::read(repo)?;
        self.done.notes.extend(files.notes);
        let store = repo.store();
        let named: Vec<Digest> = self.reach.objects.difference(&self.embedded).copied().collect();
        for object in named {
            // It may have another name since the listing, or a second file that is whole.
            if !files.whole.contains(&object)
                && let Err(error) = store.object(object)
            {
                self.damage(chain(&error));
            } else if let Some(bad) = files.objects.get(&object) {
                match store.object(object) {
                    Err(error) => self.damage(chain(&error)),
                    Ok(_) => bad.iter().for_each(|(key, wrong)| self.garbage(key, wrong)),
                }
            }
        }
        for (object, bad) in &files.objects {
            if !self.reach.objects.contains(object) {
                bad.iter().for_each(|(key, wrong)| self.garbage(key, wrong));
            }
        }
        for (key, wrong) in files.damaged {
            self.damage(format!("file {key} is damaged: {wrong}"));
        }
        Ok(())
    }

    fn garbage(&mut self, key: &str, wrong: &str) {
        self.done.notes.push(format!("{key} is damaged ({wrong}), but nothing needs it: gc removes it"));
    }

    fn state(&mut self, place: &str, state: &State) {
        let entries = match state.entries() {
            Ok(entries) => entries,
            Err(e) => return self.damage(format!("{place}: all series: {}", chain(&e))),
        };
        let total: Sums = entries.iter().map(Leaf::sums).sum();
        if total != state.sums() {
            self.damage(format!("{place}: the sums of its index are wrong"));
        }
        for entry in entries {
            self.series(place, state, &entry);
        }
    }

    fn series(&mut self, place: &str, state: &State, entry: &Entry) {
        let located = match entry.segments.locate(&state.view, &Interval::ALL) {
            Ok(located) => located,
            Err(e) => return self.damage(format!("{place}: series {:?}: {}", entry.label, chain(&e))),
        };
        let total: Sums = located.segments.iter().map(Leaf::sums).sum();
        if total != entry.segments.sums() {
            self.damage(format!("{place}: series {:?}: the sums of its index are wrong", entry.label));
        }
        let new: Vec<Segment> =
            located.segments.into_iter().filter(|s| self.seen.insert(s.clone())).collect();
        let checked: Vec<Result<(), String>> =
            new.par_iter().map(|segment| check(&state.view, &state.schema, segment)).collect();
        for (segment, result) in new.iter().zip(checked) {
            self.done.objects += segment.chunks.len() as u64;
            self.done.bytes += segment.sums().pages;
            if let Err(why) = result {
                let (first, last) = (show(&state.schema, &segment.first), show(&state.schema, &segment.last));
                self.damage(format!("{place}: series {:?}, rows {first} .. {last}: {why}", entry.label));
            }
        }
    }
}

/// Checks all that the index says of a segment.
fn check(view: &View, schema: &Schema, segment: &Segment) -> Result<(), String> {
    for (column, chunk) in schema.columns().iter().zip(&segment.chunks) {
        if let Place::Object(digest) = chunk.place {
            object(view, digest, chunk.layout.len).map_err(|e| format!("column {}: {e}", column.name))?;
        }
    }
    let frame = read::whole(view, schema, segment).map_err(|e| chain(&e))?;
    if frame.num_columns() != segment.chunks.len() {
        return Err("a column is missing".to_owned());
    }
    for ((column, array), chunk) in schema.columns().iter().zip(frame.columns()).zip(&segment.chunks) {
        if array.null_count() as u64 != chunk.layout.nulls {
            return Err(format!(
                "column {}: {} nulls, not {}",
                column.name,
                array.null_count(),
                chunk.layout.nulls
            ));
        }
        if csv::column_len(column.ty, array) != chunk.csv_len {
            return Err(format!("column {}: its length in CSV is wrong", column.name));
        }
    }
    let keys = Keys::of(schema, &frame);
    if keys.first_disorder().is_some() {
        return Err("its rows are not in order".to_owned());
    }
    if keys.rows() == 0 || keys.key(0) != segment.first || keys.key(keys.rows() - 1) != segment.last {
        return Err("its first or last index value is wrong".to_owned());
    }
    Ok(())
}

/// An object must be a Parquet file around the pages that the index names.
fn object(view: &View, digest: Digest, len: u64) -> Result<(), String> {
    let bytes = view.store().object(digest).map_err(|e| chain(&e))?;
    let whole = pages::page_bytes(&bytes).map_err(|e| e.to_string())?;
    if whole == len { Ok(()) } else { Err(format!("{whole} bytes of pages, not {len}")) }
}
