//! What is not done here says so by its error number, and changes nothing.

use super::{Desk, ROWS};

/// Tries each, and prints those that end in another way.
const ALL: &str = r"
import ctypes, shutil
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *words):
    if getattr(libc, name)(*words) < 0:
        raise OSError(ctypes.get_errno(), name)
def rename2(a, b, flags): call('renameat2', -100, a.encode(), -100, b.encode(), flags)
x = D + 'x'
open(x, 'w').write('x')
for act, number in [
    (lambda: rename2(x, F, 1), errno.EEXIST),
    (lambda: rename2(x, F, 2), errno.EINVAL),
    (lambda: rename2(F, P, 2), errno.EINVAL),
    (lambda: os.rename(F, P), errno.EPERM),
    (lambda: os.link(F, D + 'hard'), errno.EPERM),
    (lambda: os.link(x, D + 'hard'), errno.EPERM),
    (lambda: os.symlink('x', D + 'soft'), errno.EPERM),
    (lambda: os.symlink('x', M + '/soft'), errno.EPERM),
    (lambda: os.mkfifo(D + 'fifo'), errno.EPERM),
    (lambda: os.mknod(D + 'device', 0o20600, 5), errno.EPERM),
    (lambda: open(M + '/file', 'w'), errno.EPERM),
    (lambda: open(M + '/temp/file', 'w'), errno.EPERM),
    (lambda: os.rename(x, M + '/temp/file'), errno.EPERM),
    (lambda: os.mkdir(M + '/.Trash-1000'), errno.EPERM),
    (lambda: os.mkdir(M + '/temp/.hidden'), errno.EPERM),
    (lambda: open(D + 'latest/data.csv', 'w'), errno.EROFS),
    (lambda: open(D + 'latest/data.csv', 'a'), errno.EROFS),
    (lambda: open(D + 'latest/data.parquet', 'r+'), errno.EROFS),
    (lambda: os.truncate(D + 'latest/data.csv', 0), errno.EROFS),
    (lambda: open(D + 'at/~0/data.csv', 'w'), errno.EROFS),
    (lambda: open(D + 'latest/new', 'w'), errno.EROFS),
    (lambda: open(D + 'revisions/new', 'w'), errno.EROFS),
    (lambda: os.mkdir(D + 'revisions/new'), errno.EROFS),
    (lambda: os.mkdir(D + 'at/new'), errno.EROFS),
    (lambda: os.unlink(D + 'latest/data.csv'), errno.EROFS),
    (lambda: os.unlink(D + 'latest'), errno.EROFS),
    (lambda: os.rmdir(D + 'revisions'), errno.EROFS),
    (lambda: os.rename(D + 'latest', D + 'l'), errno.EROFS),
    (lambda: os.rename(x, D + 'latest'), errno.EROFS),
    (lambda: os.rename(x, D + 'revisions/x'), errno.EROFS),
    (lambda: os.rename(D + 'latest/data.csv', D + 'y'), errno.EROFS),
    (lambda: open(M + '/.lakota/new', 'w'), errno.EROFS),
    (lambda: os.unlink(M + '/.lakota/errors'), errno.EROFS),
    (lambda: os.mkdir(M + '/.lakota/x'), errno.EROFS),
    (lambda: open(P, 'ab'), errno.EOPNOTSUPP),
    (lambda: os.rename(x, M + '/temp/t/x'), errno.EXDEV),
    (lambda: os.rename(F, M + '/temp/t/live.csv'), errno.EXDEV),
    (lambda: os.rmdir(M + '/temp/s'), errno.ENOTEMPTY),
    (lambda: os.rmdir(M + '/temp'), errno.ENOTEMPTY),
    (lambda: os.unlink(M + '/temp/s'), errno.EISDIR),
    (lambda: os.rmdir(F), errno.ENOTDIR),
    (lambda: os.open(F, os.O_CREAT | os.O_EXCL | os.O_WRONLY), errno.EEXIST),
    (lambda: os.open(D, os.O_TMPFILE | os.O_RDWR), errno.EOPNOTSUPP),
    (lambda: os.setxattr(F, 'user.a', b'b'), errno.EOPNOTSUPP),
    (lambda: os.getxattr(F, 'user.a'), errno.EOPNOTSUPP),
    (lambda: os.mkdir(M + '/temp/s'), errno.EEXIST),
    (lambda: os.mkdir(F), errno.EEXIST),
]:
    try:
        act()
        got = 0
    except OSError as e:
        got = e.errno
    if got != number:
        print(act.__code__.co_firstlineno, act.__code__.co_consts, act.__code__.co_names, errno.errorcode.get(got, 'went well'), 'not', errno.errorcode[number])
os.unlink(x)
";

#[test]
fn what_is_not_done_here_says_so_by_its_number() {
    let desk = Desk::new();
    let live = desk.series("s");
    let other = desk.series("t");
    let done = live.python(ALL);
    assert_eq!((done.ran.code, done.ran.out.as_str(), done.ran.err.as_str()), (Some(0), "", ""));
    done.before.is_still_so();
    other.has(ROWS);
    assert_eq!(other.log().len(), 2);
    desk.end();
}
