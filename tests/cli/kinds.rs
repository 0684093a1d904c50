//! Files known by their first bytes: taken, or named in one line with the way out.

use super::Sandbox;
use lakota::data::files::kind::{self, Kind};
use std::fmt::Write;

/// The program's own Parquet and Arrow files of the six rows.
fn with_files() -> Sandbox {
    let sandbox = Sandbox::with_rows();
    for name in ["own.parquet", "own.arrow"] {
        sandbox.run(&["read", "temp/bxl", "-o", name]).ok();
    }
    sandbox
}

fn bytes(sandbox: &Sandbox, name: &str) -> Vec<u8> {
    std::fs::read(sandbox.path(name)).unwrap()
}

#[test]
fn parquet_and_arrow_are_taken_from_a_pipe_and_a_redirection() {
    let sandbox = with_files();
    let rows = sandbox.run(&["read", "temp/bxl"]).ok();
    for name in ["own.parquet", "own.arrow"] {
        sandbox.pipe(bytes(&sandbox, name), &["write", "temp/piped"]).ok();
        sandbox.shell(&format!("\"$LAKOTA\" write temp/from < {name}")).ok();
        sandbox.shell(&format!("\"$LAKOTA\" write temp/named <(cat {name})")).ok();
        for label in ["temp/piped", "temp/from", "temp/named"] {
            assert_eq!(sandbox.run(&["read", label]).ok(), rows, "{name} as {label}");
            sandbox.run(&["delete", label]).ok();
        }
    }
}

#[test]
fn content_wins_over_the_name() {
    let sandbox = with_files();
    let rows = sandbox.run(&["read", "temp/bxl"]).ok();
    for (from, to) in
        [("own.parquet", "a.csv"), ("own.arrow", "b.parquet"), ("own.parquet", "c.arrow"), ("own.arrow", "d")]
    {
        std::fs::copy(sandbox.path(from), sandbox.path(to)).unwrap();
        sandbox.run(&["write", "temp/other", to]).ok();
        assert_eq!(sandbox.run(&["read", "temp/other"]).ok(), rows, "{to}");
    }
    let message = sandbox.refused("", &["write", "temp/x", "own.parquet", "--format", "arrow"]);
    assert_eq!(message, "lakota: own.parquet: this is Parquet, not Arrow: say --format parquet\n");
    sandbox.file("text.parquet", "2020-07-01,1\n");
    let message = sandbox.refused("", &["write", "temp/x", "text.parquet"]);
    assert!(message.contains("not a readable Parquet file: it is text: if that is CSV,"), "{message}");
    sandbox.run(&["write", "temp/x", "text.parquet", "--format", "csv"]).ok();
}

/// What each is and what to do is said by the table of kinds alone, and asked for there.
#[test]
fn a_file_of_a_format_that_is_not_read_is_named_with_the_way_out() {
    let sandbox = Sandbox::with_rows();
    for start in [
        &b"\x1f\x8b\x08\0\0\0"[..],
        b"BZh91AY&SY\0",
        b"\xfd7zXZ\0\0",
        b"PK\x03\x04\x14\0\x08\x08xl/worksheets/sheet1.xml",
        b"PARE\x1c\0\0\0",
        b"SQLite format 3\0\x10",
    ] {
        let Some(Kind::Other(what, way)) = kind::of(start) else { panic!("{start:?} is not known") };
        sandbox.file("input.csv", start);
        for (input, words, name) in [
            (&b""[..], &["write", "temp/x", "input.csv"][..], "input.csv"),
            (start, &["write", "temp/x"], "stdin"),
        ] {
            let message = sandbox.refused(input, words);
            assert_eq!(
                message,
                format!("lakota: {name}: this is {what}, not CSV, Parquet or Arrow: {way}\n")
            );
        }
    }
}

#[test]
fn texts_that_are_no_csv_are_named_once_they_fail() {
    let sandbox = Sandbox::with_rows();
    let json = sandbox.run(&["read", "temp/bxl", "--json"]).ok();
    let message = sandbox.refused(&json, &["write", "temp/x"]);
    assert!(message.contains("; it looks like JSON, which is written but not read"), "{message}");
    let page = "<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>\n";
    sandbox.file("page.csv", page);
    let message = sandbox.refused("", &["write", "temp/x", "page.csv"]);
    assert!(message.contains("; it looks like a web page"), "{message}");
    // Texts that only begin so.
    sandbox.run(&["create", "names", "name str*", "n int"]).ok();
    for name in ["{a}", "[b]", "PK", "PAR1", "ARROW1", "BZh9", "<html>", "%PDF-1.7", "ORC", "Obj"] {
        sandbox.pipe(format!("{name},1\n"), &["write", "names/x", "--replace"]).ok();
        assert_eq!(sandbox.run(&["read", "names/x"]).ok(), format!("name,n\n{name},1\n"));
    }
}

#[test]
fn files_of_an_import_are_known_likewise() {
    let sandbox = with_files();
    sandbox.run(&["export", "out", "-c", "temp"]).ok();
    let rows = sandbox.run(&["read", "temp/bxl"]).ok();
    std::fs::copy(sandbox.path("own.parquet"), sandbox.path("out/temp/other.csv")).unwrap();
    sandbox.run(&["import", "out"]).ok();
    assert_eq!(sandbox.run(&["read", "temp/other"]).ok(), rows);
    sandbox.file("out/temp/more.csv", b"\x1f\x8b\x08\0\0");
    let message = sandbox.refused("", &["import", "out"]);
    assert!(message.contains("more.csv: this is compressed by gzip"), "{message}");
    std::fs::rename(sandbox.path("out/temp/more.csv"), sandbox.path("out/temp/more.csv.gz")).unwrap();
    let message = sandbox.refused("", &["import", "out"]);
    assert!(message.contains("more.csv.gz: is compressed by gzip, expected a file of rows"), "{message}");
}

/// A long text comes through a pipe in pieces, of which the first may be short.
#[test]
fn a_slow_pipe_is_read_from_its_first_byte() {
    let sandbox = Sandbox::with_rows();
    let mut script = "(printf 2; sleep 0.1; printf '020-07-01,1\\n'; sleep 0.1".to_owned();
    write!(script, "; printf '2020-07-02,2\\n') | \"$LAKOTA\" write temp/slow").unwrap();
    sandbox.shell(&script).ok();
    assert_eq!(
        sandbox.run(&["read", "temp/slow"]).ok(),
        "timestamp,value\n2020-07-01T00:00:00,1.0\n2020-07-02T00:00:00,2.0\n"
    );
}
