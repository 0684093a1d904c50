//! Copies beside writers: somebody writes at the very moment a changelog is listed.

use crate::support::{CountingClock, copy, frame, repo_on, series};
use bytes::Bytes;
use lakota::backend::memory::MemoryBackend;
use lakota::backend::{Backend, BackendError, Entry};
use lakota::collection::At;
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::ops::transfer::{What, transfer};
use lakota::series::write::Mode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Writes a row before it lists for the `n`-th time.
#[derive(Debug)]
struct Busy {
    inner: Arc<dyn Backend>,
    clock: Arc<CountingClock>,
    left: AtomicUsize,
}

impl Backend for Busy {
    fn get(&self, key: &str) -> Result<Bytes, BackendError> {
        self.inner.get(key)
    }

    fn get_range(&self, key: &str, offset: u64, len: usize) -> Result<Bytes, BackendError> {
        self.inner.get_range(key, offset, len)
    }

    fn put_many(&self, items: &[(String, Bytes)]) -> Result<(), BackendError> {
        self.inner.put_many(items)
    }

    fn len(&self, key: &str) -> Result<Option<u64>, BackendError> {
        self.inner.len(key)
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>, BackendError> {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            upsert(&self.inner, &self.clock, "77,7\n");
        }
        self.inner.list(folder)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), BackendError> {
        self.inner.rename(from, to)
    }

    fn delete_many(&self, keys: &[String]) -> Result<(), BackendError> {
        self.inner.delete_many(keys)
    }

    fn sync(&self, keys: &[String]) -> Result<(), BackendError> {
        self.inner.sync(keys)
    }

    fn clean(&self, age_ms: u64) -> Result<usize, BackendError> {
        self.inner.clean(age_ms)
    }
}

fn schema() -> Schema {
    Schema::parse(["k int*", "v int"]).unwrap()
}

fn upsert(backend: &Arc<dyn Backend>, clock: &Arc<CountingClock>, rows: &str) {
    let collection = repo_on(backend, clock, None).collection("c").unwrap();
    let mut batch = collection.batch("").unwrap();
    batch.write("s", &Mode::Upsert, Sorted::of(&schema(), vec![frame(&schema(), rows)])).unwrap();
    batch.commit().unwrap().unwrap();
}

fn memory() -> Arc<dyn Backend> {
    Arc::new(MemoryBackend::new())
}

#[test]
fn copy_is_not_refused_since_somebody_writes_beside_it() {
    let (clock, start) = (CountingClock::new(), memory());
    repo_on(&start, &clock, None).create_collection("c", &schema()).unwrap();
    for at_source in [true, false] {
        let mut written = 0;
        for n in 1..60 {
            let ends = [memory(), memory()];
            for (i, end) in ends.iter().enumerate() {
                copy(start.as_ref(), end.as_ref(), 0);
                upsert(end, &clock, &format!("{i},{i}\n"));
            }
            let [from, to] = [0, 1].map(|i| -> Arc<dyn Backend> {
                if (i == 0) != at_source {
                    return Arc::clone(&ends[i]);
                }
                let (inner, clock) = (Arc::clone(&ends[i]), Arc::clone(&clock));
                Arc::new(Busy { inner, clock, left: AtomicUsize::new(n) })
            });
            let [from, to] = [from, to].map(|end| repo_on(&end, &clock, None));
            let report = transfer(&from, &to, &What::default(), &|_| ()).unwrap();
            assert!(report.failed.is_empty(), "source {at_source} listing {n}: {:?}", report.failed);
            let rows =
                |repo: &lakota::repo::Repo| series(&repo.collection("c").unwrap(), "s", At::Newest).len();
            let busy = rows(if at_source { &from } else { &to });
            written += usize::from(busy == if at_source { 2 } else { 3 });
            assert!(rows(&to) >= 2);
        }
        assert!(written > 4, "{written}");
    }
}
