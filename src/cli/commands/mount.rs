//! `mount`: a repository as a drive, served in the background or here.
//!
//! The background is a process of its own, started anew: its stdout is a pipe over which it tells that the mount
//! serves. Until then its errors go to the same stderr, and its exit code is ours.

use crate::cli::exit::{Told, Usage};
use crate::cli::logger::{Logger, Sink};
use crate::cli::notify::notify;
use crate::cli::output;
use crate::cli::session::Session;
use crate::mount::kernel::session::place::Place;
use crate::mount::kernel::session::serve;
use crate::mount::machine;
use crate::mount::machine::host::{Host, raise_open_files};
use crate::mount::options::MountOptions;
use crate::mount::posix::fs::Fs;
use crate::vfs::spool::{Spool, default_base};
use anyhow::{Context, Result, bail};
use log::LevelFilter;
use rustix::io::FdFlags;
use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf, absolute};
use std::process::{Command, Stdio};

/// Show the repository as a folder: every series with its live files and its revisions
#[derive(Debug, clap::Args)]
#[command(after_help = "Mount options, parted by commas:
  ro                    nothing can be written; else (rw) what is written becomes revisions
  allow_other           let other users in, as owners and permission bits say
  uid=N, gid=N          owner of all files; else who mounts
  umask=BITS            permission bits taken away, in octal (022)
  hide_revisions        leave `revisions` and `latest` out of listings; they can still be entered
  names=live|label      live.csv, or bxl.csv for the series bxl
  cache=SIZE            memory for what is read (256M)
  poll=TIME             how old a look at a remote repository may be (1s)
  fsname=NAME           what mount tables show; else the repository's folder
  spool=DIR             folder on local disk where bytes being written wait, of this user alone
                        (/var/lib/lakota for root, else ~/.local/state/lakota)
  message=TEXT          what the log says of revisions; else which file was written by which program
What fstab and mount(8) add for any file system is taken and changes nothing.

Examples:
  lakota mount mnt
  lakota mount -r /srv/repo /mnt/repo -o allow_other,uid=1000,cache=1G")]
pub(crate) struct Args {
    /// Folder to see it at
    mountpoint: PathBuf,
    /// Mount options, see below
    #[arg(short = 'o', long = "options", value_name = "OPTIONS")]
    options: Vec<String>,
    /// Stay in the foreground until it is unmounted
    #[arg(short, long)]
    foreground: bool,
    /// File to log to; else stderr in the foreground, the system's log in the background
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
    /// The process in the background: tells over stdout when it serves
    #[arg(long, hide = true)]
    background: bool,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let options = MountOptions::parse(args.options.iter().map(String::as_str));
    let mut options = options.map_err(|error| Usage::of("mount", error.to_string()))?;
    options.spool = options.spool.as_deref().map(full).transpose()?;
    if !args.foreground && !args.background {
        return start(args, session, options.spool.as_deref());
    }
    let logger = logger(args, session)?;
    let done = foreground(args, session, options, logger);
    match &done {
        // Printed there below.
        Err(error) if !logger.is_stderr() => log::error!("{}", output::causes(error)),
        _ => {}
    }
    done
}

fn logger(args: &Args, session: &Session) -> Result<&'static Logger> {
    let level = match session.verbose() {
        0 if args.background => LevelFilter::Info,
        0 => LevelFilter::Warn,
        1 => LevelFilter::Info,
        _ => LevelFilter::Debug,
    };
    let sink = args.log_file.as_deref().map_or(Ok(Sink::Stderr), Sink::file)?;
    Logger::start(level, sink)
}

fn foreground(args: &Args, session: &Session, options: MountOptions, logger: &'static Logger) -> Result<()> {
    Host::here(env::var_os("PATH").unwrap_or_default()).check(&options)?;
    let repo = session.repo()?;
    let place = Place::find(session.place(), &args.mountpoint)?;
    let options = MountOptions { repo: place.repo.clone(), ..options };
    let fs = if options.read_only {
        Fs::new(repo, options.clone())
    } else {
        let spool = spool(&options, &place, repo.context().clock.now())?;
        let repo = session.repo_spooling(spool.temporary())?;
        Fs::writable(repo, options.clone(), spool)
    };
    raise_open_files().context("cannot raise the number of open files")?;
    let ready = |mountpoint: &Path| {
        if args.background {
            return detach(logger);
        }
        session.say(mounted(session, mountpoint));
        tell_manager("READY=1\nSTATUS=serving")
    };
    serve(fs, &place, &options, ready)?;
    session.say(format!("unmounted {}", place.mountpoint.display()));
    Ok(())
}

/// Where what is written waits.
fn spool(options: &MountOptions, place: &Place, now: u64) -> Result<Spool> {
    let root = rustix::process::geteuid().is_root();
    let base = || default_base(env::var_os("XDG_STATE_HOME"), env::var_os("HOME"), root);
    let Some(base) = options.spool.clone().or_else(base) else {
        bail!(
            "this user has no home for what waits to be written: name a folder with -o spool=DIR, or mount with -o ro"
        );
    };
    Ok(machine::spool::open(&base, &place.repo, &place.mountpoint, now)?)
}

fn mounted(session: &Session, mountpoint: &Path) -> String {
    format!("mounted {} on {}", session.place().display(), mountpoint.display())
}

fn tell_manager(state: &str) -> io::Result<()> {
    match env::var_os("NOTIFY_SOCKET") {
        Some(socket) => notify(&socket, state),
        None => Ok(()),
    }
}

/// Leaves the terminal and the one who waits, who is told that the mount serves.
fn detach(logger: &Logger) -> io::Result<()> {
    // Not earlier: until it serves, ^C ends both processes.
    rustix::process::setsid()?;
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    logger.leave_stderr();
    rustix::stdio::dup2_stderr(&nothing)?;
    let mut out = io::stdout().lock();
    out.write_all(b"\n")?;
    out.flush()?;
    rustix::stdio::dup2_stdout(&nothing)?;
    Ok(())
}

/// Keeps the files that this process was started with from those it starts: a lock or a pipe of a script must not be held
/// as long as the mount lives. Where one cannot be kept, the mount is no worse.
#[expect(unsafe_code, reason = "files that were inherited are known by number only")]
fn keep_files() {
    let Ok(files) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers: Vec<i32> =
        files.flatten().filter_map(|file| file.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // SAFETY: it was open just now, and nothing else runs in this process that closes files; if it was the
        // listing itself, which is closed, the call fails with EBADF and changes nothing.
        let file = unsafe { BorrowedFd::borrow_raw(number) };
        rustix::io::fcntl_setfd(file, FdFlags::CLOEXEC).unwrap_or_default();
    }
}

fn full(path: &Path) -> Result<PathBuf> {
    absolute(path).with_context(|| format!("cannot resolve {}", path.display()))
}

/// The option that names a spool, as its words are read.
fn spool_option(spool: &Path) -> Result<String> {
    let text = spool.to_str().with_context(|| format!("{}: the path is not UTF-8", spool.display()))?;
    Ok(format!("spool={}", text.replace('\\', r"\\").replace(',', r"\,")))
}

/// What the allocator of the process in the background is told: it serves for months, mostly idle, so pages that are not used
/// go back soon, by a thread of the allocator. Other commands do without that thread: it is a third of what a short one
/// takes to start. What each thread keeps ready is short: a thread that does nothing gives none of it back, nor the pages that
/// it lies in. In the foreground whoever starts it sets `MALLOC_CONF`.
const ALLOCATOR: &str = "background_thread:true,narenas:2,dirty_decay_ms:200,muzzy_decay_ms:0,tcache_max:8192,\
                         tcache_nslots_small_min:4,tcache_nslots_small_max:20,tcache_nslots_large:4";

/// Starts the process in the background and waits until it serves.
fn start(args: &Args, session: &Session, spool: Option<&Path>) -> Result<()> {
    // The process has another current folder: it is given full paths.
    let mut command = Command::new(env::current_exe().context("cannot find the program itself")?);
    command.arg("-r").arg(full(session.place())?);
    command.args((0..session.verbose()).map(|_| "-v"));
    command.args(session.is_quiet().then_some("-q"));
    command.args(["mount", "--background"]);
    command.args(args.options.iter().flat_map(|list| ["-o", list]));
    if let Some(spool) = spool {
        // Behind the others: the last one wins.
        command.arg("-o").arg(spool_option(spool)?);
    }
    if let Some(file) = &args.log_file {
        command.arg("--log-file").arg(full(file)?);
    }
    command.arg("--").arg(full(&args.mountpoint)?);
    if env::var_os("MALLOC_CONF").is_none() {
        command.env("MALLOC_CONF", ALLOCATOR);
    }
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    keep_files();
    let mut process = command.spawn().context("cannot start the process in the background")?;
    let mut told = Vec::new();
    if let Some(out) = process.stdout.take() {
        out.take(1).read_to_end(&mut told).context("cannot hear from the process in the background")?;
    }
    if !told.is_empty() {
        session.say(mounted(session, &args.mountpoint));
        return Ok(());
    }
    let status = process.wait().context("cannot wait for the process in the background")?;
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) if code > 0 => Err(Told(code).into()),
        _ => bail!("the process in the background ended before it served: {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_of_any_name_reaches_the_background() {
        for path in ["/var/a,b", r"/var/back\slash\,comma", "/var/a=b c"] {
            let option = spool_option(Path::new(path)).unwrap();
            let options = MountOptions::parse(["spool=relative", option.as_str()]).unwrap();
            assert_eq!(options.spool.as_deref(), Some(Path::new(path)));
        }
    }
}
