//! What a merge overrides, beside what each revision says by itself.

use lakota::clock::Stamp;
use lakota::data::schema::Schema;
use lakota::digest::Digest;
use lakota::history::entry::SeriesId;
use lakota::history::merge::Step;
use lakota::history::merge::overrides::{Aspect, Overrides, overrides};
use lakota::history::revision::{ChangeList, SeriesChange};
use lakota::interval::{Interval, Key};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const KEYS: u8 = 8;

/// A revision: the two earlier ones it follows, and what it sets; dropping counts as setting everything.
#[derive(Debug, Clone)]
struct Made {
    parents: (usize, usize),
    keys: (u8, u8),
    dropped: bool,
    label: Option<usize>,
}

fn made() -> impl Strategy<Value = Made> {
    let keys = (0..KEYS, 1..4u8).prop_map(|(lo, len)| (lo, (lo + len).min(KEYS)));
    let label = proptest::option::weighted(0.2, 0..2usize);
    (0..100usize, 0..100usize, keys, proptest::bool::weighted(0.1), label)
        .prop_map(|(a, b, keys, dropped, label)| Made { parents: (a, b), keys, dropped, label })
}

const LABELS: [&str; 2] = ["a", "b"];

/// Revisions by number, each following earlier ones.
struct Graph {
    made: Vec<Made>,
    parents: Vec<Vec<usize>>,
}

fn stamp(n: usize) -> Stamp {
    Stamp { time: 1000 + n as u64, digest: Digest::of(&n.to_le_bytes()) }
}

impl Graph {
    fn of(made: Vec<Made>) -> Graph {
        let choose = |n: usize, made: &Made| match n {
            0 => Vec::new(),
            // Few follow what is newest: so that there are several heads.
            _ => {
                let (a, b) = (made.parents.0 % n, made.parents.1 % n);
                if made.parents.1.is_multiple_of(4) && a != b { vec![a.min(b), a.max(b)] } else { vec![a] }
            }
        };
        let parents = made.iter().enumerate().map(|(n, made)| choose(n, made)).collect();
        Graph { made, parents }
    }

    fn is_merge(&self, n: usize) -> bool {
        self.parents[n].len() != 1
    }

    fn ancestors(&self, n: usize) -> BTreeSet<usize> {
        let mut all = BTreeSet::from([n]);
        self.parents[n].iter().for_each(|parent| all.extend(self.ancestors(*parent)));
        all
    }

    fn heads(&self) -> Vec<usize> {
        let named: BTreeSet<usize> = self.parents.iter().flatten().copied().collect();
        (0..self.made.len()).filter(|n| !named.contains(n)).collect()
    }

    fn covers(&self, n: usize, key: u8) -> bool {
        let Made { keys, dropped, .. } = &self.made[n];
        !self.is_merge(n) && (*dropped || (keys.0 <= key && key < keys.1))
    }

    fn label(&self, n: usize) -> Option<usize> {
        self.made[n].label.filter(|_| !self.is_merge(n) && !self.made[n].dropped)
    }

    fn step(&self, n: usize) -> Step {
        let id = SeriesId::new("a", 0);
        let mut change = SeriesChange::none(id, LABELS[self.label(n).unwrap_or(0)]);
        let made = &self.made[n];
        change.dropped = made.dropped;
        change.renamed_from = self.label(n).map(|_| "x".to_owned());
        let interval = Interval { lo: vec![made.keys.0], hi: Some(vec![made.keys.1]) };
        change.intervals = [interval].into_iter().filter(|_| !made.dropped).collect();
        let series = if self.is_merge(n) { Vec::new() } else { vec![change] };
        Step {
            parents: self.parents[n].iter().map(|parent| stamp(*parent)).collect(),
            columns: Arc::new(Schema::parse(["k int*"]).unwrap()),
            changes: ChangeList { series, ..ChangeList::default() },
        }
    }

    fn found(&self, most: usize) -> Overrides {
        let heads: Vec<Stamp> = self.heads().into_iter().map(stamp).collect();
        let number: BTreeMap<Stamp, usize> = (0..self.made.len()).map(|n| (stamp(n), n)).collect();
        overrides(&heads, most, &mut |stamp| Ok(Some(self.step(number[&stamp])))).unwrap()
    }

    /// Key (none: the label), loser, winner.
    fn wanted(&self) -> BTreeSet<(Option<u8>, usize, usize)> {
        let heads: Vec<BTreeSet<usize>> = self.heads().into_iter().map(|head| self.ancestors(head)).collect();
        let blind = |lost, by| heads.iter().any(|head| head.contains(&by) && !head.contains(&lost));
        let mut out = BTreeSet::new();
        let mut aspect =
            |key: Option<u8>, sets: &dyn Fn(usize) -> bool, differ: &dyn Fn(usize, usize) -> bool| {
                let last = |known: &BTreeSet<usize>| known.iter().copied().filter(|n| sets(*n)).max();
                let by = heads.iter().filter_map(last).max();
                for lost in heads.iter().filter_map(last) {
                    if by.is_some_and(|by| by != lost && differ(lost, by) && blind(lost, by)) {
                        out.insert((key, lost, by.unwrap()));
                    }
                }
            };
        for key in 0..KEYS {
            aspect(Some(key), &|n| self.covers(n, key), &|_, _| true);
        }
        let label = |n| self.label(n);
        aspect(None, &|n| label(n).is_some(), &|a, b| label(a) != label(b));
        out
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_change_is_overridden_where_a_later_one_of_a_head_without_it_stands(
        made in proptest::collection::vec(made(), 2..14),
    ) {
        let graph = Graph::of(made);
        let number: BTreeMap<Stamp, usize> = (0..graph.made.len()).map(|n| (stamp(n), n)).collect();
        let all = graph.found(usize::MAX);
        let mut found = BTreeSet::new();
        for one in &all.listed {
            let pair = (number[&one.lost], number[&one.by]);
            match (&one.what, one.what.interval()) {
                (Aspect::Label(_), _) => drop(found.insert((None, pair.0, pair.1))),
                (_, Some(interval)) => {
                    let keys = (0..KEYS).filter(|key| interval.contains(&Key::from([*key])));
                    found.extend(keys.map(|key| (Some(key), pair.0, pair.1)));
                }
                (_, None) => {}
            }
        }
        prop_assert_eq!(found, graph.wanted());
        let some = graph.found(2);
        prop_assert_eq!(&some.listed[..], &all.listed[..all.listed.len().min(2)]);
        prop_assert_eq!(some.listed.len() + some.more, all.listed.len());
    }
}

#[test]
fn a_series_whose_label_another_took_has_lost_it() {
    let renamed = |n: usize, from: &str| {
        let change = SeriesChange {
            renamed_from: Some(from.to_owned()),
            ..SeriesChange::none(SeriesId::new(from, 0), "x")
        };
        Step {
            parents: if n == 0 { Vec::new() } else { vec![stamp(0)] },
            columns: Arc::new(Schema::parse(["k int*"]).unwrap()),
            changes: ChangeList {
                series: if n == 0 { Vec::new() } else { vec![change] },
                ..ChangeList::default()
            },
        }
    };
    let load = |one: Stamp| {
        renamed(usize::try_from(one.time - 1000).unwrap(), if one == stamp(1) { "a" } else { "b" })
    };
    let found = overrides(&[stamp(1), stamp(2)], 9, &mut |one| Ok(Some(load(one)))).unwrap();
    let [one] = found.listed.as_slice() else { panic!("{found:?}") };
    assert_eq!((one.series, &one.what), (SeriesId::new("a", 0), &Aspect::Label("x".to_owned())));
    assert_eq!((one.lost, one.by), (stamp(1), stamp(2)));
    assert!(one.label.starts_with("x~"), "as it is called in the merge: {}", one.label);
}
