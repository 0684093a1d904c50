//! What the machine and the user allow: the FUSE device, the helper that mounts for users, what they may ask of it.
//!
//! The places looked at are values, so that tests have their own. Every refusal says what to do.

use crate::mount::options::MountOptions;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The capability that mounting takes, as a bit; see capabilities(7).
const ADMIN: u64 = 1 << 21;

/// Where things are, and who asks.
#[derive(Debug, Clone)]
pub struct Host {
    /// The device that servers of FUSE open.
    pub device: PathBuf,
    /// What users may ask of FUSE.
    pub conf: PathBuf,
    /// What mount(8) runs for the type `lakota`.
    pub helper: PathBuf,
    /// Where the system's log listens.
    pub log: PathBuf,
    /// Folders of programs.
    pub path: OsString,
    /// Whether this process may mount without help.
    pub privileged: bool,
    /// Whether it runs as root.
    pub root: bool,
}

/// Why nothing can be mounted here.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// No device.
    #[error(
        "{0} is missing: load the kernel's module with `modprobe fuse`; a container needs `--device /dev/fuse`"
    )]
    NoDevice(PathBuf),
    /// A device for others.
    #[error("{0} is not for this user: `chmod 666 {0}`, as root, lets everybody mount folders of their own")]
    Denied(PathBuf),
    /// A device that does not open.
    #[error("cannot open {path}: load the kernel's module with `modprobe fuse`")]
    Device {
        /// The device.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No helper for users.
    #[error("fusermount3 is missing, without which only root can mount: install the package fuse3")]
    NoFusermount,
    /// Root in name only.
    #[error(
        "root may not mount here, which a container must allow: start it with `--cap-add SYS_ADMIN` and \
         `--device /dev/fuse`"
    )]
    Confined,
    /// Users may not let others in.
    #[error("allow_other is for root only here: let root add the line user_allow_other to {0}")]
    NoOthers(PathBuf),
}

impl Host {
    /// This machine and process; `path` is where programs are.
    #[must_use]
    pub fn here(path: OsString) -> Host {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        Host {
            device: "/dev/fuse".into(),
            conf: "/etc/fuse.conf".into(),
            helper: "/sbin/mount.lakota".into(),
            log: "/dev/log".into(),
            path,
            privileged: capable(&status),
            root: rustix::process::geteuid().is_root(),
        }
    }

    /// Checks all that a mount with these options needs.
    pub fn check(&self, options: &MountOptions) -> Result<(), HostError> {
        self.check_device()?;
        self.check_right()?;
        if options.allow_other { self.check_others() } else { Ok(()) }
    }

    /// Checks that the device opens.
    pub fn check_device(&self) -> Result<(), HostError> {
        let path = self.device.clone();
        match std::fs::File::options().read(true).write(true).open(&self.device) {
            Ok(_) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(HostError::NoDevice(path)),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Err(HostError::Denied(path)),
            Err(source) => Err(HostError::Device { path, source }),
        }
    }

    /// Checks that this process may mount, itself or through the helper.
    pub fn check_right(&self) -> Result<(), HostError> {
        match (self.privileged, self.root, self.fusermount()) {
            (true, ..) | (false, false, Some(_)) => Ok(()),
            (false, true, _) => Err(HostError::Confined),
            (false, false, None) => Err(HostError::NoFusermount),
        }
    }

    /// Checks that `allow_other` may be asked for.
    pub fn check_others(&self) -> Result<(), HostError> {
        if self.root || self.users_allow_others() {
            return Ok(());
        }
        Err(HostError::NoOthers(self.conf.clone()))
    }

    /// Whether every user may ask for `allow_other`.
    #[must_use]
    pub fn users_allow_others(&self) -> bool {
        let text = std::fs::read_to_string(&self.conf).unwrap_or_default();
        text.lines().any(|line| line.split('#').next().is_some_and(|word| word.trim() == "user_allow_other"))
    }

    /// The helper that mounts and unmounts for users.
    #[must_use]
    pub fn fusermount(&self) -> Option<PathBuf> {
        ["fusermount3", "fusermount"].iter().find_map(|name| program(&self.path, name))
    }
}

/// Lets this process have as many open files as it may ask for, and gives that number: whatever the kernel knows of
/// scratch files takes a descriptor each.
pub fn raise_open_files() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// A program in one of the folders of `path`, or where system programs are.
fn program(path: &OsStr, name: &str) -> Option<PathBuf> {
    let folders = std::env::split_paths(path).chain(["/bin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|there| there.is_file() && there.permissions().mode() & 0o111 != 0)
}

/// Whether a process whose `/proc/PID/status` this is may mount.
fn capable(status: &str) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).is_some_and(|bits| bits & ADMIN != 0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use tempfile::TempDir;

    /// A machine in a folder: everything is there, the user is nobody special.
    pub(crate) fn host(folder: &TempDir) -> Host {
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("fuse"), "").unwrap();
        std::fs::write(at("fuse.conf"), "# a comment\nmount_max = 1000\nuser_allow_other # all\n").unwrap();
        std::fs::write(at("mount.lakota"), "").unwrap();
        std::fs::write(at("log"), "").unwrap();
        std::fs::create_dir(at("bin")).unwrap();
        std::fs::write(at("bin/fusermount3"), "").unwrap();
        std::fs::set_permissions(at("bin/fusermount3"), PermissionsExt::from_mode(0o755)).unwrap();
        Host {
            device: at("fuse"),
            conf: at("fuse.conf"),
            helper: at("mount.lakota"),
            log: at("log"),
            path: at("bin").into_os_string(),
            privileged: false,
            root: false,
        }
    }

    fn shared() -> MountOptions {
        MountOptions { allow_other: true, ..MountOptions::default() }
    }

    #[test]
    fn a_user_with_everything_may_mount_for_others() {
        let folder = tempfile::tempdir().unwrap();
        host(&folder).check(&shared()).unwrap();
    }

    #[test]
    fn a_missing_device_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let host = host(&folder);
        std::fs::remove_file(&host.device).unwrap();
        let error = host.check(&MountOptions::default()).unwrap_err();
        assert!(matches!(error, HostError::NoDevice(_)));
        assert!(error.to_string().contains("modprobe fuse"));
    }

    #[test]
    fn allow_other_needs_a_line_that_is_no_comment() {
        let folder = tempfile::tempdir().unwrap();
        let mut host = host(&folder);
        std::fs::write(&host.conf, "#user_allow_other\n").unwrap();
        assert!(matches!(host.check(&shared()), Err(HostError::NoOthers(_))));
        host.check(&MountOptions::default()).unwrap();
        (host.root, host.privileged) = (true, true);
        host.check(&shared()).unwrap();
    }

    #[test]
    fn root_without_the_right_is_told_of_containers() {
        let folder = tempfile::tempdir().unwrap();
        let mut host = host(&folder);
        host.root = true;
        assert!(matches!(host.check(&MountOptions::default()), Err(HostError::Confined)));
    }

    #[test]
    fn a_program_must_be_executable() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("some-program");
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        assert_eq!(program(folder.path().as_os_str(), "some-program"), None);
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(program(folder.path().as_os_str(), "some-program"), Some(file));
    }

    #[test]
    fn as_many_files_may_be_open_as_the_hard_limit_allows() {
        let most = raise_open_files().unwrap();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!((limit.current, limit.maximum), (Some(most), Some(most)));
    }

    #[test]
    fn the_right_to_mount_is_one_bit() {
        assert!(capable("Name:\tx\nCapEff:\t000001ffffffffff\n"));
        assert!(!capable("CapEff:\t00000000a80425fb\n"));
        assert!(!capable(""));
    }
}
