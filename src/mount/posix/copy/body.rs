//! The bytes of a working copy: the rows that were opened, what was added behind them, or a file of its own.

use super::{WorkingCopy, WriteContext};
use crate::vfs::failure::{Failure, Kind};
use crate::vfs::render::Content;
use crate::vfs::save::{BackgroundRead, Basis, Guard, Reached};
use crate::vfs::spool::{SpoolFile, Way};
use bytes::Bytes;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Instant;

/// Bytes copied at once.
const PIECE: usize = 1 << 20;

/// What the bytes are, and so what a save makes of them.
///
/// | | begins as | bytes behind all others | bytes elsewhere, or another length | emptied |
/// |---|---|---|---|---|
/// | `Added` | rows that are opened | `Added` | `Whole` | `Whole` |
/// | `Additions` | refused bytes that were to be added | `Additions` | `Additions` | `Additions` |
/// | `Whole` | a file without a byte | `Whole` | `Whole` | `Whole` |
/// | `Adopted` | a file that was written under another name | `Adopted` | `Adopted` | `Adopted` |
#[derive(Debug)]
pub(super) enum Form {
    /// The rows that were opened, and what is added behind them: that alone is stored, and saved as rows to be added.
    Added {
        /// The rows that were opened: the first `kept` bytes. None once nobody has the copy open.
        front: Option<Arc<Content>>,
        kept: u64,
        /// How far what was added is saved.
        reached: Option<Reached>,
        /// Whether added lines are saved behind rows of others, which the program has not seen: what it opened and what
        /// it added is no state of the series.
        apart: bool,
    },
    /// Rows to be added and nothing else, wherever they are written.
    Additions {
        /// How far they are saved.
        reached: Option<Reached>,
    },
    /// The whole file: a save makes the series these rows.
    Whole(Reading),
    /// The whole file, which others may write to who know it by itself.
    Adopted,
}

/// Whether the rows of a text are read while it is written.
#[derive(Debug)]
pub(super) enum Reading {
    /// Not yet: it is short, and written from its start to its end.
    Later,
    /// They are.
    Running(BackgroundRead),
    /// No more: it is written in another order, or they were taken.
    No,
}

/// The bytes of a copy, and what is to be saved of them.
#[derive(Debug)]
pub struct Body {
    /// What the program opened; none where the name was free.
    pub basis: Option<Basis>,
    /// What the bytes are.
    pub(super) form: Form,
    pub(super) file: Option<SpoolFile>,
    /// Bytes of `file`.
    pub(super) len: u64,
    /// Whether it stands for bytes that were refused before.
    pub again: bool,
    /// Since when there was nothing in it, where there is nothing.
    pub(in crate::mount::posix) emptied: Instant,
    /// What a save of it must not remove.
    pub guard: Guard,
    /// Whether its ticket tells of what was opened before its last save.
    pub(super) stale: bool,
    /// The line that tells of the refusal of what is not saved.
    pub reported: Option<u64>,
    /// Whether what was written is not on disk yet.
    pub(super) unsynced: bool,
    /// Why it is not to be saved: the signal that ended the writer.
    pub stopped: Option<i32>,
    /// Why it is not to be saved: what a write that failed was told, since it is not all there.
    pub failed: Option<Kind>,
}

impl Body {
    /// What a copy of something begins with.
    pub(super) fn of(basis: Option<Basis>, front: Option<Arc<Content>>) -> Body {
        let form = match front {
            None => Form::Whole(Reading::Later),
            Some(front) => {
                Form::Added { kept: front.size(), front: Some(front), reached: None, apart: false }
            }
        };
        Body {
            basis,
            form,
            file: None,
            len: 0,
            again: false,
            emptied: Instant::now(),
            guard: Guard::Nothing,
            stale: false,
            reported: None,
            unsynced: false,
            stopped: None,
            failed: None,
        }
    }

    /// Whether others may write to its file, who know it by itself.
    pub(super) const fn is_adopted(&self) -> bool {
        matches!(self.form, Form::Adopted)
    }

    /// Bytes of the rows that were opened, which are not stored.
    pub(super) const fn kept(&self) -> u64 {
        match self.form {
            Form::Added { kept, .. } => kept,
            _ => 0,
        }
    }

    /// How far what was added is saved.
    pub(in crate::mount::posix) const fn reached(&self) -> Option<&Reached> {
        match &self.form {
            Form::Added { reached, .. } | Form::Additions { reached } => reached.as_ref(),
            _ => None,
        }
    }

    /// Notes how far what was added is saved, and what the program has then: where that is not known, it is saved behind
    /// rows of others.
    pub(in crate::mount::posix) fn saved_added(
        &mut self,
        until: Option<Reached>,
        basis: Option<Basis>,
        changed: bool,
    ) {
        if let Form::Added { reached, .. } | Form::Additions { reached } = &mut self.form {
            *reached = until;
        }
        if let Form::Added { apart, .. } = &mut self.form {
            *apart |= changed && basis.is_none();
        }
        // The ticket stays: lines that are added are a change of nothing.
        self.basis = basis.or(self.basis.take());
    }

    /// Notes that what is saved of it need not be its start any more.
    pub(super) fn forget_reached(&mut self) {
        if let Form::Added { reached, .. } | Form::Additions { reached } = &mut self.form {
            *reached = None;
        }
    }

    /// Notes that a text is not written from its start to its end, or is no text any more that was read meanwhile.
    pub(super) fn end_reading(&mut self) {
        if let Form::Whole(reading) = &mut self.form {
            *reading = Reading::No;
        }
    }

    /// Notes what the program has from now on: its next save is a change of that.
    pub fn rebase(&mut self, basis: Basis) {
        (self.basis, self.stale) = (Some(basis), true);
    }

    /// Notes that it is not only added to any more. Of lines that are saved among rows of others nobody can tell then which
    /// of them were taken back: so nothing is removed unasked.
    pub(super) fn end_adding(&mut self) {
        if let Form::Added { apart: apart @ true, .. } = &mut self.form {
            *apart = false;
            (self.basis, self.guard) = (None, Guard::Present);
        }
    }

    /// Has nothing in it from now on, and nothing that failed.
    pub(super) fn empty(&mut self) {
        if self.way() == Way::Append {
            // Its ticket says that it was added.
            (self.file, self.len) = (None, 0);
            self.end_adding();
        }
        if matches!(self.form, Form::Added { .. }) {
            self.form = Form::Whole(Reading::Later);
        }
        (self.failed, self.emptied) = (None, Instant::now());
    }

    /// Says of bytes that are saved that more come: were the server killed now, all of them are found.
    pub(super) fn reopen(&mut self, copy: &WorkingCopy, context: WriteContext<'_>) -> Result<(), Failure> {
        let Some(file) = &self.file else { return Ok(()) };
        if self.stale && file.is_committed() {
            let ticket = copy.ticket(self.way(), context.now, self.basis.as_ref());
            file.renew(&ticket).map_err(Failure::spool)?;
            self.stale = false;
        }
        file.set_committed(false).map_err(Failure::spool)
    }

    /// Bytes of all.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.kept() + self.len
    }

    /// How what was written is meant.
    #[must_use]
    pub const fn way(&self) -> Way {
        match self.form {
            Form::Added { .. } | Form::Additions { .. } => Way::Append,
            Form::Whole(_) | Form::Adopted => Way::Replace,
        }
    }

    /// What is to be saved: bytes that were added, or all; none where nothing was written.
    #[must_use]
    pub const fn written(&self) -> Option<&SpoolFile> {
        self.file.as_ref()
    }

    /// Bytes of what is to be saved.
    #[must_use]
    pub const fn written_len(&self) -> u64 {
        self.len
    }

    /// The rows of what was written, where they were read meanwhile. They are given once.
    pub(in crate::mount::posix) fn background(&mut self) -> Option<BackgroundRead> {
        match &mut self.form {
            Form::Whole(reading) => match std::mem::replace(reading, Reading::No) {
                Reading::Running(read) => Some(read),
                Reading::Later | Reading::No => None,
            },
            _ => None,
        }
    }

    /// Gives its bytes away, and refuses what else is written.
    pub fn leave(&mut self) -> Option<SpoolFile> {
        (self.len, self.failed) = (0, Some(Kind::Unavailable));
        self.file.take()
    }

    /// Forgets the bytes: nobody has it open.
    pub fn clear(&mut self) {
        self.file = None;
        match &mut self.form {
            Form::Added { front, kept, .. } => (*front, *kept) = (None, 0),
            Form::Whole(Reading::Running(_)) => self.form = Form::Whole(Reading::Later),
            _ => {}
        }
    }

    pub(super) fn file<'a>(
        &'a mut self,
        copy: &WorkingCopy,
        context: WriteContext<'_>,
    ) -> Result<&'a SpoolFile, Failure> {
        if self.file.is_none() {
            let ticket = copy.ticket(self.way(), context.now, self.basis.as_ref());
            self.file = Some(context.spool.file(&ticket).map_err(Failure::spool)?);
            self.stale = false;
        }
        self.file.as_ref().ok_or(Failure::Plain(Kind::Unavailable))
    }

    /// Makes all of it bytes of its own: it is not only added to.
    pub(super) fn whole(&mut self, copy: &WorkingCopy, context: WriteContext<'_>) -> Result<(), Failure> {
        if !matches!(self.form, Form::Added { .. }) {
            return Ok(());
        }
        self.end_adding();
        let ticket = copy.ticket(Way::Replace, context.now, self.basis.as_ref());
        let file = context.spool.file(&ticket).map_err(Failure::spool)?;
        let size = self.size();
        let mut at = 0;
        while at < size {
            let bytes = self.read(at, PIECE)?;
            if bytes.is_empty() {
                return Err(Failure::Plain(Kind::Unavailable));
            }
            file.file().write_all_at(&bytes, at).map_err(Failure::spool)?;
            at += bytes.len() as u64;
        }
        (self.file, self.len, self.form) = (Some(file), size, Form::Whole(Reading::Later));
        Ok(())
    }

    pub(super) fn read(&self, offset: u64, len: usize) -> Result<Bytes, Failure> {
        let kept = self.kept();
        if let Form::Added { front: Some(front), .. } = &self.form
            && offset < kept
        {
            let most = usize::try_from(kept - offset).unwrap_or(usize::MAX);
            let start = front.read(offset, len.min(most))?;
            if start.len() == len || start.len() < most || self.len == 0 {
                return Ok(start);
            }
            let rest = self.read(kept, len - start.len())?;
            return Ok([start, rest].concat().into());
        }
        let Some(file) = &self.file else { return Ok(Bytes::new()) };
        let at = offset - kept;
        let most = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len.min(most)];
        file.file().read_exact_at(&mut bytes, at).map_err(Failure::unread)?;
        Ok(bytes.into())
    }

    /// Makes what was written durable.
    pub fn sync(&mut self) -> Result<(), Failure> {
        if let Some(file) = self.file.as_ref().filter(|_| self.unsynced) {
            file.sync().map_err(Failure::spool)?;
            self.unsynced = false;
        }
        Ok(())
    }
}
