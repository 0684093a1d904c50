//! System calls, by Python: descriptors, forks, syncs, cuts, offsets, maps, and the error numbers of what is refused.

use super::{Desk, HEADER, ROWS, SOON, VEIL};
use crate::tools::within;

const A: &str = "2020-07-01T00:00:00,1.0\n";
const AB: &str = "2020-07-01T00:00:00,1.0\n2020-07-02T00:00:00,2.0\n";

/// Lines as they are written, and what fails with which number.
const START: &str = r"
a, b = b'2020-07-01,1\n', b'2020-07-02,2\n'
W, R, RW, A = os.O_WRONLY | os.O_TRUNC, os.O_RDONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND
def fails(number, act):
    try:
        act()
    except OSError as e:
        assert e.errno == number, f'{errno.errorcode[e.errno]}, not {errno.errorcode[number]}'
    else:
        raise SystemExit('it went well')
def rows():
    with open(F) as f: return f.read().split('\n', 1)[1]
";

fn script(script: &str) -> String {
    format!("{START}{script}")
}

#[test]
fn descriptors_that_are_copied_or_inherited_make_one_revision() {
    let desk = Desk::new();
    let live = desk.series("s");
    let python = |text: &str| live.python(&script(text));
    python("f = os.open(F, W); g = os.dup(f); os.write(f, a); os.close(f); assert rows()[:4] == '2020'\nos.write(g, b); os.close(g); assert rows().count('07-0') == 2")
        .replaces("python3", AB);
    // A child that has what its parent wrote closes first, or last.
    python("f = os.open(F, W); os.write(f, a)\nif os.fork() == 0: os._exit(0)\nos.wait(); assert '07-0' in rows() and '07-02' in rows(); os.close(f); assert '07-02' not in rows()")
        .replaces("python3", A);
    python(
        "r, w = os.pipe(); f = os.open(F, W)\nif os.fork() == 0:\n  os.close(w); os.read(r, 1); os.write(f, b); os._exit(0)\n\
         os.close(f); os.close(r); os.close(w); os.wait()",
    )
    .before
    .is_so(&AB[A.len()..]);
    python("import subprocess\nf = os.open(F, W); os.write(f, a); subprocess.run(['sh', '-c', 'echo 2020-07-02,2'], stdout=f); os.close(f)")
        .replaces("python3", AB);
    python("import threading\nf = os.open(F, W); os.write(f, a)\nt = threading.Thread(target=os.close, args=[f]); t.start(); t.join(); assert '07-02' not in rows()")
        .replaces("python3", A);
    python("import threading\ndef act():\n  f = os.open(F, W); os.write(f, a); os.write(f, b); os.close(f)\nt = threading.Thread(target=act); t.start(); t.join()")
        .replaces("python3", AB);
    desk.end();
}

#[test]
fn a_sync_commits_whole_lines_and_keeps_half_ones() {
    let desk = Desk::new();
    let live = desk.series("s");
    let python = |text: &str| live.python(&script(text));
    python("f = os.open(F, W); os.write(f, a); os.fsync(f); assert rows() == '2020-07-01T00:00:00,1.0\\n', rows(); os.close(f)")
        .replaces("python3", A);
    python("f = os.open(F, W); os.write(f, a + b[:6]); os.fsync(f); assert '07-02' not in rows(); os.write(f, b[6:]); os.close(f)")
        .replaces("python3", AB);
    // Each sync of whole lines is a revision; the last close adds none.
    let done = python(
        "f = os.open(F, A)\nfor i in b'345': os.write(f, b'2020-07-0%c,%c\\n' % (i, i)); os.fsync(f)\nos.close(f)",
    );
    done.went_well();
    assert_eq!(live.log().len(), done.before.revisions + 3);
    let five = format!("{AB}2020-07-03T00:00:00,3.0\n2020-07-04T00:00:00,4.0\n2020-07-05T00:00:00,5.0\n");
    live.has(&five);
    // A refused one keeps what is written, and what follows mends it.
    let done = python(
        "f = os.open(F, W); os.write(f, b'2020-07-01,x\\n'); fails(errno.EINVAL, lambda: os.fsync(f)); os.ftruncate(f, 0); os.lseek(f, 0, 0); os.write(f, a); os.close(f)",
    );
    assert_eq!(done.ran.code, Some(0), "{}", done.ran.err);
    assert!(
        done.before.told().iter().all(|line| line.contains("\"x\" is not a float")),
        "{:?}",
        done.before.told()
    );
    done.before.one_revision("replace live.csv", "python3", A);
    desk.end();
}

#[test]
fn the_same_descriptor_goes_on_after_a_commit() {
    let desk = Desk::new();
    let live = desk.series("s");
    let python = |text: &str| live.python(&script(text));
    let done = python("f = os.open(F, W); os.write(f, a); os.fsync(f); os.write(f, b); os.close(f)");
    done.went_well();
    assert_eq!(live.log().len(), done.before.revisions + 2);
    live.has(AB);
    let done = python(
        "f = os.open(F, W); os.write(f, b); os.fsync(f); os.lseek(f, 0, 0); os.ftruncate(f, 0); os.write(f, a); os.close(f)",
    );
    done.went_well();
    live.has(A);
    desk.end();
}

#[test]
fn cuts_and_offsets_make_new_content() {
    let desk = Desk::new();
    let live = desk.series("s");
    let python = |text: &str| live.python(&script(text));
    let line = "2020-06-22T00:00:00,25.2\n".len();
    let two = &ROWS[..2 * line];
    python(&format!("os.truncate(F, {})", HEADER.len() + 2 * line)).replaces("python3", two);
    python(&format!("f = os.open(F, RW); os.ftruncate(f, {}); os.close(f)", HEADER.len() + line))
        .replaces("python3", &ROWS[..line]);
    python("f = os.open(F, RW); os.lseek(f, 0, 2); os.write(f, a); os.close(f)")
        .replaces("python3", &format!("{}{A}", &ROWS[..line]));
    python(&format!("f = os.open(F, RW); os.pwrite(f, b'26.1', {}); os.close(f)", HEADER.len() + line - 5))
        .replaces("python3", &format!("{}{A}", ROWS[..line].replace("25.2", "26.1")));
    python("f = os.open(F, RW); t = b'timestamp,value\\n' + b; os.pwrite(f, t, 0); os.ftruncate(f, len(t)); os.close(f)")
        .replaces("python3", &AB[A.len()..]);
    // Backwards, in two pieces.
    python("f = os.open(F, W); os.pwrite(f, b, len(a)); os.pwrite(f, a, 0); os.close(f)")
        .replaces("python3", AB);
    desk.end();
}

#[test]
fn holes_are_refused() {
    let desk = Desk::new();
    let live = desk.series("s");
    let python = |text: &str| live.python(&script(text));
    for text in [
        "f = os.open(F, W); os.pwrite(f, a, 100); fails(errno.EINVAL, lambda: os.close(f)); sys.exit(9)",
        "f = os.open(F, W); os.write(f, a); os.ftruncate(f, 100); fails(errno.EINVAL, lambda: os.close(f)); sys.exit(9)",
        "fails(errno.EINVAL, lambda: os.truncate(F, 10000)); sys.exit(9)",
        "f = os.open(F, W); os.write(f, a); os.posix_fallocate(f, 0, 500); fails(errno.EINVAL, lambda: os.close(f)); sys.exit(9)",
    ] {
        assert!(python(text).refused(9, "", "line ").is_some(), "{text}");
    }
    desk.end();
}

#[test]
fn appending_adds_however_it_is_asked_for() {
    let desk = Desk::new();
    let live = desk.series("s");
    let python = |text: &str| live.python(&script(text));
    python("f = os.open(F, A); os.write(f, a); os.close(f)").appends("python3", &format!("{ROWS}{A}"));
    python("f = os.open(F, os.O_WRONLY); fcntl.fcntl(f, fcntl.F_SETFL, os.O_APPEND); os.write(f, b); os.close(f)")
        .appends("python3", &format!("{ROWS}{AB}"));
    python("f = open(F, 'a'); f.write('2020-07-03,3\\n'); f.close()")
        .appends("python3", &format!("{ROWS}{AB}2020-07-03T00:00:00,3.0\n"));
    python("f = open(F, 'a+'); f.seek(0); t = f.read(); assert t.endswith('3.0\\n'), t; f.write('2020-07-03,4\\n'); f.close()")
        .appends("python3", &format!("{ROWS}{AB}2020-07-03T00:00:00,4.0\n"));
    // With a header, columns may come in another order.
    python("f = open(F, 'a'); f.write('value,timestamp\\n5,2020-07-03\\n'); f.close()")
        .appends("python3", &format!("{ROWS}{AB}2020-07-03T00:00:00,5.0\n"));
    desk.end();
}

#[test]
fn what_is_written_reads_back_before_the_close() {
    let desk = Desk::new();
    let live = desk.series("s");
    let python = |text: &str| live.python(&script(text));
    python("f = os.open(F, RW | os.O_TRUNC); os.write(f, a); assert os.pread(f, 100, 0) == a; assert os.fstat(f).st_size == len(a); os.write(f, b); assert os.pread(f, 100, 4) == (a + b)[4:]; os.close(f)")
        .replaces("python3", AB);
    // Also parts that were not written: the old bytes, and those that were added behind them.
    python("f = os.open(F, RW); old = os.pread(f, 1000, 0); assert old.startswith(b'timestamp,value\\n2020-07-01T00'); os.pwrite(f, b'3', 36); assert os.pread(f, 1000, 0) == old[:36] + b'3' + old[37:]; os.close(f)")
        .replaces("python3", &AB.replace(",1.0", ",3.0"));
    python("f = os.open(F, os.O_RDWR | os.O_APPEND); old = os.pread(f, 1000, 0); n = len(old); os.write(f, b'2020-07-02,4\\n'); assert os.pread(f, 1000, 0) == old + b'2020-07-02,4\\n'; assert os.pread(f, 8, n - 4) == (old[-4:] + b'2020'); assert os.fstat(f).st_size == n + 13; os.close(f)")
        .appends("python3", &AB.replace(",1.0", ",3.0").replace(",2.0", ",4.0"));
    python("f = os.open(F, RW | os.O_TRUNC); os.write(f, a * 1); m = mmap.mmap(f, 0, prot=mmap.PROT_READ); assert m[:] == a; m.close(); os.close(f)")
        .replaces("python3", A);
    desk.end();
}

#[test]
fn a_shared_map_commits_when_it_goes() {
    let desk = Desk::new();
    let live = desk.series("s");
    let python = |text: &str| live.python(&script(text));
    python("f = os.open(F, RW); m = mmap.mmap(f, 0); os.close(f); i = m.find(b'24.2'); m[i:i+4] = b'24.9'; m.close()")
        .replaces("python3", &ROWS.replace("24.2", "24.9"));
    python("f = os.open(F, RW); m = mmap.mmap(f, 0); i = m.find(b'24.9'); m[i:i+4] = b'24.2'; m.flush(); m.close(); os.close(f)")
        .replaces("python3", ROWS);
    // What cannot be is told by errors alone.
    let done = python(
        "f = os.open(F, RW); m = mmap.mmap(f, 0); os.close(f); i = m.find(b'24.2'); m[i:i+4] = b'what'; m.close()",
    );
    done.refused(0, "", "\"what\" is not a float");
    desk.end();
}

#[test]
fn readers_keep_what_they_opened() {
    let desk = Desk::new();
    let live = desk.series("s");
    let python = |text: &str| live.python(&script(text));
    python("g = open(F, 'rb', buffering=0); old = g.read(20); m = mmap.mmap(g.fileno(), 0, prot=mmap.PROT_READ); all = m[:]\n\
            f = os.open(F, W); assert os.pread(g.fileno(), 1000, 0) == all; os.write(f, a); assert open(F, 'rb').read() == all; os.close(f)\n\
            assert os.pread(g.fileno(), 1000, 0) == all and m[:] == all and os.fstat(g.fileno()).st_size == len(all); assert g.read() == all[20:]; assert rows().startswith('2020-07-01')")
        .replaces("python3", A);
    let done = python(
        "g = open(F, 'rb', buffering=0); f = os.open(F, W); os.write(f, b'2020-07-01,x\\n'); fails(errno.EINVAL, lambda: os.close(f)); assert b'x' not in g.read(); assert 'x' not in rows(); assert os.stat(F).st_size == len(open(F).read())",
    );
    done.refused(0, "", "\"x\" is not a float");
    desk.end();
}

#[test]
fn owners_permissions_and_times_may_be_set_and_stay() {
    let desk = Desk::new();
    let live = desk.series("s");
    live.python(&script(
        "was = os.stat(F); os.chmod(F, 0o600); os.chown(F, 12, 34); os.utime(F, (1, 2)); os.chmod(D, 0o700); os.utime(D)\n\
         assert os.stat(F) == was, (was, os.stat(F)); os.chmod(M + '/temp', 0o700); os.access(F, os.W_OK)",
    ))
    .does_nothing();
    desk.end();
}

#[test]
fn copies_by_the_kernel_are_rows() {
    let desk = Desk::new();
    let live = desk.series("s");
    let python = |text: &str| live.python(&script(text));
    python("open('a.csv', 'wb').write(a)\ng = os.open('a.csv', R); f = os.open(F, W)\ntry: n = os.copy_file_range(g, f, 100)\nexcept OSError: n = os.sendfile(f, g, 0, 100)\nassert n == len(a); os.close(f)")
        .replaces("python3", A);
    python("import shutil; open('ab.csv', 'wb').write(a + b); shutil.copyfile('ab.csv', F)")
        .replaces("python3", AB);
    python("import shutil; open('ab.csv', 'wb').write(a); shutil.copy2('ab.csv', F)").replaces("python3", A);
    python("import shutil; open('ab.csv', 'wb').write(a + b); shutil.move('ab.csv', F); assert not os.path.exists('ab.csv')")
        .replaces("python3", AB);
    python("f = os.open(F, W); os.posix_fallocate(f, 0, len(a)); os.pwrite(f, a, 0); os.close(f)")
        .replaces("python3", A);
    python("f = os.open(F, W); os.writev(f, [a, b]); os.close(f)").replaces("python3", AB);
    python("f = os.open(F, os.O_WRONLY | os.O_TRUNC | os.O_SYNC); os.write(f, a); os.close(f)")
        .before
        .is_so(A);
    python("f = os.open(F, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666); os.write(f, b'\\xef\\xbb\\xbf' + a + b); os.close(f)")
        .replaces("python3", AB);
    desk.end();
}

/// As editors compare them, to tell their own saves from those of others.
#[test]
fn a_descriptor_shows_what_its_name_shows_once_it_is_saved() {
    let desk = Desk::new();
    let live = desk.series("s");
    let same = "
def same(f, path):
    own, named = os.fstat(f), os.stat(path)
    assert (own.st_mtime_ns, own.st_ctime_ns, own.st_ino) == (named.st_mtime_ns, named.st_ctime_ns, named.st_ino), (own, named)
    return own
for i in range(3):
    f = os.open(F, os.O_WRONLY | os.O_TRUNC); os.write(f, b'2020-07-01,%d\\n' % i); os.fsync(f)
    saved = same(f, F); os.close(f)
    # Opened again, it is what it was saved as: emacs looks.
    f = os.open(F, os.O_WRONLY); again = same(f, F); os.close(f)
    assert (again.st_ino, again.st_mtime_ns) == (saved.st_ino, saved.st_mtime_ns)
    assert again.st_size == os.stat(F).st_size == len(open(F, 'rb').read())
f = os.open(F, os.O_WRONLY | os.O_APPEND)
for i in range(3):
    os.write(f, b'2020-07-0%d,1\\n' % (i + 2)); os.fsync(f); same(f, F)
os.close(f)
rows = open(P, 'rb').read(); open(F, 'w').write('2020-07-09,1\\n')
f = os.open(P, os.O_RDWR | os.O_TRUNC); os.write(f, rows); os.fsync(f); same(f, P)
m = mmap.mmap(f, 0); m.flush(); same(f, P); m.close(); os.close(f)
f = os.open(D + 'new', os.O_WRONLY | os.O_CREAT); os.write(f, b'2020-07-09,2\\n'); os.rename(D + 'new', F); os.fsync(f)
assert os.fstat(f).st_mtime_ns == os.stat(F).st_mtime_ns; os.close(f)
";
    live.python(same).went_well();
    live.has("2020-07-09T00:00:00,2.0\n");
    desk.end();
}

#[test]
fn unlinked_and_created_again_is_replaced() {
    let desk = Desk::new();
    let live = desk.series("s");
    let python = |text: &str| live.python(&script(text));
    python("os.unlink(F); fails(errno.ENOENT, lambda: os.stat(F)); fails(errno.ENOENT, lambda: open(F)); assert os.path.exists(P); f = os.open(F, os.O_WRONLY | os.O_CREAT | os.O_EXCL); os.write(f, a); os.close(f)")
        .replaces("python3", A);
    python("f = open(F, 'rb'); os.unlink(F); old = f.read(); assert old.endswith(b'1.0\\n'); open(F, 'wb').write(old + b)")
        .replaces("python3", AB);
    let done = python("os.unlink(F); os.rename(D + 'missing', F)");
    assert!(done.ran.code == Some(1) && done.ran.err.contains("FileNotFoundError"), "{}", done.ran.err);
    within(VEIL + SOON, "the rows are back", || live.at("live.csv").exists());
    done.before.is_still_so();
    desk.end();
}
