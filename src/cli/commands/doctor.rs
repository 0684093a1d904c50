//! `doctor`: whether this machine can mount, and what to do where it cannot.

use super::mounts;
use crate::cli::output;
use crate::data::plain;
use crate::mount::machine::doctor::{Check, Finding, checks};
use crate::mount::machine::host::Host;
use crate::vfs::spool::default_base;
use anyhow::{Result, bail};
use std::env;

/// Check whether this machine and user can mount; the exit code is 1 if not
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  lakota doctor")]
pub(crate) struct Args {}

pub(crate) fn run() -> Result<()> {
    let host = Host::here(env::var_os("PATH").unwrap_or_default());
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    // Without it, the check of FUSE warns.
    let filesystems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let spool = default_base(env::var_os("XDG_STATE_HOME"), env::var_os("HOME"), host.root);
    let found = checks(&host, (&release, &filesystems), spool.as_deref(), &mounts::all()?);
    output::print(found.iter().map(line).collect::<String>())?;
    if found.iter().any(|check| check.finding == Finding::Fail) {
        bail!("mounting would fail here");
    }
    Ok(())
}

fn line(check: &Check) -> String {
    let word = match check.finding {
        Finding::Ok => "ok",
        Finding::Warn => "warn",
        Finding::Fail => "FAIL",
    };
    format!("{word:<4}  {:<11}  {}\n", check.name, plain::line(&check.text))
}
