//! Single values: one cell, typed. What command-line bounds and messages are made of.
//!
//! Owns the text form of every type, shared by CSV, bounds and messages. Never rounds: a text that
//! does not fit its type exactly is an error.

use super::schema::Type;

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Absence.
    Null,
    /// `int`; `timestamp` counted in its unit and `date` counted in days since 1970-01-01.
    Int(i64),
    /// `float`.
    Float(f64),
    /// `str`.
    Str(String),
    /// `bool`.
    Bool(bool),
}
