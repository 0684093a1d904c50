//! Files of other formats, and damaged ones, that are saved through the mount: refused by name, and kept.

use super::live::{LIVE, PARQUET, ROWS, World};
use super::walk::Walk;
use super::write_model;
use lakota::mount::posix::errno::Errno;
use libc::{O_APPEND, O_TRUNC};

/// How many files are kept.
fn kept_of(world: &World) -> usize {
    Walk(&world.kernel.fs).names(".lakota/rejected").len()
}

/// Saves bytes that are refused with these words.
#[track_caller]
fn refused(world: &mut World, (name, flags): (&str, i32), bytes: &[u8], words: &[&str]) {
    let kept = kept_of(world);
    assert_eq!(world.kernel.save(100, name, flags, bytes), Err(Errno::EINVAL));
    assert_eq!((world.text().as_str(), kept_of(world)), (ROWS, kept + 1));
    let errors = world.errors();
    let last = errors.lines().last().unwrap();
    for word in words.iter().chain(&["; kept as rejected/"]) {
        assert!(last.contains(word), "{word:?} not in {last}");
    }
}

#[test]
fn a_file_of_another_format_is_refused_by_what_it_is_and_kept() {
    let mut world = World::new();
    let parquet = write_model::World::new(false, None).file(1, &[(1, 1)]);
    let live = (LIVE, O_TRUNC);
    refused(&mut world, live, &parquet, &["this is Parquet, not CSV", "the name that ends in .parquet"]);
    refused(
        &mut world,
        live,
        b"\x1f\x8b\x08\0\0",
        &["this is compressed by gzip, not CSV", "gunzip -c FILE > live.csv"],
    );
    refused(&mut world, (LIVE, O_APPEND), b"PK\x03\x04\x14\0", &["this is a zip archive, as .xlsx"]);
    refused(&mut world, live, b"{\"k\": 1, \"v\": 2}\n", &["it looks like JSON"]);
    refused(&mut world, (LIVE, O_APPEND), b"<!DOCTYPE html>\n<p>404\n", &["it looks like a web page"]);
    let csv = (PARQUET, O_TRUNC);
    refused(&mut world, csv, b"k,v\n1,1\n", &["this is text, not Parquet", "the name that ends in .csv"]);
    refused(&mut world, csv, b"ARROW1\0\0", &["this is Arrow, not Parquet"]);
    world.kernel.check_clean();
}

#[test]
fn a_damaged_parquet_file_is_refused_and_kept() {
    let mut world = World::new();
    let whole = write_model::World::new(false, None).file(1, &[(1, 1), (2, 2)]);
    let last = whole.len() - 8;
    for range in [4..12, 4..60, last - 40..last, last..last + 2] {
        let mut damaged = whole.clone();
        damaged[range].fill(0xff);
        refused(&mut world, (PARQUET, O_TRUNC), &damaged, &["not a readable Parquet file"]);
    }
    refused(&mut world, (PARQUET, O_TRUNC), &whole[..last], &["not a readable Parquet file"]);
    world.kernel.check_clean();
}
