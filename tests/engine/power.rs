//! Power failures, while writers who sync and writers who do not are at work on one disk.
//!
//! The disk is a backend that knows what was synced. A failure at a random call keeps that; of what was not, each file may
//! be there, missing, empty, short or zeros. Afterwards: rows of acknowledged synced writes read, before anything is
//! mended; what was torn can be set aside, and then everything verifies, is written on, and is collected.

use crate::support::{CountingClock, files, frame, lines, repo_on, series};
use bytes::Bytes;
use lakota::backend::memory::MemoryBackend;
use lakota::backend::{Backend, BackendError, Entry};
use lakota::collection::{At, CollectionError};
use lakota::data::schema::Schema;
use lakota::history::changelog::HistoryError;
use lakota::ops::{self, OpError};
use lakota::repo::Repo;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};

/// What was done to the disk and is not known to be on it.
#[derive(Debug, Clone)]
enum Loose {
    Put(String, Bytes),
    Delete(String),
}

#[derive(Debug, Default)]
struct State {
    /// What everybody sees.
    now: BTreeMap<String, Bytes>,
    /// What outlasts a failure.
    stable: BTreeMap<String, Bytes>,
    loose: Vec<Loose>,
    /// Calls that change something until the power fails.
    left: Option<u64>,
}

/// A disk whose power can fail.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<State>>);

/// Somebody who works on it.
#[derive(Debug)]
struct Port {
    disk: Disk,
    durable: bool,
}

fn off() -> BackendError {
    BackendError::new("write", "", io::Error::other("the power failed"))
}

impl State {
    fn spend(&mut self) -> Result<(), BackendError> {
        match &mut self.left {
            Some(0) => Err(off()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn put(&mut self, key: &str, bytes: &Bytes, durable: bool) -> Result<(), BackendError> {
        self.spend()?;
        if durable {
            self.stable.insert(key.to_owned(), bytes.clone());
            self.loose.retain(|loose| !matches!(loose, Loose::Put(k, _) | Loose::Delete(k) if k == key));
        } else if self.now.contains_key(key) {
            // Never replaced by what is not on disk.
            return Ok(());
        } else {
            self.loose.push(Loose::Put(key.to_owned(), bytes.clone()));
        }
        self.now.insert(key.to_owned(), bytes.clone());
        Ok(())
    }

    fn settle(&mut self) -> Result<(), BackendError> {
        self.spend()?;
        self.stable = self.now.clone();
        self.loose.clear();
        Ok(())
    }
}

impl Disk {
    fn port(&self, durable: bool) -> Arc<dyn Backend> {
        Arc::new(Port { disk: self.clone(), durable })
    }

    /// What is there when the power comes back.
    fn fail(&self, random: &mut Random) -> Arc<dyn Backend> {
        let state = self.0.lock().unwrap();
        let mut left = state.stable.clone();
        for loose in &state.loose {
            match (loose, random.below(6)) {
                (_, 0) => {}
                (Loose::Delete(key), _) => drop(left.remove(key)),
                (Loose::Put(key, _), 1 | 2) => drop(left.insert(key.clone(), Bytes::new())),
                (Loose::Put(key, bytes), 3) => {
                    let some = random.below(bytes.len() as u64) as usize;
                    left.insert(key.clone(), bytes.slice(..some));
                }
                (Loose::Put(key, bytes), 4) => {
                    let some = random.below(bytes.len() as u64) as usize;
                    let mut zeros = bytes.to_vec();
                    zeros[some..].fill(0);
                    left.insert(key.clone(), zeros.into());
                }
                (Loose::Put(key, bytes), _) => drop(left.insert(key.clone(), bytes.clone())),
            }
        }
        let after = MemoryBackend::default();
        after.put_many(&left.into_iter().collect::<Vec<_>>()).unwrap();
        Arc::new(after)
    }
}

impl Backend for Port {
    fn get(&self, key: &str) -> Result<Bytes, BackendError> {
        let found = self.disk.0.lock().unwrap().now.get(key).cloned();
        found.ok_or_else(|| BackendError::not_found("read", key))
    }

    fn get_range(&self, key: &str, offset: u64, len: usize) -> Result<Bytes, BackendError> {
        let found = self.get(key)?;
        let end = offset as usize + len;
        if end > found.len() {
            return Err(BackendError::new("read", key, io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(found.slice(offset as usize..end))
    }

    fn put_many(&self, items: &[(String, Bytes)]) -> Result<(), BackendError> {
        let mut state = self.disk.0.lock().unwrap();
        items.iter().try_for_each(|(key, bytes)| state.put(key, bytes, self.durable))
    }

    fn put_settled(&self, key: &str, bytes: Bytes) -> Result<(), BackendError> {
        let mut state = self.disk.0.lock().unwrap();
        state.settle()?;
        state.put(key, &bytes, true)
    }

    fn is_durable(&self) -> bool {
        self.durable
    }

    fn settle(&self) -> Result<(), BackendError> {
        self.disk.0.lock().unwrap().settle()
    }

    fn len(&self, key: &str) -> Result<Option<u64>, BackendError> {
        Ok(self.disk.0.lock().unwrap().now.get(key).map(|bytes| bytes.len() as u64))
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>, BackendError> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let state = self.disk.0.lock().unwrap();
        let below = state.now.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
        let mut names = BTreeMap::new();
        for (key, _) in below {
            let rest = &key[prefix.len()..];
            let (name, is_folder) = rest.split_once('/').map_or((rest, false), |(name, _)| (name, true));
            *names.entry(name.to_owned()).or_insert(false) |= is_folder;
        }
        Ok(names.into_iter().map(|(name, folder)| Entry { name, folder }).collect())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), BackendError> {
        let bytes = self.get(from)?;
        let mut state = self.disk.0.lock().unwrap();
        state.put(to, &bytes, self.durable)?;
        state.now.remove(from);
        match self.durable {
            true => drop(state.stable.remove(from)),
            false => state.loose.push(Loose::Delete(from.to_owned())),
        }
        Ok(())
    }

    fn delete_many(&self, keys: &[String]) -> Result<(), BackendError> {
        let mut state = self.disk.0.lock().unwrap();
        if !keys.is_empty() {
            state.settle()?;
        }
        for key in keys {
            state.spend()?;
            state.now.remove(key);
            match self.durable {
                true => drop(state.stable.remove(key)),
                false => state.loose.push(Loose::Delete(key.clone())),
            }
        }
        Ok(())
    }

    fn sync(&self, keys: &[String]) -> Result<(), BackendError> {
        // Names alone: of a file that was not synced the contents are not there.
        if keys.is_empty() { Err(off()) } else { Ok(()) }
    }

    fn clean(&self, _age_ms: u64) -> Result<usize, BackendError> {
        Ok(0)
    }
}

/// Numbers that follow from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n.max(1)
    }
}

fn schema() -> Schema {
    Schema::parse(["k int*", "v float"]).unwrap()
}

/// Rows that do not compress.
fn noise(first: u64, n: u64) -> String {
    let value = |k: u64| k.wrapping_mul(0x9E37_79B9_7F4A_7C15) as f64 / 1e9;
    (first..first + n).map(|k| format!("{k},{:?}\n", value(k))).collect()
}

/// Rows from 0 on that a writer was told are written, of a series.
type Told = BTreeMap<String, u64>;

/// One write of some rows more; what came of it.
fn write(repo: &Repo, label: &str, first: u64, n: u64) -> Result<(), Box<dyn std::error::Error>> {
    let collection = repo.collection("c")?;
    let mut batch = collection.batch("")?;
    batch.overlay(label, &frame(&schema(), &noise(first, n)))?;
    batch.commit()?;
    Ok(())
}

/// Works until the power fails: writes, and now and then what else changes files.
fn work(repo: &Repo, label: &str, random: &mut Random, told: &Mutex<Told>) {
    loop {
        let rows = told.lock().unwrap().get(label).copied().unwrap_or(0);
        let n = [1, 3, 40, 900, 7_000][random.below(5) as usize];
        let done = match random.below(14) {
            0 => repo.collection("c").map_err(Into::into).and_then(|c| Ok(ops::pack(&c).map(|_| ())?)),
            1 => repo.collection("c").map_err(Into::into).and_then(|c| Ok(ops::squash(&c).map(|_| ())?)),
            // The same rows again: nothing changes, and they are on disk all the same when that is said.
            2 => write(repo, label, 0, rows.max(1)).map(|()| {
                let mut told = told.lock().unwrap();
                let known = told.entry(label.to_owned()).or_default();
                *known = (*known).max(1);
            }),
            _ => write(repo, label, rows, n).map(|()| {
                told.lock().unwrap().insert(label.to_owned(), rows + n);
            }),
        };
        let done: Result<(), Box<dyn std::error::Error>> = done;
        if let Err(error) = done {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            assert!(text.contains("the power failed"), "{text}");
            return;
        }
    }
}

/// The rows that were told are there, and as they were written.
fn check(repo: &Repo, told: &Told, when: &str) {
    let collection = repo.collection("c").unwrap();
    for (label, rows) in told {
        let found: BTreeSet<String> =
            series(&collection, label, At::Newest).into_values().flatten().collect();
        let expected = lines(&schema(), &frame(&schema(), &noise(0, *rows)));
        let missing = expected.iter().filter(|line| !found.contains(*line)).count();
        assert_eq!(missing, 0, "{when}: rows of {label} are lost, of {rows} that were acknowledged");
    }
}

fn failure(seed: u64, writers: &[(&str, bool)]) -> bool {
    let clock = CountingClock::new();
    let disk = Disk::default();
    let repo = repo_on(&disk.port(true), &clock, Some(8_000));
    repo.create_collection("c", &schema()).unwrap();
    let mut random = Random(seed);
    disk.0.lock().unwrap().left = Some(20 + random.below(160));
    let told = Mutex::new(Told::new());
    let unsynced = Mutex::new(Told::new());
    std::thread::scope(|scope| {
        for (i, (label, durable)) in writers.iter().enumerate() {
            let (disk, clock, told) = (&disk, &clock, if *durable { &told } else { &unsynced });
            let mut random = Random(seed ^ (i as u64 + 1) << 40);
            scope.spawn(move || {
                let port = disk.port(*durable);
                let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    repo_on(&port, clock, Some(8_000))
                }));
                if let Ok(repo) = opened {
                    work(&repo, label, &mut random, told);
                }
            });
        }
    });
    let told = told.into_inner().unwrap();
    let after = disk.fail(&mut random);
    let repo = repo_on(&after, &clock, Some(8_000));
    check(&repo, &told, &format!("seed {seed}, after the failure"));
    let torn = repo.collection("c").unwrap().changelog().log().unwrap().torn.len();
    if torn > 0 {
        assert!(matches!(ops::gc(&repo, 0), Err(OpError::Torn(_))), "seed {seed}");
    }
    let aside = ops::set_aside(&repo).unwrap();
    assert!(aside.left.is_empty() && aside.revisions.len() >= torn, "seed {seed}: {aside:?}");
    let repo = repo_on(&after, &clock, Some(8_000));
    let mut damage = Vec::new();
    ops::verify(&repo, &mut |one| damage.push(one.what.clone())).unwrap();
    assert_eq!(damage, [""; 0], "seed {seed}, set aside: {aside:?}");
    check(&repo, &told, &format!("seed {seed}, set aside"));
    write(&repo, "later", 0, 10).unwrap();
    for _ in 0..2 {
        clock.pass(1_000);
        ops::gc(&repo, 0).unwrap();
    }
    let repo = repo_on(&after, &clock, Some(8_000));
    check(&repo, &told, &format!("seed {seed}, collected"));
    ops::verify(&repo, &mut |one| panic!("seed {seed}, collected: {}", one.what)).unwrap();
    torn > 0
}

#[test]
fn acknowledged_rows_outlast_a_power_failure_beside_writers_who_do_not_sync() {
    let crowd = [("a", true), ("b", false), ("c", true), ("d", false)];
    let mut torn = 0;
    for seed in 0..100 {
        torn += usize::from(failure(seed, if seed % 2 == 0 { &crowd } else { &crowd[..2] }));
        // Threads are not run by the seed: on to where something was torn.
        if seed >= 12 && torn > 1 {
            return;
        }
    }
    panic!("{torn} of 100 failures tore something");
}

/// A repository with a synced write to `good` and an unsynced one to `bulk`, whose files `tear` changes.
fn torn(tear: impl Fn(&str, &Bytes) -> Option<Bytes>) -> (Arc<dyn Backend>, Arc<CountingClock>) {
    let (clock, disk) = (CountingClock::new(), Disk::default());
    let repo = repo_on(&disk.port(true), &clock, Some(8_000));
    repo.create_collection("c", &schema()).unwrap();
    write(&repo, "good", 0, 5).unwrap();
    let before = files(disk.port(true).as_ref());
    write(&repo_on(&disk.port(false), &clock, Some(8_000)), "bulk", 0, 7_000).unwrap();
    let mut now = files(disk.port(true).as_ref());
    for (key, bytes) in &mut now {
        if !before.contains_key(key)
            && let Some(torn) = tear(key, bytes)
        {
            *bytes = torn;
        }
    }
    let after = MemoryBackend::default();
    after.put_many(&now.into_iter().collect::<Vec<_>>()).unwrap();
    (Arc::new(after), clock)
}

fn is_revision(key: &str) -> bool {
    key.ends_with(".unsynced")
}

#[test]
fn a_torn_revision_is_left_out_and_the_state_before_it_is_read_and_written() {
    let ways: [fn(&Bytes) -> Bytes; 3] =
        [|_| Bytes::new(), |whole| whole.slice(..40), |whole| vec![0; whole.len()].into()];
    for way in ways {
        let (backend, clock) = torn(|key, whole| is_revision(key).then(|| way(whole)));
        let repo = repo_on(&backend, &clock, None);
        let collection = repo.collection("c").unwrap();
        assert_eq!(series(&collection, "good", At::Newest).len(), 5);
        assert!(collection.read("bulk", At::Newest, &lakota::series::read::Query::default()).is_err());
        let log = collection.changelog().log().unwrap();
        assert_eq!((log.torn.len(), log.len()), (1, 2));
        let stamp = *log.torn.keys().next().unwrap();
        let mut damage = Vec::new();
        ops::verify(&repo, &mut |one| damage.push(one.what.clone())).unwrap();
        assert_eq!(damage, [format!("c: {}", HistoryError::Torn(stamp))]);
        assert!(matches!(ops::gc(&repo, 0), Err(OpError::Torn(of)) if of == stamp));
        write(&repo, "good", 5, 5).unwrap();
        assert_eq!(series(&collection, "good", At::Newest).len(), 10);
        assert_eq!(ops::set_aside(&repo).unwrap().revisions.len(), 1);
        ops::verify(&repo_on(&backend, &clock, None), &mut |one| panic!("{}", one.what)).unwrap();
        ops::gc(&repo, 0).unwrap();
    }
}

#[test]
fn a_revision_whose_bundle_is_torn_is_left_out_too() {
    let (backend, clock) = torn(|key, _| (!is_revision(key)).then(Bytes::new));
    let collection = repo_on(&backend, &clock, None).collection("c").unwrap();
    assert_eq!(series(&collection, "good", At::Newest).len(), 5);
    assert_eq!(collection.changelog().log().unwrap().torn.len(), 1);
}

#[test]
fn a_revision_whose_rows_are_torn_reads_all_others_and_is_set_aside() {
    let (backend, clock) = torn(|_, whole| (whole.len() > 33_000).then(|| whole.slice(..20_000)));
    let repo = repo_on(&backend, &clock, None);
    let collection = repo.collection("c").unwrap();
    assert_eq!(series(&collection, "good", At::Newest).len(), 5);
    assert_eq!(collection.list(At::Newest).unwrap().len(), 2);
    assert!(ops::verify(&repo, &mut |_| ()).unwrap().damaged > 0);
    assert_eq!(ops::set_aside(&repo).unwrap().revisions.len(), 1);
    let repo = repo_on(&backend, &clock, None);
    assert_eq!(repo.collection("c").unwrap().list(At::Newest).unwrap().len(), 1);
    ops::verify(&repo, &mut |one| panic!("{}", one.what)).unwrap();
}

#[test]
fn a_merge_of_which_a_file_is_missing_is_made_whole_by_who_builds_on_it() {
    let (clock, backend) = (CountingClock::new(), Arc::new(MemoryBackend::default()) as Arc<dyn Backend>);
    let repo = repo_on(&backend, &clock, None);
    let collection = repo.create_collection("c", &schema()).unwrap();
    let mut both = [collection.batch("").unwrap(), collection.batch("").unwrap()];
    both.iter_mut().zip(["a", "b"]).for_each(|(batch, label)| {
        batch.overlay(label, &frame(&schema(), "1,1\n")).unwrap();
    });
    for batch in both {
        batch.commit().unwrap();
    }
    let before = files(backend.as_ref());
    collection.settle().unwrap();
    let merge: Vec<_> =
        files(backend.as_ref()).into_keys().filter(|k| !before.contains_key(k) && k.contains('.')).collect();
    assert_eq!(merge.len(), 2);
    // Its writer was killed between the two, or the power failed.
    backend.delete_many(&merge[1..]).unwrap();
    write(&repo_on(&backend, &clock, None), "a", 2, 1).unwrap();
    assert!(backend.len(&merge[1]).unwrap().is_some());
    assert_eq!(repo.collection("c").unwrap().changelog().log().unwrap().heads().len(), 1);
}

#[test]
fn damage_of_a_synced_revision_is_an_error_until_it_is_set_aside() {
    let (clock, backend) = (CountingClock::new(), Arc::new(MemoryBackend::default()) as Arc<dyn Backend>);
    let repo = repo_on(&backend, &clock, None);
    repo.create_collection("c", &schema()).unwrap();
    write(&repo, "good", 0, 5).unwrap();
    let before = files(backend.as_ref());
    write(&repo, "good", 5, 5).unwrap();
    let (key, whole) =
        files(backend.as_ref()).into_iter().find(|(key, _)| !before.contains_key(key)).unwrap();
    backend.put(&key, Bytes::new()).unwrap();
    let repo = repo_on(&backend, &clock, None);
    let collection = repo.collection("c").unwrap();
    let read = collection.state(At::Newest).unwrap_err();
    assert!(matches!(read, CollectionError::History(HistoryError::Damaged(_))));
    assert!(write(&repo, "good", 5, 5).is_err());
    assert_eq!(ops::set_aside(&repo).unwrap().revisions.len(), 1);
    assert_eq!(
        series(&repo_on(&backend, &clock, None).collection("c").unwrap(), "good", At::Newest).len(),
        5
    );
    // What was set aside is no damage, and nobody hinders it from coming back.
    ops::verify(&repo_on(&backend, &clock, None), &mut |one| panic!("{}", one.what)).unwrap();
    backend.put(&key, whole).unwrap();
    assert_eq!(
        series(&repo_on(&backend, &clock, None).collection("c").unwrap(), "good", At::Newest).len(),
        10
    );
}

#[test]
fn the_only_revision_is_never_set_aside() {
    let (clock, backend) = (CountingClock::new(), Arc::new(MemoryBackend::default()) as Arc<dyn Backend>);
    repo_on(&backend, &clock, None).create_collection("c", &schema()).unwrap();
    let zeros = format!("{}/", lakota::digest::Digest::ZERO.key());
    let collections =
        files(backend.as_ref()).into_keys().filter(|key| key.contains('.') && !key.starts_with(&zeros));
    for key in collections {
        backend.put(&key, Bytes::new()).unwrap();
    }
    let repo = repo_on(&backend, &clock, None);
    let done = ops::set_aside(&repo).unwrap();
    assert_eq!((done.revisions.len(), done.left.len()), (0, 1));
    assert!(repo.collection("c").unwrap().state(At::Newest).is_err());
}

#[test]
fn a_torn_revision_comes_back_from_a_clone_and_merges() {
    for set_aside in [false, true] {
        let (clock, disk) = (CountingClock::new(), Disk::default());
        let repo = repo_on(&disk.port(true), &clock, Some(8_000));
        repo.create_collection("c", &schema()).unwrap();
        write(&repo, "good", 0, 5).unwrap();
        write(&repo_on(&disk.port(false), &clock, Some(8_000)), "bulk", 0, 3_000).unwrap();
        let clone: Arc<dyn Backend> = Arc::new(MemoryBackend::default());
        clone.put_many(&files(disk.port(true).as_ref()).into_iter().collect::<Vec<_>>()).unwrap();
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::default());
        let mut files: Vec<_> = files(disk.port(true).as_ref()).into_iter().collect();
        let stable = disk.0.lock().unwrap().stable.clone();
        // All that was not synced is empty.
        files
            .iter_mut()
            .filter(|(key, _)| !stable.contains_key(key))
            .for_each(|(_, bytes)| *bytes = Bytes::new());
        backend.put_many(&files).unwrap();
        let repo = repo_on(&backend, &clock, None);
        if set_aside {
            assert_eq!(ops::set_aside(&repo).unwrap().revisions.len(), 1);
        }
        write(&repo, "good", 5, 5).unwrap();
        let what = ops::transfer::What::default();
        ops::transfer::transfer(&repo_on(&clone, &clock, None), &repo, &what, &|_| ()).unwrap();
        let repo = repo_on(&backend, &clock, None);
        let collection = repo.collection("c").unwrap();
        assert_eq!(series(&collection, "good", At::Newest).len(), 10, "set aside: {set_aside}");
        assert_eq!(series(&collection, "bulk", At::Newest).len(), 3_000, "set aside: {set_aside}");
        collection.settle().unwrap();
        ops::set_aside(&repo).unwrap();
        ops::verify(&repo_on(&backend, &clock, None), &mut |one| panic!("{}", one.what)).unwrap();
    }
}
