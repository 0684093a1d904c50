//! Makes revisions of what was written, or keeps it where it is refused.

use super::Fs;
use crate::clock::iso;
use crate::data::csv;
use crate::data::schema::Schema;
use crate::mount::machine::process;
use crate::mount::posix::control::Counters;
use crate::mount::posix::copy::{Body, Purpose, WorkingCopy, Writer};
use crate::mount::posix::errno::{self, Errno};
use crate::mount::posix::pen::Pen;
use crate::mount::posix::tree;
use crate::mount::posix::veil::Veil;
use crate::repo::RepoError;
use crate::users;
use crate::vfs::failure::{Failure, caught};
use crate::vfs::render::Format;
use crate::vfs::save::{self, Basis, Guard, Input, Intake, Save, Saved};
use crate::vfs::series::Series;
use crate::vfs::spool::{ENDED, SHORT, STOPPED, Ticket, Way};
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

impl Fs {
    /// Saves a copy, and keeps its bytes where they are refused.
    pub(super) fn save(&self, pen: &Pen, copy: &WorkingCopy) -> Result<(), Failure> {
        let _busy = pen.busy();
        if !copy.is_unsaved() {
            return Ok(());
        }
        let author = self.author_of(copy);
        let body = &mut *copy.body();
        // Somebody else may have saved it meanwhile.
        if !copy.is_unsaved() {
            return Ok(());
        }
        let done = caught(SAVING, || self.save_body(pen, copy, body, &author));
        let done = done.map_err(|failure| self.keep_refused(pen, copy, body, failure));
        copy.settled(body);
        done
    }

    /// Saves a copy whose writer may go on; where it is refused, it goes on.
    pub(super) fn try_save(&self, pen: &Pen, copy: &WorkingCopy) -> Result<(), Failure> {
        let _busy = pen.busy();
        let author = self.author_of(copy);
        let body = &mut *copy.body();
        caught(SAVING, || self.save_body(pen, copy, body, &author))?;
        copy.settled(body);
        Ok(())
    }

    /// What becomes of a copy that nobody has open any more.
    pub(super) fn save_or_keep(&self, pen: &Pen, copy: &WorkingCopy) -> Result<(), Failure> {
        let stopped = copy.body().stopped;
        match stopped {
            None => self.save(pen, copy),
            Some(signal) => {
                let _busy = pen.busy();
                let body = &mut *copy.body();
                let why = format!("{STOPPED} {signal} before it closed the file");
                let failure = self.keep_refused(pen, copy, body, Failure::refused(Errno::EIO, why));
                copy.settled(body);
                Err(failure)
            }
        }
    }

    /// Keeps what was written when the mount ends before the file is closed.
    pub(super) fn keep_unclosed(&self, pen: &Pen, copy: &WorkingCopy) {
        let body = &mut *copy.body();
        let why = Failure::refused(Errno::EIO, ENDED);
        self.keep_refused(pen, copy, body, why);
        copy.settled(body);
    }

    fn author_of(&self, copy: &WorkingCopy) -> String {
        copy.writer().map_or_else(String::new, |writer| self.author(writer.uid))
    }

    fn save_body(&self, pen: &Pen, copy: &WorkingCopy, body: &mut Body, author: &str) -> Result<(), Failure> {
        let Some(opener) = copy.writer() else { return Ok(()) };
        if let Some(kind) = body.failed {
            let errno = Errno::from(kind);
            let why = format!("{SHORT} ({errno:?}), so not all of the file is there");
            return Err(Failure::refused(kind, why));
        }
        let writer = &Writer { name: self.name_now(pen, opener), ..opener.clone() };
        match &copy.purpose {
            Purpose::Rows(series, format) => {
                if body.size() == 0 {
                    if body.again {
                        return Ok(());
                    }
                    pen.veils.emptied(body.emptied, series, *format, &copy.name, writer);
                    return Ok(());
                }
                pen.veils.written(series, *format);
                let way = body.way();
                let (format, guard) = (*format, body.guard);
                let rows = Rows { series, format, name: &copy.name, way, writer, author, guard };
                let saved = match way {
                    Way::Append => self.save_added(&rows, body)?,
                    Way::Replace => self.save_whole(pen, &rows, body)?,
                };
                (body.told, body.guard) = (None, Guard::Nothing);
                if let Some(shown) = saved.and_then(|saved| saved.shown) {
                    let (ino, mtime) = live(series, format, shown);
                    copy.show_saved(body, self.is_free(copy, ino).then_some(ino), mtime);
                }
                Ok(())
            }
            Purpose::Schema(label) => match body.written() {
                Some(file) if body.size() > 0 => self.save_schema(pen, label, author, file.file()),
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
    fn save_whole(&self, pen: &Pen, rows: &Rows<'_>, body: &mut Body) -> Result<Option<Saved>, Failure> {
        let intake = body.intake();
        let Some(file) = body.written() else { return Ok(None) };
        let basis = body.basis.as_ref();
        let input = self.read_rows(rows, basis, file.file(), intake)?;
        let again = match rows.guard {
            Guard::Nothing => None,
            _ => Some(self.read_rows(rows, basis, file.file(), None)?),
        };
        let saved = self.save_guarded(rows, basis, input, again)?;
        pen.veils.lift(rows.series, rows.format);
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
        let (input, reached) = save::read_added(rows.series, columns, file, body.reached.as_ref())?;
        let saved = self.save_rows(rows, basis, input)?;
        body.reached = reached;
        // What it takes away of that later is a change of this. The ticket stays: lines that are added are a change of
        // nothing.
        body.apart |= saved.stamp.is_some() && saved.basis.is_none();
        body.basis = saved.basis.clone().or(body.basis.take());
        Ok(Some(saved))
    }

    /// The rows of a whole file.
    pub(super) fn read_rows(
        &self,
        rows: &Rows<'_>,
        basis: Option<&Basis>,
        file: &File,
        intake: Option<Intake>,
    ) -> Result<Input, Failure> {
        // What failed there is met again, if it lies in the text.
        if let Some(Ok(input)) = intake.map(Intake::finish) {
            return Ok(input);
        }
        save::read(rows.series, basis.map(Basis::columns), rows.format, file)
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
        if !self.tree.catalog.has(&rows.series.shelf)? {
            let label = rows.series.shelf.collection().label();
            let why = format!("collection {label} was deleted: nobody would find the rows");
            return Err(Failure::refused(Errno::ESTALE, why));
        }
        let message = self.message(rows);
        let Rows { series, way, guard, author, .. } = *rows;
        let save = Save { series, way, basis, author, message: &message, guard };
        let saved = save.run(&self.tree.sheets, input, again)?;
        if saved.stamp.is_some() {
            Counters::add(&self.tree.control.counters.saves, 1);
        }
        Ok(saved)
    }

    /// The name of a writer: a shell opens files for the programs that it becomes.
    fn name_now(&self, pen: &Pen, writer: &Writer) -> String {
        process::of_thread(&pen.proc, writer.pid).map_or_else(|| writer.name.clone(), |now| now.name)
    }

    /// What is to be known of a copy that is refused; `basis`: what it is a change of.
    fn ticket(&self, copy: &WorkingCopy, way: Way, basis: Option<&Basis>, failure: &Failure) -> Ticket {
        let ticket = copy.ticket(way, self.now(), basis);
        let process = match (&self.pen, copy.writer()) {
            (Some(pen), Some(writer)) => self.name_now(pen, writer),
            _ => ticket.process,
        };
        Ticket { reason: errno::line(failure), process, ..ticket }
    }

    fn message(&self, rows: &Rows<'_>) -> String {
        if let Some(message) = &self.tree.options.message {
            return message.clone();
        }
        let what = match rows.way {
            Way::Replace => "replace",
            Way::Append => "append to",
        };
        format!("{what} {} through the mount{}", rows.name, by(rows.writer))
    }

    /// What the log says of a change of names.
    pub(super) fn message_of(&self, what: std::fmt::Arguments<'_>, writer: &Writer) -> String {
        match &self.tree.options.message {
            Some(message) => message.clone(),
            None => format!("{what} through the mount{}", by(writer)),
        }
    }

    /// `user@host` of a user. Not to be asked for while anything is locked.
    pub(super) fn author(&self, uid: u32) -> String {
        let own = &self.tree.catalog.repo().context().author;
        if uid == rustix::process::geteuid().as_raw() {
            return own.clone();
        }
        let host = own.split_once('@').map_or("", |(_, host)| host);
        users::author(&users::system().name(uid), host)
    }

    fn save_schema(&self, pen: &Pen, label: &str, author: &str, file: &File) -> Result<(), Failure> {
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
        pen.unborn.lock().remove(label);
        Ok(())
    }

    /// Keeps refused bytes where their writer finds them, and says where.
    fn keep_refused(&self, pen: &Pen, copy: &WorkingCopy, body: &mut Body, failure: Failure) -> Failure {
        let ticket = self.ticket(copy, body.way(), body.basis.as_ref(), &failure);
        let file = body.written().filter(|_| body.written_len() > 0);
        let kept = file.map(|file| pen.spool.reject(file.file(), &ticket)).transpose();
        // A full disk has no space for a copy: then it ends here.
        let kept = kept.or_else(|error| match body.leave() {
            Some(file) => pen.spool.keep(file, &ticket).map(Some),
            None => Err(error),
        });
        let name = kept.as_ref().ok().and_then(Option::as_deref);
        // One line tells of one save, though it was refused to an `fsync` already.
        self.tree.control.retell(body.told.take(), Some(ticket.uid), ticket.line(name));
        if let Err(error) = &kept {
            let place = ticket.place();
            let what =
                format_args!("the bytes cannot be kept now ({error}): they are kept at the next mount");
            self.tree.control.tell(Some(ticket.uid), format!("{} {place}: {what}", iso(self.now())));
        }
        Failure::Told(failure.kind())
    }

    /// The same of a file that was written under another name, which has it still.
    pub(super) fn keep_file(&self, pen: &Pen, copy: &WorkingCopy, file: &File, failure: Failure) -> Failure {
        let ticket = self.ticket(copy, Way::Replace, copy.body().basis.as_ref(), &failure);
        let kept = pen.spool.reject(file, &ticket);
        self.tree.control.tell(Some(ticket.uid), ticket.line(kept.as_deref().ok()));
        Failure::Told(failure.kind())
    }

    /// Tells of a failure that was not told yet, and what the kernel is to know of it.
    pub(super) fn refuse_told(&self, copy: &WorkingCopy, failure: &Failure) -> Errno {
        if let Failure::Told(kind) = failure {
            return (*kind).into();
        }
        let body = &mut *copy.body();
        let ticket = self.ticket(copy, body.way(), body.basis.as_ref(), failure);
        let told = self.tree.control.retell(body.told, Some(ticket.uid), ticket.line(None));
        body.told = Some(told);
        Errno::of(failure)
    }

    /// Whether what was written ends as a whole file does.
    pub(super) fn looks_whole(&self, copy: &WorkingCopy) -> Result<bool, Failure> {
        let body = copy.body();
        let Purpose::Rows(_, format) = &copy.purpose else { return Ok(false) };
        let Some(file) = body.written() else { return Ok(false) };
        save::ends_whole((file.file(), body.written_len()), *format)
    }

    /// Tells of live names that were emptied or unlinked and did not come again.
    pub(super) fn tell_veils(&self) {
        let Some(pen) = &self.pen else { return };
        for over in pen.veils.over() {
            let place = (over.series.shelf.collection().label(), &over.series.label, &over.name);
            let what = match over.veil {
                Veil::Emptied => {
                    "emptied and not written again: no bytes make no revision (a header line alone does)"
                }
                _ => "removed and not written again: a series is dropped by `rmdir` of its folder",
            };
            let by = by(&over.by);
            let line = format!(
                "{} {}/{}/{}: {what}{by}; its rows are back",
                iso(self.now()),
                place.0,
                place.1,
                place.2
            );
            self.tree.control.tell(Some(over.by.uid), line);
        }
    }
}

/// The number and the time of a live file.
pub(super) fn live(series: &Series, format: Format, now: Basis) -> (u64, u64) {
    let node = tree::file(series, &now.sheet, now.point, format);
    (node.ino, node.mtime)
}

/// ` (cp, pid 412)`, or nothing where it cannot be told.
fn by(writer: &Writer) -> String {
    match writer.pid {
        0 => String::new(),
        pid => format!(" ({}, pid {pid})", writer.name),
    }
}
