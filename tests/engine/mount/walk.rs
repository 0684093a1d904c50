//! Walks a mounted tree as the kernel does: by lookups that are taken back.

use lakota::mount::posix::attr::{Caller, Found, Kind};
use lakota::mount::posix::errno::Errno;
use lakota::mount::posix::fs::{Fs, ROOT};
use std::collections::BTreeMap;
use std::ffi::OsStr;

const ME: Caller = Caller { uid: 0, gid: 0, pid: 0 };

pub(super) struct Walk<'a>(pub(super) &'a Fs);

impl Walk<'_> {
    /// Looks a path up; takes the lookups back when `act` is done.
    pub(super) fn at<T>(&self, path: &str, act: impl FnOnce(u64, Option<&Found>) -> T) -> Result<T, Errno> {
        let (mut ino, mut last, mut seen) = (ROOT, None, Vec::new());
        let mut failed = None;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            match self.0.lookup(ME, ino, OsStr::new(name)) {
                Ok(found) => {
                    ino = found.attr.ino;
                    seen.push(ino);
                    last = Some(found);
                }
                Err(errno) => {
                    failed = Some(errno);
                    break;
                }
            }
        }
        let done = failed.map_or_else(|| Ok(act(ino, last.as_ref())), Err);
        seen.into_iter().for_each(|ino| self.0.forget(ino, 1));
        done
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.at(path, |_, _| ()).is_ok()
    }

    pub(super) fn found(&self, path: &str) -> Found {
        self.at(path, |_, found| *found.unwrap()).unwrap_or_else(|e| panic!("{path}: {e:?}"))
    }

    pub(super) fn open(&self, path: &str) -> u64 {
        self.at(path, |ino, _| self.0.open(ME, ino, libc::O_RDONLY).unwrap().handle)
            .unwrap_or_else(|e| panic!("{path}: {e:?}"))
    }

    pub(super) fn read_handle(&self, handle: u64, len: usize) -> Vec<u8> {
        self.0.read(handle, 0, len).unwrap().to_vec()
    }

    /// All bytes of a file, which are as many as `stat` says, and the same by small pieces.
    pub(super) fn read(&self, path: &str) -> Vec<u8> {
        let size = self.found(path).attr.size;
        let handle = self.open(path);
        let whole = self.read_handle(handle, 1 << 24);
        assert_eq!(whole.len() as u64, size, "{path}");
        let mut pieces = Vec::new();
        while let piece @ [_, ..] = self.0.read(handle, pieces.len() as u64, 7).unwrap().as_ref() {
            pieces.extend_from_slice(piece);
        }
        assert_eq!(pieces, whole, "{path}");
        self.0.release(handle);
        whole
    }

    pub(super) fn text(&self, path: &str) -> String {
        String::from_utf8(self.read(path)).unwrap()
    }

    pub(super) fn link(&self, path: &str) -> String {
        let target = self.at(path, |ino, _| self.0.readlink(ino).unwrap()).unwrap();
        assert_eq!(target.len() as u64, self.found(path).attr.size);
        String::from_utf8(target).unwrap()
    }

    /// The names in a folder, read a few lines at a time; what each line says is what a lookup finds.
    pub(super) fn ls(&self, path: &str) -> Vec<String> {
        let lines = self.lines(path);
        for (name, line) in &lines {
            let found = self.found(&format!("{path}/{name}"));
            assert_eq!(line.attr, found.attr, "{path}/{name}");
        }
        lines.into_iter().map(|(name, _)| name).collect()
    }

    /// The names in a folder.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        self.lines(path).into_iter().map(|(name, _)| name).collect()
    }

    fn lines(&self, path: &str) -> Vec<(String, Found)> {
        self.at(path, |ino, _| {
            let handle = self.0.opendir(ME, ino).unwrap().handle;
            let (mut all, mut next, plus) = (Vec::new(), 0, true);
            loop {
                let mut room = 3;
                let before = next;
                let mut take = |line: &lakota::mount::posix::attr::Line<'_>| {
                    if room == 0 {
                        return false;
                    }
                    room -= 1;
                    next = line.next;
                    all.push((line.name.to_str().unwrap().to_owned(), line.found));
                    true
                };
                self.0.readdir(handle, before, plus, &mut take).unwrap();
                if next == before {
                    break;
                }
            }
            self.0.releasedir(handle);
            assert_eq!([&*all[0].0, &*all[1].0], [".", ".."]);
            all.drain(..2);
            all.iter().for_each(|(_, found)| self.0.forget(found.attr.ino, 1));
            all
        })
        .unwrap_or_else(|e| panic!("{path}: {e:?}"))
    }

    /// The numbers of all files and folders below a path.
    pub(super) fn numbers(&self, path: &str, depth: usize) -> BTreeMap<String, u64> {
        let mut numbers = BTreeMap::new();
        for (name, found) in self.lines(path) {
            let path = format!("{path}/{name}");
            if found.attr.kind == Kind::Folder && depth > 0 {
                numbers.extend(self.numbers(&path, depth - 1));
            }
            numbers.insert(path, found.attr.ino);
        }
        numbers
    }
}
