//! Two heads of a collection of 10,000 series that differ in ten series each: their merge, and a choice of columns.

use super::harness::{Bench, COLLECTION, repeat, timed};
use super::input::{STEP, append, overlay, schema, small_frame};
use lakota::collection::{At, Collection};
use lakota::data::alter::Alteration;
use lakota::data::sort::Sorted;
use lakota::series::write::Mode;

const SERIES: usize = 10_000;
const START: i64 = 1_577_836_800;
const CHANGED: usize = 10;
const ROUNDS: i64 = 5;

fn label(number: usize) -> String {
    format!("series_{number:05}")
}

fn write(collection: &Collection, writes: Vec<(String, Mode, Sorted)>) {
    let mut batch = collection.batch("write").unwrap();
    batch.write_all(writes).unwrap();
    batch.commit().unwrap().unwrap();
}

/// Two batches that start from one revision: each becomes a head.
fn part(bench: &Bench, round: i64) {
    let handles = [bench.collection(), bench.collection()];
    let batches = handles.each_ref().map(|collection| collection.batch("part").unwrap());
    for (side, mut batch) in batches.into_iter().enumerate() {
        let rows = small_frame(START + STEP * 1000 * (round + 1), side as i64);
        let writes = (0..CHANGED).map(|i| append(&label(i * 997 + side), &rows)).collect();
        batch.write_all(writes).unwrap();
        batch.commit().unwrap().unwrap();
    }
}

fn heads(bench: &Bench) -> usize {
    bench.collection().newest().unwrap().len()
}

pub(crate) fn merge(bench: &Bench) {
    bench.fresh();
    let first = bench.open().create_collection(COLLECTION, &schema()).unwrap();
    let rows = small_frame(START, 0);
    write(&first, (0..SERIES).map(|i| overlay(&label(i), &rows)).collect());
    let round = |round| {
        part(bench, round);
        assert_eq!(heads(bench), 2);
        let list = bench.collection();
        let overrides = timed(|| list.overrides(&list.newest().unwrap(), 20).unwrap()).0;
        let merged = timed(|| bench.collection().settle().unwrap()).0;
        assert_eq!(heads(bench), 1);
        (overrides, merged)
    };
    let (overrides, merged): (Vec<f64>, Vec<f64>) = (0..ROUNDS).map(round).unzip();
    bench.emit_ms("merge_two_heads", &merged);
    bench.emit_ms("overrides_two_heads", &overrides);
    let alter = |step: Alteration| timed(|| bench.collection().alter(&[step], "alter").unwrap().unwrap()).0;
    bench.emit_ms("alter_add", &[alter(Alteration::add("unit str", Some("C")).unwrap())]);
    let rename = Alteration::Rename { from: "unit".to_owned(), to: "u".to_owned() };
    bench.emit_ms("alter_rename", &[alter(rename)]);
    bench.emit_ms("alter_drop", &[alter(Alteration::Drop("u".to_owned()))]);
    let list = || bench.collection().list(At::Newest).unwrap();
    bench.emit_ms("ls_after", &repeat(3, list, |found| assert_eq!(found.len(), SERIES)));
}
