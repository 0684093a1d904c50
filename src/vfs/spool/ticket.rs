//! Tickets: what is known of bytes that were written through a mount. Who wrote them, where, how they were meant, and why
//! they were refused.
//!
//! Pure. Whatever a program or a damaged file says in a ticket, its line is one line and its name one name.

use crate::clock::iso;
use crate::data::label::escape;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest name of a file, in bytes.
const MAX_NAME: usize = 255;

/// Why bytes were not committed that were being written when the mount ended.
pub const ENDED: &str = "the mount ended before the file was closed";

/// How the reason begins where a signal ended the program.
pub const STOPPED: &str = "ended by signal";

/// How the reason begins where not all bytes could be taken.
pub const SHORT: &str = "a write failed";

/// How bytes were meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// The file becomes these bytes.
    Replace,
    /// The rows in them are added, or replace those of equal index.
    Append,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Way::Replace => "replace",
            Way::Append => "append",
        })
    }
}

/// The state of a series that bytes are a change of: what the program had opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Tells the collection from all others, whatever its label: a digest, in hex.
    pub collection: String,
    /// Tells the series from all others of it, in hex.
    pub series: String,
    /// The revision, as its file is named.
    pub revision: String,
    /// Tells the rows: a series that has the same ones did not change since, in whatever revision. A digest, in hex.
    pub content: String,
}

/// What is known of bytes that were written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// When: milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// User who wrote.
    pub uid: u32,
    /// Process that wrote; 0 where it cannot be told.
    pub pid: u32,
    /// Its name, such as `cp`.
    pub process: String,
    /// Label of the collection; empty where it is not known.
    pub collection: String,
    /// Label of the series; empty where it is not known, or where the file belongs to the collection.
    pub series: String,
    /// Name of the file, such as `live.csv`.
    pub file: String,
    /// How the bytes were meant.
    pub way: Way,
    /// Why they were refused; empty while they are not.
    pub reason: String,
    /// What they are a change of; none where nothing was opened, or where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Opened>,
}

impl Ticket {
    /// Where the bytes were written, as a path in the mount: `temp/bxl/live.csv`.
    #[must_use]
    pub fn place(&self) -> String {
        let parts = [escape(&self.collection), escape(&self.series), one_line(&self.file)];
        let known: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        if known.is_empty() { "unknown file".to_owned() } else { known.join("/") }
    }

    /// Who wrote: `cp (pid 412)`.
    #[must_use]
    pub fn who(&self) -> String {
        match (one_line(&self.process).as_str(), self.pid) {
            ("", 0) => "an unknown process".to_owned(),
            ("", pid) => format!("pid {pid}"),
            (process, 0) => process.to_owned(),
            (process, pid) => format!("{process} (pid {pid})"),
        }
    }

    /// Whether these may be less than the program meant to write.
    #[must_use]
    pub fn may_be_part(&self) -> bool {
        [ENDED, STOPPED, SHORT].iter().any(|start| self.reason.starts_with(start))
    }

    /// The line that `.lakota/errors` has of it, without a newline; `kept` is the name of the bytes in `rejected/`.
    #[must_use]
    pub fn line(&self, kept: Option<&str>) -> String {
        let reason = one_line(&self.reason);
        let kept = kept.map(|name| format!("; kept as rejected/{name}")).unwrap_or_default();
        format!("{} {}: {} by {}: {reason}{kept}", iso(self.time), self.place(), self.way, self.who())
    }

    /// The `n`-th name (from 1) that the bytes may have in `rejected/`: `2026-11-22T16-30-12.506Z-temp-bxl.csv`, then
    /// `…~2.csv`. It has at most 255 bytes.
    pub(super) fn kept_name(&self, n: u32) -> String {
        let end = if self.file.ends_with(".parquet") { "parquet" } else { "csv" };
        let end = if n > 1 { format!("~{n}.{end}") } else { format!(".{end}") };
        let mut name = iso(self.time).replace(':', "-");
        for part in [escape(&self.collection), escape(&self.series)].iter().filter(|part| !part.is_empty()) {
            name.push('-');
            name.push_str(part);
        }
        cut(&mut name, MAX_NAME - end.len());
        name + &end
    }
}

/// Cuts a name of escaped labels between characters, and between escapes.
fn cut(name: &mut String, most: usize) {
    if name.len() <= most {
        return;
    }
    let mut end = (0..=most).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
    // An escape is a `%` and two digits: it must not be cut in two.
    if let Some(at) = name[..end].rfind('%')
        && end - at < 3
    {
        end = at;
    }
    name.truncate(end);
}

/// A text with its control characters escaped: one line, whatever a label or a message of somebody else holds.
#[must_use]
pub fn one_line(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        let reason = "line 3, column value: \"abc\" is not a float".into();
        Ticket { reason, ..super::super::tests::ticket() }
    }

    #[test]
    fn the_line_tells_when_where_how_who_why_and_where_it_is_kept() {
        assert_eq!(
            ticket().line(Some(&ticket().kept_name(1))),
            "2026-11-22T16:30:12.506Z temp/bxl/live.csv: replace by cp (pid 412): line 3, column value: \"abc\" \
             is not a float; kept as rejected/2026-11-22T16-30-12.506Z-temp-bxl.csv"
        );
    }

    #[test]
    fn a_line_stays_one_whatever_was_written() {
        let odd = Ticket {
            process: "a\nb".into(),
            series: "x\ny/z".into(),
            reason: "\"1\n2\" is no\tnumber".into(),
            ..ticket()
        };
        let line = odd.line(None);
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(line.contains("temp/x%0Ay%2Fz/live.csv: replace by a\\nb (pid 412): \"1\\n2\" is"), "{line}");
    }

    #[test]
    fn what_is_not_known_is_not_made_up() {
        let bare = Ticket {
            pid: 0,
            process: String::new(),
            collection: String::new(),
            series: String::new(),
            file: String::new(),
            ..ticket()
        };
        assert_eq!((bare.place().as_str(), bare.who().as_str()), ("unknown file", "an unknown process"));
        assert_eq!(bare.kept_name(1), "2026-11-22T16-30-12.506Z.csv");
        assert_eq!(Ticket { process: String::new(), ..ticket() }.who(), "pid 412");
        let schema = Ticket { series: String::new(), file: ".schema".into(), ..ticket() };
        assert_eq!(schema.place(), "temp/.schema");
    }

    #[test]
    fn names_are_counted_before_their_extension() {
        let parquet = Ticket { file: "live.parquet".into(), way: Way::Append, ..ticket() };
        assert_eq!(parquet.kept_name(1), "2026-11-22T16-30-12.506Z-temp-bxl.parquet");
        assert_eq!(parquet.kept_name(12), "2026-11-22T16-30-12.506Z-temp-bxl~12.parquet");
    }

    #[test]
    fn names_of_the_longest_and_oddest_labels_are_names() {
        let labels = ["x".repeat(255), "é".repeat(127), "/".repeat(85), "../..".into(), "a\0b".into()];
        for (collection, series) in labels.iter().flat_map(|a| labels.iter().map(move |b| (a, b))) {
            for n in [1, 2, u32::MAX] {
                let odd = Ticket {
                    time: u64::MAX,
                    collection: collection.clone(),
                    series: series.clone(),
                    ..ticket()
                };
                let name = odd.kept_name(n);
                assert!(name.len() <= MAX_NAME && name.ends_with(".csv"), "{name}");
                assert!(!name.contains(['/', '\0']) && !name.starts_with('.'), "{name}");
                let stem = name.rsplit_once('~').map_or(name.trim_end_matches(".csv"), |(stem, _)| stem);
                assert!(crate::data::label::unescape(stem).is_some(), "an escape was cut in two: {name}");
            }
        }
    }

    #[test]
    fn tickets_come_back_from_json() {
        let text = serde_json::to_string(&ticket()).unwrap();
        assert_eq!(serde_json::from_str::<Ticket>(&text).unwrap(), ticket());
        assert!(text.contains("\"way\":\"replace\"") && !text.contains("basis"), "{text}");
        let text = || "x".to_owned();
        let basis = Opened { collection: text(), series: text(), revision: text(), content: text() };
        let known = Ticket { basis: Some(basis), ..ticket() };
        let text = serde_json::to_string(&known).unwrap();
        assert_eq!(serde_json::from_str::<Ticket>(&text).unwrap(), known);
    }
}
