//! CSV: frames to text and back, RFC 4180 and UTF-8; other encodings and line ends are read.
//!
//! Owns the lines, quotes and headers; the text of a single value belongs to `value`. Reading what was
//! rendered gives the same rows bit for bit, and `column_len` knows the length without rendering.

mod block;
mod column;
mod field;
mod head;
mod len;
mod reader;
mod record;
mod render;
mod text;

pub use head::Header;
pub use len::column_len;
pub use reader::CsvReader;
pub(crate) use render::{Column, push_str};
pub use render::{header, render};
pub use text::{Form, decoded, ends_line};

#[cfg(test)]
mod tests;
