//! What `fstat` of a descriptor shows after its bytes are saved: what `stat` of the name shows.

use super::kernel::Fd;
use super::live::{CUT, LIVE, PARQUET, ROWS, World};
use super::walk::Walk;
use libc::{O_APPEND, O_CREAT, O_RDWR, O_WRONLY};

/// Number and time, by the descriptor and by the name.
#[track_caller]
fn same(world: &World, fd: Fd, path: &str) {
    let (own, named) = (world.kernel.fstat(fd).unwrap(), world.kernel.stat_of(100, path).unwrap());
    assert_eq!((own.mtime, own.ino), (named.mtime, named.ino), "{path}");
}

#[test]
fn a_descriptor_shows_the_revision_that_its_sync_made() {
    let mut world = World::new();
    for flags in [CUT, O_RDWR, O_WRONLY | O_APPEND] {
        let fd = world.open(flags);
        for row in 3..6 {
            let text = format!("{row},{flags}\n");
            match flags {
                O_RDWR => world.kernel.pwrite(fd, 6, row.to_string().as_bytes()).unwrap(),
                _ => world.kernel.write(fd, text.as_bytes()).unwrap(),
            }
            let now = world.kernel.fstat(fd).unwrap();
            assert!(now.mtime > world.kernel.stat_of(100, LIVE).unwrap().mtime, "it was just written");
            world.kernel.fsync(fd).unwrap();
            same(&world, fd, LIVE);
            assert_eq!(world.kernel.fstat(fd).unwrap().size, now.size, "its bytes are what was written");
        }
        world.kernel.close(fd).unwrap();
    }
    world.kernel.check_clean();
}

#[test]
fn both_formats_do_and_so_does_a_save_that_changes_nothing() {
    let mut world = World::new();
    let whole = Walk(&world.kernel.fs).read(PARQUET);
    let before = world.revisions();
    world.elsewhere("s", "k,v\n1,11\n");
    let fd = world.kernel.open(100, PARQUET, CUT).unwrap();
    world.kernel.write(fd, &whole).unwrap();
    world.kernel.fsync(fd).unwrap();
    same(&world, fd, PARQUET);
    world.kernel.close(fd).unwrap();
    let fd = world.open(CUT);
    world.kernel.write(fd, ROWS.as_bytes()).unwrap();
    world.kernel.fsync(fd).unwrap();
    assert_eq!(world.revisions(), before + 2);
    same(&world, fd, LIVE);
    world.kernel.close(fd).unwrap();
}

#[test]
fn what_is_opened_to_be_written_shows_the_rows_until_it_is() {
    let mut world = World::new();
    let before = world.kernel.stat_of(100, LIVE).unwrap();
    for flags in [O_WRONLY, O_RDWR, O_WRONLY | O_APPEND] {
        let fd = world.open(flags);
        let opened = world.kernel.fstat(fd).unwrap();
        assert_eq!((opened.mtime, opened.size, opened.ino), (before.mtime, before.size, before.ino));
        world.kernel.close(fd).unwrap();
    }
}

/// The steps of emacs: it compares what it opens after its close with what it has written.
#[test]
fn a_file_that_was_just_saved_is_opened_as_what_it_was_saved_as() {
    let mut world = World::new();
    for row in 3..6 {
        let fd = world.open(CUT);
        world.kernel.write(fd, format!("k,v\n1,10\n0{row},030\n").as_bytes()).unwrap();
        world.kernel.fsync(fd).unwrap();
        let saved = world.kernel.fstat(fd).unwrap();
        // The release of a handle comes after its close, and may come after the next open.
        let handle = world.kernel.handle(fd);
        world.kernel.fs.flush(world.kernel.caller(100), handle).unwrap();
        world.kernel.forget(fd);
        let again = world.open(O_WRONLY);
        world.kernel.fs.release(handle);
        let (opened, named) = (world.kernel.fstat(again).unwrap(), world.kernel.stat_of(100, LIVE).unwrap());
        assert_eq!((opened.ino, opened.mtime), (saved.ino, saved.mtime));
        assert_eq!((opened.ino, opened.mtime, opened.size), (named.ino, named.mtime, named.size));
        world.kernel.close(again).unwrap();
    }
    world.kernel.check_clean();
}

/// The descriptor of a file comes into being after the mount has answered its open.
#[test]
fn a_copy_that_another_thread_is_just_opening_is_not_taken_for_closed() {
    let mut world = World::new();
    let one = world.open(CUT);
    let number = world.kernel.fstat(one).unwrap().ino;
    let path = world.folder.path().join(format!("proc/100/fdinfo/{}", one.1));
    let info = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let two = world.open(O_WRONLY | O_APPEND);
    std::fs::write(&path, info).unwrap();
    assert_ne!(world.kernel.fstat(two).unwrap().ino, number);
    world.kernel.write(two, b"3,x\n").unwrap();
    assert!(world.kernel.close(two).is_err(), "its close tells");
    world.kernel.close(one).unwrap();
    world.kernel.check_clean();
}

#[test]
fn what_others_wrote_meanwhile_is_seen() {
    let mut world = World::new();
    let fd = world.open(CUT);
    world.kernel.write(fd, b"k,v\n1,11\n2,20\n").unwrap();
    world.kernel.fsync(fd).unwrap();
    same(&world, fd, LIVE);
    world.elsewhere("s", "k,v\n5,50\n");
    let (own, named) = (world.kernel.fstat(fd).unwrap(), world.kernel.stat_of(100, LIVE).unwrap());
    assert!(own.mtime < named.mtime && own.ino != named.ino);
    world.kernel.close(fd).unwrap();
}

#[test]
fn a_file_that_was_renamed_over_the_live_one_has_its_time() {
    let mut world = World::new();
    let fd = world.kernel.open(100, "c/s/tmp", O_CREAT | O_RDWR).unwrap();
    world.kernel.write(fd, b"k,v\n1,11\n").unwrap();
    world.kernel.rename(100, "c/s/tmp", LIVE, true).unwrap();
    let time = |world: &World| {
        (world.kernel.fstat(fd).unwrap().mtime, world.kernel.stat_of(100, LIVE).unwrap().mtime)
    };
    let (own, named) = time(&world);
    assert_eq!(own, named);
    world.kernel.write(fd, b"2,22\n").unwrap();
    world.kernel.fsync(fd).unwrap();
    let (own, named) = time(&world);
    assert_eq!(own, named);
    world.kernel.close(fd).unwrap();
    assert_eq!(world.text(), "k,v\n1,11\n2,22\n");
}

/// One of them saves what the other has saved: both are the same rows then.
#[test]
fn two_copies_of_one_process_that_were_saved_as_the_same_are_told_apart() {
    let mut world = World::new();
    let one = world.open(O_RDWR);
    let two = world.open(O_RDWR);
    for fd in [one, two] {
        world.kernel.pwrite(fd, 4, b"1,11\n2,20\n").unwrap();
        world.kernel.fsync(fd).unwrap();
    }
    assert_ne!(world.kernel.fstat(one).unwrap().ino, world.kernel.fstat(two).unwrap().ino);
    let dup = world.kernel.dup(two, 100);
    world.kernel.pwrite(two, 14, b"3,3").unwrap();
    world.kernel.close(two).unwrap();
    assert_eq!(world.text(), "k,v\n1,11\n2,20\n", "its other descriptor goes on");
    world.kernel.pwrite(dup, 17, b"0\n").unwrap();
    world.kernel.close(dup).unwrap();
    assert_eq!(world.text(), "k,v\n1,11\n2,20\n3,30\n");
    world.kernel.close(one).unwrap();
    world.kernel.check_clean();
}

#[test]
fn two_copies_of_one_process_are_told_apart_after_a_save() {
    let mut world = World::new();
    let one = world.open(CUT);
    world.kernel.write(one, b"k,v\n1,11\n2,20\n").unwrap();
    world.kernel.fsync(one).unwrap();
    let two = world.open(O_RDWR);
    assert_ne!(world.kernel.fstat(one).unwrap().ino, world.kernel.fstat(two).unwrap().ino);
    world.kernel.write(one, b"3,30\n").unwrap();
    let dup = world.kernel.dup(one, 100);
    world.kernel.close(one).unwrap();
    assert_eq!(world.text(), "k,v\n1,11\n2,20\n", "it has another descriptor");
    world.kernel.pwrite(two, 6, b"9").unwrap();
    world.kernel.close(two).unwrap();
    assert_eq!(world.text(), "k,v\n1,91\n2,20\n");
    world.kernel.close(dup).unwrap();
    assert_eq!(world.text(), "k,v\n1,91\n2,20\n3,30\n");
    world.kernel.check_clean();
}
