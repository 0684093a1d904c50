//! Columns that are altered while a repository is mounted.

use crate::sandbox::{Sandbox, names};
use crate::tools::within;
use std::io::Read;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(1);

#[test]
fn altered_columns_show_and_open_files_and_older_revisions_stay() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let (live, schema) = (mount.text("temp/bxl/live.csv"), mount.text("temp/.schema"));
    let time = |name: &str| mount.at(name).metadata().unwrap().modified().unwrap();
    let times = [time("temp/bxl/live.csv"), time("temp/.schema")];
    let revisions = names(&mount.at("temp/bxl/revisions"));
    let mut open = std::fs::File::open(mount.at("temp/bxl/live.csv")).unwrap();
    sandbox.run(&["alter", "temp", "add", "unit str", "--default", "C"]).ok();
    within(SOON, "the new columns show", || mount.text("temp/.schema") == format!("{schema}unit str\n"));
    within(SOON, "the new rows show", || mount.text("temp/bxl/live.csv") == sandbox.read("temp/bxl"));
    assert!(mount.text("temp/bxl/live.csv").lines().skip(1).all(|line| line.ends_with(",C")));
    assert!(time("temp/bxl/live.csv") > times[0] && time("temp/.schema") > times[1]);
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert_eq!(text, live, "what was opened stays");
    let now = names(&mount.at("temp/bxl/revisions"));
    assert_eq!((now.len(), &now[..revisions.len()]), (revisions.len() + 1, &revisions[..]));
    assert_eq!(now, sandbox.revisions("temp/bxl"));
    let old = mount.text(&format!("temp/bxl/revisions/{}/data.csv", revisions.last().unwrap()));
    assert_eq!(old, live);
}

#[test]
fn a_file_with_the_new_columns_is_taken_after_an_alteration() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    sandbox.run(&["alter", "temp", "rename", "value", "degrees"]).ok();
    sandbox.run(&["alter", "temp", "add", "checked bool"]).ok();
    within(SOON, "the new rows show", || mount.text("temp/bxl/live.csv") == sandbox.read("temp/bxl"));
    let text = "timestamp,degrees,checked\n2020-06-22T00:00:00,25.0,true\n";
    std::fs::write(mount.at("temp/bxl/live.csv"), text).unwrap();
    assert_eq!(sandbox.read("temp/bxl"), text);
    let script = format!("echo 2020-06-23,24,false >> '{}'", mount.at("temp/bxl/live.csv").display());
    assert!(std::process::Command::new("sh").args(["-c", &script]).status().unwrap().success());
    assert_eq!(sandbox.read("temp/bxl"), format!("{text}2020-06-23T00:00:00,24.0,false\n"));
}
