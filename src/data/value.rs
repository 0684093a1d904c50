//! Single values: one cell, typed. What command-line bounds and messages are made of.
//!
//! Owns the text form of every type, shared by CSV, bounds and messages. Never rounds: a text that
//! does not fit its type exactly is an error.

pub(crate) mod number;
pub(crate) mod show;
pub(crate) mod time;

use super::schema::Type;
use arrow_schema::TimeUnit;

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Absence.
    Null,
    /// `int`; `timestamp` counted in its unit and `date` counted in days since 1970-01-01.
    Int(i64),
    /// `float`.
    Float(f64),
    /// `str`.
    Str(String),
    /// `bool`.
    Bool(bool),
}

/// A text that is no value of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {expected}")]
pub struct NotValue {
    /// What the type takes, with an example.
    pub expected: &'static str,
}

impl Value {
    /// Parses the text of a cell, unquoted; blanks around it count only for `str`.
    ///
    /// Never gives [`Value::Null`]: the empty text is a `str` and no value of any other type.
    pub fn parse(ty: Type, text: &str) -> Result<Value, NotValue> {
        let bytes = text.as_bytes();
        match ty {
            Type::Timestamp(unit) => time::parse_timestamp(bytes, unit).map(Value::Int),
            Type::Date => time::parse_date(bytes).map(|day| Value::Int(day.into())),
            Type::Int => number::parse_int(bytes).map(Value::Int),
            Type::Float => number::parse_float(bytes).map(Value::Float),
            Type::Bool => number::parse_bool(bytes).map(Value::Bool),
            Type::Str => Some(Value::Str(text.to_owned())),
        }
        .ok_or_else(|| NotValue { expected: expected_of(ty, bytes) })
    }

    /// The text of a cell of type `ty`, unquoted; empty for null.
    #[must_use]
    pub fn render(&self, ty: Type) -> String {
        let mut out = Vec::new();
        match (self, ty) {
            (Value::Null, _) => {}
            (Value::Str(text), _) => return text.clone(),
            (Value::Bool(value), _) => return value.to_string(),
            (Value::Float(value), _) => show::push_float(&mut out, *value),
            (Value::Int(value), Type::Timestamp(unit)) => show::Times::new(unit).push(&mut out, *value),
            (Value::Int(value), Type::Date) => show::push_date(&mut out, *value),
            (Value::Int(value), _) => show::push_int(&mut out, *value),
        }
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// What a type takes, with an example, and a hint.
macro_rules! taken {
    ($ty:expr, $hint:literal) => {
        match $ty {
            Type::Timestamp(TimeUnit::Second) => concat!(
                "a timestamp in whole seconds whose milliseconds fit 64 bits, such as 2020-06-22T12:30:00",
                $hint
            ),
            Type::Timestamp(TimeUnit::Millisecond) => {
                concat!("a timestamp in whole milliseconds, such as 2020-06-22T12:30:00.500", $hint)
            }
            Type::Timestamp(TimeUnit::Microsecond) => {
                concat!("a timestamp in whole microseconds, such as 2020-06-22T12:30:00.500000", $hint)
            }
            Type::Timestamp(TimeUnit::Nanosecond) => concat!(
                "a timestamp in nanoseconds from 1677-09-21 to 2262-04-11, such as 2020-06-22T12:30:00.5",
                $hint
            ),
            Type::Date => concat!("a date such as 2020-06-22", $hint),
            Type::Int => concat!("a 64-bit int such as 42", $hint),
            Type::Float => concat!("a float such as 25.5", $hint),
            Type::Str => "valid UTF-8 text",
            Type::Bool => concat!("true or false", $hint),
        }
    };
}

/// What a type takes, with an example: the end of "is not …".
#[must_use]
pub(crate) const fn expected(ty: Type) -> &'static str {
    taken!(ty, "")
}

/// What an `int` column takes of numbers that were floats.
pub(crate) const WHOLE: &str =
    "a whole number of at most 9007199254740991: beyond it, and between ints, floats are rounded";

/// Spellings of null that other programs write, in small letters.
const NULLS: [&[u8]; 11] =
    [b"null", b"na", b"n/a", b"#n/a", b"#na", b"nan", b"none", b"nil", b"nat", b"\\n", b"-"];

/// As [`expected`], with the way out for what `text`, which is no value of the type, seems to mean.
#[must_use]
pub(crate) fn expected_of(ty: Type, text: &[u8]) -> &'static str {
    let text = number::trim(text);
    if NULLS.iter().any(|null| text.eq_ignore_ascii_case(null)) {
        return taken!(ty, ": null is an empty field");
    }
    let is_number =
        number::parse_float(text).is_some_and(f64::is_finite) || number::why_no_float(text).is_some();
    match ty {
        Type::Timestamp(_) | Type::Date if is_number => taken!(
            ty,
            ": numbers are not taken as times, neither since 1970 (epoch) nor as digits alone; write them so"
        ),
        Type::Timestamp(_) | Type::Date if time::has_odd_zone(text) => {
            taken!(ty, ": a zone is Z, UTC, GMT or an offset such as +02:00")
        }
        Type::Int if is_number && text.iter().any(|b| matches!(b, b'.' | b'e' | b'E')) => {
            taken!(ty, ": with a point or an exponent, a whole number of at most 9007199254740991 is one")
        }
        Type::Float => match number::why_no_float(text) {
            Some(number::Lost::Rounded) => {
                "exactly a float: from 9007199254740992 on whole numbers are rounded; a column of ints or texts keeps it, an \
                 exponent (1.5e16) says that it may be rounded"
            }
            Some(number::Lost::Small) => "a float: it is not zero, and so small that it would become 0",
            Some(number::Lost::Large) => "a float: it is too large, and would become infinite",
            None => expected(ty),
        },
        _ => expected(ty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Type = Type::Timestamp(TimeUnit::Millisecond);

    fn shown(ty: Type, text: &str) -> String {
        Value::parse(ty, text).map_or_else(|e| e.to_string(), |value| value.render(ty))
    }

    #[test]
    fn timestamps_are_read_in_all_their_spellings() {
        for (text, expected) in [
            ("2020-06-22", "2020-06-22T00:00:00"),
            (" 2020-06-22 00:00\t", "2020-06-22T00:00:00"),
            ("2020-06-22T00:00:00.5+02:00", "2020-06-21T22:00:00.500"),
            ("2020-06-22T00:00:00-0130", "2020-06-22T01:30:00"),
            ("2020-06-22T00:00:00+02", "2020-06-21T22:00:00"),
            ("2020-06-22 00:00:00 UTC", "2020-06-22T00:00:00"),
            ("2020-06-22 00:00:00.5 utc ", "2020-06-22T00:00:00.500"),
            ("2020-06-22T00:00GMT", "2020-06-22T00:00:00"),
            ("2020-06-22 00:00:00 Z", "2020-06-22T00:00:00"),
            ("2020-06-22 01:00:00 +0100", "2020-06-22T00:00:00"),
            ("2020-06-22 01:00:00.250 \t-01:30", "2020-06-22T02:30:00.250"),
            ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999"),
            ("0001-01-01", "0001-01-01T00:00:00"),
            ("9999-12-31T23:59:59", "9999-12-31T23:59:59"),
            ("2020-02-29T00:00:00.500000000", "2020-02-29T00:00:00.500"),
            ("+12020-01-01", "+12020-01-01T00:00:00"),
            ("-0044-03-15", "-0044-03-15T00:00:00"),
        ] {
            assert_eq!(shown(MS, text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        for text in [
            "",
            "2020",
            "2020-06",
            "2020-6-2",
            "2021-02-29",
            "2020-13-01",
            "2020-00-01",
            "2020-01-00",
            "2020-01-01T24:00",
            "2020-01-01T23:60",
            "2020-01-01T23:59:60",
            "2020-01-01T00",
            "2020-01-01T",
            "2020-01-01T00:00:00.",
            "2020-01-01T00:00:00.0001",
            "2020-01-01T00:00:00.0000000000",
            "2020-01-01T00:00:00+24:00",
            "2020-01-01T00:00:00+02:60",
            "2020-01-01T00:00:00+2",
            "2020-01-01T00:00:00 x",
            "2020-01-01T00:00:00 CET",
            "2020-01-01T00:00:00 UTC+1",
            "2020-01-01T00:00:00 UT",
            "2020-01-01 UTC",
            "2020-01-01 +02:00",
            "2020-01-01Z",
            "12020-01-01",
            "+999999999999-01-01",
        ] {
            assert!(Value::parse(MS, text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn timestamps_at_the_ends_of_their_units_round_trip() {
        for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond] {
            let ty = Type::Timestamp(unit);
            let (least, most) = match unit {
                TimeUnit::Second => (-time::MOST_SECONDS, time::MOST_SECONDS),
                _ => (i64::MIN, i64::MAX),
            };
            for value in [least, least + 1, -1, 0, 1, most - 1, most] {
                let text = Value::Int(value).render(ty);
                assert_eq!(Value::parse(ty, &text), Ok(Value::Int(value)), "{text}");
            }
        }
    }

    #[test]
    fn seconds_whose_milliseconds_do_not_fit_are_refused() {
        let ty = Type::Timestamp(TimeUnit::Second);
        for value in [time::MOST_SECONDS + 1, -time::MOST_SECONDS - 1, i64::MAX, i64::MIN] {
            let refused = Value::parse(ty, &Value::Int(value).render(ty)).unwrap_err().to_string();
            assert!(refused.contains("milliseconds fit 64 bits"), "{refused}");
        }
    }

    #[test]
    fn nanoseconds_out_of_range_are_refused() {
        let ty = Type::Timestamp(TimeUnit::Nanosecond);
        assert!(Value::parse(ty, "2262-04-11T23:47:16.854775808").is_err());
        assert!(Value::parse(ty, "1677-09-21T00:12:43.145224191").is_err());
    }

    #[test]
    fn dates_take_midnight_only() {
        assert_eq!(shown(Type::Date, "1969-12-31"), "1969-12-31");
        assert_eq!(shown(Type::Date, "2020-06-22T02:00+02:00"), "2020-06-22");
        assert!(Value::parse(Type::Date, "2020-06-22 00:01").is_err());
        for day in [i32::MIN, i32::MAX] {
            let value = Value::Int(day.into());
            assert_eq!(Value::parse(Type::Date, &value.render(Type::Date)), Ok(value));
        }
    }

    #[test]
    fn floats_show_the_shortest_text_with_a_point_or_an_exponent() {
        for (text, expected) in [
            ("25", "25.0"),
            ("-0", "-0.0"),
            (" 0.1 ", "0.1"),
            ("1e300", "1e+300"),
            ("+2.50", "2.5"),
            ("5e-324", "5e-324"),
            ("0.30000000000000004", "0.30000000000000004"),
            ("nan", "NaN"),
            ("-Infinity", "-inf"),
            ("+INF", "inf"),
            ("1e16", "1e+16"),
            ("9007199254740992", "9007199254740992.0"),
            ("9007199254740993e0", "9007199254740992.0"),
        ] {
            assert_eq!(shown(Type::Float, text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            "-",
            ".",
            "e5",
            "1e",
            "1e999",
            "-1e999",
            "1,5",
            "0x10",
            "1_000",
            "infin",
            "1 2",
            "9007199254740993",
        ] {
            assert!(Value::parse(Type::Float, text).is_err(), "{text:?}");
        }
        for text in ["", "-", "1.5", "9223372036854775808", "-9223372036854775809", "1e-3", "--1", "+-1"] {
            assert!(Value::parse(Type::Int, text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn refusals_tell_the_way_out() {
        let told = |ty, text: &str| Value::parse(ty, text).unwrap_err().to_string();
        for text in ["NA", "null", "N/A", "#N/A", "NULL", " None ", "\\N", "-"] {
            for ty in [Type::Float, Type::Int, Type::Date, Type::Bool, MS] {
                assert!(told(ty, text).ends_with(": null is an empty field"), "{ty} {text}");
            }
        }
        assert!(told(MS, "NaN").ends_with(": null is an empty field"));
        for text in ["1482669077000000000", "1482669077", "1482669077.25", "20161225", "1.4e9"] {
            assert!(told(MS, text).contains("since 1970"), "{text}");
            assert!(told(Type::Date, text).contains("since 1970"), "{text}");
        }
        assert!(told(MS, "2020-01-01 00:00:00 CET").ends_with("an offset such as +02:00"));
        assert!(!told(MS, "2020-01-01 00:00:00.0001 UTC").contains("zone"));
        assert!(told(Type::Int, "1.5").contains("a whole number of at most 9007199254740991"));
        assert!(told(Type::Float, "9007199254740993").contains("whole numbers are rounded"));
        assert!(told(Type::Float, "1e-400").contains("would become 0"));
        assert!(told(Type::Float, "-1e999").contains("too large"));
        assert_eq!(told(Type::Float, "abc"), "not a float such as 25.5");
    }

    #[test]
    fn ints_reach_both_ends() {
        for value in [i64::MIN, -1, 0, i64::MAX] {
            assert_eq!(Value::parse(Type::Int, &format!(" {value} ")), Ok(Value::Int(value)));
        }
        assert_eq!(shown(Type::Int, "+007"), "7");
        assert_eq!(shown(Type::Int, "7.0"), "7");
    }

    #[test]
    fn bools_are_read_in_all_their_spellings() {
        for text in ["true", "True", "TRUE", "t", "1", " true "] {
            assert_eq!(shown(Type::Bool, text), "true");
        }
        for text in ["false", "False", "FALSE", "f", "0"] {
            assert_eq!(shown(Type::Bool, text), "false");
        }
        assert!(Value::parse(Type::Bool, "yes").is_err());
    }

    #[test]
    fn strings_keep_their_blanks() {
        assert_eq!(Value::parse(Type::Str, " a "), Ok(Value::Str(" a ".into())));
    }
}
