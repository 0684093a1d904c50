//! Copies beside writers: somebody writes at the very moment a changelog is listed.

use crate::support::{Call, CountingClock, copy, frame, repo_on, series, watched};
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::collection::At;
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::ops::transfer::{What, transfer};
use lakota::series::write::Mode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Writes a row before it lists for the `n`-th time.
fn busy(inner: &Arc<dyn Backend>, clock: &Arc<CountingClock>, n: usize) -> Arc<dyn Backend> {
    let (left, clock, below) = (AtomicUsize::new(n), Arc::clone(clock), Arc::clone(inner));
    watched(inner, move |call, _| {
        if call == Call::List && left.fetch_sub(1, Ordering::Relaxed) == 1 {
            upsert(&below, &clock, "77,7\n");
        }
        Ok(())
    })
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
                busy(&ends[i], &clock, n)
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
