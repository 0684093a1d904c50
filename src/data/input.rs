//! Errors of input: what is wrong, in which file, line and column, and what was expected.

use std::fmt;

/// Input that cannot become rows. Nothing of it is kept.
#[derive(Debug)]
pub struct InputError {
    /// The file as the user named it, or `stdin`; empty where there is none.
    pub file: String,
    /// Line (of text), from 1; 0 where there is none.
    pub line: u64,
    /// Row (of formats without lines), from 1; 0 where there is none.
    pub row: u64,
    /// The column's name.
    pub column: Option<String>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with an input.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A field that is not a value of its column's type.
    #[error("{found:?} is not {expected}")]
    Value {
        /// The field, shortened.
        found: String,
        /// What the type takes, with an example.
        expected: &'static str,
    },
    /// A line with too few or too many fields.
    #[error("{found} {}, expected {expected} ({names})", noun(*.found))]
    Fields {
        /// Fields of the line.
        found: usize,
        /// Fields of the header or the schema.
        expected: usize,
        /// The columns' names, separated by commas.
        names: String,
    },
    /// A column that the schema has and the input lacks.
    #[error("column missing; the input has {found}, the schema {names}")]
    MissingColumn {
        /// The names of the columns found, separated by commas.
        found: String,
        /// The columns' names, separated by commas.
        names: String,
    },
    /// A column that the schema does not have.
    #[error("unknown column; the schema has {names}")]
    UnknownColumn {
        /// The columns' names, separated by commas.
        names: String,
    },
    /// A first line that may be a header or a row, as a full sentence without a stop: neither is guessed.
    #[error("{0}")]
    Doubt(String),
    /// A column of another type.
    #[error("the input has {found}, the schema {expected}")]
    ColumnType {
        /// Type found.
        found: String,
        /// Type expected.
        expected: String,
    },
    /// Anything else, as a full sentence without a stop.
    #[error("{0}")]
    Other(String),
    /// The input could not be read.
    #[error("cannot read the input")]
    Read(#[source] std::io::Error),
    /// There is no place for what does not fit into memory.
    #[error("cannot spool the input to a temporary file")]
    Spool(#[source] std::io::Error),
    /// A file of a format that is not read, or of another one than was said.
    #[error("this is {what}, not {expected}: {way}")]
    Kind {
        /// What the file is.
        what: &'static str,
        /// What is read.
        expected: &'static str,
        /// What to do.
        way: String,
    },
    /// A text that is wrong, and looks like something else than CSV.
    #[error("{0}; it looks like {1}")]
    Looks(Box<Problem>, &'static str),
    /// The input is no file of its format.
    #[error("not a readable {format} file: {message}")]
    Format {
        /// Name of the format.
        format: &'static str,
        /// What its reader says.
        message: String,
    },
}

const fn noun(fields: usize) -> &'static str {
    if fields == 1 { "field" } else { "fields" }
}

impl InputError {
    /// An error without a place.
    #[must_use]
    pub const fn new(problem: Problem) -> InputError {
        InputError { file: String::new(), line: 0, row: 0, column: None, problem }
    }

    /// Adds the line, from 1.
    #[must_use]
    pub const fn at_line(mut self, line: u64) -> InputError {
        self.line = line;
        self
    }

    /// Adds the row, from 1.
    #[must_use]
    pub const fn at_row(mut self, row: u64) -> InputError {
        self.row = row;
        self
    }

    /// Adds the column.
    #[must_use]
    pub fn in_column(mut self, name: &str) -> InputError {
        self.column = Some(name.to_owned());
        self
    }

    /// Adds the file, where none is given yet.
    #[must_use]
    pub fn in_file(mut self, name: &str) -> InputError {
        if self.file.is_empty() {
            name.clone_into(&mut self.file);
        }
        self
    }
}

/// `input.csv: line 3, column value: "abc" is not a float`. In one line, whatever the names in it are.
impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        if !self.file.is_empty() {
            text = format!("{}: ", self.file);
        }
        let shown = |column: &String| match column.is_empty() {
            true => "column \"\"".to_owned(),
            false => format!("column {column}"),
        };
        let column = self.column.as_ref().map(shown);
        let place = match (self.line, self.row) {
            (0, 0) => None,
            (0, row) => Some(format!("row {row}")),
            (line, _) => Some(format!("line {line}")),
        };
        let place: Vec<String> = place.into_iter().chain(column).collect();
        if !place.is_empty() {
            text.push_str(&format!("{}: ", place.join(", ")));
        }
        text.push_str(&self.problem.to_string());
        // Names of damaged files may be anything, also what a terminal obeys.
        text.chars().try_for_each(|c| match c.is_control() {
            true => write!(f, "{}", c.escape_default()),
            false => write!(f, "{c}"),
        })
    }
}

impl std::error::Error for InputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_line_whatever_names_are() {
        let error =
            InputError::new(Problem::Other("a\x1b[2J".to_owned())).at_row(3).in_column("b\nc").in_file("d\r");
        assert_eq!(error.to_string(), "d\\r: row 3, column b\\nc: a\\u{1b}[2J");
    }
}
