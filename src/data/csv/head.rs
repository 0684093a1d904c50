//! The first line: a header, a row, a header that is wrong, or a line that may be either.
//!
//! A line that holds exactly column names is a header. One that equals them but for case, blanks, quotes and
//! order is, unless its values tell a row. A line that names some columns, or holds nothing but words where values
//! belong, is a wrong header and never data. Among texts alone nothing tells a row from a header with other names:
//! a line is refused if anything in it looks like a name, or if the caller needs to be sure.

use super::field::{Field, fields};
use super::record::{Plan, place};
use crate::data::input::{InputError, Problem};
use crate::data::schema::{Column, Schema, Type};
use crate::data::value::number::{parse_bool, parse_float, trim};
use std::collections::HashMap;

/// Whether the first line is a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Header {
    /// The line tells; it is refused if it may be either.
    #[default]
    Guess,
    /// As [`Header::Guess`], but a line of texts that are no names is in doubt too, rather than a row.
    Needed,
    /// It is.
    Present,
    /// It is not.
    Absent,
}

/// What the first line says.
pub(super) struct Head {
    /// The fields' places in the schema.
    pub(super) positions: Vec<usize>,
    /// Whether the line is a header.
    pub(super) header: bool,
    /// Where the data starts.
    pub(super) data: usize,
}

/// How the first line is read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Heading {
    pub(super) header: Header,
    /// Whether a header may list some columns only, the index columns among them.
    pub(super) partial: bool,
}

/// Reads the first line that is not blank; `None` if there is none.
pub(super) fn head(block: &[u8], schema: &Schema, how: Heading) -> Result<Option<Head>, InputError> {
    let Some(start) = first_line(block, schema) else { return Ok(None) };
    let positional = Head { positions: (0..schema.columns().len()).collect(), header: false, data: start };
    if how.header == Header::Absent {
        return Ok(Some(positional));
    }
    let (fields, next) = fields(block, start).map_err(|(m, at)| place(block, at, m.problem()))?;
    let line = Line::new(&fields, schema, how.partial);
    let names = |positions| Ok(Some(Head { positions, header: true, data: next }));
    if line.exact && line.fault().is_none() {
        return names(line.known);
    }
    let row = how.header != Header::Present
        && Plan::new(schema, &positional.positions).parse(&block[start..next]).batch.is_ok();
    let told = row && line.tells_row(line.fault().is_none());
    let doubt = |why: String| {
        let columns = schema.columns().iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(",");
        let message = format!(
            "this line may be a header or a row: {why}; spell a header {columns}; above a row, put that header"
        );
        Err(place(block, start, Problem::Doubt(message)))
    };
    match (line.fault(), row, told) {
        (None, _, false) => names(line.known),
        (None, ..) => doubt("it names the columns, but its values are those of a row".to_owned()),
        (Some(_), _, true) => Ok(Some(positional)),
        (Some(fault), true, false) => match line.doubt(&fault) {
            Some(why) => doubt(why),
            None if how.header == Header::Needed => {
                doubt("it holds text alone, none of which is a column's name".to_owned())
            }
            None => Ok(Some(positional)),
        },
        (Some(fault), false, _) => {
            // What holds no name and not words alone was meant as values, one of which is wrong.
            if how.header != Header::Present && line.known.is_empty() && !fields.iter().all(is_word) {
                return Ok(Some(positional));
            }
            let (problem, column) = line.problem(&fault);
            Err(place(block, start, problem).in_column(column))
        }
    }
}

/// The first line as names of columns.
struct Line<'a> {
    schema: &'a Schema,
    fields: &'a [Field<'a>],
    names: Vec<String>,
    partial: bool,
    /// The column that each field names.
    found: Vec<Option<usize>>,
    /// Those there are.
    known: Vec<usize>,
    /// Whether all fields are names to the letter.
    exact: bool,
}

/// Why names are no header.
#[derive(Clone, Copy)]
enum Fault {
    /// A field is no column's name.
    Stranger(usize),
    /// A field names a column that one before it names.
    Twice(usize),
    /// No field names a column.
    Missing(usize),
}

impl<'a> Line<'a> {
    fn new(fields: &'a [Field<'a>], schema: &'a Schema, partial: bool) -> Line<'a> {
        let names: Vec<String> =
            fields.iter().map(|f| String::from_utf8_lossy(trim(&f.text)).into_owned()).collect();
        let columns = || schema.columns().iter().enumerate().map(|(i, column)| (column.name.as_str(), i));
        let by_name: HashMap<&str, usize> = columns().collect();
        let mut found: Vec<Option<usize>> = names.iter().map(|n| by_name.get(n.as_str()).copied()).collect();
        let exact = found.iter().all(Option::is_some);
        if !exact {
            // None: of columns that differ in case alone, none is meant.
            let mut folded: HashMap<String, Option<usize>> = HashMap::with_capacity(by_name.len());
            for (name, i) in columns() {
                folded.entry(fold(name)).and_modify(|there| *there = None).or_insert(Some(i));
            }
            for (at, name) in found.iter_mut().zip(&names) {
                *at = at.or_else(|| folded.get(&fold(name)).copied().flatten());
            }
        }
        let known = found.iter().copied().flatten().collect();
        Line { schema, fields, names, partial, found, known, exact }
    }

    fn columns(&self) -> &'a [Column] {
        self.schema.columns()
    }

    /// Why the line is no header; `None` if it can be one.
    fn fault(&self) -> Option<Fault> {
        let mut named = vec![false; self.columns().len()];
        for (i, found) in self.found.iter().enumerate() {
            let Some(column) = *found else { return Some(Fault::Stranger(i)) };
            if std::mem::replace(&mut named[column], true) {
                return Some(Fault::Twice(i));
            }
        }
        let needed = |i: usize| !self.partial || self.columns()[i].index;
        (0..named.len()).find(|&i| needed(i) && !named[i]).map(Fault::Missing)
    }

    /// Whether a line that can be a row has a value that tells it from a header: one of another type than text, that
    /// is no name; with `spelled`, that is none to the letter.
    fn tells_row(&self, spelled: bool) -> bool {
        let is_name = |i: usize| {
            self.found[i].is_some_and(|found| !spelled || self.columns()[found].name == self.names[i])
        };
        self.columns().iter().zip(self.fields).enumerate().any(|(i, (column, field))| {
            let text = trim(&field.text);
            column.ty != Type::Str && !text.is_empty() && !is_letter(text) && !is_name(i)
        })
    }

    /// What in a line that can be a row looks like a header.
    fn doubt(&self, fault: &Fault) -> Option<String> {
        let (Fault::Stranger(at) | Fault::Twice(at) | Fault::Missing(at)) = *fault;
        match (self.found.iter().position(Option::is_some), fault) {
            (Some(_), Fault::Twice(_)) => {
                Some(format!("all of it are columns' names, but {:?} stands there twice", self.names[at]))
            }
            (Some(known), Fault::Stranger(_)) => {
                Some(format!("{:?} is a column, {:?} is none", self.names[known], self.names[at]))
            }
            (Some(_), Fault::Missing(_)) => Some("all of it are columns' names".to_owned()),
            (None, _) => {
                let columns: HashMap<String, &Column> =
                    self.columns().iter().map(|column| (letters(&column.name), column)).collect();
                self.names.iter().find_map(|name| {
                    let column = columns.get(&letters(name))?;
                    Some(format!("{name:?} looks like column {:?}", column.name))
                })
            }
        }
    }

    /// What is wrong with a header, and the column it is about.
    fn problem(&self, fault: &Fault) -> (Problem, &str) {
        let list = || self.columns().iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
        match *fault {
            Fault::Stranger(i) => (stranger_problem(&self.names, i, list()), self.names[i].as_str()),
            Fault::Twice(i) => {
                (Problem::Other("the header names this column twice".into()), self.names[i].as_str())
            }
            Fault::Missing(i) => {
                let problem = Problem::MissingColumn { found: self.names.join(", "), names: list() };
                (problem, self.columns()[i].name.as_str())
            }
        }
    }
}

/// What is wrong with a column that the schema does not have, and how it may have come about.
fn stranger_problem(names: &[String], i: usize, wanted: String) -> Problem {
    let mark = [';', '\t', '|'].into_iter().find(|mark| names.len() == 1 && names[i].contains(*mark));
    match mark {
        Some(mark) => Problem::Other(format!(
            "columns are parted by commas, these seem to be by {mark:?}; the schema has {wanted}"
        )),
        None if names[i].is_empty() => Problem::Other(format!(
            "unknown column; the schema has {wanted} (an index without a name? pandas leaves it out with \
             `index=False`, R with `row.names = FALSE`)"
        )),
        None => Problem::UnknownColumn { names: wanted },
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

/// Whether a text is one letter: as a bool it tells little.
fn is_letter(text: &[u8]) -> bool {
    matches!(text, [letter] if letter.is_ascii_alphabetic())
}

/// A name without what may differ in a header: case, blanks and quotes around it, a byte order mark.
fn fold(name: &str) -> String {
    name.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '\u{feff}')).to_lowercase()
}

/// The letters and digits of a name, which other spellings of it share.
fn letters(name: &str) -> String {
    name.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect()
}
