//! What the tests of the engine share: a clock that counts, repositories on memory, rows as text.

mod watched;

pub(crate) use watched::{Call, watched};

use arrow_array::RecordBatch;
use bytes::Bytes;
use lakota::backend::Backend;
use lakota::clock::Clock;
use lakota::collection::{At, Collection};
use lakota::data::csv::{self, CsvReader};
use lakota::data::key::Keys;
use lakota::data::schema::Schema;
use lakota::interval::Key;
use lakota::repo::{Options, Repo};
use lakota::series::read::Query;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of random cases that a test runs: this many, or what PROPTEST_CASES says.
pub(crate) fn games(cases: u32) -> u32 {
    std::env::var("PROPTEST_CASES").map_or(cases, |wanted| wanted.parse().unwrap())
}

/// A clock that moves on by a millisecond whenever it is asked.
#[derive(Debug)]
pub(crate) struct CountingClock(AtomicU64);

impl CountingClock {
    pub(crate) fn new() -> Arc<CountingClock> {
        Arc::new(CountingClock(AtomicU64::new(1_600_000_000_000)))
    }
}

impl CountingClock {
    /// Lets time pass, in milliseconds.
    pub(crate) fn pass(&self, time: u64) {
        self.0.fetch_add(time, Ordering::Relaxed);
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
    repo_with(backend, &clock, segment_rows)
}

/// As [`repo_on`], with any clock.
pub(crate) fn repo_with(
    backend: &Arc<dyn Backend>,
    clock: &Arc<dyn Clock>,
    segment_rows: Option<usize>,
) -> Repo {
    let options = Options { clock: Arc::clone(clock), segment_rows, ..Options::default() };
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

/// Lines by index value.
pub(crate) type SeriesRows = BTreeMap<Key, Vec<String>>;

/// All rows of a series.
pub(crate) fn series(collection: &Collection, label: &str, at: At) -> SeriesRows {
    let schema = collection.schema().unwrap();
    let frame = collection.read(label, at, &Query::default()).unwrap().collect_frame().unwrap();
    let mut rows = SeriesRows::new();
    keyed(&schema, &frame).into_iter().for_each(|(key, line)| rows.entry(key).or_default().push(line));
    rows
}

/// All files of a backend, by key.
pub(crate) fn files(backend: &dyn Backend) -> BTreeMap<String, Bytes> {
    let mut files = BTreeMap::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in backend.list(&folder).unwrap() {
            let key = if folder.is_empty() { entry.name } else { format!("{folder}/{}", entry.name) };
            match entry.folder {
                true => folders.push(key),
                false => drop(files.insert(key.clone(), backend.get(&key).unwrap())),
            }
        }
    }
    files
}

/// Copies what a backend lacks, but for the `skip` last files of the changelog.
pub(crate) fn copy(from: &dyn Backend, to: &dyn Backend, skip: usize) {
    let files = files(from);
    let (revisions, others): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|(key, _)| key.rsplit('/').next().unwrap().contains('.'));
    let there = self::files(to);
    let mut revisions: Vec<_> = revisions.into_iter().filter(|(key, _)| !there.contains_key(key)).collect();
    // Oldest first, so that what is left out is the newest.
    revisions.sort_by_key(|(key, _)| key.rsplit('.').next().unwrap().to_owned());
    revisions.truncate(revisions.len().saturating_sub(skip));
    for (key, bytes) in others.into_iter().chain(revisions) {
        if !there.contains_key(&key) {
            to.put(&key, bytes).unwrap();
        }
    }
}
