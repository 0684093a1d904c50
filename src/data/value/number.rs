//! Texts to ints, floats and bools.
//!
//! The `parse_` functions take a whole field with blanks around it; the `_prefix` functions take the
//! common spellings at the start of a longer text and leave everything else to the former.

/// The greatest whole number that no other rounds to as a float: 2^53 - 1.
pub(crate) const MOST_WHOLE: u64 = (1 << 53) - 1;

/// From here on floats lie further apart than whole numbers do, or as far: 2^53.
const SPARSE: f64 = 9_007_199_254_740_992.0;

/// Parses a 64-bit int. One with a point or an exponent (`7.0`, `1e5`) is taken if it is whole and at most
/// [`MOST_WHOLE`]: it was a float, and beyond that may have been another number before.
pub(crate) fn parse_int(text: &[u8]) -> Option<i64> {
    let text = trim(text);
    std::str::from_utf8(text).ok()?.parse().ok().or_else(|| whole(text))
}

/// The whole number that a text with a point or an exponent tells, by its digits.
fn whole(text: &[u8]) -> Option<i64> {
    let (negative, unsigned) = split_sign(text);
    let (mantissa, exponent) = match unsigned.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&unsigned[..at], std::str::from_utf8(&unsigned[at + 1..]).ok()?.parse::<i64>().ok()?),
        None => (unsigned, 0),
    };
    let point = mantissa.iter().position(|b| *b == b'.').unwrap_or(mantissa.len());
    let (before, after) = (&mantissa[..point], mantissa.get(point + 1..).unwrap_or_default());
    let mut digits = [before, after].concat();
    if before.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let zeros = digits.iter().rev().take_while(|b| **b == b'0').count();
    digits.truncate(digits.len() - zeros);
    let value = match digits.iter().skip_while(|b| **b == b'0').count() {
        0 => 0,
        1..=16 => {
            // The power of ten that the last digit stands for, which is not zero.
            let power = exponent.checked_sub(i64::try_from(after.len()).ok()?)?;
            let power = power.checked_add(i64::try_from(zeros).ok()?)?;
            let scale = 10_u64.checked_pow(u32::try_from(power).ok()?)?;
            digits_of(&digits).checked_mul(scale).filter(|value| *value <= MOST_WHOLE)?
        }
        _ => return None,
    };
    let value = i64::try_from(value).ok()?;
    Some(if negative { -value } else { value })
}

fn digits_of(text: &[u8]) -> u64 {
    digits(text, 0, 0).0
}

/// Whether a text is negative, and what follows its sign.
fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// Why a text that tells a number is no float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It would be infinite.
    Large,
    /// It is not zero, and would become it.
    Small,
    /// It is written out in digits, and would become another number.
    Rounded,
}

/// Parses a float: decimal or with exponent, `nan`, `inf`, `infinity` in any case.
///
/// A number becomes the float nearest to it, unless that changes what it says: see [`lost`].
pub(crate) fn parse_float(text: &[u8]) -> Option<f64> {
    nearest(text).filter(|value| value.is_nan() || lost(trim(text), *value).is_none())
}

/// Why a text is no float though it tells a number; `None` if it tells none.
pub(crate) fn why_no_float(text: &[u8]) -> Option<Lost> {
    nearest(text).filter(|value| !value.is_nan()).and_then(|value| lost(trim(text), value))
}

/// What a number loses as `value`, the float nearest to it.
///
/// Decimals and numbers with an exponent are measured, and mean the nearest float. But one that is not zero does not
/// become zero, and one written out in digits (no exponent) does not become another where floats lie further apart than whole
/// numbers: who writes 9007199254740993 means no other.
fn lost(text: &[u8], value: f64) -> Option<Lost> {
    let (_, unsigned) = split_sign(text);
    if value.is_infinite() {
        return unsigned[0].is_ascii_digit().then_some(Lost::Large);
    }
    let exponent = unsigned.iter().position(|b| matches!(b, b'e' | b'E'));
    if value == 0.0 {
        let mantissa = &unsigned[..exponent.unwrap_or(unsigned.len())];
        return mantissa.iter().any(|b| matches!(b, b'1'..=b'9')).then_some(Lost::Small);
    }
    (exponent.is_none() && value.abs() >= SPARSE && !is_exactly(unsigned, value.abs()))
        .then_some(Lost::Rounded)
}

/// Whether the digits of a text are those of a whole float.
#[cold]
fn is_exactly(text: &[u8], value: f64) -> bool {
    let point = text.iter().position(|b| *b == b'.').unwrap_or(text.len());
    let start = text.iter().position(|b| *b != b'0').unwrap_or(0).min(point);
    let (whole, fraction) = (&text[start..point], text.get(point + 1..).unwrap_or_default());
    let equal = match whole.len() {
        // All of them fit.
        ..=19 => u128::from(digits_of(whole)) == value as u128,
        _ => format!("{value:.0}").as_bytes() == whole,
    };
    equal && fraction.iter().all(|b| *b == b'0')
}

/// The float nearest to the number that a text tells; infinite if none is near.
fn nearest(text: &[u8]) -> Option<f64> {
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
    Some(if text[0] == b'-' { -value } else { value })
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
    let ordinary = value.abs() < SPARSE && value != 0.0;
    (ordinary || lost(&text[..end], value).is_none()).then_some((value, end))
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
        fn floats_in_place_equal_the_nearest(text in "-?[0-9]{1,20}(\\.[0-9]{0,20})?(e-?[0-9]{1,3})?", long: bool) {
            let found = float_prefix(text.as_bytes(), &mut long.clone());
            let whole = parse_float(text.as_bytes());
            prop_assert_eq!(found.map(|(value, _)| value.to_bits()), whole.map(f64::to_bits));
            if let Some((value, len)) = found {
                prop_assert_eq!(len, text.len());
                prop_assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits());
            }
        }

        #[test]
        fn whole_numbers_become_floats_only_where_they_come_back(digits in any::<u128>(), shift in 0..128_u32, point: bool) {
            let digits = digits >> shift;
            let text = format!("{digits}{}", if point { ".0" } else { "" });
            let exact = digits < 1 << 53 || format!("{:.0}", digits as f64) == digits.to_string();
            prop_assert_eq!(parse_float(text.as_bytes()), exact.then_some(digits as f64));
            prop_assert_eq!(parse_int(text.as_bytes()).is_some(), digits <= if point { u128::from(MOST_WHOLE) } else { i64::MAX as u128 });
        }

        #[test]
        fn floats_with_a_point_or_an_exponent_are_ints_where_they_are_whole(value in -(1_i64 << 53)..1 << 53, shift in 0..53, zeros in 0..5_usize) {
            let value = value >> shift;
            let plain = format!("{value}.{}", "0".repeat(zeros));
            let exponent = format!("{value:e}");
            for text in [plain, exponent, format!("{value}e0"), format!("{value}00e-2")] {
                prop_assert_eq!(parse_int(text.as_bytes()), Some(value), "{}", text);
            }
            for text in [format!("{value}.5"), format!("{value}e-99"), format!("{value}.0000000000000000000001")] {
                prop_assert_eq!(parse_int(text.as_bytes()), (value == 0 && text.contains('e')).then_some(0), "{}", text);
            }
        }

        #[test]
        fn ints_in_place_equal_the_whole(text in "-?[0-9]{1,18}") {
            let value = text.parse::<i64>().unwrap();
            prop_assert_eq!(int_prefix(text.as_bytes()), Some((value, text.len())));
        }

        #[test]
        fn what_was_shown_is_read(bits: u64) {
            let value = f64::from_bits(bits);
            let mut text = Vec::new();
            super::super::show::push_float(&mut text, value);
            let read = parse_float(&text).map(f64::to_bits);
            prop_assert_eq!(read, Some(if value.is_nan() { f64::NAN.to_bits() } else { bits }));
        }
    }

    #[test]
    fn numbers_that_a_float_would_change_are_refused() {
        for (text, lost) in [
            ("9007199254740993", Lost::Rounded),
            ("-9007199254740993", Lost::Rounded),
            ("+9007199254740993.000", Lost::Rounded),
            ("9007199254740992.5", Lost::Rounded),
            ("12345678901234567890", Lost::Rounded),
            ("100000000000000000000000", Lost::Rounded),
            ("1e-400", Lost::Small),
            ("-2e-324", Lost::Small),
            ("1e309", Lost::Large),
        ] {
            assert_eq!(why_no_float(text.as_bytes()), Some(lost), "{text}");
            assert_eq!(parse_float(text.as_bytes()), None, "{text}");
            assert_eq!(float_prefix(text.as_bytes(), &mut true), None, "{text}");
            assert_eq!(float_prefix(text.as_bytes(), &mut false), None, "{text}");
        }
        for text in
            ["9007199254740994", "9007199254740992.0", "18446744073709551616", "1e23", "9007199254740993e0"]
        {
            assert_eq!(parse_float(text.as_bytes()), text.parse().ok(), "{text}");
        }
        for text in [
            "0.1",
            "5e-324",
            "3e-324",
            "2.2250738585072011e-308",
            "0.1234567890123456789012345",
            "0e-999",
            "-0.0",
        ] {
            assert_eq!(parse_float(text.as_bytes()), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn ints_that_were_floats_are_taken_as_far_as_floats_are_exact() {
        for (text, value) in [
            ("7.", 7),
            ("-7.00", -7),
            ("1e+05", 100_000),
            ("1.5e3", 1500),
            ("-0.0", 0),
            ("0e99", 0),
            ("9007199254740991.0", 9_007_199_254_740_991),
            (" +12.0 ", 12),
        ] {
            assert_eq!(parse_int(text.as_bytes()), Some(value), "{text}");
        }
        for text in [
            "9007199254740992.0",
            "1e16",
            "7.5",
            ".0",
            "1e",
            "1e0.5",
            "1.2.0",
            "-.5e1",
            "1e-1",
            "1e99999999999999999999",
            "7.0f",
            "--7.0",
            "1,0",
        ] {
            assert_eq!(parse_int(text.as_bytes()), None, "{text}");
        }
    }
}
