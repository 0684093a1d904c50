//! Which collections travel, and what the registry says of them afterwards.

use super::{World, copy, push, refused, schema};
use lakota::data::schema::Schema;
use lakota::ops;
use lakota::ops::transfer::{TransferError, What};

fn named(labels: &[&str]) -> What {
    What { collections: labels.iter().map(|l| (*l).to_owned()).collect(), ..What::default() }
}

#[test]
fn renames_deletions_and_creations_travel() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    a.repo.create_collection("gone", &schema()).unwrap();
    push(&a, &b);
    a.repo.rename_collection("c", "d").unwrap();
    a.repo.delete_collection("gone").unwrap();
    a.repo.create_collection("new", &schema()).unwrap();
    push(&a, &b);
    assert_eq!(b.repo.collections().unwrap(), ["d", "new"]);
    b.is_sound();
}

#[test]
fn a_collection_that_was_deleted_before_the_first_copy_is_there_as_long_as_history_names_it() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    let folder = a.c().changelog().folders().to_vec();
    a.write("s", &super::noise(0, 8000));
    a.repo.delete_collection("c").unwrap();
    push(&a, &b);
    assert!(b.repo.collections().unwrap().is_empty());
    assert_eq!(b.repo.changelog_in(folder).log().unwrap().len(), 2);
}

#[test]
fn only_collections_that_are_named_travel() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    a.repo.create_collection("other", &schema()).unwrap();
    a.write("s", "1,1\n");
    copy(&a, &b, &named(&["c"])).unwrap();
    assert_eq!(b.repo.collections().unwrap(), ["c"]);
    push(&a, &b);
    assert_eq!(b.contents(), a.contents());
    assert_eq!(b.repo.collections().unwrap(), ["c", "other"]);
}

#[test]
fn label_that_the_other_side_gave_stays() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    push(&a, &b);
    b.repo.rename_collection("c", "mine").unwrap();
    a.write("s", "1,1\n");
    copy(&a, &b, &named(&["c"])).unwrap();
    assert_eq!(b.repo.collections().unwrap(), ["mine"]);
    assert_eq!(b.repo.collection("mine").unwrap().changelog().log().unwrap().len(), 2);
}

#[test]
fn collections_created_on_both_sides_become_one() {
    for what in [What::default(), named(&["c"])] {
        let world = World::new();
        let (a, b) = (world.with_c(), world.with_c());
        a.write("s", "1,1\n");
        b.write("s", "2,2\n");
        let report = copy(&a, &b, &what).unwrap();
        assert!(report.failed.is_empty(), "{:?}", report.failed);
        let rows: Vec<String> = b.rows("s").into_values().flatten().collect();
        assert_eq!(rows, ["1,1.0\n", "2,2.0\n"]);
        push(&b, &a);
        assert_eq!(a.contents(), b.contents());
    }
}

#[test]
fn unrelated_columns_are_refused_before_anything_is_written() {
    for what in [What::default(), named(&["c"])] {
        let world = World::new();
        let (a, b) = (world.place(), world.with_c());
        a.repo.create_collection("c", &Schema::parse(["t timestamp*", "v float"]).unwrap()).unwrap();
        let before = crate::support::files(b.backend.as_ref());
        let failed = copy(&a, &b, &what).unwrap().failed;
        assert!(matches!(failed[0].1, TransferError::Unrelated { .. }), "{failed:?}");
        assert_eq!(crate::support::files(b.backend.as_ref()), before);
    }
}

#[test]
fn refused_collection_does_not_keep_others_from_being_named() {
    let world = World::new();
    let (a, b) = (world.place(), world.with_c());
    a.repo.create_collection("c", &Schema::parse(["t timestamp*", "v float"]).unwrap()).unwrap();
    a.repo.create_collection("d", &schema()).unwrap();
    refused(&a, &b);
    assert_eq!(b.repo.collections().unwrap(), ["c", "d"]);
    b.is_sound();
}

#[test]
fn what_gc_took_of_a_copy_that_was_cut_short_travels_again() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    a.write("s", &super::noise(0, 8000));
    // All but the registry: so gc does not know what the revisions there name.
    for (key, bytes) in crate::support::files(a.backend.as_ref()) {
        if !key.starts_with("00/0000") && key != "format" {
            b.backend.put(&key, bytes).unwrap();
        }
    }
    // It is kept, whatever it may be, until somebody gives it up.
    (0..2).for_each(|_| assert_eq!(ops::gc(&b.repo, 0).unwrap().unnamed, 1));
    let folder = b.repo.unnamed().unwrap()[0].digest;
    b.repo.mark_dropped(folder).unwrap();
    ops::gc(&b.repo, 0).unwrap();
    assert!(ops::gc(&b.repo, 0).unwrap().deleted > 0);
    push(&a, &b);
    b.is_sound();
    assert_eq!(b.contents(), a.contents());
}

#[test]
fn unknown_collection_is_an_error_that_names_the_closest() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    a.repo.create_collection("temperature", &schema()).unwrap();
    let failure = copy(&a, &b, &named(&["temperatur"])).unwrap_err();
    assert!(failure.to_string().contains("temperature"), "{failure}");
}

#[test]
fn collection_that_came_by_name_is_the_one_that_comes_with_all() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    a.repo.rename_collection("c", "d").unwrap();
    copy(&a, &b, &named(&["d"])).unwrap();
    push(&a, &b);
    assert_eq!(b.repo.collections().unwrap(), ["d"]);
    assert_eq!(b.contents(), a.contents());
    push(&b, &a);
    assert_eq!(a.repo.collections().unwrap(), ["d"]);
}

#[test]
fn collection_that_would_be_united_under_its_new_label_must_have_the_same_columns() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    b.repo.create_collection("c", &Schema::parse(["t timestamp*", "v float"]).unwrap()).unwrap();
    b.repo.rename_collection("c", "mine").unwrap();
    copy(&a, &b, &named(&["c"])).unwrap();
    assert_eq!(b.repo.collections().unwrap(), ["c", "mine"]);
    assert!(refused(&a, &b).is_conflict());
    b.is_sound();
    assert_eq!(b.repo.collection("mine").unwrap().schema().unwrap().columns()[0].name, "t");
}

#[test]
fn what_another_copy_left_must_be_whole_before_it_is_seen() {
    let world = World::new();
    let (a, b, c) = (world.with_c(), world.place(), world.place());
    a.write("s", "1,1\n");
    push(&a, &c);
    a.write("s", &super::noise(0, 8000));
    for (key, bytes) in crate::support::files(a.backend.as_ref()) {
        if !key.starts_with("00/0000") && key != "format" {
            b.backend.put(&key, bytes).unwrap();
        }
    }
    b.repo.mark_dropped(b.repo.unnamed().unwrap()[0].digest).unwrap();
    for _ in 0..2 {
        ops::gc(&b.repo, 0).unwrap();
    }
    assert!(matches!(refused(&c, &b), TransferError::Leftover(..)));
    assert!(b.repo.collections().unwrap().is_empty());
    push(&a, &b);
    b.is_sound();
    assert!(push(&c, &b).moved.is_empty());
    b.is_sound();
}
