//! Replicas that write, alter, tag, copy, trim, squash and collect in any order, and what all of them must read: at
//! every step what the revisions they know set, by the rule of merges; in the end the same.
//!
//! Beside `transfer/random.rs` (rows that are written once, kills everywhere) the model here knows each value of each row,
//! column and label, and what each revision and moment reads as.

mod busy;
mod checks;
mod found;
mod model;
mod world;

use crate::support::games;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::RefCell;
use world::{Alter, Before, LABELS, Op, Step, Tally, Way, World};

fn keys() -> impl Strategy<Value = Vec<i64>> {
    proptest::collection::vec(0..8i64, 1..5)
}

fn op() -> impl Strategy<Value = Op> {
    let label = 0..LABELS.len();
    let range = || (0..8i64, 0..8i64).prop_map(|(a, b)| (a.min(b), a.max(b)));
    prop_oneof![
        4 => (label.clone(), range(), keys()).prop_map(|(l, range, keys)| {
            Op::Overlay(l, range, keys.into_iter().filter(|k| range.0 <= *k && *k <= range.1).collect())
        }),
        4 => (label.clone(), keys()).prop_map(|(l, keys)| Op::Upsert(l, keys)),
        2 => (label.clone(), range()).prop_map(|(l, range)| Op::Delete(l, range)),
        1 => label.clone().prop_map(Op::Drop),
        2 => (label.clone(), label).prop_map(|(a, b)| Op::Rename(a, b)),
    ]
}

fn way(sites: usize) -> impl Strategy<Value = Way> {
    let only = proptest::option::weighted(0.3, 0..2usize);
    let dies = proptest::option::weighted(0.15, 1..50u64);
    (0..sites, 0..sites, only, proptest::bool::weighted(0.2), dies)
        .prop_map(|(from, to, only, shallow, dies)| Way { from, to, only, shallow, dies })
}

fn step(sites: usize) -> impl Strategy<Value = Step> {
    let ops = || proptest::collection::vec(op(), 1..4);
    let alter = prop_oneof![
        3 => Just(Alter::Add),
        1 => (0..4usize).prop_map(Alter::Drop),
        2 => (0..4usize).prop_map(Alter::Rename),
    ];
    let before = prop_oneof![
        3 => Just(Before::Common),
        2 => (0..4usize).prop_map(Before::Some),
        2 => Just(Before::All),
    ];
    prop_oneof![
        16 => ops().prop_map(Step::Write),
        3 => (0..4usize, ops()).prop_map(|(n, ops)| Step::Onto(n, ops)),
        3 => alter.prop_map(Step::Alter),
        1 => (0..6usize).prop_map(Step::Restore),
        1 => (0..6usize).prop_map(Step::Undo),
        14 => way(sites).prop_map(Step::Copy),
        1 => Just(Step::Settle),
        1 => Just(Step::Pack),
        1 => Just(Step::Defrag),
        2 => Just(Step::Squash),
        5 => before.prop_map(Step::Trim),
        1 => Just(Step::TrimRegistry),
        3 => Just(Step::Gc),
        2 => (0..6usize).prop_map(Step::Tag),
        1 => (0..3usize).prop_map(Step::Untag),
    ]
}

/// A whole game: how far clocks are ahead, the steps with their places, the order of the last copies and merges.
#[derive(Debug, Clone)]
struct Game {
    skews: Vec<u64>,
    segment_rows: usize,
    steps: Vec<(usize, usize, Step)>,
    order: Vec<(usize, usize)>,
}

fn game() -> impl Strategy<Value = Game> {
    (3..5usize).prop_flat_map(|sites| {
        let skew = prop_oneof![3 => 0..40u64, 1 => 0..4_000_000u64];
        let pairs: Vec<(usize, usize)> =
            (0..sites).flat_map(|a| (0..sites).filter(move |b| *b != a).map(move |b| (a, b))).collect();
        let collection = prop_oneof![9 => Just(0usize), 1 => Just(1usize)];
        let steps = proptest::collection::vec((0..sites, collection, step(sites)), 1..40);
        let skews = proptest::collection::vec(skew, sites);
        (skews, 1..5usize, steps, Just(pairs).prop_shuffle())
            .prop_map(|(skews, segment_rows, steps, order)| Game { skews, segment_rows, steps, order })
    })
}

fn play(game: &Game, total: &mut Tally) {
    let mut world = World::new(&game.skews, game.segment_rows);
    for (site, collection, step) in &game.steps {
        world.run(*site, *collection, step);
        world.check(*site, false);
        if let Step::Copy(way) = step {
            world.check(way.to, false);
        }
    }
    let all_came = world.copy_all(&game.order);
    for site in 0..world.sites() {
        world.check(site, site == 0);
    }
    // Whoever merges first, and whoever comes after: the same heads.
    for (site, _) in &game.order {
        world.run(*site, 0, &Step::Settle);
        world.run(*site, 1, &Step::Settle);
    }
    if all_came {
        assert!(world.are_equal(), "merged alone");
        assert!(world.copy_all(&game.order) && world.are_equal(), "merged and copied");
        assert_eq!([0, 1].map(|c| world.heads(0, c).len()), [1, 1]);
        world.tally.converged += 1;
    } else {
        world.tally.parted += 1;
    }
    for site in 0..world.sites() {
        world.run(site, 0, &Step::Gc);
        world.check(site, false);
        world.verify(site);
    }
    total.add(&world.tally);
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.copies += other.copies;
        self.refused += other.refused;
        self.killed += other.killed;
        self.trimmed += other.trimmed;
        self.altered += other.altered;
        self.onto += other.onto;
        self.gone += other.gone;
        self.past += other.past;
        self.pinned += other.pinned;
        self.converged += other.converged;
        self.parted += other.parted;
    }
}

#[test]
fn replicas_read_what_the_rule_says_at_every_step_and_the_same_in_the_end() {
    // Games are long: few of them, unless somebody asks for more.
    let cases = games(48);
    let config = Config { cases, max_shrink_iters: 1200, failure_persistence: None, ..Config::default() };
    let cases = cases as usize;
    let total = RefCell::new(Tally::default());
    let played = TestRunner::new(config).run(&game(), |game| {
        play(&game, &mut total.borrow_mut());
        Ok(())
    });
    played.unwrap_or_else(|e| panic!("{e}"));
    let total = total.into_inner();
    println!("{total:?}");
    // What never happens is not tested.
    assert!(total.converged * 2 > cases && total.past > cases, "{total:?}");
    assert!(total.killed * 8 > cases && total.trimmed * 8 > cases, "{total:?}");
    assert!(total.altered * 4 > cases && total.onto * 4 > cases && total.pinned > cases / 2, "{total:?}");
    assert!(cases < 300 || (total.refused > 0 && total.parted > 0), "{total:?}");
    assert!(cases < 2000 || total.gone > 0, "{total:?}");
}
