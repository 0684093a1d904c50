//! What is mounted, from `/proc/self/mountinfo`, and whether it answers.
//!
//! Reading the table asks no file system anything. A look at a mount may hang with its server: it is done in a thread
//! of its own and given up after a time.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// The type of our mounts in the table.
pub const TYPE: &str = "fuse.lakota";

const TABLE: &str = "/proc/self/mountinfo";

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is.
    pub mountpoint: PathBuf,
    /// What is mounted; of ours the repository's folder, or what `-o fsname=` said.
    pub source: OsString,
    /// Type of the file system.
    pub fstype: String,
    /// Major and minor number of the device that `stat` shows of its files.
    pub device: (u32, u32),
}

impl Mount {
    /// Whether it is one of ours.
    #[must_use]
    pub fn is_lakota(&self) -> bool {
        self.fstype == TYPE
    }
}

/// The mounts that this process sees, in the order they were made.
pub fn read() -> io::Result<Vec<Mount>> {
    Ok(parse(&std::fs::read(TABLE)?))
}

/// The mount whose root is exactly `mountpoint`: the one on top, where there are several.
pub fn at(mountpoint: &Path) -> io::Result<Option<Mount>> {
    Ok(read()?.into_iter().rev().find(|mount| mount.mountpoint == mountpoint))
}

/// Reads a table in the kernel's form, see proc(5). Lines that are no mounts are left out.
#[must_use]
pub fn parse(table: &[u8]) -> Vec<Mount> {
    table.split(|byte| *byte == b'\n').filter_map(line).collect()
}

fn line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let (major, minor) = std::str::from_utf8(fields.nth(2)?).ok()?.split_once(':')?;
    let mountpoint = fields.nth(1)?;
    // Optional fields end with a single dash.
    fields.find(|field| *field == b"-")?;
    let fstype = String::from_utf8(unescape(fields.next()?)).ok()?;
    Some(Mount {
        mountpoint: PathBuf::from(OsString::from_vec(unescape(mountpoint))),
        source: OsString::from_vec(unescape(fields.next()?)),
        fstype,
        device: (major.parse().ok()?, minor.parse().ok()?),
    })
}

/// Gives the bytes back that the kernel shows as a backslash and three octal digits: space, tab, newline, backslash.
fn unescape(field: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(field.len()), field);
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..3).filter(|d| first == b'\\' && d.iter().all(|b| (b'0'..=b'7').contains(b)));
        let byte =
            digits.and_then(|d| u8::try_from(d.iter().fold(0u32, |n, b| n * 8 + u32::from(b - b'0'))).ok());
        out.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &tail[3..] } else { tail };
    }
    out
}

/// How a mount answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Alive,
    /// Its server is gone.
    Dead,
    /// It did not in time.
    Hangs,
}

impl Health {
    /// A word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Health::Alive => "alive",
            Health::Dead => "dead",
            Health::Hangs => "hangs",
        }
    }
}

/// Whether an error means that a mount's server is gone.
#[must_use]
pub fn is_dead(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotConnected | io::ErrorKind::ConnectionAborted)
}

/// Does `act`, which may hang, in a thread of its own; `None` where it took longer than `limit`.
pub fn within<T: Send + 'static>(limit: Duration, act: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = sync_channel(1);
    let thread = std::thread::Builder::new().name("look".to_owned()).spawn(move || {
        // Nobody waits any more where this fails.
        sender.send(act()).unwrap_or_default();
    });
    match thread.map(|_| receiver.recv_timeout(limit)) {
        Ok(Ok(done)) => Some(done),
        Ok(Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected)) | Err(_) => None,
    }
}

/// Asks the mount at `mountpoint` how much space it has: what no cache of the kernel answers for its server.
#[must_use]
pub fn health(mountpoint: &Path, limit: Duration) -> Health {
    let path = mountpoint.to_owned();
    match within(limit, move || rustix::fs::statvfs(&path).map_err(io::Error::from)) {
        None => Health::Hangs,
        Some(Err(error)) if is_dead(&error) => Health::Dead,
        Some(_) => Health::Alive,
    }
}

/// A path as the table's lines show it: links resolved, without asking what is mounted at its end.
pub fn resolve(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    match absolute.canonicalize() {
        Err(error) if is_dead(&error) => {}
        other => return other,
    }
    // The server of the last part is gone: the part itself cannot be looked at, the folder around it can.
    match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => Ok(parent.canonicalize()?.join(name)),
        _ => Ok(absolute),
    }
}

/// What a live mount tells of its server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Process that serves it.
    pub pid: Option<u32>,
    /// Folder of its repository.
    pub repo: Option<PathBuf>,
    /// When it was mounted.
    pub mounted: Option<String>,
}

/// Where a mount tells of itself.
pub const STATUS: &str = ".lakota/status";

/// Asks a mount of ours for its server; nothing where it does not tell in time, or not to this user.
#[must_use]
pub fn status(mountpoint: &Path, limit: Duration) -> Status {
    let path = mountpoint.join(STATUS);
    let text = within(limit, move || std::fs::read(&path)).and_then(Result::ok);
    text.map(|text| parse_status(&text)).unwrap_or_default()
}

fn parse_status(text: &[u8]) -> Status {
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(text) else {
        return Status::default();
    };
    let pid = fields.get("pid").and_then(serde_json::Value::as_u64);
    let text = |name| fields.get(name).and_then(serde_json::Value::as_str);
    Status {
        pid: pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0),
        repo: text("repo").map(PathBuf::from),
        mounted: text("mounted").map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "22 27 0:21 / /proc rw,relatime - proc proc rw\n\
        36 35 98:0 /mnt1 /mnt/a\\040b\\134c rw,noatime master:1 shared:2 - fuse.lakota /srv/re\\011po ro,user_id=0\n\
        a line that is no mount\n\
        37 35 0:58 / /mnt/x ro,nosuid - fuse.lakota /srv/repo ro\n";

    #[test]
    fn lines_are_read_with_and_without_optional_fields() {
        let found = parse(LINES.as_bytes());
        let expected = Mount {
            mountpoint: "/mnt/a b\\c".into(),
            source: "/srv/re\tpo".into(),
            fstype: "fuse.lakota".into(),
            device: (98, 0),
        };
        assert_eq!(found.iter().map(Mount::is_lakota).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(found[1], expected);
    }

    #[test]
    fn escapes_are_undone_and_a_lone_backslash_stays() {
        assert_eq!(unescape(b"a\\040b\\134040\\04\\"), b"a b\\040\\04\\");
    }

    #[test]
    fn bytes_that_are_no_text_are_kept() {
        let table = [b"1 2 0:5 / /m\xff rw - fuse.lakota ".as_slice(), b"/r\xfe rw"].concat();
        let found = parse(&table);
        assert_eq!(found[0].mountpoint.as_os_str().as_encoded_bytes(), b"/m\xff");
        assert_eq!(found[0].source.as_encoded_bytes(), b"/r\xfe");
    }

    #[test]
    fn the_real_table_has_a_root() {
        assert!(at(Path::new("/")).unwrap().is_some());
    }

    #[test]
    fn what_hangs_is_given_up() {
        let nothing: Option<()> =
            within(Duration::from_millis(5), || std::thread::sleep(Duration::from_secs(2)));
        assert_eq!(nothing, None);
        assert_eq!(within(Duration::from_secs(5), || 7), Some(7));
    }

    #[test]
    fn a_status_tells_the_server() {
        let text = br#"{"pid": 42, "repo": "/srv/repo", "mounted": "2020-09-21T14:03:12.506Z"}"#;
        let mounted = Some("2020-09-21T14:03:12.506Z".to_owned());
        assert_eq!(parse_status(text), Status { pid: Some(42), repo: Some("/srv/repo".into()), mounted });
        assert_eq!(parse_status(b"no json"), Status::default());
        assert_eq!(parse_status(br#"{"pid": -1}"#), Status::default());
    }

    #[test]
    fn a_path_is_resolved_through_links() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(resolve(&link).unwrap(), real.canonicalize().unwrap());
    }
}
