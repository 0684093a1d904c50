//! Files of rows that are damaged at random: read to an error or to rows, never to a panic, in bounded memory.
//!
//! A few hundred of each form by default; `LAKOTA_MUTATIONS=10000` is the campaign, `LAKOTA_SEED` repeats one.

use super::bounded;
use super::support::lines;
use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use ::parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use arrow_array::types::Int16Type;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
    StringViewArray, TimestampMicrosecondArray,
};
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_ipc::{CompressionType, writer::DictionaryHandling};
use lakota::data::csv::CsvReader;
use lakota::data::files::{Frames, arrow, parquet};
use lakota::data::input::InputError;
use lakota::data::schema::Schema;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Memory that the child may have: what asks for more is not given it, and ends the process.
const MEMORY: u64 = 2 << 30;

/// Rows of a batch of the files that are damaged, and their batches.
const ROWS: i64 = 700;
const BATCHES: i64 = 3;

fn schema() -> Schema {
    Schema::parse_text("t timestamp[us]*, k str*, v float, n int, b bool, d date").unwrap()
}

/// Rows of which much is equal, some is null, and texts are of all lengths.
fn batch(start: i64, texts: impl Fn(Vec<Option<String>>) -> ArrayRef) -> RecordBatch {
    let rows = || start * ROWS..(start + 1) * ROWS;
    let times =
        TimestampMicrosecondArray::from_iter_values(rows().map(|i| 1_600_000_000_000_000 + i * 250_000));
    let words = rows().map(|i| Some(format!("k{}{}", i % 7, "x".repeat((i % 40) as usize)))).collect();
    let floats = Float64Array::from_iter(rows().map(|i| (i % 11 != 0).then_some(i as f64 / 8.0)));
    let ints = Int64Array::from_iter(rows().map(|i| (i % 5 != 0).then_some(i / 100)));
    let flags = BooleanArray::from_iter(rows().map(|i| (i % 3 != 0).then_some(i % 2 == 0)));
    let days = Date32Array::from_iter_values(rows().map(|i| i as i32));
    let columns: [(&str, ArrayRef); 6] = [
        ("t", Arc::new(times)),
        ("k", texts(words)),
        ("v", Arc::new(floats)),
        ("n", Arc::new(ints)),
        ("b", Arc::new(flags)),
        ("d", Arc::new(days)),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// How a column of words is kept.
type Texts = fn(Vec<Option<String>>) -> ArrayRef;

fn plain(words: Vec<Option<String>>) -> ArrayRef {
    Arc::new(StringArray::from(words))
}

fn views(words: Vec<Option<String>>) -> ArrayRef {
    Arc::new(StringViewArray::from_iter(words))
}

/// With words that come again as keys of a dictionary.
fn keyed(words: Vec<Option<String>>) -> ArrayRef {
    Arc::new(words.iter().map(Option::as_deref).collect::<DictionaryArray<Int16Type>>())
}

fn parquet_file(set: impl FnOnce(WriterPropertiesBuilder) -> WriterPropertiesBuilder) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(1_000))
        .set_data_page_row_count_limit(300);
    let properties = set(properties.set_write_batch_size(100)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch(0, plain).schema(), Some(properties)).unwrap();
    (0..BATCHES).for_each(|i| writer.write(&batch(i, plain)).unwrap());
    writer.into_inner().unwrap()
}

fn parquet_files() -> Vec<Vec<u8>> {
    let delta = |properties: WriterPropertiesBuilder| {
        let times = ["t", "n", "d"].into_iter();
        let properties =
            properties.set_dictionary_enabled(false).set_writer_version(WriterVersion::PARQUET_2_0);
        let properties = times.fold(properties, |made, name| {
            made.set_column_encoding(name.into(), Encoding::DELTA_BINARY_PACKED)
        });
        properties
            .set_column_encoding("k".into(), Encoding::DELTA_BYTE_ARRAY)
            .set_column_encoding("v".into(), Encoding::BYTE_STREAM_SPLIT)
            .set_column_encoding("b".into(), Encoding::RLE)
    };
    let lengths = |properties: WriterPropertiesBuilder| {
        let properties = properties.set_dictionary_enabled(false);
        properties.set_column_encoding("k".into(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
    };
    let packed =
        |compression| move |properties: WriterPropertiesBuilder| properties.set_compression(compression);
    vec![
        parquet_file(|p| p),
        parquet_file(|p| p.set_dictionary_enabled(false)),
        parquet_file(packed(Compression::ZSTD(ZstdLevel::default()))),
        parquet_file(packed(Compression::SNAPPY)),
        parquet_file(packed(Compression::LZ4_RAW)),
        parquet_file(packed(Compression::GZIP(GzipLevel::default()))),
        parquet_file(packed(Compression::BROTLI(BrotliLevel::default()))),
        parquet_file(delta),
        parquet_file(lengths),
    ]
}

fn arrow_files(streams: bool) -> Vec<Vec<u8>> {
    let mut made = Vec::new();
    let forms: [Texts; 3] = [plain, keyed, views];
    for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        for texts in forms {
            let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
            let batches: Vec<RecordBatch> = (0..BATCHES).map(|i| batch(i, texts)).collect();
            let schema = batches[0].schema();
            made.push(if streams {
                let options = options.with_dictionary_handling(DictionaryHandling::Delta);
                let mut writer = StreamWriter::try_new_with_options(Vec::new(), &schema, options).unwrap();
                batches.iter().for_each(|batch| writer.write(batch).unwrap());
                writer.into_inner().unwrap()
            } else {
                // A dictionary of a file may only grow, so that all batches have the same one.
                let batches = vec![batches[0].clone(); 3];
                let mut writer = FileWriter::try_new_with_options(Vec::new(), &schema, options).unwrap();
                batches.iter().for_each(|batch| writer.write(batch).unwrap());
                writer.into_inner().unwrap()
            });
        }
    }
    made
}

fn csv_files() -> Vec<Vec<u8>> {
    let schema = schema();
    let rows = (0..BATCHES).flat_map(|i| lines(&schema, &batch(i, plain))).collect::<String>();
    vec![format!("t,k,v,n,b,d\n{rows}").into_bytes(), rows.replace('\n', "\r\n").into_bytes()]
}

fn csv_of(bytes: &[u8], schema: &Schema) -> Result<Frames, InputError> {
    let bytes = std::io::Cursor::new(bytes.to_vec());
    Ok(Box::new(CsvReader::new(Arc::new(schema.clone()), bytes, 1_000).parallel(2)))
}

/// Numbers at random (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut made = self.0;
        made = (made ^ (made >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        made = (made ^ (made >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        made ^ (made >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// A place in a file: half of all lie where its structure is, at its start or its end.
    fn place(&mut self, len: usize) -> usize {
        match self.below(4) {
            0 => self.below(len.min(600)),
            1 => len - 1 - self.below(len.min(1_500)),
            _ => self.below(len),
        }
    }
}

/// Numbers that lengths and places are not.
const ODD: [i64; 12] = [
    0,
    -1,
    1,
    i64::MAX,
    i64::MIN,
    i32::MAX as i64,
    i32::MIN as i64,
    1 << 40,
    (1 << 31) + 1,
    0x7fff_ffff_0000,
    -8,
    100_000_000,
];

/// Damages a file in one to three places.
fn damage(file: &[u8], random: &mut Random) -> Vec<u8> {
    let mut made = file.to_vec();
    for _ in 0..1 + random.below(3) {
        let (at, len) = (random.place(made.len()), made.len());
        let end = (at + 1 + random.below(64)).min(len);
        match random.below(10) {
            0..3 => made[at] ^= 1 << random.below(8),
            3 => made[at] = random.next() as u8,
            4 => {
                let odd = ODD[random.below(ODD.len())].to_le_bytes();
                let at = at / 8 * 8;
                made.iter_mut().skip(at).zip(odd).for_each(|(byte, odd)| *byte = odd);
            }
            5 => {
                let odd = ODD[random.below(ODD.len())].to_le_bytes();
                let at = at / 4 * 4;
                made.iter_mut().skip(at).zip(&odd[..4]).for_each(|(byte, odd)| *byte = *odd);
            }
            6 => made.truncate(at.max(1)),
            7 => drop(made.drain(at..end).collect::<Vec<_>>()),
            8 => {
                let other = random.below(len);
                let part = made[other..(other + end - at).min(len)].to_vec();
                made.splice(at..at, part);
            }
            _ => made[at..end].fill([0, 0xff][random.below(2)]),
        }
        if made.is_empty() {
            made.push(0);
        }
    }
    made
}

/// Reads a file to its end; gives its rows, each of which is a valid one.
fn read(frames: Result<Frames, InputError>) -> Result<usize, InputError> {
    let mut rows = 0;
    for frame in frames? {
        let frame = frame?;
        for column in frame.columns() {
            column.to_data().validate_full().unwrap();
        }
        rows += frame.num_rows();
    }
    Ok(rows)
}

type Open = fn(&[u8], &Schema) -> Result<Frames, InputError>;

/// A reader, and whole files of it.
type Form = (Open, Vec<Vec<u8>>);

fn forms() -> BTreeMap<&'static str, Form> {
    let forms: [(&str, Form); 4] = [
        ("parquet", (parquet::of_bytes, parquet_files())),
        ("arrow", (arrow::of_bytes, arrow_files(false))),
        ("stream", (arrow::of_bytes, arrow_files(true))),
        ("csv", (csv_of, csv_files())),
    ];
    forms.into()
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// Damages files of a form and reads them, in this process.
fn campaign(form: &str) {
    let (schema, count, seed) = (schema(), number("LAKOTA_MUTATIONS", 300), number("LAKOTA_SEED", 11));
    let (open, files) = forms().remove(form).unwrap();
    for file in &files {
        assert_eq!(read(open(file, &schema)).unwrap(), (ROWS * BATCHES) as usize);
    }
    let (mut taken, mut panics, mut caught) = (0, 0, BTreeMap::<String, u64>::new());
    for turn in 0..count {
        let mut random = Random(seed.wrapping_mul(1 << 32).wrapping_add(turn));
        let damaged = damage(&files[random.below(files.len())], &mut random);
        if let Ok(folder) = std::env::var("LAKOTA_MUTATED_KEEP") {
            std::fs::write(format!("{folder}/last.{form}"), &damaged).unwrap();
        }
        match catch_unwind(AssertUnwindSafe(|| read(open(&damaged, &schema)))) {
            Ok(Ok(_)) => taken += 1,
            Ok(Err(error)) => {
                let line = error.to_string();
                assert!(!line.is_empty() && !line.contains('\n'), "{line:?}");
                if let Some((_, said)) = line.split_once("its reader failed: ") {
                    *caught.entry(said.to_owned()).or_default() += 1;
                }
            }
            Err(_) => {
                println!("{form} {turn} of seed {seed} panics");
                panics += 1;
            }
        }
    }
    for (said, times) in &caught {
        println!("{times} caught: {said}");
    }
    let caught: u64 = caught.values().sum();
    println!(
        "{form}: {count} damaged, {taken} read to their end, {caught} panics of readers caught, {panics} not"
    );
    assert_eq!(panics, 0);
}

fn in_a_child(form: &str) {
    let test = format!("mutated::damaged_{form}_is_an_error_or_rows");
    if let Some(said) = bounded::run(&test, MEMORY, || campaign(form)) {
        println!("{said}");
    }
}

#[test]
fn damaged_parquet_is_an_error_or_rows() {
    in_a_child("parquet");
}

#[test]
fn damaged_arrow_is_an_error_or_rows() {
    in_a_child("arrow");
}

#[test]
fn damaged_stream_is_an_error_or_rows() {
    in_a_child("stream");
}

#[test]
fn damaged_csv_is_an_error_or_rows() {
    in_a_child("csv");
}
