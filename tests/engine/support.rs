//! What the tests of the engine share: a clock that counts, repositories on memory, rows as text.

use arrow_array::RecordBatch;
use lakota::backend::Backend;
use lakota::clock::Clock;
use lakota::collection::{At, Collection};
use lakota::data::csv::{self, CsvReader};
use lakota::data::key::Keys;
use lakota::data::schema::Schema;
use lakota::interval::Key;
use lakota::repo::{Options, Repo};
use lakota::series::read::Query;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A clock that moves on by a millisecond whenever it is asked.
#[derive(Debug)]
pub(crate) struct CountingClock(AtomicU64);

impl CountingClock {
    pub(crate) fn new() -> Arc<CountingClock> {
        Arc::new(CountingClock(AtomicU64::new(1_600_000_000_000)))
    }
}

impl Clock for CountingClock {
    fn now(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// Opens or makes the repository on a backend.
pub(crate) fn repo_on(
    backend: &Arc<dyn Backend>,
    clock: &Arc<CountingClock>,
    segment_rows: Option<usize>,
) -> Repo {
    let clock: Arc<dyn Clock> = Arc::<CountingClock>::clone(clock);
    let options = Options { clock, segment_rows, ..Options::default() };
    Repo::create_on(Arc::clone(backend), options).unwrap()
}

/// The rows of a CSV text, in its order.
pub(crate) fn frame(schema: &Schema, text: &str) -> RecordBatch {
    let reader = CsvReader::new(Arc::new(schema.clone()), text.as_bytes(), 1000);
    let frames: Vec<_> = reader.collect::<Result<_, _>>().unwrap();
    arrow_select::concat::concat_batches(schema.arrow(), &frames).unwrap()
}

/// The lines of a frame with some columns of a schema.
pub(crate) fn lines(schema: &Schema, frame: &RecordBatch) -> Vec<String> {
    let fields = frame.schema();
    let types = fields.fields().iter().map(|f| schema.columns()[schema.position(f.name()).unwrap()].ty);
    let columns: Vec<_> = types.zip(frame.columns().iter().cloned()).collect();
    let line = |row| {
        let mut out = Vec::new();
        csv::render(&columns, row..row + 1, &mut out);
        String::from_utf8(out).unwrap()
    };
    (0..frame.num_rows()).map(line).collect()
}

/// The rows of a frame as pairs of index value and line.
pub(crate) fn keyed(schema: &Schema, frame: &RecordBatch) -> Vec<(Key, String)> {
    let keys = Keys::of(schema, frame);
    lines(schema, frame).into_iter().enumerate().map(|(i, line)| (keys.key(i), line)).collect()
}

/// All rows of a series as pairs of index value and line.
pub(crate) fn rows(collection: &Collection, label: &str, at: At) -> Vec<(Key, String)> {
    let schema = collection.schema().unwrap();
    let frame = collection.read(label, at, &Query::default()).unwrap().collect_frame().unwrap();
    keyed(&schema, &frame)
}
