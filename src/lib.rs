//! A versioned columnar store for time series.
//!
//! A repository ([`repo::Repo`]) holds collections ([`collection::Collection`]): series that share columns and a history. Every
//! write is a revision, on disk when it returns; any earlier state can be read. Writers in several processes never lock: their
//! revisions merge.
//!
//! ```
//! use lakota::collection::{At, Filter};
//! use lakota::data::schema::Schema;
//! use lakota::repo::{Options, Repo};
//! use lakota::series::select::Select;
//! # use arrow_array::{ArrayRef, Date32Array, Float64Array, RecordBatch};
//! # use std::sync::Arc;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let days: ArrayRef = Arc::new(Date32Array::from(vec![18_435, 18_436])); // 2020-06-22, 2020-06-23
//! # let values: ArrayRef = Arc::new(Float64Array::from(vec![25.0, 24.0]));
//! # let rows = RecordBatch::try_from_iter([("day", days), ("value", values)])?;
//! let repo = Repo::create(folder.path(), Options::default())?;
//! // The star marks the index, by which rows are sorted and replaced.
//! let temp = repo.create_collection("temp", &Schema::parse(["day date*", "value float"])?)?;
//!
//! let mut batch = temp.batch("first readings")?;
//! batch.overlay("bxl", &rows)?; // a `RecordBatch` with the columns day and value
//! batch.commit()?;
//!
//! let wanted = Select::default().start(["2020-06-23"]).columns(["value"]);
//! assert_eq!(temp.select("bxl", At::Newest, &wanted)?.collect_frame()?.num_rows(), 1);
//! // The collection's creation is a revision, too.
//! assert_eq!(temp.revisions(&Filter::default())?.len(), 2);
//! # Ok(())
//! # }
//! ```
//! Record batches are those of `arrow-array` 60. `docs/examples/engine.rs` is a whole program.
//!
//! # Layers
//! Each imports only those above it in this list (`tests/layers.rs` holds it):
//! - [`clock`], [`interval`], [`digest`]: times, ranges of index values, names of content.
//! - [`data`]: schemas, frames, CSV and Parquet; no revisions.
//! - [`backend`], [`store`]: bytes by key, verified bytes by place.
//! - [`history`]: states, revisions, the changelog, merges; no rows are decoded.
//! - [`series`]: rows of a series, read and written.
//! - [`collection`], [`repo`]: what programs work with.
//! - [`ops`]: pack, gc, verify, push and pull.
//! - `vfs`, `mount`: a repository as a file system.
//! - `cli`: the program `lakota`.
//!
//! # Features
//! `cli` and `mount` are on by default. The engine is what `default-features = false` leaves: no argument parser, no FUSE, no
//! allocator. `cli` without `mount` makes a program without the verbs of mounts.

pub mod backend;
// For main.rs, which is another crate.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod clock;
pub mod collection;
pub mod data;
pub mod digest;
pub mod halt;
pub mod history;
pub mod interval;
#[cfg(feature = "mount")]
pub mod mount;
pub mod ops;
pub mod repo;
pub mod series;
pub mod store;
#[cfg(any(feature = "cli", feature = "mount"))]
mod users;
#[cfg(feature = "mount")]
pub mod vfs;
// For tests and fuzz targets, which make damaged bytes with it.
#[doc(hidden)]
pub mod wire;
