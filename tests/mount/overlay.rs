//! A mount as the lower layer of an overlay, as containers have it: what the kernel lets be read there.

use crate::sandbox::{INPUT, Sandbox};
use crate::tools::is_root;

#[test]
fn an_overlay_reads_revisions_always_and_live_files_after_a_remount() {
    if !is_root() {
        eprintln!("not root: no overlay is tested");
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "temp/bxl", "timestamp timestamp*", "value float"]).ok();
    sandbox.write("temp/bxl", INPUT);
    let mount = sandbox.mount();
    // A file system of its own for what is written above: a container's is an overlay itself, which takes no other.
    let script = "
        mkdir over upper; O=$PWD
        mount -t tmpfs none upper
        trap 'cd $O; umount over 2> /dev/null || true; umount upper' EXIT
        mkdir upper/up upper/work
        if ! mount -t overlay overlay -o lowerdir=$M,upperdir=upper/up,workdir=upper/work over; then echo none; exit; fi
        cd over/temp/bxl; X=$(ls revisions | tail -n 1)
        cat revisions/$X/data.csv > $O/old.csv
        echo 2020-07-01,1 | $LAKOTA -q write temp/bxl --upsert
        cmp revisions/$X/data.csv $O/old.csv; cat live.csv > $O/new.csv; tail -n 1 $O/new.csv
        echo 2020-07-02,2 | $LAKOTA -q write temp/bxl --upsert
        cmp revisions/$X/data.csv $O/old.csv
        cd $O; mount -o remount over; cd over/temp/bxl
        tail -n 1 live.csv; tail -n 1 latest/data.csv; tail -n 1 live.csv
        echo 2020-07-03,3 >> live.csv; tail -n 1 live.csv";
    let said = sandbox.shell(&mount, script).ok();
    let row = "2020-07-02T00:00:00,2.0\n".repeat(3);
    assert!(said == "none\n" || said == format!("2020-07-01T00:00:00,1.0\n{row}2020-07-03,3\n"), "{said}");
    assert_eq!(
        sandbox.read("temp/bxl").lines().count(),
        if said == "none\n" { 7 } else { 9 },
        "what is written stays in the upper layer"
    );
    mount.unmount();
}
