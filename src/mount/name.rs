//! Names of the mount's tree: what can be looked up in which folder.
//!
//! Pure. Labels are escaped so that no name of ours can be meant: every one of ours that stands beside labels starts
//! with a dot, which no escaped label does.

use super::options::Names;
use super::render::Format;
use crate::clock::{days_from_civil, days_in_month};
use crate::data::label::{escape, unescape};
use std::ffi::OsStr;

/// The folder of control files.
pub const CONTROL: &str = ".lakota";
/// The columns of a collection.
pub const SCHEMA: &str = ".schema";
/// The link to the newest revision.
pub const LATEST: &str = "latest";
/// The folder of revisions.
pub const REVISIONS: &str = "revisions";
/// The folder of moments.
pub const AT: &str = "at";
/// The folder of what differs between moments.
pub const DIFF: &str = "diff";
/// Who made a revision, and what it changed.
pub const COMMIT: &str = "commit.json";
/// What a revision changed, row by row.
pub const DELTA: &str = "delta.csv";

/// Longest name of a file, in bytes.
pub(super) const MAX_NAME: usize = 255;

const MINUTE: u64 = 60_000;
const DAY: u64 = 86_400_000;

/// The label that a name stands for, where it is the name that label has.
#[must_use]
pub fn label_of(name: &OsStr) -> Option<String> {
    let name = name.to_str()?;
    unescape(name).filter(|label| escape(label) == name)
}

/// The name of a live file.
#[must_use]
pub fn live(names: Names, label: &str, format: Format) -> String {
    let label = escape(label);
    match names {
        Names::Label if label.len() + ".parquet".len() <= MAX_NAME => {
            format!("{label}.{}", format.extension())
        }
        _ => format!("live.{}", format.extension()),
    }
}

/// The two moments that a name in `diff/` may mean, such as `2020..~0.csv`: several where there are several pairs of dots.
pub fn ends(name: &str) -> impl Iterator<Item = (&str, &str)> {
    let text = name.strip_suffix(".csv").unwrap_or_default();
    let parts = text.char_indices().filter_map(|(at, _)| Some((&text[..at], text[at..].strip_prefix("..")?)));
    parts.filter(|(old, new)| !old.is_empty() && !new.is_empty())
}

/// The name of a file of a revision.
#[must_use]
pub const fn data(format: Format) -> &'static str {
    match format {
        Format::Csv => "data.csv",
        Format::Parquet => "data.parquet",
    }
}

/// What a name in `at/` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// The state at the end of a unit of time, such as a day: milliseconds since 1970-01-01 UTC of its start, and
    /// of what follows it.
    Time(u64, u64),
    /// So many revisions of the series before the newest.
    Back(u64),
    /// A revision, in full or by the first digits of its digest.
    Revision(String),
}

impl When {
    /// Reads a name. A time wins over digits of a digest.
    #[must_use]
    pub fn parse(name: &str) -> Option<When> {
        if let Some(count) = name.strip_prefix('~') {
            return count.parse().ok().filter(|_| !count.starts_with('+')).map(When::Back);
        }
        if let Some((start, end)) = unit(name) {
            return Some(When::Time(start, end));
        }
        let digits = name.rsplit_once("Z-").map_or(name, |(_, digits)| digits);
        let digits = digits.strip_prefix('@').unwrap_or(digits);
        let hex = (4..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
        hex.then(|| When::Revision(name.to_owned()))
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
    fn what_is_no_time_and_no_revision_is_refused() {
        for text in
            ["", "x", "2020-13", "2020-02-30", "2020-09-21T25", "2020-09-21T14:60", "~", "~x", "~+1", "abc"]
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
    fn only_the_escaped_form_of_a_label_is_a_name() {
        let label = |name: &str| label_of(OsStr::new(name));
        assert_eq!(label("a%2Fb").as_deref(), Some("a/b"));
        assert_eq!(label("%2Eschema").as_deref(), Some(".schema"));
        assert_eq!((label(".schema"), label("a%2fb"), label("%41"), label("5%")), (None, None, None, None));
    }

    #[test]
    fn the_ends_of_a_difference_are_parted_by_two_dots() {
        let all = |name: &'static str| ends(name).collect::<Vec<_>>();
        assert_eq!(all("2020..~0.csv"), [("2020", "~0")]);
        let revision = "2020-09-21T14-03-12.506Z-554d6f3600";
        assert_eq!(ends(&format!("{revision}..@554d.csv")).collect::<Vec<_>>(), [(revision, "@554d")]);
        assert_eq!(all("a...b.csv"), [("a", ".b"), ("a.", "b")]);
        for name in ["", ".csv", "..csv", "...csv", "a...csv", "..b.csv", "a..b", "a.b.csv", "a..b.parquet"] {
            assert_eq!(all(name), [], "{name}");
        }
    }

    #[test]
    fn a_label_too_long_for_its_extension_has_plain_live_files() {
        assert_eq!(live(Names::Label, "a/b", Format::Csv), "a%2Fb.csv");
        assert_eq!(live(Names::Label, &"x".repeat(250), Format::Csv), "live.csv");
        assert_eq!(live(Names::Live, "bxl", Format::Parquet), "live.parquet");
    }
}
