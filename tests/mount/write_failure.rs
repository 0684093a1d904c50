//! Failing disks below a mount: the close says so, the old rows stay, what was written is kept, and once the disk is
//! well again it can be written again.

use crate::mounted::Mount;
use crate::sandbox::{Sandbox, text};
use crate::tools::{Ran, limited, run, within};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const ROWS: &str = "timestamp,value\n2021-01-01T00:00:00,1.5\n2021-01-02T00:00:00,2.5\n";

/// Fails where the daemon's log tells of a panic.
#[track_caller]
pub(crate) fn no_panic(mount: &Mount) {
    let log = text(&mount.path().with_extension("log"));
    assert!(mount.is_running() && !log.to_lowercase().contains("panic"), "{log}");
}

/// Runs a command to its end, which must be good.
#[track_caller]
fn does(words: &[&str]) {
    run(limited(words[0]).args(&words[1..]), "").ok();
}

/// A file system in memory, of so many bytes; it goes at the end.
pub(crate) struct Small(PathBuf);

impl Small {
    pub(crate) fn at(path: PathBuf, options: &str) -> Small {
        std::fs::create_dir_all(&path).unwrap();
        does(&["mount", "-t", "tmpfs", "-o", options, "small", path.to_str().unwrap()]);
        Small(path)
    }

    fn remount(&self, options: &str) {
        does(&["mount", "-o", &format!("remount,{options}"), self.0.to_str().unwrap()]);
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // What the mount held open may take a moment to be closed.
        Command::new("umount").arg("-l").arg(&self.0).output().ok();
    }
}

/// The name and size of what is kept, oldest first.
fn kept(sandbox: &Sandbox, mount: &Mount) -> Vec<(String, u64)> {
    let lines = sandbox.run(&["rejected", mount.path().to_str().unwrap(), "--json"]).ok();
    let entry = |line: &str| {
        let one: Json = serde_json::from_str(line).unwrap();
        (one["name"].as_str().unwrap().to_owned(), one["size"].as_u64().unwrap())
    };
    lines.lines().map(entry).collect()
}

fn cp(sandbox: &Sandbox, mount: &Mount) -> Ran {
    std::fs::write(sandbox.path("rows.csv"), ROWS).unwrap();
    run(limited("cp").arg(sandbox.path("rows.csv")).arg(mount.at("temp/bxl/live.csv")), "")
}

/// Saves while the repository fails, and again when it does not.
#[track_caller]
fn fails_and_comes_back(
    sandbox: &Sandbox,
    mount: &Mount,
    error: &str,
    break_it: impl FnOnce(),
    mend_it: impl FnOnce(),
) {
    let (old, kept_before) = (mount.text("temp/bxl/live.csv"), kept(sandbox, mount).len());
    let revisions = sandbox.revisions("temp/bxl");
    break_it();
    let ran = cp(sandbox, mount);
    // Mended before anything may fail here.
    mend_it();
    assert!(ran.code != Some(0) && ran.err.contains(error), "{error}: {ran:?}");
    within(Duration::from_secs(5), "the repository is there again", || {
        std::fs::read_to_string(mount.at("temp/bxl/live.csv")).is_ok_and(|text| text == old)
    });
    assert_eq!(sandbox.revisions("temp/bxl"), revisions);
    assert_eq!(sandbox.read("temp/bxl"), old);
    let new = kept(sandbox, mount).split_off(kept_before);
    assert_eq!(new.len(), 1, "{}", mount.text(".lakota/errors"));
    assert_eq!(mount.text(&format!(".lakota/rejected/{}", new[0].0)), ROWS);
    sandbox.run(&["rejected", mount.path().to_str().unwrap(), "retry", &new[0].0]).ok();
    assert_eq!(mount.text("temp/bxl/live.csv"), ROWS);
    assert_eq!((sandbox.read("temp/bxl").as_str(), kept(sandbox, mount).len()), (ROWS, kept_before));
    assert_eq!(sandbox.revisions("temp/bxl").len(), revisions.len() + 1);
    no_panic(mount);
    // Other rows for what comes next.
    run(sandbox.command().args(["write", "temp/bxl", "--replace"]), &old).ok();
    within(Duration::from_secs(5), "the old rows are shown", || mount.text("temp/bxl/live.csv") == old);
    sandbox.run(&["verify"]).ok();
}

#[test]
fn a_disk_that_cannot_be_written_fails_the_close_and_nothing_is_lost() {
    let sandbox = Sandbox::new();
    let disk = Small::at(sandbox.repo(), "size=8m");
    sandbox.run(&["create", "temp/bxl", "timestamp timestamp*", "value float"]).ok();
    sandbox.write("temp/bxl", crate::sandbox::INPUT);
    let mount = sandbox.mount();
    fails_and_comes_back(
        &sandbox,
        &mount,
        "Read-only file system",
        || disk.remount("ro"),
        || disk.remount("rw"),
    );
    let filler = sandbox.repo().join("filler");
    fails_and_comes_back(
        &sandbox,
        &mount,
        "No space left on device",
        || fill(&filler),
        || std::fs::remove_file(&filler).unwrap(),
    );
    mount.unmount();
}

/// Takes all space there is.
fn fill(path: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![7; size]).is_ok() {}
    }
}

#[test]
fn a_repository_that_is_gone_or_may_not_be_written_fails_the_close_and_nothing_is_lost() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let (there, away) = (sandbox.repo(), sandbox.path("away"));
    fails_and_comes_back(
        &sandbox,
        &mount,
        "Input/output error",
        || std::fs::rename(&there, &away).unwrap(),
        || std::fs::rename(&away, &there).unwrap(),
    );
    // What root may not write either, on disks that have it.
    let mark = |flag: &str| run(limited("chattr").args(["-R", "-f", flag]).arg(&there), "").code == Some(0);
    let can = mark("+i");
    mark("-i");
    if can {
        let (set, unset) = (|| assert!(mark("+i")), || assert!(mark("-i")));
        fails_and_comes_back(&sandbox, &mount, "Permission denied", set, unset);
    } else {
        eprintln!("this disk has no immutable files: not tried");
    }
    mount.unmount();
}

#[test]
fn a_full_spool_fails_the_write_and_leaves_the_rows() {
    let sandbox = Sandbox::quickstart();
    let spool = Small::at(sandbox.path("small"), "size=2m,mode=700");
    let mount = sandbox.mount_with(&format!("spool={}", spool.0.display()));
    let (old, revisions) = (mount.text("temp/bxl/live.csv"), sandbox.revisions("temp/bxl"));
    let script = r#"
import errno, os, sys
path, way = sys.argv[1:3]
flags = os.O_WRONLY | (os.O_APPEND if way == "append" else os.O_TRUNC)
file = os.open(path, flags)
rows = b"".join(b"2021-01-01T%02d:%02d:00,1.5\n" % (i // 60, i % 60) for i in range(1440))
try:
    for _ in range(1000):
        done = os.write(file, rows)
        assert 0 < done <= len(rows)
    sys.exit("nothing failed")
except OSError as error:
    assert error.errno == errno.ENOSPC, error
try:
    os.close(file)
    sys.exit("the close of a part was good")
except OSError as error:
    assert error.errno == errno.ENOSPC, error
"#;
    for (file, way) in [("live.csv", "replace"), ("live.csv", "append"), ("live.parquet", "replace")] {
        let mut writer = limited(crate::tools::python());
        run(writer.args(["-c", script]).arg(mount.at("temp/bxl").join(file)).arg(way), "").ok();
        assert_eq!(mount.text("temp/bxl/live.csv"), old, "{way}");
        assert_eq!(sandbox.read("temp/bxl"), old, "{way}");
        assert_eq!(sandbox.revisions("temp/bxl"), revisions, "{way}");
        // It is kept, though there is no space for a copy; and that is the space of what comes next.
        let kept = kept(&sandbox, &mount);
        assert!(kept.len() == 1 && kept[0].1 > 1 << 20, "{kept:?}: {}", mount.text(".lakota/errors"));
        let why = sandbox.run(&["why", mount.at("temp/bxl").join(file).to_str().unwrap()]).ok();
        assert!(why.contains("No space left on device"), "{why}");
        std::fs::remove_file(mount.at(".lakota/rejected").join(&kept[0].0)).unwrap();
        no_panic(&mount);
    }
    // What fits is saved, also after that.
    cp(&sandbox, &mount).ok();
    assert_eq!(mount.text("temp/bxl/live.csv"), ROWS);
    // And what is scratch fails alike.
    let scratch = mount.at("temp/bxl/notes");
    let ran = run(
        limited("dd").args(["if=/dev/zero", "bs=64k", "count=100"]).arg(format!("of={}", scratch.display())),
        "",
    );
    assert!(ran.code != Some(0) && ran.err.contains("No space left on device"), "{ran:?}");
    std::fs::remove_file(scratch).unwrap();
    cp(&sandbox, &mount).ok();
    mount.unmount();
}
