//! Files as POSIX has them: inodes, handles, error numbers, names that come and go, files while they are written.
//!
//! `node` and `inode` say what numbers mean, `child` what a name is, `fs` what each operation does. `copy` is a live file while a
//! program writes it, `scratch` what lies beside the live files, `control` what the mount tells of itself.

pub mod attr;
pub mod child;
pub mod control;
mod copy;
pub mod errno;
pub mod fs;
pub mod handle;
mod handover;
pub mod inode;
pub mod node;
mod number;
pub mod scratch;
pub(super) mod write_state;

mod hidden;
