//! Trims on several replicas, and shallow copies: no row goes, no trimmed head comes back, nothing becomes unreadable.

use super::{Place, World, copy, noise, push, refused, shallow};
use crate::support::{files, series};
use lakota::collection::{At, CollectionError};
use lakota::history::changelog::{HistoryError, Horizon};
use lakota::ops;
use lakota::ops::transfer::{TransferError, What};

fn keys(place: &Place) -> Vec<String> {
    place.rows("s").into_values().flatten().map(|line| line.split(',').next().unwrap().to_owned()).collect()
}

/// Forgets all but the newest state, files too.
fn forget(place: &Place) {
    ops::trim(&place.c(), u64::MAX).unwrap();
    for _ in 0..3 {
        ops::gc(&place.repo, 0).unwrap();
    }
}

/// Two replicas of a collection with keys 1 to 3.
fn two(world: &World) -> (Place, Place) {
    let (a, b) = (world.with_c(), world.place());
    for k in 1..=3 {
        a.write("s", &format!("{k},0\n"));
    }
    push(&a, &b);
    (a, b)
}

#[test]
fn old_revision_that_a_trim_keeps_is_no_head() {
    let world = World::new();
    let (a, _) = two(&world);
    let old = a.stamps()[1];
    let newest = a.heads();
    ops::trim(&a.c(), u64::MAX).unwrap();
    let c = a.c();
    let time = c.changelog().log().unwrap().horizon.time;
    c.changelog().put_horizon(&Horizon { time, kept: vec![old], ..Horizon::default() }).unwrap();
    assert_eq!((a.stamps().len(), a.heads()), (2, newest));
    assert_eq!(keys(&a), ["1", "2", "3"]);
    a.is_sound();
    assert_eq!(series(&a.c(), "s", At::Revision(old)).len(), 1);
}

#[test]
fn backup_keeps_its_history_when_the_source_forgets() {
    let world = World::new();
    let (a, b) = two(&world);
    a.write("s", "4,0\n");
    a.write("s", "5,0\n");
    forget(&a);
    push(&a, &b);
    // Revision 4 is nowhere any more; the head of the backup is below what came.
    assert_eq!((b.stamps().len(), b.heads()), (5, a.heads()));
    assert_eq!(keys(&b), ["1", "2", "3", "4", "5"]);
    b.is_sound();
    b.write("s", "6,0\n");
    push(&b, &a);
    assert_eq!((keys(&a).len(), a.heads().len()), (6, 1));
    a.is_sound();
}

#[test]
fn state_of_a_time_within_a_gap_is_an_error_and_of_others_is_right() {
    let world = World::new();
    let (a, b) = two(&world);
    let lost = a.write("s", "4,0\n");
    let newest = a.write("s", "5,0\n");
    let before = a.stamps()[3];
    forget(&a);
    push(&a, &b);
    let at = |time| b.c().state(At::Before(time)).map(|state| state.sums().rows);
    assert_eq!(at(before.time + 1).unwrap(), 3);
    for time in [lost.time + 1, newest.time] {
        let refused = at(time);
        assert!(matches!(refused, Err(CollectionError::History(HistoryError::Trimmed(_)))), "{refused:?}");
    }
    assert_eq!(at(newest.time + 1).unwrap(), 5);
}

#[test]
fn list_of_what_was_forgotten_hides_nothing_before_its_revisions_are_there() {
    let world = World::new();
    let (a, b) = two(&world);
    a.write("s", "4,0\n");
    a.write("s", "5,0\n");
    forget(&a);
    let (head, state) = (b.heads(), b.contents());
    push(&a, &b);
    // As if it had been cut short between the two.
    let name = |e: lakota::backend::Entry| e.name;
    let new = b.backend.list(&b.folder()).unwrap().into_iter().map(name);
    let newest = a.heads()[0].file_name();
    let last: Vec<_> = new.filter(|n| n.ends_with(&newest)).map(|n| format!("{}/{n}", b.folder())).collect();
    assert_eq!(last.len(), 1);
    b.backend.delete_many(&last).unwrap();
    let b = world.open(b.backend);
    assert_eq!((b.heads(), b.contents()), (head, state));
    push(&a, &b);
    assert_eq!(b.heads(), a.heads());
}

#[test]
fn what_cannot_be_merged_is_refused_before_anything_is_written() {
    let world = World::new();
    let (a, b) = two(&world);
    a.write("s", "4,0\n");
    a.write("s", "5,0\n");
    forget(&a);
    b.write("s", "9,0\n");
    let before = files(b.backend.as_ref());
    let failure = refused(&a, &b);
    assert!(failure.is_conflict(), "{failure}");
    let text = failure.to_string();
    assert!(text.contains(&a.heads()[0].to_string()) && text.contains(&b.heads()[0].to_string()), "{text}");
    assert_eq!(files(b.backend.as_ref()), before);
    assert!(matches!(refused(&b, &a), TransferError::Diverged { .. }));
    assert_eq!(keys(&a).len(), 5);
}

#[test]
fn what_a_merge_needs_comes_back_though_it_was_trimmed_here() {
    let world = World::new();
    let (a, b) = two(&world);
    b.write("s", "4,0\n");
    b.write("s", "5,0\n");
    push(&b, &a);
    // A third one parted at revision 3.
    let c = world.open(copy_of(&a));
    let third = c.stamps()[3];
    let batch = c.c();
    let mut batch = batch.batch_on(third, &[], "").unwrap();
    batch.overlay("s", &crate::support::frame(&super::schema(), "9,0\n")).unwrap();
    batch.commit().unwrap().unwrap();
    forget(&b);
    push(&c, &b);
    assert_eq!(keys(&b), ["1", "2", "3", "4", "5", "9"]);
    b.is_sound();
    forget(&b);
    assert_eq!(keys(&b), ["1", "2", "3", "4", "5", "9"]);
    b.is_sound();
    push(&b, &a);
    assert_eq!(a.contents(), b.contents());
}

fn copy_of(place: &Place) -> std::sync::Arc<dyn lakota::backend::Backend> {
    let memory: std::sync::Arc<dyn lakota::backend::Backend> =
        std::sync::Arc::new(lakota::backend::memory::MemoryBackend::new());
    crate::support::copy(place.backend.as_ref(), memory.as_ref(), 0);
    memory
}

#[test]
fn revision_older_than_the_horizon_that_nobody_had_seen_is_seen() {
    let world = World::new();
    let (a, b) = two(&world);
    a.write("s", "4,0\n");
    b.write("s", "5,0\n");
    b.write("s", "6,0\n");
    ops::trim(&b.c(), u64::MAX).unwrap();
    push(&a, &b);
    assert_eq!(keys(&b), ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(b.heads().len(), 2);
    b.is_sound();
    for _ in 0..3 {
        ops::gc(&b.repo, 0).unwrap();
    }
    assert_eq!(keys(&b).len(), 6);
}

#[test]
fn head_that_was_trimmed_does_not_come_back() {
    let world = World::new();
    let (a, b) = two(&world);
    a.write("s", "4,0\n");
    a.write("s", "5,0\n");
    forget(&a);
    let before = files(a.backend.as_ref());
    assert!(push(&b, &a).moved.is_empty());
    assert_eq!(files(a.backend.as_ref()), before);
}

#[test]
fn both_forget_the_same_and_go_on() {
    let world = World::new();
    let (a, b) = two(&world);
    forget(&a);
    forget(&b);
    a.write("s", "4,0\n");
    b.write("s", "5,0\n");
    push(&a, &b);
    push(&b, &a);
    assert_eq!((keys(&a).len(), a.contents()), (5, b.contents()));
}

#[test]
fn replica_that_forgot_learns_from_one_that_did_not_and_then_all_meet() {
    let world = World::new();
    let (a, b) = two(&world);
    let c = world.place();
    a.write("s", "4,0\n");
    a.write("s", "5,0\n");
    push(&a, &c);
    forget(&a);
    b.write("s", "9,0\n");
    assert!(refused(&a, &b).is_conflict());
    push(&c, &b);
    push(&a, &b);
    push(&b, &a);
    assert_eq!((keys(&b).len(), b.contents()), (6, a.contents()));
    a.is_sound();
    b.is_sound();
}

#[test]
fn shallow_copy_has_the_newest_state_alone() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    a.write("s", &noise(0, 8000));
    a.write("s", "1,1\n");
    a.write("t", "1,1\n");
    shallow(&a, &b);
    assert_eq!((b.contents(), b.stamps()), (a.contents(), a.heads()));
    b.is_sound();
    assert!(shallow(&a, &b).moved.is_empty());
}

#[test]
fn shallow_copies_may_be_repeated_and_written_back() {
    let world = World::new();
    let (a, b) = (two(&world).0, world.place());
    shallow(&a, &b);
    for k in 4..8 {
        a.write("s", &format!("{k},0\n"));
        a.write("s", &format!("{},0\n", k + 10));
        shallow(&a, &b);
        assert_eq!((b.contents(), b.heads()), (a.contents(), a.heads()));
        b.is_sound();
    }
    a.write("s", "50,0\n");
    b.write("s", "60,0\n");
    push(&b, &a);
    shallow(&a, &b);
    assert_eq!((a.contents(), a.heads().len()), (b.contents(), 2));
    b.write("s", "61,0\n");
    push(&b, &a);
    assert_eq!((a.contents(), a.heads()), (b.contents(), b.heads()));
    a.is_sound();
    b.is_sound();
}

#[test]
fn shallow_copy_has_what_merging_several_heads_needs() {
    let world = World::new();
    let (a, b) = two(&world);
    a.write("s", "4,0\n");
    b.write("s", "5,0\n");
    b.write("s", "6,0\n");
    push(&b, &a);
    let c = world.place();
    shallow(&a, &c);
    assert_eq!((c.contents(), c.heads().len()), (a.contents(), 2));
    c.is_sound();
    c.c().settle().unwrap();
    a.c().settle().unwrap();
    assert_eq!(c.heads(), a.heads());
}

#[test]
fn shallow_copy_into_a_repository_with_history_keeps_it() {
    let world = World::new();
    let (a, b) = two(&world);
    let history = b.stamps();
    a.write("s", "4,0\n");
    a.write("s", "5,0\n");
    shallow(&a, &b);
    assert!(history.iter().all(|stamp| b.stamps().contains(stamp)));
    assert_eq!((b.contents(), b.heads()), (a.contents(), a.heads()));
    b.is_sound();
    // What was left out comes with a whole copy.
    push(&a, &b);
    assert_eq!(b.stamps(), a.stamps());
}

#[test]
fn failure_of_one_collection_is_the_only_one() {
    let world = World::new();
    let (a, b) = two(&world);
    a.repo.create_collection("d", &super::schema()).unwrap();
    a.write("s", "4,0\n");
    a.write("s", "5,0\n");
    forget(&a);
    b.write("s", "9,0\n");
    let report = copy(&a, &b, &What::default()).unwrap();
    assert_eq!(
        (report.failed.len(), b.repo.collections().unwrap()),
        (1, vec!["c".to_owned(), "d".to_owned()])
    );
    b.is_sound();
}
