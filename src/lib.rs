//! lakota: a versioned columnar store for time series.
//!
//! The layers, lowest first; each imports only those above it in this list (`tests/layers.rs` holds it):
//! `digest`, `clock`, `interval`; `data`; `backend`; `chunk`; `history`; `series`, `collection`, `repo`;
//! `ops`; `cli`.

pub mod backend;
pub mod clock;
pub mod data;
pub mod digest;
pub mod interval;
pub mod wire;
