//! What happens at the same time on a mount that is written: whatever comes first, nothing is lost.

use super::live::{CUT, LIVE, World};
use super::walk::Walk;
use crate::support::frame;
use lakota::mount::posix::fs::Renaming;
use libc::{O_APPEND, O_CREAT, O_RDWR, O_WRONLY};
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
        let mut both = false;
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
                            if n > 0 && !renaming.is_finished() {
                                let handle = fs.open(caller, ino, O_WRONLY | O_APPEND).unwrap().handle;
                                fs.write(handle, text.len() as u64, added.as_bytes(), true).unwrap();
                                fs.flush(caller, handle).unwrap();
                                fs.release(handle);
                                both = !renaming.is_finished();
                            }
                            took = renaming.join().unwrap().unwrap();
                        });
                    })
                    .unwrap();
            })
            .unwrap();
        let expected = if both { format!("{text}{added}") } else { text };
        assert!(!both || world.text() == expected, "round {n}");
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
