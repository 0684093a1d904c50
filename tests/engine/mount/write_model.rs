//! Writing without a kernel: what programs do to live files, against a file system whose rules are a few lines.
//!
//! A series is its rows by index. An open file that is written is its bytes and the rows it was opened on; saving it is
//! a change against those. Commits made elsewhere, merges, trims and defrags come between.

use super::kernel::{Fd, Kernel};
use super::walk::Walk;
use super::write_steps::{FILES, FOLDERS, How, LABELS, PIDS, Place, Step};
use crate::support::{CountingClock, SeriesRows, repo_on};
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::collection::Collection;
use lakota::data::schema::Schema;
use lakota::mount::options::MountOptions;
use lakota::mount::posix::errno::Errno;
use lakota::mount::posix::fs::Fs;
use lakota::vfs::spool::Spool;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A live file that is written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) place: Place,
    pub(super) bytes: Vec<u8>,
    pub(super) base: SeriesRows,
    /// Bytes it was opened with, while nothing but additions was made.
    pub(super) kept: Option<usize>,
    pub(super) unsaved: bool,
    pub(super) writer: u32,
    pub(super) stopped: bool,
    /// Bytes of whole lines that are saved, while nothing but additions was made.
    saved: usize,
    /// When it was empty last.
    emptied: usize,
    /// Whether history was trimmed since: then the rows it was opened on may be gone.
    pub(super) trimmed: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Target {
    /// What it must read for ever.
    Reader(Vec<u8>),
    /// Written, and whether behind the last byte.
    Written(Rc<RefCell<Written>>, bool),
}

/// Makes series, and nothing else: who makes one takes its folder for empty.
const MAKER: u32 = 300;

type State = ([Option<SeriesRows>; 2], BTreeMap<Place, Hidden>, usize);

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Hidden {
    Emptied,
    Gone,
}

pub(super) struct World {
    pub(super) kernel: Kernel,
    pub(super) schema: Schema,
    pub(super) other: Collection,
    /// Rows of the series that there are.
    pub(super) series: [Option<SeriesRows>; 2],
    pub(super) open: Vec<(Fd, Target)>,
    pub(super) hidden: BTreeMap<Place, Hidden>,
    /// When something was to be saved of a file last.
    written: BTreeMap<Place, usize>,
    /// Steps so far.
    ticks: usize,
    /// Whether hidden names outlast the test, or are shown at once.
    pub(super) lasting: bool,
    pub(super) rejected: usize,
    pub(super) serial: usize,
    pub(super) spool: std::path::PathBuf,
    pub(super) _folder: TempDir,
}

pub(super) fn path((series, format): Place) -> String {
    format!("{}/{}", FOLDERS[series], FILES[format])
}

impl World {
    pub(super) fn new(lasting: bool, segment_rows: Option<usize>) -> World {
        let schema = Schema::parse(["k int*", "v int"]).unwrap();
        let clock = CountingClock::new();
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let other = repo_on(&backend, &clock, segment_rows).create_collection("c", &schema).unwrap();
        let mut batch = other.batch("").unwrap();
        LABELS.iter().for_each(|label| batch.create(label).unwrap());
        batch.commit().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let spool = Spool::open(&at("spool"), &at("repo"), &at("mnt"), 0).unwrap();
        let waiting = spool.folder().join("writes");
        let options = MountOptions { poll: Duration::ZERO, ..MountOptions::default() };
        let fs = Fs::writable(repo_on(&backend, &clock, segment_rows), options, spool);
        let hiding = if lasting { Duration::from_secs(3600) } else { Duration::ZERO };
        let mut kernel = Kernel::new(fs.with_hidden_for(hiding), &at("proc"));
        PIDS.iter().for_each(|pid| kernel.spawn(*pid, 0, "prog"));
        kernel.spawn(MAKER, 0, "mkdir");
        World {
            kernel,
            schema,
            other,
            series: [Some(SeriesRows::new()), Some(SeriesRows::new())],
            open: Vec::new(),
            hidden: BTreeMap::new(),
            written: BTreeMap::new(),
            ticks: 0,
            lasting,
            rejected: 0,
            serial: 0,
            spool: waiting,
            _folder: folder,
        }
    }

    /// Saves what was written: what the close must answer.
    fn save(&mut self, file: &Rc<RefCell<Written>>, keeps: bool) -> Result<(), Errno> {
        let mut file = file.borrow_mut();
        let (series, format) = file.place;
        if file.bytes.is_empty() {
            file.unsaved = false;
            // Not where it was written since, by another descriptor.
            if self.written.get(&file.place).is_none_or(|at| *at < file.emptied) {
                self.hide(file.place, Hidden::Emptied);
            }
            return Ok(());
        }
        self.written.insert(file.place, self.ticks);
        let written = file.bytes[file.kept.unwrap_or(0)..].to_vec();
        let Some(rows) = self.parse(format, &written) else {
            file.unsaved = !keeps;
            self.rejected += usize::from(keeps && !written.is_empty());
            return Err(Errno::EINVAL);
        };
        file.unsaved = false;
        let rows = if file.kept.is_some() {
            let fresh = self.parse(format, &file.bytes[file.saved..]).unwrap_or_default();
            if written.ends_with(b"\n") {
                file.saved = file.bytes.len();
            }
            // What was saved may have been changed by others since.
            rows.into_iter().filter(|(key, _)| fresh.contains_key(key)).collect()
        } else {
            rows
        };
        match (&mut self.series[series], file.kept) {
            (Some(now), Some(_)) => now.extend(rows),
            (Some(now), None) => {
                change(now, &file.base, &rows);
                file.base = rows;
            }
            (gone, kept) => {
                *gone = Some(rows.clone());
                if kept.is_none() {
                    file.base = rows;
                }
            }
        }
        if file.kept.is_none() {
            self.hidden.remove(&file.place);
        }
        Ok(())
    }

    fn hide(&mut self, place: Place, hiding: Hidden) {
        if self.lasting {
            self.hidden.insert(place, hiding);
        }
    }

    fn revisions(&self) -> (usize, usize) {
        let log = self.other.changelog().log().unwrap();
        (log.len(), log.heads().len())
    }

    /// What a file that is opened on the rows there are is.
    fn begun(&self, pid: u32, place: Place, bytes: Vec<u8>, kept: bool, unsaved: bool) -> Written {
        let kept = kept.then_some(bytes.len());
        let base = self.series[place.0].clone().unwrap_or_default();
        let (saved, emptied) = (kept.unwrap_or(0), self.ticks);
        Written {
            place,
            bytes,
            base,
            kept,
            unsaved,
            writer: pid,
            stopped: false,
            saved,
            emptied,
            trimmed: false,
        }
    }

    fn open(&mut self, pid: u32, place: Place, how: How) {
        let flags = match how {
            How::Read => libc::O_RDONLY,
            How::Truncate => libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC,
            How::Append => libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND,
            How::InPlace => libc::O_RDWR,
        };
        let hiding = self.hidden.get(&place).copied();
        let shown = || match hiding {
            None => Walk(&self.kernel.fs).read(&path(place)),
            Some(_) => Vec::new(),
        };
        let creates = matches!(how, How::Truncate | How::Append);
        let expected = match (hiding, &self.series[place.0]) {
            (_, None) => Err(Errno::ENOENT),
            (Some(Hidden::Gone), _) if !creates => Err(Errno::ENOENT),
            (Some(Hidden::Gone), _) => Ok(self.begun(pid, place, Vec::new(), false, true)),
            _ if how == How::Append && place.1 == 1 => Err(Errno::EOPNOTSUPP),
            _ if how == How::Truncate => Ok(self.begun(pid, place, Vec::new(), false, true)),
            _ => Ok(self.begun(pid, place, shown(), hiding.is_none(), false)),
        };
        let opened = self.kernel.open(pid, &path(place), flags);
        match (expected, opened) {
            (Ok(file), Ok(fd)) if how == How::Read => self.open.push((fd, Target::Reader(file.bytes))),
            (Ok(file), Ok(fd)) => {
                self.hidden.remove(&place);
                let file = Rc::new(RefCell::new(file));
                self.open.push((fd, Target::Written(file, how == How::Append)));
            }
            (expected, opened) => {
                assert_eq!(opened.err(), expected.err(), "open {} as {how:?}", path(place));
            }
        }
    }

    pub(super) fn close(&mut self, at: usize, dying: bool) {
        let (fd, target) = self.open.remove(at);
        let Target::Written(file, _) = target else {
            assert_eq!(self.kernel.close(fd), Ok(()));
            return;
        };
        let refs = |open: &[(Fd, Target)], own: bool| {
            let same = |t: &Target| matches!(t, Target::Written(other, _) if Rc::ptr_eq(other, &file));
            open.iter().filter(|(other, t)| same(t) && (!own || other.0 == fd.0)).count()
        };
        let (pid, unsaved) = (file.borrow().writer, file.borrow().unsaved);
        let before = self.state();
        let mut expected = Ok(());
        if unsaved && pid == fd.0 && dying {
            file.borrow_mut().stopped = true;
        } else if unsaved && pid == fd.0 && refs(&self.open, true) == 0 {
            expected = self.save(&file, true);
        }
        if refs(&self.open, false) == 0 && file.borrow().unsaved {
            if file.borrow().stopped {
                let file = file.borrow();
                self.rejected += usize::from(file.bytes.len() > file.kept.unwrap_or(0));
            } else {
                self.save(&file, true).unwrap_or_default();
            }
        }
        let done = self.kernel.close(fd);
        if file.borrow().trimmed && self.rejected == before.2 && self.refusals() > before.2 {
            self.restore(before);
            file.borrow_mut().unsaved = false;
            self.rejected += 1;
        } else if !dying {
            assert_eq!(done, expected, "close of {file:?}");
        }
    }

    fn refusals(&self) -> usize {
        Walk(&self.kernel.fs).names(".lakota/rejected").len()
    }

    /// What a save changes.
    fn state(&self) -> State {
        (self.series.clone(), self.hidden.clone(), self.rejected)
    }

    /// Nothing was saved: the rows that were opened are in no history any more.
    fn restore(&mut self, before: State) {
        (self.series, self.hidden, self.rejected) = before;
    }

    pub(super) fn run(&mut self, step: &Step) {
        self.ticks += 1;
        let before = self.revisions();
        let rows = self.series.clone();
        match step {
            Step::Open(pid, place, how) => self.open(PIDS[*pid], *place, *how),
            Step::Add(..)
            | Step::Whole(..)
            | Step::Poke(..)
            | Step::Cut(..)
            | Step::Sync(..)
            | Step::Dup(..) => {
                self.with_open(step);
            }
            Step::Close(at) if *at < self.open.len() => self.close(*at, false),
            Step::Close(_) => {}
            Step::Kill(pid) => self.kill(PIDS[*pid]),
            Step::Save(pid, place, rows) => {
                let at = self.open.len();
                self.open(PIDS[*pid], *place, How::Truncate);
                if self.open.len() > at {
                    self.with_open(&Step::Whole(at, rows.clone()));
                    self.close(at, false);
                }
            }
            Step::Over(pid, place, rows, open, between) => {
                self.rename_over(PIDS[*pid], *place, rows, *open, *between);
            }
            Step::Unlink(pid, place) => self.unlink(PIDS[*pid], *place),
            Step::Make(series) => {
                let done = self.kernel.mkdir(MAKER, FOLDERS[*series]);
                match &mut self.series[*series] {
                    Some(_) => assert_eq!(done, Err(Errno::EEXIST)),
                    gone => {
                        assert_eq!(done, Ok(()));
                        *gone = Some(SeriesRows::new());
                    }
                }
            }
            Step::Drop(series) => {
                let done = self.kernel.rmdir(PIDS[0], FOLDERS[*series]);
                let there = self.series[*series].take().ok_or(Errno::ENOENT).map(drop);
                assert_eq!(done, there);
                self.hidden.retain(|place, _| place.0 != *series);
            }
            _ => self.elsewhere(step),
        }
        let here = !matches!(step, Step::Elsewhere(..) | Step::Heads(..) | Step::Trim | Step::Defrag);
        if here && !matches!(step, Step::Over(..) | Step::Kill(_)) {
            let made = self.revisions().0 - before.0;
            // A merge that nobody had written, and one with what came between.
            let merges = usize::from(before.1 > 1) + 1;
            assert!(made <= 1 + merges, "{made} revisions by {step:?}");
            assert!(made > 0 || self.series == rows, "{step:?}");
        }
    }

    fn kill(&mut self, pid: u32) {
        let own = |open: &[(Fd, Target)]| open.iter().position(|(fd, _)| fd.0 == pid);
        self.kernel.dying(pid, libc::SIGKILL);
        while let Some(at) = own(&self.open) {
            self.close(at, true);
        }
        self.kernel.exit(pid);
        self.kernel.spawn(pid, 0, "prog");
    }

    fn with_open(&mut self, step: &Step) {
        let (Step::Add(at, ..)
        | Step::Whole(at, ..)
        | Step::Poke(at, ..)
        | Step::Cut(at, ..)
        | Step::Sync(at)
        | Step::Dup(at, _)) = step
        else {
            return;
        };
        let Some((fd, target)) = self.open.get(*at).cloned() else { return };
        if let Step::Dup(_, pid) = step {
            let fd = self.kernel.dup(fd, PIDS[*pid]);
            self.open.push((fd, target));
            return;
        }
        let Target::Written(file, appends) = target else {
            assert_eq!(self.kernel.pwrite(fd, 0, b"x"), Err(Errno::EBADF));
            assert_eq!(self.kernel.ftruncate(fd, 0), Err(Errno::EBADF));
            assert_eq!(self.kernel.fsync(fd), Ok(()));
            return;
        };
        let format = file.borrow().place.1;
        match step {
            Step::Add(_, rows, header) => {
                let end = file.borrow().bytes.len();
                self.put(fd, &file, appends, end, &World::csv(rows, *header));
            }
            Step::Whole(_, rows) => {
                let bytes = self.file(format, rows);
                self.cut(fd, &file, 0);
                self.put(fd, &file, appends, 0, &bytes);
            }
            Step::Poke(_, at, text) => self.put(fd, &file, appends, usize::from(*at), text.as_bytes()),
            Step::Cut(_, len) => self.cut(fd, &file, usize::from(*len)),
            _ => {
                let before = self.state();
                let done = self.kernel.fsync(fd);
                let unsaved = file.borrow().unsaved;
                let written = {
                    let file = file.borrow();
                    file.bytes[file.kept.unwrap_or(0)..].to_vec()
                };
                let whole = written.ends_with([&b"\n"[..], b"PAR1"][format]);
                let expected = if unsaved && whole { self.save(&file, false) } else { Ok(()) };
                if done == Err(Errno::EIO) && file.borrow().trimmed {
                    self.restore(before);
                    file.borrow_mut().unsaved = true;
                } else {
                    assert_eq!(done, expected, "fsync of {file:?}");
                }
            }
        }
    }

    fn put(&self, fd: Fd, file: &Rc<RefCell<Written>>, appends: bool, at: usize, bytes: &[u8]) {
        // The kernel asks for nothing where there is nothing to write.
        if bytes.is_empty() {
            return;
        }
        assert_eq!(self.kernel.pwrite(fd, at as u64, bytes), Ok(()));
        let file = &mut *file.borrow_mut();
        let at = if appends { file.bytes.len() } else { at };
        if !appends {
            file.kept = None;
        }
        let end = at + bytes.len();
        file.bytes.resize(file.bytes.len().max(end), 0);
        file.bytes[at..end].copy_from_slice(bytes);
        file.unsaved = true;
    }

    fn cut(&self, fd: Fd, file: &Rc<RefCell<Written>>, len: usize) {
        assert_eq!(self.kernel.ftruncate(fd, len as u64), Ok(()));
        let file = &mut *file.borrow_mut();
        if len == 0 || len != file.bytes.len() {
            (file.kept, file.unsaved) = (None, true);
            file.bytes.resize(len, 0);
            file.emptied = self.ticks;
        }
    }

    fn unlink(&mut self, pid: u32, place: Place) {
        let done = self.kernel.unlink(pid, &path(place));
        if self.series[place.0].is_none() || self.hidden.get(&place) == Some(&Hidden::Gone) {
            assert_eq!(done, Err(Errno::ENOENT));
            return;
        }
        assert_eq!(done, Ok(()));
        self.hide(place, Hidden::Gone);
    }

    fn rename_over(
        &mut self,
        pid: u32,
        place: Place,
        rows: &[(u8, u8)],
        open: bool,
        between: Option<(u8, u8)>,
    ) {
        if self.series[place.0].is_none() {
            return;
        }
        self.serial += 1;
        let name = format!("{}/tmp{}", FOLDERS[place.0], self.serial);
        let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR;
        let fd = self.kernel.open(pid, &name, flags).unwrap();
        let mut file = self.begun(pid, place, self.file(place.1, rows), false, true);
        self.kernel.write(fd, &file.bytes).unwrap();
        if let Some(row) = between {
            self.elsewhere(&Step::Elsewhere(place.0, vec![row], false));
        }
        if !open {
            self.kernel.close(fd).unwrap();
        }
        assert_eq!(self.kernel.rename(pid, &name, &path(place), true), Ok(()));
        self.hidden.remove(&place);
        file.unsaved = true;
        let file = Rc::new(RefCell::new(file));
        self.save(&file, true).unwrap();
        if open {
            file.borrow_mut().unsaved = true;
            self.open.push((fd, Target::Written(file, false)));
        }
    }
}

/// Makes to `now` the changes that lead from `base` to `mine`.
pub(super) fn change(now: &mut SeriesRows, base: &SeriesRows, mine: &SeriesRows) {
    for key in base.keys().chain(mine.keys()) {
        if base.get(key) != mine.get(key) {
            match mine.get(key) {
                Some(lines) => drop(now.insert(key.clone(), lines.clone())),
                None => drop(now.remove(key)),
            }
        }
    }
}
