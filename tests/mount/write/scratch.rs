//! Scratch files: what programs put beside live files is theirs, and never in the store.

use super::{Desk, ROWS};
use crate::sandbox::{files_below, names};

#[test]
fn any_name_and_size_may_lie_beside_live_files() {
    let desk = Desk::new();
    let live = desk.series("s");
    live.bash(
        "cd $D; seq 100000 > big; cksum < big > sum; : > empty; echo x > .hidden; echo y > 'two words'; echo z > $'new\\nline'
         echo w > '%2F'; touch $(printf 'n%.0s' $(seq 255)); mkdir -p a/b/c; echo deep > a/b/c/d; cp -r a a2; mv a/b a/e
         [ \"$(cksum < big)\" = \"$(cat sum)\" ]; cat a/e/c/d a2/b/c/d | grep -c deep | grep -qx 2
         mv big bigger; ln bigger x 2>/dev/null && exit 9; truncate -s 5 bigger; [ $(stat -c %s bigger) = 5 ]
         echo more >> empty; mv -f empty .hidden; rm -r a2; [ \"$(cat .hidden)\" = more ]; chmod 600 bigger; touch -d @1000 bigger
         [ $(stat -c %Y bigger) = 1000 ]; mkfifo f 2>/dev/null && exit 9; rmdir a 2>/dev/null && exit 9; true",
    )
    .does_nothing();
    let listed = names(&live.at(""));
    let long = "n".repeat(255);
    let wanted =
        ["%2F", ".hidden", "a", "bigger", "live.csv", "live.parquet", "new\nline", &long, "sum", "two words"];
    assert_eq!(listed, wanted);
    // They are there again after a remount, and not in the store.
    desk.mount.unmount();
    let again = desk.sandbox.mount_with("hide_revisions");
    assert_eq!(names(&again.at("temp/s")), wanted);
    assert_eq!(again.text("temp/s/.hidden"), "more\n");
    assert_eq!(again.text("temp/s/a/e/c/d"), "deep\n");
    let status: serde_json::Value = serde_json::from_str(&again.text(".lakota/status")).unwrap();
    assert_eq!(status["spool"]["scratch_files"], 8, "{status}");
    for file in files_below(&desk.sandbox.repo()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(4).any(|part| part == b"deep"), "{}", file.display());
    }
    assert_eq!(super::log(&desk.sandbox, "temp/s").len(), 2);
    again.unmount();
}

#[test]
fn scratch_files_are_files() {
    let desk = Desk::new();
    let live = desk.series("s");
    live.python(
        r"
import hashlib, random, tempfile
random.seed(7)
path, want = D + 'x', bytearray()
f = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
for _ in range(400):
    at, n = random.randrange(300000), random.randrange(5000)
    what = random.randrange(10)
    if what == 0:
        size = random.randrange(300000); os.ftruncate(f, size)
        want = want[:size] + bytes(max(0, size - len(want)))
    elif what < 6:
        data = random.randbytes(n); os.pwrite(f, data, at)
        if n: want = want + bytes(max(0, at + n - len(want))); want[at:at + n] = data
    else:
        assert os.pread(f, n, at) == want[at:at + n]
    assert os.fstat(f).st_size == len(want)
os.fsync(f)
assert open(path, 'rb').read() == want
g = os.open(path, os.O_RDONLY); os.unlink(path); assert os.pread(g, 1 << 20, 0) == want
os.close(f); os.close(g)
f = os.open(path, os.O_RDWR | os.O_CREAT); os.ftruncate(f, 100000); m = mmap.mmap(f, 0); m[50000:50005] = b'hello'; m.close(); os.close(f)
assert open(path, 'rb').read() == bytes(50000) + b'hello' + bytes(49995)
a, b = open(path, 'ab'), open(path, 'ab')
a.write(b'1'); a.flush(); b.write(b'2'); b.flush(); a.write(b'3'); a.close(); b.close()
assert open(path, 'rb').read()[-3:] == b'123'
os.rename(path, D + 'y')
with tempfile.TemporaryDirectory(dir=D) as t:
    open(t + '/z', 'w').write('z'); os.rename(t + '/z', D + 'z')
import sqlite3
db = sqlite3.connect(D + 'db'); db.execute('create table t (a)'); db.executemany('insert into t values (?)', [(i,) for i in range(100)]); db.commit()
assert db.execute('select count(*) from t').fetchone() == (100,); db.close()
",
    )
    .does_nothing();
    assert_eq!(names(&live.at("")), ["db", "live.csv", "live.parquet", "y", "z"]);
    live.has(ROWS);
    desk.end();
}

#[test]
fn a_scratch_file_is_only_its_mounts() {
    let desk = Desk::new();
    let live = desk.series("s");
    live.bash("echo mine > $D/note").does_nothing();
    let other = desk.sandbox.mount_at("other", &["-o", "hide_revisions"]);
    assert_eq!(names(&other.at("temp/s")), ["live.csv", "live.parquet"]);
    // But what one mount saves, the other shows.
    live.bash("echo 2020-07-01,1 > $F").went_well();
    crate::tools::within(super::SOON, "the other mount shows it", || {
        other.text("temp/s/live.csv").contains("07-01")
    });
    other.unmount();
    desk.end();
}
