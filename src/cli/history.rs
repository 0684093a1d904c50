//! Revisions as text and as JSON.

use crate::clock::{Stamp, iso};
use crate::data::key;
use crate::data::key::show;
use crate::data::schema::Schema;
use crate::history::revision::{ChangeList, Revision, SeriesChange};
use crate::interval::{Interval, next_prefix};
use serde::Serialize;
use std::fmt::Write;

/// A revision and what it changed.
#[derive(Debug)]
pub(crate) struct Version<'a> {
    pub(crate) stamp: Stamp,
    pub(crate) revision: &'a Revision,
    pub(crate) changes: &'a ChangeList,
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
                one.intervals.iter().for_each(|one| field("", &format!("  {}", range(schema, &one))));
            }
        }
        if let Some(more @ 1..) = self.changes.series.len().checked_sub(listed) {
            field("", &format!("and {more} more series"));
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
            ranges: all.then(|| one.intervals.iter().map(|one| range(schema, &one)).collect()),
        }
    }

    fn unchanged(&self) -> &'static str {
        if self.revision.parents.len() > 1 { "nothing: a merge" } else { "nothing: rows stored otherwise" }
    }
}

/// A range of index values: one value, or from one to another, the brackets as in mathematics.
fn range(schema: &Schema, range: &Interval) -> String {
    let lo = if range.lo.is_empty() { String::new() } else { shown(schema, &range.lo) };
    match &range.hi {
        None => format!("[{lo} .. ]"),
        hi if *hi == next_prefix(&range.lo) => lo,
        Some(hi) => match inclusive(schema, hi) {
            Some(last) => format!("[{lo} .. {last}]"),
            None => format!("[{lo} .. {})", shown(schema, hi)),
        },
    }
}

/// An index value, or the first columns of one.
fn shown(schema: &Schema, key: &[u8]) -> String {
    if key::decode(schema, key).is_some() {
        return show(schema, key);
    }
    // A prefix of a tuple: a schema of its columns alone decodes it.
    let index: Vec<_> = schema.index_columns().cloned().collect();
    let prefixes = (1..index.len()).filter_map(|len| Schema::new(index[..len].to_vec()).ok());
    let known = prefixes.filter(|prefix| key::decode(prefix, key).is_some());
    known.map(|prefix| show(&prefix, key)).next().unwrap_or_else(|| "?".to_owned())
}

/// The index value whose successor `end` is, if it is that of one.
fn inclusive(schema: &Schema, end: &[u8]) -> Option<String> {
    let mut last = end.to_vec();
    *last.last_mut()? = last.last()?.checked_sub(1)?;
    // The successor of a key lacks the 0xFF at the key's end.
    for _ in 0..=8 * schema.index().len() {
        if key::decode(schema, &last).is_some() && next_prefix(&last).as_deref() == Some(end) {
            return Some(show(schema, &last));
        }
        last.push(0xFF);
    }
    None
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::value::Value;

    fn shown(columns: &[&str], first: &[Value], last: &[Value]) -> String {
        let schema = Schema::parse(columns).unwrap();
        let key = |values| key::encode(&schema, values).unwrap();
        range(&schema, &Interval::closed(&key(first), &key(last)))
    }

    #[test]
    fn ranges_of_numbers_show_their_last_value() {
        for last in [256, 255, 300, i64::MAX - 1] {
            let text = shown(&["k int*"], &[Value::Int(3)], &[Value::Int(last)]);
            assert_eq!(text, format!("[3 .. {last}]"));
        }
    }

    #[test]
    fn ranges_of_tuples_show_their_last_value() {
        let row = |who: &str, n| vec![Value::Str(who.to_owned()), Value::Int(n)];
        assert_eq!(shown(&["who str*", "n int*"], &row("a", 1), &row("b", 255)), "[a, 1 .. b, 255]");
    }

    #[test]
    fn one_value_and_open_ends_are_told() {
        let schema = Schema::parse(["k int*"]).unwrap();
        let key = key::encode(&schema, &[Value::Int(7)]).unwrap();
        assert_eq!(range(&schema, &Interval::point(&key)), "7");
        assert_eq!(range(&schema, &Interval { lo: key, hi: None }), "[7 .. ]");
        assert_eq!(range(&schema, &Interval::ALL), "[ .. ]");
    }
}
