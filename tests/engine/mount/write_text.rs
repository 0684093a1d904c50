//! Texts whose first line or encoding is in doubt, written through the mount.

use super::live::World;
use super::walk::Walk;
use lakota::data::schema::Schema;
use lakota::mount::posix::errno::Errno;
use libc::{O_APPEND, O_CREAT, O_TRUNC, O_WRONLY};

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

/// A text in UTF-16 without a byte order mark, the greater byte first.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

#[test]
fn texts_of_other_encodings_and_line_ends_are_read() {
    let mut world = people();
    world.kernel.save(100, PEOPLE, O_TRUNC, &utf16("name,country\r\nbob,AT\r\n\u{e9}va,HU\r\n")).unwrap();
    assert_eq!(text(&world), "name,country\nbob,AT\n\u{e9}va,HU\n");
    world.kernel.save(100, PEOPLE, O_APPEND, b"cat,BE\rdan,CH\r").unwrap();
    assert_eq!(text(&world), "name,country\nbob,AT\ncat,BE\ndan,CH\n\u{e9}va,HU\n");
    world.kernel.save(100, PEOPLE, O_TRUNC, TWO.as_bytes()).unwrap();
    refused(&mut world, O_TRUNC, &utf16(TWO)[..21], "looks like UTF-16BE, but has an end within a character");
}

#[test]
fn lines_of_another_encoding_are_added_with_several_calls_of_fsync() {
    let mut world = people();
    let fd = world.kernel.open(100, PEOPLE, O_WRONLY | O_APPEND).unwrap();
    for row in ["name,country\ndan,CH\n", "eve,DE\n", "fay,FR\nabe,IL\n"] {
        world.kernel.write(fd, &utf16(row)).unwrap();
        world.kernel.fsync(fd).unwrap();
    }
    world.kernel.close(fd).unwrap();
    assert_eq!(text(&world), "name,country\nabe,IL\nbob,AT\ncat,BE\ndan,CH\neve,DE\nfay,FR\n");
    assert!(world.rejected().is_empty(), "{}", world.errors());
}

#[test]
fn a_schema_may_have_a_byte_order_mark_and_another_encoding() {
    let mut world = people();
    let columns = "\u{feff}name str*\r\nage int\r\n";
    for (label, bytes) in [("one", columns.as_bytes().to_vec()), ("two", utf16(columns))] {
        world.kernel.mkdir(100, label).unwrap();
        world.kernel.save(100, &format!("{label}/.schema"), O_CREAT | O_TRUNC, &bytes).unwrap();
        assert_eq!(Walk(&world.kernel.fs).text(&format!("{label}/.schema")), "name str*\nage int\n");
    }
}
