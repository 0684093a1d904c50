//! Texts whose first line or encoding is in doubt, written through the mount.

use super::live::World;
use super::walk::Walk;
use lakota::data::schema::Schema;
use lakota::mount::errno::Errno;
use libc::{O_APPEND, O_CREAT, O_TRUNC};

const PEOPLE: &str = "people/all/live.csv";
const TWO: &str = "name,country\nbob,AT\ncat,BE\n";

/// A mount with a collection of text columns, and two rows in it.
fn people() -> World {
    let mut world = World::new();
    world.repo.create_collection("people", &Schema::parse(["name str*", "country str"]).unwrap()).unwrap();
    world.kernel.mkdir(100, "people/all").unwrap();
    world.kernel.save(100, PEOPLE, O_CREAT | O_TRUNC, TWO.as_bytes()).unwrap();
    assert_eq!(text(&world), TWO);
    world
}

fn text(world: &World) -> String {
    Walk(&world.kernel.fs).text(PEOPLE)
}

#[track_caller]
fn refused(world: &mut World, flags: i32, bytes: &[u8], why: &str) {
    assert_eq!(world.kernel.save(100, PEOPLE, flags, bytes), Err(Errno::EINVAL));
    assert_eq!(text(world), TWO);
    assert!(world.errors().contains(why), "{}", world.errors());
    assert_eq!(world.rejected().len(), world.errors().lines().count());
}

#[test]
fn a_header_in_other_spelling_is_no_row() {
    let mut world = people();
    world.kernel.save(100, PEOPLE, O_TRUNC, b"NAME, Country\nbob,AT\ndan,CH\n").unwrap();
    assert_eq!(text(&world), "name,country\nbob,AT\ndan,CH\n");
    world.kernel.save(100, PEOPLE, O_APPEND, b"Country,Name\nDE,eve\n").unwrap();
    assert_eq!(text(&world), "name,country\nbob,AT\ndan,CH\neve,DE\n");
}

#[test]
fn a_file_of_texts_without_a_header_is_refused_and_lines_that_are_added_are_not() {
    let mut world = people();
    refused(&mut world, O_TRUNC, b"Nom,Pays\nbob,AT\n", "this line may be a header or a row");
    refused(&mut world, O_TRUNC, b"bob,CH\n", "above a row, put that header");
    refused(&mut world, O_APPEND, b"name,Land\n", "\"name\" is a column, \"Land\" is none");
    world.kernel.save(100, PEOPLE, O_APPEND, b"dan,CH\n").unwrap();
    assert_eq!(text(&world), format!("{TWO}dan,CH\n"));
}
