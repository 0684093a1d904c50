//! What stands in the way of a mount here, found before one is tried.

use super::host::{Host, HostError};
use super::table::{Health, Mount};
use std::error::Error;

/// The oldest kernel with reads of 1 MiB.
const KERNEL: (u32, u32) = (4, 20);

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// As it should be.
    Ok,
    /// Something does not work, mounting does.
    Warn,
    /// Mounting would fail.
    Fail,
}

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was found.
    pub finding: Finding,
    /// What was looked at.
    pub name: &'static str,
    /// How it is, and what to do where that is not well.
    pub text: String,
}

impl Check {
    fn ok(name: &'static str, text: impl Into<String>) -> Check {
        Check { finding: Finding::Ok, name, text: text.into() }
    }

    fn warn(name: &'static str, text: impl Into<String>) -> Check {
        Check { finding: Finding::Warn, name, text: text.into() }
    }

    fn of(name: &'static str, done: Result<(), HostError>, fine: String) -> Check {
        match done {
            Ok(()) => Check::ok(name, fine),
            Err(error) => {
                let cause = error.source().map(|cause| format!(" ({cause})")).unwrap_or_default();
                Check { finding: Finding::Fail, name, text: format!("{error}{cause}") }
            }
        }
    }
}

/// Looks at everything. `release` is the kernel's, `filesystems` what `/proc/filesystems` holds, `mounts` are the
/// lakota mounts there are.
#[must_use]
pub fn checks(host: &Host, release: &str, filesystems: &str, mounts: &[(Mount, Health)]) -> Vec<Check> {
    let mut found = vec![
        Check::of("device", host.check_device(), format!("{} opens", host.device.display())),
        kernel(release, filesystems),
        right(host),
        others(host),
        helper(host),
        log(host),
    ];
    found.extend(mounts.iter().filter_map(|(mount, health)| sick(mount, *health)));
    found
}

fn kernel(release: &str, filesystems: &str) -> Check {
    let mut numbers = release.split(['.', '-']).map(str::parse::<u32>);
    let version = match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        _ => return Check::warn("kernel", format!("Linux {release}: cannot tell its age")),
    };
    if version < KERNEL {
        return Check::warn(
            "kernel",
            format!("Linux {release} reads in small pieces: 4.20 or newer is faster"),
        );
    }
    if filesystems.lines().any(|line| line.split_whitespace().next_back() == Some("fuse")) {
        return Check::ok("kernel", format!("Linux {release} with FUSE"));
    }
    Check::warn("kernel", format!("Linux {release}: FUSE is not loaded yet; `modprobe fuse` loads it"))
}

fn right(host: &Host) -> Check {
    let fine = match host.fusermount() {
        Some(path) => format!("{} mounts for users", path.display()),
        None if host.privileged => {
            let text = "fusermount3 is missing: only root can mount; the package fuse3 has it";
            return Check::warn("fusermount", text);
        }
        None => String::new(),
    };
    Check::of("fusermount", host.check_right(), fine)
}

fn others(host: &Host) -> Check {
    let conf = host.conf.display();
    if host.users_allow_others() {
        return Check::ok("allow_other", format!("user_allow_other is in {conf}"));
    }
    let text = format!("for root only: the line user_allow_other in {conf} lets users share their mounts");
    Check::warn("allow_other", text)
}

fn helper(host: &Host) -> Check {
    let helper = host.helper.display();
    if host.helper.exists() {
        return Check::ok("helper", format!("{helper} is there: `mount -t lakota` and fstab work"));
    }
    let text = format!("{helper} is missing: fstab needs it; mount-scripts/install.sh installs it");
    Check::warn("helper", text)
}

fn log(host: &Host) -> Check {
    let log = host.log.display();
    if host.log.exists() {
        return Check::ok("log", format!("the system's log listens at {log}"));
    }
    Check::warn("log", format!("no system's log at {log}: mount with --log-file to keep one"))
}

fn sick(mount: &Mount, health: Health) -> Option<Check> {
    let at = mount.mountpoint.display();
    match health {
        Health::Alive => None,
        Health::Dead => {
            Some(Check::warn("mounts", format!("{at} is dead: `lakota umount {at}` clears it away")))
        }
        Health::Hangs => {
            let text = format!("{at} does not answer: `lakota umount --force {at}` ends it");
            Some(Check::warn("mounts", text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mount::host::tests::host;

    const FUSE: &str = "nodev\tproc\nnodev\tfuse\nfuseblk\n";

    fn finding(found: &[Check], name: &str) -> Finding {
        found.iter().find(|check| check.name == name).unwrap().finding
    }

    #[test]
    fn a_machine_with_everything_is_fine() {
        let folder = tempfile::tempdir().unwrap();
        let found = checks(&host(&folder), "6.18.44-x", FUSE, &[]);
        assert!(found.iter().all(|check| check.finding == Finding::Ok), "{found:?}");
    }

    #[test]
    fn a_machine_with_nothing_fails_where_mounting_would() {
        let folder = tempfile::tempdir().unwrap();
        let mut host = host(&folder);
        host.path = "/nowhere".into();
        for file in [&host.device, &host.conf, &host.helper, &host.log] {
            std::fs::remove_file(file).unwrap();
        }
        let found = checks(&host, "3.10.0", "", &[]);
        assert_eq!(finding(&found, "device"), Finding::Fail);
        for name in ["kernel", "allow_other", "helper", "log"] {
            assert_eq!(finding(&found, name), Finding::Warn, "{name}");
        }
    }

    #[test]
    fn dead_mounts_are_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let mount = |at: &str| Mount {
            mountpoint: at.into(),
            source: "/r".into(),
            fstype: "fuse.lakota".to_owned(),
            device: (0, 1),
        };
        let mounts =
            [(mount("/a"), Health::Alive), (mount("/b"), Health::Dead), (mount("/c"), Health::Hangs)];
        let found = checks(&host(&folder), "6.1", FUSE, &mounts);
        let texts: Vec<&str> = found.iter().filter(|c| c.name == "mounts").map(|c| c.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "/b is dead: `lakota umount /b` clears it away",
                "/c does not answer: `lakota umount --force /c` ends it"
            ]
        );
    }
}
