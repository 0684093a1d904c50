//! The first line: a header, data, or a header that is wrong.
//!
//! A line that holds exactly column names is a header. A line that names some columns, or holds
//! nothing but words where values belong, is a wrong header and never data.

use super::field::{Field, fields};
use super::record::{Plan, place};
use crate::data::input::{InputError, Problem};
use crate::data::schema::{Schema, Type};
use crate::data::value::number::{parse_bool, parse_float, trim};

/// What the first line says.
pub(super) struct Head {
    /// The fields' places in the schema.
    pub(super) positions: Vec<usize>,
    /// Whether the line is a header.
    pub(super) header: bool,
    /// Where the data starts.
    pub(super) data: usize,
}

/// Reads the first line that is not blank; `None` if there is none.
///
/// A partial header lists at least the index columns, any other lists all columns.
pub(super) fn head(block: &[u8], schema: &Schema, partial: bool) -> Result<Option<Head>, InputError> {
    let Some(start) = first_line(block, schema) else { return Ok(None) };
    let (fields, next) = fields(block, start).map_err(|(m, at)| place(block, at, m.problem()))?;
    let names: Vec<_> = fields.iter().map(|f| String::from_utf8_lossy(trim(&f.text)).into_owned()).collect();
    let found: Vec<Option<usize>> = names.iter().map(|name| schema.position(name)).collect();
    let at_line = |problem| place(block, start, problem);
    let positional = Head { positions: (0..schema.columns().len()).collect(), header: false, data: start };
    let known: Vec<usize> = found.iter().copied().flatten().collect();
    if known.len() < found.len() {
        let data = Plan::new(schema, &positional.positions).parse(&block[start..next]).batch.is_ok();
        // A value that is no string tells data from names; among strings, one column's name does.
        let typed =
            || schema.columns().iter().zip(&fields).any(|(c, f)| c.ty != Type::Str && !f.text.is_empty());
        let header = if known.is_empty() { !data && fields.iter().all(is_word) } else { !data || !typed() };
        let stranger = found.iter().position(Option::is_none).filter(|_| header);
        return match stranger {
            Some(i) => Err(at_line(stranger_problem(&names, i, schema)).in_column(&names[i])),
            None => Ok(Some(positional)),
        };
    }
    let mut seen = vec![false; schema.columns().len()];
    if let Some(i) = (0..known.len()).find(|&i| std::mem::replace(&mut seen[known[i]], true)) {
        return Err(at_line(Problem::Other("the header names this column twice".into())).in_column(&names[i]));
    }
    let needed = |i: usize| !partial || schema.columns()[i].index;
    let missing = (0..schema.columns().len()).find(|&i| needed(i) && !seen[i]);
    match missing {
        Some(i) => {
            let problem = Problem::MissingColumn { found: names.join(", "), names: list(schema) };
            Err(at_line(problem).in_column(&schema.columns()[i].name))
        }
        None => Ok(Some(Head { positions: known, header: true, data: next })),
    }
}

/// What is wrong with a column that the schema does not have, and how it may have come about.
fn stranger_problem(names: &[String], i: usize, schema: &Schema) -> Problem {
    let names_wanted = list(schema);
    let mark = [';', '\t', '|'].into_iter().find(|mark| names.len() == 1 && names[i].contains(*mark));
    match mark {
        Some(mark) => Problem::Other(format!(
            "columns are parted by commas, these seem to be by {mark:?}; the schema has {names_wanted}"
        )),
        None if names[i].is_empty() => Problem::Other(format!(
            "unknown column; the schema has {names_wanted} (an index without a name? pandas leaves it out with \
             `index=False`, R with `row.names = FALSE`)"
        )),
        None => Problem::UnknownColumn { names: names_wanted },
    }
}

/// Where the first line that is not blank starts. Blanks alone can be a string.
fn first_line(block: &[u8], schema: &Schema) -> Option<usize> {
    let string = matches!(schema.columns(), [only] if only.ty == Type::Str);
    let blank = |b: &u8| matches!(b, b'\r' | b'\n') || (!string && matches!(b, b' ' | b'\t'));
    let first = block.iter().position(|b| !blank(b))?;
    Some(memchr::memrchr(b'\n', &block[..first]).map_or(0, |newline| newline + 1))
}

/// Whether a field starts like a name and is no value that happens to be spelled with letters.
fn is_word(field: &Field<'_>) -> bool {
    let text = trim(&field.text);
    let letter = String::from_utf8_lossy(text).chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    letter && parse_bool(text).is_none() && parse_float(text).is_none()
}

fn list(schema: &Schema) -> String {
    schema.columns().iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ")
}
