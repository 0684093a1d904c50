//! A repository with something of everything: all types, nulls, quotes, an index of two columns, series without
//! rows, chunks in revision files, in bundles and as objects, a series of several segments.

use crate::sandbox::Sandbox;
use crate::tools::run;
use serde_json::{Value as Json, json};
use std::fmt::Write;

/// Columns of the collection `all`, the first two its index.
pub(crate) const COLUMNS: [&str; 10] = [
    "at timestamp*",
    "station str*",
    "f float",
    "i int",
    "s str",
    "b bool",
    "d date",
    "sec timestamp[s]",
    "us timestamp[us]",
    "ns timestamp[ns]",
];

/// Rows of `all/rich`.
pub(crate) const RICH: usize = 500;

/// Rows of `temp/big`: several segments.
pub(crate) const BIG: usize = 300_000;

/// A minute of 2020, which is how all times here are made: exact in every unit.
fn minute(i: usize) -> String {
    let (day, hour, minute) = (i / 1440, i / 60 % 24, i % 60);
    let (month, day) = (1 + day / 28, 1 + day % 28);
    format!("{:04}-{:02}-{day:02}T{hour:02}:{minute:02}", 2000 + (month - 1) / 12, 1 + (month - 1) % 12)
}

/// A row of `all/rich` as texts; `None` is null. Some values are there for their trouble.
fn rich_row(i: usize) -> [Option<String>; 10] {
    let some = |present: bool, text: String| present.then_some(text);
    let float = match i % 11 {
        0 => "NaN".to_owned(),
        1 => "inf".to_owned(),
        2 => "-inf".to_owned(),
        3 => "-0.0".to_owned(),
        4 => "1e300".to_owned(),
        _ => format!("{:?}", i as f64 / 7.0 - 30.0),
    };
    let text = match i % 9 {
        0 => "a,b".to_owned(),
        1 => "say \"hi\"".to_owned(),
        2 => "two\nlines".to_owned(),
        3 => "été ☀ 🌍".to_owned(),
        4 => String::new(),
        5 => " space ".to_owned(),
        _ => format!("text {}", i % 40),
    };
    let int = match i % 13 {
        0 => i64::MIN,
        1 => i64::MAX,
        _ => i as i64 * 1_000_003 - 40_000_000,
    };
    [
        Some(format!("{}:{:02}.{:03}", minute(i / 2), i % 60, i % 1000)),
        Some(["bxl", "pa,ris", "röme"][i % 3].to_owned()),
        some(i % 5 != 4, float),
        some(i % 7 != 6, int.to_string()),
        some(i % 4 != 3, text),
        some(i % 3 != 2, i.is_multiple_of(2).to_string()),
        some(i % 6 != 5, minute(i * 60)[..10].to_owned()),
        some(i % 8 != 7, format!("{}:{:02}", minute(i * 11), i % 60)),
        some(i % 10 != 9, format!("{}:00.{:06}", minute(i * 13), i * 1009 % 1_000_000)),
        some(i % 12 != 11, format!("{}:00.{:09}", minute(i * 17), i * 1_000_003 % 1_000_000_000)),
    ]
}

/// A field as CSV: quoted where it must be, and where only quotes tell it from null.
fn field(text: &Option<String>) -> String {
    match text {
        None => String::new(),
        Some(text) if text.is_empty() || text.contains([',', '"', '\n', ' ']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Some(text) => text.clone(),
    }
}

/// The rows as the readers of the consumer matrix get them to compare: texts, null where there is none.
pub(crate) fn rich_expected() -> Json {
    let names: Vec<&str> = COLUMNS.iter().map(|c| c.split(' ').next().unwrap()).collect();
    let types: Vec<&str> =
        COLUMNS.iter().map(|c| c.split(' ').nth(1).unwrap().trim_end_matches('*')).collect();
    let rows: Vec<_> = (0..RICH).map(rich_row).collect();
    json!({"names": names, "types": types, "rows": rows})
}

pub(crate) fn rich_csv(rows: std::ops::Range<usize>) -> String {
    let names: Vec<&str> = COLUMNS.iter().map(|c| c.split(' ').next().unwrap()).collect();
    let line = |i| rich_row(i).iter().map(field).collect::<Vec<_>>().join(",");
    names.join(",") + "\n" + &rows.map(|i| line(i) + "\n").collect::<String>()
}

/// `n` rows of a collection with a timestamp and a float, from the `first` minute.
pub(crate) fn plain_rows(first: usize, n: usize) -> String {
    (first..first + n).fold(String::new(), |mut out, i| {
        writeln!(out, "{},{}", minute(i), (i * 7919 % 10_007) as f64 / 100.0).unwrap();
        out
    })
}

/// Makes the repository.
pub(crate) fn gallery() -> Sandbox {
    let sandbox = Sandbox::new();
    let create = |place: &str, columns: &[&str]| {
        sandbox.run(&[&["create", place], columns].concat()).ok();
    };
    create("all/empty", &COLUMNS);
    sandbox.write("all/rich", rich_csv(0..RICH));
    sandbox.write("all/one", rich_csv(7..8));
    // A revision of `rich` with other rows, and back.
    run(sandbox.command().args(["write", "all/rich", "--replace"]), rich_csv(100..300)).ok();
    run(sandbox.command().args(["write", "all/rich", "--replace"]), rich_csv(0..RICH)).ok();
    create("temp/none", &["timestamp timestamp*", "value float"]);
    sandbox.write("temp/tiny", plain_rows(0, 6));
    sandbox.write("temp/bundle", plain_rows(0, 3_000));
    sandbox.upsert("temp/bundle", &plain_rows(2_990, 20));
    sandbox.write("temp/big", plain_rows(0, BIG));
    sandbox
}
