//! Editors, by scripts and by a terminal made of Python.

use super::{Desk, Live, ROWS};
use crate::sandbox::names;
use crate::tools::needs;

fn corrected() -> String {
    ROWS.replace("24.2", "24.3")
}

/// Runs an editor in a terminal: after each wait for words on the screen, keys.
fn typed(words: &str, keys: &[(&str, &str)]) -> String {
    format!(
        r"
import pty, select, signal
pid, fd = pty.fork()
if pid == 0:
    os.environ['TERM'] = 'xterm'
    os.execvp({words}[0], {words})
screen = b''
def until(text):
    global screen
    end = time.monotonic() + 20
    while text not in screen:
        assert time.monotonic() < end, (text, screen)
        if select.select([fd], [], [], 0.2)[0]:
            try: screen += os.read(fd, 4096)
            except OSError: break
for text, keys in {keys:?}:
    until(text.encode()); screen = b''; os.write(fd, keys.encode().decode('unicode_escape').encode())
try:
    while os.read(fd, 4096): pass
except OSError: pass
assert os.waitpid(pid, 0)[1] == 0
",
        keys = keys.iter().map(|(text, keys)| vec![*text, *keys]).collect::<Vec<_>>(),
    )
}

/// Nothing is left beside the live files.
#[track_caller]
fn is_clean(live: &Live<'_>) {
    assert_eq!(names(&live.at("")), ["live.csv", "live.parquet"]);
}

#[test]
fn vim_saves_in_each_of_its_ways() {
    needs("vim");
    let desk = Desk::new();
    let live = desk.series("s");
    let ways = [
        "",
        "set backupcopy=yes",
        "set backupcopy=no",
        "set nowritebackup",
        "set backupcopy=yes backup backupdir=.",
        "set backupcopy=no backup backupdir=. backupext=.old",
        "set noswapfile nofsync",
    ];
    for (i, way) in ways.iter().enumerate() {
        let (from, to, rows) =
            if i % 2 == 0 { ("24.2", "24.3", corrected()) } else { ("24.3", "24.2", ROWS.to_owned()) };
        let script = format!("vim -Nu NONE -es -c '{way}' -c '%s/{from}/{to}/' -c 'wq' $F </dev/null");
        live.bash(&script).replaces("vim|vim.basic|vim.tiny|vi", &rows);
        live.bash("rm -f $F~ $F.old").does_nothing();
        is_clean(&live);
    }
    // Nothing changed is nothing saved.
    live.bash("vim -Nu NONE -es -c 'w!' -c 'q' $F </dev/null").does_nothing();
    desk.end();
}

#[test]
fn vim_is_told_what_is_refused_and_keeps_its_text() {
    needs("vim");
    let desk = Desk::new();
    let live = desk.series("s");
    let done = live.bash(
        "vim -Nu NONE -es -c '%s/24.2/what/' -c 'redir! > said' -c 'silent! w' -c 'redir END' \
         -c '%s/what/24.3/' -c 'w! kept.txt' -c 'q!' $F </dev/null; cat said kept.txt",
    );
    assert!(done.ran.out.contains("24.3"), "{}{}", done.ran.out, done.ran.err);
    assert!(
        done.before.told().iter().any(|line| line.contains("\"what\" is not a float")),
        "{:?}",
        done.before.told()
    );
    done.before.is_still_so();
    desk.end();
}

#[test]
fn vim_in_a_terminal_leaves_a_swap_file_only_while_it_runs() {
    needs("vim");
    let desk = Desk::new();
    let live = desk.series("s");
    let keys = [("24.2", ":%s/24.2/24.3/\\r"), ("24.3", ":wq\\r")];
    live.python(&typed("['vim', '-Nu', 'NONE', F]", &keys)).replaces("vim|vim.basic", &corrected());
    is_clean(&live);
    desk.end();
}

#[test]
fn nano_saves() {
    needs("nano");
    let desk = Desk::new();
    let live = desk.series("s");
    // Behind the last line, save, leave; then with a backup.
    let keys = [("24.2", "\\x1b/2020-07-01,1"), ("07-01,1", "\\x0f"), ("Write", "\\r"), ("Wrote", "\\x18")];
    live.python(&typed("['nano', '--ignorercfiles', F]", &keys))
        .replaces("nano", &format!("{ROWS}2020-07-01T00:00:00,1.0\n"));
    let keys = [("24.2", "\\x1b/2020-07-02,2"), ("07-02,2", "\\x0f"), ("Write", "\\r"), ("Wrote", "\\x18")];
    live.python(&typed("['nano', '--ignorercfiles', '--backup', F]", &keys))
        .replaces("nano", &format!("{ROWS}2020-07-01T00:00:00,1.0\n2020-07-02T00:00:00,2.0\n"));
    live.bash("rm $F~").does_nothing();
    is_clean(&live);
    desk.end();
}

#[test]
fn ed_and_ex_save() {
    needs("ed");
    let desk = Desk::new();
    let live = desk.series("s");
    live.bash("printf '%s\\n' 's/27.9/28.1/' w q | ed -s $F").replaces("ed", &ROWS.replace("27.9", "28.1"));
    live.bash("printf '%s\\n' 2d w q | ed -s $F")
        .replaces("ed", &ROWS.replace("27.9", "28.1").replace("2020-06-22T00:00:00,25.2\n", ""));
    live.bash("printf '%s\\n' a 2020-07-01,1 . w q | ed -s $F")
        .replaces("ed", "2020-06-23T00:00:00,24.2\n2020-06-24T00:00:00,28.1\n2020-07-01T00:00:00,1.0\n");
    desk.end();
}

#[test]
fn an_editor_that_moves_the_file_away_and_makes_it_anew() {
    let desk = Desk::new();
    let live = desk.series("s");
    let fixed = corrected();
    // As Emacs does: the old file becomes the backup.
    live.bash(&format!("mv $F $F~; printf '%s' '{fixed}' > $F; cat $F~")).replaces("bash", &fixed);
    assert_eq!(crate::sandbox::text(&live.at("live.csv~")), format!("{}{ROWS}", super::HEADER));
    // As office programs do: written beside, the old one moved away, the new one moved there.
    live.bash("sed s/24.3/24.2/ $F > $D/.~lock; mv $F $D/old.tmp; mv $D/.~lock $F; rm $D/old.tmp $F~")
        .replaces("mv", ROWS);
    // As gedit, Kate and others do: a file beside it, synced, moved over it.
    live.python(&format!(
        "t = D + '.goutputstream-X'; f = open(t, 'w'); f.write({fixed:?}); f.flush(); os.fsync(f.fileno()); f.close(); os.chmod(t, 0o644); os.rename(t, F)"
    ))
    .replaces("python3", &fixed);
    // Moved while it is still open, and written on.
    live.python("t = D + 't'; f = open(t, 'w'); f.write('2020-07-01,1\\n'); f.flush(); os.rename(t, F); f.write('2020-07-02,2\\n'); f.close()")
        .before
        .is_so("2020-07-01T00:00:00,1.0\n2020-07-02T00:00:00,2.0\n");
    is_clean(&live);
    desk.end();
}
