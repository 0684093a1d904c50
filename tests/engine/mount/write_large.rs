//! Files of such a size that their rows are read while they are written: whatever is written then, what is saved is
//! what the file holds at the end.

use super::kernel::Fd;
use super::live::{CUT, World};
use super::walk::Walk;
use lakota::data::schema::Schema;
use lakota::mount::posix::errno::Errno;
use libc::{O_CREAT, O_RDWR};

const LARGE: &str = "d/s/live.csv";

/// Rows of long texts: five megabytes are soon read.
fn text(rows: std::ops::Range<u32>, letter: &str) -> String {
    rows.map(|k| format!("{k},{}\n", letter.repeat(16 << 10))).collect()
}

fn world() -> World {
    let mut world = World::new();
    world.repo.create_collection("d", &Schema::parse(["k int*", "s str"]).unwrap()).unwrap();
    world.kernel.spawn(300, 0, "mkdir");
    world.kernel.mkdir(300, "d/s").unwrap();
    world
}

/// Writes as programs do: piece after piece.
fn write(world: &World, fd: Fd, text: &str) {
    text.as_bytes().chunks(128 << 10).for_each(|piece| world.kernel.write(fd, piece).unwrap());
}

fn check(world: &World, expected: &str) {
    let walk = Walk(&world.kernel.fs);
    let handle = walk.open(LARGE);
    // In one piece, unlike `Walk::text`: it is large.
    assert!(walk.read_handle(handle, 1 << 24) == expected.as_bytes(), "other rows than were written");
    world.kernel.fs.release(handle);
}

/// How many bytes are kept as rejected.
fn refused(world: &World) -> Vec<u64> {
    let walk = Walk(&world.kernel.fs);
    let names = walk.names(".lakota/rejected").into_iter();
    names.map(|name| walk.found(&format!(".lakota/rejected/{name}")).attr.size).collect()
}

#[test]
fn a_large_file_is_saved_as_it_is_at_the_end() {
    let mut world = world();
    let whole = format!("k,s\n{}", text(0..330, "a"));
    let fd = world.kernel.open(100, LARGE, CUT).unwrap();
    write(&world, fd, &whole);
    world.kernel.close(fd).unwrap();
    check(&world, &whole);
    // A byte in the middle, when all was written.
    let fd = world.kernel.open(100, LARGE, CUT).unwrap();
    write(&world, fd, &whole);
    world.kernel.pwrite(fd, 100_000, b"b").unwrap();
    world.kernel.close(fd).unwrap();
    let patched = [&whole[..100_000], "b", &whole[100_001..]].concat();
    check(&world, &patched);
    // Emptied, and begun again.
    let fd = world.kernel.open(100, LARGE, CUT).unwrap();
    write(&world, fd, &whole);
    world.kernel.ftruncate(fd, 0).unwrap();
    let other = format!("k,s\n{}", text(100..420, "c"));
    let pieces = other.as_bytes().chunks(128 << 10);
    pieces.enumerate().for_each(|(i, piece)| world.kernel.pwrite(fd, (i as u64) << 17, piece).unwrap());
    world.kernel.close(fd).unwrap();
    check(&world, &other);
}

#[test]
fn a_large_file_goes_on_after_a_sync_and_a_cut() {
    let mut world = world();
    let whole = format!("k,s\n{}", text(0..330, "a"));
    let fd = world.kernel.open(100, LARGE, CUT).unwrap();
    write(&world, fd, &whole);
    world.kernel.fsync(fd).unwrap();
    check(&world, &whole);
    let more = text(330..660, "b");
    write(&world, fd, &more);
    world.kernel.close(fd).unwrap();
    check(&world, &format!("{whole}{more}"));
    let fd = world.kernel.open(100, LARGE, CUT).unwrap();
    write(&world, fd, &whole);
    world.kernel.ftruncate(fd, whole.len() as u64 - 5).unwrap();
    world.kernel.pwrite(fd, whole.len() as u64 - 5, b"z\n").unwrap();
    world.kernel.close(fd).unwrap();
    check(&world, &format!("{}z\n", &whole[..whole.len() - 5]));
}

#[test]
fn a_large_file_with_a_wrong_end_is_refused_and_one_renamed_while_it_is_open_is_whole() {
    let mut world = world();
    let whole = format!("k,s\n{}", text(0..330, "a"));
    let fd = world.kernel.open(100, LARGE, CUT).unwrap();
    write(&world, fd, &whole);
    world.kernel.write(fd, b"x,y\n").unwrap();
    assert_eq!(world.kernel.close(fd), Err(Errno::EINVAL));
    check(&world, "k,s\n");
    assert!(world.errors().contains("line 332"), "{}", world.errors());
    assert_eq!(refused(&world), [whole.len() as u64 + 4]);
    let fd = world.kernel.open(100, "d/s/tmp", O_CREAT | O_RDWR).unwrap();
    write(&world, fd, &whole);
    world.kernel.rename(100, "d/s/tmp", LARGE, true).unwrap();
    write(&world, fd, &text(330..340, "b"));
    world.kernel.pwrite(fd, 100_000, b"b").unwrap();
    world.kernel.close(fd).unwrap();
    let patched = [&whole[..100_000], "b", &whole[100_001..], &text(330..340, "b")].concat();
    check(&world, &patched);
    world.kernel.check_clean();
}
