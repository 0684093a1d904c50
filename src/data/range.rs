//! Ranges of index values as text.

use super::key;
use super::schema::Schema;
use crate::interval::{Interval, next_prefix};

/// A range of index values: one value, or from one to another, the brackets as in mathematics.
#[must_use]
pub fn show(schema: &Schema, range: &Interval) -> String {
    let lo = if range.lo.is_empty() { String::new() } else { shown(schema, &range.lo) };
    match &range.hi {
        None => format!("[{lo} .. ]"),
        hi if *hi == next_prefix(&range.lo) => lo,
        Some(hi) => match inclusive(schema, hi) {
            Some(last) => format!("[{lo} .. {last}]"),
            None => format!("[{lo} .. {})", shown(schema, hi)),
        },
    }
}

/// An index value, or the first columns of one.
fn shown(schema: &Schema, key: &[u8]) -> String {
    if key::decode(schema, key).is_some() {
        return key::show(schema, key);
    }
    // A prefix of a tuple: a schema of its columns alone decodes it.
    let index: Vec<_> = schema.index_columns().cloned().collect();
    let prefixes = (1..index.len()).filter_map(|len| Schema::new(index[..len].to_vec()).ok());
    let known = prefixes.filter(|prefix| key::decode(prefix, key).is_some());
    known.map(|prefix| key::show(&prefix, key)).next().unwrap_or_else(|| "?".to_owned())
}

/// The index value whose successor `end` is, if it is that of one.
fn inclusive(schema: &Schema, end: &[u8]) -> Option<String> {
    let mut last = end.to_vec();
    *last.last_mut()? = last.last()?.checked_sub(1)?;
    // The successor of a key lacks the 0xFF at the key's end.
    for _ in 0..=8 * schema.index().len() {
        if key::decode(schema, &last).is_some() && next_prefix(&last).as_deref() == Some(end) {
            return Some(key::show(schema, &last));
        }
        last.push(0xFF);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::value::Value;

    fn shown(columns: &[&str], first: &[Value], last: &[Value]) -> String {
        let schema = Schema::parse(columns).unwrap();
        let key = |values| key::encode(&schema, values).unwrap();
        show(&schema, &Interval::closed(&key(first), &key(last)))
    }

    #[test]
    fn ranges_of_numbers_show_their_last_value() {
        for last in [256, 255, 300, i64::MAX - 1] {
            let text = shown(&["k int*"], &[Value::Int(3)], &[Value::Int(last)]);
            assert_eq!(text, format!("[3 .. {last}]"));
        }
    }

    #[test]
    fn ranges_of_tuples_show_their_last_value() {
        let row = |who: &str, n| vec![Value::Str(who.to_owned()), Value::Int(n)];
        assert_eq!(shown(&["who str*", "n int*"], &row("a", 1), &row("b", 255)), "[a, 1 .. b, 255]");
    }

    #[test]
    fn one_value_and_open_ends_are_told() {
        let schema = Schema::parse(["k int*"]).unwrap();
        let key = key::encode(&schema, &[Value::Int(7)]).unwrap();
        assert_eq!(show(&schema, &Interval::point(&key)), "7");
        assert_eq!(show(&schema, &Interval { lo: key, hi: None }), "[7 .. ]");
        assert_eq!(show(&schema, &Interval::ALL), "[ .. ]");
    }
}
