//! The versions of a collection: what its state was at each revision, and how states merge.
//!
//! `segment`, `entry`, `tree`, `state`: a state as an index of chunks. `revision`, `outline`, `changelog`:
//! states in time. `edit`, `merge`: new states of old ones. No rows are decoded here.
//!
//! What is hidden here is how states and revisions are kept: no program needs it, but tests and fuzz targets do.

#[doc(hidden)]
pub mod altered;
pub mod changelog;
#[doc(hidden)]
pub mod edit;
pub mod entry;
#[doc(hidden)]
pub mod merge;
pub mod outline;
#[doc(hidden)]
pub mod pick;
pub mod revision;
#[doc(hidden)]
pub mod segment;
pub mod state;
#[doc(hidden)]
pub mod tree;
