//! Live files that are opened again without their name, by a descriptor or a bind mount of one file.

use super::{Desk, ROWS};
use crate::tools::{is_root, limited, run};

#[test]
fn a_descriptor_that_only_finds_is_opened_to_write() {
    let desk = Desk::new();
    let live = desk.series("s");
    let script = r"
def again(how, name='live.csv'):
    found = os.open(D + name, os.O_PATH); f = os.open(f'/proc/self/fd/{found}', how); os.close(found); return f
def rows(): return [line.split(',')[1] for line in open(F).read().split('\n')[1:-1]]
# Added.
f = again(os.O_WRONLY | os.O_APPEND); os.write(f, b'2020-07-01,1\n'); os.write(f, b'2020-07-02,2\n'); assert len(rows()) == 3
os.close(f); assert rows()[3:] == ['1.0', '2.0'], rows()
# All of it, and what is read back is what was written.
f = again(os.O_RDWR | os.O_TRUNC); os.write(f, b'timestamp,value\n2020-06-22,1\n'); assert os.pread(f, 100, 10) == b'value\n2020-06-22,1\n'
assert len(rows()) == 5; os.close(f); assert rows() == ['1.0'], rows()
# Longer than what was there.
f = again(os.O_RDWR); assert os.read(f, 1000) == open(F, 'rb').read()
os.ftruncate(f, 0); text = ''.join(f'{1600 + i}-01-01,{i}\n' for i in range(400)).encode()
os.pwrite(f, b'timestamp,value\n', 0); os.pwrite(f, text, 16); assert rows() == ['1.0']; os.fsync(f); assert len(rows()) == 400
os.pwrite(f, b'timestamp,value\n1600-01-01,7\n', 0); os.ftruncate(f, 29); os.close(f); assert rows() == ['7.0'], rows()
# By /dev/fd, by size alone, and refused.
g = os.open(F, os.O_PATH); open(f'/dev/fd/{g}', 'a').write('1601-01-01,8\n'); assert rows() == ['7.0', '8.0']
g = os.open(F, os.O_PATH); os.truncate(f'/proc/self/fd/{g}', len(open(F).read().rsplit('\n', 2)[0]) + 1); assert rows() == ['7.0'], rows()
f = again(os.O_WRONLY | os.O_TRUNC); os.write(f, b'timestamp,value\n1601-01-01,x\n')
try: os.close(f); sys.exit('rows that are none are saved')
except OSError as e: assert e.errno == errno.EINVAL, e
assert rows() == ['7.0']
parquet = open(P, 'rb').read(); f = again(os.O_WRONLY | os.O_TRUNC, 'live.parquet'); os.write(f, parquet); os.close(f)
assert open(P, 'rb').read() == parquet and rows() == ['7.0']
";
    let done = live.python(script);
    assert_eq!(done.ran.code, Some(0), "{}", done.ran.err);
    assert_eq!(done.before.told().len(), 1);
    live.has("1600-01-01T00:00:00,7.0\n");
    desk.end();
}

#[test]
fn files_of_revisions_are_not_written_by_a_descriptor() {
    let desk = Desk::new();
    let live = desk.series("s");
    let script = r"
for name in ('latest/data.csv', 'at/~0/data.csv'):
    found = os.open(D + name, os.O_PATH)
    for how in (os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND):
        try: os.open(f'/proc/self/fd/{found}', how); sys.exit('written')
        except OSError as e: assert e.errno == errno.EROFS, e
    os.close(found)
# The live file has the same inode, and is one by its name.
other = os.open(F, os.O_PATH); assert os.fstat(other).st_ino == os.stat(D + 'latest/data.csv').st_ino
f = os.open(f'/proc/self/fd/{other}', os.O_WRONLY | os.O_APPEND); os.write(f, b'2020-07-01,1\n'); os.close(f)
";
    let done = live.python(script);
    assert_eq!(done.ran.code, Some(0), "{}", done.ran.err);
    live.has(&format!("{ROWS}2020-07-01T00:00:00,1.0\n"));
    desk.end();
}

#[test]
fn readers_keep_their_revision_while_its_inode_is_written() {
    let desk = Desk::new();
    let live = desk.series("s");
    let script = r"
old = open(F, 'rb').read(); size = len(old); found = os.open(F, os.O_PATH); path = f'/proc/self/fd/{found}'
# Who reads by that inode already would see zeros where it grows.
def map_of(name):
    with open(name, 'rb') as f: return mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
for make in (lambda: open(F, 'rb'), lambda: map_of(F)):
    reader = make()
    for how in (os.O_RDWR, os.O_WRONLY | os.O_TRUNC):
        try: os.open(path, how); sys.exit('opened')
        except OSError as e: assert e.errno == errno.ETXTBSY, e
    assert reader[:] == old if isinstance(reader, mmap.mmap) else reader.read() == old
    reader.close()
f = os.open(path, os.O_RDWR); by_name, by_inode = open(F, 'rb'), open(path, 'rb'); mapped = mmap.mmap(by_name.fileno(), 0, prot=mmap.PROT_READ)
def look():
    assert os.stat(F).st_size == size == os.fstat(by_name.fileno()).st_size
    assert open(F, 'rb').read() == old and mapped[:] == old
    for reader in (by_name, by_inode):
        assert os.pread(reader.fileno(), 1 << 17, 0) == old and os.pread(reader.fileno(), 100, size - 50) == old[-50:]
        assert os.pread(reader.fileno(), 100, size) == b''
for i in range(300):
    os.pwrite(f, b'2020-07-01,1\n' * 50, size + i * 650)
    if i % 3 == 0: assert os.fstat(by_inode.fileno()).st_size == size
    look()
os.ftruncate(f, 0); look(); os.pwrite(f, b'timestamp,value\n2020-06-22,1\n', 0); look()
try: mmap.mmap(f, 10, flags=mmap.MAP_SHARED); sys.exit('mapped')
except OSError as e: assert e.errno == errno.ENODEV, e
os.close(f); assert open(F).read() == 'timestamp,value\n2020-06-22T00:00:00,1.0\n' and mapped[:] == old
# Cut by its open, with a reader of the inode beside it that does without pages.
g = os.open(path, os.O_WRONLY | os.O_TRUNC); assert os.pread(by_inode.fileno(), 1 << 17, 0) == old
os.write(g, old); os.close(g); assert open(F, 'rb').read() == old
";
    let done = live.python(script);
    assert_eq!(done.ran.code, Some(0), "{}", done.ran.err);
    live.has(ROWS);
    desk.end();
}

#[test]
fn a_bind_mount_of_a_live_file_is_written() {
    if !is_root() {
        eprintln!("not root: no bind mounts");
        return;
    }
    let desk = Desk::new();
    let live = desk.series("s");
    let bound = desk.sandbox.path("bound.csv");
    std::fs::write(&bound, "").unwrap();
    run(limited("mount").arg("--bind").arg(live.at("live.csv")).arg(&bound), "").ok();
    let first = live.bash(
        "set -e; echo 2020-07-01,1 >> bound.csv; echo 2020-07-02,2 >> bound.csv; test \"$(stat -c %s bound.csv)\" = \"$(cat bound.csv | wc -c)\"",
    );
    let rows = live.csv();
    // A change of what the bind mount shows, which is the revision that was bound.
    let second = live.bash("sed s/25.2/1/ bound.csv > new && cp new bound.csv");
    let changed = live.csv();
    // What says the same as that becomes the rows.
    let third = live.bash("cat bound.csv > new && cp new bound.csv");
    let restored = live.csv();
    run(limited("umount").arg(&bound), "").ok();
    assert_eq!(first.ran.code, Some(0), "{}", first.ran.err);
    assert_eq!(second.ran.code, Some(0), "{}", second.ran.err);
    assert_eq!(third.ran.code, Some(0), "{}", third.ran.err);
    assert_eq!(restored, format!("{}{ROWS}", super::HEADER));
    let added = "2020-07-01T00:00:00,1.0\n2020-07-02T00:00:00,2.0\n";
    assert_eq!(rows, format!("{}{ROWS}{added}", super::HEADER));
    assert_eq!(changed, rows.replace("25.2", "1.0"));
    desk.end();
}
