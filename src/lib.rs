//! lakota: a versioned columnar store for time series.
//!
//! The layers, lowest first; each imports only those above it in this list (`tests/layers.rs` holds it):
//! `halt`, `digest`, `clock`, `interval`, `wire`; `data`; `backend`; `store`; `history`; `series`, `collection`,
//! `repo`; `ops`; `vfs`; `mount`; `cli`.

pub mod backend;
#[cfg(feature = "cli")]
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
pub mod users;
#[cfg(feature = "mount")]
pub mod vfs;
pub mod wire;
