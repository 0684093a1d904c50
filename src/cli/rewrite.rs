//! Writing through a mount as any program does: open, write, close, and every failure counts, that of the close too.

use super::args::Place;
use crate::data::label::escape;
use crate::data::plain::word;
use crate::vfs::name::{self, Names};
use crate::vfs::render::Format;
use crate::vfs::spool::{Ticket, Way};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::IntoRawFd;
use std::path::{Path, PathBuf};

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 20;

/// The file of a mount that bytes of this ticket are written to, or that of another series.
pub(crate) fn target(mountpoint: &Path, ticket: &Ticket, to: Option<&Place>) -> Result<PathBuf> {
    let (collection, series) = match to {
        Some(place) => (place.collection.as_str(), place.needs_series("rejected")?),
        None if ticket.collection.is_empty() => {
            bail!("it is not known where these bytes were written: `--to COLLECTION/SERIES` tells")
        }
        None => (ticket.collection.as_str(), ticket.series.as_str()),
    };
    let folder = mountpoint.join(escape(collection)).join(escape(series));
    if !folder.is_dir() {
        bail!("{} does not exist: `mkdir {}` makes it", folder.display(), word(&folder));
    }
    // A collection has none before its columns are taken.
    if to.is_none() && series.is_empty() && ticket.file == name::SCHEMA {
        return Ok(folder.join(name::SCHEMA));
    }
    let format = if ticket.file.ends_with(".parquet") { Format::Parquet } else { Format::Csv };
    let live = [Names::Live, Names::Label].map(|names| name::live(names, series, format));
    let own = to.is_none().then(|| ticket.file.clone());
    // The mount may name its live files otherwise than the one that the bytes were written through.
    let names = own.iter().chain(live.iter().filter(|_| !series.is_empty()));
    let found = names.map(|name| folder.join(name)).find(|path| path.symlink_metadata().is_ok());
    found.with_context(|| format!("{} has no live file", folder.display()))
}

/// The rows of the series that a live file belongs to.
pub(crate) fn rows(live: &Path) -> Result<u64> {
    let path = live.with_file_name(name::AT).join("latest").join(name::COMMIT);
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let commit: serde_json::Value =
        serde_json::from_slice(&text).with_context(|| format!("cannot read {}", path.display()))?;
    commit["rows"].as_u64().with_context(|| format!("{} tells no number of rows", path.display()))
}

/// Writes all of `source` to a file, as the bytes were meant; gives how many there were. A mount makes nothing of none.
pub(crate) fn write(source: &mut File, target: &Path, way: Way) -> io::Result<u64> {
    let mut options = File::options();
    match way {
        Way::Replace => options.write(true).truncate(true).create(true),
        Way::Append => options.append(true),
    };
    let mut file = options.open(target)?;
    let mut written = 0;
    let put = |bytes: &[u8]| {
        written += bytes.len() as u64;
        file.write_all(bytes)
    };
    if let Err(error) = pour(source, put) {
        // A part of the bytes must not be committed by the close; none of them never are.
        return match file.set_len(0) {
            Ok(()) => Err(error),
            // Devices cannot be cut, and commit nothing.
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => Err(error),
            Err(e) => Err(e),
        };
    }
    close(file).map(|()| written)
}

/// Hands all of a file to `put`, piece by piece.
pub(crate) fn copy(source: &mut File, mut put: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut refused = None;
    let read = pour(source, |bytes| {
        put(bytes).map_err(|error| {
            refused = Some(error);
            io::Error::other("it is told by the other")
        })
    });
    match refused {
        Some(error) => Err(error),
        None => Ok(read?),
    }
}

fn pour(source: &mut File, mut put: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => put(&buffer[..n])?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Closes a file, and tells what that says: dropping it would not.
#[expect(unsafe_code, reason = "the standard library has no close that can fail")]
fn close(file: File) -> io::Result<()> {
    // SAFETY: the number was given up by its only owner, so it is closed once.
    match unsafe { libc::close(file.into_raw_fd()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn ticket(file: &str) -> Ticket {
        Ticket {
            time: 0,
            uid: 0,
            pid: 0,
            process: String::new(),
            collection: "a/b".into(),
            series: ".x".into(),
            file: file.into(),
            way: Way::Append,
            reason: String::new(),
            basis: None,
        }
    }

    fn mount(files: &[&str]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "old\n").unwrap();
        }
        folder
    }

    #[test]
    fn bytes_go_where_they_were_written_or_where_they_are_told_to() {
        let folder = mount(&["a%2Fb/%2Ex/live.csv", "a%2Fb/%2Ex/live.parquet", "c/d/d.csv", "a%2Fb/.schema"]);
        let at = |ticket: &Ticket, to: Option<&str>| {
            let place = to.map(|text| text.parse::<Place>().unwrap());
            let found = target(folder.path(), ticket, place.as_ref()).map_err(|e| e.to_string())?;
            Ok::<_, String>(found.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned())
        };
        let path = |text: &str| Ok(text.to_owned());
        assert_eq!(at(&ticket("live.parquet"), None), path("a%2Fb/%2Ex/live.parquet"));
        assert_eq!(at(&ticket("%2Ex.csv"), None), path("a%2Fb/%2Ex/live.csv"), "named otherwise now");
        assert_eq!(at(&ticket("live.csv"), Some("c/d")), path("c/d/d.csv"));
        assert_eq!(at(&Ticket { series: String::new(), ..ticket(".schema") }, None), path("a%2Fb/.schema"));
        std::fs::create_dir(folder.path().join("new")).unwrap();
        let unborn = Ticket { collection: "new".into(), series: String::new(), ..ticket(".schema") };
        assert_eq!(at(&unborn, None), path("new/.schema"), "it is not there before its columns are taken");
        assert!(at(&ticket("live.parquet"), Some("c/d")).unwrap_err().contains("no live file"));
        assert!(at(&ticket("live.csv"), Some("c/e")).unwrap_err().contains("`mkdir "));
        assert!(at(&ticket("live.csv"), Some("c")).unwrap_err().contains("expected COLLECTION/SERIES"));
        let gone = Ticket { series: String::new(), ..ticket("live.csv") };
        assert!(at(&gone, None).unwrap_err().contains("no live file"));
        let lost = Ticket { collection: String::new(), series: String::new(), ..ticket("live.csv") };
        assert!(at(&lost, None).unwrap_err().contains("--to"));
        assert_eq!(at(&lost, Some("c/d")), path("c/d/d.csv"));
    }

    #[test]
    fn bytes_are_written_as_they_were_meant() {
        let folder = mount(&["from", "replaced", "appended"]);
        for (name, way, expected) in
            [("replaced", Way::Replace, "old\n"), ("appended", Way::Append, "old\nold\n")]
        {
            let mut source = File::open(folder.path().join("from")).unwrap();
            write(&mut source, &folder.path().join(name), way).unwrap();
            assert_eq!(std::fs::read_to_string(folder.path().join(name)).unwrap(), expected);
        }
        let missing = write(&mut tempfile::tempfile().unwrap(), &folder.path().join("no"), Way::Append);
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_part_of_the_bytes_is_never_left_to_the_close() {
        let folder = mount(&["live"]);
        let path = folder.path().join("live");
        // A folder opens for reading, and cannot be read.
        let mut source = File::open(folder.path()).unwrap();
        let error = write(&mut source, &path, Way::Append).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        assert_eq!(path.metadata().unwrap().len(), 0, "zero bytes never make a revision");
    }

    #[test]
    fn a_write_that_fails_is_told() {
        let mut source = tempfile::tempfile().unwrap();
        source.write_all(b"x").unwrap();
        io::Seek::rewind(&mut source).unwrap();
        let error = write(&mut source, Path::new("/dev/full"), Way::Append).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
