//! What differs on a mount that is written: it is the past, and `diff` is the mount's name.

use super::live::{LIVE, World};
use super::walk::Walk;
use lakota::mount::posix::errno::Errno;
use libc::{O_CREAT, O_RDWR, O_TRUNC, O_WRONLY};
use std::path::{Path, PathBuf};

#[test]
fn what_differs_cannot_be_written_and_nothing_is_made_beside_it() {
    let mut world = World::new();
    world.kernel.save(100, LIVE, O_TRUNC, b"k,v\n1,11\n2,20\n").unwrap();
    let latest = format!("c/s/{}", Walk(&world.kernel.fs).link("c/s/latest"));
    for path in [format!("{latest}/delta.csv"), "c/s/at/~0/delta.csv".into(), "c/s/diff/~1..~0.csv".into()] {
        assert_eq!(Walk(&world.kernel.fs).text(&path), "op,k,column,old,new\nchanged,1,v,10,11\n");
        assert_eq!(world.kernel.open(100, &path, O_WRONLY), Err(Errno::EROFS), "{path}");
        assert_eq!(world.kernel.truncate(100, &path, 0), Err(Errno::EROFS), "{path}");
        assert_eq!(world.kernel.unlink(100, &path), Err(Errno::EROFS), "{path}");
        assert_eq!(world.kernel.rename(100, &path, "c/s/mine", true), Err(Errno::EROFS), "{path}");
    }
    assert_eq!(world.kernel.open(100, "c/s/diff/x", O_CREAT | O_RDWR), Err(Errno::EROFS));
    assert_eq!(world.kernel.mkdir(100, "c/s/diff/x"), Err(Errno::EROFS));
    assert_eq!(world.kernel.rmdir(100, "c/s/diff"), Err(Errno::EROFS));
    world.kernel.save(100, "c/s/mine", O_CREAT, b"mine").unwrap();
    assert_eq!(world.kernel.rename(100, "c/s/mine", "c/s/diff", true), Err(Errno::EROFS));
    assert_eq!(Walk(&world.kernel.fs).text("c/s/mine"), "mine");
    let made = Walk(&world.kernel.fs).at("c/s", |ino, _| {
        world.kernel.fs.create(world.kernel.caller(100), ino, "diff".as_ref(), O_CREAT).err()
    });
    assert_eq!(made.unwrap(), Some(Errno::EEXIST));
    assert_eq!(world.kernel.mkdir(100, "c/s/diff"), Err(Errno::EEXIST));
    assert_eq!(world.errors(), "");
}

/// The file of that name below a folder.
fn found(folder: &Path, name: &str) -> Option<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).find_map(|path| {
        if path.file_name().unwrap() == name {
            return Some(path);
        }
        if path.is_dir() { found(&path, name) } else { None }
    })
}

/// A server that has no `diff` of its own lets scratch files have that name.
#[test]
fn a_scratch_file_of_an_earlier_mount_keeps_the_name_until_it_is_removed_or_renamed() {
    let mut world = World::new();
    world.kernel.save(100, "c/s/notes", O_CREAT, b"mine").unwrap();
    let notes = found(world.folder.path(), "notes").unwrap();
    std::fs::rename(&notes, notes.with_file_name("diff")).unwrap();
    assert_eq!(Walk(&world.kernel.fs).text("c/s/diff"), "mine");
    assert!(Walk(&world.kernel.fs).ls("c/s").contains(&"diff".to_owned()));
    world.kernel.save(100, "c/s/diff", O_TRUNC, b"more").unwrap();
    world.kernel.rename(100, "c/s/diff", "c/s/notes", true).unwrap();
    assert_eq!(Walk(&world.kernel.fs).text("c/s/notes"), "more");
    assert!(Walk(&world.kernel.fs).exists("c/s/diff/~0..~0.csv"));
    std::fs::rename(&notes, notes.with_file_name("diff")).unwrap();
    world.kernel.unlink(100, "c/s/diff").unwrap();
    assert!(Walk(&world.kernel.fs).exists("c/s/diff/~0..~0.csv"));
    std::fs::create_dir(notes.with_file_name("diff")).unwrap();
    assert!(!Walk(&world.kernel.fs).exists("c/s/diff/~0..~0.csv"));
    world.kernel.rmdir(100, "c/s/diff").unwrap();
    world.kernel.rmdir(100, "c/s").unwrap();
}
