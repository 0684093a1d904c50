//! JSON lines: one object a row.
//!
//! Times and days are strings as in CSV, null is null; NaN and the infinities, which JSON numbers cannot
//! tell, are the strings "NaN", "inf" and "-inf".

use super::cell::Cells;
use crate::data::schema::{Column, Type};
use arrow_array::ArrayRef;
use std::ops::Range;

/// Appends the lines of `rows` to `out`. Each array must be of its column's Arrow type.
pub fn render(columns: &[(Column, ArrayRef)], rows: Range<usize>, out: &mut Vec<u8>) {
    let mut fields: Vec<Field> = columns.iter().enumerate().map(|(i, c)| Field::new(i, &c.0, &c.1)).collect();
    for row in rows {
        for field in &mut fields {
            field.push(out, row);
        }
        out.extend_from_slice(b"}\n");
    }
}

struct Field {
    /// What stands before the value: `{"name":` or `,"name":`.
    lead: Vec<u8>,
    values: Values,
}

/// The values of a column.
pub(super) struct Values {
    quoted: bool,
    text: bool,
    cells: Cells,
}

impl Field {
    fn new(i: usize, column: &Column, array: &ArrayRef) -> Field {
        let mut lead = vec![if i == 0 { b'{' } else { b',' }];
        push_text(&mut lead, column.name.as_bytes());
        lead.push(b':');
        Field { lead, values: Values::new(column.ty, array) }
    }

    fn push(&mut self, out: &mut Vec<u8>, row: usize) {
        out.extend_from_slice(&self.lead);
        self.values.push(out, row);
    }
}

impl Values {
    /// The array must be of the type's Arrow type.
    pub(super) fn new(ty: Type, array: &ArrayRef) -> Values {
        let quoted = matches!(ty, Type::Timestamp(_) | Type::Date);
        Values { quoted, text: ty == Type::Str, cells: Cells::new(ty, array) }
    }

    /// Appends the value of a row.
    pub(super) fn push(&mut self, out: &mut Vec<u8>, row: usize) {
        if self.cells.is_null(row) {
            return out.extend_from_slice(b"null");
        }
        if let (true, Cells::Str(array)) = (self.text, &self.cells) {
            return push_text(out, array.value(row).as_bytes());
        }
        let quoted = self.quoted || self.cells.is_odd_float(row);
        if quoted {
            out.push(b'"');
        }
        self.cells.push(out, row);
        if quoted {
            out.push(b'"');
        }
    }
}

/// Appends a JSON string.
pub(super) fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Float64Array, StringArray, TimestampMillisecondArray};
    use std::sync::Arc;

    fn column(text: &str) -> Column {
        crate::data::schema::Schema::parse([text]).unwrap().columns()[0].clone()
    }

    #[test]
    fn awkward_values_are_valid_json() {
        let times: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![0, 1, 2]));
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![Some(f64::NAN), None, Some(-1.5)]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a\"b\\\u{1}", "é\n", ""]));
        let columns =
            [(column("t timestamp*"), times), (column("v float*"), floats), (column("s str*"), texts)];
        let mut out = Vec::new();
        render(&columns, 0..3, &mut out);
        let lines: Vec<serde_json::Value> =
            String::from_utf8(out).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines[0], serde_json::json!({"t": "1970-01-01T00:00:00", "v": "NaN", "s": "a\"b\\\u{1}"}));
        assert_eq!(lines[1], serde_json::json!({"t": "1970-01-01T00:00:00.001", "v": null, "s": "é\n"}));
        assert_eq!(lines[2]["v"], serde_json::json!(-1.5));
    }
}
