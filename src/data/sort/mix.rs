//! Rows of several runs on their way into one frame.

use super::failed;
use crate::data::input::InputError;
use arrow_array::RecordBatch;
use arrow_select::interleave::interleave_record_batch;
use std::collections::HashMap;
use std::ops::Range;

/// Rows of several runs that are given as one frame.
pub(super) const MIXED_ROWS: usize = 4096;

/// Rows of several runs, in order: a frame of a few thousand, since a frame for each change of runs would be one for nearly every
/// row where the input is in no order.
#[derive(Debug, Default)]
pub(super) struct Mix {
    frames: Vec<RecordBatch>,
    /// The frame that each run is at.
    current: HashMap<usize, usize>,
    rows: Vec<(usize, usize)>,
}

impl Mix {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= MIXED_ROWS
    }

    pub(super) fn take(&mut self, run: usize, frame: &RecordBatch, rows: Range<usize>) {
        let at = *self.current.entry(run).or_insert_with(|| {
            self.frames.push(frame.clone());
            self.frames.len() - 1
        });
        self.rows.extend(rows.map(|row| (at, row)));
    }

    /// A run goes on with another frame.
    pub(super) fn passed(&mut self, run: usize) {
        self.current.remove(&run);
    }

    pub(super) fn frame(&self) -> Result<Option<RecordBatch>, InputError> {
        if self.is_empty() {
            return Ok(None);
        }
        let frames: Vec<&RecordBatch> = self.frames.iter().collect();
        interleave_record_batch(&frames, &self.rows).map(Some).map_err(|e| failed(&e))
    }
}
