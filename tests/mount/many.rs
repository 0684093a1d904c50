//! Folders with many entries: ten thousand series, ten thousand revisions of one.

use crate::sandbox::{Sandbox, SetClock, files_below, frame, names};
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::series::write::Mode;
use std::time::{Duration, Instant};

const MANY: usize = 10_000;

/// Longest time for going through that many entries: far above what it takes, far below what a walk through
/// the history for each entry would.
const PATIENCE: Duration = Duration::from_secs(100);

/// Runs a script that must end in time.
#[track_caller]
fn soon(sandbox: &Sandbox, mount: &crate::mounted::Mount, script: &str) -> String {
    let start = Instant::now();
    let said = sandbox.shell(mount, script).ok();
    assert!(start.elapsed() < PATIENCE, "{:?}: {script}", start.elapsed());
    said
}

#[test]
fn ten_thousand_series_are_listed_and_found() {
    let sandbox = Sandbox::new();
    let repo = sandbox.open(&SetClock::at("2020-01-01"));
    let schema = Schema::parse(["day date*", "value int"]).unwrap();
    let collection = repo.create_collection("many", &schema).unwrap();
    let mut batch = collection.batch("all").unwrap();
    let write = |i: usize| {
        let rows = frame(&schema, &format!("2020-01-01,{i}\n"));
        (format!("s{i:05}"), Mode::Upsert, Sorted::of(&std::sync::Arc::new(schema.clone()), vec![rows]))
    };
    batch.write_all((0..MANY).map(write).collect()).unwrap();
    batch.commit().unwrap();
    let mount = sandbox.mount();
    let listed = names(&mount.at("many"));
    assert_eq!(listed.len(), MANY + 1);
    assert_eq!((listed[1].as_str(), listed[MANY].as_str()), ("s00000", "s09999"));
    assert_eq!(soon(&sandbox, &mount, "ls -l $M/many | wc -l"), format!("{}\n", MANY + 1));
    // Each row says which series it is in; names and contents belong together.
    let csv = |i: usize| mount.text(&format!("many/s{i:05}/live.csv"));
    for i in (0..MANY).step_by(997) {
        assert_eq!(csv(i), format!("day,value\n2020-01-01,{i}\n"));
    }
    // Every size, as `find` comes by, and again of some by name.
    let count = "sort | uniq -c | awk '{print $1, $2}'";
    let sizes =
        soon(&sandbox, &mount, &format!("find $M/many -maxdepth 2 -name live.csv -printf '%s\\n' | {count}"));
    assert_eq!(sizes, "10 23\n90 24\n900 25\n9000 26\n");
    let some = soon(&sandbox, &mount, &format!("stat -c %s $M/many/s0*00/live.csv | {count}"));
    assert_eq!(some, "1 23\n9 25\n90 26\n");
}

#[test]
fn ten_thousand_revisions_are_listed_and_read() {
    let sandbox = Sandbox::new();
    let clock = SetClock::at("2020-01-01");
    let repo = sandbox.open(&clock);
    let schema = Schema::parse(["n int*", "value int"]).unwrap();
    let collection = repo.create_collection("many", &schema).unwrap();
    for i in 0..MANY {
        let mut batch = collection.batch("").unwrap();
        // A few rows over and over: the series stays small, its history does not.
        batch.overlay("one", &frame(&schema, &format!("{},{i}\n", i % 5))).unwrap();
        batch.commit().unwrap();
    }
    let mount = sandbox.mount_with("cache=32M");
    let revisions = names(&mount.at("many/one/revisions"));
    assert_eq!(revisions.len(), MANY);
    let counted =
        "ls -l $M/many/one/revisions | tail -n +2 | wc -l; find $M/many/one/revisions -maxdepth 1 | wc -l";
    assert_eq!(soon(&sandbox, &mount, counted), format!("{MANY}\n{}\n", MANY + 1));
    for i in (7..MANY).step_by(1231) {
        let csv = mount.text(&format!("many/one/revisions/{}/data.csv", revisions[i]));
        assert!(
            csv.contains(&format!("{},{i}\n", i % 5)) && !csv.contains(&format!(",{}\n", i + 1)),
            "{csv}"
        );
    }
    // What is kept of each revision must not hold what it was read with.
    soon(&sandbox, &mount, "stat -c %s $M/many/one/revisions/*[0-7]/data.csv");
    let held = crate::memory::held(mount.pid());
    assert!(held < 132 << 20, "{held} bytes");
    let back = MANY - 1 - 1234;
    assert!(mount.text("many/one/at/~1234/data.csv").contains(&format!(",{back}\n")));
    assert_eq!(files_below(&mount.at("many/one/latest/")).len(), 3);
    // A further commit is seen without going through all of them again.
    sandbox.upsert("many/one", "7,7\n");
    crate::tools::within(Duration::from_secs(2), "the commit shows", || {
        mount.text("many/one/live.csv").ends_with("7,7\n")
    });
    assert_eq!(names(&mount.at("many/one/revisions")).len(), MANY + 1);
}
