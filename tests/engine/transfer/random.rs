//! Replicas that write, copy, trim and collect in any order; some copies die on the way. Rows of the series `s…` are
//! written once and never deleted: so no replica may ever have fewer than before, and after a copy that was not refused it has
//! all its source had. Those of `w` are written over and over: in the end all replicas agree.

use super::{Place, World, copy};
use lakota::backend::Backend;
use lakota::backend::faulty::FaultyBackend;
use lakota::ops;
use lakota::ops::transfer::What;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A generator of numbers, the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

const PLACES: usize = 3;

/// What happened, so that it cannot become nothing unnoticed.
#[derive(Debug, Default)]
struct Tally {
    copies: usize,
    killed: usize,
    refused: usize,
    agreed: usize,
}

struct Game {
    seed: u64,
    world: World,
    dice: Dice,
    places: Vec<Place>,
    /// Rows that each place must have.
    has: Vec<BTreeSet<String>>,
    story: Vec<String>,
}

/// The rows that are written once.
fn once(place: &Place) -> BTreeSet<String> {
    let kept = place.contents().into_iter().filter(|((_, label), _)| label.starts_with('s'));
    kept.flat_map(|(_, rows)| rows.into_values().flatten()).collect()
}

fn is_born(place: &Place) -> bool {
    !place.repo.collections().unwrap().is_empty()
}

impl Game {
    fn new(seed: u64) -> Game {
        let world = World::new();
        let places = vec![world.with_c(), world.place(), world.place()];
        let has = vec![BTreeSet::new(); PLACES];
        Game { seed, world, dice: Dice(seed), places, has, story: Vec::new() }
    }

    fn step(&mut self, number: usize, tally: &mut Tally) {
        let at = self.dice.roll(PLACES as u64) as usize;
        let born = is_born(&self.places[at]);
        match self.dice.roll(12) {
            0..=2 if born => self.write(at, number, false),
            3 | 4 if born => self.write(at, number, true),
            5 if born => {
                let span = number as u64 * 40 + 1;
                let before =
                    if self.dice.roll(2) == 0 { u64::MAX } else { 1_600_000_000_000 + self.dice.roll(span) };
                self.story.push(format!("trim {at} before {before}"));
                let registry = self.dice.roll(4) == 0;
                let place = &self.places[at];
                ops::trim(&place.c(), before).unwrap();
                if registry {
                    ops::trim(place.repo.registry(), before).unwrap();
                }
            }
            6 => {
                self.story.push(format!("gc {at}"));
                ops::gc(&self.places[at].repo, 0).unwrap();
            }
            7 if born => {
                self.story.push(format!("pack {at}"));
                ops::pack(&self.places[at].c()).unwrap();
            }
            _ => {
                let to = (at + 1 + self.dice.roll(PLACES as u64 - 1) as usize) % PLACES;
                let shallow = self.dice.roll(5) == 0;
                let by_name = born && self.dice.roll(4) == 0;
                self.copy(at, to, (shallow, by_name), tally);
            }
        }
    }

    fn write(&mut self, at: usize, number: usize, contested: bool) {
        self.story.push(format!("write {number} at {at}, contested {contested}"));
        let (series, key) = match contested {
            true => ("w".to_owned(), self.dice.roll(6)),
            false => (format!("s{}", self.dice.roll(2)), number as u64),
        };
        self.places[at].write(&series, &format!("{key},{number}\n"));
    }

    fn copy(&mut self, from: usize, to: usize, (shallow, by_name): (bool, bool), tally: &mut Tally) {
        let killed = self.dice.roll(4) == 0;
        let calls = self.dice.roll(60) + 1;
        self.story.push(format!(
            "copy {from} to {to}, shallow {shallow}, by name {by_name}, killed {killed} {calls}"
        ));
        let collections = if by_name { vec!["c".to_owned()] } else { Vec::new() };
        let what = What { shallow, collections, ..What::default() };
        if killed {
            let faulty = Arc::new(FaultyBackend::new(Arc::clone(&self.places[to].backend)));
            let backend: Arc<dyn Backend> = Arc::<FaultyBackend>::clone(&faulty);
            let victim = self.world.open(backend);
            faulty.fail_after(calls);
            // Whether it came to its end or not.
            copy(&self.places[from], &victim, &what).ok();
            tally.killed += 1;
            return;
        }
        let report = copy(&self.places[from], &self.places[to], &what);
        let report = report.unwrap_or_else(|e| panic!("{}: {e}: {:#?}", self.seed, self.story));
        tally.copies += 1;
        tally.refused += report.failed.len();
        for (label, error) in &report.failed {
            assert!(error.is_conflict(), "{}: {label}: {error:?}: {:#?}", self.seed, self.story);
        }
        if report.failed.is_empty() {
            let came = once(&self.places[from]);
            self.has[to].extend(came);
        }
    }

    fn check(&mut self) {
        for (i, place) in self.places.iter().enumerate() {
            let found = once(place);
            let lost: Vec<_> = self.has[i].difference(&found).collect();
            assert!(lost.is_empty(), "{}: {i} lost {lost:?}: {:#?}", self.seed, self.story);
            self.has[i] = found;
            assert_eq!(place.damage(), Vec::<String>::new(), "{}: {i}: {:#?}", self.seed, self.story);
        }
    }

    /// Copies in all directions; whoever was never refused agrees with all others.
    fn agree(&mut self, tally: &mut Tally) {
        let before = tally.refused;
        for _ in 0..2 {
            for from in 0..PLACES {
                for to in (0..PLACES).filter(|to| *to != from) {
                    let report = copy(&self.places[from], &self.places[to], &What::default()).unwrap();
                    tally.refused += report.failed.len();
                }
            }
        }
        self.check();
        if tally.refused > before {
            return;
        }
        tally.agreed += 1;
        let contents = self.places[0].contents();
        for place in &self.places {
            assert_eq!(place.contents(), contents, "{}: {:#?}", self.seed, self.story);
            place.c().settle().unwrap();
            assert_eq!(place.heads(), self.places[0].heads(), "{}: {:#?}", self.seed, self.story);
        }
    }
}

fn play(seeds: std::ops::Range<u64>) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let mut game = Game::new(seed);
        for number in 0..40 {
            game.step(number, &mut tally);
            game.check();
        }
        game.agree(&mut tally);
    }
    tally
}

#[test]
fn no_replica_ever_loses_a_row_and_all_agree() {
    let tally = play(0..60);
    assert!(tally.copies > 600 && tally.killed > 150 && tally.agreed > 20, "{tally:?}");
    assert!(tally.refused * 3 < tally.copies, "{tally:?}");
}
