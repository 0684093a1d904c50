//! Reading everything that is reachable, and checking all that can be checked.

use super::OpError;
use super::reach::Reach;
use crate::collection::Collection;
use crate::data::key::Keys;
use crate::data::key::show;
use crate::data::schema::Schema;
use crate::data::{csv, pages};
use crate::digest::Digest;
use crate::history::changelog::HistoryError;
use crate::history::entry::Entry;
use crate::history::segment::Segment;
use crate::history::state::State;
use crate::history::tree::{Leaf, Sums};
use crate::interval::Interval;
use crate::repo::Repo;
use crate::series::read;
use crate::store::place::Place;
use crate::store::{Store, View};
use rayon::prelude::*;
use std::collections::HashSet;

/// One thing that is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What is damaged, how, and which series and rows it affects, in one line.
    pub what: String,
}

/// What a verification looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Chunks read.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Revisions read.
    pub revisions: u64,
    /// Things that are damaged.
    pub damaged: u64,
}

struct Pass<'a> {
    report: &'a mut dyn FnMut(&Damage),
    done: Verified,
    seen: HashSet<Segment>,
    reach: Reach,
    /// Bundles that revision files carry.
    embedded: HashSet<Digest>,
}

/// Reads every revision, index node and chunk of every collection, and checks digests, counts and values.
/// Damage is reported, not returned as an error.
pub fn verify(repo: &Repo, report: &mut dyn FnMut(&Damage)) -> Result<Verified, OpError> {
    let mut pass = Pass {
        report,
        done: Verified::default(),
        seen: HashSet::new(),
        reach: Reach::default(),
        embedded: HashSet::new(),
    };
    pass.collection(repo.registry())?;
    pass.collection(repo.tags().collection())?;
    for label in repo.collections()? {
        pass.collection(&repo.collection(&label)?)?;
    }
    pass.whole(&repo.context().store);
    Ok(pass.done)
}

impl Pass<'_> {
    fn damage(&mut self, what: String) {
        self.done.damaged += 1;
        (self.report)(&Damage { what });
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

    /// Checks all objects as a whole: also what no reference reads.
    fn whole(&mut self, store: &Store) {
        let objects: Vec<Digest> = self.reach.objects.difference(&self.embedded).copied().collect();
        let checked: Vec<_> = objects.par_iter().map(|digest| store.object(*digest).map(|_| ())).collect();
        for error in checked.into_iter().filter_map(Result::err) {
            self.damage(chain(&error));
        }
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

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
