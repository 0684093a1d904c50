//! What the model found, each by itself.

use crate::support::{CountingClock, copy, files, frame, repo_on, series};
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::Stamp;
use lakota::collection::{At, Collection};
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::digest::Digest;
use lakota::ops;
use lakota::ops::transfer::{Progress, What, transfer};
use lakota::series::write::Mode;
use std::cell::Cell;
use std::sync::Arc;

fn schema() -> Schema {
    Schema::parse(["k int*", "v int"]).unwrap()
}

struct Site(Arc<dyn Backend>, Arc<CountingClock>);

impl Site {
    fn new() -> Site {
        let site = Site(Arc::new(MemoryBackend::new()), CountingClock::new());
        repo_on(&site.0, &site.1, None).create_collection("c", &schema()).unwrap();
        site
    }

    fn clone(&self) -> Site {
        let other = Site(Arc::new(MemoryBackend::new()), Arc::clone(&self.1));
        copy(self.0.as_ref(), other.0.as_ref(), 0);
        other
    }

    fn open(&self) -> Collection {
        repo_on(&self.0, &self.1, None).collection("c").unwrap()
    }

    fn upsert(&self, rows: &str) {
        let collection = self.open();
        let mut batch = collection.batch("").unwrap();
        batch.write("s", &Mode::Upsert, Sorted::of(&schema(), vec![frame(&schema(), rows)])).unwrap();
        batch.commit().unwrap().unwrap();
    }

    /// The revisions that no file names as a parent.
    fn heads(&self) -> Vec<Stamp> {
        self.open().changelog().log().unwrap().heads()
    }

    fn rows(&self) -> Vec<String> {
        series(&self.open(), "s", At::Newest).into_values().flatten().collect()
    }
}

#[test]
fn rows_written_between_those_of_a_series_that_is_brought_back_stay() {
    let one = Site::new();
    one.upsert("1,1\n9,9\n");
    let collection = one.open();
    let mut batch = collection.batch("").unwrap();
    batch.drop_series("s").unwrap();
    let dropped = batch.commit().unwrap().unwrap();
    let other = one.clone();
    other.upsert("5,5\n");
    one.open().undo(dropped, "").unwrap().unwrap();
    copy(other.0.as_ref(), one.0.as_ref(), 0);
    assert_eq!(one.rows(), ["1,1\n", "5,5\n", "9,9\n"]);
}

#[test]
fn tags_given_in_three_places_meet_though_one_copy_was_shallow() {
    let sites = [Site::new(), Site(Arc::new(MemoryBackend::new()), CountingClock::new())];
    let third = sites[0].clone();
    let repo = |site: &Site| repo_on(&site.0, &site.1, None);
    let tag = |site: &Site, name: &str| {
        let collection = site.open();
        let head = collection.newest().unwrap()[0];
        collection.tag(name, head, false).unwrap();
    };
    let copy = |from: &Site, to: &Site, shallow: bool| {
        let what = What { shallow, ..What::default() };
        let report = transfer(&repo(from), &repo(to), &what, &|_| ()).unwrap();
        assert!(report.failed.is_empty(), "{:?}", report.failed);
    };
    sites[0].upsert("1,1\n");
    tag(&sites[0], "a");
    tag(&sites[0], "b");
    copy(&sites[0], &sites[1], true);
    tag(&third, "c");
    copy(&third, &sites[1], false);
    let names = |site: &Site| site.open().tags().unwrap().into_iter().map(|t| t.0).collect::<Vec<_>>();
    assert_eq!(names(&sites[1]), ["a", "b", "c"]);
    copy(&sites[1], &third, false);
    assert_eq!(names(&third), ["a", "b", "c"]);
}

#[test]
fn a_label_that_a_series_got_and_lost_in_one_batch_is_not_its_own_when_it_is_written_to_elsewhere() {
    let one = Site::new();
    one.upsert("1,1\n");
    let other = one.clone();
    let collection = one.open();
    let mut batch = collection.batch("").unwrap();
    batch.rename("s", "t").unwrap();
    batch.drop_series("t").unwrap();
    batch.commit().unwrap().unwrap();
    other.upsert("5,5\n");
    copy(other.0.as_ref(), one.0.as_ref(), 0);
    let labels: Vec<String> = one.open().list(At::Newest).unwrap().into_iter().map(|s| s.label).collect();
    assert_eq!(labels, ["s"]);
    assert_eq!(one.rows(), ["5,5\n"]);
}

fn send(from: &Site, to: &Site) {
    let (from, to) = (repo_on(&from.0, &from.1, None), repo_on(&to.0, &to.1, None));
    let report = transfer(&from, &to, &What::default(), &|_| ()).unwrap();
    assert!(report.failed.is_empty(), "{:?}", report.failed);
}

fn damage(site: &Site) -> Vec<String> {
    let mut damage = Vec::new();
    ops::verify(&repo_on(&site.0, &site.1, None), &mut |found| damage.push(found.what.clone())).unwrap();
    damage
}

fn forget(site: &Site) {
    ops::squash(&site.open()).unwrap();
    for _ in 0..2 {
        ops::gc(&repo_on(&site.0, &site.1, None), 0).unwrap();
    }
}

fn tag_newest(site: &Site, name: &str) {
    let collection = site.open();
    let head = collection.newest().unwrap()[0];
    collection.tag(name, head, false).unwrap();
}

#[test]
fn a_tag_stays_where_it_is_if_the_revision_it_names_cannot_be_copied() {
    let one = Site::new();
    let other = one.clone();
    one.upsert("1,1\n");
    one.upsert("1,2\n");
    other.upsert("1,3\n");
    // What a merge needs is gone on this side, and later than what the other side has on its own.
    one.upsert("1,4\n");
    forget(&one);
    tag_newest(&one, "v1");
    let (from, to) = (repo_on(&one.0, &one.1, None), repo_on(&other.0, &other.1, None));
    let report = transfer(&from, &to, &What::default(), &|_| ()).unwrap();
    let refused: Vec<&str> = report.failed.iter().map(|(label, _)| label.as_str()).collect();
    assert_eq!(refused, ["c", "the tags"], "{report:?}");
    assert!(report.failed.iter().all(|(_, error)| error.is_conflict()), "{report:?}");
    assert!(report.failed[1].1.to_string().starts_with("tag \"v1\" names revision "), "{report:?}");
    assert_eq!(other.open().tags().unwrap(), []);
    assert_eq!(damage(&other), Vec::<String>::new());
}

#[test]
fn damage_of_the_tags_does_not_stop_the_collections() {
    let one = Site::new();
    let other = one.clone();
    one.upsert("1,1\n");
    tag_newest(&one, "v1");
    let of_tags = Digest::from_bytes([0xff; 32]).key();
    for (key, bytes) in files(one.0.as_ref()).into_iter().filter(|(key, _)| key.starts_with(&of_tags)) {
        one.0.put(&key, bytes.slice(..bytes.len() / 2)).unwrap();
    }
    let (from, to) = (repo_on(&one.0, &one.1, None), repo_on(&other.0, &other.1, None));
    let report = transfer(&from, &to, &What::default(), &|_| ()).unwrap();
    let failed: Vec<&str> = report.failed.iter().map(|(label, _)| label.as_str()).collect();
    assert_eq!(failed, ["the tags"], "{report:?}");
    assert_eq!(other.rows(), ["1,1\n"]);
}

#[test]
fn a_tag_that_is_given_while_its_repository_is_copied_comes_with_the_next_copy() {
    let one = Site::new();
    one.upsert("1,1\n");
    let other = Site(Arc::new(MemoryBackend::new()), CountingClock::new());
    repo_on(&other.0, &other.1, None);
    let (from, to) = (repo_on(&one.0, &one.1, None), repo_on(&other.0, &other.1, None));
    let tagged = Cell::new(false);
    let meanwhile = |_: &Progress<'_>| {
        if !tagged.replace(true) {
            one.upsert("2,2\n");
            tag_newest(&one, "v1");
        }
    };
    assert!(transfer(&from, &to, &What::default(), &meanwhile).unwrap().failed.is_empty());
    assert!(tagged.get());
    assert_eq!(damage(&other), Vec::<String>::new());
    assert!(transfer(&from, &to, &What::default(), &|_| ()).unwrap().failed.is_empty());
    assert_eq!(other.open().tags().unwrap(), one.open().tags().unwrap());
    assert_eq!(damage(&other), Vec::<String>::new());
}

/// Two sites that know a merge of two heads; of the second the copy was cut short, so that it has one file of two.
fn merge_without_a_file() -> (Site, Site, Stamp) {
    let one = Site::new();
    let other = one.clone();
    one.upsert("1,1\n");
    other.upsert("2,2\n");
    copy(other.0.as_ref(), one.0.as_ref(), 0);
    one.open().settle().unwrap();
    let merge = one.open().newest().unwrap()[0];
    copy(one.0.as_ref(), other.0.as_ref(), 0);
    let suffix = format!(".{}", merge.file_name());
    let mut of_merge: Vec<String> =
        files(other.0.as_ref()).into_keys().filter(|key| key.ends_with(&suffix)).collect();
    assert_eq!(of_merge.len(), 2);
    of_merge.truncate(1);
    other.0.delete_many(&of_merge).unwrap();
    assert_eq!(other.heads().len(), 2);
    (one, other, merge)
}

#[test]
fn a_merge_that_was_copied_in_part_is_whole_before_a_child_of_it_comes() {
    let (one, other, _) = merge_without_a_file();
    one.upsert("3,3\n");
    send(&one, &other);
    assert_eq!(other.heads(), one.heads());
}

#[test]
fn a_merge_that_was_copied_in_part_is_whole_after_the_next_copy() {
    let (one, other, merge) = merge_without_a_file();
    send(&one, &other);
    assert_eq!(other.heads(), [merge]);
}

#[test]
fn a_merge_that_was_copied_in_part_is_whole_before_it_is_merged_or_written_to() {
    for onto in [false, true] {
        let (_, other, merge) = merge_without_a_file();
        let collection = other.open();
        let first = collection.changelog().log().unwrap().stamps().next().unwrap();
        let mut batch = collection.batch_on(if onto { merge } else { first }, &[], "").unwrap();
        batch.write("t", &Mode::Upsert, Sorted::of(&schema(), vec![frame(&schema(), "3,3\n")])).unwrap();
        let written = batch.commit().unwrap().unwrap();
        if onto {
            assert_eq!(other.heads(), [written]);
        } else {
            other.open().settle().unwrap();
            assert_eq!(other.heads().len(), 1);
        }
    }
}

#[test]
fn a_tagged_revision_is_copied_though_the_destination_has_trimmed_what_is_as_old() {
    let one = Site::new();
    let (other, third) = (one.clone(), one.clone());
    one.upsert("1,1\n");
    tag_newest(&one, "v1");
    one.upsert("1,2\n");
    forget(&one);
    other.upsert("1,3\n");
    forget(&other);
    for [from, to] in [[&one, &other], [&other, &third]] {
        send(from, to);
        let collection = to.open();
        let tagged = collection.at("v1", None).unwrap();
        assert_eq!(series(&collection, "s", tagged).into_values().flatten().collect::<Vec<_>>(), ["1,1\n"]);
        assert_eq!(damage(to), Vec::<String>::new());
    }
}

#[test]
fn what_a_horizon_left_out_of_a_copy_is_known_as_past_by_the_next_copy() {
    let one = Site::new();
    one.upsert("1,1\n");
    let (second, third) = (one.clone(), one.clone());
    one.upsert("2,2\n");
    // The third stays behind here.
    send(&one, &third);
    one.upsert("3,3\n");
    second.upsert("4,4\n");
    ops::trim(&second.open(), u64::MAX).unwrap();
    send(&second, &one);
    one.open().settle().unwrap();
    send(&one, &second);
    send(&second, &third);
    assert_eq!(third.open().newest().unwrap(), one.open().newest().unwrap());
    assert_eq!(third.rows(), one.rows());
}

#[test]
fn a_tagged_revision_that_comes_without_its_children_is_no_head() {
    let one = Site::new();
    let other = one.clone();
    one.upsert("1,1\n");
    tag_newest(&one, "v1");
    one.upsert("1,2\n");
    other.upsert("1,3\n");
    ops::trim(&other.open(), u64::MAX).unwrap();
    send(&other, &one);
    one.open().settle().unwrap();
    send(&one, &other);
    assert_eq!(other.open().newest().unwrap(), one.open().newest().unwrap());
    assert_eq!(other.rows(), one.rows());
    assert_eq!(other.open().tags().unwrap(), one.open().tags().unwrap());
    assert_eq!(damage(&other), Vec::<String>::new());
}
