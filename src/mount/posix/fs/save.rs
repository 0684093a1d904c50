//! Makes revisions of what was written, or keeps it where it is refused.

use super::authors::Authors;
use crate::clock::iso;
use crate::data::csv;
use crate::data::schema::Schema;
use crate::mount::machine::process;
use crate::mount::posix::control::{Control, Counters};
use crate::mount::posix::copy::{Body, Purpose, WorkingCopy, Writer};
use crate::mount::posix::errno::{self, Errno};
use crate::mount::posix::handle::Handles;
use crate::mount::posix::node::Node;
use crate::mount::posix::write_state::WriteState;
use crate::repo::RepoError;
use crate::vfs::entry::{Entry, File as RowsFile};
use crate::vfs::failure::{Failure, caught};
use crate::vfs::render::Format;
use crate::vfs::save::{self, BackgroundRead, Basis, Guard, Input, Save, Saved};
use crate::vfs::series::Series;
use crate::vfs::spool::{ENDED, SHORT, STOPPED, Ticket, Way};
use crate::vfs::tree::Tree;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// What failed where it was a fault of the mount.
pub(super) const SAVING: &str = "making a revision of what was written";

/// Bytes of a `.schema` at most.
const SCHEMA_BYTES: u64 = 1 << 20;

/// Rows to be saved as those of a series.
pub(super) struct Rows<'a> {
    pub(super) series: &'a Series,
    pub(super) format: Format,
    pub(super) name: &'a str,
    pub(super) way: Way,
    pub(super) writer: &'a Writer,
    /// `user@host` of the writer. Found before anything is locked: his name may have to be waited for.
    pub(super) author: &'a str,
    pub(super) guard: Guard,
}

/// What saves, and keeps what is refused: what of a mount it reads and changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Saver<'a> {
    pub(super) tree: &'a Tree,
    /// Where refusals are reported.
    pub(super) control: &'a Control,
    pub(super) authors: &'a Authors,
    /// What else is open: a copy may be shown by a number of its own only.
    pub(super) handles: &'a Handles,
    pub(super) writes: &'a WriteState,
}

impl Saver<'_> {
    pub(super) fn now(&self) -> u64 {
        self.tree.catalog.repo().context().clock.now()
    }

    /// Saves a copy, and keeps its bytes where they are refused.
    pub(super) fn save(&self, copy: &WorkingCopy) -> Result<(), Failure> {
        let _busy = self.writes.busy();
        if !copy.is_unsaved() {
            return Ok(());
        }
        let author = self.author_of(copy);
        let body = &mut *copy.body();
        // Somebody else may have saved it meanwhile.
        if !copy.is_unsaved() {
            return Ok(());
        }
        let done = caught(SAVING, || self.save_body(copy, body, &author));
        let done = done.map_err(|failure| self.keep_refused(copy, body, failure));
        copy.settled(body);
        done
    }

    /// Saves a copy whose writer may go on; where it is refused, it goes on.
    pub(super) fn try_save(&self, copy: &WorkingCopy) -> Result<(), Failure> {
        let _busy = self.writes.busy();
        let author = self.author_of(copy);
        let body = &mut *copy.body();
        caught(SAVING, || self.save_body(copy, body, &author))?;
        copy.settled(body);
        Ok(())
    }

    /// What becomes of a copy that nobody has open any more.
    pub(super) fn save_or_keep(&self, copy: &WorkingCopy) -> Result<(), Failure> {
        let stopped = copy.body().stopped;
        match stopped {
            None => self.save(copy),
            Some(signal) => {
                let _busy = self.writes.busy();
                let body = &mut *copy.body();
                let why = format!("{STOPPED} {signal} before it closed the file");
                let failure = self.keep_refused(copy, body, Failure::refused(Errno::EIO, why));
                copy.settled(body);
                Err(failure)
            }
        }
    }

    /// Keeps what was written when the mount ends before the file is closed.
    pub(super) fn keep_unclosed(&self, copy: &WorkingCopy) {
        let body = &mut *copy.body();
        let why = Failure::refused(Errno::EIO, ENDED);
        self.keep_refused(copy, body, why);
        copy.settled(body);
    }

    fn author_of(&self, copy: &WorkingCopy) -> String {
        copy.writer().map_or_else(String::new, |writer| self.authors.author(writer.uid))
    }

    fn save_body(&self, copy: &WorkingCopy, body: &mut Body, author: &str) -> Result<(), Failure> {
        let Some(opener) = copy.writer() else { return Ok(()) };
        if let Some(kind) = body.failed {
            let errno = Errno::from(kind);
            let why = format!("{SHORT} ({errno:?}), so not all of the file is there");
            return Err(Failure::refused(kind, why));
        }
        let writer = &Writer { name: self.name_now(opener), ..opener.clone() };
        match &copy.purpose {
            Purpose::Rows(series, format) => {
                if body.size() == 0 {
                    if body.again {
                        return Ok(());
                    }
                    self.writes.hidden.emptied(body.emptied, series, *format, &copy.name, writer);
                    return Ok(());
                }
                self.writes.hidden.written(series, *format);
                let way = body.way();
                let (format, guard) = (*format, body.guard);
                let rows = Rows { series, format, name: &copy.name, way, writer, author, guard };
                let saved = match way {
                    Way::Append => self.save_added(&rows, body)?,
                    Way::Replace => self.save_whole(&rows, body)?,
                };
                (body.reported, body.guard) = (None, Guard::Nothing);
                if let Some(shown) = saved.and_then(|saved| saved.shown) {
                    let (ino, mtime) = live(series, format, shown);
                    copy.show_saved(body, self.is_free(copy, ino).then_some(ino), mtime);
                }
                Ok(())
            }
            Purpose::Schema(label) => match body.written() {
                Some(file) if body.size() > 0 => self.save_schema(label, author, file.file()),
                _ => Ok(()),
            },
        }
    }

    /// Whether no other copy that the writer of one has open may show a number: descriptors of the two could not be told
    /// apart.
    fn is_free(&self, copy: &WorkingCopy, number: u64) -> bool {
        let pid = |copy: &WorkingCopy| copy.writer().map(|writer| writer.pid);
        let shows = |other: &Arc<WorkingCopy>| {
            other.ino != copy.ino && !other.is_left() && other.numbers().contains(&number)
        };
        !self.handles.copies().iter().any(|other| shows(other) && pid(other) == pid(copy))
    }

    /// Saves a whole file; nothing where there is none.
    fn save_whole(&self, rows: &Rows<'_>, body: &mut Body) -> Result<Option<Saved>, Failure> {
        let background = body.background();
        let Some(file) = body.written() else { return Ok(None) };
        let basis = body.basis.as_ref();
        let input = read_rows(rows, basis, file.file(), background)?;
        let again = match rows.guard {
            Guard::Nothing => None,
            _ => Some(read_rows(rows, basis, file.file(), None)?),
        };
        let saved = self.save_guarded(rows, basis, input, again)?;
        self.writes.hidden.show(rows.series, rows.format);
        if let Some(basis) = saved.basis.clone() {
            body.rebase(basis);
        }
        Ok(Some(saved))
    }

    /// Saves the rows that were added; nothing where that is no line.
    fn save_added(&self, rows: &Rows<'_>, body: &mut Body) -> Result<Option<Saved>, Failure> {
        let Some(file) = body.written() else { return Ok(None) };
        let file = (file.file(), body.written_len());
        // As `echo >> live.csv` does, to end a line that may not have ended.
        if save::is_blank(file)? {
            return Ok(None);
        }
        let basis = body.basis.as_ref();
        let columns = match basis {
            Some(basis) if basis.is_recolumned(rows.series)? => Some(basis.columns()),
            _ => None,
        };
        let (input, reached) = save::read_added(rows.series, columns, file, body.reached())?;
        let saved = self.save_rows(rows, basis, input)?;
        // What it takes away of that later is a change of this.
        body.saved_added(reached, saved.basis.clone(), saved.stamp.is_some());
        Ok(Some(saved))
    }

    /// Makes rows a revision.
    pub(super) fn save_rows(
        &self,
        rows: &Rows<'_>,
        basis: Option<&Basis>,
        input: Input,
    ) -> Result<Saved, Failure> {
        self.save_guarded(rows, basis, input, None)
    }

    /// The same; `again`: the same rows, where some must not go.
    fn save_guarded(
        &self,
        rows: &Rows<'_>,
        basis: Option<&Basis>,
        input: Input,
        again: Option<Input>,
    ) -> Result<Saved, Failure> {
        if !self.tree.catalog.has(&rows.series.cached)? {
            let label = rows.series.cached.collection().label();
            let why = format!("collection {label} was deleted: nobody would find the rows");
            return Err(Failure::refused(Errno::ESTALE, why));
        }
        let what = match rows.way {
            Way::Replace => "replace",
            Way::Append => "append to",
        };
        let message = self.authors.message(format_args!("{what} {}", rows.name), rows.writer);
        let Rows { series, way, guard, author, .. } = *rows;
        let save = Save { series, way, basis, author, message: &message, guard };
        let saved = save.run(&self.tree.views, input, again)?;
        if saved.stamp.is_some() {
            Counters::add(&self.control.counters.saves, 1);
        }
        Ok(saved)
    }

    /// The name of a writer: a shell opens files for the programs that it becomes.
    fn name_now(&self, writer: &Writer) -> String {
        process::of_thread(&self.writes.proc, writer.pid).map_or_else(|| writer.name.clone(), |now| now.name)
    }

    /// What is to be known of a copy that is refused; `basis`: what it is a change of.
    fn ticket(&self, copy: &WorkingCopy, way: Way, basis: Option<&Basis>, failure: &Failure) -> Ticket {
        let ticket = copy.ticket(way, self.now(), basis);
        let process = copy.writer().map_or(ticket.process, |writer| self.name_now(writer));
        Ticket { reason: errno::line(failure), process, ..ticket }
    }

    fn save_schema(&self, label: &str, author: &str, file: &File) -> Result<(), Failure> {
        let len = file.metadata().map_err(Failure::unread)?.len();
        if len > SCHEMA_BYTES {
            return Err(Failure::refused(
                Errno::EINVAL,
                "a schema is a line for each column, this is too long",
            ));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        file.read_exact_at(&mut bytes, 0).map_err(Failure::unread)?;
        let text = csv::decoded(&bytes)
            .map_err(|e| Failure::refused(Errno::EINVAL, format!("a schema is UTF-8 text: {e}")))?;
        let schema = Schema::parse_text(&text)?;
        let repo = self.tree.catalog.repo().by(author);
        match repo.create_collection(label, &schema) {
            Ok(_) => {}
            Err(e @ RepoError::OtherSchema { .. }) => {
                return Err(Failure::refused(Errno::EEXIST, e.to_string()));
            }
            Err(e) => return Err(e.into()),
        }
        self.tree.catalog.written();
        self.writes.unborn.lock().remove(label);
        Ok(())
    }

    /// Keeps refused bytes where their writer finds them, and says where.
    fn keep_refused(&self, copy: &WorkingCopy, body: &mut Body, failure: Failure) -> Failure {
        let ticket = self.ticket(copy, body.way(), body.basis.as_ref(), &failure);
        let file = body.written().filter(|_| body.written_len() > 0);
        let kept = file.map(|file| self.writes.spool.reject(file.file(), &ticket)).transpose();
        // A full disk has no space for a copy: then it ends here.
        let kept = kept.or_else(|error| match body.leave() {
            Some(file) => self.writes.spool.keep(file, &ticket).map(Some),
            None => Err(error),
        });
        let name = kept.as_ref().ok().and_then(Option::as_deref);
        // One line tells of one save, though it was refused to an `fsync` already.
        self.control.report_again(body.reported.take(), Some(ticket.uid), ticket.line(name));
        if let Err(error) = &kept {
            let place = ticket.place();
            let what =
                format_args!("the bytes cannot be kept now ({error}): they are kept at the next mount");
            self.control.report(Some(ticket.uid), format!("{} {place}: {what}", iso(self.now())));
        }
        Failure::Reported(failure.kind())
    }

    /// The same of a file that was written under another name, which has it still.
    pub(super) fn keep_file(&self, copy: &WorkingCopy, file: &File, failure: Failure) -> Failure {
        let ticket = self.ticket(copy, Way::Replace, copy.body().basis.as_ref(), &failure);
        let kept = self.writes.spool.reject(file, &ticket);
        self.control.report(Some(ticket.uid), ticket.line(kept.as_deref().ok()));
        Failure::Reported(failure.kind())
    }

    /// Tells of a failure that was not told yet, and what the kernel is to know of it.
    pub(super) fn report_refusal(&self, copy: &WorkingCopy, failure: &Failure) -> Errno {
        if let Failure::Reported(kind) = failure {
            return (*kind).into();
        }
        let body = &mut *copy.body();
        let ticket = self.ticket(copy, body.way(), body.basis.as_ref(), failure);
        let reported = self.control.report_again(body.reported, Some(ticket.uid), ticket.line(None));
        body.reported = Some(reported);
        Errno::of(failure)
    }
}

/// The number and the time of a live file.
pub(super) fn live(series: &Series, format: Format, now: Basis) -> (u64, u64) {
    let mtime = now.view.origin.time;
    let file = RowsFile::of(series, &now.view, now.point, format);
    (Node::of(Entry::File(file), mtime).ino, mtime)
}

/// The rows of a whole file.
pub(super) fn read_rows(
    rows: &Rows<'_>,
    basis: Option<&Basis>,
    file: &File,
    background: Option<BackgroundRead>,
) -> Result<Input, Failure> {
    // What failed there is met again, if it lies in the text.
    if let Some(Ok(input)) = background.map(BackgroundRead::finish) {
        return Ok(input);
    }
    save::read(rows.series, basis.map(Basis::columns), rows.format, file)
}

/// Whether what was written ends as a whole file does.
pub(super) fn looks_whole(copy: &WorkingCopy) -> Result<bool, Failure> {
    let body = copy.body();
    let Purpose::Rows(_, format) = &copy.purpose else { return Ok(false) };
    let Some(file) = body.written() else { return Ok(false) };
    save::ends_whole((file.file(), body.written_len()), *format)
}
