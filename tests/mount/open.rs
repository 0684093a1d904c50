//! An open file is one revision from open to close, whatever is committed meanwhile.

use crate::sandbox::{CORRECTED, INPUT, LAKOTA, Sandbox, text};
use crate::tools::{Beside, limited, run, script, within};
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How soon a commit made by another process is there.
const SOON: Duration = Duration::from_secs(1);

#[test]
fn an_old_descriptor_keeps_its_revision_and_a_new_one_has_the_next() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let path = mount.at("temp/bxl/live.csv");
    let before = sandbox.read("temp/bxl");
    let old = File::open(&path).unwrap();
    sandbox.upsert("temp/bxl", "2020-06-28,29\n");
    let after = sandbox.read("temp/bxl");
    within(SOON, "the commit shows", || text(&path) == after);
    let mut bytes = vec![0; 10_000];
    let read = old.read_at(&mut bytes, 0).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes[..read]), before);
    let (old, new) = (old.metadata().unwrap(), std::fs::metadata(&path).unwrap());
    assert_eq!((old.len(), new.len()), (before.len() as u64, after.len() as u64));
    assert_ne!(old.ino(), new.ino());
}

#[test]
fn descriptors_and_maps_of_a_process_keep_their_revision() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    for (month, name) in [(7, "live.csv"), (8, "live.parquet")] {
        let path = mount.at("temp/bxl").join(name);
        let mut holder = Beside::start(script("maps.py").arg("hold").arg(&path));
        assert_eq!(holder.line(), "ready");
        holder.say("");
        let first = holder.line();
        // Size, and one digest: the descriptor and both maps agree.
        assert_eq!(first.split(' ').count(), 2, "{first}");
        for value in 0..3 {
            let before = std::fs::metadata(&path).unwrap().ino();
            sandbox.upsert("temp/bxl", &format!("2020-0{month}-01,{value}\n"));
            within(SOON, "the commit shows", || std::fs::metadata(&path).unwrap().ino() != before);
            std::fs::read(&path).unwrap();
            holder.say("");
            assert_eq!(holder.line(), first);
        }
    }
}

#[test]
fn readers_beside_a_writer_never_see_a_mixture() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let path = mount.at("temp/bxl/live.csv");
    let rows =
        |n: usize| (0..2000).map(|i| format!("{},{n}\n", lakota::clock::iso(i * 60_000))).collect::<String>();
    let write = |n| run(sandbox.command().args(["write", "temp/bxl", "--replace"]), rows(n)).ok();
    write(0);
    within(SOON, "the commit shows", || text(&path).lines().count() == 2001);
    let done = AtomicBool::new(false);
    // Each file must hold one value, in all its rows, in any of many reads of a descriptor.
    let look = || {
        let mut seen = 0;
        while !done.load(Ordering::Relaxed) {
            let file = File::open(&path).unwrap();
            let size = file.metadata().unwrap().len() as usize;
            let mut bytes = vec![0; size];
            for start in (0..size).step_by(3000) {
                let stop = size.min(start + 3000);
                file.read_exact_at(&mut bytes[start..stop], start as u64).unwrap();
            }
            let text = String::from_utf8(bytes).unwrap();
            let mut values = text.lines().skip(1).map(|line| line.split_once(',').unwrap().1);
            let first = values.next().unwrap();
            assert!(values.all(|value| value == first), "a mixture with {first}");
            seen += 1;
        }
        assert!(seen > 5, "{seen} reads");
    };
    std::thread::scope(|scope| {
        let readers = [scope.spawn(look), scope.spawn(look)];
        (1..15).for_each(|n| drop(write(n)));
        done.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    assert_eq!(text(&path), sandbox.read("temp/bxl"));
}

#[test]
fn inode_numbers_name_revisions_and_survive_a_remount() {
    let sandbox = Sandbox::quickstart();
    let numbers = || {
        let mount = sandbox.mount();
        let number = |name: &str| std::fs::metadata(mount.at("temp/bxl").join(name)).unwrap().ino();
        let ids = sandbox.revisions("temp/bxl");
        let numbers =
            ["live.csv", "live.parquet", "latest/data.csv", "latest/data.parquet", "revisions"].map(number);
        (numbers, number(&format!("revisions/{}/data.csv", ids[0])))
    };
    let (newest, older) = numbers();
    assert_eq!((newest[0], newest[1]), (newest[2], newest[3]));
    let distinct: std::collections::BTreeSet<_> = [newest[0], newest[1], newest[4], older].into();
    assert_eq!(distinct.len(), 4);
    assert_eq!(numbers(), (newest, older));
}

#[test]
fn tail_follows_the_commits() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let path = mount.at("temp/bxl/live.csv");
    let tail = Beside::start(limited("tail").args(["-F", "-n", "1", "-s", "0.1"]).arg(&path));
    assert_eq!(tail.line(), "2020-06-27T00:00:00,30.1");
    for day in 28..31 {
        sandbox.upsert("temp/bxl", &format!("2020-06-{day},{day}\n"));
        let expected = format!("2020-06-{day}T00:00:00,{day}.0");
        // The file was replaced, so tail prints all of the new one.
        while tail.line() != expected {}
    }
}

#[test]
fn a_second_mount_shows_the_same_commits() {
    let sandbox = Sandbox::quickstart();
    let (one, two) = (sandbox.mount_at("one", &[]), sandbox.mount_at("two", &[]));
    for day in 1..5 {
        sandbox.upsert("temp/bxl", &format!("2020-07-0{day},{day}\n"));
        let expected = sandbox.read("temp/bxl");
        for mount in [&one, &two] {
            within(SOON, "the commit shows", || mount.text("temp/bxl/live.csv") == expected);
        }
    }
    assert_ne!(one.pid(), two.pid());
}

/// Copies a folder with the tool people use, leaving files that are there already.
fn copy(from: &Path, to: &Path) {
    run(limited("cp").args(["-rnT"]).arg(from).arg(to), "").ok();
}

#[test]
fn several_heads_show_their_merge() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    copy(&sandbox.repo(), &sandbox.path("elsewhere"));
    sandbox.upsert("temp/bxl", "2020-06-22,1\n2020-07-01,1\n");
    sandbox.write("temp/here", INPUT);
    let other = |words: &[&str], rows: &str| {
        let mut command = limited(LAKOTA);
        run(command.env("LAKOTA_REPO", sandbox.path("elsewhere")).args(words), rows).ok()
    };
    other(&["write", "temp/bxl", "--upsert"], "2020-06-22,2\n2020-07-02,2\n");
    other(&["write", "temp/there"], CORRECTED);
    copy(&sandbox.path("elsewhere"), &sandbox.repo());
    let live = mount.at("temp/bxl/live.csv");
    let has = |row: &str| text(&live).contains(row);
    within(SOON, "the merge shows", || has("2020-07-01T00:00:00,1.0\n") && has("2020-07-02T00:00:00,2.0\n"));
    // The later write of a row wins.
    assert!(has("2020-06-22T00:00:00,2.0\n"));
    assert_eq!(text(&live), sandbox.read("temp/bxl"));
    for series in ["here", "there"] {
        assert_eq!(mount.text(&format!("temp/{series}/live.csv")), sandbox.read(&format!("temp/{series}")));
    }
    let size = std::fs::metadata(mount.at("temp/bxl/live.parquet")).unwrap().len();
    assert_eq!(std::fs::read(mount.at("temp/bxl/live.parquet")).unwrap().len() as u64, size);
}
