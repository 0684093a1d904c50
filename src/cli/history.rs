//! Revisions as text and as JSON.

use super::overrides::{Overridden, Overrode};
use crate::clock::{Stamp, iso};
use crate::collection::{Collection, CollectionError};
use crate::data::plain;
use crate::data::range;
use crate::data::schema::{Schema, SchemaError};
use crate::history::outline::Outline;
use crate::history::revision::SeriesChange;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::{self, Write};

/// A revision, what it changed, and the tags it has.
#[derive(Debug)]
pub(crate) struct Version<'a> {
    pub(crate) stamp: Stamp,
    pub(crate) outline: &'a Outline,
    pub(crate) tags: &'a [String],
    pub(crate) overrode: Overrode,
}

/// The tags of a collection by the revision that has them.
#[derive(Debug, Default)]
pub(crate) struct TagsOf(HashMap<Stamp, Vec<String>>);

impl TagsOf {
    /// Those of a collection.
    pub(crate) fn read(collection: &Collection) -> Result<TagsOf, CollectionError> {
        let mut tags: HashMap<Stamp, Vec<String>> = HashMap::new();
        for (name, stamp) in collection.tags()? {
            tags.entry(stamp).or_default().push(name);
        }
        Ok(TagsOf(tags))
    }

    /// Those of a revision, sorted.
    pub(crate) fn of(&self, stamp: Stamp) -> &[String] {
        self.0.get(&stamp).map_or(&[], Vec::as_slice)
    }
}

/// A revision as JSON; the order of the fields is the order of the output.
#[derive(Serialize)]
struct JsonVersion<'a> {
    /// Of a watch: the collection; null is the registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    collection: Option<Option<&'a str>>,
    id: String,
    time: String,
    parents: Vec<String>,
    author: &'a str,
    message: &'a str,
    tags: &'a [String],
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

/// Where the values of fields begin.
const WIDTH: usize = 10;

/// How many series of a revision a log lists.
const LISTED: usize = 10;

impl Version<'_> {
    /// One line.
    pub(crate) fn line(&self) -> String {
        let mut line = plain::line(&self.in_a_line()).into_owned();
        line.push('\n');
        line
    }

    fn in_a_line(&self) -> String {
        let note = &self.outline.note;
        let changes = &self.outline.changes;
        let what: Cow<'_, str> = match changes.series.as_slice() {
            [] if changes.schema => "schema".into(),
            [] => self.unchanged().into(),
            [one] => format!("{}: {}", one.label, change(one)).into(),
            several => format!("{} series", several.len()).into(),
        };
        let author = if note.author.is_empty() { "-" } else { &note.author };
        let mut out = String::with_capacity(160);
        // Writing to a string cannot fail.
        write!(out, "{} ", self.stamp).unwrap_or_default();
        for (i, tag) in self.tags.iter().enumerate() {
            write!(out, "{}tag: {tag}", if i == 0 { "(" } else { ", " }).unwrap_or_default();
        }
        let end = if self.tags.is_empty() { "" } else { ") " };
        write!(out, "{end}{author} {:?} {what}", note.message).unwrap_or_default();
        out
    }

    /// A paragraph; the first few series, or all of them and the index values that changed.
    pub(crate) fn paragraph(&self, all: bool) -> Result<String, SchemaError> {
        let mut out = String::with_capacity(320);
        let mut field = |name: &str, text: &str| {
            // Not `write!`: a log of thousands of paragraphs is mostly this.
            out.push_str(name);
            out.extend(std::iter::repeat_n(' ', WIDTH.saturating_sub(name.len())));
            match name {
                "message" => out.push_str(&plain::indented(text, WIDTH)),
                _ => out.push_str(&plain::line(text)),
            }
            out.push('\n');
        };
        let Outline { parents, note, changes, .. } = self.outline;
        field("revision", &self.stamp.to_string());
        self.tags.iter().for_each(|tag| field("tag", tag));
        field("time", &iso(self.stamp.time));
        if all || parents.len() > 1 {
            parents.iter().for_each(|parent| field("parent", &parent.to_string()));
        }
        if !note.author.is_empty() {
            field("author", &note.author);
        }
        if !note.message.is_empty() {
            field("message", &note.message);
        }
        if changes.is_empty() {
            field("changed", self.unchanged());
        }
        if changes.schema {
            field("schema", &columns(&self.outline.schema()?).join(", "));
        }
        let (listed, schema) = if all { (usize::MAX, Some(self.outline.schema()?)) } else { (LISTED, None) };
        for one in changes.series.iter().take(listed) {
            field("changed", &format!("{}: {}", one.label, change(one)));
            if let Some(schema) = &schema {
                one.intervals.iter().for_each(|one| field("", &format!("  {}", range::show(schema, &one))));
            }
        }
        if let Some(more @ 1..) = changes.series.len().checked_sub(listed) {
            field("", &format!("and {more} more series"));
        }
        self.overrode.listed.iter().for_each(|one| field("overrode", &one.past()));
        if let more @ 1.. = self.overrode.more {
            field("", &format!("and {more} more"));
        }
        out.push('\n');
        Ok(out)
    }

    /// One JSON object; with the index values that changed only if `all` is wanted: they may be many.
    pub(crate) fn json(&self, all: bool) -> anyhow::Result<String> {
        self.json_of(None, all)
    }

    /// As [`Version::json`], with the label of its collection in front; `Some(None)` is the registry.
    pub(crate) fn json_of(&self, collection: Option<Option<&str>>, all: bool) -> anyhow::Result<String> {
        let Outline { parents, note, changes, .. } = self.outline;
        let schema = if all || changes.schema { Some(self.outline.schema()?) } else { None };
        let set = schema
            .as_ref()
            .filter(|_| changes.schema)
            .map(|schema| JsonChange::Schema { schema: columns(schema) });
        let ranges = schema.as_ref().filter(|_| all);
        let series = changes.series.iter().map(|one| json_change(one, ranges));
        Ok(serde_json::to_string(&JsonVersion {
            collection,
            id: self.stamp.to_string(),
            time: iso(self.stamp.time),
            parents: parents.iter().map(ToString::to_string).collect(),
            author: &note.author,
            message: &note.message,
            tags: self.tags,
            changes: set.into_iter().chain(series).collect(),
            overrode: &self.overrode.listed,
        })?)
    }

    fn unchanged(&self) -> &'static str {
        if self.outline.parents.len() > 1 { "nothing: a merge" } else { "nothing: rows stored otherwise" }
    }
}

/// What a revision did to a series; with the index values that changed where their columns are given.
fn json_change<'a>(one: &'a SeriesChange, ranges: Option<&Schema>) -> JsonChange<'a> {
    JsonChange::Series {
        series: &one.label,
        created: one.created,
        dropped: one.dropped,
        renamed_from: one.renamed_from.as_deref(),
        rows_before: one.rows_before,
        rows_after: one.rows_after,
        changed: one.keys,
        ranges: ranges.map(|schema| one.intervals.iter().map(|one| range::show(schema, &one)).collect()),
    }
}

fn columns(schema: &Schema) -> Vec<String> {
    schema.columns().iter().map(ToString::to_string).collect()
}

/// What a revision did to a series.
fn change(one: &SeriesChange) -> String {
    let mut out = String::with_capacity(64);
    let mut part = |text: fmt::Arguments<'_>| {
        if !out.is_empty() {
            out.push_str(", ");
        }
        // Writing to a string cannot fail.
        out.write_fmt(text).unwrap_or_default();
    };
    if one.created {
        part(format_args!("created"));
    }
    if let Some(from) = &one.renamed_from {
        part(format_args!("renamed from {from}"));
    }
    if one.dropped {
        part(format_args!("deleted"));
    }
    if one.keys > 0 || one.dropped {
        part(format_args!("{} -> {} rows", one.rows_before, one.rows_after));
    }
    if one.keys > 0 {
        let values = if one.keys == 1 { "value" } else { "values" };
        part(format_args!("{} index {values} changed", one.keys));
    }
    out
}
