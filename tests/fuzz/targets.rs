//! What is fuzzed: each target takes any bytes and reads them as a reader of the store would, to an error or to values.
//!
//! Nothing may panic, hang, or take memory without bound. The targets make checks and digests right where they stand
//! before what is to be reached: who hands over a hostile repository does so too. No libfuzzer here: an ordinary test
//! runs the same targets over the corpora and over mutations of them (tests/engine/fuzzed.rs).

use bytes::Bytes;
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::Stamp;
use lakota::collection::when::When;
use lakota::data::csv::CsvReader;
use lakota::data::files::{arrow as arrow_files, parquet as parquet_files};
use lakota::data::label;
use lakota::data::pages::{self, Layout};
use lakota::data::schema::{Column, Schema};
use lakota::digest::{Check, Digest};
use lakota::history::changelog::Changelog;
use lakota::history::entry::{Entry, Summary};
use lakota::history::outline::Outline;
use lakota::history::pick::Everything;
use lakota::history::revision::{ChangeList, Revision};
use lakota::history::segment::Segment;
use lakota::history::state::State;
use lakota::history::tree::{Child, Leaf, Node, NodeRef, Tree};
use lakota::series::read::{Query, Rows};
use lakota::store::place::{Place, Spot};
use lakota::store::{Store, View};
use lakota::wire::{self, Reader, Writer};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

/// A target.
pub(super) type Target = fn(&[u8]);

/// All targets, by name.
pub(super) const ALL: [(&str, Target); 11] = [
    ("revision", revision),
    ("changes", changes),
    ("pack", pack),
    ("node", node),
    ("bundle", bundle),
    ("horizon", horizon),
    ("csv", csv),
    ("parquet", parquet),
    ("arrow", arrow),
    ("names", names),
    ("wire", wire),
];

/// Takes what was read, so that it is read.
fn seen<T>(value: T) {
    drop(std::hint::black_box(value));
}

fn store() -> Arc<Store> {
    Arc::new(Store::new(Arc::new(MemoryBackend::new())))
}

/// Columns of every type.
fn schema() -> Schema {
    Schema::parse_text("t timestamp[us]*, k str*, v float, n int, b bool, d date")
        .unwrap_or_else(|_| unreachable!())
}

/// The file of a revision: the revision, its outline, its changes, its state and the rows that it carries.
pub(super) fn revision(data: &[u8]) {
    seen(Outline::decode(data, &Everything));
    let bytes = Bytes::copy_from_slice(data);
    let Ok(mut revision) = Revision::decode(&store(), &bytes) else { return };
    seen(revision.check());
    seen(revision.stamp());
    if let Ok(list) = revision.change_list() {
        for series in &list.series {
            seen(series.intervals.iter().take(1 << 16).count());
        }
        seen(list.altered.map(|altered| altered.run().is_ok()));
    }
    seen(Outline::of(&revision, &Everything));
    // The check of its root, made right.
    let embedded = revision.embedded.clone();
    if let Some(tree) = &mut revision.state.tree {
        let NodeRef { spot, check } = &mut tree.root.node;
        let range = usize::try_from(spot.at).ok().zip(usize::try_from(spot.stored).ok());
        let node = range.and_then(|(at, len)| embedded.get(at..at.checked_add(len)?));
        if let Some(node) = node.filter(|_| spot.bundle == Digest::of(&embedded)) {
            *check = Check::of(node);
        }
    }
    state(&revision.state);
}

/// Reads a state whole, and some of its rows.
fn state(state: &State) {
    let listed = state.list("", |_| ControlFlow::Continue(()));
    seen((listed, state.sums(), state.renamed_ids(), state.differing(state)));
    for entry in state.entries().unwrap_or_default() {
        seen(entry.summary());
        let query = Query { limit: Some(2000), ..Query::default() };
        if let Ok(rows) = Rows::open(state.view.clone(), Arc::clone(&state.schema), &entry.segments, &query) {
            rows.take(4).for_each(seen);
        }
        let all = entry.segments.locate(&state.view, &lakota::interval::Interval::ALL);
        for segment in all.map(|found| found.segments).unwrap_or_default() {
            (0..state.schema.columns().len()).for_each(|i| seen(segment.bounds(&state.schema, i)));
        }
    }
}

/// A change list as a bundle or a revision holds it.
pub(super) fn changes(data: &[u8]) {
    if let Ok(list) = ChangeList::decode(data) {
        for series in &list.series {
            seen(series.intervals.iter().take(1 << 16).count());
        }
        seen(list.altered.as_ref().map(|altered| altered.run().is_ok()));
        // What was read can be written, and is the same then.
        let again = list.encode().map(|bytes| ChangeList::decode(&bytes));
        assert!(again.is_ok_and(|again| again.is_ok_and(|again| again == list)));
    }
}

/// A changelog of one file.
fn changelog(name: &str, bytes: Vec<u8>) -> Changelog {
    let backend = Arc::new(MemoryBackend::new());
    let folder = Digest::of(b"folder");
    backend.put(&format!("{}/{name}", folder.key()), Bytes::from(bytes)).unwrap_or_default();
    Changelog::new(Arc::new(Store::new(backend)), vec![folder])
}

/// Reads all that a changelog has.
fn history(changelog: &Changelog) {
    let Ok(log) = changelog.unhidden_log() else { return };
    for stamp in log.stamps().take(64) {
        seen(changelog.bytes(&log, stamp));
        seen(changelog.outline(&log, stamp));
        seen(changelog.read(&log, stamp));
    }
    seen((log.heads(), changelog.heads(&log), log.missing().count(), changelog.log()));
    seen(log.heads_before(1 << 40));
}

/// A pack: an index, which the target compresses or not as it finds it, then groups, whose checks it makes right.
pub(super) fn pack(data: &[u8]) {
    const HEADER: usize = 12;
    let Some((index, groups)) = data.get(4..HEADER).and_then(|len| {
        let len = usize::try_from(u64::from_le_bytes(len.try_into().ok()?)).ok()?;
        data.get(HEADER..)?.split_at_checked(len)
    }) else {
        return;
    };
    for index in [Some(index.to_vec()), with_checks(index, groups)].into_iter().flatten() {
        let len = (index.len() as u64).to_le_bytes();
        let name = format!("pack-{}", Digest::of(&index));
        history(&changelog(&name, [&data[..4], &len[..], &index, groups].concat()));
    }
}

/// An index with the checks of the groups as they are.
fn with_checks(index: &[u8], mut groups: &[u8]) -> Option<Vec<u8>> {
    let raw = Reader::new(index, "x").block(1 << 20).ok()?;
    let mut input = Reader::new(&raw, "x");
    let mut out = Writer::default();
    let count = input.count_of(18).ok()?;
    out.size(count);
    for _ in 0..count {
        let (stored, len, check) = (input.size().ok()?, input.size().ok()?, input.array::<16>().ok()?);
        let found = groups.split_at_checked(stored);
        out.size(stored);
        out.size(len);
        out.raw(found.map_or(check, |(group, _)| *Check::of(group).as_bytes()).as_slice());
        groups = found.map_or(&[], |(_, rest)| rest);
    }
    out.raw(input.rest());
    let mut packed = Writer::default();
    packed.block(&out.bytes);
    Some(packed.bytes)
}

/// A horizon under the name that its bytes give it.
pub(super) fn horizon(data: &[u8]) {
    for time in [0, 1 << 40] {
        let stamp = Stamp { time, digest: Digest::of(data) };
        history(&changelog(&format!("horizon-{}", stamp.file_name()), data.to_vec()));
    }
}

/// A node of the index, read as each kind of node, and as the root of a state.
pub(super) fn node(data: &[u8]) {
    let here = Digest::of(data);
    seen(Node::<Summary>::decode(data, here));
    seen(Node::<Segment>::decode(data, here));
    let Ok(decoded) = Node::<Entry>::decode(data, here) else { return };
    let span = |(first, last): (&[u8], &[u8])| (first.to_vec(), last.to_vec());
    let ends = match &decoded {
        Node::Leaf(items) => items.first().map(|i| span(i.span())).zip(items.last().map(|i| span(i.span()))),
        Node::Inner(children) => children
            .first()
            .map(|c| (c.key.clone(), c.last.clone()))
            .zip(children.last().map(|c| (c.key.clone(), c.last.clone()))),
    };
    let Some(((key, _), (_, last))) = ends else { return };
    let sums = match &decoded {
        Node::Leaf(items) => items.iter().map(Leaf::sums).sum(),
        Node::Inner(children) => children.iter().map(|child| child.sums).sum(),
    };
    let len = data.len() as u64;
    let spot = Spot { bundle: here, at: 0, stored: len, raw: len };
    let node = NodeRef { spot, check: Check::of(data) };
    let root = Child { key, last, sums, node };
    let height = u32::from(matches!(decoded, Node::Inner(_)));
    let view = View::holding(store(), HashMap::from([(here, Bytes::copy_from_slice(data))]));
    state(&State { schema: Arc::new(schema()), tree: Some(Tree { root, height }), view });
}

/// A group of chunks in a bundle, and the pages of one of them: type, rows, layout, bytes of CSV, raw length of the group,
/// offset, then the group as it is stored.
pub(super) fn bundle(data: &[u8]) {
    let mut input = Reader::new(data, "x");
    let mut read = || -> Option<(Column, Layout, u64, u64, u64)> {
        let columns = schema().columns().to_vec();
        let mut column = columns.get(usize::from(input.byte().ok()? % 12) / 2)?.clone();
        column.index = input.byte().ok()? & 1 == 1;
        let rows = input.uint().ok()?;
        let layout = Layout::read(&mut input, rows).ok()?;
        Some((column, layout, input.uint().ok()?, input.uint().ok()?, input.uint().ok()?))
    };
    let Some((column, layout, text, raw, offset)) = read() else { return };
    let stored = input.rest();
    // The check of the chunk, made right.
    let unpacked = match stored.len() as u64 == raw {
        true => Some(stored.to_vec()),
        false => usize::try_from(raw).ok().and_then(|raw| wire::decompress(stored, raw, "x").ok()),
    };
    let chunk = unpacked.as_ref().and_then(|raw| {
        let (at, len) = (usize::try_from(offset).ok()?, usize::try_from(layout.len).ok()?);
        raw.get(at..at.checked_add(len)?)
    });
    let check = Check::of(chunk.unwrap_or_default());
    let digest = Digest::of(stored);
    let view = View::holding(store(), HashMap::from([(digest, Bytes::copy_from_slice(stored))]));
    let spot = Spot { bundle: digest, at: 0, stored: stored.len() as u64, raw };
    let Ok(pages) = view.pages(&Place::Member(spot, offset), layout.len, check) else { return };
    seen(pages::data_pages(&layout, &pages));
    let rows = usize::try_from(layout.rows).unwrap_or(0);
    seen(pages::page_bytes(&pages));
    for range in [0..rows, rows / 3..rows / 2] {
        seen(pages::decode_within(&column, &layout, pages.clone(), range, text));
    }
    if let Ok(mut stream) = pages::Stream::within(&column, &layout, pages, 0..rows, 100, text) {
        while let Ok(Some(_)) = stream.next() {}
    }
}

/// Text as rows.
pub(super) fn csv(data: &[u8]) {
    let reader = CsvReader::new(Arc::new(schema()), std::io::Cursor::new(data.to_vec()), 1000);
    reader.take(64).for_each(seen);
}

/// A file of some bytes, which has no name.
fn file(data: &[u8]) -> std::io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(data)?;
    file.rewind()?;
    Ok(file)
}

/// A Parquet file as rows.
pub(super) fn parquet(data: &[u8]) {
    let frames = file(data).map(|file| parquet_files::read(file, &schema(), false));
    seen(frames.map(|frames| frames.map(|frames| frames.take(64).for_each(seen))));
}

/// An Arrow file or stream as rows.
pub(super) fn arrow(data: &[u8]) {
    let frames = file(data).map(|file| arrow_files::read(file, &schema(), false));
    seen(frames.map(|frames| frames.map(|frames| frames.take(64).for_each(seen))));
}

/// A text as everything that has a name: moments, revisions, tags, labels, files, columns.
pub(super) fn names(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    seen((When::parse(&text), When::time(&text), Digest::from_hex(&text)));
    if let Some(stamp) = Stamp::from_file_name(&text) {
        assert_eq!(stamp.file_name(), text);
    }
    if label::check(&text).is_ok() {
        assert_eq!(label::unescape(&label::escape(&text)).as_deref(), Some(&*text));
    }
    seen((label::unescape(&text), label::closest(&text, ["latest", "temp/bxl"])));
    if let Ok(schema) = Schema::parse_text(&text) {
        assert!(Schema::parse_text(&schema.to_string()).is_ok_and(|again| again == schema));
    }
    seen(Column::parse(&text));
}

/// Numbers, strings and blocks, each byte of which is first an order, then what is read; and what is written is read.
pub(super) fn wire(data: &[u8]) {
    let mut input = Reader::new(data, "x");
    let mut last = Vec::new();
    let mut step = || match input.byte()? % 9 {
        0 => input.uint().map(|_| ()),
        1 => input.string().map(|_| ()),
        2 => input.text().map(|_| ()),
        3 => input.after_in(&mut last),
        4 => input.after(&[7; 64]).map(|_| ()),
        5 => input.block(1 << 20).map(|_| ()),
        6 => input.skip_block(),
        7 => input.array::<16>().map(|_| ()),
        _ => input.count_of(9).map(|_| ()),
    };
    while step().is_ok() {}
    let keys: Vec<&[u8]> = data.split(|&byte| byte == 0).collect();
    let mut out = Writer::default();
    let mut previous: &[u8] = &[];
    for key in &keys {
        out.after(previous, key);
        previous = key;
    }
    let mut whole = Writer::default();
    whole.block(&out.bytes);
    let block = Reader::new(&whole.bytes, "x").block(out.bytes.len()).unwrap_or_default();
    let mut input = Reader::new(&block, "x");
    let mut last = Vec::new();
    for key in keys {
        assert!(input.after_in(&mut last).is_ok() && last == key);
    }
    assert!(input.end().is_ok());
}
