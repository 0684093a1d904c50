//! Whether a copy has something to be saved, and whether a descriptor was closed since its last byte came.
//!
//! | | changed | touched, a write failed | a descriptor is closed | saved, or kept as refused |
//! |---|---|---|---|---|
//! | `Fresh` | `Written` | `Written` | `Done` | `Fresh` |
//! | `Written` | `Written` | `Written` | `Closed` | `Fresh` |
//! | `Closed` | `Written` | `Closed` | `Closed` | `Done` |
//! | `Done` | `Written` | `Closed` | `Done` | `Done` |
//!
//! What the kernel says means in each:
//!
//! | | `Fresh`, `Done` | `Written`, `Closed` |
//! |---|---|---|
//! | FLUSH | nothing | its writer has no other descriptor and lives: it is saved. Else its bytes are brought on disk |
//! | FSYNC | nothing | its bytes are brought on disk; if they end as a whole file does, they are saved |
//! | RELEASE of the last handle | its bytes are forgotten | it is saved; if a signal ended its writer, it is kept as refused |
//! | the mount ends | nothing | `Closed`, and nobody has it open: it is saved. Else it is kept as refused |
//!
//! A save of which a write has failed is refused, in whatever phase.

use std::sync::atomic::{AtomicU8, Ordering};

/// What there is to be saved of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Nothing.
    Fresh,
    /// Something, and it is being written.
    Written,
    /// Something, and a descriptor was closed since.
    Closed,
    /// Nothing any more, and a descriptor was closed since the last byte came.
    Done,
}

/// What happens to a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// Bytes come, or go.
    Changed,
    /// It is to be saved for another reason: be it empty, be it that a write failed.
    Touched,
    /// A descriptor is closed.
    Closed,
    /// What there is, is saved or kept elsewhere.
    Settled,
}

impl Phase {
    const fn after(self, event: Event) -> Phase {
        match (self, event) {
            (_, Event::Changed) | (Phase::Fresh | Phase::Written, Event::Touched) => Phase::Written,
            (Phase::Closed | Phase::Done, Event::Touched)
            | (Phase::Written | Phase::Closed, Event::Closed) => Phase::Closed,
            (Phase::Fresh | Phase::Written, Event::Settled) => Phase::Fresh,
            (Phase::Fresh | Phase::Done, Event::Closed) | (Phase::Closed | Phase::Done, Event::Settled) => {
                Phase::Done
            }
        }
    }

    /// Whether there is something to be saved.
    pub(super) const fn is_unsaved(self) -> bool {
        matches!(self, Phase::Written | Phase::Closed)
    }

    /// Whether a descriptor was closed since the last byte came.
    pub(super) const fn is_closed(self) -> bool {
        matches!(self, Phase::Closed | Phase::Done)
    }

    const fn of(number: u8) -> Phase {
        match number {
            0 => Phase::Fresh,
            1 => Phase::Written,
            2 => Phase::Closed,
            _ => Phase::Done,
        }
    }
}

/// The phase of a copy, which can be asked for while the bytes are being saved.
#[derive(Debug)]
pub(super) struct Phases(AtomicU8);

impl Phases {
    /// Nothing is written yet.
    pub(super) const fn fresh() -> Phases {
        Phases(AtomicU8::new(Phase::Fresh as u8))
    }

    pub(super) fn now(&self) -> Phase {
        Phase::of(self.0.load(Ordering::Acquire))
    }

    pub(super) fn on(&self, event: Event) {
        let next = |number| Some(Phase::of(number).after(event) as u8);
        // It always has a next one.
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_follow_the_table_above() {
        use Event::{Changed, Settled, Touched};
        use Phase::{Closed, Done, Fresh, Written};
        let table = [
            (Fresh, [Written, Written, Done, Fresh]),
            (Written, [Written, Written, Closed, Fresh]),
            (Closed, [Written, Closed, Closed, Done]),
            (Done, [Written, Closed, Done, Done]),
        ];
        for (phase, expected) in table {
            assert_eq!([Changed, Touched, Event::Closed, Settled].map(|event| phase.after(event)), expected);
            assert_eq!(Phase::of(phase as u8), phase);
        }
    }
}
