//! The columns of a frame by name, however many there are.

use arrow_array::{ArrayRef, RecordBatch};
use std::collections::HashMap;

/// Below so many columns looking at each is faster than a table of them.
const MANY: usize = 32;

/// Finds the columns of a frame. Arrow looks at each: that is quadratic for who asks for all of them.
#[derive(Debug)]
pub struct Named<'a> {
    frame: &'a RecordBatch,
    /// Empty where there are few.
    table: HashMap<&'a str, usize>,
}

impl<'a> Named<'a> {
    /// Those of a frame.
    #[must_use]
    pub fn of(frame: &'a RecordBatch) -> Named<'a> {
        let fields = frame.schema_ref().fields();
        let mut table = HashMap::new();
        if fields.len() >= MANY {
            // Of two of one name the first, as Arrow finds it.
            table.extend(fields.iter().enumerate().rev().map(|(i, field)| (field.name().as_str(), i)));
        }
        Named { frame, table }
    }

    /// The column of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a ArrayRef> {
        match self.table.is_empty() {
            true => self.frame.column_by_name(name),
            false => self.table.get(name).map(|&i| self.frame.column(i)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Int64Array;
    use std::sync::Arc;

    #[test]
    fn columns_are_found_however_many_there_are() {
        for count in [1, MANY - 1, MANY, 100] {
            let array = |i: usize| -> ArrayRef { Arc::new(Int64Array::from(vec![i as i64])) };
            let names: Vec<String> = (0..count).map(|i| format!("c{}", i % 99)).collect();
            let columns = names.iter().enumerate().map(|(i, name)| (name.as_str(), array(i)));
            let frame = RecordBatch::try_from_iter(columns).unwrap();
            let named = Named::of(&frame);
            for name in names.iter().map(String::as_str).chain(["d", ""]) {
                assert_eq!(named.get(name), frame.column_by_name(name), "{name} of {count}");
            }
        }
    }
}
