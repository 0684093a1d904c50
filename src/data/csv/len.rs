//! Lengths of columns as rendered, without rendering them.
//!
//! Must agree with `render` to the byte: file sizes and offsets rest on it.

use super::render::{needs_quotes, ticks};
use crate::data::schema::Type;
use crate::data::value::{show, time};
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type};
use arrow_array::{Array, StringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::TimeUnit;
use memchr::{memchr, memchr_iter, memchr3};

/// Bytes that all values of a column take in CSV, without separators and line ends.
///
/// So a rendered frame has the sum of its columns plus rows × columns bytes. The array must be of
/// the type's Arrow type: anything else panics.
#[must_use]
pub fn column_len(ty: Type, array: &dyn Array) -> u64 {
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
    match ty {
        Type::Timestamp(unit) => timestamps(ticks(array, unit), nulls, unit),
        Type::Date => {
            sum(array.as_primitive::<Date32Type>().values(), nulls, |day| show::date_len(day.into()))
        }
        Type::Int => sum(array.as_primitive::<Int64Type>().values(), nulls, show::int_len),
        Type::Float => sum(array.as_primitive::<Float64Type>().values(), nulls, show::float_len),
        Type::Str => strings(array.as_string(), nulls),
        Type::Bool => {
            // `true` is one shorter than `false`.
            5 * (array.len() - array.null_count()) as u64 - array.as_boolean().true_count() as u64
        }
    }
}

fn sum<T: Copy>(values: &[T], nulls: Option<&NullBuffer>, len: impl Fn(T) -> usize) -> u64 {
    match nulls {
        None => values.iter().map(|&value| len(value) as u64).sum(),
        Some(nulls) => nulls.valid_indices().map(|row| len(values[row]) as u64).sum(),
    }
}

fn timestamps(values: &[i64], nulls: Option<&NullBuffer>, unit: TimeUnit) -> u64 {
    let (first, last) = show::four_digit_years(unit);
    let plain = |value: i64| (first..=last).contains(&value);
    if nulls.is_none()
        && regular_seconds(values, unit)
        && values.iter().take(1).chain(values.last()).all(|&v| plain(v))
    {
        return 19 * values.len() as u64;
    }
    sum(values, nulls, |value| {
        if plain(value) { 19 + show::fraction_len(value, unit) } else { show::timestamp_len(value, unit) }
    })
}

/// Whether the values are whole seconds a constant step apart, so that the ends bound them all.
fn regular_seconds(values: &[i64], unit: TimeUnit) -> bool {
    let [first, second, ..] = values else { return false };
    let ticks = time::per_second(unit);
    let Some(step) = second.checked_sub(*first) else { return false };
    let Some(span) = i64::try_from(values.len() - 1).ok().and_then(|steps| step.checked_mul(steps)) else {
        return false;
    };
    first % ticks == 0
        && step % ticks == 0
        && first.checked_add(span).is_some()
        && values.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step)
}

fn strings(array: &StringArray, nulls: Option<&NullBuffer>) -> u64 {
    let offsets = array.value_offsets();
    let (Some(&start), Some(&end)) = (offsets.first(), offsets.last()) else { return 0 };
    let all = &array.value_data()[start as usize..end as usize];
    let plain = memchr3(b',', b'"', b'\n', all).is_none() && memchr(b'\r', all).is_none();
    if plain && nulls.is_none() {
        let empty = offsets.windows(2).filter(|pair| pair[0] == pair[1]).count();
        return (all.len() + 2 * empty) as u64;
    }
    let len = |row| string(array.value(row).as_bytes()) as u64;
    match nulls {
        None => (0..array.len()).map(len).sum(),
        Some(nulls) => nulls.valid_indices().map(len).sum(),
    }
}

fn string(text: &[u8]) -> usize {
    if needs_quotes(text) { text.len() + 2 + memchr_iter(b'"', text).count() } else { text.len() }
}
