//! The golden repository of format 1 (tests/golden/README.md), made once and kept as its bytes: every later
//! program must read all of it as the program that made it did, and go on from there.

mod history;

use crate::support::frame;
use arrow_array::RecordBatch;
use lakota::collection::{At, Collection, CollectionError};
use lakota::data::csv;
use lakota::data::label::{escape, unescape};
use lakota::data::schema::Schema;
use lakota::history::entry::Segments;
use lakota::ops;
use lakota::repo::{Options, Repo};
use lakota::series::read::Query;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The state of a collection: checksum and length of each series' CSV.
type State = BTreeMap<String, (u32, usize)>;

/// A collection's revisions, newest first, each with its state.
type Revisions = Vec<(String, State)>;

fn golden() -> PathBuf {
    folder("format-1")
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A copy of the golden repository, with the folders that Git leaves out because they are empty.
struct Copy {
    folder: TempDir,
}

impl Copy {
    fn new() -> Copy {
        Copy::of(&golden())
    }

    fn of(golden: &Path) -> Copy {
        let folder = tempfile::tempdir().unwrap();
        (0..=255).for_each(|i| std::fs::create_dir(folder.path().join(format!("{i:02x}"))).unwrap());
        copy(&golden.join("repo"), folder.path());
        Copy { folder }
    }

    fn open(&self) -> Repo {
        Repo::open(self.folder.path(), Options { durable: false, ..Options::default() }).unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        match path.is_dir() {
            true => copy(&path, &to.join(name)),
            false => drop(std::fs::copy(&path, to.join(name)).unwrap()),
        }
    }
}

/// What `revisions.txt` tells, by collection.
fn recorded() -> BTreeMap<String, Revisions> {
    recorded_in(&golden())
}

fn recorded_in(golden: &Path) -> BTreeMap<String, Revisions> {
    let text = std::fs::read_to_string(golden.join("revisions.txt")).unwrap();
    let mut all = BTreeMap::<String, Revisions>::new();
    let mut newest = String::new();
    for line in text.lines() {
        let (kind, rest) = line.split_once(' ').unwrap();
        if kind == "revision" {
            let (collection, id) = rest.split_once(' ').unwrap();
            collection.clone_into(&mut newest);
            all.entry(newest.clone()).or_default().push((id.to_owned(), State::new()));
            continue;
        }
        let fields: Vec<&str> = rest.splitn(3, ' ').collect();
        let (_, state) = all.get_mut(&newest).unwrap().last_mut().unwrap();
        state.insert(fields[2].to_owned(), (fields[0].parse().unwrap(), fields[1].parse().unwrap()));
    }
    all
}

/// The checksum of POSIX `cksum`: CRC-32 from the highest bit down, over the bytes and then their number.
fn cksum(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: u8| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            crc << 1 ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 }
        })
    };
    let length = (bytes.len() as u64).to_le_bytes();
    let length = &length[..8 - bytes.len().leading_zeros() as usize / 8];
    !bytes.iter().chain(length).fold(0, |crc, &byte| step(crc, byte))
}

fn render(schema: &Schema, rows: &RecordBatch) -> String {
    let names: Vec<&str> = schema.columns().iter().map(|column| column.name.as_str()).collect();
    let columns: Vec<_> = schema.columns().iter().map(|c| c.ty).zip(rows.columns().iter().cloned()).collect();
    let mut out = format!("{}\n", names.join(",")).into_bytes();
    csv::render(&columns, 0..rows.num_rows(), &mut out);
    String::from_utf8(out).unwrap()
}

fn read(collection: &Collection, label: &str, at: At) -> String {
    let rows = collection.read(label, at, &Query::default()).unwrap().collect_frame().unwrap();
    render(&collection.state(at).unwrap().schema, &rows)
}

fn state(collection: &Collection, at: At) -> State {
    let sums = |text: String| (cksum(text.as_bytes()), text.len());
    let labels = collection.list(at).unwrap().into_iter().map(|summary| summary.label);
    labels.map(|label| (label.clone(), sums(read(collection, &label, at)))).collect()
}

fn ids(collection: &Collection) -> Vec<String> {
    let log = collection.changelog().log().unwrap();
    log.stamps().rev().map(|stamp| stamp.to_string()).collect()
}

fn heads(collection: &Collection) -> usize {
    let log = collection.changelog().log().unwrap();
    collection.changelog().heads(&log).unwrap().len()
}

fn segments(repo: &Repo, collection: &str, label: &str) -> Segments {
    let collection = repo.collection(collection).unwrap();
    collection.find(&collection.state(At::Newest).unwrap(), label).unwrap().segments
}

/// Names of the files below a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        match entry.path().is_dir() {
            true => names.extend(self::names(&entry.path())),
            false => names.push(entry.file_name().into_string().unwrap()),
        }
    }
    names
}

#[test]
fn golden_repository_lists_its_collections() {
    let recorded: Vec<String> = recorded().into_keys().collect();
    assert_eq!(Copy::new().open().collections().unwrap(), recorded);
    assert_eq!(recorded, ["big", "heads", "long", "many", "met", "new", "pairs", "types", "wide"]);
}

#[test]
fn golden_log_has_the_same_ids() {
    let (copy, mut count) = (Copy::new(), 0);
    for (label, revisions) in recorded() {
        let recorded: Vec<String> = revisions.into_iter().map(|(id, _)| id).collect();
        count += recorded.len();
        assert_eq!(ids(&copy.open().collection(&label).unwrap()), recorded, "{label}");
    }
    assert_eq!(count, REVISIONS);
}

/// Revisions of the golden collections.
const REVISIONS: usize = 43;

#[test]
fn golden_revisions_read_as_when_they_were_made() {
    let copy = Copy::new();
    let repo = copy.open();
    for (label, revisions) in recorded() {
        let collection = repo.collection(&label).unwrap();
        for (id, recorded) in revisions {
            let at = At::Revision(collection.resolve(&id).unwrap());
            assert_eq!(state(&collection, at), recorded, "{label} {id}");
        }
    }
}

#[test]
fn golden_newest_state_reads_as_the_files_beside_it() {
    let copy = Copy::new();
    let repo = copy.open();
    for label in ["heads", "met", "new", "pairs", "types"] {
        let collection = repo.collection(label).unwrap();
        let files = std::fs::read_dir(golden().join("newest").join(escape(label))).unwrap();
        let files = files.map(|file| file.unwrap().path()).filter(|path| path.extension().unwrap() == "csv");
        let recorded: BTreeMap<String, String> = files
            .map(|path| {
                let series = unescape(path.file_stem().unwrap().to_str().unwrap()).unwrap();
                (series, std::fs::read_to_string(path).unwrap())
            })
            .collect();
        let series = collection.list(At::Newest).unwrap().into_iter().map(|summary| summary.label);
        let found: BTreeMap<_, _> = series.map(|s| (s.clone(), read(&collection, &s, At::Newest))).collect();
        assert_eq!(found, recorded, "{label}");
    }
}

#[test]
fn golden_newest_state_of_one_head_is_its_newest_revision() {
    let copy = Copy::new();
    let repo = copy.open();
    for (label, revisions) in recorded().into_iter().filter(|(label, _)| label != "heads") {
        let collection = repo.collection(&label).unwrap();
        assert_eq!(state(&collection, At::Newest), revisions[0].1, "{label}");
    }
}

#[test]
fn golden_repository_holds_every_form_of_file() {
    let names = names(&golden().join("repo"));
    let count = |is: &dyn Fn(&str) -> bool| names.iter().filter(|name| is(name)).count();
    assert_eq!(count(&|name| name == "format"), 1);
    assert_eq!(count(&|name| name.starts_with("pack-")), 1);
    assert_eq!(count(&|name| name.starts_with("horizon-")), 1);
    assert!(count(&|name| name.len() == 62) > 4);
    assert!(count(&|name| name.contains('.')) > 30);
}

#[test]
fn golden_repository_holds_every_form_of_state() {
    let copy = Copy::new();
    let repo = copy.open();
    assert!(matches!(segments(&repo, "wide", "s"), Segments::Many(_)));
    assert!(matches!(segments(&repo, "big", "s"), Segments::Few(few) if few.len() > 1));
    assert_eq!(heads(&repo.collection("heads").unwrap()), 2);
    assert_eq!(heads(&repo.collection("met").unwrap()), 1);
}

#[test]
fn golden_time_before_the_horizon_is_told_to_be_gone() {
    let copy = Copy::new();
    let long = copy.open().collection("long").unwrap();
    let gone = long.state(At::Before(1_000_000_000_000)).unwrap_err();
    assert!(gone.to_string().contains("was trimmed"), "{gone}");
}

#[test]
fn golden_repository_has_no_damage() {
    let copy = Copy::new();
    let done = ops::verify(&copy.open(), &mut |damage| println!("{}", damage.what)).unwrap();
    assert_eq!(done.damaged, 0);
    assert!(done.revisions as usize > REVISIONS);
}

/// Writes one row into each collection of whole numbers and texts.
fn write_to_all(repo: &Repo) -> Result<(), CollectionError> {
    for (label, series, row) in [
        ("big", "s", "4000,1\n"),
        ("long", "s", "3000,1\n"),
        ("wide", "s", "40,1\n"),
        ("many", "station 7 é", "1,1.5\n"),
        ("heads", "renamed", "7,x\n"),
        ("met", "s", "7,x\n"),
        ("new", "s", "7\n"),
        ("pairs", "p", "bob,7,2020-01-01\n"),
    ] {
        let collection = repo.collection(label).unwrap();
        let rows = frame(&*collection.schema()?, row);
        let mut batch = collection.batch("")?;
        batch.overlay(series, &rows)?;
        batch.commit()?;
    }
    Ok(())
}

#[test]
fn golden_repository_takes_writes_and_keeps_its_past() {
    let copy = Copy::new();
    write_to_all(&copy.open()).unwrap();
    let repo = copy.open();
    let collection = |label: &str| repo.collection(label).unwrap();
    assert_eq!(read(&collection("pairs"), "p", At::Newest).matches("bob,").count(), 1);
    assert_eq!(read(&collection("big"), "s", At::Newest).matches("\n4000,1\n").count(), 1);
    assert_eq!(
        read(&collection("heads"), "renamed", At::Newest),
        "k,v\n1,left\n2,right\n3,right\n4,d\n7,x\n"
    );
    for (label, revisions) in recorded() {
        let (id, past) = &revisions[0];
        let collection = collection(&label);
        let at = At::Revision(collection.resolve(id).unwrap());
        assert_eq!(state(&collection, at), *past, "{label}");
    }
    assert_eq!(ops::verify(&repo, &mut |_| ()).unwrap().damaged, 0);
}

#[test]
fn golden_repository_reads_the_same_after_upkeep() {
    let copy = Copy::new();
    let repo = copy.open();
    let newest = || -> Vec<State> {
        let labels = repo.collections().unwrap();
        labels.iter().map(|label| state(&repo.collection(label).unwrap(), At::Newest)).collect()
    };
    let before = newest();
    for label in repo.collections().unwrap() {
        let collection = repo.collection(&label).unwrap();
        ops::pack(&collection).unwrap();
        ops::squash(&collection).unwrap();
    }
    for _ in 0..2 {
        ops::gc(&repo, 0).unwrap();
    }
    assert_eq!(newest(), before);
}
