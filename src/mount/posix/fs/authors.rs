//! What the log says of revisions made through a mount: who made them, and how.

use crate::mount::posix::copy::Writer;
use crate::users;
use std::fmt::Arguments;

/// The words of the log.
#[derive(Debug)]
pub(super) struct Authors {
    /// `user@host` of who mounted.
    own: String,
    /// What the log says of all revisions; none: what was done.
    message: Option<String>,
}

impl Authors {
    /// Of a mount of the user `own`.
    pub(super) const fn new(own: String, message: Option<String>) -> Authors {
        Authors { own, message }
    }

    /// `user@host` of a user. Not to be asked for while anything is locked.
    pub(super) fn author(&self, uid: u32) -> String {
        if uid == rustix::process::geteuid().as_raw() {
            return self.own.clone();
        }
        let host = self.own.split_once('@').map_or("", |(_, host)| host);
        users::author(&users::system().name(uid), host)
    }

    /// What is said of what a program did.
    pub(super) fn message(&self, what: Arguments<'_>, writer: &Writer) -> String {
        match &self.message {
            Some(message) => message.clone(),
            None => format!("{what} through the mount{}", writer.shown()),
        }
    }
}
