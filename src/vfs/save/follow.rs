//! Rows that are read while their text is still being written, so that little is left to do at the close.
//!
//! Follows a file that grows at its end. Any other change ends it: the text is read from its start at the close then.
//! Only a few files are followed at a time, since each may keep rows in memory.

use crate::data::schema::Schema;
use crate::vfs::failure::{Failure, Kind};
use crate::vfs::save::{Input, read_csv};
use crate::vfs::series::Series;
use parking_lot::{Condvar, Mutex};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

/// Bytes from which on a file is followed: shorter ones are read in no time.
pub const LEAST: u64 = 4 << 20;

/// Files followed at a time.
const MOST: usize = 2;

/// How many files are followed now.
#[derive(Debug, Default)]
pub struct BackgroundReads(Arc<AtomicUsize>);

/// The rows of a text that grows.
#[derive(Debug)]
pub struct BackgroundRead {
    tail: Arc<Tail>,
    thread: Option<JoinHandle<Result<Input, Failure>>>,
}

#[derive(Debug, Default)]
struct Tail {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct State {
    written: u64,
    ended: bool,
    dropped: bool,
}

/// One of the few, until it is dropped.
struct Permit(Arc<AtomicUsize>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl BackgroundReads {
    fn permit(&self) -> Option<Permit> {
        let more = |count: usize| (count < MOST).then_some(count + 1);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Permit(Arc::clone(&self.0)))
    }

    /// Follows a file of `written` bytes; `None` where that cannot be done now.
    pub fn follow(
        &self,
        (series, columns): (&Series, Option<Arc<Schema>>),
        file: &File,
        written: u64,
    ) -> Option<BackgroundRead> {
        let permit = self.permit()?;
        let file = file.try_clone().ok()?;
        let tail = Arc::new(Tail::default());
        tail.state.lock().written = written;
        let (series, reader) = (series.clone(), Follower { file, at: 0, tail: Arc::clone(&tail) });
        let work = move || {
            let _permit = permit;
            read_csv(&series, columns.as_ref(), reader)
        };
        let thread = thread::Builder::new().name("intake".to_owned()).spawn(work).ok()?;
        Some(BackgroundRead { tail, thread: Some(thread) })
    }
}

impl BackgroundRead {
    /// Says that the file has so many bytes now.
    pub fn grown(&self, written: u64) {
        self.tail.state.lock().written = written;
        self.tail.more.notify_one();
    }

    /// All rows: the file has its last byte.
    pub fn finish(mut self) -> Result<Input, Failure> {
        self.tail.state.lock().ended = true;
        self.tail.more.notify_one();
        let thread = self.thread.take().ok_or(Kind::Unavailable)?;
        thread.join().unwrap_or_else(|_| Err(Kind::Unavailable.into()))
    }
}

impl Drop for BackgroundRead {
    fn drop(&mut self) {
        self.tail.state.lock().dropped = true;
        self.tail.more.notify_one();
    }
}

struct Follower {
    file: File,
    at: u64,
    tail: Arc<Tail>,
}

impl Read for Follower {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut state = self.tail.state.lock();
        loop {
            if self.at < state.written {
                break;
            }
            if state.ended {
                return Ok(0);
            }
            if state.dropped {
                return Err(io::Error::other("nobody waits for these rows any more"));
            }
            self.tail.more.wait(&mut state);
        }
        let most = usize::try_from(state.written - self.at).unwrap_or(usize::MAX).min(bytes.len());
        drop(state);
        let count = self.file.read_at(&mut bytes[..most], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
