//! Names of revisions on the command line: tags, times, counts; logs that leave things out.

use super::{CORRECTED, INPUT, Sandbox};
use std::process::Command;

/// The first word of each line.
fn ids(lines: &str) -> Vec<&str> {
    lines.lines().map(|line| line.split(' ').next().unwrap()).collect()
}

/// `temp` with three revisions of `temp/bxl` and one of `temp/ath` between; their ids, newest first.
fn with_history() -> (Sandbox, Vec<String>) {
    let sandbox = Sandbox::with_rows();
    sandbox.pipe(CORRECTED, &["write", "temp/bxl", "-m", "corrected values"]).ok();
    sandbox.pipe("2020-06-22,40\n", &["write", "temp/ath"]).ok();
    sandbox.pipe("2020-06-28,33\n", &["write", "temp/bxl"]).ok();
    let log = sandbox.run(&["log", "temp", "--oneline"]).ok();
    let ids = ids(&log).into_iter().map(str::to_owned).collect();
    (sandbox, ids)
}

#[test]
fn a_tag_is_accepted_wherever_a_revision_is() {
    let (sandbox, ids) = with_history();
    let said = sandbox.run(&["tag", "first-look", "temp", &ids[3]]);
    assert!(said.err.contains(&format!("tagged temp at revision {} as first-look", ids[3])), "{}", said.err);
    let first = sandbox.run(&["read", "temp/bxl", "--revision", "first-look"]).ok();
    assert!(first.contains("2020-06-22T00:00:00,25.0\n"), "{first}");
    assert_eq!(sandbox.run(&["len", "temp/bxl", "--revision", "first-look"]).ok(), "6\n");
    assert_eq!(sandbox.run(&["ls", "temp", "--revision", "first-look"]).ok(), "bxl\n");
    let shown = sandbox.run(&["show", "first-look"]).ok();
    assert!(shown.contains(&format!("revision  {}\ntag       first-look\n", ids[3])), "{shown}");
    let line = sandbox.run(&["log", "temp", "--oneline", "--reverse", "--limit", "2"]).ok();
    assert!(line.contains(&format!("{} (tag: first-look) ", ids[3])), "{line}");
    let json = sandbox.run(&["log", "temp", "--format", "json"]).ok();
    let tagged: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(tagged[3]["tags"], serde_json::json!(["first-look"]));
    assert_eq!(tagged[0]["tags"], serde_json::json!([]));
}

#[test]
fn counts_times_and_prefixes_name_revisions() {
    let (sandbox, ids) = with_history();
    let read = |name: &str| sandbox.run(&["read", "temp/bxl", "--tail", "1", "--revision", name]).ok();
    let last = "timestamp,value\n2020-06-28T00:00:00,33.0\n";
    let before = "timestamp,value\n2020-06-27T00:00:00,30.1\n";
    assert_eq!((read("latest"), read("~0")), (last.into(), last.into()));
    // Of the series, the one of `ath` between does not count.
    assert_eq!(read("~1"), before);
    assert_eq!(read("~2"), "timestamp,value\n2020-06-27T00:00:00,30.0\n");
    assert_eq!(read(&ids[1]), before);
    assert_eq!(read(&format!("@{}", ids[2].rsplit('-').next().unwrap())), before);
    let day = ids[0].split('T').next().unwrap();
    assert_eq!(read(day), last);
    assert_eq!(sandbox.run(&["ls", "temp", "--revision", "~3"]).ok(), "bxl\n");
    let error = sandbox.run(&["read", "temp/bxl", "--revision", "2400-01-01"]).fails(1);
    assert!(error.contains("2400-01-01T00:00:00.000Z has not come yet"), "{error}");
    let error = sandbox.run(&["read", "temp/bxl", "--revision", "~9"]).fails(1);
    assert!(error.contains("there is no revision \"~9\" in temp"), "{error}");
    let error = sandbox.run(&["read", "temp/bxl", "--before", "2020-06"]).fails(1);
    assert!(error.contains("temp has no revision before 2020-06-01T00:00:00.000Z"), "{error}");
}

#[test]
fn tags_are_listed_moved_and_taken_away() {
    let (sandbox, ids) = with_history();
    sandbox.run(&["create", "other", "k int*", "v int"]).ok();
    assert_eq!(sandbox.run(&["tag"]).ok(), "");
    let said = sandbox.run(&["tag", "v1"]);
    assert!(said.err.contains("tagged the newest revisions of 2 collections as v1"), "{}", said.err);
    sandbox.run(&["tag", "v0", "temp", "~1"]).ok();
    let lines: Vec<serde_json::Value> = sandbox
        .run(&["tag", "--json"])
        .ok()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let field =
        |name: &str| lines.iter().map(|line| line[name].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(field("name"), ["v0", "v1", "v1"]);
    assert_eq!(field("collection"), ["temp", "other", "temp"]);
    assert_eq!(
        (field("revision")[0].clone(), field("revision")[2].clone()),
        (ids[1].clone(), ids[0].clone())
    );
    assert_eq!(field("message")[1], "create other");
    let table = sandbox.run(&["tag"]).ok();
    assert!(table.starts_with("tag  collection  revision "), "{table}");

    let error = sandbox.run(&["tag", "v1", "temp", &ids[2]]).fails(1);
    assert!(
        error.contains(&format!("tag \"v1\" of temp names revision {} already; --force moves it", ids[0])),
        "{error}"
    );
    sandbox.run(&["tag", "v1", "temp", &ids[2], "--force"]).ok();
    assert!(sandbox.run(&["show", "-c", "temp", "v1"]).ok().contains(&ids[2]));
    sandbox.run(&["tag", "-d", "v1", "other"]).ok();
    assert_eq!(sandbox.run(&["tag"]).ok().matches("v1").count(), 1);
    sandbox.run(&["tag", "-d", "v1"]).ok();
    let error = sandbox.run(&["tag", "-d", "v1"]).fails(1);
    assert!(error.contains("there is no revision and no tag \"v1\" in any collection"), "{error}");
}

#[test]
fn what_reads_as_something_else_is_no_tag_and_a_misspelt_one_is_told() {
    let (sandbox, _) = with_history();
    for name in ["2020", "2020-06-22", "cafe", "~1", "@x", "latest", "a..b", ""] {
        let error = sandbox.run(&["tag", name, "temp"]).fails(1);
        assert!(error.contains("cannot be a tag"), "{name}: {error}");
    }
    sandbox.run(&["tag", "release-1", "temp"]).ok();
    let error = sandbox.run(&["read", "temp/bxl", "--revision", "release-2"]).fails(1);
    assert!(error.contains("no tag \"release-2\" in temp; did you mean \"release-1\"?"), "{error}");
    let error = sandbox.run(&["tag", "v1", "temp/bxl"]).fails(2);
    assert!(error.contains("a tag is of a whole collection: \"temp\""), "{error}");
}

#[test]
fn tags_outlive_trims_packs_collections_of_garbage_and_renames() {
    let (sandbox, ids) = with_history();
    sandbox.run(&["tag", "keep", "temp", &ids[3]]).ok();
    sandbox.run(&["rename", "temp", "temperature"]).ok();
    for words in [&["squash", "-a"][..], &["pack", "-a"], &["gc", "--grace", "0s"], &["gc", "--grace", "0s"]]
    {
        sandbox.run(words).ok();
    }
    let kept = sandbox.run(&["read", "temperature/bxl", "--revision", "keep"]).ok();
    assert_eq!(kept.lines().count(), 7, "{kept}");
    assert!(kept.contains("2020-06-22T00:00:00,25.0\n"), "{kept}");
    let log = sandbox.run(&["log", "temperature", "--oneline"]).ok();
    assert_eq!((log.lines().count(), log.matches("(tag: keep)").count()), (2, 1), "{log}");
    assert_eq!(sandbox.run(&["len", "temperature/bxl"]).ok(), "7\n");
    sandbox.run(&["verify"]).ok();
}

#[test]
fn a_log_is_filtered_by_time_author_message_and_series_in_any_combination() {
    let (sandbox, all) = with_history();
    let log = |words: &[&str]| {
        let out = sandbox.run(&[&["log", "temp", "--oneline"], words].concat()).ok();
        ids(&out).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(log(&["--message", "CORRECTED"]), all[2..3]);
    assert_eq!(log(&["--reverse", "--limit", "2"]), [all[4].clone(), all[3].clone()]);
    let time = |id: &str| id.rsplit_once('-').unwrap().0.to_owned();
    assert_eq!(log(&["--since", &time(&all[1])]), all[..2]);
    assert_eq!(log(&["--until", &time(&all[3])]), all[3..]);
    assert_eq!(log(&["--before", &time(&all[3])]), all[4..]);
    assert_eq!(log(&["--since", "2400"]), [""; 0]);
    assert_eq!(log(&["--author", "nobody-of-that-name"]), [""; 0]);
    let of_series =
        sandbox.run(&["log", "temp/bxl", "--oneline", "--message", "write", "--since", &time(&all[2])]).ok();
    assert_eq!(ids(&of_series), [all[0].as_str()]);
    let mut command: Command = sandbox.command();
    let write = command.env("USER", "zoe").args(["write", "temp/bxl", "--append", "-m", "hers"]);
    let written = super::feed(write, b"2020-06-30,1\n");
    assert_eq!(written.code, Some(0), "{}", written.err);
    assert!(sandbox.run(&["log", "temp/bxl", "--author", "Zoe", "--oneline"]).ok().contains("\"hers\""));
    let error = sandbox.run(&["log", "temp/bx_", "--since", "2400"]).fails(1);
    assert!(error.contains("there is no series \"bx_\" in temp"), "{error}");
    assert_eq!(sandbox.pipe(INPUT, &["write", "temp/bxl"]).code, Some(0));
}
