//! Copies between repositories: push, pull and clone are one operation, in two directions.
//!
//! A changelog at a time, each of them whole or left valid wherever it is cut short; the registry last, since it must
//! never name a changelog that is not there. Knows repositories and backends, no paths and no names of remotes.

mod carry;
mod error;
mod plan;
mod walk;

pub use error::{Apart, Schemata, TransferError};

use crate::clock::{MAX_FOREIGN, Stamp};
use crate::collection::tags::{self, AllTags};
use crate::collection::{At, Collection};
use crate::digest::Digest;
use crate::history::changelog::{Changelog, DROPPED};
use crate::repo::{Named, Repo};
use carry::{Carrier, Pending};
use plan::Ends;
use std::collections::{BTreeSet, HashMap};

/// What is to be copied.
#[derive(Debug, Clone, Default)]
pub struct What {
    /// Labels of collections, at the source; none: all there is, deletions and renames too.
    pub collections: Vec<String>,
    /// Only the newest state of each, and what merging it needs.
    pub shallow: bool,
    /// Looks, and copies nothing.
    pub dry_run: bool,
    /// Also heads that cannot be merged with those there: somebody keeps one of them afterwards.
    pub unmergeable: bool,
}

/// How far a copy is.
#[derive(Debug)]
pub struct Progress<'a> {
    /// The collection that is being copied.
    pub collection: &'a str,
    /// Revisions done, of it.
    pub revisions: u64,
    /// Revisions to do.
    pub revisions_total: u64,
    /// Objects copied; how many are to be is found on the way.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What was copied of a changelog.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moved {
    /// The collection's label at the source.
    pub label: String,
    /// Its label at the other end, where the registry there names it.
    pub label_there: Option<String>,
    /// Revisions that were not there.
    pub revisions: u64,
    /// Objects that were not there.
    pub objects: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// Heads it has there now.
    pub heads: usize,
}

/// What a copy did.
#[derive(Debug, Default)]
pub struct Report {
    /// What was new there, by label, the registry last.
    pub moved: Vec<Moved>,
    /// Collections that could not be copied, and why; all others were.
    pub failed: Vec<(String, TransferError)>,
}

/// The registry's name in reports.
pub const REGISTRY: &str = "the registry";

/// The name of the tags in reports.
const TAGS: &str = "the tags";

/// The changelog of the tags. It is copied whole, before the registry: nobody can choose between heads of it that
/// history is too short to merge.
fn tags_of(repo: &Repo) -> Changelog {
    repo.changelog_in(vec![tags::FOLDER])
}

/// Copies revisions, and the objects they name, that `to` has not. What both have in common is not read.
///
/// A collection that fails (damage at the source, histories that cannot be merged) is reported; others still travel.
/// An error is one that concerns all.
pub fn transfer(
    from: &Repo,
    to: &Repo,
    what: &What,
    progress: &dyn Fn(&Progress<'_>),
) -> Result<Report, TransferError> {
    let copy = Copy {
        from,
        to,
        what,
        progress,
        report: Report::default(),
        pending: Vec::new(),
        arrived: Vec::new(),
        labels: HashMap::new(),
        tags: AllTags::default(),
    };
    if what.collections.is_empty() { copy.all() } else { copy.some() }
}

struct Copy<'a> {
    from: &'a Repo,
    to: &'a Repo,
    what: &'a What,
    progress: &'a dyn Fn(&Progress<'_>),
    report: Report,
    pending: Vec<Pending>,
    /// Folders there that the registry named only after the copy, if it does.
    arrived: Vec<Digest>,
    /// Labels there of collections that there are, by their labels here.
    labels: HashMap<String, String>,
    /// The tags that travel too.
    tags: AllTags,
}

impl Copy<'_> {
    fn all(mut self) -> Result<Report, TransferError> {
        // What the registry names later travels later.
        let zero = || vec![Digest::ZERO];
        let registry = Ends::new(self.from.changelog_in(zero()), self.to.changelog_in(zero()), true)?;
        // So do tags that are given later: the revisions they name may not be among those that are copied.
        // They are read once. Damage of them is theirs alone.
        let ends = Ends::new(tags_of(self.from), tags_of(self.to), true).map_err(TransferError::from);
        let tags = ends.and_then(|ends| {
            self.tags = self.from.tags().all()?;
            Ok(ends)
        });
        let (named, there) = (self.from.named()?, self.to.named()?);
        for collection in &named {
            let one = |other: &&Named| other.shares(&collection.folders) || other.id == collection.id;
            self.collection(collection, &there, there.iter().filter(one).collect());
        }
        self.deleted(&registry, &named)?;
        let done = tags.and_then(|ends| {
            self.dangling(&named, &there)?;
            self.changelog(TAGS, ends, false)
        });
        self.note(TAGS, done);
        self.recheck()?;
        if self.report.failed.is_empty() {
            let done = self.changelog(REGISTRY, registry, self.what.shallow);
            self.note(REGISTRY, done);
        }
        if !self.report.failed.is_empty() {
            // The registry would name, or unite, what could not be copied.
            self.register(&named, &there)?;
        }
        self.finish()
    }

    fn some(mut self) -> Result<Report, TransferError> {
        let (named, there) = (self.from.named()?, self.to.named()?);
        let mut chosen = Vec::new();
        for label in &self.what.collections {
            match named.iter().find(|collection| collection.label == *label) {
                Some(collection) => chosen.push(collection.clone()),
                None => return Err(self.from.missing(label).into()),
            }
        }
        for collection in &chosen {
            let mut partners: Vec<&Named> =
                there.iter().filter(|other| other.shares(&collection.folders)).collect();
            if partners.is_empty() {
                partners.extend(there.iter().find(|other| other.label == collection.label));
            }
            self.collection(collection, &there, partners);
        }
        self.recheck()?;
        self.register(&chosen, &there)?;
        self.finish()
    }

    /// Copies a collection; `partners` are those there that are, or will be, one with it.
    fn collection(&mut self, collection: &Named, there: &[Named], partners: Vec<&Named>) {
        if let Some(partner) = partners.first() {
            self.labels.insert(collection.label.clone(), partner.label.clone());
        }
        let done = self.check_schemas(collection, &partners).and_then(|()| {
            let source = self.from.changelog_in(collection.folders.clone()).named(&collection.label);
            let folders = collection.folders.iter().chain(partners.iter().flat_map(|p| &p.folders));
            let dest = self.to.changelog_in(folders.copied().collect());
            let trusted = self.spared(&collection.folders, there)?;
            let tagged = self.tagged(collection);
            let ends = Ends { tagged, ..Ends::new(source, dest, trusted)? };
            self.changelog(&collection.label, ends, self.what.shallow)
        });
        self.note(&collection.label, done);
    }

    /// The revisions whose tags travel too. A shallow copy leaves them out, but for those that it takes anyway.
    fn tagged(&self, collection: &Named) -> BTreeSet<Stamp> {
        if self.what.shallow {
            return BTreeSet::new();
        }
        self.tags.of(&collection.folders).into_iter().map(|(_, stamp)| stamp).collect()
    }

    /// Whether gc there spares what the revisions in these folders name: any revision of the registry may name them.
    fn spared(&self, folders: &[Digest], there: &[Named]) -> Result<bool, TransferError> {
        if folders.iter().all(|folder| there.iter().any(|other| other.folders.contains(folder))) {
            return Ok(true);
        }
        let ever = self.to.folders_ever()?;
        Ok(folders.iter().all(|folder| ever.contains(folder)))
    }

    /// Collections that were created on their own can be one only if their columns are the same.
    fn check_schemas(&self, collection: &Named, partners: &[&Named]) -> Result<(), TransferError> {
        for other in partners.iter().filter(|other| !other.shares(&collection.folders)) {
            let open = |repo: &Repo, named: &Named| {
                let changelog = repo.changelog_in(named.folders.clone());
                Collection::new(named.label.clone(), repo.context().clone(), changelog)
            };
            let from = open(self.from, collection).state(At::Newest)?.schema;
            let there = open(self.to, other).state(At::Newest)?.schema;
            if from != there {
                let (there, from) = (Schemata::from(&*there), Schemata::from(&*from));
                return Err(TransferError::Unrelated { there, from });
            }
        }
        Ok(())
    }

    /// Collections that the registry names only in its past: where it brings news, that must not name nothing.
    fn deleted(&mut self, registry: &Ends, named: &[Named]) -> Result<(), TransferError> {
        let known = registry.dest.log()?;
        if self.what.shallow || registry.log.stamps().all(|stamp| known.contains(stamp)) {
            return Ok(());
        }
        let there = self.to.folders_ever()?;
        let live: BTreeSet<Digest> = named.iter().flat_map(|n| n.folders.iter().copied()).collect();
        for folder in self.from.folders_ever()?.into_iter().filter(|folder| !live.contains(folder)) {
            let label = format!("deleted collection {}", folder.short());
            let (source, dest) = (self.from.changelog_in(vec![folder]), self.to.changelog_in(vec![folder]));
            let ends = Ends::new(source, dest, there.contains(&folder)).map_err(TransferError::from);
            let done = ends.and_then(|ends| self.changelog(&label, ends, self.what.shallow));
            self.note(&label, done);
        }
        Ok(())
    }

    /// Fails if a tag names a revision that is not there because the copy of its collection failed: the destination
    /// would look as if it had lost that revision.
    fn dangling(&self, named: &[Named], there: &[Named]) -> Result<(), TransferError> {
        for collection in named {
            let Some(other) = there.iter().find(|other| other.shares(&collection.folders)) else { continue };
            if self.report.failed.iter().all(|(label, _)| *label != collection.label) {
                continue;
            }
            let log = self.to.changelog_in(other.folders.clone()).log()?;
            for (tag, stamp) in self.tags.of(&collection.folders) {
                if !log.contains(stamp) {
                    return Err(TransferError::Tag { tag, stamp, collection: collection.label.clone() });
                }
            }
        }
        Ok(())
    }

    fn changelog(&mut self, label: &str, ends: Ends, shallow: bool) -> Result<Moved, TransferError> {
        let now = self.to.context().clock.now();
        let plan = ends.plan(&What { shallow, ..self.what.clone() }, now)?;
        if let Some(stamp) = plan.take.iter().find(|stamp| stamp.time > MAX_FOREIGN) {
            return Err(TransferError::Time(*stamp));
        }
        if self.what.dry_run {
            let revisions = plan.take.len() as u64;
            return Ok(Moved { label: label.to_owned(), revisions, ..Moved::default() });
        }
        if !ends.trusted {
            self.arriving(&ends)?;
        }
        let clock = self.to.context().clock.as_ref();
        let (moved, objects, checked) = Carrier::new(label, &ends, self.progress, clock).run(&plan, now)?;
        if !ends.trusted {
            self.pending.push(Pending::new(ends, objects, checked));
        }
        Ok(moved)
    }

    /// Marks what the registry there does not name yet: if the copy is cut short, the mark tells what it is. Only where
    /// there was nothing: what is there otherwise may have been lost by the registry.
    fn arriving(&mut self, ends: &Ends) -> Result<(), TransferError> {
        let Some(folder) = ends.source.folders().first().copied() else { return Ok(()) };
        if self.to.changelog_in(vec![folder]).unhidden_log()?.is_empty() {
            self.to.mark_arriving(folder)?;
        }
        self.to.unmark(ends.dest.folders(), &[DROPPED])?;
        self.arrived.extend_from_slice(ends.dest.folders());
        Ok(())
    }

    fn note(&mut self, label: &str, done: Result<Moved, TransferError>) {
        match done {
            Ok(moved) if moved.revisions > 0 => self.report.moved.push(moved),
            Ok(_) => {}
            Err(error) => self.report.failed.push((label.to_owned(), error)),
        }
    }

    /// Makes sure that all is there still of changelogs that nothing there names yet.
    fn recheck(&mut self) -> Result<(), TransferError> {
        loop {
            let mut looked = false;
            for pending in &mut self.pending {
                looked |= pending.recheck(self.to.context().clock.as_ref())?;
            }
            if !looked {
                return Ok(());
            }
        }
    }

    /// Lets the registry there name what came, but for what failed.
    fn register(&self, named: &[Named], there: &[Named]) -> Result<(), TransferError> {
        let failed = |label: &str| self.report.failed.iter().any(|(other, _)| other == label);
        for collection in named.iter().filter(|collection| !failed(&collection.label)) {
            let has = |folder| there.iter().any(|other| other.folders.contains(folder));
            if self.what.dry_run || collection.folders.iter().all(has) {
                continue;
            }
            let label = self.labels.get(&collection.label).unwrap_or(&collection.label);
            self.to.register(label, collection, &format!("copy {}", collection.label))?;
        }
        Ok(())
    }

    /// Looks at what is there now, and tidies up.
    fn finish(mut self) -> Result<Report, TransferError> {
        if self.what.dry_run {
            return Ok(self.report);
        }
        // Also of what was there already, and is on disk by now only if its writer did sync.
        if self.to.store().backend().is_durable() {
            self.to.store().backend().settle()?;
        }
        let (named, there) = match (self.from.named()?, self.to.named()) {
            // The heads of the registry there are among those that came.
            (_, Err(_)) if self.what.unmergeable => return Ok(self.report),
            (named, there) => (named, there?),
        };
        if !self.arrived.is_empty() {
            let ever = self.to.folders_ever()?;
            self.arrived.retain(|folder| ever.contains(folder));
            self.to.unmark_all(&self.arrived)?;
        }
        for moved in &mut self.report.moved {
            let Some(mine) = named.iter().find(|collection| collection.label == moved.label) else {
                continue;
            };
            let Some(other) = there.iter().find(|other| other.shares(&mine.folders)) else { continue };
            let changelog = self.to.changelog_in(other.folders.clone());
            moved.heads = changelog.heads(changelog.log()?.as_ref())?.len();
            moved.label_there = Some(other.label.clone());
            if let Err(e) = changelog.tidy() {
                // All is there: packing can wait for the next writer.
                log::warn!("cannot pack the changelog of {}: {e}", other.label);
            }
        }
        Ok(self.report)
    }
}
