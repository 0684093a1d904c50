//! Readers of foreign files, whose panics are errors.
//!
//! Files come from anywhere, and may be damaged. What can be checked is checked before a reader sees it, so that of
//! 10,000 damaged files arrow-ipc 60.1 panics on none; parquet 60.1 does on some 50, in the levels of a page that end behind
//! it, in runs of bits that are wider than a word, in pages of keys without a dictionary. Such a panic is an error of the
//! file, not of this program.

use super::{Frames, unreadable};
use crate::data::caught;
use crate::data::input::InputError;
use arrow_array::RecordBatch;

/// Frames of a reader of `format`, which is started by `open`: its panics are errors.
pub(super) fn frames(
    format: &'static str,
    open: impl FnOnce() -> Result<Frames, InputError>,
) -> Result<Frames, InputError> {
    let frames = Some(caught(format, open)?);
    Ok(Box::new(Guarded { format, frames }))
}

struct Guarded {
    format: &'static str,
    /// None after an error: the state of a reader that panicked is not known.
    frames: Option<Frames>,
}

impl Iterator for Guarded {
    type Item = Result<RecordBatch, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        let frames = self.frames.as_mut()?;
        let next = caught(self.format, || frames.next().transpose()).transpose();
        if let Some(Err(_)) = &next {
            let frames = self.frames.take();
            // The first error is the one to be told.
            let dropped = caught(self.format, || {
                drop(frames);
                Ok(())
            });
            dropped.unwrap_or_default();
        }
        next
    }
}

fn caught<T>(format: &'static str, act: impl FnOnce() -> Result<T, InputError>) -> Result<T, InputError> {
    caught::caught(act).unwrap_or_else(|said| Err(unreadable(format, &format!("its reader failed: {said}"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::input::Problem;

    #[test]
    fn a_panic_of_a_reader_is_one_error_and_the_end() {
        let panicking = (0..3)
            .map(|i| if i < 1 { Err(InputError::new(Problem::Other("x".into()))) } else { panic!("y\nz") });
        let mut frames = frames("Parquet", || Ok(Box::new(panicking.skip(1)))).unwrap();
        let error = frames.next().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "not a readable Parquet file: its reader failed: y z");
        assert!(frames.next().is_none());
    }

    #[test]
    fn a_panic_at_the_start_is_an_error() {
        let error = frames("Arrow", || panic!("no")).err().unwrap();
        assert_eq!(error.to_string(), "not a readable Arrow file: its reader failed: no");
    }
}
