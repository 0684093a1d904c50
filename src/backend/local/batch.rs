//! The items of a batch on several threads.
//!
//! For calls that wait on the disk, not on a core: syncs that wait together share one commit of the
//! file system's journal. So there are more threads than cores, and none of a pool meant for cores.

use crate::backend::BackendError;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Most threads of a batch. Measured on ext4 with two cores, 200 files of 200 KB: 1 thread 310 ms, 2 150,
/// 4 130, 8 103, 16 92; more gain nothing.
const THREADS: usize = 16;

/// Does `work` for 0 to `count` - 1. After a failure no further item is begun, and the first failure
/// is the result.
pub(super) fn in_parallel(
    count: usize,
    work: impl Fn(usize) -> Result<(), BackendError> + Sync,
) -> Result<(), BackendError> {
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    let worker = || {
        loop {
            let item = next.fetch_add(1, Ordering::Relaxed);
            if item >= count {
                return;
            }
            if let Err(e) = work(item) {
                next.fetch_max(count, Ordering::Relaxed);
                failure.lock().get_or_insert(e);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..count.min(THREADS) {
            // This thread works too, so threads that cannot be had cost time only.
            if let Err(e) = thread::Builder::new().spawn_scoped(scope, worker) {
                log::debug!("a batch goes on with fewer threads: {e}");
                break;
            }
        }
        worker();
    });
    failure.into_inner().map_or(Ok(()), Err)
}
