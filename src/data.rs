//! The data model, pure: schemas, typed columns, frames, and their text and Parquet forms.
//!
//! Nothing here touches a backend or knows of revisions: bytes and values in, values and bytes out.
//!
//! What is hidden here is how it is done: no program needs it, but tests, benchmarks or the command line do.

pub mod alter;
mod cast;
#[doc(hidden)]
pub mod caught;
pub mod csv;
pub mod delta;
#[doc(hidden)]
pub mod diff;
pub mod files;
pub mod frame;
pub mod input;
pub mod key;
pub mod label;
#[doc(hidden)]
pub mod named;
#[doc(hidden)]
pub mod pages;
#[doc(hidden)]
pub mod plain;
pub mod range;
pub mod schema;
pub mod sort;
pub mod value;
