//! Encodings and line ends.

use super::*;

const TEXTS: &str = "name str*, value str";

fn utf16(text: &str, little: bool) -> Vec<u8> {
    let bytes = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
    text.encode_utf16().flat_map(bytes).collect()
}

fn utf32(text: &str, little: bool) -> Vec<u8> {
    let bytes = |c: char| if little { u32::from(c).to_le_bytes() } else { u32::from(c).to_be_bytes() };
    text.chars().flat_map(bytes).collect()
}

/// A text in all encodings but UTF-8.
fn wide(text: &str) -> Vec<Vec<u8>> {
    [true, false].into_iter().flat_map(|little| [utf16(text, little), utf32(text, little)]).collect()
}

/// The rows, however few bytes come at a time.
#[track_caller]
fn rows(columns: &str, bytes: &[u8]) -> String {
    let whole = read(columns, bytes).map_err(|e| format!("{e}: {:?}", String::from_utf8_lossy(bytes)));
    let whole = lines(&schema(columns), &whole.unwrap());
    for step in [1, 7] {
        let reader =
            CsvReader::new(schema(columns), Trickle(bytes, step), 7).block_size(5, 1 << 20).parallel(2);
        let batches: Vec<_> = reader.map(Result::unwrap).collect();
        assert_eq!(lines(&schema(columns), &batches), whole);
    }
    whole
}

#[test]
fn other_encodings_are_read_with_a_mark_and_without() {
    for text in [
        "name,value\na,1\nb,2",
        "a,1\r\nb,2\r\n",
        "имя,Ь\nвода,42\n",
        "名前,値\n水,一\n木,二〇二〇年\n",
        "שם,\"a\nb\"\n",
        "x,😀\n😀😀,\u{100}\u{2c00}\n",
        "x,\u{10ffff}\n",
    ] {
        let utf8 = rows(TEXTS, text.as_bytes());
        for mark in ["", "\u{feff}"] {
            for bytes in wide(&format!("{mark}{text}")) {
                assert_eq!(rows(TEXTS, &bytes), utf8, "{text:?} {mark:?} {:x?}", &bytes[..8]);
            }
        }
    }
    for bytes in wide("t,v\n2020-01-01,1\n") {
        assert_eq!(rows(TWO, &bytes), "2020-01-01T00:00:00,1.0\n");
    }
    for bytes in wide("hello\n") {
        assert_eq!(rows("s str*", &bytes), "hello\n");
    }
}

#[test]
fn a_long_text_of_another_encoding_is_read_to_its_end() {
    let text: String = (0..30_000).map(|i| format!("{i},😀{i}\n")).collect();
    for bytes in wide(&text) {
        assert_eq!(lines(&schema("k int*, s str"), &read("k int*, s str", &bytes).unwrap()), text);
    }
}

#[test]
fn what_is_no_text_of_its_encoding_is_refused_by_name() {
    for (bytes, name, what) in [
        (&[0xff, 0xfe, b'a', 0, 0, 0xd8][..], "UTF-16LE", "half of a character (0xd800)"),
        (&[0xff, 0xfe, b'a', 0, 0, 0xd8, b'b', 0], "UTF-16LE", "half of a character (0xd800)"),
        (&[0xfe, 0xff, 0, b'a', 0], "UTF-16BE", "an end within a character"),
        (&[0xff, 0xfe, 0, 0, 0, 0, 0x11, 0], "UTF-32LE", "no character (0x110000)"),
        (&[0, 0, 0xfe, 0xff, 0, 0, 0], "UTF-32BE", "an end within a character"),
    ] {
        let message = failure("s str*", bytes);
        assert!(message.contains(name) && message.contains(what) && message.contains("iconv"), "{message}");
    }
}

#[test]
fn what_may_be_two_encodings_is_refused() {
    // In UTF-16BE three letters and three line ends.
    let message = failure("s str*", b"ab\0\ncd\0\nef\0\n");
    assert!(message.contains("UTF-16BE") && message.contains("begin with the header"), "{message}");
    assert_eq!(rows("s str*", b"s\nab\0\ncd\0\nef\0\n"), "ab\0\ncd\0\nef\0\n");
}

#[test]
fn texts_of_utf_8_keep_their_nuls() {
    let headed = "name,value\nab,\0\ncd,\0\n";
    for text in ["5,x\0y\n", "ab,\0\n", "ab\0,\0\0\n", "\0,\0\n\0a,\0\n", "ab,a\0b\0\n", headed] {
        let expected = text.strip_prefix("name,value\n").unwrap_or(text);
        assert_eq!(rows(TEXTS, text.as_bytes()), expected, "{text:?}");
    }
    // What we write ourselves begins with its header.
    assert_eq!(rows("ab str*", b"ab\n\0\n\0\n\0\n"), "\0\n\0\n\0\n");
    assert_eq!(rows("s str*", b"s\n\0\n\0\n\0\n"), "\0\n\0\n\0\n");
}

#[test]
fn lines_may_end_in_cr_alone() {
    let expected = "2020-01-01T00:00:00,1.0\n2020-01-02T00:00:00,2.0\n";
    for text in [
        "t,v\r2020-01-01,1\r2020-01-02,2\r",
        "t,v\r2020-01-01,1\r2020-01-02,2",
        "t,v\r\r\n2020-01-01,1\r\r\n2020-01-02,2\r\r\n",
        "t,v\r2020-01-01,1\n2020-01-02,2\r\n",
    ] {
        assert_eq!(rows(TWO, text.as_bytes()), expected, "{text:?}");
        for bytes in wide(text) {
            assert_eq!(rows(TWO, &bytes), expected, "{text:?}");
        }
    }
    assert_eq!(rows(TEXTS, b"a,\"x\ry\"\rb,\"\r\n\"\r"), "a,\"x\ry\"\nb,\"\r\n\"\n");
    assert_eq!(rows("s str*", b"a\rb\rc"), "a\nb\nc\n");
    assert_eq!(failure(TWO, "t,v\r2020-01-01,1\rx,2\r").split(':').next(), Some("line 3, column t"));
}

#[test]
fn a_cr_inside_an_unquoted_field_is_refused() {
    for (columns, text, line) in [
        (TEXTS, "a,b\nc,d\re\nf,\"\r\"\n", "line 2: "),
        (TEXTS, "name,value\na,\"\r\"\nb,c\r\r\n", "line 3: "),
        (TEXTS, "a,b\nc,d\re,f\n", "line 2: "),
        (TWO, "t,v\n2020-01-01,1\r2\n", "line 2, column v: "),
        (TWO, "t,v\n2020-01-01,1\r\r\n", "line 2, column v: "),
    ] {
        let message = failure(columns, text);
        assert!(message.starts_with(&format!("{line}a carriage return stands")), "{text:?}: {message}");
    }
}

#[test]
fn a_short_text_is_decoded_without_its_mark() {
    for bytes in wide("\u{feff}k int*\rv int") {
        assert_eq!(decoded(&bytes).unwrap(), "k int*\nv int");
    }
    assert_eq!(decoded(b"\xef\xbb\xbfk int*\n").unwrap(), "k int*\n");
    assert!(decoded(b"caf\xe9").is_err());
}
