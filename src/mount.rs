//! A repository as a file system: every series a folder of revisions with live files.
//!
//! `node` and `inode` say what names and numbers mean, `catalog` what there is now, `render` makes the bytes of
//! files, `fs` holds all semantics and knows no FUSE. `fuse` adapts it to the kernel, `session` mounts and unmounts.

pub mod attr;
pub mod catalog;
mod commit;
pub mod control;
pub mod errno;
pub mod fs;
pub mod handle;
pub mod inode;
pub mod name;
pub mod node;
mod number;
pub mod options;
pub mod render;
pub mod sheet;
pub mod tree;
