//! Faults of the mount itself, and what is told of one refused save.

use super::live::{CUT, LIVE, NEVER, PARQUET, ROWS, World, options};
use super::walk::Walk;
use crate::support::{Call, watched};
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::mount::posix::errno::Errno;
use libc::{O_APPEND, O_CREAT, O_TRUNC, O_WRONLY};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where a backend panics.
#[derive(Debug, Default)]
struct Faulty {
    put: AtomicBool,
    list: AtomicBool,
}

/// What a panic leaves is what a refusal leaves.
#[track_caller]
fn kept(world: &mut World, backend: &Faulty, bytes: &str) {
    backend.put.store(false, Ordering::Relaxed);
    backend.list.store(false, Ordering::Relaxed);
    assert_eq!(world.rejected(), [bytes]);
    let errors = world.errors();
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains("failed by a fault of lakota itself: "), "{errors}");
    assert!(errors.contains("; kept as rejected/"), "{errors}");
    // The mount goes on.
    world.kernel.save(200, LIVE, O_APPEND, b"7,70\n").unwrap();
    assert_eq!(world.text(), format!("{ROWS}7,70\n"));
    world.kernel.check_clean();
}

fn world() -> (World, Arc<Faulty>) {
    let faulty = Arc::<Faulty>::default();
    let ask = {
        let faulty = Arc::clone(&faulty);
        move |call, _: &str| {
            assert!(call != Call::Put || !faulty.put.load(Ordering::Relaxed), "index 3 of 2");
            assert!(call != Call::List || !faulty.list.load(Ordering::Relaxed), "no folder\nto list");
            Ok(())
        }
    };
    let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    (World::on(watched(&memory, ask), options(), NEVER), faulty)
}

#[test]
fn a_panic_in_a_save_fails_the_close_and_the_bytes_are_kept() {
    for (flags, bytes) in [(O_TRUNC, "k,v\n1,11\n"), (O_APPEND, "3,30\n"), (0, "k,v\n9,90\n2,20\n")] {
        let (mut world, backend) = world();
        backend.put.store(true, Ordering::Relaxed);
        assert_eq!(world.kernel.save(100, LIVE, flags, bytes.as_bytes()), Err(Errno::EIO));
        kept(&mut world, &backend, bytes);
    }
}

#[test]
fn a_panic_while_rows_are_read_fails_the_close_and_the_bytes_are_kept() {
    let (mut world, backend) = world();
    let fd = world.open(CUT);
    world.kernel.write(fd, b"k,v\n1,11\n").unwrap();
    backend.list.store(true, Ordering::Relaxed);
    assert_eq!(world.kernel.close(fd), Err(Errno::EIO));
    kept(&mut world, &backend, "k,v\n1,11\n");
    assert!(world.errors().contains("no folder\\nto list"), "{}", world.errors());
}

#[test]
fn a_panic_in_a_save_of_parquet_or_of_columns_keeps_the_bytes() {
    let (mut world, backend) = world();
    let whole = Walk(&world.kernel.fs).read("c/s/at/~0/data.parquet");
    world.kernel.save(100, LIVE, O_TRUNC, b"k,v\n1,1\n").unwrap();
    backend.put.store(true, Ordering::Relaxed);
    assert_eq!(world.kernel.save(100, PARQUET, O_TRUNC, &whole), Err(Errno::EIO));
    backend.put.store(false, Ordering::Relaxed);
    world.kernel.mkdir(100, "d").unwrap();
    backend.put.store(true, Ordering::Relaxed);
    assert_eq!(world.kernel.save(100, "d/.schema", O_CREAT, b"k int*"), Err(Errno::EIO));
    backend.put.store(false, Ordering::Relaxed);
    assert_eq!(world.kept().len(), 2, "{}", world.errors());
    world.kernel.save(100, "d/.schema", O_CREAT, b"k int*").unwrap();
}

#[test]
fn a_panic_fails_a_renaming_and_an_fsync_and_what_was_written_stays() {
    let (mut world, backend) = world();
    world.kernel.save(100, "c/s/tmp", O_CREAT, b"k,v\n1,11\n").unwrap();
    backend.put.store(true, Ordering::Relaxed);
    assert_eq!(world.kernel.rename(100, "c/s/tmp", LIVE, true), Err(Errno::EIO));
    assert_eq!(Walk(&world.kernel.fs).text("c/s/tmp"), "k,v\n1,11\n");
    kept(&mut world, &backend, "k,v\n1,11\n");
    let fd = world.open(O_WRONLY | O_APPEND);
    world.kernel.write(fd, b"8,80\n").unwrap();
    backend.put.store(true, Ordering::Relaxed);
    assert_eq!(world.kernel.fsync(fd), Err(Errno::EIO));
    backend.put.store(false, Ordering::Relaxed);
    world.kernel.close(fd).unwrap();
    assert_eq!(world.text(), format!("{ROWS}7,70\n8,80\n"), "the close saves what the fsync could not");
    assert_eq!(world.kept().len(), 1);
}

/// Whatever fails, bytes that were neither saved nor kept are found by the next server.
#[test]
fn what_was_neither_saved_nor_kept_is_found_by_the_next_server() {
    let mut world = World::new();
    let fd = world.open(CUT);
    world.kernel.write(fd, b"k,v\n1,11\n").unwrap();
    let world = world.killed();
    assert_eq!(world.rejected(), ["k,v\n1,11\n"]);
    assert!(world.errors().contains("the mount ended before the file was closed"), "{}", world.errors());
}

#[test]
fn one_refused_save_is_told_once_though_it_was_synced() {
    let mut world = World::new();
    let bad = b"k,v\n1,10\n2,abc\n";
    for path in [LIVE, PARQUET] {
        let bytes: &[u8] = if path == LIVE { bad } else { b"PAR1 PAR1" };
        let before = (world.errors().lines().count(), world.kept().len());
        let fd = world.kernel.open(100, path, CUT).unwrap();
        world.kernel.write(fd, bytes).unwrap();
        for _ in 0..2 {
            assert_eq!(world.kernel.fsync(fd), Err(Errno::EINVAL));
            assert_eq!(world.errors().lines().count(), before.0 + 1);
        }
        assert_eq!(world.kernel.close(fd), Err(Errno::EINVAL));
        let after = (world.errors().lines().count(), world.kept().len());
        assert_eq!(after, (before.0 + 1, before.1 + 1), "{}", world.errors());
        assert!(world.errors().lines().last().unwrap().contains("; kept as rejected/"), "{}", world.errors());
    }
}

#[test]
fn what_is_written_on_after_a_refused_sync_is_the_same_save() {
    let mut world = World::new();
    let fd = world.open(CUT);
    world.kernel.write(fd, b"k,v\n1,x\n").unwrap();
    assert_eq!(world.kernel.fsync(fd), Err(Errno::EINVAL));
    world.kernel.write(fd, b"2,y\n").unwrap();
    assert_eq!(world.kernel.close(fd), Err(Errno::EINVAL));
    assert_eq!(world.rejected(), ["k,v\n1,x\n2,y\n"]);
    assert_eq!(world.errors().lines().count(), 1, "{}", world.errors());
    // Mended before its close, it is saved; the failure of the sync stays told.
    let fd = world.open(CUT);
    world.kernel.write(fd, b"k,v\n1,x\n").unwrap();
    assert_eq!(world.kernel.fsync(fd), Err(Errno::EINVAL));
    world.kernel.pwrite(fd, 6, b"7").unwrap();
    world.kernel.close(fd).unwrap();
    assert_eq!((world.text().as_str(), world.kept().len()), ("k,v\n1,7\n", 1));
    assert_eq!(world.errors().lines().count(), 2, "{}", world.errors());
}
