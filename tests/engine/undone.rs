//! Undo of what the model of `look_back` does not do: labels that change hands, and columns altered since.

use crate::support::{CountingClock, frame, lines, repo_on};
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::Stamp;
use lakota::collection::{At, Collection, CollectionError, Past};
use lakota::data::alter::Alteration;
use lakota::data::schema::Schema;
use lakota::history::entry::SeriesId;
use lakota::interval::Interval;
use lakota::series::read::Query;
use std::sync::Arc;

fn collection() -> Collection {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let repo = repo_on(&backend, &CountingClock::new(), None);
    repo.create_collection("c", &Schema::parse(["k int*", "v float"]).unwrap()).unwrap()
}

fn write(collection: &Collection, label: &str, rows: &str) -> Stamp {
    let mut batch = collection.batch("").unwrap();
    let rows = frame(&batch.base().schema.clone(), rows);
    batch.overlay(label, &rows).unwrap();
    batch.commit().unwrap().unwrap()
}

fn rename(collection: &Collection, from: &str, to: &str) -> Stamp {
    let mut batch = collection.batch("").unwrap();
    batch.rename(from, to).unwrap();
    batch.commit().unwrap().unwrap()
}

fn restore_all(collection: &Collection, to: Stamp) -> Stamp {
    let state = collection.state(At::Revision(to)).unwrap();
    let mut batch = collection.batch("").unwrap();
    batch.restore_all(&state, &[to]).unwrap();
    batch.commit().unwrap().unwrap()
}

fn ids(collection: &Collection, at: At) -> Vec<(String, SeriesId)> {
    let entries = collection.state(at).unwrap().entries().unwrap();
    entries.into_iter().map(|entry| (entry.label, entry.id)).collect()
}

fn read(collection: &Collection, label: &str) -> Vec<String> {
    let schema = collection.state(At::Newest).unwrap().schema;
    let rows = collection.read(label, At::Newest, &Query::default()).unwrap();
    lines(&schema, &rows.collect_frame().unwrap())
        .into_iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

#[test]
fn labels_that_changed_hands_are_given_back() {
    let c = collection();
    write(&c, "a", "k,v\n1,1\n");
    let start = write(&c, "b", "k,v\n1,2\n");
    rename(&c, "a", "aside");
    rename(&c, "b", "a");
    rename(&c, "aside", "b");
    let swap = restore_all(&c, start);
    c.undo(swap, "").unwrap().unwrap();
    assert_eq!((read(&c, "a"), read(&c, "b")), (vec!["1,2.0".to_owned()], vec!["1,1.0".to_owned()]));
}

#[test]
fn a_series_comes_back_under_the_label_that_another_took_in_the_same_revision() {
    let c = collection();
    write(&c, "a", "k,v\n1,1\n");
    let start = write(&c, "z", "k,v\n1,2\n");
    let mut batch = c.batch("").unwrap();
    batch.drop_series("a").unwrap();
    batch.rename("z", "a").unwrap();
    let took = batch.commit().unwrap().unwrap();
    c.undo(took, "").unwrap().unwrap();
    assert_eq!((read(&c, "a"), read(&c, "z")), (vec!["1,1.0".to_owned()], vec!["1,2.0".to_owned()]));
    assert_eq!(ids(&c, At::Newest), ids(&c, At::Revision(start)));

    // What somebody else took since stands in the way.
    let mut batch = c.batch("").unwrap();
    batch.rename("a", "b").unwrap();
    let moved = batch.commit().unwrap().unwrap();
    write(&c, "a", "k,v\n1,7\n");
    let refused = c.undo(moved, "").unwrap_err();
    assert!(matches!(refused, CollectionError::Touched(..)), "{refused}");
    assert_eq!(read(&c, "a"), ["1,7.0"]);
}

#[test]
fn alterations_are_no_changes_of_rows() {
    let c = collection();
    write(&c, "a", "k,v\n1,1\n2,2\n");
    let wrong = write(&c, "a", "k,v\n1,9\n");
    let renamed = Alteration::Rename { from: "v".into(), to: "w".into() };
    c.alter(&[renamed, Alteration::add("unit str", Some("C")).unwrap()], "").unwrap().unwrap();
    c.undo(wrong, "").unwrap().unwrap();
    assert_eq!(read(&c, "a"), ["1,1.0,C", "2,2.0,C"]);
    assert_eq!(c.undo(wrong, "").unwrap(), None, "it is undone");

    let wrong = write(&c, "a", "k,w,unit\n1,9,C\n");
    c.alter(&[Alteration::add("n int", Some("0")).unwrap()], "").unwrap().unwrap();
    write(&c, "a", "k,w,unit,n\n1,9,C,5\n");
    let refused = c.undo(wrong, "").unwrap_err();
    assert!(matches!(refused, CollectionError::Touched(..)), "a value of the new column was set: {refused}");
}

#[test]
fn columns_that_swapped_their_names_are_told_apart() {
    let c = collection();
    c.alter(&[Alteration::add("w float", None).unwrap()], "").unwrap().unwrap();
    let start = write(&c, "a", "k,v,w\n1,1,2\n");
    let rename = |from: &str, to: &str| Alteration::Rename { from: from.into(), to: to.into() };
    c.alter(&[rename("v", "x"), rename("w", "v"), rename("x", "w")], "").unwrap().unwrap();
    // By their names the values are those of the start now.
    write(&c, "a", "k,v,w\n1,1,2\n");
    assert_eq!(read(&c, "a"), ["1,2.0,1.0"]);
    let state = c.state(At::Revision(start)).unwrap();
    let entry = state.entry("a").unwrap().unwrap();
    let mut batch = c.batch("").unwrap();
    let past = Past { state: &state, entry: Some(&entry), held_by: &[start] };
    batch.restore("a", past, &[Interval::ALL]).unwrap();
    batch.commit().unwrap().unwrap();
    assert_eq!(read(&c, "a"), ["1,1.0,2.0"], "v, now w, is 1 again");
}

#[test]
fn what_came_later_between_the_rows_of_a_coarse_list_stays() {
    let c = collection();
    let rows = |value: &dyn Fn(i64) -> i64| -> String {
        (0..20_000).map(|k| format!("{k},{}\n", value(k))).fold("k,v\n".to_owned(), |text, row| text + &row)
    };
    write(&c, "a", &rows(&|_| 0));
    let fifth = write(&c, "a", &rows(&|k| i64::from(k % 5 == 0)));
    write(&c, "a", "k,v\n3,7\n");
    c.undo(fifth, "").unwrap().unwrap();
    let found = read(&c, "a");
    assert_eq!((found[0].as_str(), found[3].as_str(), found[5].as_str()), ("0,0.0", "3,7.0", "5,0.0"));
    assert!(found.iter().enumerate().all(|(k, row)| k == 3 || row.ends_with(",0.0")));

    let fifth = write(&c, "a", &rows(&|k| i64::from(k % 5 == 0)));
    write(&c, "a", "k,v\n5,7\n");
    let refused = c.undo(fifth, "").unwrap_err();
    assert!(refused.to_string().contains("changed later at 5 by"), "{refused}");
}

#[test]
fn a_column_that_was_dropped_and_added_again_stands_in_the_way_of_no_undo() {
    let c = collection();
    c.alter(&[Alteration::add("n int", None).unwrap()], "").unwrap().unwrap();
    write(&c, "a", "k,v,n\n1,1,10\n2,2,20\n");
    let wrong = write(&c, "a", "k,v,n\n1,9,10\n");
    let again = [Alteration::Drop("n".into()), Alteration::add("n int", None).unwrap()];
    c.alter(&again, "").unwrap().unwrap();
    c.undo(wrong, "").unwrap().unwrap();
    assert_eq!(read(&c, "a"), ["1,1.0,10", "2,2.0,"], "what came back has the values it had");

    let wrong = write(&c, "a", "k,v,n\n1,9,10\n");
    c.alter(&again, "").unwrap().unwrap();
    write(&c, "a", "k,v,n\n1,9,11\n");
    let refused = c.undo(wrong, "").unwrap_err();
    assert!(matches!(refused, CollectionError::Touched(..)), "a value was set since: {refused}");
}
