//! Who is behind a request: what `/proc` tells of a process.
//!
//! Only reads `/proc`, and there only what the kernel answers by itself: a `stat` of another's descriptor would ask the mount, which
//! waits for the answer. What may not be looked at, or is gone, is `None`: never a guess.

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

/// How many descriptors of a process stand for the file with the first inode number, or can write that with the second;
/// `None` where they cannot be counted.
///
/// A descriptor that is being closed does not count any more when the file system hears of it (FLUSH): the kernel
/// takes it out of the table first. So 0 there means that this was the last one.
#[must_use]
pub fn others(proc: &Path, pid: u32, [ino, written]: [u64; 2]) -> Option<usize> {
    let of = proc.join(pid.to_string());
    let mut count = 0;
    for entry in fs::read_dir(of.join("fd")).ok()? {
        let entry = entry.ok()?;
        match fs::read_link(entry.path()) {
            // Files have a path, even if it is of another namespace or unlinked; sockets, pipes and the like a mere name.
            Ok(target) if !target.has_root() => {}
            Ok(_) => match fs::read_to_string(of.join("fdinfo").join(entry.file_name())) {
                Ok(info) => {
                    let number = field(&info, "ino:")?.parse();
                    let writes = || Some(mode(field(&info, "flags:")?)? != 0);
                    count += usize::from(number == Ok(ino) || number == Ok(written) && writes()?);
                }
                Err(e) if is_gone(&e) => {}
                Err(_) => return None,
            },
            Err(e) if is_gone(&e) => {}
            Err(_) => return None,
        }
    }
    Some(count)
}

/// The access mode of a descriptor; 0 reads. Flags are octal.
fn mode(flags: &str) -> Option<i32> {
    i32::from_str_radix(flags, 8).ok().map(|flags| flags & libc::O_ACCMODE)
}

/// The signal by which a process is dying; `None` where it lives, ends by itself, or may not be looked at.
#[must_use]
pub fn dying_by(proc: &Path, pid: u32) -> Option<i32> {
    let stat = read(&proc.join(format!("{pid}/stat")))?;
    // The second field is the name, which may hold anything; the third comes behind the last parenthesis.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    let flags: u64 = fields.get(9 - 3)?.parse().ok()?;
    let code: i32 = fields.get(52 - 3)?.parse().ok()?;
    (flags & EXITING != 0 && code & 0x7f != 0).then_some(code & 0x7f)
}

/// The name of a user, from a list of users such as `/etc/passwd`.
#[must_use]
pub fn user_name(passwd: &Path, uid: u32) -> Option<String> {
    let users = read(passwd)?;
    let mut users = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let own = users.find(|fields| fields.get(2).is_some_and(|id| id.parse() == Ok(uid)))?;
    own.first().filter(|name| !name.is_empty()).map(|name| (*name).to_owned())
}

/// A file's text; names in it may be of any bytes.
fn read(path: &Path) -> Option<String> {
    fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// What stands behind a word at the start of a line.
fn field<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(word)).map(str::trim)
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}
