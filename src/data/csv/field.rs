//! One field at a time, by the letter of RFC 4180.
//!
//! The way for everything unusual; common fields are read in place by `column`.

use crate::data::input::Problem;
use memchr::{memchr, memchr3};
use std::borrow::Cow;

/// A field as it stands in a block.
pub(super) struct Field<'a> {
    /// Its text without quotes.
    pub(super) text: Cow<'a, [u8]>,
    pub(super) quoted: bool,
    /// Where the next field or record starts.
    pub(super) next: usize,
    /// Whether a line end follows, not a comma.
    pub(super) last: bool,
}

/// Why the bytes at a place are no field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Malformed {
    Unterminated,
    TextAfterQuote,
    BareQuote,
}

impl Malformed {
    pub(super) fn problem(self) -> Problem {
        Problem::Other(
            match self {
                Malformed::Unterminated => "the quoted field that starts here never ends",
                Malformed::TextAfterQuote => {
                    "text follows the closing quote of a field: a quote inside a quoted field is written twice"
                }
                Malformed::BareQuote => {
                    "a quote stands inside an unquoted field: quote the field and write the inner quote twice"
                }
            }
            .to_owned(),
        )
    }
}

/// The field that starts at `at`. The end of the block ends a line too.
pub(super) fn field(block: &[u8], at: usize) -> Result<Field<'_>, Malformed> {
    if block.get(at) == Some(&b'"') {
        return quoted(block, at);
    }
    let rest = block.get(at..).unwrap_or_default();
    let len = memchr3(b',', b'\n', b'"', rest).unwrap_or(rest.len());
    let last = match rest.get(len) {
        Some(b'"') => return Err(Malformed::BareQuote),
        end => end != Some(&b','),
    };
    let text = &rest[..len];
    let text = if last { text.strip_suffix(b"\r").unwrap_or(text) } else { text };
    Ok(Field { text: Cow::Borrowed(text), quoted: false, next: (at + len + 1).min(block.len()), last })
}

fn quoted(block: &[u8], at: usize) -> Result<Field<'_>, Malformed> {
    let mut text = Cow::Borrowed(&block[..0]);
    let mut start = at + 1;
    loop {
        let close = start + memchr(b'"', &block[start..]).ok_or(Malformed::Unterminated)?;
        let again = block.get(close + 1) == Some(&b'"');
        // A doubled quote stands for one: the first of the two is part of the text.
        let piece = &block[start..close + usize::from(again)];
        if text.is_empty() {
            text = Cow::Borrowed(piece);
        } else {
            text.to_mut().extend_from_slice(piece);
        }
        if again {
            start = close + 2;
            continue;
        }
        let rest = &block[close + 1..];
        let (skip, last) = match rest {
            [b',', ..] => (1, false),
            [b'\r', b'\n', ..] => (2, true),
            [b'\n', ..] | [b'\r'] => (1, true),
            [] => (0, true),
            _ => return Err(Malformed::TextAfterQuote),
        };
        return Ok(Field { text, quoted: true, next: close + 1 + skip, last });
    }
}

/// The fields of the record that starts at `at`, and where the next record starts.
pub(super) fn fields(block: &[u8], mut at: usize) -> Result<(Vec<Field<'_>>, usize), (Malformed, usize)> {
    let mut fields = Vec::new();
    loop {
        let field = field(block, at).map_err(|malformed| (malformed, at))?;
        let (next, last) = (field.next, field.last);
        fields.push(field);
        at = next;
        if last {
            return Ok((fields, at));
        }
    }
}
