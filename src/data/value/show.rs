//! Values to text, appended to a byte buffer: the one spelling that output has.
//!
//! The `_len` functions give the length of what the `push_` functions append, without making it.

use crate::clock::civil_from_days;
use arrow_schema::TimeUnit;

/// `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut i = 0;
    while i < 100 {
        pairs[i] = [b'0' + (i / 10) as u8, b'0' + (i % 10) as u8];
        i += 1;
    }
    pairs
};

/// Appends an int.
#[inline]
pub(crate) fn push_int(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Length of an int.
#[inline]
pub(crate) fn int_len(value: i64) -> usize {
    usize::from(value < 0) + count_digits(value.unsigned_abs())
}

/// Decimal digits of a number, 1 for 0.
#[inline]
fn count_digits(value: u64) -> usize {
    // Digits by the bit length (1233 / 4096 is log10 of 2), one less below the power of ten.
    const TENS: [u64; 20] = {
        let mut tens = [0; 20];
        let (mut i, mut ten) = (1, 1_u64);
        while i < 20 {
            ten = ten.wrapping_mul(10);
            tens[i] = ten;
            i += 1;
        }
        tens
    };
    let guess = (((64 - (value | 1).leading_zeros()) * 1233) >> 12) as usize;
    guess + usize::from(value >= TENS[guess])
}

/// A float's magnitude in hundredths, where it is the float nearest to a number of at most two
/// decimals and 15 digits. Two such numbers are never nearest to one float, so these digits, less
/// trailing zeros, are the shortest that read back.
#[inline]
fn hundredths(value: f64) -> Option<u64> {
    let magnitude = value.abs();
    let rounded = (magnitude * 100.0 + 0.5) as u64;
    (rounded < 1_000_000_000_000_000 && rounded as f64 / 100.0 == magnitude).then_some(rounded)
}

/// Appends a float: the shortest text that reads back to the same bits, with `.0` or an exponent.
#[inline]
pub(crate) fn push_float(out: &mut Vec<u8>, value: f64) {
    let Some(value100) = hundredths(value) else {
        out.extend_from_slice(zmij::Buffer::new().format(value).as_bytes());
        return;
    };
    if value.is_sign_negative() {
        out.push(b'-');
    }
    out.extend_from_slice(itoa::Buffer::new().format(value100 / 100).as_bytes());
    let [tens, ones] = PAIRS[(value100 % 100) as usize];
    let decimals = [b'.', tens, ones];
    out.extend_from_slice(&decimals[..if ones == b'0' { 2 } else { 3 }]);
}

/// Length of a float.
#[inline]
pub(crate) fn float_len(value: f64) -> usize {
    let Some(value100) = hundredths(value) else {
        return fine_float_len(value);
    };
    let decimals = 1 + usize::from(value100 % 10 != 0);
    usize::from(value.is_sign_negative()) + count_digits(value100 / 100) + 1 + decimals
}

/// Length of a float of more than two decimals: of up to six in the way of [`hundredths`].
fn fine_float_len(value: f64) -> usize {
    let magnitude = value.abs();
    let mut millionths = (magnitude * 1e6 + 0.5) as u64;
    // Below 1e-5 floats show with an exponent.
    let short = millionths < 1_000_000_000_000_000 && magnitude >= 1e-5;
    if !short || millionths as f64 / 1e6 != magnitude {
        return zmij::Buffer::new().format(value).len();
    }
    let whole = millionths / 1_000_000;
    let mut decimals = 6;
    while millionths.is_multiple_of(10) {
        millionths /= 10;
        decimals -= 1;
    }
    usize::from(value < 0.0) + count_digits(whole) + 1 + decimals
}

/// Appends a date, `2020-06-22`; years outside 0 to 9999 have a sign and at least four digits.
pub(crate) fn push_date(out: &mut Vec<u8>, day: i64) {
    if i32::try_from(day).is_err() && day.unsigned_abs() > MAX_SECONDS / 86_400 + 1 {
        // No column holds such a day: it is shown as the number it is.
        return push_int(out, day);
    }
    let (year, month, day) = civil_from_days(day);
    if !(0..=9999).contains(&year) {
        out.push(if year < 0 { b'-' } else { b'+' });
    }
    let year = year.unsigned_abs();
    if year < 1000 {
        out.resize(out.len() + 4 - count_digits(year), b'0');
    }
    out.extend_from_slice(itoa::Buffer::new().format(year).as_bytes());
    for part in [month, day] {
        out.push(b'-');
        out.extend_from_slice(&PAIRS[part as usize]);
    }
}

const MAX_SECONDS: u64 = 1 << 63;

/// First and last day of the years 0 to 9999, whose dates have ten characters.
const TEN_CHARACTERS: std::ops::RangeInclusive<i64> = -719_528..=2_932_896;

/// Length of a date.
#[inline]
pub(crate) fn date_len(day: i64) -> usize {
    if TEN_CHARACTERS.contains(&day) {
        return 10;
    }
    let mut text = Vec::new();
    push_date(&mut text, day);
    text.len()
}

/// Ticks of the first moment of year 0 and of the last of year 9999 that a unit holds: timestamps
/// between them have 19 characters and a fraction.
pub(crate) const fn four_digit_years(unit: TimeUnit) -> (i64, i64) {
    let per_day = super::time::per_second(unit) * 86_400;
    let first = TEN_CHARACTERS.start().saturating_mul(per_day);
    let end = (*TEN_CHARACTERS.end() + 1).saturating_mul(per_day);
    (first, if end == i64::MAX { end } else { end - 1 })
}

/// Characters of the fraction of a second, with its point: 0, 4, 7 or 10.
#[inline]
pub(crate) const fn fraction_len(value: i64, unit: TimeUnit) -> usize {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond if value % 1000 == 0 => 0,
        TimeUnit::Microsecond if value % 1_000_000 == 0 => 0,
        TimeUnit::Nanosecond if value % 1_000_000_000 == 0 => 0,
        TimeUnit::Millisecond => 4,
        TimeUnit::Microsecond if value % 1000 == 0 => 4,
        TimeUnit::Nanosecond if value % 1_000_000 == 0 => 4,
        TimeUnit::Microsecond => 7,
        TimeUnit::Nanosecond if value % 1000 == 0 => 7,
        TimeUnit::Nanosecond => 10,
    }
}

/// Length of a timestamp.
pub(crate) fn timestamp_len(value: i64, unit: TimeUnit) -> usize {
    let day = value.div_euclid(super::time::per_second(unit) * 86_400);
    date_len(day) + 9 + fraction_len(value, unit)
}

/// Writes timestamps of one unit, remembering the text of the last day.
#[derive(Debug)]
pub(crate) struct Times {
    unit: TimeUnit,
    per_day: u64,
    /// First tick of the remembered day; it wraps where the unit does not hold it.
    start: i64,
    /// Whether no day is remembered, or one whose ticks wrap and so are not told from others.
    stale: bool,
    /// The remembered day up to the `T`, and room for the clock.
    text: Vec<u8>,
}

impl Times {
    /// For timestamps in `unit`.
    pub(crate) const fn new(unit: TimeUnit) -> Times {
        let per_day = super::time::per_second(unit) as u64 * 86_400;
        Times { unit, per_day, start: 0, stale: true, text: Vec::new() }
    }

    /// Appends a timestamp: `2020-06-22T00:00:00`, with the fraction in threes of digits.
    #[inline]
    pub(crate) fn push(&mut self, out: &mut Vec<u8>, value: i64) {
        let mut ticks = value.wrapping_sub(self.start) as u64;
        if ticks >= self.per_day || self.stale {
            self.remember(value);
            ticks = value.wrapping_sub(self.start) as u64;
        }
        let (seconds, nanos) = match self.unit {
            TimeUnit::Second => (ticks, 0),
            TimeUnit::Millisecond => (ticks / 1000, ticks % 1000 * 1_000_000),
            TimeUnit::Microsecond => (ticks / 1_000_000, ticks % 1_000_000 * 1000),
            TimeUnit::Nanosecond => (ticks / 1_000_000_000, ticks % 1_000_000_000),
        };
        let seconds = seconds as usize;
        let [a, b] = PAIRS[seconds / 3600];
        let [c, d] = PAIRS[seconds / 60 % 60];
        let [e, f] = PAIRS[seconds % 60];
        let clock = [a, b, b':', c, d, b':', e, f];
        if let Some(date) = self.text.first_chunk::<11>().filter(|_| self.text.len() == 11) {
            let mut text = [0; 19];
            text[..11].copy_from_slice(date);
            text[11..].copy_from_slice(&clock);
            out.extend_from_slice(&text);
        } else {
            out.extend_from_slice(&self.text);
            out.extend_from_slice(&clock);
        }
        if nanos != 0 {
            push_fraction(out, nanos);
        }
    }

    #[cold]
    fn remember(&mut self, value: i64) {
        // A day is less than 2^63 ticks in every unit, so nothing is lost.
        let per_day = self.per_day as i64;
        let day = value.div_euclid(per_day);
        self.start = day.wrapping_mul(per_day);
        self.stale = day.checked_mul(per_day).and_then(|start| start.checked_add(per_day)).is_none();
        self.text.clear();
        push_date(&mut self.text, day);
        self.text.push(b'T');
    }
}

/// Appends a point and three, six or nine digits.
fn push_fraction(out: &mut Vec<u8>, nanos: u64) {
    let mut text = *b".000000000";
    let mut rest = nanos;
    for digit in text[1..].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    let end = if nanos.is_multiple_of(1_000_000) {
        4
    } else if nanos.is_multiple_of(1000) {
        7
    } else {
        10
    };
    out.extend_from_slice(&text[..end]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(value: f64) -> String {
        let mut out = Vec::new();
        push_float(&mut out, value);
        assert_eq!(out.len(), float_len(value));
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn short_decimals_show_as_any_float_does(
            digits in -10_i64.pow(17)..10_i64.pow(17), shift in 0_u32..18, decimals in 0..9,
        ) {
            let value = (digits / 10_i64.pow(shift)) as f64 / 10_f64.powi(decimals);
            prop_assert_eq!(shown(value), zmij::Buffer::new().format(value).to_owned());
        }

        #[test]
        fn floats_show_as_the_shortest_text_that_reads_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assert_eq!(shown(value), zmij::Buffer::new().format(value).to_owned());
        }

        #[test]
        fn ints_are_as_long_as_they_show(value: i64, shift in 0_u32..64) {
            prop_assert_eq!(int_len(value >> shift), (value >> shift).to_string().len());
        }
    }

    #[test]
    fn ints_around_powers_of_ten_are_as_long_as_they_show() {
        for ten in (0..19).map(|power| 10_i64.pow(power)) {
            for value in [ten - 1, ten, ten + 1, -ten, 1 - ten] {
                assert_eq!(int_len(value), value.to_string().len(), "{value}");
            }
        }
    }
}
