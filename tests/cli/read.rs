//! Reads: ranges, columns, moments, formats, outputs.

use super::{CORRECTED, Sandbox};

/// The days of the rows that a read gives.
fn days(sandbox: &Sandbox, words: &[&str]) -> String {
    let out = sandbox.run(&[&["read", "temp/bxl", "timestamp"], words].concat()).ok();
    let days: Vec<&str> = out.lines().skip(1).map(|line| &line[8..10]).collect();
    days.join(" ")
}

#[test]
fn range_takes_its_start_and_not_its_stop() {
    let sandbox = Sandbox::with_rows();
    assert_eq!(days(&sandbox, &["--start", "2020-06-23", "--stop", "2020-06-25"]), "23 24");
}

#[test]
fn bounds_have_the_names_of_the_original_too() {
    let sandbox = Sandbox::with_rows();
    assert_eq!(days(&sandbox, &["--gt", "2020-06-23", "--lt", "2020-06-25"]), "23 24");
}

#[test]
fn closed_chooses_the_bounds() {
    let sandbox = Sandbox::with_rows();
    for (closed, expected) in
        [("left", "23 24"), ("right", "24 25"), ("b", "23 24 25"), ("N", "24"), ("both", "23 24 25")]
    {
        let words = ["--start", "2020-06-23", "--stop", "2020-06-25", "--closed", closed];
        assert_eq!(days(&sandbox, &words), expected, "{closed}");
    }
}

#[test]
fn tail_comes_before_offset_and_limit() {
    let sandbox = Sandbox::with_rows();
    assert_eq!(days(&sandbox, &["--tail", "4", "--offset", "1", "--limit", "2"]), "25 26");
}

#[test]
fn columns_come_in_the_order_asked_for() {
    let read = Sandbox::with_rows().run(&["read", "temp/bxl", "value", "timestamp", "--limit", "1"]).ok();
    assert_eq!(read, "value,timestamp\n25.0,2020-06-22T00:00:00\n");
}

#[test]
fn unknown_column_is_told_with_the_closest() {
    let message = Sandbox::with_rows().run(&["read", "temp/bxl", "valu"]).fails(1);
    assert!(message.contains("there is no column \"valu\""), "{message}");
    assert!(message.contains("did you mean \"value\"?"), "{message}");
}

#[test]
fn labels_may_be_shortened_where_one_starts_so() {
    let sandbox = Sandbox::with_rows();
    assert_eq!(sandbox.run(&["len", "te/b"]).ok(), "6\n");
}

#[test]
fn bounds_of_several_columns_may_be_a_prefix() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "c", "who str*", "day date*", "n int"]).ok();
    sandbox.pipe("a,2020-01-01,1\na,2020-01-02,2\nb,2020-01-01,3\nc,2020-01-01,4\n", &["write", "c/s"]).ok();
    let words =
        ["read", "c/s", "n", "--start", "a", "--start", "2020-01-02", "--stop", "b", "--closed", "both"];
    assert_eq!(sandbox.run(&words).ok(), "n\n2\n3\n");
}

#[test]
fn negative_bound_is_a_value() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "c", "k int*"]).ok();
    sandbox.pipe("-2\n-1\n0\n1\n", &["write", "c/s"]).ok();
    assert_eq!(sandbox.run(&["read", "c/s", "--start", "-1", "--stop", "1"]).ok(), "k\n-1\n0\n");
}

#[test]
fn more_bounds_than_index_columns_are_told() {
    let words = ["read", "temp/bxl", "--start", "2020-01-01", "--start", "2"];
    let message = Sandbox::with_rows().run(&words).fails(1);
    assert!(
        message
            .contains("--start is given 2 times, once for each column of the index is the most (timestamp)"),
        "{message}"
    );
}

#[test]
fn moment_is_read_in_all_its_spellings() {
    let sandbox = Sandbox::with_rows();
    std::thread::sleep(std::time::Duration::from_millis(5));
    sandbox.pipe(CORRECTED, &["write", "temp/bxl"]).ok();
    let log = sandbox.run(&["log", "temp", "--format", "json", "--limit", "1"]).ok();
    let (_, time) = log.split_once("\"time\":\"").unwrap();
    let time = &time[..24];
    for time in [time.to_owned(), time.replace('Z', ""), time.replacen(':', "-", 2)] {
        let read = sandbox.run(&["read", "temp/bxl", "value", "--limit", "1", "--before", &time]).ok();
        assert_eq!(read, "value\n25.0\n", "{time}");
    }
}

#[test]
fn moment_before_the_collection_is_told() {
    let message = Sandbox::with_rows().run(&["read", "temp/bxl", "--before", "2020-01-01"]).fails(1);
    assert!(message.contains("no revision before 2020-01-01"), "{message}");
}

#[test]
fn json_is_one_object_a_row() {
    let read = Sandbox::with_rows().run(&["read", "temp/bxl", "--format", "json", "--limit", "2"]).ok();
    assert_eq!(
        read,
        "{\"timestamp\":\"2020-06-22T00:00:00\",\"value\":25.0}\n\
         {\"timestamp\":\"2020-06-23T00:00:00\",\"value\":24.0}\n"
    );
}

#[test]
fn files_of_every_format_read_back_as_they_were() {
    let sandbox = Sandbox::with_rows();
    let csv = sandbox.run(&["read", "temp/bxl"]).ok();
    for name in ["x.parquet", "x.arrow", "x.feather", "x.csv"] {
        sandbox.run(&["read", "temp/bxl", "-o", name]).ok();
        sandbox.run(&["write", "temp", name, "--replace"]).ok();
        assert_eq!(sandbox.run(&["read", "temp/x"]).ok(), csv, "{name}");
    }
}

#[test]
fn parquet_and_arrow_come_through_pipes() {
    let sandbox = Sandbox::with_rows();
    for format in ["parquet", "arrow"] {
        let script = format!(
            "$LAKOTA read temp/bxl --format {format} | $LAKOTA -q write temp/x --format {format} --replace \
             && $LAKOTA read temp/x"
        );
        assert_eq!(sandbox.shell(&script).ok(), sandbox.run(&["read", "temp/bxl"]).ok(), "{format}");
    }
}

#[test]
fn large_series_is_read_whole_in_every_text_format() {
    let sandbox = Sandbox::with_rows();
    sandbox.run(&["create", "c", "k int*", "v int"]).ok();
    let rows: String = (0..200_000).map(|i| format!("{i},{}\n", i * 7)).collect();
    sandbox.pipe(&rows, &["write", "c/s"]).ok();
    assert_eq!(sandbox.run(&["read", "c/s"]).ok(), format!("k,v\n{rows}"));
    for (format, lines) in [("json", 200_000), ("table", 200_002)] {
        assert_eq!(sandbox.run(&["read", "c/s", "--format", format]).ok().lines().count(), lines, "{format}");
    }
}

#[test]
fn reader_that_goes_away_ends_the_program_quietly() {
    let sandbox = Sandbox::with_rows();
    sandbox.run(&["create", "c", "k int*", "v int"]).ok();
    let rows: String = (0..60_000).map(|i| format!("{i},{}\n", i * 7)).collect();
    sandbox.pipe(&rows, &["write", "c/s"]).ok();
    for format in ["csv", "json", "table", "parquet", "arrow"] {
        let script = format!("$LAKOTA read c/s --format {format} | head -c 10; echo \" ${{PIPESTATUS[0]}}\"");
        let ran = sandbox.shell(&script);
        assert!(ran.out.ends_with(" 0\n") && ran.err.is_empty(), "{format}: {ran:?}");
    }
}

#[test]
fn failed_output_leaves_the_file_that_was_there() {
    let sandbox = Sandbox::with_rows();
    sandbox.file("out.csv", "mine\n");
    sandbox.shell("trap '' XFSZ; ulimit -f 0; $LAKOTA read temp/bxl -o out.csv").fails(1);
    assert_eq!(sandbox.text("out.csv"), "mine\n");
}

#[test]
fn output_by_the_name_of_a_device_is_written_in_place() {
    let sandbox = Sandbox::with_rows();
    let script = "(echo before; $LAKOTA read temp/bxl value --limit 1 -o /dev/stdout; echo after) > out.txt";
    sandbox.shell(script).ok();
    assert_eq!(sandbox.text("out.txt"), "before\nvalue\n25.0\nafter\n");
}

#[test]
fn table_is_for_a_terminal() {
    let ran = Sandbox::with_rows().shell("script -qec '$LAKOTA read temp/bxl --limit 1' /dev/null");
    if ran.code == Some(127) {
        return println!("skipped: no `script` here");
    }
    assert!(ran.out.contains("-------------------  -----"), "{ran:?}");
}

#[test]
fn full_device_is_told() {
    let message = Sandbox::with_rows().shell("$LAKOTA read temp/bxl > /dev/full").fails(1);
    assert_eq!(message, "lakota: cannot write the standard output: No space left on device (os error 28)\n");
}

#[test]
fn a_file_is_not_written_through_a_link_that_another_user_made() {
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};
    let sandbox = Sandbox::with_rows();
    let victim = sandbox.file("victim", "secret");
    std::fs::create_dir(sandbox.path("open")).unwrap();
    std::fs::set_permissions(sandbox.path("open"), PermissionsExt::from_mode(0o1777)).unwrap();
    symlink(&victim, sandbox.path("open/out.csv")).unwrap();
    symlink(sandbox.path("elsewhere"), sandbox.path("open/folder")).unwrap();
    std::fs::create_dir(sandbox.path("elsewhere")).unwrap();
    sandbox.run(&["read", "temp/bxl", "-o", "open/out.csv"]).ok();
    assert!(sandbox.text("victim").starts_with("timestamp,value\n"), "one's own link is followed");
    sandbox.file("victim", "secret");
    for link in ["open/out.csv", "open/folder"] {
        if lchown(sandbox.path(link), Some(54_321), None).is_err() {
            println!("skipped: this user cannot make links of others");
            return;
        }
    }
    for words in [
        &["read", "temp/bxl", "-o", "open/out.csv"][..],
        &["blame", "temp/bxl", "-o", "open/out.csv"],
        &["diff", "temp/bxl", "-o", "open/out.csv"],
        &["export", "open/folder"],
        &["clone", ".lakota", "open/folder"],
        &["-r", "open/folder", "create", "c", "k int*"],
    ] {
        let message = sandbox.run(words).fails(1);
        assert!(message.contains("is a link of another user (uid 54321)"), "{message}");
        assert!(message.contains("remove it, or choose another place"), "{message}");
    }
    assert_eq!(sandbox.text("victim"), "secret");
    assert_eq!(sandbox.path("elsewhere").read_dir().unwrap().count(), 0);
}
