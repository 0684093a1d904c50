use super::*;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

const CSV: Place = Place { file: 7, name: 0 };
const PARQUET: Place = Place { file: 7, name: 1 };

/// An exclusive lock of an owner, whose process, inode and handle have its number.
fn of(owner: u32, call: Call, start: u64, end: u64) -> Claim {
    let number = u64::from(owner);
    let (place, ino, handle) = (CSV, number, number);
    Claim { place, ino, handle, owner: number, pid: owner, call, start, end, exclusive: true }
}

fn fcntl(owner: u32, start: u64, end: u64) -> Claim {
    of(owner, Call::Fcntl, start, end)
}

fn flock(owner: u32) -> Claim {
    of(owner, Call::Flock, 0, END)
}

fn shared(claim: Claim) -> Claim {
    Claim { exclusive: false, ..claim }
}

fn ranges(locks: &Locks) -> Vec<(u64, u64, bool)> {
    let mut ranges: Vec<_> =
        locks.table.lock().held.iter().map(|held| (held.start, held.end, held.exclusive)).collect();
    ranges.sort_unstable();
    ranges
}

#[test]
fn exclusive_locks_exclude_and_shared_ones_do_not() {
    let locks = Locks::default();
    assert!(locks.take(&shared(flock(1))) && locks.take(&shared(flock(2))));
    assert!(!locks.take(&flock(3)));
    locks.give(&flock(1));
    assert!(!locks.take(&flock(3)));
    locks.released(2);
    assert!(locks.take(&flock(3)) && !locks.take(&shared(flock(1))));
}

#[test]
fn ranges_of_one_process_are_cut_and_joined() {
    let locks = Locks::default();
    assert!(locks.take(&fcntl(1, 0, 99)) && locks.take(&shared(fcntl(1, 40, 59))));
    assert_eq!(ranges(&locks), [(0, 39, true), (40, 59, false), (60, 99, true)]);
    assert!(locks.take(&shared(fcntl(2, 45, 50))) && !locks.take(&shared(fcntl(2, 50, 60))));
    locks.closed(2, 2);
    assert!(locks.take(&fcntl(1, 40, 59)));
    assert_eq!(ranges(&locks), [(0, 99, true)]);
    locks.give(&fcntl(1, 10, END));
    assert_eq!(ranges(&locks), [(0, 9, true)]);
    let found = locks.against(&fcntl(2, 0, END)).unwrap();
    assert_eq!((found.start, found.end, found.pid), (0, 9, 1));
    assert!(locks.against(&fcntl(2, 10, END)).is_none());
}

#[test]
fn the_two_calls_do_not_meet_unless_they_cannot_be_told_apart() {
    let locks = Locks::default();
    assert!(locks.take(&flock(1)) && locks.take(&fcntl(2, 0, END)));
    assert!(!locks.take(&of(3, Call::Either, 0, END)));
    locks.released(1);
    assert!(!locks.take(&of(3, Call::Either, 0, END)));
    locks.released(2);
    // One process takes both of one descriptor.
    let (mut first, mut second) = (of(3, Call::Either, 0, END), of(4, Call::Either, 0, END));
    (first.pid, first.handle, second.pid, second.handle) = (9, 9, 9, 9);
    assert!(locks.take(&first) && locks.take(&second) && !locks.take(&flock(5)));
}

#[test]
fn the_names_of_a_file_are_one_lock_but_for_one_process() {
    let locks = Locks::default();
    assert!(locks.take(&flock(1)));
    let other = |claim: Claim| Claim { place: PARQUET, ..claim };
    assert!(!locks.take(&other(flock(2))));
    let own = Claim { pid: 1, ..other(flock(3)) };
    assert!(locks.take(&own));
    locks.give(&own);
    assert!(!locks.take(&flock(2)), "the other name is locked still");
}

#[test]
fn flock_gives_up_what_it_had_before_it_has_another() {
    let locks = Locks::default();
    assert!(locks.take(&shared(flock(1))) && locks.take(&shared(flock(2))));
    assert!(!locks.take(&flock(1)));
    assert!(locks.take(&flock(2)), "the first one has none any more");
}

#[test]
fn who_waits_gets_it_when_it_is_free_or_is_told_that_it_was_interrupted() {
    let locks = Arc::new(Locks::default());
    assert!(locks.take(&flock(1)));
    assert_eq!(locks.wait(&flock(2), &|| true), Err(Errno::EINTR));
    let (sender, receiver) = channel();
    let other = Arc::clone(&locks);
    let waiter = thread::spawn(move || {
        sender.send(()).unwrap();
        other.wait(&flock(2), &|| false)
    });
    receiver.recv().unwrap();
    thread::sleep(WATCH);
    locks.released(1);
    assert_eq!(waiter.join().unwrap(), Ok(()));
    assert!(locks.table.lock().waiting.is_empty() && !locks.take(&flock(1)));
}

#[test]
fn who_would_wait_for_ever_is_told() {
    let locks = Arc::new(Locks::default());
    assert!((1..4).all(|owner| locks.take(&fcntl(owner, owner.into(), owner.into()))));
    let waiters: Vec<_> = [(1, 2), (2, 3)]
        .map(|(owner, wanted)| {
            let other = Arc::clone(&locks);
            thread::spawn(move || other.wait(&fcntl(owner, wanted, wanted), &|| false))
        })
        .into();
    while locks.table.lock().waiting.len() < 2 {
        thread::yield_now();
    }
    assert_eq!(locks.wait(&fcntl(3, 1, 1), &|| false), Err(Errno::EDEADLK));
    locks.closed(3, 3);
    locks.closed(2, 2);
    for waiter in waiters {
        waiter.join().unwrap().unwrap();
        locks.closed(2, 2);
    }
}
