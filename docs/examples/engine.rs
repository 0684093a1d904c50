//! A program on the engine alone (`default-features = false`): keeps readings, corrects one, and tells what was said before.
//! `cargo run --no-default-features --example engine -- FOLDER`
#![allow(clippy::print_stdout, reason = "it is a program")]

use arrow_array::{ArrayRef, Date32Array, Float64Array, RecordBatch};
use lakota::clock::iso;
use lakota::collection::{At, Filter};
use lakota::data::schema::Schema;
use lakota::repo::{Options, Repo};
use lakota::series::select::Select;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("usage: engine FOLDER")?;
    println!("{}", run(folder.as_ref())?);
    Ok(())
}

/// What it says, a line each.
pub(crate) fn run(folder: &Path) -> Result<String, Box<dyn Error>> {
    let repo = Repo::create(folder, Options { author: "ann@lab".into(), ..Options::default() })?;
    let temp = repo.create_collection("temp", &Schema::parse(["day date*", "value float"])?)?;
    let write = |message: &str, days: Vec<i32>, values: Vec<f64>| -> Result<_, Box<dyn Error>> {
        let days: ArrayRef = Arc::new(Date32Array::from(days));
        let values: ArrayRef = Arc::new(Float64Array::from(values));
        let mut batch = temp.batch(message)?;
        batch.overlay("bxl", &RecordBatch::try_from_iter([("day", days), ("value", values)])?)?;
        Ok(batch.commit()?.ok_or("nothing changed")?)
    };
    // From 2020-06-22 on: days since 1970.
    let first = write("first readings", vec![18_435, 18_436, 18_437], vec![25.0, 24.0, 27.0])?;
    write("a correction", vec![18_437], vec![27.9])?;

    let mut told = Vec::new();
    for (stamp, revision) in temp.revisions(&Filter::default())? {
        told.push(format!("{stamp} {} {:?}", revision.note.author, revision.note.message));
    }
    let wanted = Select::default().start(["2020-06-23"]).stop(["2020-06-25"]).columns(["value"]);
    // A time as text; a tag, `~1` or the first digits of a revision would do.
    let then = temp.at(&iso(first.time), None)?;
    for (at, when) in [(At::Newest, "now"), (then, "then")] {
        let rows = temp.select("bxl", at, &wanted)?.collect_frame()?;
        told.push(format!("{when}: {:?}", rows.column(0)));
    }
    Ok(told.join("\n"))
}
