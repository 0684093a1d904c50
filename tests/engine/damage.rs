//! Every byte of a small repository flipped, every file cut, emptied, lost, lengthened, replaced by another's bytes.
//!
//! For each: verify tells it or it does no harm, no reading gives rows that never were, gc takes nothing that is needed,
//! and with the good file put back all is what it was. `tests/torture/damage.py` does the same from outside.

use crate::support::{CountingClock, SeriesRows, files, frame, repo_on, series};
use bytes::Bytes;
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::collection::At;
use lakota::data::schema::Schema;
use lakota::ops;
use lakota::repo::Repo;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type Files = BTreeMap<String, Bytes>;

/// What each collection reads: rows by series.
type Read = BTreeMap<String, BTreeMap<String, SeriesRows>>;

fn repo(files: &Files, clock: &Arc<CountingClock>) -> (Arc<dyn Backend>, Repo) {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    backend.put_many(&files.iter().map(|(k, b)| (k.clone(), b.clone())).collect::<Vec<_>>()).unwrap();
    let repo = repo_on(&backend, clock, Some(60));
    (backend, repo)
}

fn noise(n: u64) -> String {
    let value = |k: u64| k.wrapping_mul(0x9E37_79B9_7F4A_7C15) as f64 / 1e9;
    (0..n).map(|k| format!("{k},{:?}\n", value(k))).collect()
}

/// A repository that has a file of every kind, and all states that each collection ever had.
fn small(clock: &Arc<CountingClock>) -> (Files, BTreeMap<String, Vec<BTreeMap<String, SeriesRows>>>) {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let repo = repo_on(&backend, clock, Some(60));
    let schema = Schema::parse(["k int*", "v float"]).unwrap();
    let mut states: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for (label, rows) in [("a", 700), ("b", 5), ("c", 3)] {
        let collection = repo.create_collection(label, &schema).unwrap();
        states.insert(label.to_owned(), vec![BTreeMap::new()]);
        for i in 0..4u64 {
            let mut batch = collection.batch("").unwrap();
            let text = if i == 1 { noise(rows) } else { format!("{},1\n", i + 1000) };
            batch.overlay("s", &frame(&schema, &text)).unwrap();
            batch.commit().unwrap().unwrap();
            let rows = BTreeMap::from([("s".to_owned(), series(&collection, "s", At::Newest))]);
            states.get_mut(label).unwrap().push(rows);
        }
        match label {
            "a" => drop(ops::pack(&collection).unwrap()),
            "b" => drop(ops::trim(&collection, u64::MAX).unwrap()),
            _ => {}
        }
    }
    let stamp = repo.collection("c").unwrap().changelog().log().unwrap().stamps().nth(2).unwrap();
    repo.collection("c").unwrap().tag("v1", stamp, false).unwrap();
    repo.add_remote("backup", "/backup").unwrap();
    (files(backend.as_ref()), states)
}

fn read(repo: &Repo) -> Result<Read, Box<dyn std::error::Error>> {
    let mut all = Read::new();
    for label in repo.collections()? {
        let Ok(collection) = repo.collection(&label) else { continue };
        let Ok(state) = collection.state(At::Newest) else { continue };
        let Ok(entries) = state.entries() else { continue };
        let mut rows = BTreeMap::new();
        for entry in entries {
            let query = lakota::series::read::Query::default();
            let Ok(found) = collection.read(&entry.label, At::Newest, &query) else { continue };
            let Ok(frame) = found.collect_frame() else { continue };
            let mut keyed = SeriesRows::new();
            crate::support::keyed(&state.schema, &frame)
                .into_iter()
                .for_each(|(key, line)| keyed.entry(key).or_default().push(line));
            rows.insert(entry.label, keyed);
        }
        all.insert(label, rows);
    }
    Ok(all)
}

/// What verify says, or why it cannot.
fn told(repo: &Repo) -> (Vec<String>, Vec<String>) {
    let mut damage = Vec::new();
    match ops::verify(repo, &mut |found| damage.push(found.what.clone())) {
        Ok(done) => (damage, done.notes),
        Err(error) => (vec![error.to_string()], Vec::new()),
    }
}

struct Sweep {
    clock: Arc<CountingClock>,
    whole: Files,
    states: BTreeMap<String, Vec<BTreeMap<String, SeriesRows>>>,
    truth: Read,
    silent: BTreeSet<String>,
    cases: usize,
}

impl Sweep {
    fn new() -> Sweep {
        let clock = CountingClock::new();
        let (whole, states) = small(&clock);
        let truth = read(&repo(&whole, &clock).1).unwrap();
        Sweep { clock, whole, states, truth, silent: BTreeSet::new(), cases: 0 }
    }

    /// One damage: `bytes` in the place of a file; none: it is lost.
    fn one(&mut self, key: &str, bytes: Option<Bytes>, what: &str) {
        if let Some((backend, seen, named)) = self.look(key, bytes, what) {
            self.collect(key, what, (&backend, &seen, named));
        }
    }

    /// What is read of the damage, and whether it was told; none where it is no damage.
    fn look(
        &mut self,
        key: &str,
        bytes: Option<Bytes>,
        what: &str,
    ) -> Option<(Arc<dyn Backend>, Read, bool)> {
        if bytes.as_ref() == self.whole.get(key) {
            return None;
        }
        self.cases += 1;
        let mut damaged = self.whole.clone();
        match bytes {
            Some(bytes) => drop(damaged.insert(key.to_owned(), bytes)),
            None => drop(damaged.remove(key)),
        }
        let (backend, victim) = repo(&damaged, &self.clock);
        let (damage, notes) = told(&victim);
        let lines = damage.iter().chain(&notes);
        let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
        let named = lines.clone().any(|line| line.contains(name)) || !damage.is_empty();
        let seen = read(&victim).unwrap_or_default();
        self.compare(&seen, named, &format!("{key} {what}"));
        if !named {
            self.silent.insert(format!("{key} {what}"));
        }
        Some((backend, seen, named))
    }

    /// Collects twice, and puts the good file back.
    fn collect(&self, key: &str, what: &str, (backend, seen, named): (&Arc<dyn Backend>, &Read, bool)) {
        for _ in 0..2 {
            // Refused where it cannot tell.
            ops::gc(&repo_on(backend, &self.clock, Some(60)), 0).ok();
            self.clock.pass(10);
        }
        let after = read(&repo_on(backend, &self.clock, Some(60))).unwrap_or_default();
        assert_eq!(&after, seen, "{key} {what}: after gc");
        if named {
            backend.put(key, self.whole[key].clone()).unwrap();
            let mended = repo_on(backend, &self.clock, Some(60));
            assert_eq!(read(&mended).unwrap(), self.truth, "{key} {what}: put back");
            assert_eq!(told(&mended).0, Vec::<String>::new(), "{key} {what}: put back");
        }
    }

    /// What is read is what is, or was if a revision was lost; nothing else, and nothing silently.
    fn compare(&self, seen: &Read, named: bool, place: &str) {
        for (label, rows) in seen {
            // A label that a damaged registry made up would be no collection of ours.
            let truth = &self.truth[label];
            for (series, rows) in rows {
                let was = self.states[label].iter().any(|state| state.get(series) == Some(rows));
                assert!(was, "{place}: rows that never were in {label}/{series}");
                assert!(
                    named || place.contains("lost") || rows == &truth[series],
                    "{place}: silently older rows"
                );
            }
        }
    }

    fn whole_files(&mut self) {
        let keys: Vec<String> = self.whole.keys().filter(|key| *key != "format").cloned().collect();
        for (i, key) in keys.iter().enumerate() {
            let bytes = self.whole[key].clone();
            self.one(key, None, "lost");
            self.one(key, Some(Bytes::new()), "emptied");
            self.one(key, Some([&bytes[..], b"\n"].concat().into()), "longer");
            for part in 1..4 {
                self.one(key, Some(bytes.slice(..bytes.len() * part / 4)), "cut");
            }
            self.one(key, Some(bytes.slice(..bytes.len() - 1)), "cut by one");
            let other = self.whole[&keys[(i + 1) % keys.len()]].clone();
            self.one(key, Some(other), "replaced");
        }
    }

    fn flips(&mut self, step: usize) {
        let keys: Vec<String> = self.whole.keys().filter(|key| *key != "format").cloned().collect();
        for key in keys {
            let bytes = self.whole[&key].clone();
            for at in (0..bytes.len()).step_by(step) {
                let mut flipped = bytes.to_vec();
                flipped[at] ^= 1 << (at % 8);
                let what = format!("flipped at {at}");
                match at % (10 * step) {
                    0 => self.one(&key, Some(flipped.into()), &what),
                    _ => drop(self.look(&key, Some(flipped.into()), &what)),
                }
            }
        }
    }
}

#[test]
fn damage_of_any_file_is_told_and_nothing_else_is_lost() {
    let mut sweep = Sweep::new();
    let kinds = [("pack-", "packs"), ("horizon-", "horizons"), ("ff/ff", "tags"), ("remotes/", "remotes")];
    for (part, kind) in kinds {
        assert!(sweep.whole.keys().any(|key| key.contains(part)), "no {kind}");
    }
    assert!(sweep.whole.keys().any(|key| key.len() == 65 && key.matches('/').count() == 1), "no objects");
    sweep.whole_files();
    // Every byte where the environment asks for all.
    sweep.flips(if std::env::var_os("LAKOTA_DAMAGE_ALL").is_some() { 1 } else { 97 });
    println!("{} damages, {} of them silent: {:?}", sweep.cases, sweep.silent.len(), sweep.silent);
    // A file that nothing names leaves no trace: the newest revision of a collection, of the registry, of the tags, a
    // horizon, a remote. A place that is another path now may be right.
    for silent in &sweep.silent {
        assert!(silent.ends_with(" lost") || silent.starts_with("remotes/"), "{silent}");
    }
}
