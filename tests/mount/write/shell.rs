//! Redirections of shells: one revision when the last descriptor is closed, whoever wrote.

use super::{Desk, HEADER, ROWS, SOON, VEIL};
use crate::tools::within;

const SHELLS: [&str; 2] = ["bash", "dash"];

const A: &str = "2020-07-01T00:00:00,1.0\n";
const AB: &str = "2020-07-01T00:00:00,1.0\n2020-07-02T00:00:00,2.0\n";

/// The rows that a series begins with, and these.
fn with(rows: &str) -> String {
    format!("{ROWS}{rows}")
}

#[test]
fn a_redirection_replaces_the_rows() {
    let desk = Desk::new();
    for shell in SHELLS {
        let live = desk.series(shell);
        live.shell(shell, "echo 2020-07-01,1 > $F").replaces(shell, A);
        live.shell(shell, "printf '%s\\n' timestamp,value 2020-07-01,1 2020-07-02,2 > $F")
            .replaces(shell, AB);
        // One shell opens the file itself, the other has the child do it.
        live.shell(shell, "/bin/echo 2020-07-01,1 > $F; true").replaces("dash|echo", A);
        live.shell(shell, "cat > $F <<END\n2020-07-01,1\n2020-07-02,2\nEND\n").replaces("dash|cat", AB);
        live.shell(shell, "printf 2020-07-01,1 > $F").replaces(shell, A);
        // What is there already makes no revision.
        live.shell(shell, "echo 2020-07-01,1.00 > $F").does_nothing();
        live.shell(shell, "cat $F > copy; cat copy > $F").does_nothing();
    }
    desk.end();
}

#[test]
fn a_redirection_behind_the_end_adds_and_corrects() {
    let desk = Desk::new();
    for shell in SHELLS {
        let live = desk.series(shell);
        live.shell(shell, "echo 2020-07-01,1 >> $F").appends(shell, &with(A));
        live.shell(shell, "/bin/echo 2020-07-02,2 >> $F; true").appends("dash|echo", &with(AB));
        let corrected = with(AB).replace("24.2", "24.3").replace("07-02T00:00:00,2.0", "07-02T00:00:00,-2.0");
        live.shell(shell, "printf '2020-07-02,-2\\n2020-06-23,24.3\\n' >> $F").appends(shell, &corrected);
        live.shell(shell, "echo 2020-07-01,1 >> $F").does_nothing();
        live.shell(shell, ": >> $F").does_nothing();
    }
    desk.end();
}

#[test]
fn commands_that_share_a_redirection_make_one_revision() {
    let desk = Desk::new();
    for shell in SHELLS {
        let live = desk.series(shell);
        let either = &format!("{shell}|echo");
        live.shell(shell, "{ echo 2020-07-01,1; /bin/echo 2020-07-02,2; } > $F").replaces(shell, AB);
        live.shell(shell, "{ /bin/echo 2020-07-01,1; sleep 0.1; } > $F").replaces(shell, A);
        live.shell(shell, "(echo 2020-07-01,1; /bin/echo 2020-07-02,2) > $F; true").replaces(either, AB);
        live.shell(shell, "for i in 1; do /bin/echo 2020-07-0$i,$i; true; done > $F").replaces(shell, A);
        live.shell(shell, "{ /bin/echo 2020-07-02,2; echo 2020-07-01,1; } >> $F").appends(shell, AB);
        live.shell(shell, "{ (echo 2020-07-01,1 & wait); false; } > $F || true").replaces(shell, A);
        let script =
            "while read -r line; do echo \"$line\"; done > $F <<END\n2020-07-01,1\n2020-07-02,2\nEND\n";
        live.shell(shell, script).replaces(shell, AB);
    }
    desk.end();
}

#[test]
fn a_descriptor_of_the_shell_makes_one_revision_when_it_is_closed() {
    let desk = Desk::new();
    for shell in SHELLS {
        let live = desk.series(shell);
        let echoes = "echo 2020-07-01,1 >&3; /bin/echo 2020-07-02,2 >&3";
        live.shell(shell, &format!("exec 3>$F; {echoes}; grep -c . $F; exec 3>&-")).replaces(shell, AB);
        // Nor does the shell have to close it itself.
        live.shell(shell, "exec 3>$F; echo 2020-07-01,1 >&3; /bin/true")
            .replaces(&format!("{shell}|true"), A);
        live.shell(shell, "exec 3>>$F; /bin/echo 2020-07-02,2 >&3; /bin/true; exec 3>&-").appends(shell, AB);
        live.shell(shell, "exec > $F; echo 2020-07-01,1; /bin/true").replaces(&format!("{shell}|true"), A);
    }
    desk.end();
}

#[test]
fn while_a_descriptor_is_open_readers_see_the_old_rows() {
    let desk = Desk::new();
    let live = desk.series("s");
    let script = "exec 3>$F; echo 2020-07-01,1 >&3; tail -n 1 $F; exec 4<$F; exec 3>&-; cat <&4 | tail -n 1; tail -n 1 $F";
    let done = live.bash(script);
    assert_eq!(done.ran.out, "2020-06-24T00:00:00,27.9\n2020-06-24T00:00:00,27.9\n2020-07-01T00:00:00,1.0\n");
    done.replaces("bash", A);
    desk.end();
}

#[test]
fn pipes_end_in_one_revision() {
    let desk = Desk::new();
    let live = desk.series("s");
    live.bash("echo 2020-07-01,1 | tee $F").replaces("tee", A);
    live.bash("echo 2020-07-02,2 | tee -a $F | cat >/dev/null").appends("tee", AB);
    live.bash("echo 2020-07-01,1 | cat > $F").replaces("cat", A);
    live.bash("{ echo 2020-07-01,1; sleep 0.2; echo 2020-07-02,2; } | tee $F $F.copy >/dev/null")
        .replaces("tee", AB);
    live.bash("rm $F.copy; grep -v 07-02 $F | cat > $F.new; cat $F.new > $F; rm $F.new").replaces("cat", A);
    live.bash("seq 1 2 | while read -r i; do echo 2020-07-0$i,$i; done >> $F").appends("bash", AB);
    live.bash("seq 2 | awk '{ print \"2020-07-0\" $1 \",\" $1 * 10 }' > $F")
        .replaces("awk|mawk|gawk", &AB.replace(",1.0", ",10.0").replace(",2.0", ",20.0"));
    desk.end();
}

#[test]
fn background_writers_make_a_revision_each() {
    let desk = Desk::new();
    let live = desk.series("s");
    live.bash("{ sleep 0.2; echo 2020-07-01,1; } > $F & wait").replaces("bash", A);
    let before = live.before();
    let ran = live.bash("for i in 1 2 3 4 5 6 7 8; do echo 2020-08-0$i,$i >> $F & done; wait");
    assert_eq!((ran.ran.code, before.told().len()), (Some(0), 0), "{:?}", before.told());
    let rows: String = (1..9).map(|i| format!("2020-08-0{i}T00:00:00,{i}.0\n")).collect();
    live.has(&format!("{A}{rows}"));
    let made = live.log().len() - before.revisions;
    assert!((1..=16).contains(&made), "{made}");
    // What is left in the background holds it open beyond its shell, and adds to what that wrote.
    live.bash("{ echo 2020-07-01,1; (sleep 0.3; /bin/echo 2020-07-02,2) & } > $F").before.is_so(AB);
    desk.end();
}

#[test]
fn nothing_written_is_no_revision_and_the_rows_come_back() {
    let desk = Desk::new();
    let scripts = [
        (": > $F", 0),
        ("> $F", 0),
        ("false > $F", 1),
        ("cat /nowhere > $F", 1),
        ("grep 2019 $F > $F", 2),
        ("truncate -s 0 $F", 0),
        ("cp /dev/null $F", 0),
        ("dd if=/dev/null of=$F", 0),
        (": > $P", 0),
        ("rm $F", 0),
        ("rm $P", 0),
    ];
    let all: Vec<_> = (0..scripts.len()).map(|i| desk.series(&format!("s{i}"))).collect();
    for (live, (script, code)) in all.iter().zip(scripts) {
        let done = live.bash(script);
        assert_eq!(done.ran.code, Some(code), "{script}: {}", done.ran.err);
        let name = if script.contains("$P") { "live.parquet" } else { "live.csv" };
        let size = live.at(name).metadata().map(|stat| stat.len()).ok();
        assert_eq!(size, if script.starts_with("rm") { None } else { Some(0) }, "{script}");
    }
    within(VEIL + SOON, "the rows are back", || {
        all.iter().all(|live| live.at("live.csv").metadata().is_ok_and(|stat| stat.len() > 0))
    });
    within(SOON, "errors tells of all", || desk.errors().len() == scripts.len());
    let told = desk.errors();
    for (i, (live, (script, _))) in all.iter().zip(scripts).enumerate() {
        live.has(ROWS);
        assert_eq!(live.log().len(), 2, "{script}");
        let name = if script.contains("$P") { "live.parquet" } else { "live.csv" };
        let place = format!(" temp/s{i}/{name}: ");
        assert!(
            told.iter().any(|line| line.contains(&place) && line.ends_with("its rows are back")),
            "{told:#?}"
        );
    }
    desk.end();
}

#[test]
fn what_is_emptied_is_written_again_in_time() {
    let desk = Desk::new();
    let live = desk.series("s");
    live.bash(": > $F; echo 2020-07-01,1 > $F").replaces("bash", A);
    // What is opened while it is empty replaces, even where it only adds.
    live.bash(": > $F; [ $(stat -c %s $F) = 0 ]; echo 2020-07-01,1 >> $F; echo 2020-07-02,2 >> $F")
        .before
        .is_so(AB);
    live.bash(": > $F; cat $F; echo 2020-07-01,1 | tee -a $F >/dev/null").replaces("tee", A);
    desk.end();
}

#[test]
fn a_header_alone_empties_a_series() {
    let desk = Desk::new();
    let live = desk.series("s");
    live.bash("echo timestamp,value > $F").replaces("bash", "");
    assert_eq!(live.csv(), HEADER);
    live.bash("head -n 1 $F > copy; echo 2020-07-01,1 >> copy; cp copy $F").replaces("cp", A);
    desk.end();
}

#[test]
fn a_filter_onto_its_own_file_reads_the_old_rows() {
    let desk = Desk::new();
    let live = desk.series("s");
    live.bash("sed /06-23/d $F > $F").replaces("sed", &ROWS.replace("2020-06-23T00:00:00,24.2\n", ""));
    live.bash("sed s/25.2/25.3/ $F > $F")
        .replaces("sed", "2020-06-22T00:00:00,25.3\n2020-06-24T00:00:00,27.9\n");
    // Some see that it is their own, and refuse.
    let done = live.bash("cat $F > $F");
    assert!(
        done.ran.code == Some(1) && done.ran.err.contains("input file is output file"),
        "{}",
        done.ran.err
    );
    within(VEIL + SOON, "the rows are back", || live.csv().contains("25.3"));
    done.before.is_still_so();
    desk.end();
}

#[test]
fn a_shell_that_may_not_overwrite_does_not() {
    let desk = Desk::new();
    let live = desk.series("s");
    live.bash("set -C; echo 2020-07-01,1 > $F").fails(1, "cannot overwrite existing file");
    live.bash("set -C; echo 2020-07-01,1 >| $F").replaces("bash", A);
    desk.end();
}

#[test]
fn what_children_write_after_their_shell_was_killed_is_kept() {
    let desk = Desk::new();
    let live = desk.series("s");
    let done = live.bash("bash -c 'exec 3>$F; echo 2020-07-01,1 >&3; kill -9 $$'; true");
    let kept = done.refused(0, "", "ended by signal 9").unwrap();
    assert_eq!(desk.mount.text(&format!(".lakota/rejected/{kept}")), "2020-07-01,1\n");
    desk.end();
}
