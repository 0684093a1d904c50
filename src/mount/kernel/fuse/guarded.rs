//! The file system as requests reach it: panics are caught, and what may take long has a thread of its own.

use super::words::answer;
use crate::mount::posix::errno::Errno;
use crate::mount::posix::fs::Fs;
use crate::mount::posix::write_state::Busy;
use crate::vfs::failure::message;
use fuser::ReplyEmpty;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;

/// The file system, and how often it panicked.
#[derive(Debug, Clone)]
pub(super) struct Guarded {
    fs: Arc<Fs>,
    panics: Arc<AtomicU64>,
}

impl Guarded {
    pub(super) fn new(fs: Arc<Fs>) -> Guarded {
        Guarded { fs, panics: Arc::default() }
    }

    pub(super) fn fs(&self) -> &Fs {
        &self.fs
    }

    #[cfg(test)]
    pub(super) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Asks the file system; a panic is an input/output error.
    pub(super) fn guarded<T>(
        &self,
        what: &str,
        act: impl FnOnce(&Fs) -> Result<T, Errno>,
    ) -> Result<T, fuser::Errno> {
        let done = catch_unwind(AssertUnwindSafe(|| act(&self.fs))).unwrap_or_else(|payload| {
            let count = self.panics.fetch_add(1, Ordering::Relaxed) + 1;
            let said = message(payload.as_ref());
            log::error!(
                "{what} panicked (number {count} of this mount), its caller gets an I/O error: {said}"
            );
            Err(Errno::EIO)
        });
        done.map_err(|errno| fuser::Errno::from_i32(errno.0))
    }

    /// Does on a thread of its own what may take long and must come to its end.
    pub(super) fn aside(
        &self,
        what: &'static str,
        act: impl Fn(&Fs) -> Result<(), Errno> + Send + Sync + 'static,
        reply: ReplyEmpty,
    ) {
        // The end of the mount waits for it from now on.
        self.apart(what, act, reply, answer, self.fs.busy());
    }

    /// Does something on a thread of its own; here, where there is none to be had. `busy` is kept until it is done.
    pub(super) fn apart<T: 'static, R: Send + 'static>(
        &self,
        what: &'static str,
        act: impl Fn(&Fs) -> Result<T, Errno> + Send + Sync + 'static,
        reply: R,
        answer: fn(Result<T, fuser::Errno>, R),
        busy: Option<Busy>,
    ) {
        let (sender, receiver) = channel::<R>();
        let act = Arc::new(act);
        let (other, again) = (self.clone(), Arc::clone(&act));
        let started = thread::Builder::new().name(what.to_owned()).spawn(move || {
            let _busy = busy;
            if let Ok(reply) = receiver.recv() {
                answer(other.guarded(what, |fs| again(fs)), reply);
            }
        });
        let unsent = match started {
            // It waits for just this.
            Ok(_) => sender.send(reply).err().map(|unsent| unsent.0),
            Err(_) => Some(reply),
        };
        if let Some(reply) = unsent {
            answer(self.guarded(what, |fs| act(fs)), reply);
        }
    }
}
