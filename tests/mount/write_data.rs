//! Programs that write columns and tables save through the mount: each save is one revision, shown at once in both
//! formats and told by the log; what is refused leaves the rows as they were, and is kept.

use crate::gallery::{COLUMNS, RICH, rich_csv};
use crate::mounted::Mount;
use crate::sandbox::{LAKOTA, Sandbox};
use crate::tools::{Ran, consumer, limited, needs, run, script};

#[test]
fn what_pandas_pyarrow_polars_duckdb_and_python_save_is_one_revision_or_is_kept() {
    let sandbox = Sandbox::new();
    sandbox.run(&[&["create", "all/rich"], &COLUMNS[..]].concat()).ok();
    sandbox.write("all/rich", rich_csv(0..RICH));
    let mount = sandbox.mount();
    let mut tables = script("write_tables.py");
    run(tables.env("LAKOTA_REPO", sandbox.repo()).arg(LAKOTA).arg(mount.path()), "").ok();
    crate::write_failure::no_panic(&mount);
}

/// The newest line of a series' log.
fn newest(sandbox: &Sandbox) -> String {
    sandbox.run(&["log", "temp/bxl", "--oneline"]).ok().lines().next().unwrap().to_owned()
}

fn r(sandbox: &Sandbox, mount: &Mount, step: &str) -> Ran {
    let mut r = limited("Rscript");
    r.current_dir(sandbox.path("")).env("TZ", "UTC").arg("--vanilla").arg(consumer("write.R")).arg(step);
    run(r.arg(mount.at("temp/bxl/live.csv")), "")
}

#[test]
fn what_r_writes_is_one_revision_each() {
    needs("Rscript");
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let doubled = [50.4, 48.4, 55.8, 62.0, 65.0, 60.2];
    for (step, way, revisions) in [
        ("replace", "replace", 1),
        ("times", "replace", 0),
        ("append", "append to", 1),
        ("lines", "append to", 1),
    ] {
        let before = sandbox.revisions("temp/bxl").len();
        r(&sandbox, &mount, step).ok();
        assert_eq!(sandbox.revisions("temp/bxl").len(), before + revisions, "{step}");
        let line = newest(&sandbox);
        assert!(
            revisions == 0 || line.contains(&format!("{way} live.csv through the mount (R, pid ")),
            "{step}: {line}"
        );
        assert_eq!(mount.text("temp/bxl/live.csv"), sandbox.read("temp/bxl"), "{step}");
    }
    let first: String =
        (22..27).zip(doubled).map(|(day, value)| format!("2020-06-{day}T00:00:00,{value:?}\n")).collect();
    let last = "2020-06-27T00:00:00,9.5\n2020-06-28T00:00:00,\n2020-06-29T00:00:00,1.25\n";
    assert_eq!(sandbox.read("temp/bxl"), format!("timestamp,value\n{first}{last}"));
    // R does not look at what close says: the reason is where all are.
    r(&sandbox, &mount, "numbered");
    let why = sandbox.run(&["why", mount.at("temp/bxl/live.csv").to_str().unwrap()]).ok();
    assert!(
        why.contains("unknown column; the schema has timestamp, value") && why.contains("kept   /"),
        "{why}"
    );
    assert_eq!(mount.text("temp/bxl/live.csv"), format!("timestamp,value\n{first}{last}"));
}
