//! Cells as bare text, without the quotes of any format.

use crate::data::key::as_long;
use crate::data::schema::Type;
use crate::data::value::show::{self, Times};
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray};

/// A column whose cells are wanted as text.
pub(super) enum Cells {
    Timestamp(Int64Array, Times),
    Date(Date32Array),
    Int(Int64Array),
    Float(Float64Array),
    Str(StringArray),
    Bool(BooleanArray),
}

impl Cells {
    pub(super) fn new(ty: Type, array: &ArrayRef) -> Cells {
        match ty {
            Type::Timestamp(unit) => Cells::Timestamp(as_long(array), Times::new(unit)),
            Type::Date => Cells::Date(array.as_primitive::<Date32Type>().clone()),
            Type::Int => Cells::Int(as_long(array)),
            Type::Float => Cells::Float(array.as_primitive::<Float64Type>().clone()),
            Type::Str => Cells::Str(array.as_string().clone()),
            Type::Bool => Cells::Bool(array.as_boolean().clone()),
        }
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        match self {
            Cells::Timestamp(a, _) | Cells::Int(a) => a.is_null(row),
            Cells::Date(a) => a.is_null(row),
            Cells::Float(a) => a.is_null(row),
            Cells::Str(a) => a.is_null(row),
            Cells::Bool(a) => a.is_null(row),
        }
    }

    /// Whether the value is a float that numbers of other formats cannot tell.
    pub(super) fn is_odd_float(&self, row: usize) -> bool {
        matches!(self, Cells::Float(a) if !a.value(row).is_finite())
    }

    /// Appends the text of a cell that is not null.
    pub(super) fn push(&mut self, out: &mut Vec<u8>, row: usize) {
        match self {
            Cells::Timestamp(a, times) => times.push(out, a.value(row)),
            Cells::Date(a) => show::push_date(out, a.value(row).into()),
            Cells::Int(a) => show::push_int(out, a.value(row)),
            Cells::Float(a) => show::push_float(out, a.value(row)),
            Cells::Str(a) => out.extend_from_slice(a.value(row).as_bytes()),
            Cells::Bool(a) => out.extend_from_slice(if a.value(row) { b"true" } else { b"false" }),
        }
    }
}
