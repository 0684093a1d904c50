//! The removal of all that is in a folder, as `rm -r` does it: names in the order that they are listed, then the folder.

use super::kernel::Kernel;
use super::live::{LIVE, NEVER, ROWS, World, options};
use super::walk::Walk;
use lakota::mount::options::MountOptions;
use lakota::mount::posix::errno::Errno;
use libc::O_CREAT;
use std::time::Duration;

const FOLDERS: [&str; 2] = ["revisions", "folder"];

/// Removes a folder and what is in it; the names that could not be.
fn rm(kernel: &Kernel, pid: u32, path: &str) -> Vec<(String, Errno)> {
    let mut failed = Vec::new();
    for name in kernel.list(pid, path).unwrap() {
        let inner = format!("{path}/{name}");
        let is_folder =
            FOLDERS.contains(&name.as_str()) || name.starts_with("20") || path == "c" && name == "s";
        if is_folder {
            failed.extend(rm(kernel, pid, &inner));
        } else if let Err(errno) = kernel.unlink(pid, &inner) {
            failed.push((inner, errno));
        }
    }
    if failed.is_empty() {
        // The kernel looks first.
        let done = kernel.stat_of(pid, path).and_then(|_| kernel.rmdir(pid, path));
        failed.extend(done.err().map(|errno| (path.to_owned(), errno)));
    }
    failed
}

#[test]
fn it_drops_a_series_with_one_revision_and_history_stays() {
    let mut world = World::new();
    world.kernel.save(100, "c/s/notes", O_CREAT, b"x").unwrap();
    world.kernel.mkdir(100, "c/s/folder").unwrap();
    world.kernel.save(100, "c/s/folder/inner", O_CREAT, b"x").unwrap();
    let before = world.revisions();
    assert_eq!(rm(&world.kernel, 100, "c/s"), []);
    assert_eq!(world.revisions(), before + 1);
    assert_eq!(world.last().1, "drop s through the mount (one, pid 100)");
    let walk = Walk(&world.kernel.fs);
    assert!(!walk.exists("c/s") && walk.exists("c"));
    assert_eq!(world.kernel.stat_of(100, "c/s").err(), Some(Errno::ENOENT), "nor does its remover see it");
    // It comes back with its history.
    world.kernel.mkdir(200, "c/s").unwrap();
    let old = Walk(&world.kernel.fs).text("c/s/at/~1/data.csv");
    assert_eq!(old, ROWS);
    assert_eq!(world.errors(), "");
    world.kernel.check_clean();
}

#[test]
fn who_removed_nothing_else_removes_no_history() {
    let world = World::new();
    let (kernel, before) = (&world.kernel, world.revisions());
    let failed = rm(kernel, 100, "c/s/revisions");
    assert!(failed.len() >= 3 && failed.iter().all(|(_, errno)| *errno == Errno::EROFS), "{failed:?}");
    assert_eq!(kernel.unlink(100, "c/s/latest"), Err(Errno::EROFS));
    kernel.unlink(100, LIVE).unwrap();
    assert_eq!(kernel.unlink(100, "c/s/latest"), Err(Errno::EROFS), "one of two");
    kernel.unlink(200, "c/s/live.parquet").unwrap();
    assert_eq!(kernel.unlink(100, "c/s/latest"), Err(Errno::EROFS), "the other by somebody else");
    kernel.unlink(100, "c/s/live.parquet").unwrap_err();
    assert_eq!(kernel.rmdir(100, "c/s/revisions"), Err(Errno::EROFS));
    assert_eq!(world.revisions(), before);
}

#[test]
fn a_name_that_was_made_again_ends_it() {
    let mut world = World::new();
    for path in [LIVE, "c/s/live.parquet", "c/s/latest"] {
        world.kernel.unlink(100, path).unwrap();
    }
    assert_eq!(world.kernel.list(100, "c/s/revisions").unwrap(), [""; 0]);
    assert!(!world.kernel.list(200, "c/s/revisions").unwrap().is_empty(), "others see it");
    assert_eq!(world.kernel.rmdir(200, "c/s/revisions"), Err(Errno::EROFS));
    world.kernel.save(100, LIVE, O_CREAT, b"k,v\n1,11\n").unwrap();
    assert!(!world.kernel.list(100, "c/s/revisions").unwrap().is_empty());
    assert_eq!(world.kernel.rmdir(100, "c/s/revisions"), Err(Errno::EROFS));
    assert_eq!(world.text(), "k,v\n1,11\n");
}

#[test]
fn it_ends_with_the_time_that_names_are_away() {
    let world = World::with(options(), Duration::ZERO);
    for path in [LIVE, "c/s/live.parquet"] {
        world.kernel.unlink(100, path).unwrap();
    }
    assert_eq!(world.kernel.unlink(100, "c/s/latest"), Err(Errno::EROFS));
    assert!(!world.kernel.list(100, "c/s/revisions").unwrap().is_empty());
    assert_eq!(world.text(), ROWS);
}

#[test]
fn a_label_that_somebody_takes_meanwhile_is_not_dropped_with_it() {
    let world = World::new();
    for path in [LIVE, "c/s/live.parquet", "c/s/latest"] {
        world.kernel.unlink(100, path).unwrap();
    }
    world.kernel.rmdir(100, "c/s/revisions").unwrap();
    world.elsewhere("s", "k,v\n7,70\n");
    world.kernel.rmdir(100, "c/s").unwrap();
    assert_eq!(world.text(), "k,v\n7,70\n");
}

#[test]
fn it_drops_the_series_of_a_collection_and_leaves_that() {
    let world = World::new();
    let failed = rm(&world.kernel, 100, "c");
    assert_eq!(failed, [("c/.schema".to_owned(), Errno::EPERM)]);
    assert!(world.errors().contains("`rmdir` of its folder"), "{}", world.errors());
    assert_eq!(Walk(&world.kernel.fs).names("c"), [".schema"]);
    world.kernel.rmdir(100, "c").unwrap();
}

#[test]
fn it_drops_a_series_whose_history_is_hidden() {
    let world = World::with(MountOptions { hide_revisions: true, ..options() }, NEVER);
    let before = world.revisions();
    assert_eq!(rm(&world.kernel, 100, "c/s"), []);
    assert_eq!(world.revisions(), before + 1);
}
