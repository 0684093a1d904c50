//! `alter`, `status` and `merge`: columns that change, and writers that did not know of each other.

use super::Sandbox;

/// Two copies of a repository that were written to apart; the second has the files of both.
fn apart() -> Sandbox {
    let sandbox = Sandbox::with_rows();
    sandbox
        .shell(
            "set -e
            cp -r .lakota other
            printf '2020-06-23,50\\n2020-06-24,51\\n' | USER=ann $LAKOTA write temp/bxl -m first
            printf '2020-06-24,60\\n2020-06-25,61\\n' | USER=bob $LAKOTA -r other write temp/bxl -m second
            cp -rn other/. .lakota/",
        )
        .ok();
    sandbox
}

/// As [`apart`], without what the two parted from.
fn forgotten() -> Sandbox {
    let sandbox = Sandbox::with_rows();
    sandbox
        .shell(
            "set -e
            cp -r .lakota other
            printf '2020-06-24,59\\n' | USER=bob $LAKOTA -r other write temp/bxl
            sleep 0.02
            printf '2020-06-24,60\\n' | USER=bob $LAKOTA -r other write temp/bxl -m second
            $LAKOTA -r other trim temp --before 2100-01-01
            sleep 0.02
            printf '2020-06-23,50\\n' | USER=ann $LAKOTA write temp/bxl -m first
            cp -rn other/. .lakota/
            sleep 0.02
            $LAKOTA gc --grace 0s",
        )
        .ok();
    sandbox
}

fn rows(sandbox: &Sandbox) -> String {
    let out = sandbox.run(&["read", "temp/bxl"]).ok();
    out.lines().skip(1).map(|line| line.replace("2020-06-", "").replace("T00:00:00", "") + " ").collect()
}

#[test]
fn columns_are_added_renamed_and_dropped() {
    let sandbox = Sandbox::with_rows();
    let said = sandbox.run(&["alter", "temp", "add", "unit str", "--default", "°C"]);
    assert_eq!(said.err, "altered temp: its columns are timestamp timestamp*, value float, unit str\n");
    sandbox.run(&["alter", "temp", "rename", "value", "degrees"]).ok();
    let head = sandbox.run(&["read", "temp/bxl", "--limit", "1"]).ok();
    assert_eq!(head, "timestamp,degrees,unit\n2020-06-22T00:00:00,25.0,°C\n");
    sandbox.run(&["alter", "temp", "drop", "unit"]).ok();
    assert_eq!(sandbox.run(&["schema", "temp"]).ok(), "timestamp timestamp*\ndegrees float\n");
    let log = sandbox.run(&["log", "temp", "--oneline"]).ok();
    assert!(log.contains("\"rename column value to degrees\" schema"), "{log}");
    let first = log.lines().nth(3).unwrap().split(' ').next().unwrap().to_owned();
    let old = sandbox.run(&["read", "temp/bxl", "--revision", &first, "--limit", "1"]).ok();
    assert_eq!(old, "timestamp,value\n2020-06-22T00:00:00,25.0\n");
    sandbox.run(&["verify"]).ok();
}

#[test]
fn alterations_that_cannot_be_are_refused_and_leave_everything() {
    let sandbox = Sandbox::with_rows();
    let log = sandbox.run(&["log", "temp"]).ok();
    for (words, why) in [
        (&["add", "value int"][..], "there is a column \"value\" already"),
        (&["add", "unit"], "expected \"name type\""),
        (&["add", "n number"], "unknown type"),
        (&["add", "n int", "--default", "1.5"], "\"1.5\" is not a 64-bit int"),
        (&["add", "day date*"], "cannot be added to the index"),
        (&["drop", "timestamp"], "part of the index"),
        (&["drop", "valeu"], "only timestamp, value"),
        (&["rename", "value", "timestamp"], "already"),
        (&["rename", "value", "a,b"], "comma"),
    ] {
        let message = sandbox.run(&[&["alter", "temp"], words].concat()).fails(1);
        assert!(message.contains(why), "{message}");
    }
    sandbox.run(&["alter", "tem", "drop", "value"]).fails(1);
    sandbox.run(&["alter", "temp"]).fails(2);
    assert_eq!(sandbox.run(&["log", "temp"]).ok(), log);
}

#[test]
fn status_tells_heads_and_what_their_merge_overrides() {
    let sandbox = Sandbox::with_rows();
    assert_eq!(sandbox.run(&["status"]).ok(), "all collections have one head: nothing to merge\n");
    assert_eq!(sandbox.run(&["status", "temp"]).ok(), "temp: 1 head, nothing to merge\n");
    let sandbox = apart();
    let status = sandbox.run(&["status"]).ok();
    let lines: Vec<&str> = status.lines().collect();
    assert_eq!((lines.len(), lines[0]), (4, "temp: 2 heads"), "{status}");
    assert!(lines[1].contains(" ann@") && lines[1].ends_with("\"first\""), "{status}");
    let [one, two] = [lines[1], lines[2]].map(|line| line.trim().split(' ').next().unwrap());
    let (one, two) = (one.rsplit_once('-').unwrap().1, two.rsplit_once('-').unwrap().1);
    assert!(lines[3].starts_with(&format!("  bxl 2020-06-24T00:00:00: {one} ann@")), "{status}");
    assert!(lines[3].contains(&format!(" is overridden by {two} bob@")), "{status}");
    let json: serde_json::Value =
        serde_json::from_str(&sandbox.run(&["status", "temp", "--json"]).ok()).unwrap();
    assert_eq!(json["heads"].as_array().unwrap().len(), 2);
    assert_eq!(json["overrides"][0]["range"], "2020-06-24T00:00:00");
}

#[test]
fn merge_makes_one_head_and_the_log_tells_what_it_overrode() {
    let sandbox = apart();
    let read = rows(&sandbox);
    assert_eq!(read, "22,25.0 23,50.0 24,60.0 25,61.0 26,32.0 27,30.0 ");
    let said = sandbox.run(&["merge"]);
    assert!(said.err.contains("merged temp: 2 heads\n") && said.err.contains("is overridden by"), "{said:?}");
    assert_eq!(rows(&sandbox), read);
    assert_eq!(sandbox.run(&["status"]).ok(), "all collections have one head: nothing to merge\n");
    let again = sandbox.run(&["merge", "temp"]);
    assert_eq!((again.code, again.err.as_str()), (Some(0), "temp: 1 head, nothing to merge\n"));
    let log = sandbox.run(&["log", "temp", "--limit", "1"]).ok();
    assert!(log.contains("\noverrode  bxl 2020-06-24T00:00:00: "), "{log}");
    let id = log.lines().next().unwrap().split_whitespace().nth(1).unwrap();
    assert!(sandbox.run(&["show", id]).ok().contains("\noverrode  bxl "));
    let json = sandbox.run(&["show", id, "--json"]).ok();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["overrode"][0]["by_author"].as_str().unwrap().starts_with("bob@"));
}

#[test]
fn heads_without_common_history_need_a_choice() {
    let sandbox = forgotten();
    let status = sandbox.run(&["status"]).ok();
    assert!(status.contains("cannot be merged") && status.contains("lakota merge temp --ours "), "{status}");
    let refused = sandbox.run(&["merge", "temp"]).fails(3);
    assert!(refused.contains("cannot be merged") && refused.contains("--ours "), "{refused}");
    sandbox.run(&["merge", "--theirs"]).fails(2);
    let kept = sandbox.shell("USER=ann $LAKOTA merge temp --theirs");
    assert_eq!(kept.code, Some(0), "{kept:?}");
    assert_eq!(rows(&sandbox), "22,25.0 23,24.0 24,60.0 25,31.0 26,32.0 27,30.0 ");
    assert_eq!(sandbox.run(&["status"]).ok(), "all collections have one head: nothing to merge\n");
}

#[test]
fn ours_keeps_the_head_that_is_named_or_that_the_user_wrote() {
    let sandbox = forgotten();
    let nobody = sandbox.shell("USER=eve $LAKOTA merge temp --ours").fails(1);
    assert!(nobody.contains("name one with --ours HEAD"), "{nobody}");
    sandbox.shell("USER=ann $LAKOTA merge temp --ours").ok();
    assert_eq!(rows(&sandbox), "22,25.0 23,50.0 24,27.0 25,31.0 26,32.0 27,30.0 ");
    let sandbox = forgotten();
    let json = sandbox.run(&["status", "temp", "--json"]).ok();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    sandbox.run(&["merge", "temp", "--ours", json["heads"][0]["id"].as_str().unwrap()]).ok();
    assert_eq!(rows(&sandbox), "22,25.0 23,24.0 24,60.0 25,31.0 26,32.0 27,30.0 ");
    let sandbox = apart();
    sandbox.run(&["merge", "temp", "--ours"]).fails(2);
}

#[test]
fn rows_restored_from_before_an_alteration_have_its_columns() {
    let sandbox = Sandbox::with_rows();
    let first = sandbox.run(&["log", "temp", "--oneline"]).ok();
    let first = first.split(' ').next().unwrap();
    sandbox.run(&["alter", "temp", "rename", "value", "degrees"]).ok();
    sandbox.run(&["alter", "temp", "add", "unit str", "--default", "C"]).ok();
    sandbox.pipe("2020-06-23,99,F\n", &["write", "temp/bxl"]).ok();
    sandbox.run(&["restore", "temp/bxl", "--to", first]).ok();
    let rows = sandbox.run(&["read", "temp/bxl", "--limit", "2"]).ok();
    assert_eq!(rows, "timestamp,degrees,unit\n2020-06-22T00:00:00,25.0,C\n2020-06-23T00:00:00,24.0,C\n");
}
