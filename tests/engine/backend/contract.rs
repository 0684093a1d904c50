//! What holds for every backend.

use super::{items, names, put};
use bytes::Bytes;
use lakota::backend::{Backend, BackendErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Runs each behaviour against each backend.
macro_rules! contract {
    ($($behaviour:ident,)*) => {
        contract!(@on durable_local { $($behaviour)* } |test: fn(&dyn Backend)| {
            let folder = tempfile::tempdir().unwrap();
            test(&lakota::backend::local::LocalBackend::create(folder.path()).unwrap());
        });
        contract!(@on relaxed_local { $($behaviour)* } |test: fn(&dyn Backend)| {
            let folder = tempfile::tempdir().unwrap();
            lakota::backend::local::LocalBackend::create(folder.path()).unwrap();
            test(&lakota::backend::local::LocalBackend::open(folder.path(), false).unwrap());
        });
        contract!(@on memory { $($behaviour)* } |test: fn(&dyn Backend)| {
            test(&lakota::backend::memory::MemoryBackend::new());
        });
        contract!(@on faultless { $($behaviour)* } |test: fn(&dyn Backend)| {
            let inner = std::sync::Arc::new(lakota::backend::memory::MemoryBackend::new());
            test(&lakota::backend::faulty::FaultyBackend::new(inner));
        });
    };
    (@on $name:ident { $($behaviour:ident)* } $run:expr) => {
        mod $name {
            use lakota::backend::Backend;
            $(#[test] fn $behaviour() { ($run)(super::$behaviour) })*
        }
    };
}

contract! {
    put_then_get_returns_same_bytes,
    put_of_no_bytes_is_a_file,
    put_many_puts_every_item,
    put_many_of_nothing_does_nothing,
    put_into_a_missing_folder_makes_it,
    put_over_a_key_replaces_it,
    put_over_a_key_is_atomic_for_a_reader,
    puts_of_one_key_from_eight_threads_leave_one_file,
    ten_megabytes_come_back,
    get_of_a_missing_key_is_not_found,
    get_of_a_key_in_a_missing_folder_is_not_found,
    get_range_returns_the_middle,
    get_range_of_nothing_at_the_end_is_empty,
    get_range_beyond_the_end_is_an_error,
    get_range_of_huge_numbers_is_an_error,
    len_counts_bytes,
    len_of_a_missing_key_is_none,
    len_of_a_folder_is_none,
    list_shows_files_and_folders_of_one_level,
    list_of_a_missing_folder_is_empty,
    rename_moves_the_bytes,
    rename_replaces_its_target,
    rename_into_a_missing_folder_makes_it,
    rename_of_a_missing_key_is_not_found,
    delete_many_deletes_and_skips_missing_keys,
    invalid_keys_are_refused,
    clean_keeps_what_was_put,
}

/// Bytes that differ from place to place.
fn pattern(len: usize, seed: u8) -> Bytes {
    (0..len).map(|i| (i / 251) as u8 ^ (i as u8).wrapping_add(seed)).collect::<Vec<u8>>().into()
}

fn put_then_get_returns_same_bytes(backend: &dyn Backend) {
    put(backend, "aa/bb", "hello");
    assert_eq!(backend.get("aa/bb").unwrap(), "hello");
}

fn put_of_no_bytes_is_a_file(backend: &dyn Backend) {
    put(backend, "aa/bb", "");
    assert_eq!(backend.get("aa/bb").unwrap(), "");
}

fn put_many_puts_every_item(backend: &dyn Backend) {
    let items: Vec<_> = (0..100u8).map(|i| (format!("{i:02x}/{i}"), pattern(3000, i))).collect();
    backend.put_many(&items).unwrap();
    assert!(items.iter().all(|(key, bytes)| backend.get(key).unwrap() == *bytes));
}

fn put_many_of_nothing_does_nothing(backend: &dyn Backend) {
    backend.put_many(&[]).unwrap();
    assert!(!names(backend, "").iter().any(|name| !name.ends_with('/')));
}

fn put_into_a_missing_folder_makes_it(backend: &dyn Backend) {
    put(backend, "aa/bb/cc", "hello");
    assert_eq!(names(backend, "aa/bb"), ["cc"]);
}

fn put_over_a_key_replaces_it(backend: &dyn Backend) {
    put(backend, "aa/bb", "old");
    put(backend, "aa/bb", "newer");
    assert_eq!(backend.get("aa/bb").unwrap(), "newer");
}

fn put_over_a_key_is_atomic_for_a_reader(backend: &dyn Backend) {
    let versions = [pattern(300_000, 1), pattern(200_000, 2)];
    backend.put("aa/bb", versions[0].clone()).unwrap();
    let done = AtomicBool::new(false);
    let torn = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut torn = 0;
            while !done.load(Ordering::Relaxed) {
                torn += usize::from(!versions.contains(&backend.get("aa/bb").unwrap()));
            }
            torn
        });
        (0..40).for_each(|i| backend.put("aa/bb", versions[i % 2].clone()).unwrap());
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert_eq!(torn, 0);
}

fn puts_of_one_key_from_eight_threads_leave_one_file(backend: &dyn Backend) {
    let bytes = pattern(50_000, 3);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..5).for_each(|_| backend.put("aa/bb/cc", bytes.clone()).unwrap()));
        }
    });
    assert_eq!((names(backend, "aa/bb"), backend.get("aa/bb/cc").unwrap()), (vec!["cc".to_owned()], bytes));
}

fn ten_megabytes_come_back(backend: &dyn Backend) {
    let bytes = pattern(10_000_000, 4);
    backend.put("aa/bb", bytes.clone()).unwrap();
    assert!(backend.get("aa/bb").unwrap() == bytes);
}

fn get_of_a_missing_key_is_not_found(backend: &dyn Backend) {
    put(backend, "aa/bb", "hello");
    assert!(backend.get("aa/cc").unwrap_err().is_not_found());
}

fn get_of_a_key_in_a_missing_folder_is_not_found(backend: &dyn Backend) {
    assert!(backend.get("aa/bb/cc").unwrap_err().is_not_found());
}

fn get_range_returns_the_middle(backend: &dyn Backend) {
    put(backend, "aa/bb", "0123456789");
    assert_eq!(backend.get_range("aa/bb", 3, 4).unwrap(), "3456");
}

fn get_range_of_nothing_at_the_end_is_empty(backend: &dyn Backend) {
    put(backend, "aa/bb", "0123456789");
    assert_eq!(backend.get_range("aa/bb", 10, 0).unwrap(), "");
}

fn get_range_beyond_the_end_is_an_error(backend: &dyn Backend) {
    put(backend, "aa/bb", "0123456789");
    assert_eq!(backend.get_range("aa/bb", 8, 3).unwrap_err().kind, BackendErrorKind::Other);
}

fn get_range_of_huge_numbers_is_an_error(backend: &dyn Backend) {
    put(backend, "aa/bb", "0123456789");
    for (offset, len) in [(0, usize::MAX), (u64::MAX, 1), (u64::MAX, usize::MAX), (1 << 40, 0)] {
        assert!(backend.get_range("aa/bb", offset, len).is_err(), "{offset} {len}");
    }
}

fn len_counts_bytes(backend: &dyn Backend) {
    put(backend, "aa/bb", "hello");
    assert_eq!(backend.len("aa/bb").unwrap(), Some(5));
}

fn len_of_a_missing_key_is_none(backend: &dyn Backend) {
    assert_eq!(backend.len("aa/bb/cc").unwrap(), None);
}

fn len_of_a_folder_is_none(backend: &dyn Backend) {
    put(backend, "aa/bb/cc", "hello");
    assert_eq!(backend.len("aa/bb").unwrap(), None);
}

fn list_shows_files_and_folders_of_one_level(backend: &dyn Backend) {
    backend
        .put_many(&items(&[("aa/b", "1"), ("aa/c/d", "2"), ("aa/c/e", "3"), ("aa/c-", "4"), ("ab/f", "5")]))
        .unwrap();
    assert_eq!(names(backend, "aa"), ["b", "c-", "c/"]);
}

fn list_of_a_missing_folder_is_empty(backend: &dyn Backend) {
    assert_eq!(names(backend, "aa/bb"), [""; 0]);
}

fn rename_moves_the_bytes(backend: &dyn Backend) {
    put(backend, "aa/bb", "hello");
    backend.rename("aa/bb", "aa/cc").unwrap();
    assert_eq!(
        (names(backend, "aa"), backend.get("aa/cc").unwrap()),
        (vec!["cc".to_owned()], "hello".into())
    );
}

fn rename_replaces_its_target(backend: &dyn Backend) {
    backend.put_many(&items(&[("aa/bb", "new"), ("ab/cc", "old")])).unwrap();
    backend.rename("aa/bb", "ab/cc").unwrap();
    assert_eq!(backend.get("ab/cc").unwrap(), "new");
}

fn rename_into_a_missing_folder_makes_it(backend: &dyn Backend) {
    put(backend, "aa/bb", "hello");
    backend.rename("aa/bb", "aa/cc/dd").unwrap();
    assert_eq!(backend.get("aa/cc/dd").unwrap(), "hello");
}

fn rename_of_a_missing_key_is_not_found(backend: &dyn Backend) {
    assert!(backend.rename("aa/bb", "ab/cc").unwrap_err().is_not_found());
}

fn delete_many_deletes_and_skips_missing_keys(backend: &dyn Backend) {
    backend.put_many(&items(&[("aa/b", "1"), ("aa/c", "2"), ("ab/d", "3")])).unwrap();
    let keys = ["aa/b", "aa/missing", "ac/dd/missing", "ab/d"].map(str::to_owned);
    backend.delete_many(&keys).unwrap();
    assert_eq!((names(backend, "aa"), names(backend, "ab")), (vec!["c".to_owned()], vec![]));
}

fn invalid_keys_are_refused(backend: &dyn Backend) {
    for key in ["", "/etc/x", "../x", "aa/../x", "aa/./x", "aa//x", "aa/", ".tmp-1", "aa/.tmp-1-2-3", "a\0b"]
    {
        let refused = [
            backend.put(key, Bytes::new()).is_err(),
            backend.get(key).is_err(),
            backend.get_range(key, 0, 0).is_err(),
            backend.len(key).is_err(),
            key.is_empty() || backend.list(key).is_err(),
            backend.rename(key, "aa/bb").is_err(),
            backend.rename("aa/bb", key).is_err(),
            backend.delete_many(&[key.to_owned()]).is_err(),
        ];
        assert_eq!(refused, [true; 8], "{key:?}");
    }
}

fn clean_keeps_what_was_put(backend: &dyn Backend) {
    put(backend, "aa/bb", "hello");
    backend.clean(0).unwrap();
    assert_eq!(backend.get("aa/bb").unwrap(), "hello");
}
