//! What servers leave that end before their time.

use super::*;

#[test]
fn what_ended_servers_left_in_other_folders_comes_along() {
    let world = World::new();
    let first = world.open();
    {
        let second = world.open();
        let file = second.file(&ticket()).unwrap();
        file.file().write_all_at(b"refused", 0).unwrap();
        second.reject(file.file(), &refused(NOW, "bxl")).unwrap();
        leave(&second, b"left", &refused(NOW + 1, "bxl"));
        let scratch = second.scratch(Digest::ZERO, SeriesId::new("bxl", 0));
        std::fs::create_dir_all(&scratch).unwrap();
        std::fs::write(scratch.join("both"), "second").unwrap();
        std::fs::write(scratch.join("one"), "second").unwrap();
    }
    let scratch = first.scratch(Digest::ZERO, SeriesId::new("bxl", 0));
    std::fs::create_dir_all(&scratch).unwrap();
    std::fs::write(scratch.join("both"), "first").unwrap();
    drop(first);
    let kept = world.kept();
    assert_eq!(kept.iter().map(|kept| kept.0.as_str()).collect::<Vec<_>>(), ["refused", "left"]);
    assert_eq!((kept[0].1.reason.as_str(), kept[1].1.reason.as_str()), ("no rows", ENDED));
    assert_eq!(names(&scratch), ["both", "one"]);
    assert_eq!(std::fs::read_to_string(scratch.join("both")).unwrap(), "first");
    assert_eq!(world.kept(), kept, "twice is once");
}

#[test]
fn bytes_of_a_killed_server_are_rejected_as_they_were_meant() {
    let world = World::new();
    let append = Ticket { way: Way::Append, ..ticket() };
    let folder = world.killed(|spool| {
        leave(spool, b"2020-06-22,1\n", &append);
        leave(spool, b"", &ticket());
    });
    let kept = world.kept();
    let expected = Ticket { reason: ENDED.into(), ..append };
    let name = "2026-11-22T16-30-12.506Z-temp-bxl.csv".to_owned();
    assert_eq!(kept, [("2020-06-22,1\n".to_owned(), expected, name)]);
    assert_eq!((names(&folder.join("writes")).len(), names(&folder.join("tickets")).len()), (0, 0));
}

#[test]
fn bytes_without_a_ticket_are_kept_with_what_can_be_told() {
    let world = World::new();
    let folder = world.killed(|_| {});
    for (name, bytes, ticket) in
        [("7", "a,b\n", None), ("8", "PAR1...PAR1", Some("{\"time\": 1")), ("9", "x", Some(""))]
    {
        std::fs::write(folder.join("writes").join(name), bytes).unwrap();
        let file = File::options().write(true).open(folder.join("writes").join(name)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_millis(NOW)).unwrap();
        if let Some(ticket) = ticket {
            std::fs::write(folder.join("tickets").join(name), ticket).unwrap();
        }
    }
    let kept = world.kept();
    let told: Vec<_> =
        kept.iter().map(|(text, ticket, name)| (text.as_str(), ticket.time, name.as_str())).collect();
    assert_eq!(
        told,
        [
            ("a,b\n", NOW, "2026-11-22T16-30-12.506Z.csv"),
            ("PAR1...PAR1", NOW, "2026-11-22T16-30-12.506Z.parquet"),
            ("x", NOW, "2026-11-22T16-30-12.506Z~2.csv"),
        ]
    );
    let uid = rustix::process::geteuid().as_raw();
    assert!(kept.iter().all(|kept| kept.1.reason == ENDED && kept.1.series.is_empty() && kept.1.uid == uid));
}

#[test]
fn recovery_goes_on_where_it_was_killed() {
    let world = World::new();
    let folder = world.killed(|spool| leave(spool, b"rows", &ticket()));
    let [write] = names(&folder.join("writes")).try_into().unwrap();
    let name = "2026-11-22T16-30-12.506Z-temp-bxl.csv";
    // Killed when the name was taken, half of its reason written.
    std::fs::write(folder.join("reasons").join(name), "{\"time\":17").unwrap();
    let kept = world.kept();
    assert_eq!((kept.len(), kept[0].0.as_str(), kept[0].2.as_str()), (1, "rows", name));
    // Killed when the bytes had their name, and the ticket lay there still.
    std::fs::write(folder.join("tickets").join(&write), serde_json::to_vec(&ticket()).unwrap()).unwrap();
    assert_eq!(world.kept(), kept);
    assert_eq!(names(&folder.join("tickets")), [""; 0]);
}

#[test]
fn what_is_not_ours_in_the_spool_does_not_stop_a_mount() {
    let world = World::new();
    let folder = world.killed(|spool| leave(spool, b"rows", &ticket()));
    for part in ["writes", "tickets", "rejected", "reasons", "tmp"] {
        std::fs::create_dir(folder.join(part).join("folder")).unwrap();
        symlink("/etc/passwd", folder.join(part).join("link")).unwrap();
    }
    std::fs::create_dir(folder.join("tmp/folder/inner")).unwrap();
    assert_eq!(world.kept().len(), 1);
    assert_eq!(names(&folder.join("tmp")), [""; 0]);
    assert!(world.open().open_rejected("link").unwrap().is_none());
    let file = world.open().file(&ticket());
    assert!(file.is_ok());
}

#[test]
fn temporary_files_go_at_the_next_opening() {
    let world = World::new();
    world.killed(|spool| {
        std::fs::create_dir(spool.temporary().join("runs")).unwrap();
        std::fs::write(spool.temporary().join("runs/1"), "x").unwrap();
    });
    assert_eq!(names(world.open().temporary()), [""; 0]);
}

#[test]
fn committed_bytes_are_not_rejected_when_the_server_is_killed() {
    let world = World::new();
    let folder = {
        let spool = world.open();
        let file = spool.file(&ticket()).unwrap();
        file.file().write_all_at(b"rows", 0).unwrap();
        file.set_committed(true).unwrap();
        file.sync().unwrap();
        assert_eq!(names(&spool.folder().join("writes")), [""; 0]);
        file.set_committed(false).unwrap();
        assert_eq!(names(&spool.folder().join("writes")), ["1"]);
        file.set_committed(true).unwrap();
        // Killed here: neither spool nor file end.
        let folder = spool.folder().to_owned();
        rustix::fs::flock(
            spool.slot.root.lock_file("lock").unwrap(),
            FlockOperation::NonBlockingLockExclusive,
        )
        .unwrap_err();
        let copy = world.path("copy");
        copy_folder(&folder, &copy);
        drop(file);
        assert_eq!(names(&folder.join("tmp")), [""; 0]);
        drop(spool);
        std::fs::remove_dir_all(&folder).unwrap();
        std::fs::rename(&copy, &folder).unwrap();
        folder
    };
    assert_eq!(world.kept(), []);
    assert_eq!((names(&folder.join("tmp")).len(), names(&folder.join("tickets")).len()), (0, 0));
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::DirBuilder::new().mode(0o700).create(to).unwrap();
    for name in names(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() { copy_folder(&from, &to) } else { std::fs::copy(&from, &to).map(|_| ()).unwrap() }
    }
}

#[test]
fn opening_removes_what_is_old() {
    let world = World::new();
    world.killed(|spool| {
        let file = spool.file(&ticket()).unwrap();
        for days in [50, 40] {
            spool.reject(file.file(), &refused(NOW - days * DAY, "bxl")).unwrap();
        }
    });
    assert_eq!(world.kept().len(), 1);
}

#[test]
fn what_a_full_disk_cannot_keep_stays_until_it_can() {
    let Some(disk) = Disk::mount() else { return };
    leave(&disk.open(), b"rows", &ticket());
    disk.fill();
    assert_eq!(disk.open().rejected(), []);
    disk.empty();
    assert_eq!(disk.open().rejected().len(), 1);
}
