//! Two states of a series, and what differs between them as CSV.

use super::sink::Sink;
use crate::data::delta::Delta;
use crate::data::files::changes::{self, Form};
use crate::digest::Digest;
use crate::interval::Interval;
use crate::series::compare::{Side, compare};
use crate::vfs::failure::Failure;
use crate::vfs::render::Source;
use std::sync::Arc;

/// Rows that become text at once: a segment's would take many times its memory.
const STEP: usize = 4096;

/// What a text follows from: what both states are made of.
pub type Key = (Digest, Digest);

/// Two states of a series.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The earlier one.
    pub old: Source,
    /// The later one.
    pub new: Source,
}

impl Pair {
    /// Equal keys have equal texts.
    #[must_use]
    pub fn key(&self) -> Key {
        (self.old.identity(), self.new.identity())
    }

    pub(super) fn write(&self, sink: &mut Sink<'_>) -> Result<(), Failure> {
        let mut comparison = compare(&side(&self.old), &side(&self.new), &Interval::ALL)?;
        let schema = Arc::clone(comparison.joint());
        sink.append(|out| out.extend_from_slice(&changes::header(&schema, Form::Csv)))?;
        while let Some(Delta { old, new, rows }) = comparison.next().transpose()? {
            for rows in rows.chunks(STEP) {
                let some = Delta { old: old.clone(), new: new.clone(), rows: rows.to_vec() };
                sink.append(|out| changes::render(&schema, Form::Csv, &some, out))?;
            }
        }
        Ok(())
    }
}

const fn side(source: &Source) -> Side<'_> {
    Side { view: &source.view, schema: &source.schema, segments: &source.segments }
}
