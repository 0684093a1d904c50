//! Refused bytes that are written again: as a change of what was open when they were refused.

use super::live::{CUT, LIVE, PARQUET, ROWS, World};
use super::walk::Walk;
use lakota::mount::posix::errno::Errno;
use lakota::mount::posix::fs::Fs;
use lakota::ops;
use libc::{O_APPEND, O_RDWR, O_TRUNC, SIGKILL};

fn again(world: &mut World, folder: &str, flags: i32, bytes: &[u8]) -> Result<(), Errno> {
    let name = world.kept().remove(0);
    world.kernel.save(100, &format!(".lakota/rejected/{folder}/{name}"), flags, bytes)
}

fn retry(world: &mut World, bytes: &str) -> Result<(), Errno> {
    again(world, ".retry", O_TRUNC, bytes.as_bytes())
}

/// Refuses a save in place of the rows that were opened.
fn refused(world: &mut World) {
    let fd = world.open(O_RDWR);
    world.kernel.ftruncate(fd, 0).unwrap();
    world.kernel.pwrite(fd, 0, b"k,v\n1,11\n2,abc\n").unwrap();
    assert_eq!(world.kernel.close(fd), Err(Errno::EINVAL));
}

/// What a program wrote that was killed.
fn cut_off(world: &mut World, bytes: &str) {
    let fd = world.open(CUT);
    world.kernel.write(fd, bytes.as_bytes()).unwrap();
    world.kernel.dying(100, SIGKILL);
    world.kernel.exit(100);
    world.kernel.spawn(100, 0, "one");
}

#[test]
fn it_is_a_change_of_what_was_open_when_it_was_refused() {
    let mut world = World::new();
    refused(&mut world);
    world.elsewhere("s", "k,v\n2,22\n5,50\n");
    retry(&mut world, "k,v\n1,11\n2,20\n").unwrap();
    assert_eq!(world.text(), "k,v\n1,11\n2,22\n5,50\n", "only the first row was changed");
    world.kernel.check_clean();
}

#[test]
fn what_is_refused_again_is_a_change_of_the_same() {
    let mut world = World::new();
    refused(&mut world);
    world.elsewhere("s", "k,v\n5,50\n");
    assert_eq!(retry(&mut world, "k,v\n1,x\n"), Err(Errno::EINVAL));
    assert_eq!((world.kept().len(), world.text()), (2, format!("{ROWS}5,50\n")));
    world.kernel.unlink(100, &format!(".lakota/rejected/{}", world.kept()[0])).unwrap();
    retry(&mut world, "k,v\n1,12\n2,20\n").unwrap();
    assert_eq!(world.text(), "k,v\n1,12\n2,20\n5,50\n");
}

#[test]
fn a_parquet_file_is_written_again_as_a_text_is() {
    let mut world = World::new();
    let whole = {
        world.kernel.save(100, LIVE, O_TRUNC, b"k,v\n1,11\n2,20\n").unwrap();
        let bytes = Walk(&world.kernel.fs).read(PARQUET);
        world.kernel.save(100, LIVE, O_TRUNC, ROWS.as_bytes()).unwrap();
        bytes
    };
    assert_eq!(world.kernel.save(100, PARQUET, O_TRUNC, &whole[..9]), Err(Errno::EINVAL));
    world.elsewhere("s", "k,v\n5,50\n");
    again(&mut world, ".retry", O_TRUNC, &whole).unwrap();
    assert_eq!(world.text(), "k,v\n1,11\n2,20\n5,50\n");
}

#[test]
fn what_was_added_is_added_again() {
    let mut world = World::new();
    assert_eq!(world.kernel.save(100, LIVE, O_APPEND, b"3,x\n"), Err(Errno::EINVAL));
    world.elsewhere("s", "k,v\n1,12\n5,50\n");
    again(&mut world, ".retry", O_APPEND, b"3,30\n").unwrap();
    assert_eq!(world.text(), "k,v\n1,12\n2,20\n3,30\n5,50\n");
}

/// As `cp fix.csv .retry/NAME` does.
#[test]
fn what_was_to_be_added_is_added_however_it_is_written() {
    for flags in [O_TRUNC, 0, O_APPEND | O_TRUNC] {
        let mut world = World::new();
        assert_eq!(world.kernel.save(100, LIVE, O_APPEND, b"3,x\n"), Err(Errno::EINVAL));
        again(&mut world, ".retry", flags, b"3,30\n").unwrap();
        assert_eq!(world.text(), format!("{ROWS}3,30\n"), "{flags}");
        let path = format!(".lakota/rejected/.replace/{}", world.kept()[0]);
        let fd = world.kernel.open(100, &path, O_RDWR).unwrap();
        world.kernel.pwrite(fd, 0, b"4,41\n").unwrap();
        world.kernel.pwrite(fd, 3, b"0").unwrap();
        assert_eq!(world.kernel.read(fd), b"4,40\n");
        world.kernel.close(fd).unwrap();
        assert_eq!(world.text(), format!("{ROWS}3,30\n4,40\n"));
        world.kernel.check_clean();
    }
}

#[test]
fn what_is_opened_and_not_written_changes_nothing() {
    let mut world = World::new();
    refused(&mut world);
    retry(&mut world, "").unwrap();
    assert_eq!((world.text().as_str(), world.kept().len()), (ROWS, 1), "nor is the live file away");
    world.kernel.check_clean();
}

#[test]
fn a_series_that_was_renamed_is_found() {
    let mut world = World::new();
    refused(&mut world);
    world.kernel.rename(200, "c/s", "c/t", true).unwrap();
    world.elsewhere("s", "k,v\n7,70\n");
    retry(&mut world, "k,v\n1,11\n2,20\n").unwrap();
    let walk = Walk(&world.kernel.fs);
    assert_eq!(walk.text("c/t/live.csv"), "k,v\n1,11\n2,20\n");
    assert_eq!(walk.text(LIVE), "k,v\n7,70\n", "another series");
    world.kernel.rename(200, "c", "d", true).unwrap();
    retry(&mut world, "k,v\n1,12\n2,20\n").unwrap();
    assert_eq!(Walk(&world.kernel.fs).text("d/t/live.csv"), "k,v\n1,12\n2,20\n");
}

#[test]
fn bytes_of_a_killed_server_are_a_change_of_what_was_open() {
    let mut world = World::new();
    let fd = world.open(CUT);
    world.kernel.write(fd, b"k,v\n1,11\n2,20\n").unwrap();
    // Saved, the next bytes are a change of that.
    world.kernel.fsync(fd).unwrap();
    world.elsewhere("s", "k,v\n1,12\n5,50\n");
    world.kernel.write(fd, b"3,30\n").unwrap();
    let mut world = world.killed();
    assert_eq!(world.rejected(), ["k,v\n1,11\n2,20\n3,30\n"]);
    retry(&mut world, "k,v\n1,11\n2,20\n3,30\n").unwrap();
    assert_eq!(world.text(), "k,v\n1,12\n2,20\n3,30\n5,50\n");
}

#[test]
fn a_part_of_a_file_takes_no_row_away_unasked() {
    let mut world = World::new();
    cut_off(&mut world, "k,v\n1,11\n");
    world.elsewhere("s", "k,v\n5,50\n");
    assert_eq!(retry(&mut world, "k,v\n1,11\n"), Err(Errno::ESTALE));
    assert!(world.errors().contains("1 rows that they lack would go"), "{}", world.errors());
    assert_eq!(world.text(), format!("{ROWS}5,50\n"));
    // With consent it is a change still.
    again(&mut world, ".replace", O_TRUNC, b"k,v\n1,11\n").unwrap();
    assert_eq!(world.text(), "k,v\n1,11\n5,50\n");
}

#[test]
fn a_part_that_lacks_no_row_is_written_unasked() {
    let mut world = World::new();
    cut_off(&mut world, "k,v\n1,11\n2,20\n");
    world.elsewhere("s", "k,v\n5,50\n");
    retry(&mut world, "k,v\n1,11\n2,20\n").unwrap();
    assert_eq!(world.text(), "k,v\n1,11\n2,20\n5,50\n");
}

/// Rows of then that nobody can read any more.
fn forgotten(world: &World) {
    world.elsewhere("s", "k,v\n2,22\n5,50\n");
    ops::trim(&world.other, u64::MAX).unwrap();
}

#[test]
fn where_that_is_gone_no_row_goes_unasked() {
    let mut world = World::new();
    refused(&mut world);
    forgotten(&world);
    let before = world.revisions();
    assert_eq!(retry(&mut world, "k,v\n1,11\n2,20\n"), Err(Errno::ESTALE));
    let errors = world.errors();
    assert!(errors.contains("remove 1 rows that are there now, and change 2"), "{errors}");
    assert!(errors.contains("`lakota rejected retry --replace`"), "{errors}");
    assert_eq!((world.revisions(), world.text().as_str()), (before, "k,v\n1,10\n2,22\n5,50\n"));
    // What takes nothing away need not be asked for.
    retry(&mut world, "k,v\n1,10\n2,22\n3,30\n5,50\n").unwrap();
    again(&mut world, ".replace", O_TRUNC, b"k,v\n1,11\n2,20\n").unwrap();
    assert_eq!(world.text(), "k,v\n1,11\n2,20\n");
}

#[test]
fn where_the_revision_is_gone_and_its_rows_are_not_it_is_a_change() {
    let mut world = World::new();
    world.elsewhere("t", ROWS);
    refused(&mut world);
    world.elsewhere("t", "k,v\n9,90\n");
    ops::squash(&world.other).unwrap();
    retry(&mut world, "k,v\n1,11\n2,20\n").unwrap();
    assert_eq!(world.text(), "k,v\n1,11\n2,20\n");
}

#[test]
fn a_ticket_that_does_not_tell_what_was_open_takes_no_row_away_unasked() {
    let mut world = World::new();
    refused(&mut world);
    let kept = world.kept().remove(0);
    // As versions before this one wrote them.
    let reason = find(world.folder.path(), "reasons").join(&kept);
    let mut ticket: serde_json::Value = serde_json::from_slice(&std::fs::read(&reason).unwrap()).unwrap();
    ticket.as_object_mut().unwrap().remove("basis").unwrap();
    std::fs::write(&reason, ticket.to_string()).unwrap();
    assert_eq!(retry(&mut world, "k,v\n1,10\n"), Err(Errno::ESTALE));
    assert!(world.errors().contains("remove 1 rows that are there now, and change 0"), "{}", world.errors());
    again(&mut world, ".replace", O_TRUNC, b"k,v\n1,10\n").unwrap();
    assert_eq!(world.text(), "k,v\n1,10\n");
}

fn find(spool: &std::path::Path, name: &str) -> std::path::PathBuf {
    let slots = std::fs::read_dir(spool.join("spool")).unwrap();
    slots.map(|slot| slot.unwrap().path().join(name)).find(|path| path.is_dir()).unwrap()
}

#[test]
fn nobody_writes_what_was_refused_to_another() {
    let mut world = World::new();
    world.kernel.spawn(300, 4_000_001, "alice");
    refused(&mut world);
    let kept = world.kept().remove(0);
    for folder in [".retry", ".replace"] {
        let path = format!(".lakota/rejected/{folder}/{kept}");
        assert_eq!(world.kernel.open(300, &path, CUT), Err(Errno::ENOENT));
        assert_eq!(world.kernel.open(100, &format!(".lakota/rejected/{folder}/x"), CUT), Err(Errno::ENOENT));
        assert_eq!(world.kernel.mkdir(100, &format!(".lakota/rejected/{folder}/x")), Err(Errno::EROFS));
        assert_eq!(world.kernel.unlink(100, &path), Err(Errno::EROFS));
    }
    assert_eq!(Walk(&world.kernel.fs).names(".lakota/rejected"), [kept], "the folders are not listed");
    let shared: &Fs = &world.kernel.fs;
    assert_eq!(shared.kept().handles, 0);
}
