//! What stands in the way of a mount here, found before one is tried.

use super::host::{Host, HostError};
use super::table::{Health, Mount};
use crate::vfs::spool::{SpoolError, free_space};
use std::error::Error;
use std::path::Path;

/// The oldest kernel with reads of 1 MiB.
const KERNEL: (u32, u32) = (4, 20);

/// Bytes that a spool should have: refused files are kept for 30 days, and what is being written waits there.
const ROOM: u64 = 1 << 30;

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
        done.map_or_else(|error| Check::failed(name, &error), |()| Check::ok(name, fine))
    }

    fn failed(name: &'static str, error: &dyn Error) -> Check {
        let cause = error.source().map(|cause| format!(" ({cause})")).unwrap_or_default();
        Check { finding: Finding::Fail, name, text: format!("{error}{cause}") }
    }
}

/// Looks at everything. `release` is the kernel's, `filesystems` what `/proc/filesystems` holds, `mounts` are the
/// lakota mounts there are, `spool` is where spools are if nothing else is asked for.
#[must_use]
pub fn checks(
    host: &Host,
    (release, filesystems): (&str, &str),
    spool: Option<&Path>,
    mounts: &[(Mount, Health)],
) -> Vec<Check> {
    let mut found = vec![
        Check::of("device", host.check_device(), format!("{} opens", host.device.display())),
        kernel(release, filesystems),
        right(host),
        others(host),
        helper(host),
        log(host),
        spool.map_or_else(homeless, |base| spooled(base, free_space(base))),
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

fn homeless() -> Check {
    Check::warn("spool", "this user has no home: mount with `-o spool=DIR`, or with `-o ro`")
}

fn spooled(base: &Path, space: Result<u64, SpoolError>) -> Check {
    let shown = base.display();
    match space {
        Ok(free) if free < ROOM => {
            let text = format!(
                "{shown} has {} MiB free, which what is being written may fill: `-o spool=DIR` names another folder",
                free >> 20
            );
            Check::warn("spool", text)
        }
        Ok(free) => Check::ok("spool", format!("{shown} has {:.1} GiB free", free as f64 / ROOM as f64)),
        Err(error) => Check::failed("spool", &error),
    }
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
    use crate::mount::machine::host::tests::host;

    const FUSE: &str = "nodev\tproc\nnodev\tfuse\nfuseblk\n";

    fn finding(found: &[Check], name: &str) -> Finding {
        found.iter().find(|check| check.name == name).unwrap().finding
    }

    #[test]
    fn a_machine_with_everything_is_fine() {
        let folder = tempfile::tempdir().unwrap();
        let found = checks(&host(&folder), ("6.18.44-x", FUSE), Some(folder.path()), &[]);
        assert!(
            found.iter().filter(|check| check.name != "spool").all(|check| check.finding == Finding::Ok),
            "{found:?}"
        );
    }

    #[test]
    fn a_machine_with_nothing_fails_where_mounting_would() {
        let folder = tempfile::tempdir().unwrap();
        let mut host = host(&folder);
        host.path = "/nowhere".into();
        for file in [&host.device, &host.conf, &host.helper, &host.log] {
            std::fs::remove_file(file).unwrap();
        }
        let found = checks(&host, ("3.10.0", ""), None, &[]);
        assert_eq!(finding(&found, "device"), Finding::Fail);
        for name in ["kernel", "allow_other", "helper", "log", "spool"] {
            assert_eq!(finding(&found, name), Finding::Warn, "{name}");
        }
    }

    #[test]
    fn a_spool_is_looked_at_and_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let look = |base: &Path| spooled(base, free_space(base));
        let missing = folder.path().join("state/lakota");
        assert!(look(&missing).text.starts_with(&format!("{} has ", missing.display())));
        assert!(!missing.exists() && !folder.path().join("state").exists());
        std::fs::create_dir(folder.path().join("state")).unwrap();
        std::fs::write(&missing, "").unwrap();
        let file = look(&missing);
        assert_eq!(file.finding, Finding::Fail);
        assert!(file.text.contains("is no folder: name another with `-o spool=DIR`"), "{file:?}");
        assert_eq!(look(&missing.join("below")).finding, Finding::Fail);
        assert_eq!(spooled(&missing, Ok(ROOM - 1)).finding, Finding::Warn);
        assert_eq!(spooled(&missing, Ok(ROOM)).text, format!("{} has 1.0 GiB free", missing.display()));
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
        let found = checks(&host(&folder), ("6.1", FUSE), Some(folder.path()), &mounts);
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
