//! The names of revisions and moments, logs with filters, and followers of changelogs.

use crate::series::{frame, text};
use crate::support::copy;
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::{Clock, Stamp};
use lakota::collection::{At, Collection, CollectionError, Filter, OneSeries};
use lakota::data::schema::Schema;
use lakota::history::outline::Outline;
use lakota::ops;
use lakota::repo::{Options, Repo};
use lakota::series::read::Query;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// 2020-09-21.
const DAY_0: u64 = 1_600_646_400_000;
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// A clock that is set.
#[derive(Debug, Default)]
pub(crate) struct SetClock(AtomicU64);

impl SetClock {
    pub(crate) fn at(time: u64) -> Arc<SetClock> {
        Arc::new(SetClock(AtomicU64::new(time)))
    }

    pub(crate) fn set(&self, time: u64) {
        self.0.store(time, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) fn schema() -> Schema {
    Schema::parse(["k int*", "v float"]).unwrap()
}

pub(crate) fn open(backend: &MemoryBackend, clock: &Arc<SetClock>, author: &str) -> Repo {
    let clock: Arc<dyn Clock> = Arc::<SetClock>::clone(clock);
    let options = Options { clock, author: author.to_owned(), ..Options::default() };
    Repo::create_on(Arc::new(backend.clone()), options).unwrap()
}

pub(crate) fn write(collection: &Collection, label: &str, rows: &str, message: &str) -> Stamp {
    let mut batch = collection.batch(message).unwrap();
    batch.overlay(label, &frame(&schema(), rows)).unwrap();
    batch.commit().unwrap().unwrap()
}

pub(crate) fn read(collection: &Collection, label: &str, at: At) -> String {
    let rows = collection.read(label, at, &Query::default()).unwrap().collect_frame().unwrap();
    text(&schema(), &rows)
}

/// Three days, a revision of `a` each, and one of `b` on the second, after it.
struct Days {
    backend: MemoryBackend,
    clock: Arc<SetClock>,
    collection: Collection,
    a: [Stamp; 3],
    b: Stamp,
}

fn days() -> Days {
    let (backend, clock) = (MemoryBackend::default(), SetClock::at(DAY_0));
    let collection = open(&backend, &clock, "ann@here").create_collection("c", &schema()).unwrap();
    clock.set(DAY_0 + HOUR);
    let first = write(&collection, "a", "1,1\n", "first");
    clock.set(DAY_0 + DAY + HOUR);
    let second = write(&collection, "a", "1,2\n", "Second look");
    clock.set(DAY_0 + DAY + 2 * HOUR);
    let b = write(&collection.by("Bob@there"), "b", "1,9\n", "other");
    clock.set(DAY_0 + 2 * DAY + HOUR);
    let third = write(&collection, "a", "1,3\n", "third");
    Days { backend, clock, collection, a: [first, second, third], b }
}

#[test]
fn every_name_of_a_revision_means_it() {
    let Days { collection, a, .. } = days();
    let wanted = a[1];
    collection.tag("v1", wanted, false).unwrap();
    let (id, digest) = (wanted.to_string(), wanted.digest.to_string());
    let (time, digits) = id.split_at(24);
    let colons = format!("{}{digits}", time.replacen("T01-00-00", "T01:00:00", 1));
    let names =
        [&id, &colons, &digest, &digest[..8], &format!("@{}", &digest[..8]), "~2", "2020-09-22T01", "v1"];
    for name in names {
        assert_eq!(collection.resolve(name).unwrap(), wanted, "{name}");
    }
    assert_eq!(collection.resolve("latest").unwrap(), a[2]);
    assert_eq!(collection.resolve("~0").unwrap(), a[2]);
}

#[test]
fn a_time_is_the_state_at_the_end_of_its_unit() {
    let Days { collection, .. } = days();
    let rows = |name: &str| read(&collection, "a", collection.at(name, None).unwrap());
    let found = ["2020-09-21", "2020-09-22T01", "2020-09-22", "2020-09-23", "2020-09"].map(rows);
    assert_eq!(found, ["1,1.0\n", "1,2.0\n", "1,2.0\n", "1,3.0\n", "1,3.0\n"]);
}

#[test]
fn a_time_that_has_not_come_and_one_before_all_are_refused() {
    let Days { collection, .. } = days();
    let at = |name: &str| collection.at(name, None).unwrap_err();
    assert!(matches!(at("2020-09-24"), CollectionError::Future(_)));
    assert!(matches!(collection.resolve("2020-09-20"), Err(CollectionError::NothingBefore { .. })));
    assert!(matches!(at("~99"), CollectionError::NoRevision(..)));
    assert!(matches!(at("@x"), CollectionError::NoRevision(..)));
    assert!(matches!(at("0000000000"), CollectionError::NoRevision(..)));
}

#[test]
fn counting_back_in_a_series_leaves_out_revisions_of_others_and_follows_its_renames() {
    let Days { collection, a, .. } = days();
    let mut batch = collection.batch("").unwrap();
    batch.rename("a", "z").unwrap();
    let renamed = batch.commit().unwrap().unwrap();
    let id = collection.state(At::Newest).unwrap().id("z").unwrap();
    let back = |n: u32| collection.at(&format!("~{n}"), id).unwrap();
    assert_eq!([0, 1, 2, 3].map(back), [renamed, a[2], a[1], a[0]].map(At::Revision));
    assert!(matches!(collection.at("~4", id), Err(CollectionError::NoRevision(..))));
}

#[test]
fn a_name_that_fits_several_revisions_lists_them() {
    let collection =
        open(&MemoryBackend::default(), &SetClock::at(DAY_0), "").create_collection("c", &schema()).unwrap();
    let mut seen = std::collections::BTreeMap::new();
    let twice = (0..4000).find_map(|i| {
        let stamp = write(&collection, "a", &format!("{i},1\n"), "");
        let digits = format!("@{}", &stamp.digest.to_string()[..4]);
        seen.insert(digits.clone(), stamp).map(|other| (digits, other, stamp))
    });
    let (digits, one, other) = twice.unwrap();
    let message = collection.resolve(&digits).unwrap_err().to_string();
    assert!(message.contains(&one.to_string()) && message.contains(&other.to_string()), "{message}");
}

/// Two heads: one wrote `a` on the second day, the other `b` on the third.
fn two_heads(clock: &SetClock, collection: &Collection) -> [Stamp; 2] {
    clock.set(DAY_0 + HOUR);
    write(collection, "a", "1,0\n", "");
    let (mut one, mut other) = (collection.batch("").unwrap(), collection.batch("").unwrap());
    one.overlay("a", &frame(&schema(), "1,1\n")).unwrap();
    other.overlay("b", &frame(&schema(), "1,2\n")).unwrap();
    clock.set(DAY_0 + DAY);
    let one = one.commit().unwrap().unwrap();
    clock.set(DAY_0 + 2 * DAY);
    [one, other.commit().unwrap().unwrap()]
}

#[test]
fn what_several_heads_make_is_a_state_but_no_revision() {
    let clock = SetClock::at(DAY_0);
    let collection = open(&MemoryBackend::default(), &clock, "").create_collection("c", &schema()).unwrap();
    let heads = two_heads(&clock, &collection);
    for name in ["latest", "~0", "2020-09-23"] {
        let at = collection.at(name, None).unwrap();
        assert_eq!(
            (read(&collection, "a", at), read(&collection, "b", at)),
            ("1,1.0\n".into(), "1,2.0\n".into())
        );
        match collection.resolve(name) {
            Err(CollectionError::Ambiguous { candidates, .. }) => {
                assert_eq!(candidates, heads.map(|head| head.to_string()), "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    // At the end of the day before, there was one of them alone.
    assert_eq!(collection.resolve("2020-09-22").unwrap(), heads[0]);
}

fn ids(collection: &Collection, filter: &Filter) -> Vec<Stamp> {
    let mut found = Vec::new();
    let visit = |stamp| {
        found.push(stamp);
        ControlFlow::Continue(())
    };
    collection.past(filter, &|stamp, _| stamp, visit).unwrap();
    found
}

#[test]
fn filters_of_a_log_combine() {
    let Days { collection, a, b, .. } = days();
    let all = ids(&collection, &Filter::default());
    assert_eq!(all[..4], [a[2], b, a[1], a[0]]);
    let series = Some(collection.one_series("a").unwrap());
    let only = |filter: Filter| ids(&collection, &filter);
    assert_eq!(only(Filter { series: series.clone(), ..Filter::default() }), [a[2], a[1], a[0]]);
    assert_eq!(only(Filter { series: series.clone(), reverse: true, ..Filter::default() }), a);
    let second = Filter { since: Some(a[1].time), before: Some(a[2].time), ..Filter::default() };
    assert_eq!(only(second.clone()), [b, a[1]]);
    assert_eq!(only(Filter { author: Some("bob".into()), ..Filter::default() }), [b]);
    assert_eq!(only(Filter { message: Some("LOOK".into()), ..Filter::default() }), [a[1]]);
    assert_eq!(only(Filter { series, author: Some("BOB".into()), ..second }), []);
}

#[test]
fn the_log_of_a_series_follows_its_renames_and_a_gone_one_is_found_by_its_label() {
    let Days { collection, a, .. } = days();
    let commit = |act: &dyn Fn(&mut lakota::collection::Batch<'_>)| {
        let mut batch = collection.batch("").unwrap();
        act(&mut batch);
        batch.commit().unwrap().unwrap()
    };
    let renamed = commit(&|batch| batch.rename("a", "z").unwrap());
    let log = |label: &str| {
        let series = Some(collection.one_series(label).unwrap());
        ids(&collection, &Filter { series, ..Filter::default() })
    };
    assert_eq!(log("z"), [renamed, a[2], a[1], a[0]]);
    let dropped = commit(&|batch| batch.drop_series("z").unwrap());
    assert_eq!(collection.one_series("z").unwrap(), OneSeries::Label("z".into()));
    assert_eq!(log("z"), [dropped, renamed]);
}

#[test]
fn a_log_says_the_same_of_loose_and_of_packed_revisions_with_short_and_with_long_change_lists() {
    let Days { backend, clock, collection, .. } = days();
    let mut batch = collection.batch("many").unwrap();
    for i in 0..400 {
        batch
            .overlay(&format!("series_{i:03}"), &frame(&schema(), &format!("{i},1\n{},2\n", i * 7 + 1000)))
            .unwrap();
    }
    batch.commit().unwrap();
    let whole = |collection: &Collection| {
        let (mut found, changelog) = (Vec::new(), collection.changelog());
        let log = changelog.log().unwrap();
        collection
            .past(
                &Filter::default(),
                &|stamp, outline| (stamp, outline),
                |(stamp, outline): (Stamp, Outline)| {
                    let revision = changelog.read(&log, stamp).unwrap();
                    assert_eq!(outline.changes, revision.change_list().unwrap());
                    assert_eq!(outline.note, revision.note);
                    assert_eq!(outline.schema().unwrap(), *revision.state.schema);
                    assert_eq!(outline.parents, revision.parents);
                    found.push((stamp, outline));
                    ControlFlow::Continue(())
                },
            )
            .unwrap();
        found
    };
    let loose = whole(&collection);
    assert_eq!(loose[0].1.changes.series.len(), 400);
    assert!(ops::pack(&collection).unwrap() > 1);
    let packed = open(&backend, &clock, "").collection("c").unwrap();
    assert_eq!(whole(&packed), loose);
    let one = Filter { series: Some(packed.one_series("series_399").unwrap()), ..Filter::default() };
    assert_eq!(ids(&packed, &one), [loose[0].0]);
}

#[test]
fn a_damaged_revision_ends_a_log_with_its_name() {
    let Days { backend, clock, collection, a, .. } = days();
    let files = crate::support::files(&backend);
    let name = format!(".{}", a[1].file_name());
    let (key, bytes) = files.iter().find(|(key, _)| key.ends_with(&name)).unwrap();
    let mut bytes = bytes.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    backend.put(key, bytes.into()).unwrap();
    drop(collection);
    let collection = open(&backend, &clock, "").collection("c").unwrap();
    let error = collection.past(&Filter::default(), &|_, _| (), |()| ControlFlow::Continue(())).unwrap_err();
    assert!(error.to_string().contains(&a[1].to_string()), "{error}");
}

#[test]
fn a_follower_hears_of_what_is_pulled_in_late_and_of_nothing_twice() {
    use lakota::ops::watch::{Since, Watch};
    let Days { backend, clock, collection, a, b } = days();
    // Elsewhere somebody writes on the first revision, at a time between those that are known here.
    let elsewhere = MemoryBackend::default();
    copy(&backend, &elsewhere, 0);
    clock.set(DAY_0 + DAY + 90 * 60_000);
    let there = open(&elsewhere, &clock, "").collection("c").unwrap();
    let mut batch = there.batch_on(a[0], &[], "late").unwrap();
    batch.overlay("a", &frame(&schema(), "5,5\n")).unwrap();
    let late = batch.commit().unwrap().unwrap();

    let start = |since: &Since| Watch::start(open(&backend, &clock, ""), Some(("c", None)), since).unwrap();
    let stamps = |watch: &mut Watch| watch.look(true).unwrap().iter().map(|n| n.stamp).collect::<Vec<_>>();
    let mut now = start(&Since::Now);
    let mut after = start(&Since::Revision(a[1].to_string()));
    assert_eq!(stamps(&mut now), []);
    assert_eq!(stamps(&mut after), [b, a[2]]);
    copy(&elsewhere, &backend, 0);
    assert_eq!((stamps(&mut now), stamps(&mut after)), (vec![late], vec![late]));
    clock.set(DAY_0 + 3 * DAY);
    let last = write(&collection, "a", "9,9\n", "");
    let news = stamps(&mut now);
    // The merge of the two heads, and what was written on it.
    assert_eq!((news.len(), news.last()), (2, Some(&last)));
    assert_eq!(stamps(&mut now), []);
    // Who begins again hears of all that is no ancestor of what it saw last.
    let mut again = start(&Since::Revision(a[2].to_string()));
    assert!(stamps(&mut again).contains(&late));
}

#[test]
fn a_follower_of_everything_hears_of_collections_as_they_come_are_renamed_and_go() {
    use lakota::ops::watch::{Since, Watch};
    let Days { backend, clock, .. } = days();
    let repo = open(&backend, &clock, "");
    let mut watch = Watch::start(open(&backend, &clock, ""), None, &Since::Now).unwrap();
    let mut look = || -> Vec<(String, String)> {
        let news = watch.look(true).unwrap();
        news.iter()
            .map(|one| {
                let outline = watch.read(one).unwrap().unwrap();
                let label = if one.registry { "-" } else { one.collection.label() };
                (label.to_owned(), outline.note.message)
            })
            .collect()
    };
    let line = |label: &str, message: &str| (label.to_owned(), message.to_owned());
    clock.set(DAY_0 + 5 * DAY);
    let new = repo.create_collection("new", &schema()).unwrap();
    // The clock stands: both have the same millisecond, and follow each other by their digests.
    let mut created = look();
    created.sort();
    assert_eq!(created, [line("-", "create new"), line("new", "create new")]);
    clock.set(DAY_0 + 6 * DAY);
    write(&new, "x", "1,1\n", "row");
    assert_eq!(look(), [line("new", "row")]);
    repo.rename_collection("new", "newer").unwrap();
    assert_eq!(look(), [line("-", "rename new to newer")]);
    clock.set(DAY_0 + 7 * DAY);
    write(&new, "x", "2,1\n", "more");
    assert_eq!(look(), [line("newer", "more")]);
    write(&new, "x", "3,1\n", "last");
    clock.set(DAY_0 + 8 * DAY);
    repo.delete_collection("newer").unwrap();
    assert_eq!(look(), [line("newer", "last"), line("-", "delete newer")]);
    assert_eq!(look(), []);
}

#[test]
fn a_follower_of_a_series_that_is_not_there_yet_knows_it_through_its_renames() {
    use lakota::ops::watch::{Since, Watch};
    let Days { backend, clock, collection, .. } = days();
    let mut watch = Watch::start(open(&backend, &clock, ""), Some(("c", Some("new"))), &Since::Now).unwrap();
    let mut heard = || {
        let news = watch.look(true).unwrap();
        news.iter().filter_map(|one| watch.read(one).unwrap()).map(|o| o.note.message).collect::<Vec<_>>()
    };
    write(&collection, "a", "7,7\n", "of another");
    write(&collection, "new", "1,1\n", "born");
    assert_eq!(heard(), ["born"]);
    let mut batch = collection.batch("renamed").unwrap();
    batch.rename("new", "old").unwrap();
    batch.commit().unwrap();
    write(&collection, "old", "2,2\n", "on");
    assert_eq!(heard(), ["renamed", "on"]);
}
