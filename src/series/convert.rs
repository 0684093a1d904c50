//! Segments of one schema as segments of another: chunks by reference, constant columns made once.
//!
//! No chunk is decoded or written again: a column that stays is named where it lies, and of a new one there is a chunk
//! for each number of rows that segments have.

use super::RowsError;
use crate::data::alter::{Mapping, Take};
use crate::data::schema::{Column, Schema, Type};
use crate::data::value::Value;
use crate::data::{csv, pages};
use crate::history::entry::Segments;
use crate::history::segment::{ChunkRef, Segment};
use crate::interval::Interval;
use crate::store::View;
use crate::store::draft::Draft;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
    new_null_array,
};
use arrow_schema::TimeUnit;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;

/// Turns rows of one schema into rows of another.
#[derive(Debug)]
pub struct Converter<'a> {
    view: &'a View,
    from: &'a Arc<Schema>,
    to: &'a Arc<Schema>,
    mapping: &'a Mapping,
    draft: &'a Mutex<Draft>,
    /// Chunks of new columns, by column and rows.
    constants: Mutex<HashMap<(usize, u64), ChunkRef>>,
}

impl<'a> Converter<'a> {
    /// From columns to columns; `view` reads segments, new chunks are staged in `draft`.
    #[must_use]
    pub fn new(
        view: &'a View,
        (from, to): (&'a Arc<Schema>, &'a Arc<Schema>),
        mapping: &'a Mapping,
        draft: &'a Mutex<Draft>,
    ) -> Converter<'a> {
        Converter { view, from, to, mapping, draft, constants: Mutex::default() }
    }

    /// Whether segments stay as they are: at most names differ.
    #[must_use]
    pub fn keeps_all(&self) -> bool {
        self.mapping.keeps_all(self.from.columns().len())
    }

    /// The columns it takes.
    pub(super) const fn from(&self) -> &'a Arc<Schema> {
        self.from
    }

    /// A segment of the other schema.
    pub fn segment(&self, segment: &Segment) -> Result<Segment, RowsError> {
        let mut chunks = Vec::with_capacity(self.mapping.takes().len());
        for (i, take) in self.mapping.takes().iter().enumerate() {
            chunks.push(match take {
                Take::Column(at) => {
                    let lacking = || RowsError::Index(format!("a segment has no column {at}"));
                    segment.chunks.get(*at).ok_or_else(lacking)?.clone()
                }
                Take::Constant(text) => self.chunk(i, text.as_deref(), segment.rows)?,
            });
        }
        Ok(Segment { chunks, ..segment.clone() })
    }

    /// All segments of a series.
    pub fn segments(&self, segments: &Segments) -> Result<Segments, RowsError> {
        if self.keeps_all() {
            return Ok(segments.clone());
        }
        let all = segments.locate(self.view, &Interval::ALL)?.segments;
        Ok(Segments::Few(all.iter().map(|segment| self.segment(segment)).collect::<Result<_, _>>()?))
    }

    /// Decoded rows.
    pub fn frame(&self, frame: &RecordBatch) -> Result<RecordBatch, RowsError> {
        converted(self.mapping, self.to, frame)
    }

    fn chunk(&self, column: usize, text: Option<&str>, rows: u64) -> Result<ChunkRef, RowsError> {
        let mut constants = self.constants.lock();
        if let Some(chunk) = constants.get(&(column, rows)) {
            return Ok(chunk.clone());
        }
        let of = &self.to.columns()[column];
        let array = constant(of, text, rows as usize)?;
        let encoded = pages::encode(of, &array)?;
        let (place, check) = self.draft.lock().stage(&encoded);
        let csv_len = csv::column_len(of.ty, &array);
        let chunk = ChunkRef { place, check, layout: encoded.layout, csv_len, range: None };
        constants.insert((column, rows), chunk.clone());
        Ok(chunk)
    }
}

/// Decoded rows with the columns that a mapping makes.
pub fn converted(mapping: &Mapping, to: &Arc<Schema>, frame: &RecordBatch) -> Result<RecordBatch, RowsError> {
    let columns = to.columns().iter().zip(mapping.takes());
    let arrays = columns
        .map(|(column, take)| match take {
            Take::Column(at) => Ok(Arc::clone(frame.column(*at))),
            Take::Constant(text) => constant(column, text.as_deref(), frame.num_rows()),
        })
        .collect::<Result<Vec<_>, RowsError>>()?;
    Ok(RecordBatch::try_new(Arc::clone(to.arrow()), arrays)?)
}

/// So many rows of one value.
pub(super) fn constant(column: &Column, text: Option<&str>, rows: usize) -> Result<ArrayRef, RowsError> {
    let Some(text) = text else { return Ok(new_null_array(&column.ty.arrow(), rows)) };
    let unfit = |why: &dyn Display| {
        RowsError::Index(format!("the default of column {}, {text:?}, is {why}", column.name))
    };
    let value = Value::parse(column.ty, text).map_err(|e| unfit(&e))?;
    Ok(match (column.ty, value) {
        (Type::Str, Value::Str(text)) => {
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows)))
        }
        (Type::Bool, Value::Bool(value)) => Arc::new(BooleanArray::from(vec![value; rows])),
        (Type::Float, Value::Float(value)) => Arc::new(Float64Array::from_value(value, rows)),
        (Type::Int, Value::Int(value)) => Arc::new(Int64Array::from_value(value, rows)),
        (Type::Date, Value::Int(day)) => {
            let day = i32::try_from(day).map_err(|e| unfit(&format_args!("no day: {e}")))?;
            Arc::new(Date32Array::from_value(day, rows))
        }
        (Type::Timestamp(unit), Value::Int(value)) => match unit {
            TimeUnit::Second => Arc::new(TimestampSecondArray::from_value(value, rows)),
            TimeUnit::Millisecond => Arc::new(TimestampMillisecondArray::from_value(value, rows)),
            TimeUnit::Microsecond => Arc::new(TimestampMicrosecondArray::from_value(value, rows)),
            TimeUnit::Nanosecond => Arc::new(TimestampNanosecondArray::from_value(value, rows)),
        },
        _ => return Err(unfit(&format_args!("no {}", column.ty))),
    })
}
