//! Text from elsewhere on its way to a terminal: characters that would move the cursor, change colours, or show other text
//! than there is, as escapes.
//!
//! Control characters (C0, DEL, C1), separators of lines and paragraphs, and what overrides the direction of text are
//! shown as Rust writes them: `\u{1b}`.

use std::borrow::Cow;
use std::path::Path;

/// Whether a terminal would take a character for more than a character.
#[must_use]
pub fn is_odd(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a text may have odd characters: a quick look at its bytes. Tabs and line breaks are not asked for.
fn may_be_odd(text: &str) -> bool {
    // C1 starts with C2, the others with E2.
    text.bytes().any(|b| (b < b' ' && b != b'\n' && b != b'\t') || matches!(b, 0x7f | 0xc2 | 0xe2))
}

fn escaped<'a>(text: &'a str, stays: impl Fn(usize, char) -> bool) -> Cow<'a, str> {
    let odd = |(at, c): (usize, char)| is_odd(c) && !stays(at, c);
    let Some(first) = text.char_indices().position(odd) else { return text.into() };
    let mut out = String::with_capacity(text.len() + 16);
    for (n, (at, c)) in text.char_indices().enumerate() {
        if n >= first && odd((at, c)) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out.into()
}

/// An error and its causes, in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A text that is to be within a line: line breaks and tabs are odd too.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |_, _| false)
}

/// Lines that were put together of what [`line()`] gave: line breaks and tabs stay.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    if may_be_odd(text) { escaped(text, |_, c| matches!(c, '\n' | '\t')) } else { text.into() }
}

/// A message: one line, and below it lines that start with two blanks. Other line breaks are odd.
#[must_use]
pub fn message(text: &str) -> Cow<'_, str> {
    escaped(text, |at, c| c == '\n' && text[at + 1..].starts_with("  "))
}

/// A text of several lines below each other: each line as [`line()`] gives it, all but the first behind `indent` blanks.
#[must_use]
pub fn indented(text: &str, indent: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for (n, one) in text.trim_end().lines().enumerate() {
        if n > 0 {
            out.push('\n');
            // A blank line stays empty.
            out.extend(std::iter::repeat_n(' ', if one.is_empty() { 0 } else { indent }));
        }
        out.push_str(&line(one));
    }
    out
}

/// A path as a shell reads it back: quoted where it holds more than the usual characters.
#[must_use]
pub fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._-+:,@%=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        let odd = "a\u{1b}[2J\u{7f}\u{9b}b\u{202e}c\u{2066}\u{2028}\0";
        let shown = r"a\u{1b}[2J\u{7f}\u{9b}b\u{202e}c\u{2066}\u{2028}\u{0}";
        assert_eq!(line(odd), shown);
        assert_eq!(lines(odd), shown);
        assert_eq!(message(odd), shown);
        for text in ["", "plain", "Zürich – 25 °C, שלום, 漢字, e\u{301}", "\u{a0}"] {
            assert!(matches!(line(text), Cow::Borrowed(same) if same == text));
            assert_eq!((lines(text), message(text)), (text.into(), text.into()));
        }
    }

    #[test]
    fn line_breaks_stay_where_they_are_ours() {
        let text = "a\tb\nauthor root\r\n  c";
        assert_eq!(line(text), r"a\tb\nauthor root\r\n  c");
        assert_eq!(lines(text), "a\tb\nauthor root\\r\n  c");
        assert_eq!(message(text), "a\\tb\\nauthor root\\r\n  c");
        assert_eq!(indented("why\r\n\nauthor root\u{1b}\n", 3), "why\n\n   author root\\u{1b}");
    }

    #[test]
    fn a_word_is_quoted_where_a_shell_needs_it() {
        assert_eq!(word(Path::new("/srv/my-data/é.1")), "/srv/my-data/é.1");
        assert_eq!(word(Path::new("/mnt/a b")), "'/mnt/a b'");
        assert_eq!(word(Path::new("it's")), r"'it'\''s'");
    }
}
