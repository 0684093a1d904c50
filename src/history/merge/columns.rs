//! The columns of a merge: all alterations since the heads parted, in the order of stamps.
//!
//! A column has an identity that its name does not change, and that two writers who add the same column (name, type,
//! default) give it alike, so that it is one column. A drop ends the identity for all who have it. So what a set of
//! revisions has for columns, and which column of one head is which of another, follows from the set alone: whoever
//! merges, in whatever order.

use super::parting::{Load, Met, Parting};
use crate::clock::Stamp;
use crate::data::alter::{Alteration, Mapping, Take};
use crate::data::schema::{Column, Schema, Type};
use crate::history::changelog::HistoryError;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// The columns of a merge, and where those of each head go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// The columns.
    pub schema: Arc<Schema>,
    /// For each head: where each column comes from in its rows.
    pub mappings: Vec<Mapping>,
    /// How many columns each head has.
    widths: Vec<usize>,
}

impl Columns {
    /// Whether the rows of a head are those of the merge as they are.
    #[must_use]
    pub fn keeps(&self, head: usize) -> bool {
        self.mappings[head].keeps_all(self.widths[head])
    }
}

/// What a column is whatever its name becomes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Id {
    /// One of those all heads start from.
    Base(usize),
    /// The `n`-th with that name, type and default that its writer knew of.
    Added { name: String, ty: Type, default: Option<String>, n: usize },
    /// One that came with a choice among heads.
    Chosen(Stamp, usize),
}

impl Id {
    /// What stands in rows of a head that does not have the column.
    fn default(&self) -> Option<String> {
        match self {
            Id::Added { default, .. } => default.clone(),
            Id::Base(_) | Id::Chosen(..) => None,
        }
    }
}

/// An alteration by identity, not by name.
#[derive(Debug, Clone)]
enum Op {
    Add(Id, Column),
    Drop(Id),
    Rename(Id, String),
    /// These columns, in this order, without those.
    Set(Vec<(Id, Column)>, Vec<Id>),
}

#[derive(Debug, Clone)]
struct Live {
    id: Id,
    column: Column,
    /// The revision that gave it its name.
    named: Stamp,
}

/// Columns while alterations are applied to them, oldest first.
#[derive(Debug, Clone)]
struct Fold {
    live: Vec<Live>,
    dead: HashSet<Id>,
    seen: HashSet<Id>,
}

impl Fold {
    fn of(base: &Schema) -> Fold {
        let columns = base.columns().iter().enumerate();
        let live = columns
            .map(|(i, column)| Live { id: Id::Base(i), column: column.clone(), named: Stamp::ROOT })
            .collect();
        Fold { live, dead: HashSet::new(), seen: HashSet::new() }
    }

    fn schema(&self) -> Option<Schema> {
        Schema::new(self.live.iter().map(|live| live.column.clone()).collect()).ok()
    }

    fn find(&self, name: &str) -> Option<&Live> {
        self.live.iter().find(|live| live.column.name == name)
    }

    /// What an alteration means to its writer, who sees these columns.
    fn resolve(&self, stamp: Stamp, alteration: &Alteration) -> Option<Op> {
        Some(match alteration {
            Alteration::Add { column, default } => {
                let id =
                    |n| Id::Added { name: column.name.clone(), ty: column.ty, default: default.clone(), n };
                Op::Add((0..).map(id).find(|id| !self.seen.contains(id))?, column.clone())
            }
            Alteration::Drop(name) => Op::Drop(self.find(name)?.id.clone()),
            Alteration::Rename { from, to } => Op::Rename(self.find(from)?.id.clone(), to.clone()),
            Alteration::Set(schema) => {
                // By name first: there may be tens of thousands.
                let named: HashMap<&str, &Live> =
                    self.live.iter().map(|live| (live.column.name.as_str(), live)).collect();
                let same =
                    |column: &Column| named.get(column.name.as_str()).filter(|live| live.column == *column);
                let id = |(i, column): (usize, &Column)| {
                    same(column).map_or(Id::Chosen(stamp, i), |live| live.id.clone())
                };
                let columns = schema.columns();
                let kept: Vec<(Id, Column)> =
                    columns.iter().enumerate().map(|(i, c)| (id((i, c)), c.clone())).collect();
                let stays: HashSet<&Id> = kept.iter().map(|(id, _)| id).collect();
                let goes = |live: &&Live| !stays.contains(&live.id);
                let gone = self.live.iter().filter(goes).map(|live| live.id.clone()).collect();
                Op::Set(kept, gone)
            }
        })
    }

    fn apply(&mut self, stamp: Stamp, op: &Op) {
        match op {
            Op::Add(id, column) => {
                self.seen.insert(id.clone());
                if self.dead.contains(id) {
                    return;
                }
                if !self.live.iter().any(|live| live.id == *id) {
                    self.live.push(Live { id: id.clone(), column: column.clone(), named: stamp });
                }
                self.name(stamp, id, &column.name);
            }
            Op::Drop(id) => self.end(id),
            Op::Rename(id, name) => self.name(stamp, id, name),
            Op::Set(kept, gone) => {
                self.dead.extend(gone.iter().cloned());
                let goes: HashSet<&Id> = gone.iter().chain(kept.iter().map(|(id, _)| id)).collect();
                let mut before = std::mem::take(&mut self.live);
                before.retain(|live| !goes.contains(&live.id));
                for (id, column) in kept.iter().filter(|(id, _)| !self.dead.contains(id)) {
                    self.live.push(Live { id: id.clone(), column: column.clone(), named: stamp });
                }
                let kept: Vec<Id> = self.live.iter().map(|live| live.id.clone()).collect();
                self.live.extend(before);
                let mut taken: HashMap<String, usize> = HashMap::new();
                self.live.iter().for_each(|live| *taken.entry(live.column.name.clone()).or_default() += 1);
                for (id, column) in kept.iter().zip(self.columns()) {
                    // A name that no other has changes nothing.
                    if taken.get(&column.name).is_some_and(|&count| count > 1) {
                        self.name(stamp, id, &column.name);
                    }
                }
            }
        }
    }

    fn columns(&self) -> Vec<Column> {
        self.live.iter().map(|live| live.column.clone()).collect()
    }

    fn end(&mut self, id: &Id) {
        self.dead.insert(id.clone());
        self.live.retain(|live| live.id != *id);
    }

    /// Names a column; one that has the name gives way.
    fn name(&mut self, stamp: Stamp, id: &Id, name: &str) {
        if !self.live.iter().any(|live| live.id == *id) {
            return;
        }
        while let Some(at) = self.live.iter().position(|live| live.id != *id && live.column.name == name) {
            let beside = self.beside(name, self.live[at].named);
            self.live[at].column.name = beside;
        }
        for live in self.live.iter_mut().filter(|live| live.id == *id) {
            name.clone_into(&mut live.column.name);
            live.named = stamp;
        }
    }

    /// The name of a column whose own is taken: with the first digits of the revision that gave it its own.
    fn beside(&self, name: &str, named: Stamp) -> String {
        let digits = named.digest.to_string();
        let names = (8..=digits.len()).map(|len| format!("{name}~{}", &digits[..len]));
        let mut free = names.filter(|name| self.find(name).is_none());
        free.next().unwrap_or_else(|| format!("{name}~{digits}~"))
    }
}

/// What one revision did.
struct Group<'a> {
    met: &'a Met,
    ops: Vec<Op>,
}

fn replay<'a>(base: &Schema, groups: impl Iterator<Item = &'a Group<'a>>) -> Fold {
    let mut fold = Fold::of(base);
    groups.for_each(|group| group.ops.iter().for_each(|op| fold.apply(group.met.stamp, op)));
    fold
}

/// The columns of the merge; none where nobody altered any.
pub(super) fn of(parting: &Parting, load: Load<'_>) -> Result<Option<Columns>, HistoryError> {
    if !parting.is_altered() {
        return Ok(None);
    }
    let base = origin(parting, load)?;
    let met: Vec<&Met> = parting.before.iter().chain(&parting.since).collect();
    let mut heads = Vec::with_capacity(parting.heads.len());
    for head in &parting.heads {
        let columns = match met.iter().find(|met| met.stamp == *head) {
            Some(met) => Arc::clone(&met.step.columns),
            None => load(*head)?.ok_or(HistoryError::Gone(*head))?.columns,
        };
        heads.push(columns);
    }
    let apart = || HistoryError::Schemas(parting.heads.clone());
    fold(&heads, &base, &met).map(Some).ok_or_else(apart)
}

/// The columns that all heads started from.
fn origin(parting: &Parting, load: Load<'_>) -> Result<Arc<Schema>, HistoryError> {
    let apart = || HistoryError::Schemas(parting.heads.clone());
    let met = || parting.before.iter().chain(&parting.since);
    let Some(common) = parting.common() else {
        let mut roots = met().filter(|met| met.step.parents.is_empty()).map(|met| &met.step.columns);
        let first = roots.next().ok_or_else(apart)?;
        return if roots.all(|other| other == first) { Ok(Arc::clone(first)) } else { Err(apart()) };
    };
    // A child tells them too, where the revision itself was trimmed.
    if let Some(child) = met().find(|met| met.step.parents == [common]) {
        return Ok(match &child.step.changes.altered {
            Some(altered) => Arc::new(altered.before.clone()),
            None => Arc::clone(&child.step.columns),
        });
    }
    let lost = HistoryError::Unmergeable { heads: parting.heads.clone(), missing: common };
    Ok(load(common)?.ok_or(lost)?.columns)
}

/// The columns of the merge of `heads`, whose revisions `met` (parents first) all follow those with columns `base`;
/// none where the columns of some revision do not come out as they are.
fn fold(heads: &[Arc<Schema>], base: &Schema, met: &[&Met]) -> Option<Columns> {
    let groups = resolve(base, met)?;
    let target = replay(base, groups.iter());
    let schema = Arc::new(target.schema()?);
    let mut mappings = Vec::with_capacity(heads.len());
    for (head, own) in heads.iter().enumerate() {
        let found = replay(base, groups.iter().filter(|group| group.met.mask.has(head)));
        if found.schema()? != **own {
            return None;
        }
        let places: HashMap<&Id, usize> = found.live.iter().enumerate().map(|(i, l)| (&l.id, i)).collect();
        let take = |live: &Live| {
            let at = places.get(&live.id).copied();
            at.map_or_else(|| Take::Constant(live.id.default()), Take::Column)
        };
        mappings.push(Mapping::new(target.live.iter().map(take).collect()));
    }
    let widths = heads.iter().map(|head| head.columns().len()).collect();
    Some(Columns { schema, mappings, widths })
}

/// What each alteration means: a name is that of a column as its writer saw it.
fn resolve<'a>(base: &Schema, met: &[&'a Met]) -> Option<Vec<Group<'a>>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    // The groups among the ancestors of each revision, itself included.
    let mut known: HashMap<Stamp, BTreeSet<usize>> = HashMap::new();
    for one in met {
        let parents = one.step.parents.iter().filter_map(|parent| known.get(parent));
        let mut ancestors: BTreeSet<usize> = parents.flatten().copied().collect();
        if let Some(altered) = &one.step.changes.altered {
            let mut fold = replay(base, ancestors.iter().map(|&i| &groups[i]));
            let chosen = matches!(altered.steps.as_slice(), [Alteration::Set(_)]);
            if !chosen && fold.schema()? != altered.before {
                return None;
            }
            let mut ops = Vec::with_capacity(altered.steps.len());
            for step in &altered.steps {
                let op = fold.resolve(one.stamp, step)?;
                fold.apply(one.stamp, &op);
                ops.push(op);
            }
            if fold.schema()? != *one.step.columns {
                return None;
            }
            ancestors.insert(groups.len());
            groups.push(Group { met: one, ops });
        }
        known.insert(one.stamp, ancestors);
    }
    Some(groups)
}
