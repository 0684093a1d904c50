//! What rows are asked for, as text: bounds of the index, names of columns.

use super::read::Query;
use crate::data::frame;
use crate::data::key::{self, Closed};
use crate::data::label::closest;
use crate::data::schema::Schema;
use crate::data::value::{NotValue, Value};
use crate::interval::Interval;

/// Which rows and columns of a series, as text. By default all.
///
/// Order: range, tail, offset and limit, columns. [`Collection::select`](crate::collection::Collection::select) reads them.
///
/// ```
/// use lakota::data::schema::Schema;
/// use lakota::series::select::Select;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let schema = Schema::parse(["who str*", "t timestamp*", "value float"])?;
/// let wanted = Select::default().start(["ann", "2020-06-23"]).stop(["bob"]).columns(["t", "value"]).limit(10);
/// assert_eq!(wanted.query(&schema)?.columns, Some(vec![1, 2]));
/// let refused = Select::default().start(["ann", "noon"]).query(&schema).unwrap_err();
/// assert!(refused.to_string().starts_with("start for column t: \"noon\" is "));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    start: Vec<String>,
    stop: Vec<String>,
    closed: Closed,
    columns: Vec<String>,
    tail: Option<u64>,
    offset: u64,
    limit: Option<u64>,
}

impl Default for Select {
    fn default() -> Select {
        Select {
            start: Vec::new(),
            stop: Vec::new(),
            closed: Closed::Left,
            columns: Vec::new(),
            tail: None,
            offset: 0,
            limit: None,
        }
    }
}

/// A selection that does not fit the columns there are.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// A bound with more values than the index has columns.
    #[error("{bound} is given {given} times, once for each column of the index is the most ({index})")]
    TooMany {
        /// `start` or `stop`.
        bound: &'static str,
        /// Its values.
        given: usize,
        /// The names of the index columns.
        index: String,
    },
    /// A bound that is no value of its column.
    #[error("{bound} for column {column}: {text:?} is {expected}")]
    Bound {
        /// `start` or `stop`.
        bound: &'static str,
        /// The column's name.
        column: String,
        /// What was given.
        text: String,
        /// What the column takes.
        expected: NotValue,
    },
    /// A bound that no index value equals.
    #[error("NaN is no bound: index columns hold none")]
    Nan,
    /// Bounds in the wrong order.
    #[error("start {start} lies after stop {stop}")]
    Order {
        /// The first one.
        start: String,
        /// The last one.
        stop: String,
    },
    /// Bounds that are no index values.
    #[error("the bounds do not fit the index ({0})")]
    Unfit(String),
    /// A column that is not there.
    #[error("there is no column {name:?}; the schema has {names}{}", hint(.closest.as_deref()))]
    NoColumn {
        /// What was asked for.
        name: String,
        /// The names there are.
        names: String,
        /// The name most like it.
        closest: Option<String>,
    },
    /// A column that is asked for twice.
    #[error("column {0:?} is asked for twice")]
    Twice(String),
}

fn hint(closest: Option<&str>) -> String {
    closest.map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}

fn texts(values: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    values.into_iter().map(Into::into).collect()
}

impl Select {
    /// From this index value on: a text for each index column, the last ones may be left out.
    #[must_use]
    pub fn start(self, values: impl IntoIterator<Item = impl Into<String>>) -> Select {
        Select { start: texts(values), ..self }
    }

    /// Up to this index value, which is not included unless [`Select::closed`] says so.
    #[must_use]
    pub fn stop(self, values: impl IntoIterator<Item = impl Into<String>>) -> Select {
        Select { stop: texts(values), ..self }
    }

    /// Which of the bounds belong to the range.
    #[must_use]
    pub fn closed(self, closed: Closed) -> Select {
        Select { closed, ..self }
    }

    /// These columns, in this order; none: all.
    #[must_use]
    pub fn columns(self, names: impl IntoIterator<Item = impl Into<String>>) -> Select {
        Select { columns: texts(names), ..self }
    }

    /// Of the range, the last so many rows.
    #[must_use]
    pub fn tail(self, rows: u64) -> Select {
        Select { tail: Some(rows), ..self }
    }

    /// Of those, all but the first so many.
    #[must_use]
    pub fn offset(self, rows: u64) -> Select {
        Select { offset: rows, ..self }
    }

    /// Of those, the first so many.
    #[must_use]
    pub fn limit(self, rows: u64) -> Select {
        Select { limit: Some(rows), ..self }
    }

    /// The same in terms of a schema. Fails where it does not have the columns, and where the bounds are no values of its index.
    pub fn query(&self, schema: &Schema) -> Result<Query, SelectError> {
        Ok(Query {
            interval: interval(schema, &self.start, &self.stop, self.closed)?,
            tail: self.tail,
            offset: self.offset,
            limit: self.limit,
            columns: positions(schema, &self.columns)?,
        })
    }
}

/// The index values from `start` to `stop`; a bound without values is none.
pub fn interval(
    schema: &Schema,
    start: &[String],
    stop: &[String],
    closed: Closed,
) -> Result<Interval, SelectError> {
    let (first, last) = (bound(schema, "start", start)?, bound(schema, "stop", stop)?);
    let (Some(lo), Some(hi)) = (key::encode(schema, &first), key::encode(schema, &last)) else {
        return Err(SelectError::Nan);
    };
    if !last.is_empty() && lo > hi && !lo.starts_with(&hi) {
        return Err(SelectError::Order { start: start.join(", "), stop: stop.join(", ") });
    }
    let interval = key::interval(schema, &first, &last, closed);
    interval.ok_or_else(|| SelectError::Unfit(index_names(schema)))
}

fn bound(schema: &Schema, bound: &'static str, texts: &[String]) -> Result<Vec<Value>, SelectError> {
    if texts.len() > schema.index().len() {
        return Err(SelectError::TooMany { bound, given: texts.len(), index: index_names(schema) });
    }
    let value = |(column, text): (&crate::data::schema::Column, &String)| {
        let unfit = |expected| SelectError::Bound {
            bound,
            column: column.name.clone(),
            text: text.clone(),
            expected,
        };
        Value::parse(column.ty, text).map_err(unfit)
    };
    schema.index_columns().zip(texts).map(value).collect()
}

fn index_names(schema: &Schema) -> String {
    schema.index_columns().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Positions of the columns named; none where none are.
fn positions(schema: &Schema, names: &[String]) -> Result<Option<Vec<usize>>, SelectError> {
    let mut positions = Vec::with_capacity(names.len());
    for name in names {
        let Some(position) = schema.position(name) else {
            let all = schema.columns().iter().map(|c| c.name.as_str());
            return Err(SelectError::NoColumn {
                name: name.clone(),
                names: frame::names(schema),
                closest: closest(name, all).map(str::to_owned),
            });
        };
        if positions.contains(&position) {
            return Err(SelectError::Twice(name.clone()));
        }
        positions.push(position);
    }
    Ok(if positions.is_empty() { None } else { Some(positions) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema::parse(["t timestamp*", "n int*", "value float"]).unwrap()
    }

    fn refused(select: &Select) -> String {
        select.query(&schema()).unwrap_err().to_string()
    }

    #[test]
    fn text_becomes_keys_and_positions() {
        let query = Select::default().start(["2020-06-23"]).columns(["value", "t"]).tail(3).query(&schema());
        let query = query.unwrap();
        let day = Value::parse(schema().columns()[0].ty, "2020-06-23").unwrap();
        assert_eq!(query.interval.lo, key::encode(&schema(), &[day]).unwrap());
        assert_eq!((query.interval.hi, query.tail), (None, Some(3)));
        assert_eq!(query.columns, Some(vec![2, 0]));
        assert_eq!(Select::default().query(&schema()).unwrap().interval, Interval::ALL);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let all = Select::default;
        assert!(refused(&all().start(["x"])).starts_with("start for column t: \"x\" is "));
        assert!(refused(&all().stop(["2020", "1", "2"])).starts_with("stop is given 3 times"));
        let order = refused(&all().start(["2020-06-24"]).stop(["2020-06-23"]));
        assert_eq!(order, "start 2020-06-24 lies after stop 2020-06-23");
        let column = refused(&all().columns(["valu"]));
        assert_eq!(
            column,
            "there is no column \"valu\"; the schema has t, n, value; did you mean \"value\"?"
        );
        assert_eq!(refused(&all().columns(["n", "n"])), "column \"n\" is asked for twice");
    }
}
