//! `diff`, `blame`, `restore` and `undo` as users call them.

use super::{CORRECTED, INPUT, Sandbox};

/// The revision whose line of the log has a text.
fn revision(sandbox: &Sandbox, text: &str) -> String {
    let log = sandbox.run(&["log", "temp", "--oneline"]).ok();
    let line = log.lines().find(|line| line.contains(text)).unwrap();
    line.split(' ').next().unwrap().to_owned()
}

/// Six rows, two corrections and a deletion.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_rows();
    sandbox.pipe("2020-06-23,24.2\n", &["write", "temp/bxl", "-m", "corrected"]).ok();
    sandbox.run(&["delete", "temp/bxl", "--start", "2020-06-27", "--stop", "2020-06-27"]).ok();
    sandbox.pipe("2020-06-30,1\n", &["write", "temp/rome", "-m", "rome"]).ok();
    sandbox
}

fn read(sandbox: &Sandbox) -> String {
    sandbox.run(&["read", "temp/bxl"]).ok()
}

#[test]
fn diff_shows_what_the_newest_revision_of_a_series_changed() {
    let sandbox = sandbox();
    let text = sandbox.run(&["diff", "temp/bxl"]).ok();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("--- temp/bxl\t"), "{text}");
    assert!(lines[1].starts_with("+++ temp/bxl\t2"), "{text}");
    assert_eq!(&lines[2..], ["@@ 2020-06-27T00:00:00 @@", "-2020-06-27T00:00:00,30.0"]);
}

#[test]
fn diff_of_two_revisions_tells_cells_and_objects() {
    let sandbox = sandbox();
    let (first, corrected) = (revision(&sandbox, "write bxl"), revision(&sandbox, "corrected"));
    let csv = sandbox.run(&["diff", &first, &corrected, "temp/bxl", "--format", "csv"]).ok();
    assert_eq!(csv, "op,timestamp,column,old,new\nchanged,2020-06-23T00:00:00,value,24.0,24.2\n");
    let json = sandbox.run(&["diff", &first, "temp/bxl", "--format", "json"]).ok();
    let lines: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["old"]["value"], 24.0);
    assert_eq!((&lines[1]["op"], &lines[1]["new"]), (&"removed".into(), &serde_json::Value::Null));
    let none = sandbox.run(&["diff", &first, "temp/bxl", "--start", "2020-06-24", "--stop", "2020-06-25"]);
    assert_eq!(none.ok(), "");
}

#[test]
fn diff_of_a_collection_tells_each_series() {
    let sandbox = sandbox();
    let first = revision(&sandbox, "write bxl");
    let stat = sandbox.run(&["diff", &first, "temp", "--stat"]).ok();
    assert_eq!(stat, "bxl: 0 added, 1 removed, 1 changed\nrome: 1 added, 0 removed, 0 changed (created)\n");
    let csv = sandbox.run(&["diff", &first, "temp", "--format", "csv"]).ok();
    assert!(csv.starts_with("series,op,timestamp,column,old,new\nbxl,changed,"), "{csv}");
    assert!(csv.contains("\nrome,added,2020-06-30T00:00:00,value,,1.0\n"), "{csv}");
}

#[test]
fn diff_compares_with_a_file_and_with_another_repository() {
    let sandbox = sandbox();
    sandbox.file("new.csv", CORRECTED);
    let stat = sandbox.run(&["diff", "new.csv", "temp/bxl", "--stat", "--format", "csv"]).ok();
    assert_eq!(stat, "series,added,removed,changed\nbxl,0,1,3\n");
    let piped = sandbox.pipe(CORRECTED, &["diff", "-", "temp/bxl", "--stat", "--format", "csv"]).ok();
    assert_eq!(piped, stat);
    sandbox.shell("cp -r .lakota other && echo 2020-06-24,9 | $LAKOTA -q write temp/bxl -r other").ok();
    let other = sandbox.run(&["diff", "temp/bxl", "--with", "other", "--format", "csv"]).ok();
    let expected = "op,timestamp,column,old,new\nchanged,2020-06-24T00:00:00,value,9.0,27.0\n";
    assert_eq!(other, expected);
    sandbox.run(&["remote", "add", "copy", "other"]).ok();
    assert_eq!(sandbox.run(&["diff", "temp/bxl", "--with", "copy", "--format", "csv"]).ok(), expected);
    sandbox.run(&["diff", "temp/bxl", "--with", "nowhere"]).fails(1);
}

#[test]
fn diff_refuses_what_is_neither_revision_nor_file() {
    let sandbox = sandbox();
    let message = sandbox.run(&["diff", "nothing", "temp/bxl"]).fails(1);
    assert!(message.contains("no file and no revision"), "{message}");
    sandbox.run(&["diff", "temp/none"]).fails(1);
    sandbox.run(&["diff"]).fails(2);
}

#[test]
fn blame_names_the_writer_of_each_row() {
    let sandbox = sandbox();
    let (first, corrected) = (revision(&sandbox, "write bxl"), revision(&sandbox, "corrected"));
    let csv = sandbox.run(&["blame", "temp/bxl", "--stop", "2020-06-25"]).ok();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "revision,time,author,timestamp,value");
    let writers: Vec<&str> = lines[1..].iter().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(writers, [&first, &corrected, &first]);
    let json = sandbox.run(&["blame", "temp/bxl", "--tail", "1", "--format", "json"]).ok();
    let line: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((line["revision"].as_str(), line["value"].as_f64()), (Some(first.as_str()), Some(32.0)));
}

#[test]
fn restore_brings_back_a_range_a_series_and_a_collection() {
    let sandbox = sandbox();
    let first = revision(&sandbox, "write bxl");
    let day = ["--start", "2020-06-27", "--stop", "2020-06-27"];
    let said = sandbox.run(&[&["restore", "temp/bxl", "--to", &first][..], &day].concat()).err;
    assert!(said.starts_with("restored temp/bxl: 5 -> 6 rows, 1 index value changed, revision 2"), "{said}");
    assert!(read(&sandbox).contains("2020-06-27") && read(&sandbox).contains("24.2"));
    sandbox.run(&["restore", "temp/bxl", "--to", &first]).ok();
    let clean = Sandbox::with_rows();
    assert_eq!(read(&sandbox), read(&clean));
    sandbox.run(&["delete", "temp/bxl"]).ok();
    sandbox.run(&["restore", "temp/bxl"]).ok();
    assert_eq!(read(&sandbox), read(&clean));
    sandbox.run(&["restore", "temp", "--to", &first]).ok();
    assert_eq!(sandbox.run(&["ls", "temp"]).ok(), "bxl\n", "rome came later");
    sandbox.run(&["delete", "temp"]).ok();
    sandbox.run(&["restore", "temp"]).ok();
    assert_eq!(read(&sandbox), read(&clean));
    assert!(sandbox.run(&["restore", "temp"]).fails(1).contains("--to"));
    assert!(sandbox.run(&["restore", "temp/never"]).fails(1).contains("never"));
}

#[test]
fn undo_takes_back_one_revision_and_says_what_stands_in_the_way() {
    let sandbox = sandbox();
    let corrected = revision(&sandbox, "corrected");
    sandbox.run(&["undo", &corrected]).ok();
    assert!(read(&sandbox).contains("2020-06-23T00:00:00,24.0\n"));
    assert!(sandbox.run(&["undo", &corrected]).err.contains("nothing changed"));
    sandbox.pipe("2020-06-23,7\n", &["write", "temp/bxl", "-m", "later"]).ok();
    let later = revision(&sandbox, "\"later\"");
    let message = sandbox.run(&["undo", &corrected]).fails(3);
    assert!(message.contains("2020-06-23T00:00:00") && message.contains(&later), "{message}");
    let made = revision(&sandbox, "create temp");
    assert!(sandbox.run(&["undo", &made]).fails(1).contains("cannot be undone"));
    let deleted =
        sandbox.shell("$LAKOTA delete temp && $LAKOTA log --oneline | head -1 | cut -d' ' -f1").ok();
    sandbox.run(&["undo", deleted.trim()]).ok();
    assert_eq!(
        sandbox.run(&["len", "temp/bxl"]).ok().trim().parse::<usize>().unwrap(),
        INPUT.lines().count() - 1
    );
}

#[test]
fn a_series_that_has_another_label_now_is_not_restored_under_its_old_one() {
    let sandbox = sandbox();
    sandbox.run(&["rename", "temp/rome", "temp/roma"]).ok();
    sandbox.pipe("2020-06-30,2\n", &["write", "temp/roma"]).ok();
    let first = revision(&sandbox, "\"rome\"");
    for args in [vec!["restore", "temp/rome"], vec!["restore", "temp/rome", "--to", &first]] {
        let err = sandbox.run(&args).fails(1);
        assert!(err.contains("temp/rome is temp/roma now"), "{err}");
    }
    assert_eq!(sandbox.run(&["read", "temp/roma"]).ok(), "timestamp,value\n2020-06-30T00:00:00,2.0\n");
}

#[test]
fn a_file_is_compared_under_the_label_of_the_series() {
    let sandbox = sandbox();
    sandbox.run(&["read", "temp/bxl", "-o", "same.csv"]).ok();
    assert_eq!(sandbox.run(&["diff", "same.csv", "temp/bxl"]).ok(), "", "nothing differs");
    let stat = |what: &[&str]| sandbox.run(&[&["diff", "--stat"], what].concat()).ok();
    let nothing = "bxl: 0 added, 0 removed, 0 changed\n";
    assert_eq!(stat(&["same.csv", "temp/bxl"]), nothing);
    assert_eq!(stat(&["same.csv", "same.csv", "temp/bxl"]), nothing);
    assert_eq!(stat(&["~0", "same.csv", "temp/b"]), nothing);
}

#[test]
fn json_is_asked_for_by_one_option_in_every_verb() {
    let sandbox = sandbox();
    for words in [&["read", "temp/bxl"][..], &["log", "temp"], &["diff", "temp/bxl"], &["blame", "temp/bxl"]]
    {
        let long = sandbox.run(&[words, &["--format", "json"]].concat()).ok();
        assert!(long.starts_with('{'), "{long}");
        assert_eq!(sandbox.run(&[words, &["--json"]].concat()).ok(), long);
        sandbox.run(&[words, &["--json", "--format", "json"]].concat()).fails(2);
    }
    let show = |words: &[&str]| -> serde_json::Value {
        serde_json::from_str(&sandbox.run(&[&["show", "--json"], words].concat()).ok()).unwrap()
    };
    assert_eq!(show(&["latest"])["collection"], "temp");
    let named = sandbox.shell("$LAKOTA log --oneline | head -1 | cut -d' ' -f1").ok();
    assert!(show(&[named.trim()])["collection"].is_null(), "the registry");
}

#[test]
fn blame_writes_a_file() {
    let sandbox = sandbox();
    sandbox.run(&["blame", "temp/bxl", "-o", "blame.csv"]).ok();
    assert_eq!(sandbox.text("blame.csv"), sandbox.run(&["blame", "temp/bxl"]).ok());
}

#[test]
fn diff_with_a_file_tells_of_no_renaming() {
    let sandbox = sandbox();
    sandbox.file("other.csv", "2020-06-22,1\n");
    let stat = sandbox.run(&["diff", "other.csv", "temp/bxl", "--stat"]).ok();
    assert!(stat.starts_with("bxl: ") && stat.ends_with(" changed\n"), "{stat}");
}

#[test]
fn what_is_no_time_is_told_with_examples() {
    let message = sandbox().run(&["read", "temp/bxl", "--before", "now"]).fails(2);
    assert!(message.contains("such as 2020-06, 2020-06-22"), "{message}");
}

#[test]
fn blame_keeps_its_columns_apart_from_those_of_the_rows() {
    let sandbox = Sandbox::with_rows();
    sandbox.run(&["create", "t/a", "time int*", "author str"]).ok();
    sandbox.pipe("1,me\n", &["write", "t/a"]).ok();
    let csv = sandbox.run(&["blame", "t/a"]).ok();
    assert!(csv.starts_with("revision,revision_time,revision_author,time,author\n"), "{csv}");
    let json = sandbox.run(&["blame", "t/a", "--format", "json"]).ok();
    let row: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&row["time"], &row["author"]), (&1.into(), &"me".into()));
    assert!(row["revision_time"].is_string(), "{json}");
}

#[test]
fn what_can_be_undone_tells_its_revision() {
    let sandbox = sandbox();
    let newest = || sandbox.shell("$LAKOTA log temp --oneline --limit 1 | cut -d' ' -f1").ok();
    let renamed = sandbox.run(&["rename", "temp/bxl", "temp/Brussels"]).err;
    assert_eq!(renamed, format!("renamed series temp/bxl to temp/Brussels, revision {}", newest()));
    let deleted = sandbox.run(&["delete", "temp/Brussels"]).err;
    assert_eq!(deleted, format!("deleted series temp/Brussels, revision {}", newest()));
}

#[test]
fn a_renamed_column_is_the_same_in_a_diff() {
    let sandbox = sandbox();
    let first = revision(&sandbox, "write bxl");
    sandbox.run(&["alter", "temp", "rename", "value", "degrees"]).ok();
    sandbox.pipe("2020-06-24,27.5\n", &["write", "temp/bxl", "-m", "again"]).ok();
    let csv = |what: &[&str]| sandbox.run(&[&["diff", "--format", "csv"], what].concat()).ok();
    let corrected = revision(&sandbox, "corrected");
    let forth = "op,timestamp,column,old,new\nchanged,2020-06-24T00:00:00,degrees,27.0,27.5\n";
    assert_eq!(csv(&["--start", "2020-06-24", "--stop", "2020-06-25", &corrected, "temp/bxl"]), forth);
    let stat = sandbox.run(&["diff", &first, "temp/bxl", "--stat"]).ok();
    assert_eq!(stat, "bxl: 0 added, 1 removed, 2 changed\n");
    let back = sandbox.run(&["diff", "latest", &first, "temp/bxl", "--stat"]).ok();
    assert_eq!(back, "bxl: 1 added, 0 removed, 2 changed\n");
}
