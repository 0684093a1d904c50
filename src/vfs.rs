//! What a repository looks like as files, for whatever serves them: the mount now.
//!
//! `name` and `series` say what is named, `catalog` what there is now, `view` what the files of a series are made of, `render` makes
//! their bytes, `delta` those that tell what differs, `commit` those that tell of a revision. `save` makes revisions of bytes that
//! were written, which wait in `spool`. Nothing here knows who asks, or how: no numbers of inodes, no permissions, no error
//! numbers. What failed has a kind (`failure`), of which an adapter makes its answer.

pub mod catalog;
pub mod commit;
pub mod delta;
pub mod entry;
pub mod failure;
pub mod name;
pub mod render;
pub mod save;
pub mod series;
pub mod spool;
pub mod tree;
pub mod view;
