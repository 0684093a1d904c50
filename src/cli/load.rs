//! Many inputs into one batch, each a series of its own.
//!
//! Small files are read side by side in groups that bound the memory; large ones come one by one, read by all
//! cores. Whatever fails fails the batch: nothing is committed here.

use super::input::{How, Source};
use crate::collection::Batch;
use crate::data::csv::Header;
use crate::data::schema::Schema;
use crate::data::sort::Sorted;
use crate::interval::Interval;
use crate::series::write::Mode;
use anyhow::{Result, bail};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of files read at a time.
const GROUP: u64 = 48 << 20;

/// Files of a group at most.
const GROUP_FILES: usize = 4096;

/// A series and where its rows come from.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) label: String,
    pub(crate) source: Source,
}

/// What became of the inputs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Loaded {
    pub(crate) rows: u64,
    pub(crate) series: usize,
}

/// How the inputs are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// Whether progress may be shown.
    pub(crate) progress: bool,
    /// Whether CSV has a header line.
    pub(crate) header: Header,
}

/// How the rows of each input meet those that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meet {
    /// They replace all rows between their first and their last.
    Overlay,
    /// As [`Meet::Overlay`]; an input without rows makes an empty series where there is none.
    Import,
    /// They replace all rows.
    Replace,
    /// They replace the rows of equal index.
    Upsert,
    /// They go behind the last row.
    Append,
    /// They give columns of rows that exist new values.
    Update,
}

impl Meet {
    /// How a source is read for it.
    pub(crate) fn partial(self) -> bool {
        self == Meet::Update
    }
}

/// Writes all inputs to the batch, each as the series of its label.
pub(crate) fn load(batch: &mut Batch<'_>, items: &[Item], meet: Meet, how: Reading) -> Result<Loaded> {
    check_labels(items)?;
    let schema = Arc::clone(&batch.base().schema);
    let mut loaded = Loaded { rows: 0, series: items.len() };
    let mut rest = items;
    while !rest.is_empty() {
        let (group, others) = rest.split_at(group(rest));
        rest = others;
        let Reading { progress, header } = how;
        let how = How { partial: meet.partial(), parallel: group.len() == 1, progress, header };
        let read = |item: &Item| sorted(batch, &schema, item, how);
        let inputs: Vec<(Sorted, u64)> = match group {
            [one] => vec![read(one)?],
            several => several.par_iter().map(read).collect::<Result<_>>()?,
        };
        let mut writes = Vec::with_capacity(group.len());
        for (item, (rows, count)) in group.iter().zip(inputs) {
            loaded.rows += count;
            if count == 0 && meet == Meet::Import {
                if batch.base().entry(&item.label)?.is_none() {
                    batch.create(&item.label)?;
                }
                continue;
            }
            writes.push((item.label.clone(), mode(meet, &rows, item)?, rows));
        }
        batch.write_all(writes)?;
    }
    Ok(loaded)
}

fn check_labels(items: &[Item]) -> Result<()> {
    let mut seen: HashMap<&str, &Item> = HashMap::with_capacity(items.len());
    for item in items {
        if let Some(other) = seen.insert(&item.label, item) {
            let names = (other.source.name(), item.source.name());
            bail!("{} and {} would both be series {:?}", names.0, names.1, item.label);
        }
    }
    Ok(())
}

/// How many inputs to read at once.
fn group(items: &[Item]) -> usize {
    let mut bytes = 0;
    let fits = |item: &&Item| {
        bytes += item.source.weight();
        bytes <= GROUP
    };
    items.iter().take(GROUP_FILES).take_while(fits).count().max(1)
}

fn sorted(batch: &Batch<'_>, schema: &Arc<Schema>, item: &Item, how: How) -> Result<(Sorted, u64)> {
    Ok(batch.sort(item.source.frames(schema, how)?)?)
}

fn mode(meet: Meet, rows: &Sorted, item: &Item) -> Result<Mode> {
    Ok(match (meet, rows.span()) {
        (Meet::Replace, _) => Mode::Overlay(Interval::ALL),
        (_, None) => return Err(Batch::no_rows().in_file(&item.source.name()).into()),
        (Meet::Overlay | Meet::Import, Some((first, last))) => Mode::Overlay(Interval::closed(first, last)),
        (Meet::Upsert, _) => Mode::Upsert,
        (Meet::Append, _) => Mode::Append,
        (Meet::Update, _) => Mode::Update,
    })
}
