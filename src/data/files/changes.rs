//! What differs between rows, as text: CSV with a line for each cell, JSON lines, and unified text for people.
//!
//! Values look as they do in CSV and JSON of rows. Nothing is kept between deltas, so outputs of any length stream.

use super::json::{self, Values};
use crate::data::csv::{self, Column as Cells};
use crate::data::delta::{Delta, Row};
use crate::data::diff::same_cell;
use crate::data::schema::{Column, Schema, Type};
use arrow_array::{ArrayRef, RecordBatch};
use std::ops::Range;

/// How changes are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `op,<index>,column,old,new`: a line for each cell; op is `added`, `removed` or `changed`. Where an index column has one
    /// of these names, ours has `diff_` in front, as often as needed.
    Csv,
    /// An object for each row: `op`, `index`, and `old` and `new` with the values, of changed rows those that differ.
    Json,
    /// Rows as in CSV behind `-` and `+`; a line `@@ <index> @@` before rows that are not neighbours.
    Text,
}

/// The words of `op`.
const fn op(row: &Row) -> &'static [u8] {
    match (row.old, row.new) {
        (Some(_), Some(_)) => b"changed",
        (Some(_), None) => b"removed",
        (None, _) => b"added",
    }
}

/// The line before all others, of CSV alone.
#[must_use]
pub fn header(schema: &Schema, form: Form) -> Vec<u8> {
    if form != Form::Csv {
        return Vec::new();
    }
    let own = |name: &&str| own_name(schema, name);
    let index = schema.index_columns().map(|column| column.name.clone());
    let names: Vec<String> =
        ["op"].iter().map(own).chain(index).chain(["column", "old", "new"].iter().map(own)).collect();
    csv::header(names.iter().map(String::as_str))
}

/// As [`header`], of several series: their labels are a first column.
#[must_use]
pub fn header_of(schema: &Schema, form: Form) -> Vec<u8> {
    if form != Form::Csv {
        return Vec::new();
    }
    let mut header_of = csv::header(std::iter::once(own_name(schema, "series").as_str()));
    header_of.pop();
    header_of.push(b',');
    header_of.extend(header(schema, form));
    header_of
}

/// The name of a column of ours: no index column has it.
fn own_name(schema: &Schema, name: &str) -> String {
    let mut name = name.to_owned();
    while schema.index_columns().any(|column| column.name == name) {
        name.insert_str(0, "diff_");
    }
    name
}

/// Appends what differs. `schema` has the columns of both frames.
pub fn render(schema: &Schema, form: Form, delta: &Delta, out: &mut Vec<u8>) {
    match form {
        Form::Csv => cells(schema, b"", delta, out),
        Form::Json => objects(schema, b"", delta, out),
        Form::Text => lines(schema, delta, out),
    }
}

/// As [`render`], of one of several series: its label is a first column of CSV, and a first member of JSON.
pub fn render_of(schema: &Schema, form: Form, series: &str, delta: &Delta, out: &mut Vec<u8>) {
    let mut lead = Vec::new();
    match form {
        Form::Csv => {
            csv::push_str(&mut lead, series.as_bytes());
            lead.push(b',');
            cells(schema, &lead, delta, out);
        }
        Form::Json => {
            lead.extend_from_slice(b"\"series\":");
            json::push_text(&mut lead, series.as_bytes());
            lead.push(b',');
            objects(schema, &lead, delta, out);
        }
        Form::Text => lines(schema, delta, out),
    }
}

/// The frame that tells the index of a row, and where.
fn place(row: &Row) -> (bool, usize) {
    match (row.old, row.new) {
        (_, Some(at)) => (true, at),
        (at, None) => (false, at.unwrap_or(0)),
    }
}

/// Whether a cell has another value.
fn differs(ty: Type, row: &Row, old: &ArrayRef, new: &ArrayRef) -> bool {
    match (row.old, row.new) {
        (Some(i), Some(j)) => !same_cell(ty, old, i, new, j),
        _ => true,
    }
}

fn value_columns(schema: &Schema) -> Vec<usize> {
    (0..schema.columns().len()).filter(|&i| !schema.columns()[i].index).collect()
}

fn fields<'a>(schema: &Schema, frame: &'a RecordBatch) -> Vec<Cells<'a>> {
    schema.columns().iter().zip(frame.columns()).map(|(column, array)| Cells::new(column.ty, array)).collect()
}

fn cells(schema: &Schema, label: &[u8], delta: &Delta, out: &mut Vec<u8>) {
    let (mut old, mut new) = (fields(schema, &delta.old), fields(schema, &delta.new));
    let values = value_columns(schema);
    let mut lead = Vec::new();
    for row in &delta.rows {
        lead.clear();
        lead.extend_from_slice(label);
        lead.extend_from_slice(op(row));
        let (is_new, at) = place(row);
        for &i in schema.index() {
            lead.push(b',');
            if is_new { &mut new[i] } else { &mut old[i] }.push(&mut lead, at);
        }
        lead.push(b',');
        if values.is_empty() {
            out.extend_from_slice(&lead);
            out.extend_from_slice(b",,\n");
        }
        for &i in &values {
            let column = &schema.columns()[i];
            if !differs(column.ty, row, delta.old.column(i), delta.new.column(i)) {
                continue;
            }
            out.extend_from_slice(&lead);
            csv::push_str(out, column.name.as_bytes());
            out.push(b',');
            row.old.into_iter().for_each(|at| old[i].push(out, at));
            out.push(b',');
            row.new.into_iter().for_each(|at| new[i].push(out, at));
            out.push(b'\n');
        }
    }
}

fn objects(schema: &Schema, lead: &[u8], delta: &Delta, out: &mut Vec<u8>) {
    let side = |frame: &RecordBatch| -> Vec<Values> {
        schema.columns().iter().zip(frame.columns()).map(|(c, array)| Values::new(c.ty, array)).collect()
    };
    let (mut old, mut new) = (side(&delta.old), side(&delta.new));
    let values = value_columns(schema);
    for row in &delta.rows {
        let (is_new, at) = place(row);
        out.push(b'{');
        out.extend_from_slice(lead);
        out.extend_from_slice(b"\"op\":\"");
        out.extend_from_slice(op(row));
        out.extend_from_slice(b"\",\"index\":");
        object(schema, schema.index(), if is_new { &mut new } else { &mut old }, at, out);
        let wanted: Vec<usize> = values
            .iter()
            .copied()
            .filter(|&i| differs(schema.columns()[i].ty, row, delta.old.column(i), delta.new.column(i)))
            .collect();
        for (name, at, values) in [(",\"old\":", row.old, &mut old), (",\"new\":", row.new, &mut new)] {
            out.extend_from_slice(name.as_bytes());
            match at {
                Some(at) => object(schema, &wanted, values, at, out),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.extend_from_slice(b"}\n");
    }
}

fn object(schema: &Schema, columns: &[usize], values: &mut [Values], row: usize, out: &mut Vec<u8>) {
    out.push(b'{');
    for (n, &i) in columns.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        json::push_text(out, schema.columns()[i].name.as_bytes());
        out.push(b':');
        values[i].push(out, row);
    }
    out.push(b'}');
}

fn lines(schema: &Schema, delta: &Delta, out: &mut Vec<u8>) {
    let typed = |frame: &RecordBatch| -> Vec<(Type, ArrayRef)> {
        let columns: &[Column] = schema.columns();
        columns.iter().zip(frame.columns()).map(|(c, array)| (c.ty, array.clone())).collect()
    };
    let (old, new) = (typed(&delta.old), typed(&delta.new));
    let index = |columns: &[(Type, ArrayRef)]| -> Vec<(Type, ArrayRef)> {
        schema.index().iter().map(|&i| columns[i].clone()).collect()
    };
    let (old_index, new_index) = (index(&old), index(&new));
    for row in &delta.rows {
        if row.gap {
            let (is_new, at) = place(row);
            out.extend_from_slice(b"@@ ");
            csv::render(if is_new { &new_index } else { &old_index }, one(at), out);
            out.pop();
            out.extend_from_slice(b" @@\n");
        }
        for (sign, columns, at) in [(b'-', &old, row.old), (b'+', &new, row.new)] {
            if let Some(at) = at {
                out.push(sign);
                csv::render(columns, one(at), out);
            }
        }
    }
}

const fn one(row: usize) -> Range<usize> {
    row..row + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::csv::CsvReader;
    use crate::data::delta::delta;
    use std::sync::Arc;

    fn shown(form: Form) -> String {
        let schema = Schema::parse(["day date*", "place str*", "v float", "note str"]).unwrap();
        let frame = |text: &str| {
            CsvReader::new(Arc::new(schema.clone()), text.as_bytes(), 100).next().unwrap().unwrap()
        };
        let old = frame("2020-01-01,a,1,x\n2020-01-02,\"b,c\",2,y\n2020-01-05,a,5,z\n");
        let new = frame("2020-01-01,a,1,x\n2020-01-02,\"b,c\",NaN,\"\"\n2020-01-06,a,,w\n");
        let mut out = header(&schema, form);
        render(&schema, form, &delta(&schema, &old, &new, true), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn csv_has_a_line_for_each_cell_that_differs() {
        assert_eq!(
            shown(Form::Csv),
            "op,day,place,column,old,new\n\
             changed,2020-01-02,\"b,c\",v,2.0,NaN\n\
             changed,2020-01-02,\"b,c\",note,y,\"\"\n\
             removed,2020-01-05,a,v,5.0,\n\
             removed,2020-01-05,a,note,z,\n\
             added,2020-01-06,a,v,,\n\
             added,2020-01-06,a,note,,w\n"
        );
    }

    #[test]
    fn no_name_stands_twice_in_a_header() {
        let head = |columns: &[&str]| {
            let schema = Schema::parse(columns).unwrap();
            let heads = [header(&schema, Form::Csv), header_of(&schema, Form::Csv)];
            heads.map(|head| String::from_utf8(head).unwrap())
        };
        let plain = head(&["k int*", "op str", "old int"]);
        assert_eq!(plain, ["op,k,column,old,new\n", "series,op,k,column,old,new\n"]);
        let all = ["series", "op", "diff_op", "column", "old", "new", "diff_new"]
            .map(|name| format!("{name} str*"));
        let columns: Vec<&str> = all.iter().map(String::as_str).collect();
        let index = "series,op,diff_op,column,old,new,diff_new";
        let ours = format!("diff_diff_op,{index},diff_column,diff_old,diff_diff_new\n");
        assert_eq!(head(&columns), [ours.clone(), format!("diff_series,{ours}")]);
    }

    #[test]
    fn json_has_an_object_for_each_row() {
        let lines: Vec<serde_json::Value> =
            shown(Form::Json).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let index = |day: &str, place: &str| serde_json::json!({"day": day, "place": place});
        let expected = [
            serde_json::json!({"op": "changed", "index": index("2020-01-02", "b,c"),
                "old": {"v": 2.0, "note": "y"}, "new": {"v": "NaN", "note": ""}}),
            serde_json::json!({"op": "removed", "index": index("2020-01-05", "a"),
                "old": {"v": 5.0, "note": "z"}, "new": null}),
            serde_json::json!({"op": "added", "index": index("2020-01-06", "a"),
                "old": null, "new": {"v": null, "note": "w"}}),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn text_shows_rows_and_where_they_stand() {
        assert_eq!(
            shown(Form::Text),
            "@@ 2020-01-02,\"b,c\" @@\n\
             -2020-01-02,\"b,c\",2.0,y\n\
             +2020-01-02,\"b,c\",NaN,\"\"\n\
             -2020-01-05,a,5.0,z\n\
             +2020-01-06,a,,w\n"
        );
    }
}
