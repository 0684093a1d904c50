//! Locks, as the kernel asks for them. Who must wait has a thread of its own: the answer is its only one.

use super::guarded::Guarded;
use super::words::answer;
use crate::mount::posix::errno::Errno;
use crate::mount::posix::fs::{Caller, Fs, Wish};
use fuser::{ReplyEmpty, ReplyLock};

/// Tells which lock keeps one from being held.
pub(super) fn get(inner: &Guarded, caller: Caller, wish: &Wish, reply: ReplyLock) {
    let found = inner.guarded("getlk", |fs| Ok(fs.against(&fs.claim(caller, wish)?)));
    match found {
        Ok(None) => reply.locked(0, 0, libc::F_UNLCK, 0),
        Ok(Some(held)) => {
            let kind = if held.exclusive { libc::F_WRLCK } else { libc::F_RDLCK };
            reply.locked(held.start, held.end, kind, held.pid);
        }
        Err(errno) => reply.error(errno),
    }
}

/// Sets a lock, or gives it up; with `waits`, once it can be had.
pub(super) fn set(inner: &Guarded, caller: Caller, wish: Wish, waits: bool, reply: ReplyEmpty) {
    let claim = match inner.guarded("setlk", |fs| fs.claim(caller, &wish)) {
        Ok(claim) => claim,
        Err(errno) => return reply.error(errno),
    };
    if wish.is_unlock() {
        let act = move |fs: &Fs| {
            fs.unlock(&claim);
            Ok(())
        };
        if inner.fs().is_unsaved(wish.handle) {
            return inner.aside("unlock", act, reply);
        }
        return answer(inner.guarded("unlock", act), reply);
    }
    match inner.guarded("setlk", |fs| fs.lock(&claim)) {
        Ok(true) => reply.ok(),
        Ok(false) if waits => {
            inner.alone("setlk", move |fs: &Fs| fs.wait_lock(caller, &claim), reply, Errno::ENOLCK);
        }
        Ok(false) => reply.error(fuser::Errno::from_i32(Errno::EAGAIN.0)),
        Err(errno) => reply.error(errno),
    }
}
