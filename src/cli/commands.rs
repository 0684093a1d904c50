//! The verbs: which there are, and a module for each.

mod about;
mod create;
mod delete;
mod export;
mod import;
mod len;
mod log;
mod ls;
mod read;
mod rename;
mod schema;
mod show;
mod upkeep;
mod write;

use super::session::Session;
use anyhow::Result;

/// What can be asked.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Create(create::Args),
    Ls(ls::Args),
    Schema(schema::Args),
    Write(Box<write::Args>),
    Read(Box<read::Args>),
    Len(len::Args),
    Rename(rename::Args),
    Delete(delete::Args),
    Log(log::Args),
    Show(show::Args),
    Pack(upkeep::Pack),
    Defrag(upkeep::Defrag),
    Trim(upkeep::Trim),
    Squash(upkeep::Squash),
    Gc(upkeep::Gc),
    Verify(upkeep::Verify),
    Import(import::Args),
    Export(export::Args),
    Version(about::Version),
    Completions(about::Completions),
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        match self {
            Command::Create(args) => create::run(args, session),
            Command::Ls(args) => ls::run(args, session),
            Command::Schema(args) => schema::run(args, session),
            Command::Write(args) => write::run(args, session),
            Command::Read(args) => read::run(args, session),
            Command::Len(args) => len::run(args, session),
            Command::Rename(args) => rename::run(args, session),
            Command::Delete(args) => delete::run(args, session),
            Command::Log(args) => log::run(args, session),
            Command::Show(args) => show::run(args, session),
            Command::Pack(args) => args.run(session),
            Command::Defrag(args) => args.run(session),
            Command::Trim(args) => args.run(session),
            Command::Squash(args) => args.run(session),
            Command::Gc(args) => args.run(session),
            Command::Verify(args) => args.run(session),
            Command::Import(args) => import::run(args, session),
            Command::Export(args) => export::run(args, session),
            Command::Version(_) => about::version(),
            Command::Completions(args) => about::completions(args),
        }
    }
}
