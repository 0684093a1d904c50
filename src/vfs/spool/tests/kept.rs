//! Files that wait, and bytes that are kept.

use super::*;

#[test]
fn a_file_goes_with_its_ticket_when_it_is_dropped() {
    let world = World::new();
    let spool = world.open();
    let file = spool.file(&ticket()).unwrap();
    file.file().write_all_at(b"bytes", 0).unwrap();
    file.sync().unwrap();
    assert_eq!(
        (names(&spool.folder().join("writes")).len(), names(&spool.folder().join("tickets")).len()),
        (1, 1)
    );
    drop(file);
    assert_eq!(
        (names(&spool.folder().join("writes")).len(), names(&spool.folder().join("tickets")).len()),
        (0, 0)
    );
}

#[test]
fn rejected_bytes_are_a_copy_that_stays() {
    let world = World::new();
    let spool = world.open();
    let file = spool.file(&ticket()).unwrap();
    file.file().write_all_at(b"2020-06-22,abc\n", 0).unwrap();
    let name = spool.reject(file.file(), &refused(NOW, "bxl")).unwrap();
    file.file().write_all_at(b"other", 0).unwrap();
    drop(file);
    let again = spool.file(&ticket()).unwrap();
    let second = spool.reject(again.file(), &refused(NOW, "bxl")).unwrap();
    assert_eq!(
        (name.as_str(), second.as_str()),
        ("2026-11-22T16-30-12.506Z-temp-bxl.csv", "2026-11-22T16-30-12.506Z-temp-bxl~2.csv")
    );
    drop((again, spool));
    let spool = world.open();
    assert_eq!((text(&spool, &name).as_str(), text(&spool, &second).as_str()), ("2020-06-22,abc\n", ""));
    let expected = Kept { name, size: 15, ticket: refused(NOW, "bxl") };
    assert_eq!((spool.rejected().len(), &spool.rejected()[0]), (2, &expected));
}

#[test]
fn many_at_once_get_names_of_their_own() {
    let world = World::new();
    let spool = world.open();
    std::thread::scope(|scope| {
        for i in 0..8 {
            let spool = &spool;
            scope.spawn(move || {
                let file = spool.file(&ticket()).unwrap();
                file.file().write_all_at(i.to_string().as_bytes(), 0).unwrap();
                spool.reject(file.file(), &refused(NOW, "bxl")).unwrap();
            });
        }
    });
    let mut texts: Vec<String> = spool.rejected().iter().map(|kept| text(&spool, &kept.name)).collect();
    texts.sort();
    assert_eq!(texts, ["0", "1", "2", "3", "4", "5", "6", "7"]);
}

#[test]
fn removed_bytes_go_with_their_reason_and_no_name_leads_out() {
    let world = World::new();
    let spool = world.open();
    let file = spool.file(&ticket()).unwrap();
    let name = spool.reject(file.file(), &refused(NOW, "bxl")).unwrap();
    for odd in ["", ".", "..", "../lock", "/etc/passwd", "nothing", "a\0b", &"x".repeat(300)] {
        assert!(spool.open_rejected(odd).unwrap().is_none(), "{odd:?}");
        assert!(!spool.remove_rejected(odd).unwrap(), "{odd:?}");
    }
    assert!(spool.remove_rejected(&name).unwrap());
    assert!(!spool.remove_rejected(&name).unwrap());
    assert!(spool.folder().join("lock").exists());
    assert_eq!(
        (names(&spool.folder().join("rejected")).len(), names(&spool.folder().join("reasons")).len()),
        (0, 0)
    );
}

#[test]
fn rejected_bytes_age_but_the_newest_of_a_series_stays() {
    let world = World::new();
    let spool = world.open();
    let file = spool.file(&ticket()).unwrap();
    let keep =
        |days: u64, series: &str| spool.reject(file.file(), &refused(NOW - days * DAY, series)).unwrap();
    keep(40, "bxl");
    keep(31, "bxl");
    let (young, newest) = (keep(30, "bxl"), keep(90, "paris"));
    spool.age(NOW).unwrap();
    let left: Vec<String> = spool.rejected().into_iter().map(|kept| kept.name).collect();
    assert_eq!(left, [newest.clone(), young.clone()]);
    spool.age(NOW + 400 * DAY).unwrap();
    assert_eq!(spool.rejected().len(), 2);
}

#[test]
fn bytes_whose_reason_is_lost_are_listed_still() {
    let world = World::new();
    let spool = world.open();
    let file = spool.file(&ticket()).unwrap();
    file.file().write_all_at(b"PAR1", 0).unwrap();
    let name = spool.reject(file.file(), &refused(NOW, "bxl")).unwrap();
    std::fs::write(spool.folder().join("reasons").join(&name), "no json").unwrap();
    let kept = &spool.rejected()[0];
    assert_eq!(
        (kept.name.as_str(), kept.size, kept.ticket.file.as_str()),
        (name.as_str(), 4, "live.parquet")
    );
    assert!(kept.ticket.reason.contains("not known"));
}

#[test]
fn a_scratch_file_is_adopted_with_its_bytes() {
    let world = World::new();
    let spool = world.open();
    let scratch = spool.scratch(Digest::of(b"c"), SeriesId::new("bxl", 0));
    std::fs::create_dir_all(&scratch).unwrap();
    std::fs::write(scratch.join("tmp"), "rows").unwrap();
    let file = spool.adopt(&scratch.join("tmp"), &ticket()).unwrap();
    file.file().write_all_at(b"R", 0).unwrap();
    let mut text = String::new();
    file.file().read_to_string(&mut text).unwrap();
    assert_eq!(text, "Rows");
    assert_eq!(names(&scratch), [""; 0]);
    drop(file);
    assert_eq!(names(&spool.folder().join("writes")), [""; 0]);
}

#[test]
fn what_cannot_be_adopted_stays_where_it_is() {
    let world = World::new();
    let spool = world.open();
    let path = spool.scratch_root().join("x");
    let missing = spool.adopt(&path, &ticket()).unwrap_err();
    assert_eq!(missing.raw_os_error(), Some(libc::ENOENT));
    symlink("/etc/passwd", &path).unwrap();
    assert_eq!(spool.adopt(&path, &ticket()).unwrap_err().raw_os_error(), Some(libc::ELOOP));
    assert!(path.symlink_metadata().is_ok());
    assert_eq!(names(&spool.folder().join("tickets")), [""; 0]);
}

#[test]
fn names_left_behind_are_not_taken_again() {
    let world = World::new();
    let spool = world.open();
    std::fs::create_dir(spool.folder().join("writes/1")).unwrap();
    std::fs::write(spool.folder().join("tickets/2"), "left").unwrap();
    let file = spool.file(&ticket()).unwrap();
    file.file().write_all_at(b"x", 0).unwrap();
    assert_eq!(names(&spool.folder().join("writes")), ["1", "3"]);
    assert_eq!(names(&spool.folder().join("tickets")), ["2", "3"]);
}

#[test]
fn a_full_disk_is_told_by_its_number_and_leaves_nothing_half_done() {
    let Some(disk) = Disk::mount() else { return };
    let spool = disk.open();
    let file = spool.file(&ticket()).unwrap();
    file.file().write_all_at(&[b'x'; 8192], 0).unwrap();
    disk.fill();
    let full = Some(libc::ENOSPC);
    assert_eq!(spool.file(&ticket()).unwrap_err().raw_os_error(), full);
    assert_eq!(spool.reject(file.file(), &refused(NOW, "bxl")).unwrap_err().raw_os_error(), full);
    for (part, left) in [("writes", 1), ("tickets", 1), ("rejected", 0), ("reasons", 0), ("tmp", 0)] {
        assert_eq!(names(&spool.folder().join(part)).len(), left, "{part}");
    }
}

#[test]
fn bytes_of_another_disk_cannot_be_adopted_and_stay() {
    let Some(disk) = Disk::mount() else { return };
    let world = World::new();
    let far = disk.0.path().join("far");
    std::fs::write(&far, "x").unwrap();
    let spool = world.open();
    assert_eq!(spool.adopt(&far, &ticket()).unwrap_err().raw_os_error(), Some(libc::EXDEV));
    assert!(far.exists());
    assert_eq!(names(&spool.folder().join("tickets")), [""; 0]);
}
