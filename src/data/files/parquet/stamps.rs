//! Times in Parquet files, each as it stands there.
//!
//! INT96 is a day and nanoseconds of it: it reaches far beyond what 64 bits of nanoseconds do, where arrow-rs wraps, and
//! below what other units hold, where it truncates. So such a column is read twice, as seconds, which always fit, and as
//! nanoseconds, whose lowest 64 bits are always right: together they are exact.

use crate::data::cast;
use crate::data::input::InputError;
use crate::data::schema::{Column, Type};
use crate::data::value::{self, Value, time};
use arrow_array::types::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Type as Physical;
use parquet::errors::ParquetError;
use std::sync::Arc;

const SECOND: i128 = 1_000_000_000;

/// Whether the column at a place is of INT96.
pub(super) fn is_int96(metadata: &ArrowReaderMetadata, place: usize) -> bool {
    let root = metadata.metadata().file_metadata().schema_descr().root_schema();
    root.get_fields()
        .get(place)
        .is_some_and(|field| field.is_primitive() && field.get_physical_type() == Physical::INT96)
}

/// Metadata with which times, decimals and texts are read as the file stores them, and INT96 in a unit.
///
/// Arrow's own schema in the file may tell another unit: the reader would truncate to it.
pub(super) fn exact(
    metadata: &ArrowReaderMetadata,
    int96: TimeUnit,
) -> Result<ArrowReaderMetadata, ParquetError> {
    let inner = metadata.metadata();
    let bare = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let bare = ArrowReaderMetadata::try_new(Arc::clone(inner), bare)?;
    let told = metadata.schema();
    let fields = told.fields().iter().zip(bare.schema().fields()).enumerate().map(|(place, (told, own))| {
        let ty = match own.data_type() {
            _ if is_int96(metadata, place) => DataType::Timestamp(int96, None),
            // Long texts too: a frame holds 2 GiB of them, which short offsets tell before there are more.
            ty @ (DataType::Timestamp(..) | DataType::Utf8) => ty.clone(),
            ty if ty.is_decimal() => ty.clone(),
            _ => told.data_type().clone(),
        };
        Arc::new(Field::clone(told).with_data_type(ty))
    });
    let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), told.metadata().clone());
    if schema == **told {
        return Ok(metadata.clone());
    }
    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
    ArrowReaderMetadata::try_new(Arc::clone(inner), options)
}

/// The unit in which a column of INT96 is exact for a column of the schema.
pub(super) const fn unit(ty: Type) -> TimeUnit {
    match ty {
        Type::Timestamp(unit) => unit,
        Type::Date => TimeUnit::Second,
        _ => TimeUnit::Nanosecond,
    }
}

/// A schema where fields at some places are times in a unit.
pub(super) fn retyped(schema: &SchemaRef, units: &[(usize, TimeUnit)]) -> SchemaRef {
    let fields = schema.fields().iter().enumerate().map(|(place, field)| {
        match units.iter().find(|(at, _)| *at == place) {
            Some((_, unit)) => {
                let ty = DataType::Timestamp(*unit, None);
                Arc::new(Field::clone(field).with_data_type(ty))
            }
            None => Arc::clone(field),
        }
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

/// Times of INT96 in the unit of a column, from what they are in seconds and in the lowest 64 bits of nanoseconds.
///
/// Fails on the first that is no whole number of the unit, or out of its range; the row counts from this array's start.
pub(super) fn joined(column: &Column, seconds: &ArrayRef, nanos: &ArrayRef) -> Result<ArrayRef, InputError> {
    let (seconds, nanos) = (crate::data::key::as_long(seconds), crate::data::key::as_long(nanos));
    let unit = unit(column.ty);
    let ticks = SECOND / i128::from(time::per_second(unit));
    let mut made = Vec::with_capacity(seconds.len());
    for row in 0..seconds.len() {
        if nanos.is_null(row) {
            made.push(0);
            continue;
        }
        let second = seconds.value(row);
        let within = nanos.value(row).wrapping_sub(second.wrapping_mul(1_000_000_000));
        let instant = i128::from(second) * SECOND + i128::from(within);
        let tick = (instant % ticks == 0).then(|| i64::try_from(instant / ticks).ok()).flatten();
        let Some(tick) = tick else {
            return Err(cast::refuse(column, row, shown(instant), value::expected(column.ty)));
        };
        made.push(tick);
    }
    let made = Int64Array::new(made.into(), nanos.nulls().cloned());
    Ok(match unit {
        TimeUnit::Second => Arc::new(made.reinterpret_cast::<TimestampSecondType>()),
        TimeUnit::Millisecond => Arc::new(made.reinterpret_cast::<TimestampMillisecondType>()),
        TimeUnit::Microsecond => Arc::new(made.reinterpret_cast::<TimestampMicrosecondType>()),
        TimeUnit::Nanosecond => Arc::new(made.reinterpret_cast::<TimestampNanosecondType>()),
    })
}

/// An instant in nanoseconds, however far.
fn shown(instant: i128) -> String {
    let second = i64::try_from(instant.div_euclid(SECOND)).unwrap_or(i64::MAX);
    let whole = Value::Int(second).render(Type::Timestamp(TimeUnit::Second));
    match instant.rem_euclid(SECOND) {
        0 => whole,
        below => format!("{whole}.{below:09}").trim_end_matches('0').to_owned(),
    }
}
