//! What the corpora start from: files of a small repository that has a bit of everything, and inputs of it.

use crate::support::{CountingClock, files, frame, repo_on};
use arrow_array::{ArrayRef, RecordBatch};
use bytes::Bytes;
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::data::alter::Alteration;
use lakota::data::files::{arrow, parquet};
use lakota::data::pages;
use lakota::data::schema::Schema;
use lakota::history::entry::{Entry, Segments};
use lakota::history::revision::{ListPlace, Revision};
use lakota::history::segment::Segment;
use lakota::history::tree::{Child, Node};
use lakota::ops;
use lakota::store::{Store, View};
use lakota::wire::{Reader, Writer, compress};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Seeds of a corpus, at most.
const MOST: usize = 14;

/// Bytes of a seed, at most.
const LONGEST: usize = 24 << 10;

/// Writes the seeds of a target beside what fuzzing found.
pub(super) fn write(target: &str, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_name().to_string_lossy().starts_with("seed-") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    let mut seeds = of(target);
    seeds.retain(|seed| seed.len() <= LONGEST);
    seeds.sort_by_key(|seed| (seed.len(), seed.clone()));
    seeds.dedup();
    // Of all lengths.
    let step = seeds.len().div_ceil(MOST).max(1);
    for (i, seed) in seeds.iter().rev().step_by(step).enumerate() {
        std::fs::write(folder.join(format!("seed-{i:02}")), seed).unwrap();
    }
}

fn of(target: &str) -> Vec<Vec<u8>> {
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    match target {
        "csv" => texts(&[TEXT, "t,k,v,n,b,d\r\n2020-06-22,\"a\"\"b\",1e3,7,true,2020-06-22\r\n", "x\n", ""]),
        "parquet" => vec![parquet_file(), parquet_file().split_off(9)],
        "arrow" => vec![arrow_file(), arrow_file().split_off(8)],
        "names" => texts(&[
            "latest",
            "~12",
            "2020-06-22T12:00:00+02:00",
            "20200622T1200Z-0a1b2c",
            "@0a1b",
            "t timestamp[us]*, v float",
            "temp/b%x l",
            &format!("1a2038f948a-{}", "0d9f66b5".repeat(8)),
        ]),
        "bundle" => chunks(),
        "wire" => vec![TEXT.as_bytes().to_vec(), compress(TEXT.as_bytes()).unwrap(), (0..=255).collect()],
        _ => Made::new().of(target),
    }
}

const TEXT: &str = "t,k,v,n,b,d\n\
    2020-06-22T00:00:00.000001,a,1.5,1,true,2020-06-22\n\
    2020-06-22T00:00:01,b,NaN,,false,\n\
    2020-06-23,\"x, y\",,-9223372036854775808,,1969-12-31\n";

fn schema() -> Schema {
    Schema::parse_text("t timestamp[us]*, k str*, v float, n int, b bool, d date").unwrap()
}

/// Rows of every type, some of them null.
fn rows(from: usize, count: usize) -> RecordBatch {
    let row = |i: usize| {
        let v = if i % 7 == 3 { String::new() } else { format!("{}.5", i % 50) };
        let n = if i % 5 == 1 { String::new() } else { (i * 100).to_string() };
        let (day, minute) = (1 + i / 1440 % 28, i % 1440);
        format!(
            "2020-06-{day:02}T{:02}:{:02}:00,k{},{v},{n},{},2020-01-{day:02}\n",
            minute / 60,
            minute % 60,
            i % 3,
            i.is_multiple_of(2)
        )
    };
    frame(&schema(), &(from..from + count).map(row).collect::<String>())
}

fn parquet_file() -> Vec<u8> {
    let rows = rows(0, 300);
    let mut sink = parquet::Sink::new(Vec::new(), rows.schema()).unwrap();
    sink.write(&rows).unwrap();
    sink.finish().unwrap()
}

fn arrow_file() -> Vec<u8> {
    let rows = rows(0, 100);
    let mut sink = arrow::Sink::new(Vec::new(), &rows.schema()).unwrap();
    sink.write(&rows).unwrap();
    sink.finish().unwrap()
}

/// Chunks of every type, in groups that are compressed or not, as the target takes them.
fn chunks() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for count in [3, 600, 20_000] {
        let all = rows(0, count.min(4000));
        for (i, column) in schema().columns().iter().enumerate() {
            let array: &ArrayRef = all.column(i);
            let several = vec![array.as_ref(); count.div_ceil(array.len())];
            let array = arrow_select::concat::concat(&several).unwrap();
            let encoded = pages::encode(column, &array).unwrap();
            let pages = encoded.pages();
            for packed in [None, compress(&pages)] {
                let mut out = Writer::default();
                out.raw(&[2 * i as u8, u8::from(column.index)]);
                out.uint(array.len() as u64);
                encoded.layout.write(&mut out);
                out.uint(lakota::data::csv::column_len(column.ty, &array));
                out.size(pages.len());
                out.uint(0);
                out.raw(packed.as_deref().unwrap_or(&pages));
                seeds.push(out.bytes);
            }
        }
    }
    seeds
}

/// A repository.
struct Made {
    store: Arc<Store>,
    files: BTreeMap<String, Bytes>,
}

impl Made {
    fn new() -> Made {
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let clock = CountingClock::new();
        let repo = repo_on(&backend, &clock, Some(40));
        let all = repo.create_collection("all", &schema()).unwrap();
        let put = |label: &str, rows: &RecordBatch| {
            let mut batch = all.batch("by hand").unwrap();
            batch.overlay(label, rows).unwrap();
            batch.commit().unwrap();
        };
        put("one", &rows(0, 3));
        put("two/b", &rows(0, 90));
        (0..8).for_each(|i| put(&format!("many/{i}"), &rows(i, 20 + i)));
        put("long", &rows(0, 6_000));
        let mut batch = all.batch("").unwrap();
        batch.rename("one", "renamed").unwrap();
        batch.drop_series("many/3").unwrap();
        batch.commit().unwrap();
        let before = files(backend.as_ref());
        let steps = [Alteration::add("w int", Some("7")).unwrap(), Alteration::Drop("d".into())];
        all.alter(&steps, "other columns").unwrap();
        ops::pack(&all).unwrap();
        let mut found = files(backend.as_ref());
        for time in [20, 500] {
            clock.pass(1000);
            ops::trim(&all, 1_600_000_000_000 + time).unwrap();
            found.extend(files(backend.as_ref()));
        }
        found.extend(before);
        Made { store: Arc::new(Store::new(backend)), files: found }
    }

    fn of(&self, target: &str) -> Vec<Vec<u8>> {
        let named = |start: &str| {
            let files = self.files.iter();
            let found = files.filter(|(key, _)| key.rsplit('/').next().unwrap().starts_with(start));
            found.map(|(_, bytes)| bytes.to_vec()).collect::<Vec<_>>()
        };
        let revisions =
            self.files.iter().filter(|(key, bytes)| key.contains('.') && bytes.starts_with(b"lkr"));
        let revisions: Vec<Bytes> = revisions.map(|(_, bytes)| bytes.clone()).collect();
        match target {
            "revision" => revisions.iter().flat_map(|r| [r.to_vec(), plain(r, 4)]).collect(),
            "pack" => named("pack-").iter().flat_map(|pack| [pack.clone(), plain_index(pack)]).collect(),
            "horizon" => [named("horizon-"), vec![first_horizon()]].concat(),
            "changes" => revisions.iter().flat_map(|r| self.changes(r)).collect(),
            "node" => revisions.iter().flat_map(|r| self.nodes(r)).collect(),
            _ => Vec::new(),
        }
    }

    fn changes(&self, file: &Bytes) -> Vec<Vec<u8>> {
        let revision = Revision::decode(&self.store, file).unwrap();
        let ListPlace::Here(list) = &revision.changes else { return Vec::new() };
        vec![list.clone(), plain(list, 0)]
    }

    fn nodes(&self, file: &Bytes) -> Vec<Vec<u8>> {
        let revision = Revision::decode(&self.store, file).unwrap();
        let mut found = Vec::new();
        if let Some(tree) = &revision.state.tree {
            node(&revision.state.view, &tree.root, tree.height, &mut found);
        }
        found
    }
}

/// A node and what is below it.
fn node(view: &View, child: &Child, level: u32, found: &mut Vec<Vec<u8>>) {
    let Ok(bytes) = view.node(&child.node.spot, child.node.check, 1 << 20) else { return };
    found.extend([bytes.to_vec(), plain_node(&bytes)]);
    match Node::<Entry>::load(view, child, level) {
        Ok(Node::Inner(children)) => children.iter().for_each(|child| node(view, child, level - 1, found)),
        Ok(Node::Leaf(entries)) => {
            for entry in entries {
                if let Segments::Many(tree) = entry.segments {
                    segments(view, &tree.root, tree.height, found);
                }
            }
        }
        Err(_) => {}
    }
}

fn segments(view: &View, child: &Child, level: u32, found: &mut Vec<Vec<u8>>) {
    let bytes = view.node(&child.node.spot, child.node.check, 1 << 20).unwrap();
    found.extend([bytes.to_vec(), plain_node(&bytes)]);
    if let Ok(Node::Inner(children)) = Node::<Segment>::load(view, child, level) {
        segments(view, &children[0], level - 1, found);
    }
}

/// With the block behind some bytes as it is before compression, so that mutations reach what is in it.
fn plain(bytes: &[u8], before: usize) -> Vec<u8> {
    let mut input = Reader::new(&bytes[before..], "x");
    let block = input.block(1 << 20).unwrap();
    let mut out = Writer::default();
    out.raw(&bytes[..before]);
    out.size(block.len());
    out.uint(0);
    out.raw(&block);
    out.raw(input.rest());
    out.bytes
}

/// A node with both of its blocks so.
fn plain_node(bytes: &[u8]) -> Vec<u8> {
    let mut input = Reader::new(bytes, "x");
    input.byte().unwrap();
    for _ in 0..input.count().unwrap() {
        input.array::<32>().unwrap();
    }
    let before = bytes.len() - input.rest().len();
    let first = plain(bytes, before);
    let mut input = Reader::new(&first[before..], "x");
    input.skip_block().unwrap();
    plain(&first, first.len() - input.rest().len())
}

/// A pack with its index so.
fn plain_index(pack: &[u8]) -> Vec<u8> {
    const HEADER: usize = 12;
    let len = u64::from_le_bytes(pack[4..HEADER].try_into().unwrap()) as usize;
    let index = plain(&pack[HEADER..HEADER + len], 0);
    [&pack[..4], &(index.len() as u64).to_le_bytes()[..], &index, &pack[HEADER + len..]].concat()
}

/// A horizon of the first layout, which keeps two revisions.
fn first_horizon() -> Vec<u8> {
    let mut out = Writer::default();
    out.raw(b"lkh\x01");
    out.uint(1_600_000_000_000);
    out.uint(1_600_000_000_100);
    out.size(2);
    for time in [1_500_000_000_000, 1_500_000_000_001] {
        out.uint(time);
        out.raw(&[7; 32]);
    }
    out.bytes
}
