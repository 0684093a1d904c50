//! What happens at the same time on a mount that is written: whatever comes first, nothing is lost.

use super::live::{CUT, LIVE, World};
use super::walk::Walk;
use crate::support::frame;
use lakota::mount::posix::errno::Errno;
use lakota::mount::posix::fs::{Change, Renaming};
use libc::{O_APPEND, O_CREAT, O_RDONLY, O_RDWR, O_WRONLY};
use std::time::{Duration, Instant};

#[test]
fn two_handles_that_are_released_at_once_lose_nothing() {
    let mut world = World::new();
    for n in 0..40 {
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
    }
    world.kernel.check_clean();
}

#[test]
fn what_is_written_while_a_rename_is_under_way_is_not_lost() {
    let mut world = World::new();
    let rows = |range: std::ops::Range<u32>| range.map(|k| format!("{k},{k}\n")).collect::<String>();
    // The first round tells how long it takes; the others end the file at points between.
    const ROUNDS: u32 = 8;
    let mut took = Duration::ZERO;
    for n in 0..=ROUNDS {
        let fd = world.kernel.open(100, "c/s/tmp", O_CREAT | O_WRONLY | O_APPEND).unwrap();
        let end = 9_000 + n;
        let half = format!("k,v\n{}7", rows(0..8_000));
        world.kernel.write(fd, half.as_bytes()).unwrap();
        let (handle, size) = (world.kernel.handle(fd), half.len() as u64);
        let World { kernel, .. } = &world;
        let (fs, caller) = (&kernel.fs, kernel.caller(100));
        let folder = Walk(fs).found("c/s").attr.ino;
        Walk(fs)
            .at("c/s", |_, _| {
                std::thread::scope(|scope| {
                    let began = Instant::now();
                    let renaming = scope.spawn(move || {
                        let how = Renaming { replace: true };
                        let done =
                            fs.rename(caller, (folder, "tmp".as_ref()), (folder, "live.csv".as_ref()), how);
                        done.map(|()| began.elapsed())
                    });
                    let mut renaming = Some(renaming);
                    if n == 0 {
                        took = renaming.take().unwrap().join().unwrap().unwrap();
                    }
                    std::thread::sleep(took * n / ROUNDS);
                    let rest = format!("0000000,0\n{}", rows(8_000..end));
                    fs.write(handle, size, rest.as_bytes(), true).unwrap();
                    fs.flush(caller, handle).unwrap();
                    fs.release(handle);
                    renaming.into_iter().for_each(|renaming| assert!(renaming.join().unwrap().is_ok()));
                });
            })
            .unwrap();
        world.kernel.forget(fd);
        let expected = format!("k,v\n{}{}70000000,0\n", rows(0..8_000), rows(8_000..end));
        assert!(world.text() == expected, "round {n}");
        assert!(world.rejected().is_empty());
    }
    world.kernel.check_clean();
}

#[test]
fn what_is_added_to_a_file_after_its_rename_began_is_not_lost() {
    let mut world = World::new();
    let rows = |range: std::ops::Range<u32>| range.map(|k| format!("{k},{k}\n")).collect::<String>();
    const ROUNDS: u32 = 6;
    let mut took = Duration::ZERO;
    for n in 0..=ROUNDS {
        let text = format!("k,v\n{}", rows(0..8_000 + n));
        world.kernel.save(100, "c/s/tmp", O_CREAT, text.as_bytes()).unwrap();
        let added = format!("{},1\n", 9_000 + n);
        let mut written = false;
        let World { kernel, .. } = &world;
        let (fs, caller) = (&kernel.fs, kernel.caller(100));
        let folder = Walk(fs).found("c/s").attr.ino;
        // Both are known to the kernel before: so its looks do not tell.
        Walk(fs)
            .at("c/s/tmp", |ino, _| {
                Walk(fs)
                    .at("c/s", |_, _| {
                        std::thread::scope(|scope| {
                            let began = Instant::now();
                            let renaming = scope.spawn(move || {
                                let how = Renaming { replace: true };
                                let (from, to) = ((folder, "tmp".as_ref()), (folder, "live.csv".as_ref()));
                                fs.rename(caller, from, to, how).map(|()| began.elapsed())
                            });
                            std::thread::sleep(took * n / (ROUNDS + 2));
                            // Where it comes too late, it is told so, whenever that is.
                            if n > 0 {
                                match fs.open(caller, ino, O_WRONLY | O_APPEND) {
                                    Ok(opened) => {
                                        let at = text.len() as u64;
                                        fs.write(opened.handle, at, added.as_bytes(), true).unwrap();
                                        fs.flush(caller, opened.handle).unwrap();
                                        fs.release(opened.handle);
                                        written = true;
                                    }
                                    Err(errno) => assert_eq!(errno, Errno::ESTALE),
                                }
                            }
                            took = renaming.join().unwrap().unwrap();
                        });
                    })
                    .unwrap();
            })
            .unwrap();
        let expected = if written { format!("{text}{added}") } else { text };
        assert!(world.text() == expected, "round {n}");
    }
}

/// Threads of one program share a descriptor: what one of them has just written, another one saves, or its end does.
#[test]
fn what_is_written_through_a_descriptor_whose_file_is_being_renamed_is_not_lost() {
    const ROWS: u32 = 300;
    for round in 0..12_u64 {
        let mut world = World::new();
        let fd = world.kernel.open(100, "c/s/tmp", O_CREAT | O_WRONLY | O_APPEND).unwrap();
        let mut text = "k,v\n1,1\n".to_owned();
        world.kernel.write(fd, text.as_bytes()).unwrap();
        let handle = world.kernel.handle(fd);
        let World { kernel, .. } = &world;
        let (fs, caller) = (&kernel.fs, kernel.caller(100));
        let folder = Walk(fs).found("c/s").attr.ino;
        Walk(fs)
            .at("c/s", |_, _| {
                std::thread::scope(|scope| {
                    scope.spawn(move || {
                        std::thread::sleep(Duration::from_micros(300 * round));
                        let how = Renaming { replace: true };
                        let (from, to) = ((folder, "tmp".as_ref()), (folder, "live.csv".as_ref()));
                        fs.rename(caller, from, to, how).unwrap();
                    });
                    let syncing = scope.spawn(move || {
                        (0..40).for_each(|_| {
                            fs.fsync(handle).unwrap();
                            std::thread::sleep(Duration::from_micros(200));
                        });
                    });
                    for row in 2..ROWS {
                        let line = format!("{row},{row}\n");
                        fs.write(handle, text.len() as u64, line.as_bytes(), true).unwrap();
                        text.push_str(&line);
                    }
                    syncing.join().unwrap();
                });
            })
            .unwrap();
        fs.flush(caller, handle).unwrap();
        fs.release(handle);
        world.kernel.forget(fd);
        assert!(world.text() == text, "round {round}");
    }
}

/// As a program that keeps the number of a file does: it opens it again by its descriptor.
#[test]
fn a_file_that_became_the_live_one_is_not_written_any_more() {
    let mut world = World::new();
    let fd = world.kernel.open(100, "c/s/tmp", O_CREAT | O_RDWR).unwrap();
    world.kernel.write(fd, b"k,v\n1,11\n").unwrap();
    world.kernel.close(fd).unwrap();
    let reader = world.kernel.open(100, "c/s/tmp", O_RDONLY).unwrap();
    let ino = world.kernel.ino(reader);
    let caller = world.kernel.caller(100);
    let cut = Change { size: Some(0), mtime: None };
    world.kernel.rename(100, "c/s/tmp", LIVE, true).unwrap();
    assert_eq!(world.kernel.fs.open(caller, ino, O_WRONLY).map(|opened| opened.handle), Err(Errno::ESTALE));
    assert_eq!(world.kernel.fs.open(caller, ino, CUT).map(|opened| opened.handle), Err(Errno::ESTALE));
    assert_eq!(world.kernel.fs.setattr(caller, ino, None, cut).map(|_| ()), Err(Errno::ESTALE));
    assert_eq!(world.kernel.read(reader), b"k,v\n1,11\n", "who reads it keeps it");
    world.kernel.close(reader).unwrap();
    // One that was only removed is its opener's.
    let fd = world.kernel.open(100, "c/s/tmp", O_CREAT | O_RDWR).unwrap();
    world.kernel.unlink(100, "c/s/tmp").unwrap();
    let again = world.kernel.fs.open(caller, world.kernel.ino(fd), O_RDWR).unwrap().handle;
    world.kernel.fs.write(again, 0, b"x", false).unwrap();
    assert_eq!(world.kernel.read(fd), b"x");
    world.kernel.fs.release(again);
    world.kernel.close(fd).unwrap();
    world.kernel.check_clean();
}

/// The same while somebody writes it on: what is opened is the copy that he has.
#[test]
fn a_file_that_became_the_live_one_while_it_is_written_is_opened_as_that() {
    for size in [None, Some(4)] {
        let mut world = World::new();
        let fd = world.kernel.open(100, "c/s/tmp", O_CREAT | O_RDWR).unwrap();
        world.kernel.write(fd, b"k,v\n1,11\n").unwrap();
        world.kernel.rename(100, "c/s/tmp", LIVE, true).unwrap();
        let (ino, caller) = (world.kernel.ino(fd), world.kernel.caller(100));
        let two = world.kernel.fs.open(caller, ino, O_RDWR | O_APPEND).unwrap().handle;
        if size.is_some() {
            world.kernel.fs.setattr(caller, ino, None, Change { size, mtime: None }).unwrap();
        }
        world.kernel.fs.write(two, 9, b"2,22\n", true).unwrap();
        world.kernel.close(fd).unwrap();
        world.kernel.fs.release(two);
        let expected = if size.is_some() { "k,v\n2,22\n" } else { "k,v\n1,11\n2,22\n" };
        assert_eq!(world.text(), expected);
        world.kernel.check_clean();
    }
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

#[test]
fn rows_that_come_while_nothing_is_changed_survive_the_next_save() {
    for round in 0..20 {
        let mut world = World::new();
        let fd = world.kernel.open(100, LIVE, O_RDWR).unwrap();
        std::thread::scope(|scope| {
            let other = &world.other;
            let adding = scope.spawn(move || {
                let schema = other.schema().unwrap();
                let mut batch = other.batch("").unwrap();
                batch.overlay("s", &frame(&schema, "k,v\n9,90\n")).unwrap();
                std::thread::sleep(Duration::from_millis(1));
                batch.commit().unwrap();
            });
            while !adding.is_finished() {
                world.kernel.pwrite(fd, 0, b"k").unwrap();
                world.kernel.fsync(fd).unwrap();
            }
        });
        world.kernel.pwrite(fd, 4, b"3").unwrap();
        world.kernel.close(fd).unwrap();
        assert_eq!(world.text(), "k,v\n2,20\n3,10\n9,90\n", "round {round}");
    }
}
