//! The revisions of a series: those that changed it, each as it was; series that come, go and change names.

use crate::gallery::gallery;
use crate::sandbox::{INPUT, Sandbox, files_below, names, text};
use crate::tools::within;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(1);

#[test]
fn a_commit_to_another_series_makes_no_revision() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let before = names(&mount.at("temp/bxl/revisions"));
    sandbox.write("temp/paris", INPUT);
    within(SOON, "the other series shows", || mount.at("temp/paris/live.csv").exists());
    assert_eq!(names(&mount.at("temp/bxl/revisions")), before);
    sandbox.upsert("temp/bxl", "2020-06-28,29\n");
    within(SOON, "the new revision shows", || {
        names(&mount.at("temp/bxl/revisions")).len() == before.len() + 1
    });
    assert_eq!(names(&mount.at("temp/bxl/revisions")), sandbox.revisions("temp/bxl"));
    assert_eq!(names(&mount.at("temp/paris/revisions")), sandbox.revisions("temp/paris"));
}

#[test]
fn every_revision_reads_as_by_the_command_line() {
    let sandbox = gallery();
    let mount = sandbox.mount();
    for place in ["all/rich", "temp/bundle", "all/empty"] {
        let ids = sandbox.revisions(place);
        assert_eq!(names(&mount.at(&format!("{place}/revisions"))), ids);
        for id in ids {
            let csv = mount.text(&format!("{place}/revisions/{id}/data.csv"));
            assert!(csv == sandbox.run(&["read", place, "--revision", &id]).ok(), "{place} at {id}");
        }
    }
}

#[test]
fn a_revision_that_is_reverted_to_reads_as_the_newest() {
    let sandbox = gallery();
    let mount = sandbox.mount();
    let ids = sandbox.revisions("all/rich");
    let csv = |id: &str| mount.text(&format!("all/rich/revisions/{id}/data.csv"));
    assert_eq!(ids.len(), 3);
    assert!(csv(&ids[0]) == csv(&ids[2]) && csv(&ids[0]) != csv(&ids[1]));
    assert!(csv(&ids[0]) == mount.text("all/rich/live.csv"));
}

#[test]
fn series_and_collections_made_meanwhile_show() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    assert!(!mount.at("temp/paris").exists() && !mount.at("wind").exists());
    sandbox.write("temp/paris", INPUT);
    sandbox.run(&["create", "wind/oslo", "day date*", "speed int"]).ok();
    within(SOON, "the series shows", || names(&mount.at("temp")).contains(&"paris".to_owned()));
    within(SOON, "the collection shows", || names(mount.path()) == ["temp", "wind"]);
    assert_eq!(mount.text("temp/paris/live.csv"), sandbox.read("temp/paris"));
    assert_eq!(mount.text("wind/oslo/live.csv"), "day,speed\n");
    assert_eq!(mount.text("wind/.schema"), "day date*\nspeed int\n");
}

#[test]
fn a_renamed_series_has_its_new_name_only() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let before = mount.text("temp/bxl/live.csv");
    sandbox.run(&["rename", "temp/bxl", "temp/brussels"]).ok();
    within(SOON, "the new name shows", || names(&mount.at("temp")) == [".schema", "brussels"]);
    assert!(!mount.at("temp/bxl/live.csv").exists());
    assert_eq!(mount.text("temp/brussels/live.csv"), before);
    assert_eq!(names(&mount.at("temp/brussels/revisions")), sandbox.revisions("temp/brussels"));
}

#[test]
fn a_deleted_series_and_a_deleted_collection_are_gone() {
    let sandbox = Sandbox::quickstart();
    sandbox.write("temp/paris", INPUT);
    sandbox.run(&["create", "wind/oslo", "day date*", "speed int"]).ok();
    let mount = sandbox.mount();
    mount.text("temp/bxl/live.csv");
    assert_eq!(names(mount.path()), ["temp", "wind"]);
    sandbox.run(&["delete", "temp/bxl"]).ok();
    within(SOON, "the series goes", || names(&mount.at("temp")) == [".schema", "paris"]);
    assert!(!mount.at("temp/bxl/live.csv").exists());
    sandbox.run(&["delete", "wind"]).ok();
    within(SOON, "the collection goes", || names(mount.path()) == ["temp"]);
    within(SOON, "what was in it goes", || !mount.at("wind/oslo").exists());
}

#[test]
fn upkeep_beside_a_mount_changes_nothing_that_is_read() {
    let sandbox = gallery();
    let mount = sandbox.mount();
    let places = ["all/rich", "temp/bundle", "temp/big"];
    let live = || places.map(|place| mount.text(&format!("{place}/live.csv")));
    let before = live();
    for words in [&["pack", "temp"][..], &["defrag", "temp"], &["gc", "--grace", "10m"], &["pack", "all"]] {
        sandbox.run(words).ok();
        rustix::fs::fadvise(
            std::fs::File::open(mount.at("temp/big/live.csv")).unwrap(),
            0,
            None,
            rustix::fs::Advice::DontNeed,
        )
        .unwrap();
        assert!(live() == before, "after {words:?}");
    }
}

#[test]
fn a_torn_write_is_told_and_the_state_before_it_shows() {
    let sandbox = Sandbox::quickstart();
    let before = sandbox.read("temp/bxl");
    let rows = "timestamp,value\n2021-01-01T00:00:00,1.0\n";
    let bulk = sandbox.path("bulk.csv");
    std::fs::write(&bulk, rows).unwrap();
    sandbox.run(&["write", "--no-sync", "temp/bxl", bulk.to_str().unwrap()]).ok();
    let files = files_below(&sandbox.repo());
    let torn = files.iter().find(|file| file.to_string_lossy().ends_with(".unsynced")).unwrap();
    std::fs::write(torn, "").unwrap();
    let mount = sandbox.mount();
    let live = mount.at("temp/bxl/live.csv");
    assert_eq!(text(&live), before);
    let errors = text(&mount.at(".lakota/errors"));
    assert!(errors.contains("temp: revision ") && errors.contains("is torn"), "{errors}");
    std::fs::write(&live, format!("{before}2021-01-02T00:00:00,2.0\n")).unwrap();
    assert_eq!(text(&live), format!("{before}2021-01-02T00:00:00,2.0\n"));
    sandbox.run(&["verify", "--set-aside"]).ok();
    assert_eq!(text(&live), format!("{before}2021-01-02T00:00:00,2.0\n"));
    assert_eq!(text(&mount.at(".lakota/errors")), "");
}
