//! A repository as a file system: the files of `vfs`, as the kernel and its programs know files.
//!
//! `posix` holds all semantics and knows no FUSE; `kernel` adapts it, mounts and unmounts; `machine` tells what the machine has
//! and allows; `options` say how a mount is to be.

pub mod kernel;
pub mod machine;
pub mod options;
pub mod posix;
