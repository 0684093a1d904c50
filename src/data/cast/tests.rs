//! Values that are taken as they are, and those that are refused.

use super::*;
use arrow_array::types::{
    Date64Type, Decimal128Type, Float32Type, Int8Type, Int32Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt32Type,
};
use arrow_array::{BooleanArray, DictionaryArray, LargeStringArray, NullArray, StringArray, StringViewArray};
use proptest::prelude::*;

fn column(text: &str) -> Column {
    let text = format!("{text}, k int*");
    crate::data::schema::Schema::parse_text(&text).unwrap().columns()[0].clone()
}

fn array<T: ArrowPrimitiveType>(values: impl IntoIterator<Item = T::Native>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::from_iter_values(values))
}

/// What a column becomes, as CSV cells.
fn made(ty: &str, array: &ArrayRef) -> Result<Vec<String>, String> {
    let column = column(&format!("v {ty}"));
    let array = cast(&column, array).map_err(|e| e.to_string())?;
    assert_eq!(*array.data_type(), column.ty.arrow());
    let line = |row| {
        let mut out = Vec::new();
        crate::data::csv::render(&[(column.ty, Arc::clone(&array))], row..row + 1, &mut out);
        String::from_utf8(out).unwrap().trim_end().to_owned()
    };
    Ok((0..array.len()).map(line).collect())
}

#[track_caller]
fn refused(ty: &str, array: &ArrayRef, message: &str) {
    let found = made(ty, array).unwrap_err();
    assert!(found.starts_with(message), "{found}");
}

#[test]
fn times_of_other_units_become_those_of_the_schema() {
    let second = 1_592_827_200_i64;
    let days = [second / 86_400 * 86_400 * 1_000];
    for (ty, array, text) in [
        ("timestamp", array::<TimestampSecondType>([second]), "2020-06-22T12:00:00"),
        ("timestamp", array::<TimestampNanosecondType>([second * 1_000_000_000]), "2020-06-22T12:00:00"),
        ("timestamp[s]", array::<TimestampMicrosecondType>([-1_000_000]), "1969-12-31T23:59:59"),
        ("timestamp[ns]", array::<TimestampMillisecondType>([-1]), "1969-12-31T23:59:59.999"),
        ("timestamp", array::<Date32Type>([-1]), "1969-12-31T00:00:00"),
        ("timestamp[us]", array::<Date64Type>(days), "2020-06-22T00:00:00"),
        ("date", array::<Date64Type>(days), "2020-06-22"),
        ("date", array::<TimestampMillisecondType>(days), "2020-06-22"),
        ("date", array::<TimestampSecondType>([-86_400]), "1969-12-31"),
    ] {
        assert_eq!(made(ty, &array), Ok(vec![text.to_owned()]), "{:?} to {ty}", array.data_type());
    }
}

#[test]
fn zoned_times_count_in_utc_whatever_the_zone() {
    let micros = PrimitiveArray::<TimestampMicrosecondType>::from_iter_values([1_592_827_200_000_000]);
    for zone in ["UTC", "+02:00", "Europe/Brussels", "America/Argentina/Buenos_Aires", "no zone at all"] {
        let array: ArrayRef = Arc::new(micros.clone().with_timezone(zone));
        assert_eq!(made("timestamp", &array).unwrap(), ["2020-06-22T12:00:00"], "{zone}");
    }
}

#[test]
fn times_that_a_unit_cannot_hold_are_refused_with_row_column_and_value() {
    refused(
        "timestamp",
        &array::<TimestampMicrosecondType>([0, 1_001]),
        "row 2, column v: \"1970-01-01T00:00:00.001001\" is not a timestamp in whole milliseconds",
    );
    refused(
        "timestamp[ns]",
        &array::<TimestampSecondType>([i64::MAX / 1_000_000_000 + 1]),
        "row 1, column v: \"2262-04-11T23:47:17\" is not a timestamp in nanoseconds from 1677-09-21",
    );
    refused(
        "date",
        &array::<TimestampMillisecondType>([0, 3_600_000]),
        "row 2, column v: \"1970-01-01T01:00:00\" is not a date such as",
    );
    refused("date", &array::<Date64Type>([1]), "row 1, column v: \"1970-01-01T00:00:00.001\" is not a date");
    refused("date", &array::<TimestampSecondType>([i64::MIN / 86_400 * 86_400]), "row 1, column v: ");
}

#[test]
fn ints_of_all_widths_are_taken_where_they_fit() {
    assert_eq!(made("int", &array::<Int8Type>([-128])).unwrap(), ["-128"]);
    assert_eq!(made("int", &array::<UInt32Type>([u32::MAX])).unwrap(), ["4294967295"]);
    assert_eq!(made("int", &array::<UInt64Type>([1 << 62])).unwrap(), ["4611686018427387904"]);
    refused(
        "int",
        &array::<UInt64Type>([7, 1 << 63]),
        "row 2, column v: \"9223372036854775808\" is not a 64-bit int",
    );
}

#[test]
fn whole_floats_become_ints_and_nan_null() {
    let floats = array::<Float64Type>([1.0, f64::NAN, -9_007_199_254_740_991.0]);
    assert_eq!(made("int", &floats).unwrap(), ["1", "", "-9007199254740991"]);
    assert_eq!(made("int", &array::<Float32Type>([3.0])).unwrap(), ["3"]);
    refused("int", &array::<Float64Type>([1.0, 1.5]), "row 2, column v: \"1.5\" is not a whole number");
    refused(
        "int",
        &array::<Float64Type>([9_007_199_254_740_992.0]),
        "row 1, column v: \"9007199254740992.0\" is not a whole number",
    );
    refused("int", &array::<Float64Type>([f64::INFINITY]), "row 1, column v: \"inf\" is not a whole");
    let refused = cast(&column("v int*"), &array::<Float64Type>([1.0, 0.5])).unwrap_err().to_string();
    assert!(refused.starts_with("row 2, column v: \"0.5\" is not a whole number"), "{refused}");
    let index = cast(&column("v int*"), &array::<Float64Type>([-7.0])).unwrap();
    assert_eq!(index.as_primitive::<Int64Type>().values(), &[-7]);
}

#[test]
fn ints_become_floats_only_where_nothing_is_rounded() {
    assert_eq!(made("float", &array::<Int64Type>([3, i64::MIN])).unwrap(), ["3.0", "-9.223372036854776e+18"]);
    assert_eq!(made("float", &array::<Int32Type>([i32::MAX])).unwrap(), ["2147483647.0"]);
    let rounded = (1_i64 << 53) + 1;
    refused(
        "float",
        &array::<Int64Type>([0, rounded]),
        "row 2, column v: \"9007199254740993\" is not an int",
    );
    refused("float", &array::<Int64Type>([i64::MAX]), "row 1, column v: \"9223372036854775807\"");
    refused("float", &array::<UInt64Type>([u64::MAX]), "row 1, column v: \"18446744073709551615\"");
}

#[test]
fn decimals_are_taken_to_the_last_digit() {
    let decimals = |values: &[i128], precision, scale| -> ArrayRef {
        let array = PrimitiveArray::<Decimal128Type>::from_iter_values(values.iter().copied());
        Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
    };
    assert_eq!(made("float", &decimals(&[251, -5, 0], 4, 1)).unwrap(), ["25.1", "-0.5", "0.0"]);
    assert_eq!(made("float", &decimals(&[251 * 10_i128.pow(19)], 38, 20)).unwrap(), ["25.1"]);
    assert_eq!(made("int", &decimals(&[4200, -100], 10, 2)).unwrap(), ["42", "-1"]);
    refused("int", &decimals(&[4250], 10, 2), "row 1, column v: \"42.50\" is not a 64-bit int");
    let fine = decimals(&[1_234_567_890_123_456_789], 19, 19);
    refused("float", &fine, "row 1, column v: \"0.1234567890123456789\" is not a decimal that a float holds");
    refused("str", &fine, "column v: the input has decimal128(19, 19), the schema str");
}

#[test]
fn texts_and_dictionaries_of_any_form_become_plain() {
    let words = ["a", "", "a"];
    let forms: [ArrayRef; 3] = [
        Arc::new(LargeStringArray::from(words.to_vec())),
        Arc::new(StringViewArray::from(words.to_vec())),
        Arc::new(words.into_iter().collect::<DictionaryArray<Int8Type>>()),
    ];
    for form in forms {
        assert_eq!(made("str", &form).unwrap(), ["a", "\"\"", "a"], "{:?}", form.data_type());
    }
    let keys = PrimitiveArray::<Int32Type>::from(vec![Some(1), None, Some(0)]);
    let days = array::<TimestampNanosecondType>([0, 86_400_000_000_000]);
    let dictionary: ArrayRef = Arc::new(DictionaryArray::new(keys, days));
    assert_eq!(made("date", &dictionary).unwrap(), ["1970-01-02", "", "1970-01-01"]);
}

#[test]
fn nulls_without_a_type_are_nulls_of_any() {
    for ty in ["timestamp", "date", "int", "float", "str", "bool"] {
        let nulls: ArrayRef = Arc::new(NullArray::new(2));
        assert_eq!(made(ty, &nulls).unwrap(), ["", ""], "{ty}");
    }
}

#[test]
fn other_types_are_refused_with_found_and_expected() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["7"]));
    let flag: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
    refused("int", &text, "column v: the input has utf8, the schema int");
    refused("timestamp", &text, "column v: the input has utf8, the schema timestamp");
    refused("float", &flag, "column v: the input has boolean, the schema float");
    refused("bool", &array::<Int64Type>([1]), "column v: the input has int64, the schema bool");
    refused(
        "timestamp[us]",
        &array::<Int64Type>([1]),
        "column v: the input has int64, the schema timestamp[us]",
    );
    refused(
        "date",
        &array::<Float64Type>([1.0]),
        "column v: the input has float64, the schema date: numbers are not",
    );
    refused("str", &array::<Int64Type>([1]), "column v: the input has int64, the schema str");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn times_are_taken_exactly_where_the_instant_is_a_tick_of_the_column(
        value in prop_oneof![any::<i64>(), -10_i64..10, (-1_000_000_i64..1_000_000).prop_map(|v| v * 86_400_000)],
        from in 0..4_usize,
        to in 0..4_usize,
    ) {
        let units = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
        let nanos = |unit: TimeUnit| i128::from(SECOND / time::per_second(unit));
        let instant = i128::from(value) * nanos(units[from]);
        let wanted = Some(instant / nanos(units[to])).filter(|v| v * nanos(units[to]) == instant);
        let wanted = wanted.and_then(|v| i64::try_from(v).ok());
        let ty = DataType::Timestamp(units[from], None);
        let data = array::<Int64Type>([value]).to_data().into_builder().data_type(ty).build().unwrap();
        let column = Column { name: "t".to_owned(), ty: Type::Timestamp(units[to]), index: false };
        let made = cast(&column, &arrow_array::make_array(data)).ok().map(|array| as_long(&array).value(0));
        prop_assert_eq!(made, wanted);
    }

    #[test]
    fn ints_and_floats_are_taken_exactly_where_they_come_back(int in any::<i64>(), shift in 0..64_u32) {
        let int = int >> shift;
        let float = made("float", &array::<Int64Type>([int]));
        prop_assert_eq!(float.is_ok(), (int as f64) as i128 == i128::from(int));
        if int.unsigned_abs() < 1 << 53 {
            prop_assert_eq!(made("int", &array::<Float64Type>([int as f64])), Ok(vec![int.to_string()]));
        } else {
            prop_assert!(made("int", &array::<Float64Type>([int as f64])).is_err());
        }
    }
}
