use super::*;
use crate::data::input::{InputError, Problem};
use crate::data::schema::{Schema, Type};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use std::io::{Cursor, Read};
use std::sync::Arc;

mod head;
mod mutated;
mod round_trip;
mod text;

/// Gives a few bytes at a time, as pipes do.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let len = self.1.min(out.len()).min(self.0.len());
        let (now, later) = self.0.split_at(len);
        out[..len].copy_from_slice(now);
        self.0 = later;
        Ok(len)
    }
}

fn schema(columns: &str) -> Arc<Schema> {
    Arc::new(Schema::parse_text(columns).unwrap())
}

fn reader(columns: &str, text: impl AsRef<[u8]>) -> CsvReader<Cursor<Vec<u8>>> {
    CsvReader::new(schema(columns), Cursor::new(text.as_ref().to_vec()), 1000)
}

fn read(columns: &str, text: impl AsRef<[u8]>) -> Result<Vec<RecordBatch>, InputError> {
    reader(columns, text).collect()
}

fn failure(columns: &str, text: impl AsRef<[u8]>) -> String {
    read(columns, text).unwrap_err().to_string()
}

fn lines(schema: &Schema, batches: &[RecordBatch]) -> String {
    let mut out = Vec::new();
    for batch in batches {
        let columns: Vec<(Type, ArrayRef)> = batch
            .schema()
            .fields()
            .iter()
            .zip(batch.columns())
            .map(|(f, a)| (schema.columns()[schema.position(f.name()).unwrap()].ty, a.clone()))
            .collect();
        render(&columns, 0..batch.num_rows(), &mut out);
    }
    String::from_utf8(out).unwrap()
}

/// What the text reads as, rendered.
fn shown(columns: &str, text: impl AsRef<[u8]>) -> String {
    lines(&schema(columns), &read(columns, text).unwrap())
}

const TWO: &str = "t timestamp*, v float";

#[test]
fn header_may_list_columns_in_any_order() {
    assert_eq!(shown(TWO, " v ,t\n1,2020-01-01\n"), "2020-01-01T00:00:00,1.0\n");
}

#[test]
fn lines_without_header_are_positional() {
    let mut reader = reader(TWO, "2020-01-01,1\n2020-01-02,2");
    assert_eq!(reader.next().unwrap().unwrap().num_rows(), 2);
    assert!(!reader.had_header());
}

#[test]
fn header_alone_gives_no_rows() {
    let mut reader = reader(TWO, "t,v");
    assert!(reader.next().is_none());
    assert!(reader.had_header());
}

#[test]
fn empty_input_is_refused() {
    for text in ["", "\u{feff}", "\n\r\n", " \n"] {
        assert!(failure(TWO, text).starts_with("the input is empty"), "{text:?}");
    }
}

#[test]
fn wrong_headers_are_named() {
    let unknown = failure(TWO, "t,value\n2020-01-01,1\n");
    assert_eq!(unknown, "line 1, column value: unknown column; the schema has t, v");
    assert!(failure(TWO, "\ntime,value\n").starts_with("line 2, column time: unknown column"));
    assert!(failure(TWO, "t\n2020-01-01\n").starts_with("line 1, column v: column missing"));
    let unnamed = failure(TWO, ",t,v\n0,2020-01-01,1\n");
    assert!(
        unnamed.starts_with(
            "line 1, column \"\": unknown column; the schema has t, v (an index without a name?"
        ),
        "{unnamed}"
    );
    let parted = failure(TWO, "t;v\n2020-01-01;1\n");
    assert_eq!(
        parted,
        "line 1, column t;v: columns are parted by commas, these seem to be by ';'; the schema has t, v"
    );
    assert!(failure(TWO, "t,v,v\n").contains("column v: the header names this column twice"));
}

#[test]
fn value_that_is_also_a_column_name_is_data() {
    assert_eq!(shown("t date*, who str", "2020-01-01,t\n"), "2020-01-01,t\n");
}

#[test]
fn partial_header_needs_index_columns_only() {
    let three = "a int*, b int, c int*, d int";
    let mut reader = reader(three, "d,c,a\n1,2,3\n").partial(true);
    let batch = reader.next().unwrap().unwrap();
    assert_eq!(reader.columns(), [0, 2, 3]);
    assert_eq!(lines(&schema(three), &[batch]), "3,2,1\n");
    let missing = self::reader(three, "d,c\n").partial(true).next().unwrap().unwrap_err();
    assert_eq!(missing.column.as_deref(), Some("a"));
}

#[test]
fn line_ends_marks_and_blank_lines_are_accepted() {
    let text = "\u{feff}t,v\r\n\r\n2020-01-01,1\r\n\n   \n2020-01-02,\r\n2020-01-03,3";
    let expected = "2020-01-01T00:00:00,1.0\n2020-01-02T00:00:00,\n2020-01-03T00:00:00,3.0\n";
    assert_eq!(shown(TWO, text), expected);
}

#[test]
fn quoted_fields_hold_anything() {
    let text = "k,s\n1,\"a,\"\"b\"\"\r\n\nc\"\n2,\"\"\n3,\n\"4\",\" \"\n5,x\0y\n";
    assert_eq!(shown("k int*, s str", text), "1,\"a,\"\"b\"\"\r\n\nc\"\n2,\"\"\n3,\n4, \n5,x\0y\n");
    let batch = &read("k int*, s str", text).unwrap()[0];
    assert_eq!(batch.column(1).as_string::<i32>().value(0), "a,\"b\"\r\n\nc");
    assert!(batch.column(1).is_null(2) && !batch.column(1).is_null(1));
}

#[test]
fn lines_of_one_string_column_keep_their_blanks() {
    assert_eq!(shown("s str*", "  \n\n\"\"\nx\n"), "  \n\"\"\nx\n");
}

#[test]
fn stray_quotes_are_refused_with_their_line() {
    let strings = "k int*, s str";
    assert!(failure(strings, "1,a\n2,5\" pipe\n").starts_with("line 2, column s: a quote stands inside"));
    assert!(failure(strings, "1,a\n2,\"a\"b\n").starts_with("line 2, column s: text follows"));
    assert!(failure(strings, "1,\"a\nb\"\n2,\"a\n3,b\n").starts_with("line 3, column s: the quoted field"));
    assert!(failure(strings, "0,a\n1, \"a\"\n").starts_with("line 2, column s: a quote stands inside"));
}

#[test]
fn wrong_number_of_fields_is_refused_with_its_line() {
    let few = failure(TWO, "t,v\n2020-01-01,1\n2020-01-02\n");
    assert_eq!(few, "line 3: 1 field, expected 2 (t, v)");
    assert_eq!(failure(TWO, "2020-01-01,1\n1,2020-01-02,2\n"), "line 2: 3 fields, expected 2 (t, v)");
}

#[test]
fn values_that_do_not_fit_are_named() {
    let text = "t,v\n2020-01-01,1\n\n2020-01-01T00:00:00.0001,1\n";
    let expected = "line 4, column t: \"2020-01-01T00:00:00.0001\" is not a timestamp in whole milliseconds, \
                    such as 2020-06-22T12:30:00.500";
    assert_eq!(failure(TWO, text), expected);
    let error = read(TWO, format!("2020-01-01,{}\n", "x".repeat(99))).unwrap_err();
    assert!(matches!(error.problem, Problem::Value { found, .. } if found.chars().count() == 40));
}

#[test]
fn index_columns_refuse_null_and_nan() {
    let index = "f float*, v int";
    assert!(
        failure(index, "f,v\n,1\n")
            .ends_with("line 2, column f: \"\" is not a value: index columns hold no null")
    );
    assert!(failure(index, "f,v\nnan,1\n").ends_with("\"nan\" is not a number: index columns hold no NaN"));
}

#[test]
fn negative_zero_of_an_index_becomes_zero() {
    assert_eq!(shown("f float*, v float", "-0.0,-0.0\n -0,-0\n"), "0.0,-0.0\n0.0,-0.0\n");
}

#[test]
fn text_that_is_no_utf8_is_refused_with_its_line() {
    let strings = "k int*, s str";
    assert!(failure(strings, b"k,s\n1,\"a\nb\"\n\n2,\xff\n").starts_with("line 5, column s: "));
    assert!(failure(strings, b"k,s\n1,\"a\xff\"\n").starts_with("line 2, column s: "));
    assert!(failure(strings, b"k,s\n1,a\n\xff,b\n").starts_with("line 3, column k: "));
    // Two halves of one character in two fields are no text, though they are side by side.
    assert!(failure("s str*, x int", b"a\xc3,1\n\xa9,2\n").starts_with("line 1, column s: "));
}

#[test]
fn field_too_large_is_refused_with_its_line() {
    let text = format!("k,s\n1,\"\n\"\n2,\"{}\"\n", "x".repeat(500));
    let large = reader("k int*, s str", text).block_size(64, 200).find_map(Result::err).unwrap();
    assert!(large.to_string().starts_with("line 4: the field that starts here is too large"), "{large}");
}

#[test]
fn batches_have_at_most_the_rows_asked_for() {
    let text: String = (0..2500).map(|i| format!("{i},\n")).collect();
    let sizes: Vec<usize> = reader("k int*, v int", text).map(|batch| batch.unwrap().num_rows()).collect();
    assert_eq!(sizes, [1000, 1000, 500]);
}

#[test]
fn nothing_follows_an_error() {
    let mut reader = reader("k int*", "1\nx\n3\n");
    assert!(reader.next().unwrap().is_err());
    assert!(reader.next().is_none());
}

#[test]
fn blocks_read_side_by_side_keep_order_and_lines() {
    let good: String = (0..5000).map(|i| format!("{i},\"a\n{i}\"\n")).collect();
    let strings = "k int*, s str";
    let read = |text: String| reader(strings, text).parallel(4).block_size(100, 1 << 20);
    let batches: Vec<RecordBatch> = read(good.clone()).map(Result::unwrap).collect();
    assert_eq!(lines(&schema(strings), &batches), good);
    let error = read(good + "x,1\n").find_map(Result::err).unwrap();
    assert_eq!(error.line, 10_001);
}

#[test]
fn numbers_read_in_place_equal_those_read_whole() {
    let texts = [
        "0.1",
        "123456789.123456789",
        "9007199254740994",
        "0.000000000000000001",
        "1e22",
        "-5.",
        "1E-7",
        "12345678901234567168",
        "1.2345678901234567890e19",
        "3.141592653589793238462643383279",
    ];
    for text in texts {
        let batch = &read("k int*, f float", format!("-12,{text}\n")).unwrap()[0];
        assert_eq!(batch.column(1).as_primitive::<Float64Type>().value(0), text.parse::<f64>().unwrap());
        assert_eq!(batch.column(0).as_primitive::<Int64Type>().value(0), -12);
    }
}

#[test]
fn numbers_that_a_float_would_change_are_refused() {
    for text in ["9007199254740993", "-9007199254740993.0", "1e-400", "0.0,1e-400", "12345678901234567890"] {
        let message = failure("k float*, f float, g float", format!("1,{text},0\n"));
        assert!(message.starts_with("line 1"), "{message}");
        // As one that follows long numbers, and as an index value.
        let long =
            failure("f float*", format!("0.12345678901234567\n{}\n", text.rsplit(',').next().unwrap()));
        assert!(long.starts_with("line 2, column f: "), "{long}");
    }
}

#[test]
fn whole_floats_are_ints_in_and_outside_the_index() {
    let text = "1.0,7.0\n2.00,\n3,7e0\n4.,1.5e3\r\n-5.0,-0.0\r\n";
    assert_eq!(shown("k int*, n int", text), "1,7\n2,\n3,7\n4,1500\n-5,0\n");
    for text in ["1.5", "9007199254740992.0", "1.0.0", "1.01"] {
        let message = failure("k int*, n int", format!("{text},1\n"));
        assert!(message.starts_with("line 1, column k: "), "{message}");
    }
}

#[test]
fn times_may_have_a_zone_behind_a_blank() {
    let text = "2020-01-01 00:00:00 UTC,1\n2020-01-01 02:00:00.500 +0100,2\n2020-01-01T02:00:00.000 GMT,3\n";
    assert_eq!(
        shown(TWO, text),
        "2020-01-01T00:00:00,1.0\n2020-01-01T01:00:00.500,2.0\n2020-01-01T02:00:00,3.0\n"
    );
    let odd = failure(TWO, "2020-01-01 00:00:00 CET,1\n");
    assert!(odd.ends_with(": a zone is Z, UTC, GMT or an offset such as +02:00"), "{odd}");
}

#[test]
fn other_spellings_of_null_are_refused_with_the_right_one() {
    for null in ["NA", "null", "N/A", "#N/A", "NULL"] {
        assert!(failure(TWO, format!("2020-01-01,{null}\n")).ends_with(": null is an empty field"), "{null}");
    }
    assert_eq!(shown("t date*, v float", "2020-01-01,NaN\n"), "2020-01-01,NaN\n");
    assert!(failure("t timestamp[ns]*", "1482669077000000000\n").contains("since 1970"));
}

#[test]
fn header_quotes_names_that_need_it() {
    assert_eq!(header(["t", "a,b", "say \"x\""].into_iter()), b"t,\"a,b\",\"say \"\"x\"\"\"\n");
}

/// Whatever lines end in, each alone: the rows are those of the lines, or the text is refused.
#[test]
fn lines_of_several_ends_are_the_same_rows_or_refused() {
    let columns = ["k int*, v int", "k int*, s str", "s str*, t str", "s str*", "x float*, b bool"];
    let rows = [
        &["k,v", "1,2", "3,4", "5,6"],
        &["k,s", "1,a", "3,b", "5,"],
        &["s,t", "a,b", "c,d", "e,f"],
        &["s", "a", "b", "c"],
        &["x,b", "1,true", "2,false", "3,true"],
    ];
    let ends = ["\n", "\r", "\r\n"];
    let mut read_well = 0;
    for (columns, rows) in columns.into_iter().zip(rows) {
        let expected = shown(columns, rows.join("\n"));
        for ways in 0..4 * 27 {
            let end = |i: u32| ends[ways / 3_usize.pow(i) % 3];
            let last = if ways / 27 == 3 { "" } else { ends[ways / 27] };
            let text = [rows[0], end(0), rows[1], end(1), rows[2], end(2), rows[3], last].concat();
            match read(columns, &text) {
                Ok(batches) => {
                    read_well += 1;
                    assert_eq!(lines(&schema(columns), &batches), expected, "{text:?}");
                }
                Err(error) => {
                    let told = error.to_string();
                    assert!(told.contains('\r') || told.contains("CR") || told.contains("fields"), "{told}");
                }
            }
        }
    }
    assert!(read_well >= 5 * 32, "{read_well}");
}

/// It could be what it looks like, or UTF-8 with NUL in it.
#[test]
fn a_text_without_separators_is_in_doubt_where_it_may_be_two() {
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let long = |text: &str| text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect::<Vec<u8>>();
    for text in [b"x\0y\x01".to_vec(), wide("word"), long("word"), b"x\0\0\0".to_vec()] {
        let told = failure("s str*", &text);
        assert!(told.contains("no byte order mark"), "{text:?}: {told}");
    }
    // A mark or a line end tells.
    for text in [wide("\u{feff}word"), long("\u{feff}word"), long("word\n")] {
        assert_eq!(shown("s str*", &text), "word\n");
    }
    assert_eq!(shown("s str*", "s\nx\0y\x01\n"), "x\0y\x01\n");
}
