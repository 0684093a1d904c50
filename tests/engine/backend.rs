//! One contract for every backend, and what each of them promises beyond it.

mod contract;
mod faulty;
mod kill;
mod local;

use bytes::Bytes;
use lakota::backend::Backend;

/// Puts a few bytes.
fn put(backend: &dyn Backend, key: &str, bytes: &'static str) {
    backend.put(key, Bytes::from_static(bytes.as_bytes())).unwrap();
}

/// The names in a folder, sorted; those of folders end in `/`.
fn names(backend: &dyn Backend, folder: &str) -> Vec<String> {
    let entries = backend.list(folder).unwrap().into_iter();
    let mut names: Vec<_> = entries.map(|e| if e.folder { e.name + "/" } else { e.name }).collect();
    names.sort();
    names
}

/// A batch to put.
fn items(of: &[(&str, &'static str)]) -> Vec<(String, Bytes)> {
    of.iter().map(|(key, bytes)| ((*key).to_owned(), Bytes::from_static(bytes.as_bytes()))).collect()
}
