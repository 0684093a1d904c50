//! Locks: who has one of a live file keeps all others out, and they see what was saved under it.

use super::{Desk, HEADER, Live, ROWS, SOON};
use crate::tools::{Beside, within};

/// Processes, and what each adds up, one by one. `LAKOTA_LOCK_ROUNDS` asks for more.
fn rounds() -> (u32, u32) {
    let rounds = std::env::var("LAKOTA_LOCK_ROUNDS").ok().and_then(|text| text.parse().ok());
    (4, rounds.unwrap_or(25))
}

/// Python for a process that adds 1 to the only row `N` times under a lock; `lock(f)` takes it.
const ADD: &str = "
import multiprocessing
def value(text): return float(text.split('\\n')[1].split(',')[1])
def add(f):
    text = f.read(); header, row = text.split('\\n')[:2]; time = row.split(',')[0]
    f.seek(0); f.truncate(); f.write(f'{header}\\n{time},{value(text) + 1}\\n')
def all(count, act):
    bad = multiprocessing.Value('i', 0)
    def run():
        try: act()
        except BaseException:
            import traceback; traceback.print_exc(); bad.value = 1
    them = [multiprocessing.Process(target=run) for _ in range(count)]
    for t in them: t.start()
    for t in them: t.join()
    assert not bad.value
open(F, 'w').write('timestamp,value\\n2020-06-22,0\\n')
";

#[track_caller]
fn adds_up(live: &Live<'_>, once: &str) {
    let (processes, each) = rounds();
    let script = format!("{ADD}\ndef act():\n    for _ in range({each}):\n{once}\nall({processes}, act)");
    let done = live.python(&script);
    assert_eq!(done.ran.code, Some(0), "{}", done.ran.err);
    let total = processes * each;
    assert_eq!(live.csv(), format!("{HEADER}2020-06-22T00:00:00,{total}.0\n"), "{once}");
}

#[test]
fn updates_under_flock_are_not_lost() {
    let desk = Desk::new();
    let live = desk.series("s");
    adds_up(&live, "        f = open(F, 'r+'); fcntl.flock(f, fcntl.LOCK_EX); add(f); f.close()");
    // Given up before the close.
    adds_up(
        &live,
        "        f = open(F, 'r+'); fcntl.flock(f, fcntl.LOCK_EX); add(f); f.flush(); fcntl.flock(f, fcntl.LOCK_UN); f.close()",
    );
    desk.end();
}

#[test]
fn updates_under_lockf_are_not_lost() {
    let desk = Desk::new();
    let live = desk.series("s");
    adds_up(&live, "        f = open(F, 'r+'); fcntl.lockf(f, fcntl.LOCK_EX); add(f); f.close()");
    adds_up(
        &live,
        "        f = open(F, 'r+'); fcntl.lockf(f, fcntl.LOCK_EX); add(f); f.flush(); fcntl.lockf(f, fcntl.LOCK_UN); f.close()",
    );
    desk.end();
}

#[test]
fn updates_of_programs_under_flock_1_are_not_lost() {
    let desk = Desk::new();
    let live = desk.series("s");
    let script = r#"
printf 'timestamp,value\n2020-06-22,0\n' > $F
add() { v=$(tail -n 1 $F | cut -d, -f2); printf 'timestamp,value\n2020-06-22,%s\n' $((${v%.*} + 1)) > $F; }
export -f add
for p in 1 2 3; do (for i in 1 2 3 4; do flock $F bash -c add || exit; done) & done
for p in 1 2 3; do (for i in 1 2 3 4; do (flock 9; add) 9<$F; done) & done
for p in 1 2; do (for i in 1 2 3 4; do (flock 9; add) 9>>$P.lock 9<$P; done) & done
wait"#;
    assert_eq!(live.bash(script).ran.code, Some(0));
    assert_eq!(live.csv(), format!("{HEADER}2020-06-22T00:00:00,32.0\n"));
    desk.end();
}

#[test]
fn modes_of_locks_are_those_of_any_file() {
    let desk = Desk::new();
    let live = desk.series("s");
    let script = r"
open(D + 'note', 'w').write('x' * 100)
def held(path, how, mode):
    # In another process: whether a lock is to be had.
    pid = os.fork()
    if pid: return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    f = open(path, 'r+' if how is fcntl.lockf and mode == fcntl.LOCK_EX else 'r')
    try: how(f, mode | fcntl.LOCK_NB)
    except BlockingIOError: os._exit(1)
    os._exit(0)
EX, SH, UN, NB = fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN, fcntl.LOCK_NB
for path in (F, D + 'note'):
    for how in (fcntl.flock, fcntl.lockf):
        other = fcntl.lockf if how is fcntl.flock else fcntl.flock
        f = open(path, 'r+')
        assert held(path, how, EX)
        how(f, SH); assert held(path, how, SH) and not held(path, how, EX), (path, how)
        assert held(path, other, EX), 'the two calls do not meet'
        how(f, EX); assert not held(path, how, SH) and not held(path, how, EX)
        how(f, EX | NB); how(f, SH); assert held(path, how, SH)
        how(f, UN); assert held(path, how, EX)
        how(f, EX); other(f, EX | NB); f.close(); assert held(path, how, EX)
        # Of one process, each open file is an owner of flock, all together one of fcntl.
        f, g = open(path, 'r+'), open(path, 'r+'); how(f, EX)
        try: how(g, EX | NB); assert how is fcntl.lockf
        except BlockingIOError: assert how is fcntl.flock
        f.close(); g.close(); assert held(path, how, EX)
# A descriptor that a child has too is one open file.
f = open(F, 'r+'); fcntl.flock(f, EX)
if not (pid := os.fork()): fcntl.flock(f, EX | NB); os._exit(0)
assert os.waitpid(pid, 0)[1] == 0; assert not held(F, fcntl.flock, EX); f.close(); assert held(F, fcntl.flock, EX)
# Both names of a series are one lock, but not for one process.
f, g = open(F, 'r+'), open(P, 'r+b'); fcntl.flock(f, EX); assert not held(P, fcntl.flock, SH)
fcntl.flock(g, EX | NB); g.close(); assert not held(P, fcntl.flock, SH); f.close(); assert held(P, fcntl.flock, EX)
";
    let done = live.python(script);
    assert_eq!(done.ran.code, Some(0), "{}", done.ran.err);
    live.has(ROWS);
    desk.end();
}

#[test]
fn ranges_of_scratch_files_are_locked_each_for_itself() {
    let desk = Desk::new();
    let live = desk.series("s");
    let script = r"
import struct
path = D + 'data'; open(path, 'w').write('x' * 1000)
EX, SH, UN, NB = fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN, fcntl.LOCK_NB
f = open(path, 'r+')
fcntl.lockf(f, EX, 100, 0); fcntl.lockf(f, SH, 10, 50); fcntl.lockf(f, UN, 20, 70)
def ask(start, length, kind=fcntl.F_WRLCK):
    lock = struct.pack('hhqqi4x', kind, 0, start, length, 0)
    kind, _, start, length, pid = struct.unpack('hhqqi4x', fcntl.fcntl(open(path, 'r+'), fcntl.F_GETLK, lock))
    return None if kind == fcntl.F_UNLCK else (kind, start, length, pid)
own = os.getpid()
if not (pid := os.fork()):
    try:
        assert ask(0, 1) == (fcntl.F_WRLCK, 0, 50, own), ask(0, 1)
        assert ask(55, 1) == (fcntl.F_RDLCK, 50, 10, own) and ask(55, 1, fcntl.F_RDLCK) is None
        assert ask(70, 20) is None and ask(89, 2)[1:3] == (90, 10) and ask(100, 0) is None
        g = open(path, 'r+'); fcntl.lockf(g, EX | NB, 20, 70); fcntl.lockf(g, SH | NB, 5, 50)
        for start in (0, 49, 59, 99):
            try: fcntl.lockf(g, EX | NB, 1, start); sys.exit(f'{start} is free')
            except BlockingIOError: pass
        # Any close of the file gives them up.
        open(path).close(); fcntl.lockf(g, SH | NB, 5, 50)
    except BaseException:
        import traceback; traceback.print_exc(); os._exit(1)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
open(path).close()
if not (pid := os.fork()):
    g = open(path, 'r+'); fcntl.lockf(g, EX | NB); os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
";
    let done = live.python(script);
    assert_eq!(done.ran.code, Some(0), "{}", done.ran.err);
    desk.end();
}

#[test]
fn two_who_wait_for_each_other_are_told() {
    let desk = Desk::new();
    let live = desk.series("s");
    let script = r"
path = D + 'data'; open(path, 'w').write('x' * 10)
r, w = os.pipe(); f = open(path, 'r+'); fcntl.lockf(f, fcntl.LOCK_EX, 1, 0)
if not (pid := os.fork()):
    g = open(path, 'r+'); fcntl.lockf(g, fcntl.LOCK_EX, 1, 1); os.write(w, b'x')
    fcntl.lockf(g, fcntl.LOCK_EX, 1, 0); os._exit(0)
os.read(r, 1); time.sleep(0.3)
try: fcntl.lockf(f, fcntl.LOCK_EX, 1, 1); sys.exit('both wait')
except OSError as e: assert e.errno == errno.EDEADLK, e
f.close(); assert os.waitpid(pid, 0)[1] == 0
";
    let done = live.python(script);
    assert_eq!(done.ran.code, Some(0), "{}", done.ran.err);
    desk.end();
}

#[test]
fn who_waits_can_be_interrupted_and_gets_what_a_killed_one_had() {
    let desk = Desk::new();
    let live = desk.series("s");
    for how in ["flock", "lockf"] {
        let hold = format!(
            "import fcntl, os, time; f = open(os.environ['F'], 'r+'); fcntl.{how}(f, fcntl.LOCK_EX); print('held', flush=True); time.sleep(60)"
        );
        let holder = Beside::start(live.command("python3").args(["-c", &hold]));
        assert_eq!(holder.line(), "held");
        let script = format!(
            r"
import signal, subprocess
f = open(F, 'r+')
class Told(Exception): pass
def told(*_): raise Told
signal.signal(signal.SIGALRM, told); signal.setitimer(signal.ITIMER_REAL, 0.3)
start = time.time()
try: fcntl.{how}(f, fcntl.LOCK_EX); sys.exit('held twice')
except Told: pass
# A signal whose handler does nothing lets it wait on; one without a handler ends it.
signal.signal(signal.SIGALRM, lambda *_: None)
if not (pid := os.fork()):
    signal.signal(signal.SIGINT, signal.SIG_DFL); signal.setitimer(signal.ITIMER_REAL, 0.2)
    fcntl.{how}(open(F, 'r+'), fcntl.LOCK_EX); os._exit(3)
time.sleep(0.6); assert os.waitpid(pid, os.WNOHANG) == (0, 0); os.kill(pid, signal.SIGINT)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGINT
if not (pid := os.fork()): fcntl.{how}(open(F, 'r+'), fcntl.LOCK_EX); os._exit(3)
time.sleep(0.2); os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
assert time.time() - start < 5
# The mount answers meanwhile, however many wait.
them = []
for i in range(12):
    if not (pid := os.fork()): fcntl.{how}(open(F, 'r+'), fcntl.LOCK_EX); os._exit(0)
    them.append(pid)
time.sleep(0.3); assert os.listdir(D) and open(F).read().startswith('timestamp')
subprocess.run(['pkill', '-KILL', '-P', '{holder}'], check=True)
for pid in them: assert os.waitpid(pid, 0)[1] == 0
",
            holder = holder.id()
        );
        let done = live.python(&script);
        assert_eq!(done.ran.code, Some(0), "{how}: {}", done.ran.err);
    }
    live.has(ROWS);
    desk.end();
}

#[test]
fn what_a_killed_holder_wrote_is_kept_and_the_next_one_sees_the_rows() {
    let desk = Desk::new();
    let live = desk.series("s");
    let script = r"
import signal
r, w = os.pipe()
if not (pid := os.fork()):
    f = os.open(F, os.O_RDWR); fcntl.lockf(f, fcntl.LOCK_EX); os.write(f, b'timestamp,value\n2020-06-22,1\n'); os.write(w, b'x'); time.sleep(60)
os.read(r, 1); g = open(F, 'r+'); os.kill(pid, signal.SIGKILL); fcntl.lockf(g, fcntl.LOCK_EX); os.waitpid(pid, 0)
assert ',25.2' in g.read(); g.close()
";
    let done = live.python(script);
    assert_eq!(done.ran.code, Some(0), "{}", done.ran.err);
    // The end of the last descriptor of a process that is killed comes after its locks went.
    within(SOON, "it is told", || done.before.told().len() == 1);
    live.has(ROWS);
    desk.end();
}

#[test]
fn who_has_read_keeps_its_revision_under_a_lock() {
    let desk = Desk::new();
    let live = desk.series("s");
    let script = r"
reader, knows, fresh, adds = open(F), open(F, 'r+'), open(F, 'r+'), open(F, 'a'); old = knows.read()
with open(F, 'w') as f: fcntl.flock(f, fcntl.LOCK_EX); f.write('timestamp,value\n2020-06-22,1\n2020-06-23,2\n')
for f in (reader, knows, fresh, adds): fcntl.flock(f, fcntl.LOCK_SH)
knows.seek(0)
assert reader.read() == old and knows.read() == old
now = open(F).read(); assert os.fstat(fresh.fileno()).st_size == len(now) and fresh.read() == now
assert os.fstat(fresh.fileno()).st_ino == os.stat(F).st_ino
adds.write('2020-06-24,3\n'); adds.close(); fresh.close(); knows.close()
";
    let done = live.python(script);
    assert_eq!(done.ran.code, Some(0), "{}", done.ran.err);
    live.has("2020-06-22T00:00:00,1.0\n2020-06-23T00:00:00,2.0\n2020-06-24T00:00:00,3.0\n");
    desk.end();
}
