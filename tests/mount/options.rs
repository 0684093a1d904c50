//! What `-o` says: owners, permissions, other users, sizes; what it does not know is refused by name.

use crate::gallery::{BIG, plain_rows};
use crate::sandbox::{Sandbox, text};
use crate::tools::{Ran, is_root, limited, run};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[test]
fn owner_and_permissions_are_those_asked_for() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount_with("uid=1234,gid=2345,umask=027");
    for (name, mode) in [("temp/bxl/live.csv", 0o100_640), ("temp/bxl", 0o040_750), ("", 0o040_750)] {
        let stat = std::fs::metadata(mount.at(name)).unwrap();
        assert_eq!(
            (stat.uid(), stat.gid(), format!("{:o}", stat.mode())),
            (1234, 2345, format!("{mode:o}")),
            "{name}"
        );
    }
}

#[test]
fn without_options_who_mounts_owns_everything() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let stat = std::fs::metadata(mount.at("temp/bxl/live.csv")).unwrap();
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    assert_eq!((stat.uid(), stat.gid()), (uid, gid));
}

/// Runs a command as another user, if this one may.
fn as_nobody(words: &[&str], path: &Path) -> Option<Ran> {
    if !is_root() {
        eprintln!("not root: nobody else's view is not tested");
        return None;
    }
    let mut command = limited("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).args(words).arg(path);
    Some(run(&mut command, ""))
}

#[test]
fn other_users_see_nothing_without_allow_other() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let path = mount.at("temp/bxl/live.csv");
    for words in [&["cat"][..], &["stat"], &["ls"]] {
        let Some(ran) = as_nobody(words, &path) else { return };
        assert!(ran.code != Some(0) && ran.err.contains("Permission denied"), "{words:?}: {ran:?}");
    }
}

#[test]
fn other_users_read_with_allow_other() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount_with("allow_other");
    let Some(ran) = as_nobody(&["cat"], &mount.at("temp/bxl/live.csv")) else { return };
    assert_eq!(ran.ok(), sandbox.read("temp/bxl"));
}

#[test]
fn allow_other_keeps_to_the_permissions() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount_with("allow_other,umask=077");
    let Some(ran) = as_nobody(&["cat"], &mount.at("temp/bxl/live.csv")) else { return };
    assert!(ran.fails(1).contains("Permission denied"));
}

#[test]
fn errors_are_for_their_owner_only() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount_with("allow_other");
    let mode = std::fs::metadata(mount.at(".lakota/errors")).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn files_far_larger_than_the_cache_are_read() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "temp", "timestamp timestamp*", "value float"]).ok();
    sandbox.write("temp/big", plain_rows(0, BIG));
    let mount = sandbox.mount_with("cache=1M");
    assert!(mount.text("temp/big/live.csv") == sandbox.read("temp/big"));
    let last = sandbox.shell(&mount, "tail -n 1 $M/temp/big/live.csv").ok();
    assert_eq!(
        last,
        sandbox.run(&["read", "temp/big", "--tail", "1"]).ok().lines().nth(1).unwrap().to_owned() + "\n"
    );
}

/// The line of a mountpoint in the kernel's table.
fn table_line(mountpoint: &Path) -> String {
    let table = text(Path::new("/proc/self/mounts"));
    let found = table.lines().find(|line| line.split(' ').nth(1) == mountpoint.to_str());
    found.unwrap().to_owned()
}

#[test]
fn mount_tables_show_the_repository_and_the_type() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let line = table_line(mount.path());
    let start = format!("{} {} fuse.lakota rw,", sandbox.repo().display(), mount.path().display());
    assert!(line.starts_with(&start), "{line}");
    assert!(!line.contains("allow_other"), "{line}");
    drop(mount);
    let mount = sandbox.mount_with("fsname=weather,allow_other,ro");
    let line = table_line(mount.path());
    assert!(
        line.starts_with("weather ")
            && line.contains(" ro,")
            && line.contains("allow_other")
            && line.contains("default_permissions"),
        "{line}"
    );
}

#[test]
fn options_may_repeat_and_standard_ones_are_taken() {
    let sandbox = Sandbox::quickstart();
    let options = ["-o", "ro,nofail,_netdev,noatime", "-o", "x-systemd.automount,defaults,poll=2s,cache=64M"];
    let mount = sandbox.mount_at("mnt", &options);
    assert_eq!(mount.text("temp/bxl/live.csv"), sandbox.read("temp/bxl"));
}

#[test]
fn unknown_options_and_bad_values_are_named_and_refused() {
    let sandbox = Sandbox::quickstart();
    std::fs::create_dir(sandbox.path("mnt")).unwrap();
    for (options, named) in [
        ("colour=red", "colour"),
        ("ro,hide_revision", "hide_revisions"),
        ("cache=much", "much"),
        ("umask=9", "umask"),
        ("uid=me", "uid"),
        ("names=both", "both"),
        ("poll=often", "often"),
    ] {
        let message = sandbox.run(&["mount", "mnt", "-o", options]).fails(2);
        assert!(message.contains(named), "{options}: {message}");
        assert!(!crate::mounted::is_mounted(&sandbox.path("mnt")), "{options}");
    }
}
