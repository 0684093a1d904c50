//! The program `lakota`: everything it does is in `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lakota::cli::main()
}
