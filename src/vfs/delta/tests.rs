//! Texts without rows: what is kept, where, and what becomes of those who wait.

use super::*;
use crate::digest::Digest;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

/// Bytes of the texts here.
const LONG: usize = 100;

fn deltas(change: impl FnOnce(&mut Limits)) -> Deltas {
    let mut limits = Limits { count: 100, short: 10, memory: 1000, disk: 1000, at_once: 2 };
    change(&mut limits);
    Deltas::with(std::env::temp_dir(), limits)
}

fn key(n: u8) -> Key {
    (Digest::of(b""), Digest::of(&[n]))
}

/// A text of so many bytes that `n` tells from others, and whether it had to be made.
fn get(deltas: &Deltas, n: u8, len: usize) -> (Result<Arc<Text>, Failure>, bool) {
    let mut made = false;
    let text = deltas.make(key(n), |sink| {
        made = true;
        bytes(n, len).chunks(7).try_for_each(|piece| sink.append(|out| out.extend_from_slice(piece)))
    });
    (text, made)
}

fn bytes(n: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i as u8).wrapping_mul(31).wrapping_add(n)).collect()
}

fn kind(made: Result<Arc<Text>, Failure>) -> Kind {
    made.map(|_| ()).unwrap_err().kind()
}

#[test]
fn a_text_reads_the_same_from_memory_and_from_a_file_at_any_offset() {
    let deltas = deltas(|_| ());
    for len in [0, 1, 9, 10, 11, 18, LONG] {
        let text = get(&deltas, len as u8, len).0.unwrap();
        assert_eq!(matches!(text.body, text::Body::File(_)), len > 10, "{len}");
        let whole = bytes(len as u8, len);
        assert_eq!((text.len(), text.digest()), (len as u64, Digest::of(&whole)));
        for start in 0..len + 3 {
            for size in [0, 1, 13, LONG, usize::MAX] {
                let end = start.saturating_add(size).min(len);
                let expected = whole.get(start..end).unwrap_or_default();
                assert_eq!(text.read(start as u64, size).unwrap(), expected, "{len} {start} {size}");
            }
        }
        assert!(text.read(u64::MAX, 10).unwrap().is_empty());
    }
}

#[test]
fn the_oldest_that_nobody_has_open_goes_and_what_is_open_stays() {
    let deltas = deltas(|limits| limits.disk = 3 * LONG as u64);
    let open = get(&deltas, 1, LONG).0.unwrap();
    for n in [2, 3] {
        assert!(get(&deltas, n, LONG).1);
    }
    assert!(!get(&deltas, 2, LONG).1, "now 3 is older");
    assert!(get(&deltas, 4, LONG).1);
    assert_eq!(deltas.disk.used(), 3 * LONG as u64);
    assert!(deltas.known(&key(3)).is_none() && deltas.known(&key(2)).is_some());
    assert_eq!(open.read(0, LONG).unwrap(), bytes(1, LONG));
    assert!(!get(&deltas, 1, LONG).1, "what is open is not made twice");
}

#[test]
fn where_all_is_open_there_is_no_room_until_something_is_closed() {
    let deltas = deltas(|limits| limits.disk = 2 * LONG as u64);
    let (one, _two) = (get(&deltas, 1, LONG).0.unwrap(), get(&deltas, 2, LONG).0.unwrap());
    assert_eq!(kind(get(&deltas, 3, LONG).0), Kind::Full);
    assert_eq!(deltas.disk.used(), 2 * LONG as u64, "what failed takes nothing");
    drop(one);
    get(&deltas, 3, LONG).0.unwrap();
}

#[test]
fn short_texts_go_to_files_where_all_in_memory_is_open() {
    let deltas = deltas(|limits| limits.memory = 20);
    let open: Vec<_> = (0..3).map(|n| get(&deltas, n, 10).0.unwrap()).collect();
    assert_eq!((deltas.memory.used(), deltas.disk.used()), (20, 10));
    assert_eq!(open[2].read(0, 10).unwrap(), bytes(2, 10));
    drop(open);
    get(&deltas, 4, 10).0.unwrap();
    assert_eq!((deltas.memory.used(), deltas.disk.used()), (20, 10));
}

#[test]
fn a_text_that_is_too_long_is_refused_and_not_made_again() {
    let deltas = deltas(|limits| limits.disk = 90);
    get(&deltas, 1, 50).0.unwrap();
    let (refused, made) = get(&deltas, 2, LONG);
    assert_eq!((kind(refused), made), (Kind::TooLarge, true));
    let (refused, made) = get(&deltas, 2, LONG);
    assert_eq!((kind(refused), made), (Kind::TooLarge, false));
}

#[test]
fn there_are_no_more_texts_than_may_be_kept() {
    let deltas = deltas(|limits| limits.count = 3);
    for n in 0..20 {
        get(&deltas, n, 5).0.unwrap();
    }
    assert_eq!((deltas.inner.lock().texts.len(), deltas.memory.used()), (3, 15));
}

#[test]
fn several_who_want_a_text_at_once_make_it_once() {
    let (deltas, made) = (deltas(|_| ()), AtomicUsize::new(0));
    let slow = |sink: &mut Sink<'_>| {
        std::thread::sleep(Duration::from_millis(50));
        made.fetch_add(1, Ordering::Relaxed);
        sink.append(|out| out.extend_from_slice(&bytes(1, LONG)))
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| deltas.make(key(1), slow).unwrap())).collect();
        let texts: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(texts.iter().all(|text| Arc::ptr_eq(text, &texts[0])));
    });
    assert_eq!((made.into_inner(), deltas.disk.used()), (1, LONG as u64));
}

#[test]
fn a_slow_text_holds_up_nobody_who_wants_another() {
    let deltas = deltas(|_| ());
    let ((begun, has_begun), (go, may_go)) = (channel(), channel());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            deltas.make(key(1), move |_| {
                begun.send(()).unwrap();
                may_go.recv_timeout(Duration::from_secs(60)).unwrap();
                Ok(())
            })
        });
        has_begun.recv().unwrap();
        get(&deltas, 2, LONG).0.unwrap();
        assert!(deltas.known(&key(1)).is_none());
        go.send(()).unwrap();
    });
    assert!(deltas.known(&key(1)).is_some());
}

#[test]
fn those_who_wait_are_told_of_a_failure_and_of_a_panic() {
    for panics in [false, true] {
        let deltas = deltas(|_| ());
        let ((begun, has_begun), (go, may_go)) = (channel(), channel());
        std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                deltas.make(key(1), move |_| {
                    begun.send(()).unwrap();
                    may_go.recv_timeout(Duration::from_secs(60)).unwrap();
                    assert!(!panics, "made to fail");
                    Err(Kind::Full.into())
                })
            });
            has_begun.recv().unwrap();
            let second = scope.spawn(|| deltas.make(key(1), |_| Ok(())));
            // Until it waits as well: as long as the first has not gone on, it cannot have ended.
            while Arc::strong_count(&deltas.inner.lock().flights[&key(1)]) < 3 {
                std::thread::yield_now();
            }
            go.send(()).unwrap();
            let expected = if panics { Kind::Unavailable } else { Kind::Full };
            assert_eq!(kind(second.join().unwrap()), expected);
            assert_eq!(first.join().is_err(), panics);
        });
        get(&deltas, 1, LONG).0.unwrap();
    }
}

#[test]
fn no_more_texts_are_made_at_once_than_may_be() {
    let (deltas, now, most) = (deltas(|_| ()), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (deltas, now, most) = (&deltas, &now, &most);
            scope.spawn(move || {
                let slow = |_: &mut Sink<'_>| {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(10));
                    now.fetch_sub(1, Ordering::SeqCst);
                    Ok(())
                };
                deltas.make(key(n), slow).unwrap();
            });
        }
    });
    assert_eq!(most.into_inner(), 2);
}

#[test]
fn a_folder_that_is_gone_is_an_error_and_no_missing_name() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { short: 10, ..Limits::default() };
    let deltas = Deltas::with(folder.path().join("gone"), limits);
    assert_eq!(kind(get(&deltas, 1, LONG).0), Kind::Unavailable);
}
