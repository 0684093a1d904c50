//! The adapter to the kernel: unpacks a request, asks [`Fs`], replies. No rule of the file system is here.
//!
//! A panic in `Fs` is caught, logged, counted and answered with EIO: the mount goes on. Whatever would write is EROFS;
//! extended attributes, locks, seeks to holes and polls are ENOSYS, after which the kernel does not ask again.

use super::errno::Errno;
use super::fs::{Attr, Caller, Found, Fs, Kind, Line, Opened};
use fuser::{
    AccessFlags, BsdFileFlags, CopyFileRangeFlags, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, InitFlags, IoctlFlags, KernelConfig, LockOwner, OpenFlags, PollEvents, PollFlags,
    PollNotifier, RenameFlags, ReplyAttr, ReplyBmap, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLock, ReplyLseek, ReplyOpen, ReplyPoll,
    ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use std::ffi::OsStr;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Bytes of a request at most: what a read of a file asks at once.
const REQUEST: u32 = 1 << 20;

/// What programs take as the best size of a read.
const READ: u32 = 128 << 10;

/// The unit of `df`.
const BLOCK: u64 = 4096;

/// Serves a file system to the kernel.
#[derive(Debug)]
pub struct Adapter {
    fs: Arc<Fs>,
    repo: PathBuf,
    panics: AtomicU64,
}

impl Adapter {
    /// Adapts `fs`, whose data lies in the folder `repo`.
    #[must_use]
    pub fn new(fs: Arc<Fs>, repo: &Path) -> Adapter {
        Adapter { fs, repo: repo.to_owned(), panics: AtomicU64::new(0) }
    }

    fn guarded<T>(&self, what: &str, act: impl FnOnce(&Fs) -> Result<T, Errno>) -> Result<T, fuser::Errno> {
        let done = catch_unwind(AssertUnwindSafe(|| act(&self.fs))).unwrap_or_else(|payload| {
            let count = self.panics.fetch_add(1, Ordering::Relaxed) + 1;
            let said = message(payload.as_ref());
            log::error!(
                "{what} panicked (number {count} of this mount), its caller gets an I/O error: {said}"
            );
            Err(Errno::EIO)
        });
        done.map_err(|errno| fuser::Errno::from_i32(errno.0))
    }

    /// Tells `Fs` what needs no answer: of a panic only the log knows.
    fn told(&self, what: &str, act: impl FnOnce(&Fs)) {
        let told = |fs: &Fs| {
            act(fs);
            Ok(())
        };
        self.guarded(what, told).unwrap_or_default();
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

/// What a panic said.
fn message(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

fn caller(request: &Request) -> Caller {
    Caller { uid: request.uid(), gid: request.gid(), pid: request.pid() }
}

fn kind(kind: Kind) -> FileType {
    match kind {
        Kind::Folder => FileType::Directory,
        Kind::File => FileType::RegularFile,
        Kind::Link => FileType::Symlink,
    }
}

fn attributes(attr: &Attr) -> FileAttr {
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(attr.mtime);
    FileAttr {
        ino: INodeNo(attr.ino),
        size: attr.size,
        blocks: attr.size.div_ceil(512),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind: kind(attr.kind),
        perm: attr.perm,
        nlink: 1,
        uid: attr.uid,
        gid: attr.gid,
        rdev: 0,
        blksize: READ,
        flags: 0,
    }
}

fn flags(opened: &Opened) -> FopenFlags {
    let mut flags = FopenFlags::empty();
    flags.set(FopenFlags::FOPEN_KEEP_CACHE, opened.keep_cache);
    flags.set(FopenFlags::FOPEN_DIRECT_IO, opened.direct);
    flags
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
        match self.guarded("lookup", |fs| fs.lookup(caller(req), parent.0, name)) {
            Ok(Found { attr, entry_ttl, attr_ttl }) => {
                reply.entry_with_ttls(&attr_ttl, &entry_ttl, &attributes(&attr), Generation(0));
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn forget(&self, _req: &Request, ino: INodeNo, count: u64) {
        self.told("forget", |fs| fs.forget(ino.0, count));
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
        match self.guarded("open", |fs| fs.open(caller(req), ino.0, how.0)) {
            Ok(opened) => reply.opened(FileHandle(opened.handle), flags(&opened)),
            Err(errno) => reply.error(errno),
        }
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

    fn flush(&self, _req: &Request, _ino: INodeNo, _handle: FileHandle, _lock: LockOwner, reply: ReplyEmpty) {
        reply.ok();
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
        self.told("release", |fs| fs.release(handle.0));
        reply.ok();
    }

    fn fsync(&self, _req: &Request, _ino: INodeNo, _handle: FileHandle, _data: bool, reply: ReplyEmpty) {
        reply.ok();
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
        self.told("releasedir", |fs| fs.releasedir(handle.0));
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
        setattr(
            INodeNo, Option<u32>, Option<u32>, Option<u32>, Option<u64>, Option<TimeOrNow>, Option<TimeOrNow>,
            Option<SystemTime>, Option<FileHandle>, Option<SystemTime>, Option<SystemTime>, Option<SystemTime>,
            Option<BsdFileFlags>
        ) ReplyAttr EROFS;
        mknod(INodeNo, &OsStr, u32, u32, u32) ReplyEntry EROFS;
        mkdir(INodeNo, &OsStr, u32, u32) ReplyEntry EROFS;
        unlink(INodeNo, &OsStr) ReplyEmpty EROFS;
        rmdir(INodeNo, &OsStr) ReplyEmpty EROFS;
        symlink(INodeNo, &OsStr, &Path) ReplyEntry EROFS;
        rename(INodeNo, &OsStr, INodeNo, &OsStr, RenameFlags) ReplyEmpty EROFS;
        link(INodeNo, INodeNo, &OsStr) ReplyEntry EROFS;
        create(INodeNo, &OsStr, u32, u32, i32) ReplyCreate EROFS;
        write(INodeNo, FileHandle, u64, &[u8], WriteFlags, OpenFlags, Option<LockOwner>) ReplyWrite EROFS;
        fallocate(INodeNo, FileHandle, u64, u64, i32) ReplyEmpty EROFS;
        copy_file_range(
            INodeNo, FileHandle, u64, INodeNo, FileHandle, u64, u64, CopyFileRangeFlags
        ) ReplyWrite EROFS;
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
        assert_eq!(adapter.panics.load(Ordering::Relaxed), 1);
        adapter.guarded("a test", |_| Ok(())).unwrap();
    }

    #[test]
    fn what_a_panic_said_is_known_for_texts() {
        assert_eq!(message(&"a"), "a");
        assert_eq!(message(&"b".to_owned()), "b");
        assert_eq!(message(&3), "no message");
    }

    #[test]
    fn attributes_show_blocks_of_512_bytes_rounded_up() {
        let attr = |size| Attr { ino: 7, size, mtime: 1500, kind: Kind::File, perm: 0o644, uid: 1, gid: 2 };
        let blocks: Vec<u64> = [0, 1, 512, 513].map(|size| attributes(&attr(size)).blocks).to_vec();
        assert_eq!(blocks, [0, 1, 1, 2]);
        assert_eq!(attributes(&attr(1)).mtime, SystemTime::UNIX_EPOCH + Duration::from_millis(1500));
    }
}
