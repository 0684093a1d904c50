//! Footers as the parquet crate reads them, and their bound, over segments that no store could hold.

use super::*;
use crate::backend::memory::MemoryBackend;
use crate::data::key;
use crate::digest::Check;
use crate::history::segment::ChunkRef;
use crate::interval::Key;
use crate::store::Store;
use crate::store::place::Place;
use bytes::Bytes;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use proptest::prelude::*;
use std::sync::Arc;

fn view() -> View {
    View::new(Arc::new(Store::new(Arc::new(MemoryBackend::new()))))
}

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

fn value(ty: Type, dice: &mut Dice) -> Value {
    let long = |dice: &mut Dice| dice.any() >> dice.below(64);
    match ty {
        Type::Timestamp(TimeUnit::Second) => Value::Int(long(dice) as i64 / 1000),
        Type::Timestamp(_) | Type::Int => Value::Int(long(dice) as i64),
        Type::Date => Value::Int(i64::from(dice.any() as i32)),
        Type::Float => Value::Float(f64::from(dice.any() as i32) * 1e100),
        Type::Bool => Value::Bool(dice.below(2) == 0),
        Type::Str => {
            let len = dice.below(12).pow(3) as usize;
            Value::Str(["\0", "a", "é", "🎉"][dice.below(4) as usize].repeat(len / 4))
        }
    }
}

/// A chunk as long as `most_raw` allows, or a shorter one.
fn layout(ty: Type, rows: u64, csv: u64, dice: &mut Dice) -> Layout {
    let some = |most: u64, dice: &mut Dice| match dice.below(4) {
        0 => most,
        1 => 0,
        _ => (dice.any() % (most + 1)) >> dice.below(30),
    };
    let dictionary_len =
        if pages::may_have_dictionary(ty) { some(1 << 40, dice).min(rows * 8 + 1) } else { 0 };
    Layout {
        rows,
        nulls: some(rows, dice),
        len: dictionary_len + some(1 << 40, dice) + 1,
        raw_len: some(pages::most_raw(ty, 1, rows, csv), dice),
        dictionary_len,
        encoding: if dictionary_len > 0 { Encoding::Dictionary } else { Encoding::Delta },
        compressed: dice.below(2) == 0,
    }
}

fn segment(schema: &Schema, dice: &mut Dice) -> Segment {
    let rows = 1 + (dice.any() >> (24 + dice.below(40)));
    let tuple = |dice: &mut Dice| -> Key {
        let values: Vec<Value> = schema.index_columns().map(|c| value(c.ty, dice)).collect();
        key::encode(schema, &values).unwrap()
    };
    let chunks = schema.columns().iter().enumerate().map(|(i, column)| {
        let csv_len = dice.any() >> (20 + dice.below(44));
        let mut layout = layout(column.ty, rows, csv_len, dice);
        if column.index {
            layout.nulls = 0;
        }
        let alone = Schema::new(vec![Column { index: true, ..column.clone() }]).unwrap();
        let one = |dice: &mut Dice| key::encode(&alone, &[value(column.ty, dice)]).unwrap();
        let range = (column.index && schema.index()[0] != i).then(|| (one(dice), one(dice)));
        let (place, check) = (Place::Object(Digest::ZERO), Check::from_bytes([0; 16]));
        ChunkRef { place, check, layout, csv_len, range }
    });
    let chunks = chunks.collect();
    Segment { rows, first: tuple(dice), last: tuple(dice), chunks }
}

fn schema(dice: &mut Dice) -> Schema {
    let types = [
        "timestamp",
        "timestamp[s]",
        "timestamp[us]",
        "timestamp[ns]",
        "date",
        "int",
        "float",
        "str",
        "bool",
    ];
    let columns = 1 + dice.below(6);
    let index = dice.below(columns);
    let mut column = |i: u64| Column {
        name: format!(
            "{}{i}",
            ["v", "🎉", "long é "][dice.below(3) as usize].repeat(1 + dice.below(90) as usize)
        ),
        ty: Type::parse(types[dice.below(9) as usize]).unwrap(),
        index: i == index || dice.below(3) == 0,
    };
    Schema::new((0..columns).map(&mut column).collect()).unwrap()
}

fn parse(footer: Vec<u8>) -> ParquetMetaData {
    ParquetMetaDataReader::decode_metadata(&Bytes::from(footer)).unwrap()
}

/// What the parquet crate reads is what the segments say.
fn check(schema: &Schema, segments: &[Segment], metadata: &ParquetMetaData) {
    assert_eq!(metadata.num_row_groups(), segments.len());
    let mut at = 4;
    for (group, segment) in metadata.row_groups().iter().zip(segments) {
        assert_eq!(group.num_rows() as u64, segment.rows);
        for (i, chunk) in group.columns().iter().enumerate() {
            let layout = &segment.chunks[i].layout;
            assert_eq!(chunk.column_path().parts(), [schema.columns()[i].name.clone()]);
            assert_eq!(chunk.byte_range(), (at, layout.len));
            assert_eq!(chunk.data_page_offset() as u64, at + layout.dictionary_len);
            assert_eq!(chunk.num_values() as u64, layout.rows);
            assert_eq!(chunk.uncompressed_size() as u64, layout.raw_len);
            let statistics = chunk.statistics().unwrap();
            assert_eq!(statistics.null_count_opt(), Some(layout.nulls));
            let bounds = segment.bounds(schema, i).map(|(least, greatest)| {
                let ty = schema.columns()[i].ty;
                (plain(ty, &least).unwrap(), plain(ty, &greatest).unwrap())
            });
            let found = statistics.min_bytes_opt().zip(statistics.max_bytes_opt());
            assert_eq!(found.map(|(least, greatest)| (least.to_vec(), greatest.to_vec())), bounds);
            at += layout.len;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn footers_say_what_segments_say_and_keep_to_their_bound(
        seed in any::<u64>(),
        groups in prop_oneof![0_usize..4, 10_usize..20, Just(70)],
    ) {
        let mut dice = Dice(seed | 1);
        let schema = schema(&mut dice);
        let list: Vec<Segment> = (0..groups).map(|_| segment(&schema, &mut dice)).collect();
        let segments = Segments::Few(list.clone());
        let most = most_bytes(&schema, &segments.sums());
        let footer = write(&schema, &view(), &segments).unwrap();
        prop_assert!(footer.len() as u64 <= most);
        check(&schema, &list, &parse(footer));
    }
}

/// Full segments like those of a sensor: a regular time and two values.
fn usual(groups: u64) -> (Schema, Segments) {
    let schema = Schema::parse(["timestamp timestamp*", "value float", "state str"]).unwrap();
    let rows = 131_072;
    let layout = |len, raw_len, dictionary_len, encoding| Layout {
        rows,
        nulls: 0,
        len,
        raw_len,
        dictionary_len,
        encoding,
        compressed: true,
    };
    let layouts = [
        layout(1_100, 1_900, 0, Encoding::Delta),
        layout(215_000, 290_000, 9_000, Encoding::Dictionary),
        layout(11_500, 16_000, 90, Encoding::Dictionary),
    ];
    let chunk = |layout: &Layout| ChunkRef {
        place: Place::Object(Digest::ZERO),
        check: Check::from_bytes([0; 16]),
        layout: *layout,
        csv_len: 10 * rows,
        range: None,
    };
    let of = |i: u64| Segment {
        rows,
        first: key::encode(&schema, &[Value::Int((i * rows * 300_000) as i64)]).unwrap(),
        last: key::encode(&schema, &[Value::Int((((i + 1) * rows - 1) * 300_000) as i64)]).unwrap(),
        chunks: layouts.iter().map(chunk).collect(),
    };
    let list = (0..groups).map(of).collect();
    (schema, Segments::Few(list))
}

#[test]
fn bound_is_tight() {
    for (groups, percent) in [(1, 12), (40, 10), (10_000, 8)] {
        let (schema, segments) = usual(groups);
        let most = most_bytes(&schema, &segments.sums());
        let footer = write(&schema, &view(), &segments).unwrap().len() as u64;
        assert!((footer..=footer + footer * percent / 100).contains(&most), "{groups}: {most} for {footer}");
    }
}

#[test]
fn more_row_groups_than_an_ordinal_counts_are_read() {
    let (schema, segments) = usual(40_000);
    let footer = write(&schema, &view(), &segments).unwrap();
    assert_eq!(parse(footer).num_row_groups(), 40_000);
}

#[test]
fn footer_beyond_its_bound_is_an_error() {
    let (schema, Segments::Few(mut list)) = usual(3) else { return };
    // No rows encode to so many bytes: what the index says is wrong.
    list.iter_mut().flat_map(|s| &mut s.chunks).for_each(|chunk| chunk.layout.raw_len = 1 << 60);
    assert!(write(&schema, &view(), &Segments::Few(list)).is_err());
}
