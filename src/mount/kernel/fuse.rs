//! The adapter to the kernel: unpacks a request, asks [`Fs`], replies. No rule of the file system is here.
//!
//! A panic in `Fs` is caught, logged, counted and answered with EIO: the mount goes on. What may make a revision or a long
//! text is done on a thread of its own, so that no one waits behind it. Extended attributes, locks, seeks to holes and polls are
//! ENOSYS, after which the kernel does not ask again.

mod guarded;
mod words;

use crate::mount::posix::errno::Errno;
use crate::mount::posix::fs::{Change, Found, Fs, Line, Renaming};
use fuser::{
    AccessFlags, BsdFileFlags, CopyFileRangeFlags, FileHandle, Filesystem, FopenFlags, Generation, INodeNo,
    InitFlags, IoctlFlags, KernelConfig, LockOwner, OpenFlags, PollEvents, PollFlags, PollNotifier,
    RenameFlags, ReplyAttr, ReplyBmap, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus,
    ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLock, ReplyLseek, ReplyOpen, ReplyPoll, ReplyStatfs, ReplyWrite,
    ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use guarded::Guarded;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use words::{answer, attributes, caller, entry, flags, kind, milliseconds, opened};

/// Bytes of a request at most: what a read of a file asks at once.
const REQUEST: u32 = 1 << 20;

/// The unit of `df`.
const BLOCK: u64 = 4096;

/// Serves a file system to the kernel.
#[derive(Debug)]
pub struct Adapter {
    inner: Guarded,
    repo: PathBuf,
}

impl Adapter {
    /// Adapts `fs`, whose data lies in the folder `repo`.
    #[must_use]
    pub fn new(fs: Arc<Fs>, repo: &Path) -> Adapter {
        Adapter { inner: Guarded::new(fs), repo: repo.to_owned() }
    }

    fn guarded<T>(&self, what: &str, act: impl FnOnce(&Fs) -> Result<T, Errno>) -> Result<T, fuser::Errno> {
        self.inner.guarded(what, act)
    }

    fn aside(
        &self,
        what: &'static str,
        act: impl Fn(&Fs) -> Result<(), Errno> + Send + Sync + 'static,
        reply: ReplyEmpty,
    ) {
        self.inner.aside(what, act, reply);
    }

    /// Tells `Fs` what needs no answer: of a panic only the log knows.
    fn unanswered(&self, what: &str, act: impl FnOnce(&Fs)) {
        let act = |fs: &Fs| {
            act(fs);
            Ok(())
        };
        self.guarded(what, act).unwrap_or_default();
    }

    /// Reads a folder into a reply. An error after the first line waits for the next call: what the lines before it
    /// counted as looked up must reach the kernel.
    fn listed(
        &self,
        handle: FileHandle,
        offset: u64,
        plus: bool,
        mut take: impl FnMut(&Line<'_>) -> bool,
    ) -> Result<(), fuser::Errno> {
        let mut taken = false;
        let done = self.guarded("readdir", |fs| {
            fs.readdir(handle.0, offset, plus, &mut |line| {
                let fits = take(line);
                taken |= fits;
                fits
            })
        });
        if taken { Ok(()) } else { done }
    }
}

/// Operations that are answered with one error.
macro_rules! refuse {
    ($($name:ident($($type:ty),*) $reply:ident $errno:ident;)*) => {$(
        fn $name(&self, _: &Request, $(_: $type,)* reply: $reply) {
            reply.error(fuser::Errno::from_i32(Errno::$errno.0));
        }
    )*};
}

/// Adds what the kernel has of `wanted`.
fn request(config: &mut KernelConfig, wanted: InitFlags) {
    if let Err(missing) = config.add_capabilities(wanted) {
        log::info!("this kernel does without {missing:?}");
        let rest = wanted - missing;
        config.add_capabilities(rest).unwrap_or_else(|flags| log::warn!("the kernel refused {flags:?}"));
    }
}

impl Filesystem for Adapter {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // READDIRPLUS makes `ls -l` of many entries one request for each page of them. No writeback cache, no
        // cached links (`latest` moves), no HANDLE_KILLPRIV_V2.
        let listing = InitFlags::FUSE_DO_READDIRPLUS | InitFlags::FUSE_READDIRPLUS_AUTO;
        request(config, listing | InitFlags::FUSE_ASYNC_READ | InitFlags::FUSE_PARALLEL_DIROPS);
        // An open tells that it cuts: else a program that dies between would leave a file that is open and whole.
        request(config, InitFlags::FUSE_ATOMIC_O_TRUNC);
        // The errors hold the nearest values that can be had; the kernel's own bound on read-ahead is raised later.
        if let Err(most) = config.set_max_write(REQUEST) {
            config.set_max_write(most).unwrap_or_default();
        }
        if let Err(most) = config.set_max_readahead(REQUEST) {
            config.set_max_readahead(most).unwrap_or_default();
        }
        Ok(())
    }

    fn lookup(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let caller = caller(req);
        if self.inner.fs().is_slow(parent.0, Some(name)) {
            let name = name.to_owned();
            let act = move |fs: &Fs| fs.lookup(caller, parent.0, &name);
            // Nothing is lost where the mount ends meanwhile.
            return self.inner.apart("lookup", act, reply, entry, None);
        }
        entry(self.guarded("lookup", |fs| fs.lookup(caller, parent.0, name)), reply);
    }

    fn forget(&self, _req: &Request, ino: INodeNo, count: u64) {
        self.unanswered("forget", |fs| fs.forget(ino.0, count));
    }

    fn getattr(&self, req: &Request, ino: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        match self.guarded("getattr", |fs| fs.getattr(caller(req), ino.0)) {
            Ok((attr, ttl)) => reply.attr(&ttl, &attributes(&attr)),
            Err(errno) => reply.error(errno),
        }
    }

    fn readlink(&self, _req: &Request, ino: INodeNo, reply: ReplyData) {
        match self.guarded("readlink", |fs| fs.readlink(ino.0)) {
            Ok(target) => reply.data(&target),
            Err(errno) => reply.error(errno),
        }
    }

    fn open(&self, req: &Request, ino: INodeNo, how: OpenFlags, reply: ReplyOpen) {
        let caller = caller(req);
        let act = move |fs: &Fs| fs.open(caller, ino.0, how.0);
        if self.inner.fs().is_slow(ino.0, None) {
            return self.inner.apart("open", act, reply, opened, None);
        }
        opened(self.guarded("open", act), reply);
    }

    fn read(
        &self,
        _req: &Request,
        _ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        len: u32,
        _flags: OpenFlags,
        _lock: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.guarded("read", |fs| fs.read(handle.0, offset, len as usize)) {
            Ok(bytes) => reply.data(&bytes),
            Err(errno) => reply.error(errno),
        }
    }

    fn flush(&self, req: &Request, _ino: INodeNo, handle: FileHandle, _lock: LockOwner, reply: ReplyEmpty) {
        if !self.inner.fs().is_unsaved(handle.0) {
            self.unanswered("flush", |fs| fs.flushed(handle.0));
            return reply.ok();
        }
        let caller = caller(req);
        self.aside("flush", move |fs| fs.flush(caller, handle.0), reply);
    }

    fn release(
        &self,
        _req: &Request,
        _ino: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        _lock: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        let act = move |fs: &Fs| {
            fs.release(handle.0);
            Ok(())
        };
        if self.inner.fs().is_unsaved(handle.0) {
            return self.aside("release", act, reply);
        }
        answer(self.guarded("release", act), reply);
    }

    fn fsync(&self, _req: &Request, _ino: INodeNo, handle: FileHandle, _data: bool, reply: ReplyEmpty) {
        self.aside("fsync", move |fs| fs.fsync(handle.0), reply);
    }

    fn setattr(
        &self,
        req: &Request,
        ino: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        handle: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let change = Change { size, mtime: mtime.map(milliseconds) };
        let handle = handle.map(|handle| handle.0);
        match self.guarded("setattr", |fs| fs.setattr(caller(req), ino.0, handle, change)) {
            Ok((attr, ttl)) => reply.attr(&ttl, &attributes(&attr)),
            Err(errno) => reply.error(errno),
        }
    }

    fn mknod(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        _rdev: u32,
        reply: ReplyEntry,
    ) {
        entry(self.guarded("mknod", |fs| fs.mknod(caller(req), parent.0, name, mode)), reply);
    }

    fn mkdir(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        entry(self.guarded("mkdir", |fs| fs.mkdir(caller(req), parent.0, name)), reply);
    }

    fn unlink(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(self.guarded("unlink", |fs| fs.unlink(caller(req), parent.0, name)), reply);
    }

    fn rmdir(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(self.guarded("rmdir", |fs| fs.rmdir(caller(req), parent.0, name)), reply);
    }

    fn symlink(&self, req: &Request, parent: INodeNo, name: &OsStr, _target: &Path, reply: ReplyEntry) {
        let done = self.guarded("symlink", |fs| fs.link(caller(req), parent.0, name));
        reply.error(done.err().unwrap_or(fuser::Errno::EPERM));
    }

    fn link(&self, req: &Request, _ino: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let done = self.guarded("link", |fs| fs.link(caller(req), parent.0, name));
        reply.error(done.err().unwrap_or(fuser::Errno::EPERM));
    }

    fn rename(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let replace = !flags.contains(RenameFlags::RENAME_NOREPLACE);
        if !(flags - RenameFlags::RENAME_NOREPLACE).is_empty() {
            return reply.error(fuser::Errno::EINVAL);
        }
        let (caller, name, new_name) = (caller(req), name.to_owned(), new_name.to_owned());
        let act = move |fs: &Fs| {
            fs.rename(caller, (parent.0, &name), (new_parent.0, &new_name), Renaming { replace })
        };
        self.aside("rename", act, reply);
    }

    fn create(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        how: i32,
        reply: ReplyCreate,
    ) {
        match self.guarded("create", |fs| fs.create(caller(req), parent.0, name, how)) {
            Ok((Found { attr, attr_ttl, .. }, opened)) => {
                let handle = FileHandle(opened.handle);
                reply.created(&attr_ttl, &attributes(&attr), Generation(0), handle, flags(&opened));
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn write(
        &self,
        _req: &Request,
        _ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        how: WriteFlags,
        flags: OpenFlags,
        _lock: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        // Of a map, the place is right and the handle guessed.
        let append = flags.0 & libc::O_APPEND != 0 && !how.contains(WriteFlags::FUSE_WRITE_CACHE);
        match self.guarded("write", |fs| fs.write(handle.0, offset, data, append)) {
            Ok(()) => reply.written(data.len() as u32),
            Err(errno) => reply.error(errno),
        }
    }

    fn fallocate(
        &self,
        _req: &Request,
        _ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        len: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        answer(self.guarded("fallocate", |fs| fs.allocate(handle.0, offset, len, mode)), reply);
    }

    fn opendir(&self, req: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.guarded("opendir", |fs| fs.opendir(caller(req), ino.0)) {
            Ok(opened) => reply.opened(FileHandle(opened.handle), FopenFlags::empty()),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdir(
        &self,
        _req: &Request,
        _ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let take = |line: &Line<'_>| {
            let attr = &line.found.attr;
            !reply.add(INodeNo(attr.ino), line.next, kind(attr.kind), line.name)
        };
        match self.listed(handle, offset, false, take) {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdirplus(
        &self,
        _req: &Request,
        _ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let take = |line: &Line<'_>| {
            let Found { attr, entry_ttl, attr_ttl } = &line.found;
            // There is one lifetime for both here.
            let ttl = entry_ttl.min(attr_ttl);
            !reply.add(INodeNo(attr.ino), line.next, line.name, ttl, &attributes(attr), Generation(0))
        };
        match self.listed(handle, offset, true, take) {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn releasedir(
        &self,
        _req: &Request,
        _ino: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.unanswered("releasedir", |fs| fs.releasedir(handle.0));
        reply.ok();
    }

    fn fsyncdir(&self, _req: &Request, _ino: INodeNo, _handle: FileHandle, _data: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn statfs(&self, _req: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        match rustix::fs::statvfs(&self.repo) {
            Ok(there) => {
                let blocks = |count: u64| count.saturating_mul(there.f_frsize) / BLOCK;
                let (all, free, available) = (there.f_blocks, there.f_bfree, there.f_bavail);
                let unit = BLOCK as u32;
                let (files, unused) = (there.f_files, there.f_ffree);
                reply.statfs(blocks(all), blocks(free), blocks(available), files, unused, unit, 255, unit);
            }
            Err(error) => {
                log::warn!("cannot tell the space left in {}: {error}", self.repo.display());
                reply.error(fuser::Errno::from_i32(error.raw_os_error()));
            }
        }
    }

    refuse! {
        copy_file_range(
            INodeNo, FileHandle, u64, INodeNo, FileHandle, u64, u64, CopyFileRangeFlags
        ) ReplyWrite ENOSYS;
        setxattr(INodeNo, &OsStr, &[u8], i32, u32) ReplyEmpty ENOSYS;
        getxattr(INodeNo, &OsStr, u32) ReplyXattr ENOSYS;
        listxattr(INodeNo, u32) ReplyXattr ENOSYS;
        removexattr(INodeNo, &OsStr) ReplyEmpty ENOSYS;
        access(INodeNo, AccessFlags) ReplyEmpty ENOSYS;
        lseek(INodeNo, FileHandle, i64, i32) ReplyLseek ENOSYS;
        getlk(INodeNo, FileHandle, LockOwner, u64, u64, i32, u32) ReplyLock ENOSYS;
        setlk(INodeNo, FileHandle, LockOwner, u64, u64, i32, u32, bool) ReplyEmpty ENOSYS;
        bmap(INodeNo, u32, u64) ReplyBmap ENOSYS;
        ioctl(INodeNo, FileHandle, IoctlFlags, u32, &[u8], u32) ReplyIoctl ENOSYS;
        poll(INodeNo, FileHandle, PollNotifier, PollEvents, PollFlags) ReplyPoll ENOSYS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mount::options::MountOptions;
    use crate::repo::{Options, Repo};

    fn adapter(folder: &Path) -> Adapter {
        let repo = Repo::create(folder, Options::default()).unwrap();
        Adapter::new(Arc::new(Fs::new(repo, MountOptions::default())), folder)
    }

    #[test]
    fn a_panic_is_an_input_output_error_and_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let adapter = adapter(folder.path());
        let done: Result<(), _> = adapter.guarded("a test", |_| panic!("of a test"));
        assert_eq!(done.unwrap_err().code(), Errno::EIO.0);
        assert_eq!(adapter.inner.panics(), 1);
        adapter.guarded("a test", |_| Ok(())).unwrap();
    }
}
