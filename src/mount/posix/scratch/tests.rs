use super::*;
use rustix::fs::{FileType, mknodat};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

fn area() -> (TempDir, Held) {
    let folder = tempfile::tempdir().unwrap();
    let held = Held::make(&folder.path().join("spool/scratch")).unwrap();
    (folder, held)
}

/// The real folder of `area`, for what is done behind its back.
fn real(folder: &TempDir) -> PathBuf {
    folder.path().join("spool/scratch")
}

fn name(text: &str) -> &OsStr {
    OsStr::new(text)
}

fn put(folder: &Held, file: &str, text: &str) -> Held {
    let (held, mut open) = folder.create(name(file), false).unwrap();
    open.set_len(0).unwrap();
    open.write_all(text.as_bytes()).unwrap();
    held
}

fn text(held: &Held) -> String {
    let mut text = String::new();
    held.reopen(false, false).unwrap().read_to_string(&mut text).unwrap();
    text
}

fn names(folder: &Held) -> Vec<OsString> {
    folder.list().unwrap().into_iter().map(|(name, _)| name).collect()
}

/// The system's number of what must have failed.
fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> Errno {
    Errno::from_raw_os_error(result.unwrap_err().raw_os_error().unwrap())
}

#[test]
fn held_files_go_between_threads() {
    fn check<T: Send + Sync + std::fmt::Debug>() {}
    check::<Held>();
}

#[test]
fn a_folder_is_made_with_what_is_missing_above_it_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/c");
    assert!(Held::open(&path).unwrap().is_none());
    let made = Held::make(&path).unwrap();
    for part in ["a", "a/b", "a/b/c"] {
        assert_eq!(
            folder.path().join(part).metadata().unwrap().permissions().mode() & 0o7777,
            0o700,
            "{part}"
        );
    }
    assert_eq!(Held::make(&path).unwrap().number(), made.number());
    assert_eq!(Held::open(&path).unwrap().unwrap().number(), made.number());
}

#[test]
fn links_above_the_area_are_followed_and_one_in_its_place_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, folder.path().join("link")).unwrap();
    Held::make(&folder.path().join("link/area")).unwrap();
    assert!(elsewhere.join("area").is_dir());
    assert!(Held::open(&folder.path().join("link")).unwrap().is_none());
    assert_eq!(errno(Held::make(&folder.path().join("link"))), Errno::NOTDIR);
}

#[test]
fn a_file_in_the_place_of_the_area_is_an_error_when_it_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(Held::open(&file).unwrap().is_none());
    assert_eq!(errno(Held::make(&file)), Errno::NOTDIR);
    assert_eq!(errno(Held::make(&file.join("below"))), Errno::NOTDIR);
}

#[test]
fn what_is_written_is_there_again_by_name_under_the_same_number() {
    let (folder, area) = area();
    let made = put(&area, ".live.csv.swp", "rows");
    drop(area);
    let again = Held::open(&real(&folder)).unwrap().unwrap();
    let found = again.child(name(".live.csv.swp")).unwrap().unwrap();
    assert_eq!((found.number(), text(&found)), (made.number(), "rows".to_owned()));
    assert!(again.child(name("other")).unwrap().is_none());
}

#[test]
fn files_are_for_their_owner_only() {
    let (folder, area) = area();
    put(&area, "a", "");
    area.mkdir(name("b")).unwrap();
    let mode = |name: &str| real(&folder).join(name).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("a"), mode("b")), (0o600, 0o700));
}

#[test]
fn create_opens_what_is_there_unless_it_is_to_be_new() {
    let (_folder, area) = area();
    let made = put(&area, "a", "one");
    let (held, mut file) = area.create(name("a"), false).unwrap();
    let mut read = String::new();
    file.read_to_string(&mut read).unwrap();
    file.write_all(b" two").unwrap();
    assert_eq!((held.number(), read.as_str(), text(&made).as_str()), (made.number(), "one", "one two"));
    assert_eq!(errno(area.create(name("a"), true)), Errno::EXIST);
    area.mkdir(name("folder")).unwrap();
    assert_eq!(errno(area.create(name("folder"), false)), Errno::ISDIR);
    assert_eq!(errno(area.create(name("folder"), true)), Errno::EXIST);
}

#[test]
fn names_may_have_255_bytes_and_not_one_more() {
    let (_folder, area) = area();
    let longest = "n".repeat(255);
    put(&area, &longest, "x");
    area.rename(name(&longest), &area, name(&"m".repeat(255)), false).unwrap();
    assert_eq!(names(&area), [OsString::from("m".repeat(255))]);
    let longer = "n".repeat(256);
    assert_eq!(errno(area.create(name(&longer), false)), Errno::NAMETOOLONG);
    assert_eq!(errno(area.child(name(&longer))), Errno::NAMETOOLONG);
    assert_eq!(errno(area.mkdir(name(&longer))), Errno::NAMETOOLONG);
}

#[test]
fn names_need_not_be_utf_8() {
    let (_folder, area) = area();
    let odd = OsStr::from_bytes(b"\xff\xfe tmp\n\\%");
    let (held, _) = area.create(odd, true).unwrap();
    area.mkdir(OsStr::from_bytes(b"\x80")).unwrap();
    assert_eq!(names(&area), [OsString::from_vec(vec![0x80]), odd.to_owned()]);
    assert_eq!(area.child(odd).unwrap().unwrap().number(), held.number());
    area.unlink(odd).unwrap();
    assert!(area.child(odd).unwrap().is_none());
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let (_folder, area) = area();
    put(&area.mkdir(name("a")).unwrap(), "b", "");
    for bad in [".", "..", "a/b", "/", "../scratch", "a/"] {
        let bad = name(bad);
        assert_eq!(errno(area.child(bad)), Errno::INVAL, "{bad:?}");
        assert_eq!(errno(area.create(bad, false)), Errno::INVAL, "{bad:?}");
        assert_eq!(errno(area.mkdir(bad)), Errno::INVAL, "{bad:?}");
        assert_eq!(errno(area.unlink(bad)), Errno::INVAL, "{bad:?}");
        assert_eq!(errno(area.rmdir(bad)), Errno::INVAL, "{bad:?}");
        assert_eq!(errno(area.rename(bad, &area, name("c"), true)), Errno::INVAL, "{bad:?}");
        assert_eq!(errno(area.rename(name("a"), &area, bad, true)), Errno::INVAL, "{bad:?}");
        assert_eq!(errno(area.path(bad)), Errno::INVAL, "{bad:?}");
    }
}

#[test]
fn a_listing_is_sorted_and_complete() {
    let (_folder, area) = area();
    let made: Vec<u64> = (0..1500).rev().map(|i| put(&area, &format!("{i:04}"), "").number()).collect();
    let listed = area.list().unwrap();
    let expected: Vec<OsString> = (0..1500).map(|i| format!("{i:04}").into()).collect();
    assert_eq!(listed.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), expected);
    assert!(listed.iter().rev().map(|(_, held)| held.number()).eq(made));
}

#[test]
fn facts_tell_size_kind_links_and_blocks() {
    let (_folder, area) = area();
    let file = put(&area, "a", "12345");
    file.sync().unwrap();
    let facts = file.facts().unwrap();
    assert_eq!((facts.folder, facts.size, facts.links), (false, 5, 1));
    file.truncate(1 << 30).unwrap();
    let sparse = file.facts().unwrap();
    assert_eq!(sparse.size, 1 << 30);
    assert!(sparse.blocks * 512 < 1 << 20, "{sparse:?}");
    assert!(area.facts().unwrap().folder && area.is_folder() && !file.is_folder());
}

#[test]
fn a_file_that_another_is_renamed_over_stays_for_who_holds_it() {
    let (_folder, area) = area();
    let old = put(&area, "live", "old");
    let new = put(&area, "tmp", "new");
    area.rename(name("tmp"), &area, name("live"), true).unwrap();
    assert_eq!(names(&area), ["live"]);
    assert_eq!(area.child(name("live")).unwrap().unwrap().number(), new.number());
    assert_eq!((text(&old).as_str(), text(&new).as_str()), ("old", "new"));
    assert_eq!((old.facts().unwrap().links, new.facts().unwrap().links), (0, 1));
    assert_ne!(old.number(), new.number());
}

#[test]
fn an_unlinked_file_is_as_good_as_ever_for_who_holds_it() {
    let (_folder, area) = area();
    let held = put(&area, "a", "12345");
    area.unlink(name("a")).unwrap();
    assert!(area.child(name("a")).unwrap().is_none());
    held.truncate(3).unwrap();
    held.set_mtime(Some(1_600_000_000_123)).unwrap();
    let facts = held.facts().unwrap();
    assert_eq!((facts.size, facts.mtime, facts.links), (3, 1_600_000_000_123, 0));
    held.reopen(true, true).unwrap().write_all(b"new").unwrap();
    held.sync().unwrap();
    assert_eq!(text(&held), "new");
}

#[test]
fn the_number_of_a_held_file_goes_to_no_other() {
    let (_folder, area) = area();
    let held = put(&area, "a", "");
    area.unlink(name("a")).unwrap();
    for i in 0..200 {
        let next = put(&area, "a", "");
        assert_ne!(next.number(), held.number(), "file {i}");
        area.unlink(name("a")).unwrap();
    }
}

#[test]
fn a_number_stays_through_renames_writes_and_times() {
    let (_folder, area) = area();
    let held = put(&area, "a", "");
    let below = area.mkdir(name("below")).unwrap();
    held.set_mtime(Some(5)).unwrap();
    held.truncate(100).unwrap();
    area.rename(name("a"), &below, name("b"), false).unwrap();
    assert_eq!(below.child(name("b")).unwrap().unwrap().number(), held.number());
}

#[test]
fn a_rename_that_may_not_replace_fails_where_the_name_is_taken() {
    let (_folder, area) = area();
    put(&area, "a", "a");
    let b = put(&area, "b", "b");
    assert_eq!(errno(area.rename(name("a"), &area, name("b"), false)), Errno::EXIST);
    assert_eq!((text(&b).as_str(), names(&area).len()), ("b", 2));
    assert_eq!(errno(area.rename(name("gone"), &area, name("c"), true)), Errno::NOENT);
}

#[test]
fn folders_are_renamed_and_removed_as_on_a_disk() {
    let (_folder, area) = area();
    let full = area.mkdir(name("full")).unwrap();
    put(&full, "x", "");
    area.mkdir(name("empty")).unwrap();
    put(&area, "file", "");
    assert_eq!(errno(area.mkdir(name("full"))), Errno::EXIST);
    assert_eq!(errno(area.unlink(name("full"))), Errno::ISDIR);
    assert_eq!(errno(area.rmdir(name("file"))), Errno::NOTDIR);
    assert_eq!(errno(area.rmdir(name("full"))), Errno::NOTEMPTY);
    assert_eq!(errno(area.rename(name("empty"), &area, name("full"), true)), Errno::NOTEMPTY);
    assert_eq!(errno(area.rename(name("file"), &area, name("empty"), true)), Errno::ISDIR);
    assert_eq!(errno(area.rename(name("full"), &full, name("y"), true)), Errno::INVAL);
    area.rename(name("full"), &area, name("empty"), true).unwrap();
    assert_eq!((names(&area), names(&full)), (vec!["empty".into(), "file".into()], vec!["x".into()]));
    full.unlink(name("x")).unwrap();
    area.rmdir(name("empty")).unwrap();
    assert_eq!(errno(full.create(name("x"), false)), Errno::NOENT);
    assert_eq!(names(&full), [""; 0]);
}

#[test]
fn files_have_nothing_in_them_and_folders_do_not_open() {
    let (_folder, area) = area();
    let file = put(&area, "a", "");
    assert_eq!(errno(file.child(name("b"))), Errno::NOTDIR);
    assert_eq!(errno(file.list()), Errno::NOTDIR);
    assert_eq!(errno(file.path(name("b"))), Errno::NOTDIR);
    assert_eq!(errno(area.reopen(false, false)), Errno::ISDIR);
    assert_eq!(errno(area.truncate(0)), Errno::ISDIR);
}

#[test]
fn only_a_folder_without_anything_is_empty() {
    let (folder, area) = area();
    assert!(area.is_empty().unwrap());
    symlink("nowhere", real(&folder).join("link")).unwrap();
    assert!(names(&area).is_empty() && !area.is_empty().unwrap());
}

#[test]
fn truncation_cuts_and_fills_with_zeroes() {
    let (_folder, area) = area();
    let file = put(&area, "a", "12345");
    file.truncate(2).unwrap();
    file.truncate(4).unwrap();
    assert_eq!(text(&file), "12\0\0");
    assert_eq!(errno(file.truncate(u64::MAX)), Errno::INVAL);
}

#[test]
fn times_are_kept_to_the_millisecond_and_now_is_now() {
    let (_folder, area) = area();
    let file = put(&area, "a", "");
    for held in [&file, &area] {
        held.set_mtime(Some(1_234_567_890_999)).unwrap();
        assert_eq!(held.facts().unwrap().mtime, 1_234_567_890_999);
        let before = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        held.set_mtime(None).unwrap();
        let now = held.facts().unwrap().mtime;
        assert!(now.abs_diff(before) < 10_000, "{now} {before}");
    }
    assert_eq!((ms(-5, 999_999_999), ms(0, 1_999_999), ms(2, 0)), (0, 1, 2000));
}

#[test]
fn a_path_tells_where_a_folder_is_now() {
    let (folder, area) = area();
    let below = area.mkdir(name("a")).unwrap();
    assert_eq!(below.path(name("x")).unwrap(), real(&folder).canonicalize().unwrap().join("a/x"));
    area.rename(name("a"), &area, name("b"), true).unwrap();
    assert_eq!(below.path(name("x")).unwrap(), real(&folder).canonicalize().unwrap().join("b/x"));
    area.rmdir(name("b")).unwrap();
    assert_eq!(errno(below.path(name("x"))), Errno::NOENT);
    // What the system calls a removed folder may be the name of another.
    area.mkdir(name("b (deleted)")).unwrap();
    assert_eq!(errno(below.path(name("x"))), Errno::NOENT);
}

#[test]
fn a_planted_link_is_absent_and_never_followed() {
    let (folder, area) = area();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    std::fs::create_dir(folder.path().join("outside")).unwrap();
    let targets = [
        ("to-file", "../../secret"),
        ("to-folder", "../../outside"),
        ("to-none", "../../new"),
        ("loop", "loop"),
    ];
    for (link, target) in targets {
        symlink(target, real(&folder).join(link)).unwrap();
        assert!(area.child(name(link)).unwrap().is_none(), "{link}");
        assert_eq!(errno(area.create(name(link), false)), Errno::EXIST, "{link}");
        assert_eq!(errno(area.create(name(link), true)), Errno::EXIST, "{link}");
        assert_eq!(errno(area.mkdir(name(link))), Errno::EXIST, "{link}");
        assert!(Held::open(&real(&folder).join(link)).unwrap().is_none(), "{link}");
    }
    assert!(names(&area).is_empty());
    put(&area, "tmp", "mine");
    area.rename(name("tmp"), &area, name("to-file"), true).unwrap();
    assert_eq!(names(&area), ["to-file"]);
    area.unlink(name("to-none")).unwrap();
    assert_eq!(errno(area.rmdir(name("to-folder"))), Errno::NOTDIR);
    age(&real(&folder), u64::MAX).unwrap();
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "secret");
    assert!(folder.path().join("outside").is_dir() && !folder.path().join("new").exists());
}

#[test]
fn a_link_put_in_the_place_of_a_held_folder_leads_nowhere() {
    let (folder, area) = area();
    let below = area.mkdir(name("a")).unwrap();
    std::fs::create_dir(folder.path().join("outside")).unwrap();
    std::fs::rename(real(&folder).join("a"), real(&folder).join("b")).unwrap();
    symlink(folder.path().join("outside"), real(&folder).join("a")).unwrap();
    put(&below, "x", "");
    assert!(real(&folder).join("b/x").exists() && !folder.path().join("outside/x").exists());
}

#[test]
fn planted_pipes_and_sockets_are_absent_and_nobody_waits_for_them() {
    let (folder, area) = area();
    mknodat(CWD, real(&folder).join("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(real(&folder).join("socket")).unwrap();
    assert!(names(&area).is_empty());
    for planted in ["pipe", "socket"] {
        assert!(area.child(name(planted)).unwrap().is_none());
        assert_eq!(errno(area.create(name(planted), false)), Errno::EXIST);
    }
}

#[test]
fn a_file_that_comes_and_goes_meanwhile_can_always_be_created() {
    let (_folder, area) = area();
    std::thread::scope(|scope| {
        scope.spawn(|| (0..2000).for_each(|_| area.unlink(name("a")).unwrap_or_default()));
        for _ in 0..2000 {
            let (held, mut file) = area.create(name("a"), false).unwrap();
            file.write_all(b"x").unwrap();
            file.rewind().unwrap();
            assert!(!held.is_folder());
        }
    });
}

#[test]
fn all_may_be_synced() {
    let (_folder, area) = area();
    put(&area, "a", "x").sync().unwrap();
    area.sync().unwrap();
    area.mkdir(name("b")).unwrap().sync().unwrap();
}
