//! What the name of a revision or a moment means: a time, a digest, a count back, the newest, or a tag.
//!
//! Pure: nothing here knows which revisions there are. No name has two meanings: what reads as anything else is
//! refused as a tag.

use crate::clock::{days_from_civil, days_in_month};
use crate::data::label;

/// The name of the newest state.
pub const LATEST: &str = "latest";

const MINUTE: u64 = 60_000;
const DAY: u64 = 86_400_000;

/// What a name asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// The state at the end of a unit of time, such as a day: milliseconds since 1970-01-01 UTC of its start, and
    /// of what follows it.
    Time(u64, u64),
    /// So many revisions before the newest: of a series where one is named, else of the collection.
    Back(u64),
    /// A revision, in full or by the first digits of its digest.
    Revision(String),
    /// The newest state.
    Latest,
    /// What somebody named so.
    Tag(String),
}

impl When {
    /// Reads a name; `None` where it can be none. A time wins over digits of a digest, which `@` forces.
    #[must_use]
    pub fn parse(name: &str) -> Option<When> {
        if name == LATEST {
            return Some(When::Latest);
        }
        if let Some(count) = name.strip_prefix('~') {
            return count.parse().ok().filter(|_| !count.starts_with('+')).map(When::Back);
        }
        if let Some((start, end)) = unit(name).or_else(|| zoned(name)) {
            return Some(When::Time(start, end));
        }
        if is_revision(name) {
            return Some(When::Revision(name.to_owned()));
        }
        is_tag(name).then(|| When::Tag(name.to_owned()))
    }

    /// The unit of time that a text names: its first millisecond since 1970-01-01 UTC, and that of what follows.
    #[must_use]
    pub fn time(text: &str) -> Option<(u64, u64)> {
        unit(text).or_else(|| zoned(text))
    }
}

/// Whether a text is a revision's id, with colons or dashes in its time, or the first digits of its digest.
fn is_revision(text: &str) -> bool {
    let digits = match text.rsplit_once("Z-") {
        Some((time, digits)) if unit(time).is_some() => digits,
        Some(_) => return false,
        None => text.strip_prefix('@').unwrap_or(text),
    };
    (4..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a text can be the name of a tag: a label that means nothing else, nor looks as if it did.
#[must_use]
pub fn is_tag(name: &str) -> bool {
    let taken = name == LATEST
        || name.starts_with(['~', '@', '-'])
        // Between two names it means a range.
        || name.contains("..")
        || name.trim() != name
        || looks_like_time(name)
        || is_revision(name);
    !taken && label::check(name).is_ok()
}

/// Whether a text starts as a year does, alone or with what follows it: also one that never was.
fn looks_like_time(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = text.as_bytes().get(digits);
    digits == 4
        && (rest.is_none() || (rest == Some(&b'-') && text.as_bytes().get(5).is_some_and(u8::is_ascii_digit)))
}

/// A unit of time with an offset from UTC behind it, such as `2020-09-21T16:03+02:00`.
fn zoned(text: &str) -> Option<(u64, u64)> {
    let at = text.len().checked_sub(6)?;
    let (local, offset) = (text.get(..at)?, text.get(at..)?);
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let shift = (number(hours, 2)? * 60 + number(minutes, 2)?) * MINUTE;
    let (start, end) = unit(local).filter(|_| local.contains(['T', ' ']))?;
    match offset.as_bytes().first() {
        Some(b'+') => Some((start.checked_sub(shift)?, end.checked_sub(shift)?)),
        Some(b'-') => Some((start + shift, end + shift)),
        _ => None,
    }
}

/// The unit of time that a text names: `2020`, `2020-09`, `2020-09-21`, then `T14`, `T14:03`, `T14:03:12`,
/// `T14:03:12.506`; dashes may stand for the colons and a blank for the `T`; `Z` may follow.
fn unit(text: &str) -> Option<(u64, u64)> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, clock) = match text.split_once(['T', ' ']) {
        Some((date, clock)) => (date, Some(clock)),
        None => (text, None),
    };
    let fields: Vec<&str> = date.split('-').collect();
    let year = number(fields.first()?, 4)?;
    let month = fields.get(1).map(|text| number(text, 2)).map_or(Some(None), |m| m.map(Some))?;
    let day = fields.get(2).map(|text| number(text, 2)).map_or(Some(None), |d| d.map(Some))?;
    if fields.len() > 3 || month.is_some_and(|m| !(1..=12).contains(&m)) {
        return None;
    }
    let start = |year: u64, month: u64, day: u64| -> Option<u64> {
        let days = days_from_civil(i64::try_from(year).ok()?, month as u32, day as u32);
        u64::try_from(days).ok()?.checked_mul(DAY)
    };
    let from = start(year, month.unwrap_or(1), day.unwrap_or(1))?;
    match (month, day, clock) {
        (None, None, None) => Some((from, start(year + 1, 1, 1)?)),
        (Some(12), None, None) => Some((from, start(year + 1, 1, 1)?)),
        (Some(month), None, None) => Some((from, start(year, month + 1, 1)?)),
        (Some(month), Some(day), clock) => {
            let days = u64::from(days_in_month(i64::try_from(year).ok()?, month as u32));
            if !(1..=days).contains(&day) {
                return None;
            }
            match clock {
                None => Some((from, from + DAY)),
                Some(clock) => time_of_day(clock).map(|(at, len)| (from + at, from + at + len)),
            }
        }
        _ => None,
    }
}

/// A time of day in milliseconds, and how long the unit is that it names.
fn time_of_day(text: &str) -> Option<(u64, u64)> {
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (text, None),
    };
    let fields = clock.split([':', '-']).map(|text| number(text, 2)).collect::<Option<Vec<u64>>>()?;
    let &[hour, ref rest @ ..] = fields.as_slice() else { return None };
    let (minute, second) = (rest.first().copied(), rest.get(1).copied());
    if hour > 23 || minute.unwrap_or(0) > 59 || second.unwrap_or(0) > 59 || rest.len() > 2 {
        return None;
    }
    let at = (hour * 60 + minute.unwrap_or(0)) * MINUTE + second.unwrap_or(0) * 1000;
    match (minute, second, fraction) {
        (None, _, None) => Some((at, 60 * MINUTE)),
        (Some(_), None, None) => Some((at, MINUTE)),
        (Some(_), Some(_), None) => Some((at, 1000)),
        (Some(_), Some(_), Some(fraction)) => {
            let len = 10_u64.checked_pow(3_u32.checked_sub(u32::try_from(fraction.len()).ok()?)?)?;
            Some((at + number(fraction, fraction.len())? * len, len))
        }
        _ => None,
    }
}

/// A number of exactly so many digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    let plain = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEPTEMBER_21: u64 = 1_600_646_400_000;

    fn time(text: &str) -> Option<(u64, u64)> {
        match When::parse(text) {
            Some(When::Time(start, end)) => Some((start, end)),
            _ => None,
        }
    }

    #[test]
    fn a_time_names_the_unit_it_ends_with() {
        let at = SEPTEMBER_21;
        assert_eq!(time("2020-09-21"), Some((at, at + DAY)));
        assert_eq!(time("2020-09-21T14"), Some((at + 14 * 60 * MINUTE, at + 15 * 60 * MINUTE)));
        let minute = at + (14 * 60 + 3) * MINUTE;
        for text in ["2020-09-21T14:03", "2020-09-21T14-03", "2020-09-21 14:03", "2020-09-21T14:03Z"] {
            assert_eq!(time(text), Some((minute, minute + MINUTE)), "{text}");
        }
        assert_eq!(time("2020-09-21T14:03:12"), Some((minute + 12_000, minute + 13_000)));
        assert_eq!(time("2020-09-21T14-03-12.506Z"), Some((minute + 12_506, minute + 12_507)));
        assert_eq!(time("2020-09-21T14-03-12.5"), Some((minute + 12_500, minute + 12_600)));
        assert_eq!(time("2020-09"), Some((at - 20 * DAY, at + 10 * DAY)));
        assert_eq!(time("2020").map(|(start, end)| end - start), Some(366 * DAY));
        assert_eq!(time("2020-12").map(|(start, end)| end - start), Some(31 * DAY));
    }

    #[test]
    fn what_only_looks_like_a_time_or_a_count_is_refused() {
        for text in
            ["", "2020-13", "2020-02-30", "2020-09-21T25", "2020-09-21T14:60", "~", "~x", "~+1", "@x", "a..b"]
        {
            assert_eq!(When::parse(text), None, "{text}");
        }
        assert_eq!(When::parse("1969-12-31"), None);
    }

    #[test]
    fn revisions_are_told_by_digits() {
        for text in ["554d6f", "@2020", "2020-09-21T14-03-12.506Z-554d6f3600", "20200921"] {
            assert_eq!(When::parse(text), Some(When::Revision(text.to_owned())), "{text}");
        }
        assert!(matches!(When::parse("2020"), Some(When::Time(..))), "a year wins over digits");
        assert_eq!(When::parse("~3"), Some(When::Back(3)));
    }

    #[test]
    fn an_offset_from_utc_is_taken_off() {
        assert_eq!(time("2020-09-21T02:00+02:00"), Some((SEPTEMBER_21, SEPTEMBER_21 + MINUTE)));
        assert_eq!(time("2020-09-20 22:00:00-02:00"), Some((SEPTEMBER_21, SEPTEMBER_21 + 1000)));
    }

    #[test]
    fn what_means_anything_else_is_no_tag() {
        for name in [
            "",
            "latest",
            "~1",
            "~x",
            "@abc",
            "2020",
            "2020-09",
            "1969-12-31",
            "9999-99",
            "cafe",
            "554d6f36",
            "a..b",
            "-v",
            " v1",
            "v1 ",
            "v\n1",
            "2020-09-21T14-03-12.506Z-554d6f3600",
        ] {
            assert!(!is_tag(name), "{name:?}");
        }
        for name in ["v1", "abc", "release/2", "2020q3", "2020-report", "before the move", "été", "Z-cafe"]
        {
            assert!(is_tag(name), "{name:?}");
            assert_eq!(When::parse(name), Some(When::Tag(name.to_owned())), "{name:?}");
        }
    }
}
