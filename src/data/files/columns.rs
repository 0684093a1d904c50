//! Which columns of a file are rows of a schema: what pandas adds to a table is no data, or an index without a name.

use crate::data::cast;
use crate::data::frame;
use crate::data::input::{InputError, Problem};
use crate::data::schema::{Column, Schema, Type};
use arrow_array::{RecordBatch, RecordBatchOptions, new_empty_array};
use arrow_schema::{ArrowError, Field, SchemaRef};
use std::sync::Arc;

/// How the columns are named in which pandas keeps an index without a name.
const UNNAMED: &str = "__index_level_";

/// Key of what pandas notes beside the columns.
const PANDAS: &str = "pandas";

/// The columns of a file that are read.
#[derive(Debug)]
pub(super) struct Columns {
    /// Their places in the file, in its order.
    pub(super) places: Vec<usize>,
    /// What they are read as: an index without a name has that of the schema's column.
    pub(super) schema: SchemaRef,
}

impl Columns {
    /// The columns of a file that are rows of `schema`. With `partial`, value columns may be missing.
    ///
    /// Fails if the file's columns cannot be those of `schema`: also of a file without rows.
    pub(super) fn of(schema: &Schema, partial: bool, found: &SchemaRef) -> Result<Columns, InputError> {
        let adopted = adopted(schema, found);
        let mut places = Vec::with_capacity(found.fields().len());
        let mut fields = Vec::with_capacity(found.fields().len());
        for (place, field) in found.fields().iter().enumerate() {
            let field = match &adopted {
                Some((at, column)) if *at == place => Field::clone(field).with_name(&column.name).into(),
                _ if is_unnamed(schema, field) => continue,
                _ => Arc::clone(field),
            };
            places.push(place);
            fields.push(field);
        }
        let columns = Columns { places, schema: Arc::new(arrow_schema::Schema::new(fields)) };
        let empty = RecordBatch::new_empty(Arc::clone(&columns.schema));
        let made = if partial { frame::conform_partial } else { frame::conform };
        match made(schema, &empty) {
            Ok(_) => Ok(columns),
            Err(error) => Err(explained(schema, found, error)),
        }
    }

    /// A batch of the columns read, in their order, under their names.
    pub(super) fn named(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), batch.columns().to_vec(), &rows)
    }
}

/// Whether a column is an index without a name that pandas kept, and no column of the schema.
fn is_unnamed(schema: &Schema, field: &Field) -> bool {
    field.name().starts_with(UNNAMED) && schema.position(field.name()).is_none()
}

/// The one index without a name, if it can be the one index column that the file lacks.
///
/// Numbers are often those of rows, left over by a filter: they are taken for the only index column there is, but not
/// for one of several, where they would rather be a column that was forgotten.
fn adopted<'a>(schema: &'a Schema, found: &SchemaRef) -> Option<(usize, &'a Column)> {
    let mut unnamed = found.fields().iter().enumerate().filter(|(_, field)| is_unnamed(schema, field));
    let (place, field) = unnamed.next().filter(|_| unnamed.next().is_none())?;
    let mut missing = missing(schema, found);
    let column = missing.next().filter(|_| missing.next().is_none())?;
    let alone = schema.index_columns().count() == 1;
    let fits = cast::cast(column, &new_empty_array(field.data_type())).is_ok();
    (fits && (alone || column.ty != Type::Int)).then_some((place, column))
}

fn missing<'a>(schema: &'a Schema, found: &SchemaRef) -> impl Iterator<Item = &'a Column> {
    let found = Arc::clone(found);
    schema.index_columns().filter(move |column| found.field_with_name(&column.name).is_err())
}

/// An error of a missing index column, with what became of the index that pandas had.
fn explained(schema: &Schema, found: &SchemaRef, error: InputError) -> InputError {
    let lost = |name: &str| missing(schema, found).any(|column| column.name == name);
    let (Problem::MissingColumn { .. }, Some(name)) = (&error.problem, error.column.clone()) else {
        return error;
    };
    if !lost(&name) {
        return error;
    }
    let levels = found.fields().iter().filter(|field| is_unnamed(schema, field));
    let levels: Vec<String> =
        levels.map(|field| format!("{} ({})", field.name(), field.data_type())).collect();
    let why = if !levels.is_empty() {
        format!("the index of the pandas frame has no name, it is {}", levels.join(", "))
    } else if is_range(found) {
        "the index of the pandas frame is a range of row numbers, which is not in the file".to_owned()
    } else {
        return error;
    };
    let wanted =
        missing(schema, found).map(|column| format!("{:?}", column.name)).collect::<Vec<_>>().join(", ");
    let problem = Problem::Other(format!(
        "{}; {why}: set df.index.names = [{wanted}] before it is saved",
        error.problem
    ));
    InputError { problem, ..error }
}

/// Whether pandas noted an index that is a range of numbers: it is no column of the file.
fn is_range(found: &SchemaRef) -> bool {
    let noted =
        found.metadata().get(PANDAS).and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let ranges = |noted: serde_json::Value| {
        let indexes = noted.get("index_columns")?.as_array()?.clone();
        Some(indexes.iter().any(|index| index.get("kind").is_some_and(|kind| kind == "range")))
    };
    noted.and_then(ranges).unwrap_or(false)
}
