//! `alter`: a collection gets a column more, or one less, or a column another name.

use crate::cli::session::{Session, exact};
use crate::data::alter::Alteration;
use anyhow::{Context, Result};

/// Add, drop or rename a column of a collection: one revision; older ones read as they were
///
/// Rows are not written again. A new column is the last one; index columns can be renamed, not added or dropped.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lakota alter temp add \"unit str\" --default celsius
  lakota alter temp rename value degrees
  lakota alter temp drop unit")]
pub(crate) struct Args {
    /// The collection
    collection: String,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Add a column
    Add {
        /// The column, as "name type"
        column: String,
        /// What rows that are there get; without it: null
        #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
        default: Option<String>,
    },
    /// Drop a column: its values can be read in older revisions
    Drop {
        /// Its name
        name: String,
    },
    /// Rename a column
    Rename {
        /// Its name
        from: String,
        /// Its new name
        to: String,
    },
}

impl What {
    fn alteration(&self) -> Result<Alteration> {
        Ok(match self {
            What::Add { column, default } => Alteration::add(column, default.as_deref())?,
            What::Drop { name } => Alteration::Drop(name.clone()),
            What::Rename { from, to } => Alteration::Rename { from: from.clone(), to: to.clone() },
        })
    }

    /// For the log.
    fn message(&self) -> String {
        match self {
            What::Add { column, default: None } => format!("add column {column}"),
            What::Add { column, default: Some(default) } => {
                format!("add column {column}, default {default:?}")
            }
            What::Drop { name } => format!("drop column {name}"),
            What::Rename { from, to } => format!("rename column {from} to {to}"),
        }
    }
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let alteration = args.what.alteration()?;
    let collection = exact(&session.repo()?, &args.collection)?;
    let label = collection.label();
    let done = collection.alter(&[alteration], &args.what.message());
    done.with_context(|| format!("cannot alter {label}"))?;
    let columns: Vec<String> = collection.schema()?.columns().iter().map(ToString::to_string).collect();
    session.say(format!("altered {label}: its columns are {}", columns.join(", ")));
    Ok(())
}
