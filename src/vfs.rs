//! What a repository looks like as files, for whatever serves them.
//!
//! Nothing here knows who asks, or how: no numbers of inodes, no users' permissions, no error numbers. An adapter (the mount)
//! gives those.

pub mod failure;
