//! The verbs of mounts, which a program built without the feature `mount` lacks.

use super::{doctor, mount, mounts, rejected, umount, why};
use crate::cli::session::Session;
use anyhow::Result;

/// What can be asked of mounts.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Mount(mount::Args),
    Umount(umount::Args),
    Mounts(mounts::Args),
    Why(why::Args),
    Rejected(rejected::Args),
    Doctor(doctor::Args),
}

impl Command {
    /// Whether it serves a mount: such a process has a log and ways to end of its own.
    pub(crate) const fn serves(&self) -> bool {
        matches!(self, Command::Mount(_))
    }

    /// Whether it changes nothing.
    pub(crate) const fn reads(&self) -> bool {
        matches!(self, Command::Mounts(_) | Command::Why(_) | Command::Doctor(_))
    }

    /// Does it.
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        match self {
            Command::Mount(args) => mount::run(args, session),
            Command::Umount(args) => umount::run(args, session),
            Command::Mounts(args) => mounts::run(args),
            Command::Why(args) => why::run(args, session),
            Command::Rejected(args) => rejected::run(args, session),
            Command::Doctor(_) => doctor::run(),
        }
    }
}
