//! Copies that die at every call of a backend, at either side: what was there stays readable, and the next copy ends as an
//! undisturbed one.

use super::{Place, World, copy, noise, push};
use crate::support;
use lakota::backend::Backend;
use lakota::backend::faulty::FaultyBackend;
use lakota::backend::memory::MemoryBackend;
use lakota::ops;
use lakota::ops::transfer::What;
use std::sync::Arc;

fn duplicate(place: &Place) -> Arc<dyn Backend> {
    let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    support::copy(place.backend.as_ref(), memory.as_ref(), 0);
    memory
}

/// Kills the copy from `a` to `b` at every call, of the source and of the other side in turn.
fn kill_at_every_call(world: &World, a: &Place, b: &Place, what: &What) {
    let before = b.contents();
    let whole = world.open(duplicate(b));
    copy(a, &whole, what).unwrap();
    let (contents, heads) = (whole.contents(), whole.heads());
    for at_source in [false, true] {
        for calls in 1.. {
            let (from, to) = (duplicate(a), duplicate(b));
            let broken = if at_source { &from } else { &to };
            let faulty = Arc::new(FaultyBackend::new(Arc::clone(broken)));
            let backend: Arc<dyn Backend> = Arc::<FaultyBackend>::clone(&faulty);
            let (from, to) = if at_source { (backend, to) } else { (from, backend) };
            let (from, to) = (world.open(from), world.open(to));
            faulty.fail_after(calls);
            let done = copy(&from, &to, what).is_ok_and(|report| report.failed.is_empty());
            faulty.clear();
            let (from, to) = (world.open(from.backend), world.open(to.backend));
            let now = to.contents();
            let place = format!("source {at_source} call {calls}");
            for (series, rows) in &before {
                let found = now.get(series).unwrap_or_else(|| panic!("{place}: {series:?} is gone"));
                assert!(rows.keys().all(|key| found.contains_key(key)), "{place}: {series:?}");
            }
            assert_eq!(to.damage(), Vec::<String>::new(), "{place}");
            let again = copy(&from, &to, what).unwrap();
            assert!(again.failed.is_empty(), "{place}: {:?}", again.failed);
            assert_eq!((to.contents(), to.heads()), (contents.clone(), heads.clone()), "{place}");
            assert_eq!(to.damage(), Vec::<String>::new(), "{place}: again");
            if done {
                break;
            }
        }
    }
}

#[test]
fn killed_clone_goes_on() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    a.write("s", &noise(0, 300));
    a.write("s", "5,5\n");
    a.repo.create_collection("d", &super::schema()).unwrap();
    kill_at_every_call(&world, &a, &b, &What::default());
}

#[test]
fn killed_push_beside_other_writes_goes_on() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    a.write("s", &noise(0, 100));
    push(&a, &b);
    for k in 0..20 {
        a.write("s", &format!("{},1\n", 200 + k));
    }
    b.write("s", "900,1\n");
    kill_at_every_call(&world, &a, &b, &What::default());
}

#[test]
fn killed_copy_of_what_was_trimmed_goes_on() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    a.write("s", "1,1\n");
    push(&a, &b);
    for k in 2..6 {
        a.write("s", &format!("{k},1\n"));
    }
    ops::trim(&a.c(), u64::MAX).unwrap();
    for _ in 0..2 {
        ops::gc(&a.repo, 0).unwrap();
    }
    a.write("s", "6,1\n");
    kill_at_every_call(&world, &a, &b, &What::default());
}

#[test]
fn killed_shallow_copy_goes_on() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    a.write("s", "1,1\n");
    let empty = world.place();
    push(&a, &b);
    for k in 2..6 {
        a.write("s", &format!("{k},1\n"));
    }
    let what = What { shallow: true, ..What::default() };
    kill_at_every_call(&world, &a, &empty, &what);
    kill_at_every_call(&world, &a, &b, &what);
}
