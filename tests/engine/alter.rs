//! Columns that are added, dropped and renamed.

use crate::support::{CountingClock, copy, files, frame, lines, repo_on};
use lakota::backend::Backend;
use lakota::backend::faulty::FaultyBackend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::Stamp;
use lakota::collection::{At, Collection};
use lakota::data::alter::Alteration;
use lakota::data::schema::Schema;
use lakota::history::entry::Segments;
use lakota::history::segment::ChunkRef;
use lakota::interval::Interval;
use lakota::ops;
use lakota::repo::Repo;
use lakota::series::read::Query;
use std::sync::Arc;

struct World {
    backend: Arc<dyn Backend>,
    repo: Repo,
    collection: Collection,
}

impl World {
    fn new(columns: &[&str], segment_rows: Option<usize>) -> World {
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let repo = repo_on(&backend, &CountingClock::new(), segment_rows);
        let collection = repo.create_collection("c", &Schema::parse(columns).unwrap()).unwrap();
        World { backend, repo, collection }
    }

    fn write(&self, label: &str, rows: &str) -> Stamp {
        let mut batch = self.collection.batch("").unwrap();
        let rows = frame(&batch.base().schema.clone(), rows);
        batch.overlay(label, &rows).unwrap();
        batch.commit().unwrap().unwrap()
    }

    fn alter(&self, steps: &[Alteration]) -> Stamp {
        self.collection.alter(steps, "").unwrap().unwrap()
    }

    fn read(&self, label: &str, at: At) -> Vec<String> {
        let schema = self.collection.state(at).unwrap().schema;
        let rows = self.collection.read(label, at, &Query::default()).unwrap();
        lines(&schema, &rows.collect_frame().unwrap())
    }

    fn chunks(&self, label: &str) -> Vec<Vec<ChunkRef>> {
        let state = self.collection.state(At::Newest).unwrap();
        let entry = self.collection.find(&state, label).unwrap();
        let segments = entry.segments.locate(&state.view, &Interval::ALL).unwrap().segments;
        segments.into_iter().map(|segment| segment.chunks).collect()
    }

    fn bytes(&self) -> usize {
        files(self.backend.as_ref()).values().map(bytes::Bytes::len).sum()
    }

    /// Reads everything and checks every count.
    fn verify(&self) {
        ops::verify(&self.repo, &mut |damage| panic!("{}", damage.what)).unwrap();
    }
}

fn add(column: &str, default: &str) -> Alteration {
    Alteration::add(column, Some(default)).unwrap()
}

fn rename(from: &str, to: &str) -> Alteration {
    Alteration::Rename { from: from.to_owned(), to: to.to_owned() }
}

fn remove(name: &str) -> Alteration {
    Alteration::Drop(name.to_owned())
}

/// Rows whose values do not compress.
fn noise(rows: u64) -> String {
    (0..rows).map(|k| format!("{k},{:?}\n", k.wrapping_mul(0x9E37_79B9_7F4A_7C15) as f64 / 1e9)).collect()
}

#[test]
fn rows_that_are_there_get_the_default_whatever_its_type() {
    for (ty, default) in [
        ("int", "-7"),
        ("float", "2.5"),
        ("float", "NaN"),
        ("str", "a \"b\", c"),
        ("bool", "true"),
        ("date", "2020-06-22"),
        ("timestamp", "2020-06-22T12:00:00.500"),
        ("timestamp[s]", "2020-06-22T12:00:00"),
        ("timestamp[us]", "2020-06-22T12:00:00.000001"),
        ("timestamp[ns]", "2020-06-22T12:00:00.000000001"),
    ] {
        let world = World::new(&["k int*", "v float"], None);
        world.write("a", "1,1.0\n2,2.0\n");
        world.alter(&[add(&format!("w {ty}"), default)]);
        let shown = if ty == "str" { "\"a \"\"b\"\", c\"" } else { default };
        assert_eq!(
            world.read("a", At::Newest),
            [format!("1,1.0,{shown}\n"), format!("2,2.0,{shown}\n")],
            "{ty}"
        );
        world.verify();
    }
}

#[test]
fn rows_that_are_there_get_null_without_default_whatever_the_type() {
    let world = World::new(&["k int*", "v float"], None);
    world.write("a", "1,1.0\n2,2.0\n");
    let types = ["int", "float", "str", "bool", "date", "timestamp", "timestamp[s]", "timestamp[ns]"];
    for (i, ty) in types.iter().enumerate() {
        world.alter(&[Alteration::add(&format!("w{i} {ty}"), None).unwrap()]);
    }
    assert_eq!(world.read("a", At::Newest), ["1,1.0,,,,,,,,\n", "2,2.0,,,,,,,,\n"]);
    world.verify();
}

#[test]
fn older_revisions_read_as_they_were() {
    let world = World::new(&["k int*", "v float"], None);
    let first = world.write("a", "1,1.0\n");
    let second = world.alter(&[add("w int", "7"), rename("v", "value"), remove("value"), rename("k", "key")]);
    assert_eq!(world.collection.schema().unwrap().to_string(), "key int*\nw int\n");
    let third = world.write("a", "2,8\n");
    assert_eq!(world.read("a", At::Revision(first)), ["1,1.0\n"]);
    assert_eq!(world.read("a", At::Revision(second)), ["1,7\n"]);
    assert_eq!(world.read("a", At::Before(second.time)), ["1,1.0\n"]);
    assert_eq!(world.read("a", At::Revision(third)), ["1,7\n", "2,8\n"]);
    world.verify();
}

#[test]
fn columns_that_stay_are_named_where_they_lie() {
    let world = World::new(&["k int*", "v float"], None);
    world.write("a", &noise(100_000));
    let (before, bytes) = (world.chunks("a"), world.bytes());
    world.alter(&[add("w float", "1.5")]);
    let after = world.chunks("a");
    assert!(before.iter().zip(&after).all(|(before, after)| before[..] == after[..2]));
    assert!(world.bytes() - bytes < 4096, "{} bytes", world.bytes() - bytes);
    world.alter(&[remove("v")]);
    assert!(before.iter().zip(world.chunks("a")).all(|(before, after)| before[0] == after[0]));
    world.verify();
}

#[test]
fn renaming_a_column_leaves_the_index_of_all_series() {
    let world = World::new(&["k int*", "v float"], None);
    world.write("a", &noise(100_000));
    let root = || world.collection.state(At::Newest).unwrap().tree.unwrap().root;
    let before = root();
    let bytes = world.bytes();
    world.alter(&[rename("v", "value")]);
    assert_eq!(root(), before);
    assert!(world.bytes() - bytes < 400, "{} bytes", world.bytes() - bytes);
    assert_eq!(world.collection.schema().unwrap().to_string(), "k int*\nvalue float\n");
}

#[test]
fn last_value_column_may_go_and_another_come() {
    let world = World::new(&["k int*", "v float"], None);
    world.write("a", "1,1.0\n");
    world.alter(&[remove("v")]);
    assert_eq!(world.read("a", At::Newest), ["1\n"]);
    world.alter(&[add("v float", "3")]);
    assert_eq!(world.read("a", At::Newest), ["1,3.0\n"]);
    world.verify();
}

#[test]
fn series_without_rows_and_series_of_many_segments_are_altered_alike() {
    let world = World::new(&["k int*", "v float"], Some(4));
    world.collection.batch("").unwrap().commit().unwrap();
    let mut batch = world.collection.batch("").unwrap();
    batch.create("empty").unwrap();
    batch.commit().unwrap();
    world.write("long", &noise(2000));
    let many = |world: &World| {
        let state = world.collection.state(At::Newest).unwrap();
        matches!(world.collection.find(&state, "long").unwrap().segments, Segments::Many(_))
    };
    assert!(many(&world));
    world.alter(&[add("w int", "7"), remove("v")]);
    assert!(many(&world));
    assert!(world.read("empty", At::Newest).is_empty());
    let rows = world.read("long", At::Newest);
    assert_eq!((rows.len(), rows[1999].as_str()), (2000, "1999,7\n"));
    world.write("empty", "1,2\n");
    world.write("long", "1000,8\n");
    assert_eq!(world.read("long", At::Newest)[999..1002], ["999,7\n", "1000,8\n", "1001,7\n"]);
    world.verify();
}

#[test]
fn ten_thousand_series_take_one_chunk_for_each_length() {
    let world = World::new(&["k int*", "v float"], None);
    let mut batch = world.collection.batch("").unwrap();
    for i in 0..10_000 {
        let rows = frame(&batch.base().schema.clone(), &format!("1,{i}.5\n2,0.5\n"));
        batch.overlay(&format!("s{i:05}"), &rows).unwrap();
    }
    batch.commit().unwrap();
    world.alter(&[add("w int", "7")]);
    let chunk = |label: &str| world.chunks(label)[0][2].clone();
    assert_eq!(chunk("s00000").place, chunk("s09999").place);
    assert_eq!(world.read("s04711", At::Newest), ["1,4711.5,7\n", "2,0.5,7\n"]);
}

#[test]
fn refused_alterations_leave_everything() {
    let world = World::new(&["k int*", "v float"], None);
    world.write("a", "1,1.0\n");
    let before = files(world.backend.as_ref());
    for steps in [
        vec![add("v int", "1")],
        vec![remove("k")],
        vec![remove("w")],
        vec![rename("v", "k")],
        vec![add("w int", "1"), remove("x")],
        vec![Alteration::add("w int*", None).unwrap()],
        vec![Alteration::add("w,x int", None).unwrap()],
    ] {
        assert!(world.collection.alter(&steps, "").is_err(), "{steps:?}");
    }
    assert_eq!(world.collection.alter(&[], "").unwrap(), None);
    assert!(files(world.backend.as_ref()) == before);
}

#[test]
fn change_list_tells_the_alterations() {
    let world = World::new(&["k int*", "v float"], None);
    let steps =
        vec![add("w str", "x"), rename("v", "value"), remove("w"), Alteration::add("n int", None).unwrap()];
    let stamp = world.alter(&steps);
    let changelog = world.collection.changelog();
    let revision = changelog.read(&changelog.log().unwrap(), stamp).unwrap();
    let list = revision.change_list().unwrap();
    assert!(list.schema);
    assert_eq!(list.altered.unwrap().steps, steps);
}

#[test]
fn defrag_and_trim_after_an_alteration_keep_rows() {
    let world = World::new(&["k int*", "v float"], Some(64));
    (0..20).for_each(|k| {
        world.write("a", &format!("{},1.0\n", k * 3));
    });
    world.alter(&[add("w int", "7")]);
    (0..20).for_each(|k| {
        world.write("a", &format!("{},2.0,8\n", k * 3 + 1));
    });
    let rows = world.read("a", At::Newest);
    ops::defrag(&world.collection, 64).unwrap();
    ops::squash(&world.collection).unwrap();
    assert_eq!(world.read("a", At::Newest), rows);
    world.verify();
}

#[test]
fn writer_killed_at_any_call_leaves_the_old_columns_or_the_new() {
    let start = World::new(&["k int*", "v float"], Some(1000));
    let first = start.write("a", &noise(5000));
    start.write("b", "1,1.0\n");
    for calls in 1.. {
        let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        copy(start.backend.as_ref(), memory.as_ref(), 0);
        let faulty = Arc::new(FaultyBackend::new(Arc::clone(&memory)));
        faulty.fail_after(u64::MAX);
        let clock = CountingClock::new();
        let backend: Arc<dyn Backend> = Arc::<FaultyBackend>::clone(&faulty);
        let victim = repo_on(&backend, &clock, Some(1000)).collection("c").unwrap();
        faulty.fail_after(calls);
        let done = victim.alter(&[add("w int", "7"), remove("v")], "").is_ok();
        drop(victim);
        faulty.fail_after(0);
        let repo = repo_on(&memory, &clock, Some(1000));
        let collection = repo.collection("c").unwrap();
        let world = World { backend: memory, repo, collection };
        let (rows, columns) = (world.read("b", At::Newest), world.collection.schema().unwrap().to_string());
        match columns.as_str() {
            "k int*\nw int\n" => assert_eq!(rows, ["1,7\n"], "call {calls}"),
            _ => assert_eq!((done, rows), (false, vec!["1,1.0\n".to_owned()]), "call {calls}"),
        }
        assert_eq!(world.read("a", At::Revision(first)).len(), 5000);
        world.verify();
        world.write("b", "2,2\n");
        if done {
            return;
        }
    }
}
