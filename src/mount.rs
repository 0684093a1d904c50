//! A repository as a file system: every series a folder of revisions with live files.
//!
//! `node` and `inode` say what names and numbers mean, `catalog` what there is now, `render` makes the bytes of
//! files, `delta` those that tell what differs, `fs` holds all semantics and knows no FUSE. `fuse` adapts it to the kernel, `session` mounts and unmounts;
//! `table` reads what is mounted, `host` and `doctor` what the machine allows.

pub mod attr;
pub mod catalog;
mod commit;
pub mod control;
mod copy;
pub mod delta;
pub mod doctor;
pub mod errno;
pub mod fs;
pub mod fuse;
pub mod handle;
pub mod host;
mod ingest;
pub mod inode;
mod intake;
pub mod machine;
pub mod name;
pub mod node;
mod number;
pub mod options;
mod pen;
pub mod process;
pub mod render;
pub mod scratch;
pub mod series;
pub mod session;
pub mod sheet;
pub mod spool;
pub mod table;
pub mod tree;
pub mod users;
mod veil;
