//! Columns that are altered while files are open.

use super::live::{CUT, LIVE, World};
use super::walk::Walk;
use lakota::collection::At;
use lakota::data::alter::Alteration;
use lakota::mount::posix::errno::Errno;
use libc::{O_APPEND, O_RDONLY, O_TRUNC, O_WRONLY};

fn alter(world: &World, steps: &[Alteration]) {
    world.other.alter(steps, "").unwrap();
}

fn add(column: &str, default: &str) -> Alteration {
    Alteration::add(column, Some(default)).unwrap()
}

#[test]
fn altered_columns_show_and_older_revisions_stay() {
    let world = World::new();
    let walk = Walk(&world.kernel.fs);
    let before = walk.names("c/s/revisions");
    alter(&world, &[add("w str", "x")]);
    assert_eq!(walk.text("c/.schema"), "k int*\nv int\nw str\n");
    assert_eq!(walk.text(LIVE), "k,v,w\n1,10,x\n2,20,x\n");
    let after = walk.names("c/s/revisions");
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(walk.text(&format!("c/s/revisions/{}/data.csv", before[0])), "k,v\n1,10\n2,20\n");
    assert_eq!(walk.text(&format!("c/s/revisions/{}/data.csv", after[1])), "k,v,w\n1,10,x\n2,20,x\n");
}

#[test]
fn a_reader_goes_on_with_the_columns_that_it_opened() {
    let mut world = World::new();
    let fd = world.open(O_RDONLY);
    alter(&world, &[add("w str", "x"), Alteration::Drop("v".to_owned())]);
    assert_eq!(world.kernel.read(fd), b"k,v\n1,10\n2,20\n");
    world.kernel.close(fd).unwrap();
    assert_eq!(world.text(), "k,w\n1,x\n2,x\n");
}

#[test]
fn a_save_of_what_was_opened_before_columns_were_added_is_merged_with_them() {
    let mut world = World::new();
    let fd = world.open(CUT);
    alter(&world, &[add("w str", "x")]);
    world.elsewhere("s", "k,v,w\n3,30,y\n");
    world.kernel.write(fd, b"k,v\n1,11\n2,20\n").unwrap();
    world.kernel.close(fd).unwrap();
    assert_eq!(world.text(), "k,v,w\n1,11,x\n2,20,x\n3,30,y\n");
    assert!(world.rejected().is_empty(), "{}", world.errors());
}

#[test]
fn lines_added_by_who_opened_older_columns_land_in_these() {
    let mut world = World::new();
    let fd = world.open(O_WRONLY | O_APPEND);
    // As many columns as before, of other meaning.
    alter(&world, &[Alteration::Drop("v".to_owned()), add("w int", "7")]);
    world.kernel.write(fd, b"3,30\n").unwrap();
    world.kernel.close(fd).unwrap();
    assert_eq!(world.text(), "k,w\n1,7\n2,7\n3,7\n");
    let log = world.other.changelog().log().unwrap();
    let written = log.stamps().rev().find(|stamp| log.parents(*stamp).unwrap().len() == 1).unwrap();
    assert_eq!(world.other.state(At::Revision(written)).unwrap().schema.to_string(), "k int*\nv int\n");
}

#[test]
fn a_save_of_other_columns_than_there_are_is_refused_and_kept() {
    let mut world = World::new();
    alter(&world, &[add("w str", "x")]);
    assert_eq!(world.kernel.save(100, LIVE, O_TRUNC, b"k,v\n1,11\n"), Err(Errno::EINVAL));
    assert_eq!(world.text(), "k,v,w\n1,10,x\n2,20,x\n");
    assert_eq!(world.rejected(), ["k,v\n1,11\n"]);
}

#[test]
fn a_merge_nobody_has_written_shows_its_columns_with_its_time() {
    let world = World::new();
    let log = world.other.changelog().log().unwrap();
    let base = world.other.moment(&log, At::Newest).unwrap();
    alter(&world, &[add("w str", "x")]);
    let mut batch = world.other.batch_on(base.stamp, &base.heads, "").unwrap();
    batch.create("t").unwrap();
    batch.commit().unwrap();
    let walk = Walk(&world.kernel.fs);
    assert_eq!(walk.text("c/t/live.csv"), "k,v,w\n");
    let pending = world.other.moment(&world.other.changelog().log().unwrap(), At::Newest).unwrap();
    assert!(pending.recolumned);
    assert_eq!(walk.found("c/.schema").attr.mtime, pending.stamp.time);
    assert_eq!(walk.found("c/t/live.csv").attr.mtime, pending.stamp.time);
}
