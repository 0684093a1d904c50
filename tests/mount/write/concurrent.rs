//! Several writers of one series: each save is a change against what it opened.

use super::{Desk, ROWS, SOON};
use crate::tools::within;

#[test]
fn two_writers_of_different_rows_both_survive() {
    let desk = Desk::new();
    let live = desk.series("s");
    let done = live.bash(
        "exec 3<>$F 4<>$F; sed s/25.2/25.3/ $F > a; sed s/27.9/28.0/ $F > b; cat a >&3; cat b >&4; exec 3>&-; exec 4>&-",
    );
    done.went_well();
    live.has(&ROWS.replace("25.2", "25.3").replace("27.9", "28.0"));
    // Of the same row, the later close wins.
    live.bash("exec 3>$F 4>$F; sed s/24.2/1/ a >&3; sed s/24.2/2/ a >&4; exec 4>&-; exec 3>&-").went_well();
    let rows = live.csv();
    assert!(rows.contains("06-23T00:00:00,1.0\n"), "{rows}");
    desk.end();
}

#[test]
fn a_save_that_did_not_see_an_append_keeps_it() {
    let desk = Desk::new();
    let live = desk.series("s");
    let (append, fixed) = ("2020-07-01T00:00:00,1.0\n", ROWS.replace("24.2", "24.3"));
    live.bash("exec 3>$F; echo 2020-07-01,1 >> $F; sed s/24.2/24.3/ $F | grep -v 07-01 >&3; exec 3>&-")
        .before
        .is_so(&format!("{fixed}{append}"));
    // By the command line, and into a file that is moved over the live one.
    live.bash("cp $F $F.new; echo 2020-07-02,2 | $LAKOTA write temp/s --upsert; sed -i s/24.3/24.4/ $F.new; mv $F.new $F")
        .before
        .is_so(&format!("{}{append}2020-07-02T00:00:00,2.0\n", fixed.replace("24.3", "24.4")));
    // A row that the save took out stays out.
    live.bash("exec 3>$F; echo 2020-07-03,3 | $LAKOTA write temp/s --upsert; grep -v 07-0 $F >&3; exec 3>&-")
        .went_well();
    let kept = format!("{}2020-07-03T00:00:00,3.0\n", fixed.replace("24.3", "24.4"));
    within(SOON, "all is merged", || live.csv().ends_with(&kept));
    live.has(&kept);
    desk.end();
}

#[test]
fn an_append_races_with_commits_of_the_command_line() {
    let desk = Desk::new();
    let live = desk.series("s");
    let done = live.bash(
        "for i in 1 2 3 4 5; do echo 2020-08-0$i,$i >> $F; done &
         for i in 1 2 3 4 5; do echo 2020-09-0$i,$i | $LAKOTA write temp/s --upsert >/dev/null; done; wait",
    );
    let rows =
        |month: u32| (1..6).map(|i| format!("2020-0{month}-0{i}T00:00:00,{i}.0\n")).collect::<String>();
    done.before.is_so(&format!("{ROWS}{}{}", rows(8), rows(9)));
    // One that was opened before the other's commit, and written after it.
    live.python("import subprocess\nf = open(F, 'a'); subprocess.run([os.environ['LAKOTA'], 'write', 'temp/s', '--replace'], input=b'2020-07-01,1\\n', check=True); f.write('2020-07-02,2\\n'); f.close()")
        .before
        .is_so("2020-07-01T00:00:00,1.0\n2020-07-02T00:00:00,2.0\n");
    desk.end();
}

#[test]
fn many_writers_of_many_series_lose_nothing() {
    let desk = Desk::new();
    let all: Vec<_> = (0..4).map(|i| desk.series(&format!("s{i}"))).collect();
    let script = "for w in 1 2 3 4; do (for i in 1 2 3 4 5; do for s in 0 1 2 3; do
        echo 20$w$i-01-01,$w >> $M/temp/s$s/live.csv; done; done) & done; wait";
    all[0].bash(script).went_well();
    for live in &all {
        let mut years: Vec<String> =
            (1..5).flat_map(|w| (1..6).map(move |i| format!("20{w}{i}-01-01T00:00:00,{w}.0\n"))).collect();
        years.sort();
        let rows =
            format!("{ROWS}{}", years.concat()).lines().map(|line| format!("{line}\n")).collect::<Vec<_>>();
        let mut rows = rows;
        rows.sort();
        live.has(&rows.concat());
    }
    desk.end();
}
