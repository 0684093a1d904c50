//! Time and stamps: what orders revisions.
//!
//! Owns the clock trait, the civil calendar (proleptic Gregorian, UTC) and the stamp of a revision
//! with its two spellings: the one in file names and the one users see.
//! Time always comes in as an argument; only `SystemClock` asks the machine.

use crate::digest::Digest;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A source of the present: milliseconds since 1970-01-01 UTC.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present in milliseconds since 1970-01-01 UTC.
    fn now(&self) -> u64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> u64 {
        // A clock before 1970 says 0.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Greatest time a stamp can hold: 11 hex digits of milliseconds (the year 2527).
pub const MAX_TIME: u64 = (1 << 44) - 1;

/// Greatest time a clock may tell a writer (the year 2492). What is left up to [`MAX_TIME`] is for revisions that must
/// come after others: each takes a millisecond more.
pub const MAX_CLOCK: u64 = MAX_TIME - (1 << 40);

/// Greatest time of a revision that is taken from elsewhere: no honest one gets there, since that takes 2^39
/// revisions one after the other by clocks at [`MAX_CLOCK`]; and as many can still follow it.
pub const MAX_FOREIGN: u64 = MAX_TIME - (1 << 39);

/// A time that a revision cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// A clock far in the future.
    #[error("the clock of this machine says {}: set it right; times end at {}", iso(*.0), iso(MAX_CLOCK))]
    Ahead(u64),
    /// No time is left behind this one.
    #[error(
        "nothing can follow what has the time {}: times end there, and a clock was wrong when that was written. To go on, move the file with `{:011x}` in its name out of the changelog's folder, and write again what only it has",
        iso(*.0), .0
    )]
    Spent(u64),
}

/// The time of a revision whose writer's clock says `now` and that must come after `after`.
pub fn time_after(now: u64, after: u64) -> Result<u64, ClockError> {
    if now > MAX_CLOCK {
        return Err(ClockError::Ahead(now));
    }
    match after.checked_add(1) {
        Some(next) if next <= MAX_TIME => Ok(now.max(next)),
        _ => Err(ClockError::Spent(after)),
    }
}

/// What orders revisions: the time, then the digest of the payload.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Milliseconds since 1970-01-01 UTC, at most [`MAX_TIME`].
    pub time: u64,
    /// Digest of the revision's payload.
    pub digest: Digest,
}

impl Stamp {
    /// The parent of every first revision.
    pub const ROOT: Stamp = Stamp { time: 0, digest: Digest::ZERO };

    /// Parses the spelling of file names: 11 hex digits of time, `-`, 64 hex digits.
    #[must_use]
    pub fn from_file_name(text: &str) -> Option<Stamp> {
        let (time, digest) = text.split_once('-')?;
        if time.len() != 11 || !time.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        Some(Stamp { time: u64::from_str_radix(time, 16).ok()?, digest: Digest::from_hex(digest)? })
    }

    /// The spelling of file names: 11 hex digits of time, `-`, 64 hex digits.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{:011x}-{}", self.time, self.digest)
    }
}

/// The spelling users see: `2020-09-21T14-03-12.506Z-554d6f3600`. It sorts by time.
impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&spell(self.time, '-'))?;
        f.write_str("-")?;
        f.write_str(&self.digest.short())
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A time as `2020-09-21T14:03:12.506Z`.
#[must_use]
pub fn iso(time: u64) -> String {
    spell(time, ':')
}

/// A time as `2020-09-21T14:03:12.506Z`, with something between hours, minutes and seconds. By hand: a log shows
/// thousands.
fn spell(time: u64, between: char) -> String {
    let days = i64::try_from(time / 86_400_000).unwrap_or(0);
    let (year, month, day) = civil_from_days(days);
    let ms = time % 86_400_000;
    let mut out = String::with_capacity(24);
    let mut number = |value: u64, width: u32, after: char| {
        let most = 10_u64.pow(width.max(value.checked_ilog10().map_or(1, |digits| digits + 1)) - 1);
        let mut unit = most;
        while unit > 0 {
            out.push(char::from(b'0' + (value / unit % 10) as u8));
            unit /= 10;
        }
        out.push(after);
    };
    number(year.unsigned_abs(), 4, '-');
    number(month.into(), 2, '-');
    number(day.into(), 2, 'T');
    number(ms / 3_600_000, 2, between);
    number(ms / 60_000 % 60, 2, between);
    number(ms / 1000 % 60, 2, '.');
    number(ms % 1000, 3, 'Z');
    out
}

/// Days since 1970-01-01 to (year, month, day).
///
/// Source: Howard Hinnant, "chrono-compatible low-level date algorithms".
#[must_use]
pub const fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + (month <= 2) as i64;
    (year, month as u32, day as u32)
}

/// (year, month, day) to days since 1970-01-01. The day must exist: see [`days_in_month`].
///
/// Source: Howard Hinnant, "chrono-compatible low-level date algorithms".
#[must_use]
pub const fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let y = year - (month <= 2) as i64;
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = if month > 2 { month - 3 } else { month + 9 } as i64;
    let doy = (153 * mp + 2) / 5 + day as i64 - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

/// Days of a month (1 to 12) of a year.
#[must_use]
pub const fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamp_shows_time_without_colons() {
        let stamp = Stamp { time: 1_600_696_992_506, digest: Digest::of(b"x") };
        let text = stamp.to_string();
        assert!(text.starts_with("2020-09-21T14-03-12.506Z-"), "{text}");
        assert_eq!(text.len(), 35);
    }

    #[test]
    fn times_have_all_their_digits() {
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(1_600_696_992_506), "2020-09-21T14:03:12.506Z");
        assert_eq!(iso(MAX_TIME), "2527-06-23T06:20:44.415Z");
        assert_eq!(iso(253_402_300_800_000), "10000-01-01T00:00:00.000Z");
    }

    #[test]
    fn children_come_after_their_parents_or_are_refused() {
        assert_eq!(time_after(5, 3), Ok(5));
        assert_eq!(time_after(5, 9), Ok(10));
        // A clock before 1970 says 0.
        assert_eq!(time_after(0, 0), Ok(1));
        assert_eq!(time_after(MAX_CLOCK, MAX_TIME - 1), Ok(MAX_TIME));
        assert_eq!(time_after(5, MAX_TIME), Err(ClockError::Spent(MAX_TIME)));
        assert_eq!(time_after(5, u64::MAX), Err(ClockError::Spent(u64::MAX)));
        assert_eq!(time_after(MAX_CLOCK + 1, 3), Err(ClockError::Ahead(MAX_CLOCK + 1)));
        let said = ClockError::Spent(MAX_TIME).to_string();
        assert!(said.contains("2527-06-23") && said.contains("fffffffffff"), "{said}");
    }

    #[test]
    fn stamp_file_name_round_trips() {
        let stamp = Stamp { time: 1_600_696_992_506, digest: Digest::of(b"x") };
        assert_eq!(Stamp::from_file_name(&stamp.file_name()), Some(stamp));
        assert_eq!(Stamp::from_file_name("pack-00"), None);
    }

    #[test]
    fn civil_calendar_round_trips() {
        for days in (-800_000..800_000).step_by(17) {
            let (y, m, d) = civil_from_days(days);
            assert!(d >= 1 && d <= days_in_month(y, m));
            assert_eq!(days_from_civil(y, m, d), days);
        }
    }
}
