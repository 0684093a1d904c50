//! The tools people use on files: copying, packing, searching, comparing.

use crate::gallery::gallery;
use crate::sandbox::{Sandbox, names};
use crate::tools::needs;

#[test]
fn copies_are_equal() {
    let sandbox = gallery();
    let mount = sandbox.mount();
    sandbox.shell(&mount, "cp -r $M/. copy; diff -r $M copy; cp -a $M/temp kept; diff -r $M/temp kept").ok();
    assert_eq!(names(&sandbox.path("copy")), ["all", "temp"]);
    // What keeps times keeps those of the commits.
    let times = "find . -name '*.csv' -printf '%p %T@\\n' | sort";
    let script = format!("cd $M/temp; {times}; cd - >/dev/null; echo; cd kept; {times}");
    let said = sandbox.shell(&mount, &script).ok();
    let (there, here) = said.split_once("\n\n").unwrap();
    assert_eq!(there, here.trim_end());
}

#[test]
fn tar_packs_and_gives_back() {
    let sandbox = gallery();
    let mount = sandbox.mount();
    let script = "tar -C $M -cf all.tar . && mkdir out && tar -C out -xf all.tar && diff -r $M out && tar -C $M -df all.tar";
    assert_eq!(sandbox.shell(&mount, script).ok(), "");
}

#[test]
fn rsync_copies_once() {
    needs("rsync");
    let sandbox = gallery();
    let mount = sandbox.mount();
    let first = sandbox.shell(&mount, "rsync -ai $M/ out && diff -r $M out").ok();
    assert!(first.contains("live.parquet"), "{first}");
    assert_eq!(sandbox.shell(&mount, "rsync -ai $M/ out").ok(), "");
    sandbox.upsert("temp/tiny", "2030-01-01,1\n");
    std::thread::sleep(std::time::Duration::from_secs(1));
    let third = sandbox.shell(&mount, "rsync -ai $M/ out && diff -r $M out").ok();
    let files: Vec<&str> = third.lines().filter(|line| line.starts_with(">f")).collect();
    // Both live files and the three of the new revision.
    assert!(files.len() == 5 && files.iter().all(|line| line.contains("temp/tiny/")), "{third}");
}

#[test]
fn find_and_grep_go_through_everything() {
    let sandbox = gallery();
    let mount = sandbox.mount();
    let live = sandbox.shell(&mount, "cd $M; find . -name live.csv | sort").ok();
    assert_eq!(
        live,
        "./all/empty/live.csv\n./all/one/live.csv\n./all/rich/live.csv\n./temp/big/live.csv\n\
         ./temp/bundle/live.csv\n./temp/none/live.csv\n./temp/tiny/live.csv\n"
    );
    let found =
        sandbox.shell(&mount, "cd $M; grep -r --include=live.csv -l ☀ . ; grep -rl röme temp || true").ok();
    assert_eq!(found, "./all/rich/live.csv\n");
    let newer = sandbox
        .shell(&mount, "find $M -type f -newermt '1 hour ago' | wc -l; find $M -size +1M -name live.csv")
        .ok();
    assert!(newer.ends_with("temp/big/live.csv\n") && !newer.starts_with("0\n"), "{newer}");
    assert_eq!(sandbox.shell(&mount, "find $M/temp -xtype l").ok(), "", "no link leads nowhere");
}

#[test]
fn du_and_df_count() {
    let sandbox = gallery();
    let mount = sandbox.mount();
    let said = sandbox
        .shell(
            &mount,
            "cd $M/temp/big; du -b live.csv | cut -f1; stat -c %s live.csv; du -k live.csv | cut -f1",
        )
        .ok();
    let sizes: Vec<u64> = said.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(sizes[0], sizes[1]);
    assert!(sizes[2].abs_diff(sizes[0] / 1024) <= 8, "{sizes:?}: blocks are those of the size");
    sandbox.shell(&mount, "df $M; df -i $M; stat -f $M").ok();
}

#[test]
fn text_tools_read_rows() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let say = |script: &str| sandbox.shell(&mount, &format!("cd $M/temp/bxl; {script}")).ok();
    assert_eq!(say("head -n 2 live.csv"), "timestamp,value\n2020-06-22T00:00:00,25.2\n");
    assert_eq!(say("tail -n 1 live.csv"), "2020-06-27T00:00:00,30.1\n");
    assert_eq!(say("tail -c 5 live.csv"), "30.1\n");
    assert_eq!(say("awk -F, 'NR > 1 { s += $2 } END { print s }' live.csv"), "170.9\n");
    assert_eq!(say("sort -t, -k2,2nr live.csv | head -n 1"), "2020-06-26T00:00:00,32.5\n");
    assert_eq!(say("wc -l < live.csv"), "7\n");
    assert_eq!(say("dd if=live.csv bs=1 skip=16 count=10 2>/dev/null"), "2020-06-22");
    assert_eq!(say("cat live.csv live.csv | wc -l"), "14\n");
}

#[test]
fn diff_tells_two_revisions_apart() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount();
    let ids = sandbox.revisions("temp/bxl");
    let script = format!("cd $M/temp/bxl/revisions; diff {}/data.csv {}/data.csv", ids[0], ids[1]);
    let ran = sandbox.shell(&mount, &script);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.out.contains("< 2020-06-22T00:00:00,25.0\n") && ran.out.contains("> 2020-06-22T00:00:00,25.2\n")
    );
    assert!(!ran.out.contains("2020-06-25"), "a row that is the same: {}", ran.out);
}

#[test]
fn hidden_revisions_are_reachable_but_nothing_walks_into_them() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount_with("hide_revisions");
    // The link leads into what is hidden; a copy of it would lead nowhere.
    assert_eq!(names(&mount.at("temp/bxl")), ["live.csv", "live.parquet"]);
    assert_eq!(names(&mount.at("temp/bxl/revisions")), sandbox.revisions("temp/bxl"));
    assert_eq!(mount.text("temp/bxl/latest/data.csv"), mount.text("temp/bxl/live.csv"));
    let walked =
        sandbox.shell(&mount, "cd $M; find . -mindepth 1 | sort; cp -r . ../copy; grep -rl 25.2 .").ok();
    assert_eq!(
        walked,
        "./temp\n./temp/.schema\n./temp/bxl\n./temp/bxl/live.csv\n./temp/bxl/live.parquet\n\
         ./temp/bxl/live.csv\n"
    );
    assert_eq!(names(&sandbox.path("copy/temp/bxl")), ["live.csv", "live.parquet"]);
}

#[test]
fn live_files_can_be_named_after_their_series() {
    let sandbox = Sandbox::quickstart();
    let mount = sandbox.mount_with("names=label");
    assert_eq!(names(&mount.at("temp/bxl")), ["bxl.csv", "bxl.parquet", "latest", "revisions"]);
    assert_eq!(mount.text("temp/bxl/bxl.csv"), sandbox.read("temp/bxl"));
    assert!(!mount.at("temp/bxl/live.csv").exists());
    assert_eq!(mount.text("temp/bxl/latest/data.csv"), sandbox.read("temp/bxl"));
}
