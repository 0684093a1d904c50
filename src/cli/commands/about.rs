//! `version` and `completions`: about the program itself.

use crate::cli::output;
use crate::repo::FORMAT;
use anyhow::Result;

/// Show the version of the program and of the repositories it writes
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  lakota version")]
pub(crate) struct Version {}

/// Print a script that completes commands in a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  lakota completions bash > ~/.local/share/bash-completion/completions/lakota")]
pub(crate) struct Completions {
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

pub(crate) fn version() -> Result<()> {
    output::print(format!("lakota {}, repository format {FORMAT}\n", env!("CARGO_PKG_VERSION")))
}

pub(crate) fn completions(args: &Completions) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::cli::command(), "lakota", &mut script);
    output::Output::stdout()?.put(&script)
}
