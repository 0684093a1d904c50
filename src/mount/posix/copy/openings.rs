//! Who has a copy open: its handles, and what was seen of its writer's descriptors.

/// What was seen of the descriptors of a copy's writer since it was opened last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Seen {
    /// Nothing: it may not have one yet.
    Nothing,
    /// One of them was closed.
    Flush,
    /// It has none any more: the release is on its way.
    Left,
}

/// The handles of a copy.
#[derive(Debug)]
pub(super) struct Openings {
    /// How many; none any more once nobody had one.
    handles: Option<usize>,
    pub(super) seen: Seen,
}

impl Openings {
    /// Nobody has it open yet.
    pub(super) const fn none() -> Openings {
        Openings { handles: Some(0), seen: Seen::Nothing }
    }

    /// Adds a handle; `None` where the last one has been closed.
    pub(super) fn add(&mut self) -> Option<()> {
        self.handles = Some(self.handles? + 1);
        self.seen = Seen::Nothing;
        Some(())
    }

    /// Takes a handle away; whether it was the last.
    pub(super) fn remove(&mut self) -> bool {
        self.handles = self.handles.and_then(|count| count.checked_sub(1)).filter(|left| *left > 0);
        self.handles.is_none()
    }

    /// Notes what is seen.
    pub(super) fn see(&mut self, seen: Seen) {
        self.seen = self.seen.max(seen);
    }
}
