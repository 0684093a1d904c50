//! The guard of a mount: whatever happens, it is unmounted and its daemon ends.

use crate::sandbox::{LAKOTA, text};
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// A daemon that serves longer than this hangs; it is killed, so that calls of the test on its files fail.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Mount {
    path: PathBuf,
    log: Option<PathBuf>,
    pid: u32,
    _watch: Sender<()>,
}

impl Mount {
    /// Takes care of what is mounted on a folder.
    #[track_caller]
    pub(crate) fn guard(path: PathBuf, log: Option<PathBuf>) -> Mount {
        let (watch, ended) = channel();
        let mut mount = Mount { path, log, pid: 0, _watch: watch };
        // Through `cat`, which the time limit ends if the daemon does not answer. A failure drops the guard.
        let status = mount.path.join(".lakota/status");
        let said = crate::tools::run(crate::tools::limited("cat").arg(&status), "").ok();
        let status: serde_json::Value = serde_json::from_str(&said).unwrap();
        mount.pid = u32::try_from(status["pid"].as_u64().unwrap()).unwrap();
        let (pid, path) = (mount.pid, mount.path.clone());
        std::thread::spawn(move || {
            if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                kill(pid, Signal::KILL);
                detach(&path);
            }
        });
        mount
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A path below the mountpoint.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The text of a file below the mountpoint.
    #[track_caller]
    pub(crate) fn text(&self, name: &str) -> String {
        text(&self.at(name))
    }

    /// The daemon.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends the daemon a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        assert!(kill(self.pid, signal), "the daemon {} is gone", self.pid);
    }

    /// Whether something is mounted here.
    pub(crate) fn is_mounted(&self) -> bool {
        is_mounted(&self.path)
    }

    /// Whether the daemon runs.
    pub(crate) fn is_running(&self) -> bool {
        is_running(self.pid)
    }

    /// Unmounts by the command line.
    #[track_caller]
    pub(crate) fn unmount(&self) {
        crate::tools::run(crate::tools::limited(LAKOTA).arg("umount").arg(&self.path), "").ok();
        assert!(!self.is_mounted());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.is_mounted() {
            let umount =
                Command::new("timeout").args(["-s", "KILL", "15", LAKOTA, "umount"]).arg(&self.path).output();
            if !umount.is_ok_and(|ran| ran.status.success()) {
                detach(&self.path);
            }
        }
        if self.pid != 0 && self.is_running() {
            kill(self.pid, Signal::KILL);
        }
        if let (true, Some(log)) = (std::thread::panicking(), &self.log) {
            eprintln!("the mount's log:\n{}", std::fs::read_to_string(log).unwrap_or_default());
        }
    }
}

/// Whether something is mounted on a folder; asks the kernel's table, never the folder.
pub(crate) fn is_mounted(path: &Path) -> bool {
    let path = path.to_str().unwrap();
    text(Path::new("/proc/self/mountinfo")).lines().any(|line| line.split(' ').nth(4) == Some(path))
}

/// Takes a mount away whatever holds it.
pub(crate) fn detach(path: &Path) {
    for words in [["umount", "-l"], ["fusermount3", "-uz"]] {
        if Command::new(words[0]).arg(words[1]).arg(path).output().is_ok_and(|ran| ran.status.success()) {
            break;
        }
    }
}

/// Whether a daemon runs: a process of that number that is `lakota` and has not ended.
pub(crate) fn is_running(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.contains("(lakota)") && !stat.contains(") Z "))
}

fn kill(pid: u32, signal: Signal) -> bool {
    let id = i32::try_from(pid).ok().and_then(Pid::from_raw);
    is_running(pid) && id.is_some_and(|id| kill_process(id, signal).is_ok())
}
