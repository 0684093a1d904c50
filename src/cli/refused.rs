//! What mounts tell of writes that were refused: their lines in `.lakota/errors`, and the bytes kept in `.lakota/rejected/`.
//!
//! All of it is asked of mounts that answer, through their control files; a mount that hangs is given up after a time.

use crate::clock::iso;
use crate::data::label::unescape;
use crate::mount::posix::control::CONTROL;
use crate::users;
use crate::vfs::name::label_of;
use crate::vfs::spool::{Kept, Ticket};
use std::path::Path;

/// What is asked about: a file, a series, a collection, or all of a mount. Labels, not escaped; the file as it is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) collection: Option<String>,
    pub(crate) series: Option<String>,
    pub(crate) file: Option<String>,
}

impl Wanted {
    /// What a path below a mountpoint stands for; none where nothing can be written.
    pub(crate) fn at(path: &Path) -> Option<Wanted> {
        let mut parts = path.iter();
        let mut wanted = Wanted::default();
        let Some(collection) = parts.next() else { return Some(wanted) };
        if collection == CONTROL {
            return None;
        }
        wanted.collection = Some(label_of(collection)?);
        let Some(second) = parts.next() else { return Some(wanted) };
        match label_of(second) {
            Some(series) => wanted.series = Some(series),
            // A file of the collection: no label has such a name.
            None => wanted.file = Some(second.to_str()?.to_owned()),
        }
        let Some(file) = parts.next() else { return Some(wanted) };
        if wanted.file.is_some() || parts.next().is_some() {
            return None;
        }
        wanted.file = Some(file.to_str()?.to_owned());
        Some(wanted)
    }

    fn is(&self, collection: &str, series: &str, file: &str) -> bool {
        let same =
            |wanted: &Option<String>, text: &str| wanted.as_deref().is_none_or(|wanted| wanted == text);
        let of_collection = self.series.is_none() && self.file.is_some();
        same(&self.collection, collection)
            && same(&self.series, series)
            && same(&self.file, file)
            && (!of_collection || series.is_empty())
    }
}

/// A refusal, as far as it is known still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// When, as `2026-11-22T16:30:12.506Z`.
    pub(crate) time: String,
    /// Where, as a path in the mount.
    pub(crate) place: String,
    /// How the bytes were meant.
    pub(crate) way: String,
    /// Which process wrote.
    pub(crate) who: String,
    /// Why it was refused.
    pub(crate) reason: String,
    /// The name that the bytes were kept under.
    pub(crate) name: Option<String>,
    /// The bytes, while they are kept.
    pub(crate) kept: Option<Kept>,
}

impl Refusal {
    fn of(kept: &Kept) -> Refusal {
        let Ticket { time, way, reason, .. } = &kept.ticket;
        Refusal {
            time: iso(*time),
            place: kept.ticket.place(),
            way: way.to_string(),
            who: kept.ticket.who(),
            reason: reason.clone(),
            name: Some(kept.name.clone()),
            kept: Some(kept.clone()),
        }
    }

    /// Reads a line that [`Ticket::line`] wrote; lines of other failures are none.
    fn parse(line: &str) -> Option<Refusal> {
        let (time, rest) = line.split_at_checked("2026-11-22T16:30:12.506Z".len())?;
        let rest = rest.strip_prefix(' ').filter(|_| time.ends_with('Z'))?;
        let ways = ["replace", "append"].iter().filter_map(|way| {
            let at = rest.find(&format!(": {way} by "))?;
            Some((at, *way))
        });
        let (at, way) = ways.min()?;
        let told = &rest[at + ": ".len() + way.len() + " by ".len()..];
        // A process can have any name, its number ends what is said of it.
        let end = numbered(told).or_else(|| told.find(": "))?;
        let (who, reason) = (&told[..end], told[end..].strip_prefix(": ")?);
        let (reason, name) = match reason.rsplit_once("; kept as rejected/") {
            Some((reason, name)) => (reason, Some(name.to_owned())),
            None => (reason, None),
        };
        Some(Refusal {
            time: time.to_owned(),
            place: rest[..at].to_owned(),
            way: way.to_owned(),
            who: who.to_owned(),
            reason: reason.to_owned(),
            name,
            kept: None,
        })
    }

    /// Reads a line that tells of a file and of nobody's bytes, such as one that was emptied and not written again.
    fn parse_other(line: &str) -> Option<Refusal> {
        let (time, rest) = line.split_at_checked("2026-11-22T16:30:12.506Z".len())?;
        let (place, reason) = rest.strip_prefix(' ').filter(|_| time.ends_with('Z'))?.split_once(": ")?;
        let text = str::to_owned;
        place.contains('/').then(|| Refusal {
            time: text(time),
            place: text(place),
            way: String::new(),
            who: String::new(),
            reason: text(reason),
            name: None,
            kept: None,
        })
    }

    fn is(&self, wanted: &Wanted) -> bool {
        let parts: Vec<&str> = self.place.split('/').collect();
        let label = |name: &str| unescape(name).unwrap_or_else(|| name.to_owned());
        match parts.as_slice() {
            [collection, file] => wanted.is(&label(collection), "", file),
            [collection, series, file] => wanted.is(&label(collection), &label(series), file),
            _ => *wanted == Wanted::default(),
        }
    }
}

/// Where `(pid 412)` ends.
fn numbered(text: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = text[from..].find(" (pid ") {
        let digits = from + at + " (pid ".len();
        let end = digits + text[digits..].find(|c: char| !c.is_ascii_digit())?;
        if end > digits && text[end..].starts_with("): ") {
            return Some(end + 1);
        }
        from = digits;
    }
    None
}

/// The last refusal there, by the lines of `.lakota/errors` and by what is kept.
pub(crate) fn last(errors: &str, kept: &[Kept], wanted: &Wanted) -> Option<Refusal> {
    // Of all of a mount only refusals are asked for: other lines tell of anything.
    let other = |line| Refusal::parse_other(line).filter(|_| wanted.collection.is_some());
    let mut lines = errors.lines().rev().filter_map(|line| Refusal::parse(line).or_else(|| other(line)));
    let line = lines.find(|refusal| refusal.is(wanted));
    let matches = |one: &&Kept| wanted.is(&one.ticket.collection, &one.ticket.series, &one.ticket.file);
    let newest = kept.iter().filter(matches).max_by_key(|one| one.ticket.time).map(Refusal::of);
    match (line, newest) {
        (Some(line), Some(newest)) if newest.time >= line.time => Some(newest),
        (Some(mut line), newest) => {
            line.kept = kept.iter().find(|one| Some(&one.name) == line.name.as_ref()).cloned();
            // Bytes that were written again, and refused again, are kept under their first name.
            let first = newest.filter(|newest| line.kept.is_none() && same_fault(newest, &line));
            Some(first.unwrap_or(line))
        }
        (None, newest) => newest,
    }
}

/// Whether `b` is of a `lakota rejected retry` that was refused for what `a` was.
fn same_fault(a: &Refusal, b: &Refusal) -> bool {
    b.who.starts_with("lakota (") && (&a.place, &a.way, &a.reason) == (&b.place, &b.way, &b.reason)
}

/// Who wrote: `cp (pid 412)`, and of another user than who asks also their name.
pub(crate) fn who(ticket: &Ticket, asker: u32) -> String {
    if ticket.uid == asker {
        return ticket.who();
    }
    let user = users::system().name(ticket.uid);
    format!("{} of {user}", ticket.who())
}

/// A span of time for people: `41 s`, `3 min`, `2 h`, `5 d`.
pub(crate) fn age(ms: u64) -> String {
    match ms / 1000 {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3600 => format!("{} min", s / 60),
        s @ 3600..172_800 => format!("{} h", s / 3600),
        s => format!("{} d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::spool::Way;

    fn ticket(time: u64, series: &str, file: &str) -> Ticket {
        Ticket {
            time,
            uid: 0,
            pid: 412,
            process: "cp".into(),
            collection: "temp".into(),
            series: series.into(),
            file: file.into(),
            way: Way::Append,
            reason: "line 3, column value: \"abc\" is not a float".into(),
            basis: None,
        }
    }

    fn kept(time: u64, series: &str, file: &str) -> Kept {
        Kept { name: format!("{time}-{series}.csv"), size: 5, ticket: ticket(time, series, file) }
    }

    fn at(path: &str) -> Wanted {
        Wanted::at(Path::new(path)).unwrap()
    }

    #[test]
    fn paths_of_a_mount_stand_for_collections_series_and_files() {
        let wanted = |collection: Option<&str>, series: Option<&str>, file: Option<&str>| Wanted {
            collection: collection.map(str::to_owned),
            series: series.map(str::to_owned),
            file: file.map(str::to_owned),
        };
        assert_eq!(at(""), wanted(None, None, None));
        assert_eq!(at("temp"), wanted(Some("temp"), None, None));
        assert_eq!(at("a%2Fb/x%25"), wanted(Some("a/b"), Some("x%"), None));
        assert_eq!(at("temp/bxl/live.csv"), wanted(Some("temp"), Some("bxl"), Some("live.csv")));
        assert_eq!(at("temp/.schema"), wanted(Some("temp"), None, Some(".schema")));
        for path in [".lakota/errors", ".Trash", "temp/bxl/revisions/x", "temp/.schema/x"] {
            assert_eq!(Wanted::at(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn lines_of_refusals_come_back_as_they_were_written() {
        for process in ["cp", "a: b (pid 9): c", "x (pid )", ""] {
            for (pid, kept) in [(412, Some("2026-x.csv")), (412, None)] {
                let ticket =
                    Ticket { pid, process: process.into(), ..ticket(1_795_365_012_506, "a: b", "live.csv") };
                let found = Refusal::parse(&ticket.line(kept)).unwrap();
                assert_eq!((found.time, found.place), (iso(ticket.time), ticket.place()));
                if process != "a: b (pid 9): c" {
                    assert_eq!((found.who, found.reason), (ticket.who(), ticket.reason));
                }
                assert_eq!((found.way.as_str(), found.name.as_deref()), ("append", kept));
            }
        }
    }

    #[test]
    fn lines_of_other_failures_are_none() {
        for line in [
            "",
            "2026-11-22T16:30:12.506Z read of temp/bxl/live.csv: object missing",
            "no time at all, as long as one: replace by cp: x",
            "2026-11-22T16:30:12.506Z",
            "2026-11-22T16:30:12.506é replace by",
        ] {
            assert_eq!(Refusal::parse(line), None, "{line}");
        }
    }

    #[test]
    fn the_last_refusal_is_that_of_the_place() {
        let all = [
            kept(1000, "bxl", "live.csv"),
            kept(2000, "rome", "live.csv"),
            kept(3000, "bxl", "live.parquet"),
        ];
        let last_at = |path: &str| last("", &all, &at(path)).and_then(|found| found.name);
        assert_eq!(last_at("temp/bxl/live.csv").as_deref(), Some("1000-bxl.csv"));
        assert_eq!(last_at("temp/bxl").as_deref(), Some("3000-bxl.csv"));
        assert_eq!(last_at("temp/rome").as_deref(), Some("2000-rome.csv"));
        assert_eq!(last_at("").as_deref(), Some("3000-bxl.csv"));
        assert_eq!((last_at("temp/bx"), last_at("tem"), last_at("temp/.schema")), (None, None, None));
    }

    #[test]
    fn bytes_that_were_refused_again_are_told_under_their_first_name() {
        let all = [kept(1000, "bxl", "live.csv")];
        let again = |reason: &str| {
            let again = Ticket { process: "lakota".into(), reason: reason.into(), ..all[0].ticket.clone() };
            Ticket { time: 2000, ..again }.line(Some("gone.csv"))
        };
        let found = |line: &str| last(line, &all, &at("temp/bxl")).unwrap();
        assert_eq!(found(&again(&all[0].ticket.reason)).kept.as_ref(), Some(&all[0]));
        assert_eq!(found(&again("another reason")).kept, None);
    }

    #[test]
    fn other_users_are_named() {
        let ticket = ticket(0, "bxl", "live.csv");
        assert_eq!(who(&ticket, 0), "cp (pid 412)");
        assert_eq!(who(&ticket, 12345), "cp (pid 412) of root");
        assert_eq!(who(&Ticket { uid: 4_000_000_000, ..ticket }, 0), "cp (pid 412) of 4000000000");
    }

    #[test]
    fn a_refusal_whose_bytes_are_not_kept_is_told_still() {
        let all = [kept(1000, "bxl", "live.csv")];
        let lines = [
            ticket(1000, "bxl", "live.csv").line(Some("1000-bxl.csv")),
            ticket(2000, "bxl", "live.csv").line(Some("gone.csv")),
            ticket(3000, "rome", "live.csv").line(None),
        ];
        let found = |lines: &[String], path: &str| last(&lines.join("\n"), &all, &at(path)).unwrap();
        let gone = found(&lines, "temp/bxl");
        assert_eq!((gone.time, gone.name.as_deref(), gone.kept), (iso(2000), Some("gone.csv"), None));
        assert_eq!(found(&lines, "temp/rome/live.csv").name, None);
        assert_eq!(found(&lines[..1], "temp/bxl").kept.as_ref(), Some(&all[0]));
        assert_eq!(found(&lines, "").time, iso(3000));
    }

    #[test]
    fn what_else_was_told_of_a_file_is_told_where_it_is_asked_for() {
        let lines = "2026-11-22T16:30:12.506Z a first look at temp: damaged\n\
            2026-11-22T16:30:12.506Z temp/bxl/live.csv: emptied and not written again; its rows are back\n\
            2026-11-22T16:30:12.507Z read of temp/bxl/live.csv: object missing";
        let found = last(lines, &[], &at("temp/bxl")).unwrap();
        assert_eq!((found.who.as_str(), found.name), ("", None));
        assert!(found.reason.starts_with("emptied"), "{}", found.reason);
        assert_eq!((last(lines, &[], &at("temp/rome")), last(lines, &[], &at(""))), (None, None));
    }

    #[test]
    fn spans_of_time_are_for_people() {
        let ages = [0, 59_999, 60_000, 7_199_999, 172_799_999, 172_800_000].map(age);
        assert_eq!(ages, ["0 s", "59 s", "1 min", "1 h", "47 h", "2 d"]);
    }
}
