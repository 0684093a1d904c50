//! The data model, pure: schemas, typed columns, frames, and their text and Parquet forms.
//!
//! Nothing here touches a backend or knows of revisions: bytes and values in, values and bytes out.

pub mod alter;
mod cast;
pub mod caught;
pub mod csv;
pub mod delta;
pub mod diff;
pub mod files;
pub mod frame;
pub mod input;
pub mod key;
pub mod label;
pub mod named;
pub mod pages;
pub mod plain;
pub mod range;
pub mod schema;
pub mod sort;
pub mod value;
