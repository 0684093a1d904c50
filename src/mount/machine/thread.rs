//! What a thread does that waits for an answer: which call it is in, whether a signal waits for it.
//!
//! Both are told without waiting for the thread: `syscall` takes a lock that only `execve` holds, when the process has no other
//! thread any more.

use std::path::Path;
use std::thread;
use std::time::Duration;

/// How often it is looked whether a thread has begun to wait.
const TRIES: u32 = 50;

/// How long it is given between two looks.
const PAUSE: Duration = Duration::from_micros(100);

/// Calls that lock files, of this machine and of programs of 32 bits on it.
const FLOCK: [i64; 2] = [libc::SYS_flock, 143];
const FCNTL: [i64; 3] = [libc::SYS_fcntl, 55, 221];

/// Whether a thread that waits is in flock(2), or in fcntl(2); `None` where it cannot be told: it takes the right to trace the
/// process.
#[must_use]
pub fn is_in_flock(proc: &Path, tid: u32) -> Option<bool> {
    let path = proc.join(tid.to_string()).join("syscall");
    for _ in 0..TRIES {
        let text = std::fs::read_to_string(&path).ok()?;
        let word = text.split_whitespace().next()?;
        if word != "running" {
            let number: i64 = word.parse().ok()?;
            return match number {
                _ if FLOCK.contains(&number) => Some(true),
                _ if FCNTL.contains(&number) => Some(false),
                _ => None,
            };
        }
        thread::sleep(PAUSE);
    }
    None
}

/// Whether a thread has a signal to see to, or is gone; `None` where that cannot be told.
#[must_use]
pub fn is_interrupted(proc: &Path, tid: u32) -> Option<bool> {
    let bytes = std::fs::read(proc.join(tid.to_string()).join("status")).ok()?;
    let status = String::from_utf8_lossy(&bytes);
    let mask = |word: &str| {
        let text = status.lines().find_map(|line| line.strip_prefix(word))?;
        u64::from_str_radix(text.trim(), 16).ok()
    };
    let pending = mask("SigPnd:")? | mask("ShdPnd:")?;
    Some(pending & !mask("SigBlk:")? != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_thread(file: &str, text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("7")).unwrap();
        std::fs::write(folder.path().join("7").join(file), text).unwrap();
        folder
    }

    #[test]
    fn the_call_is_told_by_its_number() {
        let told = |text: &str| is_in_flock(of_thread("syscall", text).path(), 7);
        assert_eq!(told(&format!("{} 0x3 0x2 0x0 0x7f 0x7f\n", libc::SYS_flock)), Some(true));
        assert_eq!(told(&format!("{} 0x3 0x7 0x0 0x7f 0x7f\n", libc::SYS_fcntl)), Some(false));
        assert_eq!((told("0 0x3\n"), told("-1 0x7f\n"), told("running\n")), (None, None, None));
        assert_eq!(is_in_flock(Path::new("/nowhere"), 7), None);
    }

    #[test]
    fn a_signal_that_is_not_blocked_interrupts() {
        let told = |own: &str, all: &str, blocked: &str| {
            let text = format!("Name:\tx\nSigPnd:\t{own}\nShdPnd:\t{all}\nSigBlk:\t{blocked}\n");
            is_interrupted(of_thread("status", &text).path(), 7)
        };
        let (none, int) = ("0000000000000000", "0000000000000002");
        assert_eq!(told(none, none, none), Some(false));
        assert_eq!((told(int, none, none), told(none, int, none)), (Some(true), Some(true)));
        assert_eq!(told(int, none, int), Some(false));
        assert_eq!(is_interrupted(Path::new("/nowhere"), 7), None);
    }
}
