//! The command line: arguments in, calls of the library, text out.
//!
//! `args` and `commands` say what can be asked, `output` is the only place that prints, `exit` the only one
//! that chooses exit codes. A command does its work through the library and holds no rules of its own.

mod args;
mod commands;
mod compared;
mod exit;
mod format;
mod history;
mod input;
mod layout;
mod load;
#[cfg(feature = "mount")]
mod logger;
#[cfg(feature = "mount")]
mod mounted;
#[cfg(feature = "mount")]
mod notify;
mod output;
mod overrides;
#[cfg(feature = "mount")]
mod refused;
mod remote;
mod render;
#[cfg(feature = "mount")]
mod rewrite;
mod session;
mod stale;
mod stop;
mod target;
mod timing;

use clap::{CommandFactory, Parser};
use commands::Command;
use std::path::PathBuf;
use std::process::ExitCode;

/// A versioned columnar store for time series.
#[derive(Debug, Parser)]
#[command(name = "lakota", version, max_term_width = 100)]
#[command(after_help = "A first session:
  lakota create temp/bxl \"timestamp timestamp*\" \"value float\"
  echo 2020-06-22,25 | lakota write temp/bxl
  lakota read temp/bxl")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// Folder of the repository
    #[arg(display_order = 900)]
    #[arg(short, long, global = true, env = "LAKOTA_REPO", default_value = ".lakota", value_name = "PATH")]
    #[arg(hide_env_values = true)]
    pub(crate) repo: PathBuf,
    /// Say nothing of what was done
    #[arg(short, long, global = true, display_order = 901)]
    pub(crate) quiet: bool,
    /// Log what is done to stderr; twice for more
    #[arg(short, long, global = true, display_order = 902, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Tell the time and the memory taken, on stderr
    #[arg(long, global = true, display_order = 903)]
    pub(crate) timing: bool,
}

/// Runs the program with the process's arguments and environment.
#[must_use]
pub fn main() -> ExitCode {
    let timer = timing::Timer::start();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            output::clap(&error);
            return exit::of_usage(&error);
        }
    };
    if !cli.command.logs() {
        output::start_log(cli.global.verbose);
    }
    if !cli.command.handles_signals()
        && let Err(error) = stop::on_signals(cli.command.reads())
    {
        log::warn!("signals end the program at once: {error}");
    }
    let timing = cli.global.timing;
    let session = session::Session::new(cli.global, cli.command.reads());
    let result = cli.command.run(&session).map_err(|error| session::in_a_mount(error, session.place()));
    if timing {
        timer.report();
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            exit::of_error(&error)
        }
    }
}

/// The whole command line, for completions.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}
