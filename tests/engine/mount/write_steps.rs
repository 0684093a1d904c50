//! Steps of the model of writes: what programs and other places may do.

use super::write_model::World;
use crate::support::games;
use proptest::prelude::*;

pub(super) const LABELS: [&str; 2] = ["a", "b/c"];
pub(super) const FOLDERS: [&str; 2] = ["c/a", "c/b%2Fc"];
pub(super) const FILES: [&str; 2] = ["live.csv", "live.parquet"];
pub(super) const PIDS: [u32; 2] = [100, 200];

/// Which live file: a series and a format (0: CSV).
pub(super) type Place = (usize, usize);

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum How {
    Read,
    Truncate,
    Append,
    InPlace,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Open(usize, Place, How),
    /// Writes rows behind the last byte of an open file, with a header or not.
    Add(usize, Vec<(u8, u8)>, bool),
    /// Puts a whole file in the place of what an open file holds.
    Whole(usize, Vec<(u8, u8)>),
    Poke(usize, u8, &'static str),
    Cut(usize, u8),
    Sync(usize),
    Dup(usize, usize),
    Close(usize),
    Kill(usize),
    Save(usize, Place, Vec<(u8, u8)>),
    /// Writes another file and renames it over a live one: while it is open, and with a commit elsewhere between.
    Over(usize, Place, Vec<(u8, u8)>, bool, Option<(u8, u8)>),
    Unlink(usize, Place),
    Make(usize),
    Drop(usize),
    Elsewhere(usize, Vec<(u8, u8)>, bool),
    Heads(usize, Vec<(u8, u8)>, Vec<(u8, u8)>),
    Trim,
    Defrag,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let rows = || proptest::collection::vec((0..9u8, 0..9u8), 0..6);
    let (pid, file, series) = (0..PIDS.len(), 0..6usize, 0..LABELS.len());
    let place = || (0..LABELS.len(), 0..2usize);
    let how = prop_oneof![Just(How::Read), Just(How::Truncate), Just(How::Append), Just(How::InPlace)];
    let poke = prop_oneof![Just("7"), Just("x"), Just("\n"), Just(",,"), Just("3,3\n")];
    prop_oneof![
        6 => (pid.clone(), place(), how).prop_map(|(p, at, how)| Step::Open(p, at, how)),
        6 => (file.clone(), rows(), any::<bool>()).prop_map(|(f, r, h)| Step::Add(f, r, h)),
        4 => (file.clone(), rows()).prop_map(|(f, r)| Step::Whole(f, r)),
        1 => (file.clone(), 0..20u8, poke).prop_map(|(f, at, text)| Step::Poke(f, at, text)),
        1 => (file.clone(), 0..20u8).prop_map(|(f, at)| Step::Cut(f, at)),
        2 => file.clone().prop_map(Step::Sync),
        2 => (file.clone(), pid.clone()).prop_map(|(f, p)| Step::Dup(f, p)),
        6 => file.prop_map(Step::Close),
        1 => pid.clone().prop_map(Step::Kill),
        4 => (pid.clone(), place(), rows()).prop_map(|(p, at, r)| Step::Save(p, at, r)),
        3 => (pid.clone(), place(), rows(), any::<bool>(), proptest::option::of((0..9u8, 0..9u8)))
            .prop_map(|(p, at, r, open, e)| Step::Over(p, at, r, open, e)),
        1 => (pid, place()).prop_map(|(p, at)| Step::Unlink(p, at)),
        1 => series.clone().prop_map(Step::Make),
        1 => series.clone().prop_map(Step::Drop),
        3 => (series.clone(), rows(), any::<bool>()).prop_map(|(s, r, all)| Step::Elsewhere(s, r, all)),
        2 => (series, rows(), rows()).prop_map(|(s, a, b)| Step::Heads(s, a, b)),
        1 => Just(Step::Trim),
        1 => Just(Step::Defrag),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: games(32), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_programs_write_is_what_the_series_become(
        lasting in any::<bool>(),
        segment_rows in prop_oneof![(1..4usize).prop_map(Some), Just(None)],
        steps in proptest::collection::vec(step(), 1..24),
    ) {
        let mut world = World::new(lasting, segment_rows);
        for step in &steps {
            world.run(step);
            world.check();
        }
        world.end();
    }
}
