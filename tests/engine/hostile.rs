//! Repositories made to harm who reads them: what they claim is an error of one collection, before memory is taken.

use crate::support::{CountingClock, files, frame, repo_on};
use bytes::Bytes;
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::Stamp;
use lakota::collection::{At, Collection};
use lakota::data::alter::Alteration;
use lakota::data::schema::{MOST_COLUMNS, Schema};
use lakota::digest::{Check, Digest};
use lakota::history::changelog::{Changelog, HistoryError};
use lakota::history::entry::Entry;
use lakota::history::revision::{MOST_FILE, MOST_MESSAGE, Revision};
use lakota::history::state::State;
use lakota::history::tree::{Child, Node, NodeRef, Sums, Tree};
use lakota::ops::transfer::{What, transfer};
use lakota::repo::Repo;
use lakota::series::read::Query;
use lakota::store::place::Spot;
use lakota::store::{Store, View};
use lakota::wire::Writer;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

fn schema() -> Schema {
    Schema::parse(["k int*", "v int"]).unwrap()
}

/// Two collections of a row each, on memory.
fn two() -> (Arc<dyn Backend>, Arc<CountingClock>, Repo) {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let clock = CountingClock::new();
    let repo = repo_on(&backend, &clock, None);
    for label in ["bad", "good"] {
        write(&repo.create_collection(label, &schema()).unwrap(), "first");
    }
    (backend, clock, repo)
}

fn write(collection: &Collection, message: &str) -> Option<Stamp> {
    let mut batch = collection.batch(message).unwrap();
    batch.overlay("s", &frame(&schema(), "1,1\n")).unwrap();
    batch.commit().unwrap()
}

fn read(collection: &Collection) -> Result<usize, String> {
    let rows = collection.read("s", At::Newest, &Query::default()).map_err(|e| e.to_string())?;
    Ok(rows.collect_frame().map_err(|e| e.to_string())?.num_rows())
}

/// Puts a file as the child of the newest revision of `bad`.
fn plant(repo: &Repo, backend: &dyn Backend, file: Vec<u8>) -> Stamp {
    let changelog = repo.collection("bad").unwrap();
    let changelog = changelog.changelog();
    let head = changelog.log().unwrap().heads()[0];
    let stamp = Stamp { time: head.time + 1000, digest: Digest::of(&file) };
    let key = format!("{}/{}.{}", changelog.folders()[0].key(), head.file_name(), stamp.file_name());
    backend.put(&key, Bytes::from(file)).unwrap();
    stamp
}

/// The file of a revision whose block claims `raw` bytes.
fn claiming(raw: u64, stored: &[u8]) -> Vec<u8> {
    let mut out = Writer::default();
    out.raw(b"lkr\x01");
    out.uint(raw);
    out.string(stored);
    out.bytes
}

/// A frame of zstd that says it holds `raw` bytes.
fn frame_of(raw: u64) -> Vec<u8> {
    [&[0x28, 0xB5, 0x2F, 0xFD, 0xE0][..], &raw.to_le_bytes(), &[1, 0, 0]].concat()
}

#[test]
fn a_revision_that_claims_all_memory_is_damage_of_its_collection_alone() {
    let zeros = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
    let claims = [
        claiming(1 << 62, &frame_of(1 << 62)),
        claiming(u64::MAX, &frame_of(u64::MAX)),
        claiming(3 << 30, &frame_of(3 << 30)),
        claiming(64 << 20, &zeros),
        vec![b'l'; MOST_FILE + 1],
    ];
    for file in claims {
        let (backend, clock, _) = two();
        let stamp = plant(&repo_on(&backend, &clock, None), backend.as_ref(), file);
        let repo = repo_on(&backend, &clock, None);
        let message = read(&repo.collection("bad").unwrap()).unwrap_err();
        assert_eq!(message, format!("revision {stamp} is damaged"));
        assert_eq!(read(&repo.collection("good").unwrap()), Ok(1));
        let mut found = Vec::new();
        lakota::ops::verify(&repo, &mut |damage| found.push(format!("{damage:?}"))).unwrap();
        assert!(found.iter().any(|line| line.contains(&stamp.digest.to_string()[..10])), "{found:?}");
        // Who pulls from it has the other collection, or an error, and never less than before.
        let mine = repo_on(&(Arc::new(MemoryBackend::new()) as Arc<dyn Backend>), &clock, None);
        let theirs = What { collections: vec!["good".to_owned()], ..What::default() };
        transfer(&repo, &mine, &theirs, &|_| {}).unwrap();
        assert_eq!(read(&mine.collection("good").unwrap()), Ok(1));
        let report = transfer(&repo, &mine, &What::default(), &|_| {}).unwrap();
        assert_eq!(report.failed.len(), 1, "{report:?}");
        assert_eq!(read(&mine.collection("good").unwrap()), Ok(1));
    }
}

/// A pack of one revision whose group claims `raw` bytes.
fn pack_claiming(raw: u64, group: &[u8], index_raw: Option<u64>) -> (Digest, Vec<u8>) {
    let mut list = Writer::default();
    list.size(1);
    list.size(group.len());
    list.uint(raw);
    list.raw(Check::of(group).as_bytes());
    list.size(1);
    list.uint(7);
    list.raw(&[7; 32]);
    [0, 0, 0].iter().for_each(|&n| list.uint(n));
    list.uint(raw.min(64));
    let mut index = Writer::default();
    match index_raw {
        None => index.block(&list.bytes),
        Some(raw) => {
            index.uint(raw);
            index.string(&frame_of(raw));
        }
    }
    let len = (index.bytes.len() as u64).to_le_bytes();
    (Digest::of(&index.bytes), [b"lkp\x01", &len[..], &index.bytes, group].concat())
}

#[test]
fn a_pack_that_claims_all_memory_is_damage() {
    let folder = Digest::of(b"folder");
    let claims = [1 << 62, 1 << 40, 3 << 30, u64::MAX];
    let packs = claims
        .into_iter()
        .flat_map(|raw| [pack_claiming(raw, &frame_of(raw), None), pack_claiming(64, &[0; 64], Some(raw))]);
    for (digest, bytes) in packs {
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        backend.put(&format!("{}/pack-{digest}", folder.key()), Bytes::from(bytes)).unwrap();
        let changelog = Changelog::new(Arc::new(Store::new(backend)), vec![folder]);
        let error = changelog.log().and_then(|log| {
            let stamp = log.stamps().next().unwrap();
            changelog.outline(&log, stamp).map(|_| ())
        });
        assert!(matches!(error, Err(HistoryError::DamagedFile { .. })), "{error:?}");
    }
}

/// A tree of nodes in one bundle, lowest first: each inner node names the one below it `fan` times.
fn tower(levels: u32, fan: usize) -> (State, usize) {
    let child = |key: &[u8], at: usize, node: &[u8], series: u64| {
        let len = node.len() as u64;
        let spot = Spot { bundle: Digest::ZERO, at: at as u64, stored: len, raw: len };
        let node = NodeRef { spot, check: Check::of(node) };
        Child { key: key.to_vec(), last: key.to_vec(), sums: Sums { series, ..Sums::default() }, node }
    };
    let node = |kind: u8, head: &[u8], body: &[u8]| {
        let mut node = Writer::default();
        node.raw(&[kind]);
        node.size(0);
        node.block(head);
        node.block(body);
        node.bytes
    };
    let mut head = Writer::default();
    head.size(1);
    head.after(&[], b"s");
    head.uint(1);
    Sums { series: 1, ..Sums::default() }.write(&mut head);
    head.uint(0);
    let leaf = node(0, &head.bytes, &[0, 0]);
    let mut bytes = leaf.clone();
    let mut top = child(b"s", 0, &leaf, 1);
    for _ in 0..levels {
        let mut head = Writer::default();
        Child::write_list(&vec![top.clone(); fan], &mut lakota::store::place::Bundles::default(), &mut head);
        let inner = node(1, &head.bytes, &[]);
        let series = top.sums.series.saturating_mul(fan as u64);
        top = child(b"s", bytes.len(), &inner, series);
        bytes.extend_from_slice(&inner);
    }
    let len = bytes.len();
    let digest = Digest::of(&bytes);
    top.node.spot.bundle = digest;
    let view = View::holding(
        Arc::new(Store::new(Arc::new(MemoryBackend::new()))),
        HashMap::from([(digest, Bytes::from(bytes))]),
    );
    (State { schema: Arc::new(schema()), tree: Some(Tree { root: top, height: levels }), view }, len)
}

#[test]
fn a_tree_without_end_is_damage() {
    let listed = |state: &State| state.list("", |_| ControlFlow::Continue(()));
    let (sound, _) = tower(3, 1);
    listed(&sound).unwrap();
    assert_eq!(sound.entries().unwrap().len(), 1);
    // Higher than it says, and lower.
    for height in [0, 2, 4, 64] {
        let mut other = sound.clone();
        other.tree.as_mut().unwrap().height = height;
        assert!(listed(&other).is_err() && other.entries().is_err(), "{height}");
    }
    // A billion series in a few kilobytes, and 100 to the power of 12.
    for (levels, fan) in [(30, 2), (12, 100)] {
        let (many, len) = tower(levels, fan);
        assert!(len < 64 << 10, "{len}");
        assert!(listed(&many).is_err() && many.entries().is_err());
    }
    // So deep that a call for each level would not fit the stack.
    let (deep, _) = tower(100_000, 1);
    let tree = deep.tree.clone().unwrap();
    assert!(Node::<Entry>::load(&deep.view, &tree.root, tree.height).is_ok());
    let store = Arc::new(Store::new(Arc::new(MemoryBackend::new())));
    let (backend, clock, repo) = two();
    let changelog = repo.collection("bad").unwrap();
    let head = changelog.changelog().log().unwrap().heads()[0];
    let mut revision = (*changelog.changelog().find(head).unwrap()).clone();
    revision.state.tree = Some(tree);
    revision.parents = vec![head];
    assert!(Revision::decode(&store, &revision.encode()).is_err());
    let stamp = plant(&repo, backend.as_ref(), revision.encode().to_vec());
    let message = read(&repo_on(&backend, &clock, None).collection("bad").unwrap()).unwrap_err();
    assert_eq!(message, format!("revision {stamp} is damaged"));
}

#[test]
fn what_readers_would_refuse_is_not_written() {
    let (backend, _, repo) = two();
    let good = repo.collection("good").unwrap();
    let before = good.changelog().log().unwrap().heads();
    let mut batch = good.batch(&"x".repeat(MOST_MESSAGE + 1)).unwrap();
    batch.overlay("s", &frame(&schema(), "1,2\n")).unwrap();
    let message = batch.commit().unwrap_err().to_string();
    assert_eq!(
        message,
        "cannot write the revision: its message in bytes would be 1048577, the most is 1048576"
    );
    let long = Alteration::add(&format!("{} int", "c".repeat(5 << 20)), None).unwrap();
    let message = good.alter(&[long], "").unwrap_err().to_string();
    assert!(message.contains("a schema has at most 4194304"), "{message}");
    let repo = Repo::on(backend, "it", Default::default()).unwrap();
    let good = repo.collection("good").unwrap();
    assert_eq!(good.changelog().log().unwrap().heads(), before);
    assert_eq!(read(&good), Ok(1));
    // A message as long as it may be, and as many columns.
    write(&repo.collection("bad").unwrap(), "");
    let mut batch = good.batch(&"x".repeat(MOST_MESSAGE)).unwrap();
    batch.overlay("s", &frame(&schema(), "1,3\n")).unwrap();
    batch.commit().unwrap().unwrap();
    assert_eq!(read(&good), Ok(1));
}

#[test]
fn a_series_of_the_most_columns_is_written_and_read() {
    let (backend, clock, repo) = two();
    let columns: Vec<String> =
        (0..MOST_COLUMNS).map(|i| format!("c{i} int{}", if i == 0 { "*" } else { "" })).collect();
    let wide = Schema::parse(&columns).unwrap();
    let collection = repo.create_collection("wide", &wide).unwrap();
    let mut batch = collection.batch("").unwrap();
    batch.overlay("s", &frame(&wide, &format!("1{}\n", ",2".repeat(MOST_COLUMNS - 1)))).unwrap();
    batch.commit().unwrap();
    let again = repo_on(&backend, &clock, None).collection("wide").unwrap();
    let last = Query { columns: Some(vec![MOST_COLUMNS - 1]), ..Query::default() };
    let rows = again.read("s", At::Newest, &last).unwrap().collect_frame().unwrap();
    assert_eq!(rows.num_rows(), 1);
    assert!(files(backend.as_ref()).len() > 4);
}
