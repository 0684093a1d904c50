//! A writer killed at any moment: what it said is put is whole, and nothing else is torn.

use super::local::staging_files;
use bytes::Bytes;
use lakota::backend::Backend;
use lakota::backend::local::LocalBackend;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Tells the child where to put.
const ROOT: &str = "LAKOTA_TEST_KILL_ROOT";
const ROUNDS: u64 = 20;

/// The bytes of a key, told by its name alone.
fn bytes_of(name: &str) -> Bytes {
    let hash = name.bytes().fold(17u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    let len = if hash.is_multiple_of(3) { 4000 } else { hash % 300_000 };
    (0..len).map(|i| (i.wrapping_mul(hash) >> 7) as u8).collect::<Vec<u8>>().into()
}

fn name_of(key: &str) -> &str {
    key.rsplit('/').next().unwrap()
}

/// Starts a process that puts until it is killed, kills it, and gives the keys it said are put.
fn put_until_killed(root: &Path, after: Duration) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "backend::kill::child_puts_until_killed", "--nocapture"])
        .env(ROOT, root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // From its first put on, so that the time it takes to start does not matter.
    let first = lines.find_map(|line| line.unwrap().strip_prefix("put ").map(str::to_owned));
    thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    // A line cut short by the kill ends no file's name: it lacks the `.`.
    let rest = lines.filter_map(|line| line.ok()?.strip_prefix("put ").map(str::to_owned));
    first.into_iter().chain(rest).filter(|key| key.ends_with('.')).collect()
}

/// Every key below a folder.
fn keys(backend: &dyn Backend, folder: &str) -> Vec<String> {
    let mut keys = Vec::new();
    for entry in backend.list(folder).unwrap() {
        let key = if folder.is_empty() { entry.name } else { format!("{folder}/{}", entry.name) };
        if entry.folder { keys.extend(self::keys(backend, &key)) } else { keys.push(key) }
    }
    keys
}

/// The child of the tests below; does nothing unless they start it.
#[test]
fn child_puts_until_killed() {
    let Ok(root) = std::env::var(ROOT) else { return };
    let backend = LocalBackend::open(Path::new(&root), true).unwrap();
    for round in 0..100_000u32 {
        let count = if round.is_multiple_of(2) { 1 } else { 6 };
        let names = (0..count).map(|i| format!("{}-{round}-{i}.", std::process::id()));
        let deep = |round: u32| if round.is_multiple_of(5) { "/ee" } else { "" };
        let items: Vec<_> =
            names.map(|name| (format!("{:02x}{}/{name}", round % 4, deep(round)), bytes_of(&name))).collect();
        backend.put_many(&items).unwrap();
        println!("{}", items.iter().map(|(key, _)| format!("put {key}")).collect::<Vec<_>>().join("\n"));
    }
}

#[test]
fn killed_puts_leave_whole_files_only() {
    let folder = tempfile::tempdir().unwrap();
    let backend = LocalBackend::create(folder.path()).unwrap();
    let mut said = Vec::new();
    for round in 0..ROUNDS {
        // Steps that share no divisor with the time of a put fall on all of its moments.
        said.extend(put_until_killed(folder.path(), Duration::from_micros(1000 + round * 2377)));
    }
    let found = keys(&backend, "");
    let lost = said.iter().filter(|key| !found.contains(key)).count();
    let torn = found.iter().filter(|key| backend.get(key).unwrap() != bytes_of(name_of(key))).count();
    assert!(said.len() as u64 > ROUNDS);
    assert_eq!((lost, torn), (0, 0));
}

#[test]
fn clean_deletes_what_killed_puts_left() {
    let folder = tempfile::tempdir().unwrap();
    let backend = LocalBackend::create(folder.path()).unwrap();
    while staging_files(folder.path()).is_empty() {
        put_until_killed(folder.path(), Duration::from_millis(3));
    }
    backend.clean(0).unwrap();
    assert_eq!(staging_files(folder.path()), Vec::<std::path::PathBuf>::new());
}
