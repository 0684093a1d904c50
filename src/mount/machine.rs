//! What the machine has and allows: what is mounted (`table`), who asks (`process`), whether a mount can be
//! (`host`, `doctor`), where bytes wait (`spool`).

pub mod doctor;
pub mod host;
pub mod process;
pub mod spool;
pub mod table;
