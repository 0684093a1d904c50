use super::*;
use crate::digest::Digest;

/// Revision `n`; its stamps sort as the numbers do.
fn at(n: u64) -> Stamp {
    Stamp { time: n, digest: Digest::of(&n.to_le_bytes()) }
}

fn id(label: &str) -> SeriesId {
    SeriesId::new(label, 0)
}

/// A timeline of revisions: number, parents, series changed.
fn timeline(steps: &[(u64, &[u64], &[&str])]) -> Timeline {
    let mut timeline = Timeline::default();
    for (n, parents, series) in steps {
        let parents: Vec<Stamp> = parents.iter().map(|n| at(*n)).collect();
        let mut series: Vec<_> =
            series.iter().map(|label| (id(label), (*label).to_owned(), Kind::Changed)).collect();
        series.extend(timeline.parted(&parents).into_iter().map(|id| (id, String::new(), Kind::Changed)));
        timeline.add(Step { stamp: at(*n), parents, series, schema: false });
    }
    timeline
}

fn origin(timeline: &Timeline, label: &str, n: u64) -> Option<u64> {
    timeline.origin(id(label), at(n)).map(|change| change.stamp.time)
}

fn changes(timeline: &Timeline, label: &str) -> Vec<u64> {
    timeline.changes(id(label)).map(|change| change.stamp.time).collect()
}

#[test]
fn origin_is_the_last_change_before() {
    let line = timeline(&[(1, &[], &["a"]), (2, &[1], &["b"]), (3, &[2], &["a"]), (4, &[3], &["b"])]);
    assert_eq!([1, 2, 3, 4].map(|n| origin(&line, "a", n)), [Some(1), Some(1), Some(3), Some(3)]);
    assert_eq!([1, 2, 3, 4].map(|n| origin(&line, "b", n)), [None, Some(2), Some(2), Some(4)]);
    assert_eq!(line.newest(id("a")).map(|c| c.stamp), Some(at(3)));
    assert_eq!(line.changes_at(id("a"), 2).next(), None);
}

#[test]
fn a_branch_does_not_see_changes_of_the_other() {
    let fork = timeline(&[(1, &[], &["a"]), (2, &[1], &["a"]), (3, &[1], &["b"]), (4, &[3], &["b"])]);
    assert_eq!(origin(&fork, "a", 4), Some(1));
    assert_eq!(origin(&fork, "b", 2), None);
    assert!(fork.parted(&[at(2), at(4)]).is_empty(), "each series changed on one side only");
}

#[test]
fn a_merge_changes_the_series_that_both_sides_changed() {
    let steps: &[(u64, &[u64], &[&str])] = &[
        (1, &[], &["a", "b", "c"]),
        (2, &[1], &["a", "b"]),
        (3, &[1], &["a", "c"]),
        (4, &[2, 3], &[]),
        (5, &[4], &["c"]),
    ];
    let merged = timeline(steps);
    assert_eq!(merged.parted(&[at(2), at(3)]), HashSet::from([id("a")]));
    assert_eq!(changes(&merged, "a"), [1, 2, 3, 4]);
    assert_eq!(changes(&merged, "b"), [1, 2]);
    assert_eq!(["a", "b", "c"].map(|s| origin(&merged, s, 5)), [Some(4), Some(2), Some(5)]);
    assert_eq!(origin(&merged, "c", 4), Some(3));
}

#[test]
fn a_crossed_merge_changes_what_both_merges_changed() {
    let steps: &[(u64, &[u64], &[&str])] = &[
        (1, &[], &["a"]),
        (2, &[1], &["a"]),
        (3, &[1], &["a"]),
        (4, &[2, 3], &[]),
        (5, &[2, 3], &["b"]),
        (6, &[4, 5], &[]),
    ];
    let crossed = timeline(steps);
    assert_eq!(changes(&crossed, "a"), [1, 2, 3, 4, 5, 6]);
    assert_eq!(changes(&crossed, "b"), [5]);
}

#[test]
fn one_of_three_heads_that_has_all_changes_is_enough() {
    let steps: &[(u64, &[u64], &[&str])] =
        &[(1, &[], &["a"]), (2, &[1], &["a"]), (3, &[2], &["a"]), (4, &[2], &["b"]), (5, &[1], &["c"])];
    let three = timeline(steps);
    assert!(three.parted(&[at(3), at(4), at(5)]).is_empty());
}

#[test]
fn a_late_revision_of_another_clock_takes_its_place() {
    let late = timeline(&[(1, &[], &["a"]), (5, &[1], &["a"]), (3, &[1], &["a"])]);
    assert_eq!(changes(&late, "a"), [1, 3, 5]);
    assert_eq!(origin(&late, "a", 5), Some(5));
    assert_eq!(origin(&late, "a", 3), Some(3));
}

#[test]
fn more_heads_than_a_word_has_bits_are_told_apart() {
    let mut steps: Vec<(u64, Vec<u64>, Vec<&str>)> = vec![(1, vec![], vec!["a", "b"])];
    steps.extend((2..102).map(|n| (n, vec![1], if n == 90 || n == 100 { vec!["a"] } else { vec![] })));
    let steps: Vec<(u64, &[u64], &[&str])> = steps.iter().map(|(n, p, s)| (*n, &p[..], &s[..])).collect();
    let heads: Vec<Stamp> = (2..102).map(at).collect();
    assert_eq!(timeline(&steps).parted(&heads), HashSet::from([id("a")]));
}

#[test]
fn a_parent_that_comes_after_its_child_is_noticed() {
    let half = timeline(&[(1, &[], &["a"]), (3, &[2], &["a"])]);
    assert_eq!(half.lacking, HashSet::from([at(2)]));
    assert!(half.knows(at(3)) && !half.knows(at(2)));
}
