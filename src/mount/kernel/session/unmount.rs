//! Ends mounts: by the kernel's call where this process may, else through `fusermount3`.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How a mount ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Only if nobody uses it.
    Plain,
    /// It is out of sight at once; who uses it can go on.
    Lazy,
    /// It is out of sight at once; who uses it gets errors. Through `fusermount3`: as `Lazy`.
    Force,
}

/// Why a mount did not end.
#[derive(Debug, thiserror::Error)]
pub enum UnmountError {
    /// Somebody uses it.
    #[error("{0} is busy")]
    Busy(PathBuf),
    /// Nothing to end.
    #[error("nothing is mounted at {0}")]
    Nothing(PathBuf),
    /// The helper is missing.
    #[error("cannot unmount {0}: only root can without fusermount3, which the package fuse3 has")]
    NoHelper(PathBuf),
    /// Somebody else's.
    #[error("cannot unmount {0}: only who mounted it can, or root")]
    NotOurs(PathBuf),
    /// The helper said no.
    #[error("cannot unmount {path}: {said}")]
    Helper {
        /// The mountpoint.
        path: PathBuf,
        /// What it said.
        said: String,
    },
    /// The kernel said no.
    #[error("cannot unmount {path}")]
    Failed {
        /// The mountpoint.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Ends the mount on top at `mountpoint`.
pub fn unmount(mountpoint: &Path, how: How) -> Result<(), UnmountError> {
    let flags = match how {
        How::Plain => UnmountFlags::empty(),
        How::Lazy => UnmountFlags::DETACH,
        How::Force => UnmountFlags::FORCE | UnmountFlags::DETACH,
    };
    let path = mountpoint.to_owned();
    match rustix::mount::unmount(mountpoint, flags | UnmountFlags::NOFOLLOW) {
        Ok(()) => Ok(()),
        Err(Errno::PERM) => helped(mountpoint, how),
        Err(Errno::BUSY) => Err(UnmountError::Busy(path)),
        Err(Errno::INVAL | Errno::NOENT) => Err(UnmountError::Nothing(path)),
        Err(errno) => Err(UnmountError::Failed { path, source: errno.into() }),
    }
}

fn helped(mountpoint: &Path, how: How) -> Result<(), UnmountError> {
    let path = mountpoint.to_owned();
    let mut command = Command::new("fusermount3");
    command.arg("-u").stdin(Stdio::null());
    if how != How::Plain {
        command.arg("-z");
    }
    // The helper's words are looked into, so they must be English.
    let done = match command.arg("--").arg(mountpoint).env("LC_ALL", "C").output() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(UnmountError::NoHelper(path)),
        Err(source) => return Err(UnmountError::Failed { path, source }),
        Ok(done) => done,
    };
    if done.status.success() {
        return Ok(());
    }
    Err(refused(path, String::from_utf8_lossy(&done.stderr).trim()))
}

/// What the helper's words mean.
fn refused(path: PathBuf, said: &str) -> UnmountError {
    if said.contains("busy") {
        return UnmountError::Busy(path);
    }
    // It looks for mounts of its user only, and reports those of others as missing from a table.
    if said.contains("not found in /etc/mtab") {
        return UnmountError::NotOurs(path);
    }
    UnmountError::Helper { path, said: said.to_owned() }
}

/// The process that serves a mount.
#[derive(Debug)]
pub struct Server {
    pid: u32,
    process: OwnedFd,
}

impl Server {
    /// The process `pid`, if it is one that serves FUSE and this process may see that.
    #[must_use]
    pub fn of(pid: u32) -> Option<Server> {
        // The process is held first, looked at then: the number cannot pass to another meanwhile.
        let process = pidfd_open(Pid::from_raw(pid.try_into().ok()?)?, PidfdFlags::empty()).ok()?;
        let mut files = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let serves = |file: io::Result<std::fs::DirEntry>| {
            file.and_then(|file| std::fs::read_link(file.path())).is_ok_and(|to| to == Path::new("/dev/fuse"))
        };
        files.any(serves).then_some(Server { pid, process })
    }

    /// Its number.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for its end; whether that came in time.
    #[must_use]
    pub fn ended(&self, limit: Duration) -> bool {
        let mut fds = [PollFd::new(&self.process, PollFlags::IN)];
        let limit = Timespec {
            tv_sec: limit.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        };
        // Whatever else wakes it, the end shows as readable.
        poll(&mut fds, Some(&limit)).is_ok_and(|ready| ready > 0)
    }

    /// Ends it without asking.
    pub fn kill(&self) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.process, Signal::KILL)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_no_mount_is_told() {
        let folder = tempfile::tempdir().unwrap();
        // As root the kernel answers, else the helper, if there is one.
        assert!(unmount(folder.path(), How::Plain).is_err());
    }

    #[test]
    fn the_helper_is_understood() {
        let said = |words: &str| refused("/mnt".into(), words).to_string();
        assert_eq!(said("fusermount3: failed to unmount /mnt: Device or resource busy"), "/mnt is busy");
        assert_eq!(
            said("fusermount3: entry for /mnt not found in /etc/mtab"),
            "cannot unmount /mnt: only who mounted it can, or root"
        );
        assert_eq!(said("fusermount3: odd"), "cannot unmount /mnt: fusermount3: odd");
    }

    #[test]
    fn a_process_that_serves_nothing_is_no_server() {
        assert!(Server::of(std::process::id()).is_none());
        assert!(Server::of(0).is_none());
    }
}
