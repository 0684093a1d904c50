//! Texts to timestamps and dates, in UTC.
//!
//! `parse_timestamp` and `parse_date` know every accepted spelling; [`Dates`] takes the spelling that
//! CSV files are full of and remembers the last date. Never rounds: what a unit cannot hold is `None`.

use super::number::trim;
use crate::clock::{days_from_civil, days_in_month};
use arrow_schema::TimeUnit;

/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;

/// Ticks of a unit in a second.
pub(crate) const fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// The most seconds from 1970-01-01, both ways: they are kept as milliseconds, Parquet having no seconds.
pub(crate) const MOST_SECONDS: i64 = i64::MAX / 1_000;

/// Whether ticks of `unit` can be kept.
pub(crate) const fn fits(ticks: i64, unit: TimeUnit) -> bool {
    !matches!(unit, TimeUnit::Second) || (-MOST_SECONDS <= ticks && ticks <= MOST_SECONDS)
}

/// Parses a timestamp into ticks of `unit` since 1970-01-01 UTC; `None` if it is none or does not fit.
pub(crate) fn parse_timestamp(text: &[u8], unit: TimeUnit) -> Option<i64> {
    let (seconds, nanos) = parse_moment(trim(text))?;
    let ticks = i128::from(per_second(unit));
    let nanos_per_tick = 1_000_000_000 / ticks;
    if i128::from(nanos) % nanos_per_tick != 0 {
        return None;
    }
    let ticks = i64::try_from(seconds * ticks + i128::from(nanos) / nanos_per_tick).ok()?;
    fits(ticks, unit).then_some(ticks)
}

/// Parses a date, or a timestamp that is exactly midnight, into days since 1970-01-01.
pub(crate) fn parse_date(text: &[u8]) -> Option<i32> {
    let (seconds, nanos) = parse_moment(trim(text))?;
    let midnight = nanos == 0 && seconds % i128::from(DAY) == 0;
    midnight.then(|| i32::try_from(seconds / i128::from(DAY)).ok()).flatten()
}

/// Whether a text is a time with something behind it that is no zone known here.
pub(crate) fn has_odd_zone(text: &[u8]) -> bool {
    let mut rest = Rest(trim(text));
    let clock = rest.date().and_then(|_| rest.one_of(b"Tt ")).and_then(|_| rest.pair(23));
    if clock.and_then(|_| rest.one_of(b":")).and_then(|_| rest.pair(59)).is_none() {
        return false;
    }
    let end = rest.0.iter().position(|b| !matches!(b, b'0'..=b'9' | b':' | b'.')).unwrap_or(rest.0.len());
    let mut zone = Rest(&rest.0[end..]);
    zone.offset().is_none() || !zone.0.is_empty()
}

/// `date[(T| )hh:mm[:ss[.f]][zone]]` to seconds since 1970-01-01 UTC and nanoseconds of the second.
fn parse_moment(text: &[u8]) -> Option<(i128, u32)> {
    let mut rest = Rest(text);
    let mut seconds = i128::from(rest.date()?) * i128::from(DAY);
    if rest.0.is_empty() {
        return Some((seconds, 0));
    }
    rest.one_of(b"Tt ")?;
    let (hour, minute) = (rest.pair(23)?, rest.one_of(b":").and_then(|_| rest.pair(59))?);
    seconds += i128::from(hour * 3600 + minute * 60);
    let mut nanos = 0;
    if rest.one_of(b":").is_some() {
        seconds += i128::from(rest.pair(59)?);
        if rest.one_of(b".").is_some() {
            nanos = rest.fraction()?;
        }
    }
    seconds -= i128::from(rest.offset()?);
    rest.0.is_empty().then_some((seconds, nanos))
}

/// What is left of a text.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn one_of(&mut self, accepted: &[u8]) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        accepted.contains(&first).then(|| {
            self.0 = rest;
            first
        })
    }

    /// All digits from here on, as a number and their count; at most 12.
    fn digits(&mut self) -> Option<(i64, usize)> {
        let count = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        if count == 0 || count > 12 {
            return None;
        }
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        Some((digits.iter().fold(0, |n, b| n * 10 + i64::from(b - b'0')), count))
    }

    /// Two digits, at most `max`.
    fn pair(&mut self, max: i64) -> Option<i64> {
        let (&[a, b], rest) = self.0.split_first_chunk()?;
        if !a.is_ascii_digit() || !b.is_ascii_digit() {
            return None;
        }
        self.0 = rest;
        let value = i64::from(a - b'0') * 10 + i64::from(b - b'0');
        (value <= max).then_some(value)
    }

    /// Days since 1970-01-01. Years have four digits, or a sign and at least four.
    fn date(&mut self) -> Option<i64> {
        let sign = self.one_of(b"+-");
        let (year, digits) = self.digits()?;
        if digits < 4 || (digits > 4 && sign.is_none()) {
            return None;
        }
        let year = if sign == Some(b'-') { -year } else { year };
        self.one_of(b"-")?;
        let month = u32::try_from(self.pair(12)?).ok().filter(|&month| month > 0)?;
        self.one_of(b"-")?;
        let day = u32::try_from(self.pair(31)?).ok().filter(|&day| day > 0)?;
        (day <= days_in_month(year, month)).then(|| days_from_civil(year, month, day))
    }

    /// One to nine digits of a second, in nanoseconds.
    fn fraction(&mut self) -> Option<u32> {
        let (value, count) = self.digits()?;
        let missing = 9_u32.checked_sub(u32::try_from(count).ok()?)?;
        u32::try_from(value).ok()?.checked_mul(10_u32.pow(missing))
    }

    /// Seconds east of UTC: nothing, `Z`, `UTC`, `GMT`, `+hh`, `+hhmm`, `+hh:mm`, with blanks before or not.
    fn offset(&mut self) -> Option<i64> {
        while self.one_of(b" \t").is_some() {}
        for name in [&b""[..], b"Z", b"UTC", b"GMT"] {
            if self.0.eq_ignore_ascii_case(name) {
                self.0 = &[];
                return Some(0);
            }
        }
        let sign = self.one_of(b"+-")?;
        let mut seconds = self.pair(23)? * 3600;
        if !self.0.is_empty() {
            self.one_of(b":");
            seconds += self.pair(59)? * 60;
        }
        Some(if sign == b'-' { -seconds } else { seconds })
    }
}

/// Reads `2020-06-22` and `2020-06-22T00:00:00[.f][Z| UTC]` at the start of a text, remembering the last date.
#[derive(Debug)]
pub(crate) struct Dates {
    text: [u8; 10],
    /// The remembered date in ticks of `per_day` a day; every tick of the day fits an i64.
    base: i64,
    per_day: i64,
}

impl Dates {
    /// For timestamps in `unit`.
    pub(crate) const fn timestamps(unit: TimeUnit) -> Dates {
        Dates { text: *b"1970-01-01", base: 0, per_day: per_second(unit) * DAY }
    }

    /// For dates: one tick a day.
    pub(crate) const fn days() -> Dates {
        Dates { text: *b"1970-01-01", base: 0, per_day: 1 }
    }

    /// The date that starts a text, in ticks, and its length.
    #[inline]
    pub(crate) fn date_prefix(&mut self, text: &[u8]) -> Option<(i64, usize)> {
        let date = text.first_chunk::<10>()?;
        if *date != self.text {
            self.remember(date)?;
        }
        Some((self.base, 10))
    }

    /// The timestamp or date that starts a text, in ticks, and its length.
    #[inline]
    pub(crate) fn timestamp_prefix(&mut self, text: &[u8]) -> Option<(i64, usize)> {
        let (day, date_len) = self.date_prefix(text)?;
        if !matches!(text.get(date_len), Some(b'T' | b' ')) {
            return Some((day, date_len));
        }
        let (clock, rest) = text.get(date_len + 1..)?.split_first_chunk::<8>()?;
        let per_second = self.per_day / DAY;
        let ticks = day + clock_seconds(*clock)? * per_second;
        // A zone other than UTC is left to those who look at what follows.
        let zone = |at: usize| match rest.get(at) {
            Some(b'Z') => 1,
            Some(b' ') if rest[at..].starts_with(b" UTC") => 4,
            _ => 0,
        };
        if rest.first() != Some(&b'.') {
            return Some((ticks, 19 + zone(0)));
        }
        let count = rest[1..].iter().take(10).take_while(|b| b.is_ascii_digit()).count();
        if count == 0 || count > 9 {
            return None;
        }
        let value = rest[1..=count].iter().fold(0, |n, b| n * 10 + i64::from(b - b'0'));
        // value / 10^count seconds must be whole ticks.
        let scale = TENS[count];
        let scaled = value * per_second;
        (scaled % scale == 0).then(|| (ticks + scaled / scale, 20 + count + zone(1 + count)))
    }

    #[cold]
    fn remember(&mut self, date: &[u8; 10]) -> Option<()> {
        let mut rest = Rest(date);
        let days = rest.date().filter(|_| rest.0.is_empty())?;
        let base = days.checked_mul(self.per_day)?;
        base.checked_add(self.per_day)?;
        (self.text, self.base) = (*date, base);
        Some(())
    }
}

const TENS: [i64; 10] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// Seconds of a day from `hh:mm:ss`, all eight bytes checked at once.
#[inline]
fn clock_seconds(clock: [u8; 8]) -> Option<i64> {
    // Digits become 0-9 and colons 0; anything else leaves a high half or, from 10 on, carries into it.
    let x = u64::from_le_bytes(clock) ^ u64::from_le_bytes(*b"00:00:00");
    let high = (x | x.wrapping_add(0x0606_0606_0606_0606)) & 0xf0f0_f0f0_f0f0_f0f0;
    if high != 0 || x & 0x0000_ff00_00ff_0000 != 0 {
        return None;
    }
    let pair = |shift: u32| (((x >> shift) & 15) * 10 + ((x >> (shift + 8)) & 15)) as i64;
    let (hour, minute, second) = (pair(0), pair(24), pair(48));
    (hour < 24 && minute < 60 && second < 60).then_some(hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: TimeUnit = TimeUnit::Millisecond;

    /// What the common way makes of a whole text.
    fn common(text: &[u8], unit: TimeUnit) -> Option<i64> {
        let prefix = Dates::timestamps(unit).timestamp_prefix(text);
        prefix.filter(|&(_, len)| len == text.len()).map(|(ticks, _)| ticks)
    }

    #[test]
    fn common_way_refuses_every_stray_byte_of_a_clock() {
        for (at, byte) in (10..19).flat_map(|at| (0..=255_u8).map(move |byte| (at, byte))) {
            let mut text = *b"2020-06-22T19:39:49";
            text[at] = byte;
            // It leaves the lower-case `t` to the general way.
            let general = parse_timestamp(&text, MS).filter(|_| byte != b't');
            assert_eq!(common(&text, MS), general, "{text:?}");
        }
    }

    #[test]
    fn zeroed_bytes_are_no_date() {
        assert_eq!(Dates::days().date_prefix(&[0; 10]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn common_way_agrees_with_the_general_way(
            text in "[012][0-9]{3}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,10})?(Z| UTC)?)?",
            unit in prop::sample::select(vec![TimeUnit::Second, MS, TimeUnit::Microsecond, TimeUnit::Nanosecond]),
        ) {
            let general = parse_timestamp(text.as_bytes(), unit);
            if let Some(ticks) = common(text.as_bytes(), unit) {
                prop_assert_eq!(Some(ticks), general);
            }
        }
    }
}
