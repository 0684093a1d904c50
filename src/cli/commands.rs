//! The verbs: which there are, and one module for each.

mod create;
mod log;
mod ls;
mod read;
mod write;

use super::session::Session;
use anyhow::Result;

/// What can be asked.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Create(create::Args),
    Ls(ls::Args),
    Write(write::Args),
    Read(read::Args),
    Log(log::Args),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self, session: &Session) -> Result<()> {
        match self {
            Command::Create(args) => create::run(&args, session),
            Command::Ls(args) => ls::run(&args, session),
            Command::Write(args) => write::run(args, session),
            Command::Read(args) => read::run(&args, session),
            Command::Log(args) => log::run(&args, session),
        }
    }
}
