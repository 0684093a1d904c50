//! What the first line is: a header, a row, or in doubt.

use super::*;

const TEXTS: &str = "name str*, country str";

fn with(columns: &str, text: &str, header: Header) -> Result<String, String> {
    let mut reader = reader(columns, text).header(header);
    let batches: Result<Vec<_>, _> = reader.by_ref().collect();
    let shown = lines(&schema(columns), &batches.map_err(|e| e.to_string())?);
    Ok(if reader.had_header() { format!("header\n{shown}") } else { shown })
}

#[track_caller]
fn doubted(columns: &str, text: &str, header: Header, why: &str) {
    let message = with(columns, text, header).unwrap_err();
    assert!(message.starts_with("line 1: this line may be a header or a row: "), "{message}");
    assert!(message.contains(why), "{why:?} not in {message}");
}

#[test]
fn header_may_differ_in_case_blanks_order_and_quotes() {
    for text in [
        "name,country\nbob,AT\n",
        "Name,Country\nbob,AT\n",
        "NAME , country\t\nbob,AT\n",
        "\"Country\",\"name\"\nAT,bob\n",
        "\" name \",'Country'\nbob,AT\n",
        "\u{feff}Name,\u{a0}country\nbob,AT\n",
    ] {
        for header in [Header::Guess, Header::Needed, Header::Present] {
            assert_eq!(with(TEXTS, text, header), Ok("header\nbob,AT\n".into()), "{text:?} {header:?}");
        }
    }
    assert_eq!(
        with(TWO, "Value,T\n", Header::Guess).unwrap_err().split(':').next(),
        Some("line 1, column Value")
    );
    assert_eq!(
        with(TWO, "V,T\n1,2020-01-01\n", Header::Guess),
        Ok("header\n2020-01-01T00:00:00,1.0\n".into())
    );
    assert_eq!(with("größe str*", "GRÖSSE\nGRÖßE\n", Header::Guess), Ok("GRÖSSE\nGRÖßE\n".into()));
    assert_eq!(with("größe str*", "GRÖßE\nx\n", Header::Guess), Ok("header\nx\n".into()));
}

#[test]
fn columns_that_differ_in_case_alone_are_told_by_their_case() {
    let twins = "a str*, A str";
    assert_eq!(with(twins, "A,a\n1,2\n", Header::Guess), Ok("header\n2,1\n".into()));
    assert_eq!(with("ab str*, AB str", "Ab,AB\n1,2\n", Header::Absent), Ok("Ab,AB\n1,2\n".into()));
    doubted("ab str*, AB str", "Ab,AB\n1,2\n", Header::Guess, "\"AB\"");
}

#[test]
fn partial_header_may_be_spelled_otherwise_too() {
    let reader = reader("name str*, country str, city str", "CITY,Name\nVienna,bob\n").partial(true);
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    assert_eq!(lines(&schema("name str*, country str, city str"), &batches), "bob,Vienna\n");
}

#[test]
fn texts_some_of_which_are_column_names_are_in_doubt() {
    doubted(TEXTS, "name,Land\nbob,AT\n", Header::Guess, "\"name\" is a column, \"Land\" is none");
    doubted(TEXTS, "Full name,COUNTRY\nbob,AT\n", Header::Guess, "\"COUNTRY\"");
    doubted(TEXTS, "name,name\n", Header::Guess, "\"name\" stands there twice");
    doubted("first_name str*, zip str", "First Name,Zip code\n", Header::Guess, "\"First Name\"");
    doubted("k str*, v float", "k,\n", Header::Guess, "\"\" is none");
}

#[test]
fn a_row_that_reads_as_a_header_in_other_spelling_is_in_doubt() {
    let message = with("inf float*, s str", "INF,S\n", Header::Guess).unwrap_err();
    assert!(message.contains("its values"), "{message}");
    assert_eq!(with("inf float*, s str", "INF,S\n", Header::Absent), Ok("inf,S\n".into()));
    // A letter that could be a bool tells nothing beside a column's name.
    doubted("flag bool*, country str", "f,country\n", Header::Guess, "\"country\"");
}

#[test]
fn a_value_that_is_no_text_tells_a_row() {
    for header in [Header::Guess, Header::Needed] {
        assert_eq!(with("t date*, who str", "2020-01-01,who\n", header), Ok("2020-01-01,who\n".into()));
        assert_eq!(with("name str*, v float", "name,1\n", header), Ok("name,1.0\n".into()));
    }
}

#[test]
fn texts_without_a_column_name_are_rows_unless_a_header_is_needed() {
    assert_eq!(with(TEXTS, "bob,AT\n", Header::Guess), Ok("bob,AT\n".into()));
    doubted(TEXTS, "bob,AT\n", Header::Needed, "text alone");
    doubted("name str*, v float", "bob,\n", Header::Needed, "text alone");
}

#[test]
fn header_that_is_given_or_not_decides() {
    assert_eq!(with(TEXTS, "name,country\n", Header::Absent), Ok("name,country\n".into()));
    assert_eq!(with(TEXTS, "Name,Land\n", Header::Absent), Ok("Name,Land\n".into()));
    assert_eq!(with(TEXTS, "name,country\n", Header::Present), Ok("header\n".into()));
    let unknown = with(TEXTS, "name,Land\nbob,AT\n", Header::Present).unwrap_err();
    assert_eq!(unknown, "line 1, column Land: unknown column; the schema has name, country");
    let row = with(TWO, "2020-01-01,1\n", Header::Present).unwrap_err();
    assert!(row.starts_with("line 1, column 2020-01-01: unknown column"), "{row}");
    let header = with(TWO, "t,v\n2020-01-01,1\n", Header::Absent).unwrap_err();
    assert!(header.starts_with("line 1, column t: \"t\" is not a timestamp"), "{header}");
}

#[test]
fn message_tells_what_to_do() {
    let message = with(TEXTS, "name,Land\nbob,AT\n", Header::Needed).unwrap_err();
    assert!(message.ends_with("spell a header name,country; above a row, put that header"), "{message}");
}
