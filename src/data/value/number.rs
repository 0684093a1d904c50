//! Texts to ints, floats and bools.
//!
//! The `parse_` functions take a whole field with blanks around it; the `_prefix` functions take the
//! common spellings at the start of a longer text and leave everything else to the former.

/// Parses a 64-bit int; a point, an exponent or an overflow is no int.
pub(crate) fn parse_int(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(trim(text)).ok()?.parse().ok()
}

/// Parses a float: decimal or with exponent, `nan`, `inf`, `infinity` in any case. What only
/// infinity could stand for, such as `1e999`, is no float.
pub(crate) fn parse_float(text: &[u8]) -> Option<f64> {
    let text = trim(text);
    let unsigned = text.strip_prefix(b"+").or_else(|| text.strip_prefix(b"-")).unwrap_or(text);
    if unsigned.eq_ignore_ascii_case(b"nan") {
        return Some(f64::NAN);
    }
    if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
        return Some(if text[0] == b'-' { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if !matches!(unsigned.first(), Some(b'0'..=b'9' | b'.')) {
        return None;
    }
    let value: f64 = fast_float2::parse(unsigned).ok()?;
    let value = if text[0] == b'-' { -value } else { value };
    value.is_finite().then_some(value)
}

/// Parses a bool: `true`, `True`, `TRUE`, `t`, `1` and their opposites.
pub(crate) fn parse_bool(text: &[u8]) -> Option<bool> {
    match trim(text) {
        b"true" | b"True" | b"TRUE" | b"t" | b"T" | b"1" => Some(true),
        b"false" | b"False" | b"FALSE" | b"f" | b"F" | b"0" => Some(false),
        _ => None,
    }
}

/// Drops spaces and tabs around a text.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = text.iter().position(|b| !blank(b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !blank(b)).map_or(start, |last| last + 1);
    &text[start..end]
}

/// The `true` or `false` that starts a text, and its length.
pub(crate) const fn bool_prefix(text: &[u8]) -> Option<(bool, usize)> {
    match text {
        [b't', b'r', b'u', b'e', ..] => Some((true, 4)),
        [b'f', b'a', b'l', b's', b'e', ..] => Some((false, 5)),
        _ => None,
    }
}

/// The int that starts a text and its length; `None` for what is long or unusual.
pub(crate) fn int_prefix(text: &[u8]) -> Option<(i64, usize)> {
    let negative = text.first() == Some(&b'-');
    let start = usize::from(negative);
    let (value, end) = digits(text, start, 0);
    // 18 digits always fit.
    if end == start || end - start > 18 {
        return None;
    }
    let value = value as i64;
    Some((if negative { -value } else { value }, end))
}

/// Powers of ten that a float holds exactly.
const POWERS: [f64; 20] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19,
];

/// The finite float that starts a text and its length; `None` for what is unusual.
///
/// `long` remembers, from number to number, whether the digits were too many for the short way.
pub(crate) fn float_prefix(text: &[u8], long: &mut bool) -> Option<(f64, usize)> {
    if !*long && let Some(short) = short_float_prefix(text) {
        return Some(short);
    }
    if !matches!(text, [b'0'..=b'9', ..] | [b'-', b'0'..=b'9', ..]) {
        return None;
    }
    let (value, end) = fast_float2::parse_partial::<f64, _>(text).ok()?;
    *long = end > 16;
    value.is_finite().then_some((value, end))
}

/// The decimal that starts a text, where its digits are at most 2^53: they and the power of ten are
/// exact floats then, so one correctly rounded division gives the nearest float (Clinger 1990).
#[inline]
fn short_float_prefix(text: &[u8]) -> Option<(f64, usize)> {
    let negative = text.first() == Some(&b'-');
    let start = usize::from(negative);
    let (mut value, mut end) = digits(text, start, 0);
    let (mut count, mut scale) = (end - start, 0);
    if text.get(end) == Some(&b'.') && count > 0 {
        let point = end + 1;
        (value, end) = digits(text, point, value);
        scale = end - point;
        count += scale;
    }
    if !(1..=19).contains(&count) || value > 1 << 53 || matches!(text.get(end), Some(b'e' | b'E')) {
        return None;
    }
    let value = value as f64 / POWERS[scale];
    Some((if negative { -value } else { value }, end))
}

/// Appends the digits from `at` on to `value` (it wraps after 19), and tells where they end.
#[inline]
fn digits(text: &[u8], mut at: usize, mut value: u64) -> (u64, usize) {
    while let Some(digit) = text.get(at).map(|b| b.wrapping_sub(b'0')).filter(|&d| d < 10) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    (value, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn floats_in_place_equal_the_nearest(text in "-?[0-9]{1,20}(\\.[0-9]{0,20})?(e-?[0-9]{1,2})?", long: bool) {
            let (value, len) = float_prefix(text.as_bytes(), &mut long.clone()).unwrap();
            prop_assert_eq!(len, text.len());
            prop_assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits());
        }

        #[test]
        fn ints_in_place_equal_the_whole(text in "-?[0-9]{1,18}") {
            prop_assert_eq!(int_prefix(text.as_bytes()), Some((text.parse().unwrap(), text.len())));
        }
    }
}
