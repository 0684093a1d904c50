//! Plays the kernel to a mount that is written: processes with descriptors, names that are looked up again where they
//! are stale, the requests that a close makes.

use lakota::mount::posix::attr::{Attr, Caller};
use lakota::mount::posix::errno::Errno;
use lakota::mount::posix::fs::{Change, Fs, ROOT, Renaming};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// An open file: what descriptors that were duplicated share.
#[derive(Debug)]
struct Open {
    ino: u64,
    handle: u64,
    append: bool,
    at: RefCell<u64>,
}

pub(super) type Fd = (u32, u32);

/// A kernel with processes, each of its user.
pub(super) struct Kernel {
    pub(super) fs: Fs,
    proc: PathBuf,
    users: BTreeMap<u32, u32>,
    table: BTreeMap<Fd, Rc<Open>>,
    next: u32,
}

/// Whether the writes of `flags` go behind the last byte.
const fn appends(flags: i32) -> bool {
    flags & libc::O_APPEND != 0
}

impl Kernel {
    /// Serves `fs`; what it looks at as `/proc` is made in the folder `proc`.
    pub(super) fn new(fs: Fs, proc: &Path) -> Kernel {
        let users = BTreeMap::new();
        Kernel { fs: fs.with_proc(proc), proc: proc.to_owned(), users, table: BTreeMap::new(), next: 3 }
    }

    /// Starts a process.
    pub(super) fn spawn(&mut self, pid: u32, uid: u32, name: &str) {
        self.users.insert(pid, uid);
        let own = self.proc.join(pid.to_string());
        std::fs::create_dir_all(own.join("fd")).unwrap();
        std::fs::create_dir_all(own.join("fdinfo")).unwrap();
        std::fs::write(own.join("status"), format!("Name:\t{name}\nTgid:\t{pid}\n")).unwrap();
        std::fs::write(own.join("comm"), format!("{name}\n")).unwrap();
        self.stat(pid, 0, 0);
    }

    fn stat(&self, pid: u32, flags: u32, code: i32) {
        let zeros = |count| vec!["0"; count].join(" ");
        let text = format!("{pid} (a) b) S {} {flags} {} {code}\n", zeros(5), zeros(42));
        std::fs::write(self.proc.join(format!("{pid}/stat")), text).unwrap();
    }

    pub(super) fn caller(&self, pid: u32) -> Caller {
        let uid = self.users.get(&pid).copied().unwrap_or(0);
        Caller { uid, gid: uid, pid }
    }

    /// Walks to the folder of a path, and acts there on its last name.
    fn within<T>(
        &self,
        pid: u32,
        path: &str,
        act: impl FnOnce(u64, &OsStr) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let (mut ino, mut seen) = (ROOT, Vec::new());
        for part in folder.split('/').filter(|part| !part.is_empty()) {
            let found = self.fs.lookup(self.caller(pid), ino, OsStr::new(part));
            match found {
                Ok(found) => ino = found.attr.ino,
                Err(errno) => {
                    seen.into_iter().for_each(|ino| self.fs.forget(ino, 1));
                    return Err(errno);
                }
            }
            seen.push(ino);
        }
        let done = act(ino, OsStr::new(name));
        seen.into_iter().for_each(|ino| self.fs.forget(ino, 1));
        done
    }

    /// Acts on what a path names; where that is stale, it is looked up once more.
    ///
    /// With `hold`, the lookup of what it was done to stays: an open file has its inode.
    fn on<T>(
        &self,
        pid: u32,
        path: &str,
        hold: bool,
        act: impl Fn(u64) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let once = || {
            self.within(pid, path, |folder, name| {
                let found = self.fs.lookup(self.caller(pid), folder, name)?;
                let done = act(found.attr.ino);
                if !hold || done.is_err() {
                    self.fs.forget(found.attr.ino, 1);
                }
                done
            })
        };
        match once() {
            Err(Errno::ESTALE) => {
                // The kernel looks twice.
                let looked = self.within(pid, path, |folder, name| {
                    self.fs.lookup(self.caller(pid), folder, name).map(|found| found.attr.ino)
                });
                let done = once();
                looked.into_iter().for_each(|ino| self.fs.forget(ino, 1));
                done
            }
            done => done,
        }
    }

    /// As open(2).
    pub(super) fn open(&mut self, pid: u32, path: &str, flags: i32) -> Result<Fd, Errno> {
        let caller = self.caller(pid);
        let plain = flags & !(libc::O_CREAT | libc::O_EXCL);
        let opened = self.on(pid, path, true, |ino| {
            if flags & libc::O_EXCL != 0 {
                return Err(Errno::EEXIST);
            }
            self.fs.open(caller, ino, plain).map(|opened| (ino, opened.handle))
        });
        let (ino, handle) = match opened {
            Err(Errno::ENOENT) if flags & libc::O_CREAT != 0 => self.within(pid, path, |folder, name| {
                let (found, opened) = self.fs.create(caller, folder, name, flags)?;
                Ok((found.attr.ino, opened.handle))
            })?,
            done => done?,
        };
        let open = Open { ino, handle, append: appends(flags), at: RefCell::new(0) };
        Ok(self.place(pid, Rc::new(open)))
    }

    fn place(&mut self, pid: u32, open: Rc<Open>) -> Fd {
        let fd = (pid, self.next);
        self.next += 1;
        self.table.insert(fd, open.clone());
        if pid == 0 {
            return fd;
        }
        let own = self.proc.join(pid.to_string());
        symlink("/mnt/file", own.join(format!("fd/{}", fd.1))).unwrap();
        std::fs::write(own.join(format!("fdinfo/{}", fd.1)), format!("pos:\t0\nino:\t{}\n", open.ino))
            .unwrap();
        fd
    }

    /// As dup(2), into a process: its own, or one that inherits.
    pub(super) fn dup(&mut self, fd: Fd, into: u32) -> Fd {
        let open = Rc::clone(&self.table[&fd]);
        self.place(into, open)
    }

    /// As write(2). All bytes, or an error.
    pub(super) fn write(&self, fd: Fd, bytes: &[u8]) -> Result<(), Errno> {
        let open = &self.table[&fd];
        let at = match open.append {
            true => self.fstat(fd)?.size,
            false => *open.at.borrow(),
        };
        self.fs.write(open.handle, at, bytes, open.append)?;
        *open.at.borrow_mut() = at + bytes.len() as u64;
        Ok(())
    }

    /// As pwrite(2).
    pub(super) fn pwrite(&self, fd: Fd, at: u64, bytes: &[u8]) -> Result<(), Errno> {
        let open = &self.table[&fd];
        self.fs.write(open.handle, at, bytes, open.append)
    }

    /// All that a descriptor reads: as many bytes as its size says.
    pub(super) fn read(&self, fd: Fd) -> Vec<u8> {
        let size = self.fstat(fd).unwrap().size;
        let handle = self.table[&fd].handle;
        let bytes = self.fs.read(handle, 0, 1 << 24).unwrap().to_vec();
        assert_eq!(bytes.len() as u64, size, "an open file's size is not what it reads");
        assert!(self.fs.read(handle, size, 10).unwrap().is_empty(), "behind the end");
        let (mut pieces, mut at) = (Vec::new(), 0);
        while at < size {
            let piece = self.fs.read(handle, at, 7).unwrap();
            assert!(!piece.is_empty());
            pieces.extend_from_slice(&piece);
            at += piece.len() as u64;
        }
        assert_eq!(pieces, bytes);
        bytes
    }

    /// What the mount knows a descriptor by.
    pub(super) fn handle(&self, fd: Fd) -> u64 {
        self.table[&fd].handle
    }

    pub(super) fn ino(&self, fd: Fd) -> u64 {
        self.table[&fd].ino
    }

    /// Takes a descriptor away whose handle was released by hand.
    pub(super) fn forget(&mut self, fd: Fd) {
        let open = self.take(fd);
        self.fs.forget(open.ino, 1);
    }

    /// Takes a descriptor away as the end of a mount does: its close and its release are not heard of.
    pub(super) fn vanish(&mut self, fd: Fd) {
        self.take(fd);
    }

    fn take(&mut self, fd: Fd) -> Rc<Open> {
        for list in ["fd", "fdinfo"].iter().filter(|_| fd.0 != 0) {
            std::fs::remove_file(self.proc.join(format!("{}/{list}/{}", fd.0, fd.1))).unwrap();
        }
        self.table.remove(&fd).unwrap()
    }

    pub(super) fn fstat(&self, fd: Fd) -> Result<Attr, Errno> {
        let open = &self.table[&fd];
        self.fs.getattr(self.caller(fd.0), open.ino).map(|(attr, _)| attr)
    }

    pub(super) fn stat_of(&self, pid: u32, path: &str) -> Result<Attr, Errno> {
        self.within(pid, path, |folder, name| {
            let found = self.fs.lookup(self.caller(pid), folder, name)?;
            self.fs.forget(found.attr.ino, 1);
            Ok(found.attr)
        })
    }

    pub(super) fn ftruncate(&self, fd: Fd, size: u64) -> Result<(), Errno> {
        let open = &self.table[&fd];
        let change = Change { size: Some(size), mtime: None };
        self.fs.setattr(self.caller(fd.0), open.ino, Some(open.handle), change).map(|_| ())
    }

    /// As truncate(2), by a name.
    pub(super) fn truncate(&self, pid: u32, path: &str, size: u64) -> Result<(), Errno> {
        let change = Change { size: Some(size), mtime: None };
        self.on(pid, path, false, |ino| self.fs.setattr(self.caller(pid), ino, None, change).map(|_| ()))
    }

    pub(super) fn fsync(&self, fd: Fd) -> Result<(), Errno> {
        self.fs.fsync(self.table[&fd].handle)
    }

    /// Takes a descriptor out of its process's table, and tells the mount so: the answer of close(2).
    pub(super) fn close(&mut self, fd: Fd) -> Result<(), Errno> {
        let open = self.take(fd);
        let done = self.fs.flush(self.caller(fd.0), open.handle);
        if let Ok(open) = Rc::try_unwrap(open) {
            self.fs.release(open.handle);
            self.fs.forget(open.ino, 1);
        }
        done
    }

    /// A signal ends a process: it is dying until it has closed its descriptors.
    pub(super) fn dying(&self, pid: u32, signal: i32) {
        self.stat(pid, 0x4, signal);
    }

    /// Ends a process. Nobody hears what its closes answer.
    pub(super) fn exit(&mut self, pid: u32) {
        let own: Vec<Fd> = self.table.keys().filter(|fd| fd.0 == pid).copied().collect();
        own.into_iter().for_each(|fd| self.close(fd).unwrap_or_default());
        std::fs::remove_dir_all(self.proc.join(pid.to_string())).unwrap();
    }

    pub(super) fn unlink(&self, pid: u32, path: &str) -> Result<(), Errno> {
        self.stat_of(pid, path)?;
        self.within(pid, path, |folder, name| self.fs.unlink(self.caller(pid), folder, name))
    }

    pub(super) fn mkdir(&self, pid: u32, path: &str) -> Result<(), Errno> {
        self.within(pid, path, |folder, name| {
            let found = self.fs.mkdir(self.caller(pid), folder, name)?;
            self.fs.forget(found.attr.ino, 1);
            Ok(())
        })
    }

    pub(super) fn rmdir(&self, pid: u32, path: &str) -> Result<(), Errno> {
        self.within(pid, path, |folder, name| self.fs.rmdir(self.caller(pid), folder, name))
    }

    /// The names that a folder lists.
    pub(super) fn list(&self, pid: u32, path: &str) -> Result<Vec<String>, Errno> {
        let ino = self.stat_of(pid, path)?.ino;
        self.within(pid, path, |folder, name| {
            self.fs.lookup(self.caller(pid), folder, name)?;
            let opened = self.fs.opendir(self.caller(pid), ino)?;
            let mut names = Vec::new();
            self.fs.readdir(opened.handle, 2, false, &mut |line| {
                names.push(line.name.to_str().unwrap().to_owned());
                true
            })?;
            self.fs.releasedir(opened.handle);
            self.fs.forget(ino, 1);
            Ok(names)
        })
    }

    pub(super) fn rename(&self, pid: u32, from: &str, to: &str, replace: bool) -> Result<(), Errno> {
        self.stat_of(pid, from)?;
        let (caller, how) = (self.caller(pid), Renaming { replace });
        self.within(pid, from, |a, name| {
            self.within(pid, to, |b, new| self.fs.rename(caller, (a, name), (b, new), how))
        })
    }

    /// Writes a whole file in one go: open, write, close. The first error.
    pub(super) fn save(&mut self, pid: u32, path: &str, flags: i32, bytes: &[u8]) -> Result<(), Errno> {
        let fd = self.open(pid, path, flags | libc::O_WRONLY)?;
        let written = self.write(fd, bytes);
        self.close(fd).and(written)
    }

    /// Nothing is open, nothing is known any more.
    pub(super) fn check_clean(&self) {
        let kept = self.fs.kept();
        assert_eq!((kept.handles, kept.inodes), (0, 0), "handles or inodes that nobody has");
    }
}
