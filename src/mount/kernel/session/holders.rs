//! Who keeps a mount busy: processes with a file of it open, mapped, run, or as their folder.
//!
//! Links in `/proc` are read, never followed: following one asks the mount.

use std::path::{Path, PathBuf};

/// A process that uses a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// Its command.
    pub command: String,
    /// What it uses, such as `current folder /mnt/temp`.
    pub uses: Vec<String>,
}

/// The processes that use the mount at `mountpoint` with the device `device`, by number. Those of other users are seen
/// by root only. `proc` is where processes are shown.
#[must_use]
pub fn holders(proc: &Path, mountpoint: &Path, device: (u32, u32)) -> Vec<Holder> {
    let Ok(entries) = std::fs::read_dir(proc) else { return Vec::new() };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut found: Vec<Holder> = numbers
        .filter_map(|pid: u32| {
            let uses = uses(&proc.join(pid.to_string()), mountpoint, device);
            (!uses.is_empty()).then(|| Holder { pid, command: command(proc, pid), uses })
        })
        .collect();
    found.sort_by_key(|holder| holder.pid);
    found
}

fn command(proc: &Path, pid: u32) -> String {
    let name = std::fs::read_to_string(proc.join(pid.to_string()).join("comm")).unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "unknown".to_owned() } else { name.to_owned() }
}

fn uses(process: &Path, mountpoint: &Path, device: (u32, u32)) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |what: &str, path: &Path| {
        let text = format!("{what} {}", path.display());
        if !found.contains(&text) {
            found.push(text);
        }
    };
    let linked = |link: PathBuf| std::fs::read_link(link).ok().filter(|to| to.starts_with(mountpoint));
    for (link, what) in [("cwd", "current folder"), ("root", "root folder"), ("exe", "runs")] {
        if let Some(to) = linked(process.join(link)) {
            note(what, &to);
        }
    }
    for file in std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten() {
        if let Some(to) = linked(file.path()) {
            note("open file", &to);
        }
    }
    let maps = std::fs::read_to_string(process.join("maps")).unwrap_or_default();
    for path in maps.lines().filter_map(|line| mapped(line, device)) {
        note("mapped file", Path::new(path));
    }
    found
}

/// The file of a line of `/proc/PID/maps`, if it lies on the device. Kernels print its numbers in hexadecimal.
fn mapped(line: &str, device: (u32, u32)) -> Option<&str> {
    let mut rest = line;
    let mut fields = [""; 5];
    for field in &mut fields {
        let (first, more) = rest.trim_start().split_once(' ')?;
        (*field, rest) = (first, more);
    }
    let (major, minor) = fields[3].split_once(':')?;
    let number = |text| u32::from_str_radix(text, 16).ok();
    ((number(major)?, number(minor)?) == device).then(|| rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn every_way_to_use_a_mount_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let process = |pid: &str| {
            let path = folder.path().join(pid);
            std::fs::create_dir_all(path.join("fd")).unwrap();
            path
        };
        let shell = process("30");
        std::fs::write(shell.join("comm"), "bash\n").unwrap();
        symlink("/mnt/x/temp", shell.join("cwd")).unwrap();
        symlink("/bin/bash", shell.join("exe")).unwrap();
        symlink("/mnt/xy/not-this", shell.join("fd/0")).unwrap();
        let reader = process("4");
        symlink("/mnt/x/temp/bxl/live.csv", reader.join("fd/3")).unwrap();
        symlink("/mnt/x/temp/bxl/live.csv", reader.join("fd/4")).unwrap();
        let maps = "7f00-7f10 r--p 00000000 00:2a 77                     /mnt/x/temp/a file.parquet\n\
                    7f20-7f30 r--p 00000000 00:2b 77                     /usr/lib/libc.so\n\
                    7ffc-7ffd rw-p 00000000 00:00 0                      [stack]\n\
                    7ffe-7fff rw-p 00000000 00:00 0\n";
        std::fs::write(reader.join("maps"), maps).unwrap();
        process("5");
        std::fs::create_dir(folder.path().join("self")).unwrap();
        let holder = |pid, command: &str, uses: &[&str]| Holder {
            pid,
            command: command.to_owned(),
            uses: uses.iter().map(|&text| text.to_owned()).collect(),
        };
        let expected = [
            holder(
                4,
                "unknown",
                &["open file /mnt/x/temp/bxl/live.csv", "mapped file /mnt/x/temp/a file.parquet"],
            ),
            holder(30, "bash", &["current folder /mnt/x/temp"]),
        ];
        assert_eq!(holders(folder.path(), Path::new("/mnt/x"), (0, 42)), expected);
    }
}
