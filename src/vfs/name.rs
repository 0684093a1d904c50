//! Names of the mount's tree: what can be looked up in which folder.
//!
//! Pure. Labels are escaped so that no name of ours can be meant: every one of ours that stands beside labels starts
//! with a dot, which no escaped label does.

use super::render::Format;
use crate::data::label::{escape, unescape};
use std::ffi::OsStr;

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

/// How the two live files of a series are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Names {
    /// `live.csv`, `live.parquet`.
    #[default]
    Live,
    /// After the series: `bxl.csv`, `bxl.parquet`.
    Label,
}

/// Longest name of a file, in bytes.
pub const MAX_NAME: usize = 255;

/// Whether a name is one that a series always has, beside its live files.
#[must_use]
pub fn is_reserved(name: &OsStr) -> bool {
    [LATEST, REVISIONS, AT, DIFF].iter().any(|own| name == *own)
}

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

#[cfg(test)]
mod tests {
    use super::*;

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
