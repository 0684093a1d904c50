//! Reading ahead: who reads a file from front to back finds the next part made.
//!
//! `Flow` tells such readers from those who jump, of requests that come from several threads a little out of order.
//! The threads start at the first need (a process that forks into the background has not forked in vain) and
//! end with what feeds them.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Bytes read in a row before anything is prepared.
const AFTER: u64 = 256 << 10;

/// How far out of order requests come.
const NEAR: u64 = 4 << 20;

/// Bytes prepared beyond what was read.
const WINDOW: u64 = 8 << 20;

/// Threads that prepare; also the parts of one file prepared at once.
const THREADS: usize = 2;

/// Files that wait for a thread. More find the next part later: nothing depends on it.
const WAITING: usize = 64;

/// How a file is being read.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// The end of what was read in a row.
    front: u64,
    /// Bytes read in a row, and in how many requests.
    streak: u64,
    requests: u64,
    /// Up to where parts are prepared or being prepared.
    prepared: u64,
    /// Threads that prepare.
    workers: usize,
}

impl Flow {
    /// Notes a request; tells whether another thread should prepare what comes next. Each yes must be followed by
    /// [`Flow::done`].
    pub(super) fn saw(&mut self, offset: u64, len: u64, window: u64) -> bool {
        let end = offset + len;
        if offset > self.front.saturating_add(NEAR)
            || end.saturating_add(NEAR) < self.front
            || self.requests == 0
        {
            (self.front, self.streak, self.requests, self.prepared) = (end, len, 1, end);
        } else if end > self.front {
            self.streak += len.min(end - self.front);
            self.front = end;
            self.requests += 1;
        }
        self.prepared = self.prepared.max(self.front);
        let wanted = self.requests > 1 && self.streak >= AFTER && self.next(window).is_some();
        let free = wanted && self.workers < THREADS;
        self.workers += usize::from(free);
        free
    }

    /// Whether a request at `offset` is not one of those that go through the file.
    pub(super) const fn jumps(&self, offset: u64) -> bool {
        if self.requests == 0 {
            return offset >= AFTER;
        }
        offset > self.front.saturating_add(NEAR) || offset.saturating_add(NEAR) < self.front
    }

    /// Where the next part to prepare starts, if one is wanted.
    pub(super) fn next(&self, window: u64) -> Option<u64> {
        (self.prepared < self.front.saturating_add(window)).then_some(self.prepared)
    }

    /// Notes that the part from `start` to `end` is being prepared; false where another thread has taken it.
    pub(super) const fn take(&mut self, start: u64, end: u64) -> bool {
        let mine = self.prepared == start;
        if mine {
            self.prepared = end;
        }
        mine
    }

    /// Notes that a thread has stopped.
    pub(super) const fn done(&mut self) {
        self.workers -= 1;
    }
}

/// How far to read ahead with a cache of `limit` bytes; 0 where it could not keep what is made.
pub(super) const fn window(limit: u64) -> u64 {
    let window = limit / 4;
    if window < AFTER {
        0
    } else if window < WINDOW {
        window
    } else {
        WINDOW
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// The threads.
#[derive(Default)]
pub(super) struct Ahead {
    jobs: OnceLock<SyncSender<Job>>,
}

impl std::fmt::Debug for Ahead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ahead").finish_non_exhaustive()
    }
}

impl Ahead {
    /// Runs a job on one of the threads, or drops it where too many wait.
    pub(super) fn run(&self, job: Job) {
        match self.jobs.get_or_init(start).try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => log::debug!("too many files wait to be read ahead"),
            Err(TrySendError::Disconnected(_)) => log::debug!("no thread reads ahead"),
        }
    }
}

fn start() -> SyncSender<Job> {
    let (sender, receiver) = sync_channel::<Job>(WAITING);
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..THREADS {
        let receiver = Arc::clone(&receiver);
        let thread = std::thread::Builder::new().name("lakota-ahead".to_owned());
        if let Err(e) = thread.spawn(move || work(&receiver)) {
            log::warn!("cannot start a thread that reads ahead: {e}");
        }
    }
    sender
}

fn work(receiver: &Mutex<Receiver<Job>>) {
    loop {
        let job = receiver.lock().recv();
        let Ok(job) = job else { return };
        let job = std::panic::AssertUnwindSafe(job);
        if std::panic::catch_unwind(|| { job }.0()).is_err() {
            log::error!("reading ahead has panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn reading_in_a_row_prepares_what_comes_next() {
        let mut flow = Flow::default();
        assert!(!flow.saw(0, MIB, WINDOW));
        assert!(flow.saw(MIB, MIB, WINDOW));
        assert_eq!(flow.next(WINDOW), Some(2 * MIB));
        assert!(flow.take(2 * MIB, 12 * MIB));
        assert_eq!(flow.next(WINDOW), None);
    }

    #[test]
    fn requests_of_several_threads_out_of_order_are_in_a_row() {
        let mut flow = Flow::default();
        let wanted: Vec<bool> = [0, 2, 1, 4, 3].iter().map(|i| flow.saw(i * MIB, MIB, WINDOW)).collect();
        assert_eq!(wanted, [false, true, true, false, false]);
        assert_eq!(flow.front, 5 * MIB);
    }

    #[test]
    fn small_reads_here_and_there_prepare_nothing() {
        let mut flow = Flow::default();
        let mut x = 1_u64;
        for _ in 0..10_000 {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            assert!(!flow.saw((x >> 20) % (140 * MIB), 4096, WINDOW));
        }
    }

    #[test]
    fn large_reads_here_and_there_prepare_nothing() {
        let mut flow = Flow::default();
        assert!((0..10).all(|i| !flow.saw((i * 37 % 11) * 10 * MIB, MIB, WINDOW)));
    }

    #[test]
    fn tiny_cache_reads_nothing_ahead() {
        assert_eq!(window(MIB / 2), 0);
        let mut flow = Flow::default();
        assert!((0..10).all(|i| !flow.saw(i * MIB, MIB, window(0))));
    }
}
