//! Live files: the bytes that the mount serves are those that reading the rows gives, in every range.

use crate::support::{CountingClock, frame, games, repo_on};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use bytes::Bytes;
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::collection::{At, Collection};
use lakota::data::csv;
use lakota::data::schema::{Schema, Type};
use lakota::data::sort::Sorted;
use lakota::history::entry::Segments;
use lakota::history::segment::Segment;
use lakota::series::read::Query;
use lakota::series::write::Mode;
use lakota::store::place::Place;
use lakota::vfs::render::{Content, Format, Renderer, Source};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

const SCHEMAS: [&str; 4] = [
    "t timestamp*, f float",
    "s timestamp[s]*, us timestamp[us], ns timestamp[ns], ms timestamp, s2 timestamp[s], d date, i int, f float, x str, b bool",
    "é name str*, day date*, f float*, n int*, ok bool*, s timestamp[s]*, x str",
    "b bool*, t timestamp[ns]*",
];

/// Numbers at random (xorshift).
struct Dice(u64);

impl Dice {
    fn any(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.any() >> 20) % n
    }
}

/// A field; null and NaN not in the index.
fn cell(ty: Type, index: bool, dice: &mut Dice) -> String {
    if !index && dice.below(5) == 0 {
        return String::new();
    }
    let day = format!("{:04}-{:02}-{:02}", 1690 + dice.below(400), 1 + dice.below(12), 1 + dice.below(28));
    let second = format!("{day}T{:02}:{:02}:{:02}", dice.below(24), dice.below(60), dice.below(60));
    match ty {
        Type::Date => day,
        Type::Timestamp(TimeUnit::Second) if dice.below(20) == 0 => "-290000-01-01T00:00:00".to_owned(),
        Type::Timestamp(unit) => match (unit, dice.below(2)) {
            (TimeUnit::Second, _) | (_, 0) => second,
            (TimeUnit::Millisecond, _) => format!("{second}.{:03}", dice.below(1000)),
            (TimeUnit::Microsecond, _) => format!("{second}.{:06}", dice.below(1_000_000)),
            (TimeUnit::Nanosecond, _) => format!("{second}.{:09}", dice.below(1_000_000_000)),
        },
        Type::Int => (dice.any() as i64 >> dice.below(64)).to_string(),
        Type::Float => match dice.below(12) {
            0 if !index => "NaN".to_owned(),
            1 => "-inf".to_owned(),
            2 => "-0.0".to_owned(),
            n => format!("{}.{}", dice.below(1 << (4 * n)) as i64 - 100, dice.below(100)),
        },
        Type::Bool => (dice.below(2) == 0).to_string(),
        Type::Str => {
            let pieces =
                ["", "a", ",", "\"\"", "\n", "é", "🎉", "NaN", "null", " ", "long text of a station"];
            let text = (0..dice.below(5)).map(|_| pieces[dice.below(pieces.len() as u64) as usize]);
            format!("\"{}\"", text.collect::<String>())
        }
    }
}

fn rows(schema: &Schema, count: u64, dice: &mut Dice) -> RecordBatch {
    let header = csv::header(schema.columns().iter().map(|c| c.name.as_str()));
    let mut text = String::from_utf8(header).unwrap();
    for _ in 0..count {
        let cells: Vec<String> = schema.columns().iter().map(|c| cell(c.ty, c.index, dice)).collect();
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    frame(schema, &text)
}

fn collection(schema: &Schema, segment_rows: Option<usize>) -> Collection {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    repo_on(&backend, &CountingClock::new(), segment_rows).create_collection("c", schema).unwrap()
}

fn commit(collection: &Collection, mode: Option<&Mode>, rows: &RecordBatch) {
    let mut batch = collection.batch("").unwrap();
    match mode {
        None => batch.overlay("a", rows).unwrap(),
        Some(mode) => {
            let schema = collection.schema().unwrap();
            let sorted = lakota::data::frame::sort(&schema, rows).unwrap();
            batch.write("a", mode, Sorted::of(&schema, vec![sorted])).unwrap()
        }
    };
    batch.commit().unwrap();
}

fn source(collection: &Collection) -> Source {
    let state = collection.state(At::Newest).unwrap();
    let segments = collection.find(&state, "a").unwrap().segments;
    Source { view: state.view, schema: state.schema, segments }
}

fn list(source: &Source) -> Vec<Segment> {
    let count = source.segments.sums().segments;
    source.segments.at(&source.view, &(0..count)).unwrap()
}

fn render(schema: &Schema, arrays: &[ArrayRef]) -> Vec<u8> {
    let mut out = csv::header(schema.columns().iter().map(|c| c.name.as_str()));
    let columns: Vec<_> = schema.columns().iter().map(|c| c.ty).zip(arrays.iter().cloned()).collect();
    csv::render(&columns, 0..arrays[0].len(), &mut out);
    out
}

/// What `lakota read` shows.
fn expected(collection: &Collection) -> Vec<u8> {
    let rows = collection.read("a", At::Newest, &Query::default()).unwrap().collect_frame().unwrap();
    render(&collection.schema().unwrap(), rows.columns())
}

/// The rows of a Parquet file, as the parquet crate reads them, as CSV.
fn parsed(schema: &Schema, file: Bytes) -> Vec<u8> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let arrow = Arc::clone(reader.schema());
    let frames: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    let whole = arrow_select::concat::concat_batches(&arrow, &frames).unwrap();
    let array = |(array, column): (&ArrayRef, &lakota::data::schema::Column)| match column.ty {
        Type::Timestamp(TimeUnit::Second) => {
            assert_eq!(*array.data_type(), DataType::Timestamp(TimeUnit::Millisecond, None));
            arrow_cast::cast(array, &column.ty.arrow()).unwrap()
        }
        ty => {
            assert_eq!(*array.data_type(), ty.arrow());
            Arc::clone(array)
        }
    };
    let arrays: Vec<ArrayRef> = whole.columns().iter().zip(schema.columns()).map(array).collect();
    render(schema, &arrays)
}

fn whole(content: &Content) -> Bytes {
    content.read(0, content.size() as usize).unwrap()
}

/// Reads ranges at random and compares them with the whole.
fn check_ranges(content: &Content, whole: &[u8], count: u64, dice: &mut Dice) {
    assert_eq!(content.size(), whole.len() as u64);
    for _ in 0..count {
        let start = dice.below(whole.len() as u64 + 2) as usize;
        let len = (dice.any() >> (20 + dice.below(44))) as usize % (whole.len() + 10);
        let end = whole.len().min(start.saturating_add(len));
        let wanted = whole.get(start..end).unwrap_or_default();
        assert!(content.read(start as u64, len).unwrap() == wanted, "{start}+{len} of {}", whole.len());
    }
}

fn check(collection: &Collection, cache: u64, dice: &mut Dice) {
    let (renderer, schema) = (Renderer::new(cache), collection.schema().unwrap());
    let expected = expected(collection);
    let source = source(collection);
    let sums = source.segments.sums();
    let open = |format| {
        let content = renderer.open(source.clone(), format).unwrap();
        assert_eq!(content.size(), format.size(&schema, &sums));
        content
    };
    let text = open(Format::Csv);
    assert!(whole(&text) == expected, "CSV differs");
    check_ranges(&text, &expected, 40, dice);
    let parquet = open(Format::Parquet);
    let file = whole(&parquet);
    assert!(parsed(&schema, file.clone()) == expected, "Parquet differs");
    check_ranges(&parquet, &file, 40, dice);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: games(48), ..ProptestConfig::default() })]

    #[test]
    fn files_hold_the_rows_whatever_they_are(
        seed in any::<u64>(),
        text in prop::sample::select(SCHEMAS.to_vec()),
        writes in prop::collection::vec(prop_oneof![Just(1_u64), 0..40_u64, Just(700)], 0..4),
        segment_rows in prop::sample::select(vec![None, Some(1), Some(5), Some(100)]),
        cache in prop::sample::select(vec![0, 4096, 1 << 20, 64 << 20]),
    ) {
        let (schema, mut dice) = (Schema::parse_text(text).unwrap(), Dice(seed | 1));
        let collection = collection(&schema, segment_rows);
        let mut batch = collection.batch("").unwrap();
        batch.create("a").unwrap();
        batch.commit().unwrap();
        for count in writes {
            commit(&collection, Some(&Mode::Upsert), &rows(&schema, count, &mut dice));
        }
        check(&collection, cache, &mut dice);
    }
}

/// Rows whose values do not compress.
fn noise(schema: &Schema, from: u64, count: u64) -> RecordBatch {
    let mut dice = Dice(from + 1);
    let line = |k| format!("{k},{},{:x}\n", dice.any() as i64, dice.below(1 << 40));
    frame(schema, &(from..from + count).map(line).collect::<String>())
}

fn noise_schema() -> Schema {
    Schema::parse(["k int*", "v int", "x str"]).unwrap()
}

/// Where the chunks of the newest state lie.
fn places(collection: &Collection) -> BTreeSet<&'static str> {
    let source = source(collection);
    let place = |place| match place {
        Place::Object(_) => "object",
        Place::Member(spot, _) if source.view.holds(spot.bundle) => "revision",
        Place::Member(..) => "bundle",
        Place::Staged(_) => "draft",
    };
    list(&source).iter().flat_map(|s| &s.chunks).map(|c| place(c.place)).collect()
}

#[test]
fn chunks_are_read_wherever_they_lie() {
    let schema = noise_schema();
    let (large, small) = (collection(&schema, None), collection(&schema, None));
    commit(&large, None, &noise(&schema, 0, 20_000));
    commit(&large, Some(&Mode::Append), &noise(&schema, 20_000, 2_000));
    commit(&small, None, &noise(&schema, 0, 10));
    assert_eq!(places(&large), BTreeSet::from(["bundle", "object"]));
    assert_eq!(places(&small), BTreeSet::from(["revision"]));
    for (cache, collection) in [(64 << 20, &large), (0, &large), (64 << 20, &small), (0, &small)] {
        check(collection, cache, &mut Dice(1));
    }
}

#[test]
fn segments_in_a_tree_are_found_by_offset() {
    let schema = noise_schema();
    let collection = collection(&schema, Some(4));
    commit(&collection, None, &noise(&schema, 0, 6_000));
    assert!(matches!(source(&collection).segments, Segments::Many(tree) if tree.height > 0));
    check(&collection, 64 << 20, &mut Dice(1));
    check(&collection, 0, &mut Dice(2));
}

#[test]
fn many_threads_read_the_same_bytes_within_any_cache() {
    let schema = noise_schema();
    let collection = collection(&schema, Some(9_000));
    commit(&collection, None, &noise(&schema, 0, 60_000));
    let source = source(&collection);
    for (cache, format) in
        [0, 200_000, 1 << 20, 64 << 20].iter().zip([Format::Csv, Format::Parquet].iter().cycle())
    {
        let renderer = Renderer::new(*cache);
        let content = renderer.open(source.clone(), *format).unwrap();
        let file = whole(&Renderer::new(1 << 30).open(source.clone(), *format).unwrap());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (content, file) = (&content, &file);
                scope.spawn(move || check_ranges(content, file, 60, &mut Dice(thread + 1)));
            }
            for step in [1, 65_536] {
                let (content, file) = (&content, &file);
                let parts = move || (0..file.len()).step_by(step * 997).map(move |at| (at, step * 997));
                scope.spawn(move || {
                    let read = |(at, len)| content.read(at as u64, len).unwrap();
                    assert!(parts().flat_map(read).eq(file.iter().copied()));
                });
            }
        });
        assert!(renderer.cached() <= (*cache).max(2 << 20), "{} of {cache}", renderer.cached());
    }
}

#[test]
fn text_of_another_length_than_the_index_says_is_an_error() {
    let schema = noise_schema();
    let collection = collection(&schema, Some(9_000));
    commit(&collection, None, &noise(&schema, 0, 27_000));
    let mut source = source(&collection);
    let mut segments = list(&source);
    let first = segments[0].chunks.iter().map(|c| c.csv_len).sum::<u64>() + 3 * segments[0].rows;
    segments[0].chunks[1].csv_len += 1;
    source.segments = Segments::Few(segments);
    let content = Renderer::new(64 << 20).open(source, Format::Csv).unwrap();
    let error = content.read(100, 10).unwrap_err().to_string();
    assert!(error.contains("do not render to the length"), "{error}");
    assert_eq!(content.read(first + 20_000, 10).unwrap().len(), 10);
}

#[test]
fn damaged_chunk_is_an_error_in_both_formats() {
    let schema = noise_schema();
    let collection = collection(&schema, None);
    commit(&collection, None, &noise(&schema, 0, 10));
    let mut source = source(&collection);
    let mut segments = list(&source);
    // The pages of another column: as many bytes as wanted, but not those that the index means.
    segments[0].chunks[0].place = segments[0].chunks[1].place;
    source.segments = Segments::Few(segments);
    for format in [Format::Csv, Format::Parquet] {
        let content = Renderer::new(64 << 20).open(source.clone(), format).unwrap();
        let error = content.read(20, 10).unwrap_err().to_string();
        assert!(error.contains("damaged"), "{format:?}: {error}");
    }
}

#[test]
fn only_reading_in_a_row_prepares_parts() {
    let schema = noise_schema();
    let collection = collection(&schema, Some(20_000));
    commit(&collection, None, &noise(&schema, 0, 200_000));
    let source = source(&collection);
    let jumping = Renderer::new(64 << 20);
    let content = jumping.open(source.clone(), Format::Csv).unwrap();
    let size = content.size();
    (0..20).for_each(|i| drop(content.read((i * 7 % 20) * size / 20, 4096).unwrap()));
    assert_eq!(jumping.counters().ahead, 0);
    let straight = Renderer::new(64 << 20);
    let content = straight.open(source, Format::Csv).unwrap();
    for at in (0..size).step_by(128 << 10) {
        content.read(at, 128 << 10).unwrap();
    }
    let counters = straight.counters();
    assert!(counters.ahead > 3, "{counters:?}");
    // Each part once, and what finds it.
    assert!(counters.misses <= 12, "{counters:?}");
}

#[test]
fn revisions_share_what_they_have_in_common() {
    let schema = noise_schema();
    let collection = collection(&schema, Some(10_000));
    commit(&collection, None, &noise(&schema, 0, 50_000));
    let renderer = Renderer::new(64 << 20);
    whole(&renderer.open(source(&collection), Format::Csv).unwrap());
    let before = renderer.counters().made;
    commit(&collection, Some(&Mode::Append), &noise(&schema, 60_000, 10));
    let content = renderer.open(source(&collection), Format::Csv).unwrap();
    assert_eq!(whole(&content), expected(&collection));
    assert!(renderer.counters().made - before < 100_000, "{:?}", renderer.counters());
}

#[test]
fn who_jumps_gets_parts_and_the_same_bytes() {
    let schema = Schema::parse_text(SCHEMAS[1]).unwrap();
    let collection = collection(&schema, None);
    commit(&collection, None, &rows(&schema, 100_000, &mut Dice(11)));
    let source = source(&collection);
    let bytes = whole(&Renderer::new(64 << 20).open(source.clone(), Format::Csv).unwrap());
    let size = bytes.len() as u64;
    for at in (1..8).map(|n| n * size / 8).chain([size - 100, 300_000, size - 1]) {
        // A file nobody has read yet, then one that was read elsewhere.
        for first in [None, Some(size / 3)] {
            let renderer = Renderer::new(64 << 20);
            let content = renderer.open(source.clone(), Format::Csv).unwrap();
            first.into_iter().for_each(|at| drop(content.read(at, 10).unwrap()));
            let end = size.min(at + 5000);
            assert_eq!(content.read(at, 5000).unwrap(), bytes[at as usize..end as usize]);
            let made = renderer.counters().made;
            assert!(first.is_some() || made < size / 2, "{made} bytes were made for 5000 at {at}");
        }
    }
}

#[test]
fn text_of_another_length_is_an_error_for_who_jumps_too() {
    let schema = noise_schema();
    let collection = collection(&schema, None);
    commit(&collection, None, &noise(&schema, 0, 100_000));
    let mut source = source(&collection);
    let mut segments = list(&source);
    segments[0].chunks[0].csv_len += 1;
    source.segments = Segments::Few(segments);
    let content = Renderer::new(64 << 20).open(source, Format::Csv).unwrap();
    let error = content.read(1 << 20, 10).unwrap_err().to_string();
    assert!(error.contains("do not render to the length"), "{error}");
}
