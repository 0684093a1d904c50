//! Single behaviours of writing, each by itself.

use super::kernel::{Fd, Kernel};
use super::walk::Walk;
use crate::support::{CountingClock, frame, repo_on};
use lakota::backend::Backend;
use lakota::backend::memory::MemoryBackend;
use lakota::collection::Collection;
use lakota::data::schema::Schema;
use lakota::mount::attr::Caller;
use lakota::mount::errno::Errno;
use lakota::mount::fs::Fs;
use lakota::mount::options::MountOptions;
use lakota::mount::spool::Spool;
use lakota::repo::Repo;
use libc::{O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY, SIGKILL};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const LIVE: &str = "c/s/live.csv";
const PARQUET: &str = "c/s/live.parquet";
const ROWS: &str = "k,v\n1,10\n2,20\n";
const NEVER: Duration = Duration::from_secs(3600);
const CUT: i32 = O_WRONLY | O_TRUNC;

struct World {
    kernel: Kernel,
    other: Collection,
    repo: Repo,
    folder: TempDir,
}

fn options() -> MountOptions {
    MountOptions { poll: Duration::ZERO, ..MountOptions::default() }
}

fn spool(folder: &Path) -> Spool {
    Spool::open(&folder.join("spool"), &folder.join("repo"), &folder.join("mnt"), 0).unwrap()
}

impl World {
    fn new() -> World {
        World::with(options(), NEVER)
    }

    fn with(options: MountOptions, veil: Duration) -> World {
        let clock = CountingClock::new();
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let repo = repo_on(&backend, &clock, None);
        let other = repo.create_collection("c", &Schema::parse(["k int*", "v int"]).unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let fs = Fs::writable(repo_on(&backend, &clock, None), options, spool(folder.path()));
        let mut kernel = Kernel::new(fs.with_veil(veil), &folder.path().join("proc"));
        kernel.spawn(100, 0, "one");
        kernel.spawn(200, 0, "two");
        let world = World { kernel, other, repo, folder };
        world.elsewhere("s", ROWS);
        world
    }

    /// Rows that are written without the mount: they replace those of equal index.
    fn elsewhere(&self, label: &str, text: &str) {
        let schema = self.other.schema().unwrap();
        let mut batch = self.other.batch("").unwrap();
        let rows = lakota::data::frame::sort(&schema, &frame(&schema, text)).unwrap();
        let rows = lakota::data::sort::Sorted::of(&schema, vec![rows]);
        batch.write(label, &lakota::series::write::Mode::Upsert, rows).unwrap();
        batch.commit().unwrap();
    }

    fn open(&mut self, flags: i32) -> Fd {
        self.kernel.open(100, LIVE, flags).unwrap()
    }

    fn text(&self) -> String {
        Walk(&self.kernel.fs).text(LIVE)
    }

    fn errors(&self) -> String {
        Walk(&self.kernel.fs).text(".lakota/errors")
    }

    /// What is kept as rejected, in order.
    fn rejected(&self) -> Vec<String> {
        let walk = Walk(&self.kernel.fs);
        let names = walk.names(".lakota/rejected").into_iter();
        names.map(|name| walk.text(&format!(".lakota/rejected/{name}"))).collect()
    }

    fn revisions(&self) -> usize {
        self.other.changelog().log().unwrap().len()
    }

    /// Author and message of the newest revision.
    fn last(&self) -> (String, String) {
        let log = self.other.changelog().log().unwrap();
        let stamp = log.stamps().next_back().unwrap();
        let note = self.other.changelog().read(&log, stamp).unwrap().note.clone();
        (note.author, note.message)
    }
}

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

/// The kernel asks for a creation where it saw no file a moment before: the veil may be over by then.
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
fn a_rename_over_a_live_file_is_a_save() {
    let mut world = World::new();
    let before = world.revisions();
    world.kernel.save(100, "c/s/tmp", O_CREAT | O_EXCL, b"k,v\n1,1\n").unwrap();
    world.elsewhere("s", "k,v\n9,90\n");
    world.kernel.rename(100, "c/s/tmp", LIVE, true).unwrap();
    assert_eq!(world.text(), "k,v\n1,1\n9,90\n", "a change of what there was when the file was made");
    assert!(world.revisions() > before + 1 && !Walk(&world.kernel.fs).exists("c/s/tmp"));
    world.kernel.save(100, "c/s/tmp", O_CREAT | O_EXCL, b"nonsense").unwrap();
    assert_eq!(world.kernel.rename(100, "c/s/tmp", LIVE, true), Err(Errno::EINVAL));
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
fn writing_what_a_revision_had_brings_it_back() {
    let mut world = World::new();
    let old = Walk(&world.kernel.fs).link("c/s/latest");
    world.kernel.save(100, LIVE, O_TRUNC, b"k,v\n5,50\n").unwrap();
    let bytes = Walk(&world.kernel.fs).read(&format!("c/s/{old}/data.csv"));
    world.kernel.save(100, LIVE, O_TRUNC, &bytes).unwrap();
    assert_eq!(world.text(), ROWS);
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
    world.kernel.save(100, "c/paris/live.csv", O_TRUNC, b"k,v\n1,1\n").unwrap();
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
        world.kernel.close(fd).unwrap();
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

/// Runs both at once, again and again.
fn race(times: usize, mut round: impl FnMut(usize)) {
    (0..times).for_each(&mut round);
}

#[test]
fn two_handles_that_are_released_at_once_lose_nothing() {
    let mut world = World::new();
    race(40, |n| {
        // As from another process space: only the release saves.
        let one = world.open(CUT);
        let text = format!("k,v\n1,{n}\n");
        world.kernel.write(one, text.as_bytes()).unwrap();
        let fs = &world.kernel.fs;
        let two = fs.open(world.kernel.caller(100), world.kernel.ino(one), O_RDWR).unwrap().handle;
        let barrier = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            for handle in [world.kernel.handle(one), two] {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    fs.release(handle);
                });
            }
        });
        world.kernel.forget(one);
        assert_eq!(world.text(), text);
    });
    world.kernel.check_clean();
}

#[test]
fn what_is_written_while_a_rename_is_under_way_is_not_lost() {
    let mut world = World::new();
    let rows = |range: std::ops::Range<u32>| range.map(|k| format!("{k},{k}\n")).collect::<String>();
    race(6, |n| {
        let fd = world.kernel.open(100, "c/s/tmp", O_CREAT | O_WRONLY | O_APPEND).unwrap();
        let end = 40_000 + n as u32;
        let half = format!("k,v\n{}7", rows(0..30_000));
        world.kernel.write(fd, half.as_bytes()).unwrap();
        let (handle, size) = (world.kernel.handle(fd), half.len() as u64);
        let World { kernel, .. } = &world;
        let (fs, caller) = (&kernel.fs, kernel.caller(100));
        let folder = Walk(fs).found("c/s").attr.ino;
        Walk(fs)
            .at("c/s", |_, _| {
                std::thread::scope(|scope| {
                    let renaming = scope.spawn(|| {
                        let how = lakota::mount::fs::Renaming { replace: true };
                        fs.rename(caller, (folder, "tmp".as_ref()), (folder, "live.csv".as_ref()), how)
                    });
                    std::thread::sleep(Duration::from_millis(3 * n as u64));
                    let rest = format!("0000000,0\n{}", rows(30_000..end));
                    fs.write(handle, size, rest.as_bytes(), true).unwrap();
                    fs.flush(caller, handle).unwrap();
                    fs.release(handle);
                    renaming.join().unwrap().unwrap();
                });
            })
            .unwrap();
        world.kernel.forget(fd);
        let expected = format!("k,v\n{}{}70000000,0\n", rows(0..30_000), rows(30_000..end));
        assert!(world.text() == expected, "round {n}");
        assert!(world.rejected().is_empty());
    });
    world.kernel.check_clean();
}

#[test]
fn rows_that_are_appended_elsewhere_during_saves_all_survive() {
    let mut world = World::new();
    const ROUNDS: u64 = 30;
    std::thread::scope(|scope| {
        let other = &world.other;
        scope.spawn(move || {
            let schema = other.schema().unwrap();
            for k in 0..ROUNDS {
                let mut batch = other.batch("").unwrap();
                batch.overlay("s", &frame(&schema, &format!("k,v\n{},1\n", 100 + k))).unwrap();
                batch.commit().unwrap();
            }
        });
        for n in 0..ROUNDS {
            // What is there, with its first row changed.
            let fd = world.kernel.open(100, LIVE, O_RDWR).unwrap();
            let text = String::from_utf8(world.kernel.read(fd)).unwrap();
            let rest = text.split_once('\n').unwrap().1.split_once('\n').unwrap().1;
            world.kernel.ftruncate(fd, 0).unwrap();
            world.kernel.pwrite(fd, 0, format!("k,v\n1,{n}\n{rest}").as_bytes()).unwrap();
            world.kernel.close(fd).unwrap();
        }
    });
    let appended: String = (0..ROUNDS).map(|k| format!("{},1\n", 100 + k)).collect();
    assert_eq!(world.text(), format!("k,v\n1,{}\n2,20\n{appended}", ROUNDS - 1));
}
