//! Speed of CSV: rendering, lengths and parsing, in MB of text per second.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and may fail loudly")]

use arrow_array::{ArrayRef, Float64Array, StringArray, TimestampMillisecondArray};
use lakota::data::csv::{CsvReader, column_len, render};
use lakota::data::schema::{Schema, Type};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const ROWS: usize = 5_000_000;

/// A small generator: benchmarks need the same numbers each time, not good ones.
struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

fn best<T>(mut run: impl FnMut() -> T) -> f64 {
    let time = |_| {
        let start = Instant::now();
        black_box(run());
        start.elapsed().as_secs_f64()
    };
    (0..5).map(time).fold(f64::INFINITY, f64::min)
}

fn measure(name: &str, columns: &str, arrays: Vec<ArrayRef>) {
    let mut wanted = std::env::args().skip(1).filter(|word| !word.starts_with('-'));
    if !wanted.next().is_none_or(|word| name.contains(&word)) {
        return;
    }
    let schema = Arc::new(Schema::parse_text(columns).unwrap());
    let columns: Vec<(Type, ArrayRef)> = schema.columns().iter().map(|c| c.ty).zip(arrays).collect();
    let mut text = Vec::new();
    render(&columns, 0..ROWS, &mut text);
    let mut piece = Vec::new();
    let rendering = best(|| {
        for start in (0..ROWS).step_by(8192) {
            piece.clear();
            render(&columns, start..(start + 8192).min(ROWS), &mut piece);
        }
    });
    let measuring = best(|| columns.iter().map(|(ty, array)| column_len(*ty, array)).sum::<u64>());
    let read = |blocks| {
        let reader = CsvReader::new(schema.clone(), &text[..], 131_072).parallel(blocks);
        assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), ROWS);
    };
    let (one, many) = (best(|| read(1)), best(|| read(8)));
    let speed = |seconds: f64| text.len() as f64 / seconds / 1e6;
    println!(
        "{name:<24} {:>4} MB  render {:>5.0}  length {:>6.0}  parse {:>5.0}  parse in parallel {:>5.0} MB/s",
        text.len() / 1_000_000,
        speed(rendering),
        speed(measuring),
        speed(one),
        speed(many)
    );
}

fn main() {
    let mut random = Lcg(1);
    let start = 1_577_836_800_000_i64;
    let regular: ArrayRef =
        Arc::new(TimestampMillisecondArray::from_iter_values((0..ROWS as i64).map(|i| start + i * 300_000)));
    let mut now = start;
    let irregular: ArrayRef = Arc::new(TimestampMillisecondArray::from_iter_values((0..ROWS).map(|_| {
        now += (random.next() % 2000) as i64;
        now
    })));
    let mut level = 2500_i64;
    let walk: ArrayRef = Arc::new(Float64Array::from_iter_values((0..ROWS).map(|_| {
        level += (random.next() % 21) as i64 - 10;
        level as f64 / 100.0
    })));
    let full: ArrayRef =
        Arc::new(Float64Array::from_iter_values((0..ROWS).map(|_| random.next() as f64 / 1e7 * 1.000_000_1)));
    let four: ArrayRef = Arc::new(Float64Array::from_iter_values(
        (0..ROWS).map(|_| (random.next() % 100_000_000) as f64 / 10_000.0),
    ));
    measure("four decimals", "t timestamp*, v float", vec![regular.clone(), four]);
    measure("full mantissa", "t timestamp*, v float", vec![regular.clone(), full.clone()]);
    let words = ["brussels", "a longer name of a place", "x", "station 42"];
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..ROWS).map(|_| words[(random.next() % words.len() as u64) as usize]),
    ));
    let quoted: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..ROWS).map(|i| format!("a \"word\", {}", i % 100))));
    measure("regular, two decimals", "t timestamp*, v float", vec![regular.clone(), walk.clone()]);
    measure("irregular, full mantissa", "t timestamp*, v float", vec![irregular, full]);
    measure("words", "t timestamp*, s str, v float", vec![regular.clone(), names, walk]);
    let sparse: ArrayRef =
        Arc::new((0..ROWS).map(|i| (i % 10 == 0).then_some(i as f64)).collect::<Float64Array>());
    let columns = "t timestamp*, a float, b float, c float, d float";
    measure("mostly null", columns, [vec![regular.clone()], vec![sparse; 4]].concat());
    measure("quotes", "t timestamp*, s str", vec![regular, quoted]);
}
