//! The kernel's side of a mount: its requests (`fuse`), and a mount from its start to its end (`session`).

pub mod fuse;
pub mod session;
