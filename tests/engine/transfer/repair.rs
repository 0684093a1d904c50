//! Damage that another repository heals, and damage that it cannot.

use super::{Place, World, noise, push};
use crate::support::{self, files};
use bytes::Bytes;
use lakota::backend::Backend;
use lakota::backend::faulty::FaultyBackend;
use lakota::backend::memory::MemoryBackend;
use lakota::ops::{self, Repaired};
use std::sync::Arc;

/// A repository with objects, nodes below nodes, loose revisions and a pack, and its copy.
fn two(world: &World) -> (Place, Place) {
    let (a, b) = (world.with_c(), world.place());
    let c = a.c();
    let mut batch = c.batch("").unwrap();
    for i in 0..300 {
        batch.overlay(&format!("s{i:05}"), &support::frame(&super::schema(), "1,1\n2,2\n")).unwrap();
    }
    batch.overlay("s", &support::frame(&super::schema(), &noise(0, 8000))).unwrap();
    batch.commit().unwrap().unwrap();
    for k in 0..5 {
        a.write("t", &format!("{k},1\n"));
    }
    push(&a, &b);
    ops::pack(&a.c()).unwrap();
    a.write("t", "7,7\n");
    a.write("t", "8,8\n");
    push(&a, &b);
    (a, b)
}

/// The keys of a kind of files: objects are the files of the fan-out itself.
fn keys(place: &Place, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    files(place.backend.as_ref()).into_keys().filter(|key| wanted(key)).collect()
}

fn is_object(key: &str) -> bool {
    key.matches('/').count() == 1 && key.len() == 65
}

fn flip(place: &Place, key: &str, at: usize) {
    let mut bytes = place.backend.get(key).unwrap().to_vec();
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 0x55;
    place.backend.put(key, Bytes::from(bytes)).unwrap();
}

fn repair(place: &Place, remote: &Place) -> Repaired {
    ops::repair(&place.repo, &remote.repo).unwrap()
}

#[test]
fn sound_repository_is_not_touched() {
    let world = World::new();
    let (a, b) = two(&world);
    let before = files(a.backend.as_ref());
    assert_eq!(repair(&a, &b), Repaired::default());
    assert_eq!(files(a.backend.as_ref()), before);
}

#[test]
fn every_file_that_is_damaged_or_missing_is_healed() {
    let world = World::new();
    let (a, b) = two(&world);
    let (whole, contents) = (files(a.backend.as_ref()), a.contents());
    let mut healed = 0;
    let first = a.stamps()[0].file_name();
    for key in keys(&a, |key| key != "format") {
        let is_pack = key.contains("pack-");
        // What no file names may be gone without a trace: a head, and the registry's only revision.
        let may_go = is_object(&key);
        for way in 0..3 {
            match way {
                0 => flip(&a, &key, 2000),
                1 if is_pack => continue,
                1 => a.backend.put(&key, whole[&key].slice(..whole[&key].len() / 2)).unwrap(),
                _ if may_go => a.backend.delete_many(std::slice::from_ref(&key)).unwrap(),
                _ => continue,
            }
            let a = world.open(Arc::clone(&a.backend));
            let done = repair(&a, &b);
            assert_eq!((done.healed.len(), done.lost.len()), (1, 0), "{key} {way} {done:?} {first}");
            let a = world.open(Arc::clone(&a.backend));
            assert_eq!(a.contents(), contents, "{key}");
            a.is_sound();
            assert_eq!(files(a.backend.as_ref()), whole, "{key}");
            healed += 1;
        }
    }
    assert!(healed >= 8, "{healed}");
}

#[test]
fn revision_lost_in_the_middle_comes_back() {
    let world = World::new();
    let (a, b) = two(&world);
    let lost = a.stamps()[a.stamps().len() - 2].file_name();
    let key = keys(&a, |key| key.ends_with(&format!(".{lost}")));
    a.backend.delete_many(&key).unwrap();
    let a = world.open(a.backend);
    assert_eq!(a.damage().len(), 1);
    assert_eq!(repair(&a, &b).healed.len(), 1);
    a.is_sound();
    assert_eq!(a.stamps(), b.stamps());
}

#[test]
fn pack_that_tells_nothing_is_replaced_by_what_the_remote_has_and_kept() {
    let world = World::new();
    let (a, b) = two(&world);
    // What the remote has is not just what the pack held.
    b.write("t", "50,1\n");
    let stamps = b.stamps();
    let pack = keys(&a, |key| key.contains("pack-")).remove(0);
    flip(&a, &pack, 30);
    let a = world.open(a.backend);
    let done = repair(&a, &b);
    assert_eq!(done.lost.len(), 1, "{done:?}");
    assert!(a.backend.len(&format!("{pack}.damaged")).unwrap().is_some());
    let a = world.open(a.backend);
    a.is_sound();
    assert_eq!((a.stamps(), a.contents()), (stamps, b.contents()));
    assert_eq!(repair(&a, &b), Repaired::default());
}

#[test]
fn what_the_remote_has_not_is_told() {
    let world = World::new();
    let (a, b) = two(&world);
    let before = keys(&a, is_object);
    a.write("u", &noise(0, 9000));
    let own = keys(&a, is_object).into_iter().find(|key| !before.contains(key)).unwrap();
    flip(&a, &own, 100);
    flip(&a, &before[0], 100);
    let a = world.open(a.backend);
    let done = repair(&a, &b);
    assert_eq!((done.healed.len(), done.lost.len()), (1, 1), "{done:?}");
    assert!(done.lost[0].contains(&own), "{done:?}");
    assert!(!world.open(a.backend).damage().is_empty());
}

#[test]
fn killed_repair_goes_on() {
    let world = World::new();
    let (a, b) = two(&world);
    let (whole, objects) = (files(a.backend.as_ref()), keys(&a, is_object));
    for at_remote in [false, true] {
        for calls in 1.. {
            let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
            support::copy(a.backend.as_ref(), memory.as_ref(), 0);
            let victim = world.open(Arc::clone(&memory));
            flip(&victim, &objects[0], 100);
            flip(&victim, &keys(&a, |key| key.contains("pack-"))[0], 5000);
            victim.backend.delete_many(&objects[1..2]).unwrap();
            let faulty = |of: &Arc<dyn Backend>| Arc::new(FaultyBackend::new(Arc::clone(of)));
            let killer = faulty(if at_remote { &b.backend } else { &memory });
            let broken = world.open(Arc::<FaultyBackend>::clone(&killer));
            killer.fail_after(calls);
            let (mine, theirs) = if at_remote { (&victim, &broken) } else { (&broken, &b) };
            let done = ops::repair(&mine.repo, &theirs.repo).is_ok_and(|done| done.lost.is_empty());
            killer.clear();
            repair(&world.open(Arc::clone(&memory)), &b);
            assert_eq!(files(memory.as_ref()), whole, "remote {at_remote} call {calls}");
            if done {
                break;
            }
        }
    }
}

#[test]
fn tags_are_healed_too() {
    let world = World::new();
    let (a, b) = two(&world);
    a.c().tag("v1", a.stamps()[2], false).unwrap();
    push(&a, &b);
    let tags = keys(&a, |key| key.starts_with("ff/ff") && key.matches('/').count() > 1);
    assert!(!tags.is_empty());
    tags.iter().for_each(|key| flip(&a, key, 60));
    let a = world.open(a.backend);
    assert!(!a.damage().is_empty());
    let done = repair(&a, &b);
    assert_eq!((done.healed.len(), done.lost.len()), (1, 0), "{done:?}");
    let a = world.open(a.backend);
    a.is_sound();
    assert_eq!(a.c().tags().unwrap(), b.c().tags().unwrap());
}

#[test]
fn horizon_that_nobody_has_gives_way_so_that_rows_can_be_read() {
    let world = World::new();
    let (a, b) = two(&world);
    for k in 10..13 {
        a.write("t", &format!("{k},1\n"));
    }
    ops::trim(&a.c(), u64::MAX).unwrap();
    for gone in [false, true] {
        if gone {
            for _ in 0..3 {
                ops::gc(&a.repo, 0).unwrap();
            }
        }
        let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        support::copy(a.backend.as_ref(), memory.as_ref(), 0);
        let a = world.open(memory);
        let (contents, heads) = (a.contents(), a.heads());
        let horizon = keys(&a, |key| key.contains("/horizon-"));
        flip(&a, &horizon[0], 9);
        let a = world.open(a.backend);
        assert!(!a.damage().is_empty());
        let done = repair(&a, &b);
        assert_eq!((done.healed.len(), done.lost.len()), (0, 1), "{done:?}");
        let a = world.open(a.backend);
        a.is_sound();
        assert_eq!((a.contents(), a.heads()), (contents, heads));
        let done = repair(&a, &b);
        assert_eq!((done.healed.len(), done.lost.len()), (0, 0), "{done:?}");
        a.write("t", "20,1\n");
        push(&a, &b);
        assert_eq!(b.contents(), a.contents());
    }
}

#[test]
fn remote_that_is_damaged_itself_heals_what_it_has() {
    let world = World::new();
    let (a, b) = two(&world);
    let objects = keys(&a, is_object);
    flip(&a, &objects[0], 50);
    keys(&b, |key| key.starts_with("00/0000")).iter().for_each(|key| flip(&b, key, 60));
    let (a, b) = (world.open(a.backend), world.open(b.backend));
    assert!(b.repo.collections().is_err() && !a.damage().is_empty());
    let done = repair(&a, &b);
    assert_eq!((done.healed.len(), done.lost.len()), (1, 0), "{done:?}");
    world.open(a.backend).is_sound();
}

#[test]
fn pack_that_tells_nothing_stays_where_the_remote_has_nothing() {
    let world = World::new();
    let (a, b) = two(&world);
    b.write("t", "50,1\n");
    let pack = keys(&a, |key| key.contains("/pack-"));
    flip(&a, &pack[0], 20);
    let a = world.open(a.backend);
    let other = world.place();
    assert_eq!(repair(&a, &other).healed.len(), 0);
    assert_eq!(keys(&a, |key| key.contains("/pack-")), pack);
    let done = repair(&a, &b);
    assert_eq!(done.lost.len(), 1, "{done:?}");
    let a = world.open(a.backend);
    a.is_sound();
    assert_eq!(a.contents(), b.contents());
}

#[test]
fn collections_that_only_the_remote_still_names_are_named_again() {
    for more in [false, true] {
        let world = World::new();
        let (a, b) = two(&world);
        a.repo.create_collection("gone", &super::schema()).unwrap();
        a.repo.delete_collection("gone").unwrap();
        push(&a, &b);
        if more {
            // Its registry names what is not here: then only what is here is named.
            b.repo.create_collection("new", &super::schema()).unwrap();
        }
        let contents = a.contents();
        let lost = keys(&a, |key| key.starts_with("00/0000") && key.matches('/').count() > 1);
        a.backend.delete_many(&lost).unwrap();
        let a = world.open(a.backend);
        assert!(!a.damage().is_empty() && a.repo.collections().unwrap().is_empty());
        let done = repair(&a, &b);
        assert_eq!((done.healed.len(), done.lost.len()), (1, 0), "{done:?}");
        let a = world.open(a.backend);
        a.is_sound();
        assert_eq!((a.repo.collections().unwrap(), a.contents()), (vec!["c".to_owned()], contents.clone()));
        // Both registries name one collection.
        push(&b, &a);
        push(&a, &b);
        assert_eq!(a.repo.collections().unwrap(), b.repo.collections().unwrap());
        assert_eq!(a.contents(), contents);
    }
}

#[test]
fn what_the_remote_has_beside_is_told_and_nothing_of_it_comes() {
    let world = World::new();
    let (a, b) = two(&world);
    let newest = [b.write("t", "30,1\n"), b.write("t", "31,1\n")][1];
    b.repo.create_collection("new", &super::schema()).unwrap();
    let before = files(a.backend.as_ref());
    let done = repair(&a, &b);
    assert_eq!((done.healed.len(), done.lost.len()), (0, 0), "{done:?}");
    assert_eq!(done.newer.len(), 3, "{done:?}");
    assert!(
        done.newer[0].starts_with("c: the remote has 2 revisions")
            && done.newer[0].contains(&newest.to_string())
    );
    assert!(done.newer[2].starts_with("new: "), "{done:?}");
    assert_eq!(files(a.backend.as_ref()), before);
    // What was trimmed here is not missed.
    push(&b, &a);
    ops::trim(&a.c(), u64::MAX).unwrap();
    assert_eq!(repair(&a, &b), Repaired::default());
    for _ in 0..3 {
        ops::gc(&a.repo, 0).unwrap();
    }
    assert_eq!(repair(&a, &b), Repaired::default());
}

#[test]
fn newest_revision_that_was_deleted_comes_back_beside_what_was_written_since() {
    let world = World::new();
    let (a, b) = two(&world);
    let newest = *a.stamps().last().unwrap();
    assert_eq!(newest, *b.stamps().last().unwrap());
    let lost = keys(&a, |key| key.ends_with(&format!(".{}", newest.file_name())));
    a.backend.delete_many(&lost).unwrap();
    let a = world.open(a.backend);
    let since = a.write("t", "40,1\n");
    // Nothing here names it: only the remote can tell.
    a.is_sound();
    let done = repair(&a, &b);
    assert_eq!((done.healed.len(), done.lost.len(), done.newer.len()), (0, 0, 1), "{done:?}");
    assert!(done.newer[0].contains(&newest.to_string()), "{done:?}");
    push(&b, &a);
    let a = world.open(a.backend);
    assert!(a.stamps().contains(&since) && a.stamps().contains(&newest));
    let rows: Vec<String> = a.rows("t").into_values().flatten().collect();
    assert!(rows.contains(&"8,8.0\n".to_owned()) && rows.contains(&"40,1.0\n".to_owned()), "{rows:?}");
    a.is_sound();
    assert_eq!(repair(&a, &b), Repaired::default());
}

#[test]
fn revisions_that_were_deleted_in_the_middle_come_back_below_what_was_written_since() {
    let world = World::new();
    let (a, b) = two(&world);
    let before = a.contents();
    let stamps = a.stamps();
    let since = a.write("t", "40,1\n");
    for stamp in &stamps[stamps.len() - 2..] {
        let lost = keys(&a, |key| key.ends_with(&format!(".{}", stamp.file_name())));
        a.backend.delete_many(&lost).unwrap();
    }
    let a = world.open(a.backend);
    assert!(ops::gc(&a.repo, 0).is_err());
    let done = repair(&a, &b);
    assert_eq!((done.healed.len(), done.lost.len()), (2, 0), "{done:?}");
    let a = world.open(a.backend);
    a.is_sound();
    assert_eq!(a.stamps(), stamps.into_iter().chain([since]).collect::<Vec<_>>());
    let mut rows = a.contents();
    for series in rows.values_mut() {
        series.retain(|_, lines| !lines.contains(&"40,1.0\n".to_owned()));
    }
    assert_eq!(rows, before);
}

#[test]
fn collection_whose_folder_is_lost_comes_back_whole() {
    for trimmed in [false, true] {
        let world = World::new();
        let (a, b) = two(&world);
        if trimmed {
            ops::trim(&b.c(), u64::MAX).unwrap();
        }
        let (contents, folder) = (a.contents(), a.folder());
        a.backend.delete_many(&keys(&a, |key| key.starts_with(&folder))).unwrap();
        let a = world.open(a.backend);
        assert_eq!(a.damage().len(), 1, "{:?}", a.damage());
        assert!(ops::gc(&a.repo, 0).is_err());
        let done = repair(&a, &b);
        assert_eq!((done.healed.len(), done.lost.len()), (1, 0), "{done:?}");
        let a = world.open(a.backend);
        a.is_sound();
        assert_eq!(a.contents(), contents);
        assert_eq!(repair(&a, &b), Repaired::default());
    }
}

#[test]
fn collection_that_was_deleted_is_healed_too() {
    let world = World::new();
    let (a, b) = two(&world);
    let contents = a.contents();
    a.repo.delete_collection("c").unwrap();
    let objects = keys(&a, is_object);
    flip(&a, &objects[0], 100);
    a.backend.delete_many(&objects[1..2]).unwrap();
    let a = world.open(a.backend);
    assert!(!a.damage().is_empty());
    let done = repair(&a, &b);
    assert_eq!((done.healed.len(), done.lost.len()), (2, 0), "{done:?}");
    let a = world.open(a.backend);
    a.is_sound();
    a.repo.restore_collection("c").unwrap();
    assert_eq!(a.contents(), contents);
}

#[test]
fn pack_of_just_what_the_remote_has_is_healed_under_its_name() {
    let world = World::new();
    let (a, b) = (world.with_c(), world.place());
    for k in 0..4 {
        a.write("t", &format!("{k},1\n"));
    }
    push(&a, &b);
    ops::pack(&a.c()).unwrap();
    let whole = files(a.backend.as_ref());
    let pack = keys(&a, |key| key.contains("/pack-")).remove(0);
    assert!(keys(&b, |key| key.contains("/pack-")).is_empty());
    for at in [0, 30] {
        flip(&a, &pack, at);
        let a = world.open(Arc::clone(&a.backend));
        let done = repair(&a, &b);
        assert_eq!((done.healed.len(), done.lost.len()), (1, 0), "{done:?}");
        assert_eq!(files(a.backend.as_ref()), whole);
        world.open(a.backend).is_sound();
    }
}

#[test]
fn lost_revision_that_has_a_tag_comes_back() {
    let world = World::new();
    let (a, b) = two(&world);
    let newest = *a.stamps().last().unwrap();
    a.c().tag("v1", newest, false).unwrap();
    let contents = a.contents();
    a.backend.delete_many(&keys(&a, |key| key.ends_with(&format!(".{}", newest.file_name())))).unwrap();
    let a = world.open(a.backend);
    assert_eq!(a.damage().len(), 1);
    let done = repair(&a, &b);
    assert_eq!((done.healed.len(), done.lost.len()), (1, 0), "{done:?}");
    let a = world.open(a.backend);
    a.is_sound();
    assert_eq!(a.contents(), contents);
}

#[test]
fn bytes_behind_a_pack_are_taken_away() {
    let world = World::new();
    let (a, b) = two(&world);
    let whole = files(a.backend.as_ref());
    let pack = keys(&a, |key| key.contains("/pack-")).remove(0);
    a.backend.put(&pack, [&whole[&pack][..], b"x"].concat().into()).unwrap();
    let a = world.open(a.backend);
    assert_eq!(a.damage().len(), 1, "{:?}", a.damage());
    assert_eq!(repair(&a, &b).healed.len(), 1);
    assert_eq!(files(a.backend.as_ref()), whole);
}
