//! Copies where the two sides do not go together, where somebody meddles between two steps, and many copies in a row.

use super::{Place, World, copy, push, refused};
use crate::support::{Call, files, watched};
use lakota::backend::Backend;
use lakota::data::alter::Alteration;
use lakota::data::schema::Schema;
use lakota::history::changelog::Horizon;
use lakota::ops;
use lakota::ops::transfer::{Apart, TransferError, What};
use std::sync::Arc;
use std::sync::Mutex;

type Deed = Box<dyn FnOnce() + Send>;

/// Does something once, before the listing of `folder` that comes after `listings` others.
fn meddled(inner: &Arc<dyn Backend>, folder: String, listings: usize, deed: Deed) -> Arc<dyn Backend> {
    let deed = Mutex::new(Some((listings, deed)));
    watched(inner, move |call, key| {
        let mut deed = deed.lock().unwrap();
        if (call, key) != (Call::List, folder.as_str()) {
            return Ok(());
        }
        match deed.take() {
            Some((0, now)) => now(),
            Some((left, later)) => *deed = Some((left - 1, later)),
            None => {}
        }
        Ok(())
    })
}

/// Forgets all but the newest state, files too.
fn forget(place: &Place) {
    ops::trim(&place.c(), u64::MAX).unwrap();
    for _ in 0..3 {
        ops::gc(&place.repo, 0).unwrap();
    }
}

/// Two that wrote when one had forgotten what both came from.
fn diverged(world: &World) -> (Place, Place) {
    let (a, b) = (world.with_c(), world.place());
    a.write("s", "1,0\n");
    push(&a, &b);
    a.write("s", "2,0\n");
    a.write("s", "3,0\n");
    forget(&a);
    b.write("s", "9,0\n");
    (a, b)
}

fn unmergeable() -> What {
    What { unmergeable: true, ..What::default() }
}

#[test]
fn heads_whose_columns_have_no_common_origin_are_refused_before_anything_is_written() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    let wider = Schema::parse(["k int*", "v float", "q int"]).unwrap();
    b.repo.create_collection("c", &wider).unwrap();
    b.c().alter(&[Alteration::Drop("q".into())], "").unwrap();
    a.write("s", "1,0\n");
    b.write("t", "2,0\n");
    // By now both have the same columns.
    for what in [What::default(), What { collections: vec!["c".into()], ..What::default() }] {
        let (before, state) = (files(b.backend.as_ref()), b.contents());
        let report = copy(&a, &b, &what).unwrap();
        let [(label, error)] = &report.failed[..] else { panic!("{report:?}") };
        assert!(label == "c" && error.is_conflict(), "{label}: {error}");
        assert!(matches!(error, TransferError::Diverged { why: Apart::Columns, .. }), "{error:?}");
        assert_eq!(files(b.backend.as_ref()), before);
        assert_eq!(b.contents(), state);
    }
}

#[test]
fn heads_that_cannot_be_merged_come_when_that_is_asked_for_and_one_of_them_can_be_kept_everywhere() {
    let world = World::new();
    for keep_own in [true, false] {
        let (a, b) = diverged(&world);
        assert!(matches!(refused(&a, &b), TransferError::Diverged { why: Apart::Lost(_), .. }));
        let (own, other) = (b.heads()[0], a.heads()[0]);
        let report = copy(&a, &b, &unmergeable()).unwrap();
        assert!(report.failed.is_empty(), "{report:?}");
        let mut both = vec![own, other];
        both.sort_unstable();
        assert_eq!(b.heads(), both);
        let wanted = if keep_own { own } else { other };
        b.c().choose(wanted, "").unwrap();
        let rows = b.rows("s").len();
        assert_eq!(rows, if keep_own { 2 } else { 3 });
        b.is_sound();
        push(&b, &a);
        assert_eq!((a.heads(), a.contents()), (b.heads(), b.contents()));
        a.is_sound();
        a.write("s", "7,0\n");
        push(&a, &b);
        assert_eq!(b.rows("s").len(), rows + 1);
    }
}

#[test]
fn source_whose_own_heads_cannot_be_merged_says_so() {
    let world = World::new();
    let (a, b) = diverged(&world);
    copy(&a, &b, &unmergeable()).unwrap();
    let empty = world.place();
    let failure = refused(&b, &empty);
    assert!(matches!(&failure, TransferError::Apart { from, .. } if from.len() == 2), "{failure:?}");
    assert!(failure.is_conflict() && failure.to_string().contains("--ours"), "{failure}");
    b.c().choose(b.heads()[0], "").unwrap();
    push(&b, &empty);
    assert_eq!(empty.contents(), b.contents());
}

#[test]
fn alterations_on_both_sides_travel_and_merge() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    a.write("s", "1,0\n");
    push(&a, &b);
    let add = |name: &str| Alteration::Add {
        column: Schema::parse(["k int*", &format!("{name} int")]).unwrap().columns()[1].clone(),
        default: Some("5".to_owned()),
    };
    a.c().alter(&[add("x")], "").unwrap();
    b.c().alter(&[add("y")], "").unwrap();
    b.c().alter(&[Alteration::Rename { from: "v".into(), to: "w".into() }], "").unwrap();
    push(&a, &b);
    assert_eq!(b.heads().len(), 2);
    let columns = b.c().schema().unwrap();
    assert_eq!(columns.columns().iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["k", "w", "x", "y"]);
    // What their merge needs stays when one forgets the rest, for a third too.
    forget(&b);
    assert_eq!(b.c().schema().unwrap(), columns);
    let third = world.place();
    push(&b, &third);
    assert_eq!(third.contents(), b.contents());
    third.is_sound();
    push(&third, &a);
    assert_eq!(a.contents(), b.contents());
    a.c().settle().unwrap();
    push(&a, &b);
    assert_eq!((b.heads(), b.contents()), (a.heads(), a.contents()));
}

#[test]
fn nightly_copies_of_what_forgets_each_night_leave_one_horizon() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    for night in 0..20 {
        for k in 0..3 {
            a.write("s", &format!("{},0\n", night * 3 + k));
        }
        forget(&a);
        push(&a, &b);
        assert_eq!((b.heads(), b.rows("s").len()), (a.heads(), night * 3 + 3));
        b.is_sound();
    }
    let horizons =
        |place: &Place| files(place.backend.as_ref()).keys().filter(|key| key.contains("/horizon-")).count();
    assert_eq!((horizons(&a), horizons(&b)), (1, 1));
    // Its own history, a revision of each night, is there still.
    assert!(b.stamps().len() >= 20, "{}", b.stamps().len());
}

#[test]
fn copy_of_a_source_that_writes_meanwhile_sees_one_moment() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    a.write("s", "1,0\n");
    push(&a, &b);
    b.write("s", "2,0\n");
    for listings in 0..8 {
        let (backend, clock) = (Arc::clone(&a.backend), Arc::clone(&world.0));
        let deed = move || {
            World(clock).open(backend).write("s", &format!("{},0\n", 10 + listings));
        };
        let meddled = world.open(meddled(&a.backend, a.folder(), listings, Box::new(deed)));
        push(&meddled, &b);
        push(&a, &b);
        let (found, came) = (b.rows("s"), a.rows("s"));
        assert!(came.keys().all(|key| found.contains_key(key)), "{listings}");
    }
}

#[test]
fn two_copies_to_one_place_at_once_do_not_disturb_each_other() {
    let world = World::new();
    let (a, b, c) = (world.with_c(), world.place(), world.place());
    a.write("s", "1,0\n");
    push(&a, &b);
    push(&a, &c);
    for listings in 0..16 {
        a.write("s", &format!("{},0\n", 10 + listings));
        b.write("s", &format!("{},0\n", 100 + listings));
        let clock = Arc::clone(&world.0);
        let (source, backend) = (Arc::clone(&b.backend), Arc::clone(&c.backend));
        let deed = move || {
            let world = World(clock);
            push(&world.open(source), &world.open(backend));
        };
        let meddled = world.open(meddled(&c.backend, c.folder(), listings, Box::new(deed)));
        push(&a, &meddled);
        push(&b, &c);
        assert_eq!(c.rows("s").len(), listings * 2 + 3, "{listings}");
        push(&c, &a);
    }
}

#[test]
fn pruning_spares_what_a_copy_puts_again_meanwhile() {
    let world = World::new();
    for listings in 0..3 {
        let (a, b) = (world.with_c(), world.place());
        a.write("s", "1,0\n");
        let old = a.write("s", "2,0\n");
        push(&a, &b);
        a.write("s", "3,0\n");
        ops::trim(&a.c(), u64::MAX).unwrap();
        // One that was hidden comes again, as what a merge needs does: its horizon first.
        let (backend, clock) = (Arc::clone(&a.backend), Arc::clone(&world.0));
        let source = Arc::clone(&b.backend);
        let deed = move || {
            let (a, b) = (World(Arc::clone(&clock)).open(backend), World(clock).open(source));
            let (c, time) = (a.c(), a.c().changelog().log().unwrap().horizon.time);
            c.changelog().put_horizon(&Horizon { time, kept: vec![old], ..Horizon::default() }).unwrap();
            let there = b.c().changelog().log().unwrap();
            let bytes = b.c().changelog().bytes(&there, old).unwrap().unwrap();
            let parents = there.parents(old).unwrap().to_vec();
            c.changelog().receive(c.changelog().folders()[0], &[(old, parents, bytes)], false).unwrap();
        };
        let meddled = world.open(meddled(&a.backend, a.folder(), listings, Box::new(deed)));
        meddled.c().changelog().prune(u64::MAX).unwrap();
        let log = a.c().changelog().log().unwrap();
        assert!(log.contains(old), "{listings}: lost what was put again");
    }
}

/// What somebody may do to a repository while others copy from it or to it.
fn upkeep(kind: usize, place: &Place, number: usize) {
    match kind {
        0 => drop(ops::trim(&place.c(), u64::MAX).unwrap()),
        1 => drop(ops::gc(&place.repo, 600_000).unwrap()),
        2 => drop(ops::pack(&place.c()).unwrap()),
        3 => drop(ops::squash(&place.c()).unwrap()),
        4 => drop(place.write("w", &format!("{number},1\n"))),
        5 => place.c().settle().unwrap(),
        _ => {
            ops::trim(&place.c(), u64::MAX).unwrap();
            ops::gc(&place.repo, 600_000).unwrap();
            place.write("w", &format!("{number},1\n"));
        }
    }
}

#[test]
fn upkeep_at_any_moment_of_a_copy_costs_no_row() {
    for kind in 0..7 {
        for at_source in [false, true] {
            for listings in 0..12 {
                let world = World::new();
                let (a, b) = (world.with_c(), world.place());
                a.write("s", &super::noise(0, 100));
                push(&a, &b);
                for k in 0..4 {
                    a.write("s", &format!("{},0\n", 200 + k));
                    b.write("s", &format!("{},0\n", 300 + k));
                }
                let (from, to) = (&a, &b);
                let side = if at_source { from } else { to };
                let (clock, backend) = (Arc::clone(&world.0), Arc::clone(&side.backend));
                let deed = move || upkeep(kind, &World(clock).open(backend), listings);
                let meddled = world.open(meddled(&side.backend, side.folder(), listings, Box::new(deed)));
                let case = format!("{kind} at source {at_source} {listings}");
                let report = if at_source {
                    copy(&meddled, to, &What::default())
                } else {
                    copy(from, &meddled, &What::default())
                };
                let report = report.unwrap_or_else(|e| panic!("{case}: {e}"));
                assert!(report.failed.is_empty(), "{case}: {:?}", report.failed);
                let b = world.open(b.backend);
                assert_eq!(b.rows("s").len(), 108, "{case}");
                assert_eq!(b.damage(), Vec::<String>::new(), "{case}");
                push(&b, &a);
                push(&a, &b);
                assert_eq!(b.contents(), a.contents(), "{case}");
                a.is_sound();
            }
        }
    }
}
