//! A file system with one file, `temp/small/live.csv`, that answers every request at once from memory. Its flags and
//! lifetimes are those of our mount: the file's name is asked for at every open, its pages stay in the kernel.

use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen,
    Request,
};
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long attributes, and the names of folders, hold.
const LONG: Duration = Duration::from_secs(3600);

/// Numbers of the root, the two folders and the file.
const NAMES: [(u64, &str); 3] = [(1, "temp"), (2, "small"), (3, "live.csv")];
const FILE: u64 = 4;

struct Answer {
    content: Vec<u8>,
}

impl Answer {
    fn attr(&self, ino: u64) -> FileAttr {
        let (kind, size) = match ino {
            FILE => (FileType::RegularFile, self.content.len() as u64),
            _ => (FileType::Directory, 0),
        };
        let time = SystemTime::UNIX_EPOCH;
        FileAttr {
            ino: INodeNo(ino),
            size,
            blocks: size.div_ceil(512),
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind,
            perm: 0o755,
            nlink: 1,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            rdev: 0,
            blksize: 128 << 10,
            flags: 0,
        }
    }
}

impl Filesystem for Answer {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let flags = InitFlags::FUSE_DO_READDIRPLUS
            | InitFlags::FUSE_READDIRPLUS_AUTO
            | InitFlags::FUSE_ASYNC_READ
            | InitFlags::FUSE_PARALLEL_DIROPS;
        config.add_capabilities(flags).map_err(|missing| io::Error::other(format!("no {missing:?}")))
    }

    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match NAMES.iter().find(|(folder, known)| *folder == parent.0 && name == OsStr::new(known)) {
            Some((folder, _)) => {
                let ino = folder + 1;
                let entry = if ino == FILE { Duration::ZERO } else { LONG };
                reply.entry_with_ttls(&LONG, &entry, &self.attr(ino), Generation(0));
            }
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&LONG, &self.attr(ino.0));
    }

    fn open(&self, _req: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(1), FopenFlags::FOPEN_KEEP_CACHE);
    }

    fn read(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _handle: FileHandle,
        offset: u64,
        len: u32,
        _flags: OpenFlags,
        _lock: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let start = self.content.len().min(offset as usize);
        let end = self.content.len().min(start + len as usize);
        reply.data(&self.content[start..end]);
    }

    fn flush(&self, _req: &Request, _ino: INodeNo, _handle: FileHandle, _lock: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _handle: FileHandle,
        _flags: OpenFlags,
        _lock: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        reply.ok();
    }
}

/// Serves a file of this content until it is unmounted.
pub(crate) fn serve(mountpoint: &Path, content: Vec<u8>) {
    let mut config = Config::default();
    config.mount_options = vec![MountOption::RO, MountOption::NoAtime, MountOption::FSName("answer".into())];
    config.n_threads = Some(4);
    config.clone_fd = true;
    fuser::mount(Answer { content }, mountpoint, &config).unwrap();
}
