//! Revisions as text and as JSON.

use super::overrides::{Overridden, Overrode};
use crate::clock::{Stamp, iso};
use crate::data::range;
use crate::data::schema::Schema;
use crate::history::revision::{ChangeList, Revision, SeriesChange};
use serde::Serialize;
use std::fmt::Write;

/// A revision and what it changed.
#[derive(Debug)]
pub(crate) struct Version<'a> {
    pub(crate) stamp: Stamp,
    pub(crate) revision: &'a Revision,
    pub(crate) changes: &'a ChangeList,
    pub(crate) overrode: Overrode,
}

/// A revision as JSON; the order of the fields is the order of the output.
#[derive(Serialize)]
struct JsonVersion<'a> {
    id: String,
    time: String,
    parents: Vec<String>,
    author: &'a str,
    message: &'a str,
    changes: Vec<JsonChange<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    overrode: &'a [Overridden],
}

#[derive(Serialize)]
#[serde(untagged)]
enum JsonChange<'a> {
    Schema {
        schema: Vec<String>,
    },
    Series {
        series: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        created: bool,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        dropped: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        renamed_from: Option<&'a str>,
        rows_before: u64,
        rows_after: u64,
        changed: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        ranges: Option<Vec<String>>,
    },
}

/// How many series of a revision a log lists.
const LISTED: usize = 10;

impl Version<'_> {
    /// One line.
    pub(crate) fn line(&self) -> String {
        let note = &self.revision.note;
        let changes = self.changes;
        let what = match changes.series.as_slice() {
            [] if changes.schema => "schema".to_owned(),
            [] => self.unchanged().to_owned(),
            [one] => format!("{}: {}", one.label, change(one)),
            several => format!("{} series", several.len()),
        };
        let author = if note.author.is_empty() { "-" } else { &note.author };
        format!("{} {author} {:?} {what}\n", self.stamp, note.message)
    }

    /// A paragraph; the first few series, or all of them and the index values that changed.
    pub(crate) fn paragraph(&self, all: bool) -> String {
        let mut out = String::new();
        let mut field = |name: &str, text: &str| {
            // Writing to a string cannot fail.
            writeln!(out, "{name:<9} {text}").unwrap_or_default();
        };
        let note = &self.revision.note;
        field("revision", &self.stamp.to_string());
        field("time", &iso(self.stamp.time));
        if all || self.revision.parents.len() > 1 {
            self.revision.parents.iter().for_each(|parent| field("parent", &parent.to_string()));
        }
        if !note.author.is_empty() {
            field("author", &note.author);
        }
        if !note.message.is_empty() {
            field("message", &note.message);
        }
        if self.changes.is_empty() {
            field("changed", self.unchanged());
        }
        if self.changes.schema {
            field("schema", &columns(&self.revision.state.schema));
        }
        let listed = if all { usize::MAX } else { LISTED };
        for one in self.changes.series.iter().take(listed) {
            field("changed", &format!("{}: {}", one.label, change(one)));
            if all {
                let schema = &self.revision.state.schema;
                one.intervals.iter().for_each(|one| field("", &format!("  {}", range::show(schema, &one))));
            }
        }
        if let Some(more @ 1..) = self.changes.series.len().checked_sub(listed) {
            field("", &format!("and {more} more series"));
        }
        self.overrode.listed.iter().for_each(|one| field("overrode", &one.past()));
        if let more @ 1.. = self.overrode.more {
            field("", &format!("and {more} more"));
        }
        out.push('\n');
        out
    }

    /// One JSON object; with the index values that changed only if `all` is wanted: they may be many.
    pub(crate) fn json(&self, all: bool) -> serde_json::Result<String> {
        let stamps = |stamps: &[Stamp]| stamps.iter().map(ToString::to_string).collect();
        let schema = &self.revision.state.schema;
        let set = self.changes.schema.then(|| schema.columns().iter().map(ToString::to_string).collect());
        let set = set.map(|schema| JsonChange::Schema { schema });
        let series = self.changes.series.iter().map(|one| self.json_change(one, all));
        serde_json::to_string(&JsonVersion {
            id: self.stamp.to_string(),
            time: iso(self.stamp.time),
            parents: stamps(&self.revision.parents),
            author: &self.revision.note.author,
            message: &self.revision.note.message,
            changes: set.into_iter().chain(series).collect(),
            overrode: &self.overrode.listed,
        })
    }

    fn json_change<'a>(&self, one: &'a SeriesChange, all: bool) -> JsonChange<'a> {
        let schema = &self.revision.state.schema;
        JsonChange::Series {
            series: &one.label,
            created: one.created,
            dropped: one.dropped,
            renamed_from: one.renamed_from.as_deref(),
            rows_before: one.rows_before,
            rows_after: one.rows_after,
            changed: one.keys,
            ranges: all.then(|| one.intervals.iter().map(|one| range::show(schema, &one)).collect()),
        }
    }

    fn unchanged(&self) -> &'static str {
        if self.revision.parents.len() > 1 { "nothing: a merge" } else { "nothing: rows stored otherwise" }
    }
}

fn columns(schema: &Schema) -> String {
    schema.columns().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What a revision did to a series.
fn change(one: &SeriesChange) -> String {
    let mut parts = Vec::new();
    if one.created {
        parts.push("created".to_owned());
    }
    if let Some(from) = &one.renamed_from {
        parts.push(format!("renamed from {from}"));
    }
    if one.dropped {
        parts.push("deleted".to_owned());
    }
    if one.keys > 0 || one.dropped {
        parts.push(format!("{} -> {} rows", one.rows_before, one.rows_after));
    }
    if one.keys > 0 {
        let values = if one.keys == 1 { "value" } else { "values" };
        parts.push(format!("{} index {values} changed", one.keys));
    }
    parts.join(", ")
}
