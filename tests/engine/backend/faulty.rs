//! The test tool itself: its faults come where they are told to.

use super::{items, names, put};
use lakota::backend::faulty::FaultyBackend;
use lakota::backend::memory::MemoryBackend;
use lakota::backend::{Backend, BackendErrorKind};
use std::sync::Arc;

fn faulty() -> (MemoryBackend, FaultyBackend) {
    let memory = MemoryBackend::new();
    (memory.clone(), FaultyBackend::new(Arc::new(memory)))
}

#[test]
fn fail_after_three_lets_two_calls_through() {
    let (_, backend) = faulty();
    backend.fail_after(3);
    let failed = [(); 5].map(|()| backend.len("aa/bb").is_err());
    assert_eq!(failed, [false, false, true, true, true]);
}

#[test]
fn fail_after_counts_from_now() {
    let (_, backend) = faulty();
    put(&backend, "aa/bb", "hello");
    backend.fail_after(2);
    let failed = [(); 3].map(|()| backend.len("aa/bb").is_err());
    assert_eq!(failed, [false, true, true]);
}

#[test]
fn countdown_within_a_batch_tears_it() {
    let (memory, backend) = faulty();
    backend.fail_after(3);
    backend.put_many(&items(&[("a/1", ""), ("a/2", ""), ("a/3", ""), ("a/4", "")])).unwrap_err();
    assert_eq!(names(&memory, "a"), ["1", "2"]);
}

#[test]
fn batch_may_be_torn_anywhere() {
    let torn = |seed| {
        let (memory, backend) = faulty();
        backend.tear_anywhere(seed);
        backend.fail_after(3);
        backend.put_many(&items(&[("a/1", ""), ("a/2", ""), ("a/3", ""), ("a/4", "")])).unwrap_err();
        names(&memory, "a")
    };
    let ways: std::collections::BTreeSet<_> = (0..40).map(torn).collect();
    assert!(ways.iter().all(|names| names.len() == 2));
    assert_eq!(ways.len(), 6);
}

#[test]
fn countdown_within_a_delete_tears_it() {
    let (memory, backend) = faulty();
    backend.put_many(&items(&[("a/1", ""), ("a/2", ""), ("a/3", "")])).unwrap();
    backend.fail_after(2);
    backend.delete_many(&["a/1", "a/2", "a/3"].map(str::to_owned)).unwrap_err();
    assert_eq!(names(&memory, "a"), ["2", "3"]);
}

#[test]
fn batch_that_ends_before_the_countdown_is_whole() {
    let (_, backend) = faulty();
    backend.fail_after(3);
    assert!(backend.put_many(&items(&[("a/1", ""), ("a/2", "")])).is_ok());
}

#[test]
fn items_of_a_batch_are_counted_one_by_one() {
    let (_, backend) = faulty();
    backend.put_many(&items(&[("a/1", ""), ("a/2", ""), ("a/3", "")])).unwrap();
    backend.get("a/1").unwrap();
    assert_eq!(backend.calls(), 4);
}

#[test]
fn refused_writes_fail_with_the_kind_told() {
    let (memory, backend) = faulty();
    backend.fail_writes_with(BackendErrorKind::Full);
    let error = backend.put_many(&items(&[("a/1", "")])).unwrap_err();
    assert_eq!((error.kind, names(&memory, "a")), (BackendErrorKind::Full, vec![]));
}

#[test]
fn refused_writes_leave_reads_alone() {
    let (_, backend) = faulty();
    put(&backend, "a/1", "hello");
    backend.fail_writes_with(BackendErrorKind::NotWritable);
    assert_eq!(backend.get("a/1").unwrap(), "hello");
}

#[test]
fn clear_ends_all_faults() {
    let (_, backend) = faulty();
    backend.fail_after(1);
    backend.fail_writes_with(BackendErrorKind::Full);
    backend.clear();
    assert!(backend.put("a/1", "hello".into()).is_ok());
}
