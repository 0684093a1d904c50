//! What the original loses or gets wrong, and we do not; each loss that the store promises not to have, by a test or by
//! the name of one that covers it.
//!
//! | the original | here |
//! |---|---|
//! | a page, chunk or defrag splits a run of equal index values | `runs_of_equal_index_values_survive_…` |
//! | a bound of 0 is no bound | `a_bound_of_zero_is_a_bound` |
//! | a state of a time is looked up among all heads | `the_state_of_a_time_is_made_of_the_heads_of_then` |
//! | of two heads one is hidden | `no_head_is_hidden_…`; `merge.rs`, `converge.rs` |
//! | the branch that was created later wins whole | `of_two_branches_the_later_edit_…`; `golden/branches.rs` |
//! | trim without a time forgets everything | `cli/upkeep.rs`: `trim_needs_a_time` |

use crate::support::{CountingClock, frame, repo_on};
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::Stamp;
use lakota::collection::{At, Collection};
use lakota::data::key::{self, Closed};
use lakota::data::schema::Schema;
use lakota::data::sort::Sorted;
use lakota::data::value::Value;
use lakota::ops;
use lakota::series::read::Query;
use lakota::series::write::Mode;
use std::sync::Arc;

fn schema() -> Schema {
    Schema::parse(["k int*", "v int"]).unwrap()
}

fn collection(segment_rows: usize) -> Collection {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    repo_on(&backend, &CountingClock::new(), Some(segment_rows)).create_collection("c", &schema()).unwrap()
}

fn sorted(rows: &str) -> Sorted {
    Sorted::of(&schema(), vec![frame(&schema(), rows)])
}

fn write(collection: &Collection, mode: &Mode, rows: &str) -> Stamp {
    let mut batch = collection.batch("").unwrap();
    batch.write("s", mode, sorted(rows)).unwrap();
    batch.commit().unwrap().unwrap()
}

fn read(collection: &Collection, at: At, query: &Query) -> Vec<String> {
    let frame = collection.read("s", at, query).unwrap().collect_frame().unwrap();
    crate::support::lines(&schema(), &frame).into_iter().map(|line| line.trim_end().to_owned()).collect()
}

fn all(collection: &Collection) -> Vec<String> {
    read(collection, At::Newest, &Query::default())
}

/// From one index value to another, which is left out.
fn range(first: i64, end: i64) -> Query {
    let interval = key::interval(&schema(), &[Value::Int(first)], &[Value::Int(end)], Closed::Left).unwrap();
    Query { interval, ..Query::default() }
}

#[test]
fn runs_of_equal_index_values_survive_chunks_pages_and_defrag() {
    // Runs of seven rows, in segments of three.
    let rows: Vec<String> = (0..70).map(|i| format!("{},{i}", i / 7)).collect();
    let c = collection(3);
    for part in rows.chunks(5) {
        write(&c, &Mode::Append, &(part.join("\n") + "\n"));
    }
    for round in 0..2 {
        assert_eq!(all(&c), rows, "round {round}");
        for k in 0..10 {
            let run = &rows[7 * k..7 * k + 7];
            assert_eq!(read(&c, At::Newest, &range(k as i64, k as i64 + 1)), run, "round {round}, {k}");
        }
        let paged: Vec<String> = (0..35)
            .flat_map(|page| {
                let query = Query { offset: 2 * page, limit: Some(2), ..Query::default() };
                read(&c, At::Newest, &query)
            })
            .collect();
        assert_eq!(paged, rows);
        ops::defrag(&c, 4).unwrap();
    }
    // A range takes all rows of a value, or none.
    let mut batch = c.batch("").unwrap();
    batch.delete_rows("s", range(4, 5).interval).unwrap();
    batch.commit().unwrap();
    assert_eq!(all(&c), [&rows[..28], &rows[35..]].concat());
}

#[test]
fn a_bound_of_zero_is_a_bound() {
    let c = collection(3);
    write(&c, &Mode::Append, "-2,1\n-1,2\n0,3\n1,4\n2,5\n");
    assert_eq!(read(&c, At::Newest, &range(-5, 0)), ["-2,1", "-1,2"]);
    assert_eq!(read(&c, At::Newest, &range(0, 5)), ["0,3", "1,4", "2,5"]);
}

/// Two heads, and the revisions that they are.
fn parted() -> (Collection, Stamp, Stamp, Stamp) {
    let c = collection(3);
    let first = write(&c, &Mode::Upsert, "1,1\n2,2\n3,3\n");
    let mut batch = c.batch_on(first, &[], "").unwrap();
    batch.write("s", &Mode::Upsert, sorted("1,10\n2,20\n")).unwrap();
    let one = batch.commit().unwrap().unwrap();
    let mut batch = c.batch_on(first, &[], "").unwrap();
    batch.write("s", &Mode::Upsert, sorted("2,200\n3,300\n")).unwrap();
    let two = batch.commit().unwrap().unwrap();
    (c, first, one, two)
}

#[test]
fn the_state_of_a_time_is_made_of_the_heads_of_then() {
    let (c, first, one, two) = parted();
    let at = |time| read(&c, At::Before(time), &Query::default());
    for round in 0..2 {
        assert_eq!(at(first.time + 1), ["1,1", "2,2", "3,3"], "round {round}");
        assert_eq!(at(one.time + 1), ["1,10", "2,20", "3,3"], "round {round}");
        assert_eq!(at(two.time + 1), ["1,10", "2,200", "3,300"], "round {round}");
        // Nor do heads of later.
        c.settle().unwrap();
        write(&c, &Mode::Upsert, &format!("9,{round}\n"));
    }
}

#[test]
fn no_head_is_hidden_from_readers_nor_from_the_next_writer() {
    let (c, _, one, two) = parted();
    assert_eq!(c.newest().unwrap(), [one, two]);
    let merged = ["1,10", "2,200", "3,300"];
    assert_eq!(all(&c), merged);
    write(&c, &Mode::Upsert, "9,9\n");
    assert_eq!(all(&c), [&merged[..], &["9,9"]].concat());
    assert_eq!(c.newest().unwrap().len(), 1);
}

#[test]
fn of_two_branches_the_later_edit_of_each_row_wins_whichever_branch_was_created_later() {
    let (c, first, one, two) = parted();
    // The branch that was created first is edited again, last of all.
    let mut batch = c.batch_on(one, &[], "").unwrap();
    batch.write("s", &Mode::Upsert, sorted("3,30\n")).unwrap();
    batch.commit().unwrap().unwrap();
    assert!(first < one && one < two);
    assert_eq!(all(&c), ["1,10", "2,200", "3,30"]);
}
