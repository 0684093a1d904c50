//! What becomes of bytes that are written: single behaviours.

use super::live::{CUT, LIVE, NEVER, PARQUET, ROWS, World, options};
use super::walk::Walk;
use lakota::mount::options::MountOptions;
use lakota::mount::posix::attr::Caller;
use lakota::mount::posix::errno::Errno;
use libc::{O_APPEND, O_CREAT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY, SIGKILL};
use std::time::Duration;

#[test]
fn a_truncating_save_makes_the_series_the_rows_with_one_revision() {
    let mut world = World::new();
    let before = world.revisions();
    world.kernel.save(100, LIVE, O_TRUNC, b"k,v\n3,30\n").unwrap();
    assert_eq!((world.text().as_str(), world.revisions()), ("k,v\n3,30\n", before + 1));
    assert_eq!(world.last().1, "replace live.csv through the mount (one, pid 100)");
    world.kernel.save(100, LIVE, O_TRUNC, b"k,v\n3,30\n").unwrap();
    assert_eq!(world.revisions(), before + 1, "the same rows again");
    world.kernel.check_clean();
}

#[test]
fn an_append_replaces_rows_of_equal_index_and_leaves_the_others() {
    let mut world = World::new();
    world.kernel.save(100, LIVE, O_APPEND, b"2,21\n3,30\n").unwrap();
    assert_eq!(world.text(), "k,v\n1,10\n2,21\n3,30\n");
    assert_eq!(world.last().1, "append to live.csv through the mount (one, pid 100)");
    assert_eq!(world.kernel.open(100, PARQUET, O_WRONLY | O_APPEND), Err(Errno::EOPNOTSUPP));
    assert!(world.errors().contains("append to the CSV file"), "{}", world.errors());
}

#[test]
fn an_append_goes_behind_what_was_committed_elsewhere_while_it_was_open() {
    let mut world = World::new();
    let fd = world.open(O_WRONLY | O_APPEND);
    world.elsewhere("s", "k,v\n1,11\n5,50\n");
    world.kernel.write(fd, b"3,30\n").unwrap();
    world.kernel.close(fd).unwrap();
    assert_eq!(world.text(), "k,v\n1,11\n2,20\n3,30\n5,50\n");
}

#[test]
fn a_write_at_an_offset_makes_the_resulting_bytes_the_content() {
    let mut world = World::new();
    let fd = world.open(O_RDWR);
    world.kernel.pwrite(fd, 6, b"9").unwrap();
    assert_eq!(world.kernel.read(fd), b"k,v\n1,90\n2,20\n", "what was written reads back");
    assert_eq!(world.text(), ROWS, "others see it when it is closed");
    world.kernel.close(fd).unwrap();
    assert_eq!(world.text(), "k,v\n1,90\n2,20\n");
    world.kernel.truncate(100, LIVE, 9).unwrap();
    assert_eq!(world.text(), "k,v\n1,90\n");
    let fd = world.open(O_RDWR);
    world.kernel.ftruncate(fd, 4).unwrap();
    world.kernel.close(fd).unwrap();
    assert_eq!(world.text(), "k,v\n", "a header alone empties a series");
    world.kernel.check_clean();
}

#[test]
fn a_save_is_a_change_against_what_was_opened() {
    let mut world = World::new();
    let fd = world.open(O_RDWR);
    world.elsewhere("s", "k,v\n2,21\n3,30\n");
    world.kernel.ftruncate(fd, 0).unwrap();
    world.kernel.pwrite(fd, 0, b"k,v\n1,11\n2,20\n").unwrap();
    world.kernel.close(fd).unwrap();
    assert_eq!(world.text(), "k,v\n1,11\n2,21\n3,30\n", "only the first row was changed");
}

#[test]
fn of_two_writers_the_later_close_wins_where_both_changed_a_row() {
    let mut world = World::new();
    let one = world.open(CUT);
    let two = world.kernel.open(200, LIVE, CUT).unwrap();
    world.kernel.write(one, b"k,v\n1,11\n2,21\n").unwrap();
    world.kernel.write(two, b"k,v\n1,12\n2,20\n").unwrap();
    world.kernel.close(two).unwrap();
    world.kernel.close(one).unwrap();
    assert_eq!(world.text(), "k,v\n1,11\n2,21\n");
}

#[test]
fn a_reader_keeps_what_it_opened_while_another_writes_and_is_refused() {
    let mut world = World::new();
    let reader = world.kernel.open(200, LIVE, O_RDONLY).unwrap();
    let fd = world.open(CUT);
    world.kernel.write(fd, b"k,v\nx").unwrap();
    assert_eq!(world.kernel.read(reader), ROWS.as_bytes());
    assert_eq!(world.kernel.close(fd), Err(Errno::EINVAL));
    assert_eq!(world.kernel.read(reader), ROWS.as_bytes());
    world.kernel.save(100, LIVE, O_TRUNC, b"k,v\n7,7\n").unwrap();
    assert_eq!(world.kernel.read(reader), ROWS.as_bytes());
    world.kernel.close(reader).unwrap();
}

#[test]
fn what_is_refused_is_kept_and_told_and_the_old_rows_stay() {
    let mut world = World::new();
    let before = world.revisions();
    let bad = b"k,v\n1,10\n2,abc\n";
    assert_eq!(world.kernel.save(100, LIVE, O_TRUNC, bad), Err(Errno::EINVAL));
    assert_eq!(world.kernel.save(100, PARQUET, O_TRUNC, b"PAR1"), Err(Errno::EINVAL));
    assert_eq!((world.text().as_str(), world.revisions()), (ROWS, before));
    assert_eq!(world.rejected(), [std::str::from_utf8(bad).unwrap(), "PAR1"]);
    let errors = world.errors();
    assert!(errors.contains("c/s/live.csv: replace by one (pid 100): line 3"), "{errors}");
    assert!(errors.contains("abc") && errors.contains("; kept as rejected/"), "{errors}");
    world.kernel.check_clean();
}

#[test]
fn no_bytes_make_no_revision() {
    let mut world = World::with(options(), NEVER);
    let before = world.revisions();
    let fd = world.open(CUT);
    world.kernel.close(fd).unwrap();
    assert_eq!(world.text(), "", "for a while it is empty");
    assert!(!Walk(&world.kernel.fs).read(PARQUET).is_empty(), "the other format is not");
    world.kernel.save(100, LIVE, 0, b"k,v\n4,40\n").unwrap();
    assert_eq!(world.text(), "k,v\n4,40\n", "who opens it then starts empty, and replaces");
    assert_eq!(world.revisions(), before + 1);
    let mut world = World::with(options(), Duration::ZERO);
    let fd = world.open(CUT);
    world.kernel.close(fd).unwrap();
    assert_eq!(world.text(), ROWS, "the rows are back");
    assert!(world.errors().contains("emptied and not written again"), "{}", world.errors());
}

#[test]
fn flush_is_not_close() {
    let mut world = World::new();
    let before = world.revisions();
    // A shell opens, duplicates, closes the first descriptor, and lets children write.
    let first = world.open(CUT);
    let fd = world.kernel.dup(first, 100);
    world.kernel.close(first).unwrap();
    let child = world.kernel.dup(fd, 200);
    world.kernel.write(child, b"k,v\n1,1\n").unwrap();
    world.kernel.close(child).unwrap();
    let again = world.kernel.dup(fd, 100);
    world.kernel.write(again, b"2,2\n").unwrap();
    world.kernel.close(again).unwrap();
    assert_eq!((world.text().as_str(), world.revisions()), (ROWS, before));
    world.kernel.close(fd).unwrap();
    assert_eq!((world.text().as_str(), world.revisions()), ("k,v\n1,1\n2,2\n", before + 1));
    world.kernel.check_clean();
}

#[test]
fn what_a_child_writes_after_its_parent_closed_is_saved_when_nobody_has_it_open() {
    let mut world = World::new();
    let fd = world.open(CUT);
    let child = world.kernel.dup(fd, 200);
    world.kernel.write(fd, b"k,v\n1,1\n").unwrap();
    world.kernel.close(fd).unwrap();
    assert_eq!(world.text(), "k,v\n1,1\n");
    world.kernel.write(child, b"2,2\n").unwrap();
    world.kernel.close(child).unwrap();
    assert_eq!(world.text(), "k,v\n1,1\n2,2\n");
}

#[test]
fn a_process_that_dies_by_a_signal_commits_nothing_and_its_bytes_are_kept() {
    let mut world = World::new();
    let before = world.revisions();
    let fd = world.open(CUT);
    world.kernel.write(fd, b"k,v\n1,1\n").unwrap();
    world.kernel.dying(100, SIGKILL);
    world.kernel.exit(100);
    assert_eq!((world.text().as_str(), world.revisions()), (ROWS, before));
    assert_eq!(world.rejected(), ["k,v\n1,1\n"]);
    assert!(world.errors().contains("ended by signal 9"), "{}", world.errors());
    world.kernel.check_clean();
}

#[test]
fn a_descriptor_goes_on_after_a_save() {
    let mut world = World::new();
    let fd = world.open(CUT);
    world.kernel.write(fd, b"k,v\n1,1\n").unwrap();
    world.kernel.fsync(fd).unwrap();
    assert_eq!(world.text(), "k,v\n1,1\n", "what looks whole is saved by fsync");
    world.elsewhere("s", "k,v\n9,90\n");
    world.kernel.write(fd, b"2,2\n3").unwrap();
    world.kernel.fsync(fd).unwrap();
    assert_eq!(world.text(), "k,v\n1,1\n9,90\n", "half a line waits");
    world.kernel.write(fd, b",3\n").unwrap();
    world.kernel.close(fd).unwrap();
    assert_eq!(world.text(), "k,v\n1,1\n2,2\n3,3\n9,90\n");
}

#[test]
fn rows_that_were_added_and_corrected_elsewhere_stay_so_when_more_are_added() {
    let mut world = World::new();
    let fd = world.open(O_WRONLY | O_APPEND);
    let add = |text: &str| {
        world.kernel.write(fd, text.as_bytes()).unwrap();
        world.kernel.fsync(fd).unwrap();
        world.text()
    };
    add("7,70\n8,80\n");
    world.elsewhere("s", "k,v\n7,77\n");
    assert_eq!(add("5,50\n"), "k,v\n1,10\n2,20\n5,50\n7,77\n8,80\n", "late");
    assert_eq!(add("8,81\n"), "k,v\n1,10\n2,20\n5,50\n7,77\n8,80\n8,81\n", "the last one once more");
    world.elsewhere("s", "k,v\n8,88\n");
    assert_eq!(add("9,90\n"), "k,v\n1,10\n2,20\n5,50\n7,77\n8,88\n9,90\n", "behind all");
    world.kernel.close(fd).unwrap();
}

#[test]
fn a_refused_fsync_keeps_what_was_written_and_later_writes_go_on() {
    let mut world = World::new();
    let fd = world.open(CUT);
    world.kernel.write(fd, b"k,v\n1,x\n").unwrap();
    assert_eq!(world.kernel.fsync(fd), Err(Errno::EINVAL));
    assert!(world.errors().contains("line 2"), "{}", world.errors());
    world.kernel.pwrite(fd, 6, b"7").unwrap();
    world.kernel.close(fd).unwrap();
    assert_eq!(world.text(), "k,v\n1,7\n");
    assert!(world.rejected().is_empty());
}

#[test]
fn writing_what_a_revision_had_brings_it_back() {
    let mut world = World::new();
    let old = Walk(&world.kernel.fs).link("c/s/latest");
    world.kernel.save(100, LIVE, O_TRUNC, b"k,v\n5,50\n").unwrap();
    let bytes = Walk(&world.kernel.fs).read(&format!("c/s/{old}/data.csv"));
    world.kernel.save(100, LIVE, O_TRUNC, &bytes).unwrap();
    assert_eq!(world.text(), ROWS);
}

#[test]
fn a_mount_that_ends_keeps_what_nobody_closed() {
    let mut world = World::new();
    let fd = world.open(CUT);
    world.kernel.write(fd, b"k,v\n1,1\n").unwrap();
    world.kernel.fs.finish();
    assert_eq!(world.rejected(), ["k,v\n1,1\n"]);
    assert!(world.errors().contains("the mount ended before"), "{}", world.errors());
    assert_eq!(world.text(), ROWS);
    world.kernel.close(fd).unwrap();
}

#[test]
fn a_mount_that_ends_saves_no_half_of_what_a_child_still_writes() {
    let mut world = World::new();
    let fd = world.open(CUT);
    let child = world.kernel.dup(fd, 200);
    world.kernel.close(fd).unwrap();
    world.kernel.write(child, b"k,v\n1,1\n").unwrap();
    world.kernel.fs.finish();
    assert_eq!(world.rejected(), ["k,v\n1,1\n"]);
    world.kernel.close(child).unwrap();
    // One that nobody has open any more is whole where it was closed since, and else cut off.
    for (heard, text) in [(false, ROWS), (true, "k,v\n3,3\n")] {
        let fd = world.open(CUT);
        let child = world.kernel.dup(fd, 200);
        world.kernel.close(fd).unwrap();
        world.kernel.write(child, b"k,v\n3,3\n").unwrap();
        let (handle, caller) = (world.kernel.handle(child), world.kernel.caller(200));
        world.kernel.vanish(child);
        if heard {
            world.kernel.fs.flush(caller, handle).unwrap();
        }
        world.kernel.fs.finish();
        assert_eq!(world.text(), text);
    }
    assert_eq!(world.rejected().len(), 2);
}

#[test]
fn errors_and_refused_bytes_are_those_of_their_user() {
    let mut world = World::new();
    world.kernel.spawn(300, 1001, "alice");
    world.kernel.spawn(400, 1002, "bob");
    assert_eq!(world.kernel.save(300, LIVE, O_TRUNC, b"of alice"), Err(Errno::EINVAL));
    let mut seen = |pid: u32| {
        let fd = world.kernel.open(pid, ".lakota/errors", O_RDONLY).unwrap();
        let text = String::from_utf8(world.kernel.read(fd)).unwrap();
        world.kernel.close(fd).unwrap();
        text.lines().count()
    };
    assert_eq!([seen(300), seen(400), seen(100)], [1, 0, 1]);
    let name = Walk(&world.kernel.fs).names(".lakota/rejected").remove(0);
    let path = format!(".lakota/rejected/{name}");
    assert_eq!(world.kernel.stat_of(400, &path).map(drop), Err(Errno::ENOENT));
    assert_eq!(world.kernel.unlink(400, &path), Err(Errno::ENOENT));
    assert_eq!(world.kernel.stat_of(300, &path).unwrap().perm, 0o600);
    world.kernel.unlink(300, &path).unwrap();
    assert!(world.rejected().is_empty());
}

#[test]
fn the_author_of_a_revision_is_the_user_and_its_message_may_be_given() {
    let message = Some("by the night job".to_owned());
    let mut world = World::with(MountOptions { message, ..options() }, NEVER);
    world.kernel.spawn(300, 4_000_001, "alice");
    world.kernel.save(300, LIVE, O_TRUNC, b"k,v\n1,1\n").unwrap();
    let (author, message) = world.last();
    assert_eq!((author.split('@').next(), message.as_str()), (Some("4000001"), "by the night job"));
    world.kernel.mkdir(300, "c/new").unwrap();
    assert_eq!(world.last().1, "by the night job");
}

#[test]
fn a_caller_of_another_process_space_counts_as_the_writer() {
    let mut world = World::new();
    let before = world.revisions();
    assert_eq!(world.kernel.save(0, LIVE, O_TRUNC, b"k,v\n1,1\n"), Ok(()));
    assert_eq!((world.text().as_str(), world.revisions()), ("k,v\n1,1\n", before + 1));
    let one = world.kernel.open(0, LIVE, CUT).unwrap();
    let two = world.kernel.open(0, LIVE, CUT).unwrap();
    world.kernel.write(one, b"k,v\n1,1\n2,2\n").unwrap();
    world.kernel.write(two, b"k,v\n1,1\n3,3\n").unwrap();
    world.kernel.close(one).unwrap();
    world.kernel.close(two).unwrap();
    assert_eq!(world.text(), "k,v\n1,1\n2,2\n3,3\n");
    world.kernel.check_clean();
}

#[test]
fn a_copy_that_nobody_opens_is_of_no_consequence() {
    let mut world = World::new();
    // A thread is told to look again, and does something else.
    let caller = world.kernel.caller(100);
    let stale = Walk(&world.kernel.fs).at(LIVE, |ino, _| world.kernel.fs.open(caller, ino, CUT).err());
    assert_eq!(stale.unwrap(), Some(Errno::ESTALE));
    let reader = world.open(O_RDONLY);
    assert_eq!(world.kernel.read(reader), ROWS.as_bytes());
    world.kernel.close(reader).unwrap();
    world.kernel.check_clean();
}

#[test]
fn hostile_offsets_and_lengths_are_errors_and_change_nothing() {
    let mut world = World::new();
    for (path, flags) in [(LIVE, O_RDWR), ("c/s/tmp", O_RDWR | O_CREAT)] {
        let fd = world.kernel.open(100, path, flags).unwrap();
        let before = world.kernel.read(fd);
        for at in [u64::MAX, u64::MAX - 4, i64::MAX as u64, i64::MAX as u64 - 2] {
            assert!(world.kernel.pwrite(fd, at, b"12345").is_err(), "{path} at {at}");
            assert!(world.kernel.fs.read(world.kernel.handle(fd), at, 10).unwrap().is_empty());
            assert!(world.kernel.ftruncate(fd, at).is_err(), "{path} to {at}");
            assert!(world.kernel.fs.allocate(world.kernel.handle(fd), at, 10, 0).is_err());
        }
        assert_eq!(world.kernel.read(fd), before, "{path}");
        // What a failed write was to bring is missing: what is there must not pass for all of it.
        let spoiled = if path == LIVE { Err(Errno::EINVAL) } else { Ok(()) };
        assert_eq!(world.kernel.close(fd), spoiled, "{path}");
    }
    assert_eq!(world.text(), ROWS);
}

/// What is committed here is seen here at once, however seldom others are looked for.
#[test]
fn own_revisions_are_seen_at_once_though_polls_are_rare() {
    let mut world = World::with(MountOptions { poll: NEVER, ..options() }, NEVER);
    assert_eq!(world.text(), ROWS);
    world.kernel.save(100, LIVE, O_APPEND, b"3,30\n").unwrap();
    assert_eq!(world.text(), format!("{ROWS}3,30\n"));
    world.kernel.mkdir(100, "c/paris").unwrap();
    world.kernel.rename(100, "c/paris", "c/rome", true).unwrap();
    assert!(Walk(&world.kernel.fs).exists("c/rome/live.csv") && !Walk(&world.kernel.fs).exists("c/paris"));
    world.kernel.rmdir(100, "c/rome").unwrap();
    assert!(!Walk(&world.kernel.fs).exists("c/rome"));
    world.kernel.mkdir(100, "d").unwrap();
    world.kernel.save(100, "d/.schema", O_CREAT, b"k int*").unwrap();
    world.kernel.mkdir(100, "d/s").unwrap();
    world.kernel.rmdir(100, "d/s").unwrap();
    world.kernel.rename(100, "d", "e", true).unwrap();
    assert_eq!(Walk(&world.kernel.fs).names(""), ["c", "e"]);
    world.kernel.rmdir(100, "e").unwrap();
    assert_eq!(Walk(&world.kernel.fs).names(""), ["c"]);
}

/// A mount that has not heard of a commit elsewhere must not take its rows for removed.
#[test]
fn rows_that_the_mount_has_not_heard_of_survive_a_save() {
    let mut world = World::with(MountOptions { poll: NEVER, ..options() }, NEVER);
    assert_eq!(world.text(), ROWS);
    world.elsewhere("s", "k,v\n9,90\n");
    world.kernel.save(100, LIVE, O_TRUNC, b"k,v\n1,11\n2,20\n").unwrap();
    assert_eq!(world.text(), "k,v\n1,11\n2,20\n9,90\n");
}

/// The open file of a copy can be opened by its descriptor, whatever its name is by then.
#[test]
fn a_copy_that_is_closed_is_not_opened_again() {
    let world = World::new();
    let caller: Caller = world.kernel.caller(100);
    let fs = &world.kernel.fs;
    let walk = Walk(fs);
    let stale = walk.at(LIVE, |ino, _| fs.open(caller, ino, CUT).err()).unwrap();
    assert_eq!(stale, Some(Errno::ESTALE));
    let folder = walk.at("c/s", |ino, _| {
        let found = fs.lookup(caller, ino, "live.csv".as_ref()).unwrap();
        let opened = fs.open(caller, found.attr.ino, O_RDWR | O_APPEND).unwrap();
        fs.write(opened.handle, found.attr.size, b"3,30\n", true).unwrap();
        fs.flush(caller, opened.handle).unwrap();
        fs.release(opened.handle);
        let again = fs.open(caller, found.attr.ino, O_RDWR).err();
        fs.forget(found.attr.ino, 1);
        again
    });
    assert_eq!(folder.unwrap(), Some(Errno::ESTALE));
    assert_eq!(world.text(), format!("{ROWS}3,30\n"));
}

/// As a program does that opens with `a+`, and takes back what it has added.
#[test]
fn lines_that_were_added_and_saved_are_taken_back_by_cutting_them_off() {
    for more in [false, true] {
        let mut world = World::new();
        let fd = world.open(O_RDWR | O_APPEND);
        if more {
            world.kernel.write(fd, b"3,30\n").unwrap();
            world.kernel.fsync(fd).unwrap();
        }
        let size = world.kernel.fstat(fd).unwrap().size;
        let before = world.text();
        for row in ["4,40\n", "1,11\n", "5,50\n6,60\n"] {
            world.kernel.write(fd, row.as_bytes()).unwrap();
            world.kernel.fsync(fd).unwrap();
        }
        assert_ne!(world.text(), before);
        world.kernel.ftruncate(fd, size).unwrap();
        world.kernel.close(fd).unwrap();
        assert_eq!(world.text(), before);
        assert!(world.rejected().is_empty());
        world.kernel.check_clean();
    }
}

#[test]
fn rows_of_others_stay_where_lines_that_were_added_are_taken_back() {
    let mut world = World::new();
    let fd = world.open(O_RDWR | O_APPEND);
    world.kernel.write(fd, b"4,40\n").unwrap();
    world.kernel.fsync(fd).unwrap();
    world.elsewhere("s", "k,v\n9,90\n");
    world.kernel.ftruncate(fd, ROWS.len() as u64).unwrap();
    world.kernel.close(fd).unwrap();
    assert_eq!(world.text(), format!("{ROWS}9,90\n"));
}

/// What the program has is no state of the series: nobody can tell which rows it takes back.
#[test]
fn lines_that_were_added_behind_rows_of_others_are_not_taken_back_without_a_word() {
    for size in [ROWS.len() as u64, 0] {
        let mut world = World::new();
        let fd = world.open(O_RDWR | O_APPEND);
        world.elsewhere("s", "k,v\n9,90\n");
        world.kernel.write(fd, b"4,40\n").unwrap();
        world.kernel.fsync(fd).unwrap();
        world.kernel.ftruncate(fd, size).unwrap();
        if size == 0 {
            world.kernel.write(fd, ROWS.as_bytes()).unwrap();
        }
        assert_eq!(world.kernel.close(fd), Err(Errno::ESTALE));
        assert_eq!(world.text(), format!("{ROWS}4,40\n9,90\n"));
        assert_eq!(world.rejected(), [ROWS]);
        assert!(world.errors().contains("would remove 2 rows"), "{}", world.errors());
        world.kernel.check_clean();
    }
}
