//! The words of the kernel and those of [`Fs`](crate::mount::posix::fs::Fs): each made the other.

use crate::mount::posix::fs::{Attr, Caller, Found, Kind, Opened};
use fuser::{
    FileAttr, FileHandle, FileType, FopenFlags, Generation, INodeNo, ReplyEmpty, ReplyEntry, ReplyOpen,
    Request, TimeOrNow,
};
use std::time::{Duration, SystemTime};

pub(super) fn caller(request: &Request) -> Caller {
    Caller { uid: request.uid(), gid: request.gid(), pid: request.pid() }
}

pub(super) fn kind(kind: Kind) -> FileType {
    match kind {
        Kind::Folder => FileType::Directory,
        Kind::File => FileType::RegularFile,
        Kind::Link => FileType::Symlink,
    }
}

pub(super) fn attributes(attr: &Attr) -> FileAttr {
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
        nlink: attr.links,
        uid: attr.uid,
        gid: attr.gid,
        rdev: 0,
        blksize: attr.piece,
        flags: 0,
    }
}

pub(super) fn flags(opened: &Opened) -> FopenFlags {
    let mut flags = FopenFlags::empty();
    flags.set(FopenFlags::FOPEN_KEEP_CACHE, opened.keep_cache);
    flags
}

pub(super) fn answer(done: Result<(), fuser::Errno>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(errno),
    }
}

pub(super) fn entry(done: Result<Found, fuser::Errno>, reply: ReplyEntry) {
    match done {
        Ok(Found { attr, entry_ttl, attr_ttl }) => {
            reply.entry_with_ttls(&attr_ttl, &entry_ttl, &attributes(&attr), Generation(0));
        }
        Err(errno) => reply.error(errno),
    }
}

pub(super) fn opened(done: Result<Opened, fuser::Errno>, reply: ReplyOpen) {
    match done {
        Ok(opened) => reply.opened(FileHandle(opened.handle), flags(&opened)),
        Err(errno) => reply.error(errno),
    }
}

/// Milliseconds since 1970-01-01 UTC; none: now.
pub(super) fn milliseconds(time: TimeOrNow) -> Option<u64> {
    match time {
        TimeOrNow::Now => None,
        TimeOrNow::SpecificTime(time) => {
            let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            Some(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_show_blocks_of_512_bytes_rounded_up() {
        let attr = |size| Attr {
            ino: 7,
            size,
            mtime: 1500,
            kind: Kind::File,
            links: 1,
            piece: 4096,
            perm: 0o644,
            uid: 1,
            gid: 2,
        };
        let blocks: Vec<u64> = [0, 1, 512, 513].map(|size| attributes(&attr(size)).blocks).to_vec();
        assert_eq!(blocks, [0, 1, 1, 2]);
        assert_eq!(attributes(&attr(1)).mtime, SystemTime::UNIX_EPOCH + Duration::from_millis(1500));
    }
}
