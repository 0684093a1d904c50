//! Schemas: named, typed columns, one or more of them marked as index.
//!
//! Owns the text form (`timestamp timestamp*`, `value float`), its rules, and the mapping to Arrow
//! types. A schema is valid by construction.

use arrow_schema::{DataType, Field, SchemaRef, TimeUnit};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// A time, UTC without zone, counted in a unit since 1970-01-01; Arrow `Timestamp(unit, None)`.
    Timestamp(TimeUnit),
    /// A day; Arrow `Date32`.
    Date,
    /// A 64-bit signed integer; Arrow `Int64`.
    Int,
    /// A 64-bit float; Arrow `Float64`. NaN is a value.
    Float,
    /// Text; Arrow `Utf8`.
    Str,
    /// true or false; Arrow `Boolean`.
    Bool,
}

/// The type names a schema takes, for messages.
pub const TYPE_NAMES: &str =
    "timestamp, timestamp[s], timestamp[ms], timestamp[us], timestamp[ns], date, int, float, str, bool";

impl Type {
    /// Parses a type name as schemas write it; `None` if it is none of [`TYPE_NAMES`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Type> {
        Some(match name {
            "timestamp" | "timestamp[ms]" => Type::Timestamp(TimeUnit::Millisecond),
            "timestamp[s]" => Type::Timestamp(TimeUnit::Second),
            "timestamp[us]" => Type::Timestamp(TimeUnit::Microsecond),
            "timestamp[ns]" => Type::Timestamp(TimeUnit::Nanosecond),
            "date" => Type::Date,
            "int" => Type::Int,
            "float" => Type::Float,
            "str" => Type::Str,
            "bool" => Type::Bool,
            _ => return None,
        })
    }

    /// The name schemas write; the default unit (ms) is not spelled.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Type::Timestamp(TimeUnit::Second) => "timestamp[s]",
            Type::Timestamp(TimeUnit::Millisecond) => "timestamp",
            Type::Timestamp(TimeUnit::Microsecond) => "timestamp[us]",
            Type::Timestamp(TimeUnit::Nanosecond) => "timestamp[ns]",
            Type::Date => "date",
            Type::Int => "int",
            Type::Float => "float",
            Type::Str => "str",
            Type::Bool => "bool",
        }
    }

    /// The Arrow type of a column of this type.
    #[must_use]
    pub const fn arrow(self) -> DataType {
        match self {
            Type::Timestamp(unit) => DataType::Timestamp(unit, None),
            Type::Date => DataType::Date32,
            Type::Int => DataType::Int64,
            Type::Float => DataType::Float64,
            Type::Str => DataType::Utf8,
            Type::Bool => DataType::Boolean,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A named column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name, unique in its schema.
    pub name: String,
    /// The type.
    pub ty: Type,
    /// Whether it is part of the index. Index columns hold no null and no NaN; others may.
    pub index: bool,
}

impl Column {
    /// Parses a text such as `value float` or `timestamp timestamp*`. Its name is checked where it joins a schema.
    pub fn parse(text: &str) -> Result<Column, SchemaError> {
        parse_column(text)
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.name, self.ty, if self.index { "*" } else { "" })
    }
}

/// Why a schema is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SchemaError {
    /// A column without a type, or with words too many.
    #[error("column {0:?}: expected \"name type\" or \"name type*\"; types: {TYPE_NAMES}")]
    Form(String),
    /// A type that does not exist.
    #[error("column {name:?}: unknown type {ty:?}; types: {TYPE_NAMES}")]
    Type {
        /// The column.
        name: String,
        /// What stood for its type.
        ty: String,
    },
    /// A name that no header line or schema text could hold.
    #[error("column name {0:?} has a comma, a quote, a star, a control character or blanks around it")]
    Name(String),
    /// A name given twice.
    #[error("column {0:?} appears twice")]
    Duplicate(String),
    /// More columns than a schema may have.
    #[error("{0} columns: a schema has at most {MOST_COLUMNS}")]
    Many(usize),
    /// Columns whose names are too long together.
    #[error("the columns take {0} bytes as text: a schema has at most {MOST_SCHEMA}")]
    Long(usize),
    /// No index column.
    #[error("no index column: mark at least one with a star, as in \"timestamp timestamp*\"")]
    NoIndex,
}

/// Columns that a schema has at most. Each takes a chunk in every segment (about 40 bytes of its index entry, which is
/// read whole) and an entry in every row group of a Parquet footer: with more, a single row would take megabytes of
/// index, and the node that holds it more than readers take.
pub const MOST_COLUMNS: usize = 1 << 16;

/// Bytes that a schema has at most as text: every revision carries it.
pub const MOST_SCHEMA: usize = 4 << 20;

/// From so many columns on, names are looked up in a table.
const MANY: usize = 32;

/// Columns in order, at least one of them index.
#[derive(Clone)]
pub struct Schema {
    columns: Vec<Column>,
    index: Vec<usize>,
    arrow: SchemaRef,
    /// Positions by name, where there are many.
    names: Arc<HashMap<String, usize>>,
}

impl PartialEq for Schema {
    /// All else follows from the columns.
    fn eq(&self, other: &Schema) -> bool {
        self.columns == other.columns
    }
}

impl Eq for Schema {}

impl Schema {
    /// Checks `columns` and makes a schema of them.
    ///
    /// Fails on a bad or repeated name and where no column is index.
    pub fn new(columns: Vec<Column>) -> Result<Schema, SchemaError> {
        if columns.len() > MOST_COLUMNS {
            return Err(SchemaError::Many(columns.len()));
        }
        let text = columns.iter().map(|c| c.name.len() + c.ty.name().len() + 3).sum();
        if text > MOST_SCHEMA {
            return Err(SchemaError::Long(text));
        }
        let many = columns.len() >= MANY;
        let mut names = HashMap::with_capacity(if many { columns.len() } else { 0 });
        for (i, column) in columns.iter().enumerate() {
            let bad = |c: char| c.is_control() || matches!(c, ',' | '"' | '*');
            if column.name.is_empty() || column.name.trim() != column.name || column.name.contains(bad) {
                return Err(SchemaError::Name(column.name.clone()));
            }
            let twice = match many {
                true => names.insert(column.name.clone(), i).is_some(),
                false => columns[..i].iter().any(|c| c.name == column.name),
            };
            if twice {
                return Err(SchemaError::Duplicate(column.name.clone()));
            }
        }
        let index: Vec<usize> = (0..columns.len()).filter(|&i| columns[i].index).collect();
        if index.is_empty() {
            return Err(SchemaError::NoIndex);
        }
        let fields: Vec<Field> =
            columns.iter().map(|c| Field::new(&c.name, c.ty.arrow(), !c.index)).collect();
        let arrow = Arc::new(arrow_schema::Schema::new(fields));
        Ok(Schema { columns, index, arrow, names: Arc::new(names) })
    }

    /// Parses column texts such as `timestamp timestamp*`, each an item of its own.
    pub fn parse<S: AsRef<str>>(columns: impl IntoIterator<Item = S>) -> Result<Schema, SchemaError> {
        Schema::new(columns.into_iter().map(|c| parse_column(c.as_ref())).collect::<Result<_, _>>()?)
    }

    /// Parses one text of columns separated by commas or newlines: the content of a `.schema` file.
    pub fn parse_text(text: &str) -> Result<Schema, SchemaError> {
        Schema::parse(text.split([',', '\n']).filter(|c| !c.trim().is_empty()))
    }

    /// The columns in order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Positions of the index columns, in order.
    #[must_use]
    pub fn index(&self) -> &[usize] {
        &self.index
    }

    /// The index columns, in order.
    pub fn index_columns(&self) -> impl Iterator<Item = &Column> {
        self.index.iter().map(|&i| &self.columns[i])
    }

    /// The position of a column by name.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        match self.names.is_empty() {
            true => self.columns.iter().position(|c| c.name == name),
            false => self.names.get(name).copied(),
        }
    }

    /// The Arrow schema of frames: same order, index columns not nullable.
    #[must_use]
    pub fn arrow(&self) -> &SchemaRef {
        &self.arrow
    }
}

fn parse_column(text: &str) -> Result<Column, SchemaError> {
    let form = || SchemaError::Form(text.to_owned());
    let (name, ty) = text.trim().rsplit_once(char::is_whitespace).ok_or_else(form)?;
    // "timestamp *" marks an index too: the star may stand apart.
    let (name, ty, index) = match ty.strip_suffix('*') {
        Some("") => {
            let (name, ty) = name.trim_end().rsplit_once(char::is_whitespace).ok_or_else(form)?;
            (name, ty, true)
        }
        Some(ty) => (name, ty, true),
        None => (name, ty, false),
    };
    let name = name.trim_end().to_owned();
    let ty = Type::parse(ty).ok_or_else(|| SchemaError::Type { name: name.clone(), ty: ty.to_owned() })?;
    Ok(Column { name, ty, index })
}

/// One column a line, as in `.schema` files.
impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.columns.iter().try_for_each(|column| writeln!(f, "{column}"))
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.columns.iter().map(ToString::to_string)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        let text = "timestamp timestamp*\nstation str*\nrain fall float\n";
        assert_eq!(Schema::parse_text(text).unwrap().to_string(), text);
    }

    #[test]
    fn index_columns_keep_their_places() {
        let schema = Schema::parse(["value float", "day date*", "n int", "who str *"]).unwrap();
        assert_eq!(schema.index(), [1, 3]);
    }

    #[test]
    fn bad_schemas_are_refused_by_name() {
        let refused = |columns: &[&str]| Schema::parse(columns).unwrap_err();
        assert_eq!(refused(&["a int*", "a int"]), SchemaError::Duplicate("a".into()));
        assert_eq!(refused(&["a int"]), SchemaError::NoIndex);
        assert_eq!(refused(&["int*"]), SchemaError::Form("int*".into()));
        assert!(refused(&["a integer*"]).to_string().contains("timestamp[us]"));
        assert_eq!(refused(&["a,b int*"]), SchemaError::Name("a,b".into()));
    }

    #[test]
    fn names_are_found_however_many_there_are() {
        for count in [2, MANY - 1, MANY, 1000] {
            let mut columns: Vec<String> = (1..count).map(|i| format!("c{i} int")).collect();
            columns.push("t int*".to_owned());
            let schema = Schema::parse(&columns).unwrap();
            assert_eq!(schema.position("t"), Some(count - 1));
            assert_eq!(schema.position("c1"), Some(0));
            assert_eq!(schema.position("c0"), None);
            columns.push("c1 str".to_owned());
            assert_eq!(Schema::parse(&columns), Err(SchemaError::Duplicate("c1".into())));
        }
    }

    #[test]
    fn schemas_are_bounded() {
        let columns = |n: usize| (0..n).map(|i| format!("c{i} int*")).collect::<Vec<_>>();
        assert!(Schema::parse(columns(MOST_COLUMNS)).is_ok());
        assert_eq!(Schema::parse(columns(MOST_COLUMNS + 1)), Err(SchemaError::Many(MOST_COLUMNS + 1)));
        let long = |len: usize| Schema::parse([format!("{} int*", "x".repeat(len))]);
        assert!(long(MOST_SCHEMA - 6).is_ok());
        assert_eq!(long(MOST_SCHEMA), Err(SchemaError::Long(MOST_SCHEMA + 6)));
    }
}
