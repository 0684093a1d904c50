//! A mount from its start to its end: checks, the kernel's side, signals, unmounting.
//!
//! A mount that has started answers. It ends when it is unmounted from outside, or by SIGTERM, SIGINT or SIGHUP, which
//! take it out of sight at once and give those who use it a while. It is never left behind by an orderly end.

pub mod error;
pub mod holders;
pub mod place;
pub mod unmount;

use super::fuse::Adapter;
use crate::mount::machine::table;
use crate::mount::options::MountOptions;
use crate::mount::posix::fs::Fs;
use error::MountError;
use fuser::{Config, MountOption, SessionACL};
use place::Place;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use std::io::{self, Read};
use std::mem;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;
use unmount::How;

/// Threads that answer the kernel: with one, a slow read would hold up every `stat`.
const THREADS: usize = 4;

/// What the kernel reads ahead, in KiB.
const READ_AHEAD: &str = "1024";

/// How long a new mount may take to answer.
const FIRST: Duration = Duration::from_secs(20);

/// How long programs may go on with open files after a signal.
const GRACE: Duration = Duration::from_secs(10);

#[derive(Debug)]
enum Event {
    Signal,
    Ended(io::Result<()>),
}

/// A repository that is mounted and answers.
#[derive(Debug)]
pub struct Mounted {
    mountpoint: PathBuf,
    device: Option<(u32, u32)>,
    events: Receiver<Event>,
    fs: Arc<Fs>,
}

impl Mounted {
    /// Mounts `fs` at a place that was found, and waits until it answers.
    pub fn start(fs: Fs, place: &Place, options: &MountOptions) -> Result<Mounted, MountError> {
        let mountpoint = place.mountpoint.clone();
        let serve = |source| MountError::Serve { mountpoint: mountpoint.clone(), source };
        let (sender, events) = channel();
        let fs = Arc::new(fs);
        let first = Arc::clone(&fs);
        // Beside the first requests: who comes to a collection too early waits for it.
        thread::Builder::new().name("first look".to_owned()).spawn(move || first.warm()).map_err(serve)?;
        // Signals first: one that comes while mounting must not leave a dead mount.
        watch_signals(sender.clone()).map_err(serve)?;
        let session = fuser::Session::new(
            Adapter::new(Arc::clone(&fs), &place.repo),
            &mountpoint,
            &config(place, options),
        );
        let session = session
            .map_err(|source| MountError::Refused { mountpoint: mountpoint.clone(), source: said(source) })?;
        let mut served = session.spawn().map_err(serve)?;
        let guard = mem::replace(&mut served.guard, thread::spawn(|| Ok(())));
        // Dropped, it would unmount whatever is at the mountpoint by then: the mount it lay on, or the next one.
        mem::forget(served);
        let ended = thread::Builder::new().name("end".to_owned()).spawn(move || {
            let done =
                guard.join().unwrap_or_else(|_| Err(io::Error::other("the thread that serves panicked")));
            // Nobody waits any more where this fails.
            sender.send(Event::Ended(done)).unwrap_or_default();
        });
        ended.map_err(serve)?;
        let device = table::at(&mountpoint).ok().flatten().map(|mount| mount.device);
        let mounted = Mounted { mountpoint, device, events, fs };
        mounted.read_ahead();
        mounted.answers().inspect_err(|_| mounted.detach())?;
        Ok(mounted)
    }

    /// Looks at the new mount, as its first user will.
    fn answers(&self) -> Result<(), MountError> {
        let (path, mountpoint) = (self.mountpoint.clone(), self.mountpoint.clone());
        match table::within(FIRST, move || path.metadata()) {
            None => Err(MountError::Silent(mountpoint)),
            Some(Err(source)) => Err(MountError::Broken { mountpoint, source }),
            Some(Ok(_)) => Ok(()),
        }
    }

    /// Raises what the kernel reads ahead: its own bound for FUSE is 128 KiB, which costs a third of the throughput.
    fn read_ahead(&self) {
        let Some((major, minor)) = self.device else { return };
        let file = format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb");
        if let Err(error) = std::fs::write(&file, READ_AHEAD) {
            // Only root may.
            log::debug!("reads are in smaller pieces: cannot write {file}: {error}");
        }
    }

    /// Serves until it is unmounted or a signal comes.
    pub fn wait(self) -> Result<(), MountError> {
        let done = match self.events.recv() {
            Ok(Event::Signal) => self.stop(),
            Ok(Event::Ended(done)) => done,
            // Both senders live as long as their threads, which send before they end.
            Err(error) => Err(io::Error::other(error)),
        };
        // What is being saved is saved; what nobody closed is kept.
        self.fs.finish();
        log::info!("unmounted {}", self.mountpoint.display());
        done.map_err(|source| MountError::Serve { mountpoint: self.mountpoint, source })
    }

    fn stop(&self) -> io::Result<()> {
        self.detach();
        match self.events.recv_timeout(GRACE) {
            Ok(Event::Ended(done)) => done,
            // Files still open answer with errors from now on.
            Ok(Event::Signal) => {
                log::warn!("told to end {} twice: waits for no open files", self.mountpoint.display());
                Ok(())
            }
            Err(_) => {
                log::warn!("ended while files of {} were open", self.mountpoint.display());
                Ok(())
            }
        }
    }

    /// Takes the mount out of sight, unless it is gone or another one lies on top of it.
    fn detach(&self) {
        let top = table::at(&self.mountpoint).ok().flatten().map(|mount| mount.device);
        if top.is_none() || top != self.device {
            return;
        }
        if let Err(error) = unmount::unmount(&self.mountpoint, How::Lazy) {
            log::error!("{error}");
        }
    }
}

/// What `fusermount3` said ends with a newline and starts with its name.
fn said(error: io::Error) -> io::Error {
    let text = error.to_string();
    let line = text.trim().trim_start_matches("fusermount3: ");
    if line == text { error } else { io::Error::new(error.kind(), line.to_owned()) }
}

fn watch_signals(sender: Sender<Event>) -> io::Result<()> {
    let (mut reader, writer) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        pipe::register(signal, writer.try_clone()?)?;
    }
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut byte = [0];
        while reader.read_exact(&mut byte).is_ok() && sender.send(Event::Signal).is_ok() {}
    })?;
    Ok(())
}

fn config(place: &Place, options: &MountOptions) -> Config {
    let name = options.fsname.clone().unwrap_or_else(|| place.repo.to_string_lossy().into_owned());
    let mut config = Config::default();
    config.mount_options = vec![
        if options.read_only { MountOption::RO } else { MountOption::RW },
        MountOption::NoDev,
        MountOption::NoSuid,
        MountOption::NoAtime,
        MountOption::FSName(if rustix::process::geteuid().is_root() { name } else { listed(&name) }),
        // fuser keeps its own `Subtype` from the kernel where it mounts without the helper.
        MountOption::CUSTOM("subtype=lakota".to_owned()),
    ];
    if options.allow_other {
        // Without the kernel's check of permissions anybody could do anything.
        config.mount_options.push(MountOption::DefaultPermissions);
        config.acl = SessionACL::All;
    }
    config.n_threads = Some(THREADS);
    config.clone_fd = true;
    config
}

/// A name within the list of options that `fusermount3` takes.
fn listed(name: &str) -> String {
    name.replace('\\', "\\\\").replace(',', "\\,")
}

/// Mounts and serves until the end; `ready` is called when the mount answers.
pub fn serve(
    fs: Fs,
    place: &Place,
    options: &MountOptions,
    ready: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), MountError> {
    let mounted = Mounted::start(fs, place, options)?;
    if let Err(source) = ready(&mounted.mountpoint) {
        mounted.detach();
        return Err(MountError::Serve { mountpoint: mounted.mountpoint, source });
    }
    log::info!("mounted {} on {}", place.repo.display(), mounted.mountpoint.display());
    mounted.wait()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { repo: "/srv/a,b".into(), mountpoint: "/mnt".into() }
    }

    #[test]
    fn others_come_with_checked_permissions_and_the_owner_without() {
        let own = config(&place(), &MountOptions::default());
        assert_eq!(own.acl, SessionACL::Owner);
        assert!(!own.mount_options.contains(&MountOption::DefaultPermissions));
        let shared = config(&place(), &MountOptions { allow_other: true, ..MountOptions::default() });
        assert_eq!(shared.acl, SessionACL::All);
        assert!(shared.mount_options.contains(&MountOption::DefaultPermissions));
    }

    #[test]
    fn a_mount_is_read_only_where_that_is_asked_and_has_our_type() {
        let config = config(&place(), &MountOptions { read_only: true, ..MountOptions::default() });
        assert!(config.mount_options.contains(&MountOption::RO));
        assert!(config.mount_options.contains(&MountOption::CUSTOM("subtype=lakota".to_owned())));
    }

    #[test]
    fn commas_and_backslashes_survive_the_helper() {
        assert_eq!(listed(r"/srv/a,b\c"), r"/srv/a\,b\\c");
    }

    #[test]
    fn the_helper_is_quoted_without_its_name() {
        let error = said(io::Error::other("fusermount3: user has no write access to mountpoint /mnt\n"));
        assert_eq!(error.to_string(), "user has no write access to mountpoint /mnt");
    }
}
