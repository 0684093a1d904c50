//! Files that are lost, or damaged where no reference leads: what verify tells of them, what gc keeps, what brings back
//! what they named.

mod deleted;

use crate::support::{CountingClock, SeriesRows, copy, files, frame, repo_on, repo_with, series};
use bytes::Bytes;
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::{Clock, MAX_CLOCK, MAX_TIME};
use lakota::collection::{At, Batch, Collection};
use lakota::data::schema::Schema;
use lakota::digest::Digest;
use lakota::ops::{self, OpError};
use lakota::repo::{Repo, RepoError};
use std::collections::BTreeMap;
use std::sync::Arc;

struct Place {
    backend: Arc<dyn Backend>,
    clock: Arc<CountingClock>,
}

type Contents = BTreeMap<(String, String), SeriesRows>;

fn schema() -> Schema {
    Schema::parse(["k int*", "v float"]).unwrap()
}

/// Rows that do not compress, so that they become objects.
fn noise(n: u64) -> String {
    let value = |k: u64| k.wrapping_mul(0x9E37_79B9_7F4A_7C15) as f64 / 1e9;
    (0..n).map(|k| format!("{k},{:?}\n", value(k))).collect()
}

fn write(repo: &Repo, label: &str, rows: &str) {
    let collection = repo.collection(label).unwrap();
    let mut batch = collection.batch("").unwrap();
    batch.overlay("s", &frame(&schema(), rows)).unwrap();
    batch.commit().unwrap().unwrap();
}

impl Place {
    /// Two collections with rows.
    fn new() -> Place {
        let place = Place { backend: Arc::new(MemoryBackend::new()), clock: CountingClock::new() };
        let repo = place.open();
        for label in ["c", "d"] {
            repo.create_collection(label, &schema()).unwrap();
            write(&repo, label, &noise(9000 + u64::from(label == "d")));
            write(&repo, label, "-1,2\n");
        }
        place
    }

    fn open(&self) -> Repo {
        repo_on(&self.backend, &self.clock, Some(1000))
    }

    fn copy(&self) -> Place {
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        copy(self.backend.as_ref(), backend.as_ref(), 0);
        Place { backend, clock: Arc::clone(&self.clock) }
    }

    fn contents(&self) -> Contents {
        let repo = self.open();
        let mut all = BTreeMap::new();
        for label in repo.collections().unwrap() {
            let collection = repo.collection(&label).unwrap();
            for summary in collection.list(At::Newest).unwrap() {
                let rows = series(&collection, &summary.label, At::Newest);
                all.insert((label.clone(), summary.label), rows);
            }
        }
        all
    }

    /// Damage and notes.
    fn verify(&self) -> (Vec<String>, Vec<String>) {
        let mut found = Vec::new();
        let done = ops::verify(&self.open(), &mut |damage| found.push(damage.what.clone())).unwrap();
        (found, done.notes)
    }

    #[track_caller]
    fn is_sound(&self) {
        assert_eq!(self.verify(), (Vec::new(), Vec::new()));
    }

    fn keys(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        files(self.backend.as_ref()).into_keys().filter(|key| wanted(key)).collect()
    }

    /// Takes files away, and gives them.
    fn lose(&self, wanted: impl Fn(&str) -> bool) -> Vec<(String, Bytes)> {
        let lost: Vec<_> = files(self.backend.as_ref()).into_iter().filter(|(key, _)| wanted(key)).collect();
        assert!(!lost.is_empty());
        self.backend.delete_many(&lost.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>()).unwrap();
        lost
    }

    fn gc_twice(&self) -> Result<(), Box<OpError>> {
        ops::gc(&self.open(), 0)?;
        self.clock.pass(10);
        ops::gc(&self.open(), 0)?;
        Ok(())
    }

    fn folder(&self, label: &str) -> Digest {
        self.open().collection(label).unwrap().changelog().folders()[0]
    }

    /// Deletes a collection, and trims what the registry has of it.
    fn forget(&self, label: &str) {
        let repo = self.open();
        repo.delete_collection(label).unwrap();
        repo.create_collection("other", &schema()).unwrap();
        ops::trim(repo.registry(), u64::MAX).unwrap();
    }
}

fn is_registry(key: &str) -> bool {
    key.starts_with("00/00000")
}

fn is_object(key: &str) -> bool {
    key.matches('/').count() == 1 && key.len() >= 65
}

#[test]
fn collections_of_a_registry_that_is_lost_are_told_and_kept() {
    let place = Place::new();
    let (contents, objects) = (place.contents(), place.keys(is_object));
    let folders = [place.folder("c"), place.folder("d")];
    let lost = place.lose(is_registry);
    let (damage, notes) = place.verify();
    assert_eq!((damage.len(), notes.len()), (2, 0), "{damage:?}");
    for folder in folders {
        assert!(damage.iter().any(|line| line.contains(&folder.key())), "{damage:?}");
    }
    for _ in 0..3 {
        let done = ops::gc(&place.open(), 0).unwrap();
        assert_eq!((done.set_aside, done.deleted, done.unnamed), (0, 0, 2));
    }
    assert_eq!(place.keys(is_object), objects);
    place.backend.put_many(&lost).unwrap();
    assert_eq!(place.contents(), contents);
    place.is_sound();
}

#[test]
fn collections_of_a_registry_that_is_lost_are_named_again() {
    let place = Place::new();
    let contents = place.contents();
    place.lose(is_registry);
    // One of the labels is taken meanwhile.
    let folder = place.folder_after("d");
    place.open().create_collection("d", &schema()).unwrap();
    let adopted = place.open().adopt().unwrap();
    let labels: Vec<_> = adopted.iter().map(|adopted| (adopted.label.as_str(), adopted.told)).collect();
    let recovered = format!("recovered-{}", &folder.to_string()[..8]);
    assert_eq!(BTreeMap::from_iter(labels), BTreeMap::from([("c", true), (recovered.as_str(), false)]));
    place.is_sound();
    let repo = place.open();
    repo.delete_collection("d").unwrap();
    repo.rename_collection(&recovered, "d").unwrap();
    assert_eq!(place.contents(), contents);
    assert!(place.open().adopt().unwrap().is_empty());
}

impl Place {
    /// The folder of a collection that was created under a label, whatever the registry says.
    fn folder_after(&self, label: &str) -> Digest {
        let repo = self.open();
        let created =
            |folder: &Digest| repo.first_label(&repo.changelog_in(vec![*folder])).as_deref() == Some(label);
        repo.on_disk().unwrap().into_iter().map(|on_disk| on_disk.digest).find(created).unwrap()
    }
}

#[test]
fn collection_that_only_the_lost_end_of_the_registry_named_is_told_and_kept() {
    let place = Place::new();
    let (contents, folder) = (place.contents(), place.folder("d"));
    let newest = place.open().registry().changelog().log().unwrap().stamps().last().unwrap();
    place.lose(|key| is_registry(key) && key.ends_with(&newest.file_name()));
    assert_eq!(place.open().collections().unwrap(), ["c"]);
    let (damage, _) = place.verify();
    assert!(
        damage.len() == 1 && damage[0].contains(&folder.key()) && damage[0].contains("\"d\""),
        "{damage:?}"
    );
    place.gc_twice().unwrap();
    place.open().adopt().unwrap();
    assert_eq!(place.contents(), contents);
    place.is_sound();
}

#[test]
fn damaged_registry_is_told_with_all_that_is_there_and_nothing_is_collected() {
    let place = Place::new();
    let (contents, whole) = (place.contents(), files(place.backend.as_ref()));
    for key in place.keys(is_registry) {
        place.backend.put(&key, Bytes::from_static(b"lkr\x01 and no more")).unwrap();
        let (damage, _) = place.verify();
        assert!(damage.iter().any(|line| line.contains(&key)), "{damage:?}");
        assert!(ops::gc(&place.open(), 0).is_err());
        place.backend.put(&key, whole[&key].clone()).unwrap();
    }
    assert_eq!(files(place.backend.as_ref()), whole);
    assert_eq!(place.contents(), contents);
}

#[test]
fn collection_that_was_deleted_and_forgotten_is_collected_and_no_damage() {
    let place = Place::new();
    let (before, folder) = (place.keys(is_object).len(), place.folder("d"));
    place.forget("d");
    let contents = place.contents();
    for _ in 0..3 {
        place.gc_twice().unwrap();
    }
    assert!(place.keys(is_object).len() < before);
    assert_eq!(place.contents(), contents);
    place.is_sound();
    // Also after the registry is lost.
    place.lose(is_registry);
    let (damage, _) = place.verify();
    assert!(damage.iter().all(|line| !line.contains(&folder.key())), "{damage:?}");
    place.gc_twice().unwrap();
    let labels: Vec<String> =
        place.open().adopt().unwrap().into_iter().map(|adopted| adopted.label).collect();
    assert!(!labels.contains(&"d".to_owned()) && labels.contains(&"c".to_owned()), "{labels:?}");
    assert_eq!(place.contents(), contents);
}

#[test]
fn deleted_collection_that_comes_back_is_not_collected() {
    let place = Place::new();
    let (contents, other) = (place.contents(), place.copy());
    place.forget("d");
    ops::gc(&place.open(), 0).unwrap();
    // The copy still has it: its registry and this one become one.
    let what = lakota::ops::transfer::What { collections: vec!["d".to_owned()], ..Default::default() };
    lakota::ops::transfer::transfer(&other.open(), &place.open(), &what, &|_| ()).unwrap();
    place.lose(is_registry);
    place.gc_twice().unwrap();
    place.open().adopt().unwrap();
    let now = place.contents();
    assert!(contents.iter().all(|(series, rows)| now.get(series) == Some(rows)));
}

#[test]
fn folder_that_is_not_wanted_is_given_up_by_its_digits() {
    let place = Place::new();
    let folder = place.folder("d");
    place.lose(is_registry);
    let repo = place.open();
    assert_eq!(repo.unnamed_folder(&folder.to_string()[..12]).unwrap(), folder);
    assert!(matches!(repo.unnamed_folder("nothing"), Err(RepoError::NoFolder(_))));
    repo.mark_dropped(folder).unwrap();
    let before = place.keys(is_object).len();
    place.gc_twice().unwrap();
    assert!(place.keys(is_object).len() < before);
    assert_eq!(place.open().adopt().unwrap().len(), 1);
    place.is_sound();
}

#[test]
fn emptied_folder_of_a_collection_is_told_and_nothing_is_collected() {
    let place = Place::new();
    let (contents, folder) = (place.contents(), place.folder("c").key());
    let objects = place.keys(is_object);
    let lost = place.lose(|key| key.starts_with(&folder));
    let (damage, _) = place.verify();
    assert!(damage.iter().any(|line| line.contains(&folder)), "{damage:?}");
    assert!(place.gc_twice().unwrap_err().to_string().contains("c has no revisions"));
    assert_eq!(place.keys(is_object), objects);
    place.backend.put_many(&lost).unwrap();
    assert_eq!(place.contents(), contents);
    // What nobody has any more is given up by deleting the collection.
    place.lose(|key| key.starts_with(&folder));
    place.open().delete_collection("c").unwrap();
    place.gc_twice().unwrap();
}

#[test]
fn lost_beginning_keeps_gc_until_it_is_given_up() {
    let place = Place::new();
    let contents = place.contents();
    let repo = place.open();
    let log = repo.collection("c").unwrap().changelog().log().unwrap();
    let stamps: Vec<_> = log.stamps().collect();
    let lost = place.lose(|key| key.ends_with(&format!(".{}", stamps[1].file_name())));
    let refused = place.gc_twice().unwrap_err().to_string();
    assert!(refused.contains(&stamps[1].to_string()) && refused.contains("lakota trim \"c\""), "{refused}");
    place.backend.put_many(&lost).unwrap();
    assert_eq!(place.contents(), contents);
    // The first two: nothing is left to be trimmed but what is lost.
    let first = |key: &str| stamps[..2].iter().any(|s| key.ends_with(&format!(".{}", s.file_name())));
    place.lose(first);
    assert!(place.gc_twice().is_err());
    ops::trim(&place.open().collection("c").unwrap(), u64::MAX).unwrap();
    place.gc_twice().unwrap();
    assert_eq!(place.contents(), contents);
    place.is_sound();
}

#[test]
fn create_that_was_cut_short_is_a_note() {
    let place = Place::new();
    let repo = place.open();
    let changelog = repo.changelog_in(vec![Digest::of(b"some folder")]);
    let collection = Collection::new("e".to_owned(), repo.context().clone(), changelog);
    Batch::first(&collection, &schema(), "create e").commit().unwrap();
    let (damage, notes) = place.verify();
    assert_eq!((damage.len(), notes.len()), (0, 1), "{damage:?}");
    place.gc_twice().unwrap();
    assert_eq!(place.open().adopt().unwrap()[0].label, "e");
    place.is_sound();
}

#[test]
fn lost_revision_that_has_a_tag_is_told() {
    let place = Place::new();
    let c = place.open().collection("c").unwrap();
    let newest = c.changelog().log().unwrap().stamps().last().unwrap();
    c.tag("v1", newest, false).unwrap();
    place.lose(|key| key.ends_with(&format!(".{}", newest.file_name())));
    let (damage, _) = place.verify();
    assert_eq!(damage, [format!("c: revision {newest} is missing, which has the tag \"v1\"")]);
}

#[test]
fn every_file_is_looked_at() {
    let place = Place::new();
    let repo = place.open();
    ops::pack(&repo.collection("c").unwrap()).unwrap();
    repo.add_remote("backup", "/somewhere").unwrap();
    place.is_sound();
    let longer = |key: &str| {
        let bytes = [&place.backend.get(key).unwrap()[..], b"\x01"].concat();
        place.backend.put(key, Bytes::from(bytes)).unwrap();
        let (damage, _) = place.verify();
        assert!(damage.iter().any(|line| line.contains(key)), "{key}: {damage:?}");
    };
    let whole = files(place.backend.as_ref());
    for key in whole.keys() {
        if key != "format" {
            longer(key);
            place.backend.put(key, whole[key].clone()).unwrap();
        }
    }
    place.is_sound();
    // A revision under the name of a parent that it has not.
    let key = place.keys(|key| key.starts_with(&place.folder("d").key()) && key.contains('.')).pop().unwrap();
    let (folder, name) = key.rsplit_once('/').unwrap();
    let child = name.split_once('.').unwrap().1;
    let other = format!("{folder}/{}.{child}", lakota::clock::Stamp::ROOT.file_name());
    place.backend.put(&other, whole[&key].clone()).unwrap();
    assert!(place.verify().0.iter().any(|line| line.contains(&other)));
    place.backend.delete_many(&[other]).unwrap();
    // What is not ours, and what nothing needs.
    let garbage = Digest::of(b"once").key();
    for (key, bytes) in [("notes.txt", "x"), ("ab/y", "x"), (garbage.as_str(), "other")] {
        place.backend.put(key, Bytes::from(bytes)).unwrap();
        let (damage, notes) = place.verify();
        assert!(damage.is_empty() && notes.len() == 1 && notes[0].contains(key), "{damage:?} {notes:?}");
        place.backend.delete_many(&[key.to_owned()]).unwrap();
    }
    for (key, bytes) in [("remotes/backup", "somewhere"), ("remotes/backup", ""), ("cloning", "x")] {
        place.backend.put(key, Bytes::from(bytes)).unwrap();
        assert!(place.verify().0.iter().any(|line| line.contains(key)));
        place.backend.delete_many(&[key.to_owned()]).unwrap();
    }
    place.is_sound();
}

/// A clock that stands still.
#[derive(Debug)]
struct Standing(u64);

impl Clock for Standing {
    fn now(&self) -> u64 {
        self.0
    }
}

#[test]
fn clock_beyond_all_stamps_is_refused_and_nothing_is_written() {
    let place = Place::new();
    let before = files(place.backend.as_ref());
    for now in [MAX_CLOCK + 1, MAX_TIME, u64::MAX] {
        let clock: Arc<dyn Clock> = Arc::new(Standing(now));
        let repo = repo_with(&place.backend, &clock, Some(1000));
        let collection = repo.collection("c").unwrap();
        let mut batch = collection.batch("").unwrap();
        batch.overlay("s", &frame(&schema(), "5,5\n")).unwrap();
        let refused = batch.commit().unwrap_err().to_string();
        assert!(refused.contains("clock"), "{refused}");
        assert!(repo.create_collection("e", &schema()).is_err());
        assert_eq!(files(place.backend.as_ref()), before);
    }
}

#[test]
fn revisions_of_a_clock_that_stands_or_goes_back_are_in_order() {
    let place = Place::new();
    let mut written = Vec::new();
    for now in [MAX_CLOCK, MAX_CLOCK, 0, 1_600_000_000_000, MAX_CLOCK] {
        let clock: Arc<dyn Clock> = Arc::new(Standing(now));
        let repo = repo_with(&place.backend, &clock, Some(1000));
        let collection = repo.collection("c").unwrap();
        let mut batch = collection.batch("").unwrap();
        batch.overlay("s", &frame(&schema(), &format!("{},5\n", 20_000 + written.len()))).unwrap();
        written.push(batch.commit().unwrap().unwrap());
    }
    assert!(written.is_sorted_by(|a, b| a.time < b.time), "{written:?}");
    let log = place.open().collection("c").unwrap().changelog().log().unwrap();
    assert_eq!(log.stamps().collect::<Vec<_>>()[3..], written);
}

#[test]
fn revision_at_the_end_of_all_times_is_read_not_followed_and_not_copied() {
    let place = Place::new();
    let other = place.copy();
    let repo = place.open();
    let collection = repo.collection("c").unwrap();
    let log = collection.changelog().log().unwrap();
    let newest = log.stamps().last().unwrap();
    let mut made_up =
        lakota::history::revision::Revision::clone(&collection.changelog().read(&log, newest).unwrap());
    (made_up.parents, made_up.time) = (vec![newest], MAX_TIME);
    let stamp = collection.changelog().put(&made_up).unwrap();
    assert!(place.contents().contains_key(&("c".to_owned(), "s".to_owned())));
    let mut batch = collection.batch("").unwrap();
    batch.overlay("s", &frame(&schema(), "5,5\n")).unwrap();
    let refused = batch.commit().unwrap_err().to_string();
    assert!(refused.contains("fffffffffff") && refused.contains("move the file"), "{refused}");
    let before = files(other.backend.as_ref());
    let what = lakota::ops::transfer::What::default();
    let report = lakota::ops::transfer::transfer(&repo, &other.open(), &what, &|_| ()).unwrap();
    let refused = report.failed[0].1.to_string();
    assert!(refused.contains(&stamp.file_name()), "{refused}");
    assert_eq!(files(other.backend.as_ref()), before);
    // The way out that the messages tell.
    place.lose(|key| key.ends_with(&stamp.file_name()));
    write(&place.open(), "c", "5,5\n");
    place.is_sound();
}

#[test]
fn object_that_was_set_aside_is_not_deleted_for_one_that_is_torn() {
    let place = Place { backend: Arc::new(MemoryBackend::new()), clock: CountingClock::new() };
    // Chunks large enough to be objects of their own: if a bundle is damaged, gc cannot tell what is needed and takes nothing.
    let repo = repo_on(&place.backend, &place.clock, None);
    repo.create_collection("c", &schema()).unwrap();
    write(&repo, "c", &noise(9000));
    let before = place.contents();
    let found = files(place.backend.as_ref());
    let chunks: Vec<&String> =
        found.iter().filter(|(_, bytes)| bytes.starts_with(b"PAR1")).map(|(key, _)| key).collect();
    assert!(!chunks.is_empty());
    for key in &chunks {
        place.backend.rename(key, &format!("{key}.1")).unwrap();
        place.backend.put(key, Bytes::new()).unwrap();
    }
    assert!(place.contents() == before, "what was set aside is read");
    for _ in 0..2 {
        ops::gc(&place.open(), 0).unwrap();
    }
    assert!(place.contents() == before);
    assert_eq!(files(place.backend.as_ref()), found);
}
