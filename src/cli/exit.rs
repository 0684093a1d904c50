//! Exit codes: 0 ok, 1 failure, 2 usage, 3 conflict. Chosen here and nowhere else.

use crate::collection::CollectionError;
use crate::history::changelog::HistoryError;
use crate::ops::OpError;
use crate::ops::transfer::TransferError;
use crate::repo::RepoError;
use std::process::ExitCode;

const FAILURE: u8 = 1;
const USAGE: u8 = 2;
const CONFLICT: u8 = 3;

/// Arguments that do not go together.
#[derive(Debug, thiserror::Error)]
#[error("{0}; see `lakota {1} --help`")]
pub(crate) struct Usage(String, &'static str);

impl Usage {
    /// A misuse of a verb.
    pub(crate) fn of(verb: &'static str, message: impl Into<String>) -> Usage {
        Usage(message.into(), verb)
    }
}

/// Something that takes away what others wrote, unless it is asked for.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Conflict(pub(crate) String);

/// A reader that went away, such as `head`: no failure of ours.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output")]
pub(crate) struct Gone;

/// A failure that a process of ours has told of already, with its code.
#[derive(Debug, thiserror::Error)]
#[error("another process failed with code {0}")]
pub(crate) struct Told(pub(crate) u8);

/// The code of a command that failed.
pub(crate) fn of_error(error: &anyhow::Error) -> ExitCode {
    if error.is::<Gone>() {
        return ExitCode::SUCCESS;
    }
    if let Some(Told(code)) = error.downcast_ref() {
        return ExitCode::from(*code);
    }
    ExitCode::from(if error.is::<Usage>() {
        USAGE
    } else if error.is::<Conflict>() || error.chain().any(is_conflict) {
        CONFLICT
    } else {
        FAILURE
    })
}

/// The code of arguments that could not be read, or that ask for help.
pub(crate) fn of_usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

fn is_conflict(error: &(dyn std::error::Error + 'static)) -> bool {
    let history = HistoryError::is_unmergeable;
    let collection = |e: &CollectionError| match e {
        CollectionError::History(e) => history(e),
        CollectionError::Touched(..) => true,
        _ => false,
    };
    let repo = |e: &RepoError| matches!(e, RepoError::Collection(e) if collection(e));
    let op = |e: &OpError| match e {
        OpError::Collection(e) => collection(e),
        OpError::Repo(e) => repo(e),
        OpError::Torn(_) | OpError::Doubt(_) => false,
    };
    error.downcast_ref::<HistoryError>().is_some_and(history)
        || error.downcast_ref::<CollectionError>().is_some_and(collection)
        || error.downcast_ref::<RepoError>().is_some_and(repo)
        || error.downcast_ref::<OpError>().is_some_and(op)
        || error.downcast_ref::<TransferError>().is_some_and(|e| match e {
            TransferError::Op(e) => op(e),
            other => other.is_conflict(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_that_cannot_be_merged_are_a_conflict_however_wrapped() {
        let error = RepoError::from(HistoryError::Schemas(Vec::new()));
        let error = anyhow::Error::new(error).context("cannot write");
        assert!(error.chain().any(is_conflict));
    }

    #[test]
    fn what_takes_rows_of_others_away_is_a_conflict() {
        let error = anyhow::Error::new(Conflict("2 rows would go".into()));
        assert_eq!((of_error(&error), error.to_string().as_str()), (ExitCode::from(3), "2 rows would go"));
    }

    #[test]
    fn a_missing_collection_is_no_conflict() {
        let error = RepoError::NoCollection { label: "x".into(), closest: None };
        assert!(!anyhow::Error::new(error).chain().any(is_conflict));
    }
}
