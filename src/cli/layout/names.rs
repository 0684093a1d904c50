//! Labels as file names, also those that are too long for one with its ending.

use super::escape;
use crate::digest::Digest;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// The file that tells the labels of shortened names.
pub(crate) const LABELS_FILE: &str = "_labels.json";

/// Bytes of a file name at most.
const MOST: usize = 255;

/// Stands before the digest of a shortened name. No escaped label has a `%` that two hex digits do not follow.
const CUT: &str = "%~";

/// Hex digits of the label's digest in a shortened name.
const DIGITS: usize = 32;

/// A label as a file name without its ending; shortened where it would not fit with it. Names that start with `_` are no
/// series.
pub(crate) fn stem(label: &str, ending: &str) -> String {
    let name = escape(label);
    let name = match name.strip_prefix('_') {
        Some(rest) => format!("%5F{rest}"),
        None => name,
    };
    if name.len() + ending.len() <= MOST {
        return name;
    }
    let mut end = MOST - ending.len() - CUT.len() - DIGITS;
    // Neither a character nor an escape is cut.
    while !name.is_char_boundary(end) || name[..end].bytes().rev().take(2).any(|byte| byte == b'%') {
        end -= 1;
    }
    let digest = Digest::of(label.as_bytes()).to_string();
    format!("{}{CUT}{}", &name[..end], &digest[..DIGITS])
}

/// Whether a name is one that [`stem`] gives to some label.
pub(crate) fn is_stem(name: &str, ending: &str) -> bool {
    match name.rsplit_once(CUT) {
        Some((_, digits)) => digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => super::unescape(name).is_some_and(|label| !label.is_empty() && stem(&label, ending) == name),
    }
}

/// The labels of shortened names, as they stand beside the files.
#[derive(Debug, Default)]
pub(crate) struct Shortened(BTreeMap<String, String>);

impl Shortened {
    /// Those of the labels that need it.
    pub(crate) fn of<'a>(labels: impl Iterator<Item = &'a str>, ending: &str) -> Shortened {
        let short = |label: &'a str| {
            let stem = stem(label, ending);
            stem.contains(CUT).then(|| (stem, label.to_owned()))
        };
        Shortened(labels.filter_map(short).collect())
    }

    /// Those that a folder tells; none where it has no such file.
    pub(crate) fn read(folder: &Path) -> Result<Shortened> {
        let path = folder.join(LABELS_FILE);
        if !path.is_file() {
            return Ok(Shortened::default());
        }
        let failed = || format!("cannot read {}", path.display());
        let text = std::fs::read_to_string(&path).with_context(failed)?;
        Ok(Shortened(serde_json::from_str(&text).with_context(failed)?))
    }

    /// The label of a shortened name.
    pub(crate) fn label(&self, stem: &str) -> Option<&str> {
        self.0.get(stem).map(String::as_str)
    }

    /// Adds those of another folder or an earlier export.
    pub(crate) fn join(&mut self, other: Shortened) {
        self.0.extend(other.0);
    }

    /// The text of the file; none where no name is shortened.
    pub(crate) fn text(&self) -> Result<Option<String>> {
        Ok(if self.0.is_empty() { None } else { Some(serde_json::to_string(&self.0)? + "\n") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::label::unescape;

    #[test]
    fn no_series_is_taken_for_a_schema() {
        assert_eq!(stem("_schema", ".csv"), "%5Fschema");
        assert_eq!(unescape(&stem("_schema", ".csv")).as_deref(), Some("_schema"));
    }

    #[test]
    fn long_labels_are_shortened_to_names_that_no_other_label_has() {
        let labels = ["x".repeat(255), "é".repeat(127), "/".repeat(85), format!("{}/", "x".repeat(252))];
        for (label, ending) in labels.iter().flat_map(|l| [".csv", ".parquet", ""].map(|e| (l, e))) {
            let stem = stem(label, ending);
            assert!(stem.len() + ending.len() <= MOST && is_stem(&stem, ending), "{stem}");
            let shortened = Shortened::of([label.as_str()].into_iter(), ending);
            match shortened.label(&stem) {
                Some(told) => {
                    assert_eq!(told, label);
                    assert_ne!(super::stem(&stem, ending), stem, "a label that reads so gets another name");
                }
                None => assert_eq!(unescape(&stem).as_deref(), Some(label.as_str())),
            }
        }
        assert_ne!(
            stem(&format!("{}a", "x".repeat(254)), ".csv"),
            stem(&format!("{}b", "x".repeat(254)), ".csv")
        );
    }

    #[test]
    fn names_that_no_export_gives_are_told_apart() {
        assert!(is_stem("bxl", ".csv") && is_stem("a%2Fb", ".csv") && is_stem("%5Fx", ".csv"));
        for name in ["", "a%2fb", "_x", "%2", "a%~b", "%61"] {
            assert!(!is_stem(name, ".csv"), "{name}");
        }
    }
}
