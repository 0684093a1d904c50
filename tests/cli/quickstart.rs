//! The quickstart: create, write, correct, read, upkeep.

use super::{CORRECTED, INPUT, Sandbox};

/// Runs the session up to the second write.
fn corrected() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("input.csv", INPUT);
    sandbox.file("input-corrected.csv", CORRECTED);
    sandbox.run(&["create", "temp/bxl", "timestamp timestamp*", "value float"]).ok();
    sandbox.shell("cat input.csv | $LAKOTA write temp/bxl").ok();
    sandbox.shell("cat input-corrected.csv | $LAKOTA write temp/bxl").ok();
    sandbox
}

#[test]
fn session_gives_the_six_corrected_rows() {
    let read = corrected().run(&["read", "temp/bxl"]).ok();
    assert_eq!(
        read,
        "timestamp,value\n2020-06-22T00:00:00,25.2\n2020-06-23T00:00:00,24.2\n2020-06-24T00:00:00,27.9\n\
         2020-06-25T00:00:00,31.0\n2020-06-26T00:00:00,32.5\n2020-06-27T00:00:00,30.1\n"
    );
}

#[test]
fn table_has_a_header_a_rule_and_numbers_to_the_right() {
    let table = corrected().run(&["read", "temp/bxl", "--format", "table", "--limit", "2"]).ok();
    assert_eq!(
        table,
        "timestamp            value\n-------------------  -----\n\
         2020-06-22T00:00:00   25.2\n2020-06-23T00:00:00   24.2\n"
    );
}

#[test]
fn write_says_rows_range_and_revision() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "temp", "timestamp timestamp*", "value float"]).ok();
    let said = sandbox.pipe(INPUT, &["write", "temp/bxl"]).err;
    let start = "wrote 6 rows to temp/bxl [2020-06-22T00:00:00 .. 2020-06-27T00:00:00], revision 2";
    assert!(said.starts_with(start) && said.lines().count() == 1, "{said}");
}

#[test]
fn same_rows_again_make_no_revision() {
    let sandbox = corrected();
    let before = sandbox.run(&["log", "temp"]).ok();
    let said = sandbox.pipe(CORRECTED, &["write", "temp/bxl"]).err;
    assert_eq!(said, "nothing changed: temp/bxl has these rows already\n");
    assert_eq!(sandbox.run(&["log", "temp"]).ok(), before);
}

#[test]
fn quiet_says_nothing() {
    let sandbox = corrected();
    assert_eq!(sandbox.pipe(INPUT, &["-q", "write", "temp/bxl"]).err, "");
}

#[test]
fn state_before_the_correction_can_be_read() {
    let sandbox = corrected();
    let log = sandbox.run(&["log", "temp", "--oneline"]).ok();
    let first_write = log.lines().nth(1).unwrap().split(' ').next().unwrap();
    let read = sandbox.run(&["read", "temp/bxl", "--revision", first_write, "--limit", "1"]).ok();
    assert_eq!(read, "timestamp,value\n2020-06-22T00:00:00,25.0\n");
}
