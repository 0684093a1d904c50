//! The golden repository of what history leaves: altered columns, tags, forgotten revisions, merges of all kinds.

use super::{Copy, folder, heads, ids, read, recorded_in, state};
use lakota::collection::{At, Collection};
use lakota::ops;
use std::path::PathBuf;

fn golden() -> PathBuf {
    folder("format-1-history")
}

fn collection(copy: &Copy, label: &str) -> Collection {
    copy.open().collection(label).unwrap()
}

#[test]
fn every_revision_reads_as_it_was_recorded() {
    let copy = Copy::of(&golden());
    let repo = copy.open();
    let recorded = recorded_in(&golden());
    assert_eq!(repo.collections().unwrap(), recorded.keys().cloned().collect::<Vec<_>>());
    for (label, revisions) in recorded {
        let collection = repo.collection(&label).unwrap();
        let listed: Vec<&String> = revisions.iter().map(|(id, _)| id).collect();
        assert_eq!(ids(&collection).iter().collect::<Vec<_>>(), listed, "{label}");
        for (id, recorded) in &revisions {
            let at = At::Revision(collection.resolve(id).unwrap());
            assert_eq!(state(&collection, at), *recorded, "{label} at {id}");
        }
    }
}

#[test]
fn nothing_in_it_is_damaged() {
    let mut damage = Vec::new();
    ops::verify(&Copy::of(&golden()).open(), &mut |found| damage.push(found.what.clone())).unwrap();
    assert!(damage.is_empty(), "{damage:?}");
}

#[test]
fn altered_columns_have_their_defaults_and_their_names() {
    let text = read(&collection(&Copy::of(&golden()), "altered"), "s", At::Newest);
    assert_eq!(text, "k,degrees,flag\n1,1.5,\n2,2.5,\n3,3.5,\n4,4.5,true\n");
}

#[test]
fn tagged_revisions_below_the_horizon_read_and_are_no_heads() {
    let copy = Copy::of(&golden());
    let collection = collection(&copy, "tagged");
    assert_eq!(heads(&collection), 1);
    let tags: Vec<String> = collection.tags().unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(tags, ["at 2", "at 4", "at 8"]);
    for (name, rows) in [("at 2", 3), ("at 4", 5), ("at 8", 9)] {
        let at = At::Revision(collection.resolve(name).unwrap());
        assert_eq!(read(&collection, "s", at).lines().count(), rows + 1, "{name}");
    }
}

#[test]
fn heads_with_other_columns_merge_and_heads_that_were_chosen_among_are_one() {
    let copy = Copy::of(&golden());
    let parted = collection(&copy, "parted");
    assert_eq!(heads(&parted), 2);
    assert_eq!(read(&parted, "s", At::Newest), "k,w,left\n1,1,7\n2,22,7\n");
    parted.settle().unwrap();
    assert_eq!(heads(&parted), 1);
    let chosen = collection(&copy, "chosen");
    assert_eq!(heads(&chosen), 1);
    assert_eq!(read(&chosen, "s", At::Newest), "k,v\n1,10\n2,2\n3,3\n5,50\n");
}
