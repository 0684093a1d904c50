//! Tags: names that stay, that merge, and that keep what they name.

use crate::names::{SetClock, open, read, schema, write};
use crate::support::copy;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::Stamp;
use lakota::collection::{At, Collection, CollectionError};
use lakota::history::changelog::{HistoryError, Horizon};
use lakota::ops;
use lakota::repo::Repo;
use std::sync::Arc;

const START: u64 = 1_600_646_400_000;

struct Site {
    backend: MemoryBackend,
    clock: Arc<SetClock>,
    repo: Repo,
}

impl Site {
    fn new() -> Site {
        let (backend, clock) = (MemoryBackend::default(), SetClock::at(START));
        let repo = open(&backend, &clock, "ann");
        Site { repo, backend, clock }
    }

    /// A copy of all its files, with a clock of its own.
    fn replica(&self, time: u64) -> Site {
        let other = MemoryBackend::default();
        copy(&self.backend, &other, 0);
        let clock = SetClock::at(time);
        Site { repo: open(&other, &clock, "bob"), backend: other, clock }
    }

    fn collection(&self, label: &str) -> Collection {
        self.repo.collection(label).unwrap()
    }

    /// A revision a second.
    fn revisions(&self, label: &str, count: u64) -> Vec<Stamp> {
        let collection = self.repo.create_collection(label, &schema()).unwrap();
        let one = |i| {
            self.clock.set(START + 1000 * (i + 1));
            write(&collection, "s", &format!("{i},{i}\n"), "")
        };
        (0..count).map(one).collect()
    }
}

fn exchange(a: &Site, b: &Site) {
    copy(&a.backend, &b.backend, 0);
    copy(&b.backend, &a.backend, 0);
}

fn one(name: &str, stamp: Stamp) -> Vec<(String, Stamp)> {
    vec![(name.to_owned(), stamp)]
}

#[test]
fn a_tag_is_moved_only_by_force_and_taken_away_only_where_it_is() {
    let site = Site::new();
    let stamps = site.revisions("c", 2);
    let c = site.collection("c");
    assert_eq!(c.tags().unwrap(), []);
    c.tag("v1", stamps[0], false).unwrap();
    c.tag("v1", stamps[0], false).unwrap();
    assert!(matches!(c.tag("v1", stamps[1], false), Err(CollectionError::Tagged { .. })));
    assert_eq!(c.tags().unwrap(), one("v1", stamps[0]));
    c.tag("v1", stamps[1], true).unwrap();
    assert_eq!(c.tags().unwrap(), one("v1", stamps[1]));
    c.untag("v1").unwrap();
    assert_eq!(c.tags().unwrap(), []);
    assert!(matches!(c.untag("v1"), Err(CollectionError::NoTag { .. })));
    assert!(matches!(c.tag("2020", stamps[0], false), Err(CollectionError::NotATag(_))));
}

#[test]
fn several_collections_are_tagged_at_once_or_not_at_all() {
    let site = Site::new();
    let (a, b) = (site.revisions("a", 2), site.revisions("b", 2));
    let (ca, cb) = (site.collection("a"), site.collection("b"));
    cb.tag("v1", b[0], false).unwrap();
    let refused = site.repo.tags().set("v1", &[(&ca, a[1]), (&cb, b[1])], false);
    assert!(matches!(refused, Err(CollectionError::Tagged { .. })));
    assert_eq!((ca.tags().unwrap(), cb.tags().unwrap()), (vec![], one("v1", b[0])));
    site.repo.tags().set("v1", &[(&ca, a[1]), (&cb, b[1])], true).unwrap();
    assert_eq!((ca.tags().unwrap(), cb.tags().unwrap()), (one("v1", a[1]), one("v1", b[1])));
    assert_eq!(site.repo.tags().remove("v1", &[&ca]).unwrap(), 1);
    assert_eq!((ca.tags().unwrap(), cb.tags().unwrap()), (vec![], one("v1", b[1])));
}

#[test]
fn tags_stay_with_a_collection_that_is_renamed_and_not_with_another_of_its_label() {
    let site = Site::new();
    let stamps = site.revisions("c", 1);
    site.collection("c").tag("v1", stamps[0], false).unwrap();
    site.repo.rename_collection("c", "d").unwrap();
    site.revisions("c", 1);
    assert_eq!(site.collection("d").tags().unwrap(), one("v1", stamps[0]));
    assert_eq!(site.collection("c").tags().unwrap(), []);
}

#[test]
fn one_name_given_in_two_places_means_the_later_in_both() {
    let site = Site::new();
    let stamps = site.revisions("c", 2);
    let other = site.replica(START + 50_000);
    site.clock.set(START + 60_000);
    // Neither knows that tags exist: two first revisions of them.
    other.collection("c").tag("v1", stamps[1], false).unwrap();
    site.collection("c").tag("v1", stamps[0], false).unwrap();
    exchange(&site, &other);
    assert_eq!(site.collection("c").tags().unwrap(), one("v1", stamps[0]));
    assert_eq!(other.collection("c").tags().unwrap(), one("v1", stamps[0]));
    // And on from there, each on the merge.
    other.clock.set(START + 70_000);
    other.collection("c").tag("v2", stamps[0], false).unwrap();
    site.collection("c").untag("v1").unwrap();
    exchange(&site, &other);
    assert_eq!(site.collection("c").tags().unwrap(), one("v2", stamps[0]));
    assert_eq!(other.collection("c").tags().unwrap(), one("v2", stamps[0]));
}

#[test]
fn a_name_taken_from_one_collection_stays_with_another_that_gets_it_meanwhile() {
    let site = Site::new();
    let (a, b) = (site.revisions("a", 1), site.revisions("b", 1));
    site.collection("a").tag("v1", a[0], false).unwrap();
    let other = site.replica(START + 50_000);
    other.collection("b").tag("v1", b[0], false).unwrap();
    site.clock.set(START + 60_000);
    site.collection("a").untag("v1").unwrap();
    exchange(&site, &other);
    assert_eq!(site.collection("a").tags().unwrap(), []);
    assert_eq!(site.collection("b").tags().unwrap(), one("v1", b[0]));
}

#[test]
fn a_collection_created_in_two_places_has_the_tags_of_both() {
    let site = Site::new();
    let other = Site::new();
    let here = site.revisions("c", 1);
    other.clock.set(START + 50_000);
    let c = other.repo.create_collection("c", &schema()).unwrap();
    let there = write(&c, "s", "9,9\n", "");
    site.collection("c").tag("here", here[0], false).unwrap();
    other.collection("c").tag("there", there, false).unwrap();
    site.collection("c").tag("both", here[0], false).unwrap();
    other.collection("c").tag("both", there, false).unwrap();
    exchange(&site, &other);
    let both = [("both", there), ("here", here[0]), ("there", there)].map(|(name, s)| (name.to_owned(), s));
    for site in [&site, &other] {
        assert_eq!(site.collection("c").tags().unwrap(), both);
    }
    site.collection("c").untag("both").unwrap();
    assert_eq!(site.collection("c").tags().unwrap(), both[1..]);
}

#[test]
fn tags_travel_with_what_they_name() {
    use lakota::ops::transfer::{What, transfer};
    let site = Site::new();
    let stamps = site.revisions("c", 2);
    site.collection("c").tag("v1", stamps[0], false).unwrap();
    let other = Site::new();
    let copy = |from: &Site, to: &Site| transfer(&from.repo, &to.repo, &What::default(), &|_| ()).unwrap();
    copy(&site, &other);
    assert_eq!(other.collection("c").tags().unwrap(), one("v1", stamps[0]));
    site.clock.set(START + 60_000);
    site.collection("c").tag("v2", stamps[1], false).unwrap();
    other.clock.set(START + 50_000);
    other.collection("c").tag("v3", stamps[1], false).unwrap();
    copy(&site, &other);
    copy(&other, &site);
    for site in [&site, &other] {
        let tags = site.collection("c").tags().unwrap();
        assert_eq!(tags.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["v1", "v2", "v3"]);
    }
}

#[test]
fn what_has_a_tag_is_never_trimmed_and_no_head() {
    let site = Site::new();
    let stamps = site.revisions("c", 6);
    let c = site.collection("c");
    c.tag("v1", stamps[1], false).unwrap();
    c.tag("v2", stamps[3], false).unwrap();
    let before = read(&c, "s", At::Newest);
    assert_eq!(ops::trim(&c, u64::MAX).unwrap().revisions, 4);
    for _ in 0..3 {
        site.clock.set(site.repo.context().clock.now() + 1_000_000);
        ops::gc(&site.repo, 1).unwrap();
    }
    let c = open(&site.backend, &site.clock, "").collection("c").unwrap();
    assert_eq!(read(&c, "s", c.at("v1", None).unwrap()), "0,0.0\n1,1.0\n");
    assert_eq!(read(&c, "s", c.at("v2", None).unwrap()).lines().count(), 4);
    assert!(matches!(c.resolve(&stamps[2].to_string()), Err(CollectionError::NoRevision(..))));
    let log = c.changelog().log().unwrap();
    assert_eq!(c.changelog().heads(&log).unwrap(), [stamps[5]]);
    assert_eq!(read(&c, "s", At::Newest), before);
    // It can be written on, and stays so when all is one pack.
    write(&c, "s", "7,7\n", "");
    ops::pack(&c).unwrap();
    let c = open(&site.backend, &site.clock, "").collection("c").unwrap();
    assert_eq!(c.changelog().heads(&c.changelog().log().unwrap()).unwrap().len(), 1);
    assert_eq!(read(&c, "s", c.at("v1", None).unwrap()), "0,0.0\n1,1.0\n");
    assert_eq!(ops::verify(&site.repo, &mut |damage| panic!("{damage:?}")).unwrap().damaged, 0);
}

#[test]
fn what_has_its_tag_no_more_goes_with_the_next_trim() {
    let site = Site::new();
    let stamps = site.revisions("c", 4);
    let collection = site.collection("c");
    collection.tag("v1", stamps[1], false).unwrap();
    ops::trim(&collection, u64::MAX).unwrap();
    collection.untag("v1").unwrap();
    assert_eq!(ops::trim(&collection, u64::MAX).unwrap().revisions, 1);
    let left: Vec<Stamp> = site.collection("c").changelog().log().unwrap().stamps().collect();
    assert_eq!(left, stamps[3..]);
    assert_eq!(ops::trim(&collection, u64::MAX).unwrap().revisions, 0);
}

#[test]
fn what_was_trimmed_gets_no_tag() {
    let site = Site::new();
    let stamps = site.revisions("c", 3);
    let c = site.collection("c");
    ops::trim(&c, u64::MAX).unwrap();
    assert!(matches!(
        c.tag("v1", stamps[0], false),
        Err(CollectionError::History(HistoryError::Gone(gone))) if gone == stamps[0]
    ));
    assert_eq!(c.tags().unwrap(), []);
    let unknown = Stamp { time: START, ..stamps[0] };
    assert!(c.tag("v1", unknown, false).is_err());
}

#[test]
fn a_tag_of_what_others_trimmed_says_so() {
    let site = Site::new();
    let stamps = site.revisions("c", 3);
    let c = site.collection("c");
    c.tag("v1", stamps[0], false).unwrap();
    // As a trim elsewhere does that has not heard of the tag.
    let horizon = Horizon { time: stamps[2].time, made: START, ..Horizon::default() };
    c.changelog().put_horizon(&horizon).unwrap();
    assert!(matches!(c.resolve("v1"), Err(CollectionError::TagLost { .. })));
    // And a later trim does not bring it back.
    ops::trim(&c, u64::MAX).unwrap();
    assert!(matches!(c.resolve("v1"), Err(CollectionError::TagLost { .. })));
}

#[test]
fn upkeep_of_everything_spares_the_tags() {
    let site = Site::new();
    let stamps = site.revisions("c", 2);
    for i in 0..20 {
        site.clock.set(START + 100_000 + i);
        site.collection("c").tag(&format!("v{i}"), stamps[0], false).unwrap();
    }
    let tags = site.repo.tags().collection();
    ops::pack(tags).unwrap();
    ops::squash(tags).unwrap();
    for _ in 0..3 {
        site.clock.set(site.repo.context().clock.now() + 1_000_000);
        ops::gc(&site.repo, 1).unwrap();
    }
    let again = open(&site.backend, &site.clock, "");
    assert_eq!(again.collection("c").unwrap().tags().unwrap().len(), 20);
    assert!(again.tags().exist().unwrap());
    assert_eq!(ops::verify(&again, &mut |damage| panic!("{damage:?}")).unwrap().damaged, 0);
}

#[test]
fn whoever_comes_first_of_a_tag_and_a_trim_a_tag_that_was_given_can_be_read() {
    let (mut given, mut refused) = (0, 0);
    for round in 0..60 {
        let site = Site::new();
        let stamps = site.revisions("c", 4);
        let (tagger, trimmer) =
            (site.collection("c"), open(&site.backend, &site.clock, "").collection("c").unwrap());
        let tagged = std::thread::scope(|scope| {
            let trim = scope.spawn(|| {
                // So that each comes first now and then.
                std::thread::sleep(std::time::Duration::from_micros(round * 40));
                ops::trim(&trimmer, u64::MAX).unwrap();
            });
            let tagged = tagger.tag("v1", stamps[1], false);
            trim.join().unwrap();
            tagged
        });
        let c = site.collection("c");
        match tagged {
            Ok(()) => {
                assert_eq!(c.resolve("v1").unwrap(), stamps[1], "round {round}");
                given += 1;
            }
            Err(_) => {
                assert_eq!(c.tags().unwrap(), [], "round {round}");
                refused += 1;
            }
        }
    }
    println!("{given} given, {refused} refused");
}
