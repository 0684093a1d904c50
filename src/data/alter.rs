//! Alterations of a schema: columns added, dropped, renamed; and which columns of one schema become those of another.
//!
//! Pure. Index columns may be renamed and nothing else, so that index values, and with them change lists, mean the same
//! before and after.

use super::schema::{Column, Schema, SchemaError};
use super::value::{NotValue, Value};

/// Bytes of a default at most: it stands in every row until somebody writes another value.
pub const MAX_DEFAULT: usize = 256;

/// Alterations in one revision at most: each is applied to all columns when heads are merged.
pub const MOST_STEPS: usize = 4096;

/// One change of the columns of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alteration {
    /// A new value column, the last. Rows that are there get the default, a text that its type parses; none: null.
    Add {
        /// The column.
        column: Column,
        /// What stands in rows that are there.
        default: Option<String>,
    },
    /// A value column goes.
    Drop(String),
    /// A column gets another name.
    Rename {
        /// Its name.
        from: String,
        /// Its new name.
        to: String,
    },
    /// All columns at once: those of the head that was chosen among heads without a merge.
    Set(Schema),
}

/// Why columns cannot be altered so.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AlterError {
    /// A name or a type that cannot be.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// More alterations than one revision may have.
    #[error("{0} alterations at once: one revision has at most {MOST_STEPS}")]
    Many(usize),
    /// A name that another column has.
    #[error("there is a column {0:?} already")]
    Taken(String),
    /// A column that is not there.
    #[error("there is no column {name:?}, only {}", .names.join(", "))]
    Missing {
        /// What was asked for.
        name: String,
        /// What there is.
        names: Vec<String>,
    },
    /// An index column to be added.
    #[error(
        "column {0:?} cannot be added to the index: create a collection with that index and copy the rows"
    )]
    NewIndex(String),
    /// An index column to be dropped.
    #[error("column {0:?} is part of the index and cannot be dropped")]
    Index(String),
    /// A default that is no value of the column.
    #[error("default of column {column:?}: {text:?} is {problem}")]
    Default {
        /// The column.
        column: String,
        /// The text.
        text: String,
        /// What is wrong with it.
        problem: NotValue,
    },
    /// A default that is too long.
    #[error("default of column {0:?}: at most {MAX_DEFAULT} bytes, since every row takes it")]
    Long(String),
}

impl Alteration {
    /// Adds a column such as `unit str`; `default` is what rows that are there get.
    pub fn add(column: &str, default: Option<&str>) -> Result<Alteration, AlterError> {
        let column = Column::parse(column)?;
        let text = |text: &str| {
            let value = Value::parse(column.ty, text).map_err(|problem| AlterError::Default {
                column: column.name.clone(),
                text: text.to_owned(),
                problem,
            })?;
            let text = value.render(column.ty);
            if text.len() > MAX_DEFAULT { Err(AlterError::Long(column.name.clone())) } else { Ok(text) }
        };
        let default = default.map(text).transpose()?;
        Ok(Alteration::Add { column, default })
    }

    /// The columns afterwards.
    pub fn apply(&self, schema: &Schema) -> Result<Schema, AlterError> {
        let mut columns = schema.columns().to_vec();
        match self {
            Alteration::Add { column, .. } => {
                if column.index {
                    return Err(AlterError::NewIndex(column.name.clone()));
                }
                free(schema, &column.name)?;
                columns.push(column.clone());
            }
            Alteration::Drop(name) => {
                let at = position(schema, name)?;
                if columns[at].index {
                    return Err(AlterError::Index(name.clone()));
                }
                columns.remove(at);
            }
            Alteration::Rename { from, to } => {
                let at = position(schema, from)?;
                free(schema, to)?;
                columns[at].name.clone_from(to);
            }
            Alteration::Set(schema) => return Ok(schema.clone()),
        }
        Ok(Schema::new(columns)?)
    }
}

fn position(schema: &Schema, name: &str) -> Result<usize, AlterError> {
    let names = || schema.columns().iter().map(|column| column.name.clone()).collect();
    schema.position(name).ok_or_else(|| AlterError::Missing { name: name.to_owned(), names: names() })
}

fn free(schema: &Schema, name: &str) -> Result<(), AlterError> {
    if schema.position(name).is_some() { Err(AlterError::Taken(name.to_owned())) } else { Ok(()) }
}

/// Where a column comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Take {
    /// A column of the source, by position.
    Column(usize),
    /// One value in every row, as text; none: null.
    Constant(Option<String>),
}

/// Where each column of a schema comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping(Vec<Take>);

impl Mapping {
    /// One for each column of the target.
    #[must_use]
    pub const fn new(takes: Vec<Take>) -> Mapping {
        Mapping(takes)
    }

    /// The columns of a schema of so many, as they are.
    #[must_use]
    pub fn identity(columns: usize) -> Mapping {
        Mapping((0..columns).map(Take::Column).collect())
    }

    /// Columns of one name and type, those of the index in their order; null where `old` has none.
    #[must_use]
    pub fn by_name(old: &Schema, new: &Schema) -> Mapping {
        let mut index = old.index().iter().copied();
        let take = |column: &Column| {
            let place = match column.index {
                true => index.next(),
                false => old.position(&column.name).filter(|&i| {
                    let there = &old.columns()[i];
                    there.ty == column.ty && !there.index
                }),
            };
            place.map_or(Take::Constant(None), Take::Column)
        };
        Mapping(new.columns().iter().map(take).collect())
    }

    /// The columns that come from one of the source: their positions there, and here.
    pub fn kept(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let takes = self.0.iter().enumerate();
        takes.filter_map(|(to, take)| if let Take::Column(from) = take { Some((*from, to)) } else { None })
    }

    /// The same, but a column that would be constant comes from the column of `old` with its name and type, if nothing else
    /// takes that: it was dropped, and added again in `new`.
    #[must_use]
    pub fn returning(&self, old: &Schema, new: &Schema) -> Mapping {
        let by_name = Mapping::by_name(old, new);
        let kept: Vec<usize> = self.kept().map(|(from, _)| from).collect();
        let take = |(own, named): (&Take, &Take)| match (own, named) {
            (Take::Constant(_), Take::Column(from)) if !kept.contains(from) => named.clone(),
            _ => own.clone(),
        };
        Mapping(self.0.iter().zip(&by_name.0).map(take).collect())
    }

    /// Which of so many columns of the source it does not take.
    #[must_use]
    pub fn left_out(&self, columns: usize) -> Vec<usize> {
        (0..columns).filter(|&i| self.kept().all(|(from, _)| from != i)).collect()
    }

    /// Which columns of the target do not come from the source.
    #[must_use]
    pub fn constants(&self) -> Vec<usize> {
        let takes = self.0.iter().enumerate();
        takes.filter(|(_, take)| matches!(take, Take::Constant(_))).map(|(to, _)| to).collect()
    }

    /// For each column of the target.
    #[must_use]
    pub fn takes(&self) -> &[Take] {
        &self.0
    }

    /// Whether it gives all of `columns` columns as they are.
    #[must_use]
    pub fn keeps_all(&self, columns: usize) -> bool {
        *self == Mapping::identity(columns)
    }

    /// The same after one more alteration of `schema`, which it gives.
    pub fn then(&self, schema: &Schema, alteration: &Alteration) -> Result<Mapping, AlterError> {
        let mut takes = self.0.clone();
        match alteration {
            Alteration::Add { default, .. } => takes.push(Take::Constant(default.clone())),
            Alteration::Drop(name) => drop(takes.remove(position(schema, name)?)),
            Alteration::Rename { .. } => {}
            Alteration::Set(set) => {
                let take = |column: &Column| {
                    let named = schema.position(&column.name);
                    let same = named.filter(|&at| schema.columns()[at] == *column);
                    same.map_or(Take::Constant(None), |at| takes[at].clone())
                };
                return Ok(Mapping(set.columns().iter().map(take).collect()));
            }
        }
        Ok(Mapping(takes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema::parse(["k int*", "v float"]).unwrap()
    }

    #[test]
    fn alterations_that_cannot_be_say_why() {
        let rename = |from: &str, to: &str| Alteration::Rename { from: from.into(), to: to.into() };
        let refused = |alteration: Alteration| alteration.apply(&schema()).unwrap_err().to_string();
        assert!(refused(Alteration::add("v int", None).unwrap()).contains("already"));
        assert!(refused(Alteration::add("n int*", None).unwrap()).contains("index"));
        assert!(refused(Alteration::add("a,b int", None).unwrap()).contains("comma"));
        assert!(refused(Alteration::Drop("k".into())).contains("index"));
        assert!(refused(Alteration::Drop("w".into())).contains("only k, v"));
        assert!(refused(rename("w", "x")).contains("only k, v"));
        assert!(refused(rename("k", "v")).contains("already"));
        assert!(refused(rename("v", "a\"b")).contains("quote"));
        assert!(Alteration::add("w", None).is_err() && Alteration::add("w number", None).is_err());
    }

    #[test]
    fn defaults_are_checked_and_kept_as_their_shortest_text() {
        let default = |column, text| match Alteration::add(column, Some(text)) {
            Ok(Alteration::Add { default, .. }) => default.unwrap(),
            Ok(_) => String::new(),
            Err(e) => e.to_string(),
        };
        assert_eq!(default("w float", "1"), "1.0");
        assert_eq!(default("w timestamp", "2020-06-22"), "2020-06-22T00:00:00");
        assert_eq!(default("w str", ""), "");
        assert!(default("w int", "1.5").contains("\"1.5\" is not a 64-bit int"));
        assert!(default("w str", &"x".repeat(MAX_DEFAULT + 1)).contains("at most 256 bytes"));
    }

    #[test]
    fn a_column_that_was_added_again_takes_the_values_of_the_one_that_was_dropped() {
        let old = Schema::parse(["k int*", "v float", "n int", "s str"]).unwrap();
        let steps = [
            Alteration::Drop("n".into()),
            Alteration::Rename { from: "v".into(), to: "w".into() },
            Alteration::add("v float", Some("7")).unwrap(),
            Alteration::add("n int", None).unwrap(),
            Alteration::Drop("s".into()),
            Alteration::add("s int", None).unwrap(),
        ];
        let (mut new, mut mapping) = (old.clone(), Mapping::identity(4));
        for step in &steps {
            mapping = mapping.then(&new, step).unwrap();
            new = step.apply(&new).unwrap();
        }
        assert_eq!(new.to_string(), "k int*\nw float\nv float\nn int\ns int\n");
        let returning = mapping.returning(&old, &new);
        let column = Take::Column;
        let constant = |text: Option<&str>| Take::Constant(text.map(str::to_owned));
        assert_eq!(
            returning.takes(),
            [column(0), column(1), constant(Some("7.0")), column(2), constant(None)]
        );
        assert_eq!((returning.left_out(4), returning.constants()), (vec![3], vec![2, 4]));
    }

    #[test]
    fn mapping_follows_alterations() {
        let alterations = [
            Alteration::add("w int", Some("7")).unwrap(),
            Alteration::Rename { from: "k".into(), to: "key".into() },
            Alteration::Drop("v".into()),
        ];
        let (mut schema, mut mapping) = (schema(), Mapping::identity(2));
        for alteration in &alterations {
            mapping = mapping.then(&schema, alteration).unwrap();
            schema = alteration.apply(&schema).unwrap();
        }
        assert_eq!(schema.to_string(), "key int*\nw int\n");
        assert_eq!(mapping.takes(), [Take::Column(0), Take::Constant(Some("7".into()))]);
    }
}
