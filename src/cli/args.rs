//! Arguments that several commands share: places, ranges, moments.

use super::exit::Usage;
use crate::collection::when::When;
use crate::collection::{At, Collection, CollectionError};
use crate::data::csv::Header;
use crate::data::key::Closed;
use crate::data::schema::{Schema, Type};
use crate::data::value::Value;
use crate::interval::Interval;
use crate::series::select::{self, SelectError};
use anyhow::{Result, anyhow};
use arrow_schema::TimeUnit;
use std::str::FromStr;

/// A collection, or a series of one: `temp` or `temp/bxl`. The first slash parts them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) collection: String,
    pub(crate) series: Option<String>,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        let (collection, series) = match text.split_once('/') {
            Some((collection, series)) => (collection, Some(series)),
            None => (text, None),
        };
        if collection.is_empty() || series == Some("") {
            return Err("expected COLLECTION or COLLECTION/SERIES".to_owned());
        }
        Ok(Place { collection: collection.to_owned(), series: series.map(str::to_owned) })
    }
}

impl Place {
    /// The label of the series, which `verb` needs.
    pub(crate) fn needs_series(&self, verb: &'static str) -> Result<&str, Usage> {
        let message = || format!("expected COLLECTION/SERIES, got {:?}", self.collection);
        self.series.as_deref().ok_or_else(|| Usage::of(verb, message()))
    }
}

/// A range of index values.
#[derive(Debug, clap::Args)]
pub(crate) struct RangeArgs {
    /// First index value; once for each index column, the last ones may be left out
    #[arg(long, visible_alias = "gt", value_name = "VALUE", allow_hyphen_values = true)]
    start: Vec<String>,
    /// Last index value; once for each index column, the last ones may be left out
    #[arg(long, visible_alias = "lt", value_name = "VALUE", allow_hyphen_values = true)]
    stop: Vec<String>,
    /// Which of the bounds belong to the range: left, right, both, none, or the first letter
    #[arg(long, value_name = "BOUNDS", value_parser = parse_closed)]
    closed: Option<Closed>,
}

fn parse_closed(text: &str) -> Result<Closed, String> {
    match text.to_ascii_lowercase().as_str() {
        "left" | "l" => Ok(Closed::Left),
        "right" | "r" => Ok(Closed::Right),
        "both" | "b" => Ok(Closed::Both),
        "none" | "n" => Ok(Closed::None),
        _ => Err("expected left, right, both, none, or the first letter".to_owned()),
    }
}

impl RangeArgs {
    /// Whether a bound or a kind of bounds was given.
    pub(crate) const fn is_given(&self) -> bool {
        !self.start.is_empty() || !self.stop.is_empty() || self.closed.is_some()
    }

    /// Whether there is a start, and whether there is a stop.
    pub(crate) const fn has(&self) -> (bool, bool) {
        (!self.start.is_empty(), !self.stop.is_empty())
    }

    /// The index values meant; a missing bound is none.
    pub(crate) fn interval(&self, schema: &Schema, default: Closed) -> Result<Interval> {
        let closed = self.closed.unwrap_or(default);
        select::interval(schema, &self.start, &self.stop, closed).map_err(|error| match error {
            // The bound is an option here.
            SelectError::TooMany { .. } | SelectError::Bound { .. } => anyhow!("--{error}"),
            other => other.into(),
        })
    }
}

/// Whether CSV has a header line.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub(crate) struct HeaderArgs {
    /// The first line of CSV names the columns; else the line tells, and is refused if it may be a row too
    #[arg(long)]
    header: bool,
    /// The first line of CSV is a row, in the order of the columns
    #[arg(long)]
    no_header: bool,
}

impl HeaderArgs {
    /// What was said.
    pub(crate) const fn given(&self) -> Header {
        match (self.header, self.no_header) {
            (true, _) => Header::Present,
            (_, true) => Header::Absent,
            _ => Header::Guess,
        }
    }
}

/// A state of the past.
#[derive(Debug, clap::Args)]
pub(crate) struct AtArgs {
    /// As it was before a time (UTC), such as 2020-06, 2020-06-22 or 2020-06-22T14:03
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "revision")]
    before: Option<u64>,
    /// As of a revision: its id or the first digits of its last part, a tag, ~1 (the one before the newest), a time
    /// (the end of that day, hour or minute)
    #[arg(long, value_name = "REV")]
    revision: Option<String>,
}

impl AtArgs {
    /// The state meant.
    pub(crate) fn of(&self, collection: &Collection) -> Result<At> {
        self.in_place(collection, None)
    }

    /// The state meant where a series is looked at: `~1` counts its revisions.
    pub(crate) fn in_place(&self, collection: &Collection, series: Option<&str>) -> Result<At> {
        Ok(match (self.before, &self.revision) {
            (Some(time), _) => At::Before(time),
            (None, Some(name)) => at(collection, name, series)?,
            (None, None) => At::Newest,
        })
    }

    /// Whether a state of the past is meant.
    pub(crate) const fn is_given(&self) -> bool {
        self.before.is_some() || self.revision.is_some()
    }
}

/// The state that a name of a revision means, where a series may be looked at: `~1` counts its revisions then.
pub(crate) fn at(collection: &Collection, name: &str, series: Option<&str>) -> Result<At, CollectionError> {
    let id = match (When::parse(name), series) {
        (Some(When::Back(_)), Some(label)) => {
            Some(collection.find(&collection.state(At::Newest)?, label)?.id)
        }
        _ => None,
    };
    collection.at(name, id)
}

/// A UTC time in milliseconds, of a unit its start; the time of day with colons or, as revisions show it, with dashes.
pub(crate) fn parse_time(text: &str) -> Result<u64, String> {
    if let Some((start, _)) = When::time(text) {
        return Ok(start);
    }
    let text = match text.split_once(['T', ' ']) {
        Some((date, clock)) if !clock.contains(['+', ':']) => format!("{date}T{}", clock.replace('-', ":")),
        _ => text.to_owned(),
    };
    match Value::parse(Type::Timestamp(TimeUnit::Millisecond), &text) {
        Ok(Value::Int(time)) => u64::try_from(time).map_err(|e| format!("before 1970: {e}")),
        Ok(_) => Err("expected a time such as 2020-06, 2020-06-22 or 2020-06-22T14:03 (UTC)".to_owned()),
        Err(_not_a_time) => {
            Err("expected a time such as 2020-06, 2020-06-22 or 2020-06-22T14:03 (UTC)".to_owned())
        }
    }
}

/// As [`parse_time`], of a unit its end.
pub(crate) fn parse_until(text: &str) -> Result<u64, String> {
    match When::time(text) {
        Some((_, end)) => Ok(end),
        None => parse_time(text).map(|time| time + 1),
    }
}

/// A span of time in milliseconds: `600`, `600s`, `10m`, `2h`, `1d`.
pub(crate) fn parse_duration(text: &str) -> Result<u64, String> {
    let unit = match text.chars().last() {
        Some('m') => 60_000,
        Some('h') => 3_600_000,
        Some('d') => 86_400_000,
        _ => 1000,
    };
    let digits = text.strip_suffix(['s', 'm', 'h', 'd']).unwrap_or(text);
    let count = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
    count.ok_or_else(|| "expected a number and a unit, such as 600s, 10m, 2h or 1d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_slash_parts_collection_and_series() {
        let place: Place = "a/b/c".parse().unwrap();
        assert_eq!((place.collection.as_str(), place.series.as_deref()), ("a", Some("b/c")));
    }

    #[test]
    fn half_a_place_is_refused() {
        assert!(["", "/", "a/", "/b"].iter().all(|text| text.parse::<Place>().is_err()));
    }

    #[test]
    fn time_is_read_in_all_its_spellings() {
        let expected = 1_592_834_580_000;
        for text in
            ["2020-06-22T14:03", "2020-06-22T14-03", "2020-06-22 14:03:00Z", "2020-06-22T14-03-00.000Z"]
        {
            assert_eq!(parse_time(text), Ok(expected), "{text}");
        }
        assert_eq!(parse_time("2020-06-22"), Ok(1_592_784_000_000));
        assert_eq!(parse_time("2020-06-22T16:03+02:00"), Ok(expected));
    }

    #[test]
    fn duration_takes_units() {
        assert_eq!(parse_duration("600"), Ok(600_000));
        assert_eq!(parse_duration("2h"), Ok(7_200_000));
        assert!(["", "s", "-1s", "1w"].iter().all(|text| parse_duration(text).is_err()));
    }
}
