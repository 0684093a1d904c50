//! The verbs: which there are, and a module for each.

mod about;
mod alter;
mod blame;
mod clone;
mod create;
mod delete;
mod diff;
#[cfg(feature = "mount")]
mod doctor;
mod export;
mod import;
mod len;
mod log;
mod ls;
mod merge;
#[cfg(feature = "mount")]
mod mount;
#[cfg(feature = "mount")]
pub(crate) mod mounts;
#[cfg(feature = "mount")]
mod of_mounts;
mod push;
mod read;
#[cfg(feature = "mount")]
mod rejected;
mod remote;
mod rename;
mod restore;
mod schema;
mod show;
mod status;
mod tag;
#[cfg(feature = "mount")]
mod umount;
mod undo;
mod upkeep;
mod watch;
#[cfg(feature = "mount")]
mod why;
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
    Alter(alter::Args),
    Log(log::Args),
    Show(show::Args),
    Tag(tag::Args),
    Watch(watch::Args),
    Status(status::Args),
    Merge(merge::Args),
    Diff(Box<diff::Args>),
    Blame(Box<blame::Args>),
    Restore(restore::Args),
    Undo(undo::Args),
    Pack(upkeep::Pack),
    Defrag(upkeep::Defrag),
    Trim(upkeep::Trim),
    Squash(upkeep::Squash),
    Gc(upkeep::Gc),
    Verify(upkeep::Verify),
    #[cfg(feature = "mount")]
    #[command(flatten)]
    OfMounts(of_mounts::Command),
    Clone(clone::Args),
    Push(push::Push),
    Pull(push::Pull),
    Remote(remote::Args),
    Import(import::Args),
    Export(export::Args),
    Version(about::Version),
    Completions(about::Completions),
}

impl Command {
    /// Whether it starts a log of its own.
    pub(crate) const fn logs(&self) -> bool {
        match self {
            #[cfg(feature = "mount")]
            Command::OfMounts(command) => command.serves(),
            _ => false,
        }
    }

    /// Whether it has its own way to end by a signal.
    pub(crate) const fn handles_signals(&self) -> bool {
        self.logs() || matches!(self, Command::Watch(_))
    }

    /// Whether it changes nothing, but for a file that it may write.
    pub(crate) const fn reads(&self) -> bool {
        use Command::{Blame, Completions, Diff, Len, Log, Ls, Read, Schema, Show, Status, Verify, Version};
        match self {
            #[cfg(feature = "mount")]
            Command::OfMounts(command) => command.reads(),
            Read(_) | Len(_) | Ls(_) | Schema(_) | Log(_) | Show(_) | Diff(_) | Blame(_) | Status(_)
            | Verify(_) | Version(_) | Completions(_) => true,
            _ => false,
        }
    }

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
            Command::Alter(args) => alter::run(args, session),
            Command::Log(args) => log::run(args, session),
            Command::Show(args) => show::run(args, session),
            Command::Tag(args) => tag::run(args, session),
            Command::Watch(args) => watch::run(args, session),
            Command::Status(args) => status::run(args, session),
            Command::Merge(args) => merge::run(args, session),
            Command::Diff(args) => diff::run(args, session),
            Command::Blame(args) => blame::run(args, session),
            Command::Restore(args) => restore::run(args, session),
            Command::Undo(args) => undo::run(args, session),
            Command::Pack(args) => args.run(session),
            Command::Defrag(args) => args.run(session),
            Command::Trim(args) => args.run(session),
            Command::Squash(args) => args.run(session),
            Command::Gc(args) => args.run(session),
            Command::Verify(args) => args.run(session),
            #[cfg(feature = "mount")]
            Command::OfMounts(command) => command.run(session),
            Command::Clone(args) => clone::run(args, session),
            Command::Push(args) => args.run(session),
            Command::Pull(args) => args.run(session),
            Command::Remote(args) => remote::run(args, session),
            Command::Import(args) => import::run(args, session),
            Command::Export(args) => export::run(args, session),
            Command::Version(_) => about::version(),
            Command::Completions(args) => about::completions(args),
        }
    }
}
