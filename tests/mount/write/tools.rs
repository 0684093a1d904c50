//! The tools people use on files: copying, moving, packing, changing in place.

use super::{Desk, HEADER, Live, ROWS, SOON};
use crate::tools::{needs, within};

const A: &str = "2020-07-01T00:00:00,1.0\n";
const AB: &str = "2020-07-01T00:00:00,1.0\n2020-07-02T00:00:00,2.0\n";

/// The rows that a series begins with, one corrected.
fn corrected() -> String {
    ROWS.replace("24.2", "24.3")
}

/// Puts a file beside the mount.
fn file(desk: &Desk, name: &str, text: &str) {
    std::fs::write(desk.sandbox.path(name), text).unwrap();
}

#[test]
fn cp_replaces_in_all_its_ways() {
    let desk = Desk::new();
    let live = desk.series("s");
    file(&desk, "a.csv", A);
    file(&desk, "ab.csv", &format!("{HEADER}{AB}"));
    live.bash("cp a.csv $F").replaces("cp", A);
    live.bash("cp -a ab.csv $F").replaces("cp", AB);
    live.bash("cp -f a.csv $F").replaces("cp", A);
    live.bash("cp --remove-destination ab.csv $F").replaces("cp", AB);
    live.bash("cp --sparse=always --reflink=auto a.csv $F").replaces("cp", A);
    live.bash("cp ab.csv a.csv $D; mv $D/ab.csv $F; rm $D/a.csv").replaces("mv", AB);
    live.bash("cp -b a.csv $F; cmp ab.csv $F~; rm $F~").replaces("cp", A);
    live.bash("cat ab.csv | cp /dev/stdin $F").replaces("cp", AB);
    live.bash("cp $F $F").fails(1, "are the same file");
    live.bash("cp -u a.csv $F").does_nothing();
    live.bash("cp -n a.csv $F || true").does_nothing();
    desk.end();
}

#[test]
fn a_copy_of_a_revision_reverts_and_stores_nothing_new() {
    let desk = Desk::new();
    let live = desk.series("s");
    let rows: String = (0..20_000).map(|i| format!("{},{}\n", 1_600_000_000 + i, i)).collect();
    let objects = || {
        let files = crate::sandbox::files_below(&desk.sandbox.repo());
        files.iter().map(|file| file.metadata().unwrap().len()).sum::<u64>()
    };
    std::fs::write(live.at("live.csv"), &rows).ok();
    live.bash("echo 2020-07-01,1 > $F").before.is_so(A);
    let revision = live.log()[1]["id"].as_str().unwrap().to_owned();
    let (old, before) =
        (std::fs::read_to_string(live.at(&format!("revisions/{revision}/data.csv"))), objects());
    let old = old.unwrap();
    live.bash(&format!("cp $D/revisions/{revision}/data.csv $F"))
        .replaces("cp", old.strip_prefix(HEADER).unwrap());
    assert!(objects() - before < 2_000, "{} bytes more", objects() - before);
    // So does the other format.
    live.bash("cp $D/at/~1/data.parquet $P").before.one_revision("replace live.parquet", "cp", A);
    desk.end();
}

#[test]
fn moving_from_elsewhere_replaces() {
    let desk = Desk::new();
    let live = desk.series("s");
    file(&desk, "a.csv", A);
    file(&desk, "ab.csv", AB);
    file(&desk, "c.csv", A);
    live.bash("mv a.csv $F; [ ! -e a.csv ]").replaces("mv", A);
    live.bash("mv -f ab.csv $F; [ ! -e ab.csv ]").replaces("mv", AB);
    live.bash("install -m 600 c.csv $F").replaces("install", A);
    live.bash("install -b -m 644 /dev/stdin $F <<< 2020-07-01,3; rm $F~")
        .replaces("install", &A.replace("1.0", "3.0"));
    desk.end();
}

#[test]
fn dd_writes_as_it_is_told() {
    let desk = Desk::new();
    let live = desk.series("s");
    file(&desk, "ab.csv", AB);
    live.bash("dd if=ab.csv of=$F status=none").replaces("dd", AB);
    live.bash("dd of=$F conv=fsync status=none <<< 2020-07-01,1").replaces("dd", A);
    live.bash("dd of=$F conv=fdatasync bs=7 if=ab.csv status=none").replaces("dd", AB);
    live.bash("dd of=$F oflag=append conv=notrunc status=none <<< 2020-07-02,-2")
        .appends("dd", &AB.replace("2.0\n", "-2.0\n"));
    // In the middle of what there is: `timestamp,value` has 16 bytes, the value of the first row lies at 36.
    live.bash("printf 7.5 | dd of=$F bs=1 seek=36 conv=notrunc status=none")
        .replaces("dd", &AB.replace(",1.0", ",7.5").replace("2.0\n", "-2.0\n"));
    desk.end();
}

#[test]
fn rsync_updates_both_ways() {
    needs("rsync");
    let desk = Desk::new();
    let live = desk.series("s");
    file(&desk, "live.csv", &format!("{HEADER}{A}"));
    live.bash("rsync live.csv $D").replaces("rsync", A);
    live.bash("rsync -a live.csv $D").does_nothing();
    file(&desk, "live.csv", &format!("{HEADER}{AB}"));
    live.bash("rsync --inplace live.csv $F").replaces("rsync", AB);
    file(&desk, "live.csv", &format!("{HEADER}{A}"));
    live.bash("rsync -a --no-whole-file --checksum live.csv $D").replaces("rsync", A);
    file(&desk, "live.csv", &format!("{HEADER}{AB}"));
    live.bash("rsync -a --no-whole-file --inplace --ignore-times live.csv $D").replaces("rsync", AB);
    file(&desk, "live.csv", "2020-07-03,3\n");
    live.bash("rsync --append live.csv $D || true").does_nothing();
    file(&desk, "live.csv", &format!("{HEADER}{ROWS}"));
    live.bash("rsync --delay-updates live.csv $D").replaces("rsync", ROWS);
    assert_eq!(crate::sandbox::names(&live.at("")), ["live.csv", "live.parquet"], "nothing is left beside");
    desk.end();
}

#[test]
fn tools_that_change_a_file_in_place() {
    let desk = Desk::new();
    let live = desk.series("s");
    live.bash("sed -i s/24.2/24.3/ $F").replaces("sed", &corrected());
    live.bash("sed -i.bak s/24.3/24.2/ $F; grep -q 24.3 $F.bak; rm $F.bak").replaces("sed", ROWS);
    live.bash("perl -i -pe 's/24.2/24.3/' $F").replaces("perl", &corrected());
    live.bash("perl -i.bak -pe 's/24.3/24.2/' $F; grep -q 24.3 $F.bak; rm $F.bak").replaces("perl", ROWS);
    live.bash("awk -F, -v OFS=, 'NR > 1 { $2 *= 2 } 1' $F > $F.tmp && mv $F.tmp $F")
        .replaces("mv", &ROWS.replace("25.2", "50.4").replace("24.2", "48.4").replace("27.9", "55.8"));
    live.bash("sort -r -o $F $F")
        .before
        .is_so(&ROWS.replace("25.2", "50.4").replace("24.2", "48.4").replace("27.9", "55.8"));
    live.bash("sed -i /06-23/d $F").replaces("sed", "2020-06-22T00:00:00,50.4\n2020-06-24T00:00:00,55.8\n");
    live.bash("sed -i s/zzz/yyy/ $F").does_nothing();
    live.bash("split -l 2 $F part.; cat part.ab > $F").replaces("cat", "2020-06-24T00:00:00,55.8\n");
    assert_eq!(crate::sandbox::names(&live.at("")), ["live.csv", "live.parquet"], "nothing is left beside");
    desk.end();
}

#[test]
fn scripting_languages_save_in_their_ways() {
    let desk = Desk::new();
    let live = desk.series("s");
    live.python("import fileinput\nfor l in fileinput.input(F, inplace=True): print(l.replace('24.2', '24.3'), end='')")
        .replaces("python3", &corrected());
    live.python("import zipfile; z = zipfile.ZipFile('z.zip', 'w'); z.writestr('live.csv', '2020-07-01,1\\n'); z.close(); zipfile.ZipFile('z.zip').extractall(D)")
        .replaces("python3", A);
    live.python("import tempfile; t = tempfile.NamedTemporaryFile('w', dir=D, delete=False); t.write('2020-07-01,1\\n2020-07-02,2\\n'); t.close(); os.replace(t.name, F)")
        .replaces("python3", AB);
    live.bash("perl -e 'open F, \">>\", $ENV{F}; print F \"2020-07-02,3\\n\"; close F or die' ")
        .appends("perl", &AB.replace("2.0\n", "3.0\n"));
    desk.end();
}

#[test]
fn tar_unpacks_over_live_files() {
    let desk = Desk::new();
    let live = desk.series("s");
    live.bash("tar -C $D -cf rows.tar live.csv live.parquet").does_nothing();
    live.bash("echo 2020-07-01,1 > $F").replaces("bash", A);
    live.bash("tar -C $D -xf rows.tar live.csv").replaces("tar", ROWS);
    live.bash("echo 2020-07-01,1 > $F").replaces("bash", A);
    live.bash("tar -C $D --overwrite -xf rows.tar live.csv").replaces("tar", ROWS);
    live.bash("echo 2020-07-01,1 > $F").replaces("bash", A);
    live.bash("tar -C $D -xf rows.tar live.parquet").before.one_revision("replace live.parquet", "tar", ROWS);
    live.bash("echo 2020-07-01,1 > $F").replaces("bash", A);
    // Both at once hold the same rows: one revision is enough.
    live.bash("tar -C $D -xf rows.tar").replaces("tar", ROWS);
    desk.end();
}

#[test]
fn a_folder_copied_in_becomes_a_series() {
    let desk = Desk::new();
    let live = desk.series("s");
    live.bash("cp -r $D copy; cp -r copy $M/temp/t").does_nothing();
    let copied = Live { desk: &desk, label: "t".to_owned() };
    copied.has(ROWS);
    // With its revisions, the live files are made and the rest is refused.
    let done = live.bash(
        "cp -r $D whole; mkdir -p whole/revisions/x; touch whole/revisions/x/data.csv; cp -r whole $M/temp/u",
    );
    assert!(done.ran.code == Some(1) && done.ran.err.contains("revisions"), "{}", done.ran.err);
    Live { desk: &desk, label: "u".to_owned() }.has(ROWS);
    desk.end();
}

#[test]
fn appending_with_tee_and_cat_adds() {
    let desk = Desk::new();
    let live = desk.series("s");
    file(&desk, "more.csv", &format!("{HEADER}2020-06-23,24.3\n2020-07-01,1\n"));
    let more = format!("{}{A}", corrected());
    live.bash("cat more.csv >> $F").appends("cat", &more);
    live.bash("tee -a $F < more.csv").does_nothing();
    live.bash("echo >> $F; printf '\\r\\n\\n' >> $F").does_nothing();
    live.bash("tail -n +2 more.csv | sed s/24.3/24.4/ | tee -a $F")
        .appends("tee", &more.replace("24.3", "24.4"));
    desk.end();
}

#[test]
fn a_tool_that_is_killed_before_its_close_commits_nothing() {
    let desk = Desk::new();
    let written = "awk '/^lakota_written_bytes_total/ { print $2 }' $M/.lakota/metrics";
    for (i, (signal, tool, way)) in [
        ("TERM", "cp pipe $F", "replace"),
        ("KILL", "cp pipe $F", "replace"),
        ("TERM", "cat pipe > $F", "replace"),
        ("KILL", "cat pipe >> $F", "append"),
        ("ABRT", "dd if=pipe of=$F bs=512 status=none", "replace"),
        ("HUP", "tee -a $F < pipe", "append"),
    ]
    .into_iter()
    .enumerate()
    {
        let live = desk.series(&format!("s{i}"));
        // Whole lines have come, and more would.
        let script = format!(
            "rm -f pipe; mkfifo pipe; was=$({written}); bash -c 'ulimit -c 0; exec {tool}' & pid=$!
             exec 9<>pipe; echo 2020-07-01,1 >&9; while [ \"$({written})\" = $was ]; do sleep 0.02; done
             kill -{signal} $pid; wait $pid || true"
        );
        let done = live.bash(&script);
        let told = || done.before.told();
        within(SOON, "it is told", || !told().is_empty());
        let told = told();
        assert!(told.len() == 1 && told[0].contains(&format!("live.csv: {way} by ")), "{tool}: {told:#?}");
        assert!(told[0].contains("ended by signal"), "{tool}: {told:#?}");
        done.before.is_still_so();
        let kept = told[0].split_once("; kept as rejected/").unwrap().1;
        assert_eq!(desk.mount.text(&format!(".lakota/rejected/{kept}")), "2020-07-01,1\n", "{tool}");
    }
    desk.end();
}
