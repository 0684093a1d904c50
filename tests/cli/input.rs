//! Bad input: exit code, message, and a history that stays as it was.

use super::Sandbox;

/// Asserts that a message tells all of these.
#[track_caller]
fn tells(message: &str, parts: &[&str]) {
    assert!(message.starts_with("lakota: "), "{message}");
    for part in parts {
        assert!(message.contains(part), "{part:?} not in {message}");
    }
}

#[test]
fn wrong_number_of_fields_is_told_with_line_and_columns() {
    let message = Sandbox::with_rows().refused("2020-07-01,1\n2020-07-02,1,2\n", &["write", "temp/bxl"]);
    tells(&message, &["stdin: line 2", "3 fields, expected 2 (timestamp, value)"]);
}

#[test]
fn unknown_column_in_a_header_is_told_with_those_there_are() {
    let message = Sandbox::with_rows().refused("timestamp,valeu\n2020-07-01,1\n", &["write", "temp/bxl"]);
    tells(&message, &["stdin: line 1, column valeu", "timestamp, value"]);
}

#[test]
fn missing_column_in_a_header_is_told_by_name() {
    let message = Sandbox::with_rows().refused("timestamp\n2020-07-01\n", &["write", "temp/bxl"]);
    tells(&message, &["column value", "missing"]);
}

#[test]
fn value_that_is_no_number_is_told_with_file_line_and_column() {
    let sandbox = Sandbox::with_rows();
    sandbox.file("bad.csv", "2020-07-01,1\n2020-07-02,abc\n");
    let message = sandbox.refused("", &["write", "temp/bxl", "bad.csv"]);
    tells(&message, &["bad.csv: line 2, column value", "\"abc\" is not a float"]);
}

#[test]
fn value_that_is_no_time_is_told() {
    let message = Sandbox::with_rows().refused("timestamp,value\n2020-13-01,1\n", &["write", "temp/bxl"]);
    tells(&message, &["line 2, column timestamp", "\"2020-13-01\" is not a timestamp"]);
}

#[test]
fn int_that_overflows_is_told() {
    let sandbox = Sandbox::with_rows();
    sandbox.run(&["create", "count", "day date*", "n int"]).ok();
    let message = sandbox.pipe("2020-07-01,9223372036854775808\n", &["write", "count/x"]).fails(1);
    tells(&message, &["line 1, column n", "9223372036854775808", "64-bit int"]);
}

#[test]
fn time_below_the_unit_is_told() {
    let input = "2020-07-01T00:00:00.0001,1\n";
    let message = Sandbox::with_rows().refused(input, &["write", "temp/bxl"]);
    tells(&message, &["line 1, column timestamp", "2020-07-01T00:00:00.0001", "whole milliseconds"]);
}

#[test]
fn null_in_the_index_is_told() {
    let message = Sandbox::with_rows().refused("timestamp,value\n,1\n", &["write", "temp/bxl"]);
    tells(&message, &["line 2, column timestamp"]);
}

#[test]
fn invalid_utf_8_is_told() {
    let sandbox = Sandbox::with_rows();
    sandbox.run(&["create", "names", "day date*", "who str"]).ok();
    let message = sandbox.pipe(b"2020-07-01,caf\xE9\n", &["write", "names/x"]).fails(1);
    tells(&message, &["line 1, column who", "UTF-8"]);
}

#[test]
fn quote_without_end_is_told() {
    let message = Sandbox::with_rows().refused("2020-07-01,\"1\n2020-07-02,2\n", &["write", "temp/bxl"]);
    tells(&message, &["line 1", "quote"]);
}

#[test]
fn empty_input_is_told() {
    let message = Sandbox::with_rows().refused("", &["write", "temp/bxl"]);
    tells(&message, &["stdin: the input is empty"]);
}

#[test]
fn header_without_rows_is_told() {
    let message = Sandbox::with_rows().refused("timestamp,value\n", &["write", "temp/bxl"]);
    tells(&message, &["stdin: there are no rows"]);
}

#[test]
fn header_without_rows_empties_a_series_that_is_replaced() {
    let sandbox = Sandbox::with_rows();
    sandbox.pipe("timestamp,value\n", &["write", "temp/bxl", "--replace"]).ok();
    assert_eq!(sandbox.run(&["len", "temp/bxl"]).ok(), "0\n");
}

#[test]
fn start_after_stop_is_told() {
    let words = ["write", "temp/bxl", "--start", "2020-07-02", "--stop", "2020-07-01"];
    let message = Sandbox::with_rows().refused("2020-07-01,1\n", &words);
    tells(&message, &["start 2020-07-02 lies after stop 2020-07-01"]);
}

#[test]
fn row_outside_the_range_is_told() {
    let words = ["write", "temp/bxl", "--start", "2020-07-01", "--stop", "2020-07-02", "--closed", "left"];
    let message = Sandbox::with_rows().refused("2020-07-01,1\n2020-07-02,2\n", &words);
    tells(&message, &["stdin: the row at 2020-07-02T00:00:00 lies outside"]);
}

#[test]
fn missing_file_is_told() {
    let message = Sandbox::with_rows().refused("", &["write", "temp/bxl", "none.csv"]);
    tells(&message, &["none.csv: cannot read the input: No such file"]);
}

#[test]
fn file_of_another_format_is_told() {
    let sandbox = Sandbox::with_rows();
    sandbox.file("bad.parquet", "2020-07-01,1\n");
    let message = sandbox.refused("", &["write", "temp/bxl", "bad.parquet"]);
    tells(&message, &["bad.parquet: not a readable Parquet file"]);
}

#[test]
fn series_that_does_not_exist_is_told_with_the_closest() {
    let message = Sandbox::with_rows().run(&["read", "temp/bxk"]).fails(1);
    tells(&message, &["there is no series \"bxk\" in temp; did you mean \"bxl\"?"]);
}

#[test]
fn collection_that_does_not_exist_is_told_with_the_closest() {
    let message = Sandbox::with_rows().refused("2020-07-01,1\n", &["write", "tmp/bxl"]);
    tells(&message, &["there is no collection \"tmp\"; did you mean \"temp\"?"]);
}

#[test]
fn prefix_of_a_collection_is_not_written_to() {
    let message = Sandbox::with_rows().refused("2020-07-01,1\n", &["write", "te/bxl"]);
    tells(&message, &["there is no collection \"te\"; did you mean \"temp\"?"]);
}

#[test]
fn label_with_a_control_character_is_told() {
    let message = Sandbox::with_rows().refused("2020-07-01,1\n", &["write", "temp/b\nl"]);
    tells(&message, &["control character"]);
}

#[test]
fn label_that_is_too_long_is_told() {
    let place = format!("temp/{}", "x".repeat(256));
    let message = Sandbox::with_rows().refused("2020-07-01,1\n", &["write", &place]);
    tells(&message, &["256 bytes", "255"]);
}

#[test]
fn bad_schemas_are_told_and_make_no_repository() {
    for (columns, part) in [
        (["a int*", "a int"], "\"a\" appears twice"),
        (["a int", "b int"], "no index column"),
        (["a integer*", "b int"], "types: timestamp, timestamp[s]"),
        (["", "b int*"], "expected \"name type\""),
    ] {
        let sandbox = Sandbox::new();
        let message = sandbox.run(&["create", "c", columns[0], columns[1]]).fails(1);
        tells(&message, &[part]);
        assert!(!sandbox.path(".lakota").exists());
    }
}

#[test]
fn repository_of_a_newer_format_is_told() {
    let sandbox = Sandbox::with_rows();
    sandbox.file(".lakota/format", "lakota repository, format 999\n");
    let message = sandbox.run(&["ls"]).fails(1);
    tells(&message, &[".lakota has format 999", "newer lakota"]);
}

#[test]
fn place_that_is_no_repository_is_told() {
    let sandbox = Sandbox::new();
    sandbox.file("data/notes.txt", "mine");
    for place in ["none", "data"] {
        let message = sandbox.run(&["-r", place, "ls"]).fails(1);
        tells(&message, &[place, "is not a lakota repository"]);
    }
}

#[test]
fn folder_of_other_things_does_not_become_a_repository() {
    let sandbox = Sandbox::new();
    sandbox.file("data/notes.txt", "mine");
    sandbox.run(&["-r", "data", "create", "c", "a int*"]).fails(1);
    assert_eq!(std::fs::read_dir(sandbox.path("data")).unwrap().count(), 1);
}

#[test]
fn place_that_cannot_be_written_is_told() {
    let message = Sandbox::new().run(&["-r", "/sys/lakota", "create", "c", "a int*"]).fails(1);
    tells(&message, &["/sys/lakota"]);
}

#[test]
fn full_disk_is_told_and_leaves_the_history() {
    let sandbox = Sandbox::with_rows();
    let log = sandbox.run(&["log", "temp"]).ok();
    let script = "trap '' XFSZ; ulimit -f 0; echo 2020-07-01,1 | $LAKOTA write temp/bxl";
    tells(&sandbox.shell(script).fails(1), &["cannot write", "File too large"]);
    assert_eq!(sandbox.run(&["log", "temp"]).ok(), log);
}

#[test]
fn misuse_is_exit_2() {
    let sandbox = Sandbox::with_rows();
    for words in [
        &["read", "temp"][..],
        &["write", "temp"],
        &["write", "temp/"],
        &["write", "temp/bxl", "--upsert", "--append"],
        &["write", "temp/bxl", "--append", "--start", "2020-01-01"],
        &["write", "temp/bxl", "a.csv", "b.csv"],
        &["read", "temp/bxl", "--closed", "up"],
        &["read", "temp/bxl", "--before", "yesterday"],
        &["trim", "temp"],
        &["delete", "temp", "--start", "2020-01-01"],
        &["rename", "temp/bxl", "temp"],
        &["nothing"],
        &[],
    ] {
        sandbox.run(words).fails(2);
    }
}

/// With a collection of text columns, and three rows in `people/all`.
fn with_people() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "people", "name str*", "country str"]).ok();
    sandbox.pipe("bob,AT\ncat,BE\ndan,CH\n", &["write", "people/all"]).ok();
    sandbox
}

#[test]
fn header_of_texts_in_other_spelling_is_no_row_and_takes_none() {
    let sandbox = with_people();
    sandbox.pipe("Name,Country\ndan,DE\n", &["write", "people/all"]).ok();
    assert_eq!(sandbox.run(&["read", "people/all"]).ok(), "name,country\nbob,AT\ncat,BE\ndan,DE\n");
}

#[test]
fn line_that_may_be_a_header_is_told_with_the_options_that_decide() {
    let sandbox = with_people();
    let rows = sandbox.run(&["read", "people/all"]).ok();
    sandbox.file("other.csv", "name,Land\ndan,DE\n");
    for words in [&["write", "people/all", "other.csv"][..], &["diff", "other.csv", "people/all"]] {
        let message = sandbox.run(words).fails(1);
        tells(&message, &["other.csv: line 1", "may be a header or a row", "--header or --no-header"]);
    }
    assert_eq!(sandbox.run(&["read", "people/all"]).ok(), rows);
    let message = sandbox.run(&["write", "people/all", "other.csv", "--header"]).fails(1);
    tells(&message, &["other.csv: line 1, column Land: unknown column"]);
    let diff = sandbox.run(&["diff", "other.csv", "people/all", "--no-header", "--stat"]).ok();
    assert_eq!(diff, "all: 2 added, 1 removed, 1 changed\n");
    sandbox.run(&["write", "people/all", "other.csv", "--no-header", "--upsert"]).ok();
    assert_eq!(sandbox.run(&["len", "people/all"]).ok(), "4\n");
    sandbox.run(&["write", "people", "other.csv", "--no-header"]).ok();
    assert_eq!(sandbox.run(&["len", "people/other"]).ok(), "2\n");
    sandbox.run(&["write", "people/all", "other.csv", "--no-header", "--header"]).fails(2);
}

#[test]
fn header_options_decide_in_an_import_too() {
    let sandbox = with_people();
    sandbox.run(&["export", "out"]).ok();
    sandbox.file("out/people/all.csv", "name,Land\ndan,DE\n");
    let message = sandbox.run(&["-r", "new", "import", "out"]).fails(1);
    tells(&message, &["out/people/all.csv: line 1", "--header or --no-header"]);
    sandbox.run(&["-r", "new", "import", "out", "--no-header"]).ok();
    assert_eq!(sandbox.run(&["-r", "new", "read", "people/all"]).ok(), "name,country\ndan,DE\nname,Land\n");
}

#[test]
fn utf_16_and_lines_that_end_in_cr_are_read_from_files_stdin_and_folders() {
    let sandbox = with_people();
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    sandbox.pipe(utf16("name,country\r\neve,DE\r\n"), &["write", "people/all"]).ok();
    sandbox.file("more.csv", utf16("\u{feff}fay,FR\n"));
    sandbox.run(&["write", "people/all", "more.csv"]).ok();
    sandbox.pipe("gus,GR\rhal,HU\r", &["write", "people/all"]).ok();
    let rows = "name,country\nbob,AT\ncat,BE\ndan,CH\neve,DE\nfay,FR\ngus,GR\nhal,HU\n";
    assert_eq!(sandbox.run(&["read", "people/all"]).ok(), rows);
    sandbox.run(&["export", "out"]).ok();
    sandbox.file("out/people/all.csv", utf16(rows));
    let schema = format!("\u{feff}{}", sandbox.text("out/people/_schema.json"));
    sandbox.file("out/people/_schema.json", schema);
    sandbox.run(&["-r", "new", "import", "out"]).ok();
    assert_eq!(sandbox.run(&["-r", "new", "read", "people/all"]).ok(), rows);
    let message = sandbox.pipe(b"\xff\xfea\0,\0\0\xdc", &["write", "people/all"]).fails(1);
    tells(&message, &["stdin: this looks like UTF-16LE", "iconv -f UTF-16LE -t UTF-8"]);
}

#[test]
fn whole_floats_of_pandas_and_zones_of_rails_are_taken() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "counts", "time timestamp*", "id int*", "n int"]).ok();
    sandbox.pipe("2020-01-01 01:00:00 +0100,7.0,1e5\n", &["write", "counts/x"]).ok();
    assert_eq!(sandbox.run(&["read", "counts/x"]).ok(), "time,id,n\n2020-01-01T00:00:00,7,100000\n");
    let range =
        ["--start", "2020-01-01 00:00:00 UTC", "--start", "7.0", "--stop", "2020-01-01 02:00:00 +0200"];
    sandbox.run(&[&["delete", "counts/x"][..], &range].concat()).ok();
    assert_eq!(sandbox.run(&["len", "counts/x"]).ok(), "0\n");
}

#[test]
fn numbers_that_a_float_would_change_are_told() {
    let sandbox = Sandbox::with_rows();
    for (number, why) in [("9007199254740993", "exactly a float"), ("1e-400", "would become 0")] {
        let message = sandbox.refused(format!("2020-07-01,{number}\n"), &["write", "temp/bxl"]);
        tells(&message, &["stdin: line 1, column value", number, why]);
    }
}
