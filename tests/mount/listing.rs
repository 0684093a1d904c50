//! What there is to see: names, links, sizes, times, the past by any of its spellings, control files.

use crate::mounted::Mount;
use crate::sandbox::{CORRECTED, INPUT, Sandbox, SetClock, frame, millis, names};
use crate::tools::within;
use lakota::data::schema::Schema;
use serde_json::Value as Json;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const CREATED: &str = "2020-09-20T09:00:00.000";
const FIRST: &str = "2020-09-20T10:30:15.250";
const SECOND: &str = "2020-09-21T14:03:12.506";

/// The quickstart in September 2020; another series was written a day later.
fn dated() -> Sandbox {
    let sandbox = Sandbox::new();
    let clock = SetClock::at("2020-09-20T08:00:00");
    let repo = sandbox.open(&clock);
    let schema = Schema::parse(["timestamp timestamp*", "value float"]).unwrap();
    let temp = repo.create_collection("temp", &schema).unwrap();
    clock.set(CREATED);
    let mut batch = temp.batch("make bxl").unwrap();
    clock.set(CREATED);
    batch.create("bxl").unwrap();
    batch.commit().unwrap();
    for (time, label, rows) in
        [(FIRST, "bxl", INPUT), (SECOND, "bxl", CORRECTED), ("2020-09-22T08:00:00", "paris", INPUT)]
    {
        clock.set(time);
        let mut batch = temp.batch(&format!("write {label}")).unwrap();
        batch.overlay(label, &frame(&schema, rows)).unwrap();
        clock.set(time);
        batch.commit().unwrap();
    }
    sandbox
}

fn csv(rows: &str) -> String {
    let line = |row: &str| {
        let (day, value) = row.split_once(',').unwrap();
        format!("{day}T00:00:00,{:?}\n", value.parse::<f64>().unwrap())
    };
    format!("timestamp,value\n{}", rows.lines().map(line).collect::<String>())
}

/// The folder of a revision of `bxl`, by its number.
fn revision(sandbox: &Sandbox, n: usize) -> String {
    format!("temp/bxl/revisions/{}", sandbox.revisions("temp/bxl")[n])
}

#[test]
fn folders_list_what_they_hold_and_nothing_else() {
    let sandbox = dated();
    let mount = sandbox.mount();
    assert_eq!(names(mount.path()), ["temp"]);
    assert_eq!(names(&mount.at("temp")), [".schema", "bxl", "paris"]);
    assert_eq!(names(&mount.at("temp/bxl")), ["latest", "live.csv", "live.parquet", "revisions"]);
    assert_eq!(names(&mount.at(&revision(&sandbox, 1))), ["commit.json", "data.csv", "data.parquet"]);
}

#[test]
fn revisions_are_those_of_the_log() {
    let sandbox = dated();
    let mount = sandbox.mount();
    let revisions = names(&mount.at("temp/bxl/revisions"));
    assert_eq!(revisions, sandbox.revisions("temp/bxl"));
    assert_eq!(revisions.len(), 2);
    assert!(revisions[1].starts_with("2020-09-21T14-03-12.506Z-"), "{revisions:?}");
}

#[test]
fn latest_links_to_the_newest_revision_of_its_series() {
    let sandbox = dated();
    let mount = sandbox.mount();
    let link = std::fs::read_link(mount.at("temp/bxl/latest")).unwrap();
    assert_eq!(link.to_str().unwrap(), format!("revisions/{}", sandbox.revisions("temp/bxl")[1]));
    let stat = std::fs::symlink_metadata(mount.at("temp/bxl/latest")).unwrap();
    assert_eq!(stat.len(), link.as_os_str().len() as u64);
    assert_eq!(mount.text("temp/bxl/latest/data.csv"), csv(CORRECTED));
}

/// Size, time, link count, permissions.
fn shown(mount: &Mount, name: &str) -> (u64, u64, u64, String) {
    let stat = std::fs::symlink_metadata(mount.at(name)).unwrap();
    let time = stat.mtime() as u64 * 1000 + stat.mtime_nsec() as u64 / 1_000_000;
    (stat.size(), time, stat.nlink(), format!("{:o}", stat.mode()))
}

#[test]
fn stat_shows_exact_sizes_and_the_time_of_the_commit() {
    let sandbox = dated();
    let mount = sandbox.mount();
    let (first, second) = (revision(&sandbox, 0), revision(&sandbox, 1));
    let size = csv(CORRECTED).len() as u64;
    let file = "100644".to_owned();
    assert_eq!(shown(&mount, "temp/bxl/live.csv"), (size, millis(SECOND), 1, file.clone()));
    assert_eq!(shown(&mount, &format!("{second}/data.csv")), (size, millis(SECOND), 1, file.clone()));
    assert_eq!(
        shown(&mount, &format!("{first}/data.csv")),
        (csv(INPUT).len() as u64, millis(FIRST), 1, file)
    );
    let (_, time, _, mode) = shown(&mount, &first);
    assert_eq!((time, mode.as_str()), (millis(FIRST), "40755"));
    assert_eq!(shown(&mount, "temp/bxl").1, millis(SECOND));
    assert_eq!(shown(&mount, "temp/bxl/live.parquet").1, millis(SECOND));
}

#[test]
fn a_folder_has_the_time_of_its_newest_child() {
    let sandbox = dated();
    let mount = sandbox.mount();
    let newest = millis("2020-09-22T08:00:00");
    assert_eq!(shown(&mount, "temp/paris").1, newest);
    assert_eq!(shown(&mount, "temp").1, newest);
    assert_eq!(shown(&mount, "temp/bxl/revisions").1, millis(SECOND));
}

#[test]
fn schema_is_a_column_a_line() {
    let sandbox = dated();
    assert_eq!(sandbox.mount().text("temp/.schema"), "timestamp timestamp*\nvalue float\n");
}

#[test]
fn commit_json_tells_what_the_revision_is() {
    let sandbox = dated();
    let mount = sandbox.mount();
    let ids = sandbox.revisions("temp/bxl");
    let json = |n| -> Json {
        let text = mount.text(&format!("{}/commit.json", revision(&sandbox, n)));
        serde_json::from_str(&text).unwrap()
    };
    let commit = json(1);
    assert_eq!(commit["time"], "2020-09-21T14:03:12.506Z");
    assert_eq!((&commit["author"], &commit["message"]), (&"me@here".into(), &"write bxl".into()));
    assert_eq!(commit["parents"], serde_json::json!([ids[0]]));
    assert_eq!(commit["rows"], 6);
    assert!(commit["change"].is_object() && !commit["digests"].is_null(), "{commit}");
    assert_ne!(json(0)["digests"], commit["digests"]);
}

#[test]
fn at_takes_every_spelling_of_a_moment() {
    let sandbox = dated();
    let mount = sandbox.mount();
    let ids = sandbox.revisions("temp/bxl");
    let digest = ids[0].rsplit('-').next().unwrap();
    let (empty, first, second) = ("timestamp,value\n".to_owned(), csv(INPUT), csv(CORRECTED));
    for (when, expected) in [
        ("2020-09-20", &first),
        ("2020-09-20T10:29", &empty),
        ("2020-09-20T10:30", &first),
        ("2020-09-20T10-30", &first),
        ("2020-09-20T10:30:14", &empty),
        ("2020-09-20T10:30:15", &first),
        ("2020-09-20T10-30-15.250Z", &first),
        ("2020-09-21T14:03:12.505", &first),
        ("2020-09-21", &second),
        ("2020-10-01", &second),
        ("~0", &second),
        ("~1", &first),
        (&digest[..6], &first),
        (&format!("@{}", &digest[..6]), &first),
        (digest, &first),
        (&ids[0], &first),
    ] {
        assert_eq!(&mount.text(&format!("temp/bxl/at/{when}/data.csv")), expected, "{when}");
        assert_eq!(
            names(&mount.at(&format!("temp/bxl/at/{when}"))),
            ["commit.json", "data.csv", "data.parquet"]
        );
    }
}

#[test]
fn at_knows_no_moment_without_the_series() {
    let sandbox = dated();
    let mount = sandbox.mount();
    for when in
        ["2020-09-19", "~2", "@0000000000000", "2099-01-01", "2020-13-01", "yesterday", "~", "@", "~x"]
    {
        let error = std::fs::metadata(mount.at(&format!("temp/bxl/at/{when}"))).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT), "{when}");
    }
    assert!(std::fs::metadata(mount.at("temp/paris/at/2020-09-21")).is_err());
    assert_eq!(names(&mount.at("temp/bxl/at")), [""; 0]);
}

#[test]
fn a_future_moment_can_be_read_when_it_has_passed() {
    let sandbox = dated();
    let mount = sandbox.mount();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let soon = &lakota::clock::iso(now + 1500)[..19];
    let path = mount.at(&format!("temp/bxl/at/{soon}/data.csv"));
    assert!(!path.exists());
    crate::tools::within(Duration::from_secs(5), "a moment that has passed is there", || path.exists());
    assert_eq!(std::fs::read_to_string(path).unwrap(), csv(CORRECTED));
}

#[test]
fn control_files_are_reachable_but_not_listed() {
    let sandbox = dated();
    let mount = sandbox.mount();
    let status: Json = serde_json::from_str(&mount.text(".lakota/status")).unwrap();
    assert_eq!(status["pid"], mount.pid());
    assert_eq!(status["repo"].as_str(), sandbox.repo().to_str());
    assert!(status.to_string().contains("\"temp\""), "heads per collection: {status}");
    assert!(mount.is_running());
    assert!(mount.text(".lakota/version").contains(env!("CARGO_PKG_VERSION")));
    assert_eq!(mount.text(".lakota/errors"), "");
    assert!(names(&mount.at(".lakota")).contains(&"status".to_owned()));
}

#[test]
fn metrics_are_in_the_text_form_of_prometheus() {
    let sandbox = dated();
    let mount = sandbox.mount();
    mount.text("temp/bxl/live.csv");
    let metrics = mount.text(".lakota/metrics");
    let samples: Vec<&str> = metrics.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(!samples.is_empty());
    for sample in samples {
        let (name, value) = sample.rsplit_once(' ').unwrap();
        assert!(name.starts_with("lakota_") && value.parse::<f64>().is_ok(), "{sample}");
    }
}

#[test]
fn a_mount_whose_repository_is_gone_says_so_and_still_tells_its_process() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let pid = mount.pid();
    std::fs::remove_dir_all(sandbox.repo()).unwrap();
    let status = || -> Json { serde_json::from_str(&mount.text(".lakota/status")).unwrap() };
    within(Duration::from_secs(5), "the loss is noticed", || status()["errors"].as_u64() > Some(0));
    assert_eq!(status()["pid"], pid);
    assert!(mount.text(".lakota/errors").contains(sandbox.repo().to_str().unwrap()));
    assert!(mount.text(".lakota/metrics").contains("\nlakota_errors_total "));
    mount.unmount();
    assert!(!mount.is_running());
}
