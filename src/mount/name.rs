//! Names of the mount's tree: what can be looked up in which folder.
//!
//! Pure. Labels are escaped so that no name of ours can be meant: every one of ours that stands beside labels starts
//! with a dot, which no escaped label does.

use super::options::Names;
use super::render::Format;
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
/// Who made a revision, and what it changed.
pub const COMMIT: &str = "commit.json";

/// Longest name of a file, in bytes.
pub(super) const MAX_NAME: usize = 255;

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
    fn a_label_too_long_for_its_extension_has_plain_live_files() {
        assert_eq!(live(Names::Label, "a/b", Format::Csv), "a%2Fb.csv");
        assert_eq!(live(Names::Label, &"x".repeat(250), Format::Csv), "live.csv");
        assert_eq!(live(Names::Live, "bxl", Format::Parquet), "live.parquet");
    }
}
