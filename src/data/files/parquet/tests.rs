//! Times as they stand in a file, an index without a name, and files that say what cannot be.

use super::*;
use crate::data::csv;
use arrow_array::{Float64Array, Int64Array, TimestampNanosecondArray};
use parquet::data_type::{DoubleType, Int64Type, Int96, Int96Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// The day of 1970-01-01, as INT96 counts them.
const EPOCH: i64 = 2_440_588;

fn schema(text: &str) -> Schema {
    Schema::parse_text(text).unwrap()
}

/// All rows of a file, as CSV without a header.
fn rows(bytes: &[u8], schema: &Schema) -> Result<String, String> {
    let mut out = Vec::new();
    for frame in of_bytes(bytes, schema).map_err(|e| e.to_string())? {
        let frame = frame.map_err(|e| e.to_string())?;
        let columns: Vec<_> =
            schema.columns().iter().zip(frame.columns()).map(|(c, a)| (c.ty, Arc::clone(a))).collect();
        csv::render(&columns, 0..frame.num_rows(), &mut out);
    }
    Ok(String::from_utf8(out).unwrap())
}

/// A file of two columns, the first of INT96: days since 1970-01-01 and nanoseconds; none where there is no value.
fn int96(name: &str, times: &[Option<(i64, u64)>], batches: usize) -> Vec<u8> {
    let message = format!("message m {{ optional int96 {name}; required double value; }}");
    let message = Arc::new(parse_message_type(&message).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), message, Arc::default()).unwrap();
    for _ in 0..batches {
        let mut group = writer.next_row_group().unwrap();
        let made: Vec<Int96> = times
            .iter()
            .flatten()
            .map(|&(day, nanos)| {
                let day = u32::from_ne_bytes(i32::try_from(day + EPOCH).unwrap().to_ne_bytes());
                Int96::from(vec![(nanos & 0xffff_ffff) as u32, (nanos >> 32) as u32, day])
            })
            .collect();
        let levels: Vec<i16> = times.iter().map(|time| i16::from(time.is_some())).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int96Type>().write_batch(&made, Some(&levels), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<DoubleType>().write_batch(&vec![1.5; times.len()], None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.into_inner().unwrap()
}

/// Of 9999-12-31T23:59:59.999999, and of 0001-01-01.
const LAST: (i64, u64) = (2_932_896, 86_399_999_999_000);
const FIRST: (i64, u64) = (-719_162, 0);

#[test]
fn int96_is_taken_as_it_stands_in_every_unit_that_holds_it() {
    let file = int96("t", &[Some(FIRST), Some(LAST)], 1);
    assert_eq!(
        rows(&file, &schema("t timestamp[us]*, value float")).unwrap(),
        "0001-01-01T00:00:00,1.5\n9999-12-31T23:59:59.999999,1.5\n"
    );
    let file = int96("t", &[Some(FIRST), Some((2_932_896, 0))], 1);
    for ty in ["timestamp", "timestamp[s]", "timestamp[us]", "date"] {
        let time = if ty == "date" { "" } else { "T00:00:00" };
        assert_eq!(
            rows(&file, &schema(&format!("t {ty}*, value float"))).unwrap(),
            format!("0001-01-01{time},1.5\n9999-12-31{time},1.5\n")
        );
    }
    let file = int96("t", &[Some((18_435, 1))], 1);
    assert_eq!(
        rows(&file, &schema("t timestamp[ns]*, value float")).unwrap(),
        "2020-06-22T00:00:00.000000001,1.5\n"
    );
}

#[test]
fn int96_that_a_unit_cannot_hold_is_refused_by_what_it_is() {
    for (ty, time, shown) in [
        ("timestamp[ns]", LAST, "9999-12-31T23:59:59.999999"),
        ("timestamp[ns]", FIRST, "0001-01-01T00:00:00"),
        ("timestamp[us]", (0, 1), "1970-01-01T00:00:00.000000001"),
        ("timestamp[us]", (-1, 86_399_999_999_999), "1969-12-31T23:59:59.999999999"),
        ("timestamp", LAST, "9999-12-31T23:59:59.999999"),
        ("timestamp[s]", (0, 500_000_000), "1970-01-01T00:00:00.5"),
        ("date", (0, 1_000), "1970-01-01T00:00:00.000001"),
        ("date", (0, 1_000_000_000), "1970-01-01T00:00:01"),
        ("timestamp[us]", (i64::from(i32::MAX) - EPOCH, 0), "+5874898-06-03T00:00:00"),
    ] {
        let file = int96("t", &[Some((0, 0)), Some(time)], 2);
        let message = rows(&file, &schema(&format!("t {ty}*, value float"))).unwrap_err();
        assert!(message.starts_with(&format!("row 2, column t: \"{shown}")), "{ty}: {message}");
    }
}

#[test]
fn rows_of_int96_are_counted_from_the_start_and_nulls_stay() {
    let file = int96("t", &[Some((0, 0)), None], 2);
    assert_eq!(rows(&file, &schema("value float*, t timestamp[ns]")).unwrap().lines().nth(3), Some("1.5,"));
    let many = int96("t", &vec![Some((0, 0)); 100_000], 2);
    let message = rows(
        &int96("t", &[vec![Some((0, 0)); 99_999], vec![Some((0, 7))]].concat(), 2),
        &schema("t timestamp*, value float"),
    );
    assert!(message.unwrap_err().starts_with("row 100000, column t: \"1970-01-01T00:00:00.000000007\""));
    assert_eq!(rows(&many, &schema("t timestamp[ns]*, value float")).unwrap().lines().count(), 200_000);
}

#[test]
fn int96_of_an_index_without_a_name_is_taken() {
    let file = int96("__index_level_0__", &[Some(LAST)], 1);
    assert_eq!(
        rows(&file, &schema("t timestamp[us]*, value float")).unwrap(),
        "9999-12-31T23:59:59.999999,1.5\n"
    );
}

#[test]
fn int96_for_another_type_is_refused_by_type() {
    let message = rows(&int96("t", &[Some((0, 0))], 1), &schema("t int*, value float")).unwrap_err();
    assert_eq!(message, "column t: the input has timestamp(ns), the schema int");
}

/// A file of nanoseconds whose Arrow schema says that they are seconds.
#[test]
fn times_are_read_in_the_unit_of_the_file_whatever_its_arrow_schema_says() {
    let told = |unit| {
        let time = Field::new("t", DataType::Timestamp(unit, None), false);
        arrow_schema::Schema::new(vec![time, Field::new("value", DataType::Float64, false)])
    };
    let message = "message m { required int64 t (TIMESTAMP(NANOS,false)); required double value; }";
    let message = Arc::new(parse_message_type(message).unwrap());
    let mut properties = WriterProperties::builder().build();
    parquet::arrow::add_encoded_arrow_schema_to_metadata(&told(TimeUnit::Second), &mut properties);
    let mut writer = SerializedFileWriter::new(Vec::new(), message, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[1_500_000_000], None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<DoubleType>().write_batch(&[1.5], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    let file = writer.into_inner().unwrap();
    assert_eq!(rows(&file, &schema("t timestamp*, value float")).unwrap(), "1970-01-01T00:00:01.500,1.5\n");
    let message = rows(&file, &schema("t timestamp[s]*, value float")).unwrap_err();
    assert!(message.starts_with("row 1, column t: \"1970-01-01T00:00:01.500"), "{message}");
}

/// A file of these columns, as pandas writes it.
fn pandas(columns: Vec<(&str, ArrayRef)>, noted: &str) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let noted = std::collections::HashMap::from([("pandas".to_owned(), noted.to_owned())]);
    let schema = Arc::new(batch.schema().as_ref().clone().with_metadata(noted));
    let batch = batch.with_schema(Arc::clone(&schema)).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn value() -> (&'static str, ArrayRef) {
    ("value", Arc::new(Float64Array::from(vec![1.0, 2.0])))
}

fn times() -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from(vec![0, 86_400_000_000_000]))
}

fn numbers() -> ArrayRef {
    Arc::new(Int64Array::from(vec![3, 7]))
}

#[test]
fn an_index_without_a_name_is_the_one_index_column_that_is_missing() {
    let file = pandas(vec![value(), ("__index_level_0__", times())], "{}");
    let taken = rows(&file, &schema("t timestamp*, value float")).unwrap();
    assert_eq!(taken, "1970-01-01T00:00:00,1.0\n1970-01-02T00:00:00,2.0\n");
    let file = pandas(vec![value(), ("__index_level_0__", numbers())], "{}");
    assert_eq!(rows(&file, &schema("id int*, value float")).unwrap(), "3,1.0\n7,2.0\n");
}

#[test]
fn an_index_without_a_name_is_no_data_where_none_is_missing() {
    let file = pandas(vec![("t", times()), value(), ("__index_level_0__", numbers())], "{}");
    let taken = rows(&file, &schema("t timestamp*, value float")).unwrap();
    assert_eq!(taken, "1970-01-01T00:00:00,1.0\n1970-01-02T00:00:00,2.0\n");
}

#[test]
fn an_index_that_cannot_be_told_is_refused_with_what_it_is() {
    let says = |columns, noted, text: &str, parts: &[&str]| {
        let message = rows(&pandas(columns, noted), &schema(text)).unwrap_err();
        for part in parts {
            assert!(message.contains(part), "{part:?} not in {message}");
        }
    };
    let level = |n, array| (["__index_level_0__", "__index_level_1__"][n], array);
    let unnamed =
        ["the index of the pandas frame has no name", "__index_level_0__ (", "df.index.names = [\"t\""];
    // Of another type.
    says(vec![value(), level(0, numbers())], "{}", "t timestamp*, value float", &unnamed);
    // Two of them.
    says(
        vec![value(), level(0, times()), level(1, times())],
        "{}",
        "t timestamp*, u timestamp*, value float",
        &unnamed,
    );
    // Numbers of rows rather than what is missing.
    says(
        vec![value(), ("u", times()), level(0, numbers())],
        "{}",
        "t int*, u timestamp*, value float",
        &unnamed,
    );
    let range = r#"{"index_columns": [{"kind": "range", "name": null, "start": 0, "stop": 2, "step": 1}]}"#;
    says(
        vec![value()],
        range,
        "t timestamp*, value float",
        &["column t: column missing", "range of row numbers"],
    );
}

/// Bytes of a small file of one column, and where the header of its first page is.
fn small() -> (Vec<u8>, Schema) {
    let schema = schema("t int*, value float");
    let file = pandas(vec![("t", numbers()), value()], "{}");
    (file, schema)
}

#[test]
fn a_page_that_claims_more_than_it_can_hold_is_refused() {
    let (file, schema) = small();
    assert_eq!(drain(&file, &schema).unwrap(), 2);
    // Type, then the size unpacked, as varints: 2^31 - 1 takes five bytes, so that the rest moves.
    assert_eq!(file[4..7], [0x15, 0x04, 0x15]);
    let claim = [0xfe, 0xff, 0xff, 0xff, 0x0f];
    let mut damaged = file.clone();
    damaged[7..12].copy_from_slice(&claim);
    let message = drain(&damaged, &schema).unwrap_err().to_string();
    assert!(message.starts_with("not a readable Parquet file: "), "{message}");
}

#[test]
fn a_footer_longer_than_the_file_is_refused() {
    let (mut file, schema) = small();
    let at = file.len() - 8;
    file[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let message = drain(&file, &schema).unwrap_err().to_string();
    assert!(message.contains("its footer would have 4294967295 bytes"), "{message}");
    for len in 0..12 {
        assert!(drain(&file[..len], &schema).is_err());
    }
}

/// Columns in each other, as a footer tells them.
#[test]
fn columns_nested_without_end_are_refused_before_they_are_followed() {
    let count = 300_000_u32;
    let mut footer = vec![0x15, 2, 0x19, 0xfc];
    let mut left = count;
    while left > 127 {
        footer.push((left & 127) as u8 | 128);
        left >>= 7;
    }
    footer.push(left as u8);
    for _ in 0..count {
        // A name and one child.
        footer.extend([0x48, 1, b'g', 0x15, 2, 0]);
    }
    footer.extend([0x16, 0, 0x19, 0x0c, 0]);
    let mut file = b"PAR1".to_vec();
    file.extend(&footer);
    file.extend(u32::try_from(footer.len()).unwrap().to_le_bytes());
    file.extend(b"PAR1");
    let message = drain(&file, &small().1).unwrap_err().to_string();
    assert_eq!(message, "not a readable Parquet file: its footer is damaged");
}

/// A plain footer of a column whose pages are encrypted with the key of the footer.
#[test]
fn encrypted_columns_are_named_as_such() {
    let mut footer = vec![0x15, 2, 0x19, 0x2c];
    footer.extend([0x48, 1, b'm', 0x15, 2, 0]);
    footer.extend([0x15, 4, 0x25, 0, 0x18, 1, b't', 0]);
    footer.extend([0x16, 2, 0x19, 0x1c, 0x19, 0x1c]);
    // Where it is, then how it is encrypted.
    footer.extend([0x26, 8, 0x6c, 0x1c, 0, 0, 0]);
    footer.extend([0x16, 0, 0x16, 2, 0, 0]);
    let mut file = b"PAR1".to_vec();
    file.extend(&footer);
    file.extend(u32::try_from(footer.len()).unwrap().to_le_bytes());
    file.extend(b"PAR1");
    let message = drain(&file, &schema("t int*")).unwrap_err().to_string();
    assert!(message.starts_with("not a readable Parquet file: it is encrypted"), "{message}");
    let at = file.len() - 1;
    file[at] = b'E';
    let message = drain(&file, &schema("t int*")).unwrap_err().to_string();
    assert!(message.starts_with("not a readable Parquet file: it is encrypted"), "{message}");
}
