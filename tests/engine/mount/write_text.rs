//! Texts whose first line or encoding is in doubt, written through the mount.

use super::live::{ROWS, World};
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

/// Bytes of a text.
type Form<'a> = &'a dyn Fn(&str) -> Vec<u8>;

/// What is saved is not read again, whatever the encoding: somebody else may have changed it since.
#[test]
fn lines_of_another_encoding_that_are_saved_are_not_saved_again() {
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let longer = |text: &str| text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
    let returns = |text: &str| text.replace('\n', "\r").into_bytes();
    let forms: [Form<'_>; 5] = [
        &|text| text.as_bytes().to_vec(),
        &|text| utf16(text),
        &|text| little(&text.replace('\n', "\r\n")),
        &longer,
        &returns,
    ];
    for (n, form) in forms.into_iter().enumerate() {
        for head in ["", "v,k\n"] {
            let line =
                |k: u32, v: u32| if head.is_empty() { format!("{k},{v}\n") } else { format!("{v},{k}\n") };
            let mut world = World::new();
            let fd = world.open(O_WRONLY | O_APPEND);
            // Alone in a file, its encoding is known by a mark.
            let mark = if n == 0 || n == 4 { "" } else { "\u{feff}" };
            world.kernel.write(fd, &form(&format!("{mark}{head}{}{}", line(4, 40), line(5, 50)))).unwrap();
            world.kernel.fsync(fd).unwrap();
            assert_eq!(world.text(), format!("{ROWS}4,40\n5,50\n"), "form {n}");
            world.elsewhere("s", "k,v\n5,55\n");
            world.kernel.write(fd, &form(&line(6, 60))).unwrap();
            world.kernel.fsync(fd).unwrap();
            // Half a line is none.
            let next = form(&line(7, 70));
            let (half, rest) = next.split_at(next.len() - 4);
            world.kernel.write(fd, half).unwrap();
            world.kernel.fsync(fd).unwrap();
            assert_eq!(world.text(), format!("{ROWS}4,40\n5,55\n6,60\n"), "form {n}");
            world.elsewhere("s", "k,v\n6,66\n");
            world.kernel.write(fd, rest).unwrap();
            world.kernel.write(fd, &form(&line(8, 80))).unwrap();
            world.kernel.close(fd).unwrap();
            assert_eq!(world.text(), format!("{ROWS}4,40\n5,55\n6,66\n7,70\n8,80\n"), "form {n}");
            assert!(world.rejected().is_empty(), "{}", world.errors());
        }
    }
}

/// Its last byte is that of a line end.
#[test]
fn half_a_line_that_ends_in_a_wide_character_is_no_line() {
    let mut world = people();
    let fd = world.kernel.open(100, PEOPLE, O_WRONLY | O_APPEND).unwrap();
    world.kernel.write(fd, &utf16("\u{feff}name,country\ndan,CH\neve,\u{10a}")).unwrap();
    world.kernel.fsync(fd).unwrap();
    assert_eq!(text(&world), TWO);
    world.kernel.write(fd, &utf16("B\n")).unwrap();
    world.kernel.fsync(fd).unwrap();
    assert_eq!(text(&world), format!("{TWO}dan,CH\neve,\u{10a}B\n"));
    world.kernel.close(fd).unwrap();
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
