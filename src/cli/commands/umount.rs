//! `umount`: ends a mount, or tells who uses it.

use crate::cli::commands::mounts::LOOK;
use crate::cli::session::Session;
use crate::data::plain;
use crate::data::plain::word;
use crate::mount::kernel::session::holders::{Holder, holders};
use crate::mount::kernel::session::unmount::{How, Server, UnmountError, unmount};
use crate::mount::machine::table::{self, Health, Mount};
use anyhow::{Context, Result, anyhow, bail};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a server takes to end after its mount if nothing is being saved.
const SOON: Duration = Duration::from_secs(5);

/// How long one may take that saves what was written last.
const END: Duration = Duration::from_secs(600);

/// How long one may take that was told to drop everything.
const FORCED_END: Duration = Duration::from_secs(3);

/// Uses shown of one process.
const SHOWN: usize = 5;

/// Unmount a lakota mount and wait until its process has ended
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota umount mnt
  lakota umount --force /mnt/repo")]
pub(crate) struct Args {
    /// Folder where it is seen
    mountpoint: PathBuf,
    /// Also if it is busy or does not answer: programs that use it get errors
    #[arg(long, short, conflicts_with = "lazy")]
    force: bool,
    /// Take it out of sight at once; programs that use it can go on
    #[arg(long, short)]
    lazy: bool,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let resolved = table::resolve(&args.mountpoint);
    let path = resolved.with_context(|| format!("cannot look at {}", args.mountpoint.display()))?;
    // A mount is busy with whoever has it as the current folder, this process too.
    std::env::set_current_dir("/").context("cannot leave the current folder")?;
    let mount = find(&path)?;
    let shown = args.mountpoint.display();
    let server = match table::health(&path, LOOK) {
        Health::Dead => {
            unmount(&path, How::Lazy)?;
            session.say(format!("detached {shown}, whose server was gone"));
            return Ok(());
        }
        Health::Hangs if !args.force => {
            bail!("{shown} does not answer: `lakota umount --force {}` ends it", word(&args.mountpoint))
        }
        Health::Hangs => None,
        Health::Alive => table::status(&path, LOOK).pid.and_then(Server::of),
    };
    let how = match (args.force, args.lazy) {
        (true, _) => How::Force,
        (_, true) => How::Lazy,
        _ => How::Plain,
    };
    match unmount(&path, how) {
        Err(UnmountError::Busy(_)) => return Err(busy(&mount)),
        done => done?,
    }
    match (how, server) {
        (How::Lazy, _) | (_, None) => {}
        (How::Plain, Some(server)) => {
            let pid = server.pid();
            if !server.ended(SOON) {
                session.say(format!(
                    "{shown} is unmounted; waiting for process {pid}, which saves what was written"
                ));
                if !server.ended(END) {
                    bail!(
                        "{shown} is unmounted, but its process {pid} has not ended: `kill -9 {pid}` ends it"
                    );
                }
            }
        }
        (How::Force, Some(server)) => {
            if !server.ended(FORCED_END) {
                server.kill().with_context(|| format!("cannot end process {}", server.pid()))?;
            }
        }
    }
    session.say(format!("unmounted {shown}"));
    Ok(())
}

/// The mount of ours at a folder.
fn find(path: &Path) -> Result<Mount> {
    let mounts = table::read().context("cannot read what is mounted")?;
    if let Some(mount) = mounts.iter().rev().find(|mount| mount.mountpoint == path) {
        if mount.is_lakota() {
            return Ok(mount.clone());
        }
        bail!("{} is a mount of type {}, not of lakota: `umount` ends it", path.display(), mount.fstype);
    }
    let around = mounts.iter().find(|mount| mount.is_lakota() && path.starts_with(&mount.mountpoint));
    Err(match around {
        Some(mount) => {
            anyhow!("{} lies in the lakota mount {}", path.display(), mount.mountpoint.display())
        }
        None => anyhow!("{} is no lakota mount: `lakota mounts` lists them", path.display()),
    })
}

/// Says who uses a mount.
fn busy(mount: &Mount) -> anyhow::Error {
    let at = &mount.mountpoint;
    let mut users: Vec<String> = holders(Path::new("/proc"), at, mount.device).iter().map(user).collect();
    // Only more of why: that it is busy is the error.
    let inner = table::read().unwrap_or_default();
    let inner = inner.iter().filter(|other| other.mountpoint != *at && other.mountpoint.starts_with(at));
    users.extend(
        inner.map(|other| format!("\n  a mount of type {} at {}", other.fstype, other.mountpoint.display())),
    );
    if users.is_empty() {
        users.push("\n  a process that looks up a name in it, or one that this user is not shown".to_owned());
    }
    anyhow!("{} is busy (--lazy or --force unmount it anyway), used by:{}", at.display(), users.concat())
}

fn user(holder: &Holder) -> String {
    let Holder { pid, command, uses } = holder;
    let mut shown: Vec<&str> = uses.iter().take(SHOWN).map(String::as_str).collect();
    if uses.len() > SHOWN {
        shown.push("and more");
    }
    format!("\n  {pid} {}: {}", plain::line(command), plain::line(&shown.join(", ")))
}
