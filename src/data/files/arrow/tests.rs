//! Files and streams that say what cannot be, and batches larger than frames.

use super::*;
use arrow_array::builder::StringViewBuilder;
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int16Array, Int64Array, LargeStringArray, NullArray,
};
use arrow_ipc::writer::StreamWriter;

fn schema() -> Schema {
    Schema::parse_text("k int*, v float").unwrap()
}

fn batch(rows: i64) -> RecordBatch {
    let k: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    let v: ArrayRef = Arc::new(Float64Array::from_iter_values((0..rows).map(|_| 1.0)));
    RecordBatch::try_from_iter([("k", k), ("v", v)]).unwrap()
}

fn file(batch: &RecordBatch, compression: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut writer = FileWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn stream(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

/// The same bytes with every number `from` made `to`.
fn with(bytes: &[u8], from: i64, to: i64) -> Vec<u8> {
    let mut made = bytes.to_vec();
    let places: Vec<usize> =
        (0..made.len() - 8).filter(|&at| made[at..at + 8] == from.to_le_bytes()).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|&at| made[at..at + 8].copy_from_slice(&to.to_le_bytes()));
    made
}

#[track_caller]
fn refused(bytes: &[u8], part: &str) {
    let message = drain(bytes, &schema()).unwrap_err().to_string();
    assert!(message.starts_with("not a readable Arrow file: ") && message.contains(part), "{message}");
}

#[test]
fn values_that_do_not_lie_in_their_batch_are_refused() {
    // Lengths of both columns' values.
    for to in [-1, 1_234_568, i64::MAX] {
        refused(&with(&file(&batch(1234), None), 1234 * 8, to), "values of a batch do not lie in it");
        refused(&with(&stream(&batch(1234)), 1234 * 8, to), "values of a batch do not lie in it");
    }
    refused(&with(&file(&batch(1234), None), 1234, -5), "fewer rows than none");
}

#[test]
fn values_that_claim_more_than_they_can_be_are_refused() {
    for compression in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        let whole = file(&batch(1234), Some(compression));
        assert_eq!(drain(&whole, &schema()).unwrap(), 1234);
        refused(&with(&whole, 1234 * 8, 1 << 40), "would unpack to");
        refused(&with(&whole, 1234 * 8, i64::MAX), "would unpack to");
        refused(&with(&whole, 1234 * 8, -2), "have no length");
    }
}

#[test]
fn what_is_cut_is_refused() {
    let (file, stream) = (file(&batch(100), None), stream(&batch(100)));
    for len in (0..file.len()).step_by(7) {
        assert!(drain(&file[..len], &schema()).is_err(), "{len}");
    }
    assert_eq!(drain(&stream[..stream.len() - 8], &schema()).unwrap(), 100, "without a mark of the end");
    for len in [stream.len() - 9, stream.len() - 100, 300, 5, 3] {
        refused(&stream[..len], "it ends within");
    }
    refused(&[], "it is empty");
    let mut long = file;
    let at = long.len() - 10;
    long[at..at + 4].copy_from_slice(&i32::MAX.to_le_bytes());
    refused(&long, "its footer would have 2147483647 bytes");
}

#[test]
fn rows_without_values_take_no_memory() {
    let nulls: ArrayRef = Arc::new(NullArray::new(1 << 50));
    let batch = RecordBatch::try_from_iter([("k", Arc::clone(&nulls)), ("v", nulls)]).unwrap();
    let message = drain(&file(&batch, None), &schema()).unwrap_err().to_string();
    assert!(message.starts_with("row 1, column k: \"\" is not a value"), "{message}");
}

#[test]
fn a_large_batch_becomes_frames_and_rows_are_counted_from_its_start() {
    let rows = crate::data::files::ROWS as i64 + 10;
    let frames = of_bytes(&stream(&batch(rows)), &schema()).unwrap();
    let frames: Vec<usize> = frames.map(|frame| frame.unwrap().num_rows()).collect();
    assert_eq!(frames, [crate::data::files::ROWS, 10]);
    let (k, v) = (Int64Array::from_iter_values(0..rows), (0..rows).map(|i| (i + 3 < rows).then_some(1)));
    let columns: [(&str, ArrayRef); 2] = [("v", Arc::new(k)), ("k", Arc::new(v.collect::<Int64Array>()))];
    let message = drain(&stream(&RecordBatch::try_from_iter(columns).unwrap()), &schema());
    let message = message.unwrap_err().to_string();
    assert!(message.starts_with(&format!("row {}, column k: ", rows - 2)), "{message}");
}

/// A dictionary of one word, or one word that all views are of.
#[test]
fn few_bytes_do_not_become_more_text_than_a_frame_holds() {
    let schema = Schema::parse_text("k str*, v float").unwrap();
    let word = "x".repeat(1 << 20);
    let rows = 5_000;
    let values: ArrayRef = Arc::new(LargeStringArray::from(vec![word.as_str()]));
    let keyed = DictionaryArray::new(Int16Array::from(vec![0; rows]), values);
    let mut views = StringViewBuilder::new();
    let block = views.append_block(word.into_bytes().into());
    (0..rows).for_each(|_| views.try_append_view(block, 0, 1 << 20).unwrap());
    for texts in [Arc::new(keyed) as ArrayRef, Arc::new(views.finish())] {
        let v: ArrayRef = Arc::new(Float64Array::from(vec![1.0; rows]));
        let batch = RecordBatch::try_from_iter([("k", texts), ("v", v)]).unwrap();
        let message = drain(&file(&batch, None), &schema).unwrap_err().to_string();
        assert_eq!(message, "column k: the texts of 5000 rows are 5242880000 bytes, more than 2 GiB");
    }
}

#[test]
fn a_dictionary_without_words_is_one_of_nulls() {
    let values: ArrayRef = Arc::new(LargeStringArray::from(Vec::<&str>::new()));
    let keyed: ArrayRef = Arc::new(DictionaryArray::new(Int16Array::from(vec![None; 3]), values));
    let batch = RecordBatch::try_from_iter([("k", batch(3).column(0).clone()), ("v", keyed)]).unwrap();
    assert_eq!(drain(&file(&batch, None), &Schema::parse_text("k int*, v str").unwrap()).unwrap(), 3);
}
