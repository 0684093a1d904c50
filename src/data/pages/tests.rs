//! Round trips of every type, and pages that are not what they should be.

use super::*;
use arrow_array::{BooleanArray, Date32Array, Float64Array, Int64Array, StringArray, TimestampSecondArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

fn column(ty: &str, index: bool) -> Column {
    Column { name: "c".to_owned(), ty: Type::parse(ty).unwrap(), index }
}

fn arrays(rows: usize) -> Vec<(Column, ArrayRef)> {
    let n = rows as i64;
    let null = |i: i64| (i % 7 != 3).then_some(i);
    vec![
        (column("timestamp[s]", true), Arc::new(TimestampSecondArray::from_iter_values(0..n))),
        (column("int", false), Arc::new((0..n).map(null).collect::<Int64Array>())),
        (
            column("float", false),
            Arc::new((0..n).map(|i| null(i).map(|i| (i as f64).sin())).collect::<Float64Array>()),
        ),
        (
            column("float", false),
            Arc::new((0..n).map(|i| (i % 50) as f64 / 10.0).map(Some).collect::<Float64Array>()),
        ),
        (
            column("str", false),
            Arc::new((0..n).map(|i| null(i).map(|i| format!("s{}", i % 11))).collect::<StringArray>()),
        ),
        (column("str", true), Arc::new((0..n).map(|i| Some(format!("{i:09}"))).collect::<StringArray>())),
        (
            column("bool", false),
            Arc::new((0..n).map(|i| null(i).map(|i| i % 3 == 0)).collect::<BooleanArray>()),
        ),
        (column("date", false), Arc::new((0..n).map(|i| null(i).map(|i| i as i32)).collect::<Date32Array>())),
        (column("int", false), Arc::new((0..n).map(|_| None).collect::<Int64Array>())),
    ]
}

#[test]
fn every_type_and_size_round_trips() {
    for rows in [1, 5, TINY_ROWS, SMALL_ROWS - 1, 40_000] {
        for (column, array) in arrays(rows) {
            let encoded = encode(&column, &array).unwrap();
            let decoded = decode(&column, &encoded.layout, encoded.pages(), 0..rows).unwrap();
            assert_eq!(&decoded, &array, "{column} {rows}");
        }
    }
}

#[test]
fn any_range_of_rows_decodes_by_itself() {
    for (column, array) in arrays(40_000) {
        let encoded = encode(&column, &array).unwrap();
        for range in [0..1, 16_383..16_385, 39_999..40_000, 20_000..20_000, 100..39_000] {
            let decoded = decode(&column, &encoded.layout, encoded.pages(), range.clone()).unwrap();
            assert_eq!(&decoded, &array.slice(range.start, range.len()), "{column} {range:?}");
        }
    }
}

#[test]
fn objects_open_as_parquet_files() {
    for (column, array) in arrays(300) {
        let encoded = encode(&column, &array).unwrap();
        let mut reader = ParquetRecordBatchReaderBuilder::try_new(encoded.file).unwrap().build().unwrap();
        assert_eq!(reader.next().unwrap().unwrap().num_rows(), 300);
    }
}

#[test]
fn the_pages_of_a_chunk_are_found_without_decoding_it() {
    for (column, array) in arrays(40_000) {
        let encoded = encode(&column, &array).unwrap();
        let (layout, bytes) = (&encoded.layout, encoded.pages());
        let pages = data_pages(layout, &bytes).unwrap();
        let rows: Vec<_> = pages.iter().map(|page| page.rows.clone()).collect();
        assert_eq!(rows, [0..PAGE_ROWS, PAGE_ROWS..2 * PAGE_ROWS, 2 * PAGE_ROWS..40_000], "{column}");
        let ends: Vec<_> = pages.iter().map(|page| page.bytes.end).collect();
        let starts: Vec<_> = pages.iter().map(|page| page.bytes.start).collect();
        assert_eq!(starts, [layout.dictionary_len as usize, ends[0], ends[1]], "{column}");
        assert_eq!(ends[2], bytes.len(), "{column}");
        for cut in [bytes.len() - 1, ends[1] + 3, ends[1], 1] {
            assert_eq!(data_pages(layout, &bytes[..cut]), None, "{column} cut at {cut}");
        }
    }
}

#[test]
fn a_chunk_decodes_a_page_at_a_time() {
    for (column, array) in arrays(40_000) {
        let encoded = encode(&column, &array).unwrap();
        let mut stream =
            Stream::open(&column, &encoded.layout, encoded.pages(), 10..39_000, PAGE_ROWS).unwrap();
        let mut at = 10;
        while let Some(part) = stream.next().unwrap() {
            assert_eq!(part.len(), PAGE_ROWS.min(39_000 - at), "{column}");
            assert_eq!(&part, &array.slice(at, part.len()), "{column}");
            at += part.len();
        }
        assert_eq!(at, 39_000);
    }
}

#[test]
fn cut_pages_are_an_error() {
    let (column, array) = arrays(300).remove(2);
    let encoded = encode(&column, &array).unwrap();
    let cut = encoded.pages().slice(0..encoded.layout.len as usize - 5);
    assert!(decode(&column, &encoded.layout, cut, 0..300).is_err());
}

#[test]
fn seconds_are_timestamps_to_other_programs() {
    let column = column("timestamp[s]", false);
    let most = i64::MAX / 1000;
    let array: ArrayRef = Arc::new(TimestampSecondArray::from(vec![Some(-most), None, Some(1), Some(most)]));
    let file = encode(&column, &array).unwrap().file;
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let read = reader.next().unwrap().unwrap();
    let wanted = [Some(-most * 1000), None, Some(1000), Some(most * 1000)];
    let found = read.column(0).as_primitive::<TimestampMillisecondType>();
    assert_eq!(found.iter().collect::<Vec<_>>(), wanted);
}

#[test]
fn milliseconds_that_are_no_seconds_are_an_error() {
    let millis: ArrayRef = Arc::new(arrow_array::TimestampMillisecondArray::from(vec![1500]));
    let encoded = encode(&column("timestamp", true), &millis).unwrap();
    assert!(decode(&column("timestamp[s]", true), &encoded.layout, encoded.pages(), 0..1).is_err());
}

/// A chunk of `rows` equal texts of `len` bytes, of a few kilobytes.
fn repeated(len: usize, rows: usize) -> (Column, Bytes, Layout) {
    use arrow_array::types::Int32Type;
    use arrow_array::{DictionaryArray, Int32Array};
    let column = column("str", false);
    let values: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(len)]));
    let array: ArrayRef =
        Arc::new(DictionaryArray::<Int32Type>::new(Int32Array::from(vec![0; rows]), values));
    let field = Field::new(COLUMN_NAME, array.data_type().clone(), true);
    let schema = Arc::new(arrow_schema::Schema::new(vec![field]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(&array)]).unwrap();
    let options = ArrowWriterOptions::new()
        .with_properties(properties(&column, Encoding::Dictionary, true).unwrap())
        .with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema, options).unwrap();
    writer.write(&batch).unwrap();
    let file = Bytes::from(writer.into_inner().unwrap());
    let layout = layout_of(&file, &array, Encoding::Dictionary, true).unwrap();
    let pages = file.slice(PAGES_AT..PAGES_AT + layout.len as usize);
    (column, pages, layout)
}

#[test]
fn a_text_that_is_repeated_beyond_what_the_index_says_is_damage() {
    // 80 GB of text in a few kilobytes.
    let (column, pages, layout) = repeated(8 << 20, 10_000);
    assert!(pages.len() < 64 << 10, "{}", pages.len());
    let error = decode_within(&column, &layout, pages, 0..10_000, 32 << 20).unwrap_err();
    assert!(error.to_string().contains("more text than the index says"), "{error}");
}

#[test]
fn long_texts_that_are_repeated_decode_in_portions() {
    let (len, rows) = (1 << 20, 300);
    let (column, pages, layout) = repeated(len, rows);
    let text = (len * rows) as u64;
    let decoded = decode_within(&column, &layout, pages.clone(), 0..rows, text).unwrap();
    assert_eq!(
        (decoded.len(), decoded.as_string::<i32>().value_offsets()[rows]),
        (rows, (len * rows) as i32)
    );
    assert!(decode_within(&column, &layout, pages.clone(), 0..rows, text - 1).is_err());
    // Whoever asks for pages gets pages.
    let mut stream = Stream::within(&column, &layout, pages, 0..rows, 280, text).unwrap();
    let given: Vec<usize> = std::iter::from_fn(|| stream.next().unwrap()).map(|part| part.len()).collect();
    assert_eq!(given, [280, 20]);
}

#[test]
fn page_headers_that_claim_more_than_the_index_are_damage() {
    for (column, array) in arrays(3000) {
        let encoded = encode(&column, &array).unwrap();
        let layout = encoded.layout;
        let wrong = [
            Layout { raw_len: layout.raw_len - 1, ..layout },
            Layout { rows: layout.rows + 1, ..layout },
            Layout { rows: layout.rows - 1, ..layout },
            Layout { rows: MOST_ROWS + 1, ..layout },
            Layout { raw_len: 1 << 40, ..layout },
            Layout { dictionary_len: layout.dictionary_len + 1, ..layout },
        ];
        for layout in wrong {
            assert!(decode(&column, &layout, encoded.pages(), 0..1).is_err(), "{column} {layout:?}");
        }
        assert!(decode(&column, &layout, encoded.pages(), 0..3000).is_ok());
    }
}
