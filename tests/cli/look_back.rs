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

/// Rows with a note and a number, tagged `good`; then the number is dropped.
fn with_dropped_column() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "c", "k int*", "n int", "v float"]).ok();
    for label in ["c/a", "c/b"] {
        sandbox.pipe("1,10,.5\n2,20,1.5\n3,30,2.5\n", &["write", label, "-m", "three"]).ok();
    }
    sandbox.run(&["tag", "good"]).ok();
    sandbox.run(&["alter", "c", "drop", "n"]).ok();
    sandbox
}

const ALL: &str = "k,v,n\n1,0.5,10\n2,1.5,20\n3,2.5,30\n";

#[test]
fn restore_tells_what_a_dropped_column_had_and_how_it_comes_back() {
    let sandbox = with_dropped_column();
    let to_good = |place: &str| sandbox.run(&["restore", place, "--to", "good"]);
    let log = || sandbox.run(&["log", "c", "--oneline"]).ok();
    let before = log();
    let message = to_good("c/a").fails(1);
    for part in ["nothing changed", "column n int", "dropped", "`lakota alter c add 'n int'`"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(to_good("c").fails(1).contains("\"n int\" was dropped since"));
    assert_eq!(log(), before);
    // What can come back does, with a word of the rest.
    sandbox.pipe("2,7\n", &["write", "c/a"]).ok();
    let ran = to_good("c/a");
    assert!(ran.err.starts_with("restored c/a: 3 -> 3 rows, 1 index value changed"), "{}", ran.err);
    assert!(ran.err.contains("lakota: the values of column n int do not come back"), "{}", ran.err);
    ran.ok();
    let quiet = sandbox.shell("echo 2,7 | $LAKOTA -q write c/a; $LAKOTA -q restore c/a --to good");
    assert!(quiet.err.contains("column n int"), "{}", quiet.err);
    // Where nothing of it is missing, nothing is said.
    sandbox.pipe("9,9\n", &["write", "c/a"]).ok();
    let nine = ["restore", "c/a", "--to", "good", "--start", "9", "--stop", "9"];
    assert!(!sandbox.run(&nine).err.contains("column"));
    sandbox.run(&["alter", "c", "add", "n int"]).ok();
    to_good("c/a").ok();
    assert_eq!(sandbox.run(&["read", "c/a"]).ok(), ALL);
    let said = to_good("c").err;
    assert!(said.starts_with("restored 1 series of c"), "{said}");
    assert_eq!(sandbox.run(&["read", "c/b"]).ok(), ALL);
    assert!(to_good("c").err.starts_with("nothing changed"));
}

#[test]
fn a_deleted_series_comes_back_across_a_dropped_column() {
    let sandbox = with_dropped_column();
    sandbox.run(&["delete", "c/a"]).ok();
    let deleted = sandbox.shell("$LAKOTA log c --oneline --limit 1 | cut -d' ' -f1").ok();
    let ran = sandbox.run(&["restore", "c/a", "--to", "good"]);
    assert!(ran.err.contains("column n int do not come back"), "{}", ran.err);
    assert_eq!(sandbox.run(&["read", "c/a"]).ok(), "k,v\n1,0.5\n2,1.5\n3,2.5\n");
    sandbox.run(&["delete", "c/a"]).ok();
    sandbox.run(&["alter", "c", "add", "n int"]).ok();
    sandbox.run(&["restore", "c/a", "--to", "good"]).ok();
    assert_eq!(sandbox.run(&["read", "c/a"]).ok(), ALL);
    assert_eq!(sandbox.run(&["undo", deleted.trim()]).fails(3).matches("created again").count(), 1);
}

#[test]
fn a_column_of_another_type_under_the_name_is_told() {
    let sandbox = with_dropped_column();
    sandbox.run(&["alter", "c", "add", "n str"]).ok();
    let message = sandbox.run(&["restore", "c/a", "--to", "good"]).fails(1);
    assert!(
        message.contains("`lakota alter c rename n OTHER-NAME`, `lakota alter c add 'n int'`"),
        "{message}"
    );
    let message = sandbox.run(&["restore", "c", "--to", "good"]).fails(1);
    assert!(message.contains("\"n int\" was dropped since, \"n str\" was added since"), "{message}");
}

#[test]
fn undo_across_a_dropped_column_tells_only_what_it_took_back() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "c", "k int*", "n int", "v float"]).ok();
    sandbox.pipe("1,10,.5\n2,20,1.5\n", &["write", "c/a"]).ok();
    let newest = || sandbox.shell("$LAKOTA log c --oneline --limit 1 | cut -d' ' -f1").ok().trim().to_owned();
    sandbox.pipe("1,10,7\n", &["write", "c/a"]).ok();
    let of_v = newest();
    sandbox.pipe("2,21,7\n", &["write", "c/a"]).ok();
    let of_both = newest();
    sandbox.run(&["alter", "c", "drop", "n"]).ok();
    let undo = |revision: &str| sandbox.run(&["undo", revision]);
    assert!(!undo(&of_v).err.contains("column"));
    let said = undo(&of_both).err;
    assert!(said.starts_with("undid ") && said.contains("column n int do not come back"), "{said}");
    assert_eq!(sandbox.run(&["read", "c/a"]).ok(), "k,v\n1,0.5\n2,1.5\n");
}

#[test]
fn a_collection_is_restored_across_renamed_columns() {
    let sandbox = sandbox();
    let first = revision(&sandbox, "write bxl");
    let before = sandbox.run(&["read", "temp/bxl", "--revision", &first]).ok();
    sandbox.run(&["alter", "temp", "rename", "value", "degrees"]).ok();
    sandbox.run(&["restore", "temp", "--to", &first]).ok();
    assert_eq!(read(&sandbox), before.replace("value", "degrees"));
    assert_eq!(sandbox.run(&["ls", "temp"]).ok(), "bxl\n");
    sandbox.run(&["alter", "temp", "add", "unit str"]).ok();
    sandbox.pipe("2020-06-22,1,C\n", &["write", "temp/bxl"]).ok();
    let message = sandbox.run(&["restore", "temp", "--to", &first]).fails(1);
    assert!(message.contains("\"unit str\" was added since"), "{message}");
}

/// Whether a header has no name twice.
#[track_caller]
fn has_each_name_once(csv: &str) {
    let head = csv.lines().next().unwrap();
    let mut names: Vec<&str> = head.split(',').collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), head.split(',').count(), "{head}");
}

#[test]
fn our_columns_give_way_to_those_of_the_rows() {
    let sandbox = Sandbox::new();
    let columns =
        ["op str*", "series str*", "old int*", "revision int", "time int", "revision_time int", "new str"];
    sandbox.run(&[&["create", "c/s"][..], &columns].concat()).ok();
    sandbox.pipe("a,b,1,2,3,4,x\n", &["write", "c/s"]).ok();
    let diff = |words: &[&str]| sandbox.run(&[&["diff", "--format", "csv"], words].concat()).ok();
    assert!(diff(&["c/s"]).starts_with("diff_op,op,series,old,column,diff_old,new\n"), "{}", diff(&["c/s"]));
    assert!(diff(&["c"]).starts_with("diff_series,diff_op,op,series,old,column,diff_old,new\n"));
    let blame = sandbox.run(&["blame", "c/s"]).ok();
    has_each_name_once(&blame);
    assert!(blame.starts_with("revision_revision,revision_revision_time,author,op,"), "{blame}");
    let json = sandbox.run(&["blame", "c/s", "--json"]).ok();
    for name in ["revision", "time", "author", "revision_time", "revision_revision_time"] {
        assert_eq!(json.matches(&format!("\"{name}\":")).count(), 1, "{json}");
    }
}

#[test]
fn columns_of_one_name_and_other_types_are_told_apart_whatever_others_are_called() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "c/s", "k int*", "v int", "v (int) str"]).ok();
    sandbox.pipe("1,2,x\n", &["write", "c/s"]).ok();
    sandbox.run(&["tag", "before"]).ok();
    for words in [["drop", "v"], ["add", "v str"]] {
        sandbox.run(&[&["alter", "c"][..], &words].concat()).ok();
    }
    let csv = sandbox.run(&["diff", "before", "c/s", "--format", "csv"]).ok();
    assert_eq!(csv, "op,k,column,old,new\nchanged,1,v (int) (int),2,\n");
}
