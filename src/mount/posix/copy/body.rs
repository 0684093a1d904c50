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

/// The bytes of a copy, and what is to be saved of them.
#[derive(Debug)]
pub struct Body {
    /// What the program opened; none where the name was free.
    pub basis: Option<Basis>,
    /// The rows that were opened: the first `kept` bytes.
    pub(super) front: Option<Arc<Content>>,
    pub(super) kept: u64,
    pub(super) file: Option<SpoolFile>,
    /// Bytes of `file`.
    pub(super) len: u64,
    /// Whether others may write to `file`, who know it by itself.
    pub(super) shared: bool,
    /// Whether it stands for bytes that were refused before.
    pub again: bool,
    /// Whether all that is written is added, wherever it is written: there is nothing else in it.
    pub(super) adds: bool,
    /// Whether nothing but additions was made.
    pub(super) added: bool,
    /// Since when there was nothing in it, where there is nothing.
    pub(in crate::mount::posix) emptied: Instant,
    /// What a save of it must not remove.
    pub guard: Guard,
    /// Whether added lines are saved behind rows of others, which the program has not seen: what it opened and what it
    /// added is no state of the series.
    pub apart: bool,
    /// Whether its ticket tells of what was opened before its last save.
    pub(super) stale: bool,
    /// The line that tells of the refusal of what is not saved.
    pub reported: Option<u64>,
    /// How far they are saved.
    pub(in crate::mount::posix) reached: Option<Reached>,
    /// Whether what was written is not on disk yet.
    pub(super) soft: bool,
    /// Whether a descriptor was closed since the last byte was written.
    pub closed: bool,
    /// The rows of what was written, where it was written from its start to its end.
    pub(super) background: Option<BackgroundRead>,
    /// Whether it is written so.
    pub(super) straight: bool,
    /// Why it is not to be saved: the signal that ended the writer.
    pub stopped: Option<i32>,
    /// Why it is not to be saved: what a write that failed was told, since it is not all there.
    pub failed: Option<Kind>,
}

impl Body {
    /// What a copy of something begins with.
    pub(super) fn of(basis: Option<Basis>, front: Option<Arc<Content>>) -> Body {
        Body {
            basis,
            front,
            kept: 0,
            file: None,
            len: 0,
            shared: false,
            again: false,
            adds: false,
            added: false,
            emptied: Instant::now(),
            guard: Guard::Nothing,
            apart: false,
            stale: false,
            reported: None,
            reached: None,
            soft: false,
            closed: false,
            background: None,
            straight: true,
            stopped: None,
            failed: None,
        }
    }

    /// Notes what the program has from now on: its next save is a change of that.
    pub fn rebase(&mut self, basis: Basis) {
        (self.basis, self.stale) = (Some(basis), true);
    }

    /// Notes that it is not only added to any more. Of lines that are saved among rows of others nobody can tell then which
    /// of them were taken back: so nothing is removed unasked.
    pub(super) fn end_adding(&mut self) {
        if self.apart {
            (self.basis, self.guard, self.apart) = (None, Guard::Present, false);
        }
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
        self.kept + self.len
    }

    /// How what was written is meant.
    #[must_use]
    pub const fn way(&self) -> Way {
        if self.added { Way::Append } else { Way::Replace }
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
        self.straight = false;
        self.background.take()
    }

    /// Gives its bytes away, and refuses what else is written.
    pub fn leave(&mut self) -> Option<SpoolFile> {
        (self.len, self.failed) = (0, Some(Kind::Unavailable));
        self.file.take()
    }

    /// Forgets the bytes: nobody has it open.
    pub fn clear(&mut self) {
        (self.file, self.background, self.front, self.kept) = (None, None, None, 0);
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
        if !self.added || self.adds {
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
        (self.file, self.front, self.kept, self.len, self.added) = (Some(file), None, 0, size, false);
        Ok(())
    }

    pub(super) fn read(&self, offset: u64, len: usize) -> Result<Bytes, Failure> {
        let front = self.front.as_ref().filter(|_| offset < self.kept);
        if let Some(front) = front {
            let most = usize::try_from(self.kept - offset).unwrap_or(usize::MAX);
            let start = front.read(offset, len.min(most))?;
            if start.len() == len || start.len() < most || self.len == 0 {
                return Ok(start);
            }
            let rest = self.read(self.kept, len - start.len())?;
            return Ok([start, rest].concat().into());
        }
        let Some(file) = &self.file else { return Ok(Bytes::new()) };
        let at = offset - self.kept;
        let most = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len.min(most)];
        file.file().read_exact_at(&mut bytes, at).map_err(Failure::unread)?;
        Ok(bytes.into())
    }

    /// Makes what was written durable.
    pub fn sync(&mut self) -> Result<(), Failure> {
        if let Some(file) = self.file.as_ref().filter(|_| self.soft) {
            file.sync().map_err(Failure::spool)?;
            self.soft = false;
        }
        Ok(())
    }
}
