//! Names that come, go and change on a mount that is written: single behaviours.

use super::live::{CUT, LIVE, PARQUET, ROWS, World, options, spool};
use super::walk::Walk;
use lakota::mount::posix::errno::Errno;
use lakota::mount::posix::fs::Fs;
use libc::{O_APPEND, O_CREAT, O_EXCL, O_RDWR, O_TRUNC, O_WRONLY, SIGKILL};
use std::time::Duration;

#[test]
fn unlinking_hides_a_live_file_until_it_is_created_again() {
    let mut world = World::new();
    let before = world.revisions();
    world.kernel.unlink(100, LIVE).unwrap();
    assert!(!Walk(&world.kernel.fs).exists(LIVE) && Walk(&world.kernel.fs).exists(PARQUET));
    assert!(!Walk(&world.kernel.fs).names("c/s").contains(&"live.csv".to_owned()));
    assert_eq!(world.kernel.unlink(100, LIVE), Err(Errno::ENOENT));
    assert_eq!(world.revisions(), before);
    world.kernel.save(100, LIVE, O_CREAT | O_EXCL, b"k,v\n5,50\n").unwrap();
    assert_eq!((world.text().as_str(), world.revisions()), ("k,v\n5,50\n", before + 1));
    let world = World::with(options(), Duration::ZERO);
    world.kernel.unlink(100, LIVE).unwrap();
    assert_eq!(world.text(), ROWS);
    assert!(world.errors().contains("removed and not written again"), "{}", world.errors());
}

#[test]
fn a_live_file_that_is_there_is_not_created_exclusively() {
    let world = World::new();
    let made = Walk(&world.kernel.fs).at("c/s", |ino, _| {
        world.kernel.fs.create(world.kernel.caller(100), ino, "live.csv".as_ref(), O_CREAT | O_EXCL | O_RDWR)
    });
    assert_eq!(made.unwrap().err(), Some(Errno::EEXIST));
}

/// The kernel asks for a creation where it saw no file a moment before: the name may be shown again by then.
#[test]
fn creating_a_live_file_that_came_back_meanwhile_opens_it() {
    let mut world = World::new();
    let create = |world: &World, flags: i32| {
        let made = Walk(&world.kernel.fs).at("c/s", |ino, _| {
            world.kernel.fs.create(world.kernel.caller(100), ino, "live.csv".as_ref(), O_CREAT | flags)
        });
        made.unwrap().unwrap()
    };
    let (found, opened) = create(&world, O_WRONLY | O_APPEND);
    world.kernel.fs.write(opened.handle, found.attr.size, b"3,30\n", true).unwrap();
    world.kernel.fs.flush(world.kernel.caller(100), opened.handle).unwrap();
    world.kernel.fs.release(opened.handle);
    world.kernel.fs.forget(found.attr.ino, 1);
    assert_eq!(world.text(), format!("{ROWS}3,30\n"));
    world.kernel.save(100, LIVE, O_TRUNC, b"k,v\n1,1\n").unwrap();
    let (found, opened) = create(&world, O_WRONLY | O_TRUNC);
    assert_eq!(found.attr.size, 0);
    world.kernel.fs.release(opened.handle);
    world.kernel.fs.forget(found.attr.ino, 1);
    world.kernel.check_clean();
}

#[test]
fn a_rename_over_a_live_file_is_a_save() {
    let mut world = World::new();
    let before = world.revisions();
    world.kernel.save(100, "c/s/tmp", O_CREAT | O_EXCL, b"k,v\n1,1\n").unwrap();
    world.elsewhere("s", "k,v\n9,90\n");
    world.kernel.rename(100, "c/s/tmp", LIVE, true).unwrap();
    assert_eq!(world.text(), "k,v\n1,1\n9,90\n", "a change of what there was when the file was made");
    assert!(world.revisions() > before + 1 && !Walk(&world.kernel.fs).exists("c/s/tmp"));
    world.kernel.save(100, "c/s/tmp", O_CREAT | O_EXCL, b"nonsense").unwrap();
    assert_eq!(world.kernel.rename(100, "c/s/tmp", LIVE, true), Err(Errno::EBADMSG));
    assert!(Walk(&world.kernel.fs).exists("c/s/tmp"), "a refused one stays");
    assert_eq!(world.rejected(), ["nonsense"]);
    assert_eq!(world.kernel.rename(100, "c/s/tmp", LIVE, false), Err(Errno::EEXIST));
    world.kernel.check_clean();
}

#[test]
fn a_file_that_is_still_written_when_it_is_renamed_is_saved_again_at_its_close() {
    let mut world = World::new();
    let fd = world.kernel.open(100, "c/s/tmp", O_CREAT | O_WRONLY).unwrap();
    world.kernel.write(fd, b"k,v\n1,1\n2").unwrap();
    world.kernel.rename(100, "c/s/tmp", LIVE, true).unwrap();
    assert_eq!(world.text(), ROWS, "half of it is not");
    world.kernel.write(fd, b",2\n").unwrap();
    world.kernel.close(fd).unwrap();
    assert_eq!(world.text(), "k,v\n1,1\n2,2\n");
    assert!(world.rejected().is_empty());
    world.kernel.check_clean();
}

#[test]
fn a_live_file_that_takes_another_name_leaves_a_copy_there_and_is_hidden() {
    let mut world = World::new();
    let before = world.revisions();
    world.kernel.rename(100, LIVE, "c/s/live.csv~", true).unwrap();
    let walk = Walk(&world.kernel.fs);
    assert!(!walk.exists(LIVE));
    assert_eq!((walk.text("c/s/live.csv~").as_str(), world.revisions()), (ROWS, before));
    world.kernel.save(100, LIVE, O_CREAT, b"k,v\n5,50\n").unwrap();
    assert_eq!(world.text(), "k,v\n5,50\n");
    world.kernel.rename(100, "c/s/live.csv~", LIVE, true).unwrap();
    assert_eq!(world.text(), ROWS, "and back");
    assert_eq!(world.kernel.rename(100, LIVE, PARQUET, true), Err(Errno::EPERM));
}

#[test]
fn what_is_past_cannot_be_written() {
    let mut world = World::new();
    let latest = format!("c/s/{}", Walk(&world.kernel.fs).link("c/s/latest"));
    for path in [format!("{latest}/data.csv"), "c/s/at/~0/data.csv".to_owned()] {
        assert_eq!(world.kernel.open(100, &path, O_WRONLY), Err(Errno::EROFS), "{path}");
        assert_eq!(world.kernel.truncate(100, &path, 0), Err(Errno::EROFS), "{path}");
        assert_eq!(world.kernel.unlink(100, &path), Err(Errno::EROFS), "{path}");
    }
    assert_eq!(world.kernel.open(100, &format!("{latest}/x"), O_CREAT | O_RDWR), Err(Errno::EROFS));
    assert_eq!(world.kernel.unlink(100, "c/s/latest"), Err(Errno::EROFS));
    assert_eq!(world.kernel.rmdir(100, "c/s/revisions"), Err(Errno::EROFS));
    // And the live file of the same inode can be, at once.
    world.kernel.save(100, LIVE, O_TRUNC, b"k,v\n5,50\n").unwrap();
    assert_eq!(world.text(), "k,v\n5,50\n");
}

#[test]
fn folders_of_series_are_made_renamed_and_dropped_with_a_revision_each() {
    let mut world = World::new();
    let before = world.revisions();
    world.kernel.mkdir(100, "c/paris").unwrap();
    assert_eq!(world.kernel.mkdir(100, "c/paris"), Err(Errno::EEXIST));
    world.kernel.save(100, "c/paris/live.csv", O_CREAT | O_TRUNC, b"k,v\n1,1\n").unwrap();
    world.kernel.rename(100, "c/paris", "c/Paris", true).unwrap();
    assert_eq!(world.last().1, "rename paris to Paris through the mount (one, pid 100)");
    assert_eq!(Walk(&world.kernel.fs).text("c/Paris/live.csv"), "k,v\n1,1\n");
    assert_eq!(world.kernel.rename(100, "c/Paris", "c/s", true), Err(Errno::ENOTEMPTY));
    world.kernel.save(100, "c/Paris/notes", O_CREAT, b"x").unwrap();
    assert_eq!(world.kernel.rmdir(100, "c/Paris"), Err(Errno::ENOTEMPTY), "it holds a file of the user's");
    world.kernel.unlink(100, "c/Paris/notes").unwrap();
    world.kernel.rmdir(100, "c/Paris").unwrap();
    assert!(!Walk(&world.kernel.fs).exists("c/Paris"));
    assert_eq!(world.revisions(), before + 4);
    world.kernel.check_clean();
}

#[test]
fn a_collection_is_born_when_its_schema_is_written() {
    let mut world = World::new();
    world.kernel.mkdir(100, "weather").unwrap();
    assert!(!world.repo.collections().unwrap().contains(&"weather".to_owned()));
    assert_eq!(world.kernel.mkdir(100, "weather/rain"), Err(Errno::EPERM));
    assert_eq!(world.kernel.save(100, "weather/.schema", O_CREAT, b"nonsense"), Err(Errno::EINVAL));
    world.kernel.save(100, "weather/.schema", O_CREAT, b"at timestamp*, rain float").unwrap();
    assert!(world.repo.collections().unwrap().contains(&"weather".to_owned()));
    world.kernel.mkdir(100, "weather/rain").unwrap();
    assert_eq!(world.kernel.rmdir(100, "weather"), Err(Errno::ENOTEMPTY));
    world.kernel.rmdir(100, "weather/rain").unwrap();
    world.kernel.rmdir(100, "weather").unwrap();
    assert!(!world.repo.collections().unwrap().contains(&"weather".to_owned()));
}

#[test]
fn other_files_have_their_place_in_the_folder_of_a_series_only() {
    let mut world = World::new();
    for path in ["x", "c/x", ".Trash-1000/x"] {
        assert!(world.kernel.open(100, path, O_CREAT | O_RDWR).is_err(), "{path}");
    }
    assert_eq!(world.kernel.open(100, "c/x", O_CREAT | O_RDWR), Err(Errno::EPERM));
    assert_eq!(world.kernel.mkdir(100, ".Trash-1000"), Err(Errno::EPERM));
    assert_eq!(world.kernel.mkdir(100, "c/.git"), Err(Errno::EPERM));
    world.kernel.mkdir(100, "d").unwrap();
    assert_eq!(world.kernel.rename(100, "c/s", "d/s", true), Err(Errno::EXDEV));
    world.kernel.mkdir(100, "c/s/.git").unwrap();
    world.kernel.save(100, "c/s/.git/HEAD", O_CREAT, b"x").unwrap();
    assert_eq!(Walk(&world.kernel.fs).text("c/s/.git/HEAD"), "x");
    world.kernel.mkdir(100, "c/t").unwrap();
    assert_eq!(world.kernel.rename(100, "c/s/.git/HEAD", "c/t/HEAD", true), Err(Errno::EXDEV));
}

#[test]
fn scratch_files_are_there_again_at_the_next_mount() {
    let mut world = World::new();
    world.kernel.save(100, "c/s/notes", O_CREAT, b"mine").unwrap();
    let World { kernel, repo, folder, .. } = world;
    drop(kernel);
    let fs = Fs::writable(repo, options(), spool(folder.path()));
    assert_eq!(Walk(&fs).text("c/s/notes"), "mine");
}

#[test]
fn a_series_that_is_dropped_while_it_is_written_comes_back_with_the_rows() {
    let mut world = World::new();
    world.kernel.rename(100, "c/s", "c/t", true).unwrap();
    let fd = world.kernel.open(100, "c/t/live.csv", CUT).unwrap();
    world.kernel.rmdir(200, "c/t").unwrap();
    world.kernel.write(fd, b"k,v\n1,1\n").unwrap();
    world.kernel.fsync(fd).unwrap();
    world.kernel.write(fd, b"2,2\n").unwrap();
    world.kernel.close(fd).unwrap();
    assert_eq!(Walk(&world.kernel.fs).text("c/t/live.csv"), "k,v\n1,1\n2,2\n");
}

#[test]
fn a_file_that_lay_there_is_moved_over_the_live_one_for_what_it_is() {
    let mut world = World::new();
    world.kernel.save(100, "c/s/backup", O_CREAT | O_EXCL, ROWS.as_bytes()).unwrap();
    world.kernel.save(100, LIVE, O_APPEND, b"3,30\n").unwrap();
    world.kernel.rename(200, "c/s/backup", LIVE, true).unwrap();
    assert_eq!(world.text(), ROWS, "another program moves it back");
    world.kernel.save(100, "c/s/tmp", O_CREAT | O_EXCL, ROWS.as_bytes()).unwrap();
    world.elsewhere("s", "k,v\n3,30\n");
    world.kernel.rename(100, "c/s/tmp", LIVE, true).unwrap();
    assert_eq!(world.text(), format!("{ROWS}3,30\n"), "one that edits in place found nothing to change");
}

#[test]
fn a_file_that_lay_there_while_history_was_squashed_is_moved_over_the_live_one() {
    let mut world = World::new();
    world.kernel.save(100, "c/s/backup", O_CREAT | O_EXCL, b"k,v\n1,11\n").unwrap();
    world.elsewhere("s", "k,v\n3,30\n");
    lakota::ops::squash(&world.other).unwrap();
    world.kernel.rename(200, "c/s/backup", LIVE, true).unwrap();
    assert_eq!(world.text(), "k,v\n1,11\n");
}

#[test]
fn a_live_file_that_cannot_be_moved_leaves_what_has_the_name() {
    let mut world = World::new();
    world.kernel.save(100, "c/s/old", O_CREAT | O_EXCL, b"mine").unwrap();
    assert_eq!(world.kernel.rename(100, LIVE, "c/s/old", false), Err(Errno::EEXIST));
    world.kernel.mkdir(100, "c/s/folder").unwrap();
    assert!(world.kernel.rename(100, LIVE, "c/s/folder", true).is_err());
    let walk = Walk(&world.kernel.fs);
    assert_eq!((walk.text("c/s/old").as_str(), world.text().as_str()), ("mine", ROWS));
    assert_eq!(walk.names("c/s"), ["live.csv", "live.parquet", "folder", "old", "latest", "revisions"]);
}

#[test]
fn rows_of_a_dropped_series_do_not_touch_another_that_has_its_name_now() {
    let mut world = World::new();
    world.elsewhere("t", "k,v\n7,70\n");
    let replaces = world.kernel.open(100, LIVE, CUT).unwrap();
    let appends = world.kernel.open(200, LIVE, O_WRONLY | O_APPEND).unwrap();
    world.kernel.rmdir(200, "c/s").unwrap();
    world.kernel.rename(200, "c/t", "c/s", true).unwrap();
    for (fd, bytes) in [(replaces, "k,v\n1,1\n"), (appends, "3,30\n")] {
        world.kernel.write(fd, bytes.as_bytes()).unwrap();
        assert_eq!(world.kernel.close(fd), Err(Errno::ESTALE));
    }
    assert_eq!(world.text(), "k,v\n7,70\n");
    assert_eq!(world.rejected(), ["k,v\n1,1\n", "3,30\n"]);
}

#[test]
fn rows_for_a_collection_that_was_deleted_meanwhile_are_refused_and_kept() {
    let mut world = World::new();
    let appends = world.kernel.open(100, LIVE, O_WRONLY | O_APPEND).unwrap();
    let renamed = world.kernel.open(200, LIVE, O_WRONLY | O_APPEND).unwrap();
    world.kernel.rename(200, "c", "d", true).unwrap();
    world.kernel.write(renamed, b"5,50\n").unwrap();
    world.kernel.close(renamed).unwrap();
    assert_eq!(Walk(&world.kernel.fs).text("d/s/live.csv"), "k,v\n1,10\n2,20\n5,50\n");
    world.kernel.rmdir(200, "d/s").unwrap();
    world.kernel.rmdir(200, "d").unwrap();
    world.kernel.write(appends, b"3,30\n").unwrap();
    assert_eq!(world.kernel.close(appends), Err(Errno::ESTALE));
    assert_eq!(world.rejected(), ["3,30\n"]);
    assert!(world.errors().contains("was deleted"), "{}", world.errors());
}

#[test]
fn a_name_does_not_show_as_empty_where_a_file_took_it_since_it_was_emptied() {
    let mut world = World::new();
    let fd = world.kernel.open(100, LIVE, CUT).unwrap();
    world.kernel.save(200, "c/s/tmp", O_CREAT, b"k,v\n1,1\n").unwrap();
    world.kernel.rename(200, "c/s/tmp", LIVE, true).unwrap();
    world.kernel.close(fd).unwrap();
    assert_eq!(world.text(), "k,v\n1,1\n");
}

#[test]
fn who_is_killed_while_it_writes_a_file_that_was_renamed_saves_nothing() {
    let mut world = World::new();
    let fd = world.kernel.open(100, "c/s/tmp", O_CREAT | O_WRONLY).unwrap();
    world.kernel.write(fd, b"k,v\n1,1\n2,2\n").unwrap();
    world.kernel.rename(200, "c/s/tmp", LIVE, true).unwrap();
    world.kernel.ftruncate(fd, 0).unwrap();
    world.kernel.pwrite(fd, 0, b"k,v\n1,3\n").unwrap();
    world.kernel.dying(100, SIGKILL);
    world.kernel.exit(100);
    assert_eq!(world.text(), "k,v\n1,1\n2,2\n");
    assert_eq!(world.rejected(), ["k,v\n1,3\n"]);
    assert!(world.errors().contains("signal 9"), "{}", world.errors());
    world.kernel.check_clean();
}
