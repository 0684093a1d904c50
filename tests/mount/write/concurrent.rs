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

#[test]
fn threads_of_one_process_are_told_the_truth_by_each_close() {
    let desk = Desk::new();
    let live = desk.series("s");
    let done = live.python(
        r"
import threading
f = os.open(F, os.O_WRONLY | os.O_TRUNC); g = os.open(F, os.O_WRONLY | os.O_APPEND)
os.write(g, b'2020-07-01,x\n')
try: os.close(g)
except OSError as e: assert e.errno == errno.EINVAL
else: sys.exit('the close went well')
os.write(f, b'2020-07-01,1\n'); os.close(f)
bad = []
def act(t):
    for i in range(5):
        row = f'20{t}{i}-01-01,{t}\n'
        with open(F, 'a') as f: f.write(row)
        if f'20{t}{i}-01-01T00:00:00,{t}.0\n' not in open(F).read(): bad.append(row)
all = [threading.Thread(target=act, args=[t]) for t in range(3, 7)]
for t in all: t.start()
for t in all: t.join()
assert not bad, bad
",
    );
    assert_eq!(done.ran.code, Some(0), "{}", done.ran.err);
    let told = done.before.told();
    assert!(told.len() == 1 && told[0].contains("\"x\" is not a float"), "{told:#?}");
    assert_eq!(live.csv().lines().count(), 2 + 20);
    desk.end();
}
