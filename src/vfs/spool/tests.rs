mod kept;
mod place;
mod recovery;

use super::ticket::ENDED;
use super::*;
use rustix::fs::FlockOperation;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use tempfile::TempDir;

const NOW: u64 = 1_795_365_012_506;
const DAY: u64 = 86_400_000;

pub(super) fn ticket() -> Ticket {
    Ticket {
        time: NOW,
        uid: 1000,
        pid: 412,
        process: "cp".into(),
        collection: "temp".into(),
        series: "bxl".into(),
        file: "live.csv".into(),
        way: Way::Replace,
        reason: String::new(),
        basis: None,
    }
}

fn refused(time: u64, series: &str) -> Ticket {
    Ticket { time, series: series.into(), reason: "no rows".into(), ..ticket() }
}

/// A base folder, a repository and a mountpoint.
struct World {
    folder: TempDir,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        for name in ["repo", "mnt"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        World { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn try_open(&self, base: &str) -> Result<Spool, SpoolError> {
        Spool::open(&self.path(base), &self.path("repo"), &self.path("mnt"), NOW)
    }

    fn open(&self) -> Spool {
        self.try_open("base").unwrap()
    }

    /// Writes and is killed: what was asked for is never given back.
    fn killed(&self, write: impl FnOnce(&Spool)) -> PathBuf {
        let spool = self.open();
        write(&spool);
        spool.folder().to_owned()
    }

    fn kept(&self) -> Vec<(String, Ticket, String)> {
        let spool = self.open();
        let kept = spool.rejected();
        kept.into_iter().map(|kept| (text(&spool, &kept.name), kept.ticket, kept.name)).collect()
    }
}

fn text(spool: &Spool, name: &str) -> String {
    let mut text = String::new();
    spool.open_rejected(name).unwrap().unwrap().read_to_string(&mut text).unwrap();
    text
}

/// A file whose server is killed: nothing removes it.
fn leave(spool: &Spool, bytes: &[u8], ticket: &Ticket) {
    let file = spool.file(ticket).unwrap();
    file.file().write_all_at(bytes, 0).unwrap();
    let (slot, name) =
        (Arc::clone(&spool.slot), "left".to_owned() + &spool.next.load(Ordering::Relaxed).to_string());
    // By other names, which its own removal does not find.
    let own = spool.next.load(Ordering::Relaxed) - 1;
    slot.writes.rename(OsStr::new(&own.to_string()), &slot.writes, &name).unwrap();
    slot.tickets.rename(OsStr::new(&own.to_string()), &slot.tickets, &name).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

/// A small disk, where this user may mount one.
struct Disk(TempDir);

impl Disk {
    fn mount() -> Option<Disk> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs"]).arg(folder.path());
        if mount.output().is_ok_and(|done| done.status.success()) {
            return Some(Disk(folder));
        }
        writeln!(io::stderr(), "skipped: this user cannot mount a tmpfs").unwrap();
        None
    }

    fn open(&self) -> Spool {
        Spool::open(self.0.path(), Path::new("/nothing/repo"), Path::new("/nothing/mnt"), NOW).unwrap()
    }

    /// Takes all that is left.
    fn fill(&self) {
        let mut file = File::create(self.0.path().join("full")).unwrap();
        while file.write_all(&[b'x'; 4096]).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.path().join("full")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let done = Command::new("umount").arg(self.0.path()).status();
        assert!(std::thread::panicking() || done.unwrap().success());
    }
}
