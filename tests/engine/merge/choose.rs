//! Heads that cannot be merged, and the choice of one.

use super::columns::{Site, add};
use crate::support::files;
use lakota::backend::faulty::FaultyBackend;
use lakota::clock::Stamp;
use lakota::collection::{At, CollectionError};
use lakota::history::changelog::HistoryError;
use lakota::ops;
use std::sync::Arc;

/// Two sites that have parted, and have both forgotten where.
fn apart() -> (Site, Site) {
    let one = Site::new();
    one.upsert("a", "1,1\n2,2\n3,3\n");
    one.upsert("c", "1,1\n");
    let other = one.clone();
    one.upsert("a", "2,20\n");
    one.upsert("b", "1,1\n");
    other.upsert("a", "3,30\n");
    other.rename("c", "d");
    other.upsert("e", "5,5\n");
    // So that each is later than what the other trims.
    ops::trim(&one.open(), u64::MAX).unwrap();
    one.upsert("a", "9,9\n");
    other.upsert("a", "8,8\n");
    (one, other)
}

fn heads(site: &Site) -> Vec<Stamp> {
    site.open().newest().unwrap()
}

/// Both get the other's files; what one trimmed is gone for good.
fn exchange(one: &Site, other: &Site) {
    one.pull(other);
    other.pull(one);
}

fn is_refused(site: &Site) -> bool {
    let refused = site.open().settle();
    matches!(
        refused,
        Err(CollectionError::History(HistoryError::Unmergeable { .. } | HistoryError::Schemas(_)))
    )
}

#[test]
fn heads_without_common_history_are_refused_until_one_is_chosen() {
    let (one, other) = apart();
    let (mine, theirs) = (heads(&one)[0], heads(&other)[0]);
    one.pull(&other);
    one.forget();
    assert_eq!(heads(&one), [mine, theirs]);
    assert!(is_refused(&one));
    let wanted = one.state_at(At::Revision(mine));
    one.open().choose(mine, "keep").unwrap();
    assert_eq!(heads(&one).len(), 1);
    assert_eq!(one.state(), wanted);
    assert_eq!(one.state_at(At::Revision(theirs)).1["a"], ["1,1\n", "2,2\n", "3,30\n", "8,8\n"]);
    one.verify();
}

#[test]
fn choice_wins_wherever_it_comes_to() {
    for (ours, gone) in [(true, true), (true, false), (false, true), (false, false)] {
        let (one, other) = apart();
        let (mine, theirs) = (heads(&one)[0], heads(&other)[0]);
        one.pull(&other);
        one.forget();
        let head = if ours { mine } else { theirs };
        let wanted = one.state_at(At::Revision(head));
        one.open().choose(head, "keep").unwrap();
        // Meanwhile the other site went on.
        other.upsert("a", "7,7\n");
        exchange(&one, &other);
        if gone {
            // Nobody has any more what the heads parted from.
            [&one, &other].iter().for_each(|site| site.forget());
        }
        one.merge();
        other.merge();
        assert_eq!(one.state(), other.state());
        let rows = one.state().1.remove("a").unwrap();
        let mut expected = wanted.1["a"].clone();
        expected.push("7,7\n".to_owned());
        expected.sort();
        assert_eq!(rows, expected, "ours: {ours}, gone: {gone}");
        exchange(&one, &other);
        assert_eq!(heads(&one).len(), 1);
        assert_eq!(heads(&one), heads(&other));
    }
}

#[test]
fn of_two_choices_in_two_places_the_later_stands_in_both() {
    let (one, other) = apart();
    let (mine, theirs) = (heads(&one)[0], heads(&other)[0]);
    exchange(&one, &other);
    [&one, &other].iter().for_each(|site| site.forget());
    one.open().choose(mine, "keep").unwrap();
    other.open().choose(theirs, "keep").unwrap();
    let wanted = other.state();
    exchange(&one, &other);
    one.merge();
    other.merge();
    assert_eq!((one.state(), other.state()), (wanted.clone(), wanted));
    exchange(&one, &other);
    assert_eq!(files(one.backend.as_ref()).len(), files(other.backend.as_ref()).len());
}

#[test]
fn columns_without_common_origin_are_chosen_too() {
    let (one, other) = (Site::new(), Site::with(&["k int*", "w str"]));
    let other = Site { clock: Arc::clone(&one.clock), ..other };
    one.upsert("a", "1,1\n");
    other.upsert("a", "1,x\n");
    other.upsert("b", "1,x\n");
    let (mine, theirs) = (heads(&one)[0], heads(&other)[0]);
    exchange(&one, &other);
    assert!(is_refused(&one));
    one.open().choose(theirs, "keep").unwrap();
    assert_eq!(one.columns(), "k int*\nw str\n");
    assert_eq!(one.state().1["a"], ["1,x\n"]);
    assert_eq!(one.state_at(At::Revision(mine)).1["a"], ["1,1\n"]);
    one.alter(add("n int", "7"));
    exchange(&one, &other);
    assert_eq!(other.state().1["b"], ["1,x,7\n"]);
    one.verify();
}

#[test]
fn only_a_head_can_be_chosen() {
    let (one, other) = apart();
    let mine = heads(&one)[0];
    one.pull(&other);
    one.forget();
    one.open().choose(mine, "keep").unwrap();
    assert!(one.open().choose(mine, "again").is_err());
}

#[test]
fn chooser_killed_at_any_call_leaves_the_heads_or_the_choice() {
    let (start, other) = apart();
    let (mine, theirs) = (heads(&start)[0], heads(&other)[0]);
    start.pull(&other);
    start.forget();
    let wanted = start.state_at(At::Revision(theirs));
    for calls in 1.. {
        let site = start.clone();
        let faulty = Arc::new(FaultyBackend::new(Arc::clone(&site.backend)));
        faulty.fail_after(u64::MAX);
        let victim = Site { backend: Arc::<FaultyBackend>::clone(&faulty), clock: Arc::clone(&site.clock) };
        let collection = victim.open();
        faulty.fail_after(calls);
        let done = collection.choose(theirs, "keep").is_ok();
        drop(collection);
        match heads(&site).as_slice() {
            [_] => assert_eq!(site.state(), wanted, "call {calls}"),
            several => assert_eq!((done, several), (false, &[mine, theirs][..]), "call {calls}"),
        }
        // Files of some parents only: it is whole all the same.
        if !done && heads(&site).len() > 1 {
            site.open().choose(theirs, "again").unwrap();
            assert_eq!(site.state(), wanted);
        }
        site.verify();
        if done {
            return;
        }
    }
}
