//! Names: series and collections made, dropped and renamed as folders, and the columns of new collections.

use super::{Desk, HEADER, Live, ROWS, message};
use crate::sandbox::names;
use crate::tools::{Ran, limited, run};

/// Runs a script in the mountpoint.
fn within_mount(desk: &Desk, script: &str) -> Ran {
    let mut command = limited("bash");
    command.current_dir(desk.mount.path()).env("HOME", "/nowhere");
    run(command.args(["-c", &format!("set -euo pipefail\n{script}")]), "")
}

/// The newest message of the log of all series.
fn newest(desk: &Desk, collection: &str) -> (usize, String) {
    let log = super::log(&desk.sandbox, collection);
    (log.len(), message(&log[0]).to_owned())
}

#[test]
fn folders_are_series_and_each_change_is_one_revision() {
    let desk = Desk::new();
    let own = newest(&desk, "temp").0;
    for (i, (script, said)) in [
        ("mkdir temp/paris", "create paris through the mount (mkdir, pid "),
        ("mv temp/paris temp/Paris", "rename paris to Paris through the mount (mv, pid "),
        ("printf '2020-07-01,1\\n' > temp/Paris/live.csv", "replace live.csv through the mount (bash, pid "),
        ("mv -T temp/Paris 'temp/two words'", "rename Paris to two words through the mount (mv, pid "),
        ("rmdir 'temp/two words'", "drop two words through the mount (rmdir, pid "),
        ("mkdir -p temp/new/", "create new through the mount (mkdir, pid "),
        ("rm -r temp/new || rmdir temp/new", "drop new through the mount (rm"),
    ]
    .into_iter()
    .enumerate()
    {
        within_mount(&desk, script).ok();
        let (count, message) = newest(&desk, "temp");
        assert_eq!(count, own + i + 1, "{script}");
        assert!(message.starts_with(said), "{script}: {message:?}");
    }
    assert_eq!(names(&desk.mount.at("temp")), [".schema", "own"]);
    desk.end();
}

#[test]
fn a_series_takes_its_rows_and_its_other_files_along() {
    let desk = Desk::new();
    let live = desk.series("s");
    live.bash("echo note > $D/note; mkdir $D/folder; mv $M/temp/s $M/temp/t").went_well();
    let moved = Live { desk: &desk, label: "t".to_owned() };
    moved.has(ROWS);
    assert_eq!(names(&moved.at("")), ["folder", "live.csv", "live.parquet", "note"]);
    assert_eq!(crate::sandbox::text(&moved.at("note")), "note\n");
    let kept = within_mount(&desk, "rmdir temp/t").fails(1);
    assert!(kept.contains("Directory not empty"), "{kept}");
    moved.bash("rm -r $D/note $D/folder; rmdir $M/temp/t").went_well();
    assert!(!desk.mount.at("temp/t").exists());
    // What comes under its label is another one.
    within_mount(&desk, "mkdir temp/t").ok();
    moved.has("");
    desk.end();
}

#[test]
fn what_has_a_name_keeps_it() {
    let desk = Desk::new();
    let (live, other) = (desk.series("s"), desk.series("t"));
    other.bash("echo 2020-07-01,1 > $F").went_well();
    for (script, said) in [
        ("mkdir temp/s", "File exists"),
        ("mkdir temp", "File exists"),
        ("mv -T temp/s temp/t", "Directory not empty"),
        ("rmdir temp", "Directory not empty"),
        ("mkdir temp/.hidden", "Operation not permitted"),
        ("mkdir .Trash-1000", "Operation not permitted"),
        ("mkdir temp/a%zz", "Invalid argument"),
        ("touch temp/file", "Operation not permitted"),
        ("touch file", "Operation not permitted"),
        ("rm temp/.schema", "Operation not permitted"),
        ("cp /dev/null temp/.schema", "Operation not permitted"),
        ("cp /dev/null temp/s/latest/commit.json", "Read-only file system"),
        ("truncate -s 0 .lakota/status", "Read-only file system"),
        ("rmdir temp/none", "No such file"),
        ("mv temp/none temp/x", "No such file"),
    ] {
        let err = within_mount(&desk, script).fails(1);
        assert!(err.contains(said), "{script}: {err}");
    }
    assert!(desk.mount.text(".lakota/errors").contains(" open .schema: the columns of a collection stay"));
    live.has(ROWS);
    other.has("2020-07-01T00:00:00,1.0\n");
    desk.end();
}

#[test]
fn what_removes_a_folder_with_all_that_is_in_it_drops_the_series() {
    for options in ["", "hide_revisions"] {
        let desk = Desk::with(options);
        for (script, by) in [
            ("rm -r temp/s", "rm"),
            ("touch temp/s/x; mkdir temp/s/f; touch temp/s/f/y; rm -rf temp/s", "rm"),
            ("find temp/s -delete", "find"),
            ("python3 -c 'import shutil; shutil.rmtree(\"temp/s\")'", "python3"),
            (
                "mv temp/s \"$OLDPWD/moved\"; grep -q 27.9 \"$OLDPWD/moved/live.csv\"; rm -r \"$OLDPWD/moved\"",
                "mv",
            ),
        ] {
            desk.series("s");
            let before = newest(&desk, "temp").0;
            let from = format!("cd {}; cd \"$OLDPWD\"; {script}", desk.sandbox.path("").display());
            within_mount(&desk, &from).ok();
            let (count, message) = newest(&desk, "temp");
            assert_eq!(count, before + 1, "{script}");
            assert!(
                message.starts_with(&format!("drop s through the mount ({by}, pid ")),
                "{script}: {message}"
            );
            assert!(!desk.mount.at("temp/s").exists(), "{script}");
            assert_eq!(desk.errors(), [""; 0], "{script}");
        }
        // It is there, with its history, by its name.
        within_mount(&desk, "mkdir temp/s; cp temp/s/at/~1/data.csv temp/s/live.csv").ok();
        assert_eq!(desk.sandbox.read("temp/s"), format!("{HEADER}{ROWS}"));
        desk.end();
    }
}

#[test]
fn history_is_never_said_to_be_removed() {
    let desk = Desk::with("");
    let live = desk.series("s");
    for script in ["rm -rf temp/s/revisions", "rm -rf temp/s/revisions/*/data.csv", "rm -rf temp/s/*"] {
        let before = newest(&desk, "temp").0;
        let err = within_mount(&desk, script).fails(1);
        assert!(err.contains("Read-only file system"), "{script}: {err}");
        assert_eq!(newest(&desk, "temp").0, before, "{script}");
    }
    let is_back = || live.at("live.csv").exists() && live.at("live.parquet").exists();
    crate::tools::within(super::VEIL + super::SOON, "the rows are back", is_back);
    live.has(ROWS);
    // The series of a collection go, each by a revision; the collection stays.
    let err = within_mount(&desk, "rm -rf temp").fails(1);
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.contains("temp/.schema': Operation not permitted"), "{err}");
    assert_eq!(names(&desk.mount.at("temp")), [".schema"]);
    assert!(desk.errors().last().unwrap().contains("`rmdir` of its folder"), "{:?}", desk.errors());
    within_mount(&desk, "rmdir temp").ok();
}

#[test]
fn labels_may_be_as_odd_as_labels_may_be() {
    let desk = Desk::new();
    let labels =
        ["été ☀", "a%2Fb", "x,y;z", "CON", "-n", "a b", "live.csv", "%2Ehidden", "revisions", "100%25"];
    for label in labels {
        let live = desk.series(label);
        run(live.command("bash").args(["-c", "echo 2020-07-01,1 >> \"$F\""]), "").ok();
        assert!(live.csv().ends_with("07-01T00:00:00,1.0\n"), "{label}");
    }
    let listed = desk.sandbox.run(&["ls", "temp"]).ok();
    for label in ["été ☀", "a/b", "x,y;z", ".hidden", "100%", "revisions"] {
        assert!(listed.lines().any(|line| line.contains(label)), "{label}: {listed}");
    }
    let long = "x".repeat(255);
    desk.series(&long);
    let longer = within_mount(&desk, &format!("mkdir temp/{}", "x".repeat(256))).fails(1);
    assert!(longer.contains("File name too long"), "{longer}");
    for label in labels {
        std::fs::remove_dir(desk.mount.at(&format!("temp/{label}"))).unwrap();
    }
    assert_eq!(names(&desk.mount.at("temp")), [".schema", "own", &long]);
    desk.end();
}

#[test]
fn a_collection_is_made_by_its_columns() {
    let desk = Desk::new();
    let columns = ["timestamp timestamp*", "station str*", "rain float"].join("\n") + "\n";
    for (label, script) in [
        ("commas", "echo 'timestamp timestamp*, station str*, rain float' > $C/.schema"),
        ("lines", "printf 'timestamp timestamp*\\nstation str*\\nrain float\\n' > $C/.schema"),
        (
            "pieces",
            "{ echo 'timestamp timestamp*'; sleep 0.1; /bin/echo 'station str*'; echo 'rain float'; } > $C/.schema",
        ),
        ("copied", "cp commas/.schema $C/.schema"),
        (
            "synced",
            "printf 'timestamp timestamp*\\nstation str*\\nrain float\\n' | dd of=$C/.schema bs=7 conv=fsync status=none",
        ),
        ("tee", "echo 'timestamp timestamp*, station str*, rain float' | tee $C/.schema >/dev/null"),
        (
            "vim",
            "vim -Nu NONE -n -es -c 'normal itimestamp timestamp*, station str*, rain float' -c wq $C/.schema </dev/null",
        ),
    ] {
        let ran = within_mount(&desk, &format!("C={label}; mkdir $C; [ -z \"$(ls -A $C)\" ]; {script}"));
        assert_eq!(ran.code, Some(0), "{script}: {}", ran.err);
        assert_eq!(desk.mount.text(&format!("{label}/.schema")), columns, "{label}");
        let said = desk.sandbox.run(&["schema", label]).ok();
        assert!(said.contains("rain float"), "{label}: {said}");
        within_mount(&desk, &format!("mkdir {label}/s; echo 2020-07-01,bxl,1.5 > {label}/s/live.csv")).ok();
        let rows = desk.mount.text(&format!("{label}/s/live.csv"));
        assert_eq!(rows, "timestamp,station,rain\n2020-07-01T00:00:00,bxl,1.5\n", "{label}");
    }
    assert_eq!(desk.errors(), [""; 0]);
    desk.end();
}

#[test]
fn columns_that_cannot_be_are_refused_and_may_be_written_again() {
    let desk = Desk::new();
    let refused = |script: &str, said: &str, reason: &str| {
        let before = desk.errors().len();
        let err = within_mount(&desk, script).fails(1);
        assert!(err.contains(said), "{script}: {err}");
        let told = desk.errors().split_off(before);
        assert!(told.len() == 1 && told[0].contains(reason), "{script}: {told:#?}");
    };
    within_mount(&desk, "mkdir c").ok();
    refused("echo 'timestamp when*' | cat > c/.schema", "Invalid argument", "when");
    refused("echo 'value float' | cat > c/.schema", "Invalid argument", "index");
    refused("head -c 2000000 /dev/zero | tr '\\0' a | cat > c/.schema", "Invalid argument", "too long");
    refused("mkdir c/s", "Operation not permitted", "no columns yet");
    refused("touch c/other", "Operation not permitted", ".schema");
    assert_eq!(names(&desk.mount.at("c")), [""; 0]);
    within_mount(&desk, "echo 'timestamp timestamp*, value float' > c/.schema; mkdir c/s").ok();
    assert_eq!(desk.mount.text("c/s/live.csv"), HEADER);
    // Columns stay what they are.
    within_mount(&desk, "echo 'timestamp timestamp*' | cat > c/.schema").fails(1);
    assert_eq!(desk.mount.text("c/.schema"), "timestamp timestamp*\nvalue float\n");
    desk.end();
}

#[test]
fn collections_are_renamed_and_removed_while_empty() {
    let desk = Desk::new();
    within_mount(
        &desk,
        "mkdir a; mv a b; rmdir b; mkdir c; echo 'timestamp timestamp*, value float' > c/.schema",
    )
    .ok();
    assert_eq!(names(desk.mount.path()), ["c", "temp"]);
    within_mount(&desk, "mv c d; mkdir d/s; echo 2020-07-01,1 > d/s/live.csv").ok();
    assert_eq!(desk.sandbox.read("d/s"), format!("{HEADER}2020-07-01T00:00:00,1.0\n"));
    assert!(within_mount(&desk, "rmdir d").fails(1).contains("Directory not empty"));
    assert!(within_mount(&desk, "mv -T d temp").fails(1).contains("Directory not empty"));
    // To another collection it is copied, as far as files can be.
    let ran = within_mount(&desk, "mv d/s temp/s");
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(desk.sandbox.read("temp/s"), format!("{HEADER}2020-07-01T00:00:00,1.0\n"));
    within_mount(&desk, "[ ! -e d/s ] || rmdir d/s; rmdir d").ok();
    assert_eq!(names(desk.mount.path()), ["temp"]);
    desk.end();
}

#[test]
fn files_named_after_their_series_are_written_as_well() {
    let desk = Desk::with("names=label,hide_revisions");
    within_mount(&desk, "mkdir temp/s; echo 2020-07-01,1 > temp/s/s.csv; echo x > temp/s/live.csv").ok();
    assert_eq!(desk.sandbox.read("temp/s"), format!("{HEADER}2020-07-01T00:00:00,1.0\n"));
    assert!(newest(&desk, "temp").1.starts_with("replace s.csv through the mount"));
    // The other names are no live names here.
    assert_eq!(desk.mount.text("temp/s/live.csv"), "x\n");
    within_mount(&desk, "sed -i s/,1.0/,2/ temp/s/s.csv; rm temp/s/live.csv; mv temp/s temp/t; echo 2020-07-02,3 >> temp/t/t.csv").ok();
    assert_eq!(
        desk.mount.text("temp/t/t.csv"),
        format!("{HEADER}2020-07-01T00:00:00,2.0\n2020-07-02T00:00:00,3.0\n")
    );
    desk.end();
}
