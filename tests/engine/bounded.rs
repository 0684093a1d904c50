//! Tests that run in a process of little memory, whose end is its own.

use std::process::Command;

/// What tells a child that it is one.
const CHILD: &str = "LAKOTA_TEST_BOUNDED";

/// Runs `act` of the test `test` in a process that may have `memory` bytes; gives what that said. What asks for more
/// is not given it, and ends the process. None in the child itself.
pub(crate) fn run(test: &str, memory: u64, act: impl FnOnce()) -> Option<String> {
    if std::env::var(CHILD).is_ok_and(|child| child == test) {
        let bound = rustix::process::Rlimit { current: Some(memory), maximum: Some(memory) };
        rustix::process::setrlimit(rustix::process::Resource::As, bound).unwrap();
        act();
        return None;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let ran = child.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, test).output();
    let ran = ran.unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && said.contains(" 1 passed"), "{:?}: {said}", ran.status);
    Some(said)
}

/// Memory that this process had at most, in MiB.
pub(crate) fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}
