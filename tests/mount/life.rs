//! From mounting to unmounting: in the background, refused, busy, killed, by signals.

use crate::mounted::{Mount, detach, is_mounted};
use crate::sandbox::{CORRECTED, INPUT, LAKOTA, Sandbox};
use crate::tools::{Beside, limited, run, within};
use rustix::process::Signal;
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn mount_returns_when_it_serves_and_holds_nothing_of_its_caller() {
    let sandbox = Sandbox::quickstart();
    std::fs::create_dir(sandbox.path("mnt")).unwrap();
    // The substitution ends only when nobody holds its pipe; the first look comes right afterwards.
    let script = "said=$($LAKOTA mount mnt -o spool=spool 2>&1); echo \"$said\"; cat mnt/temp/bxl/live.csv";
    let mut shell = limited("bash");
    shell.current_dir(sandbox.path("")).env("LAKOTA", LAKOTA).env("LAKOTA_REPO", sandbox.repo());
    let ran = run(shell.args(["-c", script]), "");
    let mount = Mount::guard(sandbox.path("mnt"), None);
    let said = ran.ok();
    assert!(said.starts_with("mounted ") && said.contains("mnt"), "{said}");
    assert!(said.ends_with(&sandbox.read("temp/bxl")), "{said}");
    let folder = std::fs::read_link(format!("/proc/{}/cwd", mount.pid())).unwrap();
    assert_eq!(folder, Path::new("/"));
}

#[test]
fn foreground_serves_until_it_is_told_to_end() {
    let sandbox = Sandbox::quickstart();
    std::fs::create_dir(sandbox.path("mnt")).unwrap();
    let beside = Beside::start(sandbox.command().args(["mount", "-f", "mnt", "-o", "spool=spool"]));
    within(SOON, "it is mounted", || is_mounted(&sandbox.path("mnt")));
    let mount = Mount::guard(sandbox.path("mnt"), None);
    assert_eq!(mount.text("temp/bxl/live.csv"), sandbox.read("temp/bxl"));
    assert!(Path::new(&format!("/proc/{}", beside.id())).exists());
    mount.signal(Signal::INT);
    within(SOON, "it has unmounted", || !mount.is_mounted() && !mount.is_running());
}

#[test]
fn what_cannot_be_mounted_is_refused_with_a_reason() {
    let sandbox = Sandbox::quickstart();
    std::fs::create_dir(sandbox.path("mnt")).unwrap();
    std::fs::create_dir_all(sandbox.path("repo/inside")).unwrap();
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    std::fs::write(sandbox.path("file"), "").unwrap();
    std::os::unix::fs::symlink(sandbox.path("repo/inside"), sandbox.path("link")).unwrap();
    for (words, named) in [
        (&["mount", "nowhere"][..], "nowhere"),
        (&["mount", "file"], "file"),
        (&["mount", "repo/inside"], "repo"),
        (&["mount", "link"], "repo"),
        (&["mount", "repo"], "repo"),
        (&["mount", "."], "repo"),
        (&["-r", "empty", "mount", "mnt"], "empty"),
        (&["-r", "nothing", "mount", "mnt"], "nothing"),
    ] {
        let message = sandbox.run(words).fails(1);
        assert!(message.starts_with("lakota: ") && message.contains(named), "{words:?}: {message}");
    }
    assert!(!is_mounted(&sandbox.path("mnt")) && !is_mounted(&sandbox.path("repo")));
    sandbox.run(&["mount"]).fails(2);
    sandbox.run(&["mount", "mnt", "--colour"]).fails(2);
}

#[test]
fn a_mountpoint_that_is_served_already_is_refused() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let message = sandbox.run(&["mount", "mnt", "-o", "spool=spool"]).fails(1);
    assert!(message.contains("mnt"), "{message}");
    assert_eq!(mount.text("temp/bxl/live.csv"), sandbox.read("temp/bxl"));
}

#[test]
fn mounts_lists_repository_mountpoint_and_process() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount_at("my mount", &[]);
    let line = |said: String| said.lines().find(|line| line.contains("my mount")).map(str::to_owned);
    let said = line(sandbox.run(&["mounts"]).ok()).unwrap();
    assert!(said.contains(sandbox.path("my mount").to_str().unwrap()), "{said}");
    assert!(
        said.contains(sandbox.repo().to_str().unwrap()) && said.contains(&mount.pid().to_string()),
        "{said}"
    );
    mount.unmount();
    assert_eq!(line(sandbox.run(&["mounts"]).ok()), None);
}

#[test]
fn umount_waits_for_the_daemon_to_end() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    mount.unmount();
    assert!(!mount.is_running());
    let message = sandbox.run(&["umount", "mnt"]).fails(1);
    assert!(message.contains("mnt"), "{message}");
}

#[test]
fn umount_says_who_is_busy() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let beside = Beside::start(limited("tail").args(["-f", "-n", "1"]).arg(mount.at("temp/bxl/live.csv")));
    assert_eq!(beside.line(), "2020-06-27T00:00:00,30.1");
    let message = sandbox.run(&["umount", "mnt"]).fails(1);
    assert!(message.contains("tail") && message.contains("live.csv"), "{message}");
    assert_eq!(mount.text("temp/bxl/live.csv"), sandbox.read("temp/bxl"), "it goes on serving");
    drop(beside);
    mount.unmount();
}

#[test]
fn umount_is_not_in_its_own_way() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let inside = |script: &str| {
        let mut shell = limited("bash");
        run(shell.current_dir(sandbox.path("")).env("LAKOTA", LAKOTA).args(["-c", script]), "")
    };
    let message = inside("cd mnt/temp && $LAKOTA umount ..; exit $?").fails(1);
    assert!(message.contains("bash: current folder") && !message.contains("lakota: current"), "{message}");
    inside("cd mnt/temp && exec $LAKOTA umount ..").ok();
    assert!(!mount.is_mounted());
}

#[test]
fn umount_refuses_what_is_no_mount_of_ours() {
    let sandbox = Sandbox::quickstart();
    std::fs::create_dir(sandbox.path("mnt")).unwrap();
    for folder in ["mnt", "/proc", "nowhere"] {
        let message = sandbox.run(&["umount", folder]).fails(1);
        assert!(message.contains(folder), "{message}");
    }
    assert!(is_mounted(Path::new("/proc")));
}

#[test]
fn sigterm_unmounts() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let held = std::fs::File::open(mount.at("temp/bxl/live.csv")).unwrap();
    mount.signal(Signal::TERM);
    within(SOON, "it has unmounted", || !mount.is_mounted());
    drop(held);
    within(SOON, "it has ended", || !mount.is_running());
    assert!(crate::sandbox::names(mount.path()).is_empty());
}

#[test]
fn a_mount_whose_daemon_was_killed_is_replaced() {
    let sandbox = Sandbox::quickstart();
    let dead = sandbox.mount();
    dead.signal(Signal::KILL);
    within(SOON, "the mount is dead", || {
        std::fs::metadata(dead.path()).is_err_and(|e| e.raw_os_error() == Some(libc::ENOTCONN))
    });
    let listed = sandbox.run(&["mounts"]).ok();
    assert!(
        listed.lines().any(|line| line.contains(dead.path().to_str().unwrap()) && line.contains("dead")),
        "{listed}"
    );
    sandbox.upsert("temp/bxl", "2020-06-28,29\n");
    let again = sandbox.mount();
    assert_ne!(again.pid(), dead.pid());
    assert_eq!(again.text("temp/bxl/live.csv"), sandbox.read("temp/bxl"));
    again.unmount();
    assert!(!is_mounted(dead.path()), "the dead mount lies below");
    sandbox.run(&["verify"]).ok();
}

#[test]
fn umount_takes_a_dead_mount_away() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    mount.signal(Signal::KILL);
    within(SOON, "the daemon has ended", || !mount.is_running());
    mount.unmount();
    assert!(crate::sandbox::names(mount.path()).is_empty());
}

#[test]
fn a_read_beside_a_killed_daemon_fails_and_does_not_hang() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let beside = Beside::start(limited("bash").arg("-c").arg(format!(
        "while cat {0}/temp/bxl/live.csv >/dev/null; do :; done; echo ended",
        mount.path().display()
    )));
    std::thread::sleep(Duration::from_millis(300));
    mount.signal(Signal::KILL);
    assert_eq!(beside.line(), "ended");
    detach(mount.path());
}

#[test]
fn two_repositories_are_mounted_side_by_side() {
    let sandbox = Sandbox::quickstart();
    let other = |words: &[&str], input: &str| {
        let mut command = limited(LAKOTA);
        let words = command.current_dir(sandbox.path("")).args(["-r", "other"]).args(words);
        run(words, input).ok()
    };
    other(&["create", "temp/bxl", "timestamp timestamp*", "value float"], "");
    other(&["write", "temp/bxl"], INPUT);
    std::fs::create_dir(sandbox.path("mnt2")).unwrap();
    let one = sandbox.mount();
    other(&["mount", "mnt2", "-o", "spool=spool"], "");
    let two = Mount::guard(sandbox.path("mnt2"), None);
    assert!(one.text("temp/bxl/live.csv").contains(",25.2\n"));
    assert!(two.text("temp/bxl/live.csv").contains(",25.0\n"));
    other(&["write", "temp/bxl"], CORRECTED);
    within(Duration::from_secs(1), "the commit shows", || {
        two.text("temp/bxl/live.csv") == one.text("temp/bxl/live.csv")
    });
}

#[test]
fn commands_in_a_mount_are_told_its_repository() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    for folder in [mount.path().to_owned(), mount.at("temp/bxl")] {
        let message = run(limited(LAKOTA).current_dir(folder).args(["log", "temp"]), "").fails(1);
        assert!(message.contains(&format!("`-r {}`", sandbox.repo().display())), "{message}");
    }
}

#[test]
fn doctor_finds_a_machine_that_can_mount_well() {
    let sandbox = Sandbox::new();
    let said = sandbox.run(&["doctor"]).ok();
    assert!(
        said.contains("/dev/fuse") && said.contains("fusermount3") && said.contains("  spool "),
        "{said}"
    );
}

#[test]
fn a_quiet_mount_logs_its_beginning_and_its_end() {
    let sandbox = Sandbox::quickstart();
    std::fs::create_dir(sandbox.path("mnt")).unwrap();
    let log = sandbox.path("log");
    // So mount(8) has it started; the log is not what `-q` silences.
    let said = sandbox.run(&["-q", "mount", "mnt", "-o", "spool=spool", "--log-file", log.to_str().unwrap()]);
    let mount = Mount::guard(sandbox.path("mnt"), None);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    mount.unmount();
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains(" INFO mounted ") && log.contains(" INFO unmounted "), "{log}");
}
