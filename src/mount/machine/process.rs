//! Who is behind a request: what `/proc` tells of a process.
//!
//! The process waits for the mount's answer while it is looked at, so only what the kernel tells without waiting for it is read: `status`,
//! `comm` and `fdinfo`. A process within `execve` that closes a file holds the lock that links (`fd/N`, `exe`) and `stat` take, one
//! within a page fault that of `cmdline` and `maps`: both would wait for ever. What cannot be told is `None`, never a guess.
//!
//! Seen on Linux 6.18: FLUSH comes from the thread that closes, or from the last one that ends, when the process may be a zombie by
//! its first thread; RELEASE comes from nobody, mostly when the process has gone on or is gone.

use std::fs;
use std::io;
use std::path::Path;

/// Set in a task's flags from the moment it is past return: see `PF_EXITING` of the kernel.
const EXITING: u64 = 0x4;

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number; of all its threads.
    pub pid: u32,
    /// What it is called, as its first thread is: control characters escaped.
    pub name: String,
}

/// The process that a thread is of; `None` where it cannot be told: 0 stands for one that this namespace does not see.
#[must_use]
pub fn of_thread(proc: &Path, tid: u32) -> Option<Process> {
    // Threads are not listed in /proc, but found there.
    let status = read(&proc.join(tid.to_string()).join("status"))?;
    let pid = field(&status, "Tgid:")?.parse().ok().filter(|pid| *pid > 0)?;
    let name = read(&proc.join(format!("{pid}/comm")))?;
    let name = name.strip_suffix('\n').unwrap_or(&name).chars();
    let name = name.flat_map(|c| match c.is_control() {
        true => c.escape_default().collect::<Vec<_>>(),
        false => vec![c],
    });
    Some(Process { pid, name: name.collect() })
}

/// How many descriptors of a process stand for the file with this inode number, or can write one that is shown by a number of
/// `shown`; `None` where they cannot be counted: it may not be looked at, or the kernel (before 5.14) does not tell numbers.
///
/// A descriptor that is being closed does not count any more when the file system hears of it (FLUSH): the kernel
/// takes it out of the table first, and all at once when a process ends. So 0 there means that this was the last one.
/// Maps and descriptors that are on their way through a socket do not count. `pid` is best the thread that asks: the process has
/// no descriptors where its first thread has ended.
#[must_use]
pub fn others(proc: &Path, pid: u32, ino: u64, shown: &[u64]) -> Option<usize> {
    let is_it = |info: &str| {
        let number: Option<u64> = field(info, "ino:").and_then(|text| text.parse().ok());
        let flags = || field(info, "flags:").and_then(|text| i32::from_str_radix(text, 8).ok());
        let writes = || flags().is_some_and(|flags| flags & libc::O_ACCMODE != libc::O_RDONLY);
        number == Some(ino) || (number.is_some_and(|number| shown.contains(&number)) && writes())
    };
    let mut count = 0;
    for entry in fs::read_dir(proc.join(format!("{pid}/fdinfo"))).ok()? {
        match fs::read_to_string(entry.ok()?.path()) {
            Ok(info) => {
                field(&info, "ino:")?;
                count += usize::from(is_it(&info));
            }
            // Closed meanwhile.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return None,
        }
    }
    Some(count)
}

/// Whether any process that may be looked at has such a descriptor.
#[must_use]
pub fn anyone(proc: &Path, ino: u64, shown: &[u64]) -> bool {
    let pids = fs::read_dir(proc).into_iter().flatten().flatten();
    let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.any(|pid| others(proc, pid, ino, shown).is_some_and(|count| count > 0))
}

/// The signal by which a process is dying; `None` where it lives, ends by itself, or may not be looked at.
///
/// To be asked while it waits for an answer, of the thread that asks: the process is gone when a file is released. Of processes of
/// other users only root is told.
#[must_use]
pub fn dying_by(proc: &Path, pid: u32) -> Option<i32> {
    let of = proc.join(pid.to_string());
    // Memory goes before files are closed: who has some is not dying, and its `stat` may wait (see above).
    if field(&read(&of.join("status"))?, "VmSize:").is_some() {
        return None;
    }
    let stat = read(&of.join("stat"))?;
    // The second field is the name, which may hold anything; the third comes behind the last parenthesis.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    let flags: u64 = fields.get(9 - 3)?.parse().ok()?;
    let code: i32 = fields.get(52 - 3)?.parse().ok()?;
    (flags & EXITING != 0 && code & 0x7f != 0).then_some(code & 0x7f)
}

/// A file's text; names in it may be of any bytes.
fn read(path: &Path) -> Option<String> {
    fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// What stands behind a word at the start of a line.
fn field<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(word)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::path::PathBuf;
    use tempfile::TempDir;

    const REAL: &str = "/proc";

    /// A process of three threads, as `/proc` shows it: 70 is the first one.
    fn proc() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("70/status", "Name:\tduck\\ndb\nUmask:\t0022\nTgid:\t70\nPid:\t70\nVmSize:\t  100 kB\n");
        put("71/status", "Name:\tworker\nTgid:\t70\nPid:\t71\nVmSize:\t  100 kB\n");
        put("70/comm", "duck\ndb\x1b[1m\n");
        for (fd, ino) in [(0, 5), (1, 1234), (2, 1234), (3, 12345), (4, 1234)] {
            put(&format!("70/fdinfo/{fd}"), &format!("pos:\t0\nflags:\t0100002\nmnt_id:\t35\nino:\t{ino}\n"));
        }
        let root = folder.path().to_owned();
        (folder, root)
    }

    /// A process without memory any more, with these flags and this code.
    fn ending(root: &Path, flags: u64, code: i32) {
        let between = "0 ".repeat(42);
        std::fs::write(root.join("70/status"), "Name:\tx\nTgid:\t70\n").unwrap();
        std::fs::write(
            root.join("70/stat"),
            format!("70 (a) R (9 4) D 1 1 1 0 -1 {flags} {between}{code}\n"),
        )
        .unwrap();
    }

    #[test]
    fn a_thread_is_told_by_its_process_and_that_one_s_name() {
        let (_folder, root) = proc();
        let duck = Process { pid: 70, name: "duck\\ndb\\u{1b}[1m".to_owned() };
        assert_eq!(of_thread(&root, 70), Some(duck.clone()));
        assert_eq!(of_thread(&root, 71), Some(duck));
        assert_eq!(of_thread(&root, 72), None);
        assert_eq!(of_thread(&root, 0), None);
    }

    #[test]
    fn a_name_of_any_bytes_can_be_told() {
        let (_folder, root) = proc();
        std::fs::write(root.join("70/comm"), b"caf\xe9\n").unwrap();
        assert_eq!(of_thread(&root, 71).unwrap().name, "caf\u{fffd}");
    }

    #[test]
    fn this_thread_is_of_this_process() {
        let own = fs::read_link("/proc/thread-self").unwrap();
        let tid = own.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let found = of_thread(Path::new(REAL), tid).unwrap();
        assert_eq!(found.pid, std::process::id());
        assert_ne!(tid, found.pid, "tests run in threads");
        assert!(!found.name.is_empty());
        assert_eq!(dying_by(Path::new(REAL), tid), None);
    }

    #[test]
    fn descriptors_are_counted_by_inode_number() {
        let (_folder, root) = proc();
        assert_eq!(others(&root, 70, 1234, &[1234]), Some(3));
        assert_eq!(others(&root, 70, 99, &[99]), Some(0));
        assert_eq!(others(&root, 72, 1234, &[1234]), None);
        assert!(anyone(&root, 1234, &[1234]) && !anyone(&root, 99, &[99]));
    }

    #[test]
    fn a_kernel_that_tells_no_numbers_is_no_count() {
        let (_folder, root) = proc();
        std::fs::write(root.join("70/fdinfo/3"), "pos:\t0\nflags:\t0100002\n").unwrap();
        assert_eq!(others(&root, 70, 1234, &[1234]), None);
    }

    #[test]
    fn a_descriptor_that_is_closed_meanwhile_does_not_count() {
        let (_folder, root) = proc();
        symlink("gone", root.join("70/fdinfo/9")).unwrap();
        assert_eq!(others(&root, 70, 1234, &[1234]), Some(3));
    }

    #[test]
    fn own_descriptors_are_counted_dups_unlinked_files_and_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = File::create(&path).unwrap();
        let (ino, count) =
            (file.metadata().unwrap().ino(), |ino| others(Path::new(REAL), std::process::id(), ino, &[ino]));
        assert_eq!(count(ino), Some(1));
        let (dup, second) = (file.try_clone().unwrap(), File::open(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(count(ino), Some(3));
        drop((file, dup));
        assert_eq!(count(ino), Some(1));
        drop(second);
        assert_eq!(count(ino), Some(0));
    }

    #[test]
    fn of_the_number_that_is_shown_only_writers_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let writer = File::create(&path).unwrap();
        let reader = File::open(&path).unwrap();
        let ino = writer.metadata().unwrap().ino();
        let count = || others(Path::new(REAL), std::process::id(), 1, &[ino]);
        assert_eq!(count(), Some(1));
        drop(writer);
        assert_eq!(count(), Some(0));
        drop(reader);
    }

    #[test]
    fn a_signal_shows_where_one_ends_a_process_and_nowhere_else() {
        let (_folder, root) = proc();
        let cases = [
            (0x40_0004, 15, Some(15)),
            (0x40_0004, 9, Some(9)),
            (0x40_0004, 0x8b, Some(11)),
            // exit(3), exit(0), and a process that is stopped.
            (0x40_0004, 3 << 8, None),
            (0x40_0004, 0, None),
            (0x40_0000, 19 << 8 | 0x7f, None),
        ];
        for (flags, code, expected) in cases {
            ending(&root, flags, code);
            assert_eq!(dying_by(&root, 70), expected, "{flags:x} {code:x}");
        }
    }

    #[test]
    fn who_has_memory_is_not_dying_and_not_asked_further() {
        let (_folder, root) = proc();
        ending(&root, 0x4, 9);
        std::fs::write(root.join("70/status"), "Tgid:\t70\nVmSize:\t  100 kB\n").unwrap();
        assert_eq!(dying_by(&root, 70), None);
        assert_eq!(dying_by(&root, 72), None);
        assert_eq!(dying_by(Path::new(REAL), std::process::id()), None);
    }

    #[test]
    fn a_killed_process_that_nobody_waited_for_shows_its_signal() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert_eq!(dying_by(Path::new(REAL), child.id()), None);
        child.kill().unwrap();
        let state = || read(&Path::new(REAL).join(format!("{}/status", child.id()))).unwrap();
        while !field(&state(), "State:").unwrap().starts_with('Z') {
            std::thread::yield_now();
        }
        assert_eq!(dying_by(Path::new(REAL), child.id()), Some(9));
        child.wait().unwrap();
    }
}
