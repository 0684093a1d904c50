//! The versions of a collection: what its state was at each revision, and how states merge.
//!
//! `segment`, `entry`, `tree`, `state`: a state as an index of chunks. `revision`, `outline`, `changelog`:
//! states in time. `edit`, `merge`: new states of old ones. No rows are decoded here.

pub mod altered;
pub mod changelog;
pub mod edit;
pub mod entry;
pub mod merge;
pub mod outline;
pub mod pick;
pub mod revision;
pub mod segment;
pub mod state;
pub mod tree;
