//! What differs, as the mount tells it: `delta.csv` of revisions and `diff/<A>..<B>.csv`.

use super::World;
use super::directed::{self, noon};
use super::walk::Walk;
use crate::support::{CountingClock, copy, frame, repo_on};
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::Stamp;
use lakota::collection::{At, Collection};
use lakota::data::files::changes::{self, Form};
use lakota::data::schema::Schema;
use lakota::history::entry::{Segments, SeriesId};
use lakota::history::state::State;
use lakota::interval::Interval;
use lakota::mount::options::MountOptions;
use lakota::mount::posix::attr::Caller;
use lakota::mount::posix::errno::Errno;
use lakota::mount::posix::fs::Fs;
use lakota::series::compare::{Side, compare};
use std::sync::Arc;
use std::time::Duration;

const ME: Caller = Caller { uid: 0, gid: 0, pid: 0 };

/// What differs between a series in two states, without the mount.
fn between(schema: &Arc<Schema>, old: Option<&(State, Segments)>, new: Option<&(State, Segments)>) -> String {
    let view = &old.or(new).unwrap().0.view;
    let none = Segments::Few(Vec::new());
    let side = |at: Option<&(State, Segments)>| -> (Segments, lakota::store::View) {
        at.map_or_else(
            || (none.clone(), view.clone()),
            |(state, segments)| (segments.clone(), state.view.clone()),
        )
    };
    let (a, b) = (side(old), side(new));
    let compared = compare(
        &Side { view: &a.1, schema, segments: &a.0 },
        &Side { view: &b.1, schema, segments: &b.0 },
        &Interval::ALL,
    );
    let mut out = changes::header(schema, Form::Csv);
    for delta in compared.unwrap() {
        changes::render(schema, Form::Csv, &delta.unwrap(), &mut out);
    }
    String::from_utf8(out).unwrap()
}

fn at(collection: &Collection, id: SeriesId, stamp: Stamp) -> Option<(State, Segments)> {
    let state = collection.state(At::Revision(stamp)).unwrap();
    let found = state.entries().unwrap().into_iter().find(|entry| entry.id == id)?;
    Some((state, found.segments))
}

impl World {
    /// Each revision tells what it changed against its parent, of several the newest that has the series.
    pub(super) fn check_deltas(&self, id: SeriesId, folder: &str) {
        let walk = Walk(&self.fs);
        let collection = &self.sites[0].collection;
        let schema = collection.schema().unwrap();
        let log = collection.changelog().log().unwrap();
        let listed = walk.names(&format!("{folder}/revisions"));
        let stamps: Vec<Stamp> = log.stamps().filter(|stamp| listed.contains(&stamp.to_string())).collect();
        for stamp in &stamps {
            let new = at(collection, id, *stamp);
            let mut parents = collection.changelog().read(&log, *stamp).unwrap().parents.clone();
            parents.retain(|parent| log.contains(*parent));
            parents.sort_unstable();
            let old = parents.iter().rev().find_map(|parent| at(collection, id, *parent));
            let expected = between(&schema, old.as_ref(), new.as_ref());
            assert_eq!(walk.text(&format!("{folder}/revisions/{stamp}/delta.csv")), expected, "{stamp}");
            assert_eq!(walk.text(&format!("{folder}/at/@{}/delta.csv", stamp.digest)), expected);
        }
        let (Some(first), Some(last)) = (stamps.first(), stamps.last()) else { return };
        let ends = [at(collection, id, *first), at(collection, id, *last)];
        for (old, new) in [(0, 1), (1, 0), (1, 1)] {
            let name =
                format!("{folder}/diff/@{}..@{}.csv", [first, last][old].digest, [first, last][new].digest);
            assert_eq!(walk.text(&name), between(&schema, ends[old].as_ref(), ends[new].as_ref()), "{name}");
        }
    }
}

fn world() -> directed::World {
    directed::World::new(directed::options())
}

#[test]
fn a_revision_tells_what_it_changed_and_the_first_one_that_all_rows_came() {
    let world = world();
    let first = world.write(2, "bxl", 20);
    world.write(3, "other", 1);
    let second = world.write(4, "bxl", 40);
    let walk = Walk(&world.fs);
    let added = "op,day,column,old,new\nadded,2020-01-01,v,,20\n";
    let changed = "op,day,column,old,new\nchanged,2020-01-01,v,20,40\n";
    assert_eq!(walk.text(&format!("temp/bxl/revisions/{first}/delta.csv")), added);
    for folder in [format!("revisions/{second}"), "at/~0".into(), "at/2020".into(), format!("at/{second}")] {
        assert_eq!(walk.text(&format!("temp/bxl/{folder}/delta.csv")), changed, "{folder}");
    }
    // The revision of another series is a moment of this one.
    assert_eq!(walk.text("temp/bxl/at/2020-09-03/delta.csv"), added);
    let attr = walk.found(&format!("temp/bxl/revisions/{second}/delta.csv")).attr;
    assert_eq!((attr.mtime, attr.perm, attr.size), (noon(4), 0o444, changed.len() as u64));
}

#[test]
fn what_differs_between_any_two_moments_is_told() {
    let world = world();
    let first = world.write(2, "bxl", 20);
    world.write(4, "bxl", 40);
    world.write(6, "bxl", 60);
    let walk = Walk(&world.fs);
    let digest = first.digest.to_string();
    for (name, old, new) in [
        ("2020-09-02..2020-09-04".to_owned(), 20, 40),
        ("~2..~0".to_owned(), 20, 60),
        (format!("{first}..2020"), 20, 60),
        (format!("@{}..2020-09-05T11:30", &digest[..6]), 20, 40),
        ("~0..2020-09-04T12-00-00.000Z".to_owned(), 60, 40),
    ] {
        let expected = format!("op,day,column,old,new\nchanged,2020-01-01,v,{old},{new}\n");
        assert_eq!(walk.text(&format!("temp/bxl/diff/{name}.csv")), expected, "{name}");
    }
    assert_eq!(walk.text("temp/bxl/diff/~1..~1.csv"), "op,day,column,old,new\n");
    assert_eq!(walk.found("temp/bxl/diff/~0..~1.csv").attr.mtime, noon(4), "that of the second");
    for name in [
        "~0",
        "~0..~1",
        "~0..~9.csv",
        "2019..~0.csv",
        "~0..2030.csv",
        "..~0.csv",
        "~0...csv",
        "x..y.csv",
        ".csv",
    ] {
        assert!(!walk.exists(&format!("temp/bxl/diff/{name}")), "{name}");
    }
    assert_eq!(walk.text(".lakota/errors"), "");
}

#[test]
fn where_a_series_is_not_there_its_rows_come_or_go() {
    let world = world();
    world.write(2, "other", 1);
    world.write(4, "bxl", 40);
    let walk = Walk(&world.fs);
    let text = |name: &str| walk.text(&format!("temp/bxl/diff/{name}.csv"));
    assert_eq!(text("2020-09-02..~0"), "op,day,column,old,new\nadded,2020-01-01,v,,40\n");
    assert_eq!(text("~0..2020-09-02"), "op,day,column,old,new\nremoved,2020-01-01,v,40,\n");
    assert_eq!(text("2020-09-02..2020-09-03"), "op,day,column,old,new\n");
    let mtime = |name: &str| walk.found(&format!("temp/bxl/diff/{name}.csv")).attr.mtime;
    assert_eq!((mtime("2020-09-02..~0"), mtime("~0..2020-09-02")), (noon(4), noon(2)));
}

#[test]
fn a_series_that_came_back_tells_all_its_rows_as_come() {
    let world = world();
    world.write(2, "bxl", 20);
    world.clock.0.store(noon(3), std::sync::atomic::Ordering::Relaxed);
    let collection = world.repo.collection("temp").unwrap();
    let mut batch = collection.batch("").unwrap();
    batch.drop_series("bxl").unwrap();
    batch.commit().unwrap().unwrap();
    let again = world.write(4, "bxl", 40);
    let walk = Walk(&world.fs);
    let added = "op,day,column,old,new\nadded,2020-01-01,v,,40\n";
    assert_eq!(walk.text(&format!("temp/bxl/revisions/{again}/delta.csv")), added);
    assert_eq!(walk.text("temp/bxl/diff/2020-09-03..~0.csv"), added);
    let changed = "op,day,column,old,new\nchanged,2020-01-01,v,20,40\n";
    assert_eq!(walk.text("temp/bxl/diff/2020-09-02..~0.csv"), changed);
}

#[test]
fn after_a_trim_the_oldest_revision_left_tells_all_rows_as_come() {
    let world = world();
    world.write(2, "bxl", 20);
    let second = world.write(3, "bxl", 30);
    let walk = Walk(&world.fs);
    let path = format!("temp/bxl/revisions/{second}/delta.csv");
    assert_eq!(walk.text(&path), "op,day,column,old,new\nchanged,2020-01-01,v,20,30\n");
    let before = walk.found(&path).attr.ino;
    lakota::ops::trim(&world.repo.collection("temp").unwrap(), noon(3)).unwrap();
    assert_eq!(walk.text(&path), "op,day,column,old,new\nadded,2020-01-01,v,,30\n");
    assert_ne!(walk.found(&path).attr.ino, before, "another text is another inode");
}

#[test]
fn a_merge_that_nobody_has_written_tells_what_it_changes_of_the_newest_head() {
    let (clock, backends) = (CountingClock::new(), [0, 1].map(|_| Arc::new(MemoryBackend::new())));
    let schema = Schema::parse(["k int*", "v int"]).unwrap();
    let backend = |i: usize| -> Arc<dyn Backend> { Arc::<MemoryBackend>::clone(&backends[i]) };
    repo_on(&backend(0), &clock, None).create_collection("c", &schema).unwrap();
    let write = |i: usize, text: &str| {
        let collection = repo_on(&backend(i), &clock, None).collection("c").unwrap();
        let mut batch = collection.batch("").unwrap();
        batch.overlay("s", &frame(&schema, text)).unwrap();
        batch.commit().unwrap().unwrap()
    };
    write(0, "k,v\n1,1\n5,5\n");
    copy(backends[0].as_ref(), backends[1].as_ref(), 0);
    let ours = write(0, "k,v\n1,10\n");
    let theirs = write(1, "k,v\n5,50\n");
    copy(backends[1].as_ref(), backends[0].as_ref(), 0);
    let options = MountOptions { poll: Duration::ZERO, ..MountOptions::default() };
    let fs = Fs::new(repo_on(&backend(0), &clock, None), options);
    let walk = Walk(&fs);
    let names = walk.names("c/s/revisions");
    assert_eq!(names.len(), 4, "{names:?}");
    let delta = |name: &str| walk.text(&format!("c/s/revisions/{name}/delta.csv"));
    assert_eq!(delta(&names[3]), "op,k,column,old,new\nchanged,1,v,1,10\n");
    assert_eq!(delta(&theirs.to_string()), "op,k,column,old,new\nchanged,5,v,5,50\n");
    assert_eq!(
        walk.text(&format!("c/s/diff/@{}..~0.csv", ours.digest)),
        "op,k,column,old,new\nchanged,5,v,5,50\n"
    );
    // The same when it is written.
    repo_on(&backend(0), &clock, None).collection("c").unwrap().batch("").unwrap();
    assert_eq!(walk.names("c/s/revisions"), names);
    assert_eq!(delta(&names[3]), "op,k,column,old,new\nchanged,1,v,1,10\n");
}

#[test]
fn a_text_is_one_inode_wherever_it_is_and_the_same_in_another_mount() {
    let world = world();
    world.write(2, "bxl", 20);
    let second = world.write(4, "bxl", 40);
    let names = [
        format!("temp/bxl/revisions/{second}/delta.csv"),
        "temp/bxl/at/~0/delta.csv".to_owned(),
        "temp/bxl/diff/~1..~0.csv".to_owned(),
        "temp/bxl/diff/2020-09-03..2020.csv".to_owned(),
    ];
    let numbers = |fs: &Fs| names.clone().map(|name| Walk(fs).found(&name).attr.ino);
    let own = numbers(&world.fs);
    assert!(own.iter().all(|ino| *ino == own[0]));
    assert_ne!(Walk(&world.fs).found("temp/bxl/diff/~0..~1.csv").attr.ino, own[0]);
    assert_eq!(numbers(&Fs::new(world.open(), directed::options())), own);
}

#[test]
fn names_of_what_differs_are_believed_as_long_as_what_they_mean_stays() {
    let world = world();
    let first = world.write(2, "bxl", 20);
    let walk = Walk(&world.fs);
    let ttl = |name: &str| walk.found(&format!("temp/bxl/{name}")).entry_ttl;
    assert_eq!(ttl(&format!("revisions/{first}/delta.csv")), ttl(&format!("revisions/{first}")));
    assert_eq!((ttl("at/~0/delta.csv"), ttl("diff/2020..~0.csv")), (Duration::ZERO, Duration::ZERO));
    assert!(walk.found("temp/bxl/diff/2020..~0.csv").attr_ttl > Duration::from_secs(3600));
    let opened =
        walk.at("temp/bxl/at/~0/delta.csv", |ino, _| world.fs.open(ME, ino, libc::O_RDONLY).unwrap());
    assert!(opened.unwrap().keep_cache);
}

#[test]
fn what_differs_is_reachable_and_not_listed() {
    let world = world();
    let first = world.write(2, "bxl", 20);
    let walk = Walk(&world.fs);
    assert_eq!(walk.ls("temp/bxl"), ["live.csv", "live.parquet", "latest", "revisions"]);
    assert!(walk.ls("temp/bxl/diff").is_empty());
    assert_eq!(walk.ls(&format!("temp/bxl/revisions/{first}")), ["commit.json", "data.csv", "data.parquet"]);
    let above = walk.found("temp/bxl").attr;
    assert_eq!((walk.found("temp/bxl/diff").attr.mtime, above.mtime), (noon(2), noon(2)));
}

#[test]
fn what_differs_is_not_written() {
    let world = world();
    world.write(2, "bxl", 20);
    for flags in [libc::O_WRONLY, libc::O_RDWR, libc::O_RDONLY | libc::O_TRUNC] {
        let path = "temp/bxl/at/~0/delta.csv";
        let opened = Walk(&world.fs).at(path, |ino, _| world.fs.open(ME, ino, flags).err());
        assert_eq!(opened.unwrap(), Some(Errno::EROFS));
    }
}

#[test]
fn an_open_text_stays_whatever_is_trimmed() {
    let world = world();
    world.write(2, "bxl", 20);
    let second = world.write(3, "bxl", 30);
    let walk = Walk(&world.fs);
    let path = format!("temp/bxl/revisions/{second}/delta.csv");
    let changed = b"op,day,column,old,new\nchanged,2020-01-01,v,20,30\n";
    let stays = walk.open(&path);
    lakota::ops::trim(&world.repo.collection("temp").unwrap(), noon(3)).unwrap();
    assert_eq!(walk.read_handle(stays, 1000), changed);
    assert_eq!(walk.text(&path), "op,day,column,old,new\nadded,2020-01-01,v,,30\n");
    assert_eq!(walk.read_handle(stays, 1000), changed);
}

#[test]
fn a_text_that_was_given_up_is_made_again_or_its_name_is_to_be_looked_up_again() {
    const REVISIONS: u64 = 25;
    let world = world();
    for day in 0..REVISIONS {
        world.write(2 + day, "bxl", day);
    }
    let walk = Walk(&world.fs);
    let (first, second) = ("temp/bxl/diff/~24..~23.csv", "temp/bxl/diff/~24..~22.csv");
    let (text, other) = (walk.read(first), walk.read(second));
    // More texts than are kept, while the kernel knows the first ones.
    let all = || {
        for (i, j) in (0..REVISIONS - 1).flat_map(|i| (0..REVISIONS).map(move |j| (i, j))) {
            walk.found(&format!("temp/bxl/diff/~{i}..~{j}.csv"));
        }
    };
    let open =
        |ino| world.fs.open(ME, ino, libc::O_RDONLY).map(|opened| walk.read_handle(opened.handle, 1000));
    walk.at(first, |again, _| {
        walk.at(second, |gone, _| {
            all();
            assert!(world.fs.is_slow(again, None) && world.fs.is_slow(gone, None));
            assert_eq!(open(again), Ok(text));
            assert!(!world.fs.is_slow(again, None));
            let collection = world.repo.collection("temp").unwrap();
            lakota::ops::trim(&collection, noon(20)).unwrap();
            // It is removed, and out of memory.
            world.write(29, "other", 0);
            lakota::ops::gc(&world.repo, 0).unwrap();
            for n in 0..70 {
                world.write(30 + n, "other", 1 + n);
            }
            walk.text("temp/other/live.csv");
            assert_eq!(open(gone), Err(Errno::ESTALE), "instead of {other:?}");
        })
    })
    .unwrap()
    .unwrap();
}
