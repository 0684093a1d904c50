use super::*;
use arrow_array::{
    BooleanArray, Date32Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
};
use arrow_select::concat::concat_batches;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const ALL: &str = "k int*, s timestamp[s], m timestamp, u timestamp[us], n timestamp[ns], d date, i int, f float, t str, b bool";

type Ticks = Option<i64>;
type Row = ((Ticks, Ticks, Ticks, Ticks), Option<i32>, Ticks, Option<f64>, Option<String>, Option<bool>);

fn float() -> impl Strategy<Value = f64> {
    let two_decimals = (-10_000_000_i64..10_000_000).prop_map(|n| n as f64 / 100.0);
    let bits = any::<u64>().prop_map(f64::from_bits).prop_map(|f| if f.is_nan() { f64::NAN } else { f });
    let special =
        prop::sample::select(vec![0.0, -0.0, 1e-5, 9.9e-6, 1e15, 1e16, 1e13 + 0.01, f64::INFINITY, 1e300]);
    prop_oneof![two_decimals, bits, special, -1e6..1e6_f64]
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "",
        "a",
        ",",
        "\"",
        "\n",
        "\r",
        "\r\n",
        " ",
        "\u{feff}",
        "é",
        "日本",
        "\0",
        "null",
        "long enough to be searched at once",
    ]);
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn ticks(day: i64) -> impl Strategy<Value = Ticks> {
    let near = (-40_000_i64..40_000, 0..86_400_i64).prop_map(move |(d, s)| d * day + s * (day / 86_400));
    let fine = -10 * day..10 * day;
    option::weighted(0.9, prop_oneof![near, fine, any::<i64>(), Just(i64::MIN), Just(i64::MAX)])
}

fn row() -> impl Strategy<Value = Row> {
    // Seconds are kept as milliseconds: those that do not fit are no input.
    let most = crate::data::value::time::MOST_SECONDS;
    let seconds = ticks(86_400).prop_map(move |tick| tick.map(|tick| tick.clamp(-most, most)));
    let times = (seconds, ticks(86_400_000), ticks(86_400_000_000), ticks(86_400_000_000_000));
    let date = option::of(prop_oneof![any::<i32>(), -800_000..3_000_000_i32]);
    let int = option::of(prop_oneof![any::<i64>(), -200..200_i64, Just(i64::MIN)]);
    (times, date, int, option::of(float()), option::of(text()), option::of(any::<bool>()))
}

fn batch(rows: &[Row]) -> RecordBatch {
    let keys: Int64Array = (0..rows.len() as i64).map(Some).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(keys),
        Arc::new(rows.iter().map(|r| r.0.0).collect::<TimestampSecondArray>()),
        Arc::new(rows.iter().map(|r| r.0.1).collect::<TimestampMillisecondArray>()),
        Arc::new(rows.iter().map(|r| r.0.2).collect::<TimestampMicrosecondArray>()),
        Arc::new(rows.iter().map(|r| r.0.3).collect::<TimestampNanosecondArray>()),
        Arc::new(rows.iter().map(|r| r.1).collect::<Date32Array>()),
        Arc::new(rows.iter().map(|r| r.2).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|r| r.3).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|r| r.4.as_deref()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|r| r.5).collect::<BooleanArray>()),
    ];
    RecordBatch::try_new(schema(ALL).arrow().clone(), columns).unwrap()
}

fn columns(batch: &RecordBatch) -> Vec<(Type, ArrayRef)> {
    schema(ALL).columns().iter().zip(batch.columns()).map(|(c, a)| (c.ty, a.clone())).collect()
}

fn lengths(columns: &[(Type, ArrayRef)], rows: usize) -> u64 {
    columns.iter().map(|(ty, array)| column_len(*ty, array) + rows as u64).sum()
}

/// Bits, because NaN is unequal to itself.
fn bits(batch: &RecordBatch) -> Vec<Option<u64>> {
    batch.column(7).as_primitive::<Float64Type>().iter().map(|f| f.map(f64::to_bits)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_rendered_reads_back(
        rows in vec(row(), 1..20), headed: bool, block in 1_usize..400, step in 1_usize..50, flight in 1_usize..4,
    ) {
        let batch = batch(&rows);
        let mut text = if headed { header(schema(ALL).columns().iter().map(|c| c.name.as_str())) } else { Vec::new() };
        render(&columns(&batch), 0..rows.len(), &mut text);
        let reader = CsvReader::new(schema(ALL), Trickle(&text, step), 7).block_size(block, 1 << 20).parallel(flight);
        let read: Vec<RecordBatch> = reader.map(|batch| batch.unwrap()).collect();
        let read = concat_batches(schema(ALL).arrow(), &read).unwrap();
        prop_assert_eq!(bits(&read), bits(&batch));
        for (found, expected) in read.columns().iter().zip(batch.columns()).take(7) {
            prop_assert_eq!(found, expected);
        }
        prop_assert_eq!(read.column(8), batch.column(8));
        prop_assert_eq!(read.column(9), batch.column(9));
    }

    #[test]
    fn columns_are_as_long_as_they_render(rows in vec(row(), 0..40), skip in 0_usize..5) {
        let skip = skip.min(rows.len());
        let batch = batch(&rows).slice(skip, rows.len() - skip);
        let columns = columns(&batch);
        let mut text = Vec::new();
        render(&columns, 0..batch.num_rows(), &mut text);
        prop_assert_eq!(lengths(&columns, batch.num_rows()), text.len() as u64);
    }

    #[test]
    fn regular_timestamps_are_as_long_as_they_render(start: i64, step in -10_000_i64..10_000, second: bool, rows in 0_i64..50) {
        let (start, step) = if second { (start / 1000 * 1000, step * 1000) } else { (start, step) };
        let values = (0..rows).map(|i| start.wrapping_add(i.wrapping_mul(step)));
        let array: ArrayRef = Arc::new(TimestampMillisecondArray::from_iter_values(values));
        let columns = [(Type::parse("timestamp").unwrap(), array)];
        let mut text = Vec::new();
        render(&columns, 0..columns[0].1.len(), &mut text);
        prop_assert_eq!(lengths(&columns, columns[0].1.len()), text.len() as u64);
    }

    #[test]
    fn any_bytes_are_read_or_refused(text in vec(prop::sample::select(b"1,\"\n\r a.-\xc3\xa9T:".to_vec()), 0..60), block in 1_usize..20, flight in 1_usize..4) {
        let whole: Result<Vec<_>, _> = reader("k int*, s str", &text).collect();
        let cut: Result<Vec<_>, _> = CsvReader::new(schema("k int*, s str"), Trickle(&text, 3), 2).block_size(block, 1 << 20).parallel(flight).collect();
        match (whole, cut) {
            (Ok(whole), Ok(cut)) => {
                let arrow = schema("k int*, s str").arrow().clone();
                prop_assert_eq!(concat_batches(&arrow, &whole).unwrap(), concat_batches(&arrow, &cut).unwrap());
            }
            // Of broken UTF-8 and another error, the one in the first block comes first.
            (Err(whole), Err(cut)) if text.is_ascii() => prop_assert_eq!(whole.to_string(), cut.to_string()),
            (Err(_), Err(_)) => {}
            (whole, cut) => prop_assert!(false, "{:?} {:?}", whole, cut),
        }
    }
}
