//! What differs, on a real mount: `delta.csv` of revisions and `diff/<A>..<B>.csv`, read by the programs that people use.

use crate::gallery::plain_rows;
use crate::memory::{MIB, held, memory};
use crate::sandbox::{Sandbox, SetClock, files_below, frame, names};
use crate::tools::{limited, python, run};
use crate::write_failure::Small;
use lakota::data::schema::Schema;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Rows of the large series: as text of what differs more than is kept in memory.
const LARGE: usize = 200_000;

/// What the correction of the quickstart changed.
const CHANGED: &str = "op,timestamp,column,old,new
changed,2020-06-22T00:00:00,value,25.0,25.2
changed,2020-06-23T00:00:00,value,24.0,24.2
changed,2020-06-24T00:00:00,value,27.0,27.9
changed,2020-06-26T00:00:00,value,32.0,32.5
changed,2020-06-27T00:00:00,value,30.0,30.1
";

/// A series of many rows, all of which have been changed as often as is asked for.
fn large(times: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "temp", "timestamp timestamp*", "value float"]).ok();
    let rows = plain_rows(0, LARGE);
    for n in 0..=times {
        let changed: String = rows.lines().map(|row| format!("{row}{n}\n")).collect();
        sandbox.write("temp/large", changed);
    }
    sandbox.write("temp/small", "2020-06-22,25\n");
    sandbox
}

#[test]
fn what_a_revision_changed_is_a_file_like_any_other() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let script = "cd $M/temp/bxl
        cat latest/delta.csv
        [ $(stat -c %s latest/delta.csv) = $(cat latest/delta.csv | wc -c) ]
        [ $(stat -c %s at/~1/delta.csv) = $(wc -c < at/~1/delta.csv) ]
        tail -c 19 latest/delta.csv
        cmp latest/delta.csv diff/~1..~0.csv
        cp diff/~1..~0.csv $M/../copied.csv
        cmp $M/../copied.csv latest/delta.csv
        grep -c added at/~1/delta.csv
        awk -F, '$1 == \"changed\" { sum += $5 - $4 } END { print sum }' diff/~1..~0.csv";
    let found = sandbox.shell(&mount, script).ok();
    let expected = format!("{CHANGED}{}6\n1.9\n", &CHANGED[CHANGED.len() - 19..]);
    assert_eq!(found, expected);
}

#[test]
fn nothing_lists_what_differs_so_nothing_that_copies_makes_it() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    mount.text("temp/bxl/diff/~1..~0.csv");
    assert_eq!(names(&mount.at("temp/bxl")), ["latest", "live.csv", "live.parquet", "revisions"]);
    assert!(names(&mount.at("temp/bxl/diff")).is_empty());
    assert_eq!(names(&mount.at("temp/bxl/latest")), ["commit.json", "data.csv", "data.parquet"]);
    assert!(files_below(mount.path()).iter().all(|path| !path.ends_with("delta.csv")));
}

#[test]
fn what_does_not_resolve_is_no_file_until_it_does() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let path = mount.at("temp/bxl/diff/~2..~0.csv");
    for name in ["~2..~0.csv", "~0", "x..y.csv", "1970..~0.csv"] {
        assert!(!mount.at(&format!("temp/bxl/diff/{name}")).exists(), "{name}");
    }
    sandbox.upsert("temp/bxl", "2020-06-28,29\n");
    assert!(path.exists());
    let newest = mount.text("temp/bxl/diff/~1..~0.csv");
    assert_eq!(newest, "op,timestamp,column,old,new\nadded,2020-06-28T00:00:00,value,,29.0\n");
    sandbox.upsert("temp/bxl", "2020-06-28,30\n");
    let newest = mount.text("temp/bxl/diff/~1..~0.csv");
    assert_eq!(newest, "op,timestamp,column,old,new\nchanged,2020-06-28T00:00:00,value,29.0,30.0\n");
}

#[test]
fn every_write_of_what_differs_is_refused_as_read_only() {
    let sandbox = Sandbox::quickstart();
    for mount in [sandbox.mount_at("rw", &[]), sandbox.mount_at("ro", &["-o", "ro"])] {
        for attempt in [
            "echo x > latest/delta.csv",
            "echo x >> at/~0/delta.csv",
            "echo x > diff/~1..~0.csv",
            "rm diff/~1..~0.csv",
            "truncate -s 0 latest/delta.csv",
            "dd if=/dev/zero of=latest/delta.csv bs=1 count=1 conv=notrunc",
            "mv latest/delta.csv mine.csv",
            "mkdir diff/x",
            "touch diff/x",
            "rmdir diff",
            "ln -s x diff/link",
        ] {
            let ran = sandbox.shell(&mount, &format!("cd $M/temp/bxl; {attempt}"));
            assert_ne!(ran.code, Some(0), "{attempt}");
            assert!(ran.err.contains("Read-only file system"), "{attempt}: {}", ran.err);
        }
        assert_eq!(mount.text("temp/bxl/diff/~1..~0.csv"), CHANGED);
    }
}

#[test]
fn pandas_and_duckdb_read_what_differs_between_two_times() {
    let sandbox = Sandbox::new();
    let clock = SetClock::at("2020-03-01T00:00:00");
    let schema = Schema::parse(["day date*", "place str*", "v float", "note str"]).unwrap();
    let temp = sandbox.open(&clock).create_collection("temp", &schema).unwrap();
    for (time, rows) in [
        ("2020-06-01T00:00:00", "2020-01-01,a,1,\"x,\"\"y\"\"\"\n2020-01-02,b,2,\n2020-01-03,c,3,z\n"),
        ("2021-06-01T00:00:00", "2020-01-01,a,1.5,\"x,\"\"y\"\"\"\n2020-01-03,c,3,z\n2020-01-04,d,4,\n"),
    ] {
        clock.set(time);
        let mut batch = temp.batch("").unwrap();
        batch.overlay("s", &frame(&schema, rows)).unwrap();
        clock.set(time);
        batch.commit().unwrap();
    }
    let mount = sandbox.mount();
    let script = "
import sys, duckdb, pandas
path = sys.argv[1]
d = pandas.read_csv(path, keep_default_na=False)
assert list(d.columns) == ['op', 'day', 'place', 'column', 'old', 'new'], d.columns
assert d.values.tolist() == [
    ['changed', '2020-01-01', 'a', 'v', '1.0', '1.5'],
    ['removed', '2020-01-02', 'b', 'v', '2.0', ''],
    ['removed', '2020-01-02', 'b', 'note', '', ''],
    ['added', '2020-01-04', 'd', 'v', '', '4.0'],
    ['added', '2020-01-04', 'd', 'note', '', ''],
], d
rows = duckdb.sql(f\"select op, count(distinct day) from '{path}' group by op order by op\").fetchall()
assert rows == [('added', 1), ('changed', 1), ('removed', 1)], rows
";
    let path = mount.at("temp/s/diff/2020..~0.csv");
    run(limited(python()).args(["-c", script]).arg(&path), "").ok();
    assert_eq!(path.metadata().unwrap().mtime(), 1_622_505_600);
}

#[test]
fn a_large_text_is_whole_however_it_is_read_and_takes_no_memory() {
    let sandbox = large(1);
    let mount = sandbox.mount();
    let script = "cd $M/temp/large
        [ $(stat -c %s latest/delta.csv) = $(cat latest/delta.csv | wc -c) ]
        [ $(stat -c %s latest/delta.csv) -gt 8000000 ]
        cut -d, -f1 latest/delta.csv | uniq -c
        for i in 1 2; do cksum < latest/delta.csv; dd if=latest/delta.csv bs=4k status=none | cksum; done | uniq | wc -l
        tail -n 1 latest/data.csv | cut -d, -f2
        tail -n 1 latest/delta.csv | cut -d, -f5
        cut -d, -f5 at/~0/delta.csv | tail -n +2 | cmp - <(cut -d, -f2 latest/data.csv | tail -n +2)
        cut -d, -f4 at/~0/delta.csv | tail -n +2 | cmp - <(cut -d, -f2 at/~1/data.csv | tail -n +2)
        grep -c ^added at/~1/delta.csv";
    let found = sandbox.shell(&mount, script).ok();
    let lines: Vec<&str> = found.lines().map(str::trim).collect();
    assert_eq!(lines[..3], ["1 op", &format!("{LARGE} changed"), "1"]);
    assert_eq!((lines[3], lines[5]), (lines[4], &*LARGE.to_string()));
    let (peak, now) = (memory(mount.pid(), "VmHWM:"), held(mount.pid()));
    assert!(now < 132 * MIB && peak < 164 * MIB, "{} MiB held, {} MiB at most", now / MIB, peak / MIB);
}

#[test]
fn texts_that_take_long_hold_up_nobody_else() {
    let sandbox = large(3);
    let mount = sandbox.mount();
    // More than there are threads that answer.
    let all = [(0, 1), (0, 2), (0, 3), (1, 0), (1, 2), (1, 3), (2, 0), (2, 1)];
    let (began, done) = (Instant::now(), AtomicUsize::new(0));
    let others = std::thread::scope(|scope| {
        for (i, j) in all {
            let (path, done) = (mount.at(&format!("temp/large/diff/~{i}..~{j}.csv")), &done);
            scope.spawn(move || {
                assert!(path.metadata().unwrap().len() > 8_000_000);
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        std::thread::sleep(Duration::from_millis(50));
        for _ in 0..20 {
            assert_eq!(mount.text("temp/small/live.csv").lines().count(), 2);
        }
        assert!(done.load(Ordering::SeqCst) < all.len(), "they did not take long: nothing is shown by this");
        began.elapsed()
    });
    let all = began.elapsed();
    // Behind the first four of them it would take as long as these.
    assert!(others < all / 3, "others waited {others:?} of {all:?}");
}

#[test]
fn on_a_full_disk_what_nobody_has_open_goes_and_what_is_open_stays() {
    let sandbox = large(2);
    // One text fits.
    let small = Small::at(sandbox.path("small"), "size=14m,mode=700");
    let mount = sandbox.mount_with(&format!("spool={}", sandbox.path("small").display()));
    let script = "cd $M/temp/large/diff
        first=$(cksum < ~2..~0.csv)
        exec 3< ~2..~0.csv
        cat ~1..~0.csv 2>&1 || true
        grep -c 'what differs\\|No space left' $M/.lakota/errors
        [ \"$first\" = \"$(cksum <&3)\" ]
        exec 3<&-
        tail -n 1 ~1..~0.csv | cut -d, -f1
        tail -n 1 ~2..~0.csv | cut -d, -f1";
    let found = sandbox.shell(&mount, script).ok();
    let lines: Vec<&str> = found.lines().collect();
    assert!(lines[0].ends_with("No space left on device"), "{found}");
    assert!(lines[1] != "0" && lines[2..] == ["changed", "changed"], "{found}");
    drop((mount, small));
}
