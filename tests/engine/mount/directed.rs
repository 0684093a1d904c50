//! Single behaviours of the tree, each by itself.

use super::walk::Walk;
use crate::support::{CountingClock, frame, repo_on};
use lakota::backend::Backend;
use lakota::backend::local::LocalBackend;
use lakota::backend::memory::MemoryBackend;
use lakota::clock::{Clock, Stamp};
use lakota::data::schema::Schema;
use lakota::mount::options::MountOptions;
use lakota::mount::posix::attr::Caller;
use lakota::mount::posix::errno::Errno;
use lakota::mount::posix::fs::{Fs, ROOT};
use lakota::repo::{Options, Repo};
use lakota::vfs::name::Names;
use std::ffi::OsStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const ME: Caller = Caller { uid: 0, gid: 0, pid: 0 };

pub(super) fn options() -> MountOptions {
    MountOptions { poll: Duration::ZERO, ..MountOptions::default() }
}

/// A clock that is set by hand.
#[derive(Debug)]
pub(super) struct SetClock(pub(super) AtomicU64);

impl Clock for SetClock {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Noon of a day of September 2020.
pub(super) fn noon(day: u64) -> u64 {
    1_598_918_400_000 + (day - 1) * 86_400_000 + 43_200_000
}

pub(super) struct World {
    backend: Arc<dyn Backend>,
    pub(super) clock: Arc<SetClock>,
    pub(super) repo: Repo,
    pub(super) fs: Fs,
}

fn open(backend: &Arc<dyn Backend>, clock: &Arc<SetClock>) -> Repo {
    let clock: Arc<dyn Clock> = Arc::<SetClock>::clone(clock);
    Repo::create_on(Arc::clone(backend), Options { clock, ..Options::default() }).unwrap()
}

impl World {
    pub(super) fn new(mount: MountOptions) -> World {
        let clock = Arc::new(SetClock(AtomicU64::new(noon(1))));
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let repo = open(&backend, &clock);
        repo.create_collection("temp", &Schema::parse(["day date*", "v int"]).unwrap()).unwrap();
        let fs = Fs::new(open(&backend, &clock), mount);
        World { backend, clock, repo, fs }
    }

    /// The repository, opened once more.
    pub(super) fn open(&self) -> Repo {
        open(&self.backend, &self.clock)
    }

    pub(super) fn write(&self, day: u64, label: &str, value: u64) -> Stamp {
        self.clock.0.store(noon(day), Ordering::Relaxed);
        let collection = self.repo.collection("temp").unwrap();
        let rows = frame(&collection.schema().unwrap(), &format!("day,v\n2020-01-01,{value}\n"));
        let mut batch = collection.batch("").unwrap();
        batch.overlay(label, &rows).unwrap();
        batch.commit().unwrap().unwrap()
    }

    fn value(&self, path: &str) -> Result<String, Errno> {
        let walk = Walk(&self.fs);
        walk.at(path, |_, _| ())?;
        Ok(walk.text(path).lines().nth(1).unwrap().rsplit(',').next().unwrap().to_owned())
    }
}

#[test]
fn at_shows_the_state_at_the_end_of_a_unit() {
    let world = World::new(options());
    world.write(2, "bxl", 20);
    world.write(4, "bxl", 40);
    world.write(5, "other", 1);
    let value = |when: &str| world.value(&format!("temp/bxl/at/{when}/data.csv"));
    for (when, expected) in [
        ("2020-09-02", "20"),
        ("2020-09-03", "20"),
        ("2020-09-04T11", "20"),
        ("2020-09-04T12:00", "40"),
        ("2020-09-04T12-00-00.000Z", "40"),
        ("2020-09", "40"),
        ("2020", "40"),
        ("~0", "40"),
        ("~1", "20"),
    ] {
        assert_eq!(value(when).as_deref(), Ok(expected), "{when}");
    }
    for when in ["2020-09-01", "2020-09-06", "2021", "~2", "~x", "2020-13-01", "deadbeef"] {
        assert_eq!(value(when), Err(Errno::ENOENT), "{when}");
    }
}

#[test]
fn at_takes_digests_and_dates_win_over_them() {
    let world = World::new(options());
    let stamp = world.write(2, "bxl", 20);
    world.write(4, "bxl", 40);
    let digest = stamp.digest.to_string();
    for when in [&digest[..6], &format!("@{}", &digest[..4]), &stamp.to_string(), &digest] {
        let value = world.value(&format!("temp/bxl/at/{when}/data.csv"));
        // Four digits alone are a year.
        assert_eq!(value.as_deref(), Ok("20"), "{when}");
    }
    let wrong = format!("temp/bxl/at/2020-09-03T12-00-00.000Z-{}/data.csv", &digest[..10]);
    assert_eq!(world.value(&wrong), Err(Errno::ENOENT), "the time in front is of another revision");
}

#[test]
fn at_takes_tags_and_latest() {
    let world = World::new(options());
    let stamp = world.write(2, "bxl", 20);
    world.write(4, "bxl", 40);
    let collection = world.repo.collection("temp").unwrap();
    let value = |when: &str| world.value(&format!("temp/bxl/at/{when}/data.csv"));
    assert_eq!(value("v1"), Err(Errno::ENOENT));
    collection.tag("v1", stamp, false).unwrap();
    collection.tag("before/move", stamp, false).unwrap();
    for when in ["v1", "before%2Fmove"] {
        assert_eq!(value(when).as_deref(), Ok("20"), "{when}");
    }
    assert_eq!(value("latest").as_deref(), Ok("40"));
    collection.untag("v1").unwrap();
    assert_eq!(value("v1"), Err(Errno::ENOENT));
}

#[test]
fn revisions_of_a_series_are_those_that_changed_it() {
    let world = World::new(options());
    let first = world.write(2, "bxl", 20);
    world.write(3, "other", 1);
    let second = world.write(4, "bxl", 40);
    let walk = Walk(&world.fs);
    assert_eq!(walk.ls("temp/bxl/revisions"), [first.to_string(), second.to_string()]);
    assert_eq!(walk.found("temp/bxl").attr.mtime, noon(4));
    assert_eq!(walk.found(&format!("temp/bxl/revisions/{first}/data.csv")).attr.mtime, noon(2));
    assert_eq!(world.value(&format!("temp/bxl/revisions/{first}/data.csv")).as_deref(), Ok("20"));
    assert!(!walk.exists(&format!("temp/bxl/revisions/{}", first.file_name())));
}

#[test]
fn live_file_and_its_revision_are_one_inode_and_a_commit_makes_another() {
    let world = World::new(options());
    let first = world.write(2, "bxl", 20);
    let walk = Walk(&world.fs);
    let live = walk.found("temp/bxl/live.csv");
    assert_eq!(live.attr.ino, walk.found(&format!("temp/bxl/revisions/{first}/data.csv")).attr.ino);
    assert_eq!(live.entry_ttl, Duration::ZERO);
    world.write(3, "other", 1);
    assert_eq!(walk.found("temp/bxl/live.csv").attr.ino, live.attr.ino, "another series changed");
    world.write(4, "bxl", 40);
    assert_ne!(walk.found("temp/bxl/live.csv").attr.ino, live.attr.ino);
}

#[test]
fn names_of_ours_are_never_labels() {
    let world = World::new(options());
    for label in [".schema", ".lakota", "live.csv", "latest", "at", "revisions", "a/b", "..", "%41"] {
        world.write(2, label, 1);
    }
    let walk = Walk(&world.fs);
    let mut names = walk.ls("temp");
    names.sort();
    let expected = [
        "%2541",
        "%2E.",
        "%2Elakota",
        "%2Eschema",
        ".schema",
        "a%2Fb",
        "at",
        "latest",
        "live.csv",
        "revisions",
    ];
    assert_eq!(names, expected);
    for name in names.iter().filter(|name| *name != ".schema") {
        assert_eq!(world.value(&format!("temp/{name}/live.csv")).as_deref(), Ok("1"), "{name}");
    }
}

#[test]
fn live_files_can_be_named_after_their_series() {
    let world = World::new(MountOptions { names: Names::Label, ..options() });
    world.write(2, "a/b", 20);
    let walk = Walk(&world.fs);
    assert_eq!(walk.ls("temp/a%2Fb"), ["a%2Fb.csv", "a%2Fb.parquet", "latest", "revisions"]);
    assert!(!walk.exists("temp/a%2Fb/live.csv"));
}

#[test]
fn hidden_revisions_are_reachable() {
    let world = World::new(MountOptions { hide_revisions: true, ..options() });
    world.write(2, "bxl", 20);
    let walk = Walk(&world.fs);
    assert_eq!(walk.ls("temp/bxl"), ["live.csv", "live.parquet"]);
    assert_eq!(world.value("temp/bxl/at/~0/data.csv").as_deref(), Ok("20"));
    assert_eq!(walk.ls("temp/bxl/revisions").len(), 1);
}

#[test]
fn control_files_are_reachable_and_not_listed() {
    let world = World::new(options());
    world.write(2, "bxl", 20);
    let walk = Walk(&world.fs);
    assert_eq!(walk.ls(""), ["temp"]);
    let status: serde_json::Value = serde_json::from_str(&walk.text(".lakota/status")).unwrap();
    assert_eq!(status["collections"][0]["collection"], "temp");
    assert_eq!(status["collections"][0]["series"], 1);
    assert_eq!(walk.text(".lakota/errors"), "");
    assert_eq!(walk.text(".lakota/version"), format!("{}\n", env!("CARGO_PKG_VERSION")));
    let metrics = walk.text(".lakota/metrics");
    assert!(metrics.contains("\n# TYPE lakota_lookups_total counter\nlakota_lookups_total "), "{metrics}");
}

#[test]
fn a_damaged_object_is_an_error_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let repo = Repo::create(folder.path(), Options::default()).unwrap();
    let schema = Schema::parse(["k int*", "s str"]).unwrap();
    let collection = repo.create_collection("c", &schema).unwrap();
    let text: String = (0..40_000).map(|k| format!("{k},{}\n", k * 7919 % 10_007)).collect();
    let mut batch = collection.batch("").unwrap();
    batch.overlay("big", &frame(&schema, &format!("k,s\n{text}"))).unwrap();
    batch.overlay("small", &frame(&schema, "k,s\n1,x\n")).unwrap();
    batch.commit().unwrap();
    let fs = Fs::new(Repo::open(folder.path(), Options::default()).unwrap(), options());
    let largest = files(folder.path()).into_iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&largest, bytes).unwrap();
    let walk = Walk(&fs);
    let handle = walk.open("c/big/live.csv");
    assert_eq!(fs.read(handle, 0, 4096), Err(Errno::EIO));
    let errors = walk.text(".lakota/errors");
    assert!(errors.contains("is damaged"), "{errors}");
    assert_eq!(walk.text("c/small/live.csv"), "k,s\n1,x\n", "the rest still reads");
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn a_commit_of_another_process_is_seen_at_once_though_polls_are_rare() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, schema) = (CountingClock::new(), Schema::parse(["k int*", "v int"]).unwrap());
    Repo::create(folder.path(), Options::default()).unwrap();
    let open = || -> Arc<dyn Backend> { Arc::new(LocalBackend::open(folder.path(), true).unwrap()) };
    let writer = repo_on(&open(), &clock, None);
    let collection = writer.create_collection("c", &schema).unwrap();
    let rare = MountOptions { poll: Duration::from_secs(3600), ..MountOptions::default() };
    let fs = Fs::new(repo_on(&open(), &clock, None), rare);
    let walk = Walk(&fs);
    for n in 0..20 {
        let mut batch = collection.batch("").unwrap();
        batch.overlay("s", &frame(&schema, &format!("k,v\n1,{n}\n"))).unwrap();
        batch.commit().unwrap();
        assert_eq!(walk.text("c/s/live.csv"), format!("k,v\n1,{n}\n"));
    }
    writer.create_collection("d", &schema).unwrap();
    assert_eq!(walk.ls(""), ["c", "d"]);
    writer.delete_collection("c").unwrap();
    assert_eq!(walk.ls(""), ["d"]);
}

#[test]
fn nothing_is_opened_for_writing() {
    let world = World::new(options());
    world.write(2, "bxl", 20);
    let open = |flags| Walk(&world.fs).at("temp/bxl/live.csv", |ino, _| world.fs.open(ME, ino, flags).err());
    for flags in [libc::O_WRONLY, libc::O_RDWR, libc::O_RDONLY | libc::O_TRUNC] {
        assert_eq!(open(flags).unwrap(), Some(Errno::EROFS));
    }
}

#[test]
fn what_is_not_known_or_of_another_kind_is_refused() {
    let world = World::new(options());
    world.write(2, "bxl", 20);
    assert_eq!(world.fs.lookup(ME, 12345, OsStr::new("x")).err(), Some(Errno::ESTALE));
    assert_eq!(world.fs.read(99, 0, 1), Err(Errno::EBADF));
    let walk = Walk(&world.fs);
    assert_eq!(walk.at("temp", |ino, _| world.fs.open(ME, ino, 0).err()).unwrap(), Some(Errno::EISDIR));
    let opendir = walk.at("temp/bxl/live.csv", |ino, _| world.fs.opendir(ME, ino).err());
    assert_eq!(opendir.unwrap(), Some(Errno::ENOTDIR));
    assert!(!walk.exists("temp/bxl/live.csv/x"));
    assert!(!walk.exists("temp/nothing"));
}

#[test]
fn umask_and_owner_are_those_of_the_mount() {
    let options = MountOptions { umask: 0o027, uid: Some(5), gid: Some(6), ..options() };
    let world = World::new(options);
    world.write(2, "bxl", 20);
    let walk = Walk(&world.fs);
    let attr = walk.found("temp/bxl/live.csv").attr;
    assert_eq!((attr.perm, attr.uid, attr.gid), (0o640, 5, 6));
    assert_eq!(walk.found("temp/bxl").attr.perm, 0o750);
    assert_eq!(walk.found(".lakota/errors").attr.perm, 0o600);
}

#[test]
fn rows_that_a_commit_moved_are_read_where_they_are_now() {
    // So little that what was read of the first place is not kept.
    let world = World::new(MountOptions { cache: 16 << 10, ..options() });
    world.write(2, "a", 1);
    let walk = Walk(&world.fs);
    let before = walk.read("temp/a/live.parquet");
    // The first commit holds its rows itself; this one is large, and takes them along into an object.
    let collection = world.repo.collection("temp").unwrap();
    let rows: String = (0..3000)
        .map(|n| format!("2020-01-01,{}\n", n * n * 7_919_003_u64 % 1_000_000_007 * n % 998_244_353))
        .collect();
    let mut batch = collection.batch("").unwrap();
    batch.overlay("b", &frame(&collection.schema().unwrap(), &format!("day,v\n{rows}"))).unwrap();
    batch.commit().unwrap().unwrap();
    let mut batch = collection.batch("").unwrap();
    batch.rename("a", "c").unwrap();
    batch.commit().unwrap().unwrap();
    walk.at("temp/b/live.parquet", |ino, _| {
        let handle = world.fs.open(ME, ino, libc::O_RDONLY).unwrap().handle;
        world.fs.read(handle, 0, 100).unwrap();
    })
    .unwrap();
    assert_eq!(walk.read("temp/c/live.parquet"), before);
}

#[test]
fn a_damaged_revision_costs_what_only_it_tells() {
    let folder = tempfile::tempdir().unwrap();
    let repo = Repo::create(folder.path(), Options::default()).unwrap();
    let schema = Schema::parse(["k int*", "v int"]).unwrap();
    let collection = repo.create_collection("c", &schema).unwrap();
    let write = |label: &str, v: u64| {
        let mut batch = collection.batch("").unwrap();
        batch.overlay(label, &frame(&schema, &format!("k,v\n1,{v}\n"))).unwrap();
        batch.commit().unwrap().unwrap()
    };
    let [_, first, lost, after, newest] =
        [("x", 0), ("y", 1), ("y", 2), ("x", 3), ("x", 4)].map(|(l, v)| write(l, v));
    let lost_name = format!(".{}", lost.file_name());
    let file = files(folder.path()).into_iter().find(|f| f.to_str().unwrap().ends_with(&lost_name)).unwrap();
    let good = std::fs::read(&file).unwrap();
    let mut bytes = good.clone();
    bytes[good.len() / 2] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let fs = Fs::new(Repo::open(folder.path(), Options::default()).unwrap(), options());
    let walk = Walk(&fs);
    assert_eq!(walk.text("c/y/live.csv"), "k,v\n1,2\n");
    assert_eq!(walk.text("c/x/live.csv"), "k,v\n1,4\n");
    // The next revision is the first that is known to have what the lost one wrote.
    assert_eq!(walk.link("c/y/latest"), format!("revisions/{after}"));
    assert_eq!(walk.text(&format!("c/y/revisions/{after}/data.csv")), "k,v\n1,2\n");
    assert_eq!(walk.ls("c/y/revisions"), [first.to_string(), after.to_string()]);
    assert_eq!(walk.link("c/x/latest"), format!("revisions/{newest}"));
    let errors = walk.text(".lakota/errors");
    assert!(errors.contains(&format!("revision {lost} is damaged")), "{errors}");
    std::fs::write(&file, good).unwrap();
    assert_eq!(walk.link("c/y/latest"), format!("revisions/{lost}"), "repaired");
    assert_eq!(walk.text(".lakota/errors"), "");
}

#[test]
fn a_revision_that_came_after_the_last_look_is_not_taken_for_a_change_of_all_series() {
    let seldom = MountOptions { poll: Duration::from_secs(3600), ..MountOptions::default() };
    let world = World::new(seldom);
    let first = world.write(2, "a", 1);
    world.write(3, "b", 1);
    let walk = Walk(&world.fs);
    assert_eq!(walk.link("temp/a/latest"), format!("revisions/{first}"));
    let later = world.write(4, "b", 2);
    let name = format!("temp/a/at/@{}/commit.json", &later.digest.to_string()[..12]);
    assert!(!walk.exists(&name), "the mount has not heard of it");
}

#[test]
fn a_repository_that_goes_away_is_an_error_and_never_empty() {
    let folder = tempfile::tempdir().unwrap();
    let (here, away) = (folder.path().join("repo"), folder.path().join("away"));
    let repo = Repo::create(&here, Options::default()).unwrap();
    let schema = Schema::parse(["k int*"]).unwrap();
    let collection = repo.create_collection("c", &schema).unwrap();
    let mut batch = collection.batch("").unwrap();
    batch.overlay("s", &frame(&schema, "k\n1\n")).unwrap();
    batch.commit().unwrap();
    let fs = Fs::new(Repo::open(&here, Options::default()).unwrap(), options());
    let walk = Walk(&fs);
    assert_eq!(walk.ls(""), ["c"]);
    std::fs::rename(&here, &away).unwrap();
    // What an unmounted drive leaves.
    std::fs::create_dir(&here).unwrap();
    let listed = |path| walk.at(path, |ino, _| fs.opendir(ME, ino).map(|_| ())).and_then(|done| done);
    assert_eq!([listed(""), listed("c"), listed("c/s")], [Err(Errno::EIO); 3]);
    assert!(fs.getattr(ME, ROOT).is_ok());
    assert!(walk.text(".lakota/errors").contains("not found"), "{}", walk.text(".lakota/errors"));
    let status: serde_json::Value = serde_json::from_str(&walk.text(".lakota/status")).unwrap();
    assert_eq!(status["pid"], std::process::id());
    std::fs::remove_dir(&here).unwrap();
    std::fs::rename(&away, &here).unwrap();
    assert_eq!(walk.text("c/s/live.csv"), "k\n1\n");
}

#[test]
fn times_before_a_trim_are_not_there() {
    let world = World::new(options());
    world.write(2, "bxl", 20);
    world.write(3, "bxl", 30);
    lakota::ops::trim(&world.repo.collection("temp").unwrap(), noon(3)).unwrap();
    let walk = Walk(&world.fs);
    assert!(!walk.exists("temp/bxl/at/2020-09-02") && walk.exists("temp/bxl/at/2020-09-03"));
    assert_eq!(walk.text(".lakota/errors"), "");
}

#[test]
fn a_merge_that_drops_a_series_is_no_revision_of_it() {
    let world = World::new(options());
    let first = world.write(2, "a", 1);
    let collection = world.repo.collection("temp").unwrap();
    let mut write = collection.batch("").unwrap();
    let mut drop = collection.batch("").unwrap();
    write.overlay("a", &frame(&collection.schema().unwrap(), "day,v\n2020-01-01,2\n")).unwrap();
    drop.drop_series("a").unwrap();
    let second = write.commit().unwrap().unwrap();
    world.clock.0.store(noon(3), Ordering::Relaxed);
    drop.commit().unwrap().unwrap();
    let walk = Walk(&world.fs);
    assert!(!walk.exists("temp/a"), "the later one wins");
    let again = world.write(4, "a", 3);
    let mut expected = [first, second, again].map(|stamp| stamp.to_string()).to_vec();
    expected.sort();
    assert_eq!(walk.ls("temp/a/revisions"), expected);
    for revision in expected {
        walk.read(&format!("temp/a/revisions/{revision}/data.csv"));
    }
}
