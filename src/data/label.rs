//! Labels: the names of collections and series.
//!
//! A label is any non-empty text without control characters whose escaped form fits a file name.

use std::fmt::Write;

/// Longest escaped form in bytes: what a file name may have.
pub const MAX_LABEL: usize = 255;

/// Why a label is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LabelError {
    /// No characters.
    #[error("a label must not be empty")]
    Empty,
    /// A control character, such as a newline.
    #[error("label {0:?} has a control character")]
    Control(String),
    /// Too long for a file name.
    #[error("label {label:?} takes {len} bytes as a file name, the most is {MAX_LABEL}")]
    Long {
        /// The label, shortened.
        label: String,
        /// Bytes of its escaped form.
        len: usize,
    },
}

/// Checks a label.
pub fn check(label: &str) -> Result<(), LabelError> {
    if label.is_empty() {
        return Err(LabelError::Empty);
    }
    if label.chars().any(char::is_control) {
        return Err(LabelError::Control(label.to_owned()));
    }
    let len = escape(label).len();
    if len > MAX_LABEL {
        return Err(LabelError::Long { label: label.chars().take(40).collect(), len });
    }
    Ok(())
}

/// A label as a file name: `/`, `%`, control characters and a leading dot as `%` and two hex digits.
#[must_use]
pub fn escape(label: &str) -> String {
    let mut out = String::with_capacity(label.len());
    for (i, c) in label.char_indices() {
        if matches!(c, '/' | '%') || c.is_control() || (i == 0 && c == '.') {
            for byte in c.to_string().bytes() {
                // Writing to a string cannot fail.
                write!(out, "%{byte:02X}").unwrap_or_default();
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// The label that a file name stands for: the inverse of [`escape`]. A `%` that two hex digits do not follow
/// stands for itself; `None` where the bytes are no text.
#[must_use]
pub fn unescape(name: &str) -> Option<String> {
    let (bytes, mut out) = (name.as_bytes(), Vec::with_capacity(name.len()));
    let mut at = 0;
    while at < bytes.len() {
        let digits =
            bytes.get(at + 1..at + 3).filter(|d| bytes[at] == b'%' && d.iter().all(u8::is_ascii_hexdigit));
        let byte = digits.and_then(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 16).ok());
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).ok()
}

/// The name among `names` that is most like `wanted`, if any is like it: for messages.
#[must_use]
pub fn closest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.into_iter().map(|name| (distance(wanted, name), name)).min()?;
    (near.0 <= wanted.chars().count().div_ceil(2).max(1)).then_some(near.1)
}

/// Levenshtein distance, without regard to case.
fn distance(a: &str, b: &str) -> usize {
    let fold = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
    let (a, b) = (fold(a), fold(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awkward_labels_become_file_names() {
        assert_eq!(escape("a/b%c"), "a%2Fb%25c");
        assert_eq!(escape(".hidden.x"), "%2Ehidden.x");
        assert_eq!(escape("été 1"), "été 1");
    }

    #[test]
    fn file_names_give_their_labels_back() {
        for label in ["a/b%c", ".hidden.x", "été 1", "100%", "50%41"] {
            assert_eq!(unescape(&escape(label)).as_deref(), Some(label));
        }
        assert_eq!(unescape("5% off").as_deref(), Some("5% off"));
        assert_eq!(unescape("%FF"), None);
    }

    #[test]
    fn bad_labels_are_refused() {
        assert_eq!(check(""), Err(LabelError::Empty));
        assert!(matches!(check("a\nb"), Err(LabelError::Control(_))));
        assert!(matches!(check(&"/".repeat(86)), Err(LabelError::Long { len: 258, .. })));
        assert_eq!(check(&"x".repeat(255)), Ok(()));
    }

    #[test]
    fn closest_name_is_found() {
        assert_eq!(closest("bxk", ["paris", "bxl", "rome"]), Some("bxl"));
        assert_eq!(closest("zzzzzz", ["paris", "bxl"]), None);
    }
}
