//! The other verbs, one by one, and the modes of `write`.

use super::{CORRECTED, INPUT, Sandbox};

fn rows(sandbox: &Sandbox, place: &str) -> String {
    let out = sandbox.run(&["read", place]).ok();
    let short = out.lines().skip(1).map(|line| line.replace("2020-06-", "").replace("T00:00:00", ""));
    short.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_help_ends_with_an_example() {
    let sandbox = Sandbox::new();
    for verb in [
        "create",
        "ls",
        "schema",
        "write",
        "read",
        "len",
        "rename",
        "delete",
        "log",
        "show",
        "diff",
        "blame",
        "restore",
        "undo",
        "alter",
        "status",
        "merge",
        "pack",
        "defrag",
        "trim",
        "squash",
        "gc",
        "verify",
        "why",
        "rejected",
        "import",
        "export",
        "version",
        "completions",
    ] {
        let help = sandbox.run(&[verb, "--help"]).ok();
        assert!(help.lines().last().unwrap().starts_with("  "), "{verb}");
        assert!(help.contains("Example") && help.contains(&format!("lakota {verb}")), "{verb}");
    }
}

#[test]
fn every_help_of_what_is_done_with_rejected_bytes_ends_with_an_example() {
    let sandbox = Sandbox::new();
    for verb in ["show", "retry", "drop"] {
        let help = sandbox.run(&["rejected", verb, "--help"]).ok();
        assert!(help.lines().last().unwrap().starts_with(&format!("  lakota rejected {verb} ")), "{help}");
    }
}

#[test]
fn without_a_mount_refusals_are_told_nowhere_and_how_to_mount_is() {
    let sandbox = Sandbox::with_rows();
    for words in [
        &["why", "temp/bxl"][..],
        &["rejected"],
        &["rejected", "--json"],
        &["rejected", "show", "x.csv"],
        &["rejected", "retry", "rejected/x.csv", "--to", "temp/bxl"],
        &["rejected", "drop", "x.csv", "y.csv"],
    ] {
        let message = sandbox.run(words).fails(1);
        assert!(
            message.contains("no mount of .lakota answers: `lakota mount -r .lakota "),
            "{words:?}: {message}"
        );
    }
    let folder = sandbox.path("").display().to_string();
    let message = sandbox.run(&["rejected", &folder, "show", "x.csv"]).fails(1);
    assert!(message.contains("is no lakota mount"), "{message}");
    let message = sandbox.run(&["why", &folder]).fails(1);
    assert!(message.contains("lies in no lakota mount"), "{message}");
}

#[test]
fn arguments_of_refusals_that_make_no_sense_are_refused() {
    let sandbox = Sandbox::with_rows();
    for words in [
        &["why"][..],
        &["rejected", "show"],
        &["rejected", "drop"],
        &["rejected", "retry", "x", "--to", "/"],
        &["rejected", "--json", "show", "x"],
    ] {
        sandbox.run(words).fails(2);
    }
}

#[test]
fn create_accepts_what_exists_with_the_same_columns() {
    let sandbox = Sandbox::with_rows();
    let ran = sandbox.run(&["create", "temp/bxl", "timestamp timestamp*", "value float"]);
    assert_eq!(
        ran.err,
        "nothing changed: collection temp exists with these columns\nnothing changed: series temp/bxl exists\n"
    );
    assert_eq!(sandbox.run(&["len", "temp/bxl"]).ok(), "6\n");
}

#[test]
fn create_refuses_other_columns() {
    let message = Sandbox::with_rows().run(&["create", "temp", "timestamp date*", "value float"]).fails(1);
    assert!(
        message.contains("exists with another schema: \"timestamp timestamp*\" \"value float\""),
        "{message}"
    );
}

#[test]
fn create_makes_an_empty_series_of_a_collection_there_is() {
    let sandbox = Sandbox::with_rows();
    sandbox.run(&["create", "temp/new"]).ok();
    assert_eq!(sandbox.run(&["ls", "temp"]).ok(), "bxl\nnew\n");
}

#[test]
fn repository_is_found_by_option_and_by_environment() {
    let sandbox = Sandbox::with_rows();
    sandbox.shell("mv .lakota store").ok();
    assert_eq!(sandbox.run(&["-r", "store", "ls"]).ok(), "temp\n");
    assert_eq!(sandbox.shell("LAKOTA_REPO=store $LAKOTA ls").ok(), "temp\n");
}

#[test]
fn range_of_a_write_may_be_wider_than_its_rows() {
    let sandbox = Sandbox::with_rows();
    sandbox
        .pipe("2020-06-24,1\n", &["write", "temp/bxl", "--start", "2020-06-23", "--stop", "2020-06-25"])
        .ok();
    assert_eq!(rows(&sandbox, "temp/bxl"), "22,25.0 24,1.0 26,32.0 27,30.0");
}

#[test]
fn missing_bound_of_a_write_is_the_last_row() {
    let sandbox = Sandbox::with_rows();
    sandbox.pipe("2020-06-24,1\n2020-06-25,2\n", &["write", "temp/bxl", "--start", "2020-06-23"]).ok();
    assert_eq!(rows(&sandbox, "temp/bxl"), "22,25.0 24,1.0 25,2.0 26,32.0 27,30.0");
}

#[test]
fn upsert_keeps_rows_between() {
    let sandbox = Sandbox::with_rows();
    sandbox.pipe("2020-06-27,1\n2020-06-23,2\n", &["write", "temp/bxl", "--upsert"]).ok();
    assert_eq!(rows(&sandbox, "temp/bxl"), "22,25.0 23,2.0 24,27.0 25,31.0 26,32.0 27,1.0");
}

#[test]
fn append_refuses_earlier_rows() {
    let message = Sandbox::with_rows().refused("2020-06-26,1\n", &["write", "temp/bxl", "--append"]);
    assert!(
        message.contains("2020-06-26T00:00:00 lies before the last one at 2020-06-27T00:00:00"),
        "{message}"
    );
}

#[test]
fn replace_leaves_only_the_input() {
    let sandbox = Sandbox::with_rows();
    sandbox.pipe("2020-06-24,1\n", &["write", "temp/bxl", "--replace"]).ok();
    assert_eq!(rows(&sandbox, "temp/bxl"), "24,1.0");
}

#[test]
fn update_gives_some_columns_new_values() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "c", "k int*", "a int", "b int"]).ok();
    sandbox.pipe("1,10,100\n2,20,200\n", &["write", "c/s"]).ok();
    sandbox.pipe("b,k\n9,2\n", &["write", "c/s", "--update"]).ok();
    assert_eq!(sandbox.run(&["read", "c/s"]).ok(), "k,a,b\n1,10,100\n2,20,9\n");
}

#[test]
fn update_of_a_row_that_is_not_there_is_refused() {
    let message = Sandbox::with_rows().refused("2020-07-24,1\n", &["write", "temp/bxl", "--update"]);
    assert!(message.contains("there is no row at 2020-07-24T00:00:00"), "{message}");
}

#[test]
fn files_become_series_in_one_revision() {
    let sandbox = Sandbox::with_rows();
    sandbox.file("in/paris.csv", INPUT);
    sandbox.file("in/rome.csv", CORRECTED);
    sandbox.run(&["write", "temp", "in/paris.csv", "in/rome.csv", "-m", "nightly"]).ok();
    let log = sandbox.run(&["log", "temp", "--oneline", "--limit", "1"]).ok();
    assert!(log.ends_with("\"nightly\" 2 series\n"), "{log}");
    assert_eq!(sandbox.run(&["len", "temp"]).ok(), "18\n");
}

#[test]
fn bad_file_among_several_writes_none() {
    let sandbox = Sandbox::with_rows();
    sandbox.file("in/paris.csv", INPUT);
    sandbox.file("in/rome.csv", "2020-06-22,x\n");
    let message = sandbox.refused("", &["write", "temp", "in/paris.csv", "in/rome.csv"]);
    assert!(message.contains("in/rome.csv: line 1, column value"), "{message}");
}

#[test]
fn files_of_one_name_are_refused() {
    let sandbox = Sandbox::with_rows();
    sandbox.file("a/paris.csv", INPUT);
    sandbox.file("b/paris.csv", INPUT);
    let message = sandbox.refused("", &["write", "temp", "a/paris.csv", "b/paris.csv"]);
    assert!(message.contains("a/paris.csv and b/paris.csv would both be series \"paris\""), "{message}");
}

#[test]
fn schema_shows_what_create_takes() {
    let schema = Sandbox::with_rows().run(&["schema", "temp"]).ok();
    assert_eq!(schema, "timestamp timestamp*\nvalue float\n");
}

#[test]
fn long_listing_has_rows_and_bounds() {
    let listing = Sandbox::with_rows().run(&["ls", "-l", "temp"]).ok();
    assert!(listing.contains("bxl        6  2020-06-22T00:00:00  2020-06-27T00:00:00"), "{listing}");
}

#[test]
fn series_is_renamed_with_its_history() {
    let sandbox = Sandbox::with_rows();
    sandbox.run(&["rename", "temp/bxl", "temp/Brussels"]).ok();
    let log = sandbox.run(&["log", "temp/Brussels", "--oneline"]).ok();
    assert_eq!(log.lines().count(), 2, "{log}");
}

#[test]
fn collection_is_renamed_with_its_rows() {
    let sandbox = Sandbox::with_rows();
    sandbox.run(&["rename", "temp", "heat"]).ok();
    assert_eq!(sandbox.run(&["len", "heat/bxl"]).ok(), "6\n");
}

#[test]
fn rename_to_a_label_that_is_taken_is_refused() {
    let sandbox = Sandbox::with_rows();
    sandbox.run(&["create", "temp/new"]).ok();
    let message = sandbox.run(&["rename", "temp/bxl", "temp/new"]).fails(1);
    assert!(message.contains("\"new\" exists already"), "{message}");
}

#[test]
fn deleted_rows_include_both_bounds() {
    let sandbox = Sandbox::with_rows();
    let words = ["delete", "temp/bxl", "--start", "2020-06-23", "--stop", "2020-06-26"];
    assert!(sandbox.run(&words).err.starts_with("deleted 4 rows of temp/bxl, revision "));
    assert_eq!(rows(&sandbox, "temp/bxl"), "22,25.0 27,30.0");
}

#[test]
fn deleted_series_keeps_its_history() {
    let sandbox = Sandbox::with_rows();
    sandbox.run(&["delete", "temp/bxl"]).ok();
    assert_eq!(sandbox.run(&["ls", "temp"]).ok(), "");
    assert_eq!(sandbox.run(&["log", "temp/bxl", "--oneline"]).ok().lines().count(), 2);
}

#[test]
fn deleted_collection_is_gone_from_the_list() {
    let sandbox = Sandbox::with_rows();
    sandbox.run(&["delete", "temp"]).ok();
    assert_eq!(sandbox.run(&["ls"]).ok(), "");
}

#[test]
fn log_tells_what_changed() {
    let sandbox = Sandbox::with_rows();
    sandbox.pipe(CORRECTED, &["write", "temp/bxl", "-m", "calibrated"]).ok();
    let log = sandbox.run(&["rev", "temp", "--limit", "1"]).ok();
    assert!(
        log.contains("message   calibrated\nchanged   bxl: 6 -> 6 rows, 5 index values changed\n"),
        "{log}"
    );
}

#[test]
fn log_as_json_has_its_fields_in_order() {
    let log = Sandbox::with_rows().run(&["log", "temp", "--format", "json", "--limit", "1"]).ok();
    let at: Vec<Option<usize>> = ["id", "time", "parents", "author", "message", "changes"]
        .iter()
        .map(|name| log.find(&format!("\"{name}\":")))
        .collect();
    assert!(at.is_sorted() && at[0] == Some(1) && log.lines().count() == 1, "{log}");
}

#[test]
fn log_without_a_place_is_that_of_the_registry() {
    let log = Sandbox::with_rows().run(&["log", "--oneline"]).ok();
    assert!(log.contains("\"create temp\""), "{log}");
}

#[test]
fn show_finds_a_revision_by_its_digits() {
    let sandbox = Sandbox::with_rows();
    let log = sandbox.run(&["log", "temp", "--oneline", "--limit", "1"]).ok();
    let id = log.split(' ').next().unwrap();
    let shown = sandbox.run(&["show", id.rsplit_once('-').unwrap().1]).ok();
    assert!(shown.contains(&format!("revision  {id}\n")), "{shown}");
    assert!(shown.contains("2020-06-22T00:00:00"), "{shown}");
}

#[test]
fn show_of_no_revision_is_told() {
    let message = Sandbox::with_rows().run(&["show", "ffffffffff"]).fails(1);
    assert_eq!(message, "lakota: there is no revision \"ffffffffff\"\n");
}

#[test]
fn timing_tells_time_and_memory() {
    let said = Sandbox::with_rows().run(&["--timing", "ls"]).err;
    assert!(said.contains(" ms, ") && said.contains(" MiB"), "{said}");
}

#[test]
fn completions_are_a_script() {
    assert!(Sandbox::new().run(&["completions", "bash"]).ok().contains("complete -F _lakota"));
}
