//! What the machine has and allows.

pub mod spool;
