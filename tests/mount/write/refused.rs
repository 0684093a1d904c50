//! What is refused: the old rows stay, the reason and the bytes are found.

use super::{Desk, HEADER, ROWS};
use crate::tools::{is_root, limited, run};
use std::os::unix::fs::MetadataExt;

#[test]
fn what_cannot_be_rows_is_told_by_line_and_column() {
    let desk = Desk::new();
    let live = desk.series("s");
    let sets = [
        ("2020-07-01,1\n2020-07-02,abc\n", "line 2, column value: \"abc\" is not a float"),
        ("2020-07-01,1\nnever,2\n", "line 2, column timestamp: \"never\""),
        ("timestamp,other\n2020-07-01,1\n", "other"),
        ("timestamp,value\n2020-07-01,1,2\n", "line 2"),
        ("2020-07-01,1\n,2\n", "line 2, column timestamp"),
        ("2020-07-01,\"1\n", "line 1"),
        ("2020-07-01,1\n\0\0\0\0", "line 2"),
        ("just words\n", "line 1"),
    ];
    for (text, reason) in sets {
        std::fs::write(desk.sandbox.path("bad.csv"), text).unwrap();
        for (tool, code, said) in [
            ("cp bad.csv $F", 1, "Invalid argument"),
            ("cat bad.csv > $F", 1, "Invalid argument"),
            ("cat bad.csv >> $F", 1, "Invalid argument"),
            ("dd if=bad.csv of=$F status=none", 1, "Invalid argument"),
            // What mv says of this number is about folders.
            ("mv bad.csv $D/scratch; mv $D/scratch $F", 1, "cannot move"),
        ] {
            let kept = live.bash(tool).refused(code, said, reason).unwrap();
            assert_eq!(desk.mount.text(&format!(".lakota/rejected/{kept}")), text, "{tool}");
            std::fs::remove_file(desk.mount.at(&format!(".lakota/rejected/{kept}"))).unwrap();
        }
        // What was to be moved there stays where it was.
        std::fs::remove_file(live.at("scratch")).unwrap();
    }
    desk.end();
}

#[test]
fn a_builtin_that_cannot_tell_leaves_it_to_errors() {
    let desk = Desk::new();
    let live = desk.series("s");
    let kept = live.bash("echo what > $F").refused(0, "", "temp/s/live.csv: replace by bash (pid ").unwrap();
    assert_eq!(desk.mount.text(&format!(".lakota/rejected/{kept}")), "what\n");
    // `errors` and what is kept are there again at the next mount.
    desk.mount.unmount();
    let again = desk.sandbox.mount();
    assert!(again.text(".lakota/errors").contains(&kept));
    assert_eq!(again.text(&format!(".lakota/rejected/{kept}")), "what\n");
    assert_eq!(again.text("temp/s/live.csv"), format!("{HEADER}{ROWS}"));
    again.unmount();
}

#[test]
fn what_is_no_parquet_is_refused() {
    let desk = Desk::new();
    let live = desk.series("s");
    for (tool, reason) in [
        ("echo words > $P; cat $P >/dev/null", "Parquet"),
        ("head -c 100 $P > part; cat part > $P", "Parquet"),
        ("cp $F $P", "Parquet"),
        ("cp $P $F", "this is Parquet, not CSV"),
    ] {
        let done = live.bash(&format!("{tool} || true"));
        assert!(done.refused(0, "", reason).is_some(), "{tool}");
    }
    desk.end();
}

#[test]
fn an_editor_in_place_that_writes_nonsense_fails() {
    let desk = Desk::new();
    let live = desk.series("s");
    live.bash("sed -i s/24.2/what/ $F").refused(4, "cannot rename", "\"what\" is not a float");
    assert_eq!(crate::sandbox::names(&live.at("")).iter().filter(|name| name.starts_with("sed")).count(), 0);
    live.bash("echo 'timestamp,value\n2020-07-01,x' > bad; rsync bad $F").refused(
        23,
        "rename",
        "\"x\" is not a float",
    );
    live.bash("echo 2020-07-01,x > bad; rsync --inplace bad $F || exit 9").refused(
        9,
        "",
        "\"x\" is not a float",
    );
    desk.end();
}

#[test]
fn each_user_sees_its_own_refusals() {
    if !is_root() {
        eprintln!("not root: nobody else's refusals are tested");
        return;
    }
    let desk = Desk::with("allow_other,umask=000");
    let live = desk.series("s");
    live.bash("echo mine > $F").refused(0, "", "mine").unwrap();
    let nobody = |words: &str| {
        let mut command = limited("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "bash", "-c", words]);
        run(command.env("M", desk.mount.path()).env("F", live.at("live.csv")), "")
    };
    assert_eq!(nobody("cat $M/.lakota/errors; ls $M/.lakota/rejected").ok(), "");
    nobody("echo theirs | cat > $F").fails(1);
    let told = nobody("cat $M/.lakota/errors").ok();
    assert!(told.lines().count() == 1 && told.contains("theirs"), "{told}");
    let kept = nobody("ls $M/.lakota/rejected").ok();
    assert_eq!(kept.lines().count(), 1, "{kept}");
    assert_eq!(nobody("cat $M/.lakota/rejected/*").ok(), "theirs\n");
    let stat = std::fs::metadata(desk.mount.at(&format!(".lakota/rejected/{}", kept.trim()))).unwrap();
    assert_eq!(stat.mode() & 0o777, 0o600);
    // Who mounted sees all.
    assert_eq!(desk.errors().len(), 2);
    // The log tells who it was.
    nobody("echo 2020-07-01,1 | cat > $F").ok();
    let author = live.log()[0]["author"].as_str().unwrap().to_owned();
    assert!(author.starts_with("nobody@"), "{author}");
    nobody("rm $M/.lakota/rejected/*").ok();
    assert_eq!(nobody("cat $M/.lakota/rejected/* 2>/dev/null || true").ok(), "");
    desk.end();
}

#[test]
fn why_and_rejected_tell_what_was_refused_and_write_it_again() {
    let desk = Desk::new();
    let (live, other) = (desk.series("s"), desk.series("t"));
    other.bash("$LAKOTA why $F").fails(1, "nothing was refused");
    let kept =
        live.bash("printf '2020-06-23,x\\n' | cat >> $F").refused(1, "Invalid argument", "\"x\"").unwrap();
    let why = live.bash("$LAKOTA why $F").ran.ok();
    for words in ["temp/s/live.csv", "append", "cat (pid ", "column value: \"x\" is not a float", &kept] {
        assert!(why.contains(words), "{words}: {why}");
    }
    for place in ["$D", "$M/temp", "temp/s", "$M"] {
        assert_eq!(
            live.bash(&format!("$LAKOTA why {place} | grep why")).ran.ok().trim_end(),
            why.lines().find(|line| line.starts_with("why")).unwrap()
        );
    }
    other.bash("$LAKOTA why $F").fails(1, "nothing was refused");
    assert!(live.bash("$LAKOTA rejected $M").ran.ok().contains(&kept));
    let line: serde_json::Value =
        serde_json::from_str(&live.bash("$LAKOTA rejected --json").ran.ok()).unwrap();
    assert_eq!((&line["name"], &line["way"]), (&kept.as_str().into(), &"append".into()), "{line}");
    assert_eq!(live.bash(&format!("$LAKOTA rejected show {kept}")).ran.ok(), "2020-06-23,x\n");
    // As bad as before; into another series as bad; mended elsewhere, it is written.
    live.bash(&format!("$LAKOTA rejected retry {kept}")).fails(1, "\"x\" is not a float");
    live.bash(&format!("$LAKOTA rejected show {kept} | sed s/x/9/ >> $F")).went_well();
    live.has(&ROWS.replace("24.2", "9.0"));
    live.bash(&format!("$LAKOTA rejected drop {kept}; [ -z \"$($LAKOTA rejected $M --json)\" ]"))
        .does_nothing();
    // What was ended before it closed its file may be whole: then it is written as it was meant.
    let done = live.bash("bash -c 'exec 3>>$F; echo 2020-07-01,1 >&3; kill -9 $$'; true");
    let kept = done.refused(0, "", "ended by signal 9").unwrap();
    live.bash(&format!("$LAKOTA rejected retry $M/.lakota/rejected/{kept}")).went_well();
    live.has(&format!("{}2020-07-01T00:00:00,1.0\n", ROWS.replace("24.2", "9.0")));
    assert_eq!(crate::sandbox::names(&desk.mount.at(".lakota/rejected")), [""; 0]);
    live.bash(&format!("$LAKOTA rejected show {kept}")).fails(1, &kept);
    desk.end();
}

/// Rows that others wrote between a refusal and its retry.
#[test]
fn what_is_written_again_leaves_the_rows_of_others() {
    let desk = Desk::new();
    let live = desk.series("s");
    let others = |rows: &str| desk.sandbox.upsert("temp/s", rows);
    // Corrected.
    let kept = live.bash("sed s/24.2/x/ $F > bad; cat bad > $F || exit 1").refused(1, "", "\"x\"").unwrap();
    others("2020-07-01,1\n");
    std::fs::write(desk.sandbox.path("good.csv"), format!("{HEADER}{}", ROWS.replace("24.2", "9.0")))
        .unwrap();
    live.bash(&format!("$LAKOTA rejected retry {kept} --with bad")).fails(1, "\"x\" is not a float");
    // What could not be made writes nothing, and takes nothing away: the next one finds the bytes still.
    for empty in ["/dev/null", "<(true)"] {
        live.bash(&format!("$LAKOTA rejected retry {kept} --with {empty}")).fails(1, "is empty");
    }
    live.bash(&format!("$LAKOTA rejected retry {kept} --with good.csv")).went_well();
    live.has(&format!("{}2020-07-01T00:00:00,1.0\n", ROWS.replace("24.2", "9.0")));
    // As it was, of a program that was killed; a part of the rows.
    let cut = "bash -c 'exec 3>$F; printf \"2020-06-22,7\\n2020-06-23,9\\n\" >&3; kill -9 $$'; true";
    let kept = live.bash(cut).refused(0, "", "ended by signal 9").unwrap();
    others("2020-07-02,2\n");
    assert!(live.bash("$LAKOTA why $F").ran.ok().contains("wants --replace"));
    live.bash(&format!("$LAKOTA rejected retry {kept}")).fails(3, "2 rows that they lack would go");
    live.bash(&format!("$LAKOTA rejected retry {kept} --replace")).ran.ok();
    live.has("2020-06-22T00:00:00,7.0\n2020-06-23T00:00:00,9.0\n2020-07-02T00:00:00,2.0\n");
    // Of rows that are gone from the history; and a Parquet file.
    for (file, good) in [("$F", "good.csv"), ("$P", "good.parquet")] {
        live.bash("cat $P > good.parquet").ran.ok();
        let words = format!("echo words > bad; cat bad > {file} || exit 1");
        let kept = live.bash(&words).refused(1, "", "").unwrap();
        others("2020-07-03,3\n");
        desk.sandbox.run(&["squash", "temp"]).ok();
        others("2020-07-04,4\n");
        let before = live.csv();
        let done = live.bash(&format!("$LAKOTA rejected retry {kept} --with {good}"));
        assert_eq!((done.ran.code, live.csv()), (Some(3), before), "{}", done.ran.err);
        assert!(done.ran.err.contains("rows that are there now") && done.ran.err.contains("--replace"));
        live.bash(&format!("$LAKOTA rejected retry {kept} --with {good} --replace")).ran.ok();
        assert!(!live.csv().contains("2020-07-04"), "{file}: {}", live.csv());
    }
    // To another series, whose rows are those of nobody who wrote them.
    let other = desk.series("t");
    let kept = live.bash("echo words > $F; true").refused(0, "", "words").unwrap();
    let to = format!("$LAKOTA rejected retry {kept} --with good.csv --to temp/t");
    other.bash(&to).fails(3, "temp/t has 3 rows");
    live.bash(&format!("{to} --replace")).ran.ok();
    other.has(&ROWS.replace("24.2", "9.0"));
    assert_eq!(crate::sandbox::names(&desk.mount.at(".lakota/rejected")), [""; 0]);
}

#[test]
fn the_message_may_be_the_mounts() {
    let desk = Desk::with("message=by hand\\, at night");
    let live = desk.series("s");
    live.bash("echo 2020-07-01,1 > $F; mv $M/temp/s $M/temp/t").went_well();
    let log = super::log(&desk.sandbox, "temp");
    assert!(log[..2].iter().all(|revision| super::message(revision) == "by hand, at night"), "{log:#?}");
}
