//! What only a folder of the file system has: staging files, full and read-only disks, a lost root.

use super::{items, names, put};
use bytes::Bytes;
use lakota::backend::local::LocalBackend;
use lakota::backend::{Backend, BackendErrorKind};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

fn local() -> (TempDir, LocalBackend) {
    let folder = tempfile::tempdir().unwrap();
    let backend = LocalBackend::create(folder.path()).unwrap();
    (folder, backend)
}

/// Every staging file below a folder.
pub(super) fn staging_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(staging_files(&entry.path()));
        } else if entry.file_name().to_str().unwrap().starts_with(".tmp-") {
            found.push(entry.path());
        }
    }
    found
}

/// Makes a file that looks like a put of another process, last written `age` ago.
fn stale(path: PathBuf, age: Duration) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = fs::File::create(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

/// A small disk, where this user may mount one.
struct Disk(TempDir);

impl Disk {
    fn mount() -> Option<Disk> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path());
        if mount.output().is_ok_and(|done| done.status.success()) {
            return Some(Disk(folder));
        }
        eprintln!("skipped: this user cannot mount a tmpfs");
        None
    }

    fn remount_read_only(&self) {
        let done = Command::new("mount").args(["-o", "remount,ro"]).arg(self.0.path()).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let done = Command::new("umount").arg(self.0.path()).status();
        assert!(thread::panicking() || done.unwrap().success());
    }
}

#[test]
fn open_of_a_missing_root_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    assert!(LocalBackend::open(&folder.path().join("no"), true).unwrap_err().is_not_found());
}

#[test]
fn open_of_a_file_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(LocalBackend::open(file.path(), true).unwrap_err().kind, BackendErrorKind::Other);
}

#[test]
fn create_makes_parents_and_the_fan_out() {
    let folder = tempfile::tempdir().unwrap();
    let backend = LocalBackend::create(&folder.path().join("a/b/c")).unwrap();
    let expected: Vec<String> = (0..256).map(|i| format!("{i:02x}/")).collect();
    assert_eq!(names(&backend, ""), expected);
}

#[test]
fn create_over_a_store_keeps_it() {
    let (folder, backend) = local();
    put(&backend, "aa/bb", "hello");
    LocalBackend::create(folder.path()).unwrap();
    assert_eq!(backend.get("aa/bb").unwrap(), "hello");
}

#[test]
fn lost_root_is_not_an_empty_store() {
    let (folder, backend) = local();
    folder.close().unwrap();
    let reads = [backend.len("aa/bb").map(|_| ()), backend.list("aa").map(|_| ())];
    assert!(reads.into_iter().all(|read| read.unwrap_err().is_not_found()));
}

#[test]
fn folder_that_a_lost_drive_leaves_is_not_an_empty_store() {
    let (folder, backend) = local();
    fs::remove_dir_all(folder.path()).unwrap();
    fs::create_dir(folder.path()).unwrap();
    let reads = [backend.len("aa/bb").map(|_| ()), backend.list("aa").map(|_| ())];
    assert!(reads.into_iter().all(|read| read.unwrap_err().is_not_found()));
}

#[test]
fn put_does_not_bring_back_a_lost_root() {
    let (folder, backend) = local();
    let root = folder.path().to_owned();
    folder.close().unwrap();
    let error = backend.put("aa/bb", "hello".into()).unwrap_err();
    assert_eq!((error.is_not_found(), root.exists()), (true, false));
}

#[test]
fn list_hides_staging_files() {
    let (folder, backend) = local();
    stale(folder.path().join("aa/.tmp-1-2-3"), Duration::ZERO);
    assert_eq!(names(&backend, "aa"), [""; 0]);
}

#[test]
fn put_leaves_no_staging_file() {
    let (folder, backend) = local();
    backend.put_many(&items(&[("aa/bb", "1"), ("aa/cc/dd", "2"), ("format", "3")])).unwrap();
    assert_eq!(staging_files(folder.path()), [""; 0].map(PathBuf::from));
}

#[test]
fn clean_deletes_old_staging_files_on_every_level() {
    let (folder, backend) = local();
    for name in [".tmp-1-2-3a", "aa/.tmp-1-3-3a", "aa/bb/.tmp-1-4-3a"] {
        stale(folder.path().join(name), Duration::from_secs(60));
    }
    let cleaned = backend.clean(30_000).unwrap();
    assert_eq!((cleaned, staging_files(folder.path())), (3, vec![]));
}

#[test]
fn clean_keeps_young_staging_files() {
    let (folder, backend) = local();
    stale(folder.path().join("aa/.tmp-1-2-3a"), Duration::from_secs(10));
    assert_eq!(backend.clean(30_000).unwrap(), 0);
}

#[test]
fn clean_keeps_files_of_others() {
    let (folder, backend) = local();
    for name in [".tmp-notes", "aa/.tmp-1-2", "aa/.tmp-1-2-z", "aa/x.tmp-1-2-3"] {
        stale(folder.path().join(name), Duration::from_secs(60));
    }
    assert_eq!(backend.clean(0).unwrap(), 0);
}

#[test]
fn put_into_a_folder_that_is_a_file_names_the_path() {
    let (folder, backend) = local();
    put(&backend, "aa/bb", "hello");
    let error = backend.put("aa/bb/cc", "hello".into()).unwrap_err();
    let path = folder.path().join("aa/bb/cc").to_string_lossy().into_owned();
    assert_eq!((error.kind, error.key), (BackendErrorKind::Other, path));
}

#[test]
fn failed_put_leaves_no_staging_file() {
    let (folder, backend) = local();
    fs::create_dir(folder.path().join("aa/bb")).unwrap();
    backend.put_many(&items(&[("aa/bb", "in the place of a folder")])).unwrap_err();
    assert_eq!(staging_files(folder.path()), [""; 0].map(PathBuf::from));
}

#[test]
fn full_disk_is_told_by_kind() {
    let Some(disk) = Disk::mount() else { return };
    let backend = LocalBackend::create(disk.0.path()).unwrap();
    let error = backend.put("aa/bb", Bytes::from(vec![1; 2 << 20])).unwrap_err();
    assert_eq!(error.kind, BackendErrorKind::Full);
}

#[test]
fn full_disk_leaves_whole_files_only() {
    let Some(disk) = Disk::mount() else { return };
    let backend = LocalBackend::create(disk.0.path()).unwrap();
    let items: Vec<_> = (0..8).map(|i| (format!("aa/{i}"), Bytes::from(vec![i; 300_000]))).collect();
    backend.put_many(&items).unwrap_err();
    let whole = backend
        .list("aa")
        .unwrap()
        .iter()
        .all(|e| backend.len(&format!("aa/{}", e.name)).unwrap() == Some(300_000));
    assert_eq!((whole, staging_files(disk.0.path())), (true, vec![]));
}

#[test]
fn full_disk_with_room_again_takes_puts() {
    let Some(disk) = Disk::mount() else { return };
    let backend = LocalBackend::create(disk.0.path()).unwrap();
    backend.put("aa/bb", Bytes::from(vec![1; 2 << 20])).unwrap_err();
    assert!(backend.put("aa/bb", Bytes::from(vec![1; 500_000])).is_ok());
}

#[test]
fn read_only_disk_is_told_by_kind() {
    let Some(disk) = Disk::mount() else { return };
    let backend = LocalBackend::create(disk.0.path()).unwrap();
    put(&backend, "aa/bb", "hello");
    disk.remount_read_only();
    let kinds = [
        backend.put("aa/cc", "hello".into()).unwrap_err().kind,
        backend.rename("aa/bb", "aa/cc").unwrap_err().kind,
        backend.delete_many(&["aa/bb".to_owned()]).unwrap_err().kind,
    ];
    assert_eq!(kinds, [BackendErrorKind::NotWritable; 3]);
}

#[test]
fn read_only_disk_is_read() {
    let Some(disk) = Disk::mount() else { return };
    put(&LocalBackend::create(disk.0.path()).unwrap(), "aa/bb", "hello");
    disk.remount_read_only();
    let backend = LocalBackend::open(disk.0.path(), true).unwrap();
    assert_eq!(backend.get("aa/bb").unwrap(), "hello");
}

/// The mark of writers who do not sync.
fn is_marked(root: &Path) -> bool {
    root.join("unsynced").exists()
}

#[test]
fn writers_who_do_not_sync_leave_a_mark_until_a_synced_one_has_met_it() {
    let folder = tempfile::tempdir().unwrap();
    let synced = LocalBackend::create(folder.path()).unwrap();
    synced.settle().unwrap();
    let bulk = LocalBackend::open(folder.path(), false).unwrap();
    assert_eq!((bulk.is_durable(), is_marked(folder.path())), (false, false));
    bulk.put("aa/one", Bytes::from_static(b"1")).unwrap();
    assert!(is_marked(folder.path()));
    // It lives, and may put more: the mark must be there for the next who syncs.
    synced.settle().unwrap();
    assert!(is_marked(folder.path()));
    let other = LocalBackend::open(folder.path(), false).unwrap();
    other.put("aa/two", Bytes::from_static(b"2")).unwrap();
    drop(bulk);
    synced.settle().unwrap();
    assert!(is_marked(folder.path()));
    drop(other);
    synced.settle().unwrap();
    assert!(!is_marked(folder.path()));
    synced.settle().unwrap();
}

#[test]
fn marks_and_settling_may_meet_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let synced = LocalBackend::create(folder.path()).unwrap();
    std::thread::scope(|scope| {
        let unsynced = |name: &'static str| {
            for n in 0..40 {
                let one = LocalBackend::open(folder.path(), false).unwrap();
                one.put(&format!("aa/{name}-{n}"), Bytes::from_static(b"1")).unwrap();
                // While it lives, its mark is there under its name.
                assert!(is_marked(folder.path()), "{name} {n}");
            }
        };
        scope.spawn(move || unsynced("a"));
        scope.spawn(move || unsynced("b"));
        scope.spawn(|| (0..200).for_each(|_| synced.settle().unwrap()));
    });
    synced.settle().unwrap();
    assert!(!is_marked(folder.path()));
}

#[test]
fn what_cannot_be_marked_is_synced() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    LocalBackend::create(folder.path()).unwrap();
    let elsewhere = folder.path().join("elsewhere");
    symlink(&elsewhere, folder.path().join("unsynced")).unwrap();
    let bulk = LocalBackend::open(folder.path(), false).unwrap();
    bulk.put("aa/one", Bytes::from_static(b"1")).unwrap();
    assert_eq!(bulk.get("aa/one").unwrap(), "1");
    assert!(!elsewhere.exists(), "a planted link was followed");
    LocalBackend::open(folder.path(), true).unwrap().settle().unwrap();
}

#[test]
fn a_file_that_was_synced_is_not_replaced_by_one_that_is_not() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let synced = LocalBackend::create(folder.path()).unwrap();
    let bulk = LocalBackend::open(folder.path(), false).unwrap();
    bulk.put("aa/new", Bytes::from_static(b"1")).unwrap();
    synced.put("aa/one", Bytes::from_static(b"1")).unwrap();
    // It takes the way of a synced put, which is told by nothing but system calls; that it is there is what can be seen.
    bulk.put("aa/one", Bytes::from_static(b"1")).unwrap();
    assert_eq!(synced.get("aa/one").unwrap(), "1");
    let staging = std::fs::read_dir(folder.path().join("aa")).unwrap().count();
    assert_eq!((staging, std::fs::metadata(folder.path().join("aa/one")).unwrap().nlink()), (2, 1));
}

#[test]
fn what_is_no_regular_file_is_told_at_once() {
    let (folder, backend) = local();
    let path = |name: &str| folder.path().join("aa").join(name);
    put(&backend, "aa/sound", "hello");
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    fs::create_dir(path("folder")).unwrap();
    for (to, from) in [("loop", "loop"), ("/dev/zero", "device"), ("sound", "link"), ("nothing", "nowhere")] {
        std::os::unix::fs::symlink(to, path(from)).unwrap();
    }
    let kinds = [
        ("pipe", "it is a named pipe, not a regular file"),
        ("socket", "it is a socket or a device that is not there, not a regular file"),
        ("folder", "it is a folder, not a regular file"),
        ("loop", "it is a link that leads back to itself, not a regular file"),
        ("device", "it is a device, not a regular file"),
    ];
    for (name, why) in kinds {
        let key = format!("aa/{name}");
        let reads = [backend.get(&key), backend.get_within(&key, 9), backend.get_range(&key, 0, 5)];
        for error in reads.map(Result::unwrap_err) {
            assert_eq!((error.kind, error.source.to_string().as_str()), (BackendErrorKind::NoFile, why));
        }
        assert!(name == "loop" || backend.len(&key).unwrap().is_none());
    }
    assert_eq!(backend.get("aa/link").unwrap(), "hello");
    assert!(backend.get("aa/nowhere").unwrap_err().is_not_found());
    // They are listed, and hide nothing.
    assert_eq!(names(&backend, "aa"), ["device", "folder/", "link", "loop", "pipe", "socket", "sound"]);
    // A put takes the place of a pipe.
    put(&backend, "aa/pipe", "better");
    assert_eq!(backend.get("aa/pipe").unwrap(), "better");
}

#[test]
fn a_file_longer_than_what_lies_there_is_not_read() {
    let (folder, backend) = local();
    fs::File::create(folder.path().join("aa/long")).unwrap().set_len(100 << 30).unwrap();
    let error = backend.get_within("aa/long", 1 << 20).unwrap_err();
    assert_eq!(error.kind, BackendErrorKind::NoFile);
    assert_eq!(error.source.to_string(), "it has 107374182400 bytes; what lies there has at most 1048576");
    put(&backend, "aa/short", "12345");
    assert_eq!(backend.get_within("aa/short", 5).unwrap(), "12345");
    assert_eq!(backend.get_within("aa/short", 4).unwrap_err().kind, BackendErrorKind::NoFile);
}
