//! Thrift's compact protocol, as much of it as a Parquet footer takes, and how long its numbers get.
//!
//! Owns no meaning: what a field is stands in `footer`. A number is written in as few bytes as it takes, so
//! [`most_bytes`] bounds what many numbers of a known sum take without knowing them one by one.

/// Wire types of fields and list elements.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I32: u8 = 5;
const I64: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// A structure being written.
#[derive(Debug, Default)]
pub(super) struct Thrift {
    /// What is written so far.
    pub(super) bytes: Vec<u8>,
    /// Number of the last field.
    last: u8,
}

impl Thrift {
    /// Fields go up by at most 15: so their headers are one byte.
    fn header(&mut self, field: u8, kind: u8) {
        self.bytes.push((field - self.last) << 4 | kind);
        self.last = field;
    }

    pub(super) fn bool(&mut self, field: u8, value: bool) {
        self.header(field, if value { TRUE } else { FALSE });
    }

    pub(super) fn i32(&mut self, field: u8, value: u32) {
        self.header(field, I32);
        self.number(u64::from(value));
    }

    /// A number that is not negative and below 2^63.
    pub(super) fn i64(&mut self, field: u8, value: u64) {
        self.header(field, I64);
        self.number(value);
    }

    pub(super) fn binary(&mut self, field: u8, value: &[u8]) {
        self.header(field, BINARY);
        self.string(value);
    }

    /// Fields of a structure within, up to its end.
    pub(super) fn structure(&mut self, field: u8, fields: impl FnOnce(&mut Thrift)) {
        self.header(field, STRUCT);
        self.element(fields);
    }

    /// A structure that is an element of a list.
    pub(super) fn element(&mut self, fields: impl FnOnce(&mut Thrift)) {
        let outer = std::mem::take(&mut self.last);
        fields(self);
        self.stop();
        self.last = outer;
    }

    /// Ends the fields.
    pub(super) fn stop(&mut self) {
        self.bytes.push(0);
    }

    /// Starts a list of structures; [`Thrift::element`] adds them.
    pub(super) fn structures(&mut self, field: u8, count: u64) {
        self.list(field, STRUCT, count);
    }

    pub(super) fn numbers(&mut self, field: u8, values: &[u32]) {
        self.list(field, I32, values.len() as u64);
        values.iter().for_each(|&value| self.number(u64::from(value)));
    }

    pub(super) fn strings(&mut self, field: u8, values: &[&[u8]]) {
        self.list(field, BINARY, values.len() as u64);
        values.iter().for_each(|value| self.string(value));
    }

    fn list(&mut self, field: u8, kind: u8, count: u64) {
        self.header(field, LIST);
        match u8::try_from(count) {
            Ok(few) if few < 15 => self.bytes.push(few << 4 | kind),
            _ => {
                self.bytes.push(0xF0 | kind);
                self.varint(count);
            }
        }
    }

    fn string(&mut self, value: &[u8]) {
        self.varint(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    /// Signed numbers take twice their value, so that small negative ones stay short.
    fn number(&mut self, value: u64) {
        self.varint(value << 1);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

/// Bytes of a number.
pub(super) const fn width(value: u64) -> u64 {
    ((64 - (value << 1 | 1).leading_zeros()) as u64).div_ceil(7)
}

/// The most bytes that `count` numbers which add up to at most `sum` can take.
///
/// `width` steps up to k + 1 bytes at 2^(7k - 1). Straight lines from step to step lie above it and are concave, so
/// equal numbers are the worst case, and the line at the mean, times `count`, is above every other case.
pub(super) fn most_bytes(count: u64, sum: u64) -> u64 {
    if count == 0 {
        return 0;
    }
    // The steps before and after the mean. The last one is beyond 2^63, which no sum reaches.
    let bytes = width(sum / count);
    let step = |k: u64| if k == 0 { 0 } else { 1_u128 << (7 * k - 1) };
    let (low, high) = (step(bytes - 1), step(bytes));
    let (count, sum) = (u128::from(count), u128::from(sum));
    let above = sum.saturating_sub(count * low);
    (count * u128::from(bytes) + above / (high - low)) as u64
}

/// As [`most_bytes`], of the lengths of strings: they have no sign, so each takes what its half takes as a number.
pub(super) fn most_length_bytes(count: u64, sum: u64) -> u64 {
    most_bytes(count, sum / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(value: u64) -> u64 {
        let mut out = Thrift::default();
        out.number(value);
        out.bytes.len() as u64
    }

    #[test]
    fn width_is_what_a_number_takes() {
        for bit in 0..63 {
            for value in [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1] {
                assert_eq!(width(value), written(value), "{value}");
            }
        }
    }

    #[test]
    fn equal_numbers_at_a_step_meet_the_bound() {
        for (value, bytes) in [(0, 1), (64, 2), (8192, 3), (1 << 20, 4)] {
            assert_eq!(most_bytes(1000, 1000 * value), 1000 * bytes);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn numbers_never_take_more_than_the_bound(
            values in prop::collection::vec((0_u32..58, any::<u64>()).prop_map(|(bits, v)| v >> (63 - bits) >> 1), 1..40)
        ) {
            let (count, sum) = (values.len() as u64, values.iter().sum());
            prop_assert!(values.iter().map(|&v| written(v)).sum::<u64>() <= most_bytes(count, sum));
            let mut lengths = Thrift::default();
            values.iter().for_each(|&v| lengths.varint(v));
            prop_assert!(lengths.bytes.len() as u64 <= most_length_bytes(count, sum));
        }
    }
}
