//! What a file is, by its first bytes: whatever its name says.
//!
//! Only bytes that no text begins with decide. What a text looks like (JSON, HTML) is a hint for its error.

use crate::data::input::{InputError, Problem};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes that tell what a file is.
pub const START: usize = 512;

/// What a file is that is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Parquet.
    Parquet,
    /// An Arrow IPC file or stream.
    Arrow,
    /// A format that is not read: what it is, and what to do.
    Other(&'static str, &'static str),
}

/// What a file is whose first bytes are `start`; none if that may be text.
#[must_use]
pub fn of(start: &[u8]) -> Option<Kind> {
    let begins = |magic: &[u8]| start.starts_with(magic);
    // These letters may begin a text too.
    let binary = || start.iter().take(64).any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace());
    if begins(b"PAR1") && binary() {
        return Some(Kind::Parquet);
    }
    let length =
        start.get(4..8).and_then(|length| length.first_chunk()).map(|length| i32::from_le_bytes(*length));
    if begins(b"ARROW1") && binary() || begins(&[0xff; 4]) && length.is_some_and(|length| length > 0) {
        return Some(Kind::Arrow);
    }
    let known = OTHERS.iter().find(|(magic, ..)| begins(magic) && (!magic.is_ascii() || binary()));
    if let Some((_, what, way)) = known {
        return Some(Kind::Other(what, way));
    }
    match start {
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => {
            Some(Kind::Other("compressed by bzip2", "give what it holds: bzip2 -dc FILE | lakota write …"))
        }
        // A skippable frame of Zstandard.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Kind::Other(ZSTD.0, ZSTD.1)),
        [_, _, _, _, _, _, _, _, b'D', b'U', b'C', b'K', ..] if binary() => {
            Some(Kind::Other("a database of DuckDB", "give a table of it: COPY … TO 'FILE.parquet'"))
        }
        _ => None,
    }
}

const ZSTD: (&str, &str) = ("compressed by zstd", "give what it holds: zstd -dc FILE | lakota write …");
const OFFICE: &str = "save the sheet as CSV; of another archive, give what it holds";

/// How files begin, what they are and what to do.
const OTHERS: &[(&[u8], &str, &str)] = &[
    (b"PARE", "encrypted Parquet", "there is no way to give the keys: save it without encryption"),
    (
        b"FEA1",
        "Feather of version 1",
        "save it as version 2: pyarrow.feather.write_feather(pyarrow.feather.read_table(FILE), NEW)",
    ),
    (b"\x1f\x8b", "compressed by gzip", "give what it holds: gunzip -c FILE | lakota write …"),
    (b"\x28\xb5\x2f\xfd", ZSTD.0, ZSTD.1),
    (b"\xfd7zXZ\0", "compressed by xz", "give what it holds: xz -dc FILE | lakota write …"),
    (b"\x04\x22\x4d\x18", "compressed by lz4", "give what it holds: lz4 -dc FILE | lakota write …"),
    (b"PK\x03\x04", "a zip archive, as .xlsx and .ods are", OFFICE),
    (b"PK\x05\x06", "an empty zip archive", OFFICE),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (.xls)", "save the sheet as CSV"),
    (b"ORC", "ORC", "save it as Parquet: pyarrow.orc.read_table reads it"),
    (b"Obj\x01", "Avro", "save it as Parquet or CSV"),
    (
        b"SQLite format 3\0",
        "a database of SQLite",
        "give a table of it: sqlite3 -csv -header FILE 'select …'",
    ),
    (b"\x89HDF\r\n\x1a\n", "HDF5", "save it as Parquet: pandas.read_hdf reads it"),
    (b"\x93NUMPY", "an array of NumPy", "save it as Parquet or CSV, with its columns' names"),
    (b"\x80\x04\x95", "a pickle of Python", "save it as Parquet: pandas.read_pickle reads it"),
    (b"\x80\x05\x95", "a pickle of Python", "save it as Parquet: pandas.read_pickle reads it"),
    (b"%PDF-", "a PDF document", "give CSV, Parquet or Arrow"),
];

/// What a text looks like that is no CSV.
fn likeness(start: &[u8]) -> Option<&'static str> {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let begins =
        |text: &str| start.get(..text.len()).is_some_and(|own| own.eq_ignore_ascii_case(text.as_bytes()));
    if matches!(start, [b'{' | b'[', ..]) {
        Some("JSON, which is written but not read: give CSV, Parquet or Arrow")
    } else if begins("<!doctype html") || begins("<html") {
        Some("a web page, such as one of an error: look at it in a browser")
    } else if begins("<?xml") {
        Some("XML: give CSV, Parquet or Arrow")
    } else if begins("%pdf-") {
        Some("a PDF document: give CSV, Parquet or Arrow")
    } else {
        None
    }
}

/// The error of a text, with what the text looks like if that is no CSV.
#[must_use]
pub fn explained(error: InputError, start: &[u8]) -> InputError {
    // What cannot be read or kept is no matter of form.
    if matches!(error.problem, Problem::Read(_) | Problem::Spool(_)) {
        return error;
    }
    match likeness(start) {
        Some(what) => InputError { problem: Problem::Looks(Box::new(error.problem), what), ..error },
        None => error,
    }
}

/// True if these first bytes are those of a text.
#[must_use]
pub fn is_text(start: &[u8]) -> bool {
    let text = std::str::from_utf8(start);
    // The last character may be cut.
    let whole = text.map_or_else(|e| e.valid_up_to() + 3 >= start.len() && e.error_len().is_none(), |_| true);
    whole && !start.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace())
}

/// The first bytes of a file, wherever its cursor stands.
pub fn start(file: &File) -> io::Result<Vec<u8>> {
    let mut start = vec![0; START];
    let mut len = 0;
    while len < START {
        match file.read_at(&mut start[len..], len as u64) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    start.truncate(len);
    Ok(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_bytes_that_no_text_begins_with() {
        for (start, kind) in [
            (&b"PAR1\x15\x04\x15"[..], Some("Parquet")),
            (b"PAR1,2020-01-01,7\n", None),
            (b"ARROW1\0\0", Some("Arrow")),
            (b"ARROW1,3\n", None),
            (b"\xff\xff\xff\xff\x38\x01\0\0\x10", Some("Arrow")),
            (b"\xff\xfet\0,\0", None),
            (b"PARE\x12\0\0\0", Some("encrypted Parquet")),
            (b"PARE,1\n", None),
            (b"FEA1\0\0\0\0", Some("Feather of version 1")),
            (b"\x1f\x8b\x08\0", Some("compressed by gzip")),
            (b"\x28\xb5\x2f\xfd\x24", Some("compressed by zstd")),
            (b"\x5a\x2a\x4d\x18", Some("compressed by zstd")),
            (b"BZh91AY&SY", Some("compressed by bzip2")),
            (b"BZh9,1\n", None),
            (b"\xfd7zXZ\0\0", Some("compressed by xz")),
            (b"PK\x03\x04\x14\0", Some("a zip archive, as .xlsx and .ods are")),
            (b"PK,7\n", None),
            (b"ORC\x08\x03\x10", Some("ORC")),
            (b"ORC,7\nELF,8\n", None),
            (b"Obj\x01\x04", Some("Avro")),
            (b"SQLite format 3\0\x10", Some("a database of SQLite")),
            (b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\0", Some("a PDF document")),
            (b"", None),
            (b"2020-01-01,1\n", None),
        ] {
            let found = of(start).map(|kind| match kind {
                Kind::Parquet => "Parquet",
                Kind::Arrow => "Arrow",
                Kind::Other(what, _) => what,
            });
            assert_eq!(found, kind, "{:?}", String::from_utf8_lossy(start));
        }
    }

    #[test]
    fn errors_of_texts_say_what_the_text_looks_like() {
        let said = |start: &[u8]| {
            explained(InputError::new(Problem::Other("1 field".to_owned())).at_line(3), start).to_string()
        };
        assert!(said(b" {\"t\": 1}").starts_with("line 3: 1 field; it looks like JSON, "));
        assert!(said(b"\xef\xbb\xbf[1]").contains("it looks like JSON"));
        assert!(said(b"\n<!DOCTYPE html><p>").contains("it looks like a web page"));
        assert!(said(b"<HTML>").contains("it looks like a web page"));
        assert_eq!(said(b"t,v\n"), "line 3: 1 field");
    }

    #[test]
    fn texts_are_told_from_other_bytes() {
        assert!(is_text("2020-01-01,é\r\n".as_bytes()) && is_text(b"") && is_text(&"é".as_bytes()[..1]));
        assert!(!is_text(b"a\0b") && !is_text(b"\xff\xfea") && !is_text(b"a\xe9,b,c,d"));
    }
}
