//! Copies of whole files: shared blocks where the file system can, holes stay holes.

use rustix::fs::SeekFrom;
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// Bytes that one call copies at most: so that a signal need not wait for long.
const STEP: u64 = 64 << 20;

/// Bytes that are read at a time, where the kernel cannot copy.
const BUFFER: usize = 256 << 10;

/// Makes `to`, an empty file, a copy of `from`. The position that others read `from` at is not moved.
pub(super) fn copy(from: &File, to: &File) -> io::Result<()> {
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    let len = from.metadata()?.len();
    // Looking for holes moves the position: that of a descriptor of its own.
    match File::open(format!("/proc/self/fd/{}", from.as_raw_fd())) {
        Ok(own) => data(&own, to, len)?,
        Err(_) => range(from, to, 0, len)?,
    }
    to.set_len(len)
}

/// Copies what is no hole.
fn data(from: &File, to: &File, len: u64) -> io::Result<()> {
    let mut at = 0;
    while at < len {
        let start = match rustix::fs::seek(from, SeekFrom::Data(at)) {
            Ok(start) => start,
            // Nothing but a hole until the end.
            Err(Errno::NXIO) => return Ok(()),
            Err(Errno::INVAL) => return range(from, to, at, len),
            Err(error) => return Err(error.into()),
        };
        let end = rustix::fs::seek(from, SeekFrom::Hole(start))?.min(len);
        range(from, to, start, end)?;
        at = end.max(start + 1);
    }
    Ok(())
}

fn range(from: &File, to: &File, start: u64, end: u64) -> io::Result<()> {
    let (mut at, mut into) = (start, start);
    while at < end {
        let step = usize::try_from((end - at).min(STEP)).unwrap_or(BUFFER);
        match rustix::fs::copy_file_range(from, Some(&mut at), to, Some(&mut into), step) {
            Ok(0) => return plain(from, to, at, end),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {
                return plain(from, to, at, end);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn plain(from: &File, to: &File, start: u64, end: u64) -> io::Result<()> {
    let (mut at, mut buffer) = (start, vec![0; BUFFER]);
    while at < end {
        let most = usize::try_from(end - at).unwrap_or(BUFFER).min(BUFFER);
        let n = match from.read_at(&mut buffer[..most], at) {
            // It was cut meanwhile.
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        to.write_all_at(&buffer[..n], at)?;
        at += n as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, Write};
    use std::os::unix::fs::MetadataExt;

    fn sparse() -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"head").unwrap();
        file.write_all_at(b"middle", 10 << 20).unwrap();
        file.set_len(64 << 20).unwrap();
        file
    }

    fn text(file: &File) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut file = file;
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_copy_has_the_same_bytes_and_the_same_holes() {
        let (from, to) = (sparse(), tempfile::tempfile().unwrap());
        copy(&from, &to).unwrap();
        assert!(to.metadata().unwrap().blocks() * 512 < 4 << 20, "holes became zeros");
        assert_eq!(text(&from), text(&to));
    }

    #[test]
    fn every_way_to_copy_gives_the_same_bytes() {
        let from = sparse();
        for way in [range, plain] {
            let to = tempfile::tempfile().unwrap();
            way(&from, &to, 0, 64 << 20).unwrap();
            assert_eq!(text(&from), text(&to));
        }
    }

    #[test]
    fn the_position_of_the_source_stays() {
        let (mut from, to) = (sparse(), tempfile::tempfile().unwrap());
        from.seek(io::SeekFrom::Start(3)).unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(from.stream_position().unwrap(), 3);
    }

    #[test]
    fn an_empty_file_is_copied() {
        let (from, to) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        copy(&from, &to).unwrap();
        assert_eq!(to.metadata().unwrap().len(), 0);
    }
}
