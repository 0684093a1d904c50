//! Replicas that write, copy, trim and collect in any order. Every row is written once and never deleted: so no
//! replica may ever have less than before, and after a copy that was not refused it has all its source had.

use super::{Place, World, copy};
use lakota::ops;
use lakota::ops::transfer::What;
use std::collections::BTreeSet;

/// A generator of numbers, the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn keys(place: &Place) -> BTreeSet<String> {
    if place.repo.collections().unwrap().is_empty() {
        return BTreeSet::new();
    }
    place.contents().into_values().flat_map(|rows| rows.into_values().flatten()).collect()
}

/// What happened, to be told when it goes wrong.
#[derive(Default)]
struct Tally {
    copies: usize,
    refused: usize,
}

fn play(seed: u64, steps: usize, tally: &mut Tally) {
    let world = World::new();
    let mut dice = Dice(seed);
    let places = [world.with_c(), world.place(), world.place()];
    let mut has: Vec<BTreeSet<String>> = vec![BTreeSet::new(); 3];
    let mut story = Vec::new();
    for step in 0..steps {
        let at = dice.roll(3) as usize;
        let place = &places[at];
        let there = !place.repo.collections().unwrap().is_empty();
        match dice.roll(10) {
            0..=3 if there => {
                place.write(&format!("s{}", dice.roll(2)), &format!("{step},{step}\n"));
                story.push(format!("write {step} at {at}"));
            }
            4 if there => {
                let before = if dice.roll(2) == 0 {
                    u64::MAX
                } else {
                    1_600_000_000_000 + dice.roll(step as u64 * 40 + 1)
                };
                ops::trim(&place.c(), before).unwrap();
                story.push(format!("trim {at} before {before}"));
            }
            5 => {
                ops::gc(&place.repo, 0).unwrap();
                story.push(format!("gc {at}"));
            }
            _ => {
                let to = (at + 1 + dice.roll(2) as usize) % 3;
                let shallow = dice.roll(5) == 0;
                let registry_trim = dice.roll(10) == 0;
                if registry_trim {
                    ops::trim(place.repo.registry(), u64::MAX).unwrap();
                }
                story.push(format!("copy {at} to {to}, shallow {shallow}"));
                let what = What { shallow, ..What::default() };
                let report =
                    copy(place, &places[to], &what).unwrap_or_else(|e| panic!("{seed}: {e}: {story:#?}"));
                tally.copies += 1;
                tally.refused += report.failed.len();
                for (label, error) in &report.failed {
                    assert!(error.is_conflict(), "{seed}: {label}: {error:?}: {story:#?}");
                }
                if report.failed.is_empty() {
                    let from = keys(place);
                    has[to].extend(from);
                }
            }
        }
        for (i, place) in places.iter().enumerate() {
            let found = keys(place);
            let lost: Vec<_> = has[i].difference(&found).collect();
            assert!(lost.is_empty(), "{seed}: {i} lost {lost:?}: {story:#?}");
            has[i] = found;
            assert_eq!(place.damage(), Vec::<String>::new(), "{seed}: {i}: {story:#?}");
        }
    }
}

#[test]
fn no_replica_ever_loses_a_row() {
    let mut tally = Tally::default();
    (0..60).for_each(|seed| play(seed, 40, &mut tally));
    assert!(tally.copies > 500 && tally.refused * 5 < tally.copies, "{} of {}", tally.refused, tally.copies);
}
