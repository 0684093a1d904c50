//! Writes and reads through the library, on memory.

use arrow_array::RecordBatch;
use lakota::backend::memory::MemoryBackend;
use lakota::collection::At;
use lakota::data::csv::{self, CsvReader};
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::repo::{Options, Repo};
use lakota::series::read::Query;
use lakota::series::write::Mode;
use std::sync::Arc;

pub(crate) fn repo() -> Repo {
    Repo::create_on(Arc::new(MemoryBackend::default()), Options::default()).unwrap()
}

pub(crate) fn frame(schema: &Schema, text: &str) -> RecordBatch {
    let reader = CsvReader::new(Arc::new(schema.clone()), text.as_bytes(), 1000);
    let frames: Vec<_> = reader.collect::<Result<_, _>>().unwrap();
    arrow_select::concat::concat_batches(schema.arrow(), &frames).unwrap()
}

pub(crate) fn text(schema: &Schema, frame: &RecordBatch) -> String {
    let columns: Vec<_> =
        schema.columns().iter().zip(frame.columns()).map(|(c, a)| (c.ty, Arc::clone(a))).collect();
    let mut out = Vec::new();
    csv::render(&columns, 0..frame.num_rows(), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn correction_replaces_the_rows_it_covers() {
    let repo = repo();
    let schema = Schema::parse(["timestamp timestamp*", "value float"]).unwrap();
    let temp = repo.create_collection("temp", &schema).unwrap();
    for rows in ["2020-06-22,25\n2020-06-23,24\n2020-06-24,27\n", "2020-06-22,25.2\n2020-06-23,24.2\n"] {
        let mut batch = temp.batch("").unwrap();
        batch.overlay("bxl", &frame(&schema, rows)).unwrap();
        batch.commit().unwrap().unwrap();
    }
    let read = temp.read("bxl", At::Newest, &Query::default()).unwrap().collect_frame().unwrap();
    assert_eq!(
        text(&schema, &read),
        "2020-06-22T00:00:00,25.2\n2020-06-23T00:00:00,24.2\n2020-06-24T00:00:00,27.0\n"
    );
}

#[test]
fn one_of_many_series_can_be_appended_to() {
    let repo = repo();
    let schema = Schema::parse(["k int*"]).unwrap();
    let many = repo.create_collection("many", &schema).unwrap();
    let mut batch = many.batch("").unwrap();
    let labels = (0..10_000).map(|i| format!("s{i:05}"));
    let sorted = |text| Sorted::of(&schema, vec![frame(&schema, text)]);
    batch.write_all(labels.map(|label| (label, Mode::Append, sorted("1\n"))).collect()).unwrap();
    batch.commit().unwrap().unwrap();
    for label in ["s00000", "s05000", "s09999"] {
        let mut batch = many.batch("").unwrap();
        let outcome = batch.write(label, &Mode::Append, sorted("2\n")).unwrap();
        batch.commit().unwrap().unwrap();
        assert_eq!(outcome.rows_after, 2, "{label}");
    }
    assert_eq!(many.state(At::Newest).unwrap().sums().rows, 10_003);
}
